"""Many writers at once: the outcome is that of one after the other, in the order of the commits."""

from __future__ import annotations

import multiprocessing
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import pytest
from astropy.table import Table
from psycopg.conninfo import make_conninfo
from pytest_postgresql.janitor import DatabaseJanitor
from store_tools import (
    CENTRE,
    MJD,
    Exposed,
    check_content,
    check_whole,
    commit_order,
    exposures,
    isolated,
    partition,
    wait_until_blocked,
    watching,
)

import apdb
from apdb.schema import migrate
from apdb.session import client_name

WRITERS = 8


@contextmanager
def fresh_database(dsn: str, name: str) -> Iterator[str]:
    """Another database beside the one of the test."""
    info = psycopg.conninfo.conninfo_to_dict(dsn)
    janitor = DatabaseJanitor(
        user=str(info["user"]), host=str(info["host"]), port=str(info["port"]), dbname=name
    )
    with janitor:
        other = make_conninfo(dsn, dbname=name)
        migrate.upgrade(other)
        yield other


def serial_partition(
    dsn: str, visits: list[Exposed], order: list[tuple[int, int]]
) -> set[frozenset[int]]:
    by_key = {(e.visit.visit, e.visit.detector): e for e in visits}
    with fresh_database(dsn, "apdb_serial") as other, psycopg.connect(other) as connection:
        load_ephemeris(connection)
        with apdb.connect(other) as serial:
            for key in order:
                serial.store_visit(by_key[key].visit, by_key[key].sources)
        return partition(connection)


EPHEMERIS = 12


def load_ephemeris(connection: psycopg.Connection[Any]) -> None:
    """Known objects that stand still, so that visits of any time update the same counters."""
    for k in range(EPHEMERIS):
        for mjd in np.arange(MJD - 1, MJD + 75, 0.5):
            connection.execute(
                "insert into apdb_base.ephemeris "
                "(ss_object_id, mjd_tai, ra, dec, ra_rate, dec_rate) values (%s, %s, %s, %s, 0, 0)",
                (k + 1, mjd, CENTRE[0] + 0.004 * (k - 6), CENTRE[1] + 0.003),
            )
    connection.commit()


def with_movers(visits: list[Exposed]) -> list[Exposed]:
    """The visits with a detection of every known object."""
    made = []
    for each in visits:
        rng = np.random.default_rng(each.visit.visit)
        order = rng.permutation(EPHEMERIS)
        n = EPHEMERIS
        more = {
            "dia_source_id": each.visit.visit * 1_000_000 + 500_000 + np.arange(n),
            "ra": CENTRE[0] + 0.004 * (order - 6.0),
            "dec": np.full(n, CENTRE[1] + 0.003),
            "ra_err": np.full(n, 1e-5),
            "dec_err": np.full(n, 1e-5),
            "psf_flux": np.full(n, 500.0),
            "psf_flux_err": np.full(n, 20.0),
        }
        joined = {k: np.concatenate([v, more[k]]) for k, v in each.sources.items()}
        made.append(Exposed(each.visit, joined, np.concatenate([each.truth, np.full(n, -1)])))
    return made


def store_all(dsn: str, visits: list[Exposed]) -> list[str]:
    """What one process does: it stores its share."""
    with apdb.connect(dsn, busy_timeout=120.0) as db:
        return [db.store_visit(each.visit, each.sources).state for each in visits]


def check_against_serial(dsn: str, connection: Any, visits: list[Exposed]) -> None:
    check_whole(connection)
    assert check_content(connection, visits) == {e.visit.visit for e in visits}
    order = commit_order(connection)
    found = partition(connection)
    assert found == serial_partition(dsn, visits, order)
    objects = defaultdict(set)
    truth = {
        i: t for e in visits
        for i, t in zip(e.sources["dia_source_id"].tolist(), e.truth.tolist(), strict=True)
    }  # fmt: skip
    for number, group in enumerate(found):
        for source in group:
            objects[truth[source]].add(number)
    # 5 sigma of noise plus chance neighbours: the isolated ones are never two objects
    split = {t for t in isolated() if len(objects[t]) > 1}
    assert not split
    connection.rollback()
    deadlocks = connection.execute(
        "select deadlocks from pg_stat_database where datname = current_database()"
    ).fetchone()
    assert deadlocks == (0,)


def threads(dsn: str, connection: Any, n_visits: int) -> None:
    visits = with_movers(exposures(n_visits))
    load_ephemeris(connection)
    shuffled = np.random.default_rng(7).permutation(n_visits)
    with (
        apdb.connect(dsn, busy_timeout=120.0, max_connections=WRITERS) as db,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        jobs = [pool.submit(db.store_visit, visits[k].visit, visits[k].sources) for k in shuffled]
        reports = [job.result() for job in jobs]
    assert {report.state for report in reports} == {"stored"}
    by_seq = sorted(reports, key=lambda report: report.store_seq)
    assert [(r.visit, r.detector) for r in by_seq] == commit_order(connection)
    check_against_serial(dsn, connection, visits)


def test_eight_threads_are_as_good_as_one(dsn: str, plain_connection: Any) -> None:
    threads(dsn, plain_connection, 60)


@pytest.mark.slow
def test_eight_threads_and_two_hundred_visits(dsn: str, plain_connection: Any) -> None:
    threads(dsn, plain_connection, 200)


@pytest.mark.slow
def test_eight_processes_and_two_hundred_visits(dsn: str, plain_connection: Any) -> None:
    visits = with_movers(exposures(200))
    load_ephemeris(plain_connection)
    shuffled = np.random.default_rng(8).permutation(200)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WRITERS, mp_context=context) as pool:
        shares = [[visits[k] for k in shuffled[i::WRITERS]] for i in range(WRITERS)]
        states = [state for s in pool.map(store_all, [dsn] * WRITERS, shares) for state in s]
    assert Counter(states) == {"stored": 200}
    check_against_serial(dsn, plain_connection, visits)


def focal_plane(n: int, side: float) -> list[tuple[apdb.Visit, dict[str, Any], Any]]:
    """Detectors side by side; every border has sources that both of its detectors see."""
    columns = int(np.ceil(np.sqrt(n)))
    across = np.array([0.2, 0.5, 0.8])
    rng = np.random.default_rng(3)
    made = []
    for k in range(n):
        i, j = k % columns, k // columns
        x = np.concatenate([i + across, i + across, np.full(3, i), np.full(3, i + 1), [i + 0.5]])
        y = np.concatenate([np.full(3, j), np.full(3, j + 1), j + across, j + across, [j + 0.5]])
        name = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]
        m = len(x)
        ra = 150.0 + x * side + rng.normal(0, 0.05, m) / 3600
        dec = 2.0 + y * side + rng.normal(0, 0.05, m) / 3600
        corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
        visit = apdb.Visit(
            visit=5, detector=k, band="r", midpoint_mjd_tai=MJD,
            boundary=[(150.0 + a * side, 2.0 + b * side) for a, b in corners],
        )  # fmt: skip
        sources = {"dia_source_id": 1000 * (k + 1) + np.arange(m), "ra": ra, "dec": dec,
                   "psf_flux": np.full(m, 900.0), "psf_flux_err": np.full(m, 30.0)}  # fmt: skip
        made.append((visit, sources, name))
    return made


def test_189_detectors_from_eight_connections(dsn: str, plain_connection: Any) -> None:
    detectors = focal_plane(189, 0.04)
    order = np.random.default_rng(4).permutation(189)
    with (
        apdb.connect(dsn, busy_timeout=120.0, max_connections=WRITERS) as db,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        jobs = {k: pool.submit(db.store_visit, *detectors[k][:2]) for k in order}
        reports = {k: job.result() for k, job in jobs.items()}
    check_whole(plain_connection)
    assert len(commit_order(plain_connection)) == 189
    seen = defaultdict(set)
    for k, report in reports.items():
        assert report.state == "stored"
        for name, found in zip(detectors[k][2], report.dia_object_id.tolist(), strict=True):
            seen[name].add(found)
    assert all(len(found) == 1 for found in seen.values())
    assert len(set.union(*seen.values())) == len(seen)


def test_partitions_are_made_while_others_write(dsn: str, plain_connection: Any) -> None:
    visits = exposures(40, span=40 * 30.0)
    order = np.random.default_rng(5).permutation(40)
    with (
        apdb.connect(dsn, busy_timeout=120.0, max_connections=WRITERS) as db,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        jobs = [pool.submit(db.store_visit, visits[k].visit, visits[k].sources) for k in order]
        assert {job.result().state for job in jobs} == {"stored"}
    made = plain_connection.execute(
        "select count(*) from pg_class where relname ~ '^dia_source_p' and relkind = 'r'"
    ).fetchone()
    assert made[0] >= 40
    assert check_content(plain_connection, visits) == set(range(1, 41))


class Held:
    """A `forced` callback that keeps its visit's transaction open until told."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, positions: Table) -> dict[str, Any]:
        self.inside.set()
        assert self.go_on.wait(120)
        return {"dia_object_id": [], "psf_flux": [], "psf_flux_err": []}


@contextmanager
def held(db: apdb.Apdb, visit: apdb.Visit, sources: dict[str, Any]) -> Iterator[Future[Any]]:
    """Store a visit that stops inside its transaction, with all its locks, until the block ends."""
    keep = Held()
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(db.store_visit, visit, sources, forced=keep)
        try:
            assert keep.inside.wait(60), job.exception(0)
            yield job
        finally:
            keep.go_on.set()


def small(number: int, first_id: int, ra: float = 150.0, mjd: float = MJD) -> tuple[Any, Any]:
    visit = apdb.Visit(number, 40, "g", mjd, ra=ra, dec=1.2, radius=0.1)
    return visit, {
        "dia_source_id": [first_id], "ra": [ra], "dec": [1.2],
        "psf_flux": [1e3], "psf_flux_err": [50],
    }  # fmt: skip


def test_a_visit_waits_for_its_neighbour_and_joins_its_object(db: apdb.Apdb, dsn: str) -> None:
    with watching(dsn) as watcher, ThreadPoolExecutor(1) as pool:
        with held(db, *small(1, 1)) as first:
            second = pool.submit(db.store_visit, *small(2, 2, mjd=MJD + 1))
            wait_until_blocked(watcher)
        assert first.result().dia_object_id.tolist() == [1]
        assert second.result().dia_object_id.tolist() == [1]


def test_visits_apart_do_not_wait_for_each_other(db: apdb.Apdb) -> None:
    db.store_visit(*small(9, 9))
    with held(db, *small(1, 1)) as first:
        assert db.store_visit(*small(2, 2, ra=151.0)).state == "stored"
    assert first.result().state == "stored"


def test_partition_for_a_visit_while_another_is_open(db: apdb.Apdb, dsn: str) -> None:
    with watching(dsn) as watcher, ThreadPoolExecutor(1) as pool:
        with held(db, *small(1, 1)) as first:
            second = pool.submit(db.store_visit, *small(2, 2, ra=151.0, mjd=MJD + 90))
            wait_until_blocked(watcher)
        assert first.result().state == second.result().state == "stored"


def test_one_visit_by_two_sessions_is_stored_once(db: apdb.Apdb, dsn: str) -> None:
    with watching(dsn) as watcher, ThreadPoolExecutor(1) as pool:
        with held(db, *small(1, 1)) as first:
            second = pool.submit(db.store_visit, *small(1, 1))
            wait_until_blocked(watcher)
        assert first.result().state == "stored"
        assert second.result().state == "repeated"
        assert second.result().store_seq == first.result().store_seq


def test_the_first_who_fails_leaves_the_visit_to_the_second(db: apdb.Apdb, dsn: str) -> None:
    go_on, inside = threading.Event(), threading.Event()

    def fails(positions: Table) -> None:
        inside.set()
        assert go_on.wait(60)
        raise RuntimeError("no pixels")

    visit, sources = small(1, 1)
    with watching(dsn) as watcher, ThreadPoolExecutor(2) as pool:
        first = pool.submit(db.store_visit, visit, sources, forced=fails)
        assert inside.wait(60)
        second = pool.submit(db.store_visit, visit, sources)
        wait_until_blocked(watcher)
        go_on.set()
        assert isinstance(first.exception(60), RuntimeError)
        assert second.result().state == "stored"


BUSY: list[tuple[str, Callable[[], tuple[Any, Any]], str]] = [
    ("the sky", lambda: small(2, 2, mjd=MJD + 0.1), "this part of the sky"),
    ("the visit", lambda: small(1, 1), "this visit"),
    ("the tables", lambda: small(2, 2, mjd=MJD + 90), "the tables that need a partition"),
]


@pytest.mark.parametrize("user", ["postgres", "apdb_writer"])
@pytest.mark.parametrize(("_what", "other", "says"), BUSY, ids=[b[0] for b in BUSY])
def test_busy_names_the_holder_and_may_be_retried(
    dsn: str, plain_connection: Any, user: str, _what: str, other: Any, says: str
) -> None:
    place = make_conninfo(dsn, user=user)
    with apdb.connect(place) as db, apdb.connect(place, busy_timeout=0.2) as impatient:
        with held(db, *small(1, 1)) as first:
            with pytest.raises(apdb.Busy, match="Nothing was stored; try again") as caught:
                impatient.store_visit(*other())
            text = str(caught.value)
            assert says in text
            assert "storing visit 1 detector 40 since MJD" in text
            assert client_name() in text
        assert first.result().state == "stored"
        assert impatient.store_visit(*other()).state in {"stored", "repeated"}
    failed = plain_connection.execute(
        "select sqlstate, error from apdb_base.visit_attempt where state = 'failed'"
    ).fetchall()
    assert failed == [("VA004", text)]


def test_busy_names_the_holder_of_now_not_of_the_first_wait(
    db: apdb.Apdb, dsn: str, plain_connection: Any
) -> None:
    keep = Held()
    plain_connection.execute(
        "select apdb.lock_or_say_who(17002, c.cell) from apdb.sky_cells(150.0, 1.2, 0.001) as c"
    )
    with (
        apdb.connect(dsn, busy_timeout=5.0) as impatient,
        watching(dsn) as watcher,
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(db.store_visit, *small(3, 3), forced=keep)
        wait_until_blocked(watcher, 1)
        second = pool.submit(impatient.store_visit, *small(2, 2, mjd=MJD + 0.1))
        wait_until_blocked(watcher, 2)
        plain_connection.rollback()
        assert keep.inside.wait(60)
        error = second.exception(60)
        keep.go_on.set()
        assert first.result().state == "stored"
    assert isinstance(error, apdb.Busy)
    assert "storing visit 3 detector 40" in str(error)
    assert "by hand" not in str(error)


def test_one_id_by_two_visits_apart_at_once(db: apdb.Apdb, plain_connection: Any) -> None:
    db.store_visit(*small(9, 9))
    with held(db, *small(1, 5)) as first:
        assert db.store_visit(*small(2, 5, ra=151.0)).state == "stored"
    error = first.exception(60)
    assert isinstance(error, apdb.IdConflict)
    assert [(p.row, p.column, p.value) for p in error.problems] == [(0, "dia_source_id", "5")]
    check_whole(plain_connection)


def test_the_largest_visit_number(db: apdb.Apdb) -> None:
    visit, sources = small(2**63 - 1, 1)
    assert db.store_visit(visit, sources).state == "stored"
    assert db.store_visit(visit, sources).state == "repeated"


def test_more_threads_than_connections(dsn: str, plain_connection: Any) -> None:
    visits = exposures(24, noise=2)
    with apdb.connect(dsn, max_connections=2) as db, ThreadPoolExecutor(12) as pool:
        jobs = [pool.submit(db.store_visit, e.visit, e.sources) for e in visits]
        assert {job.result().state for job in jobs} == {"stored"}
    check_whole(plain_connection)
