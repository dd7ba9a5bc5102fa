"""Tarballs: single-alert files as ZTF publishes them, and stamps as FITS files."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from apdb.retrieval.content import Alert, Wanted
from apdb.retrieval.described import described, json_line
from apdb.retrieval.plain_formats import ContainerFile, Format, MakeCursor

INDEXED = 10_000
"""Alerts to an index within a tarball."""

_SHORT = {
    "difference": "cutoutDifference",
    "science": "cutoutScience",
    "template": "cutoutTemplate",
}
STAMPS = MappingProxyType(_SHORT)
"""The stamps by the names that file names and addresses use."""


class TarFile(Format):
    """A tarball of container files with one alert each, named by id as ZTF's are.

    After every 10,000 alerts and at the end there is a member ``index-1.jsonl`` and so on, with
    what the index says of each: which are superseded or withdrawn, and where to go on.

    Parameters
    ----------
    what : Wanted
        Which parts.
    """

    media_type: ClassVar[str] = "application/x-tar"
    suffix: ClassVar[str] = "tar"

    def __init__(self, what: Wanted) -> None:
        self._what = what
        self._lines: list[bytes] = []
        self._n_indexes = 0

    def alert(self, found: Alert, cursor: MakeCursor) -> bytes:
        """Return the members of an alert.

        Parameters
        ----------
        found : Alert
            The alert.
        cursor : callable
            Makes the cursor that leads on after it.
        """
        self._lines.append(json_line(described(found.row, cursor())))
        members = [_member(name, data) for name, data in self._files(found).items()]
        if len(self._lines) >= INDEXED:
            members.append(self._index())
        return b"".join(members)

    def _files(self, found: Alert) -> Mapping[str, bytes]:
        return {f"{_stem(found)}.avro": single_file(found, self._what)}

    def end(self) -> bytes:
        """Return the index and the end of the archive."""
        return self._index() + bytes(2 * tarfile.BLOCKSIZE)

    def _index(self) -> bytes:
        self._n_indexes += 1
        made = _member(f"index-{self._n_indexes}.jsonl", b"".join(self._lines))
        self._lines = []
        return made


class FitsFiles(TarFile):
    """A tarball of the stamps as FITS files, ``<id>_difference.fits`` and so on."""

    suffix: ClassVar[str] = "fits.tar"

    def _files(self, found: Alert) -> Mapping[str, bytes]:
        stamps = found.stamps()
        names = {f"{_stem(found)}_{short}.fits": full for short, full in STAMPS.items()}
        return {name: data for name, full in names.items() if (data := stamps[full]) is not None}


def single_file(found: Alert, what: Wanted, codec: str = "null") -> bytes:
    """Return an object container file with one alert.

    Parameters
    ----------
    found : Alert
        The alert.
    what : Wanted
        Which parts.
    codec : str, optional
        ``null``, ``deflate`` or ``zstd``.

    Returns
    -------
    bytes
    """
    made = ContainerFile(found.schema, what, codec)
    return made.begin() + made.alert(found, str) + made.end()


def _stem(found: Alert) -> str:
    row = found.row
    return f"{row.dia_source_id}" + (f"_r{row.revision}" if row.status == "superseded" else "")


def _member(name: str, data: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    padding = bytes(-len(data) % tarfile.BLOCKSIZE)
    return b"".join((info.tobuf(tarfile.USTAR_FORMAT), data, padding))
