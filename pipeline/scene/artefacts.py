"""What detectors add to the sky: bleeding charge, cosmic rays, bad columns."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.exposure import Image

#: Length of a piece of a cosmic ray's track [pixel].
_STEP = 0.25


def bleed(model: Image, limit: float) -> NDArray[np.bool_]:
    """Tell which pixels are full, and those that their charge spills into.

    Parameters
    ----------
    model : ndarray of float32, shape (ny, nx)
        Light that falls on each pixel.
    limit : float
        What a pixel holds, in the same unit.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        Full pixels.  What is too much goes half up, half down its column until it finds room, or
        the end of the column.
    """
    full = model > limit
    _spill(model, float(limit), full)
    return full


def cosmic_rays(
    rng: np.random.Generator, shape: tuple[int, int], mean: float
) -> tuple[Image, NDArray[np.int32]]:
    """Return the charge that cosmic rays leave: sharp tracks of all directions.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        Rows and columns.
    mean : float
        Mean number.

    Returns
    -------
    electrons : ndarray of float32, shape (ny, nx)
        Charge; a pixel of a track has about 1,500 electrons, from 300 to 7,000.
    number : ndarray of int32, shape (ny, nx)
        Which ray hit a pixel last, from 1; 0 for none.
    """
    electrons, number = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    for ray in range(rng.poisson(mean)):
        length, angle = 0.5 + rng.exponential(6.0), rng.uniform(0, 2 * np.pi)
        along = np.arange(0.0, length, _STEP)
        row = np.rint(rng.uniform(0, shape[0]) + along * np.sin(angle)).astype(int)
        column = np.rint(rng.uniform(0, shape[1]) + along * np.cos(angle)).astype(int)
        inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
        hit = row[inside], column[inside]
        np.add.at(electrons, hit, np.float32(1500.0 * np.exp(0.5 * rng.normal()) * _STEP))
        number[hit] = ray + 1
    return electrons, number


@njit(cache=True, nogil=True)
def _spill(model: Image, limit: float, full: NDArray[np.bool_]) -> None:
    """Mark the pixels that charge in excess fills, column by column, both ways."""
    ny, nx = model.shape
    for column in range(nx):
        for direction in (1, -1):
            excess = 0.0
            row = 0 if direction == 1 else ny - 1
            while 0 <= row < ny:
                over = model[row, column] - limit
                if over > 0:
                    excess += 0.5 * over
                elif excess > 0:
                    full[row, column] = True
                    excess += over
                row += direction
