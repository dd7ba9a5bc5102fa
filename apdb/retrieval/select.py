"""The index of the archive, asked: a query becomes SQL with parameters, answers come in batches.

Every batch is a short statement of its own that goes on behind the last alert of the one before.
No transaction stays open while a slow client reads, and what a cursor does is what happens anyway.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, LiteralString, NamedTuple, TypeAlias, cast

import psycopg

from apdb.errors import InvalidInput, NotFound
from apdb.query.call import find_q3c
from apdb.retrieval.columns import VIEW
from apdb.retrieval.cursor import START, Position, after_all_of
from apdb.retrieval.query import AlertQuery

BATCH = 5_000
"""Rows of the index that are held at once."""

# What status = 'current' means, in terms of which the planner knows how often they hold.
_CURRENT = (
    "a.is_current",
    "a.stored_dia_source_id is not null",
    "a.time_withdrawn_mjd_tai is null",
    "(a.packet_state is null or a.packet_state = 'whole')",
)
_PLAIN = {
    "visit": "a.visit = %s",
    "detector": "a.detector = %s",
    "dia_object_id": "a.dia_object_id = %s",
    "ss_object_id": "a.ss_object_id = %s",
    "mjd_from": "a.midpoint_mjd_tai >= %s",
    "mjd_to": "a.midpoint_mjd_tai < %s",
}
_FIRST_SPAN = 8
_KEPT = (None, "whole")
_NIGHT_MARGIN = 1.5
_MJD_OF_NIGHT_0 = 678_576
_NUMERIC_FAULT = "22"


class AlertRow(NamedTuple):
    """An alert as the index has it.

    Attributes
    ----------
    dia_source_id, revision : int
        The alert, and its revision.
    midpoint_mjd_tai : float
        Middle of the exposure, MJD TAI [d].
    visit, detector : int
        Where it was seen.
    dia_object_id, ss_object_id : int or None
        Its object, as in the packet.
    store_seq : int
        Visit or correction that it was made for.
    status : str
        ``current``, ``superseded`` by a newer revision, or ``withdrawn`` with its DIASource.
    schema_version : str
        Version of the public schema that the archived packet follows.
    content : str
        What the archived packet holds: full, no_stamps, no_histories or bare.
    degraded : str or None
        Why something was left out that is completed later; None if nothing was.
    reason : str or None
        Why the revision was made; None for the first.
    sha256 : bytes
        Of the uncompressed full packet.
    packet_file, packet_offset, packet_length
        Where the packet is in the archive.
    stamps_file, stamps_offset, stamps_length
        Where its stamps are; None if there are none.
    codec : str
        How both are compressed.
    packet_crc, stamps_crc : int or None
        CRC-32 of their blocks, signed.
    packet_state, stamps_state : str or None
        ``expired`` or ``removed`` where the archive's retention gave them up.
    """

    dia_source_id: int
    revision: int
    midpoint_mjd_tai: float
    visit: int
    detector: int
    dia_object_id: int | None
    ss_object_id: int | None
    store_seq: int
    status: str
    schema_version: str
    content: str
    degraded: str | None
    reason: str | None
    sha256: bytes
    packet_file: str
    packet_offset: int
    packet_length: int
    stamps_file: str | None
    stamps_offset: int | None
    stamps_length: int | None
    codec: str
    packet_crc: int | None
    stamps_crc: int | None
    packet_state: str | None
    stamps_state: str | None

    @property
    def has_packet(self) -> bool:
        """Whether the archive still keeps the packet."""
        return self.packet_state in _KEPT

    @property
    def has_stamps(self) -> bool:
        """Whether there are stamps and the archive still keeps them."""
        return self.stamps_file is not None and self.stamps_state in _KEPT

    @property
    def position(self) -> Position:
        """Its place in the archive's order."""
        return Position(self.store_seq, self.dia_source_id, self.revision)


Reading: TypeAlias = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
"""Lends a connection in a read-only transaction."""

_SELECT = f"select {', '.join('a.' + name for name in AlertRow._fields)} from apdb.{VIEW} as a"  # noqa: S608 - our own names
_ORDER = "order by a.store_seq, a.dia_source_id, a.revision limit %s"


def _rows(_: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], AlertRow]:
    return AlertRow._make


def horizon(connection: psycopg.Connection[Any]) -> Position:
    """Return the place before which no alert can come any more.

    Parameters
    ----------
    connection : psycopg.Connection
        Alerts must be read in a later statement.

    Returns
    -------
    Position
        See `sql/retrieval/archive_horizon.sql`.
    """
    row = connection.execute("select apdb.archive_horizon()").fetchone()
    assert row is not None
    return after_all_of(row[0])


def fetch(
    connection: psycopg.Connection[Any],
    query: AlertQuery,
    after: Position = START,
    until: Position | None = None,
    limit: int = BATCH,
) -> list[AlertRow]:
    """Return some alerts in the order of the archive.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    query : AlertQuery
        Which alerts.
    after : Position, optional
        Only those behind this place.
    until : Position, optional
        Only those up to this place.
    limit : int, optional
        Most rows.

    Returns
    -------
    list of AlertRow

    Raises
    ------
    InvalidInput
        A number of the condition becomes too large in the calculation.
    """
    texts, values = _conditions(query)
    if after > START:
        texts.append("(a.store_seq, a.dia_source_id, a.revision) > (%s, %s, %s)")
        values += [after.store_seq, after.dia_source_id, after.revision]
    if until is not None:
        texts.append("a.store_seq <= %s")
        values.append(until.store_seq)
    where = f"where {' and '.join(texts)} " if texts else ""
    statement = _ours(_SELECT + " " + where + _ORDER)
    if query.cone is not None:
        find_q3c(connection)
    try:
        with connection.cursor(row_factory=_rows, binary=True) as cursor:
            # Planned each time: what is the best way depends on the span and the values.
            return cursor.execute(statement, [*values, limit], prepare=False).fetchall()
    except psycopg.DataError as error:
        if (error.sqlstate or "").startswith(_NUMERIC_FAULT):
            message = error.diag.message_primary
            raise InvalidInput(f"condition: it cannot be worked out: {message}") from error
        raise


def _ours(text: str) -> LiteralString:
    """Vouch for a text: what a user wrote is in the values, never in it."""
    return text


def _conditions(query: AlertQuery) -> tuple[list[str], list[object]]:
    texts: list[str] = []
    values: list[object] = []

    def add(text: str, *given: object) -> None:
        texts.append(text)
        values.extend(given)

    if len(query.ids) == 1:
        add("a.dia_source_id = %s", query.ids[0])
    elif query.ids:
        add("a.dia_source_id = any(%s)", list(query.ids))
    if query.revisions == "current":
        texts.extend(_CURRENT[:1] if query.ids else _CURRENT)
    if query.night is not None:
        _add_night(query.night, add)
    for name, text in _PLAIN.items():
        if getattr(query, name) is not None:
            add(text, getattr(query, name))
    if query.cone is not None:
        ra, dec, radius = query.cone
        add("q3c_join(%s, %s, a.ra, a.dec, %s)", ra, dec, radius)
    condition = query.condition
    if condition is not None:
        add(condition.text, *condition.values)
    return texts, values


def _add_night(night: dt.date, add: Callable[..., None]) -> None:
    """Name the night, and the span around it that chooses the partitions.

    Noon is up to half a day off where the site lies; TAI is less than a minute off UTC.
    """
    noon = night.toordinal() - _MJD_OF_NIGHT_0 + 0.5
    add("a.night = %s", night)
    add("a.midpoint_mjd_tai >= %s", noon - _NIGHT_MARGIN)
    add("a.midpoint_mjd_tai < %s", noon + 1.0 + _NIGHT_MARGIN)


def batches(
    reading: Reading,
    query: AlertQuery,
    after: Position = START,
    until: Position | None = None,
    limit: int | None = None,
) -> Iterator[list[AlertRow]]:
    """Return alerts in the order of the archive, some at a time.

    Where there may be many, a span of store_seq is looked at at a time, the longer the fewer it
    holds: else each batch would sort all that are left, and the last would cost as the first.

    Parameters
    ----------
    reading : callable
        Lends a connection for each batch.
    query : AlertQuery
        Which alerts.
    after : Position, optional
        Only those behind this place.
    until : Position, optional
        Only those up to this place.
    limit : int, optional
        Most alerts.

    Yields
    ------
    list of AlertRow
        At least one each.
    """
    left = math.inf if limit is None else limit
    # The first batch is small: its first alert is on its way while the second is asked for.
    size = 100
    span = _FIRST_SPAN if until is not None and not query.is_narrow else None
    while left > 0:
        wanted = int(min(size, left))
        end = until
        if until is not None and span is not None:
            end = min(until, after_all_of(max(after.store_seq, 0) + span))
        with reading() as connection:
            rows = fetch(connection, query, after, end, wanted)
        if rows:
            yield rows
        left -= len(rows)
        size = BATCH
        full = len(rows) == wanted
        if not full and end == until:
            return
        assert full or end is not None
        after = rows[-1].position if full else cast(Position, end)
        if span is not None:
            span = max(1, span // 2) if full else span * (8 if len(rows) < size // 8 else 1)


def alert_row(
    connection: psycopg.Connection[Any], dia_source_id: int, revision: int | None = None
) -> AlertRow:
    """Return what the index says of one alert.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    dia_source_id : int
        The alert.
    revision : int, optional
        Which revision; the current one by default.

    Returns
    -------
    AlertRow

    Raises
    ------
    NotFound
        It is not in the archive.
    """
    which = "a.is_current" if revision is None else "a.revision = %s"
    statement = _ours(_SELECT + " where a.dia_source_id = %s and " + which)
    values = [dia_source_id] if revision is None else [dia_source_id, revision]
    with connection.cursor(row_factory=_rows, binary=True) as cursor:
        found = cursor.execute(statement, values).fetchone()
    if found is None:
        revisions = "" if revision is None else f" of revision {revision}"
        raise NotFound(f"no alert {dia_source_id}{revisions} in the archive")
    return found


def require_known(connection: psycopg.Connection[Any], query: AlertQuery) -> None:
    """Make sure that every alert named by id is in the archive.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    query : AlertQuery
        The query; one without ids passes.

    Raises
    ------
    NotFound
        Names those that are not.
    """
    if not query.ids:
        return
    found = connection.execute(
        "select distinct a.dia_source_id from apdb.alert as a where a.dia_source_id = any(%s)",
        [list(query.ids)],
    ).fetchall()
    missing = sorted(set(query.ids) - {identifier for (identifier,) in found})
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        names = ", ".join(str(identifier) for identifier in missing[:5])
        raise NotFound(f"no alert {names}{more} in the archive")


def position_of(connection: psycopg.Connection[Any], dia_source_id: int) -> Position:
    """Return the place of an alert's first revision.

    Whoever knows the alert by its id may have read any of them: what lies between the first and a
    later one, made long after, would be passed over.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    dia_source_id : int
        The alert.

    Returns
    -------
    Position

    Raises
    ------
    NotFound
        It is not in the archive.
    """
    row = connection.execute(
        "select a.store_seq, a.dia_source_id, a.revision from apdb.alert as a "
        "where a.dia_source_id = %s order by a.revision limit 1",
        [dia_source_id],
    ).fetchone()
    if row is None:
        raise NotFound(f"no alert {dia_source_id} in the archive: nothing comes after it")
    return Position(*row)
