"""What detectors add to the sky: bleeding charge, cosmic rays, bad columns."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.exposure import Image


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
