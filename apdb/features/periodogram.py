"""Generalised Lomb-Scargle periodograms of many light curves, on linear grids of frequency.

The formulas are those of Zechmeister & Kürster (2009, A&A 496, 577), equations 4 to 15: a sinusoid
and a mean, both weighted.  The sums over the points are non-uniform Fourier transforms by FINUFFT,
as in nifty-ls; here transforms are planned once for all light curves of about one length, and those
of the weights serve all three searches of a light curve.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import finufft
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FINE_GRID = 50_000
"""Grids with more frequencies are transformed in double precision."""

DEGENERATE = 1e-4
"""Where sine, cosine and mean are closer to dependent than this there is no power to speak of.

The determinant of their normal equations; a quarter for uniform phases.
"""


class _Plans(threading.local):
    """The plans of a thread, and whose points each holds."""

    def __init__(self) -> None:
        self.plans: dict[tuple[int, Any], Any] = {}
        self.points: dict[Any, object] = {}


_PLANS = _Plans()


@dataclass(frozen=True)
class Grid:
    """A linear grid of frequencies, ``step * (1 … n)``, of which those from `first` on count.

    Attributes
    ----------
    step : float
        Distance of the frequencies [1/d].
    n : int
        Number of frequencies.
    first : int
        Index of the lowest frequency that is searched.
    """

    step: float
    n: int
    first: int

    @property
    def frequencies(self) -> Floats:
        """All frequencies [1/d], shape (n,)."""
        return np.arange(1, self.n + 1, dtype=np.float64) * self.step


@dataclass(frozen=True)
class Search:
    """Where to look for periods.

    Attributes
    ----------
    minimum : float
        Lowest frequency [1/d]; 0 for one over the length of the light curve.
    maximum : float
        Highest frequency [1/d].
    oversampling : float
        Steps of the grid to one over the length of the light curve, at least.
    """

    minimum: float = 0.0
    maximum: float = 10.0
    oversampling: float = 5.0

    def grid(self, length: float) -> Grid | None:
        """Return the grid for a light curve.

        Parameters
        ----------
        length : float
            From its first to its last point [d].

        Returns
        -------
        Grid or None
            None if no frequency can be searched.
        """
        lowest = self.minimum or (1.0 / length if length > 0.0 else np.inf)
        if not lowest < self.maximum:
            return None
        n = _round_size(int(np.ceil(self.maximum * self.oversampling * length)))
        step = self.maximum / n
        return Grid(step, n, max(int(np.ceil(lowest / step - 1e-9)) - 1, 0))


class Periodogram:
    """The periodograms of one light curve and of what is left of it, with the same weights.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Times [d].
    weight : ndarray, shape (n,)
        Weights, of any scale.
    grid : Grid
        Frequencies.
    """

    def __init__(self, time: Floats, weight: Floats, grid: Grid) -> None:
        self._grid = grid
        self._weight = weight / weight.sum()
        self._kind = np.complex64 if grid.n <= FINE_GRID else np.complex128
        angle = 2.0 * np.pi * np.remainder(grid.step * (time - time[0]), 1.0)
        self._waves = _Waves(angle, grid.n, 1, self._kind)
        once = self._waves.sum(self._weight)
        # at twice a frequency: for the lower half that is on the grid
        twice = np.empty_like(once)
        half = grid.n // 2
        twice[:half] = once[1::2]
        twice[half:] = _Waves(2.0 * angle, grid.n - half, half + 1, self._kind).sum(self._weight)
        # With C, S of equations 8, 9: CC + SS = 1 - |C + iS|^2, CC - SS + 2i CS = twice - once^2
        both = 1.0 - (once.real**2 + once.imag**2)
        once *= once
        twice -= once
        determinant = both * both
        determinant -= twice.real**2 + twice.imag**2
        scale = (determinant > 4.0 * DEGENERATE).astype(determinant.dtype)
        np.maximum(determinant, 4.0 * DEGENERATE, out=determinant)
        scale /= determinant
        scale *= 2.0
        self._even = both * scale
        self._odd = np.conj(twice, out=twice)
        self._odd *= scale

    def power(self, value: Floats) -> NDArray[Any]:
        """Return the power of values at the times, between 0 and 1.

        Parameters
        ----------
        value : ndarray, shape (n,)
            The values.

        Returns
        -------
        ndarray, shape (grid.n,)
            Share of chi squared that a sinusoid of that frequency takes away; 0 for constant
            values.
        """
        centred = value - self._weight @ value
        total = float(self._weight @ (centred * centred))
        if not total > 0.0:
            return np.zeros(self._grid.n)
        scaled = centred / np.sqrt(total)
        found = self._waves.sum(self._weight * scaled)
        power = found.real**2
        power += found.imag**2
        power *= self._even
        found *= found
        found *= self._odd
        power -= found.real
        np.maximum(power, 0.0, out=power)
        np.minimum(power, 1.0, out=power)
        return np.asarray(power)


class _Waves:
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


def penalty(grid: Grid, n_points: int, pseudo_nyquist: float) -> tuple[int, NDArray[Any]]:
    """Return what the power of high frequencies is lowered by.

    Richards et al. (2011), §3.1: log(f / f_N) of frequencies above f_N, off (n - 1) / 2 times the
    share of chi squared, so that the highest ones do not win by chance.

    Parameters
    ----------
    grid : Grid
        The frequencies.
    n_points : int
        Number of points of the light curve.
    pseudo_nyquist : float
        f_N, half the mean of one over the distances in time of successive points [1/d].

    Returns
    -------
    first : int
        Index of the first frequency above f_N.
    penalty : ndarray, shape (grid.n - first,)
        In shares of chi squared, from there on.
    """
    first = min(int(pseudo_nyquist / grid.step), grid.n)
    above = _ln_frequencies(grid.step, grid.n)[first:] - np.float32(np.log(pseudo_nyquist))
    return first, above * np.float32(2.0 / (n_points - 1))


def penalised_peak(
    power: NDArray[Any], grid: Grid, lowered: tuple[int, NDArray[Any]]
) -> tuple[int, float]:
    """Return the best frequency of a periodogram.

    Parameters
    ----------
    power : ndarray, shape (grid.n,)
        Shares of chi squared.
    grid : Grid
        Its frequencies.
    lowered : tuple of int and ndarray
        The `penalty`.

    Returns
    -------
    index : int
        Of the best frequency in the grid.
    power : float
        Share of chi squared there, without the penalty.
    """
    above, lower = lowered
    searched = power.copy()
    searched[above:] -= lower
    best = int(np.argmax(searched[grid.first :])) + grid.first
    return best, float(power[best])


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


@lru_cache(maxsize=64)
def _ln_frequencies(step: float, n: int) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.log(step * np.arange(1, n + 1)).astype(np.float32)
    return found


def _round_size(n: int) -> int:
    """Return the next of the sizes 8 … 15 times a power of two: few plans serve all lengths."""
    n = max(n, 64)
    unit = 1 << (n.bit_length() - 4)
    return -(-n // unit) * unit
