"""An exposure on the pixels of another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from astropy.wcs import WCS
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from pipeline.errors import TemplateError
from pipeline.exposure import UNUSABLE, Bits, Exposure, Image, Mask
from pipeline.psf import Psf
from pipeline.template.mapping import Affine, Floats, Mapping, mapping

_PHASES = 1024
_BAND = 64
_NODES = 5
_OUTSIDE = np.uint32(Mask.NO_DATA)
_EDGE = np.uint32(Mask.EDGE)
_LOST = np.uint32(Mask.NO_DATA)
#: A neighbour with so little weight does not pass its mask on.
_LEAST_WEIGHT = np.float32(0.02)
_LEAST_OVERLAP = 0.01


def warp(
    exposure: Exposure,
    wcs: WCS | None,
    shape: tuple[int, int],
    *,
    correction: Affine | None = None,
    workers: int = 2,
) -> Exposure:
    """Resample an exposure with Lanczos-3 interpolation.

    Fluxes are kept: pixels are multiplied by the ratio of the pixels' areas.  The variance is the
    interpolated one times that ratio: that of the noise at scales of the PSF and longer, where all
    measurements are made.  Interpolation correlates neighbouring pixels, so their own scatter is
    less.

    Parameters
    ----------
    exposure : Exposure
        Image with WCS.
    wcs : astropy.wcs.WCS
        World coordinates of the result.
    shape : tuple of int
        Its rows and columns.
    correction : Affine, optional
        Of the relative astrometry, as `register` finds it.
    workers : int
        Threads.

    Returns
    -------
    Exposure
        Outside the input image NO_DATA, next to its border EDGE.

    Raises
    ------
    TemplateError
        No WCS, no overlap, or too different pixel scales.
    """
    grid = mapping(exposure.wcs, wcs, shape, correction)
    image, variance = (np.zeros(shape, np.float32) for _ in range(2))
    mask = np.empty(shape, np.uint32)
    source = (
        np.ascontiguousarray(exposure.image, np.float32),
        np.ascontiguousarray(exposure.variance, np.float32),
        np.ascontiguousarray(exposure.mask, np.uint32),
    )
    kernels = _kernels()

    def _work(first: int) -> None:
        rows = slice(first, min(first + _BAND, shape[0]))
        result = image[rows], variance[rows], mask[rows]
        _resample(*source, grid.x, grid.y, grid.step, first, kernels, *result)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        list(pool.map(_work, range(0, shape[0], _BAND)))
    covered = float(((mask & _OUTSIDE) == 0).mean())
    if covered < _LEAST_OVERLAP:
        raise TemplateError(f"the template covers {covered:.1%} of the image; choose another")
    psf = None if exposure.psf is None else warp_psf(exposure.psf, grid, shape)
    return exposure.with_(image=image, variance=variance, mask=mask, psf=psf, wcs=wcs)


def warp_psf(psf: Psf, grid: Mapping, shape: tuple[int, int]) -> Psf:
    """Resample a PSF as its image is.

    Parameters
    ----------
    psf : Psf
        On the input image.
    grid : Mapping
        Input positions of output pixels.
    shape : tuple of int
        Rows and columns of the output image.

    Returns
    -------
    Psf
    """
    x, y = (
        axis.ravel() for axis in np.meshgrid(*(np.linspace(0, n - 1, _NODES) for n in shape[::-1]))
    )
    size = psf.size
    before = psf.at(*(np.clip(at, 0, n - 1) for at, n in zip(grid.at(x, y), size, strict=True)))
    offset = np.stack(np.meshgrid(*(np.arange(-psf.half, psf.half + 1.0),) * 2))
    after = []
    for image, matrix in zip(before, grid.jacobian(x, y), strict=True):
        at_x, at_y = np.tensordot(matrix, offset, axes=1) + psf.half
        found = map_coordinates(image, (at_y, at_x), order=5, mode="constant")
        after.append(found / found.sum())
    return Psf.fit(x, y, np.array(after), max(psf.order, 1), (shape[1], shape[0]))


def _kernels() -> NDArray[np.float32]:
    """Lanczos-3 weights of six neighbours for phases 0 … 1, of unit sum."""
    phase = np.linspace(0.0, 1.0, _PHASES + 1)[:, np.newaxis]
    distance = np.arange(-2, 4) - phase
    weight = np.sinc(distance) * np.sinc(distance / 3.0)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), np.float32)


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _resample(
    image: Image,
    variance: Image,
    mask: Bits,
    grid_x: Floats,
    grid_y: Floats,
    step: int,
    first: int,
    kernels: NDArray[np.float32],
    out_image: Image,
    out_variance: Image,
    out_mask: Bits,
) -> None:  # pragma: no cover - compiled
    """Fill a band of the output whose first row is `first`."""
    for i in range(out_image.shape[0]):
        row = (i + first) // step
        v = (i + first) / step - row
        for column in range(grid_x.shape[1] - 1):
            left_x = (1 - v) * grid_x[row, column] + v * grid_x[row + 1, column]
            left_y = (1 - v) * grid_y[row, column] + v * grid_y[row + 1, column]
            right_x = (1 - v) * grid_x[row, column + 1] + v * grid_x[row + 1, column + 1]
            right_y = (1 - v) * grid_y[row, column + 1] + v * grid_y[row + 1, column + 1]
            down_x = grid_x[row + 1, column] - grid_x[row, column]
            down_y = grid_y[row + 1, column] - grid_y[row, column]
            across_x = (right_x - left_x) / step
            across_y = (right_y - left_y) / step
            area = np.float32(abs(across_x * down_y - across_y * down_x) / step)
            for j in range(column * step, min((column + 1) * step, out_image.shape[1])):
                x = left_x + (j - column * step) * across_x
                y = left_y + (j - column * step) * across_y
                _one(
                    image,
                    variance,
                    mask,
                    x,
                    y,
                    area,
                    kernels,
                    i,
                    j,
                    out_image,
                    out_variance,
                    out_mask,
                )


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"}, inline="always")
def _one(  # type: ignore[no-untyped-def]  # noqa: C901 - a function of its own for each step is slower
    image, variance, mask, x, y, area, kernels, i, j, out_image, out_variance, out_mask
):
    """Interpolate one pixel."""
    height, width = image.shape
    column, row = int(np.floor(x)), int(np.floor(y))
    if column < -1 or row < -1 or column >= width or row >= height:
        out_mask[i, j] = _OUTSIDE
        return
    at_x = int((x - column) * _PHASES + 0.5)
    at_y = int((y - row) * _PHASES + 0.5)
    total, spread, weights, absolute = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    bits = np.uint32(0)
    whole = column >= 2 and row >= 2 and column < width - 3 and row < height - 3
    for k in range(6):
        r = row - 2 + k
        weight_y = kernels[at_y, k]
        if (not whole) and (r < 0 or r >= height):
            continue
        for m in range(6):
            c = column - 2 + m
            if (not whole) and (c < 0 or c >= width):
                continue
            weight = weight_y * kernels[at_x, m]
            flags = mask[r, c]
            if flags != 0:
                if abs(weight) > _LEAST_WEIGHT:
                    bits |= flags
                if flags & _LOST:
                    continue
            total += weight * image[r, c]
            weights += weight
            positive = max(weight, np.float32(0))
            spread += positive * variance[r, c]
            absolute += positive
    if weights < np.float32(0.5):
        out_mask[i, j] = bits | _OUTSIDE
        return
    out_image[i, j] = total / weights * area
    out_variance[i, j] = spread / absolute * area
    if not whole:
        bits |= _EDGE
    out_mask[i, j] = bits


def overlap(exposure: Exposure) -> float:
    """Return the fraction of pixels that have data.

    Parameters
    ----------
    exposure : Exposure
        Warped exposure.

    Returns
    -------
    float
    """
    return float(1.0 - exposure.masked(UNUSABLE).mean())
