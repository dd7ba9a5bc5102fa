"""The addresses of the alert service."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import PlainTextResponse, Response

from apdb.alerts.framing import frame
from apdb.alerts.schemas import alert_schema, schema_of_registry_id, versions
from apdb.errors import ApdbError, ArchiveCorrupt, InvalidInput, NotFound
from apdb.retrieval.content import Alert, Wanted, render, wanted
from apdb.retrieval.cursor import write_cursor
from apdb.retrieval.described import described
from apdb.retrieval.formats import check_format, chunks, make_format, media_type
from apdb.retrieval.query import alert_query
from apdb.retrieval.select import AlertRow, alert_row
from apdb.retrieval.stream import AlertStream
from apdb.retrieval.tarballs import STAMPS
from apdb.service.access import note
from apdb.service.answers import Stream, body_answer, entity_tag, not_modified
from apdb.service.documented import BINARY, OBJECT, responses
from apdb.service.metrics import CONTENT_TYPE
from apdb.service.parameters import (
    AlertId,
    Codec,
    Content,
    Revision,
    SingleFormat,
    Stamp,
    StreamParameters,
    Version,
)
from apdb.service.shared import Service, service_of

LAYOUT = 1
"""Changes when the bytes of an answer change for the same alert: part of every entity tag."""

router = APIRouter()

_SINGLE = (
    "application/vnd.apache.avro",
    "application/vnd.confluent.avro",
    "application/json",
    "application/x-tar",
    "application/vnd.apache.parquet",
)
_STREAM = (
    "application/vnd.apache.avro",
    "application/vnd.apdb.confluent",
    "multipart/mixed",
    "application/x-ndjson",
    "application/x-tar",
    "application/vnd.apache.parquet",
)


def _bodies(*types: str) -> dict[int | str, dict[str, Any]]:
    content = {each: OBJECT if each == "application/json" else BINARY for each in types}
    return {
        200: {"description": "The answer", "content": content},
        206: {"description": "The range asked for", "content": content},
        304: {"description": "What If-None-Match names is still true"},
    }


@router.get(
    "/health", summary="Whether the service can answer", tags=["service"], responses=responses(503)
)
def health(request: Request) -> dict[str, str]:
    """Ask the database one thing."""
    with service_of(request).pool.reading() as connection:
        connection.execute("select 1")
    return {"status": "ok"}


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    tags=["service"],
    response_class=PlainTextResponse,
)
def metrics(request: Request) -> Response:
    """Return everything counted since the start."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE)


@router.get("/schemas", summary="Schemas of packets", tags=["schemas"])
def schemas(request: Request) -> list[dict[str, Any]]:
    """List versions with their numbers in the registry."""
    namespace = service_of(request).archive.namespace
    made = [
        alert_schema(version, namespace=namespace, extended=extended)
        for version in versions()
        for extended in (False, True)
    ]
    return [
        {
            "id": schema.registry_id,
            "version": schema.version,
            "name": schema.name,
            "extended": schema.extended,
            "fingerprint": schema.fingerprint,
        }
        for schema in made
    ]


@router.get(
    "/schemas/ids/{registry_id}",
    summary="A schema, as a Confluent registry gives it",
    tags=["schemas"],
    responses=responses(404),
)
def registered_schema(
    request: Request,
    registry_id: Annotated[int, Path(ge=0, le=2**32 - 1, description="Number in the registry.")],
) -> dict[str, str]:
    """Return the schema as text within JSON."""
    try:
        found = schema_of_registry_id(registry_id, namespace=service_of(request).archive.namespace)
    except InvalidInput as error:
        raise NotFound(str(error)) from error
    return {"schema": json.dumps(found.avro), "schemaType": "AVRO"}


@router.head("/alerts/{alert_id}", include_in_schema=False)
@router.get(
    "/alerts/{alert_id}",
    summary="One alert",
    tags=["alerts"],
    response_class=Response,
    responses={**_bodies(*_SINGLE), **responses(400, 401, 404, 410, 416, 422, 429, 500, 503)},
)
def one_alert(
    request: Request,
    alert_id: AlertId,
    revision: Revision = None,
    content: Content = None,
    version: Version = None,
    format_name: SingleFormat = None,
    codec: Codec = None,
) -> Response:
    """Return an alert; Range, If-Range and If-None-Match are heeded."""
    service = service_of(request)
    service.access.single(request)
    name, parts, codec_name = check_format(format_name, content, codec)
    what = wanted(parts, version, service.archive.namespace)
    with service.pool.reading() as connection:
        row = alert_row(connection, alert_id, revision)
    etag = entity_tag(
        LAYOUT, row.sha256.hex(), row.revision, row.status, row.content, row.has_stamps, name, what,
        codec_name,
    )  # fmt: skip
    known = not_modified(request, etag)
    if known is not None:
        return known
    found = next(render(service.archive.place, [row], what))
    note(request).n_alerts = 1
    body, kind = _single(found, name, what, codec_name)
    return body_answer(request, body, kind, etag, _about(found))


def _single(found: Alert, name: str, what: Wanted, codec: str) -> tuple[bytes, str]:
    if name == "confluent":
        return frame(found.body, found.schema.registry_id), "application/vnd.confluent.avro"
    digest = alert_query(ids=found.row.dia_source_id).digest
    made = make_format(name, found.schema, what, codec)

    def cursor() -> str:
        return write_cursor(found.row.position, digest)

    pieces = (made.begin(), made.alert(found, cursor), made.end())
    kind = "application/json" if name in {"json", "index"} else media_type(name)
    return b"".join(pieces), kind


def _about(found: Alert) -> dict[str, str]:
    row = found.row
    return {
        "Apdb-Status": row.status,
        "Apdb-Revision": str(row.revision),
        "Apdb-Schema": str(found.schema.registry_id),
        "Apdb-Packet-Sha256": row.sha256.hex(),
    }


@router.get(
    "/alerts/{alert_id}/revisions",
    summary="All revisions of an alert",
    tags=["alerts"],
    responses=responses(401, 404, 422, 429, 503),
)
def revisions(request: Request, alert_id: AlertId) -> list[dict[str, Any]]:
    """List what the index says of each, oldest first."""
    service = service_of(request)
    service.access.single(request)
    query = alert_query(ids=alert_id, revisions="all")
    stream = AlertStream(service.pool.reading, service.archive, query, Wanted())
    return [described(row) for row in sorted(stream.rows(), key=_revision)]


def _revision(row: AlertRow) -> int:
    return row.revision


@router.head("/alerts/{alert_id}/stamps/{stamp}", include_in_schema=False)
@router.get(
    "/alerts/{alert_id}/stamps/{stamp}",
    summary="One stamp of an alert, as FITS",
    tags=["alerts"],
    response_class=Response,
    responses={**_bodies("application/fits"), **responses(401, 404, 410, 416, 422, 429, 500, 503)},
)
def one_stamp(
    request: Request, alert_id: AlertId, stamp: Stamp, revision: Revision = None
) -> Response:
    """Return a FITS file; Range, If-Range and If-None-Match are heeded."""
    service = service_of(request)
    service.access.single(request)
    with service.pool.reading() as connection:
        row = alert_row(connection, alert_id, revision)
    etag = entity_tag(LAYOUT, row.sha256.hex(), row.revision, row.status, stamp)
    known = not_modified(request, etag)
    if known is not None:
        return known
    found = next(render(service.archive.place, [row], wanted("stamps")))
    body = found.stamps()[STAMPS[stamp]]
    if body is None:
        raise NotFound(f"alert {alert_id} has no {stamp} stamp")
    note(request).n_alerts = 1
    return body_answer(request, body, "application/fits", etag, _about(found))


@router.get(
    "/alerts",
    summary="Alerts in the order of the archive",
    tags=["alerts"],
    response_class=Response,
    responses={
        200: {"description": "The alerts", "content": dict.fromkeys(_STREAM, BINARY)},
        **responses(400, 401, 404, 410, 422, 429, 500, 503),
    },
)
def alerts(request: Request, given: Annotated[StreamParameters, Query()]) -> Response:
    """Stream alerts; all conditions given must hold.

    The header Apdb-Next-Cursor says where to go on once the answer was read to its end.
    """
    service = service_of(request)
    service.access.bulk(request)
    name, parts, codec = check_format(given.format, given.content, given.codec)
    what = wanted(parts, given.version, service.archive.namespace)
    query = given.query()
    service.access.begin_stream()
    ended = ending(service)
    try:
        stream = AlertStream(
            service.pool.reading, service.archive, query, what, given.after, given.limit
        )
        headers = {"Cache-Control": "no-cache", "Accept-Ranges": "none", **_next(stream)}
        pieces = chunks(_counted(request, stream, stream.pieces(name, codec)))
        # Damage in the first alerts is still an answer of its own, not a stream cut short.
        first = next(pieces, b"")
    except BaseException:
        ended(None)
        raise
    return Stream(itertools.chain([first], pieces), media_type(name), headers, ended)


def _next(stream: AlertStream) -> dict[str, str]:
    cursor = stream.cursor_at_end()
    return {} if cursor is None else {"Apdb-Next-Cursor": cursor}


def _counted(request: Request, stream: AlertStream, pieces: Iterator[bytes]) -> Iterator[bytes]:
    made = note(request)
    for piece in pieces:
        made.n_alerts = stream.n_read
        yield piece


def ending(service: Service) -> Callable[[Exception | None], None]:
    """Return what is called at the end of a stream: counts it out, and why it was cut short.

    Parameters
    ----------
    service : Service
        Whose stream.

    Returns
    -------
    callable
        Takes None, or the error.
    """

    def ended(error: Exception | None) -> None:
        """Count it."""
        service.access.end_stream()
        if error is not None:
            reason = "archive" if isinstance(error, ArchiveCorrupt) else "database"
            reason = reason if isinstance(error, ApdbError) else "other"
            service.metrics.broken.labels(reason).inc()

    return ended
