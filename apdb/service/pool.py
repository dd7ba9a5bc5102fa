"""The service's connections: read-only, as the broker role, one statement a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import psycopg_pool

from apdb.errors import Busy
from apdb.schema.migrate import verify
from apdb.session import client_name
from apdb.translate import connect_once, translated

ROLE = "apdb_broker"
"""Role that every connection of the service takes."""

STATEMENT_SECONDS = 60.0
"""Longest time that a statement may take [s]."""

_WAIT = 10.0


class Pool:
    """Connections of the service, for as many threads as call it.

    Parameters
    ----------
    dsn : str
        libpq string of a role that is, or may become, `ROLE`.
    size : int
        Most connections.

    Raises
    ------
    ServerNotRunning
        Nothing answers there.
    SchemaMismatch
        The schema is older or newer than this code.
    """

    def __init__(self, dsn: str, size: int = 8) -> None:
        with connect_once(dsn) as connection, translated():
            verify(connection)
        self._pool = psycopg_pool.ConnectionPool(
            dsn,
            min_size=min(2, size),
            max_size=size,
            kwargs={"autocommit": True},
            configure=_configure,
            reset=None,
            open=True,
            name="apdb-serve",
            reconnect_timeout=30.0,
        )
        self._pool.wait(30.0)

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection.

        Raises
        ------
        Busy
            None came free in time.
        ApdbError
            What the driver's errors stand for.
        """
        with translated():
            try:
                connection = self._pool.getconn(_WAIT)
            except psycopg_pool.PoolTimeout as error:
                raise Busy("all connections to the database are in use") from error
            try:
                yield connection
            finally:
                self._pool.putconn(connection)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _configure(connection: psycopg.Connection[Any]) -> None:
    settings = {
        "role": ROLE,
        "application_name": client_name().replace("apdb", "apdb serve", 1),
        "default_transaction_read_only": "on",
        "statement_timeout": f"{STATEMENT_SECONDS * 1000:.0f}ms",
        "timezone": "UTC",
        # Prepared statements of few shapes and many values: planning costs more than they do.
        "plan_cache_mode": "auto",
    }
    for name, value in settings.items():
        connection.execute("select set_config(%s, %s, false)", (name, value))
    connection.execute(
        "select set_config('search_path', 'apdb, ' || e.extnamespace::regnamespace::text, false) "
        "from pg_extension as e where e.extname = 'q3c'"
    )
