"""Files of images in a folder: which there are, and which are whole."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from apdb.errors import InvalidInput

ENDINGS = (".fits", ".fit", ".fts", ".fits.fz", ".fits.gz")


@dataclass(frozen=True)
class Arrived:
    """A file that is to be processed.

    Attributes
    ----------
    path : Path
        Absolute.
    since : float
        When its last byte was written [s since 1970 UTC].
    fresh : bool
        True if it came while the folder was watched.
    """

    path: Path
    since: float
    fresh: bool


@dataclass
class Folder:
    """A folder that images arrive in.

    Attributes
    ----------
    root : Path
        The folder.
    settle : float
        A file that arrives is whole when its size has not changed for so long [s].
    pending : bool
        True if a file was there at the last look that was not whole yet.
    """

    root: Path
    settle: float = 1.0
    pending: bool = False
    _sizes: dict[Path, tuple[int, float]] = field(default_factory=dict)
    _given: set[Path] = field(default_factory=set)
    _watching: bool = False

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise InvalidInput(f"{self.root} is no folder")

    def arrived(self) -> list[Arrived]:
        """Return the files that are whole and were not returned before.

        At the first call these are all that are there; later ones are fresh, and wait until they
        are whole.  Names that begin with a dot, or end otherwise than images do, are left alone: a
        writer may use such a name and rename the file when it is complete.

        Returns
        -------
        list of Arrived
            By name.
        """
        now, found = time.time(), []
        self.pending = False
        for path in sorted(self.root.iterdir()):
            if path in self._given or not _is_image(path):
                continue
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            size, since = self._sizes.get(path, (-1, now))
            if status.st_size != size:
                self._sizes[path] = (status.st_size, now)
                since = now
            old = now - status.st_mtime >= self.settle
            if old or now - since >= self.settle:
                self._given.add(path)
                found.append(Arrived(path.absolute(), status.st_mtime, self._watching))
            else:
                self.pending = True
        self._watching = True
        return found


def _is_image(path: Path) -> bool:
    name = path.name.lower()
    return not name.startswith(".") and name.endswith(ENDINGS) and path.is_file()
