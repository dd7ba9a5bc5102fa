"""Images cut into overlapping tiles, whose Fourier transforms fit into the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Image = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


@dataclass(frozen=True)
class Tile:
    """A piece of the image.

    Attributes
    ----------
    rows, columns : slice
        Pixels of the image that this tile decides.
    y, x : int
        Pixel of the image at the patch's first row and column; may be negative.
    side : int
        Side of the patch.
    """

    rows: slice
    columns: slice
    y: int
    x: int
    side: int

    @property
    def middle(self) -> tuple[float, float]:
        """Position of the centre, x and y [pixel]."""
        return (
            0.5 * (self.columns.start + self.columns.stop - 1),
            0.5 * (self.rows.start + self.rows.stop - 1),
        )

    def patch(self, image: Image) -> Image:
        """Return the pixels with the margin; beyond the image its border pixels are repeated.

        Parameters
        ----------
        image : ndarray, shape (ny, nx)
            The image.

        Returns
        -------
        ndarray, shape (side, side)
        """
        height, width = image.shape
        y, x = self.y, self.x
        if y >= 0 and x >= 0 and y + self.side <= height and x + self.side <= width:
            return image[y : y + self.side, x : x + self.side]
        rows = np.clip(np.arange(y, y + self.side), 0, height - 1)
        columns = np.clip(np.arange(x, x + self.side), 0, width - 1)
        return np.asarray(image[rows[:, np.newaxis], columns])

    def core(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the pixels of a patch that this tile decides.

        Parameters
        ----------
        patch : ndarray, shape (side, side)
            A patch of this tile.

        Returns
        -------
        ndarray
        """
        top, left = self.rows.start - self.y, self.columns.start - self.x
        high, wide = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        return patch[top : top + high, left : left + wide]


def tiles(shape: tuple[int, int], margin: int) -> list[Tile]:
    """Cover an image.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    margin : int
        Pixels around a tile that decide about its pixels.

    Returns
    -------
    list of Tile
    """
    longest = max(shape)
    wanted = 512 if longest > 1500 or margin > 60 else 256
    core = wanted - 2 * margin
    n_rows, n_columns = (max(1, -(-length // core)) for length in shape)
    high, wide = -(-shape[0] // n_rows), -(-shape[1] // n_columns)
    side = int(fft.next_fast_len(max(high, wide) + 2 * margin, real=True))
    return [
        Tile(
            slice(i * high, min((i + 1) * high, shape[0])),
            slice(j * wide, min((j + 1) * wide, shape[1])),
            i * high - margin,
            j * wide - margin,
            side,
        )
        for i in range(n_rows)
        for j in range(n_columns)
        if i * high < shape[0] and j * wide < shape[1]
    ]


def for_each(work: Callable[[Tile], None], pieces: list[Tile], workers: int) -> None:
    """Work on all tiles, in threads; the first error is raised.

    Parameters
    ----------
    work : callable
        Called with each tile.
    pieces : list of Tile
        Tiles.
    workers : int
        Threads.
    """
    with ThreadPoolExecutor(max(1, workers)) as pool:
        done: Iterator[None] = pool.map(work, pieces)
        for _ in done:
            pass


def forward(patch: Image) -> Spectrum:
    """Return the Fourier transform of a patch.

    Parameters
    ----------
    patch : ndarray, shape (side, side)
        Pixels.

    Returns
    -------
    ndarray of complex64, shape (side, side // 2 + 1)
    """
    return np.asarray(fft.rfft2(patch), np.complex64)


def inverse(spectrum: Spectrum, side: int) -> Image:
    """Return the patch of a Fourier transform.

    Parameters
    ----------
    spectrum : ndarray of complex64
        As `forward` makes it; overwritten.
    side : int
        Side of the patch [pixel].

    Returns
    -------
    ndarray of float32, shape (side, side)
    """
    return np.asarray(fft.irfft2(spectrum, (side, side), overwrite_x=True), np.float32)


def transfer(kernels: NDArray[np.floating], side: int) -> Spectrum:
    """Return what a convolution multiplies the Fourier transform of a patch with.

    Parameters
    ----------
    kernels : ndarray, shape (..., k, k)
        Kernels with odd sides, the middle pixel being no shift.
    side : int
        Side of the patch.

    Returns
    -------
    ndarray of complex64, shape (..., side, side // 2 + 1)
    """
    half = kernels.shape[-1] // 2
    padded = np.zeros((*kernels.shape[:-2], side, side), np.float32)
    padded[..., : 2 * half + 1, : 2 * half + 1] = kernels
    padded = np.roll(padded, (-half, -half), (-2, -1))
    return np.asarray(fft.rfft2(padded), np.complex64)
