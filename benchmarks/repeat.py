"""What does it cost to store a visit that is stored already?

Every visit is stored, then offered again in the same session and in a fresh one; the figure is the
ratio of the medians, repeat ÷ first.  Of the ways to offer it again the dearest for us is taken
too: rows and columns in another order, as FITS (big-endian).

    ./dev bench repeat
"""

from __future__ import annotations

import io
import statistics
import sys
from typing import Any

import astropy.table
import numpy as np
from astropy.io import fits
from rich.console import Console
from rich.table import Table

import apdb
from apdb.schema import migrate
from benchmarks.common import benchmark_server, parser, server_settings, versions, write_results
from benchmarks.store import described
from benchmarks.workload import field_visits

WAYS = ("same", "fresh session", "shuffled FITS")


def shuffled_fits(sources: dict[str, Any]) -> Any:
    rng = np.random.default_rng(1)
    rows = rng.permutation(len(sources["diaSourceId"]))
    names = rng.permutation(list(sources)).tolist()
    file = io.BytesIO()
    text = {
        name: np.asarray(values, str) for name, values in sources.items() if values.dtype == "O"
    }
    columns = {name: text.get(name, sources[name])[rows] for name in names}
    astropy.table.Table(columns).write(file, format="fits")
    file.seek(0)
    return fits.getdata(file)


def measure(dsn: str, n_sources: int, n_visits: int, seed: int) -> dict[str, Any]:
    """Times of the first store and of each way to repeat it, seconds."""
    times: dict[str, list[float]] = {"first": [], **{way: [] for way in WAYS}}
    with apdb.connect(dsn) as db:
        for made in field_visits(n_sources, n_visits, seed):
            visit = described(made)
            first = db.store_visit(visit, made.sources)
            again = {
                "same": db.store_visit(visit, made.sources),
                "shuffled FITS": db.store_visit(visit, shuffled_fits(made.sources)),
            }
            with apdb.connect(dsn) as fresh:
                again["fresh session"] = fresh.store_visit(visit, made.sources)
            if first.state != "stored" or {r.state for r in again.values()} != {"repeated"}:
                raise RuntimeError(f"visit {made.visit} was not stored and then repeated")
            times["first"].append(first.timings["total"] / 1000.0)
            for way, report in again.items():
                times[way].append(report.timings["total"] / 1000.0)
    median = {way: statistics.median(found) for way, found in times.items()}
    return {
        "median_s": {way: round(value, 4) for way, value in median.items()},
        "ratio": {way: round(median[way] / median["first"], 4) for way in WAYS},
        "seconds": {way: [round(t, 4) for t in found] for way, found in times.items()},
    }


def main(arguments: list[str] | None = None) -> int:
    options = parser((__doc__ or "").splitlines()[0], sources=[1000, 10_000], visits=8)
    given = options.parse_args(arguments)
    results: dict[str, Any] = {}
    with benchmark_server(given.dsn) as server:
        for n in given.sources:
            name = f"bench_repeat_{n}"
            server.ensure_database(name)
            migrate.upgrade(server.dsn(name))
            results[str(n)] = measure(server.dsn(name), n, given.visits, given.seed)
            show(n, results[str(n)])
        settings = server_settings(server.dsn(name))
    document = {
        "workload": {"visits": given.visits, "seed": given.seed},
        "server": settings,
        "versions": versions("apdb", "psycopg", "numpy"),
        "sources": results,
    }
    Console().print(f"written: {write_results('repeat', document, given.output)}")
    return 0


def show(n: int, result: dict[str, Any]) -> None:
    """Print one run."""
    median = result["median_s"]
    table = Table(title=f"{n} sources: stored the first time in {median['first']:.3f} s")
    table.add_column("offered again")
    table.add_column("s", justify="right")
    table.add_column("of the first time", justify="right")
    for way in WAYS:
        table.add_row(way, f"{median[way]:.3f}", f"{result['ratio'][way]:.1%}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
