"""Errors of positions that come without: by observatory and date."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.moving.detections import Floats

_STATIONS = {
    "F51": 0.13, "F52": 0.13, "W84": 0.15, "I41": 0.18, "V00": 0.18, "G96": 0.28, "J43": 0.35,
    "G45": 0.35, "M22": 0.36, "P07": 0.37, "291": 0.38, "T05": 0.40, "T08": 0.40, "691": 0.40,
    "W68": 0.42, "D29": 0.45, "644": 0.45, "J75": 0.47, "E12": 0.50, "H15": 0.55, "699": 0.66,
    "703": 0.71, "608": 0.75, "704": 0.78,
}  # fmt: skip
"""Root mean square residuals of observatories on every third of 72 numbered asteroids [arcsec]."""

# For the rest: plates as in Veres et al. 2017 (Icarus 296, 139), and what the same asteroids show.
_ERAS = ((1890.0, 10.0), (1950.0, 5.0), (1990.0, 1.5))
_CCD = 0.6
# What comes with a position leaves out errors of the clock and of the star catalogue.
_KNOWN_FLOOR = 0.12
_OTHER_FLOOR = 0.3
_GAIA = 2016.7
_MJD_YEAR_0 = -678941.0


def position_errors(station: NDArray[np.str_], mjd: Floats, given: Floats) -> Floats:
    """Return errors of positions.

    Parameters
    ----------
    station : (n,) str
        Code of the observatory.
    mjd : (n,) float64
        Time [MJD].
    given : (n,) float64
        Error per axis that came with the position [arcsec]; NaN where none did.

    Returns
    -------
    (n,) float64
        Error per axis [arcsec]: what was given, with a floor added; else by observatory, for
        photographic plates by date. Many detections of one observatory in one night weigh no more
        than four, before Gaia's catalogues no more than two: their errors are not independent.
    """
    year = (mjd - _MJD_YEAR_0) / 365.25
    usual = np.array([_STATIONS.get(str(code), _CCD) for code in station])
    for until, size in reversed(_ERAS):
        usual = np.where(year < until, np.maximum(usual, size), usual)
    known = np.array([str(code) in _STATIONS for code in station])
    real = np.hypot(given, np.where(known, _KNOWN_FLOOR, _OTHER_FLOOR))
    sigma = np.where(np.isfinite(given) & (given > 0.0), real, usual)
    night = np.floor(mjd - 0.5).astype(np.int64)
    _, code = np.unique(station, return_inverse=True)
    _, which, count = np.unique(
        np.stack([code, night]), axis=1, return_inverse=True, return_counts=True
    )
    several = np.where(year < _GAIA, 2.0, 4.0)
    crowd: Floats = np.sqrt(np.maximum(count[which.reshape(-1)] / several, 1.0))
    return sigma * crowd
