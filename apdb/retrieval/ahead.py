"""Packets read by threads, some ahead of who takes them; and rows of the index before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar

from apdb.archive.place import Place
from apdb.errors import ApdbError
from apdb.retrieval.content import Alert, Wanted, render
from apdb.retrieval.select import AlertRow

GROUP_BYTES = 4 * 2**20
"""Compressed bytes that a thread reads at a time, about."""

GROUP_ROWS = 500
"""Alerts that a thread reads at a time, at most."""

PIECE_BYTES = 256 * 1024
"""Bytes that are passed on at a time, about."""

_THREADS = 2
_DEPTH = 2

_T = TypeVar("_T")
_Made: TypeAlias = tuple[list[_T], ApdbError | None]
Make: TypeAlias = Callable[[], Callable[[Alert], bytes]]
"""Makes, for the use of one thread, what makes the bytes of an alert."""


class Piece(NamedTuple):
    """Bytes of some alerts.

    Attributes
    ----------
    data : bytes
        What they are in some format.
    last : AlertRow
        The last of them.
    n : int
        How many.
    """

    data: bytes
    last: AlertRow
    n: int


def render_ahead(place: Place, batches: Iterable[list[AlertRow]], what: Wanted) -> Iterator[Alert]:
    """Read alerts out of the archive, in their order.

    Parameters
    ----------
    place : Place
        The archive.
    batches : iterable of list of AlertRow
        Which alerts; taken as they are needed, while threads read the ones before.
    what : Wanted
        Which parts.

    Yields
    ------
    Alert
        As from `apdb.retrieval.content.render`; all that come before one that cannot be read.

    Raises
    ------
    ApdbError
        As `apdb.retrieval.content.render`.
    """
    return _ahead(batches, what, partial(_read, place, what=what))


def pieces_ahead(
    place: Place, batches: Iterable[list[AlertRow]], what: Wanted, make: Make
) -> Iterator[Piece]:
    """Read alerts out of the archive, in their order, and make the bytes of some format of them.

    Parameters
    ----------
    place : Place
        The archive.
    batches : iterable of list of AlertRow
        As for `render_ahead`.
    what : Wanted
        Which parts.
    make : callable
        Makes what makes the bytes of one alert.

    Yields
    ------
    Piece
        All that come before an alert that cannot be read.

    Raises
    ------
    ApdbError
        As `apdb.retrieval.content.render`.
    """
    return _ahead(batches, what, partial(_read_pieces, place, what=what, make=make))


def _ahead(
    batches: Iterable[list[AlertRow]], what: Wanted, read: Callable[[list[AlertRow]], _Made[_T]]
) -> Iterator[_T]:
    pool = ThreadPoolExecutor(_THREADS, "apdb-retrieval")
    waiting: deque[Future[_Made[_T]]] = deque()
    try:
        for group in _groups(_asked_ahead(batches), what):
            waiting.append(pool.submit(read, group))
            if len(waiting) > _DEPTH:
                yield from _taken(waiting.popleft())
        while waiting:
            yield from _taken(waiting.popleft())
    finally:
        # Not waited for: a stream that nobody reads on may be collected in one of these threads.
        pool.shutdown(wait=False, cancel_futures=True)


def _asked_ahead(batches: Iterable[list[AlertRow]]) -> Iterator[list[AlertRow]]:
    """Ask for the next batch while the packets of one are read."""
    left = iter(batches)
    pool = ThreadPoolExecutor(1, "apdb-index")
    try:
        asked = pool.submit(next, left, None)
        while (batch := asked.result()) is not None:
            asked = pool.submit(next, left, None)
            yield batch
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _groups(batches: Iterable[list[AlertRow]], what: Wanted) -> Iterator[list[AlertRow]]:
    for batch in batches:
        group: list[AlertRow] = []
        size = 0
        for row in batch:
            group.append(row)
            size += row.packet_length + ((row.stamps_length or 0) if what.stamps else 0)
            if size > GROUP_BYTES or len(group) == GROUP_ROWS:
                yield group
                group, size = [], 0
        if group:
            yield group


def _read(place: Place, rows: list[AlertRow], what: Wanted) -> _Made[Alert]:
    found: list[Alert] = []
    try:
        found.extend(render(place, rows, what, proof=False))
    except ApdbError as error:
        # What was read before is given before it is raised; list.extend keeps it.
        return found, error
    return found, None


def _read_pieces(place: Place, rows: list[AlertRow], what: Wanted, make: Make) -> _Made[Piece]:
    found, error = _read(place, rows, what)
    return _pieces(found, make()), error


def _pieces(alerts: list[Alert], make: Callable[[Alert], bytes]) -> list[Piece]:
    pieces: list[Piece] = []
    held: list[bytes] = []
    size = 0
    for k, alert in enumerate(alerts):
        held.append(make(alert))
        size += len(held[-1])
        if size >= PIECE_BYTES or k == len(alerts) - 1:
            pieces.append(Piece(b"".join(held), alert.row, len(held)))
            held, size = [], 0
    return pieces


def _taken(read: Future[_Made[_T]]) -> Iterator[_T]:
    found, error = read.result()
    yield from found
    if error is not None:
        raise error
