"""Differential background: a smooth surface under a difference."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from pipeline.psf import n_terms, terms
from pipeline.subtract.kernel import Floats
from pipeline.subtract.tiles import Image

_CELLS = 16
_BLOCK = 4
_SOURCE = 3.0
_LEAST_SKY = 0.33


def differential_background(
    difference: Image, usable: NDArray[np.bool_], order: int
) -> tuple[Image, float]:
    """Fit a polynomial to the sky of a difference.

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
    """Centres and medians of cells of which at least a third is sky.

    Means of small blocks are compared, so that sources are recognised whose pixels are not; a
    block with a source and its neighbours are left out, as the median would follow its wings.
    """
    block = _BLOCK if min(difference.shape) >= _CELLS * _BLOCK else 1
    level, sky = _blocks(difference, usable, block)
    if not sky.any():
        return np.zeros(0), np.zeros(0), np.zeros(0)
    middle = float(np.median(level[sky]))
    spread = 1.4826 * float(np.median(np.abs(level[sky] - middle)))
    sky &= maximum_filter(sky & (np.abs(level - middle) > _SOURCE * spread), 3) == 0
    rows, columns = (
        np.linspace(0, length, min(_CELLS, length) + 1).astype(int) for length in level.shape
    )
    found = []
    for low, high in pairwise(rows):
        for left, right in pairwise(columns):
            use = sky[low:high, left:right]
            if use.mean() > _LEAST_SKY:
                centre = (block * 0.5 * (left + right) - 0.5, block * 0.5 * (low + high) - 0.5)
                found.append((*centre, float(np.median(level[low:high, left:right][use]))))
    table = np.array(found).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _blocks(
    difference: Image, usable: NDArray[np.bool_], block: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Means of blocks, and which of them have all of their pixels."""
    high, wide = (length // block for length in difference.shape)
    inside = (slice(high * block), slice(wide * block))
    shape = (high, block, wide, block)
    means = difference[inside].reshape(shape).mean(axis=(1, 3))
    return np.asarray(means), np.asarray(usable[inside].reshape(shape).all(axis=(1, 3)))


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
