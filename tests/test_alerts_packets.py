"""Stamps put into packets, the extended schema, and packets without history, against fastavro."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from alert_tools import EXTREMES, MADE, alerts, public_package, written
from hypothesis import given
from hypothesis import strategies as st

from apdb.alerts.packets import (
    NO_STAMPS,
    decode,
    encode_stamps,
    extend,
    extension,
    extension_tail,
    full_packet,
    public_part,
    stamps_end,
    without_histories,
)
from apdb.alerts.schemas import AlertSchema, alert_schema, versions
from apdb.errors import InvalidInput

PUBLIC, EXTENDED = alert_schema("11.1"), alert_schema("11.1", extended=True)
STAMP = st.none() | st.binary(max_size=200)
MORE: dict[str, Any] = {
    "leftOut": "stamps",
    "snapDiffFlux": 12.5,
    "snapDiffFluxErr": None,
    "features": {"amplitude": 1.5, "μ": -2.0},
    "nearbyObjects": [
        {"objectId": 2**60, "catalogue": "gaia", "isGalaxy": False, "distance": 1.5, "lnP": None}
    ],
    "potentialHosts": [],
}


def with_stamps(alert: dict[str, Any], stamps: tuple[bytes | None, ...]) -> dict[str, Any]:
    names = ("cutoutDifference", "cutoutScience", "cutoutTemplate")
    return alert | dict(zip(names, stamps, strict=True))


def split_of(schema: AlertSchema, ids: list[int] | None, more: dict[str, Any]) -> bytes:
    """Return what stampsSplit must be, from the bytes that fastavro writes for the extension."""
    fields = [f for f in schema.avro["fields"] if f["name"] in ("prvDiaSourceIds", *MORE)]
    avro = {"type": "record", "name": "behind", "fields": fields}
    return len(written(avro, {"prvDiaSourceIds": ids} | more)).to_bytes(4, "little")


def extended_alert(alert: dict[str, Any], ids: list[int] | None, more: Any) -> dict[str, Any]:
    whole = dict.fromkeys(MORE) | more
    split = split_of(EXTENDED, ids, whole)
    return alert | whole | {"prvDiaSourceIds": ids, "stampsSplit": split}


@MADE
@given(alert=alerts("11.1"), stamps=st.tuples(STAMP, STAMP, STAMP))
def test_stamps_go_where_fastavro_writes_them(alert: Any, stamps: Any) -> None:
    block = encode_stamps(*stamps)
    for schema, whole in (
        (PUBLIC, alert),
        (EXTENDED, extended_alert(alert, None, {})),
        (EXTENDED, extended_alert(alert, [1, -(2**63)], MORE)),
    ):
        packet = written(schema.parsed, whole)
        full = written(schema.parsed, with_stamps(whole, stamps))
        assert full_packet(packet, block, schema) == full
        assert full_packet(memoryview(packet), None, schema) == packet
        assert full[: stamps_end(full, schema)].endswith(block)


@MADE
@given(alert=alerts("11.1"), ids=st.none() | st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_an_extension_is_what_fastavro_writes(alert: Any, ids: list[int] | None) -> None:
    packet = written(PUBLIC.parsed, alert)
    for more in ({}, MORE):
        expected = written(EXTENDED.parsed, extended_alert(alert, ids, more))
        assert packet + extension(EXTENDED, ids, more) == expected
        assert public_part(expected, EXTENDED) == packet
    assert extend(packet, EXTENDED) == written(EXTENDED.parsed, extended_alert(alert, None, {}))
    assert public_part(packet, PUBLIC) == packet


def test_the_recipe_for_sql() -> None:
    tail = extension_tail(EXTENDED, {"leftOut": "histories"})
    ids = b"\2" + b"\4" + b"\2" + b"\6" + b"\0"  # not null, count 2, ids 1 and 3, end
    made = ids + tail + (len(ids) + len(tail)).to_bytes(4, "little")
    assert made == extension(EXTENDED, [1, 3], {"leftOut": "histories"})


def test_readers_of_the_public_schema_read_the_public_part() -> None:
    source = {f.name: EXTREMES[f.type][0] for f in PUBLIC.record("diaSource")}
    alert = dict.fromkeys([f["name"] for f in PUBLIC.avro["fields"]])
    alert |= {"diaSourceId": 3, "diaSource": source}
    packet = extend(written(PUBLIC.parsed, alert), EXTENDED, MORE)
    assert public_package("11.1").deserialize(packet) == alert
    # and by resolution, as a reader does that has both schemas
    resolved = fastavro.schemaless_reader(io.BytesIO(packet), EXTENDED.parsed, PUBLIC.parsed)
    assert resolved == alert


@pytest.mark.parametrize("version", versions())
@MADE
@given(data=st.data())
def test_histories_become_their_ids(version: str, data: st.DataObject) -> None:
    public = alert_schema(version)
    wide = alert_schema(version, extended=True)
    alert = data.draw(alerts(version))
    stamps = data.draw(st.tuples(STAMP, STAMP, STAMP))
    ids = [row["diaSourceId"] for row in alert["prvDiaSources"] or ()]
    bare = with_stamps(alert, stamps) | {"prvDiaSources": None, "prvDiaSourceIds": ids}
    nothing: dict[str, Any] = dict.fromkeys(MORE)
    expected = written(wide.parsed, bare | nothing | {"stampsSplit": split_of(wide, ids, nothing)})
    full = written(public.parsed, with_stamps(alert, stamps))
    assert without_histories(full, public) == expected
    assert without_histories(expected, wide) == expected
    kept = extend(full, wide, MORE)
    expected = written(wide.parsed, bare | MORE | {"stampsSplit": split_of(wide, ids, MORE)})
    assert without_histories(kept, wide) == expected


def test_decoded() -> None:
    source = {f.name: EXTREMES[f.type][1] for f in PUBLIC.record("diaSource")}
    alert = dict.fromkeys([f["name"] for f in PUBLIC.avro["fields"]])
    alert |= {"diaSourceId": 3, "diaSource": source}
    packet = written(PUBLIC.parsed, alert)
    assert decode(packet, PUBLIC) == alert
    for broken in (packet[:40], b"", packet + b"\0", packet[:-1]):
        with pytest.raises(InvalidInput, match=r"the packet is not of schema lsst\.v11_1\.alert"):
            decode(broken, PUBLIC)


def test_what_is_no_packet() -> None:
    with pytest.raises(InvalidInput, match="3 bytes are no packet of schema"):
        full_packet(NO_STAMPS, None, PUBLIC)
    for packet in (b"", b"abc", b"x" * 40 + b"\xff\xff\xff\xff"):
        with pytest.raises(InvalidInput, match="bytes are no packet of schema lsst_extended"):
            full_packet(packet, None, EXTENDED)
    with pytest.raises(InvalidInput, match="the packet has stamps already"):
        full_packet(b"x" * 40, None, PUBLIC)


def test_extensions_that_cannot_be() -> None:
    with pytest.raises(InvalidInput, match=r"lsst\.v11_1\.alert is not extended"):
        extension(PUBLIC)
    with pytest.raises(InvalidInput, match=r"lsst_extended\.v11_1\.alert has no field colour"):
        extension_tail(EXTENDED, {"colour": 1})


def test_no_stamps_are_three_nulls() -> None:
    assert encode_stamps(None, None, None) == NO_STAMPS
    names = ("a", "b", "c")
    fields = [{"name": name, "type": ["null", "bytes"]} for name in names]
    avro = {"type": "record", "name": "stamps", "fields": fields}
    made = encode_stamps(b"", None, bytes(300))
    assert made == written(avro, {"a": b"", "b": None, "c": bytes(300)})
