"""Flux and position of point sources: least squares with the PSF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.calibrate.kernels import add, cut
from pipeline.exposure import Image
from pipeline.psf import Psf

Floats = NDArray[np.float64]
_BLOCK = 1024
_TINY = 1e-12


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
    state = np.stack([x, y, flux]).astype(np.float64)
    origin = state[:2].copy()
    limit = max(1.0, 0.5 * psf.fwhm)
    for turn in range(rounds):
        last = turn == rounds - 1
        residual = image - model_image(psf, *state, shape=image.shape) if len(x) else image
        parts = [
            _fit_block(residual, variance, bad, psf, state[:, at : at + _BLOCK], fixed, last)
            for at in range(0, max(len(x), 1), _BLOCK)
        ]
        found = np.concatenate(parts, axis=1)
        step = found[1:3] - state[:2]
        state[:2] += np.clip(step, -0.5, 0.5)
        state[:2] = origin + np.clip(state[:2] - origin, -limit, limit)
        # Sources that lost their pixels keep the guess in the model.
        state[2] = np.where(np.isfinite(found[0]), found[0], state[2])
    return PointFits(state[0], state[1], found[0], *found[3:6][[1, 2, 0]], found[6], found[7])


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
        at = [np.rint(v[part]).astype(np.int64) for v in (x, y)]
        add(drawn, psf.stamps(x[part], y[part]), *at, flux[part].astype(np.float64))
    return drawn


def _fit_block(
    residual: Image,
    variance: Image,
    bad: NDArray[np.bool_],
    psf: Psf,
    state: Floats,
    fixed: bool,
    errors: bool,
) -> Floats:
    """Return flux, x, y, flux_err, x_err, y_err, chi2, good of some sources; shape (8, n)."""
    x, y, flux = state
    middle = [np.rint(v).astype(np.int64) for v in (x, y)]
    stamps = psf.stamps(x, y)
    n = len(x)
    weight = (1.0 - cut_outside(bad, *middle, psf.half)).reshape(n, -1)
    slope_y, slope_x = np.gradient(stamps, axis=(1, 2)) if n else (stamps, stamps)
    # d psf / dx = -(slope along x), times the flux; solved for flux and for flux × shift.
    columns = [stamps] if fixed else [stamps, -slope_x, -slope_y]
    design = np.stack([c.reshape(n, -1) for c in columns], axis=1)
    data = cut(residual, *middle, psf.half).reshape(n, -1)
    data = data + flux[:, np.newaxis] * stamps.reshape(n, -1)
    weighted = design * weight[:, np.newaxis]
    normal = weighted @ design.transpose(0, 2, 1)
    scale = np.trace(normal, axis1=1, axis2=2)[:, np.newaxis, np.newaxis]
    empty = scale[:, 0, 0] <= _TINY
    normal = normal + (1e-10 * scale + empty[:, np.newaxis, np.newaxis]) * np.eye(len(columns))
    inverse = np.linalg.inv(normal)
    solved = np.einsum("nij,njp,np->ni", inverse, weighted, data, optimize=True)
    found = np.full((8, n), np.nan)
    found[0], found[1], found[2] = solved[:, 0], x, y
    if not fixed:
        # A shift is only known for sources that have flux.
        safe = np.where(solved[:, 0] > 0, solved[:, 0], np.inf)
        found[1:3] += solved[:, 1:].T / safe
    if errors:
        noise = cut(variance, *middle, psf.half).reshape(n, 1, -1).astype(np.float64)
        covariance = inverse @ ((weighted * noise) @ weighted.transpose(0, 2, 1)) @ inverse
        sigmas = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)).T
        found[3] = sigmas[0]
        if not fixed:
            found[4:6] = sigmas[1:] / np.abs(solved[:, 0])
        left = data - np.einsum("ni,nip->np", solved, design)
        usable = weight / np.maximum(noise[:, 0], _TINY)
        count = np.maximum(weight.sum(axis=1) - len(columns), 1.0)
        found[6] = np.sum(left**2 * usable, axis=1) / count
    found[7] = np.sum(weight * stamps.reshape(n, -1), axis=1)
    found[:7, empty] = np.nan
    found[1:3, empty] = state[:2, empty]
    return found


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
    return 1.0 - inside.astype(np.float64)
