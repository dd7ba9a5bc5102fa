"""Sky: its level, its noise, and where the sky cannot be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.errors import CalibrateError
from pipeline.exposure import Image

_MAD = 1.4826
_VIGNETTE_BLOCK = 16
#: Most rows or columns of a border that are dead [pixel].
_DEEPEST = 16
_RIM_BLOCKS = 2
_SMALLEST_CELL = 32
_ENOUGH = 400
#: Of a cell; one with less sky than half is not used at all.
_MOST_HIDDEN = 0.5
_SAMPLE = 1_000_000


@dataclass(frozen=True)
class Background:
    """Level and noise of the sky.

    Attributes
    ----------
    level, rms : ndarray of float32, shape (ny, nx)
        Of every pixel, in the unit of the image.
    """

    level: Image
    rms: Image


def background(image: Image, masked: NDArray[np.bool_], box: int, filter_size: int) -> Background:
    """Estimate the background in cells, the clipped median or mode of each, and interpolate.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels.
    masked : ndarray of bool, shape (ny, nx)
        Not to be used: bad, or on sources.
    box : int
        Side of a cell [pixel].
    filter_size : int
        Side of the median filter on the cells.

    Returns
    -------
    Background

    Raises
    ------
    CalibrateError
        No pixels are left.
    """
    if masked.size - np.count_nonzero(masked) < _ENOUGH:
        raise CalibrateError(
            f"only {masked.size - np.count_nonzero(masked)} of {masked.size} pixels are sky; "
            "check the mask (saturation level, defects) of this image"
        )
    rows, columns = _cell(image.shape, box)
    found = sep.Background(
        np.ascontiguousarray(image, np.float32),
        mask=masked,
        bh=rows,
        bw=columns,
        fh=filter_size,
        fw=filter_size,
    )
    return Background(found.back(dtype=np.float32), found.rms(dtype=np.float32))


def beside_sources(
    masked: NDArray[np.bool_], covers: Sequence[NDArray[np.bool_]], box: int
) -> NDArray[np.bool_]:
    """Mask the pixels of sources too, as far out as each cell has sky to spare.

    The wings of sources, and what models leave of them, lift the clipped median by a few percent
    of the noise, and that lowers a PSF flux by five times that part of its error.

    Parameters
    ----------
    masked : ndarray of bool, shape (ny, nx)
        Not to be used anywhere.
    covers : sequence of ndarray of bool, shape (ny, nx)
        On sources, the widest first.  In a cell the first counts that leaves half of it; none
        where none does.
    box : int
        Side of a cell of the background [pixel].

    Returns
    -------
    ndarray of bool, shape (ny, nx)
    """
    found = masked.copy()
    height, width = _cell(masked.shape, box)
    for y, x in product(range(0, masked.shape[0], height), range(0, masked.shape[1], width)):
        cell = slice(y, y + height), slice(x, x + width)
        for cover in covers:
            either = masked[cell] | cover[cell]
            if np.count_nonzero(either) <= _MOST_HIDDEN * either.size:
                found[cell] = either
                break
    return found


def _cell(shape: tuple[int, ...], box: int) -> tuple[int, int]:
    """Return rows and columns of the cells of an image.

    They are equal, for a sliver at the edge would have a level of its own; and a small image has
    three on each side where it can, for its sky need not be flat.
    """
    rows, columns = (
        int(np.ceil(side / max(1, round(side / box), min(3, side // _SMALLEST_CELL))))
        for side in shape
    )
    return rows, columns


def vignetted(image: Image, masked: NDArray[np.bool_], fraction: float) -> NDArray[np.bool_]:
    """Find what the sky does not reach: corners behind a round filter, shutter, dead borders.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels, with the sky in them.
    masked : ndarray of bool, shape (ny, nx)
        Not to be used.
    fraction : float
        Darker than this part of the median sky is vignetted.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        All false for an image without sky, where nothing can be told.
    """
    level, noise = sky(image, masked)
    seen = level * (1 - fraction) > 5 * noise
    if fraction <= 0 or not seen or min(image.shape) < 4 * _VIGNETTE_BLOCK:
        return np.zeros(image.shape, bool)
    return _shaded(image, level, fraction) | _dead_borders(image, level, noise, fraction)


def _dead_borders(image: Image, level: float, noise: float, fraction: float) -> NDArray[np.bool_]:
    """Return rows and columns at the border that have no light, with those that have less of it."""
    found = np.zeros(image.shape, bool)
    depth = np.arange(3 * _DEEPEST)
    for turns in range(4):
        turned = np.rot90(image, turns)
        within = np.median(turned[_DEEPEST : 3 * _DEEPEST], axis=0)
        line = np.median(turned[: 3 * _DEEPEST] - within, axis=1)
        # the light falls off towards a border, but steadily
        line -= np.polyval(np.polyfit(depth[_DEEPEST:], line[_DEEPEST:], 1), depth)
        line = line[:_DEEPEST]
        if line[0] > (fraction - 1.0) * level:
            continue
        # five times the error of a median, or what does no harm
        least = noise * max(0.25, 6.25 / np.sqrt(turned.shape[1]))
        lit = np.flatnonzero(line > -least)
        np.rot90(found, turns)[: lit[0] if len(lit) else _DEEPEST] = True
    return found


def _shaded(image: Image, level: float, fraction: float) -> NDArray[np.bool_]:
    """Return blocks that something shades, from the border on."""
    nothing, side = np.zeros(image.shape, bool), _VIGNETTE_BLOCK
    rows, columns = image.shape[0] // side, image.shape[1] // side
    blocks = image[: rows * side, : columns * side].reshape(rows, side, columns, side)
    bright = np.median(blocks[:, ::2, :, ::2], axis=(1, 3)) / level
    dark = _from_the_border(bright < fraction)
    if not dark.any():
        return nothing
    # From the dark to where the light is whole, as far as it falls off next to the dark.
    dark = ndimage.binary_propagation(dark, mask=bright < 0.5 * (1.0 + fraction))
    dark = ndimage.binary_dilation(dark, np.ones((5, 5)))
    wide = np.repeat(np.repeat(dark, side, axis=0), side, axis=1)
    rest = [(0, size - got) for size, got in zip(image.shape, wide.shape, strict=True)]
    return np.asarray(np.pad(wide, rest, mode="edge"))


def _from_the_border(blocks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return regions that reach the border of the image: what shades an image does."""
    labels, count = ndimage.label(blocks)
    rim = np.ones(blocks.shape, bool)
    rim[1:-1, 1:-1] = False
    reaching = np.bincount(labels[rim], minlength=count + 1) >= _RIM_BLOCKS
    reaching[0] = False
    return np.asarray(reaching[labels])


def sky(image: Image, masked: NDArray[np.bool_]) -> tuple[float, float]:
    """Return level and noise of the sky of a sample of the pixels.

    The noise is that of the pixels below the median, which sources do not reach, or hardly.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels.
    masked : ndarray of bool, shape (ny, nx)
        Not to be used.

    Returns
    -------
    level, noise : float
    """
    step = max(1, int(np.sqrt(image.size / _SAMPLE)))
    values = image[::step, ::step][~masked[::step, ::step]]
    if not values.size:
        return float("nan"), float("nan")
    level = float(np.median(values))
    below = values[values <= level]
    return level, float(_MAD * np.median(level - below))
