"""Normal equations of the kernel, star by star, so that stars leave the fit by subtraction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.exposure import Exposure
from pipeline.subtract.bases import Bases, Floats
from pipeline.subtract.stars import SPOILT, cut

# The sky's variance is the one that this part of a stamp's pixels is below.
_SKY_RANK = 0.15


@dataclass(frozen=True)
class Stamps:
    """Pixels around stars of the image that is convolved and of the one that it is matched to.

    Attributes
    ----------
    where : ndarray, shape (n, 2)
        Positions [pixel].
    narrow : ndarray of float32, shape (n, m + 2 half, m + 2 half)
        Image to be convolved, wider by the kernel.
    wide : ndarray of float32, shape (n, m, m)
        Image to be matched.
    narrow_variance, wide_variance : ndarray of float32, shape (n, m, m)
        Their variances.
    good : ndarray of bool, shape (n, m, m)
        Pixels that neither image has masked, nor any that the kernel would mix into them much.
    """

    where: Floats
    narrow: NDArray[np.float32]
    wide: NDArray[np.float32]
    narrow_variance: NDArray[np.float32]
    wide_variance: NDArray[np.float32]
    good: NDArray[np.bool_]

    @classmethod
    def cut(cls, narrow: Exposure, wide: Exposure, where: Floats, half: int, kernel: int) -> Stamps:
        """Cut them out of two exposures.

        Parameters
        ----------
        narrow, wide : Exposure
            To be convolved, and to be matched.
        where : ndarray, shape (n, 2)
            Positions, half + kernel or more from the borders.
        half, kernel : int
            Pixels on either side of the star and of the kernel.

        Returns
        -------
        Stamps
        """
        spoilt = cut((narrow.mask | wide.mask) & np.uint32(SPOILT), where, half)
        square = np.arange(-half, half + 1) ** 2
        disc = square[:, np.newaxis] + square <= (half + 0.5) ** 2
        of_narrow, of_wide = (
            np.asarray(cut(exposure.variance, where, half), np.float32)
            for exposure in (narrow, wide)
        )
        good = (spoilt == 0) & disc & (of_narrow > 0) & (of_wide > 0)
        return cls(
            where,
            np.asarray(cut(narrow.image, where, half + kernel), np.float32),
            np.asarray(cut(wide.image, where, half), np.float32),
            of_narrow,
            of_wide,
            np.asarray(good),
        )


@dataclass(frozen=True)
class Equations:
    """Normal equations of every star: χ²(θ) = θᵀ A θ - 2 bᵀ θ + c, θ the kernel there.

    Each star has a constant of its own, for the background, which is eliminated.

    Attributes
    ----------
    where : ndarray, shape (n, 2)
        Positions [pixel].
    a : ndarray, shape (n, n_bases, n_bases)
        Matrices.
    b : ndarray, shape (n, n_bases)
        Right-hand sides.
    c : ndarray, shape (n,)
        χ² of no model.
    noise : ndarray, shape (n, n_bases, n_bases)
        What the noise of the convolved image adds to `a` in the mean.
    pixels : ndarray, shape (n,)
        Pixels that count, less the constant.
    """

    where: Floats
    a: Floats
    b: Floats
    c: Floats
    noise: Floats
    pixels: Floats

    @cached_property
    def signal(self) -> Floats:
        """The matrices less what noise adds to them, shape (n, n_bases, n_bases)."""
        return self.a - self.noise

    def chi2(self, theta: Floats) -> Floats:
        """Return χ² of every star.

        Parameters
        ----------
        theta : ndarray, shape (n, n_bases)
            Coefficients of the kernel at every star.

        Returns
        -------
        ndarray, shape (n,)
        """
        seen = (self.a @ theta[:, :, np.newaxis])[:, :, 0] - 2.0 * self.b
        return np.asarray((seen * theta).sum(axis=1) + self.c)

    def scale(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return the factor by which every star is brighter than its model, and its error.

        Parameters
        ----------
        theta : ndarray, shape (n, n_bases)
            Coefficients of the kernel at every star.

        Returns
        -------
        scale, error : ndarray, shape (n,)
        """
        seen = (self.signal @ theta[:, :, np.newaxis])[:, :, 0]
        quadratic = np.maximum((seen * theta).sum(axis=1), 1e-12)
        return (self.b * theta).sum(axis=1) / quadratic, 1.0 / np.sqrt(quadratic)

    def lacks(self, theta: Floats, parts: Floats) -> tuple[Floats, Floats]:
        """Return how much of some other kernels every star lacks in its model, with errors.

        Parameters
        ----------
        theta : ndarray, shape (n, n_bases)
            Coefficients of the kernel at every star.
        parts : ndarray, shape (k, n_bases)
            Coefficients of the others, each fitted alone.

        Returns
        -------
        amounts, errors : ndarray, shape (n, k)
        """
        left = self.b - (self.signal @ theta[:, :, np.newaxis])[:, :, 0]
        power = np.maximum(np.einsum("ki,nij,kj->nk", parts, self.signal, parts), 1e-12)
        return left @ parts.T / power, 1.0 / np.sqrt(power)

    def of(self, stars: NDArray[np.bool_]) -> Equations:
        """Return the equations of some of the stars.

        Parameters
        ----------
        stars : ndarray of bool, shape (n,)
            Which.

        Returns
        -------
        Equations
        """
        return Equations(*(getattr(self, field.name)[stars] for field in fields(self)))


def equations(
    stamps: Stamps,
    bases: Bases,
    convolved: NDArray[np.float32],
    kernel: tuple[float, float],
    systematics: float,
) -> Equations:
    """Build the normal equations.

    Noise in the convolved image makes Σ (T∗K_i)(T∗K_j) too large in the mean, by V_T Σ K_i K_j for
    every pixel, which would draw the kernel towards zero; it is kept apart to be subtracted.

    Parameters
    ----------
    stamps : Stamps
        Pixels.
    bases : Bases
        Parts of the kernel.
    convolved : ndarray of float32, shape (n, n_bases, m, m)
        Stamps convolved with each of them.
    kernel : tuple of float
        Σ K and Σ K² of the kernel that is expected: the ratio of the fluxes, and by what the
        variance of the convolved image enters the weights.
    systematics : float
        Fraction of the star's own pixels that is added to the noise.

    Returns
    -------
    Equations
    """
    flux, power = kernel
    model = np.maximum(flux * convolved[:, 0], 0.0)
    narrow_variance = _smooth(stamps.narrow_variance, model, stamps.good)
    variance = _smooth(stamps.wide_variance, model, stamps.good) + power * narrow_variance
    variance = variance + np.square(systematics * model)
    weight = np.where(stamps.good, 1.0 / np.where(variance > 0, variance, 1.0), 0.0)
    n, n_bases = convolved.shape[:2]
    flat = convolved.reshape(n, n_bases, -1)
    weight = weight.reshape(n, 1, -1).astype(np.float32)
    data = stamps.wide.reshape(n, 1, -1)
    ones = np.ones_like(data)
    rows = np.concatenate((flat, ones, data), axis=1)
    gram = (rows * weight) @ rows.transpose(0, 2, 1)
    gram = gram.astype(np.float64)
    total = np.maximum(gram[:, n_bases, n_bases], 1e-300)
    side = gram[:, n_bases]
    gram -= side[:, :, np.newaxis] * side[:, np.newaxis, :] / total[:, np.newaxis, np.newaxis]
    images = bases.images.reshape(n_bases, -1)
    mixed = (weight[:, 0] * narrow_variance.reshape(n, -1)).sum(axis=1, dtype=np.float64)
    noise = mixed[:, np.newaxis, np.newaxis] * (images @ images.T)
    return Equations(
        stamps.where,
        gram[:, :n_bases, :n_bases],
        gram[:, :n_bases, n_bases + 1],
        gram[:, n_bases + 1, n_bases + 1],
        noise,
        (weight[:, 0] > 0).sum(axis=1) - 1.0,
    )


def _smooth(
    variance: NDArray[np.float32], model: NDArray[np.float32], good: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Variance as the sky's of every stamp plus a multiple of the star.

    A variance that was made of the pixels themselves is low where their noise is low: as a weight
    it would draw every flux down.
    """
    flat = np.where(good, variance, np.inf).reshape(len(variance), -1)
    rank = int(_SKY_RANK * flat.shape[1])
    floor = np.partition(flat, rank, axis=1)[:, rank, np.newaxis, np.newaxis]
    floor = np.where(np.isfinite(floor), floor, variance.max(axis=(1, 2), keepdims=True))
    model = np.where(good, model, 0.0)
    above = np.where(good, variance - floor, 0.0)
    slope = float((model * above).sum() / max(np.square(model).sum(), 1e-30))
    return np.asarray(floor + max(slope, 0.0) * model, np.float32)
