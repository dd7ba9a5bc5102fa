"""From significances to footprints and the peaks in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.exposure import Image
from pipeline.forced.windows import Floats, Ints

_NONE = -1


@dataclass(frozen=True)
class Footprints:
    """Pixels of sources.

    Attributes
    ----------
    pixels : ndarray of int64, shape (m,)
        Flat indices of pixels, those of a source together.
    starts : ndarray of int64, shape (n + 1,)
        Where the pixels of each source start in `pixels`.
    """

    pixels: Ints
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owner(self) -> Ints:
        """Source of each pixel."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))


@dataclass(frozen=True)
class Peaks:
    """Peaks of a significance map above the threshold.

    Attributes
    ----------
    x, y : ndarray of int64, shape (n,)
        Pixel of the peak.
    value : ndarray, shape (n,)
        Signed S/N.
    footprint : ndarray of int64, shape (n,)
        Footprint it is in: what touches, of both signs.
    pixels, label : ndarray of int64, shape (m,)
        Flat indices of the pixels of all footprints, and the peak each belongs to, or -1.
    pixel_footprint : ndarray of int64, shape (m,)
        Footprint of each of these pixels.
    """

    x: Ints
    y: Ints
    value: Floats
    footprint: Ints
    pixels: Ints
    label: Ints
    pixel_footprint: Ints


def find_peaks(
    filtered: Image, hits: Ints, threshold: float, grow: int, prominence: float, contrast: float
) -> Peaks:
    """Find peaks that stand out from each other.

    The pixels above the threshold are grown; then, from the highest downwards, each joins the peak
    next to it, or starts one.  Where two meet, the lower one goes on as a source of its own if
    it stands high enough above the saddle (persistence).

    Parameters
    ----------
    filtered : ndarray of float32, shape (ny, nx)
        Signed S/N.
    hits : ndarray of int64, shape (k,)
        Flat indices of the pixels above the threshold.
    threshold : float
        Least |S/N| of a peak.
    grow : int
        Radius by which the pixels above the threshold are grown.
    prominence, contrast : float
        Least height above the saddle, and least part of the height of the peak.

    Returns
    -------
    Peaks
        Sorted by their pixels.
    """
    ny, nx = filtered.shape
    steps = np.arange(-grow, grow + 1)
    disc = np.hypot(*np.meshgrid(steps, steps, indexing="ij")) <= grow + 0.5
    down, across = (at - grow for at in np.nonzero(disc))
    index = np.full((ny, nx), _NONE, np.int32)
    pixels = _grown(index, hits, down, across)
    values = filtered.reshape(-1)[pixels]
    order = np.argsort(-np.abs(values), kind="stable")
    peak, footprint = _flood(index, pixels, values, order, prominence, contrast)
    peaks = np.flatnonzero((peak == np.arange(len(pixels))) & (np.abs(values) >= threshold))
    number = np.full(len(pixels) + 1, _NONE, np.int64)
    number[peaks] = np.arange(len(peaks))
    footprints, place = np.unique(footprint, return_inverse=True)
    del footprints
    return Peaks(
        x=pixels[peaks] % nx,
        y=pixels[peaks] // nx,
        value=values[peaks].astype(np.float64),
        footprint=place[peaks],
        pixels=pixels,
        label=number[peak],
        pixel_footprint=place,
    )


@njit(cache=True, nogil=True)
def _grown(
    index: NDArray[np.int32], hits: Ints, down: Ints, across: Ints
) -> Ints:  # pragma: no cover
    """Mark the pixels around hits, number them in order, and return them."""
    ny, nx = index.shape
    n = 0
    for hit in hits:
        y, x = hit // nx, hit % nx
        for k in range(len(down)):
            v, u = y + down[k], x + across[k]
            if 0 <= v < ny and 0 <= u < nx and index[v, u] == _NONE:
                index[v, u] = 0
                n += 1
    found = np.empty(n, np.int64)
    n = 0
    for v in range(ny):
        for u in range(nx):
            if index[v, u] != _NONE:
                index[v, u] = n
                found[n] = v * nx + u
                n += 1
    return found


@njit(cache=True, nogil=True)
def _root(parent: Ints, i: int) -> int:  # pragma: no cover
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _meet(
    peak: Ints, values: NDArray[np.float32], i: int, j: int, prominence: float, contrast: float
) -> None:  # pragma: no cover
    """Pixel i touches pixel j: the lower of their peaks ends there, if it is not high enough."""
    one, other = _root(peak, i), _root(peak, j)
    if abs(values[one]) < abs(values[other]):
        one, other = other, one
    height, level = abs(values[other]), abs(values[i])
    if other == i or height - level < max(prominence, contrast * height):
        peak[other] = one


@njit(cache=True, nogil=True)
def _flood(
    index: NDArray[np.int32],
    pixels: Ints,
    values: NDArray[np.float32],
    order: Ints,
    prominence: float,
    contrast: float,
) -> tuple[Ints, Ints]:  # pragma: no cover
    """Return the peak of each pixel, and one pixel that stands for its footprint."""
    ny, nx = index.shape
    n = len(pixels)
    peak, footprint = np.arange(n), np.arange(n)
    done = np.zeros(n, np.bool_)
    around = np.array([(dy, dx) for dy in range(-1, 2) for dx in range(-1, 2)])
    for i in order:
        done[i] = True
        for dy, dx in around:
            v, u = pixels[i] // nx + dy, pixels[i] % nx + dx
            if v < 0 or u < 0 or v >= ny or u >= nx:
                continue
            j = index[v, u]
            if j in (_NONE, i) or not done[j]:
                continue
            footprint[_root(footprint, i)] = _root(footprint, j)
            if (values[i] >= 0) == (values[j] >= 0):
                _meet(peak, values, i, j, prominence, contrast)
    for i in range(n):
        peak[i] = _root(peak, i)
        footprint[i] = _root(footprint, i)
    return peak, footprint
