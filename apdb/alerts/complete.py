"""The job that completes alerts which were written without stamps or histories, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import ArrayLike

from apdb.alerts.rebuild import step_of
from apdb.alerts.render import Rendered, render
from apdb.alerts.rules import Rules, read_rules
from apdb.alerts.spool import read_spool, spool_path
from apdb.archive.cutouts import Cutouts
from apdb.archive.index import index_alerts
from apdb.archive.place import Place
from apdb.archive.writer import VisitWriter
from apdb.errors import InvalidInput, NotFound
from apdb.routine import call, first_row
from apdb.session import Session, client_name

_CHUNK = 512

Stamped = Iterator[tuple[int, Any]]


@dataclass(frozen=True)
class Completed:
    """Alerts that were completed together.

    Attributes
    ----------
    visit, detector : int
        Which visit.
    n_alerts : int
        How many; 0 if their stamps are still to come.
    content : str
        What they hold now: ``full`` or ``no_stamps``.
    store_seq : int
        Place of the new revisions in the order of knowledge; 0 if there are none.
    """

    visit: int
    detector: int
    n_alerts: int
    content: str
    store_seq: int


@dataclass(frozen=True)
class _Work:
    """What is to be completed together: one file of packets, or a visit without alerts."""

    visit: int
    detector: int
    packet_file: str | None


def complete_alerts(
    session: Session,
    *,
    visit: tuple[int, int] | None = None,
    every_visit: bool = False,
    dia_source_ids: ArrayLike | None = None,
    cutouts: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Completed]:
    """Write new, whole revisions of alerts that were degraded, and alerts that are missing.

    What they say is of the step of knowledge that they were first made for, whatever was corrected
    since.  Stamps come from where they wait in the archive, or from the caller.

    Parameters
    ----------
    session : Session
        Where.
    visit : (int, int), optional
        Visit and detector; all that need it by default.  Of one that is named, sources that became
        eligible since it was stored get their alerts too.
    every_visit : bool, optional
        Look through the sources of every visit for those that became eligible since, as a changed
        setting makes them.
    dia_source_ids : array-like of int, optional
        Sources that `cutouts` are of.
    cutouts : mapping, optional
        Stamps, as for `apdb.Apdb.store_visit`.
    progress : callable, optional
        Called with the number of files done and of all.

    Returns
    -------
    list of Completed

    Raises
    ------
    InvalidInput
        The database has no archive; stamps are given without their ids or the visit.
    NotFound
        The visit is not stored.
    ArchiveUnavailable
        The archive cannot be written to.
    Busy
        Another session stores the visit; may be retried.
    """
    given = _given(visit, dia_source_ids, cutouts)
    with session.connection() as connection:
        rules = read_rules(connection)
        if not rules.archive_url:
            raise InvalidInput("There is no archive: set archive_url with `apdb db set` first.")
        works = [
            _Work(*row)
            for row in connection.execute(
                "select w.visit, w.detector, w.packet_file from apdb.incomplete_visits() as w"
            )
            if visit is None or tuple(row[:2]) == tuple(visit)
        ]
        if visit is not None:
            works += _named(connection, visit, works)
        elif every_visit:
            works += _became_eligible(connection, works)
    done: list[Completed] = []
    for n, work in enumerate(works):
        if progress is not None:
            progress(n, len(works))
        completed = _complete(session, rules, work, given)
        if completed is not None:
            done.append(completed)
    if progress is not None:
        progress(len(works), len(works))
    return done


def _named(
    connection: psycopg.Connection[Any], visit: tuple[int, int], works: list[_Work]
) -> list[_Work]:
    """Return what else is to be looked at in a visit that was asked for."""
    if any(work.packet_file is None for work in works):
        return []
    key = "select from apdb.visit as v where v.visit = %s and v.detector = %s"
    if connection.execute(key, visit).fetchone() is None:
        raise NotFound(f"visit {visit[0]} detector {visit[1]} is not stored")
    return [_Work(*visit, None)]


def _became_eligible(connection: psycopg.Connection[Any], works: list[_Work]) -> list[_Work]:
    """Return visits with eligible sources that have no alert, besides those known already."""
    without = {(work.visit, work.detector) for work in works if work.packet_file is None}
    rows = connection.execute(
        "select v.visit, v.detector from apdb.visit as v where v.n_dia_sources > 0 and exists ("
        "select from apdb.eligible_sources(v.visit, v.detector) as e where not exists ("
        "select from apdb.alert as a where a.visit = v.visit and a.detector = v.detector "
        "and a.is_current and a.dia_source_id = e.dia_source_id and a.store_seq >= v.store_seq)) "
        "order by v.store_seq"
    ).fetchall()
    return [
        _Work(visit, detector, None) for visit, detector in rows if (visit, detector) not in without
    ]


def _given(
    visit: tuple[int, int] | None, ids: ArrayLike | None, cutouts: Mapping[str, Any] | None
) -> dict[int, Any] | None:
    """Return the stamps that the caller gave, by source."""
    if cutouts is None:
        return None
    if visit is None or ids is None:
        raise InvalidInput("stamps need the visit and the dia_source_ids that they are of")
    numbers = np.asarray(ids, np.int64)
    made = Cutouts(cutouts, len(numbers)).encode(np.arange(len(numbers)))
    return dict(zip(numbers.tolist(), made, strict=True))


def _complete(
    session: Session, rules: Rules, work: _Work, given: dict[int, Any] | None
) -> Completed | None:
    """Write what is to be completed together; None if somebody else has done it meanwhile."""
    place = Place(rules.archive_url)
    key = (work.visit, work.detector)
    with session.connection() as connection:
        attempt, night = _begin(connection, key)
        connection.execute("select apdb.lock_visit(%s, %s::integer)", key)
        ids, step, left_out = _to_do(connection, work)
        waiting = _Waiting(place, work.packet_file, given, ids)
        if not ids or (left_out == "stamps" and waiting.empty):
            connection.rollback()
            connection.execute("select apdb.end_attempt(%s, 'repeated', null, null)", (attempt,))
            return Completed(*key, 0, "no_stamps", 0) if ids else None
        content = "no_stamps" if waiting.empty else "full"
        writer = VisitWriter(
            place,
            visit=key[0],
            detector=key[1],
            night=night,
            attempt=attempt,
            schema=rules.schema,
            codec=rules.archive_codec,
            header={
                "content": content,
                "history_days": repr(rules.history_days),
                "step": str(step),
            },
        )
        try:
            owners = _write(connection, rules, writer, ids, step, waiting)
            published = writer.publish()
            # Last, because brokers read on only up to the lowest step that is under way.
            store_seq = int(call(connection, "begin_completion", key)["begin_completion"])
            index_alerts(
                connection,
                published,
                dia_object_id=owners[:, 0],
                ss_object_id=owners[:, 1],
                store_seq=store_seq,
                content=content,
                reason="completed",
            )
        except BaseException:
            writer.abandon()
            raise
        connection.execute("select apdb.end_attempt(%s, 'repeated', null, null)", (attempt,))
    if work.packet_file is not None:
        place.remove(spool_path(work.packet_file))
    return Completed(*key, len(ids), content, store_seq)


def _begin(connection: psycopg.Connection[Any], key: tuple[int, int]) -> tuple[int, Any]:
    """Leave a trace, by which maintenance knows that the files are being written."""
    stored = first_row(
        connection,
        "select v.band, v.midpoint_mjd_tai, v.night from apdb.visit as v "
        "where v.visit = %s and v.detector = %s",
        key,
    )
    assert stored is not None
    row = first_row(
        connection,
        "select * from apdb.begin_visit(%s, %s::integer, %s, %s, %s)",
        (*key, stored["band"], stored["midpoint_mjd_tai"], client_name()),
    )
    assert row is not None
    connection.commit()
    return int(row["attempt_id"]), stored["night"]


def _to_do(connection: psycopg.Connection[Any], work: _Work) -> tuple[list[int], int, str | None]:
    """Return the alerts to write, the step that they are of, and what they lack now."""
    key = (work.visit, work.detector)
    if work.packet_file is None:
        found = connection.execute(
            "select e.dia_source_id, v.store_seq from apdb.visit as v cross join lateral "
            "apdb.eligible_sources(v.visit, v.detector) as e where v.visit = %s "
            "and v.detector = %s and not exists (select from apdb.alert as a "
            "where a.visit = v.visit and a.detector = v.detector and a.is_current "
            "and a.dia_source_id = e.dia_source_id and a.store_seq >= v.store_seq) "
            "order by e.dia_source_id",
            key,
        ).fetchall()
        return [number for number, _ in found], found[0][1] if found else 0, None
    found = connection.execute(
        "select a.dia_source_id, a.revision, a.content from apdb.alert as a "
        "where a.visit = %s and a.detector = %s and a.is_current and a.degraded is not null "
        "and a.packet_file = %s order by a.packet_offset",
        (*key, work.packet_file),
    ).fetchall()
    if not found:
        return [], 0, None
    number, revision, content = found[0]
    row = {"dia_source_id": number, "revision": revision, "visit": key[0], "detector": key[1]}
    left_out = "stamps" if content == "no_stamps" else "histories"
    return [each[0] for each in found], step_of(connection, row), left_out


def _write(
    connection: psycopg.Connection[Any],
    rules: Rules,
    writer: VisitWriter,
    ids: Sequence[int],
    step: int,
    waiting: _Waiting,
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Render the alerts and write them; return their objects."""
    owners: list[tuple[int, int]] = []
    for start in range(0, len(ids), _CHUNK):
        some = list(ids[start : start + _CHUNK])
        made: dict[int, Rendered] = {
            each.dia_source_id: each
            for each in render(connection, rules.schema, some, step, rules.history_days)
        }
        there = [made[number] for number in some if number in made]
        owners += [(each.dia_object_id, each.ss_object_id) for each in there]
        stamps = None if waiting.empty else waiting.take(some)
        writer.add(
            np.array([each.dia_source_id for each in there], np.int64),
            [each.packet for each in there],
            None if stamps is None else [stamps.get(each.dia_source_id) for each in there],
        )
    return np.array(owners, np.int64).reshape(-1, 2)


class _Waiting:
    """Stamps that wait for their alerts, read in the order in which the packets were written."""

    def __init__(
        self,
        place: Place,
        packet_file: str | None,
        given: dict[int, Any] | None,
        ids: Sequence[int],
    ) -> None:
        self._given = given
        self._stream: Stamped = iter(())
        if given is None and packet_file is not None:
            wanted = set(ids)
            # Those of alerts that were superseded meanwhile wait too.
            self._stream = (each for each in read_spool(place, packet_file) if each[0] in wanted)
        self._next = next(self._stream, None)
        self.empty = given is None and self._next is None

    def take(self, ids: Sequence[int]) -> dict[int, Any]:
        """Return the stamps of the next alerts, by source."""
        if self._given is not None:
            return {number: self._given.get(number) for number in ids}
        wanted, found = set(ids), {}
        while self._next is not None and self._next[0] in wanted:
            found[self._next[0]] = self._next[1]
            self._next = next(self._stream, None)
        return found
