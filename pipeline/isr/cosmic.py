"""Cosmic rays by their sharp edges, looked for only where edges are sharp."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.calibrate.kernels import grown
from pipeline.exposure import Image

_SAMPLE = 1_000_000
_LEAST_CONTRAST = 0.01


def cosmic_rays(
    image: Image,
    variance: Image,
    masked: NDArray[np.bool_],
    *,
    sigma: float,
    fraction: float,
    contrast: float,
    rounds: int,
) -> NDArray[np.bool_]:
    """Find cosmic rays with L.A.Cosmic (van Dokkum 2001, PASP 113, 1420).

    The same tests as astroscrappy's, but the medians are only taken where the Laplacian is large
    enough for a cosmic ray, which makes it an order of magnitude faster; and the noise is the
    median around each pixel, not that of the pixel, whose variance has the cosmic ray in it.

    Parameters
    ----------
    image, variance : ndarray of float32, shape (ny, nx)
        Pixels with the sky, and their variance.
    masked : ndarray of bool, shape (ny, nx)
        Pixels that are not looked at.
    sigma : float
        Limit of the Laplacian over the noise.
    fraction : float
        Neighbours of cosmic rays count above this part of the limit.
    contrast : float
        Least ratio of Laplacian and fine structure, which stars have, too.
    rounds : int
        How often to look again beside what was found.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
    """
    step = max(1, int(np.sqrt(image.size / _SAMPLE)))
    known = variance[::step, ::step][(~masked & (variance > 0))[::step, ::step]]
    hits = np.zeros(image.shape, bool)
    if not known.size:
        return hits
    # The noise is hardly anywhere lower; what is below this everywhere is below the limit.
    lowest = 0.8 * float(np.sqrt(np.percentile(known, 2)))
    limit = 2.0 * sigma * lowest
    clean, hidden = image, masked
    where = _sharp(clean, hidden, ~masked, limit)
    for _ in range(rounds):
        rows, columns = np.nonzero(where)
        found = _tested(clean, variance, hidden, rows, columns, sigma, contrast)
        new = np.zeros_like(hits)
        new[rows, columns] = found
        new &= ~hits
        if not new.any():
            break
        new = _with_neighbours(clean, variance, hidden, new, sigma)
        new = _with_neighbours(clean, variance, hidden, new, sigma * fraction)
        hits |= new
        near = grown(new, 3)
        hidden = masked | hits
        where = _sharp(clean, hidden, near, limit)
    return hits


@numba.njit(cache=True, nogil=True)
def _laplacian(image, masked, row, column):  # type: ignore[no-untyped-def]
    """Return the positive Laplacian of the image on half pixels, averaged over the pixel."""
    ny, nx = image.shape
    here = image[row, column]
    around = np.empty(4)
    for k, (dy, dx) in enumerate(((0, -1), (0, 1), (-1, 0), (1, 0))):
        y, x = row + dy, column + dx
        inside = 0 <= y < ny and 0 <= x < nx and not masked[y, x]
        around[k] = image[y, x] if inside else here
    total = 0.0
    for i in range(2):
        for j in range(2, 4):
            total += max(0.0, 2.0 * here - around[i] - around[j])
    return 0.25 * total


@numba.njit(cache=True, nogil=True, parallel=True)
def _sharp(image, masked, within, limit):  # type: ignore[no-untyped-def]
    """Tell where the Laplacian is above a limit."""
    ny, nx = image.shape
    found = np.zeros((ny, nx), dtype=np.bool_)
    for row in numba.prange(ny):
        for column in range(nx):
            if within[row, column] and not masked[row, column]:
                found[row, column] = _laplacian(image, masked, row, column) > limit
    return found


@numba.njit(cache=True, nogil=True)
def _median(image, masked, row, column, reach):  # type: ignore[no-untyped-def]
    """Return the median of the unmasked pixels around one; its own value if there are none."""
    ny, nx = image.shape
    values = np.empty((2 * reach + 1) ** 2, dtype=np.float64)
    n = 0
    for y in range(max(0, row - reach), min(ny, row + reach + 1)):
        for x in range(max(0, column - reach), min(nx, column + reach + 1)):
            if not masked[y, x]:
                values[n] = image[y, x]
                n += 1
    return np.median(values[:n]) if n else float(image[row, column])


@numba.njit(cache=True, nogil=True)
def _excess(image, variance, masked, row, column):  # type: ignore[no-untyped-def]
    """Return the Laplacian over the noise less its median around, and the noise."""
    noise = np.sqrt(max(_median(variance, masked, row, column, 2), 1e-30))
    ny, nx = image.shape
    values = np.empty(25, dtype=np.float64)
    n = 0
    for y in range(max(0, row - 2), min(ny, row + 3)):
        for x in range(max(0, column - 2), min(nx, column + 3)):
            if not masked[y, x]:
                values[n] = _laplacian(image, masked, y, x)
                n += 1
    middle = np.median(values[:n]) if n else 0.0
    return (_laplacian(image, masked, row, column) - middle) / (2.0 * noise), noise


@numba.njit(cache=True, nogil=True)
def _structure(image, masked, row, column):  # type: ignore[no-untyped-def]
    """Return the fine structure: what is larger than a pixel and smaller than seven."""
    ny, nx = image.shape
    values = np.empty(49, dtype=np.float64)
    n = 0
    for y in range(max(0, row - 3), min(ny, row + 4)):
        for x in range(max(0, column - 3), min(nx, column + 4)):
            values[n] = _median(image, masked, y, x, 1)
            n += 1
    return _median(image, masked, row, column, 1) - np.median(values[:n])


@numba.njit(cache=True, nogil=True, parallel=True)
def _tested(image, variance, masked, rows, columns, sigma, contrast):  # type: ignore[no-untyped-def]
    """Tell which pixels are cosmic rays."""
    found = np.zeros(len(rows), dtype=np.bool_)
    for i in numba.prange(len(rows)):
        excess, noise = _excess(image, variance, masked, rows[i], columns[i])
        if excess > sigma:
            fine = _structure(image, masked, rows[i], columns[i]) / noise
            found[i] = excess > contrast * max(fine, _LEAST_CONTRAST)
    return found


@numba.njit(cache=True, nogil=True)
def _with_neighbours(image, variance, masked, hits, limit):  # type: ignore[no-untyped-def]
    """Return cosmic rays with those pixels beside them that are above a lower limit."""
    ny, nx = image.shape
    found = hits.copy()
    for row in range(ny):
        for column in range(nx):
            if not hits[row, column]:
                continue
            for y in range(max(0, row - 1), min(ny, row + 2)):
                for x in range(max(0, column - 1), min(nx, column + 2)):
                    if not found[y, x] and not masked[y, x]:
                        excess, _ = _excess(image, variance, masked, y, x)
                        found[y, x] = excess > limit
    return found
