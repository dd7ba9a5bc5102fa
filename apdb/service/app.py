"""The alert service: its addresses, put together."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from apdb.errors import ApdbError
from apdb.retrieval.stream import archive_of
from apdb.service.access import Access
from apdb.service.answers import Refused, error_answer, failure
from apdb.service.audit import Audit
from apdb.service.metrics import Metrics
from apdb.service.pool import Pool
from apdb.service.shared import Service
from apdb.service.watch import Watch

DESCRIPTION = """\
Alerts of the archive by id, night, visit, object, position, time and condition, with one resumable
cursor for every query. Ids are 64-bit integers: read them as such, or as strings."""


def open_service(
    dsn: str, *, anonymous: bool = False, max_streams: int = 16, connections: int = 8
) -> Service:
    """Connect to the database and the archive.

    Parameters
    ----------
    dsn : str
        libpq string of a role that is, or may become, apdb_broker.
    anonymous : bool, optional
        Whether single alerts and stamps are given without a token.
    max_streams : int, optional
        Most streams at once.
    connections : int, optional
        Most connections to the database.

    Returns
    -------
    Service

    Raises
    ------
    ArchiveUnavailable
        The database has no archive.
    ServerNotRunning
        Nothing answers there.
    SchemaMismatch
        The schema is older or newer than this code.
    """
    pool = Pool(dsn, connections)
    try:
        with pool.reading() as connection:
            archive = archive_of(connection)
    except ApdbError:
        pool.close()
        raise
    metrics = Metrics()
    access = Access(pool, metrics, anonymous=anonymous, max_streams=max_streams)
    return Service(pool, archive, access, metrics, Audit(pool))


def make_app(service: Service) -> ASGIApp:
    """Return the application that answers.

    Parameters
    ----------
    service : Service
        Closed when the application ends.

    Returns
    -------
    ASGI application
    """
    from apdb.service import routes, routes_files

    @asynccontextmanager
    async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="apdb alert archive",
        version=importlib.metadata.version("apdb"),
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.include_router(routes.router)
    app.include_router(routes_files.router)
    app.add_exception_handler(ApdbError, _apdb_error)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http_error)
    return Watch(app, metrics=service.metrics, audit=service.audit)


async def _apdb_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApdbError)
    return error_answer(error)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return failure(error.status, "Refused", str(error), error.headers)


async def _not_valid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [f"{_place(one)}: {one['msg']}" for one in error.errors()[:10]]
    return failure(422, "InvalidInput", "; ".join(found))


def _place(one: Any) -> str:
    return ".".join(str(part) for part in one["loc"][1:]) or "request"


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return failure(error.status_code, "HttpError", str(error.detail), error.headers)
