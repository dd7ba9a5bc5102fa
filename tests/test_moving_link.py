"""Tracklets, linking and purification against brute force and simulations with truth."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from matplotlib.image import imread
from moving_tools import detections_of_file
from typer.testing import CliRunner

import apdb
from apdb.cli.main import app
from pipeline.moving.detections import detections
from pipeline.moving.grow import joined
from pipeline.moving.hypotheses import HypothesisGrid
from pipeline.moving.link import LinkRules, link_tracklets
from pipeline.moving.membership import Groups, duplicates, grouped, pairs_within
from pipeline.moving.purify import purify
from pipeline.moving.simulate import SkySurvey, linkable, simulate_sky
from pipeline.moving.singles import add_singles
from pipeline.moving.tracklets import TrackletRules, candidate_pairs, find_tracklets


def _sky(ra, dec, mjd, **more):
    still = np.tile([1.0, 0.0, 0.0, 0.0, 0.0172, 0.0], (len(ra), 1))
    return detections(np.array(ra), np.array(dec), np.array(mjd), still, 0 * still, **more)


def test_pairs_are_those_of_brute_force_also_across_the_meridian_and_at_the_pole() -> None:
    rng = np.random.default_rng(3)
    for dec in (0.0, 89.95):
        n = 250
        sky = _sky(
            (359.95 + rng.uniform(0, 0.2, n)) % 360.0,
            dec + rng.uniform(-0.04, 0.04, n),
            61000.6 + rng.integers(0, 2, n) + rng.uniform(0.0, 0.1, n),
        )
        rules = TrackletRules()
        first, second = candidate_pairs(sky, rules)
        there = SkyCoord(sky.ra * u.deg, sky.dec * u.deg)
        apart = there[:, None].separation(there[None, :]).deg
        expected = set()
        for i, j in itertools.combinations(range(n), 2):
            a, b = (i, j) if sky.mjd_tdb[i] < sky.mjd_tdb[j] else (j, i)
            dt = sky.mjd_tdb[b] - sky.mjd_tdb[a]
            near = rules.min_motion / 3600 <= apart[a, b] <= rules.max_rate * dt
            if near and rules.min_gap <= dt <= rules.max_gap and sky.night[a] == sky.night[b]:
                expected.add((a, b))
        assert len(expected) > 100
        assert set(zip(first.tolist(), second.tolist(), strict=True)) == expected


def test_collinear_detections_are_one_tracklet_and_their_pairs_go() -> None:
    t = 61000.6 + np.array([0.0, 0.01, 0.02, 0.03])
    line = [10.0 + 0.3 * (t - t[0]), 5.0 + 0.1 * (t - t[0])]
    # The fifth is of the third exposure, 3 arcsec off the line: pairs with it stay pairs.
    sky = _sky([*line[0], line[0][2] + 3 / 3600], [*line[1], line[1][2]], [*t, t[2]])
    found = find_tracklets(sky)
    sets = {tuple(found.groups[i]) for i in range(len(found))}
    assert (0, 1, 2, 3) in sets
    assert not any(set(s) < {0, 1, 2, 3} for s in sets)
    assert sets - {(0, 1, 2, 3)} == {(0, 4), (1, 4), (4, 3)}
    whole = found.take(found.groups.sizes() == 4)
    expected = np.hypot(0.3 * np.cos(np.radians(5.0)), 0.1)
    assert whole.rates()[0] == pytest.approx(expected, rel=1e-4)
    assert whole.residual[0] < 1e-3


def test_trails_must_agree_with_the_motion() -> None:
    t = np.array([61000.6, 61000.62])
    for rate, angle, n in ((1.0, 90.0, 1), (1.0, 270.0, 1), (0.4, 90.0, 0), (1.0, 20.0, 0)):
        sky = _sky(
            [10.0, 10.02], [0.0, 0.0], t,
            rate=np.array([rate, np.nan]), rate_angle=np.array([angle, np.nan]),
        )  # fmt: skip
        assert len(find_tracklets(sky)) == n, (rate, angle)


def test_bad_rows_are_named() -> None:
    with pytest.raises(ValueError, match="ra of row 1 is not finite"):
        _sky([1.0, np.nan], [0.0, 0.0], [61000.0, 61000.0])
    with pytest.raises(ValueError, match=r"dec of row 0 is 91\.0"):
        _sky([1.0], [91.0], [61000.0])
    with pytest.raises(ValueError, match="night has 2 rows where ra has 1"):
        _sky([1.0], [1.0], [61000.0], night=np.array([1, 2]))


def test_groups_are_compared_as_sets() -> None:
    rng = np.random.default_rng(5)
    sets = [tuple(np.flatnonzero(rng.uniform(size=6) < 0.5)) for _ in range(60)]
    sets = [s for s in sets if s]
    owner = np.concatenate([np.full(len(s), i) for i, s in enumerate(sets)])
    groups = grouped(owner, np.concatenate([np.array(s)[::-1] for s in sets]))
    expected = [s in sets[:i] for i, s in enumerate(sets)]
    assert duplicates(groups).tolist() == expected
    inside = [e or any(set(s) < set(o) for o in sets) for s, e in zip(sets, expected, strict=True)]
    assert duplicates(groups, contained=True).tolist() == inside
    some = Groups(np.array([0, 3, 3, 5]), np.array([7, 8, 9, 1, 2]))
    assert list(zip(*map(np.ndarray.tolist, pairs_within(some)), strict=True)) == [
        (7, 8), (7, 9), (8, 9), (1, 2),
    ]  # fmt: skip


def test_nothing_comes_of_nothing() -> None:
    sky = _sky([], [], [])
    tracklets = find_tracklets(sky)
    linked = purify(sky, tracklets, link_tracklets(tracklets))
    assert len(add_singles(sky, tracklets, linked)) == 0


def test_twenty_asteroids_are_linked_whole(test_data: Path) -> None:
    path = test_data / "solar-system" / "linking" / "sim300_13d_ades.csv"
    sky, names = detections_of_file(path, {f"o{i}" for i in range(20)})
    tracklets = find_tracklets(sky)
    rules = LinkRules(grid=HypothesisGrid(nearest=1.8, farthest=3.6))
    linked = purify(sky, tracklets, link_tracklets(tracklets, rules))
    assert sorted(names[linked.groups[i]].tolist() for i in range(len(linked))) == sorted(
        [f"o{i}"] * 10 for i in range(20)
    )


def _thinned(test_data: Path, per_night: list[int], false: int, seed: int):
    """Twenty asteroids with so many detections on each of five nights, false ones; with the truth."""
    path = test_data / "solar-system" / "linking" / "sim300_13d_ades.csv"
    sky, names = detections_of_file(path, {f"o{i}" for i in range(20)})
    number = np.array([int(n[1:]) for n in names])
    night = np.unique(sky.night, return_inverse=True)[1]
    order = np.lexsort((sky.mjd_tdb, night, number))
    place = np.empty(len(sky), dtype=int)
    place[order] = np.arange(len(sky)) % 2
    rng = np.random.default_rng(seed)
    times, first = np.unique(sky.mjd_tdb, return_index=True)
    again = np.repeat(first, false)
    both = joined(
        sky.take(place < np.array(per_night)[night]),
        replace(
            sky.take(again),
            ids=10**6 + np.arange(len(again)),
            ra=rng.uniform(sky.ra.min(), sky.ra.max(), len(again)),
            dec=rng.uniform(sky.dec.min(), sky.dec.max(), len(again)),
        ),
    )
    assert len(times) == 10
    truth = dict(zip(sky.ids.tolist(), number.tolist(), strict=True))
    return both, np.array([truth.get(k, -1) for k in both.ids.tolist()])


_MAIN_BELT = LinkRules(grid=HypothesisGrid(nearest=1.8, farthest=3.6))


@pytest.mark.parametrize("per_night", [[2, 0, 1, 0, 2], [1, 2, 2, 0, 0], [2, 2, 0, 0, 1]])
def test_single_detections_complete_two_nights(test_data: Path, per_night: list[int]) -> None:
    sky, truth = _thinned(test_data, per_night, 50, 3)
    tracklets = find_tracklets(sky)
    linked = purify(sky, tracklets, link_tracklets(tracklets, _MAIN_BELT))
    assert len(linked) == 0
    linked = add_singles(sky, tracklets, linked, _MAIN_BELT)
    sets = [truth[linked.groups[i]].tolist() for i in range(len(linked))]
    # All are pure and whole; one of twenty may be farther away than four sigma, or nearly so.
    assert all(len(one) == 5 and len(set(one)) == 1 and one[0] >= 0 for one in sets)
    assert len({one[0] for one in sets}) == len(sets) >= 19
    assert (linked.nights == 3).all()


def test_what_is_linked_already_is_left_alone(test_data: Path) -> None:
    sky, truth = _thinned(test_data, [2, 0, 2, 2, 0], 0, 3)
    tracklets = find_tracklets(sky)
    linked = purify(sky, tracklets, link_tracklets(tracklets, _MAIN_BELT))
    again = add_singles(sky, tracklets, linked, _MAIN_BELT)
    assert again.groups.members.tolist() == linked.groups.members.tolist()
    assert len(linked) == len(np.unique(truth)) == 20


def test_hardly_any_pair_meets_a_single_detection_by_chance(test_data: Path) -> None:
    # The objects are seen on two nights and never again: whatever completes them is false. One
    # linkage by chance is allowed for; four or more would come about once in fifty times.
    sky, _ = _thinned(test_data, [2, 0, 0, 0, 2], 1000, 4)
    tracklets = find_tracklets(sky)
    nothing = purify(sky, tracklets, link_tracklets(tracklets, _MAIN_BELT))
    linked = add_singles(sky, tracklets, nothing, _MAIN_BELT)
    assert len(linked) - len(nothing) <= 3


def test_in_a_clump_of_false_detections_nothing_is_sure(test_data: Path) -> None:
    sky, truth = _thinned(test_data, [2, 0, 1, 0, 2], 50, 3)
    single = np.flatnonzero((truth == 7) & (sky.night == 61006))
    assert len(single) == 1
    rng = np.random.default_rng(8)
    again = np.repeat(single, 400)
    clump = replace(
        sky.take(again),
        ids=2 * 10**6 + np.arange(400),
        ra=sky.ra[again] + rng.uniform(-0.05, 0.05, 400),
        dec=sky.dec[again] + rng.uniform(-0.05, 0.05, 400),
    )
    found = {}
    for name, all_of_them in (("clear", sky), ("clumped", joined(sky, clump))):
        tracklets = find_tracklets(all_of_them)
        linked = purify(all_of_them, tracklets, link_tracklets(tracklets, _MAIN_BELT))
        linked = add_singles(all_of_them, tracklets, linked, _MAIN_BELT)
        mine = set(sky.ids[truth == 7].tolist())
        groups = [set(all_of_them.ids[linked.groups[i]].tolist()) for i in range(len(linked))]
        found[name] = [len(g & mine) for g in groups if g & mine]
        assert len(groups) >= 18
    assert found == {"clear": [5], "clumped": []}


@pytest.mark.slow
def test_three_hundred_asteroids_over_the_whole_grid(test_data: Path) -> None:
    sky, names = detections_of_file(test_data / "solar-system" / "linking" / "sim300_13d_ades.csv")
    tracklets = find_tracklets(sky)
    linked = purify(sky, tracklets, link_tracklets(tracklets))
    sets = [set(names[linked.groups[i]]) for i in range(len(linked))]
    pure = [s for s in sets if len(s) == 1]
    assert len(set.union(*pure)) == 300
    assert len(pure) >= 0.99 * len(sets)


@pytest.mark.slow
def test_every_class_of_a_survey_is_found() -> None:
    sky = simulate_sky(
        SkySurvey(seed=11, rows=4, columns=5, objects=(100, 40, 30, 30, 30), false=50.0)
    )
    tracklets = find_tracklets(sky.found)
    linked = purify(sky.found, tracklets, link_tracklets(tracklets))
    linked = add_singles(sky.found, tracklets, linked)
    truths = [set(sky.truth[linked.groups[i]].tolist()) for i in range(len(linked))]
    pure = {t.pop() for t in truths if len(t) == 1} - {-1}
    assert len(pure) >= 0.98 * len(linked)
    expected = linkable(sky)
    kinds = sky.population.kind[expected]
    assert len(expected) > 80
    found = np.isin(expected, list(pure))
    assert found.mean() >= 0.97
    for kind in range(5):
        # Of twenty objects of a class, one may be missed.
        assert found[kinds == kind].sum() >= min(
            0.95 * (kinds == kind).sum(), (kinds == kind).sum() - 1
        )


def test_a_missing_kernel_is_told_on_the_command_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from apdb.cli.main import main; main()", "moving", "simulate"],
        env={**os.environ, "APDB_DE440": str(tmp_path / "none.bsp")}, cwd=tmp_path,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "set APDB_DE440 to de440.bsp" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_simulation_from_the_command_line(tmp_path: Path) -> None:
    options = ["--rows", "2", "--columns", "2", "--objects", "30,0,0,10,0", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, ["--json", "moving", "simulate", "--false", "20", *options])
    said = json.loads(done.output)
    assert said["purity"] >= 0.98
    n, of = said["completeness"]["main belt"]
    assert n >= of - 1 >= 10
    assert said["completeness"]["near-Earth"] == [0, 0]
    assert len(said["figures"]) == 4
    for path in said["figures"]:
        pixels = imread(path)[..., :3]
        assert pixels.shape[1] > 800
        assert pixels.std() > 0.03
    wrong = CliRunner().invoke(app, ["moving", "simulate", "--objects", "1,2"])
    assert isinstance(wrong.exception, apdb.InvalidInput)


def test_a_grid_without_distances_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no distance is between 3\.0 and 2\.0 au"):
        HypothesisGrid(nearest=3.0, farthest=2.0).points()
    points = HypothesisGrid().points()
    assert points[:, 0].min() <= 0.85
    assert points[:, 0].max() > 60.0
    # Radial velocities reach what an object on a parabola may have, for a good part.
    escape = np.sqrt(2.0 * 0.01720209895**2 / points[:, 0])
    assert (np.abs(points[:, 1]) / escape).max() == pytest.approx(0.75)
