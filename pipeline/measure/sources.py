"""All measurements of the sources of a difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray

from pipeline import forced
from pipeline.detect import Detections
from pipeline.errors import MeasureError
from pipeline.exposure import Exposure, Metrics
from pipeline.forced.windows import Bools, Floats, usable_pixels
from pipeline.measure.aperture import aperture_fluxes, aperture_noise
from pipeline.measure.centroid import Points, fit_apart
from pipeline.measure.config import MeasureConfig
from pipeline.measure.extended import (
    dipole_columns,
    fit_extended,
    positions,
    shape_columns,
    trail_columns,
)
from pipeline.measure.flags import pixel_flags
from pipeline.measure.noise import template_as_matched
from pipeline.measure.sky import LocalSky, local_sky
from pipeline.psf import SIGMA_TO_FWHM, Psf
from pipeline.subtract import Difference
from pipeline.subtract.agreement import Agreement

Columns = dict[str, NDArray[np.generic]]

#: Columns beyond those of DIASource: features for the classifier, errors that it has no column for.
EXTRA = (
    "n_blended",
    "n_pixels",
    "lobe_snr",
    "psf_misfit",
    "dipole_length_err",
    "dipole_angle_err",
)
_DOUBLE = ("ra", "dec", "trail_ra", "trail_dec")


@dataclass(frozen=True)
class _Images:
    """Images and what is known of them."""

    difference: Exposure
    science: Exposure
    template: Exposure
    template_noise: float
    psf: Psf
    usable: Bools
    models: Agreement


def measure(
    detections: Detections,
    difference: Difference,
    science: Exposure,
    matched_template: Exposure | None = None,
    config: MeasureConfig | None = None,
    *,
    snap_difference: Exposure | None = None,
) -> Table:
    """Measure what was detected.

    Nothing is dropped: what cannot be measured is NaN, and flagged.

    Parameters
    ----------
    detections : Detections
        From detect.
    difference : Difference
        From subtract.
    science : Exposure
        The calibrated image [nJy], with PSF.
    matched_template : Exposure, optional
        The template as it was subtracted; by default that of the difference.
    config : MeasureConfig, optional
        Settings.
    snap_difference : Exposure, optional
        Difference of the two snaps of the visit, on the same pixels.

    Returns
    -------
    astropy.table.Table
        A row for each detection, in their order, with the columns of DIASource that pixels
        decide, and those of `EXTRA`; with `snap_difference` also snap_flux and snap_flux_err.
        ``meta["metrics"]`` has measure.n_sources, n_flagged, n_dipoles, n_trails, sky_mean,
        sky_width (pulls of PSF fluxes on blank sky), aperture_noise and template_noise (ratios
        to what the variance says).

    Raises
    ------
    MeasureError
        A PSF or the WCS is missing, or shapes differ.
    """
    config = config or MeasureConfig()
    images = _images(detections, difference, science, matched_template)
    table = detections.table
    x, y = (np.asarray(table[name], np.float64) for name in ("x", "y"))
    noise = detections.noise.at(x, y)
    points = fit_apart(images.difference, images.psf, x, y, config.max_shift * images.psf.fwhm)
    x, y, covariance, lost = _positions(images.psf, images.difference.shape, points, x, y, noise)
    extended = fit_extended(
        detections, images.science, images.template, images.psf, images.usable, x, y, config
    )
    x, y, covariance, lost = positions(extended, x, y, covariance, lost, noise)
    covariance = covariance + np.eye(2) * images.models.position**2
    wcs = _wcs(images)
    sky = local_sky(wcs, x, y)
    trails = extended.trails
    at_trail = local_sky(wcs, *(np.nan_to_num(at) for at in (trails.x, trails.y)))
    columns: Columns = {
        **_position_columns(sky, x, y, covariance, lost),
        "snr": np.asarray(table["snr"], np.float64),
        "is_negative": np.asarray(table["is_negative"]),
        "bbox_size": np.asarray(table["bbox_size"], np.int32),
        "glint_trail": np.asarray(table["glint_trail"]),
        **_psf_columns(images, x, y, noise, config),
        **shape_columns(extended, detections, sky, np.asarray(table["snr"], np.float64)),
        **dipole_columns(extended, sky, noise, images.models),
        **trail_columns(extended, at_trail, noise, images.models),
        **_flag_columns(images, detections, x, y, points.spike),
        **{name: np.asarray(table[name]) for name in EXTRA if name in table.colnames},
        "psf_misfit": points.misfit,
    }
    aperture, metrics = _aperture_columns(images, detections, x, y, config)
    columns.update(aperture)
    columns.update(_direct_columns(images, x, y, metrics))
    if snap_difference is not None:
        snap = forced.fluxes(snap_difference, x, y, psf=images.science.psf)
        columns.update(snap_flux=snap.flux, snap_flux_err=snap.flux_err)
    metrics.update(_sky_metrics(images.difference, detections))
    return _table(columns, metrics)


def _images(
    detections: Detections,
    difference: Difference,
    science: Exposure,
    matched_template: Exposure | None,
) -> _Images:
    """Return the images, if they go together."""
    exposure = detections.exposure
    template = difference.matched_template if matched_template is None else matched_template
    for name, image in (("science image", science), ("matched template", template)):
        if image.shape != exposure.shape:
            raise MeasureError(
                f"the {name} has {image.shape} pixels, the difference {exposure.shape}; "
                "warp them to the same pixels"
            )
    if exposure.psf is None or science.psf is None:
        which = "difference" if exposure.psf is None else "science image"
        raise MeasureError(f"the {which} has no PSF; calibrate it first")
    template, noise = template_as_matched(difference, template, science)
    usable = usable_pixels(exposure)
    return _Images(exposure, science, template, noise, exposure.psf, usable, difference.models)


def _wcs(images: _Images) -> WCS:
    wcs = images.difference.wcs or images.science.wcs
    if wcs is None:
        raise MeasureError("neither difference nor science image has a WCS; calibrate it first")
    return wcs


def _positions(
    psf: Psf, shape: tuple[int, int], points: Points, x: Floats, y: Floats, noise: Floats
) -> tuple[Floats, Floats, Floats, Bools]:
    """Return positions, their covariance [pixel²], and which could not be measured."""
    covariance = points.covariance[:, 1:, 1:] * np.square(noise)[:, np.newaxis, np.newaxis]
    width = psf.fwhm / SIGMA_TO_FWHM
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)).max(axis=1, initial=0.0)
    ny, nx = shape
    with np.errstate(invalid="ignore"):
        lost = ~points.converged | ~(spread < psf.fwhm)
        lost |= ~((np.abs(2 * points.x - nx + 1) < nx) & (np.abs(2 * points.y - ny + 1) < ny))
    covariance = np.where(lost[:, np.newaxis, np.newaxis], np.eye(2) * width**2, covariance)
    return np.where(lost, x, points.x), np.where(lost, y, points.y), covariance, lost


def _flag_columns(
    images: _Images, detections: Detections, x: Floats, y: Floats, spike: Bools
) -> Columns:
    mask = images.difference.mask | images.science.mask
    flags = pixel_flags(mask, detections.footprints, x, y)
    # Not all cosmic rays were found on the science image.
    for name in ("pixel_flags_cr", "pixel_flags_cr_center"):
        flags[name] = flags[name] | spike
    return {**flags}


def _position_columns(
    sky: LocalSky, x: Floats, y: Floats, covariance: Floats, lost: Bools
) -> Columns:
    on_sky = sky.position_covariance(covariance)
    return {
        "ra": sky.ra,
        "dec": sky.dec,
        "ra_err": np.sqrt(on_sky[:, 0, 0]),
        "dec_err": np.sqrt(on_sky[:, 1, 1]),
        "ra_dec_cov": on_sky[:, 0, 1],
        "x": x,
        "y": y,
        "x_err": np.sqrt(covariance[:, 0, 0]),
        "y_err": np.sqrt(covariance[:, 1, 1]),
        "centroid_flag": lost,
    }


def _psf_columns(
    images: _Images, x: Floats, y: Floats, noise: Floats, config: MeasureConfig
) -> Columns:
    found = forced.fluxes(images.difference, x, y, noise=noise)
    flux = found.flux
    if config.debias:
        flux = without_position_bias(flux, found.flux_err)
    return {
        "psf_flux": flux,
        "psf_flux_err": np.hypot(found.flux_err, images.models.flux * flux),
        "psf_ln_l": found.ln_likelihood,
        "psf_chi2": found.chi2,
        "psf_ndata": found.n_data,
        **{f"psf_flux_{name}": values for name, values in found.flags.items()},
    }


def without_position_bias(flux: Floats, flux_err: Floats) -> Floats:
    """Free fluxes of what the choice of the position adds to them.

    The best of all positions has on average σ²/flux more than the true one: two free
    parameters (Portillo, Speagle & Finkbeiner 2020, AJ 159, 165).

    Parameters
    ----------
    flux, flux_err : ndarray, shape (n,)
        PSF fluxes at fitted positions, and their errors.

    Returns
    -------
    ndarray, shape (n,)
        Fluxes below 2σ are left alone.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        by = np.where(np.abs(flux) > 2 * flux_err, flux_err**2 / flux, 0.0)
    return np.asarray(flux - by)


def _aperture_columns(
    images: _Images, detections: Detections, x: Floats, y: Floats, config: MeasureConfig
) -> tuple[Columns, Metrics]:
    radius = config.aperture_radius or config.aperture_fwhm * images.psf.fwhm
    exposure, usable = images.difference, images.usable
    typical = float(np.median(detections.noise.grid))
    noise = aperture_noise(exposure, usable, detections.sky, radius, typical)
    found = aperture_fluxes(exposure, usable, x, y, radius)
    columns: Columns = {
        "ap_flux": found.flux,
        "ap_flux_err": found.flux_err * noise,
        "ap_flux_flag": found.failed,
        "ap_flux_flag_aperture_truncated": found.truncated,
    }
    return columns, {"measure.aperture_noise": noise}


def _direct_columns(images: _Images, x: Floats, y: Floats, metrics: Metrics) -> Columns:
    """Return the fluxes on science image and template at the positions of the sources."""
    metrics["measure.template_noise"] = images.template_noise
    science = forced.fluxes(images.science, x, y)
    template = forced.fluxes(images.template, x, y, noise=images.template_noise)
    return {
        "science_flux": science.flux,
        "science_flux_err": np.hypot(science.flux_err, images.models.flux * science.flux),
        **{f"forced_psf_flux_{name}": values for name, values in science.flags.items()},
        "template_flux": template.flux,
        "template_flux_err": np.hypot(template.flux_err, images.models.flux * template.flux),
    }


def _sky_metrics(exposure: Exposure, detections: Detections) -> Metrics:
    """Return mean and width of the pulls of PSF fluxes on blank sky."""
    x, y = detections.sky.T
    found = forced.fluxes(exposure, x, y, fit_neighbours=False, noise=detections.noise.at(x, y))
    pulls = (found.flux / found.flux_err)[~found.failed]
    if len(pulls) < 2:
        return {"measure.sky_mean": float("nan"), "measure.sky_width": float("nan")}
    return {
        "measure.sky_mean": float(np.mean(pulls)),
        "measure.sky_width": float(np.std(pulls, ddof=1)),
    }


def _table(columns: Columns, metrics: Metrics) -> Table:
    """Return the table, in the types of the schema."""
    table = Table()
    for name, values in columns.items():
        single = values.dtype == np.float64 and name not in _DOUBLE
        table[name] = values.astype(np.float32) if single else values
    counts = {
        "n_sources": np.int64(len(table)),
        "n_flagged": np.count_nonzero(table["centroid_flag"] | table["psf_flux_flag"]),
        "n_dipoles": np.count_nonzero(table["is_dipole"]),
        "n_trails": np.count_nonzero(table["trail_length"] > 0),
    }
    metrics.update({f"measure.{name}": float(value) for name, value in counts.items()})
    table.meta["metrics"] = metrics
    return table
