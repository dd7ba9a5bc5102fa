"""Connections to one database: a pool for threads, transactions, and what every session sets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import psycopg_pool
from typing_extensions import Self

from apdb.errors import ServerNotRunning
from apdb.migrate import verify
from apdb.translate import connect_once, not_running, translated

READ_TIMEOUT = 60.0
"""Longest time that a query for an analyst may take [s]."""


class Session:
    """A pool of connections to one database, for as many threads as call it.

    Parameters
    ----------
    dsn : str
        libpq string.
    busy_timeout : float
        How long to wait for another session that holds the same sky [s].
    max_connections : int
        Most connections at once; further threads wait.

    Raises
    ------
    ServerNotRunning
        Nothing answers there.
    SchemaMismatch
        The schema is older or newer than this code.
    """

    def __init__(self, dsn: str, *, busy_timeout: float = 30.0, max_connections: int = 8) -> None:
        self._dsn = dsn
        self._busy_timeout = busy_timeout
        with connect_once(dsn) as connection, translated():
            verify(connection)
        self._pool = psycopg_pool.ConnectionPool(
            dsn,
            min_size=0,
            max_size=max_connections,
            configure=self._configure,
            check=psycopg_pool.ConnectionPool.check_connection,
            reset=None,
            timeout=60.0,
            reconnect_timeout=0.0,
            open=True,
            name="apdb",
        )

    @property
    def dsn(self) -> str:
        """The libpq string of the database."""
        return self._dsn

    def close(self) -> None:
        """Close all connections; the object cannot be used afterwards."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection; commits when the block ends well, rolls back otherwise.

        Raises
        ------
        ServerNotRunning
            No connection could be made.
        ApdbError
            What the driver's errors stand for.
        """
        # A short look of our own first: the pool would wait out its time before saying no.
        try:
            lent = self._pool.connection()
            with translated(), lent as connection:
                yield connection
        except psycopg_pool.PoolTimeout as error:
            connect_once(self._dsn).close()
            raise ServerNotRunning(
                "All connections of this program are in use and none came free in 60 s."
            ) from error

    @contextmanager
    def reading(self, timeout: float = READ_TIMEOUT) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection in a read-only transaction with a statement timeout.

        Parameters
        ----------
        timeout : float, optional
            Longest time that a statement may take [s].
        """
        with self.connection() as connection:
            connection.execute("set transaction read only")
            connection.execute(
                "select set_config('statement_timeout', %s, true)", (f"{timeout * 1000:.0f}ms",)
            )
            yield connection

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        settings = {
            "application_name": client_name(),
            "lock_timeout": f"{self._busy_timeout * 1000:.0f}ms",
            "idle_in_transaction_session_timeout": "10min",
            "client_connection_check_interval": "5s",
            "timezone": "UTC",
        }
        for name, value in settings.items():
            connection.execute("select set_config(%s, %s, false)", (name, value))
        connection.commit()


def client_name() -> str:
    """Return what this program is called in the database: host and process."""
    return f"apdb {socket.gethostname()}:{os.getpid()}"


__all__ = ["READ_TIMEOUT", "Session", "client_name", "not_running"]
