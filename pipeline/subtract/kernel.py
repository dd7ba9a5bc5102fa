"""Kernels that vary over the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.psf import terms

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """A convolution kernel whose pixels are polynomials of the position.

    K(x, y) = Σ_t T_t(x, y) images_t, T_t being the products of Chebyshev polynomials of
    `pipeline.psf.terms`.

    Attributes
    ----------
    images : ndarray, shape (n_terms, k, k)
        One for every term; k is odd.
    order : int
        Degree of the polynomials.
    size : tuple of int
        Columns and rows of the image (nx, ny).
    """

    images: Floats
    order: int
    size: tuple[int, int]

    @property
    def half(self) -> int:
        """Pixels on either side of the middle one."""
        return int(self.images.shape[-1]) // 2

    def at(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Return the kernel at positions.

        Parameters
        ----------
        x, y : array_like, shape (n,)
            Positions [pixel].

        Returns
        -------
        ndarray, shape (n, k, k)
        """
        return np.asarray(np.tensordot(terms(x, y, self.order, self.size), self.images, axes=1))

    @property
    def centre(self) -> Floats:
        """Kernel at the centre of the image, shape (k, k)."""
        return np.asarray(self.at(0.5 * (self.size[0] - 1), 0.5 * (self.size[1] - 1))[0])

    @property
    def sum(self) -> float:
        """Ratio of fluxes: the sum of the kernel at the centre."""
        return float(self.centre.sum())
