"""Replay real alert packets of the Rubin Observatory and compare the objects with Rubin's own."""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

import apdb
from apdb.input.sphere import unit_vectors
from apdb.rubin import AlertTables, AlertVisit, read_alerts, visits
from apdb.schema import migrate
from apdb.store import Rule
from apdb.truth import TruthReport, compare
from benchmarks.common import benchmark_server, server_settings, versions, write_results

ROOT = Path(__file__).resolve().parents[1]
ALERTS = (
    Path(os.environ.get("APDB_TEST_DATA", ROOT.parent / "shared" / "data")) / "rubin/alerts.avro"
)

#: Sources nearer to each other than this are at one place [deg]: far beyond any radius of
#: association that is tried here, and below half of the 19 arcsec between true objects.
PLACE_RADIUS = 8.0 / 3600.0
#: The alerts are of three fields, each smaller than this [deg].
FIELD_RADIUS = 8.0
#: What can keep a source from starting an object.
DISQUALIFYING = (
    "centroid_flag",
    "pixel_flags_cr_center",
    "pixel_flags_nodata_center",
    "pixel_flags_interpolated_center",
    "pixel_flags_saturated_center",
    "pixel_flags_suspect_center",
    "pixel_flags_streak_center",
    "glint_trail",
)

_OF_VISITS = {"visit", "detector", "band", "midpoint_mjd_tai", "dia_object_id", "ss_object_id"}

Ids = npt.NDArray[np.int64]


@dataclass
class Replay:
    """Outcome of a replay.

    Attributes
    ----------
    dia_source_id, truth, assigned : ndarray of int64, shape (n,)
        Each source, Rubin's object of it and ours (0: none), in the order of storing.
    milliseconds : list of float
        Wall-clock time of each call of store_visit.
    steps : dict of str to list of float
        Milliseconds by step, as the reports tell.
    """

    dia_source_id: Ids
    truth: Ids
    assigned: Ids
    milliseconds: list[float]
    steps: dict[str, list[float]] = field(default_factory=dict)

    @property
    def report(self) -> TruthReport:
        """Splits, merges and sources without object against Rubin's objects."""
        return compare(self.truth, self.assigned)


def replay(
    db: apdb.Apdb,
    given: Iterable[AlertVisit],
    *,
    radius: float,
    rule: Rule,
) -> Replay:
    """Store visits one after the other.

    Parameters
    ----------
    db : Apdb
        A database, empty for a comparison that means something.
    given : iterable of AlertVisit
        The visits, in the order to store them.
    radius : float
        Association radius [arcsec].
    rule : {"nearest", "likelihood"}
        Association rule.

    Returns
    -------
    Replay
        What became of every source, and how long each visit took.
    """
    ids, truth, assigned = [], [], []
    milliseconds = []
    steps: dict[str, list[float]] = {}
    for one in given:
        visit = apdb.Visit(**one.visit)
        start = time.perf_counter()
        report = db.store_visit(visit, one.sources, radius=radius, associate=rule)
        milliseconds.append(1000.0 * (time.perf_counter() - start))
        for step, value in report.timings.items():
            steps.setdefault(step, []).append(value)
        ids.append(report.dia_source_id)
        truth.append(one.truth)
        assigned.append(report.dia_object_id)
    return Replay(
        np.concatenate(ids), np.concatenate(truth), np.concatenate(assigned), milliseconds, steps
    )


def places(
    ra: npt.ArrayLike, dec: npt.ArrayLike, radius: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Number the places on the sky that sources belong to, from positions alone.

    Parameters
    ----------
    ra, dec : array_like of float, shape (n,)
        Positions [deg].
    radius : float
        Sources nearer to each other than this belong to one place [deg].

    Returns
    -------
    place : ndarray of int, shape (n,)
        Equal for sources of one place, from 0.
    first : ndarray of float, shape (m, 2)
        One position in each place [deg].

    Raises
    ------
    ValueError
        If two places are nearer to each other than twice the radius.
    """
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    vectors = unit_vectors(ra, dec)
    chord = 2.0 * np.sin(np.radians(radius) / 2.0)
    place = np.full(len(vectors), -1, np.intp)
    firsts: list[tuple[float, float]] = []
    while len(free := np.flatnonzero(place < 0)):
        first = free[0]
        distance = np.linalg.norm(vectors - vectors[first], axis=1)
        if ((distance >= chord) & (distance < 2.0 * chord)).any():
            raise ValueError(f"two places within {2 * radius} deg of {ra[first]} {dec[first]}")
        place[distance < chord] = len(firsts)
        firsts.append((ra[first], dec[first]))
    return place, np.array(firsts)


def grouped(tables: AlertTables) -> Iterator[AlertVisit]:
    """Yield the sources in few large visits that associate as the real ones do.

    The first visit of a field has the first real visit of every place in it, the second the second,
    and so on.  Within a place, order and company are those of the real visits, and places are
    too far apart to matter to each other; so every source meets the same objects, and as
    association knows no time, goes to the same one.

    Parameters
    ----------
    tables : AlertTables
        What `apdb.rubin.read_alerts` returned.

    Yields
    ------
    AlertVisit
        About 1,500 in place of 30,000.
    """
    source = tables.dia_source
    ids = source["dia_source_id"]
    place, _ = places(source["ra"], source["dec"], PLACE_RADIUS)
    fields, centres = places(source["ra"], source["dec"], FIELD_RADIUS)
    turn = _turns(place, [source[name] for name in ("midpoint_mjd_tai", "visit", "detector")])
    truth = tables.true_objects(ids)
    by_turn = np.lexsort([ids, fields, turn])
    ends = np.flatnonzero(np.diff(turn[by_turn]) | np.diff(fields[by_turn])) + 1
    for rows in np.split(by_turn, ends):
        nth, number = int(turn[rows[0]]), int(fields[rows[0]])
        visit = {
            "visit": nth + 1,
            "detector": number,
            "band": "r",
            "midpoint_mjd_tai": 61000.0 + nth / 100.0,
            "ra": float(centres[number, 0]),
            "dec": float(centres[number, 1]),
            "radius": FIELD_RADIUS,
        }
        columns = {
            name: values[rows]
            for name, values in source.items()
            if name not in _OF_VISITS and not np.ma.getmaskarray(values[rows]).all()
        }
        yield AlertVisit(visit, columns, truth[rows])


def _turns(place: npt.NDArray[np.intp], key: list[npt.NDArray[Any]]) -> npt.NDArray[np.intp]:
    """Return for each source how many visits its place had before, by (time, visit, detector)."""
    order = np.lexsort([*key[::-1], place])
    moved = np.diff(place[order]) != 0
    starts = np.concatenate([[True], moved])
    changed = np.any([np.diff(values[order]) != 0 for values in key], axis=0) | moved
    visit = np.cumsum(np.concatenate([[0], changed]))
    turn = np.empty(len(place), np.intp)
    turn[order] = visit - visit[starts][np.cumsum(starts) - 1]
    return turn


def flags_of(tables: AlertTables, dia_source_ids: npt.ArrayLike) -> list[tuple[str, ...]]:
    """Return what disqualifies each source from starting an object.

    Parameters
    ----------
    tables : AlertTables
        The alerts that hold the sources.
    dia_source_ids : array_like of int, shape (n,)
        Which sources.

    Returns
    -------
    list of tuple of str
        For each source the flags that are set, and ``reliability`` if that is below 0.1.
    """
    source = tables.dia_source
    rows = {id_: row for row, id_ in enumerate(source["dia_source_id"].tolist())}
    found = []
    for id_ in np.asarray(dia_source_ids).tolist():
        row = rows[id_]
        names = [n for n in DISQUALIFYING if n in source and np.ma.filled(source[n], False)[row]]
        if np.ma.filled(source["reliability"], 1.0)[row] < 0.1:
            names.append("reliability")
        found.append(tuple(names))
    return found


def summary(done: Replay, tables: AlertTables) -> dict[str, Any]:
    """Return the figures of a replay, for JSON.

    Parameters
    ----------
    done : Replay
        The outcome.
    tables : AlertTables
        The alerts that were replayed.

    Returns
    -------
    dict
        Counts, splits and merges, sources without object by flags, milliseconds.
    """
    report = done.report
    lost = done.dia_source_id[report.unassigned]
    flags = Counter(" ".join(names) or "none" for names in flags_of(tables, lost))
    times = np.array(done.milliseconds)
    return {
        "visits": len(times),
        "sources": report.n_sources,
        "true_objects": report.n_true_objects,
        "our_objects": report.n_our_objects,
        "our_objects_of_true_ones": len(
            np.unique(done.assigned[(done.truth != 0) & (done.assigned != 0)])
        ),
        "splits": {str(k): list(v) for k, v in report.splits.items()},
        "merges": {str(k): list(v) for k, v in report.merges.items()},
        "sources_without_object": len(lost),
        "sources_without_object_by_flags": dict(flags),
        "milliseconds": {
            "median": round(float(np.median(times)), 2),
            "p95": round(float(np.quantile(times, 0.95)), 2),
            "max": round(float(times.max()), 2),
            "median_first_tenth": round(float(np.median(times[: max(1, len(times) // 10)])), 2),
            "median_last_tenth": round(float(np.median(times[-max(1, len(times) // 10) :])), 2),
            "median_by_step": {k: round(float(np.median(v)), 2) for k, v in done.steps.items()},
        },
    }


def main() -> None:
    """Run the replay, print its figures and write them."""
    options = _options()
    tables = read_alerts(options.alerts)
    given: list[AlertVisit] = list(grouped(tables) if options.grouped else visits(tables))
    if options.limit:
        given = given[: options.limit]
    with benchmark_server(options.dsn) as server:
        server.ensure_database("bench_replay")
        dsn = server.dsn("bench_replay")
        migrate.upgrade(dsn)
        with apdb.connect(dsn) as db:
            shown = track(given, "replay", console=Console(stderr=True), transient=True)
            start = time.perf_counter()
            done = replay(db, shown, radius=options.radius, rule=options.rule)
            seconds = time.perf_counter() - start
        settings = server_settings(dsn)
    figures = summary(done, tables) | {"seconds": round(seconds, 1)}
    _show(figures, done.report, options)
    name = f"replay_{options.rule}_{options.radius:g}" + ("_grouped" if options.grouped else "")
    results = {
        "rule": options.rule,
        "radius_arcsec": options.radius,
        "grouped": options.grouped,
        "server": settings,
        "packages": versions("apdb", "psycopg", "numpy"),
    } | figures
    print(f"written: {write_results(name, results, options.output)}")


def _show(figures: dict[str, Any], report: TruthReport, options: argparse.Namespace) -> None:
    times = figures["milliseconds"]
    show: Callable[[str], None] = print
    show(f"{options.rule} at {options.radius:g} arcsec: {report}")
    show(f"our objects that hold true ones: {figures['our_objects_of_true_ones']}")
    show(f"sources without object, by flags: {figures['sources_without_object_by_flags']}")
    show(
        f"{figures['visits']} visits in {figures['seconds']} s; store_visit median "
        f"{times['median']} ms, 95% {times['p95']} ms, most {times['max']} ms"
    )
    show(f"median by step [ms]: {times['median_by_step']}")


def _options() -> argparse.Namespace:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.add_argument("--radius", type=float, default=1.5, help="association radius [arcsec]")
    made.add_argument("--rule", choices=get_args(Rule), default="nearest", help="association rule")
    made.add_argument("--alerts", type=Path, default=ALERTS, help="file of alert packets")
    made.add_argument(
        "--grouped",
        action="store_true",
        help="in about 1,000 large visits that associate alike: seconds, but no times of visits",
    )
    made.add_argument("--limit", type=int, default=0, help="only so many visits; 0 for all")
    made.add_argument("--dsn", help="a running server, as superuser, instead of a private one")
    made.add_argument("--output", type=Path, help="where to write the results as JSON")
    return made.parse_args()


if __name__ == "__main__":
    main()
