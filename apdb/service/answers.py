"""Answers over HTTP: errors as JSON, whole bodies with ranges and checksums, streams.

Ranges and conditions follow RFC 9110, checksums RFC 9530.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psycopg
from fastapi import Request
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Send

from apdb.errors import (
    AlertRemoved,
    ApdbError,
    ArchiveCorrupt,
    ArchiveUnavailable,
    Busy,
    ConnectionLost,
    InvalidInput,
    NotFound,
    ServerNotRunning,
)

logger = logging.getLogger("apdb.service")

_STATUS: tuple[tuple[type[ApdbError], int], ...] = (
    (AlertRemoved, 410),
    (NotFound, 404),
    (InvalidInput, 400),
    (ArchiveCorrupt, 500),
    (ArchiveUnavailable, 503),
    (Busy, 503),
    (ConnectionLost, 503),
    (ServerNotRunning, 503),
)
_HIDDEN = {
    500: "the service failed to answer; its log says why",
    503: "the database or the archive does not answer; try again later",
}
_CANCELLED = "57014"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_MOST_DIGITS = 18


class Refused(Exception):
    """A request that is refused for who asks, not for what.

    Parameters
    ----------
    status : int
        HTTP status.
    message : str
        Why, and what to do.
    headers : mapping of str to str, optional
        Further headers.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def failure(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as JSON.

    Parameters
    ----------
    status : int
        HTTP status.
    kind : str
        Name of the error.
    message : str
        What is wrong, and what to do.
    headers : mapping of str to str, optional
        Further headers.

    Returns
    -------
    Response
    """
    return JSONResponse({"error": kind, "message": message}, status, headers=headers)


def error_answer(error: ApdbError) -> Response:
    """Return the answer for an error of apdb.

    Parameters
    ----------
    error : ApdbError
        What happened.

    Returns
    -------
    Response
        What is the server's affair is not told to the client but logged.
    """
    kind = type(error).__name__
    cause = error.__cause__
    if isinstance(cause, psycopg.Error) and cause.sqlstate == _CANCELLED:
        text = "the query takes too long: ask for less (a smaller cone, a night, a visit)"
        return failure(400, "QueryTooLarge", text)
    status = next((status for cls, status in _STATUS if isinstance(error, cls)), 500)
    message = str(error)
    if status >= 500:
        logger.error("%s: %s", kind, error)
        message = str(error) if isinstance(error, ArchiveCorrupt) else _HIDDEN[status]
    retry = {"Retry-After": "5"} if status == 503 else None
    return failure(status, kind, message, retry)


def digest_header(body: bytes) -> str:
    """Return the value of a digest header: SHA-256 as a structured field.

    Parameters
    ----------
    body : bytes
        What it is of.

    Returns
    -------
    str
    """
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def entity_tag(*parts: object) -> str:
    """Return a strong entity tag for what the parts determine.

    Parameters
    ----------
    *parts : object
        Everything that the bytes of the answer depend on.

    Returns
    -------
    str
    """
    text = "\n".join(str(part) for part in parts)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def not_modified(request: Request, etag: str) -> Response | None:
    """Return the answer for a client that has this already; None if it has not.

    Parameters
    ----------
    request : Request
        Its header If-None-Match names what it has.
    etag : str
        Entity tag of what there is.

    Returns
    -------
    Response or None
    """
    known = request.headers.get("if-none-match", "")
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    if "*" in tags or etag in tags:
        return Response(status_code=304, headers={"ETag": etag, "Cache-Control": "no-cache"})
    return None


@dataclass(frozen=True)
class Part:
    """A range of a body; `stop` is not in it."""

    start: int
    stop: int


def wanted_range(request: Request, size: int, etag: str) -> Part | None:
    """Return the range of a body that a client asks for.

    Parameters
    ----------
    request : Request
        Its headers Range and If-Range.
    size : int
        Length of the body.
    etag : str
        Entity tag of the body.

    Returns
    -------
    Part or None
        None for the whole: no range is asked for, several, or one of another body.

    Raises
    ------
    Refused
        416: the range lies outside.
    """
    text = request.headers.get("range")
    if text is None or request.headers.get("if-range", etag) != etag:
        return None
    found = _RANGE.fullmatch(text.strip())
    if found is None or not (found[1] or found[2]):
        return None
    # Lengths beyond any body, cut so that they stay numbers of a sensible size.
    first, last = (int(group[:_MOST_DIGITS]) if group else None for group in found.groups())
    if first is None:
        assert last is not None
        part = Part(max(0, size - last), size)
    else:
        part = Part(first, size if last is None else min(last + 1, size))
        if last is not None and last < first:
            return None
    if part.start >= part.stop:
        raise Refused(
            416,
            f"there are {size} bytes: the range lies outside",
            {"Content-Range": f"bytes */{size}"},
        )
    return part


def body_answer(
    request: Request, body: bytes, media_type: str, etag: str, headers: Mapping[str, str]
) -> Response:
    """Return a body, or the range of it that was asked for, with checksums.

    Parameters
    ----------
    request : Request
        What was asked.
    body : bytes
        All of it.
    media_type : str
        Its type.
    etag : str
        Its entity tag.
    headers : mapping of str to str
        Further headers.

    Returns
    -------
    Response

    Raises
    ------
    Refused
        416: the range lies outside.
    """
    part = wanted_range(request, len(body), etag)
    sent = body if part is None else body[part.start : part.stop]
    given = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
        "Repr-Digest": digest_header(body),
        "Content-Digest": digest_header(sent),
        **headers,
    }
    if part is None:
        return Response(sent, 200, given, media_type)
    given["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(body)}"
    return Response(sent, 206, given, media_type)


class Stream(StreamingResponse):
    """An answer sent as it is made; one that fails midway is cut off, so that the client sees it.

    Parameters
    ----------
    pieces : iterator of bytes
        The body, made in threads.
    media_type : str
        Its type.
    headers : mapping of str to str
        Further headers.
    ended : callable
        Called at the end with None, or with the error that cut the answer short.
    status : int, optional
        HTTP status.
    """

    def __init__(
        self,
        pieces: Iterator[bytes],
        media_type: str,
        headers: Mapping[str, str],
        ended: Callable[[Exception | None], None],
        status: int = 200,
    ) -> None:
        super().__init__(iterate_in_threadpool(pieces), status, headers, media_type)
        self._ended = ended

    async def stream_response(self, send: Send) -> None:
        """Send head and body.

        Parameters
        ----------
        send : callable
            The server's.
        """
        error: Exception | None = None
        try:
            await super().stream_response(send)
        except (ApdbError, psycopg.Error, OSError) as caught:
            # Without the last message the server closes the connection: the body is not whole.
            error = caught
            logger.error("a stream was cut short: %s: %s", type(caught).__name__, caught)
        finally:
            self._ended(error)
