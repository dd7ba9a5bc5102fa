"""What the OpenAPI document says of answers."""

from __future__ import annotations

from typing import Any

from apdb.service.parameters import Problem

_TEXTS = {
    400: "The request contradicts itself, or its condition or cursor is not valid",
    401: "No token, or none that is good",
    404: "No such alert",
    410: "The archive's retention removed it",
    416: "The range lies outside",
    422: "A parameter is of the wrong kind or out of range",
    429: "Asked too often; Retry-After says when to ask again",
    500: "A file of the archive is damaged",
    503: "The database or archive does not answer, or too many streams are open",
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the document says of answers with these statuses, all of them errors.

    Parameters
    ----------
    *statuses : int
        HTTP statuses.

    Returns
    -------
    dict
        For FastAPI.
    """
    return {status: {"model": Problem, "description": _TEXTS[status]} for status in statuses}


OBJECT = {"schema": {"type": "object"}}
"""A JSON object."""

BINARY = {"schema": {"type": "string", "format": "binary"}}
