"""Ingest of catalogue files: every visit in them is stored, skipped or refused, and said to be."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from apdb.database import Apdb
from apdb.errors import (
    ApdbError,
    Busy,
    ConnectionLost,
    InvalidInput,
    OutOfSpace,
    SchemaMismatch,
    ServerNotRunning,
)
from apdb.ingest.said import VisitOptions
from apdb.ingest.visits import Piece, pieces
from apdb.store import Rule, StoreReport, check_options

#: How often a visit is tried while others hold the sky, and the first of the pauses, which double.
TRIES = 5
FIRST_PAUSE = 0.5

#: After these no other visit can be stored either.
_HOPELESS = (ConnectionLost, OutOfSpace, SchemaMismatch, ServerNotRunning)
_STATES = {"stored": "stored", "repeated": "skipped", "dry_run": "dry run"}


@dataclass(frozen=True)
class Outcome:
    """What became of one visit, or of a file that could not be read.

    Attributes
    ----------
    path : str
        The file.
    visit, detector : int or None
        Which visit; None if the file does not say.
    state : str
        ``stored``, ``skipped`` (stored already, with the same content), ``dry run`` or
        ``refused``.
    n_sources, n_new_objects : int
        Sources in it; DIAObjects that it started.
    milliseconds : float
        Time that it took.
    error : str or None
        Class of the error that refused it.
    reason : str
        Why it was skipped or refused.
    exit_code : int
        That of the error; 0 if there was none.
    """

    path: str
    visit: int | None
    detector: int | None
    state: str
    n_sources: int = 0
    n_new_objects: int = 0
    milliseconds: float = 0.0
    error: str | None = None
    reason: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class IngestSummary:
    """What became of all visits.

    Attributes
    ----------
    outcomes : tuple of Outcome
        In the order in which they were tried.
    stopped : bool
        True if a refused visit ended the ingest.
    n_visits_left, n_files_left : int
        Not tried because of that: visits of the last file, and files after it.
    """

    outcomes: tuple[Outcome, ...]
    stopped: bool = False
    n_visits_left: int = 0
    n_files_left: int = 0

    def count(self, state: str) -> int:
        """Return the number of visits (and unreadable files) in a state.

        Parameters
        ----------
        state : str
            ``stored``, ``skipped``, ``dry run`` or ``refused``.

        Returns
        -------
        int
            How many.
        """
        return Counter(outcome.state for outcome in self.outcomes)[state]

    @property
    def refused(self) -> tuple[Outcome, ...]:
        """The visits and files that were refused."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "refused")

    @property
    def exit_code(self) -> int:
        """0 if nothing was refused, else the exit code of the first error."""
        return next((outcome.exit_code for outcome in self.refused), 0)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain values, for JSON."""
        return {
            "stored": self.count("stored"),
            "skipped": self.count("skipped"),
            "dry_run": self.count("dry run"),
            "refused": self.count("refused"),
            "stopped": self.stopped,
            "visits_left": self.n_visits_left,
            "files_left": self.n_files_left,
            "visits": [asdict(outcome) for outcome in self.outcomes],
        }


class Watcher:
    """Told how an ingest gets on; this one does not care."""

    def opened(self, path: Path, n_visits: int) -> None:
        """Hear that a file was opened.

        Parameters
        ----------
        path : Path
            The file.
        n_visits : int
            Number of visits in it.
        """

    def done(self, outcome: Outcome) -> None:
        """Hear what became of a visit.

        Parameters
        ----------
        outcome : Outcome
            Of the visit, or of a file that cannot be read.
        """


def ingest(
    db: Apdb,
    paths: Iterable[str | Path],
    *,
    options: VisitOptions | None = None,
    radius: float | None = None,
    associate: Rule | None = None,
    dry_run: bool = False,
    keep_going: bool = False,
    watcher: Watcher | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> IngestSummary:
    """Store the visits of catalogue files; safe to repeat and to resume.

    A file holds one visit, or several told apart by columns ``visit`` and ``detector``.  What a
    visit needs is taken from `options`, else from columns (``visit``, ``detector``, ``band``,
    ``midpoint_mjd_tai``, ``exposure_time``, ``readout_end_mjd_tai``), else from the file's
    metadata under these names or ``FILTER``, ``MIDPOINT``, ``EXPTIME``.  The footprint is that of
    `options`, else of columns ``visit_ra``, ``visit_dec`` and ``visit_radius``, else of metadata
    ``boundary``, or ``ra``, ``dec`` and ``radius``, else a circle around the sources, 5% larger
    than needed and at least 0.02 deg in radius.

    Visits are stored file by file, within a file in time order.  Those that are stored already
    with the same content are skipped.

    Parameters
    ----------
    db : Apdb
        Where to.
    paths : iterable of str or Path
        Files in Parquet, FITS, ECSV or Avro (plain records, or LSST alerts, whose sources are
        replayed).
    options : VisitOptions, optional
        What holds for all visits, whatever the files say.
    radius : float, optional
        Association radius [arcsec].  Default: that of the database.
    associate : {"nearest", "likelihood"}, optional
        Association rule.  Default: that of the database.
    dry_run : bool, optional
        Show the outcome of each visit by itself and write nothing.
    keep_going : bool, optional
        Go on after a visit or file was refused; otherwise the first ends the ingest.
    watcher : Watcher, optional
        Told of every visit.
    pause : callable, optional
        Waits for some seconds while other sessions hold the sky.

    Returns
    -------
    IngestSummary
        What was stored, skipped and refused, and why.

    Raises
    ------
    InvalidInput
        Radius or rule cannot be; what is wrong with files is in the summary.
    """
    check_options(radius, associate)
    options, watcher = options or VisitOptions(), watcher or Watcher()
    call = {"radius": radius, "associate": associate, "dry_run": dry_run}
    outcomes: list[Outcome] = []
    left = [Path(path) for path in paths]
    while left:
        path = left.pop(0)
        n_left = 0
        for n_left, outcome in _file(db, path, options, call, watcher, pause):
            outcomes.append(outcome)
            watcher.done(outcome)
            hopeless = outcome.error in {each.__name__ for each in _HOPELESS}
            if outcome.state == "refused" and (hopeless or not keep_going):
                return IngestSummary(tuple(outcomes), True, n_left, len(left))
    return IngestSummary(tuple(outcomes))


def _file(
    db: Apdb,
    path: Path,
    options: VisitOptions,
    call: dict[str, Any],
    watcher: Watcher,
    pause: Callable[[float], object],
) -> Iterable[tuple[int, Outcome]]:
    """Yield what became of each visit of a file, with the number of visits left in it."""
    try:
        n, found = pieces(path, options)
        watcher.opened(path, n)
        for number, piece in enumerate(found, start=1):
            yield n - number, _piece(db, piece, call, pause)
    except InvalidInput as error:
        yield 0, _refused(path, None, None, 0, error)


def _piece(
    db: Apdb, piece: Piece, call: dict[str, Any], pause: Callable[[float], object]
) -> Outcome:
    """Store one visit."""
    try:
        visit, sources = piece.load()
        report = _store(lambda: db.store_visit(visit, sources, **call), pause)
    except InvalidInput as error:
        told = piece.in_file(error)
        return _refused(piece.path, piece.visit, piece.detector, piece.n, told)
    except ApdbError as error:
        return _refused(piece.path, piece.visit, piece.detector, piece.n, error)
    return Outcome(
        path=str(piece.path),
        visit=visit.visit,
        detector=visit.detector,
        state=_STATES[report.state],
        n_sources=piece.n,
        n_new_objects=report.n_new_dia_objects,
        milliseconds=report.timings["total"],
        reason="stored already" if report.state == "repeated" else "",
    )


def _store(attempt: Callable[[], StoreReport], pause: Callable[[float], object]) -> StoreReport:
    """Store a visit, again where another session holds the sky or the connection broke."""
    for number in range(TRIES - 1):
        try:
            return attempt()
        except (Busy, ConnectionLost):
            pause(FIRST_PAUSE * 2.0**number)
    return attempt()


def _refused(
    path: Path, visit: int | None, detector: int | None, n_sources: int, error: ApdbError
) -> Outcome:
    return Outcome(
        path=str(path),
        visit=visit,
        detector=detector,
        state="refused",
        n_sources=n_sources,
        error=type(error).__name__,
        reason=str(error),
        exit_code=error.exit_code,
    )
