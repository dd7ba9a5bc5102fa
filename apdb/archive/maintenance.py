"""What `apdb maintain` does: partitions ahead, retention, orphans, seals.

All of it may be broken off at any point and done again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from apdb.archive.manifest import night_manifest
from apdb.archive.names import OWNER, Name, is_ours, manifest_path, parse
from apdb.archive.place import Entry, Place
from apdb.errors import ArchiveUnavailable, Busy
from apdb.images.maintenance import ImagesMaintained, maintain_images
from apdb.schema.partitions import make_partitions
from apdb.session import Session

STEPS = ("partitions", "retention", "orphans", "seals", "images")
"""What there is to do, in order."""

ORPHAN_AGE = 3600.0
"""How old a file must be before it can be an orphan [s]."""

Watch = Callable[[str, int, int], None]
"""Called with the step, how much is done, and of how much."""

_LOCK = (17006, 0)
_AT_A_TIME = 2000


@dataclass(frozen=True)
class Removed:
    """A file that was removed, or would be.

    Attributes
    ----------
    path : str
        Below the archive's root.
    size : int
        Length [byte].
    why : str
        The reason.
    """

    path: str
    size: int
    why: str


@dataclass(frozen=True)
class Sealed:
    """A night that was sealed, or would be.

    Attributes
    ----------
    night : str
        Observing night.
    seal : int
        Number of the seal, counted from 1.
    manifest : str
        Path of the manifest.
    n_alerts : int
        Current alerts.
    n_missing : int
        Eligible sources without alert.
    met : bool
        Whether the night meets the requirements.
    """

    night: str
    seal: int
    manifest: str
    n_alerts: int
    n_missing: int
    met: bool


@dataclass
class Maintained:
    """What was done, or would be in a dry run.

    Attributes
    ----------
    dry_run : bool
        True if nothing was changed.
    partitions : list of str
        Partitions made; in a dry run empty.
    expired : list of Removed
        Files that retention gave up.
    orphans : list of Removed
        Files that no committed transaction refers to.
    spared : list of str
        Files without index whose attempt lives, or that are too young to tell.
    strange : list of str
        Files that are not this database's to judge.
    sealed : list of Sealed
        Nights.
    n_requests : int
        Requests to the alert service that retention forgot.
    images : ImagesMaintained
        Files of the image store.
    """

    dry_run: bool
    partitions: list[str] = field(default_factory=list)
    expired: list[Removed] = field(default_factory=list)
    orphans: list[Removed] = field(default_factory=list)
    spared: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    sealed: list[Sealed] = field(default_factory=list)
    n_requests: int = 0
    images: ImagesMaintained = field(default_factory=ImagesMaintained)


def maintain(
    session: Session,
    *,
    steps: Sequence[str] = STEPS,
    dry_run: bool = False,
    orphan_age: float = ORPHAN_AGE,
    watch: Watch | None = None,
) -> Maintained:
    """Do what keeps an archive in order; safe at any time, beside visits that are being stored.

    Parameters
    ----------
    session : Session
        The database.
    steps : sequence of str, optional
        Which of `STEPS`.
    dry_run : bool, optional
        Change nothing and say what would be done.
    orphan_age : float, optional
        How old a file must be before it can be an orphan [s].
    watch : callable, optional
        Told of the progress.

    Returns
    -------
    Maintained

    Raises
    ------
    Busy
        Another maintenance is at work.
    ArchiveUnavailable
        The archive cannot be used, or belongs to another database.
    """
    done = Maintained(dry_run)
    told = watch or (lambda _step, _done, _total: None)
    with _alone(session):
        if "partitions" in steps and not dry_run:
            done.partitions += _partitions(session)
        if "retention" in steps:
            with session.connection() as connection:
                done.n_requests = _value(connection, "select apdb.forget_requests(%s)", dry_run)
        place = archive_place(session)
        if place is not None and "retention" in steps:
            done.expired += _expire(session, place, dry_run, told)
        if place is not None and "orphans" in steps:
            _claim(session, place, dry_run)
            _orphans(session, place, done, orphan_age, told)
        if place is not None and "seals" in steps:
            done.sealed += _seal(session, place, dry_run, told)
        if "images" in steps:
            done.images = _images(session, dry_run, orphan_age, told)
    return done


def _images(session: Session, dry_run: bool, orphan_age: float, told: Watch) -> ImagesMaintained:
    with session.reading() as connection:
        url = _value(connection, "select apdb.setting('image_url')")
    if not url:
        return ImagesMaintained()
    return maintain_images(
        session,
        Place(url),
        dry_run=dry_run,
        orphan_age=orphan_age,
        watch=lambda done, total: told("images", done, total),
    )


def archive_place(session: Session) -> Place | None:
    """Return the archive of a database.

    Parameters
    ----------
    session : Session
        The database.

    Returns
    -------
    Place or None
        None if it has none.

    Raises
    ------
    ArchiveUnavailable
        Its URL is none that can be opened.
    """
    with session.reading() as connection:
        url = _value(connection, "select apdb.setting('archive_url')")
    return Place(url) if url else None


@contextmanager
def _alone(session: Session) -> Iterator[None]:
    with session.connection() as connection:
        if not _value(connection, "select pg_try_advisory_lock(%s, %s)", *_LOCK):
            raise Busy("Another `apdb maintain` is at work in this database; nothing was done")
        connection.commit()
        try:
            yield
        finally:
            with contextlib.suppress(psycopg.Error):
                connection.execute("select pg_advisory_unlock(%s, %s)", _LOCK)


def _partitions(session: Session) -> list[str]:
    with session.connection() as connection:
        row = connection.execute(
            "select t.mjd, apdb.setting('partitions_ahead_days')::double precision "
            "from (select apdb.mjd_tai(clock_timestamp()) as mjd) as t"
        ).fetchone()
        assert row is not None
        connection.rollback()
        before = _partition_names(connection)
        make_partitions(connection, row[0], row[0] + row[1], session.busy_timeout)
        return sorted(_partition_names(connection) - before)


def _partition_names(connection: psycopg.Connection[Any]) -> set[str]:
    rows = connection.execute(
        "select c.relname from pg_class as c where c.relnamespace = 'apdb_base'::regnamespace "
        "and c.relispartition and c.relkind = 'r'"
    ).fetchall()
    connection.rollback()
    return {name for (name,) in rows}


def _expire(session: Session, place: Place, dry_run: bool, told: Watch) -> list[Removed]:
    with session.connection() as connection:
        rows = connection.execute(
            "select e.path, e.size, e.why from apdb.expire_files(%s) as e", (dry_run,)
        ).fetchall()
    found = [Removed(*row) for row in rows]
    for start in range(0, 0 if dry_run else len(found), _AT_A_TIME):
        told("retention", start, len(found))
        some = found[start : start + _AT_A_TIME]
        for each in some:
            place.remove(each.path)
        with session.connection() as connection:
            connection.execute("select apdb.files_removed(%s)", ([each.path for each in some],))
    return found


def _claim(session: Session, place: Place, dry_run: bool) -> None:
    """Make sure that the place is this database's: another's files would all be orphans here."""
    with session.reading() as connection:
        ours = _value(
            connection, "select m.value from apdb.metadata as m where m.name = 'state.archive_id'"
        )
    size = place.size(OWNER)
    if size is None:
        if not dry_run:
            place.put(OWNER, json.dumps({"archive_id": ours}).encode() + b"\n")
        return
    try:
        theirs = json.loads(place.read(OWNER, 0, size))["archive_id"]
    except (ValueError, KeyError, TypeError):
        theirs = "nobody that can be read"
    if theirs != ours:
        raise ArchiveUnavailable(
            f"The archive {place.url} belongs to another database ({OWNER} names {theirs}, this is "
            f"{ours}). Nothing was removed. Give each database a place of its own; if the other "
            f"one is gone for good, remove {OWNER}."
        )


def _orphans(
    session: Session, place: Place, done: Maintained, orphan_age: float, told: Watch
) -> None:
    folders = place.folders()
    for number, folder in enumerate(folders):
        told("orphans", number, len(folders))
        entries = place.entries(folder)
        for start in range(0, len(entries), _AT_A_TIME):
            some = entries[start : start + _AT_A_TIME]
            _orphans_among(session, place, some, done, orphan_age)


def _orphans_among(
    session: Session, place: Place, entries: list[Entry], done: Maintained, orphan_age: float
) -> None:
    parsed = [(entry, parse(entry.path)) for entry in entries]
    named = [(entry, name) for entry, name in parsed if name is not None]
    done.strange += [e.path for e, name in parsed if name is None and not is_ours(e.path)]
    # The order matters.  The files are listed; then the attempts that live are read; and only then
    # the index: what had ended before that has committed, and is seen, or never will.
    with session.connection() as connection:
        living = {
            attempt
            for (attempt,) in connection.execute(
                "select a.attempt_id from apdb.open_attempts() as a where a.state <> 'died'"
            )
        }
    with session.connection() as connection:
        unindexed = dict(
            connection.execute(
                "select u.path, u.ours from apdb.unindexed_files(%s, %s, %s, %s) as u",
                (
                    [entry.path for entry, _ in named],
                    [name.visit for _, name in named],
                    [name.detector for _, name in named],
                    [name.attempt for _, name in named],
                ),
            ).fetchall()
        )
    for entry, name in named:
        if entry.path not in unindexed:
            continue
        young = entry.modified is not None and time.time() - entry.modified < orphan_age
        if name.attempt in living or young:
            done.spared.append(entry.path)
        elif not unindexed[entry.path]:
            done.strange.append(entry.path)
        else:
            done.orphans.append(Removed(entry.path, entry.size, _why(name)))
            if not done.dry_run:
                place.remove(entry.path)


def _why(name: Name) -> str:
    what = "was not finished" if name.part else "was never committed"
    return f"attempt {name.attempt} {what}"


def _seal(session: Session, place: Place, dry_run: bool, told: Watch) -> list[Sealed]:
    with session.reading() as connection:
        nights = connection.execute("select * from apdb.nights_to_seal()").fetchall()
    found: list[Sealed] = []
    for number, (night, seal) in enumerate(nights):
        told("seals", number, len(nights))
        found.append(_seal_night(session, place, night, seal, dry_run))
    return found


def _seal_night(session: Session, place: Place, night: dt.date, seal: int, dry_run: bool) -> Sealed:
    path = manifest_path(night, seal)
    with session.connection() as connection:
        connection.execute("set transaction isolation level repeatable read")
        found = night_manifest(connection, night, seal)
        if not dry_run:
            text = json.dumps(found, indent=1).encode() + b"\n"
            place.put(path, text)
            paths = [file["path"] for file in found["files"]]
            connection.execute(
                "select apdb.seal_night(%s, %s, %s, %s, %s, %s)",
                (night, seal, paths, found["n_alerts"], path, hashlib.sha256(text).digest()),
            )
    met = found["requirement"]["met"]
    return Sealed(str(night), seal, path, found["n_alerts"], found["n_missing"], met)


def _value(connection: psycopg.Connection[Any], query: Any, *values: object) -> Any:
    row = connection.execute(query, values).fetchone()
    return None if row is None else row[0]
