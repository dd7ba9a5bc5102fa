"""Alerts as they go into the archive's files: compressed, hashed, block after block."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apdb.alerts.encoding import encode_longs
from apdb.alerts.packets import NO_STAMPS
from apdb.archive.container import block_pieces, compressor

_STAMPS_AT_ONCE = 64


class StampRecords(Protocol):
    """Stamps of some alerts, made when a thread is ready to take them."""

    def __len__(self) -> int: ...

    def records(self, rows: slice, names: Sequence[bytes]) -> list[Any]:
        """Return the last three fields of some packets, each behind a name.

        Parameters
        ----------
        rows : slice
            Which of the alerts.
        names : sequence of bytes
            Ids, Avro.

        Returns
        -------
        list of (bytes-like or None)
            None for an alert without stamps.
        """


@dataclass(frozen=True)
class GivenStamps:
    """Stamps that are there already.

    Attributes
    ----------
    tails : sequence of (bytes-like or None)
        The last three fields of each packet.
    """

    tails: Sequence[Any]

    def __len__(self) -> int:
        return len(self.tails)

    def records(self, rows: slice, names: Sequence[bytes]) -> list[Any]:
        """Return the last three fields of some packets, each behind a name; see `StampRecords`.

        Parameters
        ----------
        rows : slice
            Which of the alerts.
        names : sequence of bytes
            Ids, Avro.
        """
        return [
            None if tail is None or tail == NO_STAMPS else b"".join((name, tail))
            for name, tail in zip(names, self.tails[rows], strict=True)
        ]


@dataclass(frozen=True)
class Blocks:
    """Blocks one after the other, as they go into a file.

    Attributes
    ----------
    data : bytes
        All of them.
    rows : list of (int, int, int)
        Length, CRC-32 (signed) and length before compression of each alert's block; -1, 0 and -1
        for an alert without.
    """

    data: bytes
    rows: list[tuple[int, int, int]]


@dataclass(frozen=True)
class Encoded:
    """Some alerts as they go into the files.

    Attributes
    ----------
    packets, stamps : Blocks
        What goes into each file.
    digests : list of bytes
        SHA-256 of each full packet.
    """

    packets: Blocks
    stamps: Blocks
    digests: list[bytes]


def join_blocks(bodies: Sequence[tuple[Any, int]], sync: bytes) -> Blocks:
    """Return the blocks of compressed objects.

    Parameters
    ----------
    bodies : sequence of (bytes-like or None, int)
        Each object, compressed, and its length before; None for an alert without.
    sync : bytes
        The file's marker.

    Returns
    -------
    Blocks
    """
    pieces: list[Any] = []
    lengths: list[int] = []
    for body, _ in bodies:
        if body is None:
            lengths.append(-1)
        else:
            block = block_pieces(body, sync)
            pieces += block
            lengths.append(sum(map(len, block)))
    data = b"".join(pieces)
    view = memoryview(data)
    rows: list[tuple[int, int, int]] = []
    at = 0
    for length, (_, size) in zip(lengths, bodies, strict=True):
        if length < 0:
            rows.append((-1, 0, -1))
        else:
            crc = zlib.crc32(view[at : at + length])
            rows.append((length, crc - (crc >> 31 << 32), size))
            at += length
    return Blocks(data, rows)


def encode_alerts(
    ids: NDArray[np.int64],
    packets: Sequence[Any],
    stamps: tuple[StampRecords, slice] | None,
    codec: str,
    syncs: tuple[bytes, bytes],
) -> Encoded:
    """Compress and hash some alerts.

    Parameters
    ----------
    ids : ndarray of int64, shape (n,)
        The alerts.
    packets : sequence of bytes-like, length n
        Their packets with three null stamps.
    stamps : (StampRecords, slice), optional
        Stamps of more alerts, and which of them are of these.
    codec : str
        How to compress.
    syncs : (bytes, bytes)
        Markers of the files of packets and of stamps.

    Returns
    -------
    Encoded

    Raises
    ------
    ValueError
        A packet is not that of its id, or has stamps.
    """
    compress, compress_stamps = compressor(codec), compressor(codec, fast=True)
    names = encode_longs(ids).rows()
    bodies: list[tuple[Any, int]] = []
    tails: list[tuple[Any, int]] = []
    digests: list[bytes] = []
    # Of stamps so few at a time that the cache holds them until they are compressed.
    for start in range(0, len(packets), _STAMPS_AT_ONCE):
        part = slice(start, min(start + _STAMPS_AT_ONCE, len(packets)))
        records = _records(stamps, part, names[part])
        for name, packet, record in zip(names[part], packets[part], records, strict=True):
            view = memoryview(packet)
            if view[: len(name)] != name:
                raise ValueError(f"the packet given for alert {ids[len(bodies)]} is not its own")
            if record is not None and view[-len(NO_STAMPS) :] != NO_STAMPS:
                raise ValueError(
                    f"the packet given for alert {ids[len(bodies)]} has stamps already"
                )
            bodies.append((compress(view), len(view)))
            if record is None:
                tails.append((None, -1))
                digests.append(hashlib.sha256(view).digest())
            else:
                tails.append((compress_stamps(record), len(record) - len(name)))
                digests.append(_digest(view, memoryview(record)[len(name) :]))
    return Encoded(join_blocks(bodies, syncs[0]), join_blocks(tails, syncs[1]), digests)


def _records(
    stamps: tuple[StampRecords, slice] | None, part: slice, names: Sequence[bytes]
) -> list[Any]:
    if stamps is None:
        return [None] * len(names)
    all_of_them, rows = stamps
    return all_of_them.records(slice(rows.start + part.start, rows.start + part.stop), names)


def _digest(packet: memoryview, tail: memoryview) -> bytes:
    """Return the SHA-256 of a full packet."""
    digest = hashlib.sha256(packet[: -len(NO_STAMPS)])
    digest.update(tail)
    return digest.digest()
