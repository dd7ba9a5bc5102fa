"""Compiled two-body motion in universal variables: one formula for every kind of orbit."""

from __future__ import annotations

import numba as nb
import numpy as np

from pipeline.moving.kernel import GM

_MU = float(GM[0])


@nb.njit(cache=True, nogil=True)
def _stumpff(psi):  # type: ignore[no-untyped-def]
    if psi > 1e-3:
        root = np.sqrt(psi)
        return (1.0 - np.cos(root)) / psi, (root - np.sin(root)) / (psi * root)
    if psi < -1e-3:
        root = np.sqrt(-psi)
        return (1.0 - np.cosh(root)) / psi, (np.sinh(root) - root) / (-psi * root)
    c2 = 0.5 - psi / 24.0 + psi * psi / 720.0
    c3 = 1.0 / 6.0 - psi / 120.0 + psi * psi / 5040.0
    return c2, c3


@nb.njit(cache=True, nogil=True)
def _anomaly(r0, sigma, alpha, dt):  # type: ignore[no-untyped-def]
    """Solve Kepler's equation for the universal anomaly by Laguerre and Conway's iteration."""
    root = np.sqrt(_MU)
    if alpha > 0.0:
        x = root * dt * alpha
    else:
        # Barker's equation bounds it from above, and for hyperbolas so does their asymptote.
        x = min(root * abs(dt) / r0, (6.0 * root * abs(dt)) ** (1.0 / 3.0))
        if alpha < 0.0 and dt != 0.0:
            big = np.sqrt(-1.0 / alpha)
            far = 2.0 * root * abs(dt) * -alpha / (sigma * np.sign(dt) + big * (1.0 - r0 * alpha))
            if far > 1.0:
                x = min(x, big * np.log(far) + big)
        x *= np.sign(dt)
    for _ in range(60):
        psi = x * x * alpha
        c2, c3 = _stumpff(psi)
        f = sigma * x * x * c2 + (1.0 - alpha * r0) * x * x * x * c3 + r0 * x - root * dt
        df = sigma * x * (1.0 - psi * c3) + (1.0 - alpha * r0) * x * x * c2 + r0
        ddf = sigma * (1.0 - psi * c2) + (1.0 - alpha * r0) * x * (1.0 - psi * c3)
        bend = np.sqrt(abs(16.0 * df * df - 20.0 * f * ddf))
        step = 5.0 * f / (df + (bend if df > 0.0 else -bend))
        x -= step
        if abs(step) < 1e-13 * max(1.0, abs(x)):
            break
    return x


@nb.njit(cache=True, nogil=True)
def kepler(states, dt, out):  # type: ignore[no-untyped-def]
    """Move heliocentric states along their orbits about the Sun alone.

    Parameters
    ----------
    states : ndarray, shape (n, 6)
        Heliocentric [au, au/d].
    dt : ndarray, shape (n,)
        How far [d].
    out : ndarray, shape (n, 6)
        Filled.
    """
    root = np.sqrt(_MU)
    for i in range(len(states)):
        s = states[i]
        r0 = np.sqrt(s[0] * s[0] + s[1] * s[1] + s[2] * s[2])
        v2 = s[3] * s[3] + s[4] * s[4] + s[5] * s[5]
        sigma = (s[0] * s[3] + s[1] * s[4] + s[2] * s[5]) / root
        alpha = 2.0 / r0 - v2 / _MU
        time = dt[i]
        if alpha > 0.0:
            period = 2.0 * np.pi / (root * alpha * np.sqrt(alpha))
            time -= period * np.round(time / period)
        x = _anomaly(r0, sigma, alpha, time)
        psi = x * x * alpha
        c2, c3 = _stumpff(psi)
        f = 1.0 - x * x * c2 / r0
        g = time - x * x * x * c3 / root
        for k in range(3):
            out[i, k] = f * s[k] + g * s[3 + k]
        r = np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2)
        fdot = root / (r * r0) * x * (psi * c3 - 1.0)
        gdot = 1.0 - x * x * c2 / r
        for k in range(3):
            out[i, 3 + k] = fdot * s[k] + gdot * s[3 + k]
