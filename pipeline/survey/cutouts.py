"""Stamps of simulated sources: a point source in the noise that its flux error says.

The survey has no pixels; these are made around each source so that they agree with the catalogue.
Photometry with the PSF on the difference stamp gives ``psf_flux`` and ``psf_flux_err`` of the
source, and the difference stamp is the science stamp less the template stamp.  Nothing else is in
them: no neighbours, no galaxies, no artefacts, and every source is a point.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS

from apdb.archive.local_wcs import LocalWcs
from apdb.archive.stamps import Stamps
from pipeline.survey.config import DETECTOR_PIXELS, PIXEL_SCALE
from pipeline.survey.simulate import SimulatedVisit

Floats = npt.NDArray[np.float64]

#: Sides of the stamps and of the PSF [pixel].
SIDE = 30
PSF_SIDE = 25
#: Bit of the mask: this pixel lies beside the detector.
NO_DATA = 1


def cutouts(visit: SimulatedVisit, seed: int) -> dict[str, Stamps]:
    """Return the stamps of the sources of a visit.

    Parameters
    ----------
    visit : SimulatedVisit
        The sources.
    seed : int
        Of the noise, together with the number of the visit.

    Returns
    -------
    dict of str to Stamps
        difference, science, template, as `apdb.Apdb.store_visit` takes them; the template is
        matched to the PSF of the science image.
    """
    sources = visit.sources
    rng = np.random.default_rng([seed, 7, visit.visit["visit"], visit.visit["detector"]])
    position = np.stack([sources["x"], sources["y"]], axis=-1).astype(np.float64)
    corner = np.round(position).astype(np.int64) - SIDE // 2
    sigma = _psf_sigma(sources)
    psf = _gaussian(position - corner, sigma, SIDE)
    columns = ("psf_flux", "psf_flux_err", "template_flux", "template_flux_err")
    flux, error, template_flux, template_error = (
        np.asarray(sources[name], np.float64) for name in columns
    )
    science_error = np.sqrt(error**2 - template_error**2)
    template = _image(rng, psf, template_flux, template_error)
    science = _image(rng, psf, template_flux + flux, science_error)
    images = {
        "difference": (science - template, error),
        "science": (science, science_error),
        "template": (template, template_error),
    }
    middle = np.full((len(sigma), 2), PSF_SIDE // 2)
    common: dict[str, Any] = {
        "mask": _outside(corner),
        "psf": _gaussian(middle, sigma, PSF_SIDE).astype(np.float32),
        "wcs": LocalWcs.of_image(_image_wcs(visit), position[:, 0], position[:, 1], corner),
        "corner": corner,
    }
    return {
        kind: Stamps(image.astype(np.float32), _variance(psf, error), **common)
        for kind, (image, error) in images.items()
    }


def _psf_sigma(sources: dict[str, npt.NDArray[Any]]) -> Floats:
    """Return the width of the PSF [pixel]; it is the same for all sources of a visit."""
    return np.sqrt(np.asarray(sources["ixx_psf"], np.float64)) / PIXEL_SCALE


def _gaussian(centre: Floats, sigma: Floats, side: int) -> Floats:
    """Return normalised Gaussians around positions [pixel], shape (n, side, side)."""
    pixel = np.arange(side)
    x, y = (np.exp(-0.5 * ((pixel - centre[:, k, None]) / sigma[:, None]) ** 2) for k in range(2))
    image: Floats = y[:, :, None] * x[:, None, :]
    image /= image.sum(axis=(1, 2), keepdims=True)
    return image


def _image(rng: np.random.Generator, psf: Floats, flux: Floats, error: Floats) -> Floats:
    """Return point sources in white noise without its part along the PSF: the flux is exact."""
    squares = (psf**2).sum(axis=(1, 2))
    noise = rng.standard_normal(psf.shape)
    along = (noise * psf).sum(axis=(1, 2)) / squares
    noise -= along[:, None, None] * psf
    # The variance of a flux fitted to white noise is that of a pixel over the sum of squares.
    scale = error * np.sqrt(squares)
    image: Floats = flux[:, None, None] * psf + scale[:, None, None] * noise
    return image


def _variance(psf: Floats, error: Floats) -> npt.NDArray[np.float32]:
    """Return the variance of each pixel, as that of a flux fitted to white noise says it."""
    variance = (error**2 * (psf**2).sum(axis=(1, 2))).astype(np.float32)
    return np.broadcast_to(variance[:, None, None], psf.shape)


def _outside(corner: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return the mask: pixels beside the detector."""
    pixel = np.arange(SIDE)
    x, y = corner[:, 0, None] + pixel, corner[:, 1, None] + pixel
    off_x, off_y = (
        (value < 0) | (value >= size) for value, size in zip((x, y), DETECTOR_PIXELS, strict=True)
    )
    return np.where(off_y[:, :, None] | off_x[:, None, :], NO_DATA, 0).astype(np.uint8)


def _image_wcs(visit: SimulatedVisit) -> WCS:
    """Return the WCS that `measure.pixels` follows: equidistant from the centre, x to the west."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---ARC", "DEC--ARC"]
    wcs.wcs.crpix = [DETECTOR_PIXELS[0] / 2 + 1, DETECTOR_PIXELS[1] / 2 + 1]
    wcs.wcs.crval = [visit.visit["ra"], visit.visit["dec"]]
    # At the north pole the default is another.
    wcs.wcs.lonpole = 180.0
    wcs.wcs.cd = np.diag([-PIXEL_SCALE, PIXEL_SCALE]) / 3600
    return wcs
