"""What moved: trails of asteroids, and stars that are not where the template has them."""

from __future__ import annotations

import numpy as np
from astropy.table import Table, vstack
from scipy.special import erf

from apdb.input.sphere import offset
from pipeline.psf import SIGMA_TO_FWHM
from pipeline.scene.draw import Floats
from pipeline.scene.objects import log_uniform, points_at
from pipeline.scene.observe import Observation

#: Room for each [pixel], of which it is up to a quarter off the middle.
_ROOM = 140
#: Shortest and longest trail [pixel], S/N of its light in all.
_TRAIL, _TRAIL_SNR = (5.0, 60.0), (8.0, 300.0)
#: Smallest and largest motion of a star [pixel], S/N of the star.
_MOTION, _STAR_SNR = (0.2, 4.0), (10.0, 1000.0)


def make_movers(
    rng: np.random.Generator, observation: Observation, noise: float, first_id: int
) -> Table:
    """Return trails and, as many, stars that moved, evenly over an image.

    Lengths and signal-to-noise ratios are log-uniform: trails of 5-60 pixels with 8-300, stars that
    moved by 0.2-4 pixels with 10-1,000.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    observation : Observation
        Science image.
    noise : float
        Of the difference, on blank sky [nJy per pixel].
    first_id : int
        Their identifiers count from here.

    Returns
    -------
    astropy.table.Table
        As `draw` takes it: kind trail, and moved_to and moved_from, of which the first is on the
        science image, the second, with the id of the first as host, in the template.
    """
    ny, nx = (side // _ROOM for side in observation.shape)
    place = np.indices((ny, nx)).reshape(2, -1)[::-1]
    x, y = (place + 0.5 + rng.uniform(-0.25, 0.25, place.shape)) * _ROOM
    angle = rng.uniform(0.0, 2 * np.pi, len(x))
    trailed = rng.permutation(len(x)) < len(x) // 2
    sigma = observation.psf.fwhm / SIGMA_TO_FWHM
    length = log_uniform(rng, _TRAIL, trailed.sum())
    flux = log_uniform(rng, _TRAIL_SNR, len(length)) * noise * np.sqrt(_noise_area(length, sigma))
    trails = points_at(observation.wcs, x[trailed], y[trailed], "trail", flux, first_id)
    trails["template_flux"] = 0.0
    # Directions on the sky: the field's own angle does not matter.
    scale = abs(float(np.linalg.det(observation.wcs.pixel_scale_matrix))) ** 0.5 * 3600
    trails["trail_east"] = scale * length * np.cos(angle[trailed])
    trails["trail_north"] = scale * length * np.sin(angle[trailed])

    x, y, angle = x[~trailed], y[~trailed], angle[~trailed]
    flux = log_uniform(rng, _STAR_SNR, len(x)) * noise * np.sqrt(4 * np.pi) * sigma
    there = points_at(observation.wcs, x, y, "moved_to", flux, first_id + len(trails))
    before = there.copy()
    way = scale / 3600 * log_uniform(rng, _MOTION, len(x))
    before["ra"], before["dec"] = offset(
        np.asarray(there["ra"]), np.asarray(there["dec"]), way * np.cos(angle), way * np.sin(angle)
    )
    there["template_flux"] = 0.0
    before["flux"] = 0.0
    before["kind"] = "moved_from"
    before["host"], before["id"] = there["id"], np.asarray(there["id"]) + len(there)
    return vstack([trails, there, before], metadata_conflicts="silent")


def _noise_area(length: Floats, sigma: float) -> Floats:
    """Return 1 / Σ trail² of a Gaussian PSF [pixel]: its noise in units of a pixel's, squared."""
    ratio = length / (2 * sigma)
    along = (erf(ratio) - (1 - np.exp(-(ratio**2))) / (np.sqrt(np.pi) * ratio)) / length
    return np.asarray(2 * np.sqrt(np.pi) * sigma / along)
