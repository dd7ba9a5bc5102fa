"""Forced photometry of a visit: positions go to the caller, fluxes come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from apdb.input.batch import Batch
from apdb.input.forced_records import ForcedRows, forced_rows
from apdb.input.visit import Visit
from apdb.stage import copy_in
from apdb.store_job import Job

if TYPE_CHECKING:
    from astropy.table import Table

PRECOVERY = "apdb:precovery"
"""Who asks for positions of new objects on earlier images."""

_FOLLOWED = (
    *("followed_id", "visit", "detector", "midpoint_mjd_tai", "band"),
    *("psf_flux", "psf_flux_err", "science_flux", "science_flux_err"),
)


def positions_table(rows: Sequence[Sequence[Any]], visit: Visit) -> Table:
    """Return the positions to measure on the images of a visit, as measure functions get them.

    Parameters
    ----------
    rows : sequence
        dia_object_id, ra, dec [deg], followed_id, requested_by of each.
    visit : Visit
        The visit; its true footprint cuts.

    Returns
    -------
    astropy.table.Table
        These columns; the visit in its meta.  One of dia_object_id and followed_id is 0.
    """
    from astropy.table import Table

    kinds = [("dia_object_id", "i8"), ("ra", "f8"), ("dec", "f8"), ("followed_id", "i8")]
    found = np.array([tuple(row[:4]) for row in rows], kinds)
    inside = visit.contains(found["ra"], found["dec"])
    positions = Table(found[inside], units={"ra": "deg", "dec": "deg"})
    asked = np.array([row[4] for row in rows], str)
    positions["requested_by"] = asked[inside] if len(rows) else np.empty(0, "U1")
    positions.meta["visit"] = visit
    return positions


def stage_forced(connection: psycopg.Connection[Any], job: Job) -> None:
    """Have the caller measure, and copy what comes back into the stage.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction of the visit, after association.
    job : Job
        The visit on its way; fluxes of followed positions are left in it.

    Raises
    ------
    InvalidInput
        With every bad row and column of what came back.
    """
    visit = job.visit
    rows = job.forced
    if callable(rows):
        asked = connection.cursor(binary=True).execute(
            "select * from apdb.forced_positions(%s, %s, %s, %s)",
            (visit.midpoint_mjd_tai, visit.ra, visit.dec, visit.radius),
        )
        rows = rows(positions_table(asked.fetchall(), visit))
    given = of_visit(forced_rows(rows, visit), visit, job.band)
    copy_in(connection, "stage_forced", "dia_forced_source", given.objects, {})
    job.followed = given.followed if given.followed.n else None
    job.tick("measure_forced")


def of_visit(rows: ForcedRows, visit: Visit, band: str) -> ForcedRows:
    """Add to forced photometry what its visit says once for all rows.

    Parameters
    ----------
    rows : ForcedRows
        The rows.
    visit : Visit
        Their visit.
    band : str
        Its band.

    Returns
    -------
    ForcedRows
        With visit, detector, band and midpoint in each row.
    """
    return ForcedRows(*(_of_visit(batch, visit, band) for batch in (rows.objects, rows.followed)))


def _of_visit(batch: Batch, visit: Visit, band: str) -> Batch:
    n = batch.n
    constant: dict[str, NDArray[Any]] = {
        "visit": np.full(n, visit.visit, np.int64),
        "detector": np.full(n, visit.detector, np.int16),
        "band": np.full(n, band, object),
        "midpoint_mjd_tai": np.full(n, visit.midpoint_mjd_tai, np.float64),
    }
    columns = {**batch.columns, **constant}
    return Batch(n, columns, {**batch.nulls, **dict.fromkeys(constant)}, batch.names)


def store_followed(connection: psycopg.Connection[Any], batch: Batch) -> int:
    """Store fluxes of followed positions.

    Parameters
    ----------
    connection : psycopg.Connection
        In any transaction.
    batch : Batch
        The rows, for forced_followed.

    Returns
    -------
    int
        Number of rows that were new or had other fluxes than the stored ones.

    Raises
    ------
    psycopg.Error
        A followed position does not exist.
    """
    row = connection.execute(
        "select apdb.store_followed(%s::bigint[], %s::bigint[], %s::integer[], "
        "%s::double precision[], %s::text[], %s::real[], %s::real[], %s::real[], %s::real[])",
        [_values(batch, name) for name in _FOLLOWED],
    ).fetchone()
    assert row is not None
    return int(row[0])


def _values(batch: Batch, name: str) -> list[Any]:
    """Return a column as Python values, None where there is none."""
    if name not in batch.columns:
        return [None] * batch.n
    values, nulls = batch.columns[name].tolist(), batch.nulls[name]
    if nulls is None:
        return list(values)
    return [None if gone else value for value, gone in zip(values, nulls, strict=True)]
