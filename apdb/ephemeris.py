"""Ephemerides of known solar-system objects."""

from __future__ import annotations

import numpy as np

from apdb.input.problems import Problems
from apdb.input.records import Batch, normalise
from apdb.input.visit import MJD_MAX, MJD_MIN, mjd_problem
from apdb.schema.catalogue import table
from apdb.session import Session
from apdb.stage import copy_in

REQUIRED = ("ss_object_id", "mjd_tai", "ra", "dec", "ra_rate", "dec_rate")


class Ephemerides(Session):
    """The table of predicted positions, to which visits attribute sources first."""

    def load_ephemeris(self, rows: object) -> int:
        """Store predicted positions; the same again changes nothing.

        Between its rows an object moves at the rates of the nearest one, so fast objects want
        closely spaced rows.  Visits that are stored keep their attributions.

        Parameters
        ----------
        rows : object
            Any table that `store_visit` takes: ss_object_id, mjd_tai [d], ra, dec [deg], ra_rate
            (with cos(dec)) and dec_rate [deg/d]; optional are ra_err (with cos(dec)) and dec_err
            [deg], vmag and designation.

        Returns
        -------
        int
            Number of rows that were new or differed from what was stored.

        Raises
        ------
        InvalidInput
            With every bad row and column; nothing was stored.
        """
        schema = table("ephemeris")
        batch = normalise(rows, schema, required=REQUIRED)
        if batch.n == 0:
            return 0
        _check(batch)
        with self.connection() as connection:
            connection.execute("select apdb.open_ephemeris_stage()")
            copy_in(connection, "stage_ephemeris", "ephemeris", batch, {})
            row = connection.execute("select apdb.load_ephemeris()").fetchone()
        assert row is not None
        return int(row[0])


def _check(batch: Batch) -> None:
    """Raise InvalidInput for rows that no ephemeris can have."""
    problems = Problems()
    identifiers, times = batch.columns["ss_object_id"], batch.columns["mjd_tai"]
    id_name, time_name = batch.names["ss_object_id"], batch.names["mjd_tai"]
    problems.add_rows(identifiers <= 0, id_name, identifiers, "must be positive")
    outside = ~((times >= MJD_MIN) & (times <= MJD_MAX))
    problems.add_rows(outside, time_name, times, lambda row: mjd_problem(float(times[row])))
    order = np.lexsort([times, identifiers])
    same = (np.diff(identifiers[order]) == 0) & (np.diff(times[order]) == 0)
    repeated = np.zeros(batch.n, bool)
    repeated[order[1:][same]] = True
    problems.add_rows(
        repeated, id_name, identifiers, f"has the same {time_name} in another row: give each once"
    )
    problems.raise_if_any()
