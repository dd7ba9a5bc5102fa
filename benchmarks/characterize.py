"""How fast objects are characterised: `./dev bench characterize`.

Each object has light curves of 100 points in six bands over a year; periods are searched to 10 per
day with an oversampling of 5, the settings' defaults.  The whole of `apdb characterize` is timed: two
processes take objects from the queue, read their points, compute, and write features and packets back.
Apart from it, on one core and in turns: our three periodograms of a light curve with all that is made
of them, and one periodogram by astropy with its default method on the same grid.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from astropy.timeseries import LombScargle
from rich.console import Console
from rich.table import Table

import apdb
from apdb.features.periodic import LightCurve, lc_periodic
from apdb.features.periodogram import Periodogram, Search, penalised_peak, penalty
from apdb.schema import migrate
from benchmarks.common import (
    benchmark_server,
    server_settings,
    settle,
    versions,
    write_results,
)

BANDS = "ugrizy"
POINTS = 100
YEAR = 365.25
MJD = 61000.0

_VISITS = """
insert into apdb_base.visit (visit, detector, band, midpoint_mjd_tai, ra, dec, radius, night, digest,
    store_seq, time_processed_mjd_tai, association, association_radius, n_dia_sources, n_new_dia_objects,
    n_matched_dia_objects, n_ss_objects, n_unassociated, report_dia_object_id, report_ss_object_id,
    report_is_new)
select v.visit, 1, v.band, v.mjd, 150, 2, 1, date '2026-01-01', sha256(v.visit::text::bytea),
    nextval('apdb_base.store_seq'), v.mjd, 'nearest', 1, %(n)s, 0, %(n)s, 0, 0,
    array(select generate_series(1::bigint, %(n)s)), array_fill(0::bigint, array[%(n)s::integer]),
    array_fill(false, array[%(n)s::integer])
from unnest(%(visit)s::bigint[], %(band)s::text[], %(mjd)s::float8[]) as v (visit, band, mjd)
"""
_OBJECTS = """
insert into apdb_base.dia_object (dia_object_id, validity_start_mjd_tai, ra, dec, u_psf_flux_ndata,
    g_psf_flux_ndata, r_psf_flux_ndata, i_psf_flux_ndata, z_psf_flux_ndata, y_psf_flux_ndata,
    first_dia_source_mjd_tai, last_dia_source_mjd_tai, n_dia_sources, store_seq)
select i, 61000, 150 + i * 1e-3, 2, 100, 100, 100, 100, 100, 100, %(first)s, %(last)s, 600, 1
from generate_series(1::bigint, %(n)s) as i
"""
_SOURCES = """
insert into apdb_base.dia_source (dia_source_id, visit, detector, dia_object_id, midpoint_mjd_tai, ra,
    dec, ra_err, dec_err, psf_flux, psf_flux_err, science_flux, band, time_processed_mjd_tai, store_seq)
select o.i * 1000 + v.visit, v.visit, 1, o.i, v.mjd, 150 + o.i * 1e-3 + 1e-5 * (random() - 0.5),
    2 + 1e-5 * (random() - 0.5), 1e-5, 1e-5,
    1000 * sin(6.2831853 * v.mjd * (0.1 + (o.i %% 977) * 0.01)) + 300 * (random() - 0.5), 100, 5000, v.band,
    v.mjd, 1
from generate_series(1::bigint, %(n)s) as o (i)
cross join unnest(%(visit)s::bigint[], %(band)s::text[], %(mjd)s::float8[]) as v (visit, band, mjd)
"""


def fill(dsn: str, n: int, seed: int) -> None:
    """Put objects with their sources into a database, and the visits that say they are due."""
    migrate.upgrade(dsn)
    rng = np.random.default_rng(seed)
    mjd = MJD + rng.uniform(0.0, YEAR, POINTS * len(BANDS))
    order = np.argsort(mjd)
    given: dict[str, Any] = {
        "n": n,
        "visit": list(range(1, len(mjd) + 1)),
        "band": [BANDS[k % len(BANDS)] for k in range(len(mjd))],
        "mjd": mjd[order].tolist(),
        "first": float(mjd.min()),
        "last": float(mjd.max()),
    }
    with psycopg.connect(dsn) as connection:
        connection.execute("select setseed(0.5)")
        connection.execute("select apdb.ensure_partitions(%s, %s)", (MJD, MJD + YEAR))
        for statement in (_VISITS, _OBJECTS, _SOURCES):
            connection.execute(statement, given)
    settle(dsn)


def characterised(dsn: str, n: int, jobs: int) -> dict[str, Any]:
    """Time `apdb characterize` of all objects; the first tenth warms up, and is timed apart."""
    with apdb.connect(dsn) as db:
        first = db.characterize(jobs=jobs, limit=max(n // 10, 1))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = db.characterize(jobs=jobs)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.n_left == done.n_failed == 0
    return {
        "jobs": jobs,
        "objects": done.n_written,
        "light_curves": done.n_curves,
        "seconds": round(done.seconds, 3),
        "objects_per_second": round(done.n_written / done.seconds, 1),
        # of the workers, start included and the server not: what a busy machine does not change much
        "worker_cpu_ms_per_object": round(
            (after.ru_utime - before.ru_utime) / done.n_written * 1e3, 1
        ),
        "load_of_the_machine": round(os.getloadavg()[0], 1),
        "warm_up_objects_per_second": round(first.n_written / first.seconds, 1),
    }


def curves(n: int, seed: int) -> list[LightCurve]:
    """Light curves as in the database."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        time_ = np.sort(rng.uniform(MJD, MJD + YEAR, POINTS))
        error = rng.uniform(50.0, 150.0, POINTS)
        flux = 1000.0 * np.sin(2 * np.pi * rng.uniform(0.1, 9.9) * time_) + rng.normal(0, error)
        made.append(LightCurve(time_, flux, error))
    return made


def side_by_side(n: int, seed: int) -> dict[str, Any]:
    """CPU milliseconds a light curve: ours whole, our search alone, astropy's; in turns."""
    search = Search()
    ours, alone, theirs = [], [], []
    some = curves(n, seed)
    lc_periodic(some[:8], search)
    for start in range(0, n, 8):
        part = some[start : start + 8]
        ours.append(_cpu(lambda part=part: lc_periodic(part, search)) / len(part))
        alone.append(_cpu(lambda part=part: [_search(each, search) for each in part]) / len(part))
        theirs.append(_cpu(lambda part=part: [_astropy(each, search) for each in part]) / len(part))
    found = {
        "ours_periodic_set_ms": statistics.median(ours) * 1e3,
        "ours_one_periodogram_ms": statistics.median(alone) * 1e3,
        "astropy_one_periodogram_ms": statistics.median(theirs) * 1e3,
    }
    ratios = {
        "astropy_one_by_our_one": found["astropy_one_periodogram_ms"]
        / found["ours_one_periodogram_ms"],
        "astropy_three_by_our_whole_set": 3
        * found["astropy_one_periodogram_ms"]
        / found["ours_periodic_set_ms"],
    }
    return {key: round(value, 3) for key, value in (found | ratios).items()}


def _search(curve: LightCurve, search: Search) -> int:
    grid = search.grid(float(np.ptp(curve.time)))
    assert grid is not None
    power = Periodogram(curve.time, curve.error**-2.0, grid).power(curve.flux)
    return penalised_peak(power, grid, penalty(grid, POINTS, 1.0))[0]


def _astropy(curve: LightCurve, search: Search) -> int:
    grid = search.grid(float(np.ptp(curve.time)))
    assert grid is not None
    power = LombScargle(curve.time, curve.flux, curve.error).power(
        grid.frequencies, assume_regular_frequency=True
    )
    return int(np.argmax(power))


def _cpu(work: Any) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    options.add_argument("--objects", type=int, default=2000, help="objects in the database")
    options.add_argument("--jobs", type=int, default=2, help="processes")
    options.add_argument("--curves", type=int, default=160, help="light curves against astropy")
    options.add_argument("--seed", type=int, default=1, help="seed of what is simulated")
    options.add_argument("--dsn", help="a running server, as superuser, instead of a private one")
    options.add_argument("--output", type=Path, help="where to write the results as JSON")
    given = options.parse_args(arguments)
    peers = side_by_side(given.curves, given.seed)
    with benchmark_server(given.dsn) as server:
        server.ensure_database("bench_characterize")
        dsn = server.dsn("bench_characterize")
        fill(dsn, given.objects, given.seed)
        result = characterised(dsn, given.objects, given.jobs)
        settings = server_settings(dsn)
    show(result, peers)
    document = {
        "workload": {"bands": len(BANDS), "points": POINTS, "days": YEAR, "seed": given.seed},
        "server": settings,
        "versions": versions("apdb", "astropy", "finufft", "numpy", "psycopg", "scipy"),
        "characterize": result,
        "periodograms": peers,
    }
    Console().print(f"written: {write_results('characterize', document, given.output)}")
    return 0


def show(result: dict[str, Any], peers: dict[str, Any]) -> None:
    """Print what was measured."""
    table = Table(title="apdb characterize", show_header=False)
    for key, value in (result | peers).items():
        table.add_row(key, str(value))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
