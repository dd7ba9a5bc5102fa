"""Statistics that a few wrong values do not move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def weighted_median(values: Floats, weight: Floats) -> Floats:
    """Return the values with half of the weight below them.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
        Such as images, taken pixel by pixel.
    weight : ndarray, shape (n,)
        Of each.

    Returns
    -------
    ndarray, shape (...)
    """
    order = np.argsort(values, axis=0)
    below = np.cumsum(weight[order], axis=0) >= 0.5 * weight.sum()
    middle = np.take_along_axis(order, np.argmax(below, axis=0)[np.newaxis], axis=0)
    return np.asarray(np.take_along_axis(values, middle, axis=0)[0])
