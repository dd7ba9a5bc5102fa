"""The periodic set of LDM-151 §8.22.1: three frequencies and their harmonics, 32 numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apdb.features.aliases import resolve
from apdb.features.harmonics import N_HARMONICS, Curves, Fit, fit, refine, subtracted
from apdb.features.periodogram import Grid, Periodogram, Search, penalised_peak, penalty
from apdb.one_thread import ONE_THREAD

Floats = NDArray[np.float64]

N_COMPONENTS = 3
N_PERIODIC = 32

MIN_POINTS = (12, 21, 30)
"""Points that one, two and three components need: one more than the model has parameters."""

STRONG = 5.0
"""Significance from which on a peak's rivals are looked at more closely."""

_CURVES_AT_A_TIME = 64
#: Of a trend and one sinusoid with its frequency.
_PARAMETERS = 5


@dataclass(frozen=True)
class LightCurve:
    """One light curve of one band, in the order of time.

    Attributes
    ----------
    time : ndarray, shape (n,)
        Times [d].
    flux, error : ndarray, shape (n,)
        Fluxes and their errors; finite, the errors above 0.
    """

    time: Floats
    flux: Floats
    error: Floats


def light_curve(time: object, flux: object, error: object) -> LightCurve:
    """Return a light curve of the points that count, in the order of time.

    Parameters
    ----------
    time, flux, error : array_like, shape (n,)
        Times [d], fluxes and errors in any order; points that are not finite, or whose error is
        not above 0, are left out.

    Returns
    -------
    LightCurve

    Raises
    ------
    ValueError
        If the three differ in length or have more than one dimension.
    """
    columns = [np.asarray(each, np.float64) for each in (time, flux, error)]
    if columns[0].ndim != 1 or len({each.shape for each in columns}) != 1:
        raise ValueError(
            "time, flux and error must be one-dimensional and of one length, not "
            + ", ".join(str(each.shape) for each in columns)
        )
    good = np.isfinite(columns[0]) & np.isfinite(columns[1]) & np.isfinite(columns[2])
    good &= columns[2] > 0.0
    order = np.argsort(columns[0][good], kind="stable")
    return LightCurve(*(each[good][order] for each in columns))


def lc_periodic(curves: list[LightCurve], search: Search | None = None) -> Floats:
    """Return the periodic set of each light curve.

    Parameters
    ----------
    curves : list of LightCurve
        Any number, of any length.
    search : Search, optional
        Where to look for periods.

    Returns
    -------
    ndarray, shape (len(curves), 32)
        As `apdb.features.names.PERIODIC` says; NaN where a curve has too few points (`MIN_POINTS`
        for each component), no length or no scatter.
    """
    search = search or Search()
    found = np.full((len(curves), N_PERIODIC), np.nan)
    with ONE_THREAD:
        for rows in _batches(curves):
            batch = _Batch([curves[row] for row in rows], search)
            found[rows] = batch.characterise()
    return found


def _batches(curves: list[LightCurve]) -> Iterator[NDArray[np.intp]]:
    """Yield rows of curves of like length with as many components to find."""
    sizes = np.array([len(each.time) for each in curves], int)
    components = np.searchsorted(MIN_POINTS, sizes, side="right")
    for n in range(1, N_COMPONENTS + 1):
        rows = np.flatnonzero(components == n)
        rows = rows[np.argsort(sizes[rows], kind="stable")]
        for start in range(0, len(rows), _CURVES_AT_A_TIME):
            yield rows[start : start + _CURVES_AT_A_TIME]


class _Batch:
    """Light curves that have the same number of components to find."""

    def __init__(self, curves: list[LightCurve], search: Search) -> None:
        self._given = curves
        self._sizes = np.array([len(each.time) for each in curves])
        n = int(self._sizes.max())
        self._scale = np.array([_scale(each) for each in curves])
        time, value, weight = (np.zeros((len(curves), n)) for _ in range(3))
        self._grids: list[Grid | None] = []
        self._widths = [_width(each) for each in curves]
        nyquist = [_pseudo_nyquist(each) for each in curves]
        for row, each in enumerate(curves):
            m = len(each.time)
            time[row, :m] = each.time - each.time[0]
            value[row, :m] = each.flux / self._scale[row]
            weight[row, :m] = (each.error.min() / each.error) ** 2
            self._grids.append(search.grid(time[row, m - 1]) if np.ptp(each.flux) > 0.0 else None)
        self._curves = Curves(time, value, weight)
        self._resolved: dict[int, Floats] = {}
        self._periodograms: dict[int, Periodogram] = {}
        self._penalties = [
            (0, np.empty(0)) if grid is None else penalty(grid, m, limit)
            for grid, m, limit in zip(self._grids, self._sizes.tolist(), nyquist, strict=True)
        ]

    def characterise(self) -> Floats:
        """Return the sets, shape (n_curves, 32)."""
        n = len(self._given)
        n_components = int(np.searchsorted(MIN_POINTS, self._sizes.min(), side="right"))
        frequencies = np.empty((n, 0))
        sigma = np.full((n, N_COMPONENTS), np.nan)
        found = fit(self._curves, frequencies)
        ratio = np.full(n, np.nan)
        for i in range(n_components):
            peak, sigma[:, i] = self._search(found, i)
            frequencies = np.concatenate([frequencies, peak[:, None]], axis=1)
            frequencies = refine(self._curves, frequencies, self._steps())
            found = fit(self._curves, frequencies)
            if i == 0:
                ratio = self._variance_ratio(found, frequencies)
        made = _numbers(found, frequencies, sigma, ratio, self._scale)
        made[[grid is None for grid in self._grids]] = np.nan
        return made

    def _steps(self) -> Floats:
        return np.array([0.0 if grid is None else grid.step for grid in self._grids])

    def _search(self, found: Fit, component: int) -> tuple[Floats, Floats]:
        """Return the best frequency in what a fit left over, and its significance."""
        peak, sigma = np.ones(len(self._given)), np.full(len(self._given), np.nan)
        for row, grid in enumerate(self._grids):
            if grid is None:
                continue
            m = int(self._sizes[row])
            power = self._periodogram(row, grid).power(found.residual[row, :m])
            best, height = penalised_peak(power, grid, self._penalties[row])
            peak[row] = grid.step * (best + 1)
            width = grid.step * grid.n * self._widths[row]
            sigma[row] = significance(height, m, width)
            if component == 0 and m >= MIN_POINTS[-1] and sigma[row] > STRONG:
                self._resolve(row, power)
            if component < len(self._resolved.get(row, ())):
                peak[row] = self._resolved[row][component]
                at = min(max(round(peak[row] / grid.step) - 1, 0), grid.n - 1)
                sigma[row] = significance(float(power[at]), m, width)
        return peak, sigma

    def _periodogram(self, row: int, grid: Grid) -> Periodogram:
        """Return that of a row, made where its first power is about to be taken."""
        if row not in self._periodograms:
            m = self._sizes[row]
            time, weight = self._curves.time[row, :m], self._curves.weight[row, :m]
            self._periodograms[row] = Periodogram(time, weight, grid)
        return self._periodograms[row]

    def _resolve(self, row: int, power: NDArray[np.float32]) -> None:
        """Look closer where a strong peak has rivals, as cadences of few nights make them."""
        grid, m = self._grids[row], int(self._sizes[row])
        assert grid is not None
        curves = self._curves
        points = (curves.time[row, :m], curves.value[row, :m], curves.weight[row, :m])
        # Of chi squared, whose unit here is the smallest error: STRONG above what is expected.
        freedom = m - _PARAMETERS
        unit = (self._given[row].error.min() / self._scale[row]) ** 2
        noise = float(unit * (freedom + STRONG * np.sqrt(2.0 * freedom)))
        found = resolve(self._periodogram(row, grid), grid, power, points, noise)
        if found is not None:
            self._resolved[row] = found

    def _variance_ratio(self, found: Fit, frequencies: Floats) -> Floats:
        before = self._variance(self._curves.value)
        after = self._variance(subtracted(self._curves, found, 0, frequencies))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(after > 0.0, before / after, np.nan)

    def _variance(self, value: Floats) -> Floats:
        """Return the variance of some values of each curve, padding left out."""
        counts = np.arange(value.shape[1]) < self._sizes[:, None]
        mean = np.sum(value, axis=1, where=counts) / self._sizes
        squares = np.sum((value - mean[:, None]) ** 2, axis=1, where=counts)
        return np.asarray(squares / self._sizes, np.float64)


def _scale(curve: LightCurve) -> float:
    """Return what to divide fluxes by, so that their squares can be taken."""
    return float(np.abs(curve.flux).max()) or 1.0


def _pseudo_nyquist(curve: LightCurve) -> float:
    """Return half the mean of one over the distances in time of successive points [1/d]."""
    apart = np.diff(curve.time)
    apart = apart[apart > 0.0]
    return 0.5 * float(np.mean(1.0 / apart)) if len(apart) else 1.0


def _width(curve: LightCurve) -> float:
    """Return the width in time that counts for false alarms: sqrt(4π var t), weighted [d]."""
    weight = (curve.error.min() / curve.error) ** 2
    weight /= weight.sum()
    time = curve.time - curve.time[0]
    return float(np.sqrt(4.0 * np.pi * (weight @ (time - weight @ time) ** 2)))


def _numbers(
    found: Fit, frequencies: Floats, sigma: Floats, ratio: Floats, scale: Floats
) -> Floats:
    n, n_components = frequencies.shape
    made = np.full((n, N_PERIODIC), np.nan)
    made[:, 0] = found.coefficients[:, 1] * scale
    a1, b1 = found.amplitudes(0)
    first_phase = np.arctan2(b1[:, 0], a1[:, 0])
    for i in range(n_components):
        a, b = found.amplitudes(i)
        made[:, 1 + i] = frequencies[:, i]
        here = slice(N_HARMONICS * i, N_HARMONICS * (i + 1))
        made[:, 4:16][:, here] = np.hypot(a, b) * scale[:, None]
        turns = np.arange(1, N_HARMONICS + 1) * (frequencies[:, i] / frequencies[:, 0])[:, None]
        phase = np.arctan2(b, a) - turns * first_phase[:, None]
        made[:, 16:28][:, here] = np.pi - np.remainder(np.pi - phase, 2.0 * np.pi)
    made[:, 16] = 0.0
    made[:, 28] = sigma[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = sigma[:, 1:] / sigma[:, :1]
    made[:, 29:31] = np.where(np.isfinite(ratios), ratios, np.nan)
    made[:, 31] = ratio
    return made


def significance(power: float, n: int, width: float) -> float:
    """Return how significant the highest peak of a periodogram is against white noise.

    Baluev (2008, MNRAS 385, 1279), equations 5 and 6, for a sinusoid and a mean: an upper limit of
    the false-alarm probability, here as the deviation of a normal variable that is exceeded as
    rarely.

    Parameters
    ----------
    power : float
        Share of chi squared that the sinusoid takes away.
    n : int
        Number of points.
    width : float
        Highest frequency searched, times sqrt(4π) times the standard deviation of the times of the
        points, weighted by their errors.

    Returns
    -------
    float
        Standard deviations, at least 0.
    """
    from scipy.special import ndtri_exp  # slow to import for all commands

    left = math.log1p(-min(power, 1.0 - 1e-15))
    ln_single = 0.5 * (n - 3) * left
    ln_gamma = (
        math.lgamma(0.5 * (n - 1)) - math.lgamma(0.5 * (n - 2)) - 0.5 * math.log(0.5 * (n - 1))
    )
    crossings = width * math.sqrt(0.5 * (n - 1) * power)
    ln_tau = ln_gamma + 0.5 * (n - 4) * left + (math.log(crossings) if crossings else -math.inf)
    if max(ln_single, ln_tau) < -15.0:
        high, low = max(ln_single, ln_tau), min(ln_single, ln_tau)
        ln_false = high + math.log1p(math.exp(low - high))
    else:
        true = -math.expm1(ln_single) * math.exp(-math.exp(min(ln_tau, 700.0)))
        ln_false = math.log1p(-true) if true < 1.0 else ln_single
    return max(0.0, float(-ndtri_exp(min(ln_false, -math.log(2.0)))))
