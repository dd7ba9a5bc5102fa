"""Reads alerts out of the archive by their ranges.

An alert is read by one range of a file, or two with stamps.  Of many, those that lie close together
in a file are read at once.  Memory is bounded by a window of rows, whatever their number.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from apdb.alerts.encoding import encode_longs
from apdb.archive.container import MAX_OBJECT, decompress, open_block, read_header, sync_marker
from apdb.archive.place import Place
from apdb.archive.writer import NO_STAMPS
from apdb.errors import ArchiveCorrupt, NotFound

_WINDOW_BYTES = 16 * 2**20
_WINDOW_ROWS = 1024
_GAP = 64 * 2**10
_HEADER_BYTES = 2**18


class Span(NamedTuple):
    """A block of a file.

    Attributes
    ----------
    file : str
        Path below the archive's root.
    offset, length : int
        Its range [byte].
    crc : int or None
        CRC-32 of the range, signed; None to leave it unchecked.
    """

    file: str
    offset: int
    length: int
    crc: int | None = None


class Location(NamedTuple):
    """Where an alert is.

    Attributes
    ----------
    dia_source_id : int
        The alert.
    packet : Span
        Its packet without stamps.
    stamps : Span or None
        Its stamps; None if there are none.
    codec : str
        How both are compressed.
    sha256 : bytes or None
        Of the uncompressed full packet; None to leave it unchecked.
    packed : bool
        True to be given what is asked for as it lies in the file, compressed; only where it has a
        CRC-32 and is one block.
    """

    dia_source_id: int
    packet: Span
    stamps: Span | None
    codec: str
    sha256: bytes | None = None
    packed: bool = False


def read_packets(place: Place, rows: Iterable[Location], *, stamps: bool = True) -> Iterator[bytes]:
    """Read alerts, in the order asked for.

    Parameters
    ----------
    place : Place
        The archive.
    rows : iterable of Location
        Which alerts; taken as they are needed.
    stamps : bool, optional
        Whether to return full packets, or those with three null stamps.

    Yields
    ------
    bytes
        Packets, schemaless Avro; those that are asked for packed, compressed.

    Raises
    ------
    NotFound
        A file is not there.
    ArchiveCorrupt
        A file is damaged; names alert, file and place.
    ArchiveUnavailable
        The archive cannot be read.
    """
    for window in _windows(rows, packets=True, stamps=stamps):
        blocks = _fetch(place, window, packets=True, stamps=stamps)
        for row, name in zip(window, _names(window), strict=True):
            if row.packed:
                yield bytes(_body(row, row.packet, blocks))
                continue
            packet = _object(row, row.packet, blocks, name)
            if stamps and row.stamps is not None:
                if packet[-3:] != NO_STAMPS:
                    raise _damaged(row, row.packet, "the packet does not end with null stamps")
                packet = packet[:-3] + _stamps(row, blocks, name)
            if stamps or row.stamps is None:
                _check(row, packet)
            yield packet


def read_stamps(place: Place, rows: Iterable[Location]) -> Iterator[bytes]:
    """Read the stamps of alerts alone, in the order asked for.

    Parameters
    ----------
    place : Place
        The archive.
    rows : iterable of Location
        Which alerts; taken as they are needed.

    Yields
    ------
    bytes
        The last three fields of each packet, Avro; see `apdb.archive.stamps.split_stamps`.  Those
        that are asked for packed: behind the id, compressed.

    Raises
    ------
    NotFound
        A file is not there.
    ArchiveCorrupt
        A file is damaged; names alert, file and place.
    ArchiveUnavailable
        The archive cannot be read.
    """
    for window in _windows(rows, packets=False, stamps=True):
        blocks = _fetch(place, window, packets=False, stamps=True)
        for row, name in zip(window, _names(window), strict=True):
            if row.packed and row.stamps is not None:
                yield bytes(_body(row, row.stamps, blocks))
            else:
                yield NO_STAMPS if row.stamps is None else _stamps(row, blocks, name)


def read_metadata(place: Place, path: str) -> dict[str, str]:
    """Read the metadata of a file's header.

    Parameters
    ----------
    place : Place
        The archive.
    path : str
        File, below the root.

    Returns
    -------
    dict of str to str
        ``avro.schema`` (JSON), ``avro.codec`` and the rest, which begins with ``apdb.``.

    Raises
    ------
    NotFound
        There is no such file.
    ArchiveCorrupt
        Its header is damaged.
    """
    try:
        header = read_header(place.read(path, 0, _HEADER_BYTES))
    except ArchiveCorrupt as error:
        raise ArchiveCorrupt(f"{path} is damaged: {error}") from error
    return {key: value.decode(errors="replace") for key, value in header.meta.items()}


def _windows(rows: Iterable[Location], *, packets: bool, stamps: bool) -> Iterator[list[Location]]:
    window: list[Location] = []
    size = 0
    for row in rows:
        length = row.packet.length if packets else 0
        length += row.stamps.length if stamps and row.stamps is not None else 0
        if window and (size + length > _WINDOW_BYTES or len(window) == _WINDOW_ROWS):
            yield window
            window, size = [], 0
        window.append(row)
        size += length
    if window:
        yield window


def _fetch(
    place: Place, rows: Sequence[Location], *, packets: bool, stamps: bool
) -> dict[Span, memoryview]:
    """Read the blocks of some alerts, with as few reads as is sensible."""
    wanted = [row.packet for row in rows] if packets else []
    if stamps:
        wanted += [row.stamps for row in rows if row.stamps is not None]
    by_file: dict[str, list[Span]] = defaultdict(list)
    for span in wanted:
        if span.offset < 0 or not 0 < span.length <= MAX_OBJECT:
            raise ArchiveCorrupt(f"the index gives no sensible range in {span.file}")
        by_file[span.file].append(span)
    found: dict[Span, memoryview] = {}
    for file, spans in by_file.items():
        runs = list(_runs(spans))
        ranges = [(run[0].offset, max(span.offset + span.length for span in run)) for run in runs]
        for run, (start, _), data in zip(
            runs, ranges, place.read_ranges(file, ranges), strict=True
        ):
            view = memoryview(data)
            for span in run:
                found[span] = view[span.offset - start : span.offset - start + span.length]
    return found


def _runs(spans: list[Span]) -> Iterator[list[Span]]:
    """Group the blocks of a file that lie close together."""
    spans.sort(key=attrgetter("offset"))
    run = [spans[0]]
    for before, span in itertools.pairwise(spans):
        if span.offset - before.offset - before.length > _GAP:
            yield run
            run = []
        run.append(span)
    yield run


def _names(rows: Sequence[Location]) -> list[bytes]:
    """Return the ids of alerts as their objects begin with them."""
    return encode_longs(np.array([row.dia_source_id for row in rows], np.int64)).rows()


def _stamps(row: Location, blocks: dict[Span, memoryview], name: bytes) -> bytes:
    assert row.stamps is not None
    return _object(row, row.stamps, blocks, name)[len(name) :]


def _object(row: Location, span: Span, blocks: dict[Span, memoryview], name: bytes) -> bytes:
    """Return the object of a block, which begins with the alert's id."""
    body = _body(row, span, blocks)
    try:
        data = decompress(body, row.codec)
        if not data.startswith(name):
            raise ArchiveCorrupt("what is there belongs to another alert")
    except ArchiveCorrupt as error:
        raise _damaged(row, span, str(error)) from error
    return data


def _body(row: Location, span: Span, blocks: dict[Span, memoryview]) -> memoryview:
    """Return the compressed object of a block."""
    raw = blocks[span]
    try:
        if len(raw) != span.length:
            raise ArchiveCorrupt("the file ends before the alert does")
        if span.crc is not None and zlib.crc32(raw) != span.crc & 0xFFFFFFFF:
            raise ArchiveCorrupt("its bytes are not those that were written (CRC-32)")
        return open_block(raw, _marker(span.file))
    except ArchiveCorrupt as error:
        raise _damaged(row, span, str(error)) from error


def _check(row: Location, packet: bytes) -> None:
    if row.sha256 is not None and hashlib.sha256(packet).digest() != row.sha256:
        raise _damaged(row, row.packet, "its SHA-256 is not that of the index")


_marker = functools.lru_cache(maxsize=64)(sync_marker)


def _damaged(row: Location, span: Span, what: str) -> ArchiveCorrupt:
    return ArchiveCorrupt(
        f"Alert {row.dia_source_id} cannot be read from {span.file} at byte {span.offset}: {what}"
    )


__all__ = ["Location", "NotFound", "Span", "read_metadata", "read_packets", "read_stamps"]
