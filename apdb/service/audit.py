"""Who asked for what: kept in the database, many requests at a time, beside the answers."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

from apdb.errors import ApdbError
from apdb.service.pool import Pool

logger = logging.getLogger("apdb.service")

FLUSH_SECONDS = 1.0
"""How long a request waits to be written."""

MOST_HELD = 100_000
"""Requests that are held while the database does not answer; older ones are lost."""

_AT_ONCE = 2_000


@dataclass
class Note:
    """What is known of a request while it is answered.

    Attributes
    ----------
    client : str
        Address that it came from.
    request : str
        Method, path and query.
    token_id : int or None
        Token that it came with.
    status : int
        HTTP status of the answer.
    n_alerts, n_bytes : int
        What was sent.
    seconds : float
        How long it took [s].
    done : float
        When it was answered, by the monotonic clock [s].
    """

    client: str
    request: str
    token_id: int | None = None
    status: int = 0
    n_alerts: int = 0
    n_bytes: int = 0
    seconds: float = 0.0
    done: float = field(default=0.0)


class Audit:
    """Writes notes to the database from a thread of its own.

    Parameters
    ----------
    pool : Pool
        Connections of the service.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._notes: list[Note] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="apdb-audit", daemon=True)
        self._thread.start()

    def add(self, note: Note) -> None:
        """Keep a note of a request that was answered.

        Parameters
        ----------
        note : Note
            The note.
        """
        note.done = time.monotonic()
        with self._lock:
            self._notes.append(note)
            lost = len(self._notes) - MOST_HELD
            if lost > 0:
                del self._notes[:lost]
        if lost > 0:
            logger.error("audit: %d requests were not kept", lost)

    def close(self) -> None:
        """Write what is left and end."""
        self._stop.set()
        self._thread.join(30.0)

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        while True:
            with self._lock:
                notes, self._notes = self._notes[:_AT_ONCE], self._notes[_AT_ONCE:]
            if not notes:
                return
            try:
                self._write(notes)
            except ApdbError as error:
                logger.error("audit: %d requests are not written yet: %s", len(notes), error)
                with self._lock:
                    self._notes[:0] = notes
                return

    def _write(self, notes: list[Note]) -> None:
        now = time.monotonic()
        values = [
            [now - note.done for note in notes],
            [note.token_id for note in notes],
            [_clean(note.client) for note in notes],
            [_clean(note.request) for note in notes],
            [note.status for note in notes],
            [note.n_alerts for note in notes],
            [note.n_bytes for note in notes],
            [note.seconds for note in notes],
        ]
        with self._pool.reading() as connection, connection.transaction():
            connection.execute("set transaction read write")
            connection.execute(
                "select apdb.record_requests(%s::double precision[], %s::bigint[], %s::text[], "
                "%s::text[], %s::smallint[], %s::bigint[], %s::bigint[], %s::real[])",
                values,
            )


def _clean(text: str) -> str:
    return text.replace("\0", "�")
