"""Time a visit here and in Rubin's own database client, side by side.

Both get the same simulated visits to one field, on one PostgreSQL server with the same settings,
each in a database of its own, interleaved visit by visit; who goes first alternates.  Between
visits, untimed, both databases are vacuumed and analysed.  Before the first visit each side stores
two small visits elsewhere on the sky, untimed, so that imports and connections are not counted.

Ours is one call of ``store_visit``.  The other side is `peer_pipeline`, which says what it does
and what it leaves out in the peer's favour.  Solar-system association has nothing to do on either
side, forced photometry is not done.

    python benchmarks/peers.py --sources 1000 10000 --visits 8
"""

from __future__ import annotations

import argparse
import gc
import importlib
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from benchmarks.common import (
    Server,
    benchmark_server,
    parser,
    server_settings,
    settle,
    versions,
    write_results,
)
from benchmarks.workload import FIRST_MJD_TAI, FieldVisit, field_visits

Ids = npt.NDArray[np.int64]
WARM_UP_CENTER = (30.0, -40.0)
WARM_UP_DAYS = 40.0
TITLES = {"ours": "apdb", "peer": "dax_apdb"}
SOURCE_TABLES = {"ours": ("apdb", "dia_source"), "peer": ("public", "DiaSource")}
OBJECT_ID = {"ours": "dia_object_id", "peer": "diaObjectId"}


class Side(Protocol):
    """One of the two systems."""

    dsn: str

    def prepare(self, visit: FieldVisit) -> Any:
        """Bring the sources into the shape in which its users hold them (not timed)."""

    def store(self, visit: FieldVisit, sources: Any) -> tuple[Ids, dict[str, float]]:
        """Store the visit; the object id of each source, and seconds by step."""

    def close(self) -> None:
        """Let go of the connections."""


class Ours:
    """A database of this project."""

    def __init__(self, dsn: str, rule: str) -> None:
        import apdb
        from apdb.schema import migrate

        migrate.upgrade(dsn)
        self.dsn = dsn
        self._rule = rule
        self._visit_class = apdb.Visit
        self._db = apdb.connect(dsn)

    def prepare(self, visit: FieldVisit) -> Any:
        return visit.sources

    def store(self, visit: FieldVisit, sources: Any) -> tuple[Ids, dict[str, float]]:
        described = self._visit_class(
            visit=visit.visit,
            detector=visit.detector,
            band=visit.band,
            midpoint_mjd_tai=visit.midpoint_mjd_tai,
            exposure_time=visit.exposure_time,
            ra=visit.ra,
            dec=visit.dec,
            radius=visit.radius,
        )
        report = self._db.store_visit(described, sources, radius=1.0, associate=self._rule)
        steps = {name: ms / 1000.0 for name, ms in report.timings.items() if name != "total"}
        return report.dia_object_id, steps

    def close(self) -> None:
        self._db.close()


class Peer:
    """A database of ``lsst-dax-apdb``."""

    def __init__(self, dsn: str, object_index: str) -> None:
        from benchmarks.peer_pipeline import PeerPipeline

        self.dsn = dsn
        self._pipeline = PeerPipeline(dsn, object_index)

    def prepare(self, visit: FieldVisit) -> Any:
        return self._pipeline.prepare(visit)

    def store(self, visit: FieldVisit, sources: Any) -> tuple[Ids, dict[str, float]]:
        ids, watch = self._pipeline.store_visit(visit, sources)
        return ids, watch.steps

    def close(self) -> None:
        self._pipeline.close()


@dataclass
class Timing:
    """One visit on one side: wall-clock seconds in all and by step, and the ids given."""

    total: float
    steps: dict[str, float]
    ids: Ids = field(repr=False)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark, print its table and write its results."""
    options = _arguments(arguments)
    console = Console()
    if "peer" in options.systems and (missing := _peer_missing()):
        console.print(missing)
        return 1
    runs = []
    with benchmark_server(options.dsn) as server:
        for n_sources in options.sources:
            run, settings = _run(server, n_sources, options)
            console.print(_table(run))
            runs.append(run)
    if set(options.systems) != set(TITLES):
        return 0
    results = {
        "seed": options.seed,
        "ours_rule": options.associate,
        "peer_object_index": options.peer_index,
        "server": settings,
        "versions": versions("lsst-dax-apdb", "psycopg2-binary", "pandas", "sqlalchemy", "numpy"),
        "runs": runs,
    }
    console.print(f"written: {write_results('peers', results, options.output)}")
    return 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    made = parser(__doc__.splitlines()[0], sources=[1000, 10000], visits=8)
    made.add_argument(
        "--associate", default="likelihood", choices=["likelihood", "nearest"], help="our rule"
    )
    made.add_argument(
        "--peer-index",
        default="baseline",
        choices=["baseline", "pix_id_iov", "last_object_table"],
        help="how the peer finds the latest version of an object",
    )
    made.add_argument(
        "--systems",
        nargs="+",
        default=list(TITLES),
        choices=list(TITLES),
        help="only one of the two: prints its times, writes no results",
    )
    return made.parse_args(arguments)


def _peer_missing() -> str | None:
    """Say what to install if the peer is not there."""
    try:
        importlib.import_module("lsst.dax.apdb.sql")
        importlib.import_module("psycopg2")
    except ModuleNotFoundError as error:
        return f"the peer is not installed ({error}): pip install -e '.[peers]'"
    return None


def _run(
    server: Server, n_sources: int, options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, str]]:
    sides: dict[str, Side] = {}
    for name in options.systems:
        dbname = f"bench_{name}_{n_sources}"
        server.ensure_database(dbname)
        dsn = server.dsn(dbname)
        is_ours = name == "ours"
        sides[name] = Ours(dsn, options.associate) if is_ours else Peer(dsn, options.peer_index)
    try:
        timings = _interleave(sides, n_sources, options)
        rows = {name: _count(name, side.dsn) for name, side in sides.items()}
    finally:
        for side in sides.values():
            side.close()
    return _summary(n_sources, timings, rows), server_settings(dsn)


def _interleave(
    sides: dict[str, Side], n_sources: int, options: argparse.Namespace
) -> dict[str, list[Timing]]:
    early = FIRST_MJD_TAI - WARM_UP_DAYS
    for visit in field_visits(50, 2, 0, WARM_UP_CENTER, start_mjd_tai=early, span_days=10.0):
        for side in sides.values():
            side.store(visit, side.prepare(visit))
    timings: dict[str, list[Timing]] = {name: [] for name in sides}
    for k, visit in enumerate(field_visits(n_sources, options.visits, options.seed)):
        order = list(sides) if k % 2 else list(sides)[::-1]
        for name in order:
            timings[name].append(_time(sides[name], visit))
        for side in sides.values():
            settle(side.dsn)
    return timings


def _time(side: Side, visit: FieldVisit) -> Timing:
    sources = side.prepare(visit)
    gc.collect()
    start = time.perf_counter()
    ids, steps = side.store(visit, sources)
    return Timing(time.perf_counter() - start, steps, ids)


def _count(name: str, dsn: str) -> dict[str, int]:
    """Stored sources and their objects, as a check that both did the same work."""
    query = sql.SQL("select count(*), count(distinct {}) from {}").format(
        sql.Identifier(OBJECT_ID[name]), sql.Identifier(*SOURCE_TABLES[name])
    )
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return {"sources": row[0], "objects": row[1]}


def _summary(
    n_sources: int, timings: dict[str, list[Timing]], rows: dict[str, dict[str, int]]
) -> dict[str, Any]:
    medians = {name: statistics.median(t.total for t in each) for name, each in timings.items()}
    run: dict[str, Any] = {
        "sources_per_visit": n_sources,
        "median_s": {name: round(value, 4) for name, value in medians.items()},
        "stored": rows,
        "visits": [
            {
                name: {
                    "total_s": round(timing.total, 4),
                    "steps_s": {step: round(value, 4) for step, value in timing.steps.items()},
                }
                for name, timing in zip(timings, visit, strict=True)
            }
            for visit in zip(*timings.values(), strict=True)
        ],
    }
    if len(timings) == len(TITLES):
        run["ratio_of_medians"] = round(medians["peer"] / medians["ours"], 2)
        run["same_object_fraction"] = _agreement(timings)
    return run


def _agreement(timings: dict[str, list[Timing]]) -> float:
    """Fraction of sources that got the same object on both sides.

    Both name an object after its first source, so that ids can be compared as they are.
    """
    ours, peer = (np.concatenate([t.ids for t in timings[name]]) for name in TITLES)
    return round(float(np.mean(ours == peer)), 6)


def _table(run: dict[str, Any]) -> Table:
    names = [name for name in TITLES if name in run["median_s"]]
    table = Table(
        title=f"{run['sources_per_visit']:,} sources per visit, seconds", title_style="bold"
    )
    table.add_column("visit", justify="right")
    for name in names:
        table.add_column(TITLES[name], justify="right")
        table.add_column("of which", overflow="fold")
    for number, visit in enumerate(run["visits"], 1):
        cells = [str(number)]
        for name in names:
            cells += [f"{visit[name]['total_s']:.3f}", _steps(visit[name]["steps_s"])]
        table.add_row(*cells)
    table.add_section()
    last = ["median"]
    for name in names:
        stored = run["stored"][name]
        note = f"{stored['sources']:,} sources, {stored['objects']:,} objects"
        last += [f"{run['median_s'][name]:.3f}", note]
    table.add_row(*last, style="bold")
    if "ratio_of_medians" in run:
        table.caption = (
            f"ratio of medians {run['ratio_of_medians']:.1f}; "
            f"{run['same_object_fraction']:.2%} of the sources in the same object"
        )
    return table


def _steps(steps: dict[str, float]) -> str:
    """Show the steps that took 5 ms or more."""
    return "  ".join(f"{name} {value:.2f}" for name, value in steps.items() if value >= 0.005)


if __name__ == "__main__":
    sys.exit(main())
