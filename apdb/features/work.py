"""One batch of the queue: take objects, compute their features, write them, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.errors import Busy, ConnectionLost, OutOfSpace, ServerNotRunning
from apdb.features.astrometry import Astrometry, Positions, fit_astrometry
from apdb.features.names import ASTROMETRY
from apdb.features.packet import encode_features
from apdb.features.periodic import LightCurve, lc_periodic, light_curve
from apdb.features.periodogram import Search
from apdb.input.copy_read import read_copy
from apdb.input.records import Batch
from apdb.schema.catalogue import table
from apdb.session import Session

BATCH = 100
"""Objects that a worker takes at once."""

_POINT = (
    "dia_object_id", "band", "midpoint_mjd_tai", "ra", "dec", "ra_err", "dec_err", "ra_dec_cov",
    "psf_flux", "psf_flux_err",
)  # fmt: skip
_ASTROMETRY = (
    "dia_object_id", "n_points", "radec_mjd_tai", "ra", "ra_err", "dec", "dec_err", "pm_ra",
    "pm_ra_err", "pm_dec", "pm_dec_err", "parallax", "parallax_err", "ra_dec_corr", "ra_pm_ra_corr",
    "ra_pm_dec_corr", "ra_parallax_corr", "dec_pm_ra_corr", "dec_pm_dec_corr", "dec_parallax_corr",
    "pm_ra_pm_dec_corr", "pm_ra_parallax_corr", "pm_dec_parallax_corr", "pm_parallax_ln_l",
    "pm_parallax_chi2", "pm_parallax_ndata",
)  # fmt: skip
_FEATURE = (
    "dia_object_id", "band", "n_points", "first_mjd_tai", "last_mjd_tai", "lc_periodic",
    "lc_non_periodic",
)  # fmt: skip
_DOUBLE = frozenset({"radec_mjd_tai", "ra", "dec"})

Value = float | int | None


@dataclass(frozen=True)
class Options:
    """How objects are characterised.

    Attributes
    ----------
    search : Search
        Where to look for periods.
    floor : float
        Error of positions that their own errors do not know of [arcsec].
    """

    search: Search
    floor: float


@dataclass(frozen=True)
class Done:
    """What became of a batch.

    Attributes
    ----------
    n_taken : int
        Objects taken from the queue; 0 if none was free.
    n_written : int
        Objects whose features were written.
    n_failed : int
        Objects that could not be characterised.
    n_curves : int
        Light curves, of one band each.
    """

    n_taken: int
    n_written: int
    n_failed: int
    n_curves: int


def read_options(session: Session) -> Options:
    """Return what the settings of a database say.

    Parameters
    ----------
    session : Session
        Where.

    Returns
    -------
    Options
    """
    with session.reading() as connection:
        rows = connection.execute(
            "select s.name, s.value from apdb.settings() as s where s.name like 'features%'"
        ).fetchall()
    number = {name: float(value) for name, value in rows}
    search = Search(
        number["features_frequency_min"],
        number["features_frequency_max"],
        number["features_oversampling"],
    )
    return Options(search, number["features_position_floor"])


def work(
    session: Session, options: Options, n: int = BATCH, dia_object_ids: Sequence[int] | None = None
) -> Done:
    """Characterise a batch of objects out of the queue.

    What cannot be characterised is tried one by one: one object does not hold up the others.

    Parameters
    ----------
    session : Session
        Where.
    options : Options
        How.
    n : int, optional
        How many objects at most.
    dia_object_ids : sequence of int, optional
        Only these.

    Returns
    -------
    Done

    Raises
    ------
    Busy
        Another session holds the sky; what was taken is in the queue again.
    ConnectionLost, ServerNotRunning, OutOfSpace
        The server is in trouble, not the objects.
    """
    taken: list[int] = []
    try:
        return _batch(session, options, n, dia_object_ids, taken)
    except (Busy, ConnectionLost, OutOfSpace, ServerNotRunning):
        raise
    except Exception as error:  # whatever it is, other objects must not wait for it
        if not taken:
            raise
        if len(taken) == 1:
            _fail(session, taken[0], error)
            return Done(1, 0, 1, 0)
    parts = [work(session, options, 1, [each]) for each in taken]
    columns = zip(*((p.n_taken, p.n_written, p.n_failed, p.n_curves) for p in parts), strict=True)
    return Done(*map(sum, columns))


def _batch(
    session: Session,
    options: Options,
    n: int,
    dia_object_ids: Sequence[int] | None,
    taken: list[int],
) -> Done:
    wanted = None if dia_object_ids is None else list(dia_object_ids)
    with session.connection() as connection:
        row = connection.execute("select apdb.claim_features(%s, %s)", (n, wanted)).fetchone()
        if row is None or row[0] == 0:
            return Done(0, 0, 0, 0)
        taken += [i for (i,) in connection.execute("select dia_object_id from pg_temp.stage_due")]
        points = _read_points(connection)
        curves = connection.execute("select * from apdb.staged_features()").fetchall()
        _write(connection, points, curves, np.sort(np.array(taken, np.int64)), options)
        row = connection.execute("select n_objects from apdb.store_features()").fetchone()
    assert row is not None
    return Done(len(taken), row[0], 0, len(curves))


def _fail(session: Session, dia_object_id: int, error: Exception) -> None:
    text = f"{type(error).__name__}: {error}"[:2000]
    with session.connection() as connection:
        connection.execute("select apdb.fail_features(%s, %s)", (dia_object_id, text))


def _read_points(connection: psycopg.Connection[Any]) -> tuple[Batch, NDArray[np.bool_]]:
    """Return the staged points by object, band and time, and which are of the light curves."""
    columns = [table("dia_source").column(name) for name in _POINT]
    flag = table("dia_source").column("centroid_flag")
    query = sql.SQL(
        "select {}, p.in_light_curve from pg_temp.stage_point as p "
        "order by p.dia_object_id, p.band, p.midpoint_mjd_tai, p.dia_source_id"
    ).format(sql.SQL(", ").join(sql.Identifier("p", name) for name in _POINT))
    batch = read_copy(connection, query, [*columns, flag])
    return batch, batch.columns["centroid_flag"].astype(bool)


def _with_nan(batch: Batch, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = batch.columns[name].astype(np.float64)
    null = batch.nulls[name]
    if null is not None:
        values[null] = np.nan
    return values


def _write(
    connection: psycopg.Connection[Any],
    points: tuple[Batch, NDArray[np.bool_]],
    curves: list[Any],
    objects: NDArray[np.int64],
    options: Options,
) -> None:
    """Compute what is not computed in the database, and stage all of it."""
    batch, in_curve = points
    sets = lc_periodic(_light_curves(batch, in_curve, curves), options.search)
    rows = [
        (*curve[:5], _reals(periodic.tolist()), _reals(curve[5]))
        for curve, periodic in zip(curves, sets, strict=True)
    ]
    _copy(connection, "stage_feature", _FEATURE, rows)
    owner = np.searchsorted(objects, batch.columns["dia_object_id"])
    fitted = fit_astrometry(
        Positions(
            owner,
            len(objects),
            *(_with_nan(batch, name) for name in _POINT[2:8]),
        ),
        options.floor,
    )
    motion = _astrometry_rows(objects, np.bincount(owner, minlength=len(objects)), fitted)
    bands: dict[int, dict[str, tuple[float | None, ...]]] = {}
    for row in rows:
        bands.setdefault(row[0], {})[row[1]] = (*row[5], *row[6])
    packed = [
        (*row.values(), encode_features(bands.get(i, {}), tuple(row[f.name] for f in ASTROMETRY)))
        for i, row in zip(objects.tolist(), motion, strict=True)
    ]
    _copy(connection, "stage_astrometry", (*_ASTROMETRY, "fragment"), packed)


def _light_curves(batch: Batch, in_curve: NDArray[np.bool_], curves: list[Any]) -> list[LightCurve]:
    """Return the light curves of the objects and bands that the database lists, in that order."""
    owner, band = batch.columns["dia_object_id"], batch.columns["band"]
    time, flux, error = (
        _with_nan(batch, name) for name in ("midpoint_mjd_tai", "psf_flux", "psf_flux_err")
    )
    change = np.flatnonzero((owner[1:] != owner[:-1]) | (band[1:] != band[:-1])) + 1
    starts = [0, *change.tolist(), len(owner)]
    place = {(int(owner[a]), str(band[a])): slice(a, b) for a, b in pairwise(starts) if b > a}
    made = []
    for curve in curves:
        here = place[curve[0], curve[1]]
        keep = in_curve[here]
        made.append(light_curve(time[here][keep], flux[here][keep], error[here][keep]))
    return made


def _astrometry_rows(
    objects: NDArray[np.int64], n_points: NDArray[np.int64], fitted: Astrometry
) -> list[dict[str, Value]]:
    variance = np.einsum("bii->bi", fitted.covariance)
    error = np.sqrt(variance)
    found: dict[str, NDArray[Any]] = {
        "dia_object_id": objects,
        "n_points": n_points,
        "radec_mjd_tai": fitted.epoch,
        "ra": fitted.ra,
        "ra_err": error[:, 0] / 3.6e6,
        "dec": fitted.dec,
        "dec_err": error[:, 1] / 3.6e6,
        "pm_ra": fitted.pm_ra,
        "pm_ra_err": error[:, 2],
        "pm_dec": fitted.pm_dec,
        "pm_dec_err": error[:, 3],
        "parallax": fitted.parallax,
        "parallax_err": error[:, 4],
        "pm_parallax_ln_l": fitted.ln_likelihood,
        "pm_parallax_chi2": fitted.chi2,
        "pm_parallax_ndata": fitted.n_used,
    }
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    correlations = [name for name in _ASTROMETRY if name.endswith("_corr")]
    for name, (i, j) in zip(correlations, pairs, strict=True):
        found[name] = fitted.covariance[:, i, j] / (error[:, i] * error[:, j])
    columns = []
    for name in _ASTROMETRY:
        values = found[name].tolist()
        if found[name].dtype.kind == "f":
            values = _doubles(values) if name in _DOUBLE else _reals(values)
        columns.append(values)
    return [dict(zip(_ASTROMETRY, row, strict=True)) for row in zip(*columns, strict=True)]


def _reals(values: Sequence[float | None]) -> list[float | None]:
    """Return numbers as a column of floats holds them; None for what is not finite there."""
    with np.errstate(over="ignore"):
        rounded = np.array(values, np.float64).astype(np.float32)
    return [
        value if finite else None
        for value, finite in zip(rounded.tolist(), np.isfinite(rounded).tolist(), strict=True)
    ]


def _doubles(values: Sequence[float]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values]


def _copy(
    connection: psycopg.Connection[Any],
    stage: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
) -> None:
    statement = sql.SQL("copy pg_temp.{} ({}) from stdin").format(
        sql.Identifier(stage), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([_array(each) if isinstance(each, list) else each for each in row])


def _array(values: list[float | None]) -> str:
    """Return numbers as PostgreSQL writes an array: in half the time that psycopg takes."""
    return "{" + ",".join("null" if each is None else repr(each) for each in values) + "}"
