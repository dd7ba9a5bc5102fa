"""The true PSF of simulated images: an elliptical Moffat profile that varies over the detector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.psf import Psf
from pipeline.scene.draw import Floats, Profiles, draw_stamps

#: Positions on each axis at which the PSF is drawn to fit the model of `Psf`, and its order.
_GRID, _ORDER = 7, 3


@dataclass(frozen=True)
class PsfModel:
    """A Moffat profile, sheared, integrated over pixels, cut off at the edge of its stamp.

    With u, v from -1 to 1 across the detector, the FWHM is
    fwhm (1 + gradient · (u, v) + bowl (u² + v²)), and twist (u² - v², 2uv) is added to the
    shear: stars are drawn out radially where it is positive.

    Attributes
    ----------
    fwhm : float
        Full width at half maximum of the profile before pixels integrate it, at the centre of
        the detector, geometric mean of the axes [pixel].
    g1, g2 : float
        Reduced shear, as galsim defines it: (a - b) / (a + b) along x and along the diagonal.
    beta : float
        Moffat's exponent, a multiple of 1/2: that is fast to compute.
    gradient : tuple of float
        Relative change of the FWHM from the centre to the right and to the upper edge.
    bowl, twist : float
        Relative change of the FWHM, and shear, at the middle of the edges.
    """

    fwhm: float = 4.0
    g1: float = 0.0
    g2: float = 0.0
    beta: float = 4.0
    gradient: tuple[float, float] = (0.0, 0.0)
    bowl: float = 0.0
    twist: float = 0.0

    def __post_init__(self) -> None:
        if not self.fwhm > 0:
            raise ValueError(f"fwhm is {self.fwhm} pixels: it must be positive")
        if not self.beta > 1 or self.beta % 0.5:
            raise ValueError(f"beta is {self.beta}: it must be a multiple of 1/2 above 1")
        if self.g1**2 + self.g2**2 >= 1:
            raise ValueError(f"shear ({self.g1}, {self.g2}) is not below 1")

    @property
    def half(self) -> int:
        """Pixels on either side of the middle one of a stamp."""
        widest = self.fwhm * (1.0 + abs(self.gradient[0]) + abs(self.gradient[1]) + 2 * self.bowl)
        return ceil(5.0 * max(widest, self.fwhm))

    @property
    def is_constant(self) -> bool:
        """Whether it is the same everywhere."""
        return not (any(self.gradient) or self.bowl or self.twist)

    def varied(self, amount: float) -> PsfModel:
        """Return a PSF that changes over the detector.

        Parameters
        ----------
        amount : float
            1 for a good camera: a few percent in size, 0.02 in shear.

        Returns
        -------
        PsfModel
        """
        return replace(
            self,
            gradient=(0.015 * amount, -0.01 * amount),
            bowl=0.015 * abs(amount),
            twist=0.01 * amount,
        )

    def profiles(self, x: ArrayLike, y: ArrayLike, size: tuple[int, int]) -> Profiles:
        """Return the profile at positions.

        Parameters
        ----------
        x, y : array_like, shape (n,)
            Positions [pixel].
        size : tuple of int
            Columns and rows of the detector.

        Returns
        -------
        Profiles
        """
        u, v = (
            2.0 * np.atleast_1d(np.asarray(at, float)) / max(side - 1, 1) - 1.0
            for at, side in zip((x, y), size, strict=True)
        )
        fwhm = self.fwhm * (
            1.0 + self.gradient[0] * u + self.gradient[1] * v + self.bowl * (u**2 + v**2)
        )
        g1, g2 = self.g1 + self.twist * (u**2 - v**2), self.g2 + self.twist * 2 * u * v
        return Profiles(_metric(fwhm, g1, g2, self.beta), self.beta, self.half)

    def psf(self, size: tuple[int, int]) -> Psf:
        """Return the PSF as the stages of the pipeline know PSFs.

        Parameters
        ----------
        size : tuple of int
            Columns and rows of the detector.

        Returns
        -------
        Psf
            Exact if the PSF is constant; else a polynomial of order 3 fitted to a grid of stars.
        """
        if self.is_constant:
            middle = [0.5 * (size[0] - 1)], [0.5 * (size[1] - 1)]
            return Psf.constant(draw_stamps(self.profiles(*middle, size))[0], size)
        x, y = (
            at.ravel() for at in np.meshgrid(*(np.linspace(0, side - 1, _GRID) for side in size))
        )
        return Psf.fit(x, y, draw_stamps(self.profiles(x, y, size)), _ORDER, size)


def _metric(fwhm: Floats, g1: Floats, g2: Floats, beta: float) -> NDArray[np.float64]:
    """Return xx, xy, yy of the matrix whose quadratic form is (r / α)², shape (n, 3)."""
    alpha = fwhm / (2.0 * sqrt(2.0 ** (1.0 / beta) - 1.0))
    scale = 1.0 / (alpha**2 * (1.0 - g1**2 - g2**2))
    square = g1**2 + g2**2
    return np.stack(
        [scale * (1 - 2 * g1 + square), scale * -4 * g2, scale * (1 + 2 * g1 + square)], axis=1
    )
