"""Runs the alert service until it is told to stop."""

from __future__ import annotations

import logging

import uvicorn

from apdb.service.app import make_app
from apdb.service.shared import Service

GRACE_SECONDS = 30
"""How long streams that are under way may go on once the service is told to stop [s]."""


def make_server(
    service: Service,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    grace: int = GRACE_SECONDS,
    forwarded_by: str = "127.0.0.1",
) -> uvicorn.Server:
    """Return a server that answers with a service.

    Parameters
    ----------
    service : Service
        Closed when the server ends.
    host : str, optional
        Address to listen at.
    port : int, optional
        Port; 0 for any that is free.
    grace : int, optional
        How long open streams may go on at the end [s].
    forwarded_by : str, optional
        Addresses of proxies whose X-Forwarded-For is believed, with commas between them.

    Returns
    -------
    uvicorn.Server
        ``run()`` answers until SIGTERM or SIGINT.
    """
    config = uvicorn.Config(
        make_app(service),
        host=host,
        port=port,
        log_level=logging.WARNING,
        access_log=False,
        timeout_graceful_shutdown=grace,
        proxy_headers=True,
        forwarded_allow_ips=forwarded_by,
        server_header=False,
        backlog=512,
    )
    return uvicorn.Server(config)
