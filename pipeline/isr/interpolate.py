"""Small artefacts filled in, with the PSF as interpolant."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from pipeline.exposure import Image
from pipeline.psf import Psf

Floats = NDArray[np.float64]

_RADIUS = 3
_SIDE = 2 * _RADIUS + 1
#: Of the signal: less follows bright stars more closely, and makes faint ones noisier.
_NOISE = 0.001
_BLOCK = 512


def interpolate(
    image: Image, holes: NDArray[np.bool_], avoid: NDArray[np.bool_], psf: Psf, least: float
) -> tuple[Image, NDArray[np.bool_]]:
    """Predict pixels from their neighbours.

    What the sky looks like behind the PSF is a random field whose covariance is the
    autocorrelation of the PSF, around an unknown mean; the best linear prediction of a pixel from
    those within three pixels follows (ordinary kriging, as Photo's interpolation of Gaussian
    stars but in both directions).

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels.
    holes : ndarray of bool, shape (ny, nx)
        Pixels to fill.
    avoid : ndarray of bool, shape (ny, nx)
        Other pixels that say nothing.
    psf : Psf
        Model, if only a rough one.
    least : float
        Pixels stay as they are when less of the weight around them is on good pixels.

    Returns
    -------
    image : ndarray of float32, shape (ny, nx)
    filled : ndarray of bool, shape (ny, nx)
        Holes that were filled.
    """
    rows, columns = np.nonzero(holes)
    filled = np.zeros_like(holes)
    if not len(rows):
        return image, filled
    patterns = _patterns(~(holes | avoid), rows, columns)
    kinds, which = np.unique(patterns, return_inverse=True)
    weights, enough = _weights(kinds, psf, least)
    result = image.copy()
    _apply(image, result, rows, columns, weights.astype(np.float32)[which], enough[which])
    filled[rows, columns] = enough[which]
    return result, filled


@numba.njit(cache=True, nogil=True, parallel=True)
def _patterns(good, rows, columns):  # type: ignore[no-untyped-def]
    """Return which of the neighbours of pixels are good, one bit for each."""
    found = np.zeros(len(rows), dtype=np.uint64)
    ny, nx = good.shape
    for i in numba.prange(len(rows)):
        bit = np.uint64(1)
        bits = np.uint64(0)
        for dy in range(-_RADIUS, _RADIUS + 1):
            for dx in range(-_RADIUS, _RADIUS + 1):
                y, x = rows[i] + dy, columns[i] + dx
                if 0 <= y < ny and 0 <= x < nx and good[y, x]:
                    bits |= bit
                bit <<= np.uint64(1)
        found[i] = bits
    return found


@numba.njit(cache=True, nogil=True, parallel=True)
def _apply(image, result, rows, columns, weights, enough):  # type: ignore[no-untyped-def]
    """Write predictions; weights of pixels that are not used are zero."""
    for i in numba.prange(len(rows)):
        if not enough[i]:
            continue
        total = 0.0
        k = 0
        for dy in range(-_RADIUS, _RADIUS + 1):
            for dx in range(-_RADIUS, _RADIUS + 1):
                if weights[i, k] != 0.0:
                    total += weights[i, k] * image[rows[i] + dy, columns[i] + dx]
                k += 1
        result[rows[i], columns[i]] = total


def _weights(kinds: NDArray[np.uint64], psf: Psf, least: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return weights of the neighbours, shape (n, 49), and whether they are enough."""
    middle = psf.centre
    auto = fftconvolve(middle, middle[::-1, ::-1], mode="full")
    auto /= auto.max()
    zero = auto.shape[0] // 2
    at = np.arange(_SIDE * _SIDE)
    y, x = at // _SIDE, at % _SIDE
    reach = np.clip([y[:, None] - y, x[:, None] - x], -zero, zero)
    covariance = auto[zero + reach[0], zero + reach[1]]
    to_centre = covariance[len(at) // 2]
    good = ((kinds[:, np.newaxis] >> at.astype(np.uint64)) & np.uint64(1)).astype(bool)
    near = to_centre / (to_centre.sum() - to_centre[len(at) // 2])
    enough = (good * near).sum(axis=1) >= least
    weights = np.zeros((len(kinds), len(at)))
    for start in range(0, len(kinds), _BLOCK):
        part = slice(start, start + _BLOCK)
        weights[part] = _kriging(covariance, to_centre, good[part])
    return weights, enough


def _kriging(covariance: Floats, to_centre: Floats, good: NDArray[np.bool_]) -> Floats:
    """Solve for weights that predict the centre and add up to one."""
    n, size = good.shape
    system = np.zeros((n, size + 1, size + 1))
    both = good[:, :, np.newaxis] & good[:, np.newaxis]
    system[:, :size, :size] = np.where(both, covariance, 0.0)
    diagonal = np.arange(size)
    system[:, diagonal, diagonal] += np.where(good, _NOISE, 1.0)
    system[:, :size, size] = system[:, size, :size] = good
    system[:, size, size] = np.where(good.any(axis=1), 0.0, 1.0)
    right = np.concatenate([np.where(good, to_centre, 0.0), np.ones((n, 1))], axis=1)
    return np.asarray(np.linalg.solve(system, right[:, :, np.newaxis])[:, :size, 0])
