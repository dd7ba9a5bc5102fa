"""How long store_visit takes, step by step: `./dev bench store`.

The field: a million objects around it, of which 8,000 (per 10,000 sources) recur in every visit and
have 30 rows of history, spread over 12 partitions.  All DIASource columns are filled.  History is
stored by store_visit itself; then the timed visits are stored, one after the other, each followed by
its writes alone (`plain_writes`), since the machine may be another one by the next day.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any

import psycopg
from rich.console import Console
from rich.progress import track
from rich.table import Table

import apdb
from apdb.schema import migrate
from benchmarks import plain_writes
from benchmarks.common import (
    benchmark_server,
    parser,
    peak_memory,
    server_settings,
    settle,
    versions,
    write_results,
)
from benchmarks.workload import FieldVisit, field_visits

HISTORY = 30
FIELD_RADIUS = 1.0  # deg
NEARBY_RADIUS = 3.0  # deg
CENTER = (150.0, 2.2)


def add_nearby_objects(dsn: str, n: int, seed: int) -> None:
    """Put n objects without history around the field; ids far above those of sources."""
    with psycopg.connect(dsn) as connection:
        connection.execute("select setseed(%s)", (1.0 / (1 + seed),))
        connection.execute(
            "insert into apdb_base.dia_object (dia_object_id, validity_start_mjd_tai, ra, dec, "
            "ra_err, dec_err, u_psf_flux_ndata, g_psf_flux_ndata, r_psf_flux_ndata, "
            "i_psf_flux_ndata, z_psf_flux_ndata, y_psf_flux_ndata, first_dia_source_mjd_tai, "
            "last_dia_source_mjd_tai, n_dia_sources, store_seq) "
            "select 3000000000000000000 + i, 61000.0, %(ra)s + %(r)s * sqrt(random()) * cos(6.2832 * random()), "
            "%(dec)s + %(r)s * (2.0 * random() - 1.0), 2e-5, 2e-5, 0, 1, 0, 0, 0, 0, 61000.0, 61000.0, 1, 0 "
            "from generate_series(1, %(n)s) as i",
            {"ra": CENTER[0], "dec": CENTER[1], "r": NEARBY_RADIUS, "n": n},
        )


def described(visit: FieldVisit) -> apdb.Visit:
    """Return the visit as store_visit takes it."""
    return apdb.Visit(
        visit=visit.visit,
        detector=visit.detector,
        band=visit.band,
        midpoint_mjd_tai=visit.midpoint_mjd_tai,
        exposure_time=visit.exposure_time,
        ra=visit.ra,
        dec=visit.dec,
        radius=visit.radius + 0.01,
    )


def store(db: apdb.Apdb, visits: Iterable[FieldVisit]) -> list[apdb.StoreReport]:
    """Store visits one after the other."""
    return [db.store_visit(described(visit), visit.sources) for visit in visits]


def summary(reports: list[apdb.StoreReport]) -> dict[str, Any]:
    """Medians over visits: seconds in all and milliseconds per step."""
    steps = reports[0].timings.keys() - {"total"}
    totals = [r.timings["total"] / 1000.0 for r in reports]
    return {
        "median_s": round(statistics.median(totals), 4),
        "seconds": [round(t, 4) for t in totals],
        "steps_ms": {
            step: round(statistics.median(r.timings[step] for r in reports), 1)
            for step in sorted(steps, key=lambda s: -reports[0].timings[s])
        },
        "matched": int(
            statistics.median((~r.is_new & (r.dia_object_id > 0)).sum() for r in reports)
        ),
        "new": int(statistics.median(r.is_new.sum() for r in reports)),
    }


def run(dsn: str, n_sources: int, n_timed: int, n_objects: int, seed: int) -> dict[str, Any]:
    """Prepare one database and time visits to it."""
    migrate.upgrade(dsn)
    add_nearby_objects(dsn, n_objects, seed)
    visits = field_visits(
        n_sources, HISTORY + n_timed, seed, CENTER, radius=FIELD_RADIUS, span_days=350.0
    )
    with apdb.connect(dsn) as db:
        store(db, track(list(islice(visits, HISTORY)), "history", transient=True))
        plain_writes.prepare(dsn)
        settle(dsn)
        reports, writes = [], []
        for visit in visits:
            reports += store(db, [visit])
            writes.append(plain_writes.write(dsn, visit.visit, visit.detector))
        result = summary(reports)
    result["plain_writes_s"] = round(statistics.median(writes), 4)
    result["in_plain_writes"] = round(result["median_s"] / result["plain_writes_s"], 2)
    result["client_peak_mib"] = peak_memory() // 2**20
    return result


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__.splitlines()[0], sources=[10_000, 40_000], visits=7)
    options.add_argument("--objects", type=int, default=1_000_000, help="objects nearby")
    given = options.parse_args(arguments)
    results: dict[str, Any] = {}
    with benchmark_server(given.dsn) as server:
        for n in given.sources:
            name = f"bench_store_{n}"
            server.ensure_database(name)
            results[str(n)] = run(server.dsn(name), n, given.visits, given.objects, given.seed)
            show(n, results[str(n)])
        settings = server_settings(server.dsn(name))
    document = {
        "workload": {"objects_nearby": given.objects, "history": HISTORY, "seed": given.seed},
        "server": settings,
        "versions": versions("apdb", "psycopg", "numpy"),
        "sources": results,
    }
    Console().print(f"written: {write_results('store', document, given.output)}")
    return 0


def show(n: int, result: dict[str, Any]) -> None:
    """Print one run."""
    table = Table(title=f"store_visit, {n} sources: median {result['median_s']:.3f} s")
    table.add_column("step")
    table.add_column("ms", justify="right")
    for step, ms in result["steps_ms"].items():
        table.add_row(step, f"{ms:.1f}")
    Console().print(table)
    Console().print(
        f"{result['matched']} matched, {result['new']} new; client peak {result['client_peak_mib']} MiB;"
        f" {result['in_plain_writes']} times the writes alone ({result['plain_writes_s']:.3f} s)"
    )


if __name__ == "__main__":
    sys.exit(main())
