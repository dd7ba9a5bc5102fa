"""Rows of a query as columns, through PostgreSQL's binary COPY and without a loop over values.

All rows are walked through at once, column by column: each row remembers how far it has been read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.input.copy_binary import FIXED, HEADER, TRAILER
from apdb.input.records import Batch
from apdb.schema.catalogue import Column

#: First moment of PostgreSQL's timestamps.
_EPOCH = np.datetime64("2000-01-01", "us")


def read_copy(
    connection: psycopg.Connection[Any],
    query: sql.Composable,
    columns: Sequence[Column],
    params: Sequence[object] = (),
) -> Batch:
    """Return the rows of a query as a batch.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    query : Composable
        A SELECT with placeholders, whose columns have the types of `columns`.
    columns : sequence of Column
        Columns of the schema that the query's columns are, in its order.
    params : sequence of object
        Values of the placeholders.

    Returns
    -------
    Batch
        In the order of the query.  Every column is there, also where it is NULL throughout; values
        are 0, False, "" or b"" where NULL.

    Raises
    ------
    TypeError
        If a column has a type that cannot be read.
    """
    return decode(read_messages(connection, query, params), columns)


def read_messages(
    connection: psycopg.Connection[Any], query: sql.Composable, params: Sequence[object] = ()
) -> list[bytes]:
    """Return the rows of a query as the server sends them, for `decode`.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    query : Composable
        A SELECT with placeholders.
    params : sequence of object
        Values of the placeholders.

    Returns
    -------
    list of bytes
    """
    statement = sql.SQL("copy ({}) to stdout (format binary)").format(query)
    with connection.cursor() as cursor, cursor.copy(statement, params) as copy:
        return [bytes(row) for row in copy]


def decode(messages: Sequence[bytes], columns: Sequence[Column]) -> Batch:
    """Return rows in the binary COPY format as a batch.

    Parameters
    ----------
    messages : sequence of bytes
        A row each, as the server sends them: the header before the first, the trailer by itself.
    columns : sequence of Column
        Columns of the schema that the fields of a row are.

    Returns
    -------
    Batch

    Raises
    ------
    TypeError
        If a column has a type that cannot be read.
    ValueError
        If the rows have another number of fields.
    """
    rows = list(messages)
    if rows:
        rows[0] = rows[0].removeprefix(HEADER)
    if rows and rows[-1] == TRAILER:
        rows.pop()
    # zeros behind the last row, for a value is also read where there is none
    data = np.frombuffer(b"".join([*rows, bytes(8)]), np.uint8)
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    place = np.cumsum(sizes) - sizes
    if (_gather(data, place, np.dtype(">i2")) != len(columns)).any():
        raise ValueError(f"the rows do not have {len(columns)} fields")
    place += 2
    batch = Batch(len(rows), {}, {})
    for column in columns:
        length = _gather(data, place, np.dtype(">i4")).astype(np.int64)
        place += 4
        null = length < 0
        length[null] = 0
        mask = null if null.any() else None
        batch.columns[column.name] = _values(data, place, length, mask, column)
        batch.nulls[column.name] = mask
        place += length
    return batch


def _values(
    data: NDArray[np.uint8],
    place: NDArray[np.int64],
    length: NDArray[np.int64],
    null: NDArray[np.bool_] | None,
    column: Column,
) -> NDArray[Any]:
    if column.sql_type in ("text", "bytea"):
        return _strings(data, place, length, column.sql_type == "text")
    timestamp = column.sql_type.startswith("timestamp")
    dtype: np.dtype[Any] | None
    dtype = np.dtype(">i8") if timestamp else FIXED.get(column.sql_type)
    if dtype is None:
        raise TypeError(f"column {column.name}: {column.sql_type} cannot be read from COPY here")
    values = _gather(data, place, dtype)
    if null is not None:
        values[null] = 0
    if timestamp:
        return _EPOCH + values.astype("m8[us]")
    return values.astype(column.numpy_dtype)


def _strings(
    data: NDArray[np.uint8], place: NDArray[np.int64], length: NDArray[np.int64], text: bool
) -> NDArray[Any]:
    whole = data.tobytes()
    spans = zip(place.tolist(), (place + length).tolist(), strict=True)
    pieces: list[Any] = [whole[start:stop] for start, stop in spans]
    if text:
        pieces = list(map(bytes.decode, pieces))
    found = np.empty(len(pieces), object)
    found[:] = pieces
    return found


def _gather(
    data: NDArray[np.uint8], place: NDArray[np.int64], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return the values of one type that begin at these bytes."""
    if not len(place):
        return np.empty(0, dtype)
    # every byte begins a value here: overlapping ones, of which those that begin at `place` count
    count = len(data) - dtype.itemsize + 1
    overlapping: NDArray[Any] = np.ndarray((count,), dtype, buffer=data.data, strides=(1,))
    return overlapping[place]
