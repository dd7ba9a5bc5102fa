"""Where fits begin: preliminary orbits of the best part of an arc."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.moving.detections import Detections, Floats, Ints
from pipeline.moving.elements import two_body
from pipeline.moving.gauss import gauss, triplets
from pipeline.moving.hypotheses import orbits_of
from pipeline.moving.membership import Groups
from pipeline.moving.shortfit import arcs_of, fit_short
from pipeline.moving.tracklets import measured

_MOST = 36
_SPANS = (12.0, 30.0, 60.0, 120.0, 250.0)
_SCALE = np.array([*[np.inf] * 10, 30.0, 10.0, 5.0, 5.0, 5.0])
_DISTANCES = np.geomspace(1.02, 60.0, 16)
_RADIAL = (-0.008, 0.0, 0.008)


@dataclass(frozen=True)
class Beginning:
    """A preliminary orbit.

    Attributes
    ----------
    state : (6,) float64
        Heliocentric [au, au/d].
    epoch : float
        MJD TDB.
    rows : (k,) int64
        Detections of the part of the arc that it is of.
    spread : float
        Median normalised residual.
    """

    state: Floats
    epoch: float
    rows: Ints
    spread: float


def windows(found: Detections) -> list[Ints]:
    """Choose parts of an arc that determine a preliminary orbit.

    Parameters
    ----------
    found : Detections
        Detections of one object, ascending in time.

    Returns
    -------
    list of (k,) int64
        Rows: all of an arc of up to 60 d, else parts with many nights, the best first.
    """
    time = found.mjd_tdb
    everything = np.arange(len(found), dtype=np.int64)
    if time[-1] - time[0] <= 60.0:
        return [everything]
    nights, first = np.unique(found.night, return_index=True)
    scored: list[tuple[float, int, Ints]] = []
    for span in _SPANS:
        last = np.searchsorted(nights, nights + span, side="right")
        count = last - np.arange(len(nights))
        for begin in np.argsort(-np.minimum(count, 12), kind="stable")[:2]:
            if count[begin] >= 3:
                rows = everything[first[begin] : np.append(first, len(found))[last[begin]]]
                arc = time[rows[-1]] - time[rows[0]]
                merit = min(count[begin], 12) * min(arc / 20.0, 1.0) / max(1.0, arc / 120.0)
                scored.append((-merit, len(scored), rows))
    chosen = [rows for _, _, rows in sorted(scored, key=lambda s: s[:2])[:5]]
    return chosen or [everything]


def beginnings(found: Detections, rows: Ints) -> list[Beginning]:
    """Find preliminary orbits of a part of an arc.

    Parameters
    ----------
    found : Detections
        Detections of one object, ascending in time.
    rows : (k,) int64
        The part.

    Returns
    -------
    list of Beginning
        The best first: Gauss's method on several triplets, all roots, and where that fits nothing a
        scan of distances and radial velocities; each made better by a two-body fit.
    """
    few = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).round().astype(int))]
    part = found.take(few)
    epoch = float((part.mjd_tdb[0] + part.mjd_tdb[-1]) / 2.0)
    states = [np.zeros((0, 6))]
    for three in triplets(part):
        made = gauss(part, three)
        states.append(two_body(made, np.full(len(made), epoch - part.mjd_tdb[three[1]])))
    best = _improved(part, np.concatenate(states), epoch, rows)
    if not best or best[0].spread > 3.0:
        best += _improved(part, _scanned(part, epoch), epoch, rows)
    return _different(sorted(best, key=lambda b: b.spread))[:4]


def _improved(part: Detections, states: Floats, epoch: float, rows: Ints) -> list[Beginning]:
    states = states[np.isfinite(states).all(axis=1)]
    if not len(states):
        return []
    n = len(part)
    groups = Groups(
        np.arange(len(states) + 1, dtype=np.int64) * n,
        np.tile(np.arange(n, dtype=np.int64), len(states)),
    )
    arcs = arcs_of(part, groups, epoch)
    fitted, off = fit_short(states, arcs, arcs.real, _SCALE)
    spread = np.median(np.sqrt((off**2).sum(axis=-1)) / arcs.sigma, axis=1)
    good = np.isfinite(fitted).all(axis=1) & (spread < 200.0)
    return [
        Beginning(state, epoch, rows, float(size))
        for state, size in zip(fitted[good], spread[good], strict=True)
    ]


def _scanned(part: Detections, epoch: float) -> Floats:
    """Return orbits through the best pair of one night at many distances."""
    dt = np.diff(part.mjd_tdb)
    near = np.flatnonzero((dt > 0.003) & (dt < 1.2))
    if not len(near):
        return np.zeros((0, 6))
    row = int(near[np.argmin(np.abs(part.mjd_tdb[near] - epoch))])
    pair = measured(part, Groups(np.array([0, 2]), np.array([row, row + 1])))
    tries = [orbits_of(pair, r, v, epoch)[0] for r in _DISTANCES for v in _RADIAL]
    return np.concatenate(tries)


def _different(ordered: list[Beginning]) -> list[Beginning]:
    """Leave out those that are the same as a better one."""
    kept: list[Beginning] = []
    for one in ordered:
        same = [np.abs(one.state - k.state).max() < 1e-3 * np.abs(k.state[:3]).max() for k in kept]
        if not any(same):
            kept.append(one)
    return kept
