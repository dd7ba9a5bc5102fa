"""Figures that say how good an image is."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from astropy.wcs.utils import proj_plane_pixel_scales

from pipeline.calibrate.aperture import ApertureCorrection
from pipeline.calibrate.background import sky
from pipeline.calibrate.config import CalibrateConfig
from pipeline.calibrate.psf_rounds import Characterised
from pipeline.exposure import Exposure, Metrics
from pipeline.psf import Psf

_AB_NJY = 31.4


def image_metrics(known: Characterised, sources: Table, correction: ApertureCorrection) -> Metrics:
    """Return what the image says about itself, in counts and pixels.

    Parameters
    ----------
    known : Characterised
        Sky, sources and PSF.
    sources : Table
        Sources.
    correction : ApertureCorrection
        Of the PSF fluxes.

    Returns
    -------
    dict of str to float
    """
    psf = known.psf.psf
    value, error = correction.centre
    return {
        "calibrate.background": sky(known.background.level, known.bad)[0],
        "calibrate.background_rms": sky(known.residual, known.bad)[1],
        "calibrate.noise_ratio": known.noise_ratio,
        "calibrate.noise_correlation": known.found.noise,
        "calibrate.sources": float(len(sources)),
        "calibrate.stars": float(np.count_nonzero(sources["is_star"])),
        "calibrate.rounds": float(known.rounds),
        "calibrate.psf_stars": float(np.count_nonzero(known.psf.used)),
        "calibrate.psf_order": float(known.psf.order),
        "calibrate.psf_components": float(known.psf.components),
        "calibrate.psf_scatter": known.psf.scatter,
        "calibrate.psf_fwhm": psf.fwhm,
        "calibrate.psf_ellipticity": ellipticity(psf),
        "calibrate.aperture_correction": value,
        "calibrate.aperture_correction_err": error,
    }


def sky_metrics(exposure: Exposure, measured: Metrics, config: CalibrateConfig) -> Metrics:
    """Return seeing, sky brightness, zero point, limiting magnitude and transparency.

    Parameters
    ----------
    exposure : Exposure
        Calibrated image.
    measured : dict of str to float
        Of `image_metrics`.
    config : CalibrateConfig
        Nominal zero point and extinction.

    Returns
    -------
    dict of str to float
        Seeing and sky brightness only of images with world coordinates, transparency only where
        a nominal zero point, time and airmass are known.
    """
    calib, psf = exposure.photo_calib, exposure.psf
    assert calib is not None
    assert psf is not None
    blank = (exposure.mask == 0) & (exposure.variance > 0)
    variance = float(np.median(exposure.variance[blank])) if blank.any() else float("nan")
    noise = (
        np.sqrt(variance / float(np.sum(psf.centre**2))) * measured["calibrate.noise_correlation"]
    )
    found = {
        "calibrate.zero_point": calib.zero_point,
        "calibrate.zero_point_err": 1.0857 * calib.njy_per_count_err / calib.njy_per_count,
        # A star five times brighter than the noise of its flux.
        "calibrate.limiting_magnitude": float(_AB_NJY - 2.5 * np.log10(5.0 * noise)),
    }
    if exposure.wcs is not None:
        scale = float(np.mean(proj_plane_pixel_scales(exposure.wcs.celestial))) * 3600.0
        found["calibrate.seeing"] = psf.fwhm * scale
        bright = measured["calibrate.background"] * calib.njy_per_count / scale**2
        if bright > 0:
            found["calibrate.sky_brightness"] = float(_AB_NJY - 2.5 * np.log10(bright))
    return found | _transparency(exposure, calib.zero_point, config)


def _transparency(exposure: Exposure, zero_point: float, config: CalibrateConfig) -> Metrics:
    """Return the light that arrived over the light of a clear sky."""
    info = exposure.info
    if config.nominal_zero_point is None or info is None or not info.exposure_time > 0:
        return {}
    airmass = info.airmass if np.isfinite(info.airmass) else 1.0
    clear = config.nominal_zero_point + 2.5 * np.log10(info.exposure_time)
    clear -= config.extinction * (airmass - 1.0)
    return {"calibrate.transparency": float(10.0 ** (0.4 * (zero_point - clear)))}


def ellipticity(psf: Psf) -> float:
    """Return the ellipticity of the PSF at the centre of the image.

    Parameters
    ----------
    psf : Psf
        Model.

    Returns
    -------
    float
        √(e1² + e2²) of the second moments of psf², which are not sensitive to the noise of the
        wings and for a Gaussian have the ellipticity of the PSF.
    """
    weight = psf.centre**2
    at = np.arange(psf.width) - psf.half
    dy, dx = np.meshgrid(at, at, indexing="ij")
    ixx, iyy, ixy = (float(np.sum(weight * v)) for v in (dx * dx, dy * dy, dx * dy))
    return float(np.hypot(ixx - iyy, 2 * ixy) / (ixx + iyy))
