"""The queue of characterisation: what is due, what is written, several workers, killed ones."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import psycopg
import pytest
from features_tools import MJD, stored_field

import apdb
from apdb.features import work as work_module
from apdb.features.names import NON_PERIODIC, PERIODIC
from apdb.features.run import WORKER


def queue(connection: psycopg.Connection[Any]) -> dict[int, int]:
    rows = connection.execute("select dia_object_id, attempts from apdb_base.feature_queue")
    found = dict(rows.fetchall())
    connection.rollback()
    return found


def enqueued(
    connection: psycopg.Connection[Any], ids: list[int] | None, *, everything: bool = False
) -> int:
    row = connection.execute("select apdb.enqueue_features(%s, %s)", (everything, ids)).fetchone()
    connection.commit()
    assert row is not None
    return int(row[0])


def versions(connection: psycopg.Connection[Any], table: str = "dia_object_astrometry") -> Any:
    """(object, store_seq, store_seq_end) of every version, by object and step."""
    rows = connection.execute(
        f"select distinct dia_object_id, store_seq, store_seq_end from apdb_base.{table} order by 1, 2"
    ).fetchall()
    connection.rollback()
    return rows


def check_versions(connection: psycopg.Connection[Any]) -> None:
    """Fail unless versions follow each other, alike in the three tables, one current each."""
    expected = versions(connection)
    assert versions(connection, "dia_object_feature_packet") == expected
    assert set(versions(connection, "dia_object_feature")) <= set(expected)
    for (number, _, end), (next_number, next_start, _) in zip(
        expected, [*expected[1:], (None, None, None)], strict=True
    ):
        assert end == (next_start if number == next_number else None)


def test_visits_make_objects_due_once(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    stored_field(db, n_objects=6, n_visits=4)
    assert queue(plain_connection) == {}
    assert db.features_due().n_steps_unseen == 4
    done = db.characterize()
    assert (done.n_queued, done.n_written, done.n_left, done.n_failed) == (6, 6, 0, 0)
    assert done.n_curves == 6 * 4
    assert queue(plain_connection) == {}
    check_versions(plain_connection)
    again = db.characterize()
    assert (again.n_queued, again.n_written) == (0, 0)
    stored_field(db, n_objects=3, n_visits=1, first_visit=5)
    third = db.characterize()
    assert (third.n_queued, third.n_written) == (3, 3)
    check_versions(plain_connection)
    due = db.features_due()
    assert (due.n_due, due.n_objects, due.n_steps_unseen) == (0, 6, 0)


def test_objects_of_few_sources_are_not_due(db: apdb.Apdb) -> None:
    stored_field(db, n_objects=4, n_visits=1)
    assert db.characterize().n_queued == 0
    db.set_setting("features_min_sources", 1)
    assert db.characterize(everything=True).n_written == 4


def test_corrections_make_objects_due(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    ids = stored_field(db, n_objects=3, n_visits=4)
    db.characterize()
    source = db.sources_of_object(int(ids[0]))["dia_source_id"][-1]
    db.withdraw(dia_source_ids=[int(source)], reason="a test")
    done = db.characterize()
    assert (done.n_queued, done.n_written) == (1, 1)
    assert db.astrometry(int(ids[0]))["n_points"][0] == 3
    assert len(db.features(int(ids[0]))) == 3
    db.merge_objects(int(ids[1]), int(ids[2]), reason="a test")
    merged = db.characterize()
    assert (merged.n_queued, merged.n_written) == (2, 1)
    assert db.astrometry(int(ids[1]))["n_points"][0] == 8
    check_retired = plain_connection.execute(
        "select count(*) from apdb.dia_object_feature where dia_object_id = %s", (int(ids[2]),)
    ).fetchone()
    assert check_retired == (0,)


def test_new_points_while_an_object_is_worked_on_are_not_lost(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any], dsn: str
) -> None:
    ids = stored_field(db, n_objects=2, n_visits=3)
    with psycopg.connect(dsn) as worker:
        worker.execute("select apdb.enqueue_features()")
        worker.commit()
        assert worker.execute("select apdb.claim_features(10)").fetchone() == (2,)
        with apdb.connect(dsn) as other:
            stored_field(other, n_objects=1, n_visits=1, first_visit=4)
            assert other.characterize().n_written == 0
        assert worker.execute("select n_still_due from apdb.store_features()").fetchone() == (1,)
    assert list(queue(plain_connection)) == [ids[0]]
    assert db.characterize().n_written == 1
    assert db.astrometry(int(ids[0]))["n_points"][0] == 4


def test_what_another_session_finishes_meanwhile_is_not_done_again(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any], dsn: str
) -> None:
    stored_field(db, n_objects=3, n_visits=4)
    db.characterize()
    stored_field(db, n_objects=3, n_visits=1, first_visit=5)
    assert enqueued(plain_connection, None) == 3
    stored_field(db, n_objects=3, n_visits=1, first_visit=6)
    found: list[int] = []

    def look() -> None:
        with psycopg.connect(dsn) as connection:
            found.append(enqueued(connection, None))

    # what a worker writes at its end, of the objects as they are now
    plain_connection.execute(
        "update apdb_base.dia_object_astrometry as a set object_store_seq = o.store_seq "
        "from apdb_base.dia_object as o where o.dia_object_id = a.dia_object_id"
    )
    plain_connection.execute("delete from apdb_base.feature_queue")
    other = threading.Thread(target=look)
    other.start()
    # it waits for the queue's rows that are being deleted
    with psycopg.connect(dsn, autocommit=True) as watcher:
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        while watcher.execute(waiting).fetchone() == (0,):
            time.sleep(0.02)
    plain_connection.commit()
    other.join()
    assert found == [0]
    assert queue(plain_connection) == {}


def test_what_is_written(db: apdb.Apdb, plain_connection: psycopg.Connection[Any]) -> None:
    ids = stored_field(db, n_objects=2, n_visits=40, bands="r")
    db.characterize()
    table = db.features(int(ids[0]))
    assert table["band"].tolist() == ["r"]
    assert table["n_points"][0] == 40
    assert table["frequency1"].unit == "1 / d"
    assert table["stetson_j"].unit is None
    fluxes = np.array(db.sources_of_object(int(ids[0]))["psf_flux"], float)
    assert table["standard_deviation"][0] == pytest.approx(np.std(fluxes, ddof=1), rel=1e-6)
    assert not any(np.ma.is_masked(table[f.name][0]) for f in (*PERIODIC, *NON_PERIODIC))
    row = plain_connection.execute(
        "select array_length(f.lc_periodic, 1), array_length(f.lc_non_periodic, 1), "
        "f.lc_periodic[2] = v.frequency1, f.lc_non_periodic[10] = v.stetson_j, "
        "f.lc_non_periodic[20] = v.chi2_false, f.lc_periodic[32] = v.variance_ratio1 "
        "from apdb.dia_object_feature as f inner join apdb.light_curve_feature as v "
        "using (dia_object_id, band) where dia_object_id = %s",
        (int(ids[0]),),
    ).fetchone()
    assert row == (32, 20, True, True, True, True)


def test_history_of_light_curves_is_bounded_that_of_astrometry_is_not(db: apdb.Apdb) -> None:
    db.set_setting("features_history_days", 10)
    ids = stored_field(db, n_objects=1, n_visits=20, bands="g", span=40.0)
    db.characterize()
    assert db.features(int(ids[0]))["n_points"][0] == 6
    assert db.astrometry(int(ids[0]))["n_points"][0] == 20


def test_one_object_that_fails_does_not_hold_up_the_others(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = stored_field(db, n_objects=5, n_visits=3)
    real = work_module.lc_periodic
    broken = {*db.sources_of_object(int(ids[2]))["midpoint_mjd_tai"].tolist()}

    def fails(curves: Any, search: Any) -> Any:
        # the fixture gives object 3 alone a time of its own
        if any(set(c.time.tolist()) & broken - shared for c in curves):
            raise ZeroDivisionError("a curve like no other")
        return real(curves, search)

    shared = {*db.sources_of_object(int(ids[0]))["midpoint_mjd_tai"].tolist()}
    late = MJD + 100.0
    stored_field(db, n_objects=1, n_visits=1, first_visit=10, skip=2, at=late)
    broken.add(late)
    monkeypatch.setattr(work_module, "lc_periodic", fails)
    done = db.characterize()
    assert (done.n_written, done.n_failed, done.n_left) == (4, 3, 0)
    due = db.features_due()
    assert due.n_failed == 1
    assert due.last_error == "ZeroDivisionError: a curve like no other"
    assert queue(plain_connection) == {int(ids[2]): 3}
    monkeypatch.setattr(work_module, "lc_periodic", real)
    assert db.characterize().n_written == 0
    assert db.characterize([int(ids[2])]).n_written == 1
    assert db.features_due().n_failed == 0


def test_points_of_all_sizes_do_not_fail(db: apdb.Apdb) -> None:
    fluxes = [(100, 5), (3e38, 5), (-3e38, 1e-45), (100, 1e-45), (100, 3e38), (3e38, 1e-45)]
    for k, (flux, error) in enumerate(fluxes, 1):
        visit = apdb.Visit(
            visit=k, detector=1, band="r", midpoint_mjd_tai=MJD + k, ra=150.0, dec=2.2, radius=0.3
        )
        source = {"dia_source_id": [k], "ra": [150.0], "dec": [2.2]}
        db.store_visit(visit, source | {"psf_flux": [flux], "psf_flux_err": [error]})
    done = db.characterize()
    assert (done.n_written, done.n_failed) == (1, 0)
    (row,) = db.features(1)
    assert np.ma.is_masked(row["amplitude"])  # 6e38 is no real
    assert row["median_buffer_fraction"] == pytest.approx(3 / 6)
    assert row["slope_trend"] == pytest.approx((1 - 1 + 1 + 0 + 1) / 5)


def test_an_object_is_queued_once_and_tried_again(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    ids = stored_field(db, n_objects=4, n_visits=3).tolist()
    plain_connection.execute(
        "insert into apdb_base.feature_queue (dia_object_id, due_mjd_tai, attempts, error) "
        "values (%s, 1, 3, 'x'), (%s, 2, 3, 'a')",
        ids[:2],
    )
    plain_connection.execute(
        "update apdb_base.metadata set value = (select max(store_seq) from apdb_base.store_event) "
        "where name = 'state.features_store_seq'"
    )
    plain_connection.commit()
    assert db.features_due().last_error == "a"  # of the one that became due last
    assert enqueued(plain_connection, None) == 0
    assert queue(plain_connection) == {ids[0]: 3, ids[1]: 3}
    assert enqueued(plain_connection, [ids[1], ids[2], ids[2]]) == 1
    assert queue(plain_connection) == {ids[0]: 3, ids[1]: 0, ids[2]: 0}
    assert enqueued(plain_connection, None, everything=True) == 1
    assert queue(plain_connection) == dict.fromkeys(ids, 0)


def test_catalogues_are_no_steps_to_look_at(db: apdb.Apdb) -> None:
    stored_field(db, n_objects=2, n_visits=3)
    db.load_reference("far", {"ra": [1.0], "dec": [1.0], "epoch_mjd_tai": [57000.0]})
    db.refresh_neighbours()
    db.drop_reference("far")
    assert db.features_due().n_steps_unseen == 3
    db.characterize()
    assert db.features_due().n_steps_unseen == 0


def test_wrong_arguments(db: apdb.Apdb) -> None:
    with pytest.raises(apdb.InvalidInput, match="jobs = 0: must be a whole number from 1 to 256"):
        db.characterize(jobs=0)
    with pytest.raises(apdb.InvalidInput, match="not both"):
        db.characterize([1], everything=True)
    with pytest.raises(apdb.InvalidInput, match="sequence of ids"):
        db.characterize(["x"])  # type: ignore[list-item]
    with pytest.raises(apdb.NotFound, match="there is no DIAObject 77"):
        db.characterize([77])
    with pytest.raises(apdb.NotFound, match="There is no DIAObject 77"):
        db.features(77)
    with pytest.raises(apdb.NotFound, match="There is no DIAObject 77"):
        db.astrometry(77)
    with pytest.raises(apdb.InvalidInput, match="features_frequency_max"):
        db.set_setting("features_frequency_max", 0)


def test_several_processes(db: apdb.Apdb, plain_connection: psycopg.Connection[Any]) -> None:
    stored_field(db, n_objects=60, n_visits=3)
    seen: list[tuple[int, int]] = []
    done = db.characterize(jobs=2, progress=lambda n, total: seen.append((n, total)))
    assert (done.n_written, done.n_left, done.n_died) == (60, 0, 0)
    assert seen[0] == (0, 60)
    assert seen[-1] == (60, 60)
    assert len(versions(plain_connection)) == 60


def test_a_limit_leaves_the_rest_due(db: apdb.Apdb) -> None:
    stored_field(db, n_objects=10, n_visits=2)
    done = db.characterize(limit=4)
    assert (done.n_written, done.n_left) == (4, 6)
    assert db.characterize(limit=5, jobs=2).n_written == 5
    assert db.characterize().n_written == 1


@pytest.mark.slow
def test_workers_killed_at_random(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any], dsn: str
) -> None:
    """Visits come, workers die: every request is done, none twice."""
    rng = random.Random(1)
    stored_field(db, n_objects=300, n_visits=3)
    orders = {"dsn": dsn, "busy_timeout": 30.0, "limit": None, "dia_object_ids": None, "batch": 7}
    # On a busy machine workers start slowly: they must not die before they have begun.
    began = time.monotonic()
    assert _spawn(json.dumps({**orders, "limit": 0})).wait() == 0
    start = time.monotonic() - began
    alive: list[subprocess.Popen[str]] = []
    n_killed = 0
    enough = threading.Event()
    stores = threading.Thread(target=_store_more, args=(dsn, enough))
    stores.start()
    try:
        while n_killed < 20 and time.monotonic() < began + 240.0:
            alive = [each for each in alive if each.poll() is None]
            while len(alive) < 3:
                alive.append(_spawn(json.dumps(orders)))
            with psycopg.connect(dsn) as connection:
                connection.execute("select apdb.enqueue_features()")
            time.sleep(rng.uniform(0.4, 1.6) * start)
            victim = rng.choice(alive)
            victim.kill()
            n_killed += victim.wait() == -signal.SIGKILL
    finally:
        enough.set()
        for each in alive:
            each.kill()
            each.wait()
        stores.join()
    assert n_killed > 10
    n_before = len(versions(plain_connection))
    assert n_before > 1
    db.characterize(jobs=2)
    assert queue(plain_connection) == {}
    check_versions(plain_connection)
    # current features are of all points, and no request was done twice: each version has new points
    rows = plain_connection.execute(
        "select a.dia_object_id, array_agg(a.n_points order by a.store_seq), max(o.n_dia_sources) "
        "from apdb_base.dia_object_astrometry as a inner join apdb_base.dia_object as o "
        "using (dia_object_id) group by a.dia_object_id"
    ).fetchall()
    assert len(rows) == 300
    for _, counts, n in rows:
        assert counts[-1] == n
        assert counts == sorted(set(counts))


def _spawn(orders: str) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert worker.stdin is not None
    worker.stdin.write(orders)
    worker.stdin.close()
    return worker


def _store_more(dsn: str, enough: threading.Event) -> None:
    visit = 100
    with apdb.connect(dsn) as db:
        while not enough.wait(2.0):
            stored_field(db, n_objects=300, n_visits=1, first_visit=visit)
            visit += 1
