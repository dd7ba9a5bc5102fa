"""Ends of faint trails, where the likelihood is no parabola."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.sparse import csr_array

from pipeline.exposure import Exposure
from pipeline.forced.windows import Floats, Ints, core_half, cut, point_sources
from pipeline.measure.trail import Trails, fit_trails
from pipeline.psf import SIGMA_TO_FWHM, Psf

#: Nodes on the line, in sigmas of the PSF; sums over ends are exact while their errors exceed 0.7.
_STEP = 1 / 3
#: Trails whose length is better known than this [sigma of the PSF] have parabolas.
_KNOWN = 1 / 3
#: Ends are looked for so many of their errors beyond those of the fit, and at least so many sigmas
#: of the PSF.
_REACH, _LEAST_REACH = 12.0, 20.0
#: Gain in χ² with which a fit begins again, and how often that may be.
_BETTER = 1.0
_ROUNDS = 3
#: Sources this much above or below the S/N of a piece of a trail are no pieces of the same one.
_UNLIKE = 4.0
#: Fewer nodes leave no choice of ends; more take a second.
_FEWEST, _MOST = 5, 1200


class _Line(NamedTuple):
    """A line: the middle of a trail on it [pixel], where it points, how long the trail is.

    A trail that was fitted owns the pieces that it covers; one that was drawn through a piece has
    to be better than both by themselves.
    """

    x: float
    y: float
    unit: Floats
    length: float
    fitted: bool = True


@dataclass(frozen=True)
class _Ends:
    """All pairs of ends on a line: nodes [pixel from the middle], and what each pair has."""

    line: _Line
    at: Floats
    gain: Floats
    slope: Floats
    slope_variance: Floats

    @property
    def fitted(self) -> tuple[int, int]:
        """The pair that the line came with."""
        half = 0.5 * self.line.length
        return int(np.abs(self.at + half).argmin()), int(np.abs(self.at - half).argmin())


@dataclass(frozen=True)
class _Field:
    """What trails lie in: image, PSF, all sources (x, y, signed S/N), and the noise at these."""

    exposure: Exposure
    psf: Psf
    sources: Floats
    noise: Floats
    max_length: float

    @property
    def sigma(self) -> float:
        """Width of the PSF [pixel]."""
        return float(self.psf.fwhm / SIGMA_TO_FWHM)


def settle_ends(
    exposure: Exposure,
    psf: Psf,
    trails: Trails,
    sources: Floats,
    noise: Floats,
    max_length: float,
) -> None:
    """Look for the ends of faint trails on their lines, and say how well these are known.

    A trail of S/N s per root of a pixel stops where χ² has grown by s² per pixel: once 1/s² is no
    smaller than the PSF, the end is that of a step in noise, whose likelihood has maxima far apart
    (Hinkley 1970, Biometrika 57, 1).  Best ends on the line of the fit, all pairs of them, start
    the fit anew; then length, place along the line and flux become the means over all pairs,
    weighted with their likelihood, and their covariance is that of this distribution.

    A longer trail that covers another source must explain the light better than both would by
    themselves: its gain in χ² pays for that source's own, (S/N)².  And no trail ends off the image.

    Parameters
    ----------
    exposure : Exposure
        Image.
    psf : Psf
        Its PSF.
    trails : Trails
        Fitted; changed in place.
    sources : ndarray, shape (n, 3)
        All sources: x, y [pixel], signed S/N.
    noise : ndarray, shape (n,)
        Noise over what the variance says.
    max_length : float
        Longer trails are failures [pixel].
    """
    field = _Field(exposure, psf, sources, noise, max_length)
    which = _faint(trails, field)
    for _ in range(_ROUNDS):
        found = {int(i): _better_ends(field, trails, int(i)) for i in which}
        better = [(i, start) for i, start in found.items() if start is not None]
        if not better:
            break
        index, starts = zip(*better, strict=True)
        which = _fit_again(field, trails, np.array(index), np.array(starts))
    for i in _faint(trails, field):
        ends = _all_ends(field, int(i), _fitted_line(trails, int(i)), _reach(field, trails, int(i)))
        if ends is not None:
            _average(trails, int(i), ends, noise[i])


def _faint(trails: Trails, field: _Field) -> Ints:
    """Return the trails whose lengths are worse known than the PSF is wide."""
    fitted = np.flatnonzero((trails.n_data > 0) & ~trails.failed & ~trails.edge)
    errors = np.array([_errors(trails, int(i))[0] for i in fitted]) * field.noise[fitted]
    return np.asarray(fitted[errors > _KNOWN * field.sigma], np.int64)


def _fitted_line(trails: Trails, i: int) -> _Line:
    vector = np.array([trails.dx[i], trails.dy[i]])
    length = max(float(np.hypot(*vector)), 1e-9)
    return _Line(float(trails.x[i]), float(trails.y[i]), vector / length, length)


def _errors(trails: Trails, i: int) -> tuple[float, float]:
    """Return the errors of a vector along itself and across [pixel]."""
    unit = _fitted_line(trails, i).unit
    both = np.array([unit, [-unit[1], unit[0]]])
    along, across = np.sqrt(np.diagonal(both @ trails.covariance[i, 3:, 3:] @ both.T))
    return float(along), float(across)


def _reach(field: _Field, trails: Trails, i: int) -> float:
    """Return how far beyond the ends of a fit those of the trail may be [pixel]."""
    of_ends = _REACH * field.noise[i] * _errors(trails, i)[0] / np.sqrt(2.0)
    reach = max(float(of_ends), _fitted_line(trails, i).length, _LEAST_REACH * field.sigma)
    return min(reach, field.max_length)


def _fit_again(field: _Field, trails: Trails, which: Ints, start: Floats) -> Ints:
    """Fit from other starts, keep what did not fail, and return which these are."""
    m = len(which)
    again = fit_trails(field.exposure, field.psf, np.arange(m), start, m, field.max_length)
    fine = np.flatnonzero(~again.failed)
    for each in fields(Trails):
        getattr(trails, each.name)[which[fine]] = getattr(again, each.name)[fine]
    return np.asarray(which[fine], np.int64)


def _better_ends(field: _Field, trails: Trails, i: int) -> Floats | None:
    """Return middle and vector of the best trail on the line, or on one through another piece.

    None if it is no better than the fitted one.
    """
    line, reach = _fitted_line(trails, i), _reach(field, trails, i)
    fitted = _all_ends(field, i, line, reach)
    if fitted is None:
        return None
    others = (_all_ends(field, i, each, reach) for each in _through_pieces(field, trails, i, reach))
    best, found = fitted.gain[fitted.fitted] + _BETTER, None
    for ends in (fitted, *others):
        if ends is None or not ends.gain.max() > best:
            continue
        first, last = np.unravel_index(int(ends.gain.argmax()), ends.gain.shape)
        low, high, unit = ends.at[first], ends.at[last], ends.line.unit
        if high - low <= field.max_length:
            middle = np.array([ends.line.x, ends.line.y]) + 0.5 * (low + high) * unit
            best, found = ends.gain.max(), np.concatenate([middle, (high - low) * unit])
    return found


def _through_pieces(field: _Field, trails: Trails, i: int, reach: float) -> list[_Line]:
    """Return lines from a source to others that may be pieces of the same trail."""
    line = _fitted_line(trails, i)
    along, across = _from_line(field, line)
    turn = 3.0 * field.noise[i] * _errors(trails, i)[1] / line.length
    with np.errstate(invalid="ignore"):
        pieces = (np.abs(along) > 0.5 * line.length) & (np.abs(along) < 0.5 * line.length + reach)
        pieces &= np.abs(across) < field.sigma + turn * np.abs(along)
        pieces &= np.abs(field.sources[:, 2] - field.sources[i, 2]) < _UNLIKE
    pieces[i] = False
    found = []
    for x, y, _ in field.sources[pieces]:
        vector = field.sources[i, :2] - [x, y]
        length = float(np.hypot(*vector))
        middle = [x, y] + 0.5 * vector
        found.append(_Line(middle[0], middle[1], vector / length, length, fitted=False))
    return found


def _nodes(field: _Field, i: int, line: _Line, reach: float) -> Floats:
    """Return places along a line [pixel from its middle], the ends of the fit among them."""
    low, high = _free(field, i, line, 0.5 * line.length + reach)
    count = max(1, round(line.length / (_STEP * field.sigma)))
    step = line.length / count
    before, after = (
        min(max(0, int((end - 0.5 * line.length) / step)), _MOST) for end in (-low, high)
    )
    return np.asarray(step * np.arange(-before, count + after + 1) - 0.5 * line.length, np.float64)


def _free(field: _Field, i: int, line: _Line, reach: float) -> tuple[float, float]:
    """Return how far a line may go before it meets another source, or leaves the image."""
    fwhm = field.psf.fwhm
    along, across = _from_line(field, line)
    with np.errstate(invalid="ignore"):
        other = (np.abs(across) < 2 * fwhm) & (np.abs(along) < reach + fwhm)
        other &= np.abs(field.sources[:, 2] - field.sources[i, 2]) > _UNLIKE
    other[i] = False
    first, last = _on_image(field, line)
    low = max([-reach, first, *(along[other & (along < 0)] + 1.5 * fwhm)])
    high = min([reach, last, *(along[other & (along >= 0)] - 1.5 * fwhm)])
    return low, high


def _from_line(field: _Field, line: _Line) -> tuple[Floats, Floats]:
    """Return where all sources are, along a line and across it [pixel from its middle]."""
    offset = field.sources[:, :2] - [line.x, line.y]
    return offset @ line.unit, offset @ [-line.unit[1], line.unit[0]]


def _on_image(field: _Field, line: _Line) -> tuple[float, float]:
    """Return where a line enters the image and where it leaves it [pixel from its middle]."""
    low, high = -np.inf, np.inf
    for middle, unit, size in zip(
        (line.x, line.y), line.unit, field.exposure.shape[::-1], strict=True
    ):
        if abs(unit) > 1e-9:
            ends = sorted(((-0.5 - middle) / unit, (size - 0.5 - middle) / unit))
            low, high = max(low, ends[0]), min(high, ends[1])
    return low, high


def _price(field: _Field, i: int, line: _Line, at: Floats) -> Floats:
    """Return what pairs of ends have to pay for the sources that they take in: (S/N)²."""
    along, across = _from_line(field, line)
    with np.errstate(invalid="ignore"):
        like = (np.abs(across) < field.psf.fwhm) & np.isfinite(field.sources[:, 2])
        like &= (along > at[0] - field.psf.fwhm) & (along < at[-1] + field.psf.fwhm)
        if line.fitted:
            like &= np.abs(along) > 0.5 * line.length
    like[i] = False
    price = np.zeros((len(at), len(at)))
    for place, _, snr in np.column_stack([along, across, field.sources[:, 2]])[like]:
        # An end has some of its light before it has come to its middle.
        first, last = at <= place + field.psf.fwhm, at >= place - field.psf.fwhm
        price[np.ix_(first, last)] += snr**2
    return price


def _all_ends(field: _Field, i: int, line: _Line, reach: float) -> _Ends | None:
    """Return the likelihood of all pairs of ends on a line; None of what is hardly a line."""
    if line.length < _STEP * field.sigma:
        return None
    at = _nodes(field, i, line, reach)
    if len(at) < _FEWEST:
        return None
    x, y = line.x + line.unit[0] * at, line.y + line.unit[1] * at
    windows = cut(field.exposure, None, x, y, core_half(field.psf))
    image: Floats = field.psf.at([line.x], [line.y])
    images = np.broadcast_to(image, (len(at), *image.shape[1:]))
    (points,) = point_sources(images, x - windows.x, y - windows.y, windows.half)
    points = points * windows.good
    light = (points * windows.image).sum(axis=(1, 2))
    square = np.maximum((points**2).sum(), 1e-30)
    variance = field.noise[i] ** 2 * float((points**2 * windows.variance).sum() / square)
    step = float(at[1] - at[0])
    gathered = cumulative_trapezoid(light, dx=step, initial=0.0)
    shared = _overlaps(points, windows.x, windows.y, windows.half)
    for axis in (0, 1):
        shared = cumulative_trapezoid(shared, dx=step, axis=axis, initial=0.0)
    own = np.diagonal(shared)
    norm = own[:, np.newaxis] + own - 2.0 * shared
    inner = gathered - gathered[:, np.newaxis]
    pairs = np.triu(np.ones(norm.shape, np.bool_), 1) & (norm > 1e-9 * norm.max())
    norm = np.where(pairs, norm, 1.0)
    right = pairs & (inner * field.sources[i, 2] > 0)
    gain = np.where(right, inner**2 / (norm * max(variance, 1e-30)), -np.inf)
    gain -= _price(field, i, line, at)
    return _Ends(line, at, gain, inner / norm, variance / norm)


def _overlaps(points: Floats, x: Ints, y: Ints, half: int) -> Floats:
    """Return Σ p q over the pixels that point sources share, for all pairs of them."""
    across = np.arange(-half, half + 1)
    columns = x[:, np.newaxis] + across - (x.min() - half)
    rows = y[:, np.newaxis] + across - (y.min() - half)
    width = int(columns.max()) + 1
    flat = (rows[:, :, np.newaxis] * width + columns[:, np.newaxis]).reshape(len(x), -1)
    starts = np.arange(len(x) + 1) * flat.shape[1]
    shape = (len(x), int(flat.max()) + 1)
    every = csr_array((points.ravel(), flat.ravel(), starts), shape=shape)
    return np.asarray((every @ every.T).toarray())


def _average(trails: Trails, i: int, ends: _Ends, noise: float) -> None:
    """Put means and covariance over all pairs of ends into a trail.

    Flux, place along the line and length are those of the pairs; across, and of the angle, it is
    the fit that says: by symmetry these are independent of the others.
    """
    if not np.isfinite(ends.gain[ends.fitted]):
        return
    weight = np.exp(0.5 * (ends.gain - ends.gain.max()))
    first, last = np.nonzero(weight > 1e-12)
    weight = weight[first, last] / weight[first, last].sum()
    lengths, middles = ends.at[last] - ends.at[first], 0.5 * (ends.at[last] + ends.at[first])
    # The points on the line lack their wings, as they do in what the fit is compared with.
    scale = trails.flux[i] / (ends.line.length * ends.slope[ends.fitted])
    values = np.stack([scale * ends.slope[first, last] * lengths, middles, lengths])
    mean = values @ weight
    off = values - mean[:, np.newaxis]
    spread = (off * weight) @ off.T
    spread[0, 0] += (scale * lengths) ** 2 @ (weight * ends.slope_variance[first, last])
    _put(trails, i, mean, spread / noise**2, ends.line.unit)


def _put(trails: Trails, i: int, mean: Floats, spread: Floats, unit: Floats) -> None:
    """Replace flux, place along the line and length, and what is known of these."""
    turn = np.zeros((5, 5))
    turn[0, 0] = 1.0
    for k in (1, 3):
        turn[k, k : k + 2], turn[k + 1, k : k + 2] = unit, [-unit[1], unit[0]]
    fitted = turn @ trails.covariance[i] @ turn.T
    along, across = np.ix_([0, 1, 3], [0, 1, 3]), np.ix_([2, 4], [2, 4])
    found = np.zeros((5, 5))
    found[along], found[across] = spread, fitted[across]
    trails.covariance[i] = turn.T @ found @ turn
    trails.flux[i] = mean[0]
    trails.x[i] += mean[1] * unit[0]
    trails.y[i] += mean[1] * unit[1]
    trails.dx[i], trails.dy[i] = mean[2] * unit
