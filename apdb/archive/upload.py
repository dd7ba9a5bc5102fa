"""Files on their way into the archive: whole under their name, or not there at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from apdb.errors import ArchiveUnavailable

PART = ".part"
"""Ending of a file that is being written."""

_SPOOL_BYTES = 64 * 2**20
_BUFFER_BYTES = 4 * 2**20
_O_DIRECT = getattr(os, "O_DIRECT", 0)


class Upload(Protocol):
    """A file on its way; it is there after `publish`, and gone after `discard` before that."""

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append bytes.

        Parameters
        ----------
        pieces : sequence of bytes
            What to append, one after the other.

        Raises
        ------
        OSError
            The disk is full, or the like.
        """

    def flush(self) -> None:
        """Have what was written so far reach the disk; may be called from another thread."""

    def publish(self) -> None:
        """Make the file appear under its name, on stable storage.

        Raises
        ------
        OSError
            It could not.
        """

    def discard(self) -> None:
        """Remove what was written; after `publish` nothing happens."""


class LocalUpload:
    """A file in a local folder.

    Parameters
    ----------
    target : Path
        Its name in the end; folders that are missing are made.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part = target.with_name(target.name + PART)
        self._changed = _make_folders(target.parent)
        self._fd = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._open = True
        self._buffer: mmap.mmap | None = None
        self._held = 0
        self._direct = False

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append bytes; see `Upload`.

        Parameters
        ----------
        pieces : sequence of bytes
            What to append.
        """
        if self._buffer is None:
            # Anonymous memory begins with a page, as direct writing wants it.
            self._buffer = mmap.mmap(-1, _BUFFER_BYTES)
        for data in pieces:
            piece, start = memoryview(data), 0
            while start < len(piece):
                if self._held == _BUFFER_BYTES:
                    # What fills a buffer goes past the page cache, which holds the database: it
                    # costs the processor a tenth, and leaves nothing to wait for at the end.
                    self._direct = self._direct or _set_direct(self._fd, on=True)
                    self._drain()
                stop = min(len(piece), start + _BUFFER_BYTES - self._held)
                self._buffer[self._held : self._held + stop - start] = piece[start:stop]
                self._held += stop - start
                start = stop

    def flush(self) -> None:
        """Have what was written so far reach the disk; see `Upload`."""
        if not self._direct:
            os.fdatasync(self._fd)

    def publish(self) -> None:
        """Make the file appear under its name; see `Upload`."""
        if self._direct:
            _set_direct(self._fd, on=False)
        self._drain()
        os.fsync(self._fd)
        self._close()
        self._part.rename(self._target)
        for folder in (self._target.parent, *self._changed):
            _sync_folder(folder)

    def discard(self) -> None:
        """Remove what was written; see `Upload`."""
        self._close()
        with contextlib.suppress(FileNotFoundError):
            self._part.unlink()

    def _drain(self) -> None:
        """Write what the buffer holds."""
        if self._buffer is None:
            return
        with memoryview(self._buffer) as whole, whole[: self._held] as held:
            written = 0
            while written < len(held):  # interrupted, if more than once
                try:
                    written += os.write(self._fd, held[written:])
                except OSError as error:
                    if error.errno != errno.EINVAL or not self._direct:
                        raise
                    # An interrupted write may end anywhere, and some file systems want more.
                    _set_direct(self._fd, on=False)
                    self._direct = False
        self._held = 0

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._fd)
            if self._buffer is not None:
                self._buffer.close()
                self._buffer = None


def _set_direct(descriptor: int, *, on: bool) -> bool:
    """Write past the page cache, or through it again; return whether it is done."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~_O_DIRECT
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | (_O_DIRECT if on else 0))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return on and bool(_O_DIRECT)


class RemoteUpload:
    """A file in a store that fsspec reaches, sent as a whole when it is published.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        The store.
    target : str
        Name of the file there.
    path : str
        Its path below the archive's root, for messages.
    """

    def __init__(self, fs: Any, target: str, path: str) -> None:
        self._fs = fs
        self._target = target
        self._path = path
        self._size = 0
        self._spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 (closed by discard)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append bytes; see `Upload`.

        Parameters
        ----------
        pieces : sequence of bytes
            What to append.
        """
        for piece in pieces:
            self._size += self._spool.write(piece)

    def flush(self) -> None:
        """Nothing reaches the store before `publish`; see `Upload`."""

    def publish(self) -> None:
        """Send the file; see `Upload`."""
        self._spool.seek(0)
        self._fs.makedirs(self._target.rpartition("/")[0], exist_ok=True)
        with self._fs.open(self._target, "wb") as remote:
            shutil.copyfileobj(self._spool, remote, 4 * 2**20)
        self._fs.invalidate_cache()
        found = self._fs.size(self._target)
        if found != self._size:
            raise ArchiveUnavailable(
                f"{self._path} has {found} bytes there instead of {self._size}"
            )
        self._spool.close()

    def discard(self) -> None:
        """Forget what was written; see `Upload`."""
        self._spool.close()


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder; return those above it that got a new entry, which must reach the disk too."""
    changed: list[Path] = []
    missing = folder
    while not missing.is_dir():
        missing = missing.parent
        changed.append(missing)
    folder.mkdir(parents=True, exist_ok=True)
    return changed


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
