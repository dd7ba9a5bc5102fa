"""Time scales of the moving sky: TAI at the edges, TDB in the dynamics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_DAY = 86400.0
_TT_MINUS_TAI = 32.184
_J2000 = 51544.5
#: Amplitude [s], rate [rad per Julian century] and phase [rad]: Kaplan 2005, USNO
#: Circular 179, eq. 2.6.
_TERMS = (
    (0.001657, 628.3076, 6.2401),
    (0.000022, 575.3385, 4.2970),
    (0.000014, 1256.6152, 6.1969),
    (0.000005, 606.9777, 4.0212),
)


def _tdb_minus_tt(mjd: Floats) -> Floats:
    century = (mjd - _J2000) / 36525.0
    total = np.zeros_like(century)
    for amplitude, rate, phase in _TERMS:
        total += amplitude * np.sin(rate * century + phase)
    return total


def tdb_from_tai(mjd_tai: npt.ArrayLike) -> Floats:
    """Convert TAI to TDB.

    Parameters
    ----------
    mjd_tai : array_like
        Times, MJD TAI [d].

    Returns
    -------
    ndarray
        MJD TDB [d], within 10 µs between 1600 and 2200 (Kaplan 2005, USNO Circular 179, eq. 2.6).
    """
    tai = np.asarray(mjd_tai, dtype=float)
    return np.asarray(tai + (_TT_MINUS_TAI + _tdb_minus_tt(tai)) / _DAY)


def tai_from_tdb(mjd_tdb: npt.ArrayLike) -> Floats:
    """Convert TDB to TAI.

    Parameters
    ----------
    mjd_tdb : array_like
        Times, MJD TDB [d].

    Returns
    -------
    ndarray
        MJD TAI [d], the inverse of `tdb_from_tai` within 1 µs.
    """
    tdb = np.asarray(mjd_tdb, dtype=float)
    return np.asarray(tdb - (_TT_MINUS_TAI + _tdb_minus_tt(tdb)) / _DAY)
