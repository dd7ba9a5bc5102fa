"""One file of the archive while it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.archive.container import make_header, sync_marker
from apdb.archive.encode import Blocks
from apdb.archive.place import Place
from apdb.archive.upload import Upload

_BATCH_ROWS = 128
_BATCH_BYTES = 4 * 2**20
_FLUSH_BYTES = 16 * 2**20


@dataclass(frozen=True)
class ArchiveFile:
    """A file that was written.

    Attributes
    ----------
    path : str
        Below the archive's root.
    kind : str
        ``packets`` or ``stamps``.
    size : int
        Length [byte].
    sha256 : bytes
        Of the file.
    n_alerts : int
        Number of blocks.
    """

    path: str
    kind: str
    size: int
    sha256: bytes
    n_alerts: int


@dataclass(frozen=True)
class Ranges:
    """Where the objects of a file are; arrays of shape (n,), in the order in which they were added.

    Attributes
    ----------
    offset, length : ndarray of int64
        Range of each block [byte]; -1 where there is none.
    crc : ndarray of int32
        CRC-32 of the block as it lies in the file; 0 where there is none.
    size : ndarray of int64
        Length before compression, of stamps without their id [byte]; -1 where there are none.
    """

    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    crc: NDArray[np.int32]
    size: NDArray[np.int64]


class Sink:
    """A file of blocks, made when the first block comes.

    Parameters
    ----------
    place : Place
        The archive.
    path : str
        Below its root; its last parts but one say the kind.
    schema : object
        Avro schema of the objects.
    codec : str
        How blocks are compressed.
    meta : mapping of str to str
        For the header.
    """

    def __init__(
        self, place: Place, path: str, schema: object, codec: str, meta: Mapping[str, str]
    ) -> None:
        self.path = path
        self.sync = sync_marker(path)
        self._place = place
        self._header = make_header(path, schema, codec, meta)
        self._upload: Upload | None = None
        self._at = self._n = 0
        self._digest = hashlib.sha256()
        self._rows: list[tuple[int, int, int, int]] = []
        self._flusher = ThreadPoolExecutor(1, "archive-flush")
        self._flushing: Future[None] | None = None
        self._unflushed = 0
        self._published = False

    @property
    def n(self) -> int:
        """Number of blocks."""
        return self._n

    def append(self, blocks: Blocks) -> None:
        """Append blocks.

        Parameters
        ----------
        blocks : Blocks
            Those of some alerts.
        """
        if blocks.data:
            self._begin()
        for length, crc, size in blocks.rows:
            if length < 0:
                self._rows.append((-1, -1, 0, -1))
            else:
                self._rows.append((self._at, length, crc, size))
                self._at += length
                self._n += 1
        if blocks.data:
            self._put(blocks.data)

    def publish(self) -> None:
        """Make the file appear; an empty one is a header alone."""
        upload = self._begin()
        if self._flushing is not None:
            self._flushing.result()
        upload.publish()
        self._published = True

    def settle(self) -> None:
        """Wait for the threads."""
        self._flusher.shutdown(wait=True)

    def remove(self) -> None:
        """Remove what was written, published or not."""
        if self._upload is not None:
            self._upload.discard()
            if self._published:
                self._place.remove(self.path)

    def ranges(self) -> Ranges:
        """Return where the blocks are."""
        table = np.array(self._rows, np.int64).reshape(-1, 4)
        return Ranges(table[:, 0], table[:, 1], table[:, 2].astype(np.int32), table[:, 3])

    def described(self) -> ArchiveFile:
        """Return what the index says of the file."""
        kind = self.path.split(".")[-2]
        return ArchiveFile(self.path, kind, self._at, self._digest.digest(), self.n)

    def _begin(self) -> Upload:
        if self._upload is None:
            self._upload = self._place.upload(self.path)
            self._put(self._header)
            self._at = len(self._header)
        return self._upload

    def _put(self, data: bytes) -> None:
        assert self._upload is not None
        self._upload.write([data])
        self._digest.update(data)
        self._unflushed += len(data)
        # What the disk has taken meanwhile need not be waited for before the commit.
        if self._unflushed >= _FLUSH_BYTES and (self._flushing is None or self._flushing.done()):
            self._unflushed = 0
            self._flushing = self._flusher.submit(self._upload.flush)


def batches(packets: Sequence[Any]) -> Iterator[slice]:
    """Cut alerts into pieces that a thread takes at once.

    Parameters
    ----------
    packets : sequence of bytes-like
        Packets.

    Yields
    ------
    slice
        Rows.
    """
    start = size = 0
    for k, packet in enumerate(packets):
        size += len(packet)
        if k - start + 1 == _BATCH_ROWS or size >= _BATCH_BYTES:
            yield slice(start, k + 1)
            start, size = k + 1, 0
    if start < len(packets):
        yield slice(start, len(packets))
