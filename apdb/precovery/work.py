"""One batch of precovery: images looked up, measured, results stored with the end of the requests.

A worker takes requests in a transaction that commits at once, so that the attempt counts whatever
happens, and does the work in a second one that keeps other workers off by advisory locks: what it
stores and that it is done become true together, and a worker that dies leaves neither.  Rows are
locked, and written, only at its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import psycopg

from apdb.alerts.refill import add_forced
from apdb.errors import Busy, InvalidInput
from apdb.input.batch import Batch
from apdb.input.forced_records import forced_rows
from apdb.input.visit import Visit
from apdb.schema.catalogue import table
from apdb.stage import copy_in
from apdb.store_forced import PRECOVERY, of_visit, positions_table
from apdb.translate import translate

if TYPE_CHECKING:
    from astropy.table import Table

Measure: TypeAlias = "Callable[[Table], Any]"
WORK_TIMEOUT = "6h"
"""Longest time that measuring one batch may take: the session is idle in its transaction."""

BUSY_TRIES = 5
SHOWN = 3


@dataclass(frozen=True)
class Options:
    """How a worker works.

    Attributes
    ----------
    batch : int
        Requests taken at a time.
    max_attempts : int
        Attempts after which a request is given up.
    backoff : float
        Wait after a first attempt that failed [s]; four times as long after each further one.
    """

    batch: int = 500
    max_attempts: int = 5
    backoff: float = 60.0


@dataclass
class Outcome:
    """What became of one batch.

    Attributes
    ----------
    n_taken, n_done, n_left, n_dead, n_void : int
        Requests taken; done; left for another attempt, those queued anew by a correction
        meanwhile included; given up; of retired objects, or taken over by another worker.
    n_images, n_failed_images : int
        Images looked at, and those of them that failed.
    n_stored : int
        Measurements stored.
    """

    n_taken: int = 0
    n_done: int = 0
    n_left: int = 0
    n_dead: int = 0
    n_void: int = 0
    n_images: int = 0
    n_failed_images: int = 0
    n_stored: int = 0


@dataclass
class Progress:
    """Where each object of a batch stands: images, measurements, errors."""

    images: dict[int, int] = field(default_factory=dict)
    measured: dict[int, int] = field(default_factory=dict)
    errors: dict[int, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """An image with the objects to measure on it."""

    visit: Visit
    band: str
    positions: Table

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"visit {self.visit.visit} detector {self.visit.detector}"


def claim(
    connection: psycopg.Connection[Any], worker: str, options: Options
) -> list[tuple[int, int]]:
    """Take requests that are due.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction of its own; commit it before the work.
    worker : str
        Host and process.
    options : Options
        How many, and when a request is given up.

    Returns
    -------
    list of (int, int)
        Objects and number of the attempt; empty if nothing is due.
    """
    return connection.execute(
        "select * from apdb.claim_precovery(%s, %s::integer, %s::integer, %s)",
        (worker, options.batch, options.max_attempts, options.backoff),
    ).fetchall()


def work(
    connection: psycopg.Connection[Any],
    claimed: Sequence[tuple[int, int]],
    measure: Measure,
    options: Options,
    watch: Callable[[int, int], None],
) -> Outcome:
    """Measure what was taken, store it and end the requests.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction of its own; all becomes true when it commits.
    claimed : sequence of (int, int)
        What `claim` returned, committed.
    measure : callable
        Measures positions on one image.
    options : Options
        When a request is given up.
    watch : callable
        Called with the number of images done and of all.

    Returns
    -------
    Outcome
    """
    outcome = Outcome(n_taken=len(claimed))
    connection.execute(
        "select set_config('idle_in_transaction_session_timeout', %s, true)", (WORK_TIMEOUT,)
    )
    ids, attempts = _columns(claimed)
    rows = connection.execute(
        "select * from apdb.hold_precovery(%s::bigint[], %s::integer[])", (ids, attempts)
    ).fetchall()
    attempt = dict(claimed)
    held = [(row[0], attempt[row[0]]) for row in rows]
    images = _images(connection, [number for number, _ in held])
    progress = Progress()
    found: list[Batch] = []
    for done, image in enumerate(images):
        watch(done, len(images))
        batch = _measured(image, measure, progress)
        outcome.n_failed_images += batch is None
        if batch is not None and batch.n:
            found.append(batch)
    watch(len(images), len(images))
    outcome.n_images = len(images)
    _end(connection, held, found, progress, options, outcome)
    outcome.n_void += len(ids) - len(held)
    return outcome


def give_back(
    connection: psycopg.Connection[Any],
    claimed: Sequence[tuple[int, int]],
    error: str,
    options: Options,
) -> Outcome:
    """Leave requests for another attempt because of an error of none of them.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction of its own, after the one of `work` was rolled back.
    claimed : sequence of (int, int)
        What `claim` returned.
    error : str
        Why: without it, the worker would count as one that died on them.
    options : Options
        When a request is given up.

    Returns
    -------
    Outcome
    """
    outcome = Outcome(n_taken=len(claimed))
    progress = Progress(errors={number: [error] for number, _ in claimed})
    _finish(connection, claimed, progress, options, outcome)
    return outcome


def _images(connection: psycopg.Connection[Any], held: list[int]) -> list[Image]:
    """Return the images of a batch in time order, with the objects that truly lie on each."""
    if not held:
        return []
    # Rolled back: its snapshot would hold back vacuum, and its locks new partitions, until the end.
    with connection.transaction(force_rollback=True), connection.cursor(binary=True) as cursor:
        rows = cursor.execute(
            "select * from apdb.precovery_images(%s::bigint[])", (held,)
        ).fetchall()
    by_image: dict[tuple[int, int], list[Any]] = {}
    for row in rows:
        by_image.setdefault((row[3], row[4]), []).append(row)
    found = []
    for of_image in by_image.values():
        visit = _visit(of_image[0])
        asked = [(*row[:3], 0, PRECOVERY) for row in of_image]
        positions = positions_table(asked, visit)
        if len(positions):
            found.append(Image(visit, visit.band, positions))
    return found


def _visit(row: Sequence[Any]) -> Visit:
    number, detector, band, midpoint, exposure, ra, dec, radius, boundary = row[3:]
    footprint: dict[str, Any] = {"ra": ra, "dec": dec, "radius": radius}
    if boundary is not None:
        corners = zip(boundary[::2], boundary[1::2], strict=True)
        footprint = {"boundary": tuple(corners)}
    return Visit(
        visit=number,
        detector=detector,
        band=band,
        midpoint_mjd_tai=midpoint,
        exposure_time=exposure,
        **footprint,
    )


def _measured(image: Image, measure: Measure, progress: Progress) -> Batch | None:
    """Return what an image gave; None if it failed, which its objects are told."""
    ids = image.positions["dia_object_id"].tolist()
    for number in ids:
        progress.images[number] = progress.images.get(number, 0) + 1
    try:
        batch = _checked(measure(image.positions), image)
    # Whatever an image does to the caller's function, the others are measured all the same.
    except Exception as error:  # noqa: BLE001
        text = str(error).strip() or type(error).__name__
        for number in ids:
            progress.errors.setdefault(number, []).append(
                f"{image.name}: {type(error).__name__}: {text}"
            )
        return None
    for number in batch.columns["dia_object_id"].tolist():
        progress.measured[number] = progress.measured.get(number, 0) + 1
    return batch


def _checked(rows: Any, image: Image) -> Batch:
    given = of_visit(forced_rows(rows, image.visit), image.visit, image.band)
    if given.followed.n:
        raise InvalidInput("the measure function returned rows of followed positions")
    asked = np.asarray(image.positions["dia_object_id"])
    batch = given.objects
    stray = ~np.isin(batch.columns["dia_object_id"], asked)
    if stray.any():
        number = batch.columns["dia_object_id"][stray][0]
        raise InvalidInput(f"object {number} was not asked for on this image")
    return batch


def _joined(batches: list[Batch]) -> Batch:
    """Return the rows of all images as one batch; columns that one lacks are NULL there."""
    names = list(dict.fromkeys(name for batch in batches for name in batch.columns))
    n = sum(batch.n for batch in batches)
    columns: dict[str, Any] = {}
    nulls: dict[str, Any] = {}
    for name in names:
        dtype = table("dia_forced_source").column(name).numpy_dtype
        parts = [b.columns.get(name, np.zeros(b.n, dtype)) for b in batches]
        columns[name] = np.concatenate(parts)
        gone = np.concatenate([_nulls(batch, name) for batch in batches])
        nulls[name] = gone if gone.any() else None
    return Batch(n, columns, nulls)


def _nulls(batch: Batch, name: str) -> Any:
    if name not in batch.columns:
        return np.ones(batch.n, bool)
    mask = batch.nulls[name]
    return np.zeros(batch.n, bool) if mask is None else mask


def _end(
    connection: psycopg.Connection[Any],
    held: Sequence[tuple[int, int]],
    found: list[Batch],
    progress: Progress,
    options: Options,
    outcome: Outcome,
) -> None:
    """Store and end; waits for the sky and the rows without throwing away what was measured."""
    for tried in range(BUSY_TRIES):
        try:
            with connection.transaction():
                if found:
                    outcome.n_stored = _store(connection, held, _joined(found))
                _finish(connection, held, progress, options, outcome)
                return
        except psycopg.errors.Error as error:
            if not isinstance(translate(error), Busy) or tried == BUSY_TRIES - 1:
                raise
            time.sleep(0.2 * 2**tried)


def _store(
    connection: psycopg.Connection[Any], held: Sequence[tuple[int, int]], batch: Batch
) -> int:
    # Rows with ids of their own would not be told apart from those of other workers.
    batch = replace(
        batch,
        columns={k: v for k, v in batch.columns.items() if k != "dia_forced_source_id"},
        nulls={k: v for k, v in batch.nulls.items() if k != "dia_forced_source_id"},
    )
    connection.execute("select apdb.open_stage(null)")
    copy_in(connection, "stage_forced", "dia_forced_source", batch, {})
    row = connection.execute(
        "select store_seq, n_changed from apdb.store_precovery(%s::bigint[], %s::integer[])",
        _columns(held),
    ).fetchone()
    assert row is not None
    if row[1]:
        add_forced(connection, row[0])
    return int(row[1])


def _columns(claimed: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [number for number, _ in claimed], [attempt for _, attempt in claimed]


def _finish(
    connection: psycopg.Connection[Any],
    held: Sequence[tuple[int, int]],
    progress: Progress,
    options: Options,
    outcome: Outcome,
) -> None:
    ids, attempts = _columns(held)
    errors = [_said(progress.errors.get(number, [])) for number in ids]
    row = connection.execute(
        "select * from apdb.finish_precovery("
        "%s::bigint[], %s::integer[], %s::integer[], %s::integer[], %s::text[], %s::integer)",
        (
            ids,
            attempts,
            [progress.images.get(number, 0) for number in ids],
            [progress.measured.get(number, 0) for number in ids],
            errors,
            options.max_attempts,
        ),
    ).fetchone()
    assert row is not None
    outcome.n_done, outcome.n_left, outcome.n_dead, outcome.n_void = row


def _said(errors: list[str]) -> str | None:
    if not errors:
        return None
    more = f"; and {len(errors) - SHOWN} more images" if len(errors) > SHOWN else ""
    return "; ".join(errors[:SHOWN]) + more
