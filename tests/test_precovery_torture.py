"""Workers of precovery killed at random: no request lost, none done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from precovery_tools import CENTRE, MJD, flux_at, image, no_sources, some

import apdb

HERE = Path(__file__).parent
WORKERS = 3
COMMAND = (
    "import sys, apdb, precovery_tools as t\n"
    "with apdb.connect(sys.argv[1]) as db:\n"
    "    db.run_precovery(t.log_and_maybe_die, batch=24, max_attempts=1000, backoff=0.0)\n"
)


def start(dsn: str, log: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "APDB_TEST_LOG": str(log)}
    path = [str(HERE), str(HERE.parent), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path)
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, dsn], env=environment, stderr=subprocess.DEVNULL
    )


def states(connection: psycopg.Connection[Any]) -> dict[str, int]:
    rows = connection.execute("select state, count(*) from apdb.precovery_request group by 1")
    return dict(rows.fetchall())


def torture(dsn: str, log: Path, seconds: float) -> int:
    """Keep workers running until all is done, and kill some at any moment; return how many died."""
    chance = random.Random(7)
    workers: list[subprocess.Popen[bytes]] = []
    n_died = 0
    until = time.monotonic() + seconds
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while states(connection).keys() != {"done"}:
                assert time.monotonic() < until, states(connection)
                n_died += sum(w.poll() == -signal.SIGKILL for w in workers)
                workers = [w for w in workers if w.poll() is None]
                workers += [start(dsn, log) for _ in range(WORKERS - len(workers))]
                time.sleep(chance.uniform(0.5, 1.5))
                if chance.random() < 0.3:
                    chance.choice(workers).kill()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(60)
    return n_died


@pytest.mark.slow
def test_workers_killed_at_random(
    db: apdb.Apdb, dsn: str, tmp_path: Path, plain_connection: Any
) -> None:
    rng = np.random.default_rng(3)
    n, n_images = 60, 8
    for k in range(n_images):
        db.store_visit(image(k + 1, MJD - 20 + 2 * k), no_sources())
    for k in range(3):
        ra = CENTRE[0] + rng.uniform(-0.1, 0.1, n)
        dec = CENTRE[1] + rng.uniform(-0.1, 0.1, n)
        db.store_visit(image(100 + k, MJD + k, radius=0.2), some(1000 * (k + 1), ra, dec))
    objects = {r[0] for r in plain_connection.execute("select dia_object_id from apdb.dia_object")}
    plain_connection.rollback()

    n_died = torture(dsn, tmp_path, 240.0)
    assert n_died >= 3

    # Nothing is lost: every object on every image before it, each with the flux of that image.
    rows = plain_connection.execute(
        "select dia_object_id, visit, psf_flux from apdb_base.dia_forced_source"
    ).fetchall()
    first = dict(
        plain_connection.execute(
            "select dia_object_id, first_dia_source_mjd_tai from apdb.dia_object"
        ).fetchall()
    )
    times = {k + 1: MJD - 20 + 2 * k for k in range(n_images)}
    times |= {100 + k: MJD + k for k in range(3)}
    wanted = {
        (number, visit): float(flux_at(number, visit))
        for number in objects
        for visit, mjd in times.items()
        if first[number] - 30 <= mjd < first[number]
    }
    assert {(number, visit): flux for number, visit, flux in rows} == wanted
    # Nothing is done twice: no second row, none replaced, each stored by one step of knowledge.
    assert len(rows) == len(wanted)
    for table in ("dia_forced_source_superseded",):
        count = plain_connection.execute(f"select count(*) from apdb_base.{table}").fetchone()
        assert count == (0,)
    assert states(plain_connection) == {"done": len(objects)}
    # More was measured than stored, because workers died between the one and the other.
    measured = [
        (number, visit)
        for file in tmp_path.glob("*.log")
        for visit, numbers in map(json.loads, file.read_text().splitlines())
        for number in numbers
    ]
    assert set(measured) == wanted.keys()
    assert len(measured) > len(wanted)


@pytest.mark.slow
def test_two_workers_share_the_queue(db: apdb.Apdb, dsn: str, plain_connection: Any) -> None:
    """While one holds its batch, the other gets another one, and neither waits."""
    db.store_visit(image(1, MJD - 5), no_sources())
    db.store_visit(image(2, MJD), some(1, 150.0 + np.arange(40) / 1000, np.full(40, 2.2)))
    taken: list[set[int]] = []

    def outer(positions: Any) -> None:
        taken.append(set(positions["dia_object_id"].tolist()))
        if len(taken) == 1:
            with apdb.connect(dsn) as other:
                other.run_precovery(outer, batch=10, max_batches=1, backoff=0.0)

    db.run_precovery(outer, batch=10, max_batches=1, backoff=0.0)
    assert [len(each) for each in taken] == [10, 10]
    assert not taken[0] & taken[1]
