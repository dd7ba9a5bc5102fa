"""The binary COPY encoder against psycopg's own and against a real server."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg._copy_base import BinaryFormatter
from psycopg.adapt import Transformer

from apdb.input.copy_binary import chunks, encode
from apdb.input.records import Batch
from apdb.schema.catalogue import Column

FELIS = {
    "smallint": "short",
    "integer": "int",
    "bigint": "long",
    "real": "float",
    "double precision": "double",
    "boolean": "boolean",
    "text": "text",
    "bytea": "binary",
}
PSYCOPG = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "boolean": "bool",
    "text": "text",
    "bytea": "bytea",
}


def column(name: str, sql_type: str, default: object = None) -> Column:
    return Column(
        name=name,
        dpdd_name=name,
        datatype=FELIS[sql_type],
        array=False,
        nullable=default is None,
        default=default,
        unit=None,
        ucd=None,
        description="",
    )


def batch_of(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> Batch:
    """Return rows of Python values, None for NULL, as a batch."""
    empty = {"text": "", "bytea": b""}
    values, nulls = {}, {}
    for i, each in enumerate(columns):
        given = [row[i] for row in rows]
        array = np.empty(len(rows), each.numpy_dtype)
        array[:] = [empty.get(each.sql_type, 0) if value is None else value for value in given]
        mask = np.array([value is None for value in given], bool)
        values[each.name] = array
        nulls[each.name] = mask if mask.any() else None
    return Batch(len(rows), values, nulls)


def psycopg_bytes(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return what psycopg writes, row by row, for the same values."""
    transformer = Transformer(None)
    types = [psycopg.postgres.types[PSYCOPG[c.sql_type]].oid for c in columns]
    transformer.set_dumper_types(types, psycopg.pq.Format.BINARY)
    formatter = BinaryFormatter(transformer)
    written = b"".join(bytes(formatter.write_row(row)) for row in rows)
    if not rows:
        written += bytes(formatter.write(b"PGCOPY\n\xff\r\n\0" + bytes(8)))
        return written + b"\xff\xff"
    return written + bytes(formatter.end())


ALL_TYPES = [column(f"c{i}", sql_type) for i, sql_type in enumerate(FELIS)]

EXTREMES = [
    (-(2**15), -(2**31), -(2**63), -0.0, -0.0, False, "", b""),
    (2**15 - 1, 2**31 - 1, 2**63 - 1, math.inf, -math.inf, True, "α Centauri 🌟", b"\0\xff\0"),
    (None, None, None, None, None, None, None, None),
    (0, 1, -1, math.nan, math.nan, None, "x" * 300, b"z"),
    (1, None, 7, 1.5, 5e-324, True, None, None),
]


def test_agrees_with_psycopg_on_extremes() -> None:
    assert encode(batch_of(ALL_TYPES, EXTREMES), ALL_TYPES) == psycopg_bytes(ALL_TYPES, EXTREMES)


def test_an_empty_batch_is_header_and_trailer() -> None:
    assert encode(batch_of(ALL_TYPES, []), ALL_TYPES) == psycopg_bytes(ALL_TYPES, [])


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "real": st.floats(width=32),
    "double precision": st.floats(),
    "boolean": st.booleans(),
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    "bytea": st.binary(),
}


@st.composite
def tables(draw: Callable[..., Any]) -> tuple[list[Column], list[tuple[Any, ...]]]:
    types = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=6))
    columns = [column(f"c{i}", sql_type) for i, sql_type in enumerate(types)]
    row = st.tuples(*(st.none() | VALUES[sql_type] for sql_type in types))
    return columns, draw(st.lists(row, max_size=12))


@settings(deadline=None)
@given(tables(), st.integers(1, 5))
def test_agrees_with_psycopg_on_any_table(
    drawn: tuple[list[Column], list[tuple[Any, ...]]], chunk_rows: int
) -> None:
    columns, rows = drawn
    # NaNs with other payloads are the same NaN to PostgreSQL, but not byte for byte.
    rows = [
        tuple(math.nan if isinstance(v, float) and math.isnan(v) else v for v in row)
        for row in rows
    ]
    written = b"".join(chunks(batch_of(columns, rows), columns, chunk_rows))
    assert written == psycopg_bytes(columns, rows)


def test_a_column_that_the_batch_lacks_is_its_default_or_null() -> None:
    columns = [
        column("id", "bigint"),
        column("x", "real", math.nan),
        column("n", "integer", 0),
        column("flux", "real"),
        column("name", "text"),
    ]
    batch = batch_of(columns[:1], [(1,), (2,)])
    rows = [(i, math.nan, 0, None, None) for i in (1, 2)]
    assert encode(batch, columns) == psycopg_bytes(columns, rows)


def test_a_huge_text_does_not_widen_every_row() -> None:
    columns = [column("id", "bigint"), column("name", "text")]
    rows = [(i, "long" * 100_000 if i == 1234 else "short") for i in range(3000)]
    pieces = list(chunks(batch_of(columns, rows), columns))
    assert b"".join(pieces) == psycopg_bytes(columns, rows)
    assert max(len(piece) for piece in pieces) < 16 * 2**20


def test_a_type_without_encoding_is_refused() -> None:
    array = dataclasses.replace(column("ids", "bigint"), array=True)
    with pytest.raises(TypeError, match=r"ids: bigint\[\]"):
        encode(Batch(0, {}, {}), [array])


def test_round_trip_through_a_server(plain_connection: psycopg.Connection[Any]) -> None:
    columns, rows = ALL_TYPES, EXTREMES
    with plain_connection.cursor(binary=True) as cursor:
        body = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(c.sql_type)) for c in columns
        )
        cursor.execute(
            sql.SQL("create temp table t (i int generated always as identity, {})").format(body)
        )
        names = sql.SQL(", ").join(sql.Identifier(c.name) for c in columns)
        statement = sql.SQL("copy t ({}) from stdin (format binary)").format(names)
        with cursor.copy(statement) as copy:
            for piece in chunks(batch_of(columns, rows), columns, 2):
                copy.write(piece)
        cursor.execute(sql.SQL("select {} from t order by i").format(names))
        found = cursor.fetchall()
    assert repr(found) == repr(list(rows))  # repr tells -0.0 from 0.0, and NaN equals NaN


def test_many_rows_and_columns_arrive(plain_connection: psycopg.Connection[Any]) -> None:
    rng = np.random.default_rng(20260309)
    columns = [column(f"c{i}", list(FELIS)[i % 7]) for i in range(98)]
    n = 5000
    values: dict[str, Any] = {}
    nulls: dict[str, Any] = {}
    for each in columns:
        dtype = each.numpy_dtype
        number = rng.integers(0, 1000, n)
        values[each.name] = (
            number.astype(str).astype(object)
            if dtype.kind == "O"
            else (number % 2 == 0 if dtype.kind == "b" else number.astype(dtype))
        )
        nulls[each.name] = rng.random(n) < 0.2
    with plain_connection.cursor() as cursor:
        body = ", ".join(f"{c.name} {c.sql_type}" for c in columns)
        cursor.execute(f"create temp table wide ({body})")
        with cursor.copy("copy wide from stdin (format binary)") as copy:
            for piece in chunks(Batch(n, values, nulls), columns):
                copy.write(piece)
        for each in columns:
            as_number = (
                f"{each.name}::int" if each.sql_type == "boolean" else f"{each.name}::float8"
            )
            cursor.execute(f"select count({each.name}), sum({as_number}) from wide")
            row = cursor.fetchone()
            assert row is not None
            present = values[each.name][~nulls[each.name]].astype(float)
            assert (row[0], float(row[1])) == (len(present), present.sum())
