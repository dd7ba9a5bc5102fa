"""Brightness of asteroids by phase angle: H, G and H, G12, and fits of the latter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

Floats = npt.NDArray[np.float64]

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
    base, slope = _parts(phase)
    keep = np.isfinite(reduced) & np.isfinite(phase) & (error > 0)
    # With the usual slope first: an outlier in a fit would bend it towards itself.
    keep = _fitting(
        group, n_groups, reduced + 2.5 * np.log10(base + DEFAULT_G12 * slope), error, keep
    )
    h, g12, held, normal = _solve(group, n_groups, reduced, error, base, slope, keep, phase)
    rest = reduced - h[group] + 2.5 * np.log10(np.maximum(base + g12[group] * slope, 1e-9))
    keep = _fitting(group, n_groups, rest, error, keep)
    h, g12, held, normal = _solve(group, n_groups, reduced, error, base, slope, keep, phase)
    rest = reduced - h[group] + 2.5 * np.log10(np.maximum(base + g12[group] * slope, 1e-9))

    def total(values: Floats) -> Floats:
        return np.bincount(group, np.where(keep, values, 0.0), n_groups).astype(float)

    n_used = total(np.ones_like(rest)).astype(np.int64)
    chi2 = total((rest / error) ** 2)
    freedom = np.maximum(n_used - np.where(held, 1, 2), 1)
    inflation = np.maximum(chi2 / freedom, 1.0)
    ((hh, hg), (_, gg)) = normal
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = hh * gg - hg * hg
        var_h = np.where(held, 1 / hh, gg / determinant) * inflation
        var_g = np.where(held, np.nan, hh / determinant) * inflation
        cov = np.where(held, np.nan, -hg / determinant) * inflation
    low, high = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
    np.minimum.at(low, group[keep], phase[keep])
    np.maximum.at(high, group[keep], phase[keep])

    def known(values: Floats) -> Floats:
        return np.asarray(np.where(n_used == 0, np.nan, values))

    return PhaseFits(
        h=known(h),
        h_err=known(np.sqrt(var_h)),
        g12=known(g12),
        g12_err=known(np.sqrt(var_g)),
        cov=known(cov),
        n_used=n_used,
        chi2=known(chi2),
        phase_min=known(low),
        phase_max=known(high),
        held=held,
    )


def _median(group: npt.NDArray[np.int64], n_groups: int, values: Floats) -> Floats:
    """Return the lower median of the values of each group; NaN is left out, and 0 for none."""
    order = np.lexsort((values, group))
    counts = np.bincount(group[np.isfinite(values)], minlength=n_groups)
    starts = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=n_groups))[:-1]])
    if not len(values):
        return np.zeros(n_groups)
    middle = np.minimum(starts + np.maximum(counts - 1, 0) // 2, len(values) - 1)
    return np.asarray(np.where(counts > 0, values[order][middle], 0.0))


def _fitting(
    group: npt.NDArray[np.int64],
    n_groups: int,
    rest: Floats,
    error: Floats,
    keep: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Return which detections deviate no more than errors and the scatter of the object allow."""
    off = np.abs(rest - _median(group, n_groups, np.where(keep, rest, np.nan))[group])
    scatter = 1.4826 * _median(group, n_groups, np.where(keep, off, np.nan))[group]
    return np.asarray(keep & (off <= _REJECT * np.hypot(error, scatter)))


def _solve(
    group: npt.NDArray[np.int64],
    n_groups: int,
    reduced: Floats,
    error: Floats,
    base: Floats,
    slope: Floats,
    keep: npt.NDArray[np.bool_],
    phase: Floats,
) -> tuple[
    Floats, Floats, npt.NDArray[np.bool_], tuple[tuple[Floats, Floats], tuple[Floats, Floats]]
]:
    """Return H, G12, where the latter was held, and the normal matrix."""
    weight = np.where(keep, 1.0 / np.where(keep, error, 1.0) ** 2, 0.0)

    def total(values: Floats) -> Floats:
        return np.bincount(group, np.where(keep, values, 0.0) * weight, n_groups).astype(float)

    low, high = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
    np.minimum.at(low, group[keep], phase[keep])
    np.maximum.at(high, group[keep], phase[keep])
    held = (np.bincount(group[keep], minlength=n_groups) < _MIN_POINTS) | ~(
        high - low >= _MIN_RANGE
    )
    g12 = np.full(n_groups, DEFAULT_G12)
    ones = np.ones_like(reduced)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_STEPS):
            light = np.maximum(base + g12[group] * slope, 1e-9)
            # Derivative of the magnitude by G12; that by H is 1.
            bend = -2.5 / np.log(10.0) * slope / light
            rest = reduced + 2.5 * np.log10(light)
            hh, hg, gg = total(ones), total(bend), total(bend * bend)
            h = total(rest) / hh
            rest -= h[group]
            step = total(bend * rest) / (gg - hg * hg / hh)
            g12 = np.where(held, DEFAULT_G12, np.clip(g12 + step, _LOWEST - 0.1, _HIGHEST + 0.1))
        # What ends at the limits was not found.
        lost = ~np.isfinite(g12) | (g12 < _LOWEST) | (g12 > _HIGHEST)
        held = held | lost
        g12 = np.where(held, DEFAULT_G12, g12)
        light = np.maximum(base + g12[group] * slope, 1e-9)
        bend = -2.5 / np.log(10.0) * slope / light
        hh, hg, gg = total(ones), total(bend), total(bend * bend)
        h = total(reduced + 2.5 * np.log10(light)) / hh
    return h, g12, held, ((hh, hg), (hg, gg))
