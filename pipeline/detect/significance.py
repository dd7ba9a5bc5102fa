"""Signal-to-noise ratio of a point source at every pixel, and what blank sky says of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft
from scipy.ndimage import binary_dilation, map_coordinates

from pipeline.detect.config import DetectConfig
from pipeline.errors import DetectError
from pipeline.exposure import Exposure, Image
from pipeline.forced.windows import Bools, Floats, core_half
from pipeline.psf import Psf

#: Standard deviation of a Gaussian cut at ±3σ.
_CUT = 0.98658
_MIN_SAMPLE = 400
#: Blank sky has no pixel above this S/N in the block of this side around it, nor in those next to
#: it, unless hardly any sky is left.
_BRIGHT = 8.0
_BLOCK = 16
_MOST_HIT = 0.95


def significance(exposure: Exposure, psf: Psf, usable: Bools, config: DetectConfig) -> Image:
    """Filter an image with its PSF: Σ p d / √(Σ p² v) over the usable pixels around each.

    Parameters
    ----------
    exposure : Exposure
        Image with variance.
    psf : Psf
        PSF of its sources; may vary.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that take part.
    config : DetectConfig
        Settings.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
        S/N, were the pixels independent; zero where too little of a source can be seen.
    """
    ny, nx = exposure.shape
    half = core_half(psf)
    side = config.tile
    found = np.zeros((ny, nx), np.float32)

    def _one(corner: tuple[int, int]) -> None:
        y0, x0 = corner
        y1, x1 = min(y0 + side, ny), min(x0 + side, nx)
        kernel = psf.at([0.5 * (x0 + x1 - 1)], [0.5 * (y0 + y1 - 1)])[0]
        middle = psf.half
        core = slice(middle - half, middle + half + 1)
        found[y0:y1, x0:x1] = _tile(
            exposure, usable, kernel[core, core], (y0, y1, x0, x1), config.min_weight
        )

    corners = [(y, x) for y in range(0, ny, side) for x in range(0, nx, side)]
    with ThreadPoolExecutor(config.workers) as pool:
        for _ in pool.map(_one, corners):
            pass
    return found


def _tile(
    exposure: Exposure,
    usable: Bools,
    kernel: Floats,
    bounds: tuple[int, int, int, int],
    min_weight: float,
) -> Image:
    """Return the S/N of one tile."""
    y0, y1, x0, x1 = bounds
    half = kernel.shape[0] // 2
    ny, nx = exposure.shape
    rows = slice(max(y0 - half, 0), min(y1 + half, ny))
    columns = slice(max(x0 - half, 0), min(x1 + half, nx))
    shape = (y1 - y0 + 2 * half, x1 - x0 + 2 * half)
    at = (
        slice(rows.start - y0 + half, rows.stop - y0 + half),
        slice(columns.start - x0 + half, columns.stop - x0 + half),
    )
    good = usable[rows, columns]
    whole = good.all() and good.shape == shape
    layers = [(exposure.image, kernel), (exposure.variance, kernel**2)]
    sums = []
    size = tuple(fft.next_fast_len(n, real=True) for n in shape)
    for values, filter_ in layers:
        padded = np.zeros(shape, np.float32)
        padded[at] = np.where(good, values[rows, columns], np.float32(0))
        sums.append(_correlate(padded, filter_, size))
    found = sums[0] / np.sqrt(np.maximum(sums[1], np.finfo(np.float32).tiny))
    if not whole:
        padded = np.zeros(shape, np.float32)
        padded[at] = good
        weight = _correlate(padded, kernel**2, size) / np.square(kernel).sum()
        found[weight < min_weight] = 0.0
    return np.asarray(found, np.float32)


def _correlate(padded: Image, kernel: Floats, size: tuple[int, ...]) -> Image:
    """Return Σ_u kernel(u) padded(x + u) where the kernel is wholly on the array."""
    across = fft.rfft2(padded, size)
    across *= np.conj(fft.rfft2(kernel.astype(np.float32), size))
    valid = [n - kernel.shape[0] + 1 for n in padded.shape]
    return np.asarray(fft.irfft2(across, size)[: valid[0], : valid[1]])


@dataclass(frozen=True)
class NoiseScale:
    """Noise of blank sky in units of what the variance says, over the image.

    Attributes
    ----------
    grid : ndarray, shape (my, mx)
        Ratio in cells of equal size.
    shape : tuple of int
        Rows and columns of the image.
    """

    grid: Floats
    shape: tuple[int, int]

    def at(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Return the ratio at positions.

        Parameters
        ----------
        x, y : array_like, shape (n,)
            Positions [pixel].

        Returns
        -------
        ndarray, shape (n,)
            Linear between the centres of cells.
        """
        places = [
            (np.asarray(at, np.float64) + 0.5) * cells / pixels - 0.5
            for at, cells, pixels in zip((y, x), self.grid.shape, self.shape, strict=True)
        ]
        return np.asarray(map_coordinates(self.grid, places, order=1, mode="nearest"))

    def image(self) -> Image:
        """Return the ratio at all pixels.

        Returns
        -------
        ndarray of float32, shape (ny, nx)
        """
        rows, columns = (
            np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1)
            for n, m in zip(self.shape, self.grid.shape, strict=True)
        )
        down, across = (
            np.maximum(1 - np.abs(at[:, np.newaxis] - np.arange(m)), 0).astype(np.float32)
            for at, m in zip((rows, columns), self.grid.shape, strict=True)
        )
        return np.asarray(down @ self.grid.astype(np.float32) @ across.T)


def noise_scale(
    filtered: Image, variance: Image, usable: Bools, config: DetectConfig
) -> NoiseScale:
    """Measure the noise of blank sky.

    Parameters
    ----------
    filtered : ndarray of float32, shape (ny, nx)
        S/N as the variance has it; zero where there is none.
    variance : ndarray of float32, shape (ny, nx)
        Variance of the image: blank sky is where it is not above its median by a tenth, unless that
        is too little.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that may take part.
    config : DetectConfig
        Settings.

    Returns
    -------
    NoiseScale

    Raises
    ------
    DetectError
        No sky, or its noise is not at all what the variance says.
    """
    ny, nx = filtered.shape
    usable = usable & ~_near_sources(filtered)
    cells = [max(1, round(n / config.noise_cell)) for n in (ny, nx)]
    edges = [np.linspace(0, n, m + 1).astype(int) for n, m in zip((ny, nx), cells, strict=True)]
    grid = np.full(cells, np.nan)
    for i, j in np.ndindex(*cells):
        part = np.s_[edges[0][i] : edges[0][i + 1] : 2, edges[1][j] : edges[1][j + 1] : 2]
        grid[i, j] = _width(filtered[part], variance[part], usable[part])
    if np.isnan(grid).all():
        raise DetectError(
            f"the noise of blank sky cannot be measured: {int(usable.sum())} of {usable.size} "
            "pixels are usable; look at the mask planes of science image and template"
        )
    grid = np.where(np.isnan(grid), np.nanmedian(grid), grid)
    typical, (low, high) = float(np.median(grid)), config.noise_range
    if not low <= typical <= high:
        raise DetectError(
            f"noise of blank sky is {typical:.3g} times what the variance says, outside of "
            f"{low:g} … {high:g}: gain or variance of the science image or the template is wrong"
        )
    return NoiseScale(np.clip(grid, 0.5 * typical, 2.0 * typical), (ny, nx))


def _near_sources(filtered: Image) -> Bools:
    """Tell which pixels are so near something bright that its wings may reach them."""
    side = _BLOCK
    ny, nx = (-(-n // side) for n in filtered.shape)
    padded = np.zeros((ny * side, nx * side), np.bool_)
    low, high = np.percentile(filtered[::7, ::7], [25, 75])
    limit = _BRIGHT * max(float(high - low) / 1.349, 1e-30)
    padded[: filtered.shape[0], : filtered.shape[1]] = np.abs(filtered) > limit
    hit = padded.reshape(ny, side, nx, side).any(axis=(1, 3))
    near = binary_dilation(hit, np.ones((3, 3), np.bool_))
    if near.mean() > _MOST_HIT:
        return np.zeros(filtered.shape, np.bool_)
    whole = np.repeat(np.repeat(near, side, axis=0), side, axis=1)
    return np.asarray(whole[: filtered.shape[0], : filtered.shape[1]])


def _width(filtered: Image, variance: Image, usable: Bools) -> float:
    """Return the robust standard deviation of one cell, NaN if it has too few pixels."""
    known = usable & (filtered != 0)
    if np.count_nonzero(known) < _MIN_SAMPLE:
        return float("nan")
    blank = known & (variance <= 1.1 * np.median(variance[known]))
    sample = filtered[blank if np.count_nonzero(blank) >= 0.1 * blank.size else known]
    low, middle, high = np.percentile(sample, [25, 50, 75])
    width = float(high - low) / 1.349
    for _ in range(4):
        inner = sample[np.abs(sample - middle) < 3 * width]
        if not len(inner) or width == 0:
            return float("nan")
        width = float(np.sqrt(np.mean(np.square(inner - middle, dtype=np.float64)))) / _CUT
    return width
