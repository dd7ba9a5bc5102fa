"""A night of images: what is there, what arrives, what failed, and what is done already."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from astropy.time import Time

from apdb.database import Apdb
from apdb.errors import ApdbError, ConnectionLost, InvalidInput, NotFound, ServerNotRunning
from apdb.images.records import Outcome
from pipeline.night.files import Arrived, Folder
from pipeline.night.pool import Pool
from pipeline.night.worker import Done, Image, Planned, Setup
from pipeline.process.naming import which

_POLL = 0.25
#: How often announced visits are looked up [s].
_ANNOUNCEMENTS = 2.0
#: How long an image waits that failed for no fault of its own [s].
_PAUSE = 3.0


@dataclass(frozen=True)
class NightOptions:
    """How a folder is processed.

    Attributes
    ----------
    jobs : int
        Processes.
    watching : bool
        Wait for files that arrive.
    idle : float or None
        End when nothing has come for so long [s]; None waits for ever.
    settle : float
        A file that arrives is whole when its size has not changed for so long [s].
    timeout : float
        A process that takes longer for an image is killed [s].
    attempts : int
        An image that failed is tried again by later runs, until it was tried so often.
    again : bool
        Process what is done already, too.
    patience : float
        How long to wait for a database or image store that does not answer [s].
    preload_radius : float
        Templates are loaded this far around the pointing of an announced visit [deg].
    """

    jobs: int = 2
    watching: bool = False
    idle: float | None = None
    settle: float = 1.0
    timeout: float = 600.0
    attempts: int = 3
    again: bool = False
    patience: float = 600.0
    preload_radius: float = 0.3


@dataclass
class NightSummary:
    """What became of a folder.

    Attributes
    ----------
    n_found : int
        Files seen.
    n_skipped : int
        Those done by an earlier run.
    n_given_up : int
        Those that failed too often before.
    done : list of Done
        What became of the others.
    n_preloaded : int
        Announced visits that templates were loaded for.
    latencies : list of float
        From the last byte of each file that arrived to its end [s].
    seconds : float
        Wall time.
    """

    n_found: int = 0
    n_skipped: int = 0
    n_given_up: int = 0
    done: list[Done] = field(default_factory=list)
    n_preloaded: int = 0
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[Done]:
        """Images that failed."""
        return [each for each in self.done if each.state == "failed"]


class NightWatcher:
    """Told how a night goes on; this one does not listen."""

    def found(self, n: int) -> None:
        """Take note of images that are to be processed.

        Parameters
        ----------
        n : int
            How many more.
        """

    def stage(self, worker: int, image: Image, stage: str) -> None:
        """Take note of a stage that begins.

        Parameters
        ----------
        worker : int
            Number of the process.
        image : Image
            The image.
        stage : str
            The stage.
        """

    def done(self, done: Done) -> None:
        """Take note of an image that is done, or failed.

        Parameters
        ----------
        done : Done
            What became of it.
        """

    def announced(self, planned: Planned) -> None:
        """Take note of an announced visit that templates are being loaded for.

        Parameters
        ----------
        planned : Planned
            The visit.
        """

    def waiting(self, why: str) -> None:
        """Take note that database or image store does not answer.

        Parameters
        ----------
        why : str
            What was said.
        """


def process_night(
    db: Apdb,
    folder: Path,
    setup: Setup,
    options: NightOptions | None = None,
    watcher: NightWatcher | None = None,
) -> NightSummary:
    """Process the images of a folder in parallel, each apart from the others.

    What an earlier run has done is skipped, so that a run that was broken off goes on where it
    was.  While the folder is watched, images that arrive go first, and those that were there before
    follow by name: after an outage, alerts of now are in time while the night is caught up.  An
    image whose process dies is recorded as failed.  Where database or image store does not
    answer, images wait.

    Parameters
    ----------
    db : Apdb
        Where to.
    folder : Path
        Where the images are.
    setup : Setup
        What they have in common.
    options : NightOptions, optional
        How.
    watcher : NightWatcher, optional
        Told how it goes on.

    Returns
    -------
    NightSummary

    Raises
    ------
    InvalidInput
        There is no such folder; or fakes are to be injected in a run without a tag.
    ServerNotRunning
        The database did not answer for longer than `options.patience`.
    """
    if setup.fakes is not None and not setup.run:
        raise InvalidInput("a run with fakes is one apart: give it a tag (--run TAG)")
    night = _Night(db, folder, setup, options or NightOptions(), watcher or NightWatcher())
    started = time.monotonic()
    while not night.over:
        try:
            with Pool(setup, night.options.jobs, night.options.timeout, night.told) as pool:
                night.drive(pool)
        except (ServerNotRunning, ConnectionLost) as error:
            night.wait_for_database(str(error))
    night.summary.seconds = time.monotonic() - started
    return night.summary


class _Night:
    """A run of `process_night` on its way."""

    def __init__(
        self, db: Apdb, root: Path, setup: Setup, options: NightOptions, watcher: NightWatcher
    ) -> None:
        self.db, self.setup, self.options, self.watcher = db, setup, options, watcher
        self.folder = Folder(root, options.settle)
        self.summary = NightSummary()
        self.fresh: deque[Arrived] = deque()
        self.backlog: deque[Arrived] = deque()
        self.handed: dict[Path, Arrived] = {}
        self.troubled: dict[Path, float] = {}
        self.delayed: list[tuple[float, Arrived]] = []
        self.announced: set[int] = set()
        self.next_announcement = 0.0
        self.last = time.monotonic()
        self.outage: float | None = None
        self.over = False
        self.before = self._before()

    def told(self, worker: int, image: Image, stage: str) -> None:
        """Pass on a stage that begins."""
        self.watcher.stage(worker, image, stage)

    def drive(self, pool: Pool) -> None:
        """Hand out images until there are no more."""
        # What was handed to processes of before is to be done again.
        self.backlog.extendleft(self.handed.values())
        self.handed.clear()
        while True:
            self._look()
            if pool.starting:
                # Nothing is missed by not being ready for it.
                self.last = time.monotonic()
            while (self.fresh or self.backlog) and pool.idle:
                self._hand(pool)
            if self.options.watching and not (self.fresh or self.backlog):
                self._announce(pool)
            for done in pool.results(_POLL):
                self._done(done)
            if self._finished(pool):
                self.over = True
                return

    def wait_for_database(self, why: str) -> None:
        """Wait until the database answers again."""
        self.outage = self.outage or time.monotonic()
        self.watcher.waiting(why)
        while True:
            try:
                with self.db.reading() as connection:
                    connection.execute("select 1")
            except ApdbError:
                if time.monotonic() - self.outage > self.options.patience:
                    raise
                time.sleep(1.0)
            else:
                self.outage = None
                return

    def _before(self) -> dict[str, tuple[str, int]]:
        if self.options.again:
            return {}
        return {
            each.input: (each.state, each.n_attempts)
            for each in self.db.processed(run=self.setup.run)
            if each.input is not None
        }

    def _look(self) -> None:
        """Queue files that are there and were not seen."""
        n, now = 0, time.monotonic()
        for when, each in [pair for pair in self.delayed if pair[0] <= now]:
            self.delayed.remove((when, each))
            (self.fresh if each.fresh else self.backlog).appendleft(each)
        for each in self.folder.arrived():
            self.summary.n_found += 1
            state, attempts = self.before.get(str(each.path), ("", 0))
            if state == "done":
                self.summary.n_skipped += 1
            elif state == "failed" and attempts >= self.options.attempts:
                self.summary.n_given_up += 1
            else:
                (self.fresh if each.fresh else self.backlog).append(each)
                n += 1
        if n:
            self.last = time.monotonic()
            self.watcher.found(n)

    def _hand(self, pool: Pool) -> None:
        each = (self.fresh or self.backlog).popleft()
        arrived = _mjd_tai(each.since) if each.fresh else None
        if pool.hand(Image(each.path, arrived)):
            self.handed[each.path] = each

    def _announce(self, pool: Pool) -> None:
        """Have templates loaded for visits that were announced and have not come."""
        if time.monotonic() < self.next_announcement:
            return
        self.next_announcement = time.monotonic() + _ANNOUNCEMENTS
        for planned in self._planned():
            if pool.announce(planned) and planned.visit not in self.announced:
                self.announced.add(planned.visit)
                self.summary.n_preloaded += 1
                self.watcher.announced(planned)

    def _planned(self) -> list[Planned]:
        with self.db.reading() as connection:
            rows = connection.execute(
                "select e.visit, e.ra, e.dec, e.band from apdb.expected_visit as e "
                "where e.ra is not null and e.band is not null and e.failed_at_mjd_tai is null "
                "and not exists (select from apdb.visit as v where v.visit = e.visit) "
                "group by e.visit, e.ra, e.dec, e.band "
                "order by max(e.expected_at_mjd_tai) desc limit 3"
            ).fetchall()
        radius = self.options.preload_radius
        return [Planned(visit, ra, dec, radius, band) for visit, ra, dec, band in rows]

    def _done(self, done: Done) -> None:
        each = self.handed.pop(done.path)
        self.last = time.monotonic()
        if done.state == "failed" and done.retry:
            since = self.troubled.setdefault(done.path, time.monotonic())
            if time.monotonic() - since < self.options.patience:
                self.delayed.append((time.monotonic() + _PAUSE, each))
                self.watcher.waiting(f"{done.path.name}: {done.stage}: {done.reason}")
                return
        if done.state == "failed" and done.visit is None:
            done = self._record(done)
        if each.fresh:
            self.summary.latencies.append(time.time() - each.since)
        self.summary.done.append(done)
        self.watcher.done(done)

    def _record(self, done: Done) -> Done:
        """Put on record an image whose process died."""
        visit, detector = which(done.path)
        if visit is None or detector is None:
            return done
        run, config = self.setup.run, self.setup.config
        outcome = Outcome(stage=done.stage, reason=done.reason)
        try:
            self.db.end_processing(visit, detector, outcome, run=run)
        except NotFound:
            # It died before it had said which image it was at.
            source, mode = str(done.path), config.run.mode
            self.db.begin_processing(
                visit, detector, run=run, mode=mode, source=source, config=config.table()
            )
            self.db.end_processing(visit, detector, outcome, run=run)
        return replace(done, visit=visit, detector=detector)

    def _finished(self, pool: Pool) -> bool:
        if self.fresh or self.backlog or self.delayed or pool.busy or self.folder.pending:
            return False
        if not self.options.watching:
            return True
        idle = self.options.idle
        return idle is not None and time.monotonic() - self.last > idle


def _mjd_tai(unix: float) -> float:
    return float(Time(unix, format="unix").tai.mjd)
