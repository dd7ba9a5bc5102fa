"""Files on their way into the image store, and back."""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apdb.archive.place import Place
from apdb.errors import ArchiveUnavailable, ImagesUnavailable, NotFound

OWNER = "images.json"
"""File that says which database the image store belongs to."""

PRODUCTION = "main"
"""Folder of the run without a tag."""

_CHUNK = 4 * 2**20
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Written:
    """A file that is whole in the image store.

    Attributes
    ----------
    path : str
        Below the root of the store.
    size : int
        Length [byte].
    sha256 : bytes
        Of its content.
    """

    path: str
    size: int
    sha256: bytes


def image_path(run: str, night: object, visit: int, detector: int, kind: str) -> str:
    """Return a path that no other file has.

    Parameters
    ----------
    run : str
        Tag of the run; empty for the production.
    night : date or str
        Observing night.
    visit, detector : int
        Which image.
    kind : str
        What is in it.

    Returns
    -------
    str
    """
    # a tag of dots would lead out of the store
    folder = (_NOT_IN_NAMES.sub("_", run).strip(".") or "_") if run else PRODUCTION
    return f"{folder}/{night}/{visit}_{detector:03d}_{secrets.token_hex(4)}.{kind}.fits"


def template_path(name: str, band: str) -> str:
    """Return a path for a template that no other file has.

    Parameters
    ----------
    name : str
        What it is called.
    band : str
        Band.

    Returns
    -------
    str
    """
    plain = _NOT_IN_NAMES.sub("_", name).strip("._") or "template"
    return f"templates/{plain}/{_NOT_IN_NAMES.sub('_', band)}_{secrets.token_hex(4)}.fits"


def put(place: Place, path: str, write: Callable[[Path], None]) -> Written:
    """Write a file that is there as a whole, or not at all.

    Parameters
    ----------
    place : Place
        Root of the store.
    path : str
        Its path.
    write : callable
        Writes the content into a local file.

    Returns
    -------
    Written

    Raises
    ------
    ImagesUnavailable
        The place does not answer, refuses, or has no room.
    """
    with tempfile.TemporaryDirectory(prefix="apdb-image-") as folder, telling():
        local = Path(folder) / Path(path).name
        write(local)
        digest, size = hashlib.sha256(), 0
        upload = place.upload(path)
        try:
            with local.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    upload.write([chunk])
                    digest.update(chunk)
                    size += len(chunk)
            upload.publish()
        except OSError as error:
            raise ImagesUnavailable(
                f"The image store {place.url} cannot be written: {path}: {error.strerror or error}"
            ) from error
        finally:
            upload.discard()
    return Written(path, size, digest.digest())


@contextmanager
def local_copy(place: Place, written: Written) -> Iterator[Path]:
    """Lend a file of the store as a local file.

    Parameters
    ----------
    place : Place
        Root of the store.
    written : Written
        Which file, and what it must be.

    Yields
    ------
    Path
        The file itself where the store is a local folder, otherwise a copy that goes with the
        block.

    Raises
    ------
    ImagesUnavailable
        It is gone, or not what was written.
    """
    with telling():
        found = place.size(written.path)
        if found != written.size:
            what = "is gone" if found is None else f"has {found} bytes, not {written.size}"
            raise ImagesUnavailable(f"In the image store {place.url}, {written.path} {what}")
    if place.folder is not None:
        yield place.folder / written.path
        return
    with tempfile.TemporaryDirectory(prefix="apdb-image-") as folder:
        local = Path(folder) / Path(written.path).name
        digest = hashlib.sha256()
        with telling(), place.open(written.path) as source, local.open("wb") as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
        if digest.digest() != written.sha256:
            raise ImagesUnavailable(
                f"In the image store {place.url}, {written.path} is not what was written there"
            )
        yield local


@contextmanager
def telling() -> Iterator[None]:
    """Say of the image store what `Place` says of an archive.

    Raises
    ------
    ImagesUnavailable
        Instead of ArchiveUnavailable and NotFound.
    """
    try:
        yield
    except (ArchiveUnavailable, NotFound) as error:
        text = str(error).replace("The archive ", "The image store ", 1)
        raise ImagesUnavailable(text) from error
