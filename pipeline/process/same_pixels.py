"""Whether two images have the same pixels on the sky, and where their corners are."""

from __future__ import annotations

import numpy as np

from apdb.input.visit import Visit
from pipeline.errors import CalibrateError, ReadError
from pipeline.exposure import Exposure, ExposureInfo

#: Positions that agree to this are the same [pixel].
_TOLERANCE = 1e-3


def same_pixels(one: Exposure, other: Exposure) -> bool:
    """Tell whether two images have the same pixels on the sky, to a thousandth of a pixel.

    Parameters
    ----------
    one, other : Exposure
        Images.

    Returns
    -------
    bool
        True, too, for images of one shape of which neither has a WCS.
    """
    if one.shape != other.shape or (one.wcs is None) != (other.wcs is None):
        return False
    if one.wcs is None or other.wcs is None:
        return True
    ny, nx = one.shape
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, nx, 7), np.linspace(0, ny, 7)))
    try:
        found = other.wcs.world_to_pixel_values(*one.wcs.pixel_to_world_values(x, y))
    except ValueError:
        # far outside the other image, where its distortion cannot be inverted
        return False
    off = np.hypot(found[0] - x, found[1] - y)
    return bool(np.all(off < _TOLERANCE))


def corners(exposure: Exposure) -> tuple[tuple[float, float], ...]:
    """Return the corners of an image on the sky.

    Parameters
    ----------
    exposure : Exposure
        With a WCS.

    Returns
    -------
    tuple of (float, float)
        ra, dec [deg] of the outer corners of the lower left, lower right, upper right and upper
        left pixel.

    Raises
    ------
    CalibrateError
        It has no WCS.
    """
    if exposure.wcs is None:
        raise CalibrateError(
            "the image has no world coordinates; give a reference catalogue (--refcat), and a "
            "pointing in section [calibrate] of the settings"
        )
    ny, nx = exposure.shape
    x = np.array([-0.5, nx - 0.5, nx - 0.5, -0.5])
    y = np.array([-0.5, -0.5, ny - 0.5, ny - 0.5])
    ra, dec = exposure.wcs.pixel_to_world_values(x, y)
    return tuple(zip((np.asarray(ra) % 360.0).tolist(), np.asarray(dec).tolist(), strict=True))


def visit_of(exposure: Exposure, readout_end: float | None = None) -> Visit:
    """Return an image as the database knows it.

    Parameters
    ----------
    exposure : Exposure
        With WCS and info.
    readout_end : float, optional
        When it was read out, MJD TAI; left out where that is before the exposure.

    Returns
    -------
    Visit

    Raises
    ------
    ReadError
        Its header does not say when it was exposed, or through which filter.
    CalibrateError
        It has no WCS.
    """
    info = known(exposure)
    if readout_end is not None and readout_end < info.midpoint_mjd_tai:
        readout_end = None
    return Visit(
        info.visit,
        info.detector,
        info.band,
        info.midpoint_mjd_tai,
        info.exposure_time if info.exposure_time > 0 else None,
        boundary=corners(exposure),
        readout_end=readout_end,
    )


def known(exposure: Exposure) -> ExposureInfo:
    """Return which visit an image is of.

    Parameters
    ----------
    exposure : Exposure
        As read.

    Returns
    -------
    ExposureInfo

    Raises
    ------
    ReadError
        Its header does not say when it was exposed, or through which filter.
    """
    if exposure.info is None:
        raise ReadError(
            "the header does not say when the image was exposed and for how long; give --midpoint "
            "(MJD TAI) and --exposure-time"
        )
    if not exposure.info.band:
        raise ReadError(
            "the header does not name a filter; give --band, or band in section [read] of the "
            "settings"
        )
    return exposure.info
