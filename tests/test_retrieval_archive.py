"""Alerts out of the archive: every query against what was put in, every format by others' readers."""

from __future__ import annotations

import base64
import io
import json
import math
import struct
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
import pyarrow.parquet
import pytest
from astropy.coordinates import SkyCoord
from lsst.alert.packet import SchemaRegistry
from retrieval_tools import CUTOUTS, Filled, Sent, decode, fill, packet, put
from store_tools import exposures

import apdb
from apdb.errors import AlertRemoved, ArchiveCorrupt, InvalidInput, NotFound
from apdb.retrieval.alerts import export


@pytest.fixture
def filled(db: apdb.Apdb, tmp_path: Path) -> Filled:
    return fill(db, tmp_path / "archive")


def order(sent: list[Sent]) -> list[int]:
    return [s.id for s in sorted(sent, key=lambda s: (s.store_seq, s.id, s.revision))]


def ids(stream: Any) -> list[int]:
    return [alert.row.dia_source_id for alert in stream]


def same(left: Any, right: Any) -> bool:
    """Equality for which NaN is equal to itself."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def source(sent: Sent) -> dict[str, Any]:
    found: dict[str, Any] = sent.packet["diaSource"]
    return found


def in_cone(ra: float, dec: float, radius: float) -> Callable[[Sent], bool]:
    centre = SkyCoord(ra, dec, unit="deg")

    def inside(sent: Sent) -> bool:
        place = SkyCoord(source(sent)["ra"], source(sent)["dec"], unit="deg")
        return bool(centre.separation(place).deg <= radius)

    return inside


def nobody(_: Sent) -> bool:
    return False


QUERIES: list[tuple[dict[str, Any], Callable[[Sent], bool]]] = [
    ({}, lambda s: True),
    ({"visit": 2}, lambda s: s.visit == 2),
    ({"visit": 2, "detector": 1}, lambda s: s.visit == 2),
    ({"visit": 2, "detector": 2}, nobody),
    ({"visit": 99}, nobody),
    ({"night": "2026-03-10"}, lambda s: str(s.night) == "2026-03-10"),
    ({"night": "1999-12-31"}, nobody),
    ({"mjd_from": 61110.0, "mjd_to": 61112.0}, lambda s: s.visit in {2, 3}),
    ({"cone": (150.0, 2.2, 0.03)}, in_cone(150.0, 2.2, 0.03)),
    ({"cone": (150.0, 2.2, 90)}, lambda s: True),
    ({"cone": (10.0, -60.0, 30)}, nobody),
    ({"cone": (150.0, 2.2, 0.05), "night": "2026-03-10"},
     lambda s: in_cone(150.0, 2.2, 0.05)(s) and str(s.night) == "2026-03-10"),
    ({"where": "psfFlux > 2200 and band <> 'g'"},
     lambda s: source(s)["psfFlux"] > 2200 and source(s)["band"] != "g"),
    ({"where": "psfFlux / psfFluxErr > 40", "visit": 3},
     lambda s: source(s)["psfFlux"] / source(s)["psfFluxErr"] > 40 and s.visit == 3),
    ({"where": "visit = 3 or visit = 1"}, lambda s: s.visit in {1, 3}),
    ({"where": "x > 0"}, nobody),
]  # fmt: skip


def test_queries_and_their_cursors(filled: Filled) -> None:
    for query, is_of in QUERIES:
        expected = order([s for s in filled.sent if is_of(s)])
        assert bool(expected) == (is_of is not nobody), query
        stream = filled.db.alerts(**query, content="bare")
        assert ids(stream) == expected, query
        # The same in pieces, each after the cursor of the one before.
        found: list[int] = []
        cursor = None
        for size in [1, 2, 3, 5, 8, 13] + [40] * 8:
            part = filled.db.alerts(**query, content="bare", after=cursor, limit=size)
            found += ids(part)
            cursor = part.cursor
        assert found == expected, query
        assert ids(filled.db.alerts(**query, after=cursor)) == [], query
        if len(expected) > 3:
            after = filled.db.alerts(**query, content="bare", after=expected[2])
            assert ids(after) == expected[3:], query


def test_by_ids(filled: Filled) -> None:
    some = [s.id for s in filled.sent[::7]]
    assert ids(filled.db.alerts([*some[::-1], some[0]])) == sorted(some)
    with pytest.raises(NotFound, match=r"no alert 7, 8 in the archive"):
        filled.db.alerts([8, some[0], 7])
    with pytest.raises(NotFound, match="no alert 7"):
        filled.db.alert(7)
    with pytest.raises(NotFound, match="of revision 3"):
        filled.db.alert(some[0], revision=3)
    with pytest.raises(NotFound, match="nothing comes after"):
        filled.db.alerts(after=7)


def test_by_object(filled: Filled, plain_connection: psycopg.Connection[Any]) -> None:
    one = filled.sent[5]
    assert ids(filled.db.alerts(dia_object_id=source(one)["diaObjectId"])) == [one.id]
    plain_connection.execute(
        "update apdb_base.alert set ss_object_id = 77 where dia_source_id = %s", [one.id]
    )
    plain_connection.commit()
    assert ids(filled.db.alerts(ss_object_id=77)) == [one.id]
    assert ids(filled.db.alerts(dia_object_id=source(one)["diaObjectId"], ss_object_id=78)) == []


def test_conditions_on_the_object_as_it_is_now(
    filled: Filled, plain_connection: psycopg.Connection[Any]
) -> None:
    # The packets' objects are made up; these are the ones that association found.
    plain_connection.execute(
        "update apdb_base.alert as a set dia_object_id = s.dia_object_id "
        "from apdb_base.dia_source as s where s.dia_source_id = a.dia_source_id"
    )
    rows = plain_connection.execute(
        "select s.dia_source_id from apdb.dia_source as s join apdb.dia_object as o "
        "using (dia_object_id) where o.n_dia_sources >= 3"
    ).fetchall()
    plain_connection.commit()
    found = ids(filled.db.alerts(where="diaObject.nDiaSources >= 3", content="bare"))
    assert sorted(found) == sorted(identifier for (identifier,) in rows)
    assert found


def test_packets_are_those_put_in(filled: Filled) -> None:
    sent = filled.by_id()
    for alert in filled.db.alerts():
        assert alert.body == sent[alert.row.dia_source_id].encoded
        assert same(alert.packet, decode(alert.body, alert.schema.parsed))
        assert alert.row.sha256 == sent[alert.row.dia_source_id].sha256
    for alert in filled.db.alerts(content="stamps", limit=3):
        expected = sent[alert.row.dia_source_id].packet
        assert alert.stamps() == {name: expected[name] for name in CUTOUTS}
    for alert in filled.db.alerts(content="no_stamps", limit=3):
        expected = {**sent[alert.row.dia_source_id].packet, **dict.fromkeys(CUTOUTS)}
        assert same(alert.packet, _normal(expected))


def _normal(packet: dict[str, Any], version: str = "11.1") -> Any:
    """What a reader makes of a packet: floats as wide as their fields."""
    from retrieval_tools import encode

    from apdb.alerts.schemas import alert_schema

    return decode(encode(packet, version), alert_schema(version).parsed)


@pytest.mark.parametrize("content", ["no_histories", "bare"])
def test_without_histories_ids_go_along(filled: Filled, content: str) -> None:
    sent = filled.by_id()
    seen = set()
    for alert in filled.db.alerts(content=content, visit=3):
        expected = sent[alert.row.dia_source_id].packet
        found = alert.packet
        history = expected["prvDiaSources"] or []
        assert found["prvDiaSourceIds"] == [row["diaSourceId"] for row in history]
        assert found["prvDiaSources"] is None
        assert same(found["prvDiaForcedSources"], _normal(expected)["prvDiaForcedSources"])
        assert (found["cutoutScience"] is None) == (content == "bare")
        assert alert.schema.extended
        seen.add(len(history))
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize("archived", ["10.0", "11.0", "11.1"])
@pytest.mark.parametrize("asked", ["10.0", "11.0", "11.1"])
def test_in_another_version(db: apdb.Apdb, tmp_path: Path, archived: str, asked: str) -> None:
    filled = fill(db, tmp_path, 1, versions=[archived])
    registry = SchemaRegistry.all_schemas_from_filesystem()
    public = registry.get_by_version(asked)
    for alert in filled.db.alerts(schema=asked, limit=5):
        sent = filled.by_id()[alert.row.dia_source_id].packet
        found = public.deserialize(alert.body)
        assert alert.schema.version == asked
        for name, value in _normal(sent, archived)["diaSource"].items():
            if name in found["diaSource"] and value is not None:
                assert same(found["diaSource"][name], value), name
        assert found["diaSource"]["diaSourceId"] == alert.row.dia_source_id
        assert found["cutoutTemplate"] == sent["cutoutTemplate"]


def written(filled: Filled, folder: Path, format_name: str, **query: Any) -> bytes:
    path = folder / f"x.{format_name}"
    codec = query.pop("codec", None)
    export(filled.db.alerts(**query), path, format_name, codec, overwrite=True)
    assert [p.name for p in folder.glob("x.*")] == [path.name]
    data = path.read_bytes()
    path.unlink()
    return data


@pytest.mark.parametrize("codec", ["null", "deflate", "zstd"])
def test_container_files(filled: Filled, tmp_path: Path, codec: str) -> None:
    data = written(filled, tmp_path, "avro", visit=2, codec=codec)
    found = list(fastavro.reader(io.BytesIO(data)))
    expected = [_normal(s.packet) for s in sorted(filled.of(2), key=lambda s: s.id)]
    assert same(found, expected)


def test_container_file_of_stamps_and_of_nothing(filled: Filled, tmp_path: Path) -> None:
    found = list(
        fastavro.reader(io.BytesIO(written(filled, tmp_path, "avro", visit=2, content="stamps")))
    )
    assert [row["diaSourceId"] for row in found] == order(filled.of(2))  # type: ignore[index, call-overload]
    assert (
        found[0]["cutoutScience"] == filled.by_id()[found[0]["diaSourceId"]].packet["cutoutScience"]
    )  # type: ignore[index, call-overload]
    assert list(fastavro.reader(io.BytesIO(written(filled, tmp_path, "avro", visit=99)))) == []


def test_a_container_file_has_one_schema(db: apdb.Apdb, tmp_path: Path) -> None:
    filled = fill(db, tmp_path / "archive", 3, versions=["11.0", "11.1", "10.0"])
    data = written(filled, tmp_path, "avro")
    reader = fastavro.reader(io.BytesIO(data))
    assert reader.writer_schema["name"] == "lsst.v11_0.alert"  # type: ignore[index, call-overload]
    assert [row["diaSourceId"] for row in reader] == order(filled.sent)  # type: ignore[index, call-overload]


def messages(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


def test_confluent_messages(filled: Filled, tmp_path: Path) -> None:
    registry = SchemaRegistry.all_schemas_from_filesystem()
    found = list(messages(written(filled, tmp_path, "confluent", night="2026-03-10")))
    expected = sorted((s for s in filled.sent if str(s.night) == "2026-03-10"), key=lambda s: s.id)
    assert len(found) == len(expected) > 0
    for message, sent in zip(found, expected, strict=True):
        assert message[:5] == struct.pack(">BI", 0, 1101)
        assert same(registry.get_by_version("11.1").deserialize(message[5:]), _normal(sent.packet))


def test_multipart(filled: Filled, tmp_path: Path) -> None:
    from email import message_from_bytes

    data = written(filled, tmp_path, "multipart", visit=2, content="no_stamps")
    head = b'Content-Type: multipart/mixed; boundary="apdb-alert-0f3b7c52d9"\r\n\r\n'
    parts = message_from_bytes(head + data).get_payload()
    assert [int(part["Apdb-Alert"]) for part in parts] == order(filled.of(2))  # type: ignore[union-attr, arg-type, index]
    last = parts[4]["Apdb-Cursor"]  # type: ignore[index]
    assert ids(filled.db.alerts(visit=2, after=last)) == order(filled.of(2))[5:]  # type: ignore[arg-type]


def test_json_lines(filled: Filled, tmp_path: Path) -> None:
    data = written(filled, tmp_path, "json", visit=2)
    lines = [json.loads(line, parse_constant=pytest.fail) for line in data.splitlines()]
    assert [line["archive"]["diaSourceId"] for line in lines] == [
        str(i) for i in order(filled.of(2))
    ]
    for line in lines:
        sent = filled.by_id()[int(line["archive"]["diaSourceId"])]
        alert = line["alert"]
        assert alert["diaObject"]["diaObjectId"] == str(2**62 + sent.id)
        assert alert["diaSource"]["x"] is None
        assert alert["diaSource"]["y"] is None
        assert alert["diaSource"]["psfFlux"] == source(sent)["psfFlux"]
        assert alert["target_name"] == "naïve ☄"
        assert base64.b64decode(alert["cutoutScience"]) == sent.packet["cutoutScience"]
        assert line["archive"]["sha256"] == sent.sha256.hex()
        assert line["archive"]["status"] == "current"


def test_index_reads_no_packet(filled: Filled, tmp_path: Path) -> None:
    for file in filled.place.rglob("*.avro"):
        file.unlink()
    lines = written(filled, tmp_path, "index", visit=2).splitlines()
    assert [int(json.loads(line)["diaSourceId"]) for line in lines] == order(filled.of(2))
    cursor = json.loads(lines[3])["cursor"]
    rows = list(filled.db.alerts(visit=2, after=cursor).rows())
    assert [row.dia_source_id for row in rows] == order(filled.of(2))[4:]


def test_tarball_of_single_files(filled: Filled, tmp_path: Path) -> None:
    data = written(filled, tmp_path, "tar", visit=2)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    index = [json.loads(line) for line in members.pop("index-1.jsonl").splitlines()]
    assert [int(line["diaSourceId"]) for line in index] == order(filled.of(2))
    assert list(members) == [f"{i}.avro" for i in order(filled.of(2))]
    for sent in filled.of(2):
        found = list(fastavro.reader(io.BytesIO(members[f"{sent.id}.avro"])))
        assert same(found, [_normal(sent.packet)])


def test_tarball_of_stamps(filled: Filled, tmp_path: Path) -> None:
    data = written(filled, tmp_path, "fits", visit=2, content="stamps")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    sent = filled.of(2)[0]
    for kind in ("difference", "science", "template"):
        assert members[f"{sent.id}_{kind}.fits"] == sent.packet[f"cutout{kind.capitalize()}"]


def test_parquet(filled: Filled, tmp_path: Path) -> None:
    data = written(filled, tmp_path, "parquet", visit=2)
    table = pyarrow.parquet.read_table(io.BytesIO(data))
    expected = [_normal(s.packet) for s in sorted(filled.of(2), key=lambda s: s.id)]
    rows = [
        {name: value for name, value in row.items() if not name.startswith("apdb_")}
        for row in table.to_pylist()
    ]
    assert same(rows, expected)
    assert table["apdb_sha256"].to_pylist() == [
        s.sha256 for s in sorted(filled.of(2), key=lambda s: s.id)
    ]
    stamps = pyarrow.parquet.read_table(
        io.BytesIO(written(filled, tmp_path, "parquet", visit=2, content="stamps"))
    )
    assert stamps["cutoutScience"].to_pylist() == [row["cutoutScience"] for row in expected]
    assert (
        pyarrow.parquet.read_table(
            io.BytesIO(written(filled, tmp_path, "parquet", visit=99))
        ).num_rows
        == 0
    )


def test_superseded_and_withdrawn_say_so(
    filled: Filled, plain_connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    first, second = filled.of(2)[:2]
    exposed = exposures(4, span=4.0)[1]
    new = {**first.packet, "target_name": "second thoughts"}
    (again,) = put(filled, exposed.visit, [new], store_seq=1000, revision=1, reason="why not")
    plain_connection.execute("select setval('apdb_base.store_seq', 1000)")
    plain_connection.commit()
    filled.db.withdraw([second.id], reason="a satellite")

    assert filled.db.alert(first.id).body == again.encoded
    assert filled.db.alert(first.id).row.reason == "why not"
    old = filled.db.alert(first.id, revision=0)
    assert (old.body, old.row.status) == (first.encoded, "superseded")
    gone = filled.db.alert(second.id)
    assert (gone.body, gone.row.status) == (second.encoded, "withdrawn")

    rest = [i for i in order(filled.of(2)) if i not in {first.id, second.id}]
    assert ids(filled.db.alerts(visit=2, content="bare")) == [*rest, first.id]
    # Who read the first revision has still to read what came between it and the second.
    after = [i for i in rest if i > first.id]
    assert after
    assert ids(filled.db.alerts(visit=2, content="bare", after=first.id)) == [*after, first.id]
    stream = filled.db.alerts(visit=2, revisions="all")
    found = [(a.row.dia_source_id, a.row.revision, a.row.status) for a in stream]
    assert sorted(found)[:3] == [
        (first.id, 0, "superseded"), (first.id, 1, "current"), (second.id, 0, "withdrawn"),
    ]  # fmt: skip
    assert found[-1] == (first.id, 1, "current")
    data = written(filled, tmp_path, "tar", ids=first.id, revisions="all")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == [f"{first.id}_r0.avro", f"{first.id}.avro", "index-1.jsonl"]
    where = filled.db.alerts(where="status = 'withdrawn'", revisions="all")
    assert ids(where) == [second.id]


def take_step(connection: psycopg.Connection[Any]) -> int:
    """Take the next store_seq, as a visit does after its locks."""
    connection.execute("select apdb.open_stage(null)")
    row = connection.execute(
        "select store_seq from apdb.next_knowledge('reassign', null, null, 'test')"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_cursor_never_passes_over_what_is_committed_late(filled: Filled, dsn: str) -> None:
    """A visit takes its store_seq, another one overtakes it and commits first."""
    filled.db.set_setting("archive_url", "")
    first, second = exposures(6, span=4.0)[4:]
    for exposed in (first, second):
        filled.db.store_visit(exposed.visit, exposed.sources)
    filled.db.set_setting("archive_url", str(filled.place))
    packets = {
        exposed.visit.visit: [packet(exposed, k, [], False) for k in range(3)]
        for exposed in (first, second)
    }
    seen = filled.db.alerts(content="bare")
    assert len(ids(seen)) == len(filled.sent)
    cursor = seen.cursor
    with psycopg.connect(dsn) as slow:
        early = take_step(slow)
        with psycopg.connect(dsn) as quick:
            late = take_step(quick)
        assert late > early
        put(filled, second.visit, packets[second.visit.visit], store_seq=late)
        waiting = filled.db.alerts(content="bare", after=cursor)
        assert ids(waiting) == []
        cursor = waiting.cursor
    put(filled, first.visit, packets[first.visit.visit], store_seq=early)
    found = ids(filled.db.alerts(content="bare", after=cursor))
    assert found == [p["diaSourceId"] for each in packets.values() for p in each]


def damage(path: Path, at: int, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut":
        data = data[:at]
    else:
        data[at] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("codec", ["zstd", "deflate", "null"])
@pytest.mark.parametrize("which", ["packets", "stamps"])
@pytest.mark.parametrize("how", ["flip", "cut"])
def test_damage_is_never_a_packet(
    db: apdb.Apdb, tmp_path: Path, codec: str, which: str, how: str
) -> None:
    filled = fill(db, tmp_path, 1, codec=codec)
    (file,) = tmp_path.rglob(f"*.{which}.avro")
    whole = file.read_bytes()
    sent = filled.by_id()
    rows = {row.dia_source_id: row for row in db.alerts().rows()}
    some = list(rows.values())[4]
    at = some.packet_offset if which == "packets" else some.stamps_offset
    length = some.packet_length if which == "packets" else some.stamps_length
    assert at is not None
    assert length is not None
    for place in np.linspace(at, at + length - 1, 12, dtype=int):
        file.write_bytes(whole)
        damage(file, int(place), how)
        with pytest.raises(ArchiveCorrupt, match=f"Alert {some.dia_source_id} .*{file.name}"):
            db.alert(some.dia_source_id)
        # What is left is whole, and what comes before the damage is still given.
        before = list(rows)[:4]
        stream = db.alerts(before)
        assert [alert.body for alert in stream] == [sent[i].encoded for i in before]


def test_a_missing_file(filled: Filled) -> None:
    for file in filled.place.rglob("*.packets.avro"):
        file.unlink()
    with pytest.raises(ArchiveCorrupt, match=r"missing.*packets.avro"):
        filled.db.alert(filled.sent[0].id)


def expire(connection: psycopg.Connection[Any], pattern: str) -> None:
    found = connection.execute(
        "update apdb_base.archive_file set state = 'removed', removed_mjd_tai = 61200 "
        "where path like %s",
        [pattern],
    )
    assert found.rowcount == 1
    connection.commit()


def test_what_retention_removed(
    filled: Filled, plain_connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    expire(plain_connection, "%/2_001_%.packets.avro")
    expire(plain_connection, "%/1_000_%.stamps.avro")
    with pytest.raises(AlertRemoved, match="packet was removed"):
        filled.db.alert(filled.of(2)[0].id)
    with pytest.raises(AlertRemoved, match="stamps were removed"):
        filled.db.alert(filled.of(1)[0].id, content="stamps")
    left = filled.db.alert(filled.of(1)[0].id).packet
    assert same(left, _normal({**filled.of(1)[0].packet, **dict.fromkeys(CUTOUTS)}))
    assert ids(filled.db.alerts()) == order([s for s in filled.sent if s.visit != 2])
    lines = written(filled, tmp_path, "index", visit=2, revisions="all").splitlines()
    assert {json.loads(line)["packetState"] for line in lines} == {"removed"}


def test_what_comes_before_a_removed_alert_is_given(
    filled: Filled, plain_connection: psycopg.Connection[Any]
) -> None:
    expire(plain_connection, "%/2_001_%.packets.avro")
    before = order(filled.sent)
    given: list[int] = []
    stream = filled.db.alerts(revisions="all")
    with pytest.raises(AlertRemoved, match="packet was removed"):
        given.extend(alert.row.dia_source_id for alert in stream)
    removed = {s.id for s in filled.sent if s.visit == 2}
    first = next(i for i, number in enumerate(before) if number in removed)
    assert first > 0
    assert given == before[:first]


def test_what_does_not_go_together(filled: Filled, tmp_path: Path) -> None:
    for arguments, says in [
        ({"content": "half"}, "must be one of full"),
        ({"schema": "9.9"}, "must be one of 10.0"),
        ({"content": "stamps", "schema": "10.0"}, "same in every version"),
        ({"limit": 0}, "whole number"),
        ({"after": "nonsense"}, "not a cursor"),
    ]:
        with pytest.raises(InvalidInput, match=says):
            filled.db.alerts(**arguments)  # type: ignore[arg-type]
    for format_name, codec, content, says in [
        ("fits", None, "full", "stamps only"),
        ("confluent", None, "stamps", "holds packets"),
        ("tar", "zstd", "full", "goes with the format avro"),
        ("avro", "lz4", "full", "must be one of null"),
        ("xml", None, "full", "must be one of avro"),
    ]:
        with pytest.raises(InvalidInput, match=says):
            export(filled.db.alerts(content=content), tmp_path / "x", format_name, codec)
    (tmp_path / "there").write_text("x")
    with pytest.raises(InvalidInput, match="exists"):
        export(filled.db.alerts(), tmp_path / "there")


def test_without_an_archive(db: apdb.Apdb) -> None:
    from apdb.errors import ArchiveUnavailable

    with pytest.raises(ArchiveUnavailable, match="no archive"):
        db.alerts()


def test_rights_of_the_broker_role(
    filled: Filled, plain_connection: psycopg.Connection[Any]
) -> None:
    plain_connection.execute("set role apdb_broker")
    assert plain_connection.execute("select count(*) from apdb.archived_alert").fetchone() == (
        len(filled.sent),
    )
    assert plain_connection.execute("select apdb.archive_horizon() > 0").fetchone() == (True,)
    for statement in (
        "select * from apdb.dia_source",
        "select * from apdb.dia_object",
        "select * from apdb_base.api_token",
        "select * from apdb.api_audit",
        "select apdb.add_token('x', '', 1, null)",
        "select apdb.revoke_token('x')",
        "delete from apdb.alert",
        "select apdb.set_setting('archive_url', '')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), plain_connection.transaction():
            plain_connection.execute(statement)
