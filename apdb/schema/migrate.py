"""Upgrade of a database to the schema of this code, and the check that both agree."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg
from erfa import leap_seconds

from apdb import __version__
from apdb.errors import SchemaMismatch, ServerError
from apdb.schema.catalogue import catalogue
from apdb.schema.routines import drift, fingerprint, install
from apdb.translate import connect_once, translated

_UPGRADE_LOCK = 17004


@dataclass(frozen=True)
class SchemaStatus:
    """What a database holds against what this code expects.

    Attributes
    ----------
    database_revision : str or None
        Revision of the database; None if it holds no schema of ours.
    code_revision : str
        Newest revision of this code.
    pending : tuple of str
        Revisions that an upgrade would apply, oldest first.
    routines_current : bool
        Whether views and routines are those of this code.
    catalogue_version : str
        Version of the catalogue of this code.
    """

    database_revision: str | None
    code_revision: str
    pending: tuple[str, ...]
    routines_current: bool
    catalogue_version: str

    @property
    def current(self) -> bool:
        """True if the code can work with this database as it is."""
        return self.database_revision == self.code_revision and self.routines_current


def migrations_folder() -> Path:
    """Return the folder of the revisions: inside the installed package, or of the checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "_migrations"
    return packaged if packaged.is_dir() else package.parent / "migrations"


def upgrade(dsn: str, revision: str = "head") -> list[str]:
    """Bring a database to the schema of this code; safe to repeat and to run twice at once.

    Parameters
    ----------
    dsn : str
        libpq string; the first time its role must be a superuser, or the extensions q3c and
        btree_gist and the four roles must exist already.
    revision : str, optional
        Alembic revision; routines and views are only installed at the newest one.

    Returns
    -------
    list of str
        What changed: revisions, views and routines; empty if the database was up to date.

    Raises
    ------
    SchemaMismatch
        The database was made by newer code.
    ServerError
        Q3C is not installed on the server, or the role may not create it.
    """
    # Slow to import, and every connection comes to this module for `verify`.
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config

    check_frozen()
    # One transaction for everything: tables, routines and ledger commit together or not at all.
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: connect_once(dsn), poolclass=sa.pool.NullPool
    )
    with translated(), engine.begin() as bound:
        connection = cast("psycopg.Connection[Any]", bound.connection.driver_connection)
        connection.execute("select pg_advisory_xact_lock(%s, 0)", (_UPGRADE_LOCK,))
        before = _revision(connection)
        if before is not None and before not in _known_revisions():
            raise SchemaMismatch(_newer(before))
        _prepare(connection)
        config = Config()
        config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
        config.attributes["connection"] = bound
        command.upgrade(config, revision)
        row = connection.execute("select version_num from apdb_base.alembic_version").fetchone()
        after = str(row[0]) if row else None
        changed = [f"revision {r}" for r in _between(before, after)]
        if after == _head():
            changed += install(connection)
        _write_metadata(connection, after)
        return changed


def status(dsn: str) -> SchemaStatus:
    """Compare the database with this code.

    Parameters
    ----------
    dsn : str
        libpq string.

    Returns
    -------
    SchemaStatus
    """
    with connect_once(dsn) as connection, translated():
        return _status(connection)


def check(dsn: str) -> list[str]:
    """List every difference between this code and the live database (drift).

    Parameters
    ----------
    dsn : str
        libpq string.

    Returns
    -------
    list of str
        One line for each difference: tables, columns, views, routines.
    """
    from apdb.schema.drift import table_drift

    with connect_once(dsn) as connection, translated():
        state = _status(connection)
        if state.database_revision is None:
            return ["the database holds no apdb schema: run `apdb db upgrade`"]
        found = [f"revision {r} is not applied" for r in state.pending]
        return found + table_drift(connection) + drift(connection)


def verify(connection: psycopg.Connection[Any]) -> None:
    """Make sure that code and database agree.

    Parameters
    ----------
    connection : psycopg.Connection
        To the database.

    Raises
    ------
    SchemaMismatch
        They do not; the message says which is older and what to do.
    """
    state = _status(connection)
    if state.current:
        return
    if state.database_revision is None:
        raise SchemaMismatch("The database holds no apdb schema: run `apdb db upgrade`.")
    if state.database_revision not in _known_revisions():
        raise SchemaMismatch(_newer(state.database_revision))
    if state.pending:
        raise SchemaMismatch(
            f"The database is at revision {state.database_revision}, this code (apdb "
            f"{__version__}) needs {state.code_revision}: run `apdb db upgrade`."
        )
    raise SchemaMismatch(
        f"The routines in the database are not those of this code (apdb {__version__}): run "
        "`apdb db upgrade`, or install the version of apdb that the database was upgraded with."
    )


def check_frozen() -> None:
    """Make sure that no revision was edited after it was released.

    Raises
    ------
    SchemaMismatch
        A file differs from its hash in ``frozen.txt``.
    """
    folder = migrations_folder()
    for line in (folder / "frozen.txt").read_text(encoding="utf-8").splitlines():
        sha256, name = line.split()
        if hashlib.sha256((folder / "versions" / name).read_bytes()).hexdigest() != sha256:
            raise SchemaMismatch(
                f"migrations/versions/{name} was edited after it was frozen; write a new revision."
            )


def _status(connection: psycopg.Connection[Any]) -> SchemaStatus:
    revision = _revision(connection)
    installed = None
    if revision is not None:
        row = connection.execute(
            "select m.value from apdb.metadata as m where m.name = 'routines.fingerprint'"
        ).fetchone()
        installed = row[0] if row else None
    pending = _between(revision, _head()) if revision in {None, *_known_revisions()} else []
    return SchemaStatus(
        database_revision=revision,
        code_revision=_head(),
        pending=tuple(pending),
        routines_current=installed == fingerprint(),
        catalogue_version=catalogue().version,
    )


def _prepare(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute("select extname from pg_extension").fetchall()
    for extension in sorted({"q3c", "btree_gist"} - {name for (name,) in rows}):
        try:
            connection.execute(f"create extension {extension}")
        except psycopg.Error as error:
            package = "postgresql-q3c" if extension == "q3c" else "postgresql-contrib"
            raise ServerError(
                f"The server cannot create the extension {extension}: "
                f"{error.diag.message_primary}. Install {package} on it, and let a superuser run "
                f"`create extension {extension}` once in this database."
            ) from error
    connection.execute((migrations_folder() / "roles.sql").read_text(encoding="utf-8"))
    connection.execute("set local role apdb_owner")
    connection.execute("create schema if not exists apdb_base")
    connection.execute("create schema if not exists apdb")


@cache
def _revisions() -> tuple[str, ...]:
    # Files are named by revision and apply in that order; Alembic would load all of them.
    files = (migrations_folder() / "versions").glob("[0-9]*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))


def _known_revisions() -> frozenset[str]:
    return frozenset(_revisions())


def _head() -> str:
    return _revisions()[-1]


def _between(start: str | None, end: str | None) -> list[str]:
    first = 0 if start is None else _revisions().index(start) + 1
    last = 0 if end is None else _revisions().index(end) + 1
    return list(_revisions()[first:last])


def _revision(connection: psycopg.Connection[Any]) -> str | None:
    exists = connection.execute("select to_regclass('apdb.metadata') is not null").fetchone()
    if not (exists and exists[0]):
        return None
    row = connection.execute(
        "select m.value from apdb.metadata as m where m.name = 'schema.revision'"
    ).fetchone()
    return row[0] if row else None


def _newer(revision: str) -> str:
    return (
        f"The database is at revision {revision}, which this code (apdb {__version__}) does not "
        "know: it was upgraded by newer code. Install that version."
    )


def _write_metadata(connection: psycopg.Connection[Any], revision: str | None) -> None:
    rows = {
        "schema.revision": revision or "",
        "schema.version": catalogue().version,
        "schema.code": __version__,
        "routines.fingerprint": fingerprint(),
    }
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into apdb_base.metadata (name, value) values (%s, %s) "
            "on conflict (name) do update set value = excluded.value",
            list(rows.items()),
        )
        cursor.executemany(
            "insert into apdb_base.leap_second (mjd_utc, tai_minus_utc) values (%s, %s) "
            "on conflict (mjd_utc) do update set tai_minus_utc = excluded.tai_minus_utc",
            [
                (_mjd(int(y), int(m)), float(s))
                for y, m, s in leap_seconds.get().tolist()
                if int(y) >= 1972
            ],
        )


def _mjd(year: int, month: int) -> float:
    return float((date(year, month, 1) - date(1858, 11, 17)).days)
