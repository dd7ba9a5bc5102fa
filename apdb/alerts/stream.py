"""Packets as they come from the database: assembled there, streamed in binary."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait

from apdb.alerts.rules import Rules
from apdb.errors import ApdbError
from apdb.input.copy_binary import HEADER, TRAILER

BATCH_ROWS = 512
BATCH_BYTES = 8 * 2**20
"""A batch ends at so many packets or bytes, whichever comes first."""

_BUFFER_BYTES = 500_000
_NAP = 1e-4  # s
#: A packet longer than this fills the socket while one naps: the server would wait.
_LONG = 64_000

_LENGTH = struct.Struct(">i")
_ID = struct.Struct(">q")

#: Every table is entered by key: what the planner thinks of sizes it has not seen matters not.
PLANNER = (
    "set local enable_seqscan = off; set local enable_bitmapscan = off; "
    "set local enable_sort = off; set local enable_hashjoin = off; "
    "set local enable_mergejoin = off; set local jit = off"
)
_RESET = (
    "set local enable_seqscan to default; set local enable_bitmapscan to default; "
    "set local enable_sort to default; set local enable_hashjoin to default; "
    "set local enable_mergejoin to default; set local jit to default"
)


@dataclass
class Packets:
    """Some packets of a visit, in the order in which they were made.

    Attributes
    ----------
    dia_source_id : list of int
        Triggers.
    dia_object_id, ss_object_id : list of (int or None)
        Their objects.
    packets : list of memoryview
        The packets, stamps null.
    """

    dia_source_id: list[int] = field(default_factory=list)
    dia_object_id: list[int | None] = field(default_factory=list)
    ss_object_id: list[int | None] = field(default_factory=list)
    packets: list[memoryview] = field(default_factory=list)
    n_bytes: int = 0

    def __len__(self) -> int:
        return len(self.packets)


def assemble(
    connection: psycopg.Connection[Any],
    rules: Rules,
    visit: tuple[int, int, float],
    *,
    histories: bool = True,
    left_out: str | None = None,
    extended: bool = False,
) -> Iterator[Packets]:
    """Assemble the packets of a visit and stream them.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    rules : Rules
        What the settings say.
    visit : (int, int, float)
        Visit, detector and midpoint, MJD TAI [d].
    histories : bool
        Put in earlier DIASources.
    left_out : str, optional
        What is left out and completed later, for the extended schema.
    extended : bool
        Assemble in the extended schema.

    Yields
    ------
    Packets

    Raises
    ------
    ApdbError
        A source has no fragment.
    """
    connection.execute(PLANNER)
    query = sql.SQL(
        "copy (select a.dia_source_id, a.dia_object_id, a.ss_object_id, a.packet "
        "from apdb.assemble_packets({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}) as a) "
        "to stdout (format binary)"
    ).format(
        sql.Literal(visit[0]),
        _typed(visit[1], "smallint"),
        _typed(visit[2], "double precision"),
        _typed(visit[2] - rules.history_days, "double precision"),
        _typed(rules.registry_id, "smallint"),
        sql.Literal(histories),
        sql.Literal(extended),
        _typed(left_out, "text"),
        sql.Literal(rules.flags),
        _typed(rules.reliability_min, "double precision"),
        sql.Literal(rules.fakes),
    )
    yield from streamed(connection, query)
    connection.execute(_RESET)


def streamed(
    connection: psycopg.Connection[Any], query: sql.SQL | sql.Composed
) -> Iterator[Packets]:
    """Stream rows of a trigger, its two objects and its packet.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    query : psycopg.sql.SQL or psycopg.sql.Composed
        A binary ``COPY … TO STDOUT`` of these four columns.

    Yields
    ------
    Packets

    Raises
    ------
    ApdbError
        A packet is null.
    """
    # libpq reads at once what its buffer takes, and that grows with the longest answer only.
    connection.execute("select repeat(' ', %s)", (_BUFFER_BYTES,))
    with connection.cursor() as cursor, cursor.copy(query):
        yield from _batches(_messages(connection))


def _messages(connection: psycopg.Connection[Any]) -> Iterator[memoryview]:
    """Yield the messages of a COPY that has begun, to its end.

    The server sends 8 kB at a time.  Who waits for each costs both sides more than the packets do.
    """
    pgconn = connection.pgconn
    longest = 0
    while True:
        length, data = pgconn.get_copy_data(1)
        if length > 0:
            longest = max(longest, length)
            yield data
        elif length < 0:
            break
        else:
            connection.wait(_readable())
            if longest < _LONG:
                time.sleep(_NAP)
            pgconn.consume_input()
    while result := pgconn.get_result():
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)


def _readable() -> PQGen[None]:
    while not (yield Wait.R):
        pass


def _batches(messages: Iterator[memoryview]) -> Iterator[Packets]:
    """Take apart rows of ids and packet in the binary COPY format."""
    found = Packets()
    first = True
    for message in messages:
        row = memoryview(message)
        if first:
            row, first = row[len(HEADER) :], False
        if len(row) <= len(TRAILER):
            continue
        _add(found, row)
        if len(found) >= BATCH_ROWS or found.n_bytes >= BATCH_BYTES:
            yield found
            found = Packets()
    if len(found):
        yield found


def _add(found: Packets, row: memoryview) -> None:
    at = 2
    ids: list[int | None] = []
    for _ in range(3):
        (length,) = _LENGTH.unpack_from(row, at)
        at += _LENGTH.size
        ids.append(_ID.unpack_from(row, at)[0] if length > 0 else None)
        at += max(length, 0)
    (length,) = _LENGTH.unpack_from(row, at)
    dia_source_id, dia_object_id, ss_object_id = ids
    assert dia_source_id is not None
    if length < 0:
        raise ApdbError(
            f"DIASource {dia_source_id} has no fragment to make its packet of: run "
            "`apdb alerts rebuild-fragments`."
        )
    found.dia_source_id.append(dia_source_id)
    found.dia_object_id.append(dia_object_id)
    found.ss_object_id.append(ss_object_id)
    found.packets.append(row[at + _LENGTH.size :])
    found.n_bytes += length


def _typed(value: object, name: str) -> sql.Composable:
    return sql.SQL("{}::" + name).format(sql.Literal(value))
