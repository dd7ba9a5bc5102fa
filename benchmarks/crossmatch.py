"""Crossmatch in the database beside astropy's search_around_sky: `./dev bench crossmatch`.

The same positions and the same reference catalogue for both: all pairs within 1 arcsec.  astropy
has both tables in memory, and is timed with and without building its trees; the database is sent
the positions a part at a time, and its answer read back into a table.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord, search_around_sky
from rich.console import Console
from rich.table import Table

import apdb
from apdb.schema import migrate
from benchmarks.common import (
    benchmark_server,
    parser,
    server_settings,
    settle,
    versions,
    write_results,
)
from benchmarks.reference_sky import cap, catalogue

RADIUS = 1.0  # arcsec


def clock(call: Any) -> tuple[float, Any]:
    """Seconds of a call, and what it returns."""
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def by_astropy(ra: Any, dec: Any, reference: dict[str, Any]) -> tuple[float, float, int]:
    """Seconds of the first call, which builds the trees, and of another; number of pairs."""
    one = SkyCoord(ra, dec, unit="deg")
    two = SkyCoord(reference["ra"], reference["dec"], unit="deg")
    first, found = clock(lambda: search_around_sky(one, two, RADIUS * u.arcsec))
    again, _ = clock(lambda: search_around_sky(one, two, RADIUS * u.arcsec))
    return first, again, len(found[0])


def run(db: apdb.Apdb, reference: dict[str, Any], given: Any) -> dict[str, Any]:
    """Time both on the same positions."""
    rng = np.random.default_rng(given.seed + 1)
    n = given.rows
    ra, dec = cap(rng, n, given.disc)
    # Half of them are in the catalogue, as an analyst's table is.
    known = rng.integers(0, len(reference["ra"]), n // 2)
    ra[: n // 2] = reference["ra"][known] + rng.normal(0, 0.1 / 3600, n // 2)
    dec[: n // 2] = reference["dec"][known] + rng.normal(0, 0.1 / 3600, n // 2)
    result: dict[str, Any] = {}
    for name, best in (("all", False), ("best", True)):
        seconds = []
        for _ in range(given.visits):
            taken, found = clock(
                lambda best=best: db.crossmatch(
                    {"ra": ra, "dec": dec}, "simulated", radius=RADIUS, best=best
                )
            )
            seconds.append(taken)
        result[name] = {
            "seconds": [round(s, 3) for s in seconds],
            "rows_per_s": round(n / statistics.median(seconds)),
            "best_rows_per_s": round(n / min(seconds)),
            "pairs": len(found),
        }
    first, again, pairs = by_astropy(ra, dec, reference)
    result["astropy"] = {
        "with_trees_s": round(first, 3),
        "again_s": round(again, 3),
        "rows_per_s_with_trees": round(n / first),
        "rows_per_s_again": round(n / again),
        "pairs": pairs,
    }
    assert result["all"]["pairs"] == pairs
    return result


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__.splitlines()[0], sources=[0], visits=3)
    options.add_argument("--rows", type=int, default=200_000, help="positions to match")
    options.add_argument("--reference", type=int, default=2_000_000, help="reference objects")
    options.add_argument("--disc", type=float, default=3.0, help="radius of their disc [deg]")
    given = options.parse_args(arguments)
    reference = catalogue(given.reference, given.disc, given.seed)
    with benchmark_server(given.dsn) as server:
        server.ensure_database("bench_crossmatch")
        dsn = server.dsn("bench_crossmatch")
        migrate.upgrade(dsn)
        with apdb.connect(dsn) as db:
            db.load_reference("simulated", reference)
            settle(dsn)
            result = run(db, reference, given)
        settings = server_settings(dsn)
    show(result)
    document = {
        "workload": {
            "rows": given.rows,
            "reference_objects": given.reference,
            "disc_deg": given.disc,
            "radius_arcsec": RADIUS,
            "seed": given.seed,
        },
        "server": settings,
        "versions": versions("apdb", "astropy", "psycopg", "numpy", "scipy"),
        **result,
    }
    Console().print(f"written: {write_results('crossmatch', document, given.output)}")
    return 0


def show(result: dict[str, Any]) -> None:
    """Print the rates."""
    table = Table(title="rows matched per second")
    table.add_column("by")
    table.add_column("rows/s", justify="right")
    for name in ("all", "best"):
        table.add_row(f"database, {name} matches", f"{result[name]['rows_per_s']:,}")
    table.add_row("astropy, trees to be built", f"{result['astropy']['rows_per_s_with_trees']:,}")
    table.add_row("astropy, again", f"{result['astropy']['rows_per_s_again']:,}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
