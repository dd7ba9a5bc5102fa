"""The periods of light curves whose cadence lets several frequencies fit about alike.

Where the points lie in few nights, the highest peak of a periodogram is often an alias: a frequency
one a day off, say, that the other periods of the signal have lifted over the true one.  So each of
the highest peaks is tried as the first of three sinusoids; the two others are searched in what it
leaves over, then each of the three again beside the two others.  The three that leave least are the
answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apdb.features.periodogram import Grid, Periodogram

Floats = NDArray[np.float64]

RIVAL = 0.85
"""Share of the highest peak's power that makes another one a rival."""

N_STARTS = 6

_SWEEPS = 2
_WORTH = 0.99
_HARMONICS = (2.0, 3.0, 4.0)


def peaks(power: NDArray[np.float32], grid: Grid, apart: float, n: int) -> list[float]:
    """Return the frequencies of the highest peaks, highest first.

    Parameters
    ----------
    power : ndarray, shape (grid.n,)
        Shares of chi squared.
    grid : Grid
        Its frequencies.
    apart : float
        How far from each other they must be [1/d].
    n : int
        How many at most; only those of at least `RIVAL` of the highest.

    Returns
    -------
    list of float
        Frequencies [1/d].
    """
    left = power.copy()
    left[: grid.first] = 0.0
    reach = int(np.ceil(apart / grid.step))
    least = RIVAL * float(left.max())
    found: list[float] = []
    while len(found) < n:
        best = int(np.argmax(left))
        if left[best] <= least * (1.0 - 1e-12) or left[best] <= 0.0:
            break
        found.append(grid.step * (best + 1))
        left[max(0, best - reach) : best + reach + 1] = 0.0
    return found


def resolve(
    periodogram: Periodogram, grid: Grid, time: Floats, value: Floats, weight: Floats
) -> Floats:
    """Return the three sinusoids that fit a light curve best, the strongest first.

    Parameters
    ----------
    periodogram : Periodogram
        Of the light curve.
    grid : Grid
        Its frequencies.
    time, value, weight : ndarray, shape (n,)
        Times from the first point [d], values and weights.

    Returns
    -------
    ndarray, shape (3,) or (1,)
        Frequencies [1/d]; only the first where another is a harmonic of one of them, since then the
        signal is no sum of three sinusoids.
    """
    curve = _Curve(time, value, weight)
    apart = 1.0 / time[-1]

    def _best_left(others: list[float]) -> float:
        return peaks(periodogram.power(curve.residual(others)), grid, apart, 1)[0]

    best: tuple[float, list[float]] = (np.inf, [])
    for start in peaks(periodogram.power(curve.residual([])), grid, apart, N_STARTS):
        found = [start]
        for _ in range(2):
            found = curve.refined([*found, _best_left(found)], grid.step)
        chi2 = curve.chi2(found)
        for _ in range(_SWEEPS):
            before = chi2
            for place in range(3):
                others = found[:place] + found[place + 1 :]
                again = [*others[:place], _best_left(others), *others[place:]]
                again = curve.refined(again, grid.step)
                chi2_again = curve.chi2(again)
                if chi2_again < chi2:
                    chi2, found = chi2_again, again
            if chi2 > _WORTH * before:
                break
        if chi2 < best[0]:
            best = (chi2, found)
    strongest = np.array(best[1])[np.argsort(-curve.amplitudes(best[1]), kind="stable")]
    return strongest[:1] if _related(strongest, apart) else strongest


def _related(frequencies: Floats, apart: float) -> bool:
    return any(
        abs(one - multiple * other) < apart
        for one in frequencies
        for other in frequencies
        for multiple in _HARMONICS
    )


class _Curve:
    """A light curve and fits of trend and sinusoids to it."""

    def __init__(self, time: Floats, value: Floats, weight: Floats) -> None:
        self._time = time - 0.5 * time[-1]
        self._value = value
        self._weight = weight

    def _design(self, frequencies: list[float]) -> Floats:
        angle = 2.0 * np.pi * np.remainder(np.multiply.outer(self._time, frequencies), 1.0)
        one = np.ones_like(self._time)
        columns = [one, self._time]
        for k in range(len(frequencies)):
            columns += [np.sin(angle[:, k]), np.cos(angle[:, k])]
        return np.stack(columns, axis=1)

    def _solve(self, design: Floats) -> Floats:
        norm = np.sqrt(self._weight @ (design * design))
        scaled = design / np.where(norm > 0.0, norm, 1.0)
        weighted = scaled * self._weight[:, None]
        normal = scaled.T @ weighted + 1e-6 * np.eye(design.shape[1])
        solved = np.linalg.solve(normal, weighted.T @ self._value)
        return np.asarray(solved / np.where(norm > 0.0, norm, 1.0), np.float64)

    def residual(self, frequencies: list[float]) -> Floats:
        """Return what trend and sinusoids leave over."""
        design = self._design(frequencies)
        return np.asarray(self._value - design @ self._solve(design), np.float64)

    def chi2(self, frequencies: list[float]) -> float:
        """Return the weighted sum of squares of what is left over."""
        left = self.residual(frequencies)
        return float(self._weight @ (left * left))

    def amplitudes(self, frequencies: list[float]) -> Floats:
        """Return the amplitude of each sinusoid."""
        solved = self._solve(self._design(frequencies))
        return np.hypot(solved[2::2], solved[3::2])

    def refined(self, frequencies: list[float], step: float) -> list[float]:
        """Return frequencies after a step of Gauss-Newton, no farther than a step of the grid."""
        design = self._design(frequencies)
        solved = self._solve(design)
        slopes = [
            2.0 * np.pi * self._time
            * (solved[2 + 2 * k] * design[:, 3 + 2 * k] - solved[3 + 2 * k] * design[:, 2 + 2 * k])
            for k in range(len(frequencies))
        ]  # fmt: skip
        both = self._solve(np.concatenate([design, np.stack(slopes, axis=1)], axis=1))
        moves = np.clip(both[design.shape[1] :], -step, step)
        return [f + float(move) for f, move in zip(frequencies, moves, strict=True)]
