"""Sources on their way through an N-way matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from astropy.table import Column, Table

from apdb.nway.grid import Floats, Grid, Ints
from apdb.nway.summary import Members


@dataclass(frozen=True)
class Part:
    """Some sources, by column.

    Attributes
    ----------
    object_id : ndarray of int64, shape (n,)
        Object of each; 0 where it is not known yet.
    catalogue, row : ndarray of int64, shape (n,)
        Number of the catalogue by name, and row in it, counted from 0.
    lon, lat, flux, flux_err, mjd : ndarray of float64, shape (n,)
        Position, flux, its error and time.
    """

    object_id: Ints
    catalogue: Ints
    row: Ints
    lon: Floats
    lat: Floats
    flux: Floats
    flux_err: Floats
    mjd: Floats

    def taken(self, which: Any) -> Part:
        """Return some of the sources.

        Parameters
        ----------
        which : ndarray
            Indices or mask.
        """
        return Part(*(getattr(self, each.name)[which] for each in fields(self)))

    def numbered(self, object_id: Ints) -> Part:
        """Return the sources with other objects.

        Parameters
        ----------
        object_id : ndarray of int64, shape (n,)
            Object of each.
        """
        return replace(self, object_id=object_id)

    def members(self) -> Members:
        """Return what objects are described by."""
        return Members(self.object_id, self.lon, self.lat, self.flux, self.flux_err, self.mjd)

    def of_several(self, at_least: int) -> Part:
        """Return the sources of objects that have enough of them; they are in order of objects.

        Parameters
        ----------
        at_least : int
            How many.
        """
        _, inverse, counts = np.unique(self.object_id, return_inverse=True, return_counts=True)
        return self.taken(counts[inverse] >= at_least)

    def table(self, names: Sequence[str], grid: Grid) -> Table:
        """Return one row for each source.

        Parameters
        ----------
        names : sequence of str
            Names of the catalogues.
        grid : Grid
            Sky or plane.
        """
        lon, lat = ("ra", "dec") if grid.sky else ("x", "y")
        unit = "deg" if grid.sky else None
        of = np.array(list(names), str) if names else np.empty(0, "U1")
        return Table(
            [
                Column(self.object_id, "object_id", description="Number of the object"),
                Column(of[self.catalogue], "catalogue", description="Catalogue of the source"),
                Column(self.row, "row", description="Row in the catalogue, counted from 0"),
                Column(self.lon, lon, unit=unit, description=f"{lon} of the source"),
                Column(self.lat, lat, unit=unit, description=f"{lat} of the source"),
            ]
        )
