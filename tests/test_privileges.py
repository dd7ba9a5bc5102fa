"""A writer cannot make the routines of the owner run what the writer wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from store_tools import MJD

import apdb

EVIL = (
    "create function pg_temp.evil() returns trigger language plpgsql as "
    "$$begin delete from apdb_base.metadata; return null; end$$"
)


@pytest.fixture
def writer(db: apdb.Apdb, dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a session that has the rights of a writer and no others."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set role apdb_writer")
        yield connection


def count(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("select count(*) from apdb.metadata").fetchone()
    assert row is not None
    return int(row[0])


def test_a_statement_prepared_under_our_name_is_not_run(
    writer: psycopg.Connection[Any],
) -> None:
    before = count(writer)
    writer.execute(
        "create function pg_temp.worse() returns integer language plpgsql as "
        "$$begin delete from apdb_base.metadata; return 1; end$$"
    )
    writer.execute("select apdb.open_stage(null)")
    writer.execute(
        "prepare apdb_versions (double precision, bigint) as select pg_temp.worse(), $1, $2"
    )
    writer.execute("select apdb.keep_versions(1, %s)", (MJD,))
    assert count(writer) == before


@pytest.mark.parametrize("name", ["stage_source", "stage_summary", "stage_change", "stage_mine"])
@pytest.mark.parametrize("routine", ["open_stage(null)", "open_changes()", "open_feature_stage()"])
def test_stage_tables_of_somebody_else_are_refused(
    writer: psycopg.Connection[Any], name: str, routine: str
) -> None:
    before = count(writer)
    writer.execute(EVIL)
    writer.execute(f"create temporary table {name} (dia_source_id bigint)")
    writer.execute(f"create trigger t after delete on {name} execute function pg_temp.evil()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=name):
        writer.execute(f"select apdb.{routine}")  # type: ignore[arg-type]
    assert count(writer) == before
