"""Weighted least squares of trend and harmonics of some frequencies, many light curves at once.

The model is that of LDM-151 §8.22.1, equations 1 and 2: a constant and ``y(t) = c t + Σ_i Σ_j
[a_ij sin(2π j f_i t) + b_ij cos(2π j f_i t)]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_HARMONICS = 4

RCOND = 1e-3
"""Combinations of columns whose singular value is below this share of the largest are left out.

Columns have unit weighted norm.  It keeps amplitudes finite where the cadence cannot tell two
columns apart, as a period of half a day from a constant in nightly data.
"""

_NEWTON_STEPS = 3


@dataclass(frozen=True)
class Curves:
    """Light curves of about the same number of points, padded to one length.

    Attributes
    ----------
    time : ndarray, shape (n_curves, n)
        Times from the first point [d]; what padding holds does not matter.
    value : ndarray, shape (n_curves, n)
        Fluxes.
    weight : ndarray, shape (n_curves, n)
        Weights; 0 for padding.
    """

    time: Floats
    value: Floats
    weight: Floats


@dataclass(frozen=True)
class Fit:
    """A fit of trend and harmonics.

    Attributes
    ----------
    coefficients : ndarray, shape (n_curves, 2 + 8 k)
        Constant; slope [1/d]; then, for each frequency and harmonic, a and b.
    residual : ndarray, shape (n_curves, n)
        What is left of the values.
    """

    coefficients: Floats
    residual: Floats

    def amplitudes(self, component: int) -> tuple[Floats, Floats]:
        """Return a and b of a component.

        Parameters
        ----------
        component : int
            Which, from 0.

        Returns
        -------
        a, b : ndarray, shape (n_curves, 4)
        """
        start = 2 + 2 * N_HARMONICS * component
        own = self.coefficients[:, start : start + 2 * N_HARMONICS]
        return own[:, 0::2], own[:, 1::2]


def fit(curves: Curves, frequencies: Floats) -> Fit:
    """Fit trend and harmonics at given frequencies.

    Parameters
    ----------
    curves : Curves
        The light curves.
    frequencies : ndarray, shape (n_curves, k)
        Frequencies of each [1/d]; k may be 0.

    Returns
    -------
    Fit
    """
    design = _design(curves, frequencies, np.ones_like(curves.time))
    root = np.sqrt(curves.weight)
    solved = _pseudo_solve(design * root[:, None, :], curves.value * root)
    return Fit(solved, curves.value - _times(solved, design))


def subtracted(curves: Curves, found: Fit, component: int, frequencies: Floats) -> Floats:
    """Return the values without the harmonics of one component.

    Parameters
    ----------
    curves : Curves
        The light curves.
    found : Fit
        A fit to them.
    component : int
        Which component, from 0.
    frequencies : ndarray, shape (n_curves, k)
        Frequencies of the fit [1/d].

    Returns
    -------
    ndarray, shape (n_curves, n)
    """
    a, b = found.amplitudes(component)
    own = _design(curves, frequencies[:, component : component + 1], np.ones_like(curves.time))
    harmonics = np.stack([a, b], axis=2).reshape(len(a), -1)
    return curves.value - _times(harmonics, own[:, 2:])


def refine(curves: Curves, frequencies: Floats, step: Floats) -> Floats:
    """Move frequencies from the grid to where the harmonics fit best, by Gauss-Newton.

    Parameters
    ----------
    curves : Curves
        The light curves.
    frequencies : ndarray, shape (n_curves, k)
        Frequencies on the grid [1/d].
    step : ndarray, shape (n_curves,)
        Step of the grid [1/d]: none moves farther than that.

    Returns
    -------
    ndarray, shape (n_curves, k)
        Refined ones; those of the grid where that fits worse.
    """
    low, high = frequencies - step[:, None], frequencies + step[:, None]
    best, best_chi2 = frequencies, np.full(len(frequencies), np.inf)
    current = frequencies
    root = np.sqrt(curves.weight)
    wanted = curves.value * root
    for step_number in range(_NEWTON_STEPS + 1):
        design = _design(curves, current, root)
        normal, right = design @ design.transpose(0, 2, 1), _products(design, wanted)
        found = _ridge_solve(normal, right)
        residual = wanted - _times(found, design)
        chi2 = np.einsum("bn,bn->b", residual, residual)
        better = chi2 < best_chi2
        best = np.where(better[:, None], current, best)
        best_chi2 = np.where(better, chi2, best_chi2)
        if step_number == _NEWTON_STEPS:
            break
        slopes = _by_frequency(curves, design, found)
        across = slopes @ design.transpose(0, 2, 1)
        own = slopes @ slopes.transpose(0, 2, 1)
        both = _ridge_solve(
            np.block([[normal, across.transpose(0, 2, 1)], [across, own]]),
            np.concatenate([right, _products(slopes, wanted)], axis=1),
        )
        current = np.clip(current + both[:, design.shape[1] :], low, high)
    return best


def _design(curves: Curves, frequencies: Floats, constant: Floats) -> Floats:
    """Return the columns: constant, time, then sine and cosine of each frequency and harmonic.

    They are rows here, shape (n_curves, 2 + 8 k, n): what is worked on lies side by side in memory.
    All are multiplied by the constant of each point, shape (n_curves, n).
    """
    n_curves, n = curves.time.shape
    k = frequencies.shape[1]
    design = np.empty((n_curves, 2 + 2 * N_HARMONICS * k, n))
    design[:, 0] = constant
    design[:, 1] = constant * curves.time
    # exact turns first: a phase of thousands of turns would lose digits in sin and cos
    angle = curves.time[:, None, :] * frequencies[:, :, None]
    angle -= np.floor(angle)
    angle *= 2.0 * np.pi
    sine, cosine = np.sin(angle), np.cos(angle, out=angle)
    waves = _by_harmonic(design)
    waves[:, :, 0, 0] = sine * constant[:, None, :]
    waves[:, :, 0, 1] = cosine * constant[:, None, :]
    for j in range(1, N_HARMONICS):
        before_sine, before_cosine = waves[:, :, j - 1, 0], waves[:, :, j - 1, 1]
        np.multiply(before_sine, cosine, out=waves[:, :, j, 0])
        waves[:, :, j, 0] += before_cosine * sine
        np.multiply(before_cosine, cosine, out=waves[:, :, j, 1])
        waves[:, :, j, 1] -= before_sine * sine
    return design


def _by_harmonic(design: Floats) -> Floats:
    """Return the waves of a design, a view of shape (n_curves, k, harmonics, 2, n)."""
    n_curves, n_columns, n = design.shape
    k = (n_columns - 2) // (2 * N_HARMONICS)
    return design[:, 2:].reshape(n_curves, k, N_HARMONICS, 2, n)


def _by_frequency(curves: Curves, design: Floats, found: Floats) -> Floats:
    """Return the derivative of the model by each frequency, shape (n_curves, k, n)."""
    waves = _by_harmonic(design)
    n_curves, k, _, _, n = waves.shape
    given = found[:, 2:].reshape(waves.shape[:-1])
    harmonic = np.arange(1, N_HARMONICS + 1)
    turned = np.stack([-harmonic * given[..., 1], harmonic * given[..., 0]], axis=-1)
    slopes = turned.reshape(n_curves, k, 1, -1) @ waves.reshape(n_curves, k, -1, n)
    return np.asarray(slopes[:, :, 0] * (2.0 * np.pi * curves.time[:, None, :]))


def _times(coefficients: Floats, columns: Floats) -> Floats:
    """Return sums of columns, shape (n_curves, n)."""
    return np.asarray((coefficients[:, None, :] @ columns)[:, 0])


def _products(columns: Floats, wanted: Floats) -> Floats:
    """Return the scalar product of each column with some values, shape (n_curves, p)."""
    return np.asarray((columns @ wanted[:, :, None])[:, :, 0])


def _pseudo_solve(columns: Floats, wanted: Floats) -> Floats:
    """Return the least-squares solution of least norm, small singular values left out."""
    scaled, norm = _scaled(columns @ columns.transpose(0, 2, 1))
    right = _products(columns, wanted) / norm
    solved, ill = _solve_well_conditioned(scaled, right)
    if ill.any():
        value, vector = np.linalg.eigh(scaled[ill])
        keep = value > (RCOND**2) * value[:, -1:]
        turned = _times(right[ill], vector) * np.where(keep, 1.0 / np.where(keep, value, 1.0), 0.0)
        solved[ill] = _products(vector, turned)
    return solved / norm


def _solve_well_conditioned(normal: Floats, right: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return solutions of normal equations, and which of them may be too ill-conditioned for it.

    A fourth of the time that eigenvalues take.  For columns of unit norm the largest is at most
    their number, and the smallest at least one over the norm of the inverse.
    """
    try:
        inverse: Floats = np.linalg.inv(normal).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:  # one of them is singular
        return np.empty_like(right), np.ones(len(right), bool)
    size = np.sqrt(np.einsum("bpq,bpq->b", inverse, inverse))
    well = size * (RCOND**2 * normal.shape[1]) < 1.0
    return _products(inverse, right), ~well


def _ridge_solve(normal: Floats, right: Floats) -> Floats:
    """Return a solution of normal equations that is safe against dependent columns, and quick."""
    scaled, norm = _scaled(normal)
    scaled += 1e-6 * np.eye(normal.shape[1])
    return np.asarray(np.linalg.solve(scaled, (right / norm)[:, :, None])[:, :, 0] / norm)


def _scaled(normal: Floats) -> tuple[Floats, Floats]:
    """Return normal equations for columns of unit norm, and the norms, shape (n_curves, p)."""
    norm = np.sqrt(np.einsum("bpp->bp", normal))
    norm[norm == 0.0] = 1.0
    return normal / (norm[:, :, None] * norm[:, None, :]), norm
