"""How store_visit grows with history and with the database: `./dev bench growth`.

Two fields in one database, one with 3 and one with 30 earlier epochs over 12 partitions, are revisited in
turn; then the database is filled up to `--fill` DIASources of a million other objects and the field with
30 epochs is revisited again.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import psycopg
from rich.console import Console

import apdb
from apdb.schema import migrate
from benchmarks.common import benchmark_server, parser, server_settings, settle, write_results
from benchmarks.store import CENTER, FIELD_RADIUS, add_nearby_objects, store
from benchmarks.workload import FIRST_MJD_TAI, FieldVisit, field_visits

FEW, MANY = 3, 30
SPAN = 350.0
FILL = """
insert into apdb_base.dia_source (
    dia_source_id, visit, detector, dia_object_id, midpoint_mjd_tai, exposure_time, ra, ra_err, dec,
    dec_err, ra_dec_cov, x_err, y_err, ap_flux, ap_flux_err, snr, psf_flux, psf_flux_err, psf_ln_l,
    psf_chi2, science_flux, science_flux_err, template_flux, template_flux_err, ixx, iyy, ixy,
    ixx_psf, iyy_psf, ixy_psf, extendedness, reliability, band, is_negative, is_dipole,
    time_processed_mjd_tai, store_seq
)
select
    4000000000000000000 + %(k)s * 10000000::bigint + i, %(visit)s, 1, 3000000000000000000 + i,
    %(mjd)s, 30, o.ra, 2e-5, o.dec, 2e-5, 1e-10, 0.1, 0.1, 1, 1, 10, 1000 + i, 100, 0, 1600, 5000, 100, 4000,
    10, 0.4, 0.4, 0, 0.4, 0.4, 0, 0.1, 0.9, 'g', false, false, %(mjd)s, 0
from generate_series(1, %(n)s) as i
inner join apdb_base.dia_object as o on o.dia_object_id = 3000000000000000000 + i
"""


def fill(dsn: str, rows: int, objects: int) -> float:
    """Add rows of the objects nearby, over the span of the fields; return seconds."""
    start = time.perf_counter()
    epochs = max(1, rows // objects)
    with psycopg.connect(dsn, autocommit=True) as connection:
        # The referring visits are not what is measured; a superuser may leave the checks out.
        connection.execute("set session_replication_role = replica")
        for k in range(epochs):
            mjd = FIRST_MJD_TAI + SPAN * k / epochs
            connection.execute(FILL, {"k": k, "visit": k, "mjd": mjd, "n": objects})
            Console().print(
                f"filled {(k + 1) * objects:,} rows, {time.perf_counter() - start:.0f} s"
            )
        connection.execute("vacuum analyze")
    return time.perf_counter() - start


def field(epochs: int, timed: int, n: int, seed: int, offset: float) -> Iterator[FieldVisit]:
    """Visits to one field; the offset of its nights keeps its ids apart from other fields'."""
    center = (CENTER[0] + offset, CENTER[1])
    return field_visits(
        n,
        epochs + timed,
        seed,
        center,
        radius=FIELD_RADIUS,
        start_mjd_tai=FIRST_MJD_TAI + offset,
        span_days=SPAN,
    )


def seconds(reports: list[apdb.StoreReport]) -> float:
    """Median time of the calls."""
    return statistics.median(r.timings["total"] for r in reports) / 1000.0


def run(dsn: str, given: Any, n: int) -> dict[str, Any]:
    migrate.upgrade(dsn)
    add_nearby_objects(dsn, given.objects, given.seed)
    rounds = 3 if given.fill else 1
    few = field(FEW, given.visits, n, given.seed, 0.0)
    many = field(MANY, rounds * given.visits, n, given.seed + 1, 3.0)
    with apdb.connect(dsn) as db:
        store(db, islice(few, FEW))
        store(db, islice(many, MANY))
        settle(dsn)
        reports: dict[str, list[apdb.StoreReport]] = {"few": [], "many": []}
        for _ in range(given.visits):
            reports["few"] += store(db, islice(few, 1))
            reports["many"] += store(db, islice(many, 1))
        result: dict[str, Any] = {
            "sources": n,
            f"epochs_{FEW}_s": seconds(reports["few"]),
            f"epochs_{MANY}_s": seconds(reports["many"]),
            "ratio_history": round(seconds(reports["many"]) / seconds(reports["few"]), 3),
            "steps_few_ms": reports["few"][-1].timings,
            "steps_many_ms": reports["many"][-1].timings,
        }
        if given.fill:
            result["fill_s"] = round(fill(dsn, given.fill, given.objects), 1)
            # The first visits after the fill find the caches cold; both are of interest.
            cold = store(db, islice(many, given.visits))
            warm = store(db, islice(many, given.visits))
            result["rows"] = given.fill
            result["filled_first_s"] = [r.timings["total"] / 1000.0 for r in cold]
            result["filled_s"] = seconds(warm)
            result["ratio_filled"] = round(seconds(warm) / seconds(reports["many"]), 3)
            result["steps_filled_ms"] = warm[-1].timings
    return result


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__.splitlines()[0], sources=[10_000], visits=5)
    options.add_argument("--objects", type=int, default=1_000_000, help="objects nearby")
    options.add_argument(
        "--fill", type=int, default=0, help="DIASources to fill up to, e.g. 20000000"
    )
    given = options.parse_args(arguments)
    with benchmark_server(given.dsn) as server:
        server.ensure_database("bench_growth")
        dsn = server.dsn("bench_growth")
        results = [run(dsn, given, n) for n in given.sources]
        settings = server_settings(dsn)
    Console().print(results)
    path = write_results("growth", {"server": settings, "runs": results}, given.output)
    Console().print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
