"""Stars and galaxies of a reference catalogue near a position; part of `apdb.Apdb`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from apdb.query.tables_out import fetch_table, selection
from apdb.schema.catalogue import table
from apdb.session import Session

if TYPE_CHECKING:
    from astropy.table import Table

_YEAR = 365.25
_MAS = 1.0 / 3.6e6


class ReferenceCones(Session):
    """Reading reference catalogues."""

    def reference_objects(
        self, catalogue: str, ra: float, dec: float, radius: float, mjd_tai: float | None = None
    ) -> Table:
        """Return the objects of a reference catalogue within a cone.

        Parameters
        ----------
        catalogue : str
            Name of the catalogue.
        ra, dec, radius : float
            Cone [deg].
        mjd_tai : float, optional
            Time to which they are moved where proper motion and epoch are known; by default they
            are where they were at their epoch.

        Returns
        -------
        astropy.table.Table
            Columns of reference_object, by identifier.

        Raises
        ------
        NotFound
            There is no such catalogue.
        InvalidInput
            The cone is out of range.
        """
        columns = table("reference_object").columns
        query = sql.SQL(
            "select {} from apdb.reference_in_cone({}, {}, {}, {}) as t "
            "order by t.reference_object_id"
        ).format(selection(columns), *(sql.Literal(each) for each in (catalogue, ra, dec, radius)))
        with self.reading() as connection:
            found = fetch_table(connection, query, (), columns)
        return found if mjd_tai is None else moved(found, mjd_tai)


def filled(objects: Table, name: str, value: float) -> NDArray[np.float64]:
    """Return a column with a value where there is none.

    Parameters
    ----------
    objects : Table
        Any table.
    name : str
        The column.
    value : float
        In place of what is masked.

    Returns
    -------
    ndarray of float64
    """
    found = np.ma.masked_array(objects[name], dtype=float)
    return np.asarray(found.filled(value))


def moved(objects: Table, mjd_tai: float) -> Table:
    """Return reference objects with their positions at a time.

    Parameters
    ----------
    objects : Table
        ra, dec [deg], pm_ra with the factor cos(dec), pm_dec [mas/yr], epoch_mjd_tai.
    mjd_tai : float
        The time.

    Returns
    -------
    Table
        A copy; who has no proper motion or epoch stays.
    """
    names = ("pm_ra", "pm_dec", "epoch_mjd_tai")
    pm_ra, pm_dec, epoch = (filled(objects, name, np.nan) for name in names)
    years = (mjd_tai - epoch) / _YEAR
    dec = np.asarray(objects["dec"], float)
    found = objects.copy()
    stretch = np.cos(np.radians(dec)).clip(1e-9)
    found["ra"] = np.mod(objects["ra"] + np.nan_to_num(years * pm_ra) * _MAS / stretch, 360.0)
    found["dec"] = np.clip(dec + np.nan_to_num(years * pm_dec) * _MAS, -90.0, 90.0)
    return found
