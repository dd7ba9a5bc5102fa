"""Moving things in the database: detections out, orbits in, as arrays for the dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from apdb.solar_system.load import packed_covariances, unpacked_covariances

if TYPE_CHECKING:
    from pipeline.moving.detections import Detections
    from pipeline.moving.fit import OrbitFit

_MJD_ZERO = np.datetime64("1858-11-17")
_LEAST_ERROR = 0.02
_USUAL_ERROR = 0.15

_COLUMNS = (
    "dia_source_id, night, midpoint_mjd_tai, exposure_time, ra, dec, ra_err, dec_err, "
    "trail_length, trail_angle"
)
_UNLINKED = f"select {_COLUMNS} from apdb.unlinked_sources(%s, %s)"  # noqa: S608
_MEMBERS = """
select
    d.dia_source_id, v.night, d.midpoint_mjd_tai, v.exposure_time, d.ra, d.dec, d.ra_err, d.dec_err,
    null::real, null::real, d.ss_object_id
from apdb.dia_source as d
inner join apdb.visit as v on d.visit = v.visit and d.detector = v.detector
where d.ss_object_id = any(%s)
order by d.midpoint_mjd_tai, d.dia_source_id
"""


def unlinked(connection: psycopg.Connection[Any], first: float, last: float) -> Detections:
    """Return detections that are of nothing known.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    first, last : float
        Midpoints from and before [MJD TAI].

    Returns
    -------
    Detections
        Their ids are dia_source_ids.
    """
    rows = connection.execute(_UNLINKED, (first, last)).fetchall()
    return _detections(connection, rows)


def members(
    connection: psycopg.Connection[Any], ss_object_ids: Sequence[int]
) -> dict[int, Detections]:
    """Return the detections of objects.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    ss_object_ids : sequence of int
        Which objects.

    Returns
    -------
    dict of int to Detections
        Of those that have any.
    """
    rows = connection.execute(_MEMBERS, (list(ss_object_ids),)).fetchall()
    found = _detections(connection, rows)
    owner = np.array([row[10] for row in rows], dtype=np.int64)
    return {int(o): found.take(owner == o) for o in np.unique(owner)}


def _detections(connection: psycopg.Connection[Any], rows: Sequence[tuple[Any, ...]]) -> Detections:
    from pipeline.moving.detections import detections
    from pipeline.moving.kernel import planets
    from pipeline.moving.observers import observer_state
    from pipeline.moving.times import tdb_from_tai

    site = connection.execute("select apdb.setting('site_code')").fetchone()
    assert site is not None
    tai = np.array([row[2] for row in rows], dtype=float)
    times, back = np.unique(tai, return_inverse=True)
    tdb = tdb_from_tai(times)
    length, angle = _numbers(rows, 8), _numbers(rows, 9)
    error = np.hypot(_numbers(rows, 6), _numbers(rows, 7)) / np.sqrt(2.0) * 3600.0
    nights = np.array([row[1] for row in rows], dtype="datetime64[D]") - _MJD_ZERO
    return detections(
        np.array([row[4] for row in rows], dtype=float),
        np.array([row[5] for row in rows], dtype=float),
        tdb[back],
        observer_state(str(site[0]), times)[back],
        planets().body_state("sun", tdb)[back],
        ids=np.array([row[0] for row in rows], dtype=np.int64),
        sigma=np.where(np.isfinite(error), np.hypot(error, _LEAST_ERROR), _USUAL_ERROR),
        night=nights.astype(np.int64),
        rate=length / 3600.0 / (_numbers(rows, 3) / 86400.0),
        rate_angle=angle,
    )


def _numbers(rows: Sequence[tuple[Any, ...]], column: int) -> NDArray[np.float64]:
    values = [row[column] for row in rows]
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def found_orbits(connection: psycopg.Connection[Any]) -> dict[int, OrbitFit]:
    """Return the orbits that were found here.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.

    Returns
    -------
    dict of int to OrbitFit
        By ss_object_id; without residuals, for these are not kept.
    """
    from pipeline.moving.fit import OrbitFit

    rows = connection.execute(
        "select ss_object_id, epoch_mjd_tdb, x, y, z, vx, vy, vz, covariance "
        "from apdb.orbit where source = 'linking' and covariance is not null order by ss_object_id"
    ).fetchall()
    covariances = unpacked_covariances(row[8] for row in rows)
    return {
        row[0]: OrbitFit(
            state=np.array(row[2:8]),
            epoch=row[1],
            covariance=covariance,
            residuals=np.zeros((0, 2)),
            used=np.zeros(0, dtype=bool),
            rms=1.0,
            chi2=0.0,
            converged=True,
            reason="",
        )
        for row, covariance in zip(rows, covariances, strict=True)
    }


def orbit_values(fit: OrbitFit, found: Detections) -> tuple[Any, ...]:
    """Return what accept_moving_object is told of an orbit.

    Parameters
    ----------
    fit : OrbitFit
        The orbit.
    found : Detections
        Detections that it is of.

    Returns
    -------
    tuple
        Ids of the sources, epoch, state, covariance, and the columns of mpc_orbits as JSON.
    """
    from psycopg.types.json import Jsonb

    from pipeline.moving.elements import ecliptic, elements_of
    from pipeline.moving.kernel import planets

    epoch = np.array([fit.epoch])
    helio = ecliptic(fit.state[None] - planets().body_state("sun", epoch))
    e = elements_of(helio, epoch)
    motion = e.mean_motion
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            **vars(e), "a": e.a, "mean_anomaly": e.mean_anomaly(epoch), "mean_motion": motion,
            "period": 360.0 / motion,
        }  # fmt: skip
    values = {k: float(v[0]) for k, v in columns.items() if np.isfinite(v[0])}
    off = fit.residuals[fit.used]
    values |= {
        "nopp": 1,
        "nobs_total": len(found),
        "arc_length_total": float(np.ptp(found.mjd_tdb)),
        "normalized_rms": fit.rms,
        "not_normalized_rms": float(np.sqrt((off**2).mean())),
    }
    return (
        found.ids.tolist(),
        fit.epoch,
        fit.state.tolist(),
        packed_covariances(fit.covariance[None])[0],
        Jsonb(values),
    )
