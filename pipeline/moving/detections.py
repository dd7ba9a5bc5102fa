"""Detections of moving things: positions on the sky, when, and where the observer was."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.moving.kernel import GM, SUN

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NONE = np.zeros(0, dtype=np.int64)

ARCSEC = np.pi / 648000.0
"""One arc second [rad]."""

GM_SUN = float(GM[SUN])
"""Heliocentric gravitational constant [au**3/d**2]."""


@dataclass(frozen=True)
class Detections:
    """Detections and the observer's states, all arrays of one length.

    Attributes
    ----------
    ids : (n,) int64
        Identifier of each detection.
    ra, dec : (n,) float64
        ICRS position [deg].
    mjd_tdb : (n,) float64
        Time [MJD TDB].
    observer : (n, 6) float64
        Barycentric state of the observer, ICRF [au, au/d].
    sun : (n, 6) float64
        Barycentric state of the Sun, ICRF [au, au/d].
    sigma : (n,) float64
        One-sigma error of the position, per axis [arcsec].
    night : (n,) int64
        Number of the night.
    rate, rate_angle : (n,) float64
        Rate [deg/d] and direction, east of north modulo 180 [deg], that a trail shows; NaN without.
    """

    ids: Ints
    ra: Floats
    dec: Floats
    mjd_tdb: Floats
    observer: Floats
    sun: Floats
    sigma: Floats
    night: Ints
    rate: Floats
    rate_angle: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Detections:
        """Return detections at an index or of a mask.

        Parameters
        ----------
        index : (m,) int64 or (n,) bool
            Which.

        Returns
        -------
        Detections
            Those.
        """
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def directions(self) -> Floats:
        """Return unit vectors to the detections.

        Returns
        -------
        (n, 3) float64
            ICRS.
        """
        return unit_vectors(self.ra, self.dec)


def detections(
    ra: Floats,
    dec: Floats,
    mjd_tdb: Floats,
    observer: Floats,
    sun: Floats,
    *,
    ids: Ints | None = None,
    sigma: Floats | float = 0.1,
    night: Ints | None = None,
    rate: Floats | None = None,
    rate_angle: Floats | None = None,
) -> Detections:
    """Check arrays and make detections of them.

    Parameters
    ----------
    ra, dec : (n,) float64
        ICRS position [deg].
    mjd_tdb : (n,) float64
        Time [MJD TDB].
    observer, sun : (n, 6) float64
        Barycentric states, ICRF [au, au/d].
    ids : (n,) int64, optional
        Identifiers; their numbers in the list if not given.
    sigma : (n,) float64 or float
        Error of the position per axis [arcsec].
    night : (n,) int64, optional
        Number of the night; whole days of MJD - 0.5 if not given: right for sites in the western
        hemisphere, give it for others.
    rate, rate_angle : (n,) float64, optional
        What trails say [deg/d, deg].

    Returns
    -------
    Detections
        The same, all arrays of the documented types.

    Raises
    ------
    ValueError
        Lengths differ, a value is not finite, or an error is not positive: says which row.
    """
    n = len(ra)
    nothing = np.full(n, np.nan)
    made = Detections(
        ids=np.arange(n, dtype=np.int64) if ids is None else np.asarray(ids, dtype=np.int64),
        ra=np.asarray(ra, dtype=np.float64),
        dec=np.asarray(dec, dtype=np.float64),
        mjd_tdb=np.asarray(mjd_tdb, dtype=np.float64),
        observer=np.asarray(observer, dtype=np.float64).reshape(n, 6),
        sun=np.asarray(sun, dtype=np.float64).reshape(n, 6),
        sigma=np.broadcast_to(np.asarray(sigma, dtype=np.float64), (n,)).copy(),
        night=nights_of(mjd_tdb) if night is None else np.asarray(night, dtype=np.int64),
        rate=nothing if rate is None else np.asarray(rate, dtype=np.float64),
        rate_angle=nothing if rate_angle is None else np.asarray(rate_angle, dtype=np.float64),
    )
    _check(made, n)
    return made


def _check(made: Detections, n: int) -> None:
    for field in fields(made):
        values = getattr(made, field.name)
        if len(values) != n:
            raise ValueError(
                f"{field.name} has {len(values)} rows where ra has {n}: give one a detection"
            )
        if field.name in {"ids", "night", "rate", "rate_angle"}:
            continue
        bad: Ints = np.flatnonzero(~np.isfinite(values).reshape(n, -1).all(axis=1)) if n else _NONE
        if len(bad):
            raise ValueError(
                f"{field.name} of row {bad[0]} is not finite: leave {len(bad)} such rows out"
            )
    for name, test in (("dec", np.abs(made.dec) > 90.0), ("sigma", made.sigma <= 0.0)):
        if test.any():
            row = int(np.argmax(test))
            raise ValueError(f"{name} of row {row} is {getattr(made, name)[row]}: out of range")


def nights_of(mjd: Floats) -> Ints:
    """Return the night of each time, noon to noon UTC - 12 h.

    Parameters
    ----------
    mjd : (n,) float64
        Time [MJD], any scale.

    Returns
    -------
    (n,) int64
        Whole days.
    """
    nights: Ints = np.floor(np.asarray(mjd, dtype=np.float64) - 0.5).astype(np.int64)
    return nights


def unit_vectors(ra: Floats, dec: Floats) -> Floats:
    """Return unit vectors of positions.

    Parameters
    ----------
    ra, dec : (n,) float64
        Position [deg].

    Returns
    -------
    (n, 3) float64
        Their directions.
    """
    a, d = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def tangent_axes(ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    """Return unit vectors to the east and to the north at positions.

    Parameters
    ----------
    ra, dec : (n,) float64
        Position [deg].

    Returns
    -------
    east, north : (n, 3) float64
        The axes of the tangent plane.
    """
    a, d = np.radians(ra), np.radians(dec)
    east = np.stack([-np.sin(a), np.cos(a), np.zeros_like(a)], axis=-1)
    north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=-1)
    return east, north
