"""Installation of the SQL routines as checksummed repeatables.

Alembic revisions hold tables; routines are *current state*: one file each under ``sql/``, installed
at the end of every upgrade, in its transaction.  A ledger table remembers what was installed.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import psycopg

from apdb.schema.references import reference_statements
from apdb.schema.routine_files import Routine, routines
from apdb.schema.views import view_statements

READER_ROOMS = frozenset({"query", "status"})
READER_ROUTINES = frozenset(
    {
        "lc_non_periodic",
        "mjd_tai",
        "night_built",
        "predict",
        "qso_chi2",
        "reference_catalogue_id",
        "setting",
        "settings",
        "sky_cells",
        "stetson_mean",
    }
)
BROKER_ROOMS = frozenset({"retrieval"})
BROKER_ROUTINES = frozenset({"setting", "check_token", "record_requests"})

_TRIGGERS = """
select quote_ident(t.tgname), t.tgrelid::regclass::text
from pg_trigger as t
where t.tgname ~ ('^' || %(name)s || '_(insert|update|delete)$') and t.tgparentid = 0
"""


@cache
def fingerprint() -> str:
    """Return one checksum of all routines and views of this code."""
    parts = [f"{r.name} {r.sha256}" for r in routines()]
    parts += [f"{kind} {name} {text}" for (kind, name), text in _generated().items()]
    return _sha256("\n".join(parts))


def install(connection: psycopg.Connection[Any]) -> list[str]:
    """Bring views and routines of the database to the state of this code.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction of the upgrade, acting as the owner role.

    Returns
    -------
    list of str
        Names of what was created, replaced or dropped.
    """
    ledger = _intact(connection)
    q3c = _q3c_schema(connection)
    connection.execute("set local check_function_bodies = off")
    changed: list[str] = []
    for kind, name in sorted(ledger.keys() - _wanted().keys()):
        _drop(connection, kind, name)
        changed.append(f"dropped {name}")
    for (kind, name), text in _generated().items():
        # Triggers come after the routines that they call.
        if kind == "view" and ledger.get((kind, name)) != _sha256(text):
            for routine_name in _returning(connection, name):
                _drop(connection, "function", routine_name)
                ledger.pop(("function", routine_name), None)
            _install_generated(connection, kind, name, text)
            changed.append(name)
    for routine in routines():
        if ledger.get((routine.kind, routine.name)) != routine.sha256:
            _install_routine(connection, routine, q3c)
            changed.append(routine.name)
    for (kind, name), text in _generated().items():
        if kind == "trigger" and ledger.get((kind, name)) != _sha256(text):
            _install_generated(connection, kind, name, text)
            changed.append(name)
    return changed


def drift(connection: psycopg.Connection[Any]) -> list[str]:
    """Compare files, ledger and live catalogue.

    Parameters
    ----------
    connection : psycopg.Connection
        To the database to look at.

    Returns
    -------
    list of str
        One line for each difference; empty if there is none.
    """
    found: list[str] = []
    wanted = _wanted()
    ledger = _ledger(connection)
    for kind, name in sorted(wanted.keys() | ledger.keys()):
        if (kind, name) not in ledger:
            found.append(f"{kind} apdb.{name} is not installed")
        elif (kind, name) not in wanted:
            found.append(f"{kind} apdb.{name} is installed, but this code has no such file")
        elif ledger[kind, name] != wanted[kind, name]:
            found.append(f"{kind} apdb.{name} was installed from another text than this code has")
    rows = connection.execute("select kind, name, live_sha256 from apdb_base.routine_ledger")
    for kind, name, recorded in rows.fetchall():
        live = _live_sha256(connection, kind, name)
        if live is None:
            found.append(f"{kind} apdb.{name} is in the ledger, but not in the database")
        elif live != recorded:
            found.append(f"{kind} apdb.{name} was changed in the database by hand")
    known = {name for _, name in ledger}
    extra = connection.execute(
        "select distinct p.proname from pg_proc as p where p.pronamespace = 'apdb'::regnamespace"
    )
    found += [f"apdb.{n} is in the database, but not ours" for (n,) in extra if n not in known]
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _generated() -> dict[tuple[str, str], str]:
    """Return what is generated from the catalogue: views, then triggers."""
    views = {("view", name): text for name, text in view_statements().items()}
    return views | {("trigger", name): text for name, text in reference_statements().items()}


def _wanted() -> dict[tuple[str, str], str]:
    """Return the checksum of everything that this code installs, by kind and name."""
    wanted = {(r.kind, r.name): r.sha256 for r in routines()}
    return wanted | {key: _sha256(text) for key, text in _generated().items()}


def _install_generated(
    connection: psycopg.Connection[Any], kind: str, name: str, text: str
) -> None:
    if kind == "view":
        _drop(connection, kind, name)
    connection.execute(text)
    _record(connection, kind, name, "catalogue.yaml", _sha256(text))


def _returning(connection: psycopg.Connection[Any], view: str) -> list[str]:
    """Return the routines whose result has the row type of a view, and so depend on it."""
    rows = connection.execute(
        "select p.proname from pg_proc as p "
        "join pg_type as t on p.prorettype = t.oid "
        "join pg_class as c on t.typrelid = c.oid "
        "where c.relnamespace = 'apdb'::regnamespace and c.relname = %s",
        (view,),
    )
    return [name for (name,) in rows.fetchall()]


def _install_routine(connection: psycopg.Connection[Any], routine: Routine, q3c: str) -> None:
    # A trigger's function is replaced in place: its signature is fixed, and triggers depend on it.
    if "\nreturns trigger\n" not in routine.text:
        _drop(connection, routine.kind, routine.name)
    try:
        connection.execute(routine.text.replace("@q3c@", q3c))
    except psycopg.Error as error:
        error.add_note(f"in {routine.path}")
        raise
    _grant(connection, routine)
    file = f"{routine.room}/{routine.name}.sql"
    _record(connection, routine.kind, routine.name, file, routine.sha256)


def _ledger(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], str]:
    rows = connection.execute("select kind, name, sha256 from apdb_base.routine_ledger")
    return {(kind, name): sha256 for kind, name, sha256 in rows.fetchall()}


def _intact(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], str]:
    """Return the ledger without what was changed or dropped by hand since: it is made anew."""
    rows = connection.execute(
        "select kind, name, sha256, live_sha256 from apdb_base.routine_ledger"
    ).fetchall()
    return {
        (kind, name): sha256 if _live_sha256(connection, kind, name) == live else "changed by hand"
        for kind, name, sha256, live in rows
    }


def _q3c_schema(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute(
        "select quote_ident(n.nspname) from pg_extension as e "
        "join pg_namespace as n on e.extnamespace = n.oid where e.extname = 'q3c'"
    ).fetchone()
    assert row is not None, "the upgrade makes sure of Q3C before it installs routines"
    return str(row[0])


def _drop(connection: psycopg.Connection[Any], kind: str, name: str) -> None:
    if kind == "view":
        connection.execute(f"drop view if exists apdb.{name}")
    elif kind == "trigger":
        for trigger, table in connection.execute(_TRIGGERS, {"name": name}).fetchall():
            connection.execute(f"drop trigger {trigger} on {table}")
    else:
        rows = connection.execute(
            "select p.oid::regprocedure::text from pg_proc as p "
            "where p.pronamespace = 'apdb'::regnamespace and p.proname = %s",
            (name,),
        ).fetchall()
        for (signature,) in rows:
            connection.execute(f"drop routine {signature}")
    connection.execute(
        "delete from apdb_base.routine_ledger where kind = %s and name = %s", (kind, name)
    )


def _grant(connection: psycopg.Connection[Any], routine: Routine) -> None:
    open_to_readers = routine.room in READER_ROOMS or routine.name in READER_ROUTINES
    roles = "apdb_writer, apdb_reader" if open_to_readers else "apdb_writer"
    if routine.room in BROKER_ROOMS:
        roles = "apdb_writer, apdb_reader, apdb_broker"
    elif routine.name in BROKER_ROUTINES:
        roles += ", apdb_broker"
    for (signature,) in connection.execute(
        "select p.oid::regprocedure::text from pg_proc as p "
        "where p.pronamespace = 'apdb'::regnamespace and p.proname = %s",
        (routine.name,),
    ).fetchall():
        comment = routine.comment.replace("'", "''")
        connection.execute(
            f"revoke all on routine {signature} from public; "
            f"grant execute on routine {signature} to {roles}; "
            f"comment on routine {signature} is '{comment}'"
        )


def _record(
    connection: psycopg.Connection[Any], kind: str, name: str, file: str, sha256: str
) -> None:
    connection.execute(
        "insert into apdb_base.routine_ledger "
        "(name, kind, file, sha256, live_sha256, installed_at) "
        "values (%s, %s, %s, %s, %s, clock_timestamp()) on conflict (name) do update set "
        "(kind, file, sha256, live_sha256, installed_at) = "
        "(excluded.kind, excluded.file, excluded.sha256, excluded.live_sha256, "
        "excluded.installed_at)",
        (name, kind, file, sha256, _live_sha256(connection, kind, name)),
    )


def _live_sha256(connection: psycopg.Connection[Any], kind: str, name: str) -> str | None:
    if kind == "view":
        query = (
            "select pg_get_viewdef(c.oid) from pg_class as c "
            "where c.relnamespace = 'apdb'::regnamespace and c.relname = %s and c.relkind = 'v'"
        )
    elif kind == "trigger":
        query = (
            "select string_agg(pg_get_triggerdef(t.oid), ';' order by t.tgname) "
            "from pg_trigger as t "
            "where t.tgname ~ ('^' || %s || '_(insert|update|delete)$') and t.tgparentid = 0"
        )
    else:
        query = (
            "select string_agg(pg_get_functiondef(p.oid), ';' order by p.oid::regprocedure::text) "
            "from pg_proc as p where p.pronamespace = 'apdb'::regnamespace and p.proname = %s"
        )
    row = connection.execute(query, (name,)).fetchone()
    if row is None or row[0] is None:
        return None
    return _sha256(str(row[0]))
