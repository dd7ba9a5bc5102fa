"""Queries by position: cones, boxes, polygons, the nearest, and the sky as it was known before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from apdb.errors import Problem
from apdb.input.problems import show
from apdb.query.call import (
    Call,
    Degrees,
    Mjd,
    chosen_columns,
    cone,
    degrees,
    invalid,
    mjd,
    span,
    whole,
)
from apdb.session import Session

if TYPE_CHECKING:
    from astropy.table import Table

_BY_OBJECT = ("dia_object_id",)
_BY_TIME = ("midpoint_mjd_tai", "dia_source_id")
Columns = Sequence[str] | None


class SkyQueries(Session):
    """The queries by position that `apdb.Apdb` offers."""

    def objects_in_cone(
        self,
        ra: Degrees,
        dec: Degrees,
        radius: Degrees,
        *,
        columns: Columns = None,
        limit: int | None = None,
    ) -> Table:
        """Return the current DIAObjects within a radius of a position.

        Parameters
        ----------
        ra, dec : float or Quantity
            Centre [deg], ra in [0, 360).
        radius : float or Quantity
            Radius [deg], above 0 and at most 90.  The edge belongs to the cone.
        columns : sequence of str, optional
            Columns wanted; all by default.
        limit : int, optional
            Most rows: the nearest.

        Returns
        -------
        astropy.table.Table
            Nearest first, with the ``distance`` [arcsec].

        Raises
        ------
        InvalidInput
            An argument is NaN or out of range, or there is no such column.
        """
        place = cone(ra, dec, radius)
        return Call(
            "objects_in_cone",
            place,
            chosen_columns("dia_object", columns),
            _BY_OBJECT,
            place[:2],
            whole("limit", limit),
        ).run(self)

    def sources_in_cone(
        self,
        ra: Degrees,
        dec: Degrees,
        radius: Degrees,
        *,
        mjd_from: Mjd = -np.inf,
        mjd_to: Mjd = np.inf,
        columns: Columns = None,
        limit: int | None = None,
    ) -> Table:
        """Return the DIASources within a radius of a position.

        Parameters
        ----------
        ra, dec : float or Quantity
            Centre [deg], ra in [0, 360).
        radius : float or Quantity
            Radius [deg], above 0 and at most 90.  The edge belongs to the cone.
        mjd_from, mjd_to : float or Time, optional
            Span of midpoints [d], the end not in it.
        columns : sequence of str, optional
            Columns wanted; all by default.
        limit : int, optional
            Most rows: the nearest.

        Returns
        -------
        astropy.table.Table
            Nearest first, with the ``distance`` [arcsec].

        Raises
        ------
        InvalidInput
            An argument is NaN or out of range, or there is no such column.
        """
        place = cone(ra, dec, radius)
        return Call(
            "sources_in_cone",
            (*place, *span(mjd_from, mjd_to)),
            chosen_columns("dia_source", columns),
            _BY_TIME,
            place[:2],
            whole("limit", limit),
        ).run(self)

    def objects_in_box(
        self,
        ra_min: Degrees,
        ra_max: Degrees,
        dec_min: Degrees,
        dec_max: Degrees,
        *,
        columns: Columns = None,
        limit: int | None = None,
    ) -> Table:
        """Return the current DIAObjects between two right ascensions and two declinations.

        Parameters
        ----------
        ra_min, ra_max : float or Quantity
            Bounds [deg], included, in [0, 360].  With ra_min > ra_max the box lies over RA 0.
        dec_min, dec_max : float or Quantity
            Bounds [deg], included.
        columns : sequence of str, optional
            Columns wanted; all by default.
        limit : int, optional
            Most rows.

        Returns
        -------
        astropy.table.Table
            In the order of dia_object_id.

        Raises
        ------
        InvalidInput
            A bound is NaN or out of range, or there is no such column.
        """
        return Call(
            "objects_in_box",
            _box(ra_min, ra_max, dec_min, dec_max),
            chosen_columns("dia_object", columns),
            _BY_OBJECT,
            limit=whole("limit", limit),
        ).run(self)

    def sources_in_box(
        self,
        ra_min: Degrees,
        ra_max: Degrees,
        dec_min: Degrees,
        dec_max: Degrees,
        *,
        mjd_from: Mjd = -np.inf,
        mjd_to: Mjd = np.inf,
        columns: Columns = None,
        limit: int | None = None,
    ) -> Table:
        """Return the DIASources between two right ascensions and two declinations.

        Parameters
        ----------
        ra_min, ra_max : float or Quantity
            Bounds [deg], included, in [0, 360].  With ra_min > ra_max the box lies over RA 0.
        dec_min, dec_max : float or Quantity
            Bounds [deg], included.
        mjd_from, mjd_to : float or Time, optional
            Span of midpoints [d], the end not in it.
        columns : sequence of str, optional
            Columns wanted; all by default.
        limit : int, optional
            Most rows: the earliest.

        Returns
        -------
        astropy.table.Table
            In the order of time.

        Raises
        ------
        InvalidInput
            A bound is NaN or out of range, or there is no such column.
        """
        return Call(
            "sources_in_box",
            (*_box(ra_min, ra_max, dec_min, dec_max), *span(mjd_from, mjd_to)),
            chosen_columns("dia_source", columns),
            _BY_TIME,
            limit=whole("limit", limit),
        ).run(self)

    def objects_in_polygon(
        self,
        corners: Sequence[tuple[Degrees, Degrees]],
        *,
        columns: Columns = None,
        limit: int | None = None,
    ) -> Table:
        """Return the current DIAObjects inside a polygon of great circles.

        Parameters
        ----------
        corners : sequence of (ra, dec)
            3 to 100 corners [deg] within 15 deg of their middle, in either direction.  The polygon
            may be concave; its edges must not cross.
        columns : sequence of str, optional
            Columns wanted; all by default.
        limit : int, optional
            Most rows.

        Returns
        -------
        astropy.table.Table
            In the order of dia_object_id.

        Raises
        ------
        InvalidInput
            The polygon cannot be searched, or there is no such column.
        """
        return Call(
            "objects_in_polygon",
            (_polygon(corners),),
            chosen_columns("dia_object", columns),
            _BY_OBJECT,
            limit=whole("limit", limit),
        ).run(self)

    def sources_in_polygon(
        self,
        corners: Sequence[tuple[Degrees, Degrees]],
        *,
        mjd_from: Mjd = -np.inf,
        mjd_to: Mjd = np.inf,
        columns: Columns = None,
        limit: int | None = None,
    ) -> Table:
        """Return the DIASources inside a polygon of great circles.

        Parameters
        ----------
        corners : sequence of (ra, dec)
            3 to 100 corners [deg] within 15 deg of their middle, in either direction.  The polygon
            may be concave; its edges must not cross.
        mjd_from, mjd_to : float or Time, optional
            Span of midpoints [d], the end not in it.
        columns : sequence of str, optional
            Columns wanted; all by default.
        limit : int, optional
            Most rows: the earliest.

        Returns
        -------
        astropy.table.Table
            In the order of time.

        Raises
        ------
        InvalidInput
            The polygon cannot be searched, or there is no such column.
        """
        return Call(
            "sources_in_polygon",
            (_polygon(corners), *span(mjd_from, mjd_to)),
            chosen_columns("dia_source", columns),
            _BY_TIME,
            limit=whole("limit", limit),
        ).run(self)

    def nearest_objects(
        self, ra: Degrees, dec: Degrees, radius: Degrees, n: int = 1, *, columns: Columns = None
    ) -> Table:
        """Return the current DIAObjects nearest to a position.

        Parameters
        ----------
        ra, dec : float or Quantity
            Position [deg], ra in [0, 360).
        radius : float or Quantity
            How far to look [deg], above 0 and at most 10; all objects within it are read.
        n : int, optional
            How many objects.
        columns : sequence of str, optional
            Columns wanted; all by default.

        Returns
        -------
        astropy.table.Table
            At most `n` rows, nearest first, with the ``distance`` [arcsec].

        Raises
        ------
        InvalidInput
            An argument is NaN or out of range, or there is no such column.
        """
        place = cone(ra, dec, radius)
        values = (*place, whole("n", n, 1, 2**31 - 1))
        chosen = chosen_columns("dia_object", columns)
        return Call("nearest_objects", values, chosen, _BY_OBJECT, place[:2]).run(self)

    def objects_at(
        self,
        ra: Degrees,
        dec: Degrees,
        radius: Degrees,
        *,
        mjd_tai: Mjd | None = None,
        store_seq: int | None = None,
        columns: Columns = None,
        limit: int | None = None,
    ) -> Table:
        """Return the DIAObjects of a cone as they were known at a time.

        Parameters
        ----------
        ra, dec : float or Quantity
            Centre [deg], ra in [0, 360).
        radius : float or Quantity
            Radius [deg], above 0 and at most 90, about the positions of that time.
        mjd_tai : float or Time, optional
            Knowledge time: when visits were stored, not when the sky was observed.
        store_seq : int, optional
            Instead of a time: the last visit or correction to be known.
        columns : sequence of str, optional
            Columns wanted; all by default.
        limit : int, optional
            Most rows: the nearest.

        Returns
        -------
        astropy.table.Table
            The versions that were current, objects retired since among them; nearest first, with
            the ``distance`` [arcsec].

        Raises
        ------
        InvalidInput
            An argument is NaN or out of range, or not one of time and store_seq is given.
        """
        place = cone(ra, dec, radius)
        return Call(
            "objects_at",
            (*place, mjd("mjd_tai", mjd_tai), whole("store_seq", store_seq)),
            chosen_columns("dia_object", columns),
            _BY_OBJECT,
            place[:2],
            whole("limit", limit),
        ).run(self)


def _box(
    ra_min: Degrees, ra_max: Degrees, dec_min: Degrees, dec_max: Degrees
) -> tuple[float, float, float, float]:
    return (
        degrees("ra_min", ra_min),
        degrees("ra_max", ra_max),
        degrees("dec_min", dec_min),
        degrees("dec_max", dec_max),
    )


def _polygon(corners: Sequence[tuple[Degrees, Degrees]]) -> list[float]:
    try:
        pairs = [(ra, dec) for ra, dec in corners]
    except (TypeError, ValueError):
        text = "must be pairs of ra and dec"
        raise invalid([Problem(None, "corners", show(corners), text)]) from None
    return [degrees("corners", angle) for pair in pairs for angle in pair]
