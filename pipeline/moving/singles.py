"""Objects that have tracklets on two nights only: single detections of other nights decide."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.moving.detections import ARCSEC, Detections, Floats, Ints, tangent_axes
from pipeline.moving.elements import two_body
from pipeline.moving.link import LinkRules, link_tracklets
from pipeline.moving.membership import Groups, grouped
from pipeline.moving.purify import (
    Linkages,
    PurityRules,
    accepted,
    all_of,
    detections_of,
    disjoint,
    fit_clusters,
)
from pipeline.moving.shortfit import (
    STEPS,
    Arcs,
    arcs_of,
    fit_short,
    predicted,
    residuals,
    slopes,
    slowness,
)
from pipeline.moving.tracklets import Tracklets

# Few arcs come here, and a night more may move them far.
_PLAIN = np.full(20, np.inf)
#: Where detections are counted to tell how crowded a place is [arcsec].
_AROUND = 180.0
#: Pairs of tracklets whose predictions are made at a time.
_BLOCK = 200


@dataclass(frozen=True)
class SingleRules:
    """Which single detections complete a pair of tracklets.

    Attributes
    ----------
    sigmas : float
        Largest distance from the prediction, in its uncertainty with that of the detection.
    farthest : float
        Largest uncertainty of a prediction that is looked at [arcsec].
    by_chance : float
        Linkages that may come about by chance, of all that are tried in one go.
    max_rms : float
        Largest root mean square of the normalised residuals [sigma], in place of that of
        `PurityRules`: of few detections it scatters more.
    fastest : float
        Scatter of speeds, in escape velocities: two nights alone hardly tell the radial one.
    """

    sigmas: float = 4.0
    farthest: float = 300.0
    by_chance: float = 1.0
    max_rms: float = 2.2
    fastest: float = 2.0


def add_singles(
    found: Detections,
    tracklets: Tracklets,
    linked: Linkages,
    link: LinkRules | None = None,
    purity: PurityRules | None = None,
    rules: SingleRules | None = None,
) -> Linkages:
    """Link what is left with tracklets on two nights and single detections on others.

    An orbit through two tracklets foretells where the object is on other nights, to some seconds
    of arc. A detection there counts if, with as many detections as there are in that exposure,
    hardly any of all the pairs tried would meet with one by chance.

    Parameters
    ----------
    found : Detections
        Detections.
    tracklets : Tracklets
        Tracklets of them.
    linked : Linkages
        What is linked already; its detections are left alone.
    link : LinkRules, optional
        How tracklets are linked; of its number of nights one may be without a tracklet.
    purity : PurityRules, optional
        What is good enough in the end.
    rules : SingleRules, optional
        Which detections.

    Returns
    -------
    Linkages
        Those there were, then the new ones.
    """
    link, rules = link or LinkRules(), rules or SingleRules()
    purity = replace(purity or PurityRules(), max_rms=rules.max_rms, fastest=rules.fastest)
    free = np.ones(len(found), dtype=bool)
    free[linked.groups.members] = False
    left = tracklets.take(_whole(tracklets.groups, free))
    least = max(purity.min_nights - 1, 2)
    candidates = link_tracklets(left, replace(link, min_nights=least))
    pairs = fit_clusters(
        found,
        detections_of(left, candidates.groups),
        two_body(candidates.states, linked.reference - candidates.reference),
        linked.reference,
        replace(purity, min_nights=least),
    )
    sky = _Sky(found, free, linked.reference, purity, rules)
    groups, states = pairs.groups, pairs.states
    done: list[Linkages] = []
    while len(states):
        row = sky.completing(groups, states, rules.by_chance / len(pairs))
        more = np.flatnonzero(row >= 0)
        done.append(sky.accepted(groups.take(row < 0), states[row < 0]))
        groups = grouped(
            np.concatenate([groups.take(more).owners(), np.arange(len(more))]),
            np.concatenate([groups.take(more).members, row[more]]),
        )
        states = sky.fitted(groups, states[more])
    new = all_of(done, linked.reference)
    return all_of([linked, new.take(disjoint(new, len(found)))], linked.reference)


def _whole(groups: Groups, free: NDArray[np.bool_]) -> Ints:
    """Return the groups of which all members are free."""
    taken = np.bincount(groups.owners(), ~free[groups.members], minlength=len(groups))
    return np.flatnonzero(taken == 0.0)


class _Sky:
    """The free detections, exposure by exposure."""

    def __init__(
        self,
        found: Detections,
        free: NDArray[np.bool_],
        reference: float,
        purity: PurityRules,
        rules: SingleRules,
    ) -> None:
        self.found, self.reference, self.purity, self.rules = found, reference, purity, rules
        self.free = np.flatnonzero(free)
        _, first, back = np.unique(found.mjd_tdb, return_index=True, return_inverse=True)
        self.night = found.night[first]
        self.dt = found.mjd_tdb[first] - reference
        self.observer = (found.observer - found.sun)[first, :3]
        towards = found.directions()
        middle = np.stack([np.bincount(back, towards[:, k]) for k in range(3)], axis=1)
        self.middle = middle / np.linalg.norm(middle, axis=1)[:, None]
        cosine = (towards * self.middle[back]).sum(axis=1)
        self.reach = np.full(len(first), 1.0)
        np.minimum.at(self.reach, back, cosine)
        count = np.bincount(back[self.free], minlength=len(first))
        # Detections in a square second of arc.
        self.density = count / np.maximum(2.0 * np.pi * (1.0 - self.reach), 1e-6) * ARCSEC**2
        self.tree = cKDTree(_apart(towards[self.free], back[self.free]))

    def _arcs(self, groups: Groups) -> Arcs:
        arcs = arcs_of(self.found, groups, self.reference)
        return replace(arcs, sigma=np.hypot(arcs.sigma, self.purity.floor))

    def fitted(self, groups: Groups, states: Floats) -> Floats:
        """Return states that fit all members."""
        if not len(states):
            return states
        arcs = self._arcs(groups)
        return fit_short(states, arcs, arcs.real, _PLAIN, self.purity.fastest)[0]

    def accepted(self, groups: Groups, states: Floats) -> Linkages:
        """Return the arcs that are good enough."""
        arcs = self._arcs(groups)
        off = residuals(states, arcs)
        return accepted(self.found, arcs, arcs.real, states, off, self.reference, self.purity)

    def completing(self, groups: Groups, states: Floats, by_chance: float) -> Ints:
        """Return a detection for each arc that is its own; -1 where none surely is."""
        chosen = np.full(len(states), -1, dtype=np.int64)
        for begin in range(0, len(states), _BLOCK):
            part = np.arange(begin, min(begin + _BLOCK, len(states)))
            arc, exposure, place, spread = self._foretold(groups.take(part), states[part])
            row = self._nearest(exposure, place, spread)
            chance = self._chance(exposure, place, spread)
            # The surest first; what was looked at before in vain counts, too.
            order = np.lexsort((chance, arc))
            for i in np.unique(arc):
                mine = order[arc[order] == i]
                hits = np.flatnonzero(row[mine] >= 0)
                if len(hits) and chance[mine[: hits[0] + 1]].sum() <= by_chance:
                    chosen[begin + i] = row[mine[hits[0]]]
        return chosen

    def _foretold(self, groups: Groups, states: Floats) -> tuple[Ints, Ints, Floats, Floats]:
        """Return where arcs would be seen on nights that they lack, and how surely.

        Arc and exposure of each (n,), direction (n, 3) and covariance (n, 2, 2) [arcsec**2].
        """
        root = self._roots(groups, states)
        shape = (len(states), len(self.dt))
        seen = predicted(
            np.broadcast_to(states[:, None, :], (*shape, 6)),
            np.broadcast_to(self.dt, shape),
            np.broadcast_to(self.observer, (*shape, 3)),
        )
        inside = np.einsum("cvi,vi->cv", seen, self.middle) >= self.reach
        for i in range(len(states)):
            inside[i] &= ~np.isin(self.night, self.found.night[groups[i]])
        arc, exposure = np.nonzero(inside)
        place = seen[arc, exposure]
        slope = np.empty((len(arc), 2, 6))
        axes = np.stack(
            tangent_axes(
                np.degrees(np.arctan2(place[:, 1], place[:, 0])), np.degrees(np.arcsin(place[:, 2]))
            ),
            axis=1,
        )
        for k, step in enumerate(STEPS):
            moved = states[arc]
            moved[:, k] += step
            other = predicted(moved, self.dt[exposure], self.observer[exposure])
            slope[:, :, k] = np.einsum("nai,ni->na", axes, other - place) / ARCSEC / step
        across = slope @ root[arc]
        spread = across @ across.transpose(0, 2, 1)
        sure = np.isfinite(spread).all(axis=(1, 2))
        sure &= np.trace(spread, axis1=1, axis2=2) <= self.rules.farthest**2
        return arc[sure], exposure[sure], place[sure], spread[sure]

    def _roots(self, groups: Groups, states: Floats) -> Floats:
        """Return matrices (c, 6, 6) whose products with their transposes are the covariances."""
        arcs = self._arcs(groups)
        slope = slopes(states, arcs, residuals(states, arcs)) / arcs.sigma[..., None, None]
        slope = (slope * arcs.real[..., None, None]).reshape(len(states), -1, 6)
        known = np.zeros((len(states), 3, 6))
        known[:, [0, 1, 2], [3, 4, 5]] = np.sqrt(slowness(states, self.purity.fastest))[:, None]
        slope = np.concatenate([slope, known], axis=1)
        norm = np.sqrt((slope**2).sum(axis=1))
        _, s, vt = np.linalg.svd(slope / norm[:, None, :], full_matrices=False)
        root: Floats = vt.transpose(0, 2, 1) / s[:, None, :] / norm[:, :, None]
        return root

    def _nearest(self, exposure: Ints, place: Floats, spread: Floats) -> Ints:
        """Return the nearest detection by the uncertainty; -1 where none is near enough."""
        sigma = self.found.sigma
        widest = np.sqrt(np.trace(spread, axis1=1, axis2=2) + sigma.max(initial=0.0) ** 2)
        near = self.tree.query_ball_point(
            _apart(place, exposure), self.rules.sigmas * widest * ARCSEC
        )
        out = np.full(len(place), -1, dtype=np.int64)
        for i, which in enumerate(near):
            rows = self.free[np.array(which, dtype=np.int64)]
            if not len(rows):
                continue
            east, north = tangent_axes(self.found.ra[rows], self.found.dec[rows])
            away = np.stack([-(east @ place[i]), -(north @ place[i])], axis=1) / ARCSEC
            cover = spread[i] + np.eye(2) * (sigma[rows] ** 2)[:, None, None]
            square = np.einsum("ni,nij,nj->n", away, np.linalg.inv(cover), away)
            best = int(np.argmin(square))
            if square[best] <= self.rules.sigmas**2:
                out[i] = rows[best]
        return out

    def _chance(self, exposure: Ints, place: Floats, spread: Floats) -> Floats:
        """Return how many other detections are expected where one would be taken."""
        cover = spread + np.eye(2) * np.median(self.found.sigma) ** 2
        area = np.pi * self.rules.sigmas**2 * np.sqrt(np.linalg.det(cover))
        # False detections lie in clumps. One of those around may be the object itself.
        around = self.tree.query_ball_point(
            _apart(place, exposure), _AROUND * ARCSEC, return_length=True
        )
        crowd = (np.asarray(around) - 1) / (np.pi * _AROUND**2)
        expected: Floats = area * np.maximum(self.density[exposure], crowd)
        return expected


def _apart(directions: Floats, exposure: Ints) -> Floats:
    """Return points that are near each other only in one exposure."""
    return np.column_stack([directions, 10.0 * exposure])
