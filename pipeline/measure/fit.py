"""Levenberg-Marquardt fits of many small models at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.forced.windows import Bools, Floats, Ints

#: Of parameters (m, p) of the models with given numbers (m,): values (m, q), derivatives (m, p, q).
Model = Callable[[Floats, Ints], tuple[Floats, Floats]]

_ITERATIONS = 20
#: Gain of a step in χ² that is none: the parameters are within 0.03σ.
_SMALL = 1e-3
#: Limits of what is taken of a step.
_SHORTEST, _LONGEST = 0.25, 2.0


@dataclass(frozen=True)
class Fit:
    """Fitted models.

    Attributes
    ----------
    parameters : ndarray, shape (n, p)
        Least squares.
    covariance : ndarray, shape (n, p, p)
        Of these estimates under the variance of the data; NaN where it is singular.
    residuals : ndarray, shape (n, q)
        Data - model.
    converged : ndarray of bool, shape (n,)
        No step made it better.
    """

    parameters: Floats
    covariance: Floats
    residuals: Floats
    converged: Bools


def fit_models(
    model: Model,
    start: Floats,
    data: Floats,
    weight: Floats,
    variance: Floats,
    with_last: Floats | None = None,
) -> Fit:
    """Minimise Σ weight (data - model)², about χ², for many models side by side.

    Parameters
    ----------
    model : callable
        The models and their derivatives.
    start : ndarray, shape (n, p)
        Where to start.
    data, weight, variance : ndarray, shape (n, q)
        Data, their weights (zero for what is not to count), and their variance, which the weights
        need not be the inverse of.
    with_last : ndarray, shape (n, q), optional
        Covariance of the data with the last of them, zero for that itself; all others are
        independent.

    Returns
    -------
    Fit
    """
    n = len(start)
    parameters = start.copy()
    everyone = np.arange(n)
    values, slopes = model(parameters, everyone)
    cost = (weight * (data - values) ** 2).sum(axis=1)
    damping, stride = np.full(n, 1e-3), np.ones(n)
    converged = np.zeros(n, np.bool_)
    for _ in range(_ITERATIONS):
        active = np.flatnonzero(~converged & (damping < 1e10))
        if not len(active):
            break
        normal, right = _normal(slopes[active], weight[active], (data - values)[active])
        step = _step(normal, right, damping[active])
        tried = parameters[active] + stride[active, np.newaxis] * step
        new_values, new_slopes = model(tried, active)
        new_cost = (weight[active] * (data[active] - new_values) ** 2).sum(axis=1)
        gain = cost[active] - new_cost
        better = np.isfinite(new_cost) & (gain >= 0)
        taken = active[better]
        parameters[taken] = tried[better]
        values[taken], slopes[taken], cost[taken] = (
            new_values[better],
            new_slopes[better],
            new_cost[better],
        )
        converged[taken] = gain[better] <= _SMALL
        damping[active] = np.where(better, 0.2 * damping[active], 8.0 * damping[active])
        damping = np.maximum(damping, 1e-9)
        expected = np.einsum("mi,mi->m", step, right)
        converged[active] |= expected <= _SMALL
        stride[active] = _next_stride(stride[active], expected, gain)
    normal, _ = _normal(slopes, weight, data - values)
    spread = (slopes * (weight**2 * variance)[:, np.newaxis]) @ slopes.transpose(0, 2, 1)
    if with_last is not None:
        one = np.einsum("npq,nq->np", slopes, weight * with_last)
        shared = one[:, :, np.newaxis] * (slopes[:, :, -1] * weight[:, -1:])[:, np.newaxis]
        spread = spread + shared + shared.transpose(0, 2, 1)
    return Fit(parameters, _sandwich(normal, spread), data - values, converged)


def _normal(slopes: Floats, weight: Floats, residual: Floats) -> tuple[Floats, Floats]:
    weighted = slopes * weight[:, np.newaxis]
    return weighted @ slopes.transpose(0, 2, 1), np.einsum("npq,nq->np", weighted, residual)


def _next_stride(stride: Floats, expected: Floats, gain: Floats) -> Floats:
    """Return the part of a step that would have been best, by the parabola through its gain.

    The ends of a faint trail have a likelihood that is half or twice as curved as the model's
    derivatives say: whole steps would go to and fro, or lag behind.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        best = stride**2 * expected / (2.0 * stride * expected - gain)
    rising = 2.0 * stride * expected <= gain
    best = np.where(rising, _LONGEST, np.where(np.isfinite(best), best, _SHORTEST))
    return np.clip(best, _SHORTEST, _LONGEST)


def _scaled(normal: Floats) -> tuple[Floats, Floats]:
    """Return matrices with unit diagonals, and the scales."""
    scale = np.sqrt(np.maximum(np.diagonal(normal, axis1=1, axis2=2), 1e-300))
    return normal / (scale[:, :, np.newaxis] * scale[:, np.newaxis]), scale


def _step(normal: Floats, right: Floats, damping: Floats) -> Floats:
    scaled, scale = _scaled(normal)
    scaled = np.where(np.isfinite(scaled), scaled, 0.0)
    damped = scaled + np.eye(normal.shape[1]) * (damping[:, np.newaxis, np.newaxis] + 1e-12)
    goal = np.nan_to_num(right / scale)[:, :, np.newaxis]
    return np.asarray(np.linalg.solve(damped, goal)[:, :, 0] / scale)


def _sandwich(normal: Floats, spread: Floats) -> Floats:
    """Return N⁻¹ S N⁻¹."""
    scaled, scale = _scaled(normal)
    known = np.isfinite(scaled).all(axis=(1, 2))
    scaled[~known] = 0.0
    known &= np.abs(np.linalg.det(scaled)) > 1e-12
    scaled[~known] = np.eye(normal.shape[1])
    inverse = np.linalg.inv(scaled) / (scale[:, :, np.newaxis] * scale[:, np.newaxis])
    found = inverse @ spread @ inverse
    found[~known] = np.nan
    return np.asarray(found)
