"""Precovery with refits and merging, on a simulated survey with truth."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.moving.fit import fit_orbit
from pipeline.moving.grow import grown, matches, merged
from pipeline.moving.simulate import SimulatedSky, SkySurvey, simulate_sky


@pytest.fixture(scope="module")
def sky() -> SimulatedSky:
    """Forty nights of a few fields with 30 main-belt objects and many false detections."""
    survey = SkySurvey(
        seed=4, nights=40, rows=2, columns=2, objects=(30,), false=150.0, part=0.5, radius=2.1
    )
    return simulate_sky(survey)


def _whole(sky: SimulatedSky) -> list[int]:
    """Objects that are seen over the first ten nights and later."""
    last = sky.found.night.min() + 12
    out = []
    for i in range(len(sky.population)):
        night = sky.found.night[sky.truth == i]
        if len(np.unique(night[night < last])) >= 4 and (night >= last).sum() >= 4:
            out.append(i)
    return out


def test_an_orbit_grows_to_all_detections_of_its_object_and_no_other(sky: SimulatedSky) -> None:
    last = sky.found.night.min() + 12
    chosen = _whole(sky)
    assert len(chosen) >= 5
    complete = false = total = 0
    for i in chosen[:8]:
        mine = sky.truth == i
        first = sky.found.take(np.flatnonzero(mine & (sky.found.night < last)))
        fit, members = grown(fit_orbit(first), first, sky.found)
        assert fit.good
        rows = np.flatnonzero(np.isin(sky.found.ids, members.ids))
        false += int((sky.truth[rows] != i).sum())
        complete += int((sky.truth[rows] == i).sum())
        total += int(mine.sum())
    assert false == 0
    assert complete >= 0.97 * total


def test_two_orbits_of_one_object_merge_and_of_two_do_not(sky: SimulatedSky) -> None:
    halves = []
    middle = sky.found.night.min() + 20
    for i in _whole(sky):
        mine = sky.truth == i
        parts = [np.flatnonzero(mine & (sky.found.night < middle)),
                 np.flatnonzero(mine & (sky.found.night >= middle))]  # fmt: skip
        if min(len(np.unique(sky.found.night[p])) for p in parts) >= 3:
            found = [sky.found.take(p) for p in parts]
            halves.append([(fit_orbit(f), f) for f in found])
    assert len(halves) >= 2
    for k, (one, other) in enumerate(halves[:4]):
        whole = merged(one, other)
        assert whole is not None
        assert set(whole[1].ids) <= set(one[1].ids) | set(other[1].ids)
        assert len(whole[1]) >= 0.9 * (len(one[1]) + len(other[1]))
        stranger = halves[(k + 1) % len(halves)][1]
        assert merged(one, stranger) is None


def test_nothing_matches_in_an_empty_pool(sky: SimulatedSky) -> None:
    i = _whole(sky)[0]
    mine = sky.found.take(np.flatnonzero(sky.truth == i))
    fit = fit_orbit(mine)
    assert len(matches(fit, sky.found.take(np.zeros(0, dtype=np.int64)))) == 0
    assert set(mine.ids[fit.used]) <= set(sky.found.ids[matches(fit, sky.found)])
