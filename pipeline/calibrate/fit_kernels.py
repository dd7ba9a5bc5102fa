"""Compiled fits of the PSF."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _shift_matrix(by, k):  # type: ignore[no-untyped-def]
    """Return the matrix that shifts a periodic sequence of odd length: the Dirichlet kernel."""
    line = np.empty(2 * k - 1, dtype=np.float32)
    for i in range(2 * k - 1):
        distance = i - (k - 1) - by
        below = np.sin(np.pi * distance / k)
        if abs(below) < 1e-12:
            line[i] = np.cos(np.pi * distance) / np.cos(np.pi * distance / k)
        else:
            line[i] = np.sin(np.pi * distance) / (k * below)
    matrix = np.empty((k, k), dtype=np.float32)
    for i in range(k):
        for j in range(k):
            matrix[i, j] = line[i - j + k - 1]
    return matrix


@numba.njit(cache=True, nogil=True, fastmath=True)
def _summed(basis, weights):  # type: ignore[no-untyped-def]
    """Return the sum of images, of unit sum itself."""
    k = basis.shape[1]
    image = np.zeros((k, k), dtype=np.float32)
    for m in range(len(basis)):
        for row in range(k):
            for column in range(k):
                image[row, column] += weights[m] * basis[m, row, column]
    return image / np.sum(image)


@numba.njit(cache=True, nogil=True, parallel=True)
def shifted_stamps(basis, weights, dx, dy):  # type: ignore[no-untyped-def]
    """Add up basis images, scale them to unit sum, and shift them by fractions of a pixel.

    The same as `Psf.stamps`, in single precision and compiled.

    Parameters
    ----------
    basis : ndarray of float32, shape (m, k, k)
        Images with odd sides.
    weights : ndarray of float32, shape (n, m)
        Of each image for each source.
    dx, dy : ndarray of float64, shape (n,)
        Towards larger x and y [pixel].

    Returns
    -------
    ndarray of float32, shape (n, k, k)
    """
    n, k = len(weights), basis.shape[1]
    found = np.zeros((n, k, k), dtype=np.float32)
    for s in numba.prange(n):
        in_x, in_y = _shift_matrix(dx[s], k), _shift_matrix(dy[s], k)
        found[s] = in_y @ _summed(basis, weights[s]) @ in_x.T
    return found


@numba.njit(cache=True, nogil=True)
def _inverse(a):  # type: ignore[no-untyped-def]
    """Return the inverse of a symmetric 3 × 3 matrix."""
    inverse = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            p, q = (i + 1) % 3, (i + 2) % 3
            r, t = (j + 1) % 3, (j + 2) % 3
            inverse[j, i] = a[p, r] * a[q, t] - a[p, t] * a[q, r]
    return inverse / (a[0, 0] * inverse[0, 0] + a[0, 1] * inverse[1, 0] + a[0, 2] * inverse[2, 0])


@numba.njit(cache=True, nogil=True)
def _design(stamp, i, j, d):  # type: ignore[no-untyped-def]
    """Write the PSF and its derivatives by the position of the source at a pixel."""
    last = len(stamp) - 1
    left, over = max(j - 1, 0), min(j + 1, last)
    below, above = max(i - 1, 0), min(i + 1, last)
    d[0] = stamp[i, j]
    d[1] = -(stamp[i, over] - stamp[i, left]) / (over - left)
    d[2] = -(stamp[above, j] - stamp[below, j]) / (above - below)


@numba.njit(cache=True, nogil=True)
def _sums(residual, variance, bad, stamp, column, row, flux):  # type: ignore[no-untyped-def]
    """Return normal matrix, its noise, right side, part of the PSF on good pixels, their number."""
    normal, noise, right, d = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros(3), np.zeros(3)
    half = len(stamp) // 2
    ny, nx = residual.shape
    good, count = 0.0, 0
    for i in range(max(0, half - row), min(len(stamp), ny - row + half)):
        for j in range(max(0, half - column), min(len(stamp), nx - column + half)):
            y, x = row + i - half, column + j - half
            if bad[y, x]:
                continue
            _design(stamp, i, j, d)
            value = residual[y, x] + flux * d[0]
            good += d[0]
            count += 1
            for a in range(3):
                right[a] += d[a] * value
                for b in range(3):
                    normal[a, b] += d[a] * d[b]
                    noise[a, b] += d[a] * d[b] * variance[y, x]
    return normal, noise, right, good, count


@numba.njit(cache=True, nogil=True)
def _chi2(residual, variance, bad, stamp, column, row, excess):  # type: ignore[no-untyped-def]
    """Return χ² of the pixels, after the fit changed the drawn source by `excess`."""
    d = np.zeros(3)
    half = len(stamp) // 2
    ny, nx = residual.shape
    total = 0.0
    for i in range(max(0, half - row), min(len(stamp), ny - row + half)):
        for j in range(max(0, half - column), min(len(stamp), nx - column + half)):
            y, x = row + i - half, column + j - half
            if bad[y, x]:
                continue
            _design(stamp, i, j, d)
            left = residual[y, x] - excess[0] * d[0] - excess[1] * d[1] - excess[2] * d[2]
            total += left**2 / max(variance[y, x], 1e-30)
    return total


@numba.njit(cache=True, nogil=True, parallel=True)
def fit_stamps(residual, variance, bad, stamps, column, row, flux, fixed):  # type: ignore[no-untyped-def]
    """Fit flux and shift of sources that were drawn and taken off.

    Parameters
    ----------
    residual, variance : ndarray of float32, shape (ny, nx)
        Pixels without all sources as they were drawn, and their variance.
    bad : ndarray of bool, shape (ny, nx)
        Pixels that are not used.
    stamps : ndarray of float32, shape (n, k, k)
        PSF of each source, of unit sum.
    column, row : ndarray of int64, shape (n,)
        Where the middle pixels of the stamps lie.
    flux : ndarray of float64, shape (n,)
        Fluxes as drawn.
    fixed : bool
        Whether only the flux is fitted.

    Returns
    -------
    ndarray of float64, shape (n, 8)
        flux, shift in x, shift in y, their errors in the same order, χ² per degree of freedom,
        part of the PSF on usable pixels.
    """
    n = len(stamps)
    found = np.full((n, 8), np.nan)
    for s in numba.prange(n):
        place = stamps[s], column[s], row[s]
        normal, noise, right, good, count = _sums(residual, variance, bad, *place, flux[s])
        found[s, 7] = good
        scale = normal[0, 0]
        if not scale > 1e-12:
            continue
        for i in range(1, 3):
            if fixed or normal[i, i] <= 1e-9 * scale:
                normal[i, :] = 0.0
                normal[:, i] = 0.0
                normal[i, i] = scale
                noise[i, :] = 0.0
                noise[:, i] = 0.0
                right[i] = 0.0
        inverse = _inverse(normal)
        solved = inverse @ right
        covariance = inverse @ noise @ inverse
        found[s, 0], found[s, 3] = solved[0], np.sqrt(covariance[0, 0])
        for i in range(1, 3):
            # A shift is only known for sources that have flux.
            found[s, i] = solved[i] / solved[0] if solved[0] > 0 else 0.0
            found[s, 3 + i] = np.sqrt(covariance[i, i]) / abs(solved[0])
        solved[0] -= flux[s]
        chi2 = _chi2(residual, variance, bad, *place, solved)
        found[s, 6] = chi2 / max(count - (1 if fixed else 3), 1)
    return found
