"""Differential background: a smooth surface under a difference."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.psf import n_terms, terms
from pipeline.subtract.kernel import Floats
from pipeline.subtract.tiles import Image

_CELLS = 16


def differential_background(
    difference: Image, usable: NDArray[np.bool_], order: int
) -> tuple[Image, float]:
    """Fit a polynomial to the medians of cells of a difference.

    Parameters
    ----------
    difference : ndarray of float32, shape (ny, nx)
        Science minus matched template.
    usable : ndarray of bool, shape (ny, nx)
        Pixels with data.
    order : int
        Degree; lower if too few cells have data.

    Returns
    -------
    background : ndarray of float32, shape (ny, nx)
        To be subtracted.
    level : float
        Its mean.
    """
    height, width = difference.shape
    x, y, level = _cells(difference, usable)
    while order >= 0 and len(level) < 2 * n_terms(order):
        order -= 1
    if order < 0:
        return np.zeros_like(difference), 0.0
    size = (width, height)
    design = terms(x, y, order, size)
    use = np.ones(len(level), bool)
    for _ in range(3):
        found = np.linalg.lstsq(design[use], level[use], rcond=None)[0]
        residual = level - design @ found
        spread = 1.4826 * np.median(np.abs(residual[use]))
        use = np.abs(residual) <= 4.0 * max(spread, 1e-12)
        if use.sum() < n_terms(order):
            use[:] = True
            break
    return _surface(np.asarray(found, float), order, size), float(np.mean(design @ found))


def _cells(difference: Image, usable: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Centres and medians of cells of which at least a third has data."""
    height, width = difference.shape
    rows = np.linspace(0, height, min(_CELLS, height) + 1).astype(int)
    columns = np.linspace(0, width, min(_CELLS, width) + 1).astype(int)
    step = max(1, min(height, width) // (_CELLS * 32))
    found = []
    for low, high in pairwise(rows):
        for left, right in pairwise(columns):
            part = (slice(low, high, step), slice(left, right, step))
            use = usable[part]
            if use.mean() > 0.33:
                middle = (0.5 * (left + right - 1), 0.5 * (low + high - 1))
                found.append((*middle, float(np.median(difference[part][use]))))
    table = np.array(found).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _surface(coefficients: Floats, order: int, size: tuple[int, int]) -> Image:
    """Evaluate the polynomial at every pixel: a product of two small matrices."""
    pairs = [(total - j, j) for total in range(order + 1) for j in range(total + 1)]
    matrix = np.zeros((order + 1, order + 1))
    for value, (i, j) in zip(coefficients, pairs, strict=True):
        matrix[j, i] = value
    in_x, in_y = (
        np.polynomial.chebyshev.chebvander(
            2.0 * np.arange(side) / max(side - 1, 1) - 1.0, order
        ).astype(np.float32)
        for side in size
    )
    return np.asarray(in_y @ matrix.astype(np.float32) @ in_x.T)
