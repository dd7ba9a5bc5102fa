"""One call of store_visit on its way, and its report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from apdb.archive.cutouts import Cutouts
from apdb.errors import VisitConflict
from apdb.input.batch import Batch
from apdb.input.digest import content_digest
from apdb.input.records import dia_source_batch
from apdb.input.visit import Visit
from apdb.routine import call

if TYPE_CHECKING:
    from apdb.alerts.produce import VisitAlerts

STEPS = (
    "validate",
    "begin",
    "copy",
    "lock",
    "prepare",
    "solar_system",
    "associate",
    "summarise",
    "measure_forced",
    "objects",
    "neighbours",
    "sources",
    "forced",
    "fragments",
    "alerts",
)
"""Steps of storing a visit, in order."""


@dataclass(frozen=True)
class StoreReport:
    """What became of a visit; arrays are in the order of the input.

    Attributes
    ----------
    visit, detector : int
        Which visit.
    dia_source_id : ndarray of int64, shape (n,)
        Ids as given.
    dia_object_id, ss_object_id : ndarray of int64, shape (n,)
        Object that each source belongs to; 0 for none.
    is_new : ndarray of bool, shape (n,)
        True if this visit started the source's DIAObject.
    state : str
        ``stored``, ``repeated`` (it was stored before, with the same content) or ``dry_run``.
    corrected : bool
        True if a correction has touched the visit since it was stored.
    store_seq : int
        Place of the visit in the order of knowledge; 0 for a dry run.
    time_processed_mjd_tai : float
        When it was stored, MJD TAI [d]; NaN for a dry run.
    n_dia_forced_sources : int
        Rows of forced photometry stored with it.
    ephemerides_missing : bool
        True if no ephemeris was near, so that nothing could be attributed to known objects.
    timings : dict of str to float
        Milliseconds per step, in order, as first stored; ``total`` is of this call.
    """

    visit: int
    detector: int
    dia_source_id: NDArray[np.int64]
    dia_object_id: NDArray[np.int64]
    ss_object_id: NDArray[np.int64]
    is_new: NDArray[np.bool_]
    state: str
    corrected: bool
    store_seq: int
    time_processed_mjd_tai: float
    n_dia_forced_sources: int
    ephemerides_missing: bool
    timings: dict[str, float]

    @property
    def n_new_dia_objects(self) -> int:
        """Number of DIAObjects that the visit started."""
        return len(np.unique(self.dia_object_id[self.is_new]))

    @property
    def n_unassociated(self) -> int:
        """Number of sources without any object."""
        return int(np.sum((self.dia_object_id == 0) & (self.ss_object_id == 0)))


class Job:
    """One call of store_visit on its way: the input, what the database said, and a clock.

    Parameters
    ----------
    visit : Visit
        Which exposure and detector, when and where.
    sources : object
        Its DIASources, a table of any kind.
    forced : callable or table
        Forced photometry.
    dry_run : bool
        Show the outcome and write nothing.
    cutouts : mapping or None
        Stamps of the sources, see `apdb.Apdb.store_visit`.

    Raises
    ------
    InvalidInput
        With every bad row and column.
    """

    def __init__(
        self, visit: Visit, sources: object, forced: Any, dry_run: bool, cutouts: Any = None
    ) -> None:
        self.started = self.since = time.perf_counter()
        self.visit = visit
        self.forced = forced
        self.dry_run = dry_run
        self.timings: dict[str, float] = {}
        self.batch = dia_source_batch(sources, visit)
        self.cutouts = None if cutouts is None else Cutouts(cutouts, self.batch.n)
        self.digest = content_digest(visit, self.batch)
        self.reason: str | None = None
        self.alerts: VisitAlerts | None = None
        self.followed: Batch | None = None
        self.committing = False
        self.attempt_id: int | None = None
        self.band = ""
        self.rule = ""
        self.radius = 0.0
        self.site_longitude = 0.0
        self.tick("validate")

    def is_stored(
        self,
        connection: psycopg.Connection[Any],  # noqa: ARG002
        row: Mapping[str, Any] | None,
    ) -> bool:
        """Tell whether the register's row is that of this content.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction of the visit.
        row : mapping or None
            Row of the register; None if nothing is stored.

        Raises
        ------
        VisitConflict
            Other content is stored.
        """
        if row is None:
            return False
        if row["digest"] != self.digest:
            raise VisitConflict(
                f"Visit {self.visit.visit} detector {self.visit.detector} is stored already with "
                f"other content (store_seq {row['store_seq']}). Nothing was changed; call "
                "`replace` if this content is right."
            )
        return True

    def lock(self, connection: psycopg.Connection[Any]) -> None:
        """Lock the sky around the staged sources.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction of the visit.
        """
        connection.execute("select apdb.lock_sky(%s)", (self.radius,))

    def commit(
        self, connection: psycopg.Connection[Any], values: Sequence[object]
    ) -> dict[str, Any]:
        """Write the associated visit; return its report.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction of the visit.
        values : sequence
            Arguments of commit_visit, in order.
        """
        return call(connection, "commit_visit", values)

    def tick(self, step: str) -> None:
        """Note the time since the last tick as that of a step [ms].

        Parameters
        ----------
        step : str
            Name of the step.
        """
        now = time.perf_counter()
        self.timings[step] = round((now - self.since) * 1000.0, 3)
        self.since = now

    def report(self, row: Mapping[str, Any], state: str) -> StoreReport:
        """Return the report.

        Parameters
        ----------
        row : mapping
            What the database said, ids in the order of dia_source_id.
        state : str
            ``stored``, ``repeated`` or ``dry_run``.
        """
        ids = np.asarray(self.batch.columns["dia_source_id"], np.int64)
        order = np.argsort(ids, kind="stable")
        by_input = np.empty(len(ids), np.intp)
        by_input[order] = np.arange(len(ids))
        found = row.get("timings") or {}
        timings = {step: found[step] for step in STEPS if step in found}
        timings["total"] = round((time.perf_counter() - self.started) * 1000.0, 3)
        return StoreReport(
            visit=self.visit.visit,
            detector=self.visit.detector,
            dia_source_id=ids,
            dia_object_id=np.array(row["dia_object_ids"], np.int64)[by_input],
            ss_object_id=np.array(row["ss_object_ids"], np.int64)[by_input],
            is_new=np.array(row["is_new"], bool)[by_input],
            state=state,
            corrected=row.get("corrected_store_seq") is not None,
            store_seq=row.get("store_seq", 0),
            time_processed_mjd_tai=row.get("mjd_tai", np.nan),
            n_dia_forced_sources=row.get("n_dia_forced_sources") or 0,
            ephemerides_missing=bool(row.get("ephemerides_missing")),
            timings=timings,
        )
