"""Forced photometry that comes later than its visit, and positions from outside to follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from apdb.alerts.refill import add_forced
from apdb.input.forced_records import forced_rows
from apdb.input.problems import Problems
from apdb.input.records import normalise
from apdb.query.tables_out import fetch_table, selection
from apdb.routine import call
from apdb.schema.catalogue import Column, table
from apdb.schema.partitions import make_partitions
from apdb.session import Session
from apdb.stage import copy_in
from apdb.store_forced import store_followed

if TYPE_CHECKING:
    from astropy.table import Table

PARTITION_DAYS = 30.0
OURS = "apdb:"
"""How names of askers begin that are not from outside."""

_N_FORCED = Column(
    "n_forced", "nForced", "long", False, False, None, None, None, "Number of fluxes measured there"
)


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
        Place in the order of knowledge; 0 if nothing of an object changed.
    """

    n_rows: int
    n_changed: int
    store_seq: int


@dataclass(frozen=True)
class FollowReport:
    """What became of positions to follow.

    Attributes
    ----------
    followed_id : ndarray of int64, shape (n,)
        Number of each position, in the order of the input.
    n_added, n_moved, n_changed, n_same : int
        Names that are new; at another position than before, which ended; with another span of
        time; followed like this already.
    """

    followed_id: NDArray[np.int64]
    n_added: int
    n_moved: int
    n_changed: int
    n_same: int


class ForcedPhotometry(Session):
    """Storing forced photometry apart from a visit, and following positions from outside."""

    def store_forced(self, rows: object) -> ForcedReport:
        """Store forced photometry of any visits, now or much later; the same again changes nothing.

        The visits need not be stored here.  The forced means of an object follow when its next
        source makes a new version.

        Parameters
        ----------
        rows : object
            Table with dia_object_id, visit, detector, midpoint_mjd_tai [d], band, psf_flux and
            psf_flux_err [nJy]; optional ra, dec [deg], science_flux and science_flux_err [nJy].
            The position is that of the object where none is given.  Rows of followed positions
            have their followed_id, and 0 or nothing as dia_object_id.

        Returns
        -------
        ForcedReport

        Raises
        ------
        InvalidInput
            With every bad row and column.
        NotFound
            An object or a followed position does not exist.
        Busy
            Another session holds the sky; may be retried.
        """
        given = forced_rows(rows)
        n = given.objects.n + given.followed.n
        if n == 0:
            return ForcedReport(0, 0, 0)
        times = [batch.columns["midpoint_mjd_tai"] for batch in (given.objects, given.followed)]
        months = np.unique(np.floor(np.concatenate(times) / PARTITION_DAYS))
        with self.connection() as connection:
            for month in months.tolist():
                start = month * PARTITION_DAYS
                make_partitions(connection, start, start, self.busy_timeout)
            store_seq = n_changed = 0
            if given.objects.n:
                connection.execute("select apdb.open_stage(null)")
                copy_in(connection, "stage_forced", "dia_forced_source", given.objects, {})
                row = call(connection, "store_forced", ())
                store_seq, n_changed = row["store_seq"], row["n_changed"]
                if n_changed:
                    add_forced(connection, store_seq)
            if given.followed.n:
                n_changed += store_followed(connection, given.followed)
        return ForcedReport(n, n_changed, store_seq)

    def follow(self, positions: object, requested_by: str) -> FollowReport:
        """Have positions from outside measured on every visit that covers them.

        From the next visit on they are handed to the visit's ``forced`` function, beside the
        objects, with `requested_by` and a followed_id of their own.  The same again changes
        nothing; another position under a name ends the old one and gets a new number.

        Parameters
        ----------
        positions : object
            Table with name, ra, dec [deg, ICRS]; optional from_mjd_tai and until_mjd_tai [d].
        requested_by : str
            Who asks; not beginning with ``apdb:``.

        Returns
        -------
        FollowReport

        Raises
        ------
        InvalidInput
            With every bad row and column.
        """
        _check_asker(requested_by)
        schema = table("followed_position")
        ours = ("followed_id", "requested_by", "added_mjd_tai", "removed_mjd_tai")
        batch = normalise(positions, schema, required=("name", "ra", "dec"), refused=ours)
        names = [str(name) for name in batch.columns["name"]]
        _check_positions(names, batch.columns, batch.nulls)
        spans = [_spans(batch.columns, batch.nulls, n) for n in ("from_mjd_tai", "until_mjd_tai")]
        places = (batch.columns["ra"].tolist(), batch.columns["dec"].tolist())
        with self.connection() as connection:
            row = connection.execute(
                "select * from apdb.follow_positions(%s, %s::text[], %s::double precision[], "
                "%s::double precision[], %s::double precision[], %s::double precision[])",
                (requested_by, names, *places, *(span or [None] * batch.n for span in spans)),
            ).fetchone()
        assert row is not None
        return FollowReport(np.array(row[0], np.int64), *row[1:])

    def unfollow(self, requested_by: str, names: Sequence[str] | None = None) -> int:
        """Give up followed positions; their fluxes stay.

        Parameters
        ----------
        requested_by : str
            Who asked for them.
        names : sequence of str, optional
            Which; by default all of this asker.

        Returns
        -------
        int
            Number of positions given up.

        Raises
        ------
        NotFound
            One of them is not followed; nothing was changed.
        """
        given = None if names is None else [str(name) for name in names]
        with self.connection() as connection:
            row = connection.execute(
                "select apdb.unfollow_positions(%s, %s::text[])", (requested_by, given)
            ).fetchone()
        assert row is not None
        return int(row[0])

    def followed(self, requested_by: str | None = None, *, ended: bool = False) -> Table:
        """Return the positions that are followed.

        Parameters
        ----------
        requested_by : str, optional
            Only those of this asker.
        ended : bool, optional
            Also those given up.

        Returns
        -------
        astropy.table.Table
            Columns of followed_position, and n_forced, the number of fluxes.
        """
        columns = (*table("followed_position").columns, _N_FORCED)
        query = sql.SQL(
            "select {}, (select count(*) from apdb.forced_followed as f "
            "where f.followed_id = t.followed_id) from apdb.followed_position as t "
            "where (%s::text is null or t.requested_by = %s) "
            "and (%s or t.removed_mjd_tai is null) order by t.requested_by, t.name, t.followed_id"
        ).format(selection(columns[:-1]))
        with self.reading() as connection:
            return fetch_table(connection, query, (requested_by, requested_by, ended), columns)

    def forced_of_followed(self, followed_id: int) -> Table:
        """Return the fluxes measured at a followed position, in time order.

        Parameters
        ----------
        followed_id : int
            Its number.

        Returns
        -------
        astropy.table.Table
            Columns of forced_followed.
        """
        columns = table("forced_followed").columns
        query = sql.SQL(
            "select {} from apdb.forced_followed as t where t.followed_id = %s "
            "order by t.midpoint_mjd_tai, t.visit, t.detector"
        ).format(selection(columns))
        with self.reading() as connection:
            return fetch_table(connection, query, (followed_id,), columns)


def _check_asker(requested_by: str) -> None:
    problems = Problems()
    if not isinstance(requested_by, str) or not requested_by.strip() or "\0" in requested_by:
        problems.add("requested_by", "must be the name of who asks", requested_by)
    elif requested_by.startswith(OURS):
        problems.add("requested_by", f"must not begin with {OURS}", requested_by)
    problems.raise_if_any()


def _check_positions(names: list[str], columns: dict[str, Any], nulls: dict[str, Any]) -> None:
    problems = Problems()
    texts = np.array(names, object)
    problems.add_rows(np.array([not n.strip() for n in names], bool), "name", texts, "is empty")
    first: dict[str, int] = {}
    again = np.array([first.setdefault(n, row) != row for row, n in enumerate(names)], bool)
    problems.add_rows(
        again, "name", texts, lambda row: f"same name as row {first[names[row]]}: give each once"
    )
    start, end = (_spans(columns, nulls, n) for n in ("from_mjd_tai", "until_mjd_tai"))
    for name, values in (("from_mjd_tai", start), ("until_mjd_tai", end)):
        if values is not None:
            low = np.array([v is not None and not 15000 <= v <= 150000 for v in values], bool)
            text = "must be MJD TAI, between 15000 and 150000"
            problems.add_rows(low, name, np.array(values, object), text)
    if start is not None and end is not None:
        pairs = zip(start, end, strict=True)
        bad = [a is not None and b is not None and b < a for a, b in pairs]
        shown = np.array(end, object)
        problems.add_rows(np.array(bad, bool), "until_mjd_tai", shown, "is before from_mjd_tai")
    problems.raise_if_any()


def _spans(columns: dict[str, Any], nulls: dict[str, Any], name: str) -> list[float | None] | None:
    if name not in columns:
        return None
    values, gone = columns[name].tolist(), nulls[name]
    return [None if gone is not None and gone[i] else v for i, v in enumerate(values)]
