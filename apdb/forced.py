"""Forced photometry that comes later than its visit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apdb.alerts.refill import add_forced
from apdb.input.records import forced_batch
from apdb.schema.partitions import make_partitions
from apdb.session import Session
from apdb.store import copy_in

PARTITION_DAYS = 30.0


@dataclass(frozen=True)
class ForcedReport:
    """What became of forced photometry.

    Attributes
    ----------
    n_rows : int
        Rows given.
    n_changed : int
        Rows that were new or had other fluxes than the stored ones.
    store_seq : int
        Place in the order of knowledge; 0 if nothing changed.
    """

    n_rows: int
    n_changed: int
    store_seq: int


class ForcedPhotometry(Session):
    """Storing forced photometry apart from a visit."""

    def store_forced(self, rows: object) -> ForcedReport:
        """Store forced photometry of any visits, now or much later; the same again changes nothing.

        The visits need not be stored here.  The forced means of an object follow when its next
        source makes a new version.

        Parameters
        ----------
        rows : object
            Table with dia_object_id, visit, detector, midpoint_mjd_tai [d], band, psf_flux and
            psf_flux_err [nJy]; optional ra, dec [deg], science_flux and science_flux_err [nJy].
            The position is that of the object where none is given.

        Returns
        -------
        ForcedReport

        Raises
        ------
        InvalidInput
            With every bad row and column.
        NotFound
            An object does not exist.
        Busy
            Another session holds the sky; may be retried.
        """
        batch = forced_batch(rows)
        if batch.n == 0:
            return ForcedReport(0, 0, 0)
        months = np.unique(np.floor(batch.columns["midpoint_mjd_tai"] / PARTITION_DAYS))
        with self.connection() as connection:
            for month in months.tolist():
                start = month * PARTITION_DAYS
                make_partitions(connection, start, start, self.busy_timeout)
            connection.execute("select apdb.open_stage(null)")
            copy_in(connection, "stage_forced", "dia_forced_source", batch, {})
            row = connection.execute("select * from apdb.store_forced()").fetchone()
            assert row is not None
            if row[1]:
                add_forced(connection, row[0])
        return ForcedReport(batch.n, row[1], row[0])
