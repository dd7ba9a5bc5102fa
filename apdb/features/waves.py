"""Sums of points times the waves of many frequencies, which periodograms are made of.

Few points are summed as products of matrices, right to rounding; many by the non-uniform Fourier
transform FINUFFT, as in nifty-ls.  Its transforms are planned once for all light curves of about
one length.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

import finufft
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Waves = tuple[NDArray[Any], NDArray[Any]]

FEW_POINTS = 128
"""Up to so many points products of matrices take less time than transforms."""


class Sums(Protocol):
    """Sums over points: the strength of each times cosine and sine of ``k angle``, k = 1 … n."""

    def once(self, strength: Floats) -> Waves:
        """Return the sums for some strengths.

        Parameters
        ----------
        strength : ndarray, shape (n_points,)
            Of each point.

        Returns
        -------
        cosine, sine : ndarray
            Of a shape and order of their own; to be worked on in place.
        """

    def once_and_twice(self, strength: Floats) -> tuple[Waves, Waves]:
        """Return the sums, and those at twice each frequency.

        Parameters
        ----------
        strength : ndarray, shape (n_points,)
            Of each point.

        Returns
        -------
        once, twice : tuple of ndarray
            Each as `once` returns them.
        """

    def in_order(self, found: NDArray[Any]) -> NDArray[Any]:
        """Return what was made of sums in the order of the frequencies.

        Parameters
        ----------
        found : ndarray
            Of the shape of sums.

        Returns
        -------
        ndarray, shape (n,)
        """


def sums(turn: Floats, n: int, real: Any) -> Sums:
    """Return what sums points over the waves of a linear grid of frequencies.

    Parameters
    ----------
    turn : ndarray, shape (n_points,)
        Turns of each point at the lowest frequency; whole ones do not matter.
    n : int
        Number of frequencies: 1 … n times the lowest.
    real : type
        Of the sums: numpy.float32 or numpy.float64.

    Returns
    -------
    Sums
    """
    return _Products(turn, n, real) if len(turn) <= FEW_POINTS else _Transforms(turn, n, real)


class _Products:
    """Sums by cos(c ± o) = cos c cos o ∓ sin c sin o, and the like for sines.

    The frequencies are a table.  A row's are those around its centre c, by offsets ± o: so the sums
    are four products of matrices, of rows by points and of points by offsets, in place of one of
    points by frequencies.  They come as two tables, of c + o and of c - o.
    """

    def __init__(self, turn: Floats, n: int, real: Any) -> None:
        half = 1 << max((n.bit_length() - 3) // 2, 0)
        self._n = n
        self._n_rows = -(-n // (2 * half))
        centre = half + 0.5 + 2.0 * half * np.arange(self._n_rows)
        offset = 0.5 + np.arange(half)
        self._waves = _cosine_and_sine(turn, np.concatenate([centre, offset]), real)

    def once_and_twice(self, strength: Floats) -> tuple[Waves, Waves]:
        return self.once(strength), self._sums(_doubled(self._waves), strength)

    def once(self, strength: Floats) -> Waves:
        return self._sums(self._waves, strength)

    def _sums(self, waves: NDArray[Any], strength: Floats) -> Waves:
        centre, offset = waves[:, : self._n_rows], waves[:, self._n_rows :]
        strong = (offset * strength.astype(offset.dtype)).transpose(0, 2, 1)
        (cos_cos, cos_sin), (sin_cos, sin_sin) = centre[:, None] @ strong[None]
        cosine = np.empty((2, *cos_cos.shape), cos_cos.dtype)
        sine = np.empty_like(cosine)
        np.subtract(cos_cos, sin_sin, out=cosine[0])
        np.add(cos_cos, sin_sin, out=cosine[1])
        np.add(sin_cos, cos_sin, out=sine[0])
        np.subtract(sin_cos, cos_sin, out=sine[1])
        return cosine, sine

    def in_order(self, found: NDArray[Any]) -> NDArray[Any]:
        above, below = found
        n_rows, half = above.shape
        both = np.empty((n_rows, 2, half), above.dtype)
        both[:, 0] = below[:, ::-1]
        both[:, 1] = above
        return both.reshape(-1)[: self._n]


def _cosine_and_sine(turn: Floats, times: Floats, real: Any) -> NDArray[Any]:
    """Return cosine and sine of multiples of turns, shape (2, n_times, n_points)."""
    # exact turns first: single precision has no digits left for thousands of them
    turns = np.multiply.outer(times, turn)
    turns -= np.rint(turns)
    angle = turns.astype(real)
    angle *= real(2.0 * np.pi)
    made = np.empty((2, *angle.shape), real)
    np.cos(angle, out=made[0])
    np.sin(angle, out=made[1])
    return made


def _doubled(given: NDArray[Any]) -> NDArray[Any]:
    """Return cosine and sine of twice the angles."""
    cosine, sine = given
    made = np.empty_like(given)
    np.multiply(sine, sine, out=made[0])
    made[0] *= -2.0
    made[0] += 1.0
    np.multiply(cosine, sine, out=made[1])
    made[1] *= 2.0
    return made


class _Transforms:
    """Sums by non-uniform Fourier transforms."""

    def __init__(self, turn: Floats, n: int, real: Any) -> None:
        self._angle = 2.0 * np.pi * np.remainder(turn, 1.0)
        self._n = n
        self._kind = np.complex64 if real is np.float32 else np.complex128
        self._waves = _Transform(self._angle, n, 1, self._kind)

    def once_and_twice(self, strength: Floats) -> tuple[Waves, Waves]:
        once = self._waves.sum(strength)
        # at twice a frequency: for the lower half that is on the grid
        twice = np.empty_like(once)
        half = self._n // 2
        twice[:half] = once[1::2]
        upper = _Transform(2.0 * self._angle, self._n - half, half + 1, self._kind)
        twice[half:] = upper.sum(strength)
        return (once.real, once.imag), (twice.real, twice.imag)

    def once(self, strength: Floats) -> Waves:
        found = self._waves.sum(strength)
        return found.real, found.imag

    def in_order(self, found: NDArray[Any]) -> NDArray[Any]:
        return found


class _Plans(threading.local):
    """The plans of a thread, and whose points each holds."""

    def __init__(self) -> None:
        self.plans: dict[tuple[int, Any], Any] = {}
        self.points: dict[Any, object] = {}


_PLANS = _Plans()


class _Transform:
    """Sums of points times the waves ``exp(i k angle)``, k = lowest … lowest + n - 1."""

    def __init__(self, angle: Floats, n: int, lowest: int, kind: Any) -> None:
        real = np.float32 if kind is np.complex64 else np.float64
        self._angle = (np.remainder(angle + np.pi, 2.0 * np.pi) - np.pi).astype(real)
        # modes come centred on zero: the shift puts the first on the lowest frequency
        self._shift = np.exp(1j * (n // 2 + lowest) * angle)
        self._n = n
        self._kind = kind

    def sum(self, strength: Floats) -> NDArray[Any]:
        """Return the sums for some strengths of the points, shape (n,)."""
        plan = _plan(self._n, self._kind)
        if _PLANS.points.get(plan) is not self:
            plan.setpts(self._angle)
            _PLANS.points[plan] = self
        found = np.empty(self._n, self._kind)
        plan.execute((strength * self._shift).astype(self._kind), found)
        return found


def _plan(n: int, kind: Any) -> Any:
    plans = _PLANS.plans
    if (n, kind) not in plans:
        if len(plans) >= 64:
            plans.clear()
            _PLANS.points.clear()
        real_eps = 1e-4 if kind is np.complex64 else 1e-9
        plans[n, kind] = finufft.Plan(
            1, (n,), eps=real_eps, isign=1, dtype=np.dtype(kind).name, nthreads=1, upsampfac=1.25
        )
    return plans[n, kind]
