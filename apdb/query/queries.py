"""Queries for analysts: what is in ``sql/query``, as astropy Tables.

Positions are ICRS degrees, times MJD TAI, fluxes nJy; an angle may be a Quantity, a time a Time.
Every query runs in a read-only transaction with a statement timeout, `apdb.session.READ_TIMEOUT`,
and sees only what is current and not withdrawn, unless it says otherwise.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from apdb.errors import NotFound, Problem
from apdb.input.problems import show
from apdb.query.call import (
    FORCED,
    Call,
    Degrees,
    Mjd,
    chosen_columns,
    cone,
    invalid,
    span,
    whole,
)
from apdb.query.sky import SkyQueries
from apdb.query.tables_out import fetch_table
from apdb.schema.catalogue import table as catalogue_table
from apdb.session import READ_TIMEOUT

if TYPE_CHECKING:
    from astropy.table import Table

MAX_MAP_ORDER = 11
"""Largest HEALPix order of a map: 50 million pixels, 400 MB."""

_BY_TIME = ("midpoint_mjd_tai", "dia_source_id")
_LIGHT_CURVE = (
    "dia_object_id",
    "dia_source_id",
    "visit",
    "detector",
    "midpoint_mjd_tai",
    "band",
    "psf_flux",
    "psf_flux_err",
    "science_flux",
    "science_flux_err",
)
_VISIT_HIDDEN = {
    "boundary",
    "digest",
    "report_dia_object_id",
    "report_ss_object_id",
    "report_is_new",
    "timings",
}
_VISIT_ORDER = ("midpoint_mjd_tai", "visit", "detector")
_LIGHT_CURVE_ORDER = ("midpoint_mjd_tai", "forced", "dia_object_id", "visit", "detector")
Columns = Sequence[str] | None


class Queries(SkyQueries):
    """The queries that `apdb.Apdb` offers."""

    def object_versions(self, dia_object_id: int) -> Table:
        """Return every version of a DIAObject, also of one that was retired.

        Parameters
        ----------
        dia_object_id : int
            The object.

        Returns
        -------
        astropy.table.Table
            Oldest version first.

        Raises
        ------
        NotFound
            There never was such an object.
        """
        chosen = chosen_columns("dia_object", None)
        found = Call(
            "object_versions", _id(dia_object_id), chosen, ("validity_start_mjd_tai",)
        ).run(self)
        if not len(found):
            raise NotFound(f"There is no DIAObject {dia_object_id}.")
        return found

    def light_curve(self, dia_object_id: int) -> Table:
        """Return the light curve of a DIAObject: detections and forced photometry.

        Parameters
        ----------
        dia_object_id : int
            The object.

        Returns
        -------
        astropy.table.Table
            Fluxes [nJy] in the order of time; the column ``forced`` tells the two apart.

        Raises
        ------
        NotFound
            There never was such an object.
        """
        found = Call("light_curve", _id(dia_object_id), _light_curve(), _LIGHT_CURVE_ORDER).run(
            self
        )
        if not len(found):
            self.object_versions(dia_object_id)
        return found

    def light_curve_in_cone(self, ra: Degrees, dec: Degrees, radius: Degrees) -> Table:
        """Return the light curve of a place, whatever objects its sources belong to.

        Parameters
        ----------
        ra, dec : float or Quantity
            Centre [deg], ra in [0, 360).
        radius : float or Quantity
            Radius [deg], above 0 and at most 90.

        Returns
        -------
        astropy.table.Table
            All detections in the cone and the forced photometry of the current objects in it, in
            the order of time; the column ``forced`` tells the two apart.

        Raises
        ------
        InvalidInput
            An argument is NaN or out of range.
        """
        place = cone(ra, dec, radius)
        return Call("light_curve_in_cone", place, _light_curve(), _LIGHT_CURVE_ORDER).run(self)

    def sources_of_object(self, dia_object_id: int, *, columns: Columns = None) -> Table:
        """Return the DIASources of a DIAObject.

        Parameters
        ----------
        dia_object_id : int
            The object.
        columns : sequence of str, optional
            Columns wanted; all by default.

        Returns
        -------
        astropy.table.Table
            In the order of time; empty if there is no such object.
        """
        chosen = chosen_columns("dia_source", columns)
        return Call("sources_of_object", _id(dia_object_id), chosen, _BY_TIME).run(self)

    def forced_sources_of_object(self, dia_object_id: int, *, columns: Columns = None) -> Table:
        """Return the forced photometry of a DIAObject.

        Parameters
        ----------
        dia_object_id : int
            The object.
        columns : sequence of str, optional
            Columns wanted; all by default.

        Returns
        -------
        astropy.table.Table
            In the order of time; empty if there is no such object.
        """
        chosen = chosen_columns("dia_forced_source", columns)
        order = ("midpoint_mjd_tai", "detector")
        return Call("forced_sources_of_object", _id(dia_object_id), chosen, order).run(self)

    def sources_of_visit(
        self, visit: int, detector: int | None = None, *, columns: Columns = None
    ) -> Table:
        """Return the DIASources of a visit.

        Parameters
        ----------
        visit : int
            Number of the visit.
        detector : int, optional
            Number of the detector; all by default.
        columns : sequence of str, optional
            Columns wanted; all by default.

        Returns
        -------
        astropy.table.Table
            In the order of time and dia_source_id.

        Raises
        ------
        NotFound
            The visit is not stored.
        """
        key = (whole("visit", visit), whole("detector", detector, 0, 2**15 - 1))
        chosen = chosen_columns("dia_source", columns)
        found = Call("sources_of_visit", key, chosen, _BY_TIME).run(self)
        if not len(found):
            condition = "t.visit = %s and t.detector = coalesce(%s, t.detector)"
            stored = Call("visit", None, chosen_columns("visit", ["visit"]), ("visit",), limit=1)
            if not len(stored.run(self, condition, *key)):
                which = "" if detector is None else f" detector {detector}"
                raise NotFound(f"Visit {visit}{which} is not stored.")
        return found

    def unassociated_sources(
        self, mjd_from: Mjd, mjd_to: Mjd, *, columns: Columns = None, limit: int | None = None
    ) -> Table:
        """Return the DIASources of a span of time that belong to no object.

        Parameters
        ----------
        mjd_from, mjd_to : float or Time
            Span of midpoints [d], the end not in it.
        columns : sequence of str, optional
            Columns wanted; all by default.
        limit : int, optional
            Most rows: the earliest.

        Returns
        -------
        astropy.table.Table
            In the order of time.
        """
        return Call(
            "unassociated_sources",
            span(mjd_from, mjd_to),
            chosen_columns("dia_source", columns),
            _BY_TIME,
            limit=whole("limit", limit),
        ).run(self)

    def visits(self, night: dt.date | str | None = None, *, limit: int | None = None) -> Table:
        """Return the visits that are stored.

        Parameters
        ----------
        night : datetime.date or str, optional
            Only those of one night, as a date or "2026-03-09".
        limit : int, optional
            Most rows: the latest.

        Returns
        -------
        astropy.table.Table
            In the order of time; without digest, boundary, report and timings.

        Raises
        ------
        InvalidInput
            The night is no date.
        """
        columns = catalogue_table("visit").columns
        chosen = tuple(c for c in columns if c.name not in _VISIT_HIDDEN)
        call = Call("latest_visits", (_night(night), whole("limit", limit)), chosen, _VISIT_ORDER)
        return call.run(self)

    def healpix_counts(
        self,
        order: int,
        of: Literal["objects", "sources"] = "objects",
        *,
        nest: bool = False,
        mjd_from: Mjd = -np.inf,
        mjd_to: Mjd = np.inf,
        timeout: float = READ_TIMEOUT,
    ) -> NDArray[np.int64]:
        """Count objects or sources in each HEALPix pixel.

        Parameters
        ----------
        order : int
            nside is 2**order; 0 to 11.
        of : {"objects", "sources"}, optional
            What to count: current DIAObjects, or DIASources.
        nest : bool, optional
            Nested order of the pixels; ring order, as healpy's own default, otherwise.
        mjd_from, mjd_to : float or Time, optional
            Span of midpoints [d] of the sources, the end not in it.
        timeout : float, optional
            Longest time it may take [s]: about 2 s for a million rows.

        Returns
        -------
        ndarray of int64, shape (12 * 4**order,)
            A map for healpy.

        Raises
        ------
        InvalidInput
            The order is out of range, or `of` another word.
        """
        import healpy

        nside = 2 ** cast(int, whole("order", order, 0, MAX_MAP_ORDER))
        tables = {"objects": "dia_object", "sources": "dia_source"}
        if of not in tables:
            raise invalid([Problem(None, "of", show(of), "must be objects or sources")])
        query = sql.SQL("select t.ra, t.dec from {} as t").format(
            sql.Identifier("apdb", tables[of])
        )
        values: tuple[object, ...] = ()
        if of == "sources":
            values = span(mjd_from, mjd_to)
            query += sql.SQL(" where t.midpoint_mjd_tai >= %s and t.midpoint_mjd_tai < %s")
        # healpy takes 0.1 us a position, apdb.healpix_nest 5 to 10.
        with self.reading(timeout) as connection:
            found = fetch_table(
                connection, query, values, chosen_columns(tables[of], ["ra", "dec"])
            )
        pixels = healpy.ang2pix(nside, found["ra"].data, found["dec"].data, lonlat=True, nest=nest)
        counted: NDArray[np.int64] = np.bincount(pixels, minlength=12 * nside**2)
        return counted


def _id(dia_object_id: int) -> tuple[int | None]:
    return (whole("dia_object_id", dia_object_id, 1),)


def _light_curve() -> tuple[Any, ...]:
    return (FORCED, *chosen_columns("dia_source", _LIGHT_CURVE))


def _night(night: dt.date | str | None) -> dt.date | None:
    if night is None or isinstance(night, dt.date):
        return night
    try:
        return dt.date.fromisoformat(night)
    except (TypeError, ValueError):
        text = "must be a date, such as 2026-03-09"
        raise invalid([Problem(None, "night", show(night), text)]) from None
