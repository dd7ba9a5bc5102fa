"""All real DIASources of the test alerts replayed, against Rubin's own objects.

One replay stores the 30,091 visits one by one (minutes); the others store them grouped, which
gives every source the same object.  Expected is what a plain loop in numpy finds visit by visit, the
same for both ways, and what the README of the data says.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import pytest
from psycopg.rows import dict_row

import apdb
from apdb.rubin import AlertTables, read_alerts, visits
from apdb.store import Rule
from apdb.truth import compare
from benchmarks.replay import Replay, flags_of, grouped, replay

DATA = Path(os.environ.get("APDB_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
ALERTS = DATA / "rubin" / "alerts.avro"
ARCSEC = np.degrees(1.0) * 3600.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not ALERTS.exists(), reason=f"no real alerts at {ALERTS}: set APDB_TEST_DATA"
    ),
]


@pytest.fixture(scope="module")
def tables() -> AlertTables:
    return read_alerts(ALERTS)


def by_source(done: Replay) -> dict[int, int]:
    """Return the object of each source."""
    return dict(zip(done.dia_source_id.tolist(), done.assigned.tolist(), strict=True))


class Loop:
    """The nearest rule as a loop over visits and sources: positions in, objects out."""

    def __init__(self, tables: AlertTables, radius: float, *, weighted: bool) -> None:
        source = tables.dia_source
        self.radius = radius
        self.row = {id_: row for row, id_ in enumerate(source["dia_source_id"].tolist())}
        self.unfit = {
            id_
            for id_, flags in zip(self.row, flags_of(tables, list(self.row)), strict=True)
            if flags
        }
        lon, lat = np.radians(source["ra"]), np.radians(source["dec"])
        self.place = np.stack(
            [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1
        )
        errors = [
            np.ma.filled(source[name].astype(float), np.nan) * 3600
            for name in ("ra_err", "dec_err")
        ]
        variance = np.nan_to_num((errors[0] ** 2 + errors[1] ** 2) / 2, nan=0.2**2)
        self.weight = 1.0 / (variance + 0.05**2) if weighted else np.ones(len(variance))
        self.sums: dict[int, npt.NDArray[np.float64]] = {}
        self.assigned: dict[int, int] = {}

    def visit(self, ids: list[int]) -> None:
        """Give the sources of a visit their objects."""
        leader: dict[int, int] = {}
        leaders: list[int] = []
        for id_ in sorted(ids, key=lambda i: (i in self.unfit, i)):
            near = (c for c in leaders if self._distance(self._at(c), id_) < 0.05)
            leader[id_] = next(near, id_)
            if leader[id_] == id_:
                leaders.append(id_)
        found = self._match(leaders)
        for id_ in leaders:
            if id_ not in found and id_ not in self.unfit:
                found[id_] = id_
        for id_ in ids:
            owner = found.get(leader[id_], 0)
            self.assigned[id_] = owner
            if owner:
                here = self.weight[self.row[id_]] * self._at(id_)
                self.sums[owner] = self.sums.get(owner, np.zeros(3)) + here

    def _match(self, leaders: list[int]) -> dict[int, int]:
        if not self.sums:
            return {}
        objects = list(self.sums)
        means = np.array(list(self.sums.values()))
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        pairs = []
        for id_ in leaders:
            distance = self._distance(means, id_)
            pairs += [
                (distance[j], id_, objects[j]) for j in np.flatnonzero(distance <= self.radius)
            ]
        found: dict[int, int] = {}
        for _, id_, owner in sorted(pairs):
            if id_ not in found and owner not in found.values():
                found[id_] = owner
        return found

    def _at(self, id_: int) -> npt.NDArray[np.float64]:
        return np.asarray(self.place[self.row[id_]])

    def _distance(self, place: npt.NDArray[np.float64], id_: int) -> Any:
        return np.linalg.norm(place - self._at(id_), axis=-1) * ARCSEC


def loop(tables: AlertTables, radius: float, *, weighted: bool = True) -> dict[int, int]:
    """Return the object of each source as the loop finds it."""
    state = Loop(tables, radius, weighted=weighted)
    for one in visits(tables):
        state.visit(one.sources["dia_source_id"].tolist())
    return state.assigned


def check(done: Replay, tables: AlertTables, n_split: int) -> None:
    """Check what holds at every radius and for both rules."""
    report = done.report
    assert report.n_sources == 31_939
    assert report.n_true_objects == 60
    assert len(report.splits) == n_split, str(report)
    assert report.merges == {}
    # true objects with more than one of ours have two
    assert len(np.unique(done.assigned[(done.truth != 0) & (done.assigned != 0)])) == 60 + n_split
    lost = done.dia_source_id[report.unassigned]
    assert flags_of(tables, lost) == [("centroid_flag",)] * 10, str(report)
    # solar-system objects have no ephemeris here: each starts an object that nothing joins
    strangers = done.assigned[done.truth == 0]
    assert len(np.unique(strangers)) == len(strangers) == 21


@pytest.mark.parametrize(
    ("rule", "radius", "n_split"),
    [("nearest", 1.0, 2), ("likelihood", 1.0, 2), ("likelihood", 1.5, 0)],
)
def test_replay_in_groups(
    db: apdb.Apdb, tables: AlertTables, rule: Rule, radius: float, n_split: int
) -> None:
    done = replay(db, grouped(tables), radius=radius, rule=rule)
    check(done, tables, n_split)
    if rule == "nearest":
        assert by_source(done) == loop(tables, radius)


@pytest.mark.parametrize(("radius", "n_extra"), [(1.0, 1), (1.5, 0)])
def test_the_loop_finds_what_the_readme_says(
    tables: AlertTables, radius: float, n_extra: int
) -> None:
    """Its figures are for the plain mean; weighting by the errors costs one more split at 1.0″."""
    found = loop(tables, radius, weighted=False)
    ids = np.array(list(found))
    report = compare(tables.true_objects(ids), np.array(list(found.values())))
    assert sum(len(ours) - 1 for ours in report.splits.values()) == n_extra
    assert len(report.unassigned) == 10


def check_summaries(dsn: str, done: Replay, tables: AlertTables) -> None:
    """Compare each object with that in its last packet, column by column.

    Packets have the columns of the band of their own source, and null for the others.  The whole
    history is here, but ten early sources belong to no object, and of six objects that have two
    packets the last one was made without the other's source: those objects are left out.
    Positions are means of other weights there, and their errors are not errors of the mean.
    """
    stored = done.assigned != 0
    owner = dict(zip(done.truth[stored].tolist(), done.assigned[stored].tolist(), strict=True))
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        rows = connection.execute("select * from apdb.dia_object").fetchall()
    ours = {row["dia_object_id"]: row for row in rows}
    theirs = tables.dia_object
    pairs = [(k, ours[owner[id_]]) for k, id_ in enumerate(theirs["dia_object_id"].tolist())]
    pairs = [(k, row) for k, row in pairs if row["n_dia_sources"] == theirs["n_dia_sources"][k]]
    assert len(pairs) == 52
    counts = dict.fromkeys("giz", 0)
    for name, values in theirs.items():
        if name[1:2] != "_" or name.endswith("_ndata"):
            continue
        filled = [
            (row[name], float(values[k])) for k, row in pairs if values[k] is not np.ma.masked
        ]
        filled = [(own, packet) for own, packet in filled if np.isfinite(packet)]
        assert all(own == pytest.approx(packet, rel=1e-6) for own, packet in filled), name
        if name.endswith("psf_flux_mean") and filled:
            counts[name[0]] = len(filled)
    assert counts == {"g": 35, "i": 13, "z": 4}
    for k, row in pairs:
        apart = np.hypot(row["ra"] - theirs["ra"][k], row["dec"] - theirs["dec"][k]) * 3600
        assert apart < 0.05


def test_every_visit_one_by_one(db: apdb.Apdb, dsn: str, tables: AlertTables) -> None:
    """The sources of every true object are in exactly one of ours, nearest at 1.5″."""
    done = replay(db, visits(tables), radius=1.5, rule="nearest")
    assert len(done.milliseconds) == 30_091
    check(done, tables, n_split=0)
    assert by_source(done) == loop(tables, 1.5)
    check_summaries(dsn, done, tables)
    print(f"median of a store_visit: {np.median(done.milliseconds):.1f} ms")
