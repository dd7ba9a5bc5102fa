"""Linking of tracklets of many nights: HelioLinC, its clustering in whole arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from pipeline.moving.detections import Floats, Ints
from pipeline.moving.hypotheses import HypothesisGrid, orbits_of
from pipeline.moving.membership import Groups, duplicates, grouped
from pipeline.moving.tracklets import Tracklets


@dataclass(frozen=True)
class LinkRules:
    """How tracklets are linked.

    Attributes
    ----------
    grid : HypothesisGrid
        Hypotheses.
    radius : float
        Radius of a cluster [rad], in direction and in motion over `span`.
    span : float
        Time by which motions are made comparable with directions [d].
    min_nights : int
        Least number of nights of a linkage.
    max_members : int
        Tracklets of a cluster that are looked at, the nearest to its seed.
    """

    grid: HypothesisGrid = field(default_factory=HypothesisGrid)
    radius: float = 1e-3
    span: float = 6.0
    min_nights: int = 3
    max_members: int = 40


@dataclass(frozen=True)
class Candidates:
    """Clusters of tracklets that may be one object each.

    Attributes
    ----------
    groups : Groups
        Tracklets of each.
    states : (c, 6) float64
        Heliocentric state of the seed under the hypothesis, at the reference time [au, au/d].
    reference : float
        The time [MJD TDB].
    """

    groups: Groups
    states: Floats
    reference: float


def link_tracklets(
    tracklets: Tracklets,
    rules: LinkRules | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Candidates:
    """Cluster tracklets under every hypothesis.

    Parameters
    ----------
    tracklets : Tracklets
        Of at least `min_nights` nights, within about two weeks.
    rules : LinkRules, optional
        How.
    progress : callable, optional
        Told the number of hypotheses done and of all.

    Returns
    -------
    Candidates
        Every set of tracklets once; sets overlap. To be purified by a fit.
    """
    rules = rules or LinkRules()
    reference = middle(tracklets)
    points = rules.grid.points()
    found: list[Groups] = []
    states: list[Floats] = []
    seen = np.zeros(0, dtype=np.uint64)
    if len(tracklets) == 0:
        points = points[:0]
    observer = near_observer(tracklets, reference)
    for done, (r, radial) in enumerate(points):
        state, rows = orbits_of(tracklets, r, radial, reference)
        groups, seeds = clusters(state, rows, tracklets.night, observer, rules)
        hashes = groups.hashes()
        new = np.flatnonzero(~np.isin(hashes, seen))
        seen = np.concatenate([seen, hashes[new]])
        found.append(groups.take(new))
        states.append(state[seeds[new]])
        if progress is not None:
            progress(done + 1, len(points))
    every = Groups(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    if found:
        sizes = np.concatenate([g.sizes() for g in found])
        start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        every = Groups(start, np.concatenate([g.members for g in found]))
    return Candidates(every, np.concatenate(states) if states else np.zeros((0, 6)), reference)


def middle(tracklets: Tracklets) -> float:
    """Return the time half way between the first and the last tracklet.

    Parameters
    ----------
    tracklets : Tracklets
        Tracklets.

    Returns
    -------
    float
        MJD TDB; 0 without tracklets.
    """
    if not len(tracklets):
        return 0.0
    return float((tracklets.mjd_tdb.min() + tracklets.mjd_tdb.max()) / 2.0)


def near_observer(tracklets: Tracklets, reference: float) -> Floats:
    """Return the heliocentric state of the observer near a time.

    Parameters
    ----------
    tracklets : Tracklets
        Tracklets, whose observers are known.
    reference : float
        The time [MJD TDB].

    Returns
    -------
    (6,) float64
        That of the tracklet nearest in time, moved uniformly [au, au/d]: it is only the place
        from which clusters are looked at.
    """
    if not len(tracklets):
        return np.zeros(6)
    row = int(np.argmin(np.abs(tracklets.mjd_tdb - reference)))
    state: Floats = tracklets.observer[row] - tracklets.sun[row]
    state[:3] += state[3:] * (reference - tracklets.mjd_tdb[row])
    return state


def clusters(
    states: Floats, rows: Ints, night: Ints, observer: Floats, rules: LinkRules
) -> tuple[Groups, Ints]:
    """Find sets of tracklets whose states are alike at one time.

    Parameters
    ----------
    states : (k, 6) float64
        Heliocentric states at the reference time [au, au/d].
    rows : (k,) int64
        Tracklet of each state.
    night : (m,) int64
        Night of each tracklet.
    observer : (6,) float64
        Heliocentric state from which they are compared: as directions and motions on the sky, where
        the errors are.
    rules : LinkRules
        Radius, span, number of nights.

    Returns
    -------
    groups : Groups
        Tracklets within the radius of each seed, each set once.
    seeds : (c,) int64
        The state that each is around.
    """
    nothing = Groups(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    if len(states) < rules.min_nights:
        return nothing, np.zeros(0, dtype=np.int64)
    away = states[:, :3] - observer[:3]
    distance = np.sqrt((away**2).sum(axis=1))[:, None]
    direction = away / distance
    motion = (states[:, 3:] - observer[3:]) / distance
    motion -= (motion * direction).sum(axis=1)[:, None] * direction
    where = np.concatenate([direction, motion * rules.span], axis=1)
    near = cKDTree(where).query_pairs(rules.radius, output_type="ndarray").astype(np.int64)
    if not len(near):
        return nothing, np.zeros(0, dtype=np.int64)
    itself = np.unique(near)
    seeds = np.concatenate([near[:, 0], near[:, 1], itself])
    members = np.concatenate([near[:, 1], near[:, 0], itself])
    separation = ((where[seeds] - where[members]) ** 2).sum(axis=1)
    order = np.lexsort((separation, seeds))
    seeds, members = seeds[order], members[order]
    groups = grouped(seeds, rows[members])
    groups = groups.only(_first_of(groups, rules.max_members))
    owner = np.unique(seeds)
    enough = np.flatnonzero(groups.distinct(night) >= rules.min_nights)
    groups, owner = groups.take(enough), owner[enough]
    fresh = np.flatnonzero(~duplicates(groups))
    return groups.take(fresh), owner[fresh]


def _first_of(groups: Groups, most: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    place = np.arange(len(groups.members), dtype=np.int64) - groups.start[groups.owners()]
    return place < most
