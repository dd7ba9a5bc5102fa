"""The archive's files themselves: a night in bulk, resumed by ranges, checked by SHA-256."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Annotated, Any, LiteralString

from fastapi import APIRouter, Path, Request
from psycopg.rows import dict_row
from starlette.responses import Response

from apdb.archive.place import Place
from apdb.errors import AlertRemoved, ArchiveCorrupt, NotFound
from apdb.service.answers import Stream, not_modified, wanted_range
from apdb.service.documented import BINARY, responses
from apdb.service.parameters import NightDate
from apdb.service.routes import ending
from apdb.service.shared import Service, service_of

router = APIRouter(tags=["files"])

_STEP = 2**20
_FILES: LiteralString = """
select f.path, f.kind, f.size, encode(f.sha256, 'hex') as sha256, f.visit::text as visit,
    f.detector, f.n_alerts, f.content, f.codec, f.schema_version, f.state
from apdb.archive_file as f
"""
_FILE_BODY = {"application/vnd.apache.avro": BINARY}


@router.get(
    "/nights/{night}/files",
    summary="Files of a night",
    responses=responses(401, 422, 429, 503),
)
def files(
    request: Request,
    night: Annotated[NightDate, Path(description="Observing night, such as 2026-03-09.")],
) -> list[dict[str, Any]]:
    """List packets and stamps files with sizes and SHA-256; those of superseded revisions too."""
    service = service_of(request)
    service.access.bulk(request)
    with service.pool.reading() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            _FILES + "where f.night = %s order by f.path",
            [night],
        ).fetchall()


@router.head("/files/{path:path}", include_in_schema=False)
@router.get(
    "/files/{path:path}",
    summary="A file of the archive",
    response_class=Response,
    responses={
        200: {"description": "The file", "content": _FILE_BODY},
        206: {"description": "The range asked for", "content": _FILE_BODY},
        304: {"description": "What If-None-Match names is still true"},
        **responses(401, 404, 410, 416, 422, 429, 500, 503),
    },
)
def one_file(
    request: Request,
    path: Annotated[str, Path(max_length=500, description="As /nights/{night}/files gives it.")],
) -> Response:
    """Return a file; Range, If-Range and If-None-Match are heeded."""
    service = service_of(request)
    service.access.bulk(request)
    row = _row(service, path)
    etag = f'"{row["sha256"]}"'
    known = not_modified(request, etag)
    if known is not None:
        return known
    size: int = row["size"]
    if service.archive.place.size(path) != size:
        raise ArchiveCorrupt(f"the file {path} is not as long as the index says, or missing")
    part = wanted_range(request, size, etag)
    start, stop = (0, size) if part is None else (part.start, part.stop)
    digest = base64.b64encode(bytes.fromhex(row["sha256"])).decode()
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Length": str(stop - start),
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    kind = "application/vnd.apache.avro"
    status = 200 if part is None else 206
    if request.method == "HEAD":
        return Response(None, status, headers, kind)
    service.access.begin_stream()
    pieces = _pieces(service.archive.place, path, start, stop)
    return Stream(pieces, kind, headers, ending(service), status)


def _row(service: Service, path: str) -> dict[str, Any]:
    with service.pool.reading() as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            _FILES + "where f.path = %s",
            [path.replace("\0", "")],
        ).fetchone()
    if found is None:
        raise NotFound("no such file: /nights/{night}/files lists those of a night")
    if found["state"] != "whole":
        raise AlertRemoved(f"the file {path} was removed by the archive's retention")
    return found


def _pieces(place: Place, path: str, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        piece = place.read(path, start, min(start + _STEP, stop))
        if not piece:
            raise ArchiveCorrupt(f"the file {path} ends at byte {start}, before its end")
        start += len(piece)
        yield piece
