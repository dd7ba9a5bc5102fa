"""How routines of the database that return one row are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.rows import dict_row


def first_row(
    connection: psycopg.Connection[Any], query: LiteralString | sql.Composed, values: object
) -> dict[str, Any] | None:
    """Return the first row of a query by column name, in binary; None if there is none.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to ask in.
    query : str
        SQL with placeholders.
    values : sequence
        Values of the placeholders.

    Returns
    -------
    dict of str to object, or None
    """
    with connection.cursor(row_factory=dict_row, binary=True) as cursor:
        return cursor.execute(query, cast(Any, values)).fetchone()


def call(
    connection: psycopg.Connection[Any], routine: str, values: Sequence[object]
) -> dict[str, Any]:
    """Call a routine that returns one row.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to call it in.
    routine : str
        Its name, without schema.
    values : sequence
        Its arguments, in order.

    Returns
    -------
    dict of str to object
        The row.
    """
    query = sql.SQL("select * from apdb.{}({})").format(
        sql.Identifier(routine), sql.SQL(", ").join([sql.Placeholder()] * len(values))
    )
    row = first_row(connection, query, values)
    assert row is not None
    return row
