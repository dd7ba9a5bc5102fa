"""Corrections: each alone, against expectations worked out by hand or by numpy and astropy."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import psycopg
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from correction_tools import MJD, asec, audit, invariants, objects, one, sources, visit
from test_store_visit import digest
from typer.testing import CliRunner

import apdb
from apdb.cli.main import app


@pytest.fixture
def two(db: apdb.Apdb) -> apdb.Apdb:
    """Objects 1 and 2, 3″ apart, three sources each: 1, 11, 21 and 2, 12, 22."""
    for k in range(3):
        table = sources([10 * k + 1, 10 * k + 2], [0.0, 3.0], flux=[100.0 + k, 200.0 + 10 * k])
        report = db.store_visit(visit(k + 1, MJD + k), table)
        assert report.dia_object_id.tolist() == [1, 2]
    return db


def test_reassign_moves_sources_and_their_light(two: apdb.Apdb, plain_connection: Any) -> None:
    report = two.reassign([12, 22], dia_object_id=1, reason="blend")
    assert (report.kind, report.n_dia_sources, report.dia_object_id) == ("reassign", 2, 1)
    assert (report.changed, report.retired, report.created) == ((1, 2), (), ())
    rows = objects(plain_connection)
    assert rows[1]["n_dia_sources"] == 5
    assert rows[2]["n_dia_sources"] == 1
    # equal errors: plain means
    assert rows[1]["g_psf_flux_mean"] == pytest.approx(np.mean([100, 101, 102, 210, 220]))
    assert rows[1]["g_psf_flux_max"] == 220
    assert rows[1]["g_psf_flux_sigma"] == pytest.approx(np.std([100, 101, 102, 210, 220], ddof=1))
    assert rows[2]["g_psf_flux_sigma"] is None
    assert rows[2]["last_dia_source_mjd_tai"] == MJD
    assert rows[1]["dec"] == pytest.approx(1.2 + asec(3.0 * 2 / 5), abs=1e-9)
    assert audit(plain_connection, report.store_seq) == {12: (2, 1, False), 22: (2, 1, False)}
    event = one(plain_connection, "select kind, reason, n_dia_sources from apdb.correction")
    assert event == ("reassign", "blend", 2)
    invariants(plain_connection)


def test_a_corrected_visit_still_returns_its_report(two: apdb.Apdb, plain_connection: Any) -> None:
    two.reassign(12, dia_object_id=1, reason="blend")
    table = sources([11, 12], [0.0, 3.0], flux=[101.0, 210.0])
    again = two.store_visit(visit(2, MJD + 1), table)
    assert (again.state, again.corrected) == ("repeated", True)
    assert again.dia_object_id.tolist() == [1, 2]
    table = sources([1, 2], [0.0, 3.0], flux=[100.0, 200.0])
    assert not two.store_visit(visit(1, MJD), table).corrected


def test_repeated_corrections_change_nothing(two: apdb.Apdb, plain_connection: Any) -> None:
    two.reassign([12], dia_object_id=1, reason="blend")
    two.withdraw([21], reason="satellite")
    before = digest(plain_connection)
    assert two.reassign([12], dia_object_id=1, reason="blend").store_seq == 0
    assert two.withdraw([21], reason="satellite").store_seq == 0
    plain_connection.rollback()
    assert digest(plain_connection) == before


def test_dry_runs_write_nothing(two: apdb.Apdb, plain_connection: Any) -> None:
    before = digest(plain_connection)
    moved = two.reassign([2, 12, 22], dia_object_id=1, reason="x", dry_run=True)
    assert (moved.dry_run, moved.store_seq, moved.retired) == (True, 0, (2,))
    assert two.merge_objects(1, 2, reason="x", dry_run=True).changed == (1,)
    assert two.split(1, [11], reason="x", dry_run=True).dia_object_id == 11
    assert two.withdraw(visit=(1, 40), reason="x", dry_run=True).n_dia_sources == 2
    new = two.replace(visit(1, MJD), sources([5], [9.0]), reason="x", dry_run=True)
    assert (new.created, new.changed, new.store_seq) == ((5,), (1, 2), 0)
    plain_connection.rollback()
    assert digest(plain_connection) == before


def test_reassign_to_a_solar_system_object(two: apdb.Apdb, plain_connection: Any) -> None:
    plain_connection.execute(
        "insert into apdb_base.ephemeris (ss_object_id, mjd_tai, ra, dec, ra_rate, dec_rate, "
        "designation) values (77, %s, 150.0, %s, 0.0, 0.0, '2026 AB')",
        (MJD + 1, 1.2 + asec(5.0)),
    )
    plain_connection.commit()
    report = two.reassign([2, 12, 22], ss_object_id=77, reason="slow mover")
    assert (report.changed, report.retired) == ((), (2,))
    rows = plain_connection.execute(
        "select dia_object_id, ss_object_id, ss_object_reassoc_time_mjd_tai from apdb.dia_source "
        "where dia_source_id in (2, 12, 22)"
    ).fetchall()
    assert rows == [(None, 77, report.mjd_tai)] * 3
    assert one(plain_connection, "select designation, n_obs, g_n_obs, arc from apdb.ss_object") == (
        "2026 AB",
        3,
        3,
        2.0,
    )
    # the ephemeris reaches half a day: only source 12 has a prediction, 2″ north of it
    offsets = plain_connection.execute(
        "select dia_source_id, eph_offset_dec from apdb.ss_source order by 1"
    ).fetchall()
    assert [i for i, _ in offsets] == [2, 12, 22]
    assert [o for _, o in offsets] == [None, pytest.approx(-2.0, abs=1e-6), None]
    assert audit(plain_connection, report.store_seq)[12] == (2, None, False)
    invariants(plain_connection)

    back = two.reassign([12], dia_object_id=1, reason="no")
    assert one(plain_connection, "select n_obs, arc from apdb.ss_object") == (2, 2.0)
    assert one(plain_connection, "select count(*) from apdb.ss_source") == (2,)
    assert one(
        plain_connection,
        "select dia_object_id, ss_object_id, ss_object_reassoc_time_mjd_tai from apdb.dia_source "
        "where dia_source_id = 12",
    ) == (1, None, None)
    assert back.changed == (1,)
    invariants(plain_connection)


def test_merge_retires_the_others_and_moves_forced_photometry(
    two: apdb.Apdb, plain_connection: Any
) -> None:
    def measure(flux: dict[int, float]) -> dict[str, Any]:
        n = len(flux)
        return {"dia_object_id": list(flux), "psf_flux": list(flux.values()),
                "psf_flux_err": np.full(n, 2.0)}  # fmt: skip

    two.store_visit(visit(4, MJD + 3), sources([31], [0.0]), forced=measure({1: 10.0, 2: 20.0}))
    two.store_visit(visit(5, MJD + 4), sources([41], [0.0]), forced=measure({2: 30.0}))
    report = two.merge_objects(1, [2], reason="one star")
    assert (report.changed, report.retired, report.n_dia_sources) == ((1,), (2,), 3)
    rows = objects(plain_connection)
    assert list(rows) == [1]
    assert rows[1]["n_dia_sources"] == 8
    forced = plain_connection.execute(
        "select dia_object_id, visit, psf_flux from apdb.dia_forced_source order by visit"
    ).fetchall()
    assert forced == [(1, 4, 10.0), (1, 5, 30.0)]
    assert rows[1]["g_fp_flux_mean"] == pytest.approx(20.0)
    assert rows[1]["g_fp_flux_mean_err"] == pytest.approx(2.0 / np.sqrt(2))
    kept = one(
        plain_connection,
        "select n_dia_sources, store_seq_end, validity_end_mjd_tai from apdb_base.dia_object "
        "where dia_object_id = 2",
    )
    assert kept == (3, report.store_seq, report.mjd_tai)
    invariants(plain_connection)


def test_split_starts_an_object_named_after_its_lowest_source(
    two: apdb.Apdb, plain_connection: Any
) -> None:
    report = two.split(1, [21, 11], reason="two stars")
    assert (report.dia_object_id, report.created, report.changed) == (11, (11,), (1,))
    rows = objects(plain_connection)
    assert rows[11]["n_dia_sources"] == 2
    assert rows[11]["first_dia_source_mjd_tai"] == MJD + 1
    assert rows[11]["store_seq"] == report.store_seq
    assert rows[1]["n_dia_sources"] == 1
    assert one(
        plain_connection, "select count(*) from apdb.dia_object_version where dia_object_id = 11"
    ) == (0,)
    invariants(plain_connection)
    # The source that the object is named after goes: its id is taken, so the new one is spare.
    other = two.split(2, [2], reason="two stars")
    assert other.dia_object_id >= 2**62
    invariants(plain_connection)


def test_withdrawn_sources_vanish(two: apdb.Apdb, plain_connection: Any) -> None:
    report = two.withdraw([1, 2, 12, 22], reason="satellite")
    assert (report.changed, report.retired) == ((1,), (2,))
    rows = objects(plain_connection)
    assert rows[1]["n_dia_sources"] == 2
    assert rows[1]["first_dia_source_mjd_tai"] == MJD + 1
    assert rows[1]["g_psf_flux_min"] == 101
    assert one(plain_connection, "select count(*) from apdb.dia_source") == (2,)
    stored = plain_connection.execute(
        "select dia_source_id, dia_object_id, time_withdrawn_mjd_tai from apdb_base.dia_source "
        "where time_withdrawn_mjd_tai is not null order by 1"
    ).fetchall()
    assert stored == [(i, o, report.mjd_tai) for i, o in [(1, 1), (2, 2), (12, 2), (22, 2)]]
    invariants(plain_connection)
    with pytest.raises(apdb.IdConflict):
        two.store_visit(visit(9, MJD + 9), sources([12], [0.0]))


def test_withdrawn_visit_and_its_way_back(two: apdb.Apdb, plain_connection: Any) -> None:
    forced = {"dia_object_id": [1, 2], "psf_flux": [5.0, 6.0], "psf_flux_err": [1.0, 1.0]}
    table = sources([31], [0.0], flux=[500.0])
    two.store_visit(visit(4, MJD + 400), table, forced=forced)
    assert objects(plain_connection)[1]["g_psf_flux_ndata"] == 1  # a year later
    report = two.withdraw(visit=(4, 40), reason="clouds")
    assert report.changed == (1, 2)
    rows = objects(plain_connection)
    assert rows[1]["g_psf_flux_ndata"] == rows[1]["n_dia_sources"] == 3
    assert rows[1]["g_fp_flux_mean"] is None
    assert one(plain_connection, "select count(*) from apdb.dia_forced_source") == (0,)
    invariants(plain_connection)
    again = two.store_visit(visit(4, MJD + 400), table, forced=forced)
    assert (again.state, again.corrected) == ("repeated", True)
    assert one(plain_connection, "select count(*) from apdb.dia_source where visit = 4") == (0,)

    back = two.replace(visit(4, MJD + 400), table, forced=forced, reason="no clouds")
    assert back.stored is not None
    assert back.stored.dia_object_id.tolist() == [1]
    assert one(plain_connection, "select count(*) from apdb.dia_forced_source") == (2,)
    assert objects(plain_connection)[1]["n_dia_sources"] == 4
    assert objects(plain_connection)[1]["g_fp_flux_mean"] == 5.0
    invariants(plain_connection)


def test_replace_a_visit(two: apdb.Apdb, plain_connection: Any) -> None:
    new = sources([11, 13, 14], [0.5, 9.0, 3.2], flux=[111.0, 300.0, 222.0])
    report = two.replace(visit(2, MJD + 1), new, reason="better template")
    assert report.stored is not None
    assert report.stored.dia_object_id.tolist() == [1, 13, 2]
    assert report.stored.state == "stored"
    assert (report.changed, report.created, report.retired) == ((1, 2), (13,), ())
    rows = objects(plain_connection)
    assert {i: r["n_dia_sources"] for i, r in rows.items()} == {1: 3, 2: 3, 13: 1}
    assert rows[2]["g_psf_flux_mean"] == pytest.approx(np.mean([200, 222, 220]))
    # one version for the whole correction
    assert one(
        plain_connection,
        "select count(*) from apdb.dia_object_version where store_seq_end = %s",
        report.store_seq,
    ) == (2,)
    gone = plain_connection.execute(
        "select dia_source_id, dia_object_id, psf_flux, superseded_store_seq "
        "from apdb.dia_source_superseded order by 1"
    ).fetchall()
    assert gone == [(11, 1, 101.0, report.store_seq), (12, 2, 210.0, report.store_seq)]
    assert audit(plain_connection, report.store_seq) == {11: (1, 1, False), 12: (2, None, True)}
    assert one(plain_connection, "select details, n_dia_sources from apdb.correction") == (
        {"changed": [1, 2], "retired": [], "created": [13], "n_new_dia_sources": 3},
        2,
    )
    register = one(
        plain_connection, "select n_dia_sources, store_seq from apdb.visit where visit = 2"
    )
    assert register == (3, report.store_seq)
    invariants(plain_connection)

    before = digest(plain_connection)
    again = two.replace(visit(2, MJD + 1), new, reason="better template")
    assert again.store_seq == 0
    assert again.stored is not None
    assert (again.stored.state, again.stored.corrected) == ("repeated", False)
    assert two.store_visit(visit(2, MJD + 1), new).state == "repeated"
    plain_connection.rollback()
    assert digest(plain_connection) == before
    with pytest.raises(apdb.VisitConflict):
        two.store_visit(visit(2, MJD + 1), sources([11, 12], [0.0, 3.0], flux=[101.0, 210.0]))
    # the id that is free again
    assert two.store_visit(visit(7, MJD + 7), sources([12], [3.0])).dia_object_id.tolist() == [2]
    invariants(plain_connection)


def test_replace_brings_an_emptied_object_back(db: apdb.Apdb, plain_connection: Any) -> None:
    db.store_visit(visit(1, MJD), sources([1, 2], [0.0, 9.0]))
    report = db.replace(visit(1, MJD), sources([1], [20.0]), reason="astrometry")
    assert (report.changed, report.retired, report.created) == ((1,), (2,), ())
    rows = objects(plain_connection)
    assert list(rows) == [1]
    assert rows[1]["n_dia_sources"] == 1
    assert rows[1]["dec"] == pytest.approx(1.2 + asec(20.0), abs=1e-9)
    versions = db.object_versions(1)
    assert versions["n_dia_sources"].tolist() == [1, 1]
    assert versions["validity_end_mjd_tai"][0] == versions["validity_start_mjd_tai"][1]
    invariants(plain_connection)
    # A visit may name an object after a source whose id a retired object has.
    db.replace(visit(1, MJD), sources([3], [40.0]), reason="astrometry")
    late = db.store_visit(visit(2, MJD - 5), sources([1, 2], [0.0, 9.0]))
    assert late.dia_object_id.tolist() == [1, 2]
    rows = objects(plain_connection)
    assert [rows[i]["n_dia_sources"] for i in (1, 2, 3)] == [1, 1, 1]
    assert [rows[i]["last_dia_source_mjd_tai"] for i in (1, 2)] == [MJD - 5] * 2
    invariants(plain_connection)


def test_replace_with_another_time_and_solar_system(db: apdb.Apdb, plain_connection: Any) -> None:
    plain_connection.execute(
        "insert into apdb_base.ephemeris (ss_object_id, mjd_tai, ra, dec, ra_rate, dec_rate) "
        "values (77, %s, 150.0, 1.2, 0, 0), (78, %s, 150.0, 1.2, 0, 0)", (MJD, MJD + 40)
    )  # fmt: skip
    plain_connection.commit()
    assert db.store_visit(visit(1, MJD), sources([1], [0.1])).ss_object_id.tolist() == [77]
    report = db.replace(visit(1, MJD + 40), sources([1], [0.1]), reason="clock of the shutter")
    assert report.stored is not None
    assert report.stored.ss_object_id.tolist() == [78]
    counts = plain_connection.execute(
        "select ss_object_id, n_obs from apdb.ss_object order by 1"
    ).fetchall()
    assert counts == [(77, 0), (78, 1)]
    assert one(plain_connection, "select ss_object_id from apdb.ss_source") == (78,)
    assert one(plain_connection, "select midpoint_mjd_tai from apdb.visit") == (MJD + 40,)
    invariants(plain_connection)


def test_replace_is_all_or_nothing(two: apdb.Apdb, plain_connection: Any) -> None:
    before = digest(plain_connection)
    with pytest.raises(apdb.NotFound, match=r"Visit 9 detector 40 is not stored"):
        two.replace(visit(9, MJD), sources([5], [0.0]), reason="x")
    with pytest.raises(apdb.IdConflict, match=r"row 1, column dia_source_id = 21"):
        two.replace(visit(1, MJD), sources([1, 21], [0.0, 3.0]), reason="x")

    def broken(positions: Any) -> None:
        raise RuntimeError("no pixels")

    with pytest.raises(RuntimeError, match="no pixels"):
        two.replace(visit(1, MJD), sources([1], [0.0]), reason="x", forced=broken)
    plain_connection.rollback()
    assert digest(plain_connection) == before


def test_corrections_that_cannot_be_made(two: apdb.Apdb, plain_connection: Any) -> None:
    two.withdraw([22], reason="satellite")
    two.store_visit(visit(8, MJD + 8), sources([71], [9.0]))
    two.merge_objects(1, 71, reason="x")
    before = digest(plain_connection)
    why = {"reason": "x"}
    cases = [
        (apdb.NotFound, r"no such DIASources: 98,99", lambda: two.withdraw([99, 1, 98], **why)),
        (apdb.NotFound, r"no such DIAObjects: 5", lambda: two.reassign(1, dia_object_id=5, **why)),
        (apdb.NotFound, r"no such DIAObjects: 5", lambda: two.merge_objects(1, [2, 5], **why)),
        (apdb.NotFound, r"visit 9 detector 1", lambda: two.withdraw(visit=(9, 1), **why)),
        (apdb.CorrectionError, r"retired: 71", lambda: two.reassign(2, dia_object_id=71, **why)),
        (apdb.CorrectionError, r"retired: 71", lambda: two.merge_objects(2, 71, **why)),
        (apdb.CorrectionError, r"object 1 .* itself", lambda: two.merge_objects(1, [2, 1], **why)),
        (apdb.CorrectionError, r"not of object 1: 2, 12", lambda: two.split(1, [2, 11, 12], **why)),
        (apdb.CorrectionError, r"withdrawn.*: 22", lambda: two.split(2, [22], **why)),
        (apdb.CorrectionError, r"withdrawn.*: 22", lambda: two.reassign(22, ss_object_id=7, **why)),
        (apdb.CorrectionError, r"object 2 without", lambda: two.split(2, [2, 12], **why)),
        (apdb.InvalidInput, r"dia_source_ids = 1.0", lambda: two.withdraw(np.array([1.0]), **why)),
        (apdb.InvalidInput, r"name at least one", lambda: two.withdraw([], **why)),
        (apdb.InvalidInput, r"one of them", lambda: two.withdraw(**why)),
        (apdb.InvalidInput, r"one of them", lambda: two.reassign(1, **why)),
        (apdb.InvalidInput, r"visit, detector", lambda: two.withdraw(visit=(1,), **why)),
        (apdb.InvalidInput, r"say why", lambda: two.withdraw([1], reason=" ")),
        (apdb.InvalidInput, r"radius", lambda: two.find_duplicates(float("nan"))),
    ]  # fmt: skip
    for error, message, attempt in cases:
        with pytest.raises(error, match=message):
            attempt()
    plain_connection.rollback()
    assert digest(plain_connection) == before


def test_a_correction_refuses_a_snapshot_from_before_its_locks(
    two: apdb.Apdb, plain_connection: Any
) -> None:
    plain_connection.rollback()
    plain_connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with pytest.raises(psycopg.Error, match="READ COMMITTED") as caught:
        plain_connection.execute("select apdb.withdraw('{1}', null, null, 'x')")
    assert caught.value.sqlstate == "VA008"


def test_corrections_share_a_transaction_in_psql(two: apdb.Apdb, plain_connection: Any) -> None:
    plain_connection.rollback()
    plain_connection.execute("select apdb.withdraw('{1}', null, null, 'x')")
    plain_connection.execute("select apdb.split(2, '{22}', 'x')")
    plain_connection.execute("select apdb.merge_objects(1, '{2,22}', 'x')")
    plain_connection.commit()
    assert objects(plain_connection)[1]["n_dia_sources"] == 5
    invariants(plain_connection)


def test_writers_correct_and_readers_look(dsn: str, two: apdb.Apdb) -> None:
    with apdb.connect(f"{dsn} user=apdb_writer") as writer:
        assert writer.merge_objects(1, 2, reason="x").retired == (2,)
    with apdb.connect(f"{dsn} user=apdb_reader") as reader:
        assert len(reader.find_duplicates(5.0)) == 0
        with pytest.raises(apdb.ApdbError, match=r"permission denied|read-only"):
            reader.withdraw([1], reason="x")


def test_duplicates_equal_a_search_by_astropy(db: apdb.Apdb) -> None:
    rng = np.random.default_rng(3)
    n = 300
    ra = (359.99 + rng.uniform(0, 0.02, n)) % 360
    dec = rng.uniform(-0.01, 0.01, n)
    table = {"dia_source_id": rng.permutation(n) + 1, "ra": ra, "dec": dec,
             "psf_flux": np.ones(n), "psf_flux_err": np.ones(n)}  # fmt: skip
    db.store_visit(apdb.Visit(1, 1, "g", MJD, ra=0.0, dec=0.0, radius=0.1), table)
    place = SkyCoord(ra, dec, unit="deg")
    i, j, distance, _ = place.search_around_sky(place, 4 * u.arcsec)
    ids = table["dia_source_id"]
    order = np.lexsort((ids[j], ids[i]))
    first, second, distance = ids[i][order], ids[j][order], distance.arcsec[order]
    once = first < second
    assert once.sum() > 100
    pairs = db.find_duplicates(4.0)
    assert pairs["distance"].unit == u.arcsec
    np.testing.assert_array_equal(pairs["dia_object_id_1"], first[once])
    np.testing.assert_array_equal(pairs["dia_object_id_2"], second[once])
    np.testing.assert_allclose(pairs["distance"], distance[once], atol=1e-6)
    seen, after = [], None
    while len(page := db.find_duplicates(4.0, 20, after=after)):
        seen += page["dia_object_id_2"].tolist()
        after = int(page["dia_object_id_1"][-1])
    assert seen == second[once].tolist()


def test_the_command_line(dsn: str, two: apdb.Apdb, plain_connection: Any, tmp_path: Any) -> None:
    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(app, ["--dsn", dsn, "correct", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    assert "1 pair(s) within 5 arcsec" in run("duplicates", "5")
    (pair,) = json.loads(run("duplicates", "5", "--json"))
    assert pair["dia_object_id_2"] == 2
    assert "it would be" in run("merge", "1", "2", "--reason", "x", "--dry-run")
    assert json.loads(run("split", "1", "11", "-r", "x", "--json"))["created"] == [11]
    assert "objects retired: 11" in run("merge", "1", "11", "-r", "x")
    assert "1 source(s), store_seq" in run("reassign", "12", "--object", "1", "-r", "x")
    assert "so already" in run("reassign", "12", "--object", "1", "-r", "x")
    assert "2 source(s)" in run("withdraw", "--visit", "3", "--detector", "40", "-r", "x")
    file = tmp_path / "v.ecsv"
    Table(sources([1, 2], [0.0, 3.0], flux=[7.0, 8.0])).write(file)
    output = run("replace", str(file), "--visit", "1", "--detector", "40", "--band", "g",
                 "--midpoint", str(MJD), "-r", "x")  # fmt: skip
    assert "new content: 2 source(s)" in output
    assert one(
        plain_connection, "select psf_flux from apdb.dia_source where dia_source_id = 1"
    ) == (7,)
    invariants(plain_connection)
