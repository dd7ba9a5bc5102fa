"""How long neighbours and hosts take in store_visit: `./dev bench neighbours`.

Visits of new objects only, then visits to the same objects, in a field of 1 deg in radius against
a reference catalogue of 5,000,000 stars and galaxies (two galaxies for each star) in a larger disc.
The density of the catalogue is that disc's: 10 deg in radius has 16,000 per square degree, 5.6 deg
50,000, 3 deg 177,000.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np
import psycopg
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
from benchmarks.reference_sky import CENTER, cap, catalogue

MJD = 61100.0
VISIT_RADIUS = 1.0


def visit_of(number: int, ra: Any, dec: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """A visit, and sources at these positions."""
    n = len(ra)
    noise = rng.normal(0, 0.05 / 3600, (2, n))
    sources = {
        "dia_source_id": number * 1_000_000 + np.arange(1, n + 1),
        "ra": ra + noise[0],
        "dec": dec + noise[1],
        "ra_err": np.full(n, 0.05 / 3600),
        "dec_err": np.full(n, 0.05 / 3600),
        "psf_flux": rng.uniform(500, 5000, n),
        "psf_flux_err": np.full(n, 50.0),
    }
    visit = apdb.Visit(
        visit=number,
        detector=1,
        band="r",
        midpoint_mjd_tai=MJD + number,
        ra=CENTER[0],
        dec=CENTER[1],
        radius=VISIT_RADIUS + 0.02,
    )
    return visit, sources


def timed(dsn: str, ra: Any, dec: Any, number: int) -> float:
    """Seconds of the matching alone, without writing, in a session of its own."""
    n = len(ra)
    with psycopg.connect(dsn) as connection:
        arrays = (list(range(n)), ra.tolist(), dec.tolist(), [2e-5] * n, [2e-5] * n, [0.0] * n)
        start = time.perf_counter()
        connection.execute(
            "select count(*) from apdb.match_neighbours(%s::bigint[], %s::float8[], %s::float8[], "
            "%s::real[], %s::real[], %s::real[], %s::float8[], 10, 0.5, 'moments')",
            (*arrays, [MJD + number] * n),
        )
        return time.perf_counter() - start


def run(dsn: str, n_sources: int, n_visits: int, n_reference: int, disc: float, seed: int) -> Any:
    """Prepare one database and time visits to it."""
    migrate.upgrade(dsn)
    rng = np.random.default_rng(seed)
    places = [cap(rng, n_sources, VISIT_RADIUS) for _ in range(n_visits)]
    result: dict[str, Any] = {"per_square_degree": round(n_reference / (np.pi * disc**2))}
    with apdb.connect(dsn) as db:
        start = time.perf_counter()
        loaded = db.load_reference("simulated", catalogue(n_reference, disc, seed))
        result["load_s"] = round(time.perf_counter() - start, 1)
        assert loaded.n_objects == n_reference
        settle(dsn)
        for what in ("new", "known"):
            found = []
            for k, (ra, dec) in enumerate(places):
                number = k + 1 if what == "new" else n_visits + k + 1
                found.append(db.store_visit(*visit_of(number, ra, dec, rng)).timings)
            steps = [each["neighbours"] / 1000.0 for each in found]
            result[what] = {
                "neighbours_s": round(statistics.median(steps), 4),
                "neighbours_min_s": round(min(steps), 4),
                "neighbours_all_s": [round(each, 4) for each in steps],
                "visit_s": round(statistics.median(e["total"] for e in found) / 1000.0, 3),
            }
        matching = [timed(dsn, ra, dec, 1) for ra, dec in places]
        result["matching_alone_s"] = round(statistics.median(matching), 4)
        with psycopg.connect(dsn) as connection:
            row = connection.execute(
                "select avg(cardinality(array_remove(nearby_obj, null))), count(*) "
                "from apdb.dia_object_neighbour"
            ).fetchone()
        assert row is not None
        result["mean_neighbours"] = round(float(row[0]), 2)
        result["objects"] = int(row[1])
    return result


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__.splitlines()[0], sources=[10_000], visits=5)
    options.add_argument("--reference", type=int, default=5_000_000, help="reference objects")
    options.add_argument(
        "--disc", type=float, nargs="+", default=[5.6, 3.0], help="radius of their disc [deg]"
    )
    given = options.parse_args(arguments)
    results: dict[str, Any] = {}
    with benchmark_server(given.dsn) as server:
        for disc in given.disc:
            name = f"bench_neighbours_{str(disc).replace('.', '_')}"
            server.ensure_database(name)
            results[str(disc)] = run(
                server.dsn(name), given.sources[0], given.visits, given.reference, disc, given.seed
            )
            show(disc, given.sources[0], results[str(disc)])
        settings = server_settings(server.dsn(name))
    document = {
        "workload": {
            "sources": given.sources[0],
            "reference_objects": given.reference,
            "visit_radius_deg": VISIT_RADIUS,
            "seed": given.seed,
        },
        "server": settings,
        "versions": versions("apdb", "psycopg", "numpy"),
        "disc_deg": results,
    }
    Console().print(f"written: {write_results('neighbours', document, given.output)}")
    return 0


def show(disc: float, n: int, result: dict[str, Any]) -> None:
    """Print one run."""
    table = Table(
        title=f"{n} objects, {result['per_square_degree']} reference objects per square degree "
        f"(disc of {disc} deg): seconds"
    )
    for head in ("visits of", "neighbours, median", "least", "whole visit, median"):
        table.add_column(head, justify="right")
    for what in ("new", "known"):
        row = result[what]
        table.add_row(
            f"{what} objects",
            *map(str, (row["neighbours_s"], row["neighbours_min_s"], row["visit_s"])),
        )
    Console().print(table)
    Console().print(
        f"load {result['load_s']} s; matching alone {result['matching_alone_s']} s; "
        f"{result['mean_neighbours']} neighbours an object"
    )


if __name__ == "__main__":
    sys.exit(main())
