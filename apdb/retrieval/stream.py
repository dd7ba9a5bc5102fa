"""Alerts on their way out: an iterator that knows where it is, and its bytes in any format."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from apdb.archive.place import Place
from apdb.retrieval.ahead import pieces_ahead, render_ahead
from apdb.retrieval.content import Alert, Wanted, archived_schema
from apdb.retrieval.cursor import START, Position, read_cursor, write_cursor
from apdb.retrieval.formats import SINGLE_SCHEMA, make_format
from apdb.retrieval.plain_formats import Format, Standalone
from apdb.retrieval.query import AlertQuery
from apdb.retrieval.select import (
    AlertRow,
    Reading,
    batches,
    horizon,
    position_of,
    require_known,
)

FORESEEN = 10_000
"""Most alerts of a limited stream whose end is looked up before the first is read."""

_ALERT_ID = re.compile(r"\d{1,19}", re.ASCII)


@dataclass(frozen=True)
class Archive:
    """An archive and what its settings say.

    Attributes
    ----------
    place : Place
        Where the files are.
    namespace : str
        Survey's part of the schemas' namespace.
    version : str
        Version of the public schema that packets are made in now.
    """

    place: Place
    namespace: str
    version: str


def archive_of(connection: psycopg.Connection[Any]) -> Archive:
    """Return the archive of a database.

    Parameters
    ----------
    connection : psycopg.Connection
        To the database.

    Returns
    -------
    Archive

    Raises
    ------
    ArchiveUnavailable
        It has none.
    """
    row = connection.execute(
        "select apdb.setting('archive_url'), apdb.setting('alert_namespace'), "
        "apdb.setting('alert_schema_version')"
    ).fetchone()
    assert row is not None
    return Archive(Place(row[0]), row[1], row[2])


class AlertStream:
    """Alerts of a query in the order of the archive; an iterator of `Alert`.

    Memory is bounded by a batch of rows and a window of packets, whatever the number of alerts.

    Parameters
    ----------
    reading : callable
        Lends a connection in a read-only transaction.
    archive : Archive
        Where the packets are.
    query : AlertQuery
        Which alerts.
    what : Wanted
        Which parts of them.
    after : str or int, optional
        Cursor, or id of the alert after which to go on.
    limit : int, optional
        Most alerts.

    Raises
    ------
    InvalidInput
        The cursor is none, or of another query.
    NotFound
        An alert asked for by id, or to go on after, is not in the archive.
    """

    def __init__(
        self,
        reading: Reading,
        archive: Archive,
        query: AlertQuery,
        what: Wanted,
        after: str | int | None = None,
        limit: int | None = None,
    ) -> None:
        self._archive = archive
        self._query = query
        self._what = what
        self._digest = query.digest
        self._until: Position | None = None
        with reading() as connection:
            self._position = self._start(connection, after)
            if query.ids:
                require_known(connection, query)
            else:
                self._until = horizon(connection)
        # What came to be known since the cursor was given is what is read now; never go back.
        if self._until is not None and self._until < self._position:
            self._until = self._position
        self._limit = limit
        self._batches = batches(reading, query, self._position, self._until, limit)
        self._n = 0
        self._alerts = self._read(self._batches)

    def _start(self, connection: psycopg.Connection[Any], after: str | int | None) -> Position:
        if after is None or after == "":
            return START
        if _ALERT_ID.fullmatch(str(after)):
            return position_of(connection, min(int(after), 2**63 - 1))
        return read_cursor(str(after), self._digest)

    def __iter__(self) -> Iterator[Alert]:
        return self

    def __next__(self) -> Alert:
        found = next(self._alerts)
        self._passed(found.row)
        return found

    @property
    def cursor(self) -> str:
        """Where to go on: after the last alert taken, or at the end after all there were."""
        return self._cursor()

    def _cursor(self) -> str:
        return write_cursor(self._position, self._digest)

    @property
    def content(self) -> str:
        """Which parts of the packets it gives."""
        return self._what.content

    @property
    def n_read(self) -> int:
        """Alerts taken so far."""
        return self._n

    def cursor_at_end(self) -> str | None:
        """Return where to go on once all alerts were taken, if that can be known before.

        Returns
        -------
        str or None
            None for a limit above `FORESEEN`.
        """
        if self._limit is None and self._until is not None:
            return write_cursor(self._until, self._digest)
        if self._limit is not None and self._limit > FORESEEN:
            return None
        ahead = list(self._batches)
        self._batches = iter(ahead)
        self._alerts = self._read(self._batches)
        n = sum(map(len, ahead))
        end = ahead[-1][-1].position if ahead else self._position
        if self._until is not None and n != self._limit:
            end = max(end, self._until)
        return write_cursor(end, self._digest)

    def rows(self) -> Iterator[AlertRow]:
        """Yield what the index says of the alerts that are left, without reading packets."""
        for batch in self._batches:
            for row in batch:
                self._passed(row)
                yield row
        self._finished()

    def pieces(self, format_name: str, codec: str = "null") -> Iterator[bytes]:
        """Yield the alerts that are left in some format.

        Parameters
        ----------
        format_name : str
            One of `apdb.retrieval.formats.FORMATS`.
        codec : str, optional
            For the format ``avro``.

        Yields
        ------
        bytes
            Pieces of any length.
        """
        first = next(self._batches, [])
        archived = first[0].schema_version if first else self._archive.version
        what = dataclasses.replace(self._what, version=self._what.version or archived)
        made = make_format(format_name, what.schema, what, codec)
        if format_name in SINGLE_SCHEMA:
            what = dataclasses.replace(what, one_schema=True, codec=made.codec)
        else:
            what = self._what
        yield made.begin()
        yield from self._in_format(made, self._all(first), what, format_name == "index")
        yield made.end()

    def _all(self, first: list[AlertRow]) -> Iterator[list[AlertRow]]:
        if first:
            yield first
        yield from self._batches

    def _in_format(
        self, made: Format, rows: Iterator[list[AlertRow]], what: Wanted, index_only: bool
    ) -> Iterator[bytes]:
        place = self._archive.place
        if isinstance(made, Standalone):
            for data, last, n in pieces_ahead(place, rows, what, made.for_thread):
                self._passed(last, n)
                yield data
        else:
            for found in self._listed(rows) if index_only else render_ahead(place, rows, what):
                self._passed(found.row)
                yield made.alert(found, self._cursor)
        self._finished()

    def _listed(self, batches: Iterator[list[AlertRow]]) -> Iterator[Alert]:
        for rows in batches:
            for row in rows:
                yield Alert(row, b"", archived_schema(row, self._archive.namespace))

    def _read(self, rows: Iterator[list[AlertRow]]) -> Iterator[Alert]:
        yield from render_ahead(self._archive.place, rows, self._what)
        self._finished()

    def _passed(self, row: AlertRow, n: int = 1) -> None:
        self._position = row.position
        self._n += n

    def _finished(self) -> None:
        """Go on behind all that was read, also if the last alerts were not of the query."""
        if self._until is not None and (self._limit is None or self._n < self._limit):
            self._position = max(self._position, self._until)
