"""Rows read back through binary COPY against what psycopg fetches of the same query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from test_copy_binary import ALL_TYPES, EXTREMES, batch_of, column

from apdb.input.copy_binary import HEADER, TRAILER, chunks
from apdb.input.copy_read import decode, read_copy
from apdb.input.records import Batch
from apdb.schema.catalogue import Column
from apdb.server.cluster import Cluster

SELECT = sql.SQL("select * from pg_temp.things where i >= %s order by i")
COLUMNS = [column("i", "integer"), *ALL_TYPES]


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(cluster.dsn("postgres")) as connection:
        names = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(c.sql_type))  # type: ignore[arg-type]
            for c in COLUMNS
        )
        connection.execute(sql.SQL("create temp table things ({})").format(names))
        yield connection
        connection.rollback()


def fill(connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]]) -> None:
    batch = batch_of(COLUMNS, [(i, *row) for i, row in enumerate(rows)])
    with (
        connection.cursor() as cursor,
        cursor.copy("copy pg_temp.things from stdin (format binary)") as copy,
    ):
        for chunk in chunks(batch, COLUMNS):
            copy.write(chunk)


def values(batch: Batch, columns: list[Column]) -> list[tuple[Any, ...]]:
    """Return the rows with None for NULL, NaN as text, for it is unlike itself."""
    by_column = []
    for each in columns:
        nulls = batch.nulls[each.name]
        found = batch.columns[each.name].tolist()
        mask = [False] * batch.n if nulls is None else nulls.tolist()
        by_column.append([None if m else v for v, m in zip(found, mask, strict=True)])
    return [plain(row) for row in zip(*by_column, strict=True)]


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(repr(value) if isinstance(value, float) else value for value in row)


def fetched(connection: psycopg.Connection[Any], start: int) -> list[tuple[Any, ...]]:
    with connection.cursor(binary=True) as cursor:
        return [plain(row) for row in cursor.execute(SELECT, (start,)).fetchall()]


@pytest.mark.parametrize("start", [0, 2, 100])
def test_agrees_with_psycopg_on_extremes(connection: psycopg.Connection[Any], start: int) -> None:
    fill(connection, EXTREMES)  # type: ignore[arg-type]
    batch = read_copy(connection, SELECT, COLUMNS, (start,))
    assert batch.n == max(len(EXTREMES) - start, 0)
    assert values(batch, COLUMNS) == fetched(connection, start)
    dtypes = [batch.columns[c.name].dtype for c in COLUMNS]
    assert dtypes == [c.numpy_dtype for c in COLUMNS]


def test_many_rows(connection: psycopg.Connection[Any]) -> None:
    rows = [
        tuple(v if i % (k + 2) else None for k, v in enumerate(EXTREMES[i % 5]))
        for i in range(3000)
    ]
    fill(connection, rows)
    batch = read_copy(connection, SELECT, COLUMNS, (0,))
    assert values(batch, COLUMNS) == fetched(connection, 0)


def test_times_and_null_alone(connection: psycopg.Connection[Any]) -> None:
    time = Column("t", "t", "timestamp", False, True, None, None, None, "")
    query = sql.SQL("select x::timestamp from unnest(%s::text[]) as x")
    texts = ["2026-03-09 01:02:03.000004", None, "1900-01-01", "2000-01-01"]
    batch = read_copy(connection, query, [time], (texts,))
    nulls = batch.nulls["t"]
    assert nulls is not None
    assert nulls.tolist() == [False, True, False, False]
    expected = np.array(["2026-03-09T01:02:03.000004", "1900-01-01", "2000-01-01"], "M8[us]")
    assert (batch.columns["t"][~nulls] == expected).all()
    alone = read_copy(connection, sql.SQL("select null::float8"), [column("a", "double precision")])
    assert values(alone, [column("a", "double precision")]) == [(None,)]


def test_other_rows_than_expected(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(ValueError, match="the rows do not have 2 fields"):
        read_copy(connection, sql.SQL("select 1"), [column("a", "integer"), column("b", "integer")])
    day = Column("d", "d", "timestamp", False, True, None, None, None, "", sql_override="date")
    with pytest.raises(TypeError, match=r"column d: date cannot be read from COPY here"):
        read_copy(connection, sql.SQL("select current_date"), [day])


def test_nothing_at_all() -> None:
    assert decode([], [column("a", "integer")]).n == 0
    assert decode([HEADER + TRAILER], [column("a", "integer")]).n == 0
