"""Where the archive's files are: a local folder, or anything that fsspec reaches by URL.

A file appears under its name whole or not at all.  On a local folder it is written under another
name, flushed to the disk, renamed, and the folder flushed; elsewhere it is written to a local
temporary file and uploaded as a whole.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from apdb.archive.upload import LocalUpload, RemoteUpload, Upload
from apdb.errors import ArchiveUnavailable, InvalidInput, NotFound


@dataclass(frozen=True)
class Entry:
    """A file that is there.

    Attributes
    ----------
    path : str
        Path below the archive's root, with ``/``.
    size : int
        Length [byte].
    modified : float or None
        Time of the last change [s since 1970 UTC]; None where the place does not know.
    """

    path: str
    size: int
    modified: float | None


class Place:
    """A place for files, below one root; threads may share it.

    Parameters
    ----------
    url : str
        A path of a local folder, or a URL such as ``file:///…``, ``s3://…`` or ``memory://…``.

    Raises
    ------
    ArchiveUnavailable
        The URL is of a kind that is not known here, or needs a package that is not installed.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url)
        if not self.url.strip():
            raise ArchiveUnavailable(
                "This database has no archive: the setting archive_url is empty."
            )
        import fsspec  # slow to import; most commands see no archive

        try:
            self._fs, root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise ArchiveUnavailable(f"The archive {self.url} cannot be opened: {error}") from error
        protocols = (
            (self._fs.protocol,) if isinstance(self._fs.protocol, str) else self._fs.protocol
        )
        self._folder = Path(root) if "file" in protocols else None
        self._root = str(root).rstrip("/")

    def __repr__(self) -> str:
        return f"Place({self.url!r})"

    @property
    def folder(self) -> Path | None:
        """The local folder; None if the archive is elsewhere."""
        return self._folder

    def read(self, path: str, start: int, stop: int) -> bytes:
        """Read a range of a file.

        Parameters
        ----------
        path : str
            File, below the root.
        start, stop : int
            First byte, and the byte after the last.

        Returns
        -------
        bytes
            Shorter than asked for if the file ends before.

        Raises
        ------
        NotFound
            There is no such file.
        ArchiveUnavailable
            The place does not answer, or refuses.
        """
        with self._telling(path):
            if self._folder is None:
                # A range that begins behind the end is an error to some stores and empty to others.
                if start >= self._fs.size(self._at(path)):
                    return b""
                return bytes(self._fs.cat_file(self._at(path), start=start, end=stop))
            descriptor = os.open(self._at(path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return _pread(descriptor, start, stop)
            finally:
                os.close(descriptor)

    def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of one file, at once where the place can.

        Parameters
        ----------
        path : str
            File, below the root.
        ranges : sequence of (int, int)
            First byte, and the byte after the last, of each.

        Returns
        -------
        list of bytes
            As `read` returns each.

        Raises
        ------
        NotFound
            There is no such file.
        ArchiveUnavailable
            The place does not answer, or refuses.
        """
        with self._telling(path):
            if self._folder is None:
                return self._remote_ranges(path, ranges)
            descriptor = os.open(self._at(path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return [_pread(descriptor, start, stop) for start, stop in ranges]
            finally:
                os.close(descriptor)

    def _remote_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        at, size = self._at(path), self._fs.size(self._at(path))
        inside = [(start, min(stop, size)) for start, stop in ranges if start < size]
        found = iter(
            self._fs.cat_ranges([at] * len(inside), [s for s, _ in inside], [e for _, e in inside])
            if inside
            else []
        )
        return [bytes(next(found)) if start < size else b"" for start, _ in ranges]

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a file to read it from its beginning.

        Parameters
        ----------
        path : str
            File, below the root.

        Yields
        ------
        file object
            Binary, buffered.

        Raises
        ------
        NotFound
            There is no such file.
        ArchiveUnavailable
            The place does not answer, or refuses.
        """
        with self._telling(path):
            opened = self._fs.open(self._at(path), "rb")
        with opened:
            yield opened

    def size(self, path: str) -> int | None:
        """Return the length of a file [byte]; None if there is none.

        Parameters
        ----------
        path : str
            File, below the root.

        Raises
        ------
        ArchiveUnavailable
            The place does not answer, or refuses.
        """
        try:
            with self._telling(path):
                return int(self._fs.size(self._at(path)))
        except NotFound:
            return None

    def entries(self, under: str | None = None) -> list[Entry]:
        """List all files.

        Parameters
        ----------
        under : str, optional
            Folder below the root to list alone; ``""`` for what lies in none.

        Returns
        -------
        list of Entry
            Ordered by path; empty if there is no such folder.

        Raises
        ------
        ArchiveUnavailable
            The place does not answer, or refuses.
        """
        top = self._at(under) if under else self._root
        try:
            with self._telling(under or "/"):
                found = self._fs.find(top, maxdepth=1 if under == "" else None, detail=True)
        except NotFound:
            return []
        entries = [
            Entry(self._below(name), int(info["size"]), _modified(info))
            for name, info in found.items()
            if info["type"] == "file"
        ]
        return sorted(entries, key=lambda entry: entry.path)

    def folders(self) -> list[str]:
        """List the folders at the top, and ``""`` for what lies beside them.

        Returns
        -------
        list of str
            Ordered.

        Raises
        ------
        ArchiveUnavailable
            The place does not answer, or refuses.
        """
        try:
            with self._telling("/"):
                found = self._fs.ls(self._root, detail=True)
        except NotFound:
            return []
        return ["", *sorted(self._below(e["name"]) for e in found if e["type"] == "directory")]

    def sha256(self, path: str) -> bytes:
        """Return the SHA-256 of a file.

        Parameters
        ----------
        path : str
            File, below the root.

        Raises
        ------
        NotFound
            There is no such file.
        ArchiveUnavailable
            The place does not answer, or refuses.
        """
        with self.open(path) as file, self._telling(path):
            found = hashlib.sha256()
            while chunk := file.read(2**20):
                found.update(chunk)
            return found.digest()

    def remove(self, path: str) -> bool:
        """Remove a file.

        Parameters
        ----------
        path : str
            File, below the root.

        Returns
        -------
        bool
            False if there was none.

        Raises
        ------
        ArchiveUnavailable
            The place does not answer, or refuses.
        """
        try:
            with self._telling(path):
                self._fs.rm_file(self._at(path))
        except NotFound:
            return False
        return True

    def put(self, path: str, data: bytes) -> None:
        """Write a small file whole, in place of one that may be there.

        Parameters
        ----------
        path : str
            File, below the root.
        data : bytes
            Its content.

        Raises
        ------
        ArchiveUnavailable
            The place does not answer, or refuses.
        """
        upload = self.upload(path, replace=True)
        try:
            upload.write([data])
            upload.publish()
        finally:
            upload.discard()

    def upload(self, path: str, *, replace: bool = False) -> Upload:
        """Begin to write a file.

        Parameters
        ----------
        path : str
            File, below the root.
        replace : bool, optional
            Whether a file of this name may be there already.

        Returns
        -------
        Upload
            To be published or discarded.

        Raises
        ------
        ArchiveUnavailable
            The place does not answer, or refuses; or the file exists.
        """
        if not replace and self.size(path) is not None:
            raise ArchiveUnavailable(f"The archive {self.url} has a file {path} already.")
        target = self._at(path)
        with self._telling(path, writing=True):
            if self._folder is not None:
                return LocalUpload(Path(target))
            return RemoteUpload(self._fs, target, path)

    def _at(self, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or parts[0] == "/" or ".." in parts:
            raise InvalidInput(f"{path!r} is no path below the archive's root")
        return f"{self._root}/{path}"

    def _below(self, name: str) -> str:
        # Some stores begin their names with a slash and some do not.
        return name.lstrip("/").removeprefix(self._root.lstrip("/")).lstrip("/")

    @contextmanager
    def _telling(self, path: str, *, writing: bool = False) -> Iterator[None]:
        """Turn what a file system says into apdb's errors."""
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not writing:
                raise NotFound(f"The archive {self.url} has no file {path}.") from error
            raise ArchiveUnavailable(
                f"The archive {self.url} cannot be used: {path}: {error.strerror or error}"
            ) from error


def _pread(descriptor: int, start: int, stop: int) -> bytes:
    found = os.pread(descriptor, stop - start, start)
    if len(found) == stop - start:
        return found
    # A single read gives at most 2 GiB and may be cut short by a signal.
    pieces = [found]
    at = start + len(found)
    while at < stop and pieces[-1]:
        pieces.append(os.pread(descriptor, stop - at, at))
        at += len(pieces[-1])
    return b"".join(pieces)


def _modified(info: dict[str, Any]) -> float | None:
    for key in ("mtime", "LastModified", "last_modified", "modified", "created"):
        value = info.get(key)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, dt.datetime):
            return value.timestamp()
    return None
