"""The compiled integrator: Runge-Kutta of order 8 with steps chosen by its embedded error estimate.

Coefficients and step control are those of Dormand and Prince's DOP853 (Hairer, Norsett & Wanner
1993, Solving Ordinary Differential Equations I, section II.10).
"""

from __future__ import annotations

import numba as nb
import numpy as np
from scipy.integrate import DOP853

from pipeline.moving.kernel import CELL, GM, LIGHT

_A = np.ascontiguousarray(DOP853.A[:12, :12])
_B = np.ascontiguousarray(DOP853.B)
_C = np.ascontiguousarray(DOP853.C[:12])
_E3 = np.ascontiguousarray(DOP853.E3[:12])
_E5 = np.ascontiguousarray(DOP853.E5[:12])
_GM = np.ascontiguousarray(GM)
_N = len(GM)
_LIGHT2 = LIGHT * LIGHT
#: Nothing nearer than this to a body [au] is pulled by it: radii, and for Pluto its system, so that
#: Pluto itself can be propagated.
_CORE = np.array([
    4.65e-3, 1.63e-5, 4.05e-5, 4.26e-5, 1.16e-5, 2.27e-5, 4.78e-4, 4.03e-4, 1.71e-4, 1.65e-4, 1e-3,
])  # fmt: skip
_MAX_STEPS = 1_000_000


@nb.njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})
def _derivative(t, y, start, coefficients, bodies, out):  # type: ignore[no-untyped-def]
    cell = int((t - start) / CELL)
    s = (t - start - cell * CELL) * (2.0 / CELL) - 1.0
    c = coefficients[cell]
    for k in range(3 * _N):
        value = c[0, k]
        for power in range(1, 8):
            value = value * s + c[power, k]
        bodies[k] = value
    ax = ay = az = 0.0
    for body in range(_N):
        dx = bodies[3 * body] - y[0]
        dy = bodies[3 * body + 1] - y[1]
        dz = bodies[3 * body + 2] - y[2]
        r2 = dx * dx + dy * dy + dz * dz
        if r2 > _CORE[body] * _CORE[body]:
            pull = _GM[body] / (r2 * np.sqrt(r2))
            ax += pull * dx
            ay += pull * dy
            az += pull * dz
    # Relativity: the Sun's field in isotropic coordinates, its own velocity left out.
    dx, dy, dz = y[0] - bodies[0], y[1] - bodies[1], y[2] - bodies[2]
    r2 = dx * dx + dy * dy + dz * dz
    r = np.sqrt(r2)
    if r > _CORE[0]:
        along = dx * y[3] + dy * y[4] + dz * y[5]
        speed2 = y[3] * y[3] + y[4] * y[4] + y[5] * y[5]
        f = _GM[0] / (_LIGHT2 * r2 * r)
        g = 4.0 * _GM[0] / r - speed2
        ax += f * (g * dx + 4.0 * along * y[3])
        ay += f * (g * dy + 4.0 * along * y[4])
        az += f * (g * dz + 4.0 * along * y[5])
    out[0], out[1], out[2] = y[3], y[4], y[5]
    out[3], out[4], out[5] = ax, ay, az


@nb.njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})
def _step(t, h, y, k, work, bodies, start, coefficients, out):  # type: ignore[no-untyped-def]
    # k[0] holds the derivative at the beginning.
    for stage in range(1, 12):
        for i in range(6):
            total = 0.0
            for j in range(stage):
                total += _A[stage, j] * k[j, i]
            work[i] = y[i] + h * total
        _derivative(t + _C[stage] * h, work, start, coefficients, bodies, k[stage])
    for i in range(6):
        total = 0.0
        for j in range(12):
            total += _B[j] * k[j, i]
        out[i] = y[i] + h * total


@nb.njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})
def _error(h, y, k, tolerance):  # type: ignore[no-untyped-def]
    size = np.sqrt(y[0] ** 2 + y[1] ** 2 + y[2] ** 2) + 1e-3
    speed = np.sqrt(y[3] ** 2 + y[4] ** 2 + y[5] ** 2) + 1e-6
    e5 = e3 = 0.0
    for i in range(6):
        a = b = 0.0
        for j in range(12):
            a += _E5[j] * k[j, i]
            b += _E3[j] * k[j, i]
        scale = tolerance * (size if i < 3 else speed)
        e5 += (a / scale) ** 2
        e3 += (b / scale) ** 2
    if e5 == 0.0 and e3 == 0.0:
        return 0.0
    return abs(h) * e5 / np.sqrt((e5 + 0.01 * e3) * 6.0)


@nb.njit(cache=True, nogil=True)
def _first_step(y, k, bodies):  # type: ignore[no-untyped-def]
    # A fraction of the time it takes to fall to the nearest thing that matters.
    shortest = 64.0
    for body in range(_N):
        dx = bodies[3 * body] - y[0]
        dy = bodies[3 * body + 1] - y[1]
        dz = bodies[3 * body + 2] - y[2]
        r2 = dx * dx + dy * dy + dz * dz
        pull = _GM[body] / r2
        total = np.sqrt(k[0, 3] ** 2 + k[0, 4] ** 2 + k[0, 5] ** 2)
        if pull > 1e-3 * total:
            shortest = min(shortest, 0.15 * np.sqrt(r2 * np.sqrt(r2) / _GM[body]))
    return shortest


@nb.njit(cache=True, nogil=True)
def _one_way(y0, epoch, times, first, last, sign, tolerance, start, coefficients, out):  # type: ignore[no-untyped-def]
    k = np.empty((12, 6))
    work = np.empty(6)
    bodies = np.empty(3 * _N)
    y = y0.copy()
    new = np.empty(6)
    t = epoch
    _derivative(t, y, start, coefficients, bodies, k[0])
    h = _first_step(y, k, bodies)
    at = first
    steps = 0
    while at != last:
        far = abs(times[last - (1 if sign > 0 else -1)] - t)
        # The last step ends at the last time: nothing is looked at beyond it.
        h = min(h, max(far, 1e-9))
        _step(t, sign * h, y, k, work, bodies, start, coefficients, new)
        error = _error(h, y, k, tolerance)
        steps += 1
        if not np.isfinite(error) or steps > _MAX_STEPS or h < 1e-9 * max(1e-3, min(1.0, far)):
            return False
        if error > 1.0:
            h *= max(0.2, 0.9 * error**-0.125)
            continue
        ahead = h * (1.0 + 1e-14)
        while at != last and sign * (times[at] - t) <= ahead:
            part = times[at] - t
            if part == 0.0:
                out[at] = y
            elif abs(part - sign * h) < 1e-12:
                out[at] = new
            else:
                _step(t, part, y, k, work, bodies, start, coefficients, out[at])
            at += 1 if sign > 0 else -1
        t += sign * h
        y[:] = new
        _derivative(t, y, start, coefficients, bodies, k[0])
        h = min(64.0, h * min(5.0, 0.9 * max(error, 1e-12) ** -0.125))
    return True


@nb.njit(cache=True, nogil=True)
def integrate(states, epochs, times, tolerance, start, coefficients, out):  # type: ignore[no-untyped-def]
    """Integrate each object to its times.

    Parameters
    ----------
    states : ndarray, shape (n, 6)
        Barycentric [au, au/d].
    epochs : ndarray, shape (n,)
        MJD TDB.
    times : ndarray, shape (1 or n, m)
        MJD TDB, ascending; NaN last.
    tolerance : float
        Relative error a step may have, by its own estimate.
    start : float
        Of the planets' table.
    coefficients : ndarray, shape (cells, 8, 33)
        Of the planets' table.
    out : ndarray, shape (n, m, 6)
        NaN; filled.
    """
    for i in range(len(states)):
        row = times[i if len(times) > 1 else 0]
        count = len(row)
        while count > 0 and np.isnan(row[count - 1]):
            count -= 1
        if not np.isfinite(epochs[i]) or not np.all(np.isfinite(states[i])):
            continue
        split = np.searchsorted(row[:count], epochs[i])
        ok = True
        if split < count:
            ok = _one_way(
                states[i], epochs[i], row, split, count, 1, tolerance, start, coefficients, out[i]
            )
        if split > 0 and ok:
            ok = _one_way(
                states[i], epochs[i], row, split - 1, -1, -1, tolerance, start, coefficients, out[i]
            )
        if not ok:
            out[i] = np.nan
