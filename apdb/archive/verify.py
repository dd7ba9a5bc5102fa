"""Holds files, index and database of an archive against each other.

Three questions: are the files those that the index knows, byte by byte; is each of their blocks an
alert of the index, with its checksum, and the other way round; and has every eligible source one
current alert.  What is found is listed, nothing is changed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apdb.alerts.encoding import encode_long
from apdb.archive.blocks import Block, read_blocks
from apdb.archive.container import Header, decompress
from apdb.archive.maintenance import archive_place
from apdb.archive.names import is_ours, manifest_path, parse
from apdb.archive.place import Place
from apdb.archive.writer import NO_STAMPS
from apdb.errors import ArchiveCorrupt, ArchiveUnavailable, NotFound
from apdb.session import Session

MOST_SHOWN = 1000
"""Discrepancies of one kind that are listed; all are counted."""

Watch = Callable[[int, int], None]
"""Called with how many bytes are read, and of how many."""

_LONG = 3600.0


@dataclass(frozen=True)
class Discrepancy:
    """Something that does not fit.

    Attributes
    ----------
    what : str
        What it is, in a few words that do not change.
    path : str or None
        File of the archive.
    visit, detector, dia_source_id : int or None
        Whose.
    detail : str or None
        More.
    """

    what: str
    path: str | None = None
    visit: int | None = None
    detector: int | None = None
    dia_source_id: int | None = None
    detail: str | None = None

    def __str__(self) -> str:
        names = ("path", "visit", "detector", "dia_source_id", "detail")
        places = [f"{name} {v}" for name in names if (v := getattr(self, name)) is not None]
        return f"{self.what}: {', '.join(places)}" if places else self.what


@dataclass
class Verified:
    """What was looked at and what was found.

    Attributes
    ----------
    n_files, n_alerts, n_bytes : int
        Files of the index, alerts and revisions read, bytes read.
    n_removed : int
        Files that retention removed.
    n_waiting : int
        Files without index whose attempt may live, or that wait for `apdb maintain`.
    counts : dict of str to int
        How many discrepancies of each kind.
    discrepancies : list of Discrepancy
        The first `MOST_SHOWN` of each kind.
    """

    n_files: int = 0
    n_alerts: int = 0
    n_bytes: int = 0
    n_removed: int = 0
    n_waiting: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    discrepancies: list[Discrepancy] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """True if nothing was found."""
        return not self.counts

    def add(self, found: Discrepancy) -> None:
        """Note a discrepancy.

        Parameters
        ----------
        found : Discrepancy
            What does not fit.
        """
        n = self.counts[found.what] = self.counts.get(found.what, 0) + 1
        if n <= MOST_SHOWN:
            self.discrepancies.append(found)


class _File(NamedTuple):
    path: str
    kind: str
    visit: int
    detector: int
    state: str
    size: int
    sha256: bytes
    n_alerts: int


class _Row(NamedTuple):
    dia_source_id: int
    revision: int
    is_current: bool
    codec: str
    packet_file: str
    packet_offset: int
    packet_length: int
    packet_crc: int | None
    packet_size: int | None
    stamps_file: str | None
    stamps_offset: int | None
    stamps_length: int | None
    stamps_crc: int | None
    stamps_size: int | None
    sha256: bytes


def verify(
    session: Session,
    *,
    night: dt.date | str | None = None,
    deep: bool = True,
    every_visit: bool = False,
    watch: Watch | None = None,
) -> Verified:
    """Verify an archive.

    Parameters
    ----------
    session : Session
        The database.
    night : date or str, optional
        Only this night; default all.
    deep : bool, optional
        Read every byte; otherwise only whether the files are there, and their lengths.
    every_visit : bool, optional
        Report eligible sources of visits that have no alerts at all too, such as those that were
        stored before the database had an archive.
    watch : callable, optional
        Told of the progress.

    Returns
    -------
    Verified

    Raises
    ------
    ArchiveUnavailable
        The database has no archive, or it cannot be read.
    """
    place = archive_place(session)
    if place is None:
        raise ArchiveUnavailable("This database has no archive: the setting archive_url is empty.")
    found = Verified()
    _against_database(session, night, every_visit, found)
    files = _files(session, night)
    total = sum(file.size for file in files if file.state == "whole") if deep else 0
    for (visit, detector), group in itertools.groupby(files, lambda f: (f.visit, f.detector)):
        some = list(group)
        there = [file for file in some if _is_there(place, file, found)]
        found.n_files += len(some)
        if deep and there:
            _read(place, there, _rows(session, visit, detector), found)
            found.n_bytes += sum(file.size for file in there)
            if watch is not None:
                watch(found.n_bytes, total)
    _seals(session, place, night, found)
    _others(session, place, night, found)
    return found


def _against_database(
    session: Session, night: dt.date | str | None, every_visit: bool, found: Verified
) -> None:
    with session.reading(_LONG) as connection:
        rows = connection.execute(
            "select v.what, v.path, v.visit, v.detector, v.dia_source_id, v.detail "
            "from apdb.verify_index(%s, %s) as v",
            (night, every_visit),
        )
        for row in rows:
            found.add(Discrepancy(*row))


def _files(session: Session, night: dt.date | str | None) -> list[_File]:
    with (
        session.reading(_LONG) as connection,
        connection.cursor(row_factory=lambda _: _File._make) as cursor,
    ):
        return cursor.execute("select * from apdb.archived_files(%s)", (night,)).fetchall()


def _rows(session: Session, visit: int, detector: int) -> list[_Row]:
    with (
        session.reading(_LONG) as connection,
        connection.cursor(row_factory=lambda _: _Row._make, binary=True) as cursor,
    ):
        return cursor.execute(
            "select * from apdb.indexed_alerts(%s, %s::integer)", (visit, detector)
        ).fetchall()


def _is_there(place: Place, file: _File, found: Verified) -> bool:
    size = place.size(file.path)
    if file.state != "whole":
        found.n_removed += 1
        if file.state == "removed" and size is not None:
            found.add(_of(file, "file that retention removed is there"))
        return False
    if size is None:
        found.add(_of(file, "file is missing"))
    elif size != file.size:
        found.add(_of(file, "file has another length", f"{size} bytes instead of {file.size}"))
    return size is not None


def _of(file: _File, what: str, detail: str | None = None, alert: int | None = None) -> Discrepancy:
    return Discrepancy(what, file.path, file.visit, file.detector, alert, detail)


def _read(place: Place, files: Sequence[_File], rows: list[_Row], found: Verified) -> None:
    """Read the files of a visit: packets, and then the stamps that complete them."""
    readable = {file.path for file in files}
    begun: dict[tuple[int, int], Any] = {}
    for file in sorted(files, key=lambda f: f.kind):
        stamps = file.kind == "stamps"
        of_file = {
            row.stamps_offset if stamps else row.packet_offset: row
            for row in rows
            if file.path == (row.stamps_file if stamps else row.packet_file)
        }
        for row, body in _blocks(place, file, of_file, found):
            key = (row.dia_source_id, row.revision)
            if stamps:
                digest = begun.pop(key, None)
                if digest is None:
                    continue
                digest.update(body)
            else:
                found.n_alerts += 1
                whole = row.stamps_file is None
                digest = hashlib.sha256(body if whole else body[: -len(NO_STAMPS)])
                if not whole:
                    if row.stamps_file in readable:
                        begun[key] = digest
                    continue
            if digest.digest() != row.sha256:
                found.add(_of(file, "SHA-256 of the alert differs", None, row.dia_source_id))


def _blocks(
    place: Place, file: _File, rows: dict[Any, _Row], found: Verified
) -> Iterator[tuple[_Row, bytes]]:
    """Yield the alerts of a file that are as the index says."""
    digest = hashlib.sha256()
    left = dict(rows)
    try:
        with place.open(file.path) as opened:
            for part in read_blocks(_Hashing(opened, digest)):
                if isinstance(part, Header):
                    codec = part.codec
                    continue
                row = left.pop(part.offset, None)
                if row is None:
                    found.add(
                        _of(file, "block that the index does not have", f"byte {part.offset}")
                    )
                    continue
                wrong, body = _compare(file, part, codec, row)
                if wrong is not None:
                    found.add(_of(file, wrong, f"byte {part.offset}", row.dia_source_id))
                else:
                    yield row, body
    except (ArchiveCorrupt, NotFound) as error:
        found.add(_of(file, "file is damaged", str(error)))
    else:
        if digest.digest() != file.sha256:
            found.add(_of(file, "SHA-256 of the file differs"))
    for row in left.values():
        found.add(_of(file, "alert of the index is not in the file", None, row.dia_source_id))


class _Hashing:
    """A file that hashes what is read of it."""

    def __init__(self, file: Any, digest: Any) -> None:
        self._file = file
        self._digest = digest

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        self._digest.update(data)
        return data


def _compare(file: _File, block: Block, codec: str, row: _Row) -> tuple[str | None, bytes]:
    """Compare a block with its row of the index; return what is wrong, and the bytes."""
    stamps = file.kind == "stamps"
    length, crc, size = (
        (row.stamps_length, row.stamps_crc, row.stamps_size)
        if stamps
        else (row.packet_length, row.packet_crc, row.packet_size)
    )
    if block.length != length or codec != row.codec:
        return "block has another length or codec than the index says", b""
    if crc is not None and zlib.crc32(block.raw) != crc & 0xFFFFFFFF:
        return "checksum of the block differs", b""
    try:
        data = decompress(block.body, codec)
    except ArchiveCorrupt:
        return "block does not decompress", b""
    name = encode_long(row.dia_source_id)
    if not data.startswith(name):
        return "block holds another alert", b""
    body = data[len(name) :] if stamps else data
    if size is not None and len(body) != size:
        return "alert has another length than the index says", b""
    return None, body


def _seals(session: Session, place: Place, night: dt.date | str | None, found: Verified) -> None:
    with session.reading() as connection:
        rows = connection.execute(
            "select s.night, s.seal, s.manifest_sha256 from apdb.night_seal as s "
            "where %s::date is null or s.night = %s order by s.night, s.seal",
            (night, night),
        ).fetchall()
    for sealed, seal, sha256 in rows:
        path = manifest_path(sealed, seal)
        try:
            if place.sha256(path) != sha256:
                found.add(Discrepancy("manifest differs from what was sealed", path))
        except NotFound:
            found.add(Discrepancy("manifest of a sealed night is missing", path))


def _others(session: Session, place: Place, night: dt.date | str | None, found: Verified) -> None:
    """Look for files that the index does not have."""
    for folder in place.folders() if night is None else [str(night)]:
        entries = place.entries(folder)
        # After the list: what was committed before it is seen.
        with session.reading(_LONG) as connection:
            known = {
                path
                for (path,) in connection.execute(
                    "select f.path from apdb.archive_file as f where f.path = any(%s)",
                    ([entry.path for entry in entries],),
                )
            }
        for entry in entries:
            if entry.path in known or is_ours(entry.path):
                continue
            if parse(entry.path) is not None:
                found.n_waiting += 1
            else:
                found.add(Discrepancy("file that is none of the archive's", entry.path))
