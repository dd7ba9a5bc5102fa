"""Where the Earth is, seen from the barycentre of the solar system."""

from __future__ import annotations

from functools import lru_cache

import erfa
import numpy as np
from numpy.typing import NDArray

_BLOCK = 512
"""Days that are asked of the ephemeris at once."""

_TDB_MINUS_TAI = 32.184 / 86400.0
_MJD_0 = 2_400_000.5


def earth_barycentric(mjd_tai: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the barycentric position of the Earth.

    From positions and velocities of ERFA's ephemeris, astropy's built-in one, at every midnight;
    what is between differs from the ephemeris by less than 1e-9 au.  ERFA itself, and cubic Hermite
    interpolation written out, for `astropy.coordinates` and `scipy.interpolate` take longer to
    import than a worker takes for a hundred objects.

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
        day = mjd_tai[here] - block * _BLOCK
        before = day.astype(int)
        a, b, c, d = _cubics(int(block))[:, before]
        t = (day - before)[:, None]
        found[here] = a + t * (b + t * (c + t * d))
    return found


@lru_cache(maxsize=256)
def _cubics(block: int) -> NDArray[np.float64]:
    """Return Hermite's cubics of the days of a block [au], by powers of the part that has passed.

    Shape (4, 512, 3).
    """
    days = np.arange(block * _BLOCK, (block + 1) * _BLOCK + 1, dtype=float)
    # TDB stays within 2 ms of this; from TAI astropy would go by UTC, unknown years ahead
    _, states = erfa.epv00(_MJD_0, days + _TDB_MINUS_TAI)
    position, velocity = states["p"], states["v"]
    step, start, end = np.diff(position, axis=0), velocity[:-1], velocity[1:]
    return np.stack(
        [position[:-1], start, 3.0 * step - 2.0 * start - end, start + end - 2.0 * step]
    )
