"""Errors of positions that come without: by observatory and date."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.moving.detections import Floats

_STATIONS = {
    "703": 1.0, "691": 0.6, "644": 0.6, "704": 1.0, "G96": 0.5, "F51": 0.2, "F52": 0.2,
    "G45": 0.6, "699": 0.8, "D29": 0.75, "E12": 0.75, "608": 0.6, "J75": 1.0, "291": 0.6,
    "645": 0.3, "673": 0.3, "689": 0.5, "950": 0.5, "H01": 0.3, "568": 0.5, "T09": 0.1,
    "T12": 0.1, "T14": 0.1, "I41": 0.5, "W84": 0.5, "309": 0.3, "G83": 0.3, "Y28": 0.3,
    "J04": 0.4, "Z84": 0.4, "W68": 0.6, "T05": 0.6, "T08": 0.6, "M22": 0.6, "V00": 0.5,
}  # fmt: skip
"""Vereš, Farnocchia, Chesley and Chamberlin 2017 (Icarus 296, 139), tables 3 and 4, in outline."""

_ERAS = ((1890.0, 10.0), (1950.0, 5.0), (1993.0, 2.5))
_CCD = 1.0
_LEAST = 0.1
_MJD_YEAR_0 = -678941.0


def position_errors(
    station: NDArray[np.str_], mjd: Floats, given: Floats, *, several: float = 4.0
) -> Floats:
    """Return errors of positions.

    Parameters
    ----------
    station : (n,) str
        Code of the observatory.
    mjd : (n,) float64
        Time [MJD].
    given : (n,) float64
        Error per axis that came with the position [arcsec]; NaN where none did.
    several : float
        More detections of one observatory in one night than this weigh as many as this: their
        errors are not independent.

    Returns
    -------
    (n,) float64
        Error per axis [arcsec]: what was given, at least 0.1; else by observatory, for photographic
        plates by date.
    """
    year = (mjd - _MJD_YEAR_0) / 365.25
    usual = np.array([_STATIONS.get(str(code), _CCD) for code in station])
    for until, size in reversed(_ERAS):
        usual = np.where(year < until, np.maximum(usual, size), usual)
    sigma = np.where(np.isfinite(given) & (given > 0.0), np.maximum(given, _LEAST), usual)
    night = np.floor(mjd - 0.5).astype(np.int64)
    _, code = np.unique(station, return_inverse=True)
    _, which, count = np.unique(
        np.stack([code, night]), axis=1, return_inverse=True, return_counts=True
    )
    crowd: Floats = np.sqrt(np.maximum(count[which.reshape(-1)] / several, 1.0))
    return sigma * crowd
