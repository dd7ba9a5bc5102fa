"""The Avro object container file, put together around bytes that are there already.

Format: Apache Avro 1.11 specification, "Object Container Files".  Each block holds one object, so
that a range of bytes is one alert.  The sync marker is a digest of the file's path: a block read by
its range alone shows which file it belongs to.
"""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import zstandard

from apdb.alerts.encoding import encode_long
from apdb.errors import ArchiveCorrupt, InvalidInput

MAGIC = b"Obj\x01"
SYNC = 16
CODECS = ("zstd", "deflate", "null")
"""Names of the codecs in settings and indexes."""

AVRO_CODECS = {"zstd": "zstandard", "deflate": "deflate", "null": "null"}
"""What the header of a file calls each codec."""

_OF_THREAD = threading.local()
MAX_OBJECT = 2**30
"""Largest object that is ever unpacked [byte]: what claims to be larger is damaged."""

_ONE = b"\x02"


@dataclass(frozen=True)
class Header:
    """What the beginning of a file says.

    Attributes
    ----------
    meta : mapping of str to bytes
        All metadata, ``avro.schema`` and ``avro.codec`` among them.
    codec : str
        One of `CODECS`.
    sync : bytes
        Marker at the end of each block.
    length : int
        Where the first block begins [byte].
    """

    meta: Mapping[str, bytes]
    codec: str
    sync: bytes
    length: int

    @property
    def schema(self) -> Any:
        """The Avro schema, as JSON gives it."""
        return json.loads(self.meta["avro.schema"])


def sync_marker(path: str) -> bytes:
    """Return the sync marker of the file of this path below the archive's root.

    Parameters
    ----------
    path : str
        With ``/``.

    Returns
    -------
    bytes
        16 bytes.
    """
    return hashlib.sha256(b"apdb archive " + path.encode()).digest()[:SYNC]


def read_long(data: Any, at: int) -> tuple[int, int]:
    """Read an Avro long.

    Parameters
    ----------
    data : bytes-like
        Where it is.
    at : int
        Where in it.

    Returns
    -------
    value, after : int
        The number, and where it ends.

    Raises
    ------
    ArchiveCorrupt
        The data ends first, or it has more than 64 bits.
    """
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    raise ArchiveCorrupt("a number is cut off or too long")


def make_header(path: str, schema: object, codec: str, meta: Mapping[str, str]) -> bytes:
    """Return the beginning of a file.

    Parameters
    ----------
    path : str
        Path of the file below the archive's root.
    schema : object
        Avro schema, as JSON would have it.
    codec : str
        One of `CODECS`.
    meta : mapping of str to str
        Further metadata; ``apdb.`` is put before each key.

    Returns
    -------
    bytes
    """
    entries = {
        "avro.schema": json.dumps(schema, separators=(",", ":")),
        "avro.codec": AVRO_CODECS[codec],
        **{f"apdb.{key}": value for key, value in meta.items()},
    }
    pieces = [MAGIC, encode_long(len(entries))]
    for key, value in entries.items():
        for text in (key.encode(), value.encode()):
            pieces += [encode_long(len(text)), text]
    return b"".join([*pieces, encode_long(0), sync_marker(path)])


def read_header(data: bytes) -> Header:
    """Read the beginning of a file.

    Parameters
    ----------
    data : bytes
        The file's first bytes, at least the whole header.

    Returns
    -------
    Header

    Raises
    ------
    ArchiveCorrupt
        It is no object container file, or is cut off.
    """
    if not data.startswith(MAGIC):
        raise ArchiveCorrupt("it does not begin as an object container file does")
    meta: dict[str, bytes] = {}
    count, at = read_long(data, len(MAGIC))
    while count:
        if count < 0:  # a block of a map that gives its length too
            _, at = read_long(data, at)
        for _ in range(abs(count)):
            key, at = _text(data, at)
            value, at = _text(data, at)
            meta[key.decode(errors="replace")] = value
        count, at = read_long(data, at)
    sync = data[at : at + SYNC]
    name = meta.get("avro.codec", b"null")
    codecs = [codec for codec, avro in AVRO_CODECS.items() if avro.encode() == name]
    if len(sync) != SYNC or "avro.schema" not in meta or not codecs:
        raise ArchiveCorrupt("its header is cut off, or names no schema or an unknown codec")
    return Header(meta, codecs[0], sync, at + SYNC)


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = read_long(data, at)
    if not 0 <= length <= len(data) - at:
        raise ArchiveCorrupt("its header is cut off")
    return data[at : at + length], at + length


def make_block(body: bytes, sync: bytes) -> bytes:
    """Return the block of one compressed object.

    Parameters
    ----------
    body : bytes
        The object, compressed.
    sync : bytes
        The file's marker.

    Returns
    -------
    bytes
    """
    return b"".join(block_pieces(body, sync))


def block_pieces(body: bytes | memoryview, sync: bytes) -> tuple[bytes, bytes | memoryview, bytes]:
    """Return what the block of one compressed object consists of.

    Parameters
    ----------
    body : bytes
        The object, compressed.
    sync : bytes
        The file's marker.

    Returns
    -------
    tuple of bytes
        To be written one after the other.
    """
    return _ONE + encode_long(len(body)), body, sync


def open_block(raw: bytes | memoryview, sync: bytes | None) -> memoryview:
    """Return the compressed object of a block.

    Parameters
    ----------
    raw : bytes-like
        The whole block and nothing else.
    sync : bytes or None
        The file's marker; None to take any.

    Returns
    -------
    memoryview

    Raises
    ------
    ArchiveCorrupt
        It is not one whole block of this file with one object.
    """
    if raw[:1] != _ONE:
        raise ArchiveCorrupt("no block of one alert begins here")
    size, at = read_long(raw, 1)
    if size < 0 or at + size + SYNC != len(raw):
        raise ArchiveCorrupt("the block has another length than it should, or is cut off")
    if sync is not None and raw[-SYNC:] != sync:
        raise ArchiveCorrupt("the block's sync marker is not that of the file")
    return memoryview(raw)[at : at + size]


def compressor(codec: str, *, fast: bool = False) -> Callable[[Any], bytes]:
    """Return a function that compresses objects; one for each thread.

    Parameters
    ----------
    codec : str
        One of `CODECS`.
    fast : bool, optional
        Prefer speed, for what hardly compresses, such as stamps.

    Returns
    -------
    callable
        bytes-like to bytes.

    Raises
    ------
    InvalidInput
        There is no such codec.
    """
    if codec == "zstd":
        # On real alerts level 1 makes packets 8% smaller than level -1 for 40% more time, and
        # stamps 2% for 70%.  The checksum makes damage show.
        return zstandard.ZstdCompressor(level=-1 if fast else 1, write_checksum=True).compress
    if codec == "deflate":
        return _deflate
    if codec == "null":
        return bytes
    raise InvalidInput(f"no codec {codec!r}: there are {', '.join(CODECS)}")


def _deflate(data: Any) -> bytes:
    made = zlib.compressobj(1, zlib.DEFLATED, -15)
    return made.compress(data) + made.flush()


def _decompressor() -> zstandard.ZstdDecompressor:
    """Return this thread's own: making one costs more than a packet takes."""
    found: zstandard.ZstdDecompressor | None = getattr(_OF_THREAD, "zstd", None)
    if found is None:
        found = _OF_THREAD.zstd = zstandard.ZstdDecompressor()
    return found


def decompress(body: Any, codec: str) -> bytes:
    """Return an object of a compressed block.

    Parameters
    ----------
    body : bytes-like
        The compressed object.
    codec : str
        One of `CODECS`.

    Returns
    -------
    bytes

    Raises
    ------
    ArchiveCorrupt
        It does not decompress, or to more than `MAX_OBJECT`.
    """
    try:
        if codec == "zstd":
            size = zstandard.frame_content_size(body)
            if not 0 <= size <= MAX_OBJECT:
                raise ArchiveCorrupt("the compressed alert gives no sensible length")
            return _decompressor().decompress(body, allow_extra_data=False)
        if codec == "deflate":
            inflater = zlib.decompressobj(-15)
            data = inflater.decompress(body, MAX_OBJECT)
            if not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
                raise ArchiveCorrupt("the compressed alert is cut off or has something behind it")
            return data
        return bytes(body)
    except (zstandard.ZstdError, zlib.error, MemoryError) as error:
        raise ArchiveCorrupt(f"the alert does not decompress: {error}") from error
