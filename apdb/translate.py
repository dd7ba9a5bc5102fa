"""The one place where the driver's errors become apdb's, and where connections are opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from apdb.errors import (
    ApdbError,
    Busy,
    ConnectionLost,
    IdConflict,
    NotFound,
    Problem,
    SchemaMismatch,
    ServerNotRunning,
    error_classes,
)

_BY_SQLSTATE = {cls.sqlstate: cls for cls in error_classes() if cls.sqlstate is not None}
_LOCK_NOT_AVAILABLE = "55P03"
_DEADLOCK = "40P01"
_UNDEFINED = {"3F000", "42P01", "42883"}
_QUERY_CANCELED = "57014"
# The server ended the session: stopped, crashed, starting, idle too long (in a transaction or not).
_GONE = {"57P01", "57P02", "57P03", "57P05", "25P03", "08006", "08003", "08000"}


@contextmanager
def translated() -> Iterator[None]:
    """Turn psycopg's errors into apdb's within a block.

    Raises
    ------
    ApdbError
        The class that the SQLSTATE stands for, with the driver's error as its cause.
    """
    try:
        yield
    except psycopg.Error as error:
        raise translate(error) from error


def translate(error: psycopg.Error) -> ApdbError:
    """Return the apdb error that a driver's error stands for.

    Parameters
    ----------
    error : psycopg.Error
        Any error of the driver.

    Returns
    -------
    ApdbError
        Its message is the server's, with hint.
    """
    message = error.diag.message_primary or str(error)
    if error.diag.message_hint:
        message = f"{message} ({error.diag.message_hint})"
    sqlstate = error.sqlstate
    if sqlstate == IdConflict.sqlstate:
        return IdConflict(problems=_id_problems(error.diag.message_detail or "", message))
    if sqlstate == NotFound.sqlstate and error.diag.message_detail:
        return NotFound(f"{message}: {error.diag.message_detail}")
    if sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[sqlstate](message)
    if sqlstate in {_LOCK_NOT_AVAILABLE, _DEADLOCK}:
        return Busy(f"{message}; nothing was stored, try again")
    if sqlstate == _QUERY_CANCELED:
        return ApdbError(_cancelled(message))
    if sqlstate in _UNDEFINED:
        return SchemaMismatch(f"{message}: run `apdb db upgrade`.")
    if sqlstate in _GONE or (sqlstate is None and isinstance(error, psycopg.OperationalError)):
        return ConnectionLost(
            f"The connection to the database broke ({message.strip()}). Store the visit again: "
            "if it was committed, its report comes back."
        )
    return ApdbError(message)


def _cancelled(message: str) -> str:
    if "statement timeout" in message:
        return (
            "The query took longer than statement_timeout allows and was stopped: ask for less "
            "(a smaller cone, a shorter span, a limit), or read with a longer limit: "
            "db.reading(timeout=…), or `set statement_timeout` in psql."
        )
    return f"The query was stopped: {message}"


def connect_once(dsn: str, **options: Any) -> psycopg.Connection[Any]:
    """Open a connection of its own.

    Parameters
    ----------
    dsn : str
        libpq string.
    **options
        Passed to psycopg.

    Returns
    -------
    psycopg.Connection

    Raises
    ------
    ServerNotRunning
        Nothing answers there, or it refuses.
    """
    try:
        return psycopg.connect(dsn, **options)
    except psycopg.OperationalError as error:
        raise not_running(dsn, error) from error
    except psycopg.ProgrammingError as error:
        raise ServerNotRunning(f"The DSN is not a libpq string or URL: {error}") from error


def not_running(dsn: str, error: psycopg.Error) -> ServerNotRunning:
    """Return the error that says which server does not answer, and what to do.

    Parameters
    ----------
    dsn : str
        libpq string of the server.
    error : psycopg.Error
        Why it does not answer.

    Returns
    -------
    ServerNotRunning
    """
    try:
        place = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        place = {}
    shown = " ".join(f"{k}={place[k]}" for k in ("host", "port", "dbname", "user") if k in place)
    return ServerNotRunning(
        f"No PostgreSQL server answers at {shown or 'the default place'}: {str(error).strip()}\n"
        "Start the private server with `apdb server start`, or name another with --dsn or APDB_DSN."
    )


def _id_problems(detail: str, message: str) -> list[Problem]:
    return [
        Problem(None, "dia_source_id", identifier, f"{message}; give the source a new id")
        for identifier in detail.split(",")
        if identifier
    ]
