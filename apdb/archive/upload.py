"""Files on their way into the archive: whole under their name, or not there at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from apdb.archive.direct import DirectFile
from apdb.errors import ArchiveUnavailable

PART = ".part"
"""Ending of a file that is being written."""

_SPOOL_BYTES = 64 * 2**20


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
        self._file = DirectFile(self._part)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append bytes; see `Upload`.

        Parameters
        ----------
        pieces : sequence of bytes
            What to append.
        """
        for piece in pieces:
            self._file.write(piece)

    def flush(self) -> None:
        """Have what was written so far reach the disk; see `Upload`."""
        self._file.flush()

    def publish(self) -> None:
        """Make the file appear under its name; see `Upload`."""
        self._file.finish(sync=True)
        self._part.rename(self._target)
        for folder in (self._target.parent, *self._changed):
            _sync_folder(folder)

    def discard(self) -> None:
        """Remove what was written; see `Upload`."""
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._part.unlink()


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
