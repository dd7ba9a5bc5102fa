"""Alerts in the visit's transaction: archive, revisions, what is left out and completed later."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from alert_tools import written
from packet_tools import (
    Expected,
    eligible,
    forced,
    header_of,
    index,
    packets_of,
    set_archive,
)
from store_tools import exposures

import apdb
from apdb.alerts.complete import complete_alerts
from apdb.alerts.packets import decode
from apdb.alerts.rebuild import locate
from apdb.alerts.refill import check_fragments, rebuild_fragments
from apdb.alerts.schemas import alert_schema
from apdb.archive.place import Place
from apdb.archive.reader import read_packets, read_stamps

Plain = psycopg.Connection[Any]


@pytest.fixture
def folder(dsn: str, tmp_path: Path) -> Path:
    """The folder of a database's archive."""
    set_archive(dsn, tmp_path / "archive")
    return tmp_path / "archive"


def fits(seed: int, n: int) -> list[bytes | None]:
    """Something that begins like a FITS file for each source, none for every fifth."""
    rng = np.random.default_rng(seed)
    card = b"SIMPLE  =                    T".ljust(2880)
    return [None if k % 5 == 4 else card + rng.bytes(2880) for k in range(n)]


def stamps_for(shot: Any) -> dict[str, list[bytes | None]]:
    n = len(shot.sources["dia_source_id"])
    return {kind: fits(k, n) for k, kind in enumerate(("difference", "science", "template"))}


def full(folder: Path, row: dict[str, Any]) -> bytes:
    """The full packet of a row of the index."""
    (packet,) = read_packets(Place(str(folder)), [locate(row)])
    return packet


def test_every_eligible_source_has_one_current_alert(
    db: apdb.Apdb, folder: Path, plain_connection: Plain
) -> None:
    expected = Expected(plain_connection)
    for shot in exposures(3, n=16, noise=4, span=30.0):
        report = db.store_visit(shot.visit, shot.sources, forced=forced)
        rows = index(plain_connection, f"a.store_seq = {report.store_seq}")
        assert {row["dia_source_id"] for row in rows} == eligible(db, shot.visit)
        read = packets_of(folder, rows[0])
        assert len(read) == len(rows)
        for row in rows:
            number = row["dia_source_id"]
            packet = full(folder, row)
            assert packet == expected.packet(number)
            assert row["sha256"] == hashlib.sha256(packet).digest()
            assert written(expected.schema, read[number]) == packet
            assert (row["revision"], row["is_current"], row["reason"]) == (0, True, None)
            assert (row["content"], row["degraded"]) == ("no_stamps", None)
            owner = report.dia_object_id[report.dia_source_id == number][0]
            assert row["dia_object_id"] == (owner or None)
        again = db.store_visit(shot.visit, shot.sources, forced=forced)
        assert again.state == "repeated"
    assert len(index(plain_connection)) == sum(
        len(packets_of(folder, {"packet_file": name}))
        for name in {row["packet_file"] for row in index(plain_connection)}
    )


def test_stamps_are_kept_apart_and_end_the_full_packet(
    db: apdb.Apdb, folder: Path, plain_connection: Plain
) -> None:
    (shot,) = exposures(1, n=9, noise=2)
    stamps = stamps_for(shot)
    db.store_visit(shot.visit, shot.sources, cutouts=stamps)
    places = {number: k for k, number in enumerate(shot.sources["dia_source_id"].tolist())}
    expected = Expected(plain_connection)
    rows = index(plain_connection)
    assert {row["content"] for row in rows} == {"full"}
    for row in rows:
        k = places[row["dia_source_id"]]
        fields = {f"cutout{kind.capitalize()}": given[k] for kind, given in stamps.items()}
        packet = full(folder, row)
        assert packet == expected.packet(row["dia_source_id"], **fields)
        assert hashlib.sha256(packet).digest() == row["sha256"]
        assert (row["stamps_file"] is None) == (k % 5 == 4)


def test_a_replacement_makes_the_next_revision(
    db: apdb.Apdb, folder: Path, plain_connection: Plain
) -> None:
    first, second = exposures(2, n=9, noise=2)
    db.store_visit(first.visit, first.sources, forced=forced)
    old = {row["dia_source_id"]: full(folder, row) for row in index(plain_connection)}
    changed = {**first.sources, "psf_flux": first.sources["psf_flux"] + 100.0}
    report = db.replace(first.visit, changed, forced=forced, reason="new calibration")
    expected = Expected(plain_connection)
    rows = index(plain_connection)
    assert len(rows) == 2 * len(old)
    for row in rows:
        packet = full(folder, row)
        if row["revision"] == 0:
            assert not row["is_current"]
            assert packet == old[row["dia_source_id"]]
        else:
            assert (row["revision"], row["is_current"]) == (1, True)
            assert (row["reason"], row["store_seq"]) == ("new calibration", report.store_seq)
            assert packet == expected.packet(row["dia_source_id"])
    assert check_fragments(db) == []
    later = db.store_visit(second.visit, second.sources, forced=forced)
    for row in index(plain_connection, f"a.store_seq = {later.store_seq}"):
        assert full(folder, row) == expected.packet(row["dia_source_id"])


def test_nothing_is_left_of_a_visit_that_fails(
    db: apdb.Apdb, folder: Path, plain_connection: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shot,) = exposures(1, n=9, noise=2)
    db.store_visit(shot.visit, shot.sources, dry_run=True)
    assert not list(folder.rglob("*.avro"))
    # The last step before the commit fails, when all files are in place.
    monkeypatch.setattr("apdb.store._end_attempt", _fail)
    with pytest.raises(RuntimeError, match="just before"):
        db.store_visit(shot.visit, shot.sources, cutouts=stamps_for(shot))
    assert index(plain_connection) == []
    assert not list(folder.rglob("*.avro"))


def _fail(*_: object) -> None:
    raise RuntimeError("just before the commit")


def test_without_an_archive_no_alerts_and_all_of_them_later(
    db: apdb.Apdb, dsn: str, tmp_path: Path, plain_connection: Plain
) -> None:
    shots = exposures(3, n=9, noise=2, span=30.0)
    with pytest.raises(apdb.InvalidInput, match="archive_url"):
        complete_alerts(db)
    for shot in shots[:2]:
        report = db.store_visit(shot.visit, shot.sources, forced=forced)
        assert "alerts" not in report.timings
    assert index(plain_connection) == []
    assert db.store_visit(shots[0].visit, shots[0].sources).state == "repeated"

    folder = tmp_path / "archive"
    set_archive(dsn, folder)
    db.store_visit(shots[2].visit, shots[2].sources, forced=forced)
    rows = index(plain_connection)
    assert {(row["content"], row["degraded"]) for row in rows} == {("bare", "fragments")}

    refilled = rebuild_fragments(db)
    assert (refilled.version, refilled.n_visits, refilled.n_rebuilt) == ("11.1", 3, 2)
    assert check_fragments(db) == []
    steps: list[tuple[int, int]] = []
    done = complete_alerts(db, progress=lambda n, of: steps.append((n, of)))
    assert steps[0] == (0, 3)
    assert steps[-1] == (3, 3)
    assert [one.content for one in done] == ["no_stamps"] * 3
    assert complete_alerts(db) == []
    current = index(plain_connection, "a.is_current")
    wanted = set().union(*(eligible(db, shot.visit) for shot in shots))
    assert sorted(row["dia_source_id"] for row in current) == sorted(wanted)
    # The last visit is as of now: nothing came after it.
    expected = Expected(plain_connection)
    for row in current:
        if row["visit"] == shots[2].visit.visit:
            assert row["revision"] == 1
            assert full(folder, row) == expected.packet(row["dia_source_id"])


@pytest.mark.parametrize("setting", ["alert_max_with_stamps", "alert_seconds_with_stamps"])
def test_stamps_that_wait(
    db: apdb.Apdb, dsn: str, folder: Path, plain_connection: Plain, setting: str
) -> None:
    set_archive(dsn, folder, **{setting: 0})
    (shot,) = exposures(1, n=9, noise=2)
    stamps = stamps_for(shot)
    db.store_visit(shot.visit, shot.sources, cutouts=stamps)
    rows = index(plain_connection)
    reason = "count" if "max" in setting else "seconds"
    assert {(row["content"], row["degraded"]) for row in rows} == {("no_stamps", reason)}
    assert {row["dia_source_id"] for row in rows} == eligible(db, shot.visit)
    header = header_of(folder, rows[0]["packet_file"])
    assert (header["apdb.content"], header["apdb.degraded"]) == ("no_stamps", reason)
    assert header["apdb.left_out"] == "stamps"
    (waiting,) = (folder / "spool").rglob("*.avro")

    (done,) = complete_alerts(db)
    assert (done.n_alerts, done.content) == (len(rows), "full")
    assert not waiting.exists()
    current = index(plain_connection, "a.is_current")
    assert {(row["content"], row["degraded"]) for row in current} == {("full", None)}
    expected = Expected(plain_connection)
    places = {number: k for k, number in enumerate(shot.sources["dia_source_id"].tolist())}
    for row in current:
        k = places[row["dia_source_id"]]
        fields = {f"cutout{kind.capitalize()}": given[k] for kind, given in stamps.items()}
        assert full(folder, row) == expected.packet(row["dia_source_id"], **fields)
        assert row["store_seq"] == done.store_seq


@pytest.mark.parametrize("setting", ["alert_max_with_histories", "alert_seconds_with_histories"])
def test_histories_that_wait(
    db: apdb.Apdb, dsn: str, folder: Path, plain_connection: Plain, setting: str
) -> None:
    first, second = exposures(2, n=9, noise=2, span=20.0)
    db.store_visit(first.visit, first.sources, forced=forced)
    set_archive(dsn, folder, **{setting: 0})
    db.store_visit(second.visit, second.sources, forced=forced, cutouts=stamps_for(second))
    rows = index(plain_connection, f"a.visit = {second.visit.visit}")
    assert {row["content"] for row in rows} == {"bare"}
    expected = Expected(plain_connection)
    wide = alert_schema(extended=True)
    for row in rows:
        record = decode(full(folder, row), wide)
        whole = expected.record(row["dia_source_id"])
        earlier = [one["diaSourceId"] for one in whole["prvDiaSources"] or ()]
        assert record["prvDiaSourceIds"] == earlier
        assert record["prvDiaSources"] is None
        assert record["prvDiaForcedSources"] == whole["prvDiaForcedSources"]
        assert record["leftOut"] == "histories"
    (done,) = complete_alerts(db, visit=(second.visit.visit, second.visit.detector))
    assert done.content == "full"
    for row in index(plain_connection, "a.is_current and a.revision = 1"):
        packet = full(folder, row)
        (stamps,) = read_stamps(Place(str(folder)), [locate(row)])
        assert packet == expected.packet(row["dia_source_id"])[:-3] + stamps


def test_lost_stamps_can_be_given_again(
    db: apdb.Apdb, dsn: str, folder: Path, plain_connection: Plain
) -> None:
    set_archive(dsn, folder, alert_max_with_stamps=0)
    (shot,) = exposures(1, n=4, noise=2)
    stamps = stamps_for(shot)
    db.store_visit(shot.visit, shot.sources, cutouts=stamps)
    (waiting,) = (folder / "spool").rglob("*.avro")
    waiting.unlink()
    (done,) = complete_alerts(db)
    assert (done.n_alerts, done.store_seq) == (0, 0)
    key = (shot.visit.visit, shot.visit.detector)
    with pytest.raises(apdb.InvalidInput, match="dia_source_ids"):
        complete_alerts(db, visit=key, cutouts=stamps)
    (done,) = complete_alerts(
        db, visit=key, cutouts=stamps, dia_source_ids=shot.sources["dia_source_id"]
    )
    assert done.content == "full"
    assert {row["content"] for row in index(plain_connection, "a.is_current")} == {"full"}


def test_forced_photometry_that_comes_later_is_in_later_packets(
    db: apdb.Apdb, folder: Path, plain_connection: Plain
) -> None:
    first, second = exposures(2, n=9, noise=0, span=20.0)
    report = db.store_visit(first.visit, first.sources)
    n = len(report.dia_object_id)
    rows = {
        "dia_object_id": np.unique(report.dia_object_id),
        "visit": np.full(n, 99),
        "detector": np.full(n, 3),
        "midpoint_mjd_tai": np.full(n, first.visit.midpoint_mjd_tai - 200.0),
        "band": ["r"] * n,
        "psf_flux": np.arange(n) * 1.5,
        "psf_flux_err": np.full(n, 2.5),
    }
    db.store_forced(rows)
    db.store_forced({**rows, "psf_flux": np.arange(n) * 2.5})
    db.store_visit(second.visit, second.sources, forced=forced)
    expected = Expected(plain_connection)
    some = index(plain_connection, f"a.visit = {second.visit.visit}")
    for row in some:
        assert full(folder, row) == expected.packet(row["dia_source_id"])
    records = [expected.record(row["dia_source_id"]) for row in some]
    assert max(len(one["prvDiaForcedSources"]) for one in records) == 2
    assert check_fragments(db) == []
