"""From peaks to sources: lobes of opposite sign belong together."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.detect.footprints import Footprints, Peaks
from pipeline.exposure import Image
from pipeline.forced.windows import Floats, Ints


def merge_lobes(peaks: Peaks, radius: float) -> Ints:
    """Give weaker peaks to the stronger ones of the other sign next to them.

    Parameters
    ----------
    peaks : Peaks
        Of the significance.
    radius : float
        Greatest distance of lobes of one source [pixel]; they must share a footprint.

    Returns
    -------
    ndarray of int64, shape (n,)
        For each peak the one it is a lobe of: itself if it is a source.
    """
    order = np.lexsort((-np.abs(peaks.value), peaks.footprint))
    return np.asarray(
        _merge(order, peaks.x, peaks.y, peaks.value, peaks.footprint, radius**2), np.int64
    )


@njit(cache=True, nogil=True)
def _merge(
    order: Ints, x: Ints, y: Ints, value: Floats, footprint: Ints, limit: float
) -> Ints:  # pragma: no cover
    n = len(order)
    owner = np.full(n, -1)
    for a in range(n):
        i = order[a]
        if owner[i] >= 0:
            continue
        owner[i] = i
        for b in range(a + 1, n):
            j = order[b]
            if footprint[j] != footprint[i]:
                break
            near = (x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 <= limit
            if owner[j] < 0 and near and value[i] * value[j] < 0:
                owner[j] = i
    return owner


def strongest_lobes(peaks: Peaks, owner: Ints) -> Ints:
    """Return the strongest lobe of the other sign of each peak.

    Parameters
    ----------
    peaks : Peaks
        Of the significance.
    owner : ndarray of int64, shape (n,)
        From `merge_lobes`.

    Returns
    -------
    ndarray of int64, shape (n,)
        -1 where there is none.
    """
    lobes = np.flatnonzero(owner != np.arange(len(owner)))
    lobes = lobes[np.argsort(np.abs(peaks.value[lobes]), kind="stable")]
    found = np.full(len(owner), -1)
    found[owner[lobes]] = lobes
    return found


def footprints_of(peaks: Peaks, owner: Ints, sources: Ints) -> Footprints:
    """Collect the pixels of sources, lobes included.

    Parameters
    ----------
    peaks : Peaks
        Of the significance.
    owner : ndarray of int64, shape (n,)
        From `merge_lobes`.
    sources : ndarray of int64, shape (m,)
        Peaks that are sources, in the order wanted.

    Returns
    -------
    Footprints
    """
    number = np.full(len(owner) + 1, -1)
    number[sources] = np.arange(len(sources))
    of = np.where(peaks.label >= 0, number[owner[peaks.label]] if len(owner) else -1, -1)
    # Pixels of bumps that are no peaks go to a source of their footprint.
    first = np.full(int(peaks.pixel_footprint.max(initial=-1)) + 1, -1)
    first[peaks.footprint[sources[::-1]]] = np.arange(len(sources))[::-1]
    of = np.where(of >= 0, of, first[peaks.pixel_footprint] if len(first) else -1)
    kept = of >= 0
    order = np.argsort(of[kept], kind="stable")
    starts = np.searchsorted(of[kept][order], np.arange(len(sources) + 1))
    return Footprints(peaks.pixels[kept][order], starts)


def refine(filtered: Image, x: Ints, y: Ints) -> tuple[Floats, Floats, Floats]:
    """Return positions and heights of peaks between pixels, by parabolas.

    Parameters
    ----------
    filtered : ndarray of float32, shape (ny, nx)
        Signed S/N.
    x, y : ndarray of int64, shape (n,)
        Pixels of peaks.

    Returns
    -------
    x, y, value : ndarray, shape (n,)
        Position [pixel], within half a pixel of the peak, and signed height.
    """
    ny, nx = filtered.shape
    middle = filtered[y, x].astype(np.float64)
    height, moved = middle.copy(), []
    for before, after, at, last in (
        (filtered[y, np.maximum(x - 1, 0)], filtered[y, np.minimum(x + 1, nx - 1)], x, nx - 1),
        (filtered[np.maximum(y - 1, 0), x], filtered[np.minimum(y + 1, ny - 1), x], y, ny - 1),
    ):
        low, high = before.astype(np.float64), after.astype(np.float64)
        bend = 2 * middle - low - high
        peaked = (bend * np.sign(middle) > 1e-6) & (at > 0) & (at < last)
        by = np.where(peaked, 0.5 * (high - low) / np.where(peaked, bend, 1.0), 0.0)
        by = np.clip(by, -0.5, 0.5)
        moved.append(by)
        height += 0.25 * by * (high - low)
    return np.add(x, moved[0]), np.add(y, moved[1]), height


def extents(footprints: Footprints, shape: tuple[int, int]) -> tuple[NDArray[np.int32], ...]:
    """Measure footprints.

    Parameters
    ----------
    footprints : Footprints
        Pixels of sources, none empty.
    shape : tuple of int
        Rows and columns of the image.

    Returns
    -------
    n_pixels, side : ndarray of int32, shape (n,)
        Number of pixels, and the side of the square that holds them.
    """
    counts = np.diff(footprints.starts)
    if not len(counts):
        nothing = np.empty(0, np.int32)
        return nothing, nothing
    sides = []
    for at in (footprints.pixels % shape[1], footprints.pixels // shape[1]):
        low, high = (f.reduceat(at, footprints.starts[:-1]) for f in (np.minimum, np.maximum))
        sides.append(high - low + 1)
    return counts.astype(np.int32), np.maximum(*sides).astype(np.int32)
