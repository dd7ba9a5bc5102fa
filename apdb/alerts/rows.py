"""Rows of the database as batches to encode: what the records of packets are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.alerts.schemas import AlertSchema
from apdb.input.copy_read import decode, read_messages
from apdb.input.records import Batch
from apdb.schema import catalogue
from apdb.schema.catalogue import Column

KEYS = {
    "dia_source": ("dia_source_id", "dia_object_id", "ss_object_id", "midpoint_mjd_tai"),
    "dia_forced_source": ("dia_forced_source_id", "dia_object_id", "midpoint_mjd_tai"),
    "dia_object": ("dia_object_id",),
    "ss_source": ("dia_source_id", "ss_object_id", "designation"),
    "mpc_orbits": ("designation",),
}
"""Columns that are read even where no packet has them, by table."""


class Unread(NamedTuple):
    """Rows as the server sent them.

    Attributes
    ----------
    messages : list of bytes
        The rows.
    columns : list of Column
        What they consist of.
    """

    messages: list[bytes]
    columns: list[Column]

    def batch(self) -> Batch:
        """Read them; another thread than that of the connection may."""
        return decode(self.messages, self.columns)


def columns_of(schema: AlertSchema, record: str) -> list[Column]:
    """Return the columns that a record of a packet is made of, and the keys of its table.

    Parameters
    ----------
    schema : AlertSchema
        Version of the packets.
    record : str
        Which record, such as ``diaSource``.

    Returns
    -------
    list of Column
        In the order of the table.
    """
    table = catalogue.table(schema.tables[record])
    wanted = {each.column for each in schema.record(record)} | set(KEYS[table.name])
    return [column for column in table.columns if column.name in wanted]


def read_rows(
    connection: psycopg.Connection[Any],
    schema: AlertSchema,
    record: str,
    source: sql.Composable,
    params: tuple[object, ...],
) -> Batch:
    """Read rows of a table, or of a routine that returns such rows.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    schema : AlertSchema
        Which columns.
    record : str
        Which record the rows become.
    source : Composable
        What follows FROM; the rows are called t there.
    params : tuple of object
        Values of its placeholders.

    Returns
    -------
    Batch
        In the order of the query.
    """
    return _fetch(connection, schema, record, source, params).batch()


def _fetch(
    connection: psycopg.Connection[Any],
    schema: AlertSchema,
    record: str,
    source: sql.Composable,
    params: tuple[object, ...],
) -> Unread:
    columns = columns_of(schema, record)
    names = sql.SQL(", ").join(sql.Identifier("t", column.name) for column in columns)
    query = sql.SQL("select {} from ").format(names) + source
    return Unread(read_messages(connection, query, params), columns)


def forced_of_step(
    connection: psycopg.Connection[Any],
    schema: AlertSchema,
    visit: tuple[int, int, float],
    store_seq: int,
) -> Unread:
    """Fetch the forced photometry that a step of knowledge wrote for a visit.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction of the step.
    schema : AlertSchema
        Which columns.
    visit : (int, int, float)
        Visit, detector and midpoint, MJD TAI [d].
    store_seq : int
        The step.

    Returns
    -------
    Unread
    """
    source = sql.SQL(
        "apdb.dia_forced_source as t where t.visit = %s and t.detector = %s::smallint "
        "and t.midpoint_mjd_tai = %s and t.store_seq = %s"
    )
    return _fetch(connection, schema, "diaForcedSource", source, (*visit, store_seq))


def objects(
    connection: psycopg.Connection[Any], schema: AlertSchema, ids: NDArray[np.int64]
) -> Unread:
    """Fetch objects as they are now.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    schema : AlertSchema
        Which columns.
    ids : ndarray of int64
        Which.

    Returns
    -------
    Unread
    """
    source = sql.SQL(
        "unnest(%s::bigint[]) as i (id) inner join apdb.dia_object as t on i.id = t.dia_object_id"
    )
    return _fetch(connection, schema, "diaObject", source, (ids.tolist(),))


def ss_sources(
    connection: psycopg.Connection[Any], schema: AlertSchema, ids: NDArray[np.int64]
) -> Batch:
    """Read what is known of detections of solar-system objects.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    schema : AlertSchema
        Which columns.
    ids : ndarray of int64
        Ids of the sources.

    Returns
    -------
    Batch
    """
    source = sql.SQL("apdb.ss_source as t where t.dia_source_id = any(%s)")
    return read_rows(connection, schema, "ssSource", source, (ids.tolist(),))


def orbits(
    connection: psycopg.Connection[Any], schema: AlertSchema, designations: list[str]
) -> Batch:
    """Read orbits as they are now.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    schema : AlertSchema
        Which columns.
    designations : list of str
        Whose.

    Returns
    -------
    Batch
        At most one row a designation: the one with the lowest id.
    """
    source = sql.SQL(
        "(select distinct on (m.designation) m.* from apdb.mpc_orbits as m "
        "where m.designation = any(%s) order by m.designation, m.id) as t"
    )
    return read_rows(connection, schema, "mpc_orbits", source, (designations,))
