"""Generalised Lomb-Scargle periodograms of many light curves, on linear grids of frequency.

The formulas are those of Zechmeister & Kürster (2009, A&A 496, 577), equations 4 to 15: a sinusoid
and a mean, both weighted.  What comes of the weights serves all searches of a light curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.features.waves import sums

Floats = NDArray[np.float64]

FINE_GRID = 50_000
"""Grids with more frequencies are summed in double precision."""

DEGENERATE = 1e-4
"""Where sine, cosine and mean are closer to dependent than this there is no power to speak of.

The determinant of their normal equations; a quarter for uniform phases.
"""


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
        real = np.float32 if grid.n <= FINE_GRID else np.float64
        self._sums = sums(grid.step * (time - time[0]), grid.n, real)
        (c, s), (c2, s2) = self._sums.once_and_twice(self._weight)
        # Equations 13 to 15 of C, S of 8, 9: CC + SS, CC - SS and 2 CS
        squares = c * c, s * s
        both = 1.0 - (squares[0] + squares[1])
        apart = c2 - (squares[0] - squares[1])
        across = s2 - 2.0 * (c * s)
        determinant = both * both - (apart * apart + across * across)
        scale = (determinant > 4.0 * DEGENERATE) * real(2.0)
        scale /= np.maximum(determinant, 4.0 * DEGENERATE)
        # the power is a quadratic form of YC and YS: what their squares and their product count
        self._cosine = scale * (both - apart)
        self._sine = scale * (both + apart)
        self._product = scale * (-2.0 * across)

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
        cosine, sine = self._sums.once(self._weight * scaled)
        power = self._cosine * cosine
        power += self._product * sine
        power *= cosine
        np.multiply(sine, sine, out=sine)
        sine *= self._sine
        power += sine
        np.maximum(power, 0.0, out=power)
        np.minimum(power, 1.0, out=power)
        return self._sums.in_order(power)


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


@lru_cache(maxsize=64)
def _ln_frequencies(step: float, n: int) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.log(step * np.arange(1, n + 1)).astype(np.float32)
    return found


def _round_size(n: int) -> int:
    """Return the next of the sizes 8 … 15 times a power of two: few plans serve all lengths."""
    n = max(n, 64)
    unit = 1 << (n.bit_length() - 4)
    return -(-n // unit) * unit
