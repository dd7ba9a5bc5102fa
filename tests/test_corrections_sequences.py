"""Corrections in any order, beside visits, and at the same time as others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
from correction_tools import MJD, SOURCES_AS_OF, invariants, objects, one, sources, visit

import apdb

Assigned = dict[int, tuple[int | None, int | None]]
KNOWLEDGE = {
    "dia_object_id",
    "validity_start_mjd_tai",
    "validity_end_mjd_tai",
    "store_seq",
    "store_seq_end",
}


class Night:
    """A night of random visits and corrections, and what should have come of it."""

    def __init__(self, db: apdb.Apdb, connection: psycopg.Connection[Any], seed: int) -> None:
        self.db = db
        self.connection = connection
        self.rng = np.random.default_rng(seed)
        self.assigned: Assigned = {}
        self.rows: dict[int, dict[str, Any]] = {}
        self.contents: dict[int, tuple[apdb.Visit, list[int]]] = {}
        self.snapshots: dict[int, tuple[Assigned, dict[int, dict[str, Any]]]] = {}
        self.n_ids = 0

    def members(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for source, (dia, _) in sorted(self.assigned.items()):
            if dia is not None:
                found.setdefault(dia, []).append(source)
        return found

    def pick(self, values: list[int], n: int) -> list[int]:
        return [int(i) for i in self.rng.choice(values, min(n, len(values)), replace=False)]

    def content(self, number: int, old: list[int]) -> tuple[apdb.Visit, dict[str, Any]]:
        """New sources on a row of four stars 4″ apart, some under ids of the old content."""
        n = int(self.rng.integers(1, 5))
        ids = self.pick(old, int(self.rng.integers(0, 3))) if old else []
        while len(ids) < n:
            self.n_ids += 1
            ids.append(self.n_ids)
        ids = ids[:n]
        stars = self.rng.choice(4, n, replace=False)
        north = 4.0 * stars + self.rng.normal(0, 0.1, n)
        table = sources(ids, north, flux=self.rng.uniform(50, 500, n))
        table["psf_flux_err"] = self.rng.uniform(2, 20, n)
        table["ra_err"] = self.rng.uniform(1e-5, 5e-5, n)
        table["dec_err"] = self.rng.uniform(1e-5, 5e-5, n)
        when = MJD + float(self.rng.uniform(0, 500))
        where = visit(number, when)
        for k, source in enumerate(ids):
            self.rows[source] = {name: values[k : k + 1] for name, values in table.items()} | {
                "mjd": when
            }
        return where, table

    def believe(self, stored: apdb.StoreReport) -> None:
        for source, dia, ss in zip(
            stored.dia_source_id.tolist(), stored.dia_object_id.tolist(),
            stored.ss_object_id.tolist(), strict=True,
        ):  # fmt: skip
            self.assigned[source] = (dia or None, ss or None)

    def store(self) -> int:
        number = len(self.contents) + 1
        where, table = self.content(number, [])
        stored = self.db.store_visit(where, table)
        self.contents[number] = (where, stored.dia_source_id.tolist())
        self.believe(stored)
        return stored.store_seq

    def replace(self) -> int:
        number = self.pick(list(self.contents), 1)[0]
        old = self.contents[number][1]
        where, table = self.content(number, old)
        report = self.db.replace(where, table, reason="replace")
        assert report.stored is not None
        for source in old:
            self.assigned.pop(source, None)
        self.contents[number] = (where, report.stored.dia_source_id.tolist())
        self.believe(report.stored)
        return report.store_seq

    def reassign(self) -> int:
        if not self.assigned:
            return 0
        moved = self.pick(list(self.assigned), 3)
        if not self.members() or self.rng.random() < 0.3:
            self.assigned |= dict.fromkeys(moved, (None, 900))
            return self.db.reassign(moved, ss_object_id=900, reason="reassign").store_seq
        target = self.pick(list(self.members()), 1)[0]
        self.assigned |= dict.fromkeys(moved, (target, None))
        return self.db.reassign(moved, dia_object_id=target, reason="reassign").store_seq

    def merge(self) -> int:
        chosen = self.pick(list(self.members()), 3)
        if len(chosen) < 2:
            return 0
        for other in chosen[1:]:
            self.assigned |= dict.fromkeys(self.members()[other], (chosen[0], None))
        report = self.db.merge_objects(chosen[0], chosen[1:], reason="merge")
        assert set(report.retired) == set(chosen[1:])
        return report.store_seq

    def split(self) -> int:
        many = {dia: ids for dia, ids in self.members().items() if len(ids) > 1}
        if not many:
            return 0
        dia = self.pick(list(many), 1)[0]
        moved = self.pick(many[dia], int(self.rng.integers(1, len(many[dia]))))
        report = self.db.split(dia, moved, reason="split")
        self.assigned |= dict.fromkeys(moved, (report.dia_object_id, None))
        return report.store_seq

    def withdraw(self) -> int:
        if self.rng.random() < 0.3:
            number = self.pick(list(self.contents), 1)[0]
            gone = self.contents[number][1]
            report = self.db.withdraw(visit=(number, 40), reason="withdraw")
        elif self.assigned:
            gone = self.pick(list(self.assigned), 2)
            report = self.db.withdraw(gone, reason="withdraw")
        else:
            return 0
        for source in gone:
            self.assigned.pop(source, None)
        return report.store_seq

    def step(self) -> None:
        actions: list[Callable[[], int]] = [
            self.store, self.replace, self.reassign, self.merge, self.split, self.withdraw
        ]  # fmt: skip
        weights = [0.4, 0.14, 0.14, 0.08, 0.12, 0.12]
        action = actions[int(self.rng.choice(6, p=weights))] if self.contents else self.store
        store_seq = action()
        invariants(self.connection)
        found = self.connection.execute(
            "select dia_source_id, dia_object_id, ss_object_id from apdb.dia_source order by 1"
        ).fetchall()
        assert {row[0]: (row[1], row[2]) for row in found} == self.assigned, action.__name__
        now = objects(self.connection)
        assert set(now) == set(self.members())
        if store_seq:
            self.snapshots[store_seq] = (dict(self.assigned), now)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_sequence(db: apdb.Apdb, plain_connection: Any, seed: int) -> None:
    night = Night(db, plain_connection, seed)
    for _ in range(45):
        night.step()
    kinds = plain_connection.execute("select distinct kind from apdb.store_event").fetchall()
    assert len(kinds) == 6
    _as_of(night)
    _as_stored_afresh(night)


def _as_of(night: Night) -> None:
    """At every step of knowledge: sources and objects as they were seen then."""
    for store_seq, (assigned, then) in night.snapshots.items():
        rows = night.connection.execute(SOURCES_AS_OF, {"seq": store_seq}).fetchall()
        assert {row[0]: (row[1], row[2]) for row in rows} == assigned, store_seq
        found = night.db.objects_at(150.0, 1.2, 0.1, store_seq=store_seq)
        assert sorted(found["dia_object_id"].tolist()) == sorted(then)
        for row in found:
            expected = then[row["dia_object_id"]]
            for name in ("ra", "dec", "n_dia_sources", "store_seq", "first_dia_source_mjd_tai"):
                assert row[name] == expected[name]
            assert row["g_psf_flux_mean"] == np.float32(expected["g_psf_flux_mean"])
    night.connection.rollback()


def _as_stored_afresh(night: Night) -> None:
    """Each object's summary is what an empty database makes of the same sources."""
    corrected, members = objects(night.connection), night.members()
    assert len(corrected) > 2
    for dia, ids in members.items():
        night.connection.execute(
            "truncate apdb_base.visit, apdb_base.dia_object, apdb_base.dia_object_version, "
            "apdb_base.dia_source, apdb_base.dia_source_locator, apdb_base.ss_source cascade"
        )
        night.connection.commit()
        for k, source in enumerate(sorted(ids, key=lambda i: night.rows[i]["mjd"])):
            row = dict(night.rows[source])
            night.db.store_visit(visit(k + 1, row.pop("mjd")), row, radius=60.0)
        (afresh,) = objects(night.connection).values()
        for name, value in afresh.items():
            if name not in KNOWLEDGE:
                if isinstance(value, float):
                    assert corrected[dia][name] == pytest.approx(value, rel=1e-5), (dia, name)
                else:
                    assert corrected[dia][name] == value, (dia, name)


def _wait_until_blocked_by(connection: psycopg.Connection[Any], pid: int) -> None:
    query = "select count(*) from pg_stat_activity as a where %s = any(pg_blocking_pids(a.pid))"
    while one(connection, query, pid) == (0,):
        pass


def test_a_visit_waits_for_a_correction(db: apdb.Apdb, dsn: str, plain_connection: Any) -> None:
    db.store_visit(visit(1, MJD), sources([1, 2], [0.0, 0.8]))
    with psycopg.connect(dsn) as correction, ThreadPoolExecutor(1) as pool:
        correction.execute("select apdb.merge_objects(1, '{2}', 'one star')")
        stored = pool.submit(db.store_visit, visit(2, MJD + 1), sources([11], [0.8]))
        _wait_until_blocked_by(plain_connection, correction.info.backend_pid)
        correction.commit()
        report = stored.result()
    # Object 2 lay there when the visit came; it saw what the correction left.
    assert report.dia_object_id.tolist() == [1]
    assert objects(plain_connection)[1]["n_dia_sources"] == 3
    invariants(plain_connection)


def test_a_correction_waits_for_a_visit(db: apdb.Apdb, plain_connection: Any) -> None:
    db.store_visit(visit(1, MJD), sources([1, 2], [0.0, 5.0]))
    holds, go_on = threading.Event(), threading.Event()

    def measure(positions: Any) -> dict[str, Any]:
        holds.set()
        assert go_on.wait(30)
        return {"dia_object_id": [], "psf_flux": [], "psf_flux_err": []}

    with ThreadPoolExecutor(2) as pool:
        stored = pool.submit(
            db.store_visit, visit(2, MJD + 1), sources([11, 12], [0.0, 5.0]), forced=measure
        )
        assert holds.wait(30)
        holder = one(
            plain_connection,
            "select pid from pg_locks where locktype = 'advisory' and classid = 17001",
        )[0]
        merged = pool.submit(db.merge_objects, 1, 2, reason="one star")
        _wait_until_blocked_by(plain_connection, holder)
        go_on.set()
        assert stored.result().dia_object_id.tolist() == [1, 2]
        assert merged.result().n_dia_sources == 2
    assert objects(plain_connection)[1]["n_dia_sources"] == 4
    invariants(plain_connection)


def test_corrections_and_visits_from_many_threads(db: apdb.Apdb, plain_connection: Any) -> None:
    for k in range(6):
        db.store_visit(visit(k, MJD + k), sources([10 * k + 1, 10 * k + 2], [0.0, 400.0]))

    def work(k: int) -> None:
        if k % 3 == 0:
            db.store_visit(
                visit(100 + k, MJD + 20 + k), sources([1000 + k, 2000 + k], [0.0, 400.0])
            )
        elif k % 3 == 1:
            report = db.replace(visit(k % 6, MJD), sources([3000 + k], [0.01 * k]), reason="x")
            assert report.stored is not None
        else:
            db.withdraw(visit=(k % 6, 40), reason="x")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(24)))
    invariants(plain_connection)
    spread = plain_connection.execute(
        "select count(distinct dia_object_id) from apdb.dia_source where dec < 1.25"
    ).fetchone()
    assert spread == (1,)
