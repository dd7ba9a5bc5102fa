"""Where the Earth is, seen from the barycentre of the solar system."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u
from astropy.time import Time
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.interpolate import CubicHermiteSpline

_BLOCK = 512
"""Days that are asked of the ephemeris at once."""

_TDB_MINUS_TAI = 32.184 / 86400.0


def earth_barycentric(mjd_tai: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the barycentric position of the Earth.

    From positions and velocities of astropy's built-in ephemeris at every midnight; what is between
    differs from the ephemeris by less than 1e-9 au.

    Parameters
    ----------
    mjd_tai : ndarray, shape (n,)
        Times, MJD TAI [d].

    Returns
    -------
    ndarray, shape (n, 3)
        ICRS axes [au].
    """
    blocks = np.floor_divide(mjd_tai, _BLOCK).astype(int)
    found = np.empty((len(mjd_tai), 3))
    for block in np.unique(blocks):
        here = blocks == block
        found[here] = _spline(int(block))(mjd_tai[here])
    return found


@lru_cache(maxsize=256)
def _spline(block: int) -> CubicHermiteSpline:
    # Half a second that every command would pay for.
    from astropy.coordinates import get_body_barycentric_posvel
    from scipy.interpolate import CubicHermiteSpline

    days = np.arange(block * _BLOCK, (block + 1) * _BLOCK + 1, dtype=float)
    # TDB stays within 2 ms of this; from TAI astropy would go by UTC, unknown years ahead
    time = Time(days, _TDB_MINUS_TAI, format="mjd", scale="tdb")
    position, velocity = get_body_barycentric_posvel("earth", time, ephemeris="builtin")
    return CubicHermiteSpline(
        days, position.xyz.to_value(u.au).T, velocity.xyz.to_value(u.au / u.day).T
    )
