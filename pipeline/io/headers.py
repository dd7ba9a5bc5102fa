"""What headers say about an exposure, whatever keywords they use."""

from __future__ import annotations

import math
from typing import Any

from astropy.io.fits import Header
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.wcs import InconsistentAxisTypesError
from astropy.wcs.wcs import NoConvergence as WcsNoConvergence

from pipeline.errors import ReadError
from pipeline.exposure import ExposureInfo
from pipeline.io.quiet import QUIET

#: Keywords in the order in which they are believed.
EXPOSURE_TIME = ("EXPTIME", "EXPOSURE", "ITIME", "TEXP")
GAIN = ("GAIN", "EGAIN", "GAINA")
READ_NOISE = ("RDNOISE", "READNOIS", "RON", "RDNOISEA")
SATURATION = ("SATURATE", "SATLEVEL", "SATURATA")
AIRMASS = ("AIRMASS", "SECZ")
BAND = ("FILTER", "BAND", "FILTER1", "FILTER2", "FILTNAM")
VISIT = ("VISIT", "EXPNUM", "EXPID", "OBSID", "RUN-ID")
DETECTOR = ("DETECTOR", "CCDNUM", "CHIPID", "CCDID", "DETID")
MIDDLE = ("DATE-AVG", "MJD-AVG", "MJD-MID", "MJDMID", "DATE-MID")
START = ("MJD-BEG", "DATE-BEG", "MJD-OBS", "DATE-OBS", "MJD")

#: Smaller numbers of visits are taken for counters.
_LEAST_VISIT = 10_000

#: Factors that make nanojansky of calibrated units.
NANOJANSKY = {"njy": 1.0, "ujy": 1e3, "mjy": 1e6, "jy": 1e9, "nmgy": 3631.0, "nanomaggy": 3631.0}
_ELECTRONS = {"electron", "electrons", "e", "e-"}
_COUNTS = {"adu", "adus", "dn", "count", "counts", ""}


def number(header: Header, keywords: tuple[str, ...]) -> float | None:
    """Return the first of some keywords that is a number.

    Parameters
    ----------
    header : Header
        Where to look.
    keywords : tuple of str
        In the order in which they are believed.

    Returns
    -------
    float or None
    """
    for keyword in keywords:
        value = header.get(keyword)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None


def unit_of(header: Header, name: str) -> tuple[str, float]:
    """Return the unit of the pixels, and the factor that makes nJy of calibrated ones.

    Parameters
    ----------
    header : Header
        With BUNIT, or without: counts.
    name : str
        Of the file, for messages.

    Returns
    -------
    unit : str
        adu, electron or nJy.
    factor : float
        1 for adu and electron.

    Raises
    ------
    ReadError
        If BUNIT is something else.
    """
    given = str(header.get("BUNIT", "")).strip()
    unit = given.lower()
    if unit in _COUNTS:
        return "adu", 1.0
    if unit in _ELECTRONS:
        return "electron", 1.0
    if unit in NANOJANSKY and given != "MJy":
        return "nJy", NANOJANSKY[unit]
    raise ReadError(
        f"{name}: BUNIT is {given!r}: known are adu, electron and flux units from nJy to Jy; "
        "pass unit= if the pixels are in one of adu, electron, nJy"
    )


def info_of(header: Header, instrument: str) -> ExposureInfo | None:
    """Return which visit a header belongs to.

    Parameters
    ----------
    header : Header
        With a time and an exposure time.
    instrument : str
        Name of the description of the instrument.

    Returns
    -------
    ExposureInfo or None
        None if the header does not say when, or for how long.  Without a number of the visit, one
        is made of the date and the second of the day.
    """
    exposure_time = number(header, EXPOSURE_TIME)
    middle = None if exposure_time is None else _midpoint(header, exposure_time)
    if exposure_time is None or exposure_time < 0 or middle is None:
        return None
    visit = number(header, VISIT) or 0.0
    band = next((str(header[key]).strip() for key in BAND if header.get(key)), "")
    return ExposureInfo(
        # small numbers count within a run or a night
        visit=int(visit) if visit >= _LEAST_VISIT else visit_of_time(middle),
        detector=int(number(header, DETECTOR) or 0),
        # "r DECam SDSS c0002 6415.0 1480.0" and "r_03" are r
        band=band.replace("_", " ").split(" ")[0],
        midpoint_mjd_tai=middle,
        exposure_time=exposure_time,
        instrument=instrument,
        airmass=number(header, AIRMASS) or math.nan,
    )


def wcs_of(header: Header) -> WCS | None:
    """Return celestial world coordinates.

    Parameters
    ----------
    header : Header
        With or without.

    Returns
    -------
    astropy.wcs.WCS or None
        None if there are none, or none that can be inverted.
    """
    # astropy repairs dates and units of old headers and says so
    with QUIET:
        try:
            wcs = WCS(header, naxis=2)
            if not wcs.has_celestial:
                return None
            middle = wcs.pixel_to_world_values(0.0, 0.0)
            wcs.wcs_world2pix([middle], 0)
        except (ValueError, KeyError, MemoryError, InconsistentAxisTypesError, WcsNoConvergence):
            return None
    return wcs if all(math.isfinite(float(v)) for v in middle) else None


def _midpoint(header: Header, exposure_time: float) -> float | None:
    """Return the middle of the exposure, MJD TAI."""
    scale = str(header.get("TIMESYS", "UTC")).strip().lower()
    scale = scale if scale in Time.SCALES else "utc"
    for keyword in MIDDLE:
        time = _time(header, keyword, scale)
        if time is not None:
            return float(time.tai.mjd)
    for keyword in START:
        time = _time(header, keyword, scale)
        if time is not None:
            return float(time.tai.mjd) + 0.5 * exposure_time / 86400.0
    return None


def _time(header: Header, keyword: str, scale: str) -> Time | None:
    """Return the time of a keyword, a number or a date with a time of day."""
    value: Any = header.get(keyword)
    # years whose leap seconds are not known yet
    with QUIET:
        if isinstance(value, float) and 10_000 < value < 200_000:
            comment = str(header.comments[keyword]).lower()
            return Time(value, format="mjd", scale="tai" if "tai" in comment else scale)
        if not isinstance(value, str) or len(value) < 10:
            return None
        if "T" not in value:
            # the time of day is elsewhere
            clock = next((header[k] for k in ("UTSTART", "UT", "TIME-OBS") if k in header), None)
            value = f"{value}T{clock}"
        try:
            return Time(value, format="isot", scale=scale)
        except ValueError:
            return None


def visit_of_time(middle: float) -> int:
    """Return a number for a visit without: YYYYMMDDSSSSS, the date and the second of the day.

    Parameters
    ----------
    middle : float
        Of the exposure, MJD TAI.

    Returns
    -------
    int
    """
    date = Time(middle, format="mjd", scale="tai").strftime("%Y%m%d")
    return int(date) * 100_000 + int(middle % 1.0 * 86400)
