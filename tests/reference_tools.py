"""Simulated stars, galaxies and objects, and their neighbours by numpy and astropy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Distance, SkyCoord
from astropy.time import Time

Array = np.ndarray[Any, Any]
FLOOR, UNKNOWN = 0.05, 0.2
"""Errors [arcsec] that are added to all, and stand for unknown ones."""


@dataclass
class Sky:
    """Stars and galaxies as columns of reference_object, nan where unknown."""

    columns: dict[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["ra"])


def around(rng: np.random.Generator, centre: tuple[float, float], radius: float, n: int) -> Any:
    """Positions [deg] in a cap, exactly uniform; good over poles and RA 0."""
    where = SkyCoord(*centre, unit="deg")
    angle = rng.uniform(0, 2 * np.pi, n) * u.rad
    # The area of a cap goes with the square of the chord.
    distance = 2 * np.arcsin(np.sin(np.radians(radius) / 2) * np.sqrt(rng.random(n))) * u.rad
    found = where.directional_offset_by(angle, distance)
    return found.ra.deg % 360.0, found.dec.deg


def simulate(
    centre: tuple[float, float],
    *,
    n: int = 600,
    radius: float = 0.02,
    seed: int = 1,
    epoch: float = 57388.0,
) -> Sky:
    """A crowded field, half galaxies, with errors, motions, covariances and moments, some unknown."""
    rng = np.random.default_rng(seed)
    ra, dec = around(rng, centre, radius, n)
    galaxy = rng.random(n) < 0.5
    err = rng.uniform(0.01, 0.3, (2, n)) / 3600
    pm_err = rng.uniform(0.05, 3.0, (2, n))
    pm = rng.normal(0, 30.0, (2, n))
    fast = rng.random(n) < 0.05
    pm[:, fast] = rng.normal(0, 900.0, (2, int(fast.sum())))
    pm[:, galaxy] = np.nan
    corr = rng.uniform(-0.9, 0.9, (2, n))
    major = rng.uniform(0.3, 3.0, n)
    minor = major * rng.uniform(0.2, 1.0, n)
    angle = rng.uniform(0, np.pi, n)
    columns = {
        "reference_object_id": 2**61 + np.arange(n),
        "ra": ra, "dec": dec,
        "epoch_mjd_tai": np.full(n, epoch),
        "ra_err": err[0], "dec_err": err[1],
        "ra_dec_cov": corr[0] * err[0] * err[1],
        "pm_ra": pm[0], "pm_dec": pm[1],
        "pm_ra_err": np.where(galaxy, np.nan, pm_err[0]),
        "pm_dec_err": np.where(galaxy, np.nan, pm_err[1]),
        "pm_ra_dec_cov": np.where(galaxy, np.nan, corr[1] * pm_err[0] * pm_err[1]),
        "extendedness": np.where(galaxy, rng.uniform(0.5, 1.0, n), rng.uniform(0.0, 0.49, n)),
        "ixx": major**2 * np.sin(angle) ** 2 + minor**2 * np.cos(angle) ** 2,
        "iyy": major**2 * np.cos(angle) ** 2 + minor**2 * np.sin(angle) ** 2,
        "ixy": (major**2 - minor**2) * np.sin(angle) * np.cos(angle),
        "effective_radius": major,
    }  # fmt: skip
    unknown = rng.random((3, n)) < 0.1
    for name in ("ra_err", "dec_err", "ra_dec_cov"):
        columns[name][unknown[0]] = np.nan
    columns["extendedness"][unknown[1]] = np.nan
    columns["ixx"][unknown[2]] = np.nan
    exact = {"reference_object_id", "ra", "dec", "epoch_mjd_tai"}
    # As the table has them.
    return Sky({k: v if k in exact else v.astype(np.float32) for k, v in columns.items()})


def moved(sky: Sky, mjd: float) -> SkyCoord:
    """Where stars and galaxies are at a time, by astropy: without radial motion, so that the distance means nothing."""
    start = SkyCoord(
        ra=sky["ra"] * u.deg, dec=sky["dec"] * u.deg, distance=Distance(10 * u.pc),
        pm_ra_cosdec=np.nan_to_num(sky["pm_ra"].astype(float)) * u.mas / u.yr,
        pm_dec=np.nan_to_num(sky["pm_dec"].astype(float)) * u.mas / u.yr,
        radial_velocity=0 * u.km / u.s, obstime=Time(sky["epoch_mjd_tai"], format="mjd", scale="tai"),
    )  # fmt: skip
    then = start.apply_space_motion(new_obstime=Time(mjd, format="mjd", scale="tai"))
    return SkyCoord(then.ra, then.dec)


def neighbours(
    sky: Sky, position: dict[str, float], mjd: float, *,
    radius: float = 10.0, prior: float = 0.5, rule: str = "moments", places: SkyCoord | None = None,
) -> dict[str, Array]:  # fmt: skip
    """The neighbours of one object, by brute force; nan and 0 where there is none."""
    places = moved(sky, mjd) if places is None else places
    here = SkyCoord(position["ra"], position["dec"], unit="deg")
    distance = here.separation(places).arcsec
    near = np.flatnonzero(distance <= radius)
    # In the directions of east and north where each was at its epoch, which is where its errors are.
    epoch = SkyCoord(sky["ra"][near], sky["dec"][near], unit="deg")
    to_here, to_place = epoch.spherical_offsets_to(here), epoch.spherical_offsets_to(places[near])
    east, north = (a.arcsec - b.arcsec for a, b in zip(to_here, to_place, strict=True))
    years = (mjd - sky["epoch_mjd_tai"][near]) / 365.25

    def square(own: float, theirs: Array, motion: Array) -> Array:
        own = UNKNOWN if np.isnan(own) else own * 3600
        given = np.where(np.isnan(theirs), UNKNOWN, theirs.astype(float) * 3600)
        return (
            own**2 + given**2 + FLOOR**2 + (years * np.nan_to_num(motion.astype(float)) / 1e3) ** 2
        )

    cov = np.empty((len(near), 2, 2))
    cov[:, 0, 0] = square(position["ra_err"], sky["ra_err"][near], sky["pm_ra_err"][near])
    cov[:, 1, 1] = square(position["dec_err"], sky["dec_err"][near], sky["pm_dec_err"][near])
    own = np.nan_to_num(position["ra_dec_cov"])
    cov[:, 0, 1] = cov[:, 1, 0] = (
        own + np.nan_to_num(sky["ra_dec_cov"][near].astype(float))
    ) * 3600**2 + (years / 1e3) ** 2 * np.nan_to_num(sky["pm_ra_dec_cov"][near].astype(float))
    offset = np.stack([east, north], 1)
    chi2 = np.einsum("ni,nij,nj->n", offset, np.linalg.inv(cov), offset)
    ln_f = -0.5 * chi2 - 0.5 * np.log(np.linalg.det(2 * np.pi * cov))
    elsewhere = np.log(1 - prior) + np.log(max(len(near), 1) / (np.pi * radius**2))
    ln_p = np.log(prior) + ln_f - np.logaddexp.reduce([*(np.log(prior) + ln_f), elsewhere])
    size = np.full(len(near), np.nan)
    if rule == "moments":
        for i, k in enumerate(near):
            tensor = np.array(
                [[sky["ixx"][k], sky["ixy"][k]], [sky["ixy"][k], sky["iyy"][k]]], float
            )
            if np.isfinite(tensor).all():
                size[i] = np.sqrt(offset[i] @ np.linalg.inv(tensor) @ offset[i])
    else:
        size = distance[near] / sky["effective_radius"][near].astype(float)
    kind = sky["extendedness"][near]
    order = np.argsort(distance[near], kind="stable")
    stars, galaxies = order[kind[order] < 0.5], order[kind[order] >= 0.5]
    ten = galaxies[:10]
    hosts = ten[np.argsort(size[ten], kind="stable")]
    hosts = hosts[np.isfinite(size[hosts])][:3]

    def padded(rows: Array, values: Array) -> Array:
        found = np.full(3, np.nan) if values.dtype.kind == "f" else np.zeros(3, np.int64)
        found[: len(rows[:3])] = values[rows[:3]]
        return found

    ids = sky["reference_object_id"][near]
    both = (stars, galaxies)
    return {
        "nearby_obj": np.concatenate([padded(rows, ids) for rows in both]),
        "nearby_obj_dist": np.concatenate([padded(rows, distance[near]) for rows in both]),
        "nearby_obj_ln_p": np.concatenate([padded(rows, ln_p) for rows in both]),
        "nearby_pot_host": padded(hosts, ids),
        "nearby_pot_host_sep_dist": padded(hosts, size),
    }


def objects(
    rng: np.random.Generator, sky: Sky, centre: tuple[float, float], n: int
) -> dict[str, Array]:
    """Objects: half of them at stars and galaxies but for an error, half anywhere."""
    ra, dec = around(rng, centre, 0.015, n)
    at = rng.integers(0, len(sky), n // 2)
    ra[: n // 2] = (
        sky["ra"][at] + rng.normal(0, 0.05, n // 2) / 3600 / np.cos(np.radians(sky["dec"][at]))
    ) % 360
    dec[: n // 2] = np.clip(sky["dec"][at] + rng.normal(0, 0.05, n // 2) / 3600, -90, 90)
    err = (rng.uniform(0.01, 0.2, (2, n)) / 3600).astype(np.float32)
    cov = (rng.uniform(-0.9, 0.9, n) * err[0] * err[1]).astype(np.float32)
    err[:, rng.random(n) < 0.1] = np.nan
    cov[np.isnan(err[0])] = np.nan
    return {"ra": ra, "dec": dec, "ra_err": err[0], "dec_err": err[1], "ra_dec_cov": cov}
