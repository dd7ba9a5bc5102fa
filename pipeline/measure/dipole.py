"""Dipoles: a source that is not where the template has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from pipeline.exposure import Exposure
from pipeline.forced.windows import Bools, Floats, Ints, Windows, core_half, cut, point_sources
from pipeline.measure.centroid import Points, fit_apart, fit_points, window_half
from pipeline.measure.fit import fit_models
from pipeline.measure.shapes import psf_shapes, source_shapes
from pipeline.psf import Psf

_BLOCK = 512
#: A source on the direct image is a star if its fit leaves less than this part of it, or has
#: less than this χ² per pixel.
_MAX_MISFIT = 0.05
_MAX_CHI2 = 1.5
#: Part by which the flux of the direct image may differ from that of a lobe: of a star, of a galaxy
#: with moments, and else.
_STAR_ERROR = 0.0005
_GALAXY_ERROR = 0.1
_OTHER_ERROR = 1.0
#: A pixel of a direct image is a neighbour's peak if it is so many sigmas above the source, whose
#: wings are known to a part of themselves.
_PEAK_SNR = 4.0
_WING_ERROR = 0.03
#: Part of the distance of the lobes' peaks with which fits of galaxies start.
_GALAXY_START = 0.2


@dataclass(frozen=True)
class Dipoles:
    """Fitted dipoles.

    Attributes
    ----------
    positive, negative : ndarray, shape (n, 3)
        Flux (above zero) and position x, y of the lobes [unit of the image, pixel].
    covariance : ndarray, shape (n, 6, 6)
        Of positive flux, x, y, negative flux, x, y.
    chi2 : ndarray, shape (n,)
        Of the pixels of the difference.
    n_data : ndarray of int32, shape (n,)
        Number of pixels; 0 where nothing was fitted.
    converged : ndarray of bool, shape (n,)
        The fit found a minimum with two lobes.
    """

    positive: Floats
    negative: Floats
    covariance: Floats
    chi2: Floats
    n_data: NDArray[np.int32]
    converged: Bools

    @classmethod
    def none(cls, n: int) -> Dipoles:
        """Return n sources that were not fitted.

        Parameters
        ----------
        n : int
            Number.

        Returns
        -------
        Dipoles
        """
        return cls(
            positive=np.full((n, 3), np.nan),
            negative=np.full((n, 3), np.nan),
            covariance=np.full((n, 6, 6), np.nan),
            chi2=np.full(n, np.nan),
            n_data=np.zeros(n, np.int32),
            converged=np.zeros(n, np.bool_),
        )

    def combined(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return linear combinations of the parameters and their covariance.

        Parameters
        ----------
        weights : ndarray, shape (k, 6)
            Combinations.

        Returns
        -------
        values : ndarray, shape (n, k)
        covariance : ndarray, shape (n, k, k)
        """
        both = np.concatenate([self.positive, self.negative], axis=1)
        return both @ weights.T, np.asarray(weights @ self.covariance @ weights.T)


def fit_dipoles(
    difference: Exposure,
    science: Exposure,
    template: Exposure,
    which: Ints,
    positive: Floats,
    negative: Floats,
    n: int,
) -> Dipoles:
    """Fit two point sources of opposite sign.

    Of lobes that overlap, the difference knows only flux × distance, and the difference of the
    fluxes.  What their mean is, science image and template tell: it comes into the fit as one
    more datum, with little weight where the direct images have no star there.  (It depends on
    the even part of their noise, the distance on the odd part of that of the difference.)

    Parameters
    ----------
    difference, science, template : Exposure
        Images with PSFs, the template as it was subtracted.
    which : ndarray of int64, shape (m,)
        Sources to fit.
    positive, negative : ndarray, shape (m, 2)
        Peaks x, y of the lobes [pixel].
    n : int
        Number of all sources.

    Returns
    -------
    Dipoles
        Of all n sources.
    """
    dipoles = Dipoles.none(n)
    for first in range(0, len(which), _BLOCK):
        s = slice(first, first + _BLOCK)
        _fit_block(difference, (science, template), which[s], positive[s], negative[s], dipoles)
    return dipoles


def _fit_block(
    difference: Exposure,
    direct: tuple[Exposure, Exposure],
    which: Ints,
    positive: Floats,
    negative: Floats,
    dipoles: Dipoles,
) -> None:
    psf = difference.psf
    assert psf is not None
    middle = 0.5 * (positive + negative)
    half = core_half(psf) + int(np.ceil(psf.fwhm))
    windows = cut(difference, None, middle[:, 0], middle[:, 1], half)
    points = [_points(image, middle) for image in direct]
    star = _are_stars(points[0]) | _are_stars(points[1])
    extents = _extents(direct, middle, windows, star)
    profiles = _profiles(psf, windows, extents)
    fluxes, doubts, shared = zip(
        *(
            _direct_flux(image, found, extents, windows, star)
            for image, found in zip(direct, points, strict=True)
        ),
        strict=True,
    )
    mean = 0.5 * (fluxes[0] + fluxes[1])[:, np.newaxis]
    prior = 0.25 * (doubts[0] + doubts[1])[:, np.newaxis]
    # The difference has the noise of the science image, and that of the template with its sign.
    common = np.concatenate([0.5 * (shared[0] - shared[1]), np.zeros_like(mean)], axis=1)
    n = len(which)
    origin = np.column_stack([windows.x, windows.y])
    data = np.concatenate([windows.image.reshape(n, -1), mean], axis=1)
    good = windows.good.reshape(n, -1).astype(float)
    pixels = windows.variance.reshape(n, -1)
    typical = pixels.sum(axis=1) / np.maximum(good.sum(axis=1), 1.0)
    equal = good / np.maximum(typical, 1e-30)[:, np.newaxis]
    weight = np.concatenate([equal, 1.0 / prior], axis=1)
    variance = np.concatenate([pixels, prior], axis=1)
    model = _DipoleModel(profiles, windows)
    guess = np.maximum(np.abs(mean), 1e-3)
    # Peaks of galaxies' lobes are where these are steepest, however little they moved.
    near = np.where(_are_galaxies(extents), _GALAXY_START, 1.0)[:, np.newaxis]
    lobes = [middle + near * (peak - middle) - origin for peak in (positive, negative)]
    start = np.column_stack([guess, lobes[0], guess, lobes[1]])
    fit = fit_models(model, start, data, weight, variance, common)
    found, window = fit.parameters, windows.half
    dipoles.positive[which] = found[:, :3] + np.column_stack([np.zeros(n), origin])
    dipoles.negative[which] = found[:, 3:] + np.column_stack([np.zeros(n), origin])
    dipoles.covariance[which] = fit.covariance
    residual = fit.residuals[:, :-1] * good
    dipoles.chi2[which] = (residual**2 / np.where(good > 0, pixels, 1.0)).sum(axis=1)
    dipoles.n_data[which] = good.sum(axis=1).astype(np.int32)
    inside = (np.abs(found[:, [1, 2, 4, 5]]) < window).all(axis=1)
    defined = np.isfinite(fit.covariance).all(axis=(1, 2))
    dipoles.converged[which] = (
        fit.converged & inside & defined & (found[:, 0] > 0) & (found[:, 3] > 0)
    )


def _points(image: Exposure, at: Floats) -> Points:
    """Fit what is there on a direct image, without the light of the stars around it."""
    assert image.psf is not None
    n, reach = len(at), image.psf.fwhm
    alone = fit_points(image, image.psf, at[:, 0], at[:, 1], reach)
    others = _peaks_around(image, at, alone)
    if not len(others):
        return alone
    x, y = np.concatenate([at, others]).T
    points = fit_apart(image, image.psf, x, y, reach)
    return Points(*(getattr(points, name)[:n] for name in Points.__dataclass_fields__))


def _peaks_around(image: Exposure, at: Floats, points: Points) -> Floats:
    """Return x, y of the peaks around point sources, but not within the FWHM of any."""
    assert image.psf is not None
    windows = cut(image, None, at[:, 0], at[:, 1], window_half(image.psf) + image.psf.half)
    x, y, flux = (
        np.where(points.converged, each, other)
        for each, other in ((points.x, windows.x), (points.y, windows.y), (points.flux, 0.0))
    )
    (model,) = point_sources(image.psf.at(x, y), x - windows.x, y - windows.y, windows.half)
    model *= flux[:, np.newaxis, np.newaxis]
    left = windows.image - model * windows.good
    side = 2 * round(0.5 * image.psf.fwhm) + 1
    least = _PEAK_SNR * np.sqrt(windows.variance + (_WING_ERROR * model) ** 2)
    peak = windows.good & (left > least) & (left >= maximum_filter(left, (1, side, side)))
    which, row, column = np.nonzero(peak)
    places = np.column_stack([windows.x[which] + column, windows.y[which] + row])
    peaks = np.unique(places - windows.half, axis=0).astype(float)
    if not len(peaks):
        return np.empty((0, 2))
    distance, _ = cKDTree(at).query(peaks)
    return np.asarray(peaks[distance > image.psf.fwhm])


def _are_stars(points: Points) -> Bools:
    per_pixel = points.chi2 / np.maximum(points.n_data, 1.0)
    return np.asarray(
        points.converged & ((per_pixel < _MAX_CHI2) | (points.misfit < _MAX_MISFIT)), np.bool_
    )


def _are_galaxies(extents: Floats) -> Bools:
    return np.asarray(extents[:, 0] > 0, np.bool_)


def _profiles(psf: Psf, windows: Windows, extents: Floats) -> Floats:
    """Return what sources of some extents look like through a PSF.

    Point sources would have to be far apart and faint to look like the lobes of a galaxy.
    """
    profiles: Floats = psf.at(windows.x, windows.y)
    wide = _are_galaxies(extents)
    profiles[wide] = _convolved(profiles[wide], extents[wide])
    return profiles


def _extents(
    direct: tuple[Exposure, Exposure], at: Floats, windows: Windows, star: Bools
) -> Floats:
    """Return xx, xy, yy of galaxies beyond the PSF on direct images; 0 of all others."""
    extents = np.zeros((len(star), 3))
    others = np.flatnonzero(~star)
    if not len(others):
        return extents
    x, y = at[others].T
    excess = np.zeros((len(others), 3))
    for image in direct:
        assert image.psf is not None
        of_psf = psf_shapes(image.psf, x, y)
        below = np.zeros(len(x), np.bool_)
        found = source_shapes(
            image, _usable_around(image, x, y, 2 * windows.half), x, y, below, of_psf
        )
        pairs = ((found.xx, of_psf.xx), (found.xy, of_psf.xy), (found.yy, of_psf.yy))
        excess += 0.5 * np.stack([one - other for one, other in pairs], axis=1)
    xx, xy, yy = excess.T
    with np.errstate(invalid="ignore"):
        wide = (xx > 0) & (yy > 0) & (xx * yy > xy**2)
    extents[others[wide]] = excess[wide]
    return extents


def _usable_around(image: Exposure, x: Floats, y: Floats, half: int) -> Bools:
    """Tell which pixels can be measured; only around positions, which is soon done."""
    usable = np.zeros(image.shape, np.bool_)
    windows = cut(image, None, x, y, half)
    which, row, column = np.nonzero(windows.good)
    usable[windows.y[which] + row - half, windows.x[which] + column - half] = True
    return usable


def _convolved(images: Floats, moments: Floats) -> Floats:
    """Convolve images with Gaussians of moments xx, xy, yy [pixel²]."""
    side = images.shape[-1]
    ky = 2 * np.pi * np.fft.fftfreq(side)[:, np.newaxis]
    kx = 2 * np.pi * np.fft.rfftfreq(side)[np.newaxis]
    xx, xy, yy = (part[:, np.newaxis, np.newaxis] for part in moments.T)
    damped = np.exp(-0.5 * (xx * kx**2 + 2 * xy * kx * ky + yy * ky**2))
    return np.asarray(np.fft.irfft2(np.fft.rfft2(images) * damped, (side, side)))


def _direct_flux(
    image: Exposure,
    points: Points,
    extents: Floats,
    windows: Windows,
    star: Bools,
) -> tuple[Floats, Floats, Floats]:
    """Return flux of the source on a direct image, and the variance to believe it with.

    Also its covariance with the pixels of windows, shape (n, pixels).
    """
    dx, dy = (
        np.where(points.converged, found - middle, 0.0).clip(-windows.half, windows.half)
        for found, middle in ((points.x, windows.x), (points.y, windows.y))
    )
    assert image.psf is not None
    galaxy = _are_galaxies(extents)
    (model,) = point_sources(_profiles(image.psf, windows, extents), dx, dy, windows.half)
    pixels = cut(image, None, windows.x.astype(float), windows.y.astype(float), windows.half)
    model = model * windows.good * pixels.good
    square = np.maximum((model**2).sum(axis=(1, 2)), 1e-30)
    of_galaxy = (model * pixels.image).sum(axis=(1, 2)) / square
    flux = np.where(galaxy, of_galaxy, np.where(np.isfinite(points.flux), points.flux, 0.0))
    noise = np.where(
        galaxy,
        (model**2 * pixels.variance).sum(axis=(1, 2)) / square**2,
        np.nan_to_num(points.covariance[:, 0, 0], nan=0.0),
    )
    doubt = np.select([star, galaxy], [_STAR_ERROR, _GALAXY_ERROR], _OTHER_ERROR) * flux
    shared = (model * pixels.variance / square[:, np.newaxis, np.newaxis]).reshape(len(flux), -1)
    return flux, np.maximum(noise + doubt**2, 1e-20), shared


class _DipoleModel:
    """Two point sources in windows, and their mean flux: flux, x, y of the lobes."""

    def __init__(self, profiles: Floats, windows: Windows) -> None:
        self.images = profiles
        self.half = windows.half
        self.good: Bools = windows.good

    def __call__(self, parameters: Floats, which: Ints) -> tuple[Floats, Floats]:
        n = len(which)
        limit = self.images.shape[-1] - 1.0
        slopes = np.zeros((n, 6, (2 * self.half + 1) ** 2 + 1))
        values = np.zeros((n, slopes.shape[2]))
        for first, sign in ((0, 1.0), (3, -1.0)):
            flux, x, y = parameters[:, first : first + 3].T
            x, y = np.clip(x, -limit, limit), np.clip(y, -limit, limit)
            parts = point_sources(self.images[which], x, y, self.half, slopes=True)
            point, by_x, by_y = ((p * self.good[which]).reshape(n, -1) for p in parts)
            slopes[:, first, :-1] = sign * point
            slopes[:, first + 1, :-1] = sign * flux[:, np.newaxis] * by_x
            slopes[:, first + 2, :-1] = sign * flux[:, np.newaxis] * by_y
            slopes[:, first, -1] = 0.5
            values += flux[:, np.newaxis] * slopes[:, first]
        return values, slopes
