"""Fragments put together against fastavro's records and packets."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np
import pytest
from alert_tools import (
    EXTREMES,
    MADE,
    RECORDS,
    alerts,
    batch_of,
    public_package,
    row_lists,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

from apdb.alerts.encoding import encode_long
from apdb.alerts.fragments import TIME, Fragments, fragments, records
from apdb.alerts.schemas import AlertSchema, alert_schema, versions
from apdb.input.records import Batch

IDS = {"diaSource": ("diaObjectId", "ssObjectId"), "diaForcedSource": ("diaObjectId",)}


def between(name: str, row: dict[str, Any]) -> bytes:
    """Return the bytes of the ids, as SQL puts them between head and tail."""
    if name == "diaForcedSource":
        return encode_long(row["diaObjectId"])
    ids = [row[each] for each in IDS[name]]
    return b"".join(b"\0" if i is None else b"\2" + encode_long(i) for i in ids)


def joined(name: str, made: Fragments, rows: list[dict[str, Any]]) -> list[bytes]:
    parts = zip(made.head.rows(), rows, made.tail.rows(), strict=True)
    return [head + between(name, row) + tail for head, row, tail in parts]


def without(batch: Batch, *names: str) -> Batch:
    """Return a batch without some columns, as it comes before the store has decided them."""
    kept = [name for name in batch.columns if name not in names]
    columns = {name: batch.columns[name] for name in kept}
    return Batch(batch.n, columns, {name: batch.nulls[name] for name in kept})


@pytest.mark.parametrize("name", list(IDS))
@pytest.mark.parametrize("version", versions())
@MADE
@given(data=st.data())
def test_head_ids_tail_are_the_record(version: str, name: str, data: st.DataObject) -> None:
    schema = alert_schema(version)
    rows = data.draw(row_lists(schema.record(name)))
    batch = without(batch_of(schema.record(name), rows), "dia_object_id", "ss_object_id")
    avro = schema.record_schema(name)
    made = fragments(schema, name, batch)
    assert joined(name, made, rows) == [written(avro, row) for row in rows]


@pytest.mark.parametrize("name", list(IDS))
@pytest.mark.parametrize("version", versions())
@MADE
@given(data=st.data())
def test_time_is_put_in_afterwards(version: str, name: str, data: st.DataObject) -> None:
    schema = alert_schema(version)
    time = data.draw(st.floats(40000.0, 80000.0))
    rows = [
        {**row, "timeProcessedMjdTai": time} for row in data.draw(row_lists(schema.record(name)))
    ]
    batch = without(batch_of(schema.record(name), rows), TIME)
    avro = schema.record_schema(name)
    made = fragments(schema, name, batch)
    assert joined(name, made.with_time(time), rows) == [written(avro, row) for row in rows]
    # and as SQL does it: overlay(tail placing … from time_at + 1)
    eight = np.array(time, "<f8").tobytes()
    for tail, at, done in zip(
        made.tail.rows(), made.time_at, made.with_time(time).tail.rows(), strict=True
    ):
        assert tail[:at] + eight + tail[at + 8 :] == done
        assert tail[at : at + 8] == bytes(8)


def test_what_the_visit_says_counts_for_all_rows() -> None:
    schema = alert_schema()
    constants = {
        "visit": 2**40,
        "detector": np.int16(40),
        "band": "g",
        "midpoint_mjd_tai": 61109.25,
        "exposure_time": np.float32(30.0),
        "time_withdrawn_mjd_tai": None,
    }
    ids = np.array([2**60, 2**60 + 1])
    columns = {"dia_source_id": ids, "ra": np.array([1.5, 2.5]), "dec": np.array([-1.5, -2.5])}
    made = fragments(schema, "diaSource", Batch(2, columns, dict.fromkeys(columns)), constants)
    avro = schema.record_schema("diaSource")
    for row, (head, tail) in enumerate(zip(made.head.rows(), made.tail.rows(), strict=True)):
        packet = io.BytesIO(head + b"\0\0" + tail)
        found: Any = fastavro.schemaless_reader(packet, avro, None)
        assert found["diaSourceId"] == ids[row]
        assert (found["visit"], found["detector"], found["band"]) == (2**40, 40, "g")
        assert (found["midpointMjdTai"], found["exposureTime"]) == (61109.25, 30.0)
        assert np.isnan(found["x"])
        assert found["psfNdata"] == 0
        assert found["psfFlux"] is None
        assert packet.read() == b""


def test_a_row_without_position_is_named() -> None:
    columns = {"dia_forced_source_id": np.array([1, 2]), "ra": np.array([1.0, 2.0])}
    batch = Batch(2, columns, {"dia_forced_source_id": None, "ra": np.array([False, True])})
    with pytest.raises(ValueError, match="row 1, column ra: has no value"):
        fragments(alert_schema(), "diaForcedSource", batch)


@pytest.mark.parametrize("name", ["diaObject", "ssSource", "mpc_orbits"])
def test_whole_records(name: str) -> None:
    schema = alert_schema()
    rows = [{f.name: EXTREMES[f.type][i % 2] for f in schema.record(name)} for i in range(3)]
    avro = schema.record_schema(name)
    found = records(schema, name, batch_of(schema.record(name), rows)).rows()
    assert found == [written(avro, row) for row in rows]


def array(parts: list[bytes] | None) -> bytes:
    """Return a nullable array of records: null, or one block and its end."""
    if parts is None:
        return b"\0"
    return b"\2" + (encode_long(len(parts)) + b"".join(parts) if parts else b"") + b"\0"


def text(value: str | None) -> bytes:
    if value is None:
        return b"\0"
    return b"\2" + encode_long(len(value.encode())) + value.encode()


def assembled(schema: AlertSchema, alert: dict[str, Any]) -> bytes:
    """Return a packet put together from fragments, in the way of `assemble_alerts`."""

    def rows_of(name: str, rows: list[dict[str, Any]]) -> list[bytes]:
        batch = batch_of(schema.record(name), rows)
        if name in IDS:
            return joined(name, fragments(schema, name, batch), rows)
        return records(schema, name, batch).rows()

    def many(name: str, field: str) -> bytes:
        rows = alert[field]
        return array(None if rows is None else rows_of(name, rows))

    def one(name: str) -> bytes:
        return b"\0" if alert[name] is None else b"\2" + rows_of(name, [alert[name]])[0]

    return b"".join(
        (
            encode_long(alert["diaSourceId"]),
            text(alert["observation_reason"]),
            text(alert["target_name"]),
            rows_of("diaSource", [alert["diaSource"]])[0],
            many("diaSource", "prvDiaSources"),
            many("diaForcedSource", "prvDiaForcedSources"),
            *(one(name) for name in RECORDS[2:]),
            bytes(3),
        )
    )


@pytest.mark.parametrize("version", versions())
@MADE
@given(data=st.data())
def test_packets_are_those_of_fastavro_and_of_the_published_package(
    version: str, data: st.DataObject
) -> None:
    schema, package = alert_schema(version), public_package(version)
    alert = data.draw(alerts(version))
    packet = assembled(schema, alert)
    assert packet == written(schema.parsed, alert)
    assert packet == package.serialize(alert)
    # NaN is unlike itself: bytes are compared
    assert package.serialize(package.deserialize(packet)) == packet


def test_older_packets_resolve_with_the_newest_reader() -> None:
    old, new = alert_schema("10.0"), alert_schema("11.1")
    source = {f.name: EXTREMES[f.type][0] for f in old.record("diaSource")}
    packet = assembled(
        old,
        dict.fromkeys([field["name"] for field in old.avro["fields"]])
        | {"diaSourceId": 5, "diaSource": source, "prvDiaSources": [source]},
    )
    found: Any = fastavro.schemaless_reader(io.BytesIO(packet), old.parsed, new.parsed)
    assert found["prvDiaSources"][0] == source | {
        "exposureTime": None,
        "trailAlgorithm": None,
        "trail_flag": None,
        "reliabilityVersion": None,
    }
