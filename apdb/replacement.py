"""The report of a correction, and the job that replaces what a visit has stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from apdb.errors import NotFound
from apdb.input.visit import Visit
from apdb.routine import call
from apdb.store_job import Job, StoreReport


@dataclass(frozen=True)
class CorrectionReport:
    """What a correction changed.

    Attributes
    ----------
    kind : str
        ``reassign``, ``merge``, ``split``, ``withdraw`` or ``replace``.
    store_seq : int
        Place of the correction in the order of knowledge; 0 if there was nothing to change, and
        for a dry run.
    mjd_tai : float
        Its knowledge time, MJD TAI [d].
    n_dia_sources : int
        Number of sources moved, withdrawn or replaced.
    changed, retired, created : tuple of int
        DIAObjects with a new version; left without a source; started. In ascending order.
    dia_object_id : int
        The object that got the sources, for a split the new one; 0 if there is no such one.
    dry_run : bool
        True if nothing was written.
    stored : StoreReport or None
        For a replacement: what became of the new content.
    """

    kind: str
    store_seq: int
    mjd_tai: float
    n_dia_sources: int
    changed: tuple[int, ...]
    retired: tuple[int, ...]
    created: tuple[int, ...] = ()
    dia_object_id: int = 0
    dry_run: bool = False
    stored: StoreReport | None = None


class Replacement(Job):
    """One call of replace on its way: a job that first clears what the visit has stored.

    Parameters
    ----------
    visit : Visit
        The visit.
    sources : object
        Its new sources.
    forced : callable, table or None
        Its forced photometry.
    dry_run : bool
        Write nothing.
    reason : str
        Why it is replaced.
    cutouts : mapping or None
        Stamps of the new sources.
    """

    def __init__(
        self,
        visit: Visit,
        sources: object,
        forced: Any,
        dry_run: bool,
        reason: str,
        cutouts: Any = None,
    ) -> None:
        super().__init__(visit, sources, forced, dry_run, cutouts)
        self.reason: str = reason
        self.cleared: dict[str, Any] | None = None

    def is_stored(self, connection: psycopg.Connection[Any], row: Mapping[str, Any] | None) -> bool:
        """Tell whether the visit has this content already.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction of the visit.
        row : mapping or None
            Row of the register; None if nothing is stored.

        Raises
        ------
        NotFound
            The visit is not stored.
        """
        key = (self.visit.visit, self.visit.detector)
        if row is None:
            raise NotFound(
                f"Visit {key[0]} detector {key[1]} is not stored: there is nothing to replace; "
                "use store_visit."
            )
        if row["digest"] != self.digest:
            return False
        return not call(connection, "is_withdrawn", key)["is_withdrawn"]

    def lock(self, connection: psycopg.Connection[Any]) -> None:
        """Lock the sky around old and new content, then take the old out of the way.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction of the visit.
        """
        key = (self.visit.visit, self.visit.detector)
        call(connection, "open_changes", ())
        call(connection, "lock_concerned", (None, None, *key, self.radius))
        self.cleared = call(connection, "supersede_visit", (*key, self.radius, self.reason))

    def commit(
        self, connection: psycopg.Connection[Any], values: Sequence[object]
    ) -> dict[str, Any]:
        """Write the associated visit in the place of the old; return its report.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction of the visit.
        values : sequence
            Arguments of commit_visit, in order.
        """
        assert self.cleared is not None
        known = (self.cleared["store_seq"], self.cleared["mjd_tai"])
        return call(connection, "commit_replacement", (*known, *values))

    def correction(self, stored: StoreReport) -> CorrectionReport:
        """Return the report of the correction.

        Parameters
        ----------
        stored : StoreReport
            Report of the new content.
        """
        if stored.state == "repeated" or self.cleared is None:
            mjd = stored.time_processed_mjd_tai
            return CorrectionReport("replace", 0, mjd, 0, (), (), stored=stored)
        touched = _set(stored.dia_object_id)
        started = _set(stored.dia_object_id[stored.is_new])
        emptied = set(self.cleared["retired"])
        return CorrectionReport(
            kind="replace",
            store_seq=stored.store_seq,
            mjd_tai=self.cleared["mjd_tai"],
            n_dia_sources=self.cleared["n_dia_sources"],
            changed=tuple(sorted(set(self.cleared["changed"]) | (touched - (started - emptied)))),
            retired=tuple(sorted(emptied - touched)),
            created=tuple(sorted(started - emptied)),
            dry_run=self.dry_run,
            stored=stored,
        )


def _set(ids: NDArray[np.int64]) -> set[int]:
    return set(ids.tolist()) - {0}
