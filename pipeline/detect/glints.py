"""Several sources in a line: a satellite that tumbles."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.spatial import cKDTree
from scipy.stats import poisson

from pipeline.forced.windows import Bools, Floats, Ints

_MOST_NEIGHBOURS = 150
#: Chance of a line of that many among all that are looked at.
_CHANCE = 1e-3
#: Sources closer than this part of the greatest distance count once: they are one thing in pieces.
_APART = 25.0


def find_glints(
    x: Floats, y: Floats, shape: tuple[int, int], points: int, distance: float, width: float
) -> Bools:
    """Find sources that lie on a line with others, more of them than chance puts there.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Positions of sources [pixel].
    shape : tuple of int
        Rows and columns of the image.
    points : int
        Least number of sources on a line, however few there are in all.
    distance : float
        Greatest distance from the first of them [pixel].
    width : float
        Half width of the line [pixel].

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    n = len(x)
    if n < points:
        return np.zeros(n, np.bool_)
    k = min(n, _MOST_NEIGHBOURS)
    tree = cKDTree(np.column_stack([x, y]))
    near, neighbours = tree.query(np.column_stack([x, y]), k=k, distance_upper_bound=distance)
    reach = np.where(np.isfinite(near), near, 0.0).max(axis=1)
    # Others expected in the strip through the source and one neighbour, at the density around it.
    density = np.isfinite(near).sum(axis=1) / (np.pi * np.maximum(reach, 1.0) ** 2)
    expected = np.minimum(density, n / (shape[0] * shape[1]) * 4) * 4 * reach * width
    trials = float(np.isfinite(near).sum())
    needed = np.maximum(poisson.isf(_CHANCE / trials, expected) + 2, points).astype(np.int64)
    return np.asarray(_lines(x, y, neighbours, needed, distance / _APART, width))


@njit(cache=True, nogil=True)
def _apart(x: Floats, y: Floats, m: int, others: Ints, apart: float) -> bool:  # pragma: no cover
    distance = np.hypot(x[others] - x[m], y[others] - y[m])
    return bool(np.all(distance >= apart))


@njit(cache=True, nogil=True)
def _lines(
    x: Floats, y: Floats, neighbours: Ints, needed: Ints, apart: float, width: float
) -> Bools:  # pragma: no cover
    """Mark the members of strips, through a source and a neighbour, that hold enough."""
    n = len(x)
    found = np.zeros(n, np.bool_)
    on = np.empty(neighbours.shape[1], np.int64)
    for i in range(n):
        for j in neighbours[i]:
            if j in (n, i):
                continue
            dx, dy = x[j] - x[i], y[j] - y[i]
            length = np.hypot(dx, dy)
            if length < apart:
                continue
            count = 0
            for m in neighbours[i]:
                if m == n:
                    continue
                across = abs((x[m] - x[i]) * dy - (y[m] - y[i]) * dx) / length
                if across <= width and _apart(x, y, m, on[:count], apart):
                    on[count] = m
                    count += 1
            if count >= needed[i]:
                for m in on[:count]:
                    found[m] = True
    return found
