"""The formats in which alerts are handed out, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from apdb.alerts.schemas import AlertSchema
from apdb.errors import Problem
from apdb.input.problems import show
from apdb.query.call import invalid
from apdb.retrieval.content import Wanted
from apdb.retrieval.plain_formats import (
    ContainerFile,
    Format,
    Index,
    JsonLines,
    Messages,
    Multipart,
)

CHUNK = 256 * 1024
"""How much is sent at a time, about [byte]."""

SINGLE_SCHEMA = frozenset({"avro", "parquet"})
"""Formats in which all packets have one schema."""

FORMATS = ("avro", "confluent", "multipart", "json", "index", "tar", "fits", "parquet")
"""Names of the formats."""

_NEEDS_STAMPS_ONLY = frozenset({"fits"})
_NO_STAMPS_ONLY = frozenset({"confluent", "multipart"})
CODECS = ("null", "deflate", "zstd")
"""Codecs of object container files."""


def check_format(name: str | None, content: str | None, codec: str | None) -> tuple[str, str, str]:
    """Check that format, content and codec go together.

    Parameters
    ----------
    name : str or None
        One of `FORMATS`; None for ``avro``.
    content : str or None
        One of `apdb.retrieval.content.CONTENTS`; None for what the format is best at.
    codec : str or None
        One of `CODECS`, for the format ``avro``; None for ``null``.

    Returns
    -------
    name, content, codec : str
        All three.

    Raises
    ------
    InvalidInput
        There is no such format or codec, or they do not go together.
    """
    chosen = name or "avro"
    problems = []
    if chosen not in FORMATS:
        problems.append(Problem(None, "format", show(name), f"must be one of {', '.join(FORMATS)}"))
    if codec is not None and codec not in CODECS:
        problems.append(Problem(None, "codec", show(codec), f"must be one of {', '.join(CODECS)}"))
    elif codec is not None and chosen != "avro":
        problems.append(Problem(None, "codec", show(codec), "goes with the format avro"))
    parts = content or ("stamps" if chosen in _NEEDS_STAMPS_ONLY else "full")
    if chosen in _NEEDS_STAMPS_ONLY and parts != "stamps":
        problems.append(Problem(None, "content", show(content), "fits holds stamps only"))
    if chosen in _NO_STAMPS_ONLY and parts == "stamps":
        text = f"{chosen} holds packets; ask for stamps as avro, tar, json, parquet or fits"
        problems.append(Problem(None, "content", show(content), text))
    if problems:
        raise invalid(problems)
    return chosen, parts, codec or "null"


def make_format(name: str, schema: AlertSchema, what: Wanted, codec: str = "null") -> Format:
    """Return an answer in a format, to be filled.

    Parameters
    ----------
    name : str
        One of `FORMATS`.
    schema : AlertSchema
        Schema of the packets, for the formats that hold only one.
    what : Wanted
        Which parts.
    codec : str, optional
        For the format ``avro``.

    Returns
    -------
    Format
    """
    if name == "parquet":
        from apdb.retrieval.parquet import ParquetFile

        return ParquetFile(schema, what)
    if name in {"tar", "fits"}:
        from apdb.retrieval.tarballs import FitsFiles, TarFile

        return FitsFiles(what) if name == "fits" else TarFile(what)
    made: dict[str, Callable[[], Format]] = {
        "avro": lambda: ContainerFile(schema, what, codec),
        "confluent": Messages,
        "multipart": Multipart,
        "json": JsonLines,
        "index": Index,
    }
    return made[name]()


def media_type(name: str) -> str:
    """Return the media type of a format.

    Parameters
    ----------
    name : str
        One of `FORMATS`.

    Returns
    -------
    str
    """
    types: dict[str, str] = {
        "avro": ContainerFile.media_type,
        "confluent": Messages.media_type,
        "multipart": Multipart.media_type,
        "json": JsonLines.media_type,
        "index": Index.media_type,
        "tar": "application/x-tar",
        "fits": "application/x-tar",
        "parquet": "application/vnd.apache.parquet",
    }
    return types[name]


def chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join pieces to chunks worth sending.

    Parameters
    ----------
    pieces : iterable of bytes
        Of any length.

    Yields
    ------
    bytes
        About `CHUNK` long, or a longer piece.
    """
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)
