"""`Apdb.run_precovery`: workers of the queue; its state, and what was given up."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from psycopg.rows import class_row

from apdb.errors import Busy, ConnectionLost, InvalidInput
from apdb.input.problems import Problems
from apdb.precovery.work import Measure, Options, Outcome, claim, give_back, work
from apdb.session import Session, client_name

REQUIRED_AGE = 86_400.0
"""Within which new objects are to be measured on earlier images, LDM-151 3.4.1 [s]."""

POLL = 5.0
"""How long a worker that stays waits where nothing is due [s]."""


@dataclass(frozen=True)
class PrecoveryQueue:
    """The queue at a glance; see ``sql/status/precovery_queue.sql``.

    Attributes
    ----------
    n_queued, n_due, n_retrying : int
        Requests that wait; due now; tried before.
    oldest_age : float or None
        Age of the oldest that waits [s].
    n_dead : int
        Requests given up.
    n_done_last_day : int
        Done within the last day.
    delay_median, delay_max : float or None
        From queued to done, of those done within the last day [s].
    """

    n_queued: int
    n_due: int
    n_retrying: int
    oldest_age: float | None
    n_dead: int
    n_done_last_day: int
    delay_median: float | None
    delay_max: float | None

    @property
    def met(self) -> bool:
        """True if nothing waits, or waited within the last day, for longer than 24 h."""
        return max(self.oldest_age or 0.0, self.delay_max or 0.0) <= REQUIRED_AGE


@dataclass(frozen=True)
class DeadLetter:
    """A request that was given up."""

    dia_object_id: int
    n_attempts: int
    queued_mjd_tai: float
    finished_mjd_tai: float
    worker: str | None
    error: str | None


@dataclass
class PrecoverySummary(Outcome):
    """What became of a run: the sums over its batches, and the queue at its end.

    Attributes
    ----------
    n_batches : int
        Batches worked on.
    queue : PrecoveryQueue or None
        The queue afterwards.
    """

    n_batches: int = 0
    queue: PrecoveryQueue | None = field(default=None)

    def add(self, outcome: Outcome) -> None:
        """Add a batch.

        Parameters
        ----------
        outcome : Outcome
            What became of it.
        """
        self.n_batches += 1
        for each in fields(Outcome):
            setattr(self, each.name, getattr(self, each.name) + getattr(outcome, each.name))


class Watcher:
    """Told how a run goes on; this one does not listen."""

    def images(self, done: int, total: int) -> None:
        """Take note of images of the batch that were measured.

        Parameters
        ----------
        done, total : int
            How many, of how many.
        """

    def batch(self, summary: PrecoverySummary) -> None:
        """Take note of a batch that is done.

        Parameters
        ----------
        summary : PrecoverySummary
            Everything so far.
        """


class Precovery(Session):
    """Precovery of new objects; part of `apdb.Apdb`."""

    def run_precovery(
        self,
        measure: Measure,
        *,
        batch: int = 500,
        max_attempts: int = 5,
        backoff: float = 60.0,
        max_batches: int | None = None,
        stay: bool = False,
        watcher: Watcher | None = None,
    ) -> PrecoverySummary:
        """Measure new objects on the difference images from before their first detection.

        Takes requests off the queue until none is due.  Any number of workers may run at once,
        here or elsewhere, and may be killed at any time: a request is done exactly when its
        results are stored.

        Parameters
        ----------
        measure : callable
            Called with an astropy Table (dia_object_id, ra, dec [deg]; the visit in its meta) for
            one image at a time, as a visit's ``forced`` function is; returns a table with
            dia_object_id, psf_flux and psf_flux_err [nJy], or None where there is nothing to
            measure.  An exception is that image's failure: its objects are tried again.
        batch : int, optional
            Requests taken at a time, at most 5000; those on which workers died come in smaller
            batches.
        max_attempts : int, optional
            Attempts after which a request is given up.
        backoff : float, optional
            Wait after a first attempt that failed [s]; four times as long after each further one.
        max_batches : int, optional
            End after so many batches.
        stay : bool, optional
            Wait for more when none is due, for ever.
        watcher : Watcher, optional
            Told how it goes on.

        Returns
        -------
        PrecoverySummary

        Raises
        ------
        InvalidInput
            A number is out of range, or `measure` cannot be called.
        """
        options = _options(measure, batch, max_attempts, backoff)
        watching = watcher or Watcher()
        summary = PrecoverySummary()
        while max_batches is None or summary.n_batches < max_batches:
            with self.connection() as connection:
                claimed = claim(connection, client_name(), options)
            if claimed:
                self._work(claimed, measure, options, watching, summary)
            elif stay:
                time.sleep(POLL)
            else:
                break
        with self.connection() as connection:
            connection.execute("select apdb.prune_precovery()")
        summary.queue = self.precovery_queue()
        return summary

    def _work(
        self,
        claimed: Sequence[tuple[int, int]],
        measure: Measure,
        options: Options,
        watcher: Watcher,
        summary: PrecoverySummary,
    ) -> None:
        # Where the connection breaks, nothing of the batch is stored, or all of it; what is left is
        # due again later.
        outcome = Outcome(n_taken=len(claimed), n_left=len(claimed))
        try:
            with self.connection() as connection:
                outcome = work(connection, claimed, measure, options, watcher.images)
        except Busy as error:
            with suppress(Busy, ConnectionLost), self.connection() as connection:
                outcome = give_back(connection, claimed, f"Busy: {error}", options)
        except ConnectionLost:
            pass
        summary.add(outcome)
        watcher.batch(summary)

    def precovery_queue(self) -> PrecoveryQueue:
        """Return the state of the queue.

        Returns
        -------
        PrecoveryQueue
        """
        with self.reading() as connection:
            cursor = connection.cursor(row_factory=class_row(PrecoveryQueue))
            row = cursor.execute("select * from apdb.precovery_queue()").fetchone()
        assert row is not None
        return row

    def precovery_dead(self, limit: int = 100) -> list[DeadLetter]:
        """Return requests that were given up, the latest first.

        Parameters
        ----------
        limit : int, optional
            At most so many.

        Returns
        -------
        list of DeadLetter
        """
        names = ", ".join(f"r.{each.name}" for each in fields(DeadLetter))
        query = (
            f"select {names} from apdb.precovery_request as r where r.state = 'dead' "  # noqa: S608
            "order by r.finished_mjd_tai desc, r.dia_object_id limit %s"
        )
        with self.reading() as connection:
            cursor = connection.cursor(row_factory=class_row(DeadLetter))
            return cursor.execute(query.encode(), (limit,)).fetchall()

    def retry_precovery(self, dia_object_ids: Sequence[int] | None = None) -> int:
        """Queue requests again that were given up.

        Parameters
        ----------
        dia_object_ids : sequence of int, optional
            Which; by default all.

        Returns
        -------
        int
            Number of requests queued again.

        Raises
        ------
        NotFound
            One of them was not given up; nothing was changed.
        """
        ids = None if dia_object_ids is None else [int(number) for number in dia_object_ids]
        with self.connection() as connection:
            row = connection.execute("select apdb.retry_precovery(%s::bigint[])", (ids,)).fetchone()
        assert row is not None
        return int(row[0])


def load_measure(name: str) -> Measure:
    """Return the measure function that a text names.

    Parameters
    ----------
    name : str
        ``module:function``; modules in the current folder are found too.

    Returns
    -------
    callable

    Raises
    ------
    InvalidInput
        There is no such module or function, or it cannot be called.
    """
    module_name, colon, function = name.partition(":")
    if not colon or not module_name or not function:
        raise InvalidInput(f"{name!r} names no function: write module:function")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise InvalidInput(f"module {module_name} cannot be imported: {error}") from error
    for part in function.split("."):
        if not hasattr(found, part):
            raise InvalidInput(f"module {module_name} has no {function}")
        found = getattr(found, part)
    if not callable(found):
        raise InvalidInput(f"{name} is no function, but a {type(found).__name__}")
    measure: Callable[..., Any] = found
    return measure


def _options(measure: Any, batch: int, max_attempts: int, backoff: float) -> Options:
    problems = Problems()
    if not callable(measure):
        problems.add("measure", "must be a function of a table of positions", measure)
    # Each takes an entry in the server's table of locks.
    limits = {"batch": (batch, 5000), "max_attempts": (max_attempts, 1000)}
    for name, (value, highest) in limits.items():
        if not isinstance(value, int) or not 1 <= value <= highest:
            problems.add(name, f"must be a whole number from 1 to {highest}", value)
    if not isinstance(backoff, int | float) or not 0.0 <= backoff <= 86_400.0:
        problems.add("backoff", "must be from 0 to 86400 s", backoff)
    problems.raise_if_any()
    return Options(batch, max_attempts, float(backoff))


def as_dict(summary: PrecoverySummary) -> dict[str, Any]:
    """Return a summary as plain values.

    Parameters
    ----------
    summary : PrecoverySummary
        What `Precovery.run_precovery` returned.

    Returns
    -------
    dict
    """
    return asdict(summary)
