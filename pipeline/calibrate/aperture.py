"""Aperture fluxes, and what part of the flux the PSF misses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray

from pipeline.calibrate.psf_model import order_for
from pipeline.exposure import Image
from pipeline.psf import n_terms, terms

Floats = NDArray[np.float64]
_BEYOND = 0.03
_SIGNIFICANT = 9.0


@dataclass(frozen=True)
class ApertureCorrection:
    """Flux in a wide aperture over flux fitted with the PSF, a polynomial of the position.

    Attributes
    ----------
    coefficients : ndarray, shape (n_terms,)
        Of Chebyshev polynomials as in `pipeline.psf.terms`.
    covariance : ndarray, shape (n_terms, n_terms)
        Their covariance.
    order : int
        Degree.
    size : tuple of int
        Columns and rows of the image.
    stars : int
        Stars that it comes from; 0 if there were none, and then it is 1 ± 0.
    """

    coefficients: Floats
    covariance: Floats
    order: int
    size: tuple[int, int]
    stars: int

    def at(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the correction and its error.

        Parameters
        ----------
        x, y : ndarray, shape (n,)
            Positions [pixel].

        Returns
        -------
        value, error : ndarray, shape (n,)
        """
        design = terms(x, y, self.order, self.size)
        error = np.sqrt(np.einsum("ni,ij,nj->n", design, self.covariance, design))
        return design @ self.coefficients, error

    def relative(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the correction over that of the centre, which a zero point has in it.

        Parameters
        ----------
        x, y : ndarray, shape (n,)
            Positions [pixel].

        Returns
        -------
        value, error : ndarray, shape (n,)
        """
        columns, rows = self.size
        middle = terms(0.5 * (columns - 1), 0.5 * (rows - 1), self.order, self.size)
        away = terms(x, y, self.order, self.size) - middle
        value = self.centre[0]
        error = np.sqrt(np.einsum("ni,ij,nj->n", away, self.covariance, away))
        return 1.0 + away @ self.coefficients / value, error / value

    @property
    def centre(self) -> tuple[float, float]:
        """Correction and error at the centre of the image."""
        value, error = self.at(*(np.array([0.5 * (side - 1)]) for side in self.size))
        return float(value[0]), float(error[0])


def aperture_flux(
    image: Image, variance: Image, bad: NDArray[np.bool_], x: Floats, y: Floats, radius: float
) -> tuple[Floats, Floats]:
    """Sum the flux in circles; bad pixels are replaced by the mean of the others.

    Parameters
    ----------
    image, variance : ndarray of float32, shape (ny, nx)
        Pixels without background, and their variance.
    bad : ndarray of bool, shape (ny, nx)
        Pixels that are not used.
    x, y : ndarray, shape (n,)
        Centres [pixel].
    radius : float
        Of the circles [pixel].

    Returns
    -------
    flux, flux_err : ndarray, shape (n,)
    """
    flux, error, _ = sep.sum_circle(image, x, y, radius, var=variance, mask=bad, subpix=5)
    return np.asarray(flux), np.asarray(error)


def aperture_correction(
    ratio: Floats,
    error: Floats,
    x: Floats,
    y: Floats,
    size: tuple[int, int],
    *,
    order: int = 1,
    per_term: float = 10.0,
) -> ApertureCorrection:
    """Fit the ratios of aperture to PSF flux of stars, outliers clipped.

    Parameters
    ----------
    ratio, error : ndarray, shape (n,)
        Aperture flux over PSF flux, and the error.
    x, y : ndarray, shape (n,)
        Positions [pixel].
    size : tuple of int
        Columns and rows of the image.
    order : int
        Highest degree.
    per_term : float
        Stars needed per term.

    Returns
    -------
    ApertureCorrection
        Its covariance is scaled by the scatter of the stars.
    """
    known = np.isfinite(ratio) & np.isfinite(error) & (error > 0)
    if not known.any():
        return ApertureCorrection(np.ones(1), np.zeros((1, 1)), 0, size, 0)
    ratio, x, y = ratio[known], x[known], y[known]
    error = np.hypot(error[known], 0.002)
    found = _fitted(ratio, error, x, y, size, order_for(len(ratio), order, per_term))
    if found.order:
        # A slope that is no more than noise would only add it to all fluxes.
        slopes, covariance = found.coefficients[1:], found.covariance[1:, 1:]
        if slopes @ np.linalg.solve(covariance, slopes) < _SIGNIFICANT * len(slopes):
            return _fitted(ratio, error, x, y, size, 0)
    return found


def _fitted(
    ratio: Floats, error: Floats, x: Floats, y: Floats, size: tuple[int, int], degree: int
) -> ApertureCorrection:
    """Fit a polynomial, outliers clipped."""
    design = terms(x, y, degree, size)
    use = np.ones(len(ratio), bool)
    for _ in range(4):
        weighted = design[use] / error[use, np.newaxis]
        # Beyond the model of the PSF there is little light: few faint stars cannot say otherwise.
        known_before = np.zeros(design.shape[1])
        known_before[0] = 1.0 / _BEYOND**2
        inverse = np.linalg.inv(weighted.T @ weighted + np.diag(known_before))
        found = inverse @ (weighted.T @ (ratio[use] / error[use]) + known_before)
        pull = (ratio - design @ found) / error
        middle = np.median(pull)
        spread = max(1.0, float(1.4826 * np.median(np.abs(pull - middle))))
        use = np.abs(pull - middle) < 3.0 * spread
    free = max(int(use.sum()) - n_terms(degree), 1)
    scale = max(1.0, float(np.sum(pull[use] ** 2)) / free)
    return ApertureCorrection(
        np.asarray(found, np.float64),
        np.asarray(inverse * scale, np.float64),
        degree,
        size,
        int(use.sum()),
    )
