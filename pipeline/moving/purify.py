"""Purification: which tracklets of a cluster are of one orbit, and which clusters one object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.moving.detections import Detections, Floats, Ints
from pipeline.moving.link import Candidates
from pipeline.moving.membership import Groups, duplicates, grouped
from pipeline.moving.shortfit import Arcs, arcs_of, fit_short
from pipeline.moving.tracklets import Tracklets

_BLOCK = 4000
_ROBUST = np.array([*[np.inf] * 8, 100.0, 30.0, 10.0, 5.0, 3.0, 3.0])
_PLAIN = np.full(3, np.inf)


@dataclass(frozen=True)
class PurityRules:
    """What a linkage must be to be taken for one object.

    Attributes
    ----------
    min_nights : int
        Least number of nights.
    max_residual : float
        Largest residual of a detection, in units of its error with `floor` added [sigma].
    max_rms : float
        Largest root mean square of the same [sigma].
    floor : float
        What two-body motion may miss over the arc [arcsec].
    fastest : float
        As of `fit_short`: scatter of speeds, in escape velocities; infinity for none.
    """

    min_nights: int = 3
    max_residual: float = 5.0
    max_rms: float = 1.6
    floor: float = 0.05
    fastest: float = np.inf


@dataclass(frozen=True)
class Linkages:
    """Objects found: disjoint groups of detections with a two-body orbit each.

    Attributes
    ----------
    groups : Groups
        Rows of the detections of each.
    states : (m, 6) float64
        Heliocentric state at the reference [au, au/d].
    reference : float
        The time [MJD TDB].
    rms : (m,) float64
        Root mean square of the normalised residuals.
    nights : (m,) int64
        Number of nights.
    """

    groups: Groups
    states: Floats
    reference: float
    rms: Floats
    nights: Ints

    def __len__(self) -> int:
        return len(self.rms)

    def take(self, index: Ints) -> Linkages:
        """Return some of the linkages.

        Parameters
        ----------
        index : (j,) int64
            Which.

        Returns
        -------
        Linkages
            Those.
        """
        return replace(
            self,
            groups=self.groups.take(index),
            states=self.states[index],
            rms=self.rms[index],
            nights=self.nights[index],
        )


def purify(
    found: Detections,
    tracklets: Tracklets,
    candidates: Candidates,
    rules: PurityRules | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Linkages:
    """Fit an orbit to each cluster, drop what does not belong, resolve what overlaps.

    Parameters
    ----------
    found : Detections
        Detections.
    tracklets : Tracklets
        Tracklets of them.
    candidates : Candidates
        Clusters of tracklets.
    rules : PurityRules, optional
        What is good enough.
    progress : callable, optional
        Told the number of clusters done and of all.

    Returns
    -------
    Linkages
        Each detection in one at most: the linkage of most nights, most detections and smallest
        residuals takes it; what is left of others is tried again.
    """
    rules = rules or PurityRules()
    reference = candidates.reference
    groups, states = detections_of(tracklets, candidates.groups), candidates.states
    taken = np.zeros(len(found), dtype=bool)
    done: list[Linkages] = []
    while True:
        groups = groups.only(~taken[groups.members])
        fresh = (groups.distinct(found.night) >= rules.min_nights) & ~duplicates(groups)
        groups, states = groups.take(fresh), states[fresh]
        linked = fit_clusters(found, groups, states, reference, rules, progress)
        chosen = disjoint(linked, len(found))
        if not len(chosen):
            return all_of(done, reference)
        done.append(linked.take(chosen))
        taken[done[-1].groups.members] = True


def detections_of(tracklets: Tracklets, groups: Groups) -> Groups:
    """Return detections of groups of tracklets.

    Parameters
    ----------
    tracklets : Tracklets
        Tracklets.
    groups : Groups
        Rows of tracklets.

    Returns
    -------
    Groups
        Rows of detections, each once in a group.
    """
    members = tracklets.groups.take(groups.members)
    owner = np.repeat(groups.owners(), members.sizes())
    both = np.unique(np.stack([owner, members.members], axis=1), axis=0)
    return grouped(both[:, 0], both[:, 1])


def disjoint(linked: Linkages, n_detections: int) -> Ints:
    """Choose the best linkages that share no detection.

    Parameters
    ----------
    linked : Linkages
        Linkages, overlapping.
    n_detections : int
        Length of the table of detections.

    Returns
    -------
    (j,) int64
        Those taken: more nights first, then more detections, then smaller residuals.
    """
    order = np.lexsort((linked.rms, -linked.groups.sizes(), -linked.nights))
    free = np.ones(n_detections, dtype=bool)
    chosen = []
    for i in order:
        members = linked.groups[int(i)]
        if free[members].all():
            free[members] = False
            chosen.append(int(i))
    return np.array(chosen, dtype=np.int64)


def fit_clusters(
    found: Detections,
    groups: Groups,
    states: Floats,
    reference: float,
    rules: PurityRules,
    progress: Callable[[int, int], None] | None = None,
) -> Linkages:
    """Fit all clusters in blocks of like size.

    Parameters
    ----------
    found : Detections
        Detections.
    groups : Groups
        Rows of the detections of each cluster.
    states : (m, 6) float64
        Where to begin: heliocentric states at the reference [au, au/d].
    reference : float
        The time [MJD TDB].
    rules : PurityRules
        What is good enough.
    progress : callable, optional
        Told the number of clusters done and of all.

    Returns
    -------
    Linkages
        The good ones, which may overlap.
    """
    order = np.argsort(groups.sizes(), kind="stable")
    parts = []
    for first in range(0, len(order), _BLOCK):
        block = order[first : first + _BLOCK]
        parts.append(_fit_block(found, groups.take(block), states[block], reference, rules))
        if progress is not None:
            progress(min(first + _BLOCK, len(order)), len(order))
    return all_of(parts, reference)


def _fit_block(
    found: Detections, groups: Groups, states: Floats, reference: float, rules: PurityRules
) -> Linkages:
    arcs = arcs_of(found, groups, reference)
    arcs = replace(arcs, sigma=np.hypot(arcs.sigma, rules.floor))
    states, off = fit_short(states, arcs, arcs.real, _ROBUST, rules.fastest)
    used = arcs.real
    for limit in (3.0, 1.0, 1.0):
        size = np.sqrt((off**2).sum(axis=-1)) / arcs.sigma
        used = whole_nights(found, arcs, size, size <= rules.max_residual * limit)
        alive = np.flatnonzero(_nights(found, arcs, used) >= rules.min_nights)
        arcs, used = arcs.take(alive), used[alive]
        states, off = fit_short(states[alive], arcs, used, _PLAIN, rules.fastest)
    return accepted(found, arcs, used, states, off, reference, rules)


def whole_nights(
    found: Detections, arcs: Arcs, size: Floats, good: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Choose detections that stay: the best of each exposure, in nights where two or more stay.

    Parameters
    ----------
    found : Detections
        Detections.
    arcs : Arcs
        Arcs of them.
    size : (c, k) float64
        Normalised residuals.
    good : (c, k) bool
        Which are small enough.

    Returns
    -------
    (c, k) bool
        Which stay.
    """
    stay = good & arcs.real
    number = np.broadcast_to(np.arange(len(stay))[:, None], stay.shape)
    arc, row, value = number[stay], arcs.rows[stay], size[stay]
    order = np.lexsort((value, found.mjd_tdb[row], arc))
    again = np.zeros(len(order), dtype=bool)
    one, other = order[:-1], order[1:]
    again[other] = (arc[one] == arc[other]) & (found.mjd_tdb[row[one]] == found.mjd_tdb[row[other]])
    _, which, counts = np.unique(
        np.stack([arc[~again], found.night[row[~again]]]),
        axis=1,
        return_inverse=True,
        return_counts=True,
    )
    kept = np.zeros(len(order), dtype=bool)
    kept[~again] = counts[which.reshape(-1)] >= 2
    out = np.zeros_like(stay)
    out[stay] = kept
    return out


def _nights(found: Detections, arcs: Arcs, used: NDArray[np.bool_]) -> Ints:
    return _used_groups(arcs, used).distinct(found.night)


def _used_groups(arcs: Arcs, used: NDArray[np.bool_]) -> Groups:
    start = np.concatenate([[0], np.cumsum(used.sum(axis=1))]).astype(np.int64)
    return Groups(start, arcs.rows[used])


def accepted(
    found: Detections,
    arcs: Arcs,
    used: NDArray[np.bool_],
    states: Floats,
    off: Floats,
    reference: float,
    rules: PurityRules,
) -> Linkages:
    """Choose arcs whose fits are good enough.

    Parameters
    ----------
    found : Detections
        Detections.
    arcs : Arcs
        Arcs of them.
    used : (c, k) bool
        Detections that count.
    states : (c, 6) float64
        Fitted heliocentric states at the reference [au, au/d].
    off : (c, k, 2) float64
        Residuals [arcsec].
    reference : float
        The time [MJD TDB].
    rules : PurityRules
        What is good enough.

    Returns
    -------
    Linkages
        The good ones.
    """
    size = np.sqrt((off**2).sum(axis=-1)) / arcs.sigma
    n = used.sum(axis=1)
    # Two coordinates a detection, six parameters an orbit: the expected value is 1.
    rms = np.sqrt((size**2 * used).sum(axis=1) / np.maximum(2 * n - 6, 1))
    nights = _nights(found, arcs, used)
    good = (rms <= rules.max_rms) & (nights >= rules.min_nights)
    good &= np.where(used, size, 0.0).max(axis=1, initial=0.0) <= rules.max_residual
    linked = Linkages(_used_groups(arcs, used), states, reference, rms, nights)
    return linked.take(np.flatnonzero(good))


def all_of(parts: list[Linkages], reference: float) -> Linkages:
    """Put linkages together.

    Parameters
    ----------
    parts : list of Linkages
        Linkages.
    reference : float
        Time of the states of all of them [MJD TDB].

    Returns
    -------
    Linkages
        All, in this order.
    """
    groups = Groups(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    for part in parts:
        groups = groups.joined(part.groups)
    return Linkages(
        groups,
        np.concatenate([np.zeros((0, 6)), *(p.states for p in parts)]),
        reference,
        np.concatenate([np.zeros(0), *(p.rms for p in parts)]),
        np.concatenate([np.zeros(0, dtype=np.int64), *(p.nights for p in parts)]),
    )
