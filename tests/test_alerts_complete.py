"""Completing alerts beside replacements, other completions and brokers that read on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from correction_tools import MJD, sources, visit
from packet_tools import Expected, index, set_archive

import apdb
from apdb import store
from apdb.alerts import complete
from apdb.alerts.complete import complete_alerts
from apdb.alerts.rebuild import locate, rebuild
from apdb.alerts.refill import rebuild_fragments
from apdb.archive.place import Place
from apdb.archive.reader import read_packets
from apdb.archive.verify import verify
from apdb.errors import AlertRemoved

Plain = psycopg.Connection[Any]
KINDS = ("difference", "science", "template")


@pytest.fixture
def folder(dsn: str, tmp_path: Path) -> Path:
    set_archive(dsn, tmp_path / "archive")
    return tmp_path / "archive"


def stamps_of(n: int) -> dict[str, list[bytes]]:
    """Something that begins like a FITS file, another for each source and kind."""
    card = b"SIMPLE  =                    T".ljust(2880)
    return {kind: [card + kind.encode() + bytes([k]) for k in range(n)] for kind in KINDS}


def store_without_stamps(db: apdb.Apdb, dsn: str, folder: Path) -> None:
    set_archive(dsn, folder, alert_max_with_stamps=0)
    db.store_visit(visit(1, MJD), sources([1, 2, 3], [0.0, 3.0, 6.0]), cutouts=stamps_of(3))


def test_stamps_of_alerts_that_a_replacement_left(
    db: apdb.Apdb, dsn: str, folder: Path, plain_connection: Plain
) -> None:
    store_without_stamps(db, dsn, folder)
    first = Expected(plain_connection)
    wanted = {
        number: first.packet(
            number,
            **{f"cutout{k.capitalize()}": each[number - 1] for k, each in stamps_of(3).items()},
        )
        for number in (2, 3)
    }
    replaced = sources([1, 4], [0.0, 9.0])
    db.replace(visit(1, MJD), replaced, cutouts=stamps_of(2), reason="new pixels")
    assert sorted(done.n_alerts for done in complete_alerts(db)) == [2, 2]
    rows = index(plain_connection, "a.is_current")
    assert {row["dia_source_id"]: row["stamps_file"] is None for row in rows} == dict.fromkeys(
        (1, 2, 3, 4), False
    )
    for row in rows:
        (packet,) = read_packets(Place(str(folder)), [locate(row)])
        assert packet == wanted.get(row["dia_source_id"], packet)
        assert rebuild(db, row["dia_source_id"]).equal
    assert verify(db).clean


def test_two_completions_at_once(
    db: apdb.Apdb, dsn: str, folder: Path, plain_connection: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_without_stamps(db, dsn, folder)
    begin = complete._begin

    def overtaken(*given: Any) -> Any:
        monkeypatch.setattr(complete, "_begin", begin)
        (done,) = complete_alerts(db)
        assert done.n_alerts == 3
        return begin(*given)

    monkeypatch.setattr(complete, "_begin", overtaken)
    assert complete_alerts(db) == []
    files = [path.name for path in folder.rglob("*.packets.avro")]
    assert len(files) == 2
    # Nor does one that saw no alert at all write them again.
    assert complete_alerts(db, visit=(1, 40)) == []
    rows = index(plain_connection, "a.is_current")
    assert {(row["revision"], row["content"]) for row in rows} == {(1, "full")}


def test_brokers_read_on_while_alerts_are_completed(
    db: apdb.Apdb, dsn: str, folder: Path, plain_connection: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_without_stamps(db, dsn, folder)
    write, seen = complete._write, []

    def watched(*given: Any) -> Any:
        report = db.store_visit(visit(2, MJD - 1), sources([11], [60.0]))
        row = plain_connection.execute("select apdb.archive_horizon()").fetchone()
        plain_connection.rollback()
        seen.append((row, (report.store_seq,)))
        return write(*given)

    monkeypatch.setattr(complete, "_write", watched)
    (done,) = complete_alerts(db)
    ((horizon, stored),) = seen
    assert horizon == stored
    assert done.store_seq > stored[0]


def test_a_visit_replaced_while_there_was_no_archive(
    db: apdb.Apdb, dsn: str, folder: Path, plain_connection: Plain
) -> None:
    db.store_visit(visit(1, MJD), sources([1, 2], [0.0, 3.0]))
    set_archive(dsn, Path(), archive_url="")
    db.replace(visit(1, MJD), sources([1, 3], [0.0, 9.0], flux=[7.0, 8.0]), reason="new pixels")
    set_archive(dsn, folder)
    rebuild_fragments(db)
    (done,) = complete_alerts(db)
    assert (done.n_alerts, done.content) == (2, "no_stamps")
    assert complete_alerts(db) == []
    assert verify(db).clean
    expected = Expected(plain_connection)
    for row in index(plain_connection, "a.is_current and a.dia_source_id <> 2"):
        (packet,) = read_packets(Place(str(folder)), [locate(row)])
        assert packet == expected.packet(row["dia_source_id"])
        assert rebuild(db, row["dia_source_id"]).equal
    assert rebuild(db, 1, 0).equal
    assert rebuild(db, 2).equal


def test_an_archive_given_while_a_visit_is_stored_without(
    db: apdb.Apdb,
    dsn: str,
    tmp_path: Path,
    plain_connection: Plain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, end_attempt, switch = tmp_path / "archive", store._end_attempt, []

    def paused(*given: Any) -> None:
        monkeypatch.setattr(store, "_end_attempt", end_attempt)
        switch.append(threading.Thread(target=set_archive, args=(dsn, folder)))
        switch[0].start()
        switch[0].join(0.5)
        assert switch[0].is_alive()
        end_attempt(*given)

    monkeypatch.setattr(store, "_end_attempt", paused)
    db.store_visit(visit(1, MJD), sources([1], [0.0]))
    switch[0].join(20.0)
    # Its history has a source without fragment, so it waits for completion.
    db.store_visit(visit(2, MJD + 0.01), sources([11], [0.0]))
    (row,) = index(plain_connection)
    assert (row["content"], row["degraded"]) == ("bare", "fragments")
    rebuild_fragments(db)
    assert len(complete_alerts(db)) == 2
    (row,) = index(plain_connection, "a.is_current and a.dia_source_id = 11")
    (packet,) = read_packets(Place(str(folder)), [locate(row)])
    assert packet == Expected(plain_connection).packet(11)


def test_sources_that_became_eligible(db: apdb.Apdb, dsn: str, folder: Path) -> None:
    set_archive(dsn, folder, alert_reliability_min=0.4)
    given = sources([1, 2, 3], [0.0, 3.0, 6.0])
    db.store_visit(visit(1, MJD), {**given, "reliability": np.array([0.1, 0.5, 0.9], np.float32)})
    set_archive(dsn, folder, alert_reliability_min=0)
    assert verify(db).counts == {"eligible source without alert": 1}
    (done,) = complete_alerts(db, visit=(1, 40))
    assert done.n_alerts == 1
    assert verify(db).clean
    assert rebuild(db, 1).equal
    with pytest.raises(apdb.NotFound, match="visit 2 detector 40 is not stored"):
        complete_alerts(db, visit=(2, 40))


def test_every_visit_is_looked_through_on_request(db: apdb.Apdb, dsn: str, folder: Path) -> None:
    set_archive(dsn, folder, alert_reliability_min=0.4)
    low = {"reliability": np.array([0.1, 0.5], np.float32)}
    for number in (1, 2):
        given = sources([10 * number, 10 * number + 1], [0.0, 3.0])
        db.store_visit(visit(number, MJD + number), {**given, **low})
    db.store_visit(visit(3, MJD + 3), sources([30], [0.0]))
    set_archive(dsn, folder, alert_reliability_min=0)
    assert complete_alerts(db) == []
    done = complete_alerts(db, every_visit=True)
    assert [(each.visit, each.n_alerts) for each in done] == [(1, 1), (2, 1)]
    assert verify(db, every_visit=True).clean
    assert complete_alerts(db, every_visit=True) == []


def test_alerts_that_retention_removed_are_rendered_anew(
    db: apdb.Apdb, folder: Path, plain_connection: Plain
) -> None:
    db.store_visit(visit(1, MJD), sources([1], [0.0]))
    db.store_visit(visit(2, MJD + 0.01), sources([11], [0.0]), cutouts=stamps_of(1))
    whole = {row["dia_source_id"]: row for row in index(plain_connection)}
    place = Place(str(folder))
    (bare,) = read_packets(place, [locate(whole[11])], stamps=False)

    def remove(*files: str) -> None:
        plain_connection.execute(
            "update apdb_base.archive_file set state = 'removed' where path = any(%s)",
            (list(files),),
        )
        plain_connection.commit()
        assert all(place.remove(file) for file in files)

    remove(whole[1]["packet_file"], whole[11]["stamps_file"])
    first, second = rebuild(db, 1), rebuild(db, 11)
    assert (first.equal, first.without_stamps) == (True, False)
    assert first.sha256_rebuilt == bytes(whole[1]["sha256"])
    assert (second.equal, second.without_stamps, second.packet) == (True, True, bare)
    plain_connection.execute("update apdb_base.dia_source set psf_flux = 7")
    plain_connection.commit()
    assert rebuild(db, 1).differences == (
        "the archived packet was removed by retention, its SHA-256 differs",
    )
    assert "diaSource psfFlux: 100.0 → 7.0" in rebuild(db, 11).differences
    remove(whole[11]["packet_file"])
    with pytest.raises(AlertRemoved, match="packet and stamps were removed"):
        rebuild(db, 11)
