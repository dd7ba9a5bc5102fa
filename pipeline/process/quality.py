"""What is measured of an image: units, and the row of detector_visit_processing_summary."""

from __future__ import annotations

import numpy as np

from apdb.input.footprint import bounding_circle
from apdb.input.sphere import unit_vectors
from pipeline.exposure import Exposure, Metrics
from pipeline.process.same_pixels import corners
from pipeline.psf import SIGMA_TO_FWHM

_UNITS = {
    "calibrate.background": "adu",
    "calibrate.background_rms": "adu",
    "calibrate.psf_fwhm": "pixel",
    "calibrate.seeing": "arcsec",
    "calibrate.zero_point": "mag",
    "calibrate.zero_point_err": "mag",
    "calibrate.zero_point_scatter": "mag",
    "calibrate.limiting_magnitude": "mag",
    "calibrate.sky_brightness": "mag/arcsec**2",
    "calibrate.wcs_rms": "arcsec",
    "calibrate.wcs_distance_mean": "arcsec",
    "calibrate.wcs_distance_std": "arcsec",
    "calibrate.wcs_error": "arcsec",
    "calibrate.wcs_offset": "arcsec",
    "calibrate.wcs_rotation": "deg",
    "calibrate.reference_density": "deg**-2",
    "detect.background_rms": "nJy",
}
_ENDINGS = {
    "seconds": "s",
    "_seconds": "s",
    "_arcsec": "arcsec",
    "_pixel": "pixel",
    "_pixels": "pixel",
    "_mag": "mag",
    "_njy": "nJy",
    "_bytes": "byte",
}

_SUMMARY = {
    "zero_point": "calibrate.zero_point",
    "sky_bg": "calibrate.background",
    "sky_noise": "calibrate.background_rms",
    "n_psf_star": "calibrate.psf_stars",
    "astrom_offset_mean": "calibrate.wcs_distance_mean",
    "astrom_offset_std": "calibrate.wcs_distance_std",
    "star_e_median": "calibrate.psf_ellipticity",
    "ref_cat_source_density": "calibrate.reference_density",
}


def units(metrics: Metrics) -> dict[str, str]:
    """Return the units of measurements by their names.

    Parameters
    ----------
    metrics : dict of str to float
        Measurements.

    Returns
    -------
    dict of str to str
        In the notation of astropy; numbers without unit are not in it.
    """
    found = {}
    for name in metrics:
        ending = next((unit for end, unit in _ENDINGS.items() if name.endswith(end)), None)
        unit = _UNITS.get(name, ending)
        if unit is not None:
            found[name] = unit
    return found


def summary(exposure: Exposure, metrics: Metrics) -> dict[str, float]:
    """Return the row of detector_visit_processing_summary of an image.

    Parameters
    ----------
    exposure : Exposure
        Calibrated image with info.
    metrics : dict of str to float
        Measurements of its stages.

    Returns
    -------
    dict of str to number
        By column; what was not measured is not in it.
    """
    assert exposure.info is not None
    ny, nx = exposure.shape
    at = corners(exposure)
    ra, dec, _ = bounding_circle(unit_vectors(*np.array(at).T))
    found: dict[str, float] = {"n_psf_star": 0}
    found |= {column: metrics[name] for column, name in _SUMMARY.items() if name in metrics}
    found["n_psf_star"] = int(found["n_psf_star"])
    if exposure.photo_calib is not None:
        found.setdefault("zero_point", exposure.photo_calib.zero_point)
    if exposure.psf is not None:
        found["psf_sigma"] = exposure.psf.fwhm / SIGMA_TO_FWHM
        found["seeing"] = exposure.seeing
    places = zip(("llc", "lrc", "urc", "ulc"), at, strict=True)
    for name, (corner_ra, corner_dec) in places:
        found[f"{name}ra"], found[f"{name}dec"] = corner_ra, corner_dec
    info = exposure.info
    return found | {
        "visit": info.visit,
        "detector": info.detector,
        "ra": ra,
        "dec": dec,
        "pixel_scale": exposure.pixel_scale,
        "x_size": nx,
        "y_size": ny,
    }
