"""Connections to one database: a pool for threads, transactions, and what every session sets."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import psycopg
import psycopg_pool

from apdb.errors import Busy
from apdb.schema.migrate import verify
from apdb.translate import connect_once, translated

POOL_TIMEOUT = 600.0
"""Longest time that a thread waits for a connection that others of its program use [s]."""

READ_TIMEOUT = 60.0
"""Longest time that a query for an analyst may take [s]."""


T = TypeVar("T")


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
            reconnect_timeout=0.0,
            open=True,
            name="apdb",
        )

    @property
    def dsn(self) -> str:
        """The libpq string of the database."""
        return self._dsn

    @property
    def busy_timeout(self) -> float:
        """How long to wait for another session that holds the same sky [s]."""
        return self._busy_timeout

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
        Busy
            All connections stayed in use by other threads.
        ApdbError
            What the driver's errors stand for.
        """
        with translated(), self._lent() as connection:
            yield connection

    @contextmanager
    def _lent(self) -> Iterator[psycopg.Connection[Any]]:
        connection = self._wait_for_connection()
        try:
            with connection:
                yield connection
        finally:
            self._pool.putconn(connection)

    def _wait_for_connection(self) -> psycopg.Connection[Any]:
        """Wait while all connections are in use, but not for a server that is not there.

        The pool alone would wait out its time before saying no.
        """
        give_up = time.monotonic() + POOL_TIMEOUT
        patience = 0.2
        while True:
            try:
                return self._pool.getconn(patience)
            except psycopg_pool.PoolTimeout as error:
                connect_once(self._dsn).close()
                if time.monotonic() > give_up:
                    raise Busy(
                        "All connections of this program were in use and none came free in "
                        f"{POOL_TIMEOUT:g} s; nothing was stored, try again"
                    ) from error
            patience = 2.0

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


def patiently(call: Callable[[], T], patience: float) -> T:
    """Call until nobody else holds the sky.

    Parameters
    ----------
    call : callable
        What to call; a transaction of its own.
    patience : float
        For how long to try again [s].

    Returns
    -------
    object
        What it returns.

    Raises
    ------
    Busy
        Others held the sky all that time.
    """
    waited_since: float | None = None
    while True:
        try:
            return call()
        except Busy:
            waited_since = waited_since or time.monotonic()
            if time.monotonic() - waited_since > patience:
                raise
            time.sleep(random.uniform(0.2, 1.0))


def client_name() -> str:
    """Return what this program is called in the database: host and process."""
    return f"apdb {socket.gethostname()}:{os.getpid()}"
