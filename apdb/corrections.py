"""Corrections: what is stored is put right by one call, and the audit says who did and why."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from apdb.errors import InvalidInput, Problem
from apdb.input.problems import show
from apdb.input.visit import Visit
from apdb.query.tables_out import fetch_table
from apdb.replacement import CorrectionReport, Replacement
from apdb.routine import call
from apdb.schema.catalogue import Column
from apdb.session import Session
from apdb.store import Rule, check_options, run

if TYPE_CHECKING:
    from astropy.table import Table

_MAX_ID = 2**63 - 1


class Corrections(Session):
    """The corrections that `apdb.Apdb` offers.

    Each is one transaction: it is made as a whole or not at all. Objects keep their former
    versions, and are retired when no source is left to them. What is so already is left alone, so
    that a call may be repeated.
    """

    def reassign(
        self,
        dia_source_ids: int | Iterable[int],
        *,
        dia_object_id: int | None = None,
        ss_object_id: int | None = None,
        reason: str,
        dry_run: bool = False,
    ) -> CorrectionReport:
        """Move DIASources to another DIAObject, or to a solar-system object.

        Parameters
        ----------
        dia_source_ids : int or iterable of int
            The sources.
        dia_object_id : int, optional
            DIAObject that gets them.
        ss_object_id : int, optional
            Solar-system object that gets them; one that is unknown gets a row.
        reason : str
            Why, for the audit.
        dry_run : bool, optional
            Show the outcome and write nothing.

        Returns
        -------
        CorrectionReport

        Raises
        ------
        NotFound
            Unknown sources or DIAObject; named.
        CorrectionError
            The DIAObject is retired, or a source withdrawn.
        InvalidInput
            Not one of the targets is given, or an argument is not valid.
        Busy
            Another session holds the sky; may be retried.
        """
        if (dia_object_id is None) == (ss_object_id is None):
            raise InvalidInput("give dia_object_id or ss_object_id, one of them")
        target = None if dia_object_id is None else _id("dia_object_id", dia_object_id)
        ss_target = None if ss_object_id is None else _id("ss_object_id", ss_object_id)
        values = (_ids("dia_source_ids", dia_source_ids), target, ss_target, _reason(reason))
        return self._correct("reassign", "reassign", values, dry_run, target or 0)

    def merge_objects(
        self, keep: int, others: int | Iterable[int], *, reason: str, dry_run: bool = False
    ) -> CorrectionReport:
        """Make one DIAObject of several.

        Parameters
        ----------
        keep : int
            Object that stays and gets all sources; and the forced photometry for images where it
            has none of its own.
        others : int or iterable of int
            Objects that go into it and are retired.
        reason : str
            Why, for the audit.
        dry_run : bool, optional
            Show the outcome and write nothing.

        Returns
        -------
        CorrectionReport

        Raises
        ------
        NotFound
            Unknown objects; named.
        CorrectionError
            An object is retired, or the one to keep is among the others.
        InvalidInput
            An argument is not valid.
        Busy
            Another session holds the sky; may be retried.
        """
        kept = _id("keep", keep)
        values = (kept, _ids("others", others), _reason(reason))
        return self._correct("merge", "merge_objects", values, dry_run, kept)

    def split(
        self,
        dia_object_id: int,
        dia_source_ids: int | Iterable[int],
        *,
        reason: str,
        dry_run: bool = False,
    ) -> CorrectionReport:
        """Start a new DIAObject with some of the sources of another.

        Parameters
        ----------
        dia_object_id : int
            Object to split.
        dia_source_ids : int or iterable of int
            Its sources that go to the new one.
        reason : str
            Why, for the audit.
        dry_run : bool, optional
            Show the outcome and write nothing.

        Returns
        -------
        CorrectionReport
            Its `dia_object_id` is the new object: the lowest id among the sources that no object
            has or had, else a spare one (2^62 and up).

        Raises
        ------
        NotFound
            Unknown sources or object; named.
        CorrectionError
            A source is not of that object, or withdrawn; the object is retired, or would be left
            without a source.
        InvalidInput
            An argument is not valid.
        Busy
            Another session holds the sky; may be retried.
        """
        values = (
            _id("dia_object_id", dia_object_id),
            _ids("dia_source_ids", dia_source_ids),
            _reason(reason),
        )
        return self._correct("split", "split", values, dry_run)

    def withdraw(
        self,
        dia_source_ids: int | Iterable[int] | None = None,
        *,
        visit: tuple[int, int] | None = None,
        reason: str,
        dry_run: bool = False,
    ) -> CorrectionReport:
        """Take DIASources, or a whole visit, out of what is believed.

        They vanish from default reads, histories, counters and summaries; the rows stay, with the
        time of their withdrawal, and their ids stay taken.

        Parameters
        ----------
        dia_source_ids : int or iterable of int, optional
            The sources.
        visit : (int, int), optional
            Visit and detector, instead; its forced photometry goes too.
        reason : str
            Why, for the audit.
        dry_run : bool, optional
            Show the outcome and write nothing.

        Returns
        -------
        CorrectionReport

        Raises
        ------
        NotFound
            Unknown sources, named, or the visit is not stored.
        InvalidInput
            Not one of sources and visit is given, or an argument is not valid.
        Busy
            Another session holds the visit or the sky; may be retried.
        """
        if (dia_source_ids is None) == (visit is None):
            raise InvalidInput("give dia_source_ids or visit=(visit, detector), one of them")
        ids = None if dia_source_ids is None else _ids("dia_source_ids", dia_source_ids)
        values = (ids, *_visit_key(visit), _reason(reason))
        return self._correct("withdraw", "withdraw", values, dry_run)

    def replace(
        self,
        visit: Visit,
        sources: object,
        *,
        reason: str,
        forced: Any = None,
        radius: float | None = None,
        associate: Rule | None = None,
        dry_run: bool = False,
        cutouts: Any = None,
    ) -> CorrectionReport:
        """Store other content under a visit that is stored, in place of the old.

        One transaction: the old sources are kept aside (``apdb.dia_source_superseded``), the
        objects become what they are without them, and the new content is stored as `store_visit`
        does. The same content again changes nothing, unless all of the visit was withdrawn.

        Parameters
        ----------
        visit : Visit
            The visit; band, time and footprint may differ from the stored ones.
        sources : object
            The new sources, as for `store_visit`. Ids of the old content may be used again.
        reason : str
            Why, for the audit.
        forced : callable or table, optional
            As for `store_visit`; the old forced photometry of the visit is withdrawn.
        radius : float, optional
            Association radius [arcsec], above 0 and at most 60.  Default: that of the database.
        associate : {"nearest", "likelihood"}, optional
            Association rule.  Default: that of the database.
        dry_run : bool, optional
            Show the outcome and write nothing.
        cutouts : mapping, optional
            Stamps of the new sources, as for `store_visit`.

        Returns
        -------
        CorrectionReport
            `stored` is the report of the new content.

        Raises
        ------
        NotFound
            The visit is not stored: use `store_visit`.
        InvalidInput
            With every bad row and column; IdConflict if ids are stored under another visit.
        Busy
            Another session holds the visit or the sky; may be retried.
        TooManyObjects
            The visit would start more objects than the database allows.
        ConnectionLost
            The connection broke and it is unknown whether the visit was replaced: repeat it.
        """
        check_options(radius, associate)
        job = Replacement(visit, sources, forced, dry_run, _reason(reason), cutouts)
        return job.correction(run(self, job, radius, associate))

    def find_duplicates(
        self, radius_arcsec: float, limit: int = 10_000, *, after: int | None = None
    ) -> Table:
        """Return the pairs of current DIAObjects that are closer than a radius.

        Parameters
        ----------
        radius_arcsec : float
            Radius [arcsec], above 0 and at most 60.
        limit : int, optional
            Most pairs; those of the last object come all the same.
        after : int, optional
            Only objects with a higher id: the last dia_object_id_1 of the page before.

        Returns
        -------
        astropy.table.Table
            dia_object_id_1 and dia_object_id_2, the lower id first; distance [arcsec]; ra and dec
            [deg] of the first; n_dia_sources_1 and n_dia_sources_2. In the order of the ids.

        Raises
        ------
        InvalidInput
            The radius or the limit is out of range.
        """
        names = sql.SQL(", ").join(sql.Identifier("p", column.name) for column in _PAIR)
        query = sql.SQL("select {} from apdb.find_duplicates(%s, %s, %s) as p").format(names)
        with self.reading() as connection:
            return fetch_table(connection, query, (float(radius_arcsec), limit, after), _PAIR)

    def _correct(
        self, kind: str, routine: str, values: Sequence[object], dry_run: bool, target: int = 0
    ) -> CorrectionReport:
        with self.connection() as connection:
            row = call(connection, routine, values)
            if dry_run:
                connection.rollback()
        new = row.get("new_dia_object_id")
        return CorrectionReport(
            kind=kind,
            store_seq=0 if dry_run else row["store_seq"],
            mjd_tai=row["mjd_tai"],
            n_dia_sources=row["n_dia_sources"],
            changed=tuple(row["changed"]),
            retired=tuple(row["retired"]),
            created=() if new is None else (new,),
            dia_object_id=new or target,
            dry_run=dry_run,
        )


def _column(name: str, datatype: str, unit: str | None, description: str) -> Column:
    return Column(name, name, datatype, False, False, None, unit, None, description)


_PAIR = (
    _column("dia_object_id_1", "long", None, "Lower id of the pair."),
    _column("dia_object_id_2", "long", None, "Higher id of the pair."),
    _column("distance", "double", "arcsec", "Distance of the two on the sphere."),
    _column("ra", "double", "deg", "Right ascension of the first."),
    _column("dec", "double", "deg", "Declination of the first."),
    _column("n_dia_sources_1", "int", None, "Number of DIASources of the first."),
    _column("n_dia_sources_2", "int", None, "Number of DIASources of the second."),
)


def _id(name: str, value: object) -> int:
    """Return an id; a float is refused, since it may have been rounded."""
    try:
        found = operator.index(cast(Any, value))
    except TypeError:
        found = 0
    if isinstance(value, bool) or not 0 < found <= _MAX_ID:
        text = f"must be a whole number from 1 to {_MAX_ID}"
        raise InvalidInput(problems=[Problem(None, name, show(value), text)])
    return found


def _ids(name: str, values: int | Iterable[int]) -> list[int]:
    """Return ids without repetitions, ascending."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return [_id(name, values)]
    found = sorted({_id(name, value) for value in values})
    if not found:
        raise InvalidInput(problems=[Problem(None, name, "", "name at least one")])
    return found


def _visit_key(visit: tuple[int, int] | None) -> tuple[int | None, int | None]:
    if visit is None:
        return None, None
    try:
        number, detector = (operator.index(part) for part in visit)
    except (TypeError, ValueError):
        text = "must be (visit, detector), two whole numbers"
        raise InvalidInput(problems=[Problem(None, "visit", show(visit), text)]) from None
    return number, detector


def _reason(reason: str) -> str:
    if not isinstance(reason, str) or not reason.strip() or "\0" in reason:
        text = "say why, for the audit"
        raise InvalidInput(problems=[Problem(None, "reason", show(reason), text)])
    return reason.strip()
