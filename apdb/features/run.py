"""Characterisation of all objects that are due, by several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apdb.errors import InvalidInput, Problem
from apdb.features.work import BATCH, Done, read_options
from apdb.features.worker import drain
from apdb.session import Session

Progress = Callable[[int, int], None]

MAX_JOBS = 256

WORKER = "import sys; from apdb.features.worker import main; sys.exit(main())"
"""What a worker's interpreter runs."""

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Characterized:
    """What became of a run of `apdb characterize`.

    Attributes
    ----------
    n_queued : int
        Objects put into the queue at the beginning.
    n_written : int
        Objects whose features were written.
    n_failed : int
        Attempts that failed; the queue has the errors.
    n_curves : int
        Light curves, of one band each.
    n_left : int
        Objects still due: touched meanwhile, beyond the limit, or others work on them.
    n_died : int
        Workers that died; what they had taken, others did.
    seconds : float
        How long it took [s].
    """

    n_queued: int
    n_written: int
    n_failed: int
    n_curves: int
    n_left: int
    n_died: int
    seconds: float


@dataclass(frozen=True)
class FeaturesDue:
    """The queue of characterisation at a glance; see ``sql/status/features_due.sql``.

    Attributes
    ----------
    n_due : int
        Objects in the queue.
    oldest_due_mjd_tai : float or None
        Since when the oldest waits, MJD TAI [d].
    n_failed : int
        Objects that failed three times and wait for new points.
    last_error : str or None
        Why that of them failed that became due last.
    n_steps_unseen : int
        Visits and corrections that the next run looks through.
    n_objects : int
        Objects that have features.
    last_made_mjd_tai : float or None
        When features were written last, MJD TAI [d].
    """

    n_due: int
    oldest_due_mjd_tai: float | None
    n_failed: int
    last_error: str | None
    n_steps_unseen: int
    n_objects: int
    last_made_mjd_tai: float | None


def features_due(session: Session) -> FeaturesDue:
    """Return the state of the queue.

    Parameters
    ----------
    session : Session
        Where.

    Returns
    -------
    FeaturesDue
    """
    with session.reading() as connection:
        row = connection.execute("select * from apdb.features_due()").fetchone()
    assert row is not None
    return FeaturesDue(*row)


def characterize(
    session: Session,
    *,
    jobs: int = 1,
    limit: int | None = None,
    everything: bool = False,
    dia_object_ids: Sequence[int] | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Characterized:
    """Characterise the objects that are due; see `apdb.Apdb.characterize`.

    Parameters
    ----------
    session : Session
        Where.
    jobs : int, optional
        Processes.
    limit : int, optional
        Most objects.
    everything : bool, optional
        All objects are due.
    dia_object_ids : sequence of int, optional
        Only these, due or not.
    batch : int, optional
        Objects that a process takes at once.
    progress : callable, optional
        Called with the number of objects done and of all.

    Returns
    -------
    Characterized
    """
    ids = _checked(jobs, limit, batch, everything, dia_object_ids)
    start = time.perf_counter()
    with session.connection() as connection:
        row = connection.execute(
            "select apdb.enqueue_features(%s, %s)", (everything, ids)
        ).fetchone()
    assert row is not None
    waiting = features_due(session).n_due if ids is None else len(ids)
    tally = _Tally(waiting if limit is None else min(waiting, limit), progress)
    options = read_options(session)
    n_died = _by_processes(session, jobs, limit, ids, batch, tally) if jobs > 1 else 0
    # With one process the whole work; else what processes that died left behind.
    left = None if limit is None else limit - tally.n_taken
    if jobs == 1 or n_died:
        drain(session, options, tally.add, limit=left, dia_object_ids=ids, batch=batch)
    return Characterized(
        int(row[0]),
        tally.n_written,
        tally.n_failed,
        tally.n_curves,
        features_due(session).n_due,
        n_died,
        time.perf_counter() - start,
    )


class _Tally:
    """What several threads say of batches, added up."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._lock = threading.Lock()
        self._total = total
        self._progress = progress
        self.n_taken = self.n_written = self.n_failed = self.n_curves = 0
        self._tell()

    def add(self, done: Done) -> None:
        with self._lock:
            self.n_taken += done.n_taken
            self.n_written += done.n_written
            self.n_failed += done.n_failed
            self.n_curves += done.n_curves
            self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.n_taken, max(self._total, self.n_taken))


def _checked(
    jobs: int,
    limit: int | None,
    batch: int,
    everything: bool,
    dia_object_ids: Sequence[int] | None,
) -> list[int] | None:
    problems = []
    for name, value, high in (
        ("jobs", jobs, MAX_JOBS),
        ("batch", batch, 100_000),
        ("limit", 1 if limit is None else limit, 2**31 - 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
            text = f"must be a whole number from 1 to {high}"
            problems.append(Problem(None, name, repr(value), text))
    ids = None
    if dia_object_ids is not None:
        try:
            ids = sorted({int(each) for each in dia_object_ids})
        except (TypeError, ValueError):
            text = "must be a sequence of ids"
            problems.append(Problem(None, "dia_object_ids", repr(dia_object_ids), text))
        if everything:
            text = "name objects or ask for everything, not both"
            problems.append(Problem(None, "dia_object_ids", "", text))
    if problems:
        raise InvalidInput("\n".join(map(str, problems)), problems)
    return ids


def _by_processes(
    session: Session,
    jobs: int,
    limit: int | None,
    ids: list[int] | None,
    batch: int,
    tally: _Tally,
) -> int:
    """Let processes do the work; return how many of them did not end well."""
    shares = [None] * jobs if limit is None else [(limit + k) // jobs for k in range(jobs)]
    workers = [
        _start({
            "dsn": session.dsn,
            "busy_timeout": session.busy_timeout,
            "limit": share,
            "dia_object_ids": ids,
            "batch": batch,
        })
        for share in shares
        if share != 0
    ]  # fmt: skip
    readers = [threading.Thread(target=_listen, args=(each, tally)) for each in workers]
    for reader in readers:
        reader.start()
    try:
        for reader in readers:
            reader.join()
        return sum(each.wait() != 0 for each in workers)
    finally:
        # Broken off, or done: what they have taken goes back to the queue.
        for each in workers:
            each.terminate()
            each.wait()


def _start(orders: dict[str, object]) -> subprocess.Popen[str]:
    environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert worker.stdin is not None
    json.dump(orders, worker.stdin)
    worker.stdin.close()
    return worker


def _listen(worker: subprocess.Popen[str], tally: _Tally) -> None:
    assert worker.stdout is not None
    with worker.stdout:
        for line in worker.stdout:
            tally.add(Done(**json.loads(line)))
