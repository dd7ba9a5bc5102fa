"""Retention and orphans of the image store; a step of `apdb maintain`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apdb.archive.place import Entry, Place
from apdb.archive.upload import PART
from apdb.errors import ImagesUnavailable
from apdb.images.files import OWNER, telling
from apdb.session import Session

_AT_A_TIME = 2000
_OURS = re.compile(r".+\.fits(" + re.escape(PART) + ")?")


@dataclass
class ImagesMaintained:
    """What was removed from the image store, or would be.

    Attributes
    ----------
    expired, orphans : list of (str, int, str)
        Path, length [byte] and reason of each file: given up by retention; never registered.
    n_spared : int
        Files that are not registered, but too young to tell.
    """

    expired: list[tuple[str, int, str]] = field(default_factory=list)
    orphans: list[tuple[str, int, str]] = field(default_factory=list)
    n_spared: int = 0


def maintain_images(
    session: Session,
    place: Place,
    *,
    dry_run: bool,
    orphan_age: float,
    watch: Callable[[int, int], None] = lambda _done, _total: None,
) -> ImagesMaintained:
    """Remove what retention gives up, and what was never registered; safe at any time.

    Parameters
    ----------
    session : Session
        The database.
    place : Place
        Its image store.
    dry_run : bool
        Change nothing and say what would be done.
    orphan_age : float
        How old a file must be before it can be an orphan [s].
    watch : callable, optional
        Told how many files are done, of how many.

    Returns
    -------
    ImagesMaintained

    Raises
    ------
    ImagesUnavailable
        The store cannot be used, or belongs to another database.
    """
    found = ImagesMaintained()
    with telling():
        _claim(session, place, dry_run)
        _expire(session, place, found, dry_run, watch)
        entries = [each for each in place.entries() if _OURS.fullmatch(each.path)]
        for start in range(0, len(entries), _AT_A_TIME):
            watch(start, len(entries))
            some = entries[start : start + _AT_A_TIME]
            _orphans(session, place, some, found, dry_run, orphan_age)
    return found


def _claim(session: Session, place: Place, dry_run: bool) -> None:
    """Make sure that the place is this database's: another's files would all be orphans here."""
    with session.reading() as connection:
        row = connection.execute(
            "select m.value from apdb.metadata as m where m.name = 'state.archive_id'"
        ).fetchone()
    ours = None if row is None else row[0]
    size = place.size(OWNER)
    if size is None:
        if not dry_run:
            place.put(OWNER, json.dumps({"archive_id": ours}).encode() + b"\n")
        return
    theirs: Any
    try:
        theirs = json.loads(place.read(OWNER, 0, size))["archive_id"]
    except (ValueError, KeyError, TypeError):
        theirs = "nobody that can be read"
    if theirs != ours:
        raise ImagesUnavailable(
            f"The image store {place.url} belongs to another database ({OWNER} names {theirs}, "
            f"this is {ours}). Nothing was removed. Give each database a place of its own; if the "
            f"other one is gone for good, remove {OWNER}."
        )


def _expire(
    session: Session,
    place: Place,
    found: ImagesMaintained,
    dry_run: bool,
    watch: Callable[[int, int], None],
) -> None:
    with session.connection() as connection:
        rows = connection.execute(
            "select e.path, e.size, e.why from apdb.expire_images(%s) as e", (dry_run,)
        ).fetchall()
    found.expired += rows
    for start in range(0, 0 if dry_run else len(rows), _AT_A_TIME):
        watch(start, len(rows))
        paths = [path for path, _, _ in rows[start : start + _AT_A_TIME]]
        for path in paths:
            place.remove(path)
        with session.connection() as connection:
            connection.execute("select apdb.images_removed(%s)", (paths,))


def _orphans(
    session: Session,
    place: Place,
    entries: list[Entry],
    found: ImagesMaintained,
    dry_run: bool,
    orphan_age: float,
) -> None:
    # The files were listed before the index is asked: what is registered by then is seen.
    with session.connection() as connection:
        unknown = {
            path
            for (path,) in connection.execute(
                "select u from apdb.unindexed_images(%s) as u",
                ([each.path for each in entries],),
            ).fetchall()
        }
    for each in entries:
        if each.path not in unknown:
            continue
        if each.modified is None or time.time() - each.modified < orphan_age:
            found.n_spared += 1
            continue
        why = "was not finished" if each.path.endswith(PART) else "was never registered"
        found.orphans.append((each.path, each.size, why))
        if not dry_run:
            place.remove(each.path)
