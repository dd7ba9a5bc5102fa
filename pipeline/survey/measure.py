"""From true fluxes and positions to the DIASource columns of one exposure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apdb.input.sphere import offset
from pipeline.survey.config import DETECTOR_PIXELS, PIXEL_SCALE
from pipeline.survey.population import flux

Floats = npt.NDArray[np.float64]
Columns = dict[str, npt.NDArray[Any]]

#: Typical 5-sigma depth of one visit, ugrizy [AB mag] (Ivezić et al. 2019, table 2).
_DEPTH = np.array([23.78, 24.81, 24.35, 23.92, 23.34, 22.45])
#: Noise of a difference over that of the image: the template adds some.
_DIFFERENCE = 1.1
#: Flux whose photon noise is its square root [nJy].
_PHOTON = 0.5
_SIGMA_TO_FWHM = 2.3548

#: Sets of flags that artefacts carry.  Of the first ones, each disqualifies.
ARTEFACT_FLAGS: tuple[tuple[str, ...], ...] = (
    ("pixel_flags", "pixel_flags_cr", "pixel_flags_cr_center"),
    ("pixel_flags", "pixel_flags_saturated", "pixel_flags_saturated_center"),
    ("pixel_flags", "pixel_flags_interpolated", "pixel_flags_interpolated_center"),
    ("pixel_flags", "pixel_flags_suspect", "pixel_flags_suspect_center"),
    ("pixel_flags", "pixel_flags_streak", "pixel_flags_streak_center"),
    ("pixel_flags", "pixel_flags_nodata", "pixel_flags_nodata_center"),
    ("centroid_flag", "psf_flux_flag", "ap_flux_flag", "shape_flag"),
    ("glint_trail",),
    ("is_dipole", "dipole_fit_attempted"),
    ("pixel_flags", "pixel_flags_bad", "pixel_flags_edge"),
)
#: How many of them disqualify a source from starting an object.
N_DISQUALIFYING = 8
FLAGS = tuple(sorted({name for flags in ARTEFACT_FLAGS for name in flags}))
_CENTROID = 6


@dataclass(frozen=True)
class Conditions:
    """The state of the sky and the camera in one exposure.

    Attributes
    ----------
    seeing : float
        FWHM [arcsec].
    sky_error : float
        Noise of the PSF flux of a faint source in the difference [nJy].
    """

    seeing: float
    sky_error: float


def draw_conditions(rng: np.random.Generator, band: int) -> Conditions:
    """Draw seeing and depth.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.
    band : int
        Index in ugrizy.

    Returns
    -------
    Conditions
        The depth goes with the seeing: noise ∝ FWHM.
    """
    seeing = float(rng.uniform(0.65, 1.2))
    depth = _DEPTH[band] - 2.5 * np.log10(seeing / 0.85) + rng.normal(0.0, 0.05)
    return Conditions(seeing, float(_DIFFERENCE * flux(depth) / 5.0))


def flux_errors(total: Floats, conditions: Conditions) -> Floats:
    """Return the noise of PSF fluxes.

    Parameters
    ----------
    total : ndarray, shape (n,)
        Fluxes of the sources on the science image [nJy].
    conditions : Conditions
        Of the exposure.

    Returns
    -------
    ndarray, shape (n,)
        One sigma [nJy]: sky and photons.
    """
    return np.sqrt(conditions.sky_error**2 + _PHOTON * np.maximum(total, 0.0))


def scatter(
    rng: np.random.Generator,
    ra: Floats,
    dec: Floats,
    snr: Floats,
    seeing: float,
    scatter_arcsec: float,
) -> Columns:
    """Measure positions.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.
    ra, dec : ndarray, shape (n,)
        True positions [deg].
    snr : ndarray, shape (n,)
        Signal-to-noise ratios.
    seeing : float
        FWHM [arcsec].
    scatter_arcsec : float
        Scatter of bright sources on each axis [arcsec].

    Returns
    -------
    dict of str to ndarray
        ra, dec, ra_err (with cos dec), dec_err [deg], ra_dec_cov [deg**2]; the errors are those
        with which the positions were drawn: the scatter and the photon noise of a centroid,
        FWHM / (2.35 S/N), in quadrature, somewhat elongated.
    """
    photon = seeing / _SIGMA_TO_FWHM / np.abs(snr)
    sigma = np.hypot(scatter_arcsec, photon) / 3600
    stretch = rng.uniform(-0.1, 0.1, len(ra))
    correlation = rng.uniform(-0.3, 0.3, len(ra))
    sigma_east, sigma_north = sigma * (1 + stretch), sigma * (1 - stretch)
    one, other = rng.standard_normal((2, len(ra)))
    east = sigma_east * one
    north = sigma_north * (correlation * one + np.sqrt(1 - correlation**2) * other)
    measured_ra, measured_dec = offset(ra, dec, east, north)
    return {
        "ra": measured_ra,
        "dec": measured_dec,
        "ra_err": sigma_east.astype(np.float32),
        "dec_err": sigma_north.astype(np.float32),
        "ra_dec_cov": (correlation * sigma_east * sigma_north).astype(np.float32),
    }


def photometry(
    rng: np.random.Generator, difference: Floats, error: Floats, template: Floats
) -> Columns:
    """Measure the fluxes other than those that detection needs.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.
    difference : ndarray, shape (n,)
        Measured PSF flux on the difference [nJy].
    error : ndarray, shape (n,)
        Its error [nJy].
    template : ndarray, shape (n,)
        True flux in the template [nJy].

    Returns
    -------
    dict of str to ndarray
        psf_flux, ap_flux, science_flux, template_flux, their errors [nJy], snr, is_negative,
        psf_chi2, psf_ndata.
    """
    n = len(difference)
    noise = rng.standard_normal((2, n))
    columns = {
        "psf_flux": difference,
        "psf_flux_err": error,
        "ap_flux": difference + 1.2 * error * noise[0],
        "ap_flux_err": 1.6 * error,
        "science_flux": template + difference + 0.3 * error * noise[1],
        "science_flux_err": error / _DIFFERENCE,
        "template_flux": template,
        "template_flux_err": 0.2 * error,
        "snr": np.abs(difference) / error,
        "psf_chi2": rng.chisquare(1681, n),
    }
    measured: Columns = {name: values.astype(np.float32) for name, values in columns.items()}
    measured["is_negative"] = difference < 0
    measured["psf_ndata"] = np.full(n, 1681, np.int32)
    return measured


def shapes(rng: np.random.Generator, n: int, seeing: float, extended: npt.ArrayLike) -> Columns:
    """Measure second moments.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.
    n : int
        Number of sources.
    seeing : float
        FWHM [arcsec].
    extended : array_like of bool, shape (n,)
        Whether a source is no point.

    Returns
    -------
    dict of str to ndarray
        ixx, iyy, ixy and those of the PSF [arcsec**2], extendedness, bbox_size [pixel].
    """
    variance = (seeing / _SIGMA_TO_FWHM) ** 2
    width = variance * np.where(extended, 2.0, 1.0) * rng.uniform(0.8, 1.25, (2, n))
    columns = {
        "ixx": width[0],
        "iyy": width[1],
        "ixy": 0.05 * variance * rng.standard_normal(n),
        "ixx_psf": np.full(n, variance),
        "iyy_psf": np.full(n, variance),
        "ixy_psf": np.zeros(n),
        "extendedness": np.where(extended, rng.beta(8, 2, n), rng.beta(1, 12, n)),
    }
    measured: Columns = {name: values.astype(np.float32) for name, values in columns.items()}
    measured["bbox_size"] = (rng.gamma(6.0, 2.0, n) + 17 * seeing).astype(np.int32)
    return measured


def pixels(east: Floats, north: Floats) -> Columns:
    """Return the places of sources on the detector.

    Parameters
    ----------
    east, north : ndarray, shape (n,)
        Offsets from its centre [deg].

    Returns
    -------
    dict of str to ndarray
        x, y [pixel], x to the west.
    """
    x = DETECTOR_PIXELS[0] / 2 - east * 3600 / PIXEL_SCALE
    y = DETECTOR_PIXELS[1] / 2 + north * 3600 / PIXEL_SCALE
    return {"x": x.astype(np.float32), "y": y.astype(np.float32)}


def flags(
    rng: np.random.Generator, artefact: npt.NDArray[np.bool_], flagged: npt.NDArray[np.bool_]
) -> Columns:
    """Raise flags.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.
    artefact : ndarray of bool, shape (n,)
        Sources that get one of all sets of flags.
    flagged : ndarray of bool, shape (n,)
        Real sources that get a disqualifying pixel flag.

    Returns
    -------
    dict of str to ndarray of bool
        All columns of `FLAGS`.
    """
    n = len(artefact)
    kind = np.full(n, -1)
    kind[flagged] = rng.integers(_CENTROID, size=int(flagged.sum()))
    kind[artefact] = rng.integers(len(ARTEFACT_FLAGS), size=int(artefact.sum()))
    raised: Columns = {name: np.zeros(n, np.bool_) for name in FLAGS}
    for i, names in enumerate(ARTEFACT_FLAGS):
        for name in names:
            raised[name] |= kind == i
    return raised
