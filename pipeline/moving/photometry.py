"""Brightness of asteroids by phase angle: H, G and H, G12, and fits of the latter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Slope where none can be fitted: the mean of Veres et al. 2015, Icarus 261, 34.
DEFAULT_G12 = 0.5
#: A slope is fitted to so many detections or more, over so many degrees of phase angle.
_MIN_POINTS, _MIN_RANGE = 5, 3.0
#: What a slope may be: beyond, the phase function is not monotonic (Penttilä et al. 2016).
_LOWEST, _HIGHEST = -0.70, 1.30
_STEPS = 12
#: Detections that deviate by more of their error and the object's scatter are left out.
_REJECT = 4.0


def _spline(
    nodes: tuple[float, ...], values: tuple[float, ...], ends: tuple[float, float]
) -> CubicSpline:
    return CubicSpline(np.radians(nodes), values, bc_type=((1, ends[0]), (1, ends[1])))


# Muinonen et al. 2010, Icarus 209, 542, tables 3 and 4; derivatives of Penttilä et al. 2016.
_PHI1 = _spline(
    (7.5, 30, 60, 90, 120, 150),
    (0.75, 0.33486016, 0.134105601, 0.0511047560, 0.0214656870, 0.0036396989),
    (-1.90985931710274, -0.0913286120),
)
_PHI2 = _spline(
    (7.5, 30, 60, 90, 120, 150),
    (0.925, 0.628841690, 0.317554950, 0.127163670, 0.0223739010, 0.000165056890),
    (-0.572957795130823, -8.6573138e-8),
)
_PHI3 = _spline(
    (0, 0.3, 1, 2, 4, 8, 12, 20, 30),
    (
        1,
        0.833811850,
        0.577354240,
        0.421448720,
        0.231742300,
        0.103481780,
        0.0617334730,
        0.0161070060,
        0,
    ),
    (-0.106300970, 0.0),
)


def _parts(phase: Floats) -> tuple[Floats, Floats]:
    """Return the part of the phase function without G12, and what G12 multiplies."""
    angle = np.radians(phase)
    low = angle < np.radians(7.5)
    high = np.minimum(angle, np.radians(150.0))
    phi1 = np.where(low, 1.0 - 6.0 * angle / np.pi, _PHI1(high))
    phi2 = np.where(low, 1.0 - 9.0 * angle / (5.0 * np.pi), _PHI2(high))
    phi3 = np.where(angle < np.radians(30.0), _PHI3(np.minimum(angle, np.radians(30.0))), 0.0)
    # Penttilä et al. 2016: G1 = 0.84293649 G12, G2 = 0.53513350 (1 - G12).
    base = 0.53513350 * phi2 + (1.0 - 0.53513350) * phi3
    slope = 0.84293649 * phi1 - 0.53513350 * phi2 - (0.84293649 - 0.53513350) * phi3
    return np.asarray(base), np.asarray(slope)


def hg12_magnitude(
    h: npt.ArrayLike,
    g12: npt.ArrayLike,
    r: npt.ArrayLike,
    delta: npt.ArrayLike,
    phase: npt.ArrayLike,
) -> Floats:
    """Return magnitudes by H and G12.

    Parameters
    ----------
    h, g12 : array_like
        Absolute magnitude and slope parameter.
    r, delta : array_like
        Distances from the Sun and the observer [au].
    phase : array_like
        Phase angle [deg], to 150.

    Returns
    -------
    ndarray
        Penttilä et al. 2016, Planet. Space Sci. 123, 117.
    """
    base, slope = _parts(np.asarray(phase, dtype=float))
    distance = 5.0 * np.log10(np.asarray(r, dtype=float) * np.asarray(delta, dtype=float))
    return np.asarray(np.asarray(h) + distance - 2.5 * np.log10(base + np.asarray(g12) * slope))


def hg_magnitude(
    h: npt.ArrayLike, g: npt.ArrayLike, r: npt.ArrayLike, delta: npt.ArrayLike, phase: npt.ArrayLike
) -> Floats:
    """Return magnitudes by H and G.

    Parameters
    ----------
    h, g : array_like
        Absolute magnitude and slope parameter.
    r, delta : array_like
        Distances from the Sun and the observer [au].
    phase : array_like
        Phase angle [deg].

    Returns
    -------
    ndarray
        Bowell et al. 1989, Asteroids II, in the form of the exponentials.
    """
    half = np.tan(np.radians(np.asarray(phase, dtype=float)) / 2)
    slope = np.asarray(g, dtype=float)
    light = (1 - slope) * np.exp(-3.33 * half**0.63) + slope * np.exp(-1.87 * half**1.22)
    distance = 5.0 * np.log10(np.asarray(r, dtype=float) * np.asarray(delta, dtype=float))
    return np.asarray(np.asarray(h, dtype=float) + distance - 2.5 * np.log10(light))


@dataclass(frozen=True)
class PhaseFits:
    """H and G12 of objects; all arrays of shape (groups,).

    Attributes
    ----------
    h, h_err, g12, g12_err : ndarray
        Parameters and errors; errors are scaled by the scatter where it is more than them.
    cov : ndarray
        Covariance of the two; NaN with a slope that was held.
    n_used : ndarray of int64
        Detections that were not left out.
    chi2 : ndarray
        Sum of the squares of their residuals by their errors.
    phase_min, phase_max : ndarray
        Range of phase angles [deg].
    held : ndarray of bool
        Whether the slope was held at `DEFAULT_G12`, for it could not be fitted.
    """

    h: Floats
    h_err: Floats
    g12: Floats
    g12_err: Floats
    cov: Floats
    n_used: npt.NDArray[np.int64]
    chi2: Floats
    phase_min: Floats
    phase_max: Floats
    held: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Data:
    """Detections, and the parts of the phase function at their phase angles."""

    group: npt.NDArray[np.int64]
    n_groups: int
    reduced: Floats
    error: Floats
    phase: Floats
    base: Floats
    slope: Floats

    def rest(self, g12: Floats) -> Floats:
        """Return the absolute magnitude that each detection gives with slopes of the groups."""
        light = np.maximum(self.base + g12[self.group] * self.slope, 1e-9)
        return np.asarray(self.reduced + 2.5 * np.log10(light))

    def bend(self, g12: Floats) -> Floats:
        """Return the derivative of each magnitude by G12; that by H is 1."""
        light = np.maximum(self.base + g12[self.group] * self.slope, 1e-9)
        return np.asarray(-2.5 / np.log(10.0) * self.slope / light)

    def total(self, values: Floats, keep: Mask) -> Floats:
        """Return the sum over each group of what is kept."""
        return np.bincount(self.group, np.where(keep, values, 0.0), self.n_groups).astype(float)

    def range(self, keep: Mask) -> tuple[Floats, Floats]:
        """Return the least and largest phase angle of each group of what is kept."""
        low, high = np.full(self.n_groups, np.inf), np.full(self.n_groups, -np.inf)
        np.minimum.at(low, self.group[keep], self.phase[keep])
        np.maximum.at(high, self.group[keep], self.phase[keep])
        return low, high

    def median(self, values: Floats, keep: Mask) -> Floats:
        """Return the lower median over each group of what is kept; 0 for none."""
        values = np.where(keep, values, np.nan)
        if not len(values):
            return np.zeros(self.n_groups)
        order = np.lexsort((values, self.group))
        counts = np.bincount(self.group[keep], minlength=self.n_groups)
        starts = np.cumsum(np.bincount(self.group, minlength=self.n_groups))
        starts = np.concatenate([[0], starts[:-1]])
        middle = np.minimum(starts + np.maximum(counts - 1, 0) // 2, len(values) - 1)
        return np.asarray(np.where(counts > 0, values[order][middle], 0.0))

    def fitting(self, g12: Floats, keep: Mask) -> Mask:
        """Return which detections deviate no more than errors and the object's scatter allow."""
        rest = self.rest(g12)
        off = np.abs(rest - self.median(rest, keep)[self.group])
        scatter = 1.4826 * self.median(off, keep)[self.group]
        return np.asarray(keep & (off <= _REJECT * np.hypot(self.error, scatter)))


def fit_hg12(
    group: npt.NDArray[np.int64], n_groups: int, reduced: Floats, error: Floats, phase: Floats
) -> PhaseFits:
    """Fit H and G12 to many objects at once.

    Parameters
    ----------
    group : ndarray of int64, shape (n,)
        Number of the object, and band, that each detection is of.
    n_groups : int
        How many there are.
    reduced : ndarray, shape (n,)
        Magnitudes at 1 au from the Sun and the observer.
    error : ndarray, shape (n,)
        Their errors [mag].
    phase : ndarray, shape (n,)
        Phase angles [deg].

    Returns
    -------
    PhaseFits
        Least squares on magnitudes, by Gauss and Newton, in two passes between which
        detections that do not fit are left out.
    """
    data = _Data(group, n_groups, reduced, error, phase, *_parts(phase))
    keep = np.isfinite(reduced) & np.isfinite(phase) & (error > 0)
    # With the usual slope first: an outlier in a fit would bend it towards itself.
    keep = data.fitting(np.full(n_groups, DEFAULT_G12), keep)
    keep = data.fitting(_slopes(data, keep)[0], keep)
    g12, held = _slopes(data, keep)
    weight = 1.0 / np.where(keep, error, 1.0) ** 2
    bend = data.bend(g12)
    hh, hg = data.total(weight, keep), data.total(bend * weight, keep)
    n_used = np.bincount(group[keep], minlength=n_groups)
    low, high = data.range(keep)
    with np.errstate(divide="ignore", invalid="ignore"):
        h = data.total(data.rest(g12) * weight, keep) / hh
        chi2 = data.total((data.rest(g12) - h[group]) ** 2 * weight, keep)
        # Bodies rotate: where the scatter is more than the errors say, it is the error.
        inflation = np.maximum(chi2 / np.maximum(n_used - np.where(held, 1, 2), 1), 1.0)
        determinant = hh * data.total(bend**2 * weight, keep) - hg**2
        var_h = np.where(held, 1 / hh, data.total(bend**2 * weight, keep) / determinant)
        var_g = np.where(held, np.nan, hh / determinant)
        cov = np.where(held, np.nan, -hg / determinant)

    def _known(values: Floats) -> Floats:
        return np.asarray(np.where(n_used == 0, np.nan, values))

    return PhaseFits(
        h=_known(h),
        h_err=_known(np.sqrt(var_h * inflation)),
        g12=_known(g12),
        g12_err=_known(np.sqrt(var_g * inflation)),
        cov=_known(cov * inflation),
        n_used=n_used,
        chi2=_known(chi2),
        phase_min=_known(low),
        phase_max=_known(high),
        held=held,
    )


def _slopes(data: _Data, keep: Mask) -> tuple[Floats, Mask]:
    """Return G12 of each group by Gauss and Newton, H eliminated, and where it was held."""
    low, high = data.range(keep)
    counts = np.bincount(data.group[keep], minlength=data.n_groups)
    held = (counts < _MIN_POINTS) | ~(high - low >= _MIN_RANGE)
    weight = 1.0 / np.where(keep, data.error, 1.0) ** 2
    g12 = np.full(data.n_groups, DEFAULT_G12)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_STEPS):
            bend, rest = data.bend(g12), data.rest(g12)
            hh, hg = data.total(weight, keep), data.total(bend * weight, keep)
            rest = rest - (data.total(rest * weight, keep) / hh)[data.group]
            curve = data.total(bend**2 * weight, keep) - hg**2 / hh
            step = data.total(bend * rest * weight, keep) / curve
            # A little beyond the limits: what ends there was not found.
            moved = np.clip(g12 + step, _LOWEST - 0.1, _HIGHEST + 0.1)
            g12 = np.where(held, DEFAULT_G12, moved)
    held = held | ~((g12 >= _LOWEST) & (g12 <= _HIGHEST))
    return np.where(held, DEFAULT_G12, g12), held
