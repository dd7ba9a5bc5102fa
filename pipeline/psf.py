"""Point spread functions that vary over the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy.signal import fftconvolve

Floats = NDArray[np.float64]
SIGMA_TO_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
"""Width at half maximum of a Gaussian, in standard deviations."""

_BLOCK = 2048


@dataclass(frozen=True)
class Psf:
    """A PSF as a sum of basis images, whose weights are polynomials of the position.

    psf(x, y) = Σ_j w_j(x, y) basis_j with w_j = Σ_t coefficients_jt T_t(x, y): products of
    Chebyshev polynomials of total degree up to `order`, in the order of `terms`.  It is
    normalised to unit sum wherever it is evaluated.

    Attributes
    ----------
    basis : ndarray, shape (n, k, k)
        Images; k is odd, and the source is at the centre of the middle pixel.
    coefficients : ndarray, shape (n, n_terms)
        Weights.
    order : int
        Degree of the polynomials.
    size : tuple of int
        Columns and rows of the image (nx, ny), which the polynomials are scaled to.
    """

    basis: Floats
    coefficients: Floats
    order: int
    size: tuple[int, int]

    def __post_init__(self) -> None:
        n, k, other = self.basis.shape
        if k != other or k % 2 == 0:
            raise ValueError(f"basis images must be square with odd sides, not {k} × {other}")
        if self.coefficients.shape != (n, n_terms(self.order)):
            wanted = (n, n_terms(self.order))
            raise ValueError(f"coefficients must have shape {wanted}")

    @classmethod
    def constant(cls, image: ArrayLike, size: tuple[int, int]) -> Psf:
        """Return the same PSF everywhere.

        Parameters
        ----------
        image : array_like, shape (k, k)
            Its pixels.
        size : tuple of int
            Columns and rows of the exposure.

        Returns
        -------
        Psf
        """
        basis = np.asarray(image, np.float64)[np.newaxis]
        return cls(basis, np.ones((1, 1)), 0, size)

    @classmethod
    def gaussian(cls, fwhm: float, size: tuple[int, int]) -> Psf:
        """Return a round Gaussian sampled at pixel centres.

        Parameters
        ----------
        fwhm : float
            Full width at half maximum [pixel].
        size : tuple of int
            Columns and rows of the exposure.

        Returns
        -------
        Psf
        """
        half = int(np.ceil(2.2 * fwhm))
        line = np.exp(-0.5 * (np.arange(-half, half + 1) * SIGMA_TO_FWHM / fwhm) ** 2)
        image = np.outer(line, line)
        return cls.constant(image / image.sum(), size)

    @classmethod
    def fit(
        cls, x: ArrayLike, y: ArrayLike, images: ArrayLike, order: int, size: tuple[int, int]
    ) -> Psf:
        """Fit the polynomials to PSFs known at some positions, pixel by pixel, by least squares.

        Parameters
        ----------
        x, y : array_like, shape (n,)
            Positions [pixel].
        images : array_like, shape (n, k, k)
            PSF at each.
        order : int
            Degree of the polynomials; there must be at least as many positions as terms.
        size : tuple of int
            Columns and rows of the exposure.

        Returns
        -------
        Psf
        """
        images = np.asarray(images, np.float64)
        design = terms(x, y, order, size)
        flat = images.reshape(len(images), -1)
        pixels = np.linalg.lstsq(design, flat, rcond=None)[0]
        basis = pixels.reshape(-1, *images.shape[1:])
        return cls(basis, np.eye(len(basis)), order, size)

    @property
    def width(self) -> int:
        """Side of the images [pixel]."""
        return int(self.basis.shape[1])

    @property
    def half(self) -> int:
        """Pixels on either side of the middle one."""
        return int(self.basis.shape[1]) // 2

    def at(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Return the PSF at positions, centred on the middle pixel.

        Parameters
        ----------
        x, y : array_like, shape (n,)
            Positions [pixel].

        Returns
        -------
        ndarray, shape (n, k, k)
            Unit sums.
        """
        weights = terms(x, y, self.order, self.size) @ self.coefficients.T
        images = np.tensordot(weights, self.basis, axes=1)
        return np.asarray(images / images.sum(axis=(1, 2), keepdims=True))

    def stamps(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Return the PSF of sources as the pixels around them see it.

        The middle pixel of each is the one nearest to the source, (rint(x), rint(y)); the rest is
        a shift by the sampling theorem.

        Parameters
        ----------
        x, y : array_like, shape (n,)
            Positions [pixel].

        Returns
        -------
        ndarray, shape (n, k, k)
        """
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        found = np.empty((len(x), self.width, self.width))
        for start in range(0, len(x), _BLOCK):
            part = slice(start, start + _BLOCK)
            found[part] = shifted(
                self.at(x[part], y[part]), x[part] - np.rint(x[part]), y[part] - np.rint(y[part])
            )
        return found

    @cached_property
    def centre(self) -> Floats:
        """PSF at the centre of the exposure, shape (k, k)."""
        middle = ([0.5 * (self.size[0] - 1)], [0.5 * (self.size[1] - 1)])
        return np.asarray(self.at(*middle)[0])

    @cached_property
    def fwhm(self) -> float:
        """Full width at half maximum at the centre, of the Gaussian of the same area [pixel].

        The effective area is 1 / Σ psf², 4πσ² for a Gaussian.
        """
        area = self.centre.sum() ** 2 / np.square(self.centre).sum()
        return float(np.sqrt(area / (4.0 * np.pi)) * SIGMA_TO_FWHM)

    def convolved(self, kernel: ArrayLike) -> Psf:
        """Return the PSF convolved with one kernel.

        Parameters
        ----------
        kernel : array_like, shape (m, m)
            Kernel with odd side.

        Returns
        -------
        Psf
            Its side is k + m - 1.
        """
        kernel = np.asarray(kernel, np.float64)
        basis = fftconvolve(self.basis, kernel[np.newaxis], mode="full", axes=(1, 2))
        return Psf(basis, self.coefficients, self.order, self.size)


def n_terms(order: int) -> int:
    """Return the number of terms of a polynomial of two variables.

    Parameters
    ----------
    order : int
        Its total degree.

    Returns
    -------
    int
    """
    return (order + 1) * (order + 2) // 2


def terms(x: ArrayLike, y: ArrayLike, order: int, size: tuple[int, int]) -> Floats:
    """Return products of Chebyshev polynomials T_i(x) T_j(y), i + j <= order.

    Ordered by total degree, then by j: 1, x, y, x², xy, y², …

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Positions [pixel].
    order : int
        Highest total degree.
    size : tuple of int
        Columns and rows that are scaled to -1 … 1.

    Returns
    -------
    ndarray, shape (n, n_terms)
    """
    u, v = (
        2.0 * np.atleast_1d(np.asarray(at, np.float64)) / max(side - 1, 1) - 1.0
        for at, side in zip((x, y), size, strict=True)
    )
    in_x, in_y = chebyshev.chebvander(u, order), chebyshev.chebvander(v, order)
    pairs = [(total - j, j) for total in range(order + 1) for j in range(total + 1)]
    return np.stack([in_x[:, i] * in_y[:, j] for i, j in pairs], axis=1)


def shifted(images: Floats, dx: ArrayLike, dy: ArrayLike) -> Floats:
    """Shift images by fractions of a pixel, by the sampling theorem.

    Right to the accuracy with which the images are band-limited and vanish at their borders.

    Parameters
    ----------
    images : ndarray, shape (n, k, k)
        Images with odd sides.
    dx, dy : array_like, shape (n,)
        Towards larger x and y [pixel].

    Returns
    -------
    ndarray, shape (n, k, k)
    """
    rows, columns = (_shift_matrix(by, images.shape[-1]) for by in (dy, dx))
    return np.asarray(rows @ images @ columns.transpose(0, 2, 1))


def _shift_matrix(by: ArrayLike, k: int) -> Floats:
    """Return matrices that shift periodic sequences of odd length: the Dirichlet kernel."""
    by = np.atleast_1d(np.asarray(by, np.float64))
    # Only 2k - 1 distances occur.
    distance = np.arange(1 - k, k) - by[:, np.newaxis]
    below = np.sin(np.pi * distance / k)
    at_node = np.abs(below) < 1e-12
    above = np.sin(np.pi * distance)
    cosine = np.cos(np.pi * distance) / np.cos(np.pi * distance / k)
    found = np.where(at_node, cosine, above / (k * np.where(at_node, 1.0, below)))
    at = np.arange(k)
    return np.ascontiguousarray(found[:, at[:, np.newaxis] - at[np.newaxis] + k - 1])
