"""Background, sources and PSF, each of which needs the others: in rounds until they are stable."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.calibrate.background import Background, background, beside_sources, sky
from pipeline.calibrate.config import CalibrateConfig
from pipeline.calibrate.find import FWHM, Found, find
from pipeline.calibrate.fit import PointFits, fit_points, model_image
from pipeline.calibrate.kernels import grown
from pipeline.calibrate.psf_model import PsfFit, fit_psf
from pipeline.calibrate.star_stamps import Stars
from pipeline.calibrate.stars import candidates
from pipeline.errors import CalibrateError
from pipeline.exposure import UNUSABLE, Exposure, Image
from pipeline.psf import Psf

Floats = NDArray[np.float64]

_LARGEST = 35
_SMALLEST = 5
_LEFT_OVER = 2.0
_FIRST = 2.0
_SAMPLE = 1_000_000


@dataclass(frozen=True)
class Characterised:
    """An image whose sky, sources and PSF are known.

    Attributes
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels without background.
    residual : ndarray of float32, shape (ny, nx)
        Pixels without background and sources.
    variance : ndarray of float32, shape (ny, nx)
        Variance, scaled to the noise of the sky if that is wanted.
    bad : ndarray of bool, shape (ny, nx)
        Pixels that are not used.
    background : Background
        What was taken off.
    found : Found
        Sources.
    fits : PointFits
        The same sources, fitted with the PSF.
    psf : PsfFit
        Model.
    star_rows : ndarray of int
        Rows of the sources that the PSF was modelled from.
    noise_ratio : float
        Noise of the blank sky over that of the variance as it came.
    rounds : int
        Rounds that were needed.
    """

    image: Image
    residual: Image
    variance: Image
    bad: NDArray[np.bool_]
    background: Background
    found: Found
    fits: PointFits
    psf: PsfFit
    star_rows: NDArray[np.int64]
    noise_ratio: float
    rounds: int


def characterise(exposure: Exposure, config: CalibrateConfig) -> Characterised:
    """Find background, sources and PSF of an image.

    Parameters
    ----------
    exposure : Exposure
        Image with mask and variance.
    config : CalibrateConfig
        Settings.

    Returns
    -------
    Characterised

    Raises
    ------
    CalibrateError
        No usable sky, noise that contradicts the variance, no stars.
    """
    bad = exposure.masked(UNUSABLE)
    covered = np.zeros_like(bad)
    sources: list[NDArray[np.bool_]] = []
    fwhm, previous = config.initial_fwhm, None
    beneath, hidden = exposure.image, bad
    for turn in range(1, config.iterations + 1):
        level, image = _without_sky(exposure, beneath, hidden, sources, config)
        ratio = noise_ratio(image, exposure.variance, bad | covered, config.max_noise_ratio)
        variance = exposure.variance
        if config.scale_variance:
            variance = variance * np.float32(ratio**2)
        # The brighter ones are enough for a first PSF.
        threshold = config.threshold * (_FIRST if turn == 1 and config.iterations > 1 else 1.0)
        found = find(
            image,
            level.rms,
            bad,
            covered,
            fwhm,
            threshold,
            config.min_area,
            config.max_sources,
        )
        covered = _grown(found.covered, fwhm)
        # Once more, for what was just found is not sky.
        sources = [covered, found.covered]
        level, image = _without_sky(exposure, beneath, hidden, sources, config)
        one = _Round(exposure.with_(image=image, variance=variance), bad, found, config)
        rows, psf, at = one.model(previous)
        _, residual = one.fit(psf.psf, at)
        settled = abs(psf.psf.fwhm / fwhm - 1.0) < config.fwhm_tolerance and turn > 1
        fwhm = float(np.clip(psf.psf.fwhm, 1.0, _LARGEST / 2))
        # In a crowd the sky is seen where sources were taken off well.
        beneath = residual if not config.subtract_background else residual + level.level
        hidden = bad.copy()
        hidden[covered] |= np.abs(residual[covered]) > _LEFT_OVER * level.rms[covered]
        previous = psf.psf
        if settled:
            break
    level, image = _without_sky(exposure, beneath, hidden, sources, config)
    fits, residual = replace(one, exposure=one.exposure.with_(image=image)).fit(psf.psf, at)
    return Characterised(image, residual, variance, bad, level, found, fits, psf, rows, ratio, turn)


def _without_sky(
    exposure: Exposure,
    beneath: Image,
    hidden: NDArray[np.bool_],
    sources: list[NDArray[np.bool_]],
    config: CalibrateConfig,
) -> tuple[Background, Image]:
    """Return the background of what is beneath the sources, and the image without it."""
    box = config.background_box
    level = background(beneath, beside_sources(hidden, sources, box), box, config.background_filter)
    return level, exposure.image - level.level if config.subtract_background else exposure.image


def noise_ratio(image: Image, variance: Image, masked: NDArray[np.bool_], largest: float) -> float:
    """Return the noise of the blank sky over the noise that the variance predicts.

    Parameters
    ----------
    image, variance : ndarray of float32, shape (ny, nx)
        Pixels without background, and their variance.
    masked : ndarray of bool, shape (ny, nx)
        Bad, or on sources.
    largest : float
        More than this factor either way is an error.

    Returns
    -------
    float

    Raises
    ------
    CalibrateError
        Variance and noise contradict each other, or either is zero.
    """
    usable = ~masked
    if not np.any(variance[usable] > 0):
        raise CalibrateError(
            "the variance is zero everywhere; give gain and read noise, or a variance plane"
        )
    step = max(1, int(np.sqrt(image.size / _SAMPLE)))
    some = (slice(None, None, step), slice(None, None, step))
    noise = np.sqrt(np.maximum(variance[some], np.float32(1e-30)))
    pulls = (image[some] / noise).astype(np.float32)
    _, ratio = sky(pulls, masked[some])
    if not ratio > 0:
        raise CalibrateError(
            "more than half of the sky has the same value, so there is no noise to measure; check "
            "that the file is an image of the sky"
        )
    if not 1.0 / largest < ratio < largest:
        raise CalibrateError(
            f"the noise of the sky is {ratio:.3g} times what the variance predicts; the gain seems "
            f"to be wrong by a factor {ratio**-2:.3g} (or the variance plane is): correct it, or "
            "raise `max_noise_ratio`"
        )
    return ratio


@dataclass(frozen=True)
class _Round:
    """One model of the PSF, and all sources fitted with it."""

    exposure: Exposure
    bad: NDArray[np.bool_]
    found: Found
    config: CalibrateConfig

    def model(self, previous: Psf | None) -> tuple[NDArray[np.int64], PsfFit, list[Floats]]:
        """Return rows of stars, their PSF, and x, y, flux of the sources."""
        sources = self.found.sources
        seeing = previous.fwhm if previous is not None else _median_fwhm(sources)
        config = replace(self.config, initial_fwhm=seeing)
        rows = candidates(sources, self.exposure.mask, config)
        return rows, *self._model(rows, seeing, previous)

    def fit(self, psf: Psf, at: list[Floats]) -> tuple[PointFits, Image]:
        """Return fits of sources around x, y, flux, and the image without them."""
        planes = self.exposure.image, self.exposure.variance, self.bad
        fits = fit_points(*planes, psf, *at, rounds=2)
        drawn = np.nan_to_num(fits.flux)
        model = model_image(psf, fits.x, fits.y, drawn, self.exposure.shape)
        return fits, np.subtract(self.exposure.image, model, out=model)

    def _model(
        self, rows: NDArray[np.int64], seeing: float, previous: Psf | None
    ) -> tuple[PsfFit, list[Floats]]:
        """Fit the PSF, neighbours taken off with the previous one; return it and the sources."""
        sources = self.found.sources
        planes = self.exposure.image, self.exposure.variance
        half = int(np.clip(np.ceil(self.config.psf_radius * seeing), _SMALLEST, _LARGEST))
        at = [np.asarray(sources[name], np.float64) for name in ("x", "y", "flux")]
        if previous is None:
            x, y, flux = (v[rows] for v in at)
            stars = Stars.cut(*planes, self.bad, x, y, half)
        else:
            fits, residual = self.fit(previous, at)
            at = [fits.x, fits.y, np.where(np.isfinite(fits.flux), fits.flux, at[2])]
            x, y, flux = fits.x[rows], fits.y[rows], fits.flux[rows]
            stars = Stars.cut(residual, planes[1], self.bad, x, y, half)
            stars = stars.with_own(previous, x, y, flux)
        size = (self.exposure.shape[1], self.exposure.shape[0])
        config = self.config
        fitted = fit_psf(
            stars, x, y, flux, order=config.psf_order, per_term=config.stars_per_term, size=size
        )
        return fitted, at


def _median_fwhm(sources: Table) -> float:
    """Return a first FWHM, of the smaller half of the sources with a shape."""
    determinant = np.asarray(sources["ixx"] * sources["iyy"] - sources["ixy"] ** 2)
    known = np.asarray(sources["converged"]) & (determinant > 0)
    if not known.any():
        raise CalibrateError(
            f"{len(sources)} sources, none with a measurable shape: there are no stars to model "
            "the PSF from; check exposure, focus and the saturation level"
        )
    return float(FWHM * np.percentile(determinant[known] ** 0.25, 40))


def _grown(covered: NDArray[np.bool_], fwhm: float) -> NDArray[np.bool_]:
    """Return the pixels of sources with a margin for their wings."""
    return np.asarray(grown(covered, max(1, round(fwhm))))
