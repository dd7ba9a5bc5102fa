"""Preliminary orbits: Gauss's method with all its roots, on several triplets."""

from __future__ import annotations

import itertools

import numpy as np

from pipeline.moving.detections import GM_SUN, Detections, Floats, Ints
from pipeline.moving.elements import two_body
from pipeline.moving.kernel import LIGHT

_LEAST_VOLUME = 1e-10
_PASSES = 4


def gauss(found: Detections, rows: Ints) -> Floats:
    """Find all orbits through three directions.

    Parameters
    ----------
    found : Detections
        Detections.
    rows : (3,) int64
        Three of them, ascending in time.

    Returns
    -------
    (k, 6) float64
        Heliocentric states at the time of the middle one, light time allowed for [au, au/d]: one
        for each positive root that puts the object before the observer; none where
        the three directions lie in a plane.
    """
    three = found.take(rows)
    u = three.directions()
    seer = (three.observer - three.sun)[:, :3]
    states = []
    for r in _roots(u, seer, three.mjd_tdb):
        state = _refined(u, seer, three.mjd_tdb, r)
        if state is not None:
            states.append(state)
    return np.array(states).reshape(-1, 6)


def _roots(u: Floats, seer: Floats, time: Floats) -> list[float]:
    """Return the roots of Gauss's equation: distances from the Sun, Curtis 2014, section 5.10."""
    if abs(np.linalg.det(u)) < _LEAST_VOLUME:
        return []
    middle = np.linalg.inv(u.T)[1]
    t1, t3 = time[0] - time[1], time[2] - time[1]
    t = t3 - t1
    a = -middle @ (seer[1] - t3 / t * seer[0] + t1 / t * seer[2])
    b = middle @ (t3 / t * (t**2 - t3**2) * seer[0] - t1 / t * (t**2 - t1**2) * seer[2]) / 6.0
    b *= GM_SUN
    e = seer[1] @ u[1]
    equation = np.zeros(9)
    equation[[0, 2, 5, 8]] = (
        1.0,
        -(a * a + 2.0 * a * e + seer[1] @ seer[1]),
        -2 * b * (a + e),
        -b * b,
    )
    roots = np.roots(equation)
    real = roots[(np.abs(roots.imag) < 1e-6 * np.abs(roots)) & (roots.real > 0.02)].real
    return [float(r) for r in np.sort(real)]


def _refined(u: Floats, seer: Floats, time: Floats, r: float) -> Floats | None:
    """Go from a root to a state: series for f and g first, then the orbit itself."""
    steps = time[[0, 2]] - time[1]
    pull = GM_SUN / r**3
    f, g = 1.0 - 0.5 * pull * steps**2, steps - pull * steps**3 / 6.0
    state, lag = None, np.zeros(3)
    for _ in range(_PASSES):
        cross = f[0] * g[1] - f[1] * g[0]
        with np.errstate(all="ignore"):
            c1, c3 = g[1] / cross, -g[0] / cross
            parts = np.linalg.solve(u.T, seer[1] - c1 * seer[0] - c3 * seer[2])
            ranges = parts * np.array([1.0 / c1, -1.0, 1.0 / c3])
        if not np.isfinite(ranges).all() or ranges.min() < 1e-5 or ranges.max() > 1e4:
            break
        place = seer + ranges[:, None] * u
        state = np.concatenate([place[1], (f[0] * place[2] - f[1] * place[0]) / cross])
        lag = ranges / LIGHT
        f, g = _f_and_g(state, (time - lag)[[0, 2]] - (time - lag)[1])
    if state is None:
        return None
    moved = two_body(state[None, :], lag[1:2])[0]
    return moved if np.isfinite(moved).all() else None


def _f_and_g(state: Floats, steps: Floats) -> tuple[Floats, Floats]:
    """Return Lagrange's coefficients of an orbit."""
    there = two_body(np.stack([state, state]), steps)[:, :3]
    spin = np.cross(state[:3], state[3:])
    square = spin @ spin
    return np.cross(there, state[3:]) @ spin / square, np.cross(state[:3], there) @ spin / square


def triplets(found: Detections, most: int = 12) -> Ints:
    """Choose triplets that span an arc in several ways.

    Parameters
    ----------
    found : Detections
        Detections of one object, ascending in time.
    most : int
        How many at most.

    Returns
    -------
    (k, 3) int64
        Rows: of three nights where there are as many, the longest first, the middle one near the
        middle.
    """
    _, first = np.unique(found.night, return_index=True)
    rows = first if len(first) >= 3 else np.arange(len(found))
    time = found.mjd_tdb[rows]
    span = time[-1] - time[0]
    if span <= 0.0:
        return np.zeros((0, 3), dtype=np.int64)
    if len(rows) > 12:
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, 12).round().astype(np.int64))]
        time = found.mjd_tdb[rows]
    every = np.array(list(itertools.combinations(range(len(rows)), 3)), dtype=np.int64).reshape(
        -1, 3
    )
    t1, t2, t3 = time[every].T
    # Long arcs with even halves are well determined.
    merit = (t3 - t1) / span - np.abs(2.0 * t2 - t1 - t3) / span
    good = (t2 > t1) & (t3 > t2)
    order = np.argsort(np.where(good, -merit, np.inf), kind="stable")[: min(most, int(good.sum()))]
    return rows[every[order]]
