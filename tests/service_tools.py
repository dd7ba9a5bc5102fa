"""A real server of the alert service, in a thread, and what tests ask it with."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg

from apdb.service.app import open_service
from apdb.service.run import make_server
from apdb.service.shared import Service
from apdb.service.tokens import add_token


def new_token(dsn: str, name: str = "tester", rate: float = 1e6, days: float | None = None) -> str:
    with psycopg.connect(dsn) as connection:
        return add_token(connection, name, rate, days)


@contextmanager
def serving(dsn: str, **options: Any) -> Iterator[tuple[str, Service]]:
    """Serve a database; yield the address and the service."""
    service = open_service(dsn, **options)
    server = make_server(service, port=0, grace=5)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        give_up = time.monotonic() + 20.0
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < give_up
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", service
    finally:
        server.should_exit = True
        thread.join(30.0)
        assert not thread.is_alive()


@contextmanager
def client(dsn: str, **options: Any) -> Iterator[httpx.Client]:
    """A client with a token, of a server of its own."""
    token = new_token(dsn)
    with (
        serving(dsn, **options) as (url, _),
        httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60.0
        ) as made,
    ):
        yield made
