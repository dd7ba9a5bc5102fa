"""Rows of the database as astropy Tables: binary COPY read by column, without a loop over rows.

Format: "COPY", section "Binary Format", PostgreSQL manual.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, LiteralString, cast

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.schema.catalogue import Column

if TYPE_CHECKING:
    from astropy.table import Column as TableColumn
    from astropy.table import Table

HEADER_BYTES = 19
CHUNK_ROWS = 65_536
"""Rows decoded at a time: what bounds the memory beyond that of the result."""

_FIXED = {
    "boolean": np.dtype("?"),
    "smallint": np.dtype(">i2"),
    "integer": np.dtype(">i4"),
    "bigint": np.dtype(">i8"),
    "real": np.dtype(">f4"),
    "double precision": np.dtype(">f8"),
    "date": np.dtype(">i4"),
}
_SIZE = np.dtype(">i4")
_EPOCH = np.datetime64("2000-01-01")
_PADDING = np.zeros(8, np.uint8)

Decoded = tuple[NDArray[Any], NDArray[np.bool_]]


def fetch_table(
    connection: psycopg.Connection[Any],
    query: sql.Composable,
    values: Sequence[object],
    columns: Sequence[Column],
) -> Table:
    """Run a query and return its rows as a Table.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    query : psycopg.sql.Composable
        A select of exactly `columns`, in their order; ``%s`` where `values` go.
    values : sequence
        Values of the query.
    columns : sequence of Column
        Names, types, units and descriptions of the result.

    Returns
    -------
    astropy.table.Table
        A column each, with unit and description; masked where a value is NULL, and only there a
        `MaskedColumn`.  Ids are int64; dates and texts are ``str``.

    Raises
    ------
    TypeError
        A column has a type that cannot be read here.
    """
    from astropy.table import Table  # slow to import; few commands make tables

    statement = sql.SQL("copy ({}) to stdout (format binary)").format(query)
    with connection.cursor() as cursor, cursor.copy(statement, values) as copy:
        parts = [_decode(rows, columns) for rows in _chunks(copy)]
    table = Table()
    for i, column in enumerate(columns):
        dtype = _FIXED.get(column.sql_type, np.dtype("U1")).newbyteorder("=")
        found = np.concatenate([part[i][0] for part in parts] or [np.empty(0, dtype)])
        nulls = np.concatenate([part[i][1] for part in parts] or [np.empty(0, bool)])
        table[column.name] = table_column(column, found, nulls)
    return table


def table_column(
    column: Column, values: NDArray[Any], nulls: NDArray[np.bool_] | None = None
) -> TableColumn:
    """Return values as a column of a Table.

    Parameters
    ----------
    column : Column
        Name, unit and description.
    values : ndarray, shape (n,)
        The values.
    nulls : ndarray of bool, shape (n,), optional
        True where there is none.

    Returns
    -------
    astropy.table.Column
        A `MaskedColumn` if a value is missing.
    """
    from astropy import units as u
    from astropy.table import Column as TableColumn
    from astropy.table import MaskedColumn

    described = {"name": column.name, "unit": column.unit and u.Unit(column.unit)}
    described["description"] = column.description
    if nulls is not None and nulls.any():
        return MaskedColumn(values, mask=nulls, **described)
    return TableColumn(values, **described)


def selection(columns: Iterable[Column], prefix: LiteralString = "t") -> sql.Composable:
    """Return the columns as the list of a select, qualified with a table's alias.

    Parameters
    ----------
    columns : iterable of Column
        The columns.
    prefix : str
        The alias.

    Returns
    -------
    psycopg.sql.Composable
        Names with commas between them.
    """
    return sql.SQL(", ").join(sql.Identifier(prefix, column.name) for column in columns)


def _chunks(copy: psycopg.Copy) -> Iterator[list[bytes]]:
    """Yield rows as the server sends them, one a message; header and trailer are taken off."""
    rows: list[bytes] = []
    first = True
    for message in copy:
        row = bytes(message)
        if first:
            row, first = row[HEADER_BYTES:], False
        if len(row) <= 2:  # the trailer, or a header that came alone
            continue
        rows.append(row)
        if len(rows) == CHUNK_ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _decode(rows: list[bytes], columns: Sequence[Column]) -> list[Decoded]:
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    raw = b"".join(rows)
    data = np.concatenate([np.frombuffer(raw, np.uint8), _PADDING])
    starts = np.cumsum(lengths) - lengths
    at = starts + 2
    found: list[Decoded] = []
    for column in columns:
        sizes = _at(data, at, _SIZE).astype(np.int64)
        at = at + 4
        nulls = sizes < 0
        found.append((_values(column, raw, data, at, sizes), nulls))
        at = at + np.where(nulls, 0, sizes)
    if not np.array_equal(at, starts + lengths):
        raise RuntimeError("the rows that COPY sent do not have the columns asked for")
    return found


def _values(
    column: Column,
    raw: bytes,
    data: NDArray[np.uint8],
    at: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> NDArray[Any]:
    if column.sql_type == "text":
        ends = at + np.maximum(sizes, 0)
        spans = zip(at.tolist(), ends.tolist(), strict=True)
        return np.array([raw[start:end].decode() for start, end in spans], dtype=str)
    dtype = _FIXED.get(column.sql_type)
    if dtype is None:
        raise TypeError(f"column {column.name}: {column.sql_type} cannot be read here")
    # A null has no bytes: what is read in its place is the next field, and is masked.
    values = _at(data, at, dtype)
    if column.sql_type == "date":
        days: Any = np.where(sizes < 0, 0, values).astype("timedelta64[D]")
        return cast("NDArray[Any]", np.datetime_as_string(_EPOCH + days))
    return np.where(sizes < 0, np.zeros(1, dtype), values).astype(dtype.newbyteorder("="))


def _at(data: NDArray[np.uint8], at: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values of a type that begin at the given bytes."""
    everywhere = np.ndarray((len(data) - dtype.itemsize + 1,), dtype, data.data, strides=(1,))
    return everywhere[at]
