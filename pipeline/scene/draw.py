"""Point sources drawn into images: fast, and exact to fractions of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pipeline.exposure import Image

Floats = NDArray[np.float64]

#: Rows that one thread draws at a time.
_BAND = 64
#: Gauss-Legendre nodes on a pixel [-0.5, 0.5] and their weights: of the core, and of the wings.
_NODE3, _NODE2 = 0.5 * np.sqrt(0.6), 0.5 / np.sqrt(3.0)
_CORE_NODES = np.array([-_NODE3, 0.0, _NODE3])
_CORE_WEIGHTS = np.array([5.0, 8.0, 5.0]) / 18.0
_WING_NODES, _WING_WEIGHTS = np.array([-_NODE2, _NODE2]), np.array([0.5, 0.5])


@dataclass(frozen=True)
class Profiles:
    """Moffat profiles of sources.

    Attributes
    ----------
    metric : ndarray, shape (n, 3)
        xx, xy, yy of the matrix whose quadratic form is (r / α)² [1/pixel²].
    beta : float
        Exponent, a multiple of 1/2.
    half : int
        Pixels on either side of the middle one of a stamp; its flux is 1 in the circle there.
    """

    metric: Floats
    beta: float
    half: int

    @property
    def norm(self) -> Floats:
        """Central values of profiles of flux 1 [1/pixel²]."""
        determinant = self.metric[:, 0] * self.metric[:, 2] - 0.25 * self.metric[:, 1] ** 2
        per_area = np.sqrt(determinant)
        inside = 1.0 - (1.0 + (self.half + 0.5) ** 2 * per_area) ** (1.0 - self.beta)
        return np.asarray((self.beta - 1.0) / np.pi * per_area / inside)

    def __getitem__(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Profiles:
        return Profiles(self.metric[which], self.beta, self.half)


def draw_points(
    image: Image, x: Floats, y: Floats, flux: Floats, profiles: Profiles, faintest: float
) -> None:
    """Add point sources to an image.

    Pixels are integrated with Gauss-Legendre nodes, 3 × 3 within two FWHM and 2 × 2 beyond.  A
    source is drawn at least to the edge of its stamp, and as far as it is brighter than
    `faintest`: bright stars have wings.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Changed in place.
    x, y : ndarray, shape (n,)
        Positions [pixel]; they may lie outside.
    flux : ndarray, shape (n,)
        Fluxes within a stamp, in the unit of the image.
    profiles : Profiles
        Their n profiles.
    faintest : float
        Surface brightness at which wings end [unit per pixel].
    """
    norm = profiles.norm
    metric = np.ascontiguousarray(profiles.metric)
    peak = np.abs(flux) * norm
    determinant = metric[:, 0] * metric[:, 2] - 0.25 * metric[:, 1] ** 2
    with np.errstate(divide="ignore"):
        wing = np.maximum((peak / faintest) ** (1.0 / profiles.beta) - 1.0, 0.0)
    reach = np.ceil(np.maximum(np.sqrt(wing / np.sqrt(determinant)), profiles.half))
    reach = np.minimum(reach, max(image.shape)).astype(np.int64)
    _draw(
        image,
        np.ascontiguousarray(x, dtype=np.float64),
        np.ascontiguousarray(y, dtype=np.float64),
        np.ascontiguousarray(flux * norm, dtype=np.float64),
        metric,
        float(profiles.beta),
        reach,
    )


def draw_stamps(profiles: Profiles) -> Floats:
    """Return the profiles drawn on stamps of their own, centred on the middle pixel.

    Parameters
    ----------
    profiles : Profiles
        Profiles, n of them.

    Returns
    -------
    ndarray, shape (n, k, k)
        Unit sums.
    """
    side = 2 * profiles.half + 1
    stamps = np.zeros((len(profiles.metric), side, side))
    _draw_stamps(stamps, profiles.norm, np.ascontiguousarray(profiles.metric), profiles.beta)
    return np.asarray(stamps / stamps.sum(axis=(1, 2), keepdims=True))


@njit(cache=True, nogil=True, parallel=True)
def _draw(
    image: Image,
    x: Floats,
    y: Floats,
    peak: Floats,
    metric: Floats,
    beta: float,
    reach: NDArray[np.int64],
) -> None:
    """Add all sources, band of rows by band: no two threads write to the same pixel."""
    ny = image.shape[0]
    core = 16.0 * (2.0 ** (1.0 / beta) - 1.0)
    for band in prange((ny + _BAND - 1) // _BAND):
        low, high = band * _BAND, min((band + 1) * _BAND, ny)
        for i in range(len(x)):
            _draw_one(image, low, high, x[i], y[i], peak[i], metric[i], beta, core, reach[i])


@njit(cache=True, nogil=True, parallel=True)
def _draw_stamps(stamps: Floats, peak: Floats, metric: Floats, beta: float) -> None:
    """Draw each source in the middle of its stamp."""
    side = stamps.shape[1]
    middle = side // 2
    core = 16.0 * (2.0 ** (1.0 / beta) - 1.0)
    for i in prange(len(stamps)):
        _draw_one(stamps[i], 0, side, middle, middle, peak[i], metric[i], beta, core, middle)


@njit(cache=True, nogil=True)
def _draw_one(
    image: Image | Floats,
    low: int,
    high: int,
    x: float,
    y: float,
    peak: float,
    metric: Floats,
    beta: float,
    core: float,
    reach: int,
) -> None:
    """Add one source to the rows of a band."""
    whole, odd = int(beta), beta > int(beta)
    left, bottom = round(x) - reach, round(y) - reach
    xx, xy, yy = metric[0], metric[1], metric[2]
    for row in range(max(low, bottom), min(high, bottom + 2 * reach + 1)):
        for column in range(max(0, left), min(image.shape[1], left + 2 * reach + 1)):
            dx, dy = column - x, row - y
            near = xx * dx * dx + xy * dx * dy + yy * dy * dy < core
            nodes = _CORE_NODES if near else _WING_NODES
            weights = _CORE_WEIGHTS if near else _WING_WEIGHTS
            total = 0.0
            for j in range(len(nodes)):
                v = dy + nodes[j]
                for k in range(len(nodes)):
                    u = dx + nodes[k]
                    q = xx * u * u + xy * u * v + yy * v * v
                    t = 1.0 / (1.0 + q)
                    value = np.sqrt(t) if odd else 1.0
                    for _ in range(whole):
                        value *= t
                    total += weights[j] * weights[k] * value
            image[row, column] += peak * total
