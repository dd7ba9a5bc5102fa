"""Index, manifest, verification and upkeep of an archive, on real databases and real files."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
import pytest
from archive_tools import Schema, Sent, alerts, sha256
from store_tools import MJD, Exposed, exposures
from typer.testing import CliRunner

import apdb
from apdb.archive.index import index_alerts
from apdb.archive.maintenance import maintain
from apdb.archive.manifest import VisitLine, manifest, verdict
from apdb.archive.place import Place
from apdb.archive.reader import Location, Span, read_packets
from apdb.archive.stamps import KINDS, Stamps
from apdb.archive.verify import verify
from apdb.archive.writer import Published, VisitWriter
from apdb.cli.main import app
from apdb.errors import ArchiveUnavailable, Busy, NotFound

NIGHT = "2026-03-09"


class Archived:
    """A database whose visits have small alerts in an archive."""

    def __init__(self, db: apdb.Apdb, folder: Path) -> None:
        self.db, self.folder, self.place = db, folder, Place(folder)
        self.sent: dict[int, Sent] = {}
        self.visits: list[Exposed] = []
        with db.connection() as connection:
            # Not before: the visits' own alerts would be made with it.
            connection.execute("select 1")

    def store(
        self, n: int, *, span: float = 0.1, readout: float | None = 5.0, **given: Any
    ) -> None:
        """Store visits without alerts; the end of readout is that long ago [s]."""
        now = _now(self.db)
        for each in exposures(n, span=span, **given):
            end = None if readout is None else now - readout / 86400.0
            self.visits.append(replace(each, visit=replace(each.visit, readout_end=end)))
            self.db.store_visit(self.visits[-1].visit, each.sources)

    def archive(self, each: Exposed, *, leave_out: int = 0, stamps: bool = True,
                codec: str = "zstd", **given: Any) -> Published:  # fmt: skip
        """Archive the alerts of a visit in a transaction of their own."""
        visit, ids = each.visit, each.sources["dia_source_id"].tolist()
        sent = [
            replace(one, dia_source_id=number)
            for number, one in zip(ids, alerts(len(ids), seed=visit.visit), strict=True)
        ]
        sent = sent[leave_out:]
        with self.db.connection() as connection:
            published, seq = self.write(connection, each, sent, stamps=stamps, codec=codec)
            zeros = np.zeros(len(sent), np.int64)
            given = {"content": "full" if stamps else "no_stamps", "store_seq": seq, **given}
            n = index_alerts(
                connection, published, dia_object_id=zeros, ss_object_id=zeros, **given
            )
        assert n == len(sent)
        self.sent |= {one.dia_source_id: one for one in sent}
        return published

    def write(
        self,
        connection: psycopg.Connection[Any],
        each: Exposed,
        sent: list[Sent],
        *,
        stamps: bool = True,
        codec: str = "zstd",
        attempt: int | None = None,
    ) -> tuple[Published, int]:
        visit = each.visit
        row = connection.execute(
            "select v.night, v.store_seq, (select max(t.attempt_id) from apdb_base.visit_attempt "
            "as t where t.visit = v.visit and t.detector = v.detector) from apdb_base.visit as v "
            "where v.visit = %s and v.detector = %s",
            (visit.visit, visit.detector),
        ).fetchone()
        assert row is not None
        writer = VisitWriter(
            self.place, visit=visit.visit, detector=visit.detector, night=row[0],
            attempt=attempt or row[2], schema=Schema(), codec=codec,
        )  # fmt: skip
        writer.add(
            [one.dia_source_id for one in sent],
            [one.bare for one in sent],
            [one.tail for one in sent] if stamps else None,
        )
        return writer.publish(), row[1]

    def open(self) -> None:
        """Tell the database of its archive."""
        self.db.set_setting("archive_url", str(self.folder))


def _now(db: apdb.Apdb) -> float:
    with db.connection() as connection:
        row = connection.execute("select apdb.mjd_tai(clock_timestamp())").fetchone()
    assert row is not None
    return float(row[0])


def one(connection: psycopg.Connection[Any], query: Any, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()
    connection.rollback()
    assert row is not None
    return row[0] if len(row) == 1 else row


@pytest.fixture
def archived(db: apdb.Apdb, tmp_path: Path) -> Archived:
    return Archived(db, tmp_path / "archive")


@pytest.fixture
def full(archived: Archived) -> Archived:
    """Four visits with alerts, all as it should be."""
    archived.store(4)
    for each in archived.visits:
        archived.archive(each)
    archived.open()
    return archived


def rows_of(connection: psycopg.Connection[Any]) -> list[Location]:
    found = connection.execute(
        "select dia_source_id, packet_file, packet_offset, packet_length, packet_crc, stamps_file, "
        "stamps_offset, stamps_length, stamps_crc, codec, sha256 from apdb.alert where is_current"
    ).fetchall()
    connection.rollback()
    return [
        Location(r[0], Span(*r[1:5]), None if r[5] is None else Span(*r[5:9]), r[9], r[10])
        for r in found
    ]


def test_alerts_are_read_by_their_rows(
    full: Archived, plain_connection: psycopg.Connection[Any]
) -> None:
    rows = rows_of(plain_connection)
    assert {row.dia_source_id for row in rows} == set(full.sent)
    found = list(read_packets(full.place, rows))
    assert found == [full.sent[row.dia_source_id].full for row in rows]
    sizes = plain_connection.execute(
        "select dia_source_id, packet_size, stamps_size, sha256 from apdb.alert"
    ).fetchall()
    for number, packet_size, stamps_size, digest in sizes:
        sent = full.sent[number]
        assert packet_size == len(sent.bare)
        assert stamps_size == (None if sent.tail is None else len(sent.tail))
        assert digest == sha256(sent.full)
    files = plain_connection.execute(
        "select path, size, sha256, n_alerts, kind, night::text, state from apdb.archive_file"
    ).fetchall()
    assert len(files) == 8
    for path, size, digest, n, _, night, state in files:
        data = (full.folder / path).read_bytes()
        assert (size, digest) == (len(data), hashlib.sha256(data).digest())
        with (full.folder / path).open("rb") as file:
            assert len(list(fastavro.reader(file))) == n
        assert path.startswith(f"{night}/")
        assert state == "whole"


def test_a_second_time_is_a_second_revision(
    full: Archived, plain_connection: psycopg.Connection[Any]
) -> None:
    each = full.visits[1]
    full.archive(each, leave_out=3, stamps=False, reason="completed", degraded="count")
    found = plain_connection.execute(
        "select dia_source_id, array_agg(revision order by revision), "
        "array_agg(is_current order by revision), array_agg(reason order by revision) "
        "from apdb.alert where visit = %s group by 1 order by 1",
        (each.visit.visit,),
    ).fetchall()
    assert [row[1:] for row in found[:3]] == [([0], [True], [None])] * 3
    assert {str(row[1:]) for row in found[3:]} == {"([0, 1], [False, True], [None, 'completed'])"}
    assert verify(full.db).clean
    # What was archived before stays readable.
    before = plain_connection.execute(
        "select dia_source_id, packet_file, packet_offset, packet_length, packet_crc, codec "
        "from apdb.alert where not is_current"
    ).fetchall()
    assert len(before) == len(each.sources["ra"]) - 3
    for row in before:
        (packet,) = read_packets(
            full.place, [Location(row[0], Span(*row[1:5]), None, row[5])], stamps=False
        )
        assert packet.startswith(full.sent[row[0]].bare[:9])


def test_nothing_is_indexed_that_does_not_commit(
    archived: Archived, plain_connection: psycopg.Connection[Any]
) -> None:
    archived.store(1)
    each = archived.visits[0]
    zeros = np.zeros(5, np.int64)
    sent = [replace(a, dia_source_id=k) for k, a in enumerate(alerts(5), 1)]
    with archived.db.connection() as connection:
        published, seq = archived.write(connection, each, sent)
        rows: dict[str, Any] = {
            "dia_object_id": zeros, "ss_object_id": zeros, "store_seq": seq, "content": "full"
        }  # fmt: skip
        assert index_alerts(connection, published, **rows) == 5
        connection.rollback()
        assert one(plain_connection, "select count(*) from apdb_base.alert") == 0
        assert one(plain_connection, "select count(*) from apdb_base.archive_file") == 0
        with pytest.raises(psycopg.Error, match="is not stored"):
            index_alerts(connection, replace(published, visit=99), **rows)
        connection.rollback()


def test_an_alert_twice_in_one_visit_is_refused(archived: Archived) -> None:
    archived.store(1)
    sent = [replace(a, dia_source_id=1) for a in alerts(2)]
    zeros = np.zeros(2, np.int64)
    with archived.db.connection() as connection:
        published, seq = archived.write(connection, archived.visits[0], sent)
        with pytest.raises(psycopg.errors.UniqueViolation):
            index_alerts(
                connection, published, dia_object_id=zeros, ss_object_id=zeros, store_seq=seq,
                content="full",
            )  # fmt: skip
        connection.rollback()


# ---- manifest ----


def line(visit: int, detector: int = 1, n: int = 100, **given: Any) -> VisitLine:
    values: dict[str, Any] = {
        "is_stored": True, "failed_stage": None, "failed_reason": None, "n_eligible": n,
        "n_alerts": n, "n_missing": 0, "n_not_eligible": 0, "n_degraded": 0, "n_first": n,
        "n_in_time": n, "latency": 30.0, "latency_from": "readout_end",
    }  # fmt: skip
    return VisitLine(visit, detector, **{**values, **given})


def test_the_verdict_is_that_of_the_requirement() -> None:
    good = [line(k) for k in range(1000)]
    assert verdict(good).met
    assert verdict([]).met
    # 98% of an exposure's alerts in time, over all its detectors.
    both = [line(1, 1, n_in_time=97), line(1, 2, n_in_time=99)]
    assert verdict(both).late == ()
    assert verdict([both[0], line(1, 2, n_in_time=98)]).late == (1,)
    # 1% of the visits may be late, and no more.
    late = [line(k, n_in_time=0) for k in range(10)]
    assert verdict([*late, *good[10:]]).met
    assert not verdict([*late, line(10, n_in_time=0), *good[11:]]).met
    # 0.1% may fail, at any stage: not stored, or an alert that is not there.
    lost = line(0, is_stored=False, n_eligible=0, n_first=0, n_in_time=0, failed_stage="subtract")
    part = line(1, n_alerts=99, n_missing=1, n_first=99, n_in_time=99)
    assert verdict([lost, *good[1:]]).met
    found = verdict([lost, part, *good[2:]])
    assert (found.met, found.failed, found.share_failed) == (False, (0, 1), 0.002)
    # Visits of more than 40,000 alerts are not counted.
    huge = [line(5000, d, 20_001, n_in_time=0) for d in (1, 2)]
    found = verdict([*good, *huge])
    assert (found.met, found.n_visits, found.n_too_large) == (True, 1000, 1)
    assert not verdict(
        [*good[:900], *(line(6000 + k, 1, 40_000, n_in_time=0) for k in range(100))]
    ).met
    # A visit without any source is neither late nor failed.
    assert verdict([line(1, n=0)]).met


def test_the_manifest_counts_what_is_there(
    full: Archived, plain_connection: psycopg.Connection[Any]
) -> None:
    found = manifest(full.db, NIGHT)
    n = sum(len(each.sources["ra"]) for each in full.visits)
    assert (found["n_alerts"], found["n_eligible"], found["n_missing"]) == (n, n, 0)
    assert found["requirement"]["met"]
    assert [v["visit"] for v in found["visits"]] == [1, 2, 3, 4]
    for entry, each in zip(found["visits"], full.visits, strict=True):
        assert entry["n_alerts"] == entry["n_in_time"] == len(each.sources["ra"])
        assert entry["latency_from"] == "readout_end"
        assert 5.0 < entry["latency"] < 60.0
        assert entry["complete"]
    assert len(found["files"]) == 8
    for file in found["files"]:
        assert (
            file["sha256"] == hashlib.sha256((full.folder / file["path"]).read_bytes()).hexdigest()
        )
    lengths = {
        "no_stamps": sorted(len(s.bare) for s in full.sent.values()),
        "full": sorted(len(s.full) for s in full.sent.values()),
    }
    for part, sizes in lengths.items():
        shown = found["packet_size"][part]
        assert (shown["n"], shown["total"]) == (len(sizes), sum(sizes))
        assert (shown["min"], shown["max"]) == (sizes[0], sizes[-1])
        assert shown["median"] == sizes[-(-len(sizes) // 2) - 1]
        assert shown["p90"] == sizes[int(np.ceil(len(sizes) * 0.9)) - 1]
    assert json.loads(json.dumps(found)) == found


def test_the_manifest_shows_what_is_missing_late_and_failed(archived: Archived) -> None:
    archived.store(3, readout=75.0)
    archived.archive(archived.visits[0])
    archived.archive(archived.visits[1], leave_out=2, stamps=False, degraded="count")
    night = NIGHT
    archived.db.expect_visit(50, [1, 2], band="g", midpoint_mjd_tai=MJD + 0.01)
    archived.db.fail_visit(50, 2, "no template", stage="subtract")
    archived.open()
    found = manifest(archived.db, night)
    n = [len(each.sources["ra"]) for each in archived.visits]
    by_key = {(v["visit"], v["detector"]): v for v in found["visits"]}
    shown = {key: (v["n_alerts"], v["n_missing"], v["n_in_time"]) for key, v in by_key.items()}
    assert shown == {
        (1, 0): (n[0], 0, 0), (2, 1): (n[1] - 2, 2, 0), (3, 2): (0, n[2], 0),
        (50, 1): (0, 0, 0), (50, 2): (0, 0, 0),
    }  # fmt: skip
    assert [v["is_stored"] for v in found["visits"]] == [True, True, True, False, False]
    assert by_key[50, 2]["failed_reason"] == "no template"
    assert by_key[2, 1]["n_degraded"] == n[1] - 2
    requirement = found["requirement"]
    assert (requirement["late"], requirement["failed"]) == ([1, 2, 3], [2, 3, 50])
    assert not requirement["met"]
    assert by_key[1, 0]["latency"] > 75.0


def test_withdrawn_sources_are_not_missing(full: Archived) -> None:
    each = full.visits[0]
    number = int(each.sources["dia_source_id"][0])
    full.db.withdraw([number], reason="a satellite")
    found = manifest(full.db, NIGHT)["visits"][0]
    assert (found["n_missing"], found["n_not_eligible"]) == (0, 1)
    assert verify(full.db).clean


# ---- verification ----


def test_a_good_archive_is_clean(full: Archived) -> None:
    told: list[tuple[int, int]] = []
    found = verify(full.db, watch=lambda done, total: told.append((done, total)))
    assert found.clean, found.discrepancies
    assert (found.n_files, found.n_alerts) == (8, len(full.sent))
    size = sum(path.stat().st_size for path in full.folder.rglob("*.avro"))
    assert found.n_bytes == size == told[-1][0] == told[-1][1]
    assert verify(full.db, night=NIGHT, deep=False).n_bytes == 0
    assert verify(full.db, night="2020-01-01").n_files == 0


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def test_every_damage_is_listed(full: Archived, plain_connection: psycopg.Connection[Any]) -> None:
    paths = {kind: sorted(full.folder.rglob(f"*.{kind}.avro")) for kind in ("packets", "stamps")}
    names = {
        kind: [p.relative_to(full.folder).as_posix() for p in ps] for kind, ps in paths.items()
    }
    _flip(paths["packets"][0], 2000)
    _flip(paths["packets"][1], 20)
    paths["packets"][2].write_bytes(paths["packets"][2].read_bytes()[:-40])
    paths["packets"][3].unlink()
    _flip(paths["stamps"][0], paths["stamps"][0].stat().st_size - 30)
    (full.folder / NIGHT / "holiday.jpg").write_bytes(b"x")
    found = verify(full.db)
    shown = {(each.what, each.path) for each in found.discrepancies}
    assert ("SHA-256 of the file differs", names["packets"][0]) in shown
    assert ("file is missing", names["packets"][3]) in shown
    assert ("file has another length", names["packets"][2]) in shown
    assert ("file is damaged", names["packets"][2]) in shown
    assert ("file that is none of the archive's", f"{NIGHT}/holiday.jpg") in shown
    assert names["packets"][1] in {path for _, path in shown}
    assert names["stamps"][0] in {path for _, path in shown}
    assert all(path not in {p for _, p in shown} for path in names["stamps"][1:])
    assert {each.path for each in verify(full.db, deep=False).discrepancies} == {
        names["packets"][2], names["packets"][3], f"{NIGHT}/holiday.jpg"
    }  # fmt: skip


WRONG_ROWS = {
    "update apdb_base.alert set sha256 = sha256('x') where dia_source_id = %s": (
        "SHA-256 of the alert differs"
    ),
    "update apdb_base.alert set packet_crc = packet_crc # 1 where dia_source_id = %s": (
        "checksum of the block differs"
    ),
    "update apdb_base.alert set packet_size = packet_size + 1 where dia_source_id = %s": (
        "alert has another length than the index says"
    ),
    "update apdb_base.alert set packet_offset = packet_offset + 1 where dia_source_id = %s": (
        "alert of the index is not in the file"
    ),
    "update apdb_base.alert set is_current = false where dia_source_id = %s": (
        "current revision is not one and the last"
    ),
    "update apdb_base.alert set revision = 2 where dia_source_id = %s": "revisions have a gap",
    "delete from apdb_base.alert where dia_source_id = %s": "eligible source without alert",
    "update apdb_base.alert set packet_file = 'x' where dia_source_id = %s": (
        "alert refers to a file that the index does not have"
    ),
    "update apdb_base.alert set dia_source_id = 5 where dia_source_id = %s": (
        "alert of an unknown source"
    ),
}


@pytest.mark.parametrize("statement", WRONG_ROWS)
def test_every_row_that_is_wrong_is_listed(
    full: Archived, plain_connection: psycopg.Connection[Any], statement: Any
) -> None:
    number = int(full.visits[2].sources["dia_source_id"][4])
    plain_connection.execute(statement, (number,))
    plain_connection.commit()
    found = verify(full.db)
    (alert,) = [e for e in found.discrepancies if e.what == WRONG_ROWS[statement]]
    assert alert.dia_source_id in (number, 5)
    assert (alert.visit, alert.detector) == (3, 2)
    assert "visit 3" in str(alert)


def test_visits_from_before_the_archive_are_listed_on_request(archived: Archived) -> None:
    archived.store(2)
    archived.archive(archived.visits[0])
    archived.open()
    assert verify(archived.db).clean
    n = len(archived.visits[1].sources["ra"])
    assert verify(archived.db, every_visit=True).counts == {"eligible source without alert": n}


def test_without_archive_there_is_nothing_to_verify(db: apdb.Apdb) -> None:
    with pytest.raises(ArchiveUnavailable, match="archive_url"):
        verify(db)
    done = maintain(db)
    assert (done.orphans, done.sealed) == ([], [])


# ---- maintenance ----


def test_partitions_are_made_ahead(db: apdb.Apdb) -> None:
    made = maintain(db, steps=["partitions"]).partitions
    assert any(name.startswith("alert_p") for name in made)
    assert maintain(db, steps=["partitions"]).partitions == []


def test_orphans_go_and_living_attempts_keep_theirs(
    full: Archived, plain_connection: psycopg.Connection[Any]
) -> None:
    whole = {entry.path for entry in full.place.entries()}
    each = full.visits[0]
    visit = each.visit
    client = psycopg.connect(full.db.dsn, autocommit=True)
    attempt = one(
        client,
        "select (apdb.begin_visit(%s, %s::integer, 'g', %s, 'test')).attempt_id",
        visit.visit, visit.detector, visit.midpoint_mjd_tai,
    )  # fmt: skip
    with full.db.connection() as connection:
        orphan, _ = full.write(connection, each, alerts(9), attempt=attempt)
        stranger, _ = full.write(connection, each, alerts(9), attempt=987_654)
    part = full.folder / f"{orphan.packet_file}.part"
    part.write_bytes(b"Obj")
    theirs = {file.path for file in stranger.files}
    files = {file.path for file in orphan.files} | {f"{orphan.packet_file}.part"}

    # The attempt is idle in no transaction for less than 10 s: it lives.
    done = maintain(full.db, orphan_age=0.0)
    assert done.orphans == []
    assert set(done.spared) == files
    assert set(done.strange) == theirs
    client.close()
    _wait_until_gone(plain_connection, attempt)

    assert maintain(full.db).orphans == []  # too young
    done = maintain(full.db, orphan_age=0.0, dry_run=True)
    assert {each.path for each in done.orphans} == files
    assert {entry.path for entry in full.place.entries()} >= files
    done = maintain(full.db, orphan_age=0.0)
    assert {each.path for each in done.orphans} == files
    assert f"attempt {attempt} was never committed" in {each.why for each in done.orphans}
    left = {e.path for e in full.place.entries() if "manifest" not in e.path}
    assert left == whole | theirs | {"archive.json"}
    assert verify(full.db).clean


def _wait_until_gone(connection: psycopg.Connection[Any], attempt: int) -> None:
    until = time.monotonic() + 30.0
    while one(
        connection,
        "select count(*) from apdb.open_attempts() where attempt_id = %s and state <> 'died'",
        attempt,
    ):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_commit_between_two_looks_keeps_its_files(full: Archived) -> None:
    """Maintenance runs all the time while visits are archived: it never takes a file of theirs."""
    stop = threading.Event()
    removed: list[str] = []

    def keep_house() -> None:
        with apdb.connect(full.db.dsn) as other:
            while not stop.is_set():
                removed.extend(e.path for e in maintain(other, orphan_age=0.0).orphans)

    keeper = threading.Thread(target=keep_house)
    keeper.start()
    try:
        for each in full.visits * 5:
            _attempt(full, each)
    finally:
        stop.set()
        keeper.join()
    assert removed == []
    assert verify(full.db).clean


def _attempt(full: Archived, each: Exposed) -> None:
    """Archive a visit again as an attempt does: begun in one transaction, done in the next."""
    visit = each.visit
    ids = each.sources["dia_source_id"].tolist()
    sent = [full.sent[number] for number in ids]
    zeros = np.zeros(len(sent), np.int64)
    with full.db.connection() as connection:
        attempt = connection.execute(
            "select (apdb.begin_visit(%s, %s::integer, 'g', %s, 'test')).attempt_id",
            (visit.visit, visit.detector, visit.midpoint_mjd_tai),
        ).fetchone()
        assert attempt is not None
        connection.commit()
        published, seq = full.write(connection, each, sent, attempt=attempt[0])
        time.sleep(0.02)
        index_alerts(
            connection, published, dia_object_id=zeros, ss_object_id=zeros, store_seq=seq,
            content="full", reason="again",
        )  # fmt: skip
        connection.execute("select apdb.end_attempt(%s, 'stored', null, null)", attempt)


def test_one_maintenance_at_a_time(full: Archived) -> None:
    with full.db.connection() as connection:
        connection.execute("select pg_advisory_xact_lock(17006, 0)")
        with pytest.raises(Busy, match="maintain"):
            maintain(full.db)
    maintain(full.db)
    maintain(full.db)


def test_another_database_s_archive_is_left_alone(full: Archived) -> None:
    maintain(full.db)
    path = full.folder / "archive.json"
    path.write_text(json.dumps({"archive_id": "00000000-0000-0000-0000-000000000000"}))
    before = {entry.path for entry in full.place.entries()}
    with pytest.raises(ArchiveUnavailable, match="belongs to another database"):
        maintain(full.db, orphan_age=0.0)
    path.write_text("junk")
    with pytest.raises(ArchiveUnavailable, match="belongs to another database"):
        maintain(full.db, orphan_age=0.0)
    assert {entry.path for entry in full.place.entries()} == before


def test_nights_are_sealed_once_and_again_when_something_came(
    full: Archived, plain_connection: psycopg.Connection[Any]
) -> None:
    (dry,) = maintain(full.db, dry_run=True, steps=["seals"]).sealed
    assert not (full.folder / dry.manifest).exists()
    (sealed,) = maintain(full.db, steps=["seals"]).sealed
    assert sealed == dry
    assert (sealed.night, sealed.seal, sealed.n_alerts) == (NIGHT, 1, len(full.sent))
    assert (sealed.n_missing, sealed.met) == (0, True)
    text = (full.folder / sealed.manifest).read_bytes()
    digest = one(plain_connection, "select manifest_sha256 from apdb.night_seal where seal = 1")
    assert digest == hashlib.sha256(text).digest()
    written = json.loads(text)
    for file in written["files"]:
        data = (full.folder / file["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    assert maintain(full.db).sealed == []
    assert verify(full.db).clean

    full.archive(full.visits[0], reason="again")
    (again,) = maintain(full.db).sealed
    assert (again.seal, again.manifest) == (2, f"{NIGHT}/manifest-2.json")
    second = json.loads((full.folder / again.manifest).read_bytes())
    assert len(second["files"]) == len(written["files"]) + 2
    assert [seal["manifest"] for seal in second["seals"]] == [sealed.manifest]
    (full.folder / sealed.manifest).write_bytes(text + b" ")
    (full.folder / again.manifest).unlink()
    assert verify(full.db).counts == {
        "manifest differs from what was sealed": 1,
        "manifest of a sealed night is missing": 1,
    }


def test_a_night_that_is_not_over_is_not_sealed(full: Archived) -> None:
    full.db.set_setting("archive_seal_after_days", 3650)
    assert maintain(full.db).sealed == []


def test_retention_takes_what_the_settings_say(
    full: Archived, plain_connection: psycopg.Connection[Any]
) -> None:
    kinds = "select kind, state, count(*)::integer from apdb.archive_file group by 1, 2 order by 1"
    assert maintain(full.db, steps=["retention"]).expired == []
    full.db.set_setting("archive_keep_stamps_days", 10)
    assert maintain(full.db, steps=["retention"]).expired == []  # not sealed yet
    maintain(full.db, steps=["seals"])
    would = maintain(full.db, steps=["retention"], dry_run=True).expired
    assert len(list(full.folder.rglob("*.stamps.avro"))) == len(would) == 4
    done = maintain(full.db, steps=["retention"]).expired
    assert done == would
    assert {each.why for each in done} == {"stamps are kept for 10 d"}
    assert list(full.folder.rglob("*.stamps.avro")) == []
    assert plain_connection.execute(kinds).fetchall() == [
        ("packets", "whole", 4), ("stamps", "removed", 4)
    ]  # fmt: skip
    found = verify(full.db)
    assert (found.clean, found.n_removed) == (True, 4)
    rows = rows_of(plain_connection)
    assert len(list(read_packets(full.place, rows, stamps=False))) == len(full.sent)
    with pytest.raises(NotFound):
        list(read_packets(full.place, rows))
    assert maintain(full.db).expired == []


def test_superseded_files_go_when_nobody_needs_them(full: Archived) -> None:
    full.archive(full.visits[0])
    full.archive(full.visits[1], leave_out=1)
    full.db.set_setting("archive_keep_superseded_days", 1e-9)
    done = maintain(full.db, steps=["retention"]).expired
    assert len(done) == 2
    assert all("/1_000_" in each.path for each in done)
    found = verify(full.db)
    assert (found.clean, found.n_removed) == (True, 2)


def test_a_removal_that_broke_off_goes_on(
    full: Archived, plain_connection: psycopg.Connection[Any]
) -> None:
    full.archive(full.visits[0])
    full.db.set_setting("archive_keep_superseded_days", 1e-9)
    with full.db.connection() as connection:
        paths = [row[0] for row in connection.execute("select path from apdb.expire_files(false)")]
    (full.folder / paths[0]).unlink()
    assert verify(full.db).clean
    done = maintain(full.db, steps=["retention"]).expired
    assert {each.path for each in done} == set(paths)
    states = "select count(*) from apdb.archive_file where state = 'removed'"
    assert one(plain_connection, states) == len(paths) == 2


def test_requests_are_forgotten(db: apdb.Apdb, plain_connection: psycopg.Connection[Any]) -> None:
    ages = [0.0, 9 * 86400.0, 11 * 86400.0, 400 * 86400.0]
    plain_connection.execute(
        "select apdb.record_requests(%s, array[null, null, null, null]::bigint[], "
        "array['a', 'b', 'c', 'd'], array['a', 'b', 'c', 'd'], '{200,200,200,200}', "
        "'{1,1,1,1}', '{1,1,1,1}', '{1,1,1,1}')",
        (ages,),
    )
    plain_connection.commit()
    kept = "select string_agg(r.client, '' order by r.client) from apdb.api_audit as r"
    assert maintain(db, steps=["retention"]).n_requests == 0
    db.set_setting("api_audit_keep_days", 10)
    assert maintain(db, steps=["retention"], dry_run=True).n_requests == 2
    assert one(plain_connection, kept) == "abcd"
    assert maintain(db, steps=["retention"]).n_requests == 2
    assert one(plain_connection, kept) == "ab"
    assert maintain(db, steps=["retention"]).n_requests == 0


def test_maintain_on_the_command_line(full: Archived) -> None:
    run = CliRunner()
    common = ["--dsn", full.db.dsn]
    first = run.invoke(app, [*common, "--json", "maintain", "--dry-run"])
    assert first.exit_code == 0, first.output
    assert [each["seal"] for each in json.loads(first.stdout)["sealed"]] == [1]
    second = run.invoke(app, [*common, "maintain", "--orphan-age", "0"])
    assert second.exit_code == 0, second.output
    assert f"{NIGHT}, seal 1 made: {len(full.sent):,} alerts, complete" in second.stdout
    wrong = run.invoke(app, [*common, "maintain", "--step", "dusting"])
    assert wrong.exit_code == 2
    assert "there are partitions, retention" in wrong.output


def test_a_large_visit_is_indexed_in_little_time(archived: Archived) -> None:
    n = 10_000
    rng = np.random.default_rng(1)
    visit = apdb.Visit(
        visit=1, detector=1, band="g", midpoint_mjd_tai=MJD, exposure_time=30.0, ra=150.0,
        dec=2.0, radius=1.0,
    )  # fmt: skip
    sources = {
        "dia_source_id": np.arange(1, n + 1),
        "ra": 150.0 + rng.uniform(-0.6, 0.6, n),
        "dec": 2.0 + rng.uniform(-0.6, 0.6, n),
        "psf_flux": rng.normal(1000, 100, n),
        "psf_flux_err": np.full(n, 50.0),
    }
    archived.db.store_visit(visit, sources)
    each = Exposed(visit, sources, np.zeros(n))
    sent = [Sent(k + 1, None, b"x") for k in range(n)]
    with archived.db.connection() as connection:
        published, seq = archived.write(connection, each, sent)
        start = time.perf_counter()
        index_alerts(
            connection, published, dia_object_id=np.zeros(n, np.int64),
            ss_object_id=np.zeros(n, np.int64), store_seq=seq, content="full",
        )  # fmt: skip
        seconds = time.perf_counter() - start
    print(f"index of {n} alerts in {seconds:.3f} s")
    assert seconds < 2.0


# ---- with the packets of real visits ----


def _with_stamps(each: Exposed) -> dict[str, Stamps]:
    n = len(each.sources["ra"])
    rng = np.random.default_rng(each.visit.visit)
    psf = rng.normal(size=(n, 25, 25)).astype(np.float32)
    images = rng.normal(size=(3, n, 30, 30)).astype(np.float32)
    return {
        kind: Stamps(images[k], images[k] ** 2, (images[k] > 2).astype(np.int16), psf)
        for k, kind in enumerate(KINDS)
    }


def test_visits_that_are_stored_replaced_and_withdrawn(db: apdb.Apdb, tmp_path: Path) -> None:
    db.set_setting("archive_url", f"file://{tmp_path}/archive")
    visits = exposures(5, span=0.05)
    for each in visits:
        db.store_visit(each.visit, each.sources, cutouts=_with_stamps(each))
    found = verify(db)
    assert found.clean, found.discrepancies
    assert found.n_alerts == sum(len(each.sources["ra"]) for each in visits)
    night = manifest(db, NIGHT)
    assert (night["n_missing"], night["requirement"]["n_failed"]) == (0, 0)
    assert {(f["kind"], f["content"]) for f in night["files"]} == {
        ("packets", "full"), ("stamps", "full")
    }  # fmt: skip

    first, second = visits[0], visits[1]
    sources = {name: values[5:].copy() for name, values in first.sources.items()}
    sources["psf_flux"] += 1.0
    db.replace(first.visit, sources, reason="better photometry")
    db.withdraw(second.sources["dia_source_id"][:4].tolist(), reason="ghosts")
    found = verify(db)
    assert found.clean, found.discrepancies
    night = manifest(db, NIGHT)
    assert night["n_missing"] == 0
    assert maintain(db, orphan_age=0.0).orphans == []

    # The ids that the replacement gave up may come in another visit: they are the same alerts.
    (other,) = exposures(6, span=0.05)[5:]
    other.sources["dia_source_id"][:5] = first.sources["dia_source_id"][:5]
    db.store_visit(other.visit, other.sources)
    with db.reading() as connection:
        rows = connection.execute(
            "select visit, revision, is_current from apdb.alert where dia_source_id = %s "
            "order by revision",
            (int(first.sources["dia_source_id"][0]),),
        ).fetchall()
    assert rows == [(1, 0, False), (6, 1, True)]
    found = verify(db)
    assert found.clean, found.discrepancies


def test_a_visit_that_fails_leaves_no_file(db: apdb.Apdb, tmp_path: Path) -> None:
    db.set_setting("archive_url", str(tmp_path / "archive"))
    each = exposures(1)[0]
    # The name of the folder of its night is taken by a file.
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / NIGHT).write_text("")
    with pytest.raises(ArchiveUnavailable):
        db.store_visit(each.visit, each.sources)
    with db.reading() as connection:
        assert connection.execute("select count(*) from apdb.dia_source").fetchone() == (0,)
    (tmp_path / "archive" / NIGHT).unlink()
    db.store_visit(each.visit, each.sources)
    assert verify(db).clean
