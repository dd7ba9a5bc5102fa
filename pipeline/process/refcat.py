"""Reference stars: out of a file or out of the database."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.table import Table

from apdb.database import Apdb
from apdb.errors import ApdbError
from apdb.input.footprint import bounding_circle
from apdb.input.sphere import unit_vectors
from apdb.reference.cone import filled
from pipeline.errors import CalibrateError
from pipeline.exposure import Exposure
from pipeline.io.quiet import QUIET
from pipeline.process.same_pixels import corners


def reference_table(path: Path) -> Table:
    """Read a reference catalogue from a file.

    Parameters
    ----------
    path : Path
        FITS, ECSV, CSV, VOTable or Parquet, with ra and dec [deg] and fluxes or magnitudes.

    Returns
    -------
    Table

    Raises
    ------
    CalibrateError
        It cannot be read, or has no positions.
    """
    try:
        with QUIET:
            found = Table.read(path)
    except Exception as error:
        raise CalibrateError(f"the reference catalogue {path} cannot be read: {error}") from error
    missing = [name for name in ("ra", "dec") if name not in found.colnames]
    if missing:
        raise CalibrateError(
            f"the reference catalogue {path} has no column {' and '.join(missing)} (deg); it has "
            f"{', '.join(found.colnames[:10])}"
        )
    return found


def from_database(db: Apdb, catalogue: str, exposure: Exposure, margin: float) -> Table | None:
    """Return the stars of a reference catalogue of the database around an image.

    Parameters
    ----------
    db : Apdb
        The database.
    catalogue : str
        Name of the catalogue.
    exposure : Exposure
        The image.
    margin : float
        How far around it [arcmin].

    Returns
    -------
    Table or None
        None for an image without WCS: nobody knows where it is.

    Raises
    ------
    CalibrateError
        There is no such catalogue.
    """
    if exposure.wcs is None:
        return None
    ra, dec, radius = bounding_circle(unit_vectors(*np.array(corners(exposure)).T))
    midpoint = None if exposure.info is None else exposure.info.midpoint_mjd_tai
    return stars_around(db, catalogue, (ra, dec, radius + margin / 60.0), midpoint)


def stars_around(
    db: Apdb, catalogue: str, circle: tuple[float, float, float], midpoint: float | None
) -> Table:
    """Return the stars of a reference catalogue of the database within a circle.

    Parameters
    ----------
    db : Apdb
        The database.
    catalogue : str
        Name of the catalogue.
    circle : (float, float, float)
        ra, dec and radius [deg].
    midpoint : float or None
        Time that they are moved to, MJD TAI.

    Returns
    -------
    Table
        Columns of reference_object, and is_star.

    Raises
    ------
    CalibrateError
        There is no such catalogue.
    """
    try:
        found = db.reference_objects(catalogue, *circle, midpoint)
    except ApdbError as error:
        raise CalibrateError(
            f"reference catalogue {catalogue}: {error}; `apdb reference list` shows those there are"
        ) from error
    found["is_star"] = filled(found, "extendedness", 0.0) < 0.5
    return found
