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
    design = _design(curves, frequencies)
    root = np.sqrt(curves.weight)[:, :, None]
    columns = design * root
    norm = np.sqrt(np.einsum("bnp,bnp->bp", columns, columns))
    norm[norm == 0.0] = 1.0
    columns /= norm[:, None, :]
    wanted = curves.value * root[:, :, 0]
    solved = _pseudo_solve(columns, wanted) / norm
    return Fit(solved, curves.value - np.einsum("bnp,bp->bn", design, solved))


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
    own = _design(curves, frequencies[:, component : component + 1])[:, :, 2:]
    harmonics = np.stack([a, b], axis=2).reshape(len(a), -1)
    left: Floats = curves.value - np.einsum("bnp,bp->bn", own, harmonics)
    return left


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
    n_linear = 2 + 2 * N_HARMONICS * frequencies.shape[1]
    low, high = frequencies - step[:, None], frequencies + step[:, None]
    best, best_chi2 = frequencies, np.full(len(frequencies), np.inf)
    current = frequencies
    root = np.sqrt(curves.weight)[:, :, None]
    for step_number in range(_NEWTON_STEPS + 1):
        design = _design(curves, current)
        found = _ridge_solve(design * root, curves.value * root[:, :, 0])
        residual = curves.value - np.einsum("bnp,bp->bn", design, found)
        chi2 = np.einsum("bn,bn,bn->b", residual, residual, curves.weight)
        better = chi2 < best_chi2
        best = np.where(better[:, None], current, best)
        best_chi2 = np.where(better, chi2, best_chi2)
        if step_number == _NEWTON_STEPS:
            break
        slopes = _by_frequency(curves, design, found)
        both = _ridge_solve(
            np.concatenate([design, slopes], axis=2) * root, curves.value * root[:, :, 0]
        )
        current = np.clip(current + both[:, n_linear:], low, high)
    return best


def _design(curves: Curves, frequencies: Floats) -> Floats:
    """Return the columns: constant, time, then sine and cosine of each frequency and harmonic."""
    n_curves, n = curves.time.shape
    k = frequencies.shape[1]
    design = np.empty((n_curves, n, 2 + 2 * N_HARMONICS * k))
    design[:, :, 0] = 1.0
    design[:, :, 1] = curves.time
    for i in range(k):
        # exact turns first: a phase of thousands of turns would lose digits in sin and cos
        turns = np.remainder(curves.time * frequencies[:, i : i + 1], 1.0)
        first = np.exp(2j * np.pi * turns)
        power = np.ones_like(first)
        for j in range(N_HARMONICS):
            power = power * first
            at = 2 + 2 * (N_HARMONICS * i + j)
            design[:, :, at] = power.imag
            design[:, :, at + 1] = power.real
    return design


def _by_frequency(curves: Curves, design: Floats, found: Floats) -> Floats:
    """Return the derivative of the model by each frequency, shape (n_curves, n, k)."""
    k = (design.shape[2] - 2) // (2 * N_HARMONICS)
    slopes = np.zeros((*curves.time.shape, k))
    for i in range(k):
        for j in range(N_HARMONICS):
            at = 2 + 2 * (N_HARMONICS * i + j)
            a, b = found[:, at, None], found[:, at + 1, None]
            slopes[:, :, i] += (j + 1) * (a * design[:, :, at + 1] - b * design[:, :, at])
        slopes[:, :, i] *= 2.0 * np.pi * curves.time
    return slopes


def _pseudo_solve(columns: Floats, wanted: Floats) -> Floats:
    """Return the least-squares solution of least norm, small singular values left out."""
    normal = np.einsum("bnp,bnq->bpq", columns, columns, optimize=True)
    right = np.einsum("bnp,bn->bp", columns, wanted)
    value, vector = np.linalg.eigh(normal)
    keep = value > (RCOND**2) * value[:, -1:]
    inverse = np.where(keep, 1.0 / np.where(keep, value, 1.0), 0.0)
    turned = np.einsum("bpq,bp->bq", vector, right) * inverse
    return np.asarray(np.einsum("bpq,bq->bp", vector, turned))


def _ridge_solve(columns: Floats, wanted: Floats) -> Floats:
    """Return a least-squares solution that is safe against dependent columns, and quick."""
    norm = np.sqrt(np.einsum("bnp,bnp->bp", columns, columns))
    norm[norm == 0.0] = 1.0
    scaled: Floats = columns / norm[:, None, :]
    normal = scaled.transpose(0, 2, 1) @ scaled
    normal += 1e-6 * np.eye(normal.shape[1])
    right = np.einsum("bnp,bn->bp", scaled, wanted)
    solved: Floats = np.linalg.solve(normal, right[:, :, None])[:, :, 0] / norm
    return solved
