"""Two-body motion by universal variables, over arcs of days to weeks.

Linking moves states by a few days, where the planets do not matter; everything else
integrates (`pipeline.moving.propagate`).
"""

from __future__ import annotations

import numpy as np

from pipeline.moving.detections import GM_SUN, Floats

_TERMS = 11
_ITERATIONS = 12


def stumpff(z: Floats) -> tuple[Floats, Floats, Floats]:
    """Stumpff's functions c1, c2, c3 by their series.

    Parameters
    ----------
    z : float64 array
        Argument, |z| < 10.

    Returns
    -------
    c1, c2, c3 : float64 array
        Danby, Fundamentals of Celestial Mechanics (1988), eq. 6.9.14.
    """
    sums = []
    for k in (2, 3):
        total = np.ones_like(z)
        for j in range(_TERMS, 0, -1):
            total = 1.0 - total * z / ((2 * j + k - 1) * (2 * j + k))
        sums.append(total / (2.0 if k == 2 else 6.0))
    c2, c3 = sums
    return 1.0 - z * c3, c2, c3


def two_body(states: Floats, dt: Floats, mu: float = GM_SUN) -> Floats:
    """Move states along their conics.

    Parameters
    ----------
    states : (..., 6) float64
        Position and velocity relative to the central body [au, au/d].
    dt : (...) float64
        Time to move [d]; at most about half a revolution.
    mu : float
        Gravitational constant [au**3/d**2].

    Returns
    -------
    (..., 6) float64
        States at the other time; NaN where the iteration did not converge. Ellipses, parabolas and
        hyperbolas alike (Danby 1988, section 6.9).
    """
    x, v = states[..., :3], states[..., 3:]
    r = np.sqrt(np.einsum("...i,...i->...", x, x))
    u = np.einsum("...i,...i->...", x, v)
    alpha = 2.0 * mu / r - np.einsum("...i,...i->...", v, v)
    s = dt / r - 0.5 * u * dt * dt / r**3
    with np.errstate(all="ignore"):
        for _ in range(_ITERATIONS):
            c1, c2, c3 = stumpff(alpha * s * s)
            time = s * (r * c1 + s * (u * c2 + s * mu * c3))
            slope = r * (1.0 - alpha * s * s * c2) + s * (u * c1 + s * mu * c2)
            step = (dt - time) / slope
            s = s + step
            if not np.any(np.abs(step) > 1e-13 * (1.0 + np.abs(s))):
                break
        c1, c2, c3 = stumpff(alpha * s * s)
        f = 1.0 - mu * s * s * c2 / r
        g = dt - mu * s**3 * c3
        moved = f[..., None] * x + g[..., None] * v
        r1 = np.sqrt(np.einsum("...i,...i->...", moved, moved))
        fdot = -mu * s * c1 / (r * r1)
        gdot = 1.0 - mu * s * s * c2 / r1
        velocity = fdot[..., None] * x + gdot[..., None] * v
        out = np.concatenate([moved, velocity], axis=-1)
        out[~(np.abs(step) < 1e-9 * (1.0 + np.abs(s)))] = np.nan
    return out
