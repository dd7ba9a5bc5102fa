"""Large files written past the page cache, where the file system can."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from pathlib import Path

_BUFFER_BYTES = 4 * 2**20
_O_DIRECT = getattr(os, "O_DIRECT", 0)


class DirectFile:
    """A new file that is written from its beginning to its end.

    What fills a buffer goes past the page cache, which holds the database: it costs the processor
    a tenth, and leaves nothing to wait for at the end.  A file smaller than that is written as any.

    Parameters
    ----------
    path : Path
        Its name; what is there is overwritten.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._open = True
        self._buffer: mmap.mmap | None = None
        self._held = 0
        self._direct = False

    def write(self, data: bytes) -> int:
        """Append bytes.

        Parameters
        ----------
        data : bytes
            What to append.

        Returns
        -------
        int
            How many.

        Raises
        ------
        OSError
            The disk is full, or the like.
        """
        if self._buffer is None:
            # Anonymous memory begins with a page, as direct writing wants it.
            self._buffer = mmap.mmap(-1, _BUFFER_BYTES)
        whole, start = memoryview(data), 0
        while start < len(whole):
            if self._held == _BUFFER_BYTES:
                self._direct = self._direct or _set_direct(self._fd, on=True)
                self._drain()
            stop = min(len(whole), start + _BUFFER_BYTES - self._held)
            self._buffer[self._held : self._held + stop - start] = whole[start:stop]
            self._held += stop - start
            start = stop
        return len(data)

    def flush(self) -> None:
        """Have what was written so far reach the disk; may be called from another thread."""
        if not self._direct:
            os.fdatasync(self._fd)

    def finish(self, *, sync: bool) -> None:
        """Write what is left and close the file.

        Parameters
        ----------
        sync : bool
            Wait until it is on stable storage.
        """
        if self._direct:
            _set_direct(self._fd, on=False)
        self._drain()
        if sync:
            os.fsync(self._fd)
        self.close()

    def close(self) -> None:
        """Close the file as it is; again, nothing happens."""
        if self._open:
            self._open = False
            os.close(self._fd)
            if self._buffer is not None:
                self._buffer.close()
                self._buffer = None

    def _drain(self) -> None:
        """Write what the buffer holds."""
        if self._buffer is None:
            return
        with memoryview(self._buffer) as whole, whole[: self._held] as held:
            written = 0
            while written < len(held):
                try:
                    with held[written:] as rest:
                        written += os.write(self._fd, rest)
                except OSError as error:
                    if error.errno != errno.EINVAL or not self._direct:
                        raise
                    # An interrupted write may end anywhere, and some file systems want more.
                    _set_direct(self._fd, on=False)
                    self._direct = False
        self._held = 0


def _set_direct(descriptor: int, *, on: bool) -> bool:
    """Write past the page cache, or through it again; return whether it is past it now."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~_O_DIRECT
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | (_O_DIRECT if on else 0))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return on and bool(_O_DIRECT)
