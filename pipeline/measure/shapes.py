"""Adaptive second moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.special import ndtr

from pipeline.detect import Footprints
from pipeline.exposure import Exposure, Image
from pipeline.forced.windows import Bools, Floats
from pipeline.psf import SIGMA_TO_FWHM, Psf

_ITERATIONS = 60
_TOLERANCE = 1e-4
#: Pixels further out than so many sigmas of the weight do not count.
_REACH = 4.0
_MIN_MOMENT = 0.1
#: Part by which the size of the PSF may be wrong.
_PSF_ERROR = 0.03


@dataclass(frozen=True)
class Shapes:
    """Moments of sources under the Gaussian weights that fit them best.

    Attributes
    ----------
    x, y : ndarray, shape (n,)
        Centres [pixel].
    xx, xy, yy : ndarray, shape (n,)
        Moments [pixel²]; NaN where `failed`.
    failed, no_pixels : ndarray of bool, shape (n,)
        No moments; for want of pixels.
    """

    x: Floats
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats
    failed: Bools
    no_pixels: Bools

    def axes(self) -> tuple[Floats, Floats, Floats]:
        """Return the moments along the axes of the ellipse.

        Returns
        -------
        major, minor : ndarray, shape (n,)
            Moments [pixel²].
        angle : ndarray, shape (n,)
            Of the major axis from x towards y [rad].
        """
        return axes_of(self.xx, self.xy, self.yy)


def axes_of(xx: Floats, xy: Floats, yy: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the moments along the axes of ellipses.

    Parameters
    ----------
    xx, xy, yy : ndarray, shape (n,)
        Moments [pixel²].

    Returns
    -------
    major, minor : ndarray, shape (n,)
        Moments [pixel²].
    angle : ndarray, shape (n,)
        Of the major axis from x towards y [rad].
    """
    middle, half = 0.5 * (xx + yy), 0.5 * (xx - yy)
    length = np.hypot(half, xy)
    return middle + length, middle - length, 0.5 * np.arctan2(xy, half)


def source_shapes(
    exposure: Exposure, usable: Bools, x: Floats, y: Floats, negative: Bools, psf: Shapes
) -> Shapes:
    """Measure the moments of sources.

    The Gaussian that fits best by least squares (Bernstein & Jarvis 2002, AJ 123, 583): its
    moments are twice those of the image under it as weight.

    Parameters
    ----------
    exposure : Exposure
        Image.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that may be used.
    x, y : ndarray, shape (n,)
        Positions [pixel].
    negative : ndarray of bool, shape (n,)
        Sources below zero.
    psf : Shapes
        Moments of the PSF at the sources, to start with.

    Returns
    -------
    Shapes
    """
    signs = np.where(negative, -1.0, 1.0)
    start = np.stack([psf.xx, psf.xy, psf.yy], axis=1)
    return _shapes(_of_sources(exposure.image, usable, x, y, signs, start))


def psf_shapes(psf: Psf, x: Floats, y: Floats) -> Shapes:
    """Measure the moments of a PSF.

    Parameters
    ----------
    psf : Psf
        PSF.
    x, y : ndarray, shape (n,)
        Positions [pixel].

    Returns
    -------
    Shapes
        Centres from the middle pixel.
    """
    once = psf.order == 0 and len(x) > 0
    images = psf.at(x[:1], y[:1]) if once else psf.at(x, y)
    start = (psf.fwhm / SIGMA_TO_FWHM) ** 2
    found = _of_images(images.astype(np.float32), psf.half, start)
    return _shapes(np.repeat(found, len(x), axis=0) if once else found)


def extendedness(source: Shapes, psf: Shapes, snr: Floats) -> Floats:
    """Return how extended sources look.

    Parameters
    ----------
    source, psf : Shapes
        Moments of n sources, and of the PSF there.
    snr : ndarray, shape (n,)
        S/N of the sources.

    Returns
    -------
    ndarray, shape (n,)
        Probability that the size exceeds that of the PSF by three times its error, which is
        2 / (S/N) of the size for a Gaussian, and an error of the PSF; NaN without moments.
    """
    size, of_psf = source.xx + source.yy, psf.xx + psf.yy
    error = np.hypot(2.0 * size / np.maximum(snr, 1.0), _PSF_ERROR * of_psf)
    return np.asarray(ndtr((size - of_psf) / error - 3.0))


def contained(footprints: Footprints, shapes: Shapes, nx: int) -> Bools:
    """Tell whether the centres of the moments are in the footprints.

    Parameters
    ----------
    footprints : Footprints
        Pixels of n sources.
    shapes : Shapes
        Their moments.
    nx : int
        Columns of the image.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    n = len(footprints)
    with np.errstate(invalid="ignore"):
        column, row = (np.nan_to_num(np.rint(at), nan=-1.0) for at in (shapes.x, shapes.y))
    wanted = np.clip(row, 0, None).astype(np.int64) * nx + np.clip(column, 0, nx - 1).astype(
        np.int64
    )
    span = int(max(footprints.pixels.max(initial=0), wanted.max(initial=0))) + 1
    keys = np.sort(footprints.owner * span + footprints.pixels)
    mine = np.arange(n) * span + wanted
    at = np.minimum(np.searchsorted(keys, mine), max(len(keys) - 1, 0))
    return (keys[at] == mine) if len(keys) else np.zeros(n, np.bool_)


def _shapes(found: Floats) -> Shapes:
    failed = found[:, 5] < 1.0
    x, y, xx, xy, yy = (np.where(failed, np.nan, found[:, k]) for k in range(5))
    return Shapes(x, y, xx, xy, yy, failed, found[:, 5] < 0.0)


@njit(cache=True, nogil=True, parallel=True)
def _of_sources(
    image: Image, usable: Bools, x: Floats, y: Floats, signs: Floats, start: Floats
) -> NDArray[np.float64]:  # pragma: no cover
    found = np.empty((len(x), 6))
    for i in prange(len(x)):
        found[i] = _adapt(image, usable, x[i], y[i], signs[i], start[i])
    return found


@njit(cache=True, nogil=True)
def _of_images(images: Image, half: int, start: float) -> NDArray[np.float64]:  # pragma: no cover
    found = np.empty((len(images), 6))
    usable = np.ones(images.shape[1:], np.bool_)
    first = np.array([start, 0.0, start])
    for i in range(len(images)):
        found[i] = _adapt(images[i], usable, float(half), float(half), 1.0, first)
        found[i, :2] -= half
    return found


@njit(cache=True, nogil=True)
def _sums(
    image: Image, usable: Bools, x: float, y: float, sign: float, m: Floats
) -> tuple[NDArray[np.float64], int]:  # pragma: no cover
    """Return Σ w d (1, dx, dy, dx², dx dy, dy²) and the number of pixels."""
    ny, nx = image.shape
    det = m[0] * m[2] - m[1] ** 2
    reach_x, reach_y = _REACH * np.sqrt(m[0]), _REACH * np.sqrt(m[2])
    sums = np.zeros(6)
    n = 0
    for row in range(max(0, int(y - reach_y)), min(ny, int(y + reach_y) + 2)):
        for column in range(max(0, int(x - reach_x)), min(nx, int(x + reach_x) + 2)):
            dx, dy = column - x, row - y
            rho = (m[2] * dx * dx - 2.0 * m[1] * dx * dy + m[0] * dy * dy) / det
            if rho > _REACH**2 or not usable[row, column]:
                continue
            light = sign * image[row, column] * np.exp(-0.5 * rho)
            n += 1
            sums[0] += light
            sums[1] += light * dx
            sums[2] += light * dy
            sums[3] += light * dx * dx
            sums[4] += light * dx * dy
            sums[5] += light * dy * dy
    return sums, n


@njit(cache=True, nogil=True)
def _next(m: Floats, w: Floats) -> NDArray[np.float64]:  # pragma: no cover
    """Return the moments whose product with the weight `m` has the moments `w`.

    Exact for Gaussians; twice `w` where that is no ellipse, or too great a step.
    """
    doubled = 2.0 * w
    det_w, det_m = w[0] * w[2] - w[1] ** 2, m[0] * m[2] - m[1] ** 2
    a = w[2] / det_w - m[2] / det_m
    b = -w[1] / det_w + m[1] / det_m
    c = w[0] / det_w - m[0] / det_m
    det = a * c - b * b
    if a <= 0.0 or c <= 0.0 or det <= 0.0:
        return doubled
    found = np.array([c / det, -b / det, a / det])
    if found[0] > 2.0 * doubled[0] or found[2] > 2.0 * doubled[2]:
        return doubled
    return found


@njit(cache=True, nogil=True)
def _adapt(
    image: Image, usable: Bools, x: float, y: float, sign: float, start: Floats
) -> NDArray[np.float64]:  # pragma: no cover
    """Return x, y, xx, xy, yy and 1, 0 if it failed, or -1 if for want of pixels."""
    m = start.copy()
    at_x, at_y = x, y
    size = start[0] + start[2]
    largest = (0.25 * min(image.shape)) ** 2
    for _ in range(_ITERATIONS):
        sums, n = _sums(image, usable, at_x, at_y, sign, m)
        if n == 0:
            return np.array([x, y, 0.0, 0.0, 0.0, -1.0])
        if not sums[0] > 0.0:
            break
        dx, dy = sums[1] / sums[0], sums[2] / sums[0]
        w = np.array(
            [
                sums[3] / sums[0] - dx * dx,
                sums[4] / sums[0] - dx * dy,
                sums[5] / sums[0] - dy * dy,
            ]
        )
        if min(w[0], w[2], (w[0] * w[2] - w[1] ** 2) / (w[0] + w[2])) < 0.5 * _MIN_MOMENT:
            break
        new = _next(m, w)
        at_x += 2.0 * dx
        at_y += 2.0 * dy
        change = np.abs(new - m).max() / (m[0] + m[2])
        m = new
        if m[0] + m[2] > largest or (at_x - x) ** 2 + (at_y - y) ** 2 > size + m[0] + m[2]:
            break
        if change < _TOLERANCE and abs(dx) + abs(dy) < _TOLERANCE * np.sqrt(size):
            return np.array([at_x, at_y, m[0], m[1], m[2], 1.0])
    return np.array([x, y, 0.0, 0.0, 0.0, 0.0])
