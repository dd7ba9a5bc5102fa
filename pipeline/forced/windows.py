"""Pixels around sources, and point sources as these pixels see them, for all sources at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.exposure import UNUSABLE, Exposure, Mask
from pipeline.psf import Psf

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Part of Σ psf² that may lie outside the windows: 0.05% more noise.
_OUTSIDE = 1e-3


@dataclass(frozen=True)
class Windows:
    """Square windows of an image.

    Attributes
    ----------
    x, y : ndarray of int64, shape (n,)
        Middle pixel of each.
    image, variance : ndarray, shape (n, k, k)
        Pixels and their variance; zero where not `good`.
    good : ndarray of bool, shape (n, k, k)
        On the image, and usable.
    inside : ndarray of bool, shape (n, k, k)
        On the image.
    """

    x: Ints
    y: Ints
    image: Floats
    variance: Floats
    good: Bools
    inside: Bools

    @property
    def half(self) -> int:
        """Pixels on either side of the middle one."""
        return int(self.image.shape[1]) // 2


def core_half(psf: Psf) -> int:
    """Return the half side of the window that holds all that a PSF flux takes from the image.

    Parameters
    ----------
    psf : Psf
        PSF; what it is at the centre of the image decides.

    Returns
    -------
    int
        Half side of the smallest square with 99.9% of Σ psf² [pixel].
    """
    squared = np.square(psf.centre)
    middle = psf.half
    sides = np.maximum(*np.abs(np.indices(squared.shape) - middle))
    within = np.cumsum(np.bincount(sides.ravel(), squared.ravel()))
    return int(np.searchsorted(within, (1.0 - _OUTSIDE) * within[-1]))


def usable_pixels(exposure: Exposure, planes: Mask = UNUSABLE) -> Bools:
    """Tell which pixels can be measured: not masked, finite, with a variance.

    Parameters
    ----------
    exposure : Exposure
        Image.
    planes : Mask
        Bits that make a pixel unusable.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
    """
    with np.errstate(invalid="ignore"):
        known = (exposure.variance > 0) & np.isfinite(exposure.variance + exposure.image)
    return np.asarray(known & ~exposure.masked(planes))


def cut(exposure: Exposure, usable: Bools | None, x: Floats, y: Floats, half: int) -> Windows:
    """Cut windows around positions.

    Parameters
    ----------
    exposure : Exposure
        Image.
    usable : ndarray of bool, shape (ny, nx), optional
        Pixels that may be used; by default those of `usable_pixels`, looked at in the windows only.
    x, y : ndarray, shape (n,)
        Positions [pixel]; the windows are centred on the nearest pixels, and may reach beyond the
        image, where no pixel is good.
    half : int
        Half side of the windows [pixel].

    Returns
    -------
    Windows
    """
    ny, nx = exposure.shape
    reach = max(nx, ny) + 2 * half
    middle_x, middle_y = (
        np.rint(np.clip(np.nan_to_num(at, nan=-reach), -reach, 2 * reach)).astype(np.int64)
        for at in (x, y)
    )
    across = np.arange(-half, half + 1)
    columns, rows = middle_x[:, np.newaxis] + across, middle_y[:, np.newaxis] + across
    inside = ((rows >= 0) & (rows < ny))[:, :, np.newaxis] & ((columns >= 0) & (columns < nx))[
        :, np.newaxis
    ]
    at = np.clip(rows, 0, ny - 1)[:, :, np.newaxis], np.clip(columns, 0, nx - 1)[:, np.newaxis]
    image, variance = exposure.image[at].astype(float), exposure.variance[at].astype(float)
    if usable is None:
        with np.errstate(invalid="ignore"):
            good = (variance > 0) & np.isfinite(variance + image)
        good &= (exposure.mask[at] & np.uint32(UNUSABLE)) == 0
    else:
        good = usable[at]
    good = good & inside
    return Windows(
        middle_x, middle_y, np.where(good, image, 0.0), np.where(good, variance, 0.0), good, inside
    )


def point_sources(
    images: Floats, dx: Floats, dy: Floats, half: int, *, slopes: bool = False
) -> tuple[Floats, ...]:
    """Shift PSFs by the sampling theorem and return what a window sees of them.

    Parameters
    ----------
    images : ndarray, shape (n, k, k)
        PSFs with odd sides.
    dx, dy : ndarray, shape (n,)
        Where the sources are, from the middle of the windows [pixel].
    half : int
        Half side of the windows, below k [pixel].
    slopes : bool
        Whether the derivatives are wanted.

    Returns
    -------
    tuple of ndarray, shape (n, 2 half + 1, 2 half + 1)
        The sources; with `slopes` also the derivatives by dx and dy.  Zero beyond the PSF image.
    """
    k = images.shape[-1]
    across, down = _shift_matrix(dx, k, half, slopes), _shift_matrix(dy, k, half, slopes)
    columns = [matrix.transpose(0, 2, 1) for matrix in across]
    shifted_down = down[0] @ images
    if not slopes:
        return (shifted_down @ columns[0],)
    return shifted_down @ columns[0], shifted_down @ columns[1], (down[1] @ images) @ columns[0]


def _shift_matrix(by: Floats, k: int, half: int, slopes: bool) -> list[Floats]:
    """Return matrices (n, 2 half + 1, k) of the Dirichlet kernel, and of its derivative by `by`.

    D(t) = sin πt / (k sin(πt/k)) at t = (r - half) - (j - k // 2) - by depends on r - j only, so
    that each matrix is made of one row of 2 half + k values.
    """
    by = np.asarray(by, np.float64)[:, np.newaxis]
    steps = np.arange(-half - k // 2, half + k // 2 + 1)
    t = steps - by
    sign = np.where(steps % 2, -1.0, 1.0)
    sine, cosine = -sign * np.sin(np.pi * by), sign * np.cos(np.pi * by)
    below, turn = np.sin(np.pi * t / k), np.cos(np.pi * t / k)
    at_node = np.abs(below) < 1e-9
    below = np.where(at_node, 1.0, below)
    kernel = np.where(at_node, 1.0, sine / (k * below))
    rows = [kernel]
    if slopes:
        rows.append(np.where(at_node, 0.0, -np.pi / (k * below) * (cosine - kernel * turn)))
    beyond = np.abs(np.arange(-half, half + 1) - by) > k // 2 + 0.5
    found = []
    for row in rows:
        matrix = np.array(sliding_window_view(row, k, axis=1)[:, :, ::-1])
        matrix[beyond] = 0.0
        found.append(matrix)
    return found
