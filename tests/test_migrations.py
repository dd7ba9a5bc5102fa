"""Migrations: upgraded = made fresh from the catalogue, revisions frozen, drift seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

import apdb
from apdb.schema import migrate
from apdb.schema.catalogue import BASE_SCHEMA
from apdb.schema.ddl import sqlalchemy_metadata
from apdb.server.cluster import Cluster

COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid), a.attidentity, col_description(c.oid, a.attnum)
from pg_class as c
join pg_attribute as a on a.attrelid = c.oid
left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = 'apdb_base'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and a.attnum > 0 and c.relname <> 'alembic_version'
order by c.relname, a.attnum
"""
CONSTRAINTS = """
select t.relname, k.conname, pg_get_constraintdef(k.oid)
from pg_constraint as k
join pg_class as t on k.conrelid = t.oid
where t.relnamespace = 'apdb_base'::regnamespace and not t.relispartition and k.contype <> 'x'
    and t.relname <> 'alembic_version'
order by 1, 2
"""
INDEXES = """
select i.tablename, i.indexdef
from pg_indexes as i
join pg_class as c on c.relname = i.tablename and c.relnamespace = 'apdb_base'::regnamespace
where i.schemaname = 'apdb_base' and not c.relispartition and i.tablename <> 'alembic_version'
    and i.indexname not like '%%no_overlap'
order by 1, 2
"""


@pytest.fixture
def blank(cluster: Cluster) -> Iterator[str]:
    """The DSN of a database with the extensions and nothing else."""
    cluster.ensure_database("apdb_blank")
    yield cluster.dsn("apdb_blank")
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute("drop database apdb_blank with (force)")


def test_fresh_is_upgraded(dsn: str, blank: str) -> None:
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(blank))
    with engine.begin() as bound:
        bound.exec_driver_sql(f"create schema {BASE_SCHEMA}")
        sqlalchemy_metadata().create_all(bound)
    engine.dispose()
    with psycopg.connect(dsn) as upgraded, psycopg.connect(blank) as fresh:
        for query in (COLUMNS, CONSTRAINTS, INDEXES):
            assert upgraded.execute(query).fetchall() == fresh.execute(query).fetchall()


def test_upgrade_twice_changes_nothing(dsn: str) -> None:
    assert migrate.upgrade(dsn) == []
    assert migrate.status(dsn).current
    assert migrate.check(dsn) == []


def test_two_upgrades_at_once(blank: str) -> None:
    results: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: results.append(migrate.upgrade(blank))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(bool, results)) == [False, True]


def test_status_before_and_after(blank: str) -> None:
    before = migrate.status(blank)
    assert before.database_revision is None
    assert before.pending[0] == "0001"
    assert migrate.check(blank) == ["the database holds no apdb schema: run `apdb db upgrade`"]
    changed = migrate.upgrade(blank)
    assert changed[0] == "revision 0001"
    assert migrate.status(blank).pending == ()


def test_drift_of_tables_is_named(dsn: str, plain_connection: psycopg.Connection[Any]) -> None:
    base = "alter table apdb_base."
    for statement in (
        f"{base}band drop column description",
        f"{base}band add column wavelength real",
        f"{base}leap_second alter column tai_minus_utc type real",
        f"{base}metrics alter column unit set not null",
        f"{base}visit drop constraint visit_store_seq_key",
        "drop index apdb_base.metrics_name_idx",
        "create table apdb_base.stray (x int)",
        "comment on column apdb_base.band.filter is 'other'",
    ):
        try:
            plain_connection.execute(statement)
        except psycopg.errors.DependentObjectsStillExist:
            plain_connection.rollback()
            plain_connection.execute("drop view apdb.band, apdb.leap_second")
            plain_connection.execute(statement)
    plain_connection.commit()
    found = "\n".join(migrate.check(dsn))
    for text in (
        "column band.description is missing",
        "column band.wavelength is not in the catalogue",
        "column leap_second.tai_minus_utc is real, not double precision",
        "column metrics.unit is not null, against the catalogue",
        "constraint or index visit_store_seq_key of visit is missing",
        "constraint or index metrics_name_idx of metrics is missing",
        "table stray is in the database, but not in the catalogue",
        "column band.filter has another comment",
        "view apdb.band is in the ledger, but not in the database",
    ):
        assert text in found


def test_other_routines_are_a_mismatch_until_upgraded(
    dsn: str, plain_connection: psycopg.Connection[Any]
) -> None:
    plain_connection.execute(
        "update apdb_base.metadata set value = 'x' where name = 'routines.fingerprint'"
    )
    plain_connection.commit()
    with pytest.raises(apdb.SchemaMismatch, match="run `apdb db upgrade`"):
        apdb.connect(dsn)
    migrate.upgrade(dsn)
    apdb.connect(dsn).close()


def test_an_unknown_revision_is_not_touched(
    dsn: str, plain_connection: psycopg.Connection[Any]
) -> None:
    plain_connection.execute(
        "update apdb_base.metadata set value = '9999' where name = 'schema.revision'"
    )
    plain_connection.commit()
    with pytest.raises(apdb.SchemaMismatch, match="9999"):
        migrate.upgrade(dsn)


def test_revisions_are_frozen() -> None:
    migrate.check_frozen()
    folder = migrate.migrations_folder()
    listed = {line.split()[1] for line in (folder / "frozen.txt").read_text().splitlines()}
    assert listed == {p.name for p in (folder / "versions").iterdir() if p.is_file()}


def test_revisions_are_in_the_order_of_their_files(blank: str) -> None:
    folder = migrate.migrations_folder()
    walked = [each.revision for each in ScriptDirectory(str(folder)).walk_revisions()]
    assert migrate.status(blank).pending == tuple(reversed(walked))


def test_an_edited_revision_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "0001_initial.py").write_text("edited")
    (tmp_path / "frozen.txt").write_text(f"{'0' * 64} 0001_initial.py\n")
    monkeypatch.setattr(migrate, "migrations_folder", lambda: tmp_path)
    with pytest.raises(apdb.SchemaMismatch, match=r"0001_initial.py was edited"):
        migrate.check_frozen()


def test_a_server_without_q3c_says_what_to_install(blank: str) -> None:
    with psycopg.connect(blank, autocommit=True) as connection:
        connection.execute("drop extension q3c")
        connection.execute("create role apdb_test_nobody login")
        try:
            other = blank.replace("user=postgres", "user=apdb_test_nobody")
            with pytest.raises(apdb.ServerError, match=r"extension q3c.*postgresql-q3c"):
                migrate.upgrade(other)
        finally:
            connection.execute("drop role apdb_test_nobody")


def test_roles_may_do_their_work_and_no_more(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    denied = psycopg.errors.InsufficientPrivilege

    def refused(role: str, statement: str) -> None:
        with pytest.raises(denied), plain_connection.transaction():  # noqa: PT012
            plain_connection.execute(f"set local role {role}")  # type: ignore[arg-type]
            plain_connection.execute(statement)  # type: ignore[arg-type]

    for role in ("apdb_writer", "apdb_reader", "apdb_broker"):
        refused(role, "select * from apdb_base.dia_source")
        refused(role, "delete from apdb.dia_source")
        refused(role, "create table apdb.x (i int)")
    refused("apdb_reader", "select apdb.set_setting('association_radius', '2')")
    refused("apdb_reader", "select apdb.end_attempt(1, 'failed', null, null)")
    refused("apdb_broker", "select * from apdb.dia_source")
    for role, statement in (
        ("apdb_reader", "select * from apdb.dia_source"),
        ("apdb_broker", "select * from apdb.alert"),
        ("apdb_broker", "select * from apdb.metadata"),
        ("apdb_writer", "select apdb.setting('association_radius')"),
    ):
        with plain_connection.transaction():
            plain_connection.execute(f"set local role {role}")  # type: ignore[arg-type]
            plain_connection.execute(statement)  # type: ignore[arg-type]


def test_later_upgrades_need_no_superuser(
    dsn: str, plain_connection: psycopg.Connection[Any]
) -> None:
    migrate.upgrade(dsn)  # a clone of a database has none of its rights
    plain_connection.execute("create role apdb_test_member login in role apdb_owner")
    plain_connection.execute("drop function apdb.sky_cells")
    plain_connection.commit()
    try:
        assert migrate.upgrade(f"{dsn} user=apdb_test_member") == ["sky_cells"]
    finally:
        plain_connection.execute("drop role apdb_test_member")
        plain_connection.commit()
