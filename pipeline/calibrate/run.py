"""From an image without the signature of the instrument to fluxes and positions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from time import perf_counter

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray

from apdb.one_thread import ONE_THREAD
from pipeline.calibrate.aperture import ApertureCorrection, aperture_correction, aperture_flux
from pipeline.calibrate.astrometry import Astrometry, solve
from pipeline.calibrate.background import vignetted
from pipeline.calibrate.classify import spread
from pipeline.calibrate.config import CalibrateConfig
from pipeline.calibrate.metrics import image_metrics, sky_metrics
from pipeline.calibrate.psf_rounds import Characterised, characterise
from pipeline.calibrate.reference import References, references
from pipeline.calibrate.stars import isolated, saturated
from pipeline.calibrate.wcs import from_pointing
from pipeline.calibrate.zero_point import zero_point
from pipeline.errors import CalibrateError
from pipeline.exposure import UNUSABLE, Exposure, Image, Mask, Metrics, PhotoCalib
from pipeline.psf import SIGMA_TO_FWHM

Floats = NDArray[np.float64]

_SPREAD_FLOOR = 0.008
_AB_NJY = 31.4
_ENOUGH = 10
#: Sources within so many FWHM of each other are neighbours; stars that an image may not tell apart,
#: and the part of a star's flux that the other one must have to count.
_APART, _BLENDED, _BESIDE = 2.5, 1.5, 0.01


class SourceFlag(IntFlag):
    """Bits of the column `flags` of the sources."""

    SATURATED = 1
    """Saturated in its middle."""
    BAD_PIXELS = 2
    """More than 1% of its PSF is on bad pixels or beyond the edge."""
    NEIGHBOUR = 4
    """A neighbour of comparable flux is within 2.5 FWHM."""
    NO_FIT = 8
    """The PSF could not be fitted."""


@dataclass(frozen=True)
class Calibrated:
    """An image in nanojansky, with what was learnt about it.

    Attributes
    ----------
    exposure : Exposure
        Image in nJy without background, with PSF, WCS, photometric calibration, scaled variance,
        and the bits DETECTED and NO_DATA (vignetting) set.  A star's flux is what a fit of the
        PSF gives; apertures that hold all of its light give `calibrate.aperture_correction`
        times that.
    sources : Table
        x, y [pixel], x_err, y_err, ra, dec [deg], flux, flux_err [nJy], ap_flux, ap_flux_err
        [nJy, the fitted source and what is left of it in an aperture], snr, fwhm [pixel], spread,
        spread_err, chi2, is_star, used_for_psf, flags (`SourceFlag`).
    background : ndarray of float32, shape (ny, nx)
        What was taken off, in the unit of the input.
    metrics : dict of str to float
        Quality.
    """

    exposure: Exposure
    sources: Table
    background: Image
    metrics: Metrics


@ONE_THREAD
def calibrate(
    exposure: Exposure, refcat: Table | None = None, config: CalibrateConfig | None = None
) -> Calibrated:
    """Find background, PSF, aperture correction, world coordinates and zero point of an image.

    Parameters
    ----------
    exposure : Exposure
        Image with mask and variance, after isr.
    refcat : Table, optional
        Reference stars: ra, dec [deg]; flux [nJy] or a column of magnitudes as the settings say.
        Without it the world coordinates stay as they are, and the zero point is that of the
        settings or of the image.
    config : CalibrateConfig, optional
        Settings.

    Returns
    -------
    Calibrated

    Raises
    ------
    CalibrateError
        No sky, no stars, noise that contradicts the variance, no match with the catalogue, no
        zero point; the text says which and what to do.
    """
    config = config or CalibrateConfig()
    started = perf_counter()
    clean, dark = _usable(exposure, config)
    wcs = _first_wcs(clean, refcat, config)
    known = characterise(clean, config)
    sources, correction = _measure(known, clean, config)
    if refcat is None:
        photo_calib, fitted = _given_calib(clean, correction, config), {}
    else:
        stars = references(refcat, clean.info, config)
        astrometry = solve(sources, stars, wcs, clean.shape, config)
        wcs, fitted = astrometry.wcs, astrometry.metrics
        reach = _BLENDED * known.psf.psf.fwhm
        photo_calib, more = _fitted_calib(sources, stars, astrometry, reach, config)
        fitted |= more
    result = _finish(clean.with_(wcs=wcs), known, sources, photo_calib)
    metrics = image_metrics(known, sources, correction) | fitted
    metrics |= sky_metrics(result, metrics, config)
    metrics["calibrate.vignetted"] = dark
    metrics["calibrate.seconds"] = perf_counter() - started
    return Calibrated(result, sources, known.background.level, metrics)


def _first_wcs(exposure: Exposure, refcat: Table | None, config: CalibrateConfig) -> WCS | None:
    """Return the coordinates of the image, or of the settings."""
    wcs = exposure.wcs
    if wcs is not None and wcs.has_celestial:
        return wcs
    if config.pointing is not None:
        return from_pointing(config.pointing, exposure.shape)
    if refcat is None and not config.require_wcs:
        return None
    raise CalibrateError(
        "the image has no world coordinates; give `pointing` (ra, dec, pixel scale) to find them "
        "with a reference catalogue, or set `require_wcs` to false to go on without"
    )


def _usable(exposure: Exposure, config: CalibrateConfig) -> tuple[Exposure, float]:
    """Mask what is not finite, has no variance or no light; also return the part without light."""
    mask = exposure.mask.copy()
    finite = np.isfinite(exposure.image) & np.isfinite(exposure.variance)
    lost = ~finite | (exposure.variance <= 0)
    usable = ~exposure.masked(UNUSABLE)
    if not np.any(usable & finite):
        raise CalibrateError(
            "no pixel is usable: all are masked or NaN; check the file and its mask"
        )
    if not np.any(usable & ~lost):
        raise CalibrateError(
            "the variance is zero everywhere; give gain and read noise, or a variance plane"
        )
    mask[lost] |= np.uint32(Mask.NO_DATA)
    image = np.where(finite, exposure.image, np.float32(0))
    variance = np.where(lost, np.float32(0), exposure.variance)
    dark = vignetted(image, (mask & np.uint32(UNUSABLE)) != 0, config.vignette)
    mask[dark] |= np.uint32(Mask.NO_DATA)
    return exposure.with_(image=image, mask=mask, variance=variance), float(dark.mean())


def _measure(
    known: Characterised, exposure: Exposure, config: CalibrateConfig
) -> tuple[Table, ApertureCorrection]:
    """Return the table of sources, in counts, and the aperture correction."""
    fits, psf = known.fits, known.psf.psf
    flux = np.nan_to_num(fits.flux)
    wider = spread(known.residual, known.variance, known.bad, psf, fits.x, fits.y, flux)
    sources = Table({"x": fits.x, "y": fits.y, "x_err": fits.x_err, "y_err": fits.y_err})
    sources["flux"], sources["flux_err"] = fits.flux, fits.flux_err
    sources["snr"] = fits.flux / fits.flux_err
    sources["spread"], sources["spread_err"] = wider
    sources["chi2"] = fits.chi2
    determinant = np.asarray(known.found.sources["ixx"] * known.found.sources["iyy"])
    determinant = determinant - np.asarray(known.found.sources["ixy"]) ** 2
    sources["fwhm"] = SIGMA_TO_FWHM * np.maximum(determinant, 0) ** 0.25
    sources["used_for_psf"] = np.zeros(len(sources), bool)
    sources["used_for_psf"][known.star_rows[known.psf.used]] = True
    sources["flags"] = _flags(sources, exposure, fits.good, psf.fwhm)
    limit = np.hypot(_SPREAD_FLOOR, 3.0 * np.nan_to_num(wider[1], nan=np.inf))
    sources["is_star"] = np.isfinite(wider[0]) & (np.abs(np.nan_to_num(wider[0])) < limit)
    correction = _apertures(sources, known, config)
    return sources, correction


def _flags(sources: Table, exposure: Exposure, good: Floats, fwhm: float) -> NDArray[np.int32]:
    """Return the bits of the sources."""
    bits = np.zeros(len(sources), np.int32)
    bits[saturated(sources, exposure.mask)] |= SourceFlag.SATURATED
    bits[~(good > 0.99)] |= SourceFlag.BAD_PIXELS
    bits[~isolated(sources, _APART * fwhm)] |= SourceFlag.NEIGHBOUR
    bits[~np.isfinite(np.asarray(sources["flux"]))] |= SourceFlag.NO_FIT
    return bits


def _apertures(sources: Table, known: Characterised, config: CalibrateConfig) -> ApertureCorrection:
    """Add corrected aperture fluxes; return the correction, from the brighter stars of the PSF."""
    psf = known.psf.psf
    x, y = (np.asarray(sources[name], np.float64) for name in ("x", "y"))
    flux = np.nan_to_num(np.asarray(sources["flux"]))
    planes = known.residual, known.variance, known.bad
    # The fitted source is in the aperture as a whole: only what the fit left is summed.
    left, error = aperture_flux(*planes, x, y, max(config.aperture * psf.fwhm, float(psf.half)))
    stars = np.asarray(sources["used_for_psf"]) & (flux > 0)
    ratio = 1.0 + left[stars] / flux[stars]
    sizes = (known.image.shape[1], known.image.shape[0])
    correction = aperture_correction(ratio, error[stars] / flux[stars], x[stars], y[stars], sizes)
    factor, factor_err = correction.relative(x, y)
    near, near_err = aperture_flux(*planes, x, y, config.source_aperture * psf.fwhm)
    sources["ap_flux"] = (flux + near) * factor
    sources["ap_flux_err"] = np.hypot(near_err * factor, (flux + near) * factor_err)
    sources["flux_err"] = np.hypot(sources["flux_err"] * factor, flux * factor_err)
    sources["flux"] *= factor
    return correction


def _given_calib(
    exposure: Exposure, correction: ApertureCorrection, config: CalibrateConfig
) -> PhotoCalib:
    """Return the calibration of the settings, or of the image."""
    if config.zero_point is not None:
        # It is one of whole fluxes, which are those of the PSF times the correction.
        value, error = correction.centre
        scale = float(10.0 ** (0.4 * (_AB_NJY - config.zero_point)))
        return PhotoCalib(scale * value, scale * error)
    if exposure.unit == "nJy":
        return exposure.photo_calib or PhotoCalib(1.0)
    if exposure.photo_calib is not None:
        return exposure.photo_calib
    raise CalibrateError(
        "there is neither a reference catalogue nor a zero point; give a catalogue (`refcat`), or "
        "set `zero_point` to the AB magnitude of one count"
    )


def _fitted_calib(
    sources: Table,
    stars: References,
    astrometry: Astrometry,
    reach: float,
    config: CalibrateConfig,
) -> tuple[PhotoCalib, Metrics]:
    """Return the calibration that the reference stars say, and its metrics."""
    mine, theirs = astrometry.sources, astrometry.references
    flags = np.asarray(sources["flags"])[mine]
    good = (flags & (SourceFlag.SATURATED | SourceFlag.BAD_PIXELS | SourceFlag.NO_FIT)) == 0
    good &= stars.star[theirs] & np.asarray(sources["is_star"])[mine]
    alone = good & ((flags & SourceFlag.NEIGHBOUR) == 0)
    # The catalogue knows of neighbours that the image does not tell apart.
    nearby = astrometry.nearby
    nearby["flux"] = np.nan_to_num(stars.flux[nearby["row"]])
    alone &= np.isin(theirs, nearby["row"][isolated(nearby, reach, _BESIDE)])
    # In a crowded field every star has neighbours.
    use = alone if np.count_nonzero(alone) >= _ENOUGH else good
    counts, error = (np.asarray(sources[name])[mine][use] for name in ("flux", "flux_err"))
    found = zero_point(
        counts,
        error,
        stars.flux[theirs][use],
        stars.flux_err[theirs][use],
        config.zero_point_floor,
    )
    return found.photo_calib, {
        "calibrate.zero_point_stars": float(found.stars),
        "calibrate.zero_point_scatter": found.scatter,
    }


def _finish(
    exposure: Exposure, known: Characterised, sources: Table, photo_calib: PhotoCalib
) -> Exposure:
    """Return the image in nJy; fluxes of the sources are changed in place."""
    was_njy = exposure.unit == "nJy" and exposure.photo_calib is photo_calib
    factor = 1.0 if was_njy else photo_calib.njy_per_count
    scale = np.float32(factor)
    for name in ("flux", "flux_err", "ap_flux", "ap_flux_err"):
        sources[name] = np.asarray(sources[name]) * factor
    ra, dec = _positions(sources, exposure.wcs)
    sources.add_columns([ra, dec], indexes=[2, 2], names=["ra", "dec"])
    mask = exposure.mask.copy()
    mask[known.found.covered] |= np.uint32(Mask.DETECTED)
    nothing = (mask & np.uint32(Mask.NO_DATA)) != 0
    image, variance = known.image * scale, known.variance * scale**2
    image[nothing] = variance[nothing] = 0.0
    return exposure.with_(
        image=image,
        variance=variance,
        mask=mask,
        unit="nJy",
        psf=known.psf.psf,
        photo_calib=photo_calib,
    )


def _positions(sources: Table, wcs: WCS | None) -> tuple[Floats, Floats]:
    """Return positions on the sky, NaN without world coordinates."""
    if wcs is None:
        nothing = np.full(len(sources), np.nan)
        return nothing, nothing.copy()
    ra, dec = wcs.pixel_to_world_values(sources["x"], sources["y"])
    return np.asarray(ra, np.float64), np.asarray(dec, np.float64)
