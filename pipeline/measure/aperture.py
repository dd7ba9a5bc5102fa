"""Fluxes within circles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sep

from pipeline.exposure import Exposure
from pipeline.forced.windows import Bools, Floats

_MIN_SKY = 100


@dataclass(frozen=True)
class ApertureFluxes:
    """Fluxes within circles.

    Attributes
    ----------
    flux, flux_err : ndarray, shape (n,)
        [unit of the image]; what is masked counts as the mean of the rest.
    truncated : ndarray of bool, shape (n,)
        Part of the circle is off the image.
    failed : ndarray of bool, shape (n,)
        Truncated, or a pixel is unusable.
    """

    flux: Floats
    flux_err: Floats
    truncated: Bools
    failed: Bools


def aperture_fluxes(
    exposure: Exposure, usable: Bools, x: Floats, y: Floats, radius: float
) -> ApertureFluxes:
    """Sum pixels within circles, exact in the areas.

    Parameters
    ----------
    exposure : Exposure
        Image.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that may be used.
    x, y : ndarray, shape (n,)
        Centres [pixel].
    radius : float
        Of the circles [pixel].

    Returns
    -------
    ApertureFluxes
    """
    image = np.ascontiguousarray(exposure.image, np.float32)
    variance = np.ascontiguousarray(exposure.variance, np.float32)
    flux, flux_err, flags = sep.sum_circle(
        image, x, y, radius, var=variance, mask=~usable, subpix=0
    )
    ny, nx = exposure.shape
    truncated = (x < radius - 0.5) | (y < radius - 0.5)
    truncated |= (x > nx - 0.5 - radius) | (y > ny - 0.5 - radius)
    masked = (flags & (sep.APER_HASMASKED | sep.APER_ALLMASKED)) != 0
    lost = (flags & sep.APER_ALLMASKED) != 0
    nothing = lost | ~np.isfinite(flux_err) | (flux_err <= 0)
    return ApertureFluxes(
        np.where(nothing, np.nan, flux),
        np.where(nothing, np.nan, flux_err),
        truncated,
        truncated | masked | nothing,
    )


def aperture_noise(
    exposure: Exposure, usable: Bools, sky: Floats, radius: float, otherwise: float
) -> float:
    """Measure the noise of aperture fluxes on blank sky, in units of what the variance says.

    Parameters
    ----------
    exposure : Exposure
        Image.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that may be used.
    sky : ndarray, shape (m, 2)
        Positions on blank sky [pixel].
    radius : float
        Of the circles [pixel].
    otherwise : float
        To return if there are too few positions.

    Returns
    -------
    float
    """
    found = aperture_fluxes(exposure, usable, sky[:, 0], sky[:, 1], radius)
    pulls = (found.flux / found.flux_err)[~found.failed]
    if len(pulls) < _MIN_SKY:
        return otherwise
    low, high = np.percentile(pulls, [15.866, 84.134])
    return float(0.5 * (high - low))
