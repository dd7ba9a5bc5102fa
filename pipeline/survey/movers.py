"""Objects of the solar system: great circles on the sky, and the ephemeris of the known ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apdb.input.sphere import east_north, offset, positions, unit_vectors
from pipeline.survey.config import HALF_SIDES, Field, SurveyConfig
from pipeline.survey.population import Kind, flux_in_bands
from pipeline.survey.schedule import detector_offset

Floats = npt.NDArray[np.float64]

#: Above 2**53, as the identifiers of the Minor Planet Center's objects in alerts are.
_FIRST_SS_OBJECT_ID = 21_000_000_000_000_001
#: Ephemeris rows are this far apart [d]; between them a constant rate is good to 0.01 arcsec,
#: except within about 3° of a pole, where the prediction must follow the great circle.
EPHEMERIS_STEP = 1 / 24
#: One sigma of the ephemerides [deg].
_EPHEMERIS_ERROR = 0.05 / 3600


@dataclass(frozen=True)
class Movers:
    """The moving objects of one field.

    Attributes
    ----------
    truth : ndarray of int64, shape (n,)
        Identifiers; those of the known ones are their ss_object_id.
    known : ndarray of bool, shape (n,)
        Whether the object is in the ephemeris table.
    ra, dec : ndarray, shape (n,)
        Positions [deg] at `epoch`.
    east, north : ndarray, shape (n,)
        Rates there [deg/d].
    epoch : ndarray, shape (n,)
        MJD TAI.
    flux : ndarray, shape (n, 6)
        Fluxes in ugrizy [nJy].
    vmag : ndarray, shape (n,)
        V magnitude.
    """

    truth: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    ra: Floats
    dec: Floats
    east: Floats
    north: Floats
    epoch: Floats
    flux: Floats
    vmag: Floats

    @property
    def kind(self) -> npt.NDArray[np.int8]:
        """`Kind` of each, shape (n,)."""
        return np.where(self.known, Kind.MOVER, Kind.UNKNOWN_MOVER).astype(np.int8)

    def at(self, mjd: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return the positions at a time.

        Parameters
        ----------
        mjd : array_like, broadcast against shape (n,)
            MJD TAI.

        Returns
        -------
        ra, dec : ndarray
            Positions [deg].
        """
        elapsed = np.asarray(mjd) - self.epoch
        return offset(
            np.broadcast_to(self.ra, elapsed.shape),
            np.broadcast_to(self.dec, elapsed.shape),
            self.east * elapsed,
            self.north * elapsed,
        )


def make_movers(field: Field, index: int, config: SurveyConfig) -> Movers:
    """Make the moving objects that cross a field.

    Parameters
    ----------
    field : Field
        Where.
    index : int
        Number of the field in the survey.
    config : SurveyConfig
        How many, and when.

    Returns
    -------
    Movers
        Main-belt objects, 0.1-0.35 deg/d, and one in eight faster, up to 2 deg/d.
    """
    rng = np.random.default_rng([config.seed, 3, index])
    n = config.movers_per_field
    width = detector_offset(config.n_detectors - 1)
    ra, dec = offset(
        field.ra,
        field.dec,
        rng.uniform(-HALF_SIDES[0], HALF_SIDES[0] + width, n),
        rng.uniform(-HALF_SIDES[1], HALF_SIDES[1], n),
    )
    rate = np.where(rng.random(n) < 0.125, rng.uniform(0.5, 2.0, n), rng.uniform(0.1, 0.35, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    night = rng.integers(config.nights, size=n)
    magnitude = rng.uniform(18.5, 23.0, n)
    known = np.arange(n) < round(config.known_fraction * n)
    serial = index * n + np.arange(n, dtype=np.int64)
    return Movers(
        truth=np.where(known, _FIRST_SS_OBJECT_ID + serial, (index + 1) * 10_000_000 - 1 - serial),
        known=known,
        ra=ra,
        dec=dec,
        east=rate * np.cos(angle),
        north=rate * np.sin(angle),
        epoch=config.start_mjd_tai + night + rng.uniform(0, 1, n) * config.night_hours / 24,
        flux=flux_in_bands(magnitude, np.ones(n)),
        vmag=magnitude + 0.2,
    )


def ephemeris(movers: list[Movers], config: SurveyConfig) -> dict[str, npt.NDArray[np.generic]]:
    """Return the ephemeris table of the known objects.

    Parameters
    ----------
    movers : list of Movers
        Those of all fields.
    config : SurveyConfig
        Says which time to cover.

    Returns
    -------
    dict of str to ndarray
        ss_object_id, mjd_tai, ra, dec [deg], ra_rate (with cos dec), dec_rate [deg/d], ra_err,
        dec_err [deg], vmag and designation; one row each `EPHEMERIS_STEP`.  The predictions
        are off by a constant drawn from their errors.
    """
    last = config.nights - 1 + config.night_hours / 24
    times = config.start_mjd_tai + EPHEMERIS_STEP * np.arange(-1, last / EPHEMERIS_STEP + 2)
    rows: list[dict[str, npt.NDArray[np.generic]]] = []
    for index, field in enumerate(movers):
        known = np.flatnonzero(field.known)
        rng = np.random.default_rng([config.seed, 4, index])
        error = rng.normal(0.0, _EPHEMERIS_ERROR, (2, len(known), 1))
        ra, dec, ra_rate, dec_rate = _motion(field, known, times)
        ra, dec = offset(ra, dec, *np.broadcast_to(error, (2, *ra.shape)))
        n = ra.size
        ids = np.repeat(field.truth[known], len(times))
        names = [f"SIM{i - _FIRST_SS_OBJECT_ID + 1:06d}" for i in ids.tolist()]
        rows.append(
            {
                "ss_object_id": ids,
                "mjd_tai": np.tile(times, len(known)),
                "ra": ra.ravel(),
                "dec": dec.ravel(),
                "ra_rate": ra_rate.ravel().astype(np.float32),
                "dec_rate": dec_rate.ravel().astype(np.float32),
                "ra_err": np.full(n, _EPHEMERIS_ERROR, np.float32),
                "dec_err": np.full(n, _EPHEMERIS_ERROR, np.float32),
                "vmag": np.repeat(field.vmag[known], len(times)).astype(np.float32),
                "designation": np.array(names, object),
            }
        )
    return {name: np.concatenate([r[name] for r in rows]) for name in rows[0]}


def _motion(field: Movers, which: npt.NDArray[np.intp], times: Floats) -> tuple[Floats, ...]:
    """Return ra, dec [deg] and their rates [deg/d], shape (objects, times)."""
    ra, dec = field.ra[which], field.dec[which]
    start = unit_vectors(ra, dec)[:, None, :]
    to_east, to_north = east_north(ra, dec)
    velocity = field.east[which, None] * to_east + field.north[which, None] * to_north
    rate = np.linalg.norm(velocity, axis=-1)[:, None, None]
    way = velocity[:, None, :] / rate
    angle = np.radians(rate * (times - field.epoch[which, None])[..., None])
    place = np.cos(angle) * start + np.sin(angle) * way
    motion = rate * (np.cos(angle) * way - np.sin(angle) * start)
    now_ra, now_dec = positions(place)
    east, north = east_north(now_ra, now_dec)
    return now_ra, now_dec, (motion * east).sum(axis=-1), (motion * north).sum(axis=-1)
