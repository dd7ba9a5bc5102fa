"""Tracklets: detections of one night that move along one great circle at one rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.moving.detections import ARCSEC, Detections, Floats, Ints, tangent_axes
from pipeline.moving.membership import Groups, duplicates, grouped, pairs_within


@dataclass(frozen=True)
class TrackletRules:
    """What makes a tracklet.

    Attributes
    ----------
    max_rate : float
        Fastest motion [deg/d].
    max_gap : float
        Longest time between two neighbours and between first and last [d].
    min_gap : float
        Shortest time between two detections [d].
    min_motion : float
        Least motion between first and last [arcsec]: what moves less is a star.
    max_residual : float
        Largest residual from uniform motion along a great circle [arcsec].
    trail_tolerance : float
        How far the rate of a trail may be from the motion, relative.
    """

    max_rate: float = 1.5
    max_gap: float = 1.5 / 24.0
    min_gap: float = 10.0 / 86400.0
    min_motion: float = 0.5
    max_residual: float = 0.5
    trail_tolerance: float = 0.3


@dataclass(frozen=True)
class Tracklets:
    """Tracklets with their motion.

    Attributes
    ----------
    groups : Groups
        Rows of the detections in each tracklet, ascending in time.
    mjd_tdb : (m,) float64
        Mean time [MJD TDB].
    night : (m,) int64
        Night.
    direction : (m, 3) float64
        Unit vector at the mean time.
    motion : (m, 3) float64
        Its derivative [rad/d].
    observer, sun : (m, 6) float64
        Barycentric states, means over the detections [au, au/d].
    residual : (m,) float64
        Root mean square residual from uniform motion [arcsec].
    """

    groups: Groups
    mjd_tdb: Floats
    night: Ints
    direction: Floats
    motion: Floats
    observer: Floats
    sun: Floats
    residual: Floats

    def __len__(self) -> int:
        return len(self.mjd_tdb)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Tracklets:
        """Return tracklets at an index or of a mask.

        Parameters
        ----------
        index : (k,) int64 or (m,) bool
            Which.

        Returns
        -------
        Tracklets
            Those.
        """
        return Tracklets(
            groups=self.groups.take(index),
            mjd_tdb=self.mjd_tdb[index],
            night=self.night[index],
            direction=self.direction[index],
            motion=self.motion[index],
            observer=self.observer[index],
            sun=self.sun[index],
            residual=self.residual[index],
        )

    def rates(self) -> Floats:
        """Return rates of motion.

        Returns
        -------
        (m,) float64
            On the sky [deg/d].
        """
        rates: Floats = np.degrees(np.sqrt(np.einsum("ij,ij->i", self.motion, self.motion)))
        return rates


def find_tracklets(found: Detections, rules: TrackletRules | None = None) -> Tracklets:
    """Find pairs of detections, merged where they are collinear.

    Parameters
    ----------
    found : Detections
        Detections of any number of nights.
    rules : TrackletRules, optional
        What makes a tracklet.

    Returns
    -------
    Tracklets
        Those of two detections that are part of no longer one, and the longer ones. A detection may
        be in several. LDM-151 section 3.5.2; the collinear merge and purge follow the idea of
        collapseTracklets and purifyTracklets (Kubica et al. 2007, Icarus 189, 151).
    """
    rules = rules or TrackletRules()
    first, second = candidate_pairs(found, rules)
    chains = collinear(found, first, second, rules)
    long = measured(found, chains)
    long = long.take(long.residual <= rules.max_residual)
    inside_first, inside_second = pairs_within(long.groups)
    code = len(found) + 1
    kept = ~np.isin(first * code + second, inside_first * code + inside_second)
    pairs = Groups(
        start=np.arange(kept.sum() + 1, dtype=np.int64) * 2,
        members=np.stack([first[kept], second[kept]], axis=1).reshape(-1),
    )
    return measured(found, long.groups.joined(pairs))


def candidate_pairs(found: Detections, rules: TrackletRules) -> tuple[Ints, Ints]:
    """Find pairs of one night that may be one moving thing.

    Parameters
    ----------
    found : Detections
        Detections.
    rules : TrackletRules
        Limits of rate, time and motion; trails must agree.

    Returns
    -------
    first, second : (k,) int64
        Rows, the earlier first.
    """
    firsts, seconds = [], []
    directions = found.directions()
    reach = 2.0 * np.sin(np.radians(rules.max_rate * rules.max_gap) / 2.0)
    for night in np.unique(found.night):
        rows = np.flatnonzero(found.night == night)
        # Time as a fourth axis, so that the tree drops what is too far apart in time.
        where = np.column_stack([directions[rows], found.mjd_tdb[rows] * (reach / rules.max_gap)])
        near = cKDTree(where).query_pairs(reach, p=np.inf, output_type="ndarray")
        firsts.append(rows[near[:, 0]])
        seconds.append(rows[near[:, 1]])
    a = np.concatenate(firsts).astype(np.int64) if firsts else np.zeros(0, dtype=np.int64)
    b = np.concatenate(seconds).astype(np.int64) if seconds else np.zeros(0, dtype=np.int64)
    swap = found.mjd_tdb[a] > found.mjd_tdb[b]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    dt = found.mjd_tdb[b] - found.mjd_tdb[a]
    apart = chord_angle(directions[a], directions[b])
    keep = (dt >= rules.min_gap) & (dt <= rules.max_gap)
    keep &= (apart <= np.radians(rules.max_rate) * dt) & (apart >= rules.min_motion * ARCSEC)
    a, b = a[keep], b[keep]
    keep = _trails_agree(found, a, b, rules)
    return a[keep], b[keep]


def chord_angle(one: Floats, other: Floats) -> Floats:
    """Return the angle between unit vectors, exact for small ones.

    Parameters
    ----------
    one, other : (n, 3) float64
        Unit vectors.

    Returns
    -------
    (n,) float64
        Angle [rad].
    """
    chord = np.sqrt(((one - other) ** 2).sum(axis=-1))
    angle: Floats = 2.0 * np.arcsin(np.minimum(chord / 2.0, 1.0))
    return angle


def _trails_agree(found: Detections, a: Ints, b: Ints, rules: TrackletRules) -> NDArray[np.bool_]:
    """Whether the motion from a to b is what the trails of both say."""
    agree = np.ones(len(a), dtype=bool)
    if not np.isfinite(found.rate).any():
        return agree
    east, north = tangent_axes(found.ra[a], found.dec[a])
    step = found.directions()[b] - found.directions()[a]
    dx, dy = np.einsum("ij,ij->i", step, east), np.einsum("ij,ij->i", step, north)
    rate = np.degrees(np.hypot(dx, dy)) / (found.mjd_tdb[b] - found.mjd_tdb[a])
    angle = np.degrees(np.arctan2(dx, dy))
    for end in (a, b):
        says = np.isfinite(found.rate[end])
        off = np.abs((angle - found.rate_angle[end] + 90.0) % 180.0 - 90.0)
        wrong = np.abs(rate - found.rate[end]) > rules.trail_tolerance * np.maximum(
            rate, found.rate[end]
        )
        agree &= ~(says & (wrong | (off > np.degrees(rules.trail_tolerance))))
    return agree


def collinear(found: Detections, first: Ints, second: Ints, rules: TrackletRules) -> Groups:
    """Find detections that lie on the line of a pair, in place and time.

    Parameters
    ----------
    found : Detections
        Detections.
    first, second : (k,) int64
        Pairs, the earlier first.
    rules : TrackletRules
        Largest residual.

    Returns
    -------
    Groups
        Groups of at least three, each the pair with most time between that spans it, without those
        that are part of another.
    """
    order = np.argsort(first, kind="stable")
    first, second = first[order], second[order]
    low, high = np.searchsorted(first, first, "left"), np.searchsorted(first, first, "right")
    base = np.repeat(np.arange(len(first), dtype=np.int64), high - low)
    offset = np.arange(len(base), dtype=np.int64) - np.repeat(
        np.cumsum(high - low) - (high - low), high - low
    )
    middle = second[low[base] + offset]
    start, end = first[base], second[base]
    when = found.mjd_tdb
    between = (when[middle] < when[end]) & (middle != end)
    base, middle, start, end = base[between], middle[between], start[between], end[between]
    directions = found.directions()
    part = ((when[middle] - when[start]) / (when[end] - when[start]))[:, None]
    expected = directions[start] * (1.0 - part) + directions[end] * part
    expected /= np.sqrt((expected**2).sum(axis=1))[:, None]
    fits = chord_angle(expected, directions[middle]) <= 2.0 * rules.max_residual * ARCSEC
    base, middle = base[fits], middle[fits]
    spans = np.unique(base)
    groups = grouped(
        np.concatenate([spans, base, spans]), np.concatenate([first[spans], middle, second[spans]])
    )
    groups = groups.one_a_time(when)
    groups = groups.take(groups.sizes() >= 3)
    return groups.take(~duplicates(groups, contained=True))


def measured(found: Detections, groups: Groups) -> Tracklets:
    """Fit uniform motion to groups of detections.

    Parameters
    ----------
    found : Detections
        Detections.
    groups : Groups
        Rows of each tracklet.

    Returns
    -------
    Tracklets
        With direction and motion at the mean time; plain means: errors of one night are alike.
    """
    owner, rows = groups.owners(), groups.members
    n = groups.sizes().astype(np.float64)
    count = len(groups)

    def _mean(values: Floats) -> Floats:
        columns = values.reshape(len(values), -1).T
        sums = np.stack([np.bincount(owner, c, minlength=count) for c in columns], axis=1)
        return sums / n[:, None]

    if count == 0:
        empty = np.zeros((0, 3))
        none = np.zeros((0, 6))
        return Tracklets(
            groups, np.zeros(0), np.zeros(0, np.int64), empty, empty, none, none, np.zeros(0)
        )
    reference = found.mjd_tdb[rows[groups.start[:-1]]]
    dt = found.mjd_tdb[rows] - reference[owner]
    mean_dt = _mean(dt)[:, 0]
    directions = found.directions()[rows]
    centre = _mean(directions)
    lag = dt - mean_dt[owner]
    square = np.bincount(owner, lag * lag, minlength=count)
    slope = np.stack(
        [np.bincount(owner, lag * c, minlength=count) for c in (directions - centre[owner]).T],
        axis=1,
    )
    motion = slope / square[:, None]
    length = np.sqrt((centre**2).sum(axis=1))[:, None]
    direction = centre / length
    model = centre[owner] + motion[owner] * lag[:, None]
    model /= np.sqrt((model**2).sum(axis=1))[:, None]
    off = np.bincount(owner, ((directions - model) ** 2).sum(axis=1), minlength=count)
    motion -= np.einsum("ij,ij->i", motion, direction)[:, None] * direction
    return Tracklets(
        groups=groups,
        mjd_tdb=reference + mean_dt,
        night=found.night[rows[groups.start[:-1]]],
        direction=direction,
        motion=motion,
        observer=_mean(found.observer[rows]),
        sun=_mean(found.sun[rows]),
        residual=np.sqrt(off / n) / ARCSEC,
    )
