"""Fragments after corrections and in other versions; alerts rendered anew from the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from alert_tools import public_package
from correction_tools import MJD, sources, visit
from packet_tools import Expected, decoded, forced, index, set_archive

import apdb
from apdb.alerts.rebuild import locate, rebuild
from apdb.alerts.refill import check_fragments, rebuild_fragments
from apdb.archive.place import Place
from apdb.archive.reader import read_packets

Plain = psycopg.Connection[Any]
DAY = 3.0


@pytest.fixture
def folder(dsn: str, tmp_path: Path) -> Path:
    set_archive(dsn, tmp_path / "archive")
    return tmp_path / "archive"


@pytest.fixture
def two(db: apdb.Apdb, folder: Path) -> apdb.Apdb:
    """Objects 1 and 2, 3″ apart, three sources each with forced photometry: 1, 11, 21; 2, 12, 22."""
    assert folder
    for k in range(3):
        table = sources([10 * k + 1, 10 * k + 2], [0.0, 3.0], flux=[100.0 + k, 200.0 + 10 * k])
        db.store_visit(visit(k + 1, MJD + DAY * k), table, forced=forced)
    return db


def next_visit(db: apdb.Apdb, connection: Plain, folder: Path, number: int = 9) -> None:
    """Store a visit of both places, and hold its packets against the columns."""
    table = sources([number * 10 + 1, number * 10 + 2], [0.0, 3.0])
    report = db.store_visit(visit(number, MJD + DAY * number), table, forced=forced)
    expected = Expected(connection)
    rows = index(connection, f"a.store_seq = {report.store_seq}")
    assert len(rows) == 2
    for row, packet in zip(rows, read_packets(Place(str(folder)), map(locate, rows)), strict=True):
        assert packet == expected.packet(row["dia_source_id"])


CORRECTIONS: dict[str, Any] = {
    "reassign": lambda db: db.reassign([12, 22], dia_object_id=1, reason="blend"),
    "merge": lambda db: db.merge_objects(1, 2, reason="one star"),
    "split": lambda db: db.split(1, [11], reason="two stars"),
    "withdraw": lambda db: db.withdraw([11, 12], reason="artefact"),
    "withdraw visit": lambda db: db.withdraw(visit=(2, 40), reason="bad image"),
    "to the solar system": lambda db: db.reassign([11], ss_object_id=7, reason="asteroid"),
    "replace": lambda db: db.replace(
        visit(2, MJD + DAY), sources([11, 13], [0.1, 3.1]), forced=forced, reason="new pixels"
    ),
}


@pytest.mark.parametrize("kind", CORRECTIONS)
def test_fragments_follow_corrections(
    two: apdb.Apdb, folder: Path, plain_connection: Plain, kind: str
) -> None:
    CORRECTIONS[kind](two)
    assert check_fragments(two) == []
    next_visit(two, plain_connection, folder)
    assert check_fragments(two) == []


@pytest.mark.parametrize("kind", CORRECTIONS)
def test_alerts_are_rendered_anew_as_of_their_visit(
    two: apdb.Apdb, folder: Path, plain_connection: Plain, kind: str
) -> None:
    before = [row["dia_source_id"] for row in index(plain_connection)]
    assert len(before) == 6
    assert [rebuild(two, number).corrections for number in before] == [()] * 6
    CORRECTIONS[kind](two)
    next_visit(two, plain_connection, folder)
    some_changed = False
    for row in index(plain_connection):
        again = rebuild(two, row["dia_source_id"], row["revision"])
        assert again.equal, again.differences
        assert again.sha256_rebuilt == bytes(row["sha256"])
        assert again.differences == ()
        some_changed |= bool(again.changes)
        if again.changes:
            assert again.corrections
    assert some_changed


def test_what_changed_since_is_said(two: apdb.Apdb) -> None:
    report = two.withdraw([11], reason="a satellite")
    again = rebuild(two, 21)
    assert again.equal
    assert again.changes == ("prvDiaSources 11: gone",)
    (text,) = again.corrections
    assert f"store_seq {report.store_seq}: a satellite" in text
    assert rebuild(two, 11).changes == ("the source is withdrawn or replaced",)
    moved = two.reassign([22], dia_object_id=1, reason="blend")
    assert moved.changed == (1, 2)
    lines = rebuild(two, 22).changes
    assert "diaSource diaObjectId: 2 → 1" in lines
    assert "prvDiaSources 12: gone" in lines
    assert "prvDiaSources 1: new" in lines


def test_columns_changed_behind_our_back_are_found(two: apdb.Apdb, plain_connection: Plain) -> None:
    plain_connection.execute(
        "update apdb_base.dia_source set psf_flux = 7 where dia_source_id = 11"
    )
    plain_connection.commit()
    again = rebuild(two, 21)
    assert not again.equal
    assert again.differences == ("prvDiaSources 11 psfFlux: 101.0 → 7.0",)
    (line,) = check_fragments(two)
    assert line == (
        "visit 2 detector 40: 1 fragments of dia_source are not as the columns, first 11"
    )
    rebuild_fragments(two, everything=True)
    assert check_fragments(two) == []


def test_unknown_alerts_are_not_found(two: apdb.Apdb) -> None:
    with pytest.raises(apdb.NotFound, match="no alert 77 in"):
        rebuild(two, 77)
    with pytest.raises(apdb.NotFound, match="no alert 11 revision 4"):
        rebuild(two, 11, 4)


@pytest.mark.parametrize("version", ["10.0", "11.0", "11.1"])
def test_fragments_in_another_version(
    two: apdb.Apdb, folder: Path, plain_connection: Plain, dsn: str, version: str
) -> None:
    if version != "11.1":
        with pytest.raises(psycopg.Error, match="not all visits have fragments"):
            set_archive(dsn, folder, alert_schema_version=version)
    done = rebuild_fragments(two, version)
    assert (done.version, done.n_visits) == (version, 3)
    # per visit: two sources, two or more forced measurements, two objects
    assert (done.n_rebuilt, done.n_dropped > 0) == ((0, False) if version == "11.1" else (3, True))
    assert check_fragments(two) == []
    report = two.store_visit(visit(9, MJD + 9 * DAY), sources([91, 92], [0.0, 3.0]), forced=forced)
    expected = Expected(plain_connection, version)
    rows = index(plain_connection, f"a.store_seq = {report.store_seq}")
    assert {row["schema_version"] for row in rows} == {version}
    packets = list(read_packets(Place(str(folder)), map(locate, rows)))
    assert packets == [expected.packet(row["dia_source_id"]) for row in rows]
    # Brokers read all versions with the newest reader.
    schema = public_package(version).definition
    assert {len(decoded(p, schema)["prvDiaSources"]) for p in packets} == {3}
    assert rebuild(two, 91).equal
    assert rebuild(two, 21).equal


def test_a_rebuild_may_be_interrupted(two: apdb.Apdb, plain_connection: Plain) -> None:
    def stop(done: int, of: int) -> None:
        assert of == 3
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild_fragments(two, "10.0", progress=stop)
    # Visits go on in the old version, and write both.
    two.store_visit(visit(9, MJD + 9 * DAY), sources([91, 92], [0.0, 3.0]), forced=forced)
    counts = plain_connection.execute(
        "select registry_id, count(*) from apdb_base.dia_source_fragment group by 1 order by 1"
    ).fetchall()
    plain_connection.rollback()
    assert counts == [(1000, 6), (1101, 8)]
    assert index(plain_connection)[-1]["schema_version"] == "11.1"
    done = rebuild_fragments(two, "10.0")
    assert (done.n_visits, done.n_rebuilt) == (4, 1)
    assert check_fragments(two) == []
    values = plain_connection.execute("select written, complete from apdb.alert_rules()").fetchone()
    assert values == ([1000], [1000])


def test_a_visit_without_fragments_meanwhile_spoils_a_rebuild(
    two: apdb.Apdb, dsn: str, folder: Path
) -> None:
    def store(done: int, of: int) -> None:
        if done == of:
            set_archive(dsn, Path(), archive_url="")
            two.store_visit(visit(9, MJD + 9 * DAY), sources([91], [0.0]))

    with pytest.raises(apdb.InvalidInput, match="without fragments"):
        rebuild_fragments(two, progress=store)
    set_archive(dsn, folder)
    rebuild_fragments(two)
    assert check_fragments(two) == []


def test_sources_with_the_same_time_are_ordered_by_id(
    db: apdb.Apdb, folder: Path, plain_connection: Plain
) -> None:
    # Two detectors of one exposure overlap, and so one object has two sources of one time.
    ids = np.array([[5, 4], [15, 14]])
    for k, (one, other) in enumerate(ids.tolist()):
        for detector, number in ((1, one), (2, other)):
            shot = apdb.Visit(
                visit=k + 1, detector=detector, band="g", midpoint_mjd_tai=MJD + k,
                ra=150.0, dec=1.2, radius=0.2,
            )  # fmt: skip
            db.store_visit(shot, sources([number], [0.0]), forced=forced)
    expected = Expected(plain_connection)
    for row in index(plain_connection, "a.visit = 2 and a.detector = 2"):
        (packet,) = read_packets(Place(str(folder)), [locate(row)])
        assert packet == expected.packet(row["dia_source_id"])
        record = decoded(packet, expected.schema)
        assert [one["diaSourceId"] for one in record["prvDiaSources"]] == [4, 5]
