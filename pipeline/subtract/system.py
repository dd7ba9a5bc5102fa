"""Normal equations of all stars together, solved for a kernel whose shape varies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from pipeline.psf import n_terms, terms
from pipeline.subtract.bases import Floats
from pipeline.subtract.normal import Equations

# Largest part of a direction of the equations that is taken off as noise.
_MOST_NOISE = 0.9
# Accuracy of sums of products of float32.
_ROUNDING = 3e-7
_MOST_ROUNDING = 1e-3


@dataclass(frozen=True)
class Solution:
    """Coefficients of a kernel.

    Attributes
    ----------
    flux : float
        Sum of the kernel.
    coefficients : ndarray, shape (n_terms, n_bases - 1)
        Of the kernels of zero sum.
    order : int
        Degree of the polynomials.
    """

    flux: float
    coefficients: Floats
    order: int

    def at(self, where: Floats, size: tuple[int, int]) -> Floats:
        """Return the coefficients of all bases at positions.

        Parameters
        ----------
        where : ndarray, shape (n, 2)
            x and y [pixel].
        size : tuple of int
            Columns and rows of the image.

        Returns
        -------
        ndarray, shape (n, n_bases)
        """
        varying = terms(where[:, 0], where[:, 1], self.order, size) @ self.coefficients
        return np.column_stack((np.full(len(where), self.flux), varying))


@dataclass(frozen=True)
class System:
    """Normal equations of a kernel of one sum everywhere and a shape that varies.

    The unknowns are the sum, then for every term of the polynomials the coefficients of all
    kernels of zero sum, so that a lower order is the leading part.

    Attributes
    ----------
    matrix : ndarray, shape (n, n)
        Σ A.
    noise : ndarray, shape (n, n)
        What noise adds to it in the mean.
    right : ndarray, shape (n,)
        Σ b.
    strength : ndarray, shape (n_bases - 1,)
        χ² that a kernel of zero sum accounts for, as a fraction of that of the first.
    """

    matrix: Floats
    noise: Floats
    right: Floats
    strength: Floats

    @classmethod
    def of(
        cls, given: Equations, use: NDArray[np.bool_], order: int, size: tuple[int, int]
    ) -> System:
        """Sum the equations of some stars.

        Parameters
        ----------
        given : Equations
            Of all stars.
        use : ndarray of bool, shape (n,)
            Stars that take part.
        order : int
            Degree of the variation.
        size : tuple of int
            Columns and rows of the image.

        Returns
        -------
        System
        """
        position = terms(given.where[use, 0], given.where[use, 1], order, size)
        right = given.b[use]
        sides = np.append(right[:, 0].sum(), (position.T @ right[:, 1:]).ravel())
        diagonal = np.einsum("nii->i", given.a[use])
        strength = np.maximum(diagonal[1:] / max(diagonal[0], 1e-300), 1e-6)
        whole, noise = (_expanded(of[use], position) for of in (given.a, given.noise))
        return cls(whole, noise, sides, strength)

    def __sub__(self, other: System) -> System:
        """Return the equations without those of some of the stars."""
        return System(
            self.matrix - other.matrix,
            self.noise - other.noise,
            self.right - other.right,
            self.strength,
        )

    def solve(self, order: int, freedom: float) -> Solution:
        """Solve for the kernel.

        The Gaussians overlap, and many combinations of them hardly change a star.  A prior keeps
        these from being decided by noise: each coefficient is expected to be `freedom` or less, in
        units in which it changes a star as much as the first kernel does, and a third of that for
        every degree of variation.

        Parameters
        ----------
        order : int
            Degree of the variation.
        freedom : float
            Standard deviation of the prior.

        Returns
        -------
        Solution

        Raises
        ------
        numpy.linalg.LinAlgError
            Not enough signal.
        """
        rest = len(self.strength)
        size = 1 + n_terms(order) * rest
        degree = np.concatenate([np.full(total + 1, total) for total in range(order + 1)])
        width = freedom * 0.3 ** np.repeat(degree, rest)
        prior = np.append(0.0, np.tile(self.strength, len(degree)) / np.square(width))
        matrix = self.signal[:size, :size] + np.diag(prior)
        scale = 1.0 / np.sqrt(np.diagonal(matrix))
        lower = _cholesky(matrix * scale[:, np.newaxis] * scale)
        found = linalg.cho_solve((lower, True), self.right[:size] * scale) * scale
        return Solution(float(found[0]), found[1:].reshape(-1, rest), order)

    @cached_property
    def signal(self) -> Floats:
        """The matrix less what noise adds to it, shape (n, n).

        In directions where there is little but noise, a tenth of the matrix is left, so that it
        stays positive definite.
        """
        diagonal = np.diagonal(self.matrix)
        if not np.isfinite(self.matrix).all() or not (diagonal > 0).all():
            raise np.linalg.LinAlgError("normal equations without signal")
        scale = 1.0 / np.sqrt(diagonal)
        lower = _cholesky(self.matrix * scale[:, np.newaxis] * scale)
        noise = self.noise * scale[:, np.newaxis] * scale
        noise = linalg.solve_triangular(lower, noise, lower=True)
        noise = linalg.solve_triangular(lower, noise.T, lower=True)
        share, vectors = linalg.eigh(0.5 * (noise + noise.T), check_finite=False)
        rotated = lower @ vectors
        kept = rotated * (1.0 - np.clip(share, 0.0, _MOST_NOISE))
        return np.asarray((kept @ rotated.T) / scale[:, np.newaxis] / scale)

    def condition(self, order: int) -> float:
        """Return the ratio of the extreme eigenvalues of the scaled equations.

        Parameters
        ----------
        order : int
            Degree of the variation.

        Returns
        -------
        float
        """
        size = 1 + n_terms(order) * len(self.strength)
        matrix = self.matrix[:size, :size]
        scale = 1.0 / np.sqrt(np.maximum(np.diagonal(matrix), 1e-300))
        values = np.linalg.eigvalsh(matrix * scale[:, np.newaxis] * scale)
        return float(values[-1] / max(values[0], 1e-12 * values[-1]))


def _cholesky(matrix: Floats) -> Floats:
    """Lower factor of a matrix with unit diagonal that is positive definite but for rounding."""
    rounding = _ROUNDING
    while True:
        try:
            lower = linalg.cholesky(matrix + rounding * np.eye(len(matrix)), lower=True)
            return np.asarray(lower, np.float64)
        except np.linalg.LinAlgError:
            if rounding > _MOST_ROUNDING:
                raise
            rounding *= 10.0


def _expanded(matrices: Floats, position: Floats) -> Floats:
    """Sum matrices of stars into those of coefficients that vary with position."""
    n, count = position.shape
    rest = matrices.shape[1] - 1
    products = (position[:, :, np.newaxis] * position[:, np.newaxis, :]).reshape(n, -1)
    inner = (products.T @ matrices[:, 1:, 1:].reshape(n, -1)).reshape(count, count, rest, rest)
    square = inner.transpose(0, 2, 1, 3).reshape(count * rest, count * rest)
    edge = (position.T @ matrices[:, 0, 1:]).reshape(1, -1)
    return np.block([[matrices[:, 0, 0].sum(), edge], [edge.T, square]])
