"""Functions that a matching kernel is a sum of: derivatives of Gaussians (Alard & Lupton 1998)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import hermite_e
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FWHM_TO_SIGMA = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))


@dataclass(frozen=True)
class Bases:
    """Separable kernels: the first has unit sum, all others zero sum.

    With He_p the Hermite polynomials, He_p(x/σ) He_q(y/σ) exp(-(x²+y²)/2σ²), p + q <= degree, for
    each Gaussian.  The kernels' sum is thereby one coefficient alone, the ratio of the fluxes.

    Attributes
    ----------
    sigmas : tuple of float
        Widths of the Gaussians [pixel]; 0 is the unit kernel itself, of degree 0.
    degrees : tuple of int
        Highest degree of the polynomials on each.
    half : int
        Pixels on either side of the middle.
    """

    sigmas: tuple[float, ...]
    degrees: tuple[int, ...]
    half: int

    @cached_property
    def lines(self) -> Floats:
        """Profiles along one axis, shape (n_lines, 2 half + 1)."""
        at = np.arange(-self.half, self.half + 1, dtype=float)
        found = []
        for sigma, degree in zip(self.sigmas, self.degrees, strict=True):
            if sigma == 0.0:
                found.append((at == 0).astype(float))
                continue
            gauss = np.exp(-0.5 * (at / sigma) ** 2)
            gauss /= gauss.sum()
            found += [
                hermite_e.hermeval(at / sigma, np.eye(degree + 1)[p]) * gauss
                for p in range(degree + 1)
            ]
        return np.array(found)

    @cached_property
    def pairs(self) -> NDArray[np.intp]:
        """Lines along y and x of every kernel, shape (n, 2)."""
        found, first = [], 0
        for sigma, degree in zip(self.sigmas, self.degrees, strict=True):
            top = 0 if sigma == 0.0 else degree
            found += [
                (first + p, first + total - p) for total in range(top + 1) for p in range(total + 1)
            ]
            first += top + 1
        return np.array(found)

    @cached_property
    def mixing(self) -> Floats:
        """Matrix that makes the kernels of zero sum out of the separable ones, shape (n, n)."""
        sums = self.lines.sum(axis=1)
        totals = sums[self.pairs[:, 0]] * sums[self.pairs[:, 1]]
        found = np.eye(len(totals))
        found[1:, 0] = -totals[1:] / totals[0]
        found[0, 0] = 1.0 / totals[0]
        return found

    @cached_property
    def images(self) -> Floats:
        """Kernels, shape (n, 2 half + 1, 2 half + 1)."""
        separable = np.einsum(
            "ny,nx->nyx", self.lines[self.pairs[:, 0]], self.lines[self.pairs[:, 1]]
        )
        return np.asarray(np.tensordot(self.mixing, separable, axes=1))

    def convolve(self, stamps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convolve stamps with every kernel.

        Parameters
        ----------
        stamps : ndarray of float32, shape (n_stamps, k, k)
            Images.

        Returns
        -------
        ndarray of float32, shape (n_stamps, n, k - 2 half, k - 2 half)
            Where the kernels reach no further than the stamp.
        """
        inner = stamps.shape[-1] - 2 * self.half
        offsets = np.arange(stamps.shape[-1])[:, np.newaxis] - np.arange(inner)
        inside = (offsets >= 0) & (offsets <= 2 * self.half)
        flipped = self.lines[:, ::-1]
        toeplitz = np.where(inside, flipped[:, np.where(inside, offsets, 0)], 0.0)
        toeplitz = toeplitz.astype(np.float32)  # (lines, k, inner)
        along_x = stamps[:, np.newaxis] @ toeplitz  # (stamps, lines, k, inner)
        rows = np.swapaxes(toeplitz, 1, 2)
        separable = rows[self.pairs[:, 0]] @ along_x[:, self.pairs[:, 1]]
        mixed = self.mixing.astype(np.float32)
        shape = separable.shape
        return np.asarray(mixed @ separable.reshape(*shape[:2], -1)).reshape(shape)


def gaussians(
    fwhm_narrow: float, fwhm_wide: float, degrees: tuple[int, ...], half: int = 0
) -> Bases:
    """Choose the Gaussians for a pair of PSFs.

    The width is that of the Gaussian which makes one PSF of the other, but not below a fraction of
    the PSF: a fixed floor in pixels is too coarse for undersampled images.

    Parameters
    ----------
    fwhm_narrow, fwhm_wide : float
        Widths of the PSFs [pixel], of the image to be convolved and of the other.
    degrees : tuple of int
        Of the polynomials on each Gaussian, in order of width.
    half : int
        Pixels on either side of the kernels' middle; 0: three times the widest, 8 to 17.

    Returns
    -------
    Bases
    """
    width = np.sqrt(abs(fwhm_wide**2 - fwhm_narrow**2)) * _FWHM_TO_SIGMA
    floor = 0.45 * fwhm_narrow * _FWHM_TO_SIGMA
    first = max(floor, 0.5 * width)
    sigmas = tuple(float(first * 2.0**i) for i in range(len(degrees)))
    if half == 0:
        half = int(np.clip(np.ceil(3.0 * sigmas[-1]), 8, 17))
    return Bases(sigmas, degrees, half)
