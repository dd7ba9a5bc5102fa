"""Kernels are applied to whole images, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from pipeline.psf import Psf, shifted
from pipeline.subtract.decorrelate import whitening
from pipeline.subtract.kernel import Floats, Kernel
from pipeline.subtract.tiles import (
    Image,
    Tile,
    for_each,
    forward,
    inverse,
    tiles,
    transfer,
)

_PSF_NODES = 5
_FLUX_CUT = 0.002


def convolve_varying(image: Image, kernel: Kernel, workers: int) -> Image:
    """Convolve an image with a kernel that varies.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Image; its border pixels are thought to go on for ever.
    kernel : Kernel
        Kernel, of the output position.
    workers : int
        Threads.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
    """
    pieces = tiles((image.shape[0], image.shape[1]), kernel.half)
    filters = transfer(kernel.images, pieces[0].side)
    pairs = [(total - j, j) for total in range(kernel.order + 1) for j in range(total + 1)]
    in_x, in_y = (_chebyshev(side, kernel.order) for side in kernel.size)
    found = np.empty(image.shape, np.float32)

    def _work(tile: Tile) -> None:
        spectrum = forward(tile.patch(image))
        out = found[tile.rows, tile.columns]
        for term, (i, j) in enumerate(pairs):
            part = tile.core(inverse(spectrum * filters[term], tile.side))
            if term == 0:
                out[...] = part
            else:
                part *= in_x[i, tile.columns]
                part *= in_y[j, tile.rows][:, np.newaxis]
                out += part

    for_each(_work, pieces, workers)
    return found


def _chebyshev(length: int, order: int) -> NDArray[np.float32]:
    """Polynomials T_i at every pixel of an axis, shape (order + 1, length)."""
    at = 2.0 * np.arange(length) / max(length - 1, 1) - 1.0
    return np.ascontiguousarray(chebyshev.chebvander(at, order).T, dtype=np.float32)


@dataclass(frozen=True)
class Noise:
    """Variance of two images, of one convolved with a kernel and of one as it is.

    Attributes
    ----------
    plain, convolved : ndarray of float32, shape (ny, nx)
        Variances before the convolution.
    kernel : Kernel
        What one is convolved with.
    usable : ndarray of bool, shape (ny, nx)
        Pixels whose variance counts for the level of the noise.
    """

    plain: Image
    convolved: Image
    kernel: Kernel
    usable: NDArray[np.bool_]

    def ratio(self, tile: Tile) -> float:
        """Return the ratio of the noise levels of a tile, convolved to plain.

        Parameters
        ----------
        tile : Tile
            Which.

        Returns
        -------
        float
        """
        sparse = (
            slice(tile.rows.start, tile.rows.stop, 4),
            slice(tile.columns.start, tile.columns.stop, 4),
        )
        use = self.usable[sparse]
        if not use.any():
            return 1.0
        levels = [np.median(image[sparse][use]) for image in (self.convolved, self.plain)]
        return float(levels[0] / levels[1]) if levels[1] > 0 else 1.0


def whiten(
    difference: Image, noise: Noise, psf: Psf, half: int, workers: int, *, decorrelate: bool
) -> tuple[Image, Image, Floats]:
    """Whiten a difference and follow its variance.

    White is the noise of the sky.  What a source adds to the noise of one image is as correlated as
    that image's filter makes it, and a fit of the PSF meets more of it, or less, than its pixels
    show.  In the variance it counts with what the fit meets.

    Parameters
    ----------
    difference : ndarray of float32, shape (ny, nx)
        A - κ∗B, or its negative.
    noise : Noise
        Variances and κ.
    psf : Psf
        PSF of the image that is not convolved.
    half : int
        Pixels on either side of the middle of the whitening kernel.
    workers : int
        Threads.
    decorrelate : bool
        False: leave the difference as it is and only compute its variance.

    Returns
    -------
    difference, variance : ndarray of float32, shape (ny, nx)
        Whitened, and the variance of every pixel.
    nodes : ndarray, shape (25, k, k)
        The whitening kernel on a grid of 5 × 5 positions, row by row.
    """
    shape = (difference.shape[0], difference.shape[1])
    pieces = tiles(shape, half + noise.kernel.half)
    white = np.empty(shape, np.float32)
    variance = np.empty(shape, np.float32)

    def _work(tile: Tile) -> None:
        kappa = noise.kernel.at(*tile.middle)[0]
        if decorrelate:
            psi = whitening(kappa, noise.ratio(tile), half)
        else:
            psi = _unit(half)
        both = full(psi, kappa)
        filters = transfer(psi, tile.side)
        patch = tile.patch(difference)
        white[tile.rows, tile.columns] = tile.core(inverse(forward(patch) * filters, tile.side))
        of_plain, of_convolved = np.square(psi), np.square(both)
        if decorrelate:
            profile = full(psf.at(*tile.middle)[0], psi)
            of_plain *= _met(profile, psi)
            of_convolved *= _met(profile, both)
        power = forward(tile.patch(noise.plain)) * transfer(of_plain, tile.side)
        power += forward(tile.patch(noise.convolved)) * transfer(of_convolved, tile.side)
        variance[tile.rows, tile.columns] = tile.core(inverse(power, tile.side))

    for_each(_work, pieces, workers)
    return white, variance, _at_nodes(noise, pieces, shape, half, decorrelate=decorrelate)


def _met(profile: Floats, kernel: Floats) -> float:
    """Variance of a fit of a profile to noise filtered with a kernel, over what its pixels say."""
    alone = np.square(profile).sum() * np.square(kernel).sum()
    # Backwards, since the fit correlates.
    return float(np.square(full(profile, kernel[::-1, ::-1])).sum() / alone)


def _at_nodes(
    noise: Noise, pieces: list[Tile], shape: tuple[int, int], half: int, *, decorrelate: bool
) -> Floats:
    """Whitening kernels of the tiles that hold the nodes of the grid."""
    found = []
    for x, y in node_positions(shape):
        if not decorrelate:
            found.append(_unit(half))
            continue
        tile = next(
            tile
            for tile in pieces
            if tile.rows.start <= round(y) < tile.rows.stop
            and tile.columns.start <= round(x) < tile.columns.stop
        )
        found.append(whitening(noise.kernel.at(x, y)[0], noise.ratio(tile), half))
    return np.array(found)


def node_positions(shape: tuple[int, int]) -> Floats:
    """Grid of positions on which PSFs of the difference are known.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.

    Returns
    -------
    ndarray, shape (25, 2)
        x and y, row by row.
    """
    y, x = (np.linspace(0, length - 1, _PSF_NODES) for length in shape)
    grid = np.meshgrid(x, y)
    return np.column_stack((grid[0].ravel(), grid[1].ravel()))


def psf_of(
    source: Psf, kernels: Floats, shape: tuple[int, int], shift: tuple[float, float] = (0.0, 0.0)
) -> Psf:
    """PSF convolved with a kernel known at the nodes.

    Parameters
    ----------
    source : Psf
        Before.
    kernels : ndarray, shape (25, k, k)
        Kernels at `node_positions`.
    shape : tuple of int
        Rows and columns of the image.
    shift : tuple of float
        How far its sources are from where they belong [pixel]: the PSF is not centred then, and
        positions come out right.

    Returns
    -------
    Psf
        As small as it can be with all of the flux: evaluated PSFs are scaled to unit sum.
    """
    x, y = node_positions(shape).T
    before = source.at(x, y)
    if any(shift):
        before = shifted(before, *(np.full(len(x), by) for by in shift))
    after = np.array([full(a, k) for a, k in zip(before, kernels, strict=True)])
    cut = kernels.shape[-1] // 2
    while cut > 0:
        trimmed = after[:, cut:-cut, cut:-cut]
        if np.abs(trimmed.sum(axis=(1, 2)) - 1.0).max() < _FLUX_CUT:
            after = trimmed
            break
        cut -= 1
    return Psf.fit(x, y, after, max(source.order, 2), (shape[1], shape[0]))


def _unit(half: int) -> Floats:
    """Kernel that changes nothing."""
    found = np.zeros((2 * half + 1, 2 * half + 1))
    found[half, half] = 1.0
    return found


def full(a: Floats, b: Floats) -> Floats:
    """Convolve two small images, keeping all of both.

    Parameters
    ----------
    a, b : ndarray
        Images.

    Returns
    -------
    ndarray
    """
    return np.asarray(fftconvolve(a, b, mode="full"))
