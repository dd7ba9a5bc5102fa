"""Least squares of orbits, and what tells a plausible one."""

from __future__ import annotations

import numpy as np

from pipeline.moving.detections import GM_SUN, Floats


def cost(off: Floats, soft: float) -> float:
    """Return what is minimised.

    Parameters
    ----------
    off : (n, 2) float64
        Normalised residuals.
    soft : float
        Residual at which the weight is a half, by Cauchy's law; infinity for plain squares.

    Returns
    -------
    float
        The sum over detections.
    """
    square = (off**2).sum(axis=1)
    return float(square.sum() if np.isinf(soft) else soft**2 * np.log1p(square / soft**2).sum())


def damped(matrix: Floats, right: Floats, damping: float) -> Floats:
    """Solve damped least squares by singular values.

    Parameters
    ----------
    matrix : (n, 6) float64
        Derivatives; columns of unit length.
    right : (n,) float64
        Residuals.
    damping : float
        Marquardt's.

    Returns
    -------
    (6,) float64
        The step.
    """
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    step: Floats = vt.T @ (s / (s * s + damping) * (u.T @ right))
    return step


def inverse(slope: Floats) -> Floats:
    """Return the covariance of a least-squares solution.

    Parameters
    ----------
    slope : (n, 6) float64
        Derivatives in units of the errors.

    Returns
    -------
    (6, 6) float64
        NaN if the problem is singular.
    """
    norm = np.sqrt((slope**2).sum(axis=0))
    if len(slope) < 6 or not np.isfinite(norm).all() or (norm == 0.0).any():
        return np.full((6, 6), np.nan)
    _, s, vt = np.linalg.svd(slope / norm, full_matrices=False)
    if s[-1] < 1e-14 * s[0]:
        return np.full((6, 6), np.nan)
    covariance: Floats = (vt.T / s**2) @ vt / norm[:, None] / norm[None, :]
    return covariance


def shape(helio: Floats) -> tuple[float, float, float]:
    """Return what tells a plausible orbit.

    Parameters
    ----------
    helio : (6,) float64
        Heliocentric state [au, au/d].

    Returns
    -------
    perihelion : float
        Perihelion distance [au].
    excess : float
        Speed far from the Sun [km/s]; 0 if it is bound.
    distance : float
        Distance from the Sun [au].
    """
    r = float(np.linalg.norm(helio[:3]))
    energy = float(helio[3:] @ helio[3:] / 2.0 - GM_SUN / r)
    spin = np.cross(helio[:3], helio[3:])
    p = float(spin @ spin) / GM_SUN
    e = np.sqrt(max(0.0, 1.0 + 2.0 * energy * p / GM_SUN))
    excess = np.sqrt(2.0 * energy) * 1731.45684 if energy > 0.0 else 0.0
    return p / (1.0 + e), float(excess), r
