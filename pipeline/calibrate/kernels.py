"""Compiled loops over sources and pixels."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MAX_ROUNDS = 40


@numba.njit(cache=True, nogil=True, parallel=True, fastmath=True)
def smooth(image, line):  # type: ignore[no-untyped-def]
    """Convolve an image with a symmetric separable kernel; beyond the border it is zero.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels.
    line : ndarray of float32, shape (k,)
        Kernel along each axis, k odd.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
    """
    ny, nx = image.shape
    half = len(line) // 2
    between = np.zeros_like(image)
    found = np.zeros_like(image)
    for row in numba.prange(ny):
        for i in range(len(line)):
            source = row + i - half
            if 0 <= source < ny:
                for column in range(nx):
                    between[row, column] += line[i] * image[source, column]
    for row in numba.prange(ny):
        for i in range(len(line)):
            by = i - half
            for column in range(max(0, -by), min(nx, nx - by)):
                found[row, column] += line[i] * between[row, column + by]
    return found


@numba.njit(cache=True, nogil=True)
def _weighted(image, bad, x, y, inverse, reach):  # type: ignore[no-untyped-def]
    """Return Gaussian-weighted sums: flux, x, y, xx, yy, xy, weight², and bad pixels near it."""
    sums = np.zeros(8)
    ny, nx = image.shape
    for row in range(max(0, int(y - reach)), min(ny, int(y + reach) + 2)):
        for column in range(max(0, int(x - reach)), min(nx, int(x + reach) + 2)):
            dx, dy = column - x, row - y
            rho = inverse[0] * dx * dx + 2 * inverse[2] * dx * dy + inverse[1] * dy * dy
            if rho > 16.0:
                continue
            weight = np.exp(-0.5 * rho)
            if bad[row, column]:
                sums[7] += weight
                continue
            value = weight * image[row, column]
            sums[0] += value
            sums[1] += value * dx
            sums[2] += value * dy
            sums[3] += value * dx * dx
            sums[4] += value * dy * dy
            sums[5] += value * dx * dy
            sums[6] += weight * weight
    return sums


@numba.njit(cache=True, nogil=True)
def _adapt(image, bad, x, y, sigma):  # type: ignore[no-untyped-def]
    """Return x, y, ixx, iyy, ixy, flux, weight of bad pixels, whether it converged."""
    start_x, start_y = x, y
    moments = np.array([sigma * sigma, sigma * sigma, 0.0])
    limit = 6.0 * sigma
    flux, spoiled = 0.0, 0.0
    for _ in range(_MAX_ROUNDS):
        determinant = moments[0] * moments[1] - moments[2] ** 2
        inverse = np.array([moments[1], moments[0], -moments[2]]) / determinant
        reach = min(4.0 * np.sqrt(max(moments[0], moments[1])), 2.0 * limit)
        sums = _weighted(image, bad, x, y, inverse, reach)
        spoiled = sums[7] / (2 * np.pi * np.sqrt(determinant))
        if sums[0] <= 0.0:
            return x, y, np.nan, np.nan, np.nan, np.nan, spoiled, 0.0
        dx, dy = sums[1] / sums[0], sums[2] / sums[0]
        wanted = np.empty(3)
        wanted[0] = 2 * (sums[3] / sums[0] - dx * dx)
        wanted[1] = 2 * (sums[4] / sums[0] - dy * dy)
        wanted[2] = 2 * (sums[5] / sums[0] - dx * dy)
        # The flux of the Gaussian that the weighted sum belongs to.
        flux = 2.0 * sums[0]
        x += 2.0 * min(max(dx, -1.0), 1.0)
        y += 2.0 * min(max(dy, -1.0), 1.0)
        floor = 0.04 * sigma * sigma
        lost = wanted[0] < floor or wanted[1] < floor or wanted[0] > limit**2
        lost = lost or wanted[1] > limit**2 or wanted[0] * wanted[1] <= 1.05 * wanted[2] ** 2
        if lost or abs(x - start_x) > limit or abs(y - start_y) > limit:
            return start_x, start_y, np.nan, np.nan, np.nan, np.nan, spoiled, 0.0
        change = abs(wanted[0] - moments[0]) + abs(wanted[1] - moments[1])
        moments = wanted
        if change < 1e-3 * (moments[0] + moments[1]) and abs(dx) + abs(dy) < 1e-4 * sigma:
            return x, y, moments[0], moments[1], moments[2], flux, spoiled, 1.0
    return x, y, moments[0], moments[1], moments[2], flux, spoiled, 0.0


@numba.njit(cache=True, nogil=True, parallel=True)
def adaptive_moments(image, bad, x, y, sigma):  # type: ignore[no-untyped-def]
    """Measure sources with an elliptical Gaussian weight that adapts to each.

    Bernstein & Jarvis 2002, AJ 123, 583; Hirata & Seljak 2003, MNRAS 343, 459.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels without background.
    bad : ndarray of bool, shape (ny, nx)
        Left out of the sums.
    x, y : ndarray of float64, shape (n,)
        First positions [pixel].
    sigma : float
        First width [pixel].

    Returns
    -------
    ndarray of float64, shape (n, 8)
        x, y, ixx, iyy, ixy, flux of the Gaussian, part of the weight on bad pixels, and 1 if it
        converged; NaN where nothing is.
    """
    found = np.empty((len(x), 8))
    for i in numba.prange(len(x)):
        one = _adapt(image, bad, x[i], y[i], sigma)
        for j in range(8):
            found[i, j] = one[j]
    return found


@numba.njit(cache=True, nogil=True, parallel=True)
def cut(image, x, y, half):  # type: ignore[no-untyped-def]
    """Cut stamps; beyond the border they are zero.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Pixels.
    x, y : ndarray of int64, shape (n,)
        Middle pixels.
    half : int
        Pixels on either side of them.

    Returns
    -------
    ndarray, shape (n, 2 half + 1, 2 half + 1)
        Of the type of the image.
    """
    side = 2 * half + 1
    found = np.zeros((len(x), side, side), dtype=image.dtype)
    ny, nx = image.shape
    for i in numba.prange(len(x)):
        for row in range(side):
            source = y[i] - half + row
            if 0 <= source < ny:
                for column in range(side):
                    at = x[i] - half + column
                    if 0 <= at < nx:
                        found[i, row, column] = image[source, at]
    return found


@numba.njit(cache=True, nogil=True)
def add(image, stamps, x, y, scale):  # type: ignore[no-untyped-def]
    """Add scaled stamps to an image, in place.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Changed.
    stamps : ndarray of float64, shape (n, k, k)
        With odd sides.
    x, y : ndarray of int64, shape (n,)
        Where their middle pixels come to lie.
    scale : ndarray of float64, shape (n,)
        Factors.
    """
    ny, nx = image.shape
    half = stamps.shape[1] // 2
    for i in range(len(x)):
        for row in range(max(0, y[i] - half), min(ny, y[i] + half + 1)):
            for column in range(max(0, x[i] - half), min(nx, x[i] + half + 1)):
                value = stamps[i, row - y[i] + half, column - x[i] + half]
                image[row, column] += scale[i] * value


@numba.njit(cache=True, nogil=True, parallel=True)
def grown(mask, by):  # type: ignore[no-untyped-def]
    """Grow what is set in a mask by a square, each of its bits by itself.

    Parameters
    ----------
    mask : ndarray of bool or uint32, shape (ny, nx)
        Mask.
    by : int
        Half of the side of the square [pixel].

    Returns
    -------
    ndarray of the kind of mask, shape (ny, nx)
    """
    ny, nx = mask.shape
    wide = np.zeros_like(mask)
    some = np.zeros(ny, np.bool_)
    found = np.zeros_like(mask)
    for row in numba.prange(ny):
        for column in range(nx):
            value = mask[row, column]
            if value:
                some[row] = True
                for near in range(max(0, column - by), min(nx, column + by + 1)):
                    wide[row, near] |= value
    for row in numba.prange(ny):
        for source in range(max(0, row - by), min(ny, row + by + 1)):
            if some[source]:
                for column in range(nx):
                    found[row, column] |= wide[source, column]
    return found
