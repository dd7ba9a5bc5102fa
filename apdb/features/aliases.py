"""The periods of light curves whose cadence lets several frequencies fit about alike.

Where the points lie in few nights, the highest peak of a periodogram is often an alias: a frequency
one a day off, say, that the other periods of the signal have lifted over the true one.  So each of
the highest peaks is tried as the first of three sinusoids; the two others are searched in what it
leaves over, then each of the three again beside the two others.  Where two of the three are aliases
neither can be mended alone: so all combinations of the rivals of each are compared at last, and the
three that leave least are the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from apdb.features.periodogram import Grid, Periodogram

Floats = NDArray[np.float64]

RIVAL = 0.85
"""Share of the highest peak's power that makes another one a rival."""

N_STARTS = 4

_N_RIVALS = 8
_N_PROMISING = 12
_ROUNDS = 6
_NEWTON_STEPS = 3
_DAYS = (-2.0, -1.0, 1.0, 2.0)
_HARMONICS = (2.0, 3.0, 4.0)
_SAME = 0.2


def peaks(
    power: NDArray[np.float32], grid: Grid, apart: float, n: int, share: float = RIVAL
) -> list[float]:
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
        How many at most.
    share : float
        Only those of at least this share of the highest.

    Returns
    -------
    list of float
        Frequencies [1/d].
    """
    left = power.copy()
    left[: grid.first] = 0.0
    reach = int(np.ceil(apart / grid.step))
    least = share * float(left.max())
    found: list[float] = []
    while len(found) < n:
        best = int(np.argmax(left))
        if left[best] <= least * (1.0 - 1e-12) or left[best] <= 0.0:
            break
        found.append(grid.step * (best + 1))
        left[max(0, best - reach) : best + reach + 1] = 0.0
    return found


def resolve(
    periodogram: Periodogram,
    grid: Grid,
    power: NDArray[np.float32],
    points: tuple[Floats, Floats, Floats],
    noise: float,
) -> Floats | None:
    """Return the three sinusoids that fit a light curve best, the strongest first.

    Parameters
    ----------
    periodogram : Periodogram
        Of the light curve.
    grid : Grid
        Its frequencies.
    power : ndarray, shape (grid.n,)
        Its power for the light curve without its trend.
    points : tuple of ndarray, each of shape (n,)
        Times from the first point [d], values and weights.
    noise : float
        Weighted sum of squares up to which what is left over is taken for noise.

    Returns
    -------
    ndarray, shape (3,) or (1,), or None
        Frequencies [1/d]; only the first where another is a harmonic of one of them, since then the
        signal is no sum of three sinusoids.  None where neither the highest peak has rivals, nor
        the highest of what it leaves over, or that is noise: then it needs no such care.
    """
    curve = _Curve(*points)
    apart = 1.0 / points[0][-1]

    def _left_by(found: list[float], n: int, share: float = RIVAL) -> list[float]:
        return peaks(periodogram.power(curve.residual(found)), grid, apart, n, share)

    starts = peaks(power, grid, apart, N_STARTS)
    if not starts:
        return None
    if len(starts) == 1:
        if curve.chi2(starts) <= noise:
            return None
        first = curve.refined(starts, grid.step)
        if curve.chi2(first) <= noise or len(_left_by(first, 2)) < 2:
            return None
    grown = [_grow(curve, start, _left_by, grid.step) for start in starts]
    best = min(grown, key=curve.chi2)
    for _ in range(_ROUNDS):
        rivals = []
        for place, each in enumerate(best):
            others = best[:place] + best[place + 1 :]
            rivals.append(_rivals(each, _left_by(others, _N_RIVALS, 0.0), grid))
        better = _best_combination(curve, rivals, grid.step)
        if curve.chi2(better) >= curve.chi2(best) * (1.0 - 1e-9):
            break
        best = better
    strongest = np.array(best)[np.argsort(-curve.amplitudes(best), kind="stable")]
    return strongest[:1] if _related(strongest, _SAME * apart) else strongest


def _grow(
    curve: _Curve, start: float, left_by: Callable[[list[float], int], list[float]], step: float
) -> list[float]:
    """Return three frequencies from the first on, each searched once more beside the two others."""
    found = [start]
    for _ in range(2):
        found = curve.refined([*found, *left_by(found, 1)], step)
    for place in range(3):
        others = found[:place] + found[place + 1 :]
        again = curve.refined([*others, *left_by(others, 1)], step)
        found = min(found, again, key=curve.chi2)
    return found


def _rivals(found: float, peaks_left: list[float], grid: Grid) -> list[float]:
    """Return what a frequency may be instead: other peaks, and aliases by days."""
    low, high = grid.step * (grid.first + 1), grid.step * grid.n
    aliases = [abs(found + days) for days in _DAYS]
    return [found, *peaks_left, *(f for f in aliases if low <= f <= high)]


def _best_combination(curve: _Curve, rivals: list[list[float]], step: float) -> list[float]:
    """Return the frequencies of the best of all combinations of rivals."""
    every = np.array(sorted(set().union(*rivals)))
    places = [np.searchsorted(every, each).tolist() for each in rivals]
    triples = np.array(sorted({tuple(sorted(each)) for each in product(*places)}))
    triples = triples[(np.diff(triples, axis=1) > 0).all(axis=1)]
    order = np.argsort(curve.linearised_chi2(every, triples), kind="stable")
    promising = [every[triple].tolist() for triple in triples[order[:_N_PROMISING]]]
    for _ in range(_NEWTON_STEPS):
        promising = [curve.refined(each, step) for each in promising]
    return min(promising, key=curve.chi2)


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
        """Return constant, time, sine and cosine of each frequency, shape (2 + 2 k, n)."""
        angle = np.multiply.outer(frequencies, self._time)
        angle -= np.floor(angle)
        angle *= 2.0 * np.pi
        design = np.empty((2 + 2 * len(angle), len(self._time)))
        design[0] = 1.0
        design[1] = self._time
        np.sin(angle, out=design[2::2])
        np.cos(angle, out=design[3::2])
        return design

    def _solve(self, design: Floats) -> Floats:
        weighted = design * self._weight
        normal = weighted @ design.T
        norm = np.sqrt(normal.diagonal())
        norm[norm == 0.0] = 1.0
        normal /= norm * norm[:, None]
        normal.flat[:: len(normal) + 1] += 1e-6
        return np.asarray(np.linalg.solve(normal, weighted @ self._value / norm) / norm)

    def residual(self, frequencies: list[float]) -> Floats:
        """Return what trend and sinusoids leave over."""
        design = self._design(frequencies)
        return np.asarray(self._value - self._solve(design) @ design, np.float64)

    def chi2(self, frequencies: list[float]) -> float:
        """Return the weighted sum of squares of what is left over."""
        left = self.residual(frequencies)
        return float(self._weight @ (left * left))

    def amplitudes(self, frequencies: list[float]) -> Floats:
        """Return the amplitude of each sinusoid."""
        solved = self._solve(self._design(frequencies))
        return np.hypot(solved[2::2], solved[3::2])

    def linearised_chi2(self, every: Floats, triples: NDArray[np.intp]) -> Floats:
        """Return what combinations of three of some frequencies leave over, to first order.

        Each may move a little: its sinusoids times the time, which are the derivatives, are fitted
        beside them.  All sums over the points are taken once.
        """
        angle = 2.0 * np.pi * np.remainder(np.multiply.outer(self._time, every), 1.0)
        waves = np.stack([np.sin(angle), np.cos(angle)], axis=2)
        length = max(float(np.abs(self._time).max()), 1e-9)
        moving = waves * (self._time / length)[:, None, None]
        trend = np.stack([np.ones_like(self._time), self._time / length], axis=1)
        columns = np.concatenate(
            [trend, np.concatenate([waves, moving], axis=2).reshape(len(trend), -1)], axis=1
        )
        weighted = columns * self._weight[:, None]
        normal, right = columns.T @ weighted, weighted.T @ self._value
        own = 2 + 4 * triples[:, :, None] + np.arange(4)
        own = np.concatenate(
            [np.broadcast_to([0, 1], (len(own), 2)), own.reshape(len(own), -1)], axis=1
        )
        left, at = normal[own[:, :, None], own[:, None, :]], right[own]
        ridge = 1e-6 * normal[0, 0] * np.eye(own.shape[1])
        solved = np.linalg.solve(left + ridge, at[:, :, None])[:, :, 0]
        total = float(self._weight @ (self._value * self._value))
        return np.asarray(total - np.einsum("tp,tp->t", solved, at), np.float64)

    def refined(self, frequencies: list[float], step: float) -> list[float]:
        """Return frequencies after a step of Gauss-Newton, no farther than a step of the grid."""
        design = self._design(frequencies)
        solved = self._solve(design)
        slopes = solved[2::2, None] * design[3::2] - solved[3::2, None] * design[2::2]
        slopes *= 2.0 * np.pi * self._time
        both = self._solve(np.concatenate([design, slopes]))
        moves = np.clip(both[len(design) :], -step, step)
        return [f + float(move) for f, move in zip(frequencies, moves, strict=True)]
