"""Copies batches into the stage tables of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.input.batch import Batch
from apdb.input.copy_binary import chunks
from apdb.schema import catalogue
from apdb.schema.catalogue import Column


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
    copy_columns(connection, stage, whole, columns)


def copy_columns(
    connection: psycopg.Connection[Any], stage: str, batch: Batch, columns: Sequence[Column]
) -> None:
    """Copy some columns of a batch into a stage table.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction that uses the stage.
    stage : str
        Name of the stage table.
    batch : Batch
        The rows.
    columns : sequence of Column
        The columns.
    """
    statement = sql.SQL("copy pg_temp.{} ({}) from stdin (format binary)").format(
        sql.Identifier(stage), sql.SQL(", ").join(sql.Identifier(c.name) for c in columns)
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in chunks(batch, columns):
            copy.write(chunk)
