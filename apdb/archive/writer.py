"""Writes the archive's files of one (visit, detector): packets without stamps, and stamps.

Threads compress and hash; one thread writes.  Nothing is decoded: the writer knows of a packet only
that it begins with its diaSourceId and ends with three stamps that are null.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apdb.archive.container import compressor
from apdb.archive.encode import Encoded, GivenStamps, StampRecords, encode_alerts
from apdb.archive.names import file_stem
from apdb.archive.place import Place
from apdb.archive.sink import ArchiveFile, Ranges, Sink, batches
from apdb.errors import ArchiveUnavailable

NO_STAMPS = b"\x00\x00\x00"
"""How a packet without stamps ends: three nulls."""

CUTOUTS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")

_IN_FLIGHT = 12
_NICE = 5


class Schema(Protocol):
    """What the writer wants to know of an alert schema."""

    @property
    def version(self) -> str:
        """Version, such as 11.1."""

    @property
    def extended(self) -> bool:
        """Whether fields of our own come behind the stamps."""

    @property
    def avro(self) -> Any:
        """The whole record, as JSON would have it."""


@dataclass(frozen=True)
class Published:
    """What a writer wrote, for the index.

    Attributes
    ----------
    packet_file : str
        Path of the packets below the archive's root.
    stamps_file : str or None
        Path of the stamps; None if no alert has any.
    dia_source_id : ndarray of int64, shape (n,)
        Alerts, in the order in which they were added.
    packets, stamps : Ranges
        Where each alert's packet and stamps are.
    sha256 : ndarray of uint8, shape (n, 32)
        SHA-256 of the uncompressed full packet.
    files : tuple of ArchiveFile
        The files.
    codec : str
        How the blocks are compressed.
    schema_version : str
        Version of the alert schema.
    visit, detector, attempt : int
        Whose alerts, and the attempt that wrote them.
    """

    packet_file: str
    stamps_file: str | None
    dia_source_id: NDArray[np.int64]
    packets: Ranges
    stamps: Ranges
    sha256: NDArray[np.uint8]
    files: tuple[ArchiveFile, ...]
    codec: str
    schema_version: str
    visit: int
    detector: int
    attempt: int

    @property
    def packet_offset(self) -> NDArray[np.int64]:
        """Where each packet's block begins [byte]."""
        return self.packets.offset

    @property
    def packet_length(self) -> NDArray[np.int64]:
        """Length of each packet's block [byte]."""
        return self.packets.length

    @property
    def stamps_offset(self) -> NDArray[np.int64]:
        """Where each alert's block of stamps begins [byte]; -1 for none."""
        return self.stamps.offset

    @property
    def stamps_length(self) -> NDArray[np.int64]:
        """Length of each alert's block of stamps [byte]; -1 for none."""
        return self.stamps.length


def stamps_schema(schema: Schema) -> dict[str, Any]:
    """Return the Avro schema of a file of stamps that goes with an alert schema.

    Parameters
    ----------
    schema : Schema
        Of the packets.

    Returns
    -------
    dict
    """
    namespace = schema.avro.get("namespace") or schema.avro["name"].rpartition(".")[0]
    fields: list[dict[str, Any]] = [{"name": "diaSourceId", "type": "long"}]
    fields += [{"name": name, "type": ["null", "bytes"], "default": None} for name in CUTOUTS]
    return {"type": "record", "name": "stamps", "namespace": namespace, "fields": fields}


class VisitWriter:
    """Writes the files of one (visit, detector).

    Parameters
    ----------
    place : Place
        The archive.
    visit, detector : int
        Whose alerts.
    night : date or str
        Observing night, the folder of the files.
    attempt : int
        Number of the attempt (`visit_attempt`), by which maintenance knows whose the files are.
    schema : Schema
        Of the packets.
    codec : {"zstd", "deflate", "null"}
        How blocks are compressed.
    header : mapping of str to str, optional
        Metadata for the header of both files, such as the content.
    threads : int, optional
        How many compress; default as many as there are processors, at most 4.

    Raises
    ------
    ArchiveUnavailable
        The place cannot be written to.
    """

    def __init__(
        self,
        place: Place,
        *,
        visit: int,
        detector: int,
        night: dt.date | str,
        attempt: int,
        schema: Schema,
        codec: str = "zstd",
        header: Mapping[str, str] | None = None,
        threads: int | None = None,
    ) -> None:
        self._stem = file_stem(visit, detector, night, attempt)
        self._key = (visit, detector, attempt)
        self._codec = codec
        compressor(codec)
        meta = {
            "visit": str(visit),
            "detector": str(detector),
            "night": str(night),
            "attempt": str(attempt),
            "schema_version": schema.version,
            **(header or {}),
        }
        self._version, self._extended = schema.version, schema.extended
        self._packets = Sink(place, f"{self._stem}.packets.avro", schema.avro, codec, meta)
        self._stamps = Sink(place, f"{self._stem}.stamps.avro", stamps_schema(schema), codec, meta)
        self._ids: list[NDArray[np.int64]] = []
        self._digests: list[bytes] = []
        n = threads or min(4, os.cpu_count() or 1)
        self._encoders = ThreadPoolExecutor(n, "archive-encode", _step_back)
        self._scribe = ThreadPoolExecutor(1, "archive-write")
        self._slots = threading.BoundedSemaphore(_IN_FLIGHT)
        self._written: list[Future[None]] = []
        self._failed = threading.Event()

    def add(
        self,
        dia_source_ids: ArrayLike,
        packets: Sequence[Any],
        stamps: Sequence[Any] | StampRecords | None = None,
    ) -> None:
        """Add alerts; returns before they are written, but waits where too much waits already.

        Parameters
        ----------
        dia_source_ids : array-like of int64, shape (n,)
            The alerts.
        packets : sequence of bytes-like, length n
            Their packets with three null stamps.  The bytes must stay as they are until `publish`.
        stamps : sequence of (bytes-like or None), or StampRecords, length n, optional
            The last three fields of each packet, see `apdb.archive.cutouts.Cutouts.encode`; or
            what makes them when a thread is ready to take them.

        Raises
        ------
        ValueError
            The lengths differ, or a packet is not that of its id or has stamps.
        ArchiveUnavailable
            An earlier write failed.
        """
        ids = np.asarray(dia_source_ids, np.int64)
        if len(ids) != len(packets) or (stamps is not None and len(stamps) != len(ids)):
            raise ValueError("dia_source_ids, packets and stamps must have the same length")
        if not len(ids):
            return
        if isinstance(stamps, Sequence):
            stamps = GivenStamps(stamps) if any(tail is not None for tail in stamps) else None
        if self._extended and stamps is not None:
            raise ValueError("in the extended schema packets do not end with the stamps")
        ids = ids.copy()
        self._ids.append(ids)
        for rows in batches(packets):
            if self._failed.is_set():
                self._wait()
            self._slots.acquire()
            encoded = self._encoders.submit(
                encode_alerts,
                ids[rows],
                packets[rows],
                None if stamps is None else (stamps, rows),
                self._codec,
                (self._packets.sync, self._stamps.sync),
            )
            self._written.append(self._scribe.submit(self._write, encoded))

    def publish(self) -> Published:
        """Make the files appear under their names, on stable storage.

        Returns
        -------
        Published

        Raises
        ------
        ValueError
            See `add`.
        ArchiveUnavailable
            The place cannot be written to; what was written is removed.
        """
        try:
            self._wait()
            ids = np.concatenate([np.empty(0, np.int64), *self._ids])
            files = [self._packets, *([self._stamps] if self._stamps.n else [])]
            if len(files) == 2:
                done = [self._encoders.submit(file.publish) for file in files]
                for each in done:
                    each.result()
            else:
                self._packets.publish()
        except OSError as error:
            self.abandon()
            raise ArchiveUnavailable(f"The alerts could not be archived: {error}") from error
        except BaseException:
            self.abandon()
            raise
        self._shut()
        return Published(
            self._packets.path,
            self._stamps.path if self._stamps.n else None,
            ids,
            self._packets.ranges(),
            self._stamps.ranges(),
            np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, 32),
            tuple(file.described() for file in files),
            self._codec,
            self._version,
            *self._key,
        )

    def abandon(self) -> None:
        """Remove what was written, published or not; for after a transaction that rolled back.

        Never after a commit whose outcome is unknown: then the files may be referred to, and
        maintenance decides.
        """
        self._failed.set()
        self._shut()
        self._packets.remove()
        self._stamps.remove()

    def _write(self, encoded: Future[Encoded]) -> None:
        try:
            found = encoded.result()
            if not self._failed.is_set():
                self._packets.append(found.packets)
                self._stamps.append(found.stamps)
                self._digests += found.digests
        except BaseException:
            self._failed.set()
            raise
        finally:
            self._slots.release()

    def _wait(self) -> None:
        """Wait for all that was added; raise what went wrong first."""
        for each in self._written:
            each.result()

    def _shut(self) -> None:
        self._encoders.shutdown(wait=True)
        self._scribe.shutdown(wait=True)
        self._packets.settle()
        self._stamps.settle()


def _step_back() -> None:
    """Let the database go first where it shares the processors: what it waits for, all wait for."""
    # Elsewhere this is of a process, not of a thread.
    if sys.platform == "linux":
        os.nice(_NICE)
