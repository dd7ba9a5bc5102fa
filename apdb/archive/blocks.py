"""Goes through a file of the archive block by block, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from apdb.archive.container import MAX_OBJECT, SYNC, Header, open_block, read_header, read_long
from apdb.errors import ArchiveCorrupt

_READ_BYTES = 2**18
_LONGEST_HEADER = 2**22
_LONGEST_COUNTS = 20


class Readable(Protocol):
    """A file open for reading."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes.

        Parameters
        ----------
        size : int
            Most bytes; fewer come at the end only.
        """


@dataclass(frozen=True)
class Block:
    """One block of a file as it lies there.

    Attributes
    ----------
    offset, length : int
        Its range, count and sync marker included [byte].
    raw : bytes
        The whole range.
    body : memoryview
        The compressed object.
    """

    offset: int
    length: int
    raw: bytes
    body: memoryview


def read_blocks(file: Readable) -> Iterator[Header | Block]:
    """Read a file from its beginning to its end.

    Parameters
    ----------
    file : Readable
        At its beginning.

    Yields
    ------
    Header or Block
        The header first.

    Raises
    ------
    ArchiveCorrupt
        What is there is not a whole file with one object a block.
    """
    header, data = _head(file)
    yield header
    offset = at = header.length
    while True:
        if len(data) - at < _LONGEST_COUNTS:
            data, at = data[at:] + file.read(_READ_BYTES), 0
        if at == len(data):
            return
        size, after = read_long(data, at + 1)
        length = after - at + max(size, 0) + SYNC
        if length > MAX_OBJECT:
            raise ArchiveCorrupt(f"the block at byte {offset} gives no sensible length")
        if length > len(data) - at:
            data, at = data[at:] + file.read(max(length - len(data) + at, _READ_BYTES)), 0
        raw = data[at : at + length]
        yield Block(offset, length, raw, open_block(raw, header.sync))
        offset, at = offset + length, at + length


def _head(file: Readable) -> tuple[Header, bytes]:
    data = b""
    while True:
        chunk = file.read(_READ_BYTES)
        data += chunk
        try:
            return read_header(data), data
        except ArchiveCorrupt:
            # An alert's schema is longer than one chunk; a damaged header ends with the file.
            if not chunk or len(data) > _LONGEST_HEADER:
                raise
