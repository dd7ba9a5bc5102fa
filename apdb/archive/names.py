"""What files of the archive are called, and what their names say."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from dataclasses import dataclass

from apdb.archive.upload import PART

OWNER = "archive.json"
"""File that says which database the archive belongs to."""

SPOOL = "spool"
"""Folder of stamps that wait for their alerts to be completed."""

_NAME = re.compile(
    rf"(?P<spool>{SPOOL}/)?" + r"(?P<night>\d{4}-\d\d-\d\d)/"
    r"(?P<visit>\d{1,18})_(?P<detector>\d{1,5})_(?P<attempt>\d{1,18})_[0-9a-f]{8}"
    r"\.(?P<kind>packets|stamps)\.avro(?P<part>" + re.escape(PART) + ")?"
)
_MANIFEST = re.compile(r"\d{4}-\d\d-\d\d/manifest-\d+\.json")


@dataclass(frozen=True)
class Name:
    """A name of a file of alerts.

    Attributes
    ----------
    night : str
        Observing night.
    visit, detector, attempt : int
        Whose alerts, and the attempt that wrote them.
    kind : str
        ``packets`` or ``stamps``.
    spooled : bool
        True for stamps that wait.
    part : bool
        True for a file that is not whole yet.
    """

    night: str
    visit: int
    detector: int
    attempt: int
    kind: str
    spooled: bool
    part: bool


def file_stem(visit: int, detector: int, night: dt.date | str, attempt: int) -> str:
    """Return the beginning of a path that no other attempt takes.

    The number of the attempt tells maintenance whose the file is; the rest keeps it unique even
    where the database was restored from a backup and numbers its attempts again.

    Parameters
    ----------
    visit, detector : int
        Whose alerts.
    night : date or str
        Folder.
    attempt : int
        Number of the attempt.

    Returns
    -------
    str
    """
    return f"{night}/{visit}_{detector:03d}_{attempt}_{secrets.token_hex(4)}"


def parse(path: str) -> Name | None:
    """Return what the name of a file of alerts says.

    Parameters
    ----------
    path : str
        Below the archive's root.

    Returns
    -------
    Name or None
        None for any other file.
    """
    found = _NAME.fullmatch(path)
    if found is None:
        return None
    return Name(
        found["night"],
        int(found["visit"]),
        int(found["detector"]),
        int(found["attempt"]),
        found["kind"],
        found["spool"] is not None,
        found["part"] is not None,
    )


def is_ours(path: str) -> bool:
    """Tell whether a file that holds no alerts belongs to the archive all the same.

    Parameters
    ----------
    path : str
        Below the archive's root.

    Returns
    -------
    bool
        True for manifests, and for the file that says whose the archive is.
    """
    return path in (OWNER, OWNER + PART) or _MANIFEST.fullmatch(path.removesuffix(PART)) is not None


def manifest_path(night: dt.date | str, seal: int) -> str:
    """Return where the manifest of a seal is.

    Parameters
    ----------
    night : date or str
        Observing night.
    seal : int
        Number of the seal.

    Returns
    -------
    str
    """
    return f"{night}/manifest-{seal}.json"
