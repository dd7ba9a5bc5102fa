"""Packets read by threads, some ahead of who takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

from apdb.archive.place import Place
from apdb.errors import ApdbError
from apdb.retrieval.content import Alert, Wanted, render
from apdb.retrieval.select import AlertRow

GROUP_BYTES = 4 * 2**20
"""Compressed bytes that a thread reads at a time, about."""

GROUP_ROWS = 500
"""Alerts that a thread reads at a time, at most."""

_THREADS = 2
_DEPTH = 2

_Read: TypeAlias = tuple[list[Alert], ApdbError | None]


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
    pool = ThreadPoolExecutor(_THREADS, "apdb-retrieval")
    waiting: deque[Future[_Read]] = deque()
    try:
        for group in _groups(batches, what):
            waiting.append(pool.submit(_read, place, group, what))
            if len(waiting) > _DEPTH:
                yield from _taken(waiting.popleft())
        while waiting:
            yield from _taken(waiting.popleft())
    finally:
        # Not waited for: a stream that nobody reads on may be collected in one of these threads.
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


def _read(place: Place, rows: list[AlertRow], what: Wanted) -> _Read:
    found: list[Alert] = []
    try:
        found.extend(render(place, rows, what, proof=False))
    except ApdbError as error:
        # What was read before is given before it is raised; list.extend keeps it.
        return found, error
    return found, None


def _taken(read: Future[_Read]) -> Iterator[Alert]:
    found, error = read.result()
    yield from found
    if error is not None:
        raise error
