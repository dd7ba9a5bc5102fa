"""Flux and position of point sources: least squares with the PSF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.calibrate.fit_kernels import fit_stamps, shifted_stamps
from pipeline.calibrate.kernels import add, cut
from pipeline.exposure import Image
from pipeline.psf import Psf, terms

Floats = NDArray[np.float64]
_BLOCK = 4096


@dataclass(frozen=True)
class PointFits:
    """What the fit of a PSF found.

    Attributes
    ----------
    x, y : ndarray, shape (n,)
        Positions [pixel].
    flux : ndarray, shape (n,)
        Fluxes, in the unit of the image; NaN where no pixels are.
    x_err, y_err, flux_err : ndarray, shape (n,)
        Errors, one sigma.
    chi2 : ndarray, shape (n,)
        Reduced χ² of the pixels.
    good : ndarray, shape (n,)
        Part of the PSF that falls on usable pixels.
    """

    x: Floats
    y: Floats
    flux: Floats
    x_err: Floats
    y_err: Floats
    flux_err: Floats
    chi2: Floats
    good: Floats


def fit_points(
    image: Image,
    variance: Image,
    bad: NDArray[np.bool_],
    psf: Psf,
    x: Floats,
    y: Floats,
    flux: Floats,
    *,
    rounds: int = 3,
    fixed: bool = False,
) -> PointFits:
    """Fit position and flux of every source, others taken off as they were fitted the round before.

    All usable pixels have the same weight, so that an error of the PSF does not bias bright stars
    otherwise than faint ones; the errors are those that the variance leads to.

    Parameters
    ----------
    image, variance : ndarray of float32, shape (ny, nx)
        Pixels without background, and their variance.
    bad : ndarray of bool, shape (ny, nx)
        Pixels that are not used.
    psf : Psf
        Model.
    x, y, flux : ndarray, shape (n,)
        First guess.
    rounds : int
        Rounds.
    fixed : bool
        Whether the positions stay.

    Returns
    -------
    PointFits
    """
    at = np.stack([x, y]).astype(np.float64)
    flux = np.array(flux, np.float64)
    origin = at.copy()
    limit = max(1.0, 0.5 * psf.fwhm)
    found = np.full((len(flux), 8), np.nan)
    for _ in range(rounds):
        column, row = np.rint(at).astype(np.int64)
        stamps = point_stamps(psf, *at)
        residual = image.copy()
        add(residual, stamps, column, row, -flux)
        found = fit_stamps(residual, variance, bad, stamps, column, row, flux, fixed)
        # Sources that lost their pixels stay in the model as they were.
        flux = np.where(np.isfinite(found[:, 0]), found[:, 0], flux)
        at += np.clip(np.nan_to_num(found[:, 1:3].T), -0.5, 0.5)
        at = origin + np.clip(at - origin, -limit, limit)
    errors = found[:, 3:6].T
    return PointFits(at[0], at[1], found[:, 0], errors[1], errors[2], errors[0], *found[:, 6:].T)


def point_stamps(psf: Psf, x: Floats, y: Floats) -> NDArray[np.float32]:
    """Return the PSF of sources as the pixels around them see it: `Psf.stamps`, but faster.

    Parameters
    ----------
    psf : Psf
        Model.
    x, y : ndarray, shape (n,)
        Positions [pixel].

    Returns
    -------
    ndarray of float32, shape (n, k, k)
    """
    weights = (terms(x, y, psf.order, psf.size) @ psf.coefficients.T).astype(np.float32)
    basis = psf.basis.astype(np.float32)
    return np.asarray(shifted_stamps(basis, weights, x - np.rint(x), y - np.rint(y)))


def model_image(psf: Psf, x: Floats, y: Floats, flux: Floats, shape: tuple[int, ...]) -> Image:
    """Draw point sources.

    Parameters
    ----------
    psf : Psf
        Model.
    x, y, flux : ndarray, shape (n,)
        Sources.
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
    """
    drawn = np.zeros(shape, np.float32)
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        column, row = (np.rint(v[part]).astype(np.int64) for v in (x, y))
        stamps = point_stamps(psf, x[part], y[part])
        add(drawn, stamps, column, row, flux[part].astype(np.float64))
    return drawn


def cut_outside(
    bad: NDArray[np.bool_], x: NDArray[np.int64], y: NDArray[np.int64], half: int
) -> Floats:
    """Cut stamps of a mask, on which what is beyond the border is bad, too.

    Parameters
    ----------
    bad : ndarray of bool, shape (ny, nx)
        Mask.
    x, y : ndarray of int64, shape (n,)
        Middle pixels.
    half : int
        Pixels on either side of them.

    Returns
    -------
    ndarray of float64, shape (n, 2 half + 1, 2 half + 1)
        1 where bad or outside, 0 elsewhere.
    """
    inside = cut(~bad, x, y, half)
    return np.asarray(1.0 - inside.astype(np.float64))
