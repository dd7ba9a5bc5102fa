"""Stars that the kernel is fitted to."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.calibrate.extract import extract
from pipeline.exposure import Exposure, Mask

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pixel = TypeVar("Pixel", bound=np.generic)
#: A star with such a pixel near its centre cannot be used.
SPOILT = Mask.BAD | Mask.SAT | Mask.CR | Mask.NO_DATA | Mask.SUSPECT | Mask.SAT_TEMPLATE
_CELLS = 8


def candidates(
    sources: Table | None, science: Exposure, template: Exposure, min_snr: float, reach: int
) -> Floats:
    """Return positions of stars to fit to, best first and spread over the image.

    Parameters
    ----------
    sources : astropy.table.Table, optional
        Columns x, y, and if there snr, is_star (galaxies come after the stars), flags (0 is good);
        without a table the brightest of what stands out of the science image.
    science, template : Exposure
        Images on the same pixels.
    min_snr : float
        Least signal-to-noise ratio.
    reach : int
        Pixels around a star that the images must have.

    Returns
    -------
    ndarray, shape (n, 2)
        x and y [pixel].
    """
    if sources is None or len(sources) == 0:
        x, y, snr = found_sources(science, min_snr)
        star = np.ones(len(x), bool)
    else:
        x, y, snr, star = _read(sources)
    height, width = science.shape
    with np.errstate(invalid="ignore"):
        use = (x >= reach) & (x < width - reach) & (y >= reach) & (y < height - reach)
        use &= snr >= min_snr
    x, y, snr, star = x[use], y[use], snr[use], star[use]
    order = _spread(x, y, snr, star, (width, height))
    where = np.column_stack((x, y))[order]
    return where[_clean(where, science) & _clean(where, template)]


def _read(sources: Table) -> tuple[Floats, Floats, Floats, Bools]:
    """Read positions, signal-to-noise ratios and which are stars."""

    def column(name: str, default: float) -> Floats:
        if name not in sources.colnames:
            return np.full(len(sources), default)
        return np.asarray(np.ma.filled(np.ma.asarray(sources[name], float), np.nan))

    bad = column("flags", 0.0) != 0
    snr = np.where(bad, np.nan, column("snr", np.inf))
    return column("x", np.nan), column("y", np.nan), snr, column("is_star", 1.0) > 0


def found_sources(
    exposure: Exposure, min_snr: float, threshold: float = 5.0
) -> tuple[Floats, Floats, Floats]:
    """Find what stands out of an image, with rough signal-to-noise ratios.

    Parameters
    ----------
    exposure : Exposure
        Image without background.
    min_snr : float
        Fainter sources get a ratio of 0.
    threshold : float, optional
        Of a pixel, in sigmas.

    Returns
    -------
    x, y, snr : ndarray, shape (n,)
    """
    noise = np.sqrt(np.maximum(exposure.variance, 1e-30))
    objects = extract(
        exposure.image, threshold, err=noise, mask=exposure.masked(), minarea=5, filter_kernel=None
    )
    x, y = objects["x"].astype(float), objects["y"].astype(float)
    local = noise[np.rint(y).astype(int), np.rint(x).astype(int)]
    snr = objects["flux"] / (local * np.sqrt(np.maximum(objects["npix"], 1)))
    usable = (objects["flag"] & 0x4) == 0
    return x[usable], y[usable], np.where(snr >= min_snr, snr, 0.0)[usable]


def _spread(
    x: Floats, y: Floats, snr: Floats, star: Bools, size: tuple[int, int]
) -> NDArray[np.intp]:
    """Sort: the brightest of every cell of the image, then all second ones, and so on."""
    column = np.minimum((x * _CELLS / size[0]).astype(int), _CELLS - 1)
    row = np.minimum((y * _CELLS / size[1]).astype(int), _CELLS - 1)
    cell = row * _CELLS + column
    by_cell = np.lexsort((-snr, ~star, cell))
    first = np.searchsorted(cell[by_cell], cell[by_cell], side="left")
    rank = np.empty(len(x), int)
    rank[by_cell] = np.arange(len(x)) - first
    return np.lexsort((-snr, rank, ~star))


def _clean(where: Floats, exposure: Exposure, half: int = 3) -> Bools:
    """Tell which stars have no spoilt pixel near their centres."""
    spoilt = (cut(exposure.mask, where, half) & np.uint32(SPOILT)) != 0
    spoilt |= ~(cut(exposure.variance, where, half) > 0)
    return np.asarray(~spoilt.any(axis=(1, 2)))


def cut(image: NDArray[Pixel], where: Floats, half: int) -> NDArray[Pixel]:
    """Cut stamps around positions; the nearest pixel is in the middle.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Pixels.
    where : ndarray, shape (n, 2)
        x and y, at least `half` from the borders.
    half : int
        Pixels on either side.

    Returns
    -------
    ndarray, shape (n, 2 half + 1, 2 half + 1)
    """
    x, y = np.rint(where).astype(int).T
    around = np.arange(-half, half + 1)
    rows = (y[:, np.newaxis] + around)[:, :, np.newaxis]
    return np.asarray(image[rows, (x[:, np.newaxis] + around)[:, np.newaxis, :]])
