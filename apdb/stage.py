"""Copies batches into the stage tables of a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.input.batch import Batch
from apdb.input.copy_binary import chunks
from apdb.schema import catalogue


def copy_in(
    connection: psycopg.Connection[Any],
    stage: str,
    table: str,
    batch: Batch,
    constant: Mapping[str, NDArray[Any]],
) -> None:
    """Copy a batch into a stage table.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction that uses the stage.
    stage : str
        Name of the stage table.
    table : str
        Name of the table of the catalogue that it is shaped like.
    batch : Batch
        The rows.
    constant : mapping of str to ndarray, shape (n,)
        Columns to add to the batch.
    """
    whole = replace(
        batch,
        columns={**batch.columns, **constant},
        nulls={**batch.nulls, **dict.fromkeys(constant)},
    )
    columns = [c for c in catalogue.table(table).columns if c.name in whole.columns]
    names = sql.SQL(", ").join(sql.Identifier(c.name) for c in columns)
    statement = sql.SQL("copy pg_temp.{} ({}) from stdin (format binary)").format(
        sql.Identifier(stage), names
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in chunks(whole, columns):
            copy.write(chunk)
