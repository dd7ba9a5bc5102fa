"""What a visit is: which exposure and detector, when, and where on the sky."""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import erfa
import numpy as np
from numpy.typing import ArrayLike, NDArray

from apdb.given import imported, number_in
from apdb.input import footprint
from apdb.input.problems import Problems
from apdb.input.sphere import unit_vectors

MJD_MIN, MJD_MAX = 15_000.0, 150_000.0  # years 1899 to 2269
MAX_RADIUS = 10.0  # deg: more than any camera's field, less than a radius given in arcsec

#: How far outside its footprint a visit's source may lie [deg]: 36 arcsec, which forgives the
#: rounding and optical distortion of a footprint made from the corners of a detector, but neither
#: another detector nor another field.
FOOTPRINT_MARGIN = 0.01


def mjd_problem(value: float) -> str:
    """Say what is wrong with a time that is outside 15000 to 150000.

    Parameters
    ----------
    value : float
        The time as given.

    Returns
    -------
    str
        What is wrong and what to do.
    """
    message = f"must be an MJD (TAI) between {MJD_MIN:g} and {MJD_MAX:g}"
    if MJD_MIN < value - 2_400_000.5 < MJD_MAX:
        return f"{message}; this looks like a JD: subtract 2400000.5"
    if MJD_MIN < value / 86_400 < MJD_MAX:
        return f"{message}; this looks like seconds: divide by 86400"
    return message


def ra_problem(value: float) -> str:
    """Say what is wrong with a right ascension that is outside [0, 360).

    Parameters
    ----------
    value : float
        Right ascension as given [deg].

    Returns
    -------
    str
        What is wrong and what to do.
    """
    hint = f"; ra % 360 is {value % 360:.10g}" if math.isfinite(value) else ""
    return f"must be a finite number of degrees in [0, 360){hint}"


@dataclass(frozen=True)
class Visit:
    """One detector of one exposure.

    The footprint is either a circle, ``ra``, ``dec`` and ``radius``, or a ``boundary``, from which
    the centre and a bounding radius are computed.

    Parameters
    ----------
    visit : int
        Number of the visit, 0 or more.
    detector : int
        Number of the detector, 0 to 32767.
    band : str
        Name of the band.
    midpoint_mjd_tai : float or astropy.time.Time
        Middle of the exposure, MJD TAI [d].
    exposure_time : float, optional
        Exposure time [s].
    ra, dec : float, optional
        ICRS centre of the footprint [deg].
    radius : float, optional
        Radius of the footprint [deg], at most 10.
    boundary : sequence of (ra, dec), optional
        At least three corners of the footprint in order [deg], joined by great circles.  The
        polygon may be concave.
    readout_end : float or astropy.time.Time, optional
        End of readout, MJD TAI [d]; latencies are counted from it.

    Raises
    ------
    InvalidInput
        With one problem for each parameter that is wrong.
    """

    visit: int
    detector: int
    band: str
    midpoint_mjd_tai: float
    exposure_time: float | None = None
    ra: float | None = None
    dec: float | None = None
    radius: float | None = None
    boundary: Sequence[tuple[float, float]] | None = None
    readout_end: float | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        self._set("visit", _whole("visit", self.visit, 2**63 - 1, problems))
        self._set("detector", _whole("detector", self.detector, 2**15 - 1, problems))
        if not isinstance(self.band, str) or not self.band.strip() or "\0" in self.band:
            problems.add("band", 'must be a non-empty text, such as "g"', self.band)
        midpoint = _mjd("midpoint_mjd_tai", self.midpoint_mjd_tai, problems)
        readout = _mjd("readout_end", self.readout_end, problems)
        self._set("midpoint_mjd_tai", midpoint)
        self._set("readout_end", readout)
        if midpoint is None:
            problems.add("midpoint_mjd_tai", "must be given: MJD TAI of the middle of the exposure")
        elif readout is not None and readout < midpoint:
            problems.add("readout_end", "is before midpoint_mjd_tai", readout)
        exposure = _number("exposure_time", self.exposure_time, "s", problems)
        if exposure is not None and not 0 < exposure < math.inf:
            problems.add("exposure_time", "must be positive seconds, or None", self.exposure_time)
        self._set("exposure_time", exposure)
        self._settle_footprint(problems)
        problems.raise_if_any()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _settle_footprint(self, problems: Problems) -> None:
        before = problems.total
        given = {
            name: _number(name, getattr(self, name), "deg", problems)
            for name in ("ra", "dec", "radius")
        }
        if self.boundary is None:
            if missing := [name for name, value in given.items() if value is None]:
                if problems.total == before:
                    text = f"{', '.join(missing)} missing: give ra, dec and radius, or boundary"
                    problems.add("boundary" if len(missing) == 3 else missing[0], text)
                return
            found = given
        else:
            corners = _corners(self.boundary, problems)
            if corners is None:
                return
            self._set("boundary", tuple((float(ra), float(dec)) for ra, dec in corners))
            circle = footprint.bounding_circle(unit_vectors(*corners.T))
            found = dict(zip(("ra", "dec", "radius"), circle, strict=True))
            for name, value in given.items():
                if value is not None and not math.isclose(value, found[name] or 0, abs_tol=1e-9):
                    text = f"is {found[name]:.9g} by the boundary: give one or the other"
                    problems.add(name, text, value)
        _check_circle(found, problems)
        for name, value in found.items():
            self._set(name, value)

    def night(self, longitude_deg: float = 0.0) -> dt.date:
        """Return the night of the visit: date of (UTC - 12 h) at the site's longitude.

        Parameters
        ----------
        longitude_deg : float
            Longitude of the site [deg], east positive; 0 counts the days of Rubin's day_obs.

        Returns
        -------
        datetime.date
            Date of the evening on which the night began.

        Raises
        ------
        ValueError
            If the longitude is outside -360 to 360.
        """
        if not -360.0 <= longitude_deg <= 360.0:
            raise ValueError(f"longitude_deg must be within -360 and 360, not {longitude_deg}")
        utc = self.midpoint_mjd_tai - _tai_minus_utc(self.midpoint_mjd_tai) / 86_400.0
        day = math.floor(utc - 0.5 + longitude_deg / 360.0)
        return dt.date(1858, 11, 17) + dt.timedelta(days=day)

    def outside_by(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
        """Return how far positions lie outside the footprint.

        Parameters
        ----------
        ra, dec : array_like, shape (n,)
            ICRS positions [deg].

        Returns
        -------
        ndarray of float64, shape (n,)
            Angle to the footprint [deg]; 0 inside.
        """
        points = unit_vectors(np.atleast_1d(ra), np.atleast_1d(dec))
        if self.boundary is not None:
            corners = np.asarray(self.boundary, float)
            return footprint.outside_polygon(points, unit_vectors(*corners.T))
        if self.ra is None or self.dec is None or self.radius is None:
            raise AssertionError("a visit has a footprint")
        centre = unit_vectors(self.ra, self.dec)
        return footprint.outside_circle(points, centre, self.radius)

    def contains(
        self, ra: ArrayLike, dec: ArrayLike, margin_deg: float = FOOTPRINT_MARGIN
    ) -> NDArray[np.bool_]:
        """Tell which positions lie in the footprint.

        Parameters
        ----------
        ra, dec : array_like, shape (n,)
            ICRS positions [deg].
        margin_deg : float
            Positions outside by up to this angle count as inside [deg].

        Returns
        -------
        ndarray of bool, shape (n,)
            True inside.
        """
        return np.asarray(self.outside_by(ra, dec) <= margin_deg)


def _whole(name: str, value: Any, largest: int, problems: Problems) -> int:
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        problems.add(name, f"must be a whole number (int) from 0 to {largest}", value)
        return 0
    if not 0 <= number <= largest:
        problems.add(name, f"must be from 0 to {largest}", value)
    return number


def _number(name: str, value: Any, unit: str, problems: Problems) -> float | None:
    """Return a float in the unit, from a number or a Quantity; None stays None."""
    if value is None:
        return None
    try:
        if isinstance(value, str | bytes | bool | np.bool_):
            raise TypeError
        return number_in(unit, value)
    except (TypeError, ValueError):
        problems.add(name, f"must be a number in {unit}", value)
        return None


def _mjd(name: str, value: Any, problems: Problems) -> float | None:
    if isinstance(value, imported("astropy.time", "Time")):
        value = value.tai.mjd if value.isscalar and not np.any(value.mask) else repr(value)
    before = problems.total
    number = _number(name, value, "d", problems)
    if number is None:
        # A value that is no number has been reported: the caller must not add "missing" to it.
        return math.nan if problems.total > before else None
    if not MJD_MIN <= number <= MJD_MAX:
        problems.add(name, mjd_problem(number), value)
    return number


def _corners(boundary: Any, problems: Problems) -> NDArray[np.float64] | None:
    """Return the corners of a boundary, shape (m, 2), or None if they are not right."""
    try:
        corners = np.asarray(boundary, float)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.ndim == 2 and corners.shape[1:] == (2,) and len(corners) > 1:
        kept = np.any(corners != np.roll(corners, 1, axis=0), axis=1)
        kept[0] = True
        corners = corners[kept]
        if len(corners) > 1 and np.array_equal(corners[0], corners[-1]):
            corners = corners[:-1]
    if corners.ndim != 2 or corners.shape[1:] != (2,) or len(corners) < 3:
        problems.add("boundary", "must be three or more different (ra, dec) in deg", boundary)
        return None
    ra, dec = corners.T
    bad = ~((ra >= 0) & (ra < 360) & (dec >= -90) & (dec <= 90))
    if bad.any():
        which = int(np.flatnonzero(bad)[0])
        text = f"corner {which} must have ra in [0, 360) and dec in [-90, 90]"
        problems.add("boundary", text, tuple(corners[which].tolist()))
        return None
    vectors = unit_vectors(ra, dec)
    try:
        footprint.bounding_circle(vectors)
    except ValueError as error:
        problems.add("boundary", f"{error}: at most {MAX_RADIUS:g} deg around its centre")
        return None
    if trouble := footprint.polygon_problem(vectors):
        problems.add("boundary", f"is no polygon: {trouble}")
        return None
    return corners


def _check_circle(found: dict[str, float | None], problems: Problems) -> None:
    ra, dec, radius = found["ra"], found["dec"], found["radius"]
    if ra is not None and not 0 <= ra < 360:
        problems.add("ra", ra_problem(ra), ra)
    if dec is not None and not -90 <= dec <= 90:
        problems.add("dec", "must be a finite number of degrees in [-90, 90]", dec)
    if radius is not None and not 0 < radius <= MAX_RADIUS:
        text = f"must be above 0 and at most {MAX_RADIUS:g} deg (degrees, not arcsec)"
        problems.add("radius", text, radius)


@cache
def _leap_seconds() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return since which MJD (UTC) which TAI - UTC [s] holds, from erfa's table."""
    table = erfa.leap_seconds.get()
    first = dt.date(1858, 11, 17)
    days = [(dt.date(int(row["year"]), int(row["month"]), 1) - first).days for row in table]
    return np.array(days, float), np.array(table["tai_utc"], float)


def _tai_minus_utc(mjd_tai: float) -> float:
    """Return TAI - UTC [s]; before 1972, when UTC drifted, to within seconds."""
    since, offset = _leap_seconds()
    row = int(np.searchsorted(since + offset / 86_400.0, mjd_tai, side="right")) - 1
    return float(offset[row]) if row >= 0 else 0.0
