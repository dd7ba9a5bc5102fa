"""What options, columns and metadata of a file say of its visits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.errors import InvalidInput
from apdb.ingest.files import CatalogueFile
from apdb.input import footprint
from apdb.input.containers import RawColumn
from apdb.input.sphere import unit_vectors
from apdb.input.visit import Visit

#: A footprint that nobody gives is a circle around the sources, larger than needed by this factor
#: and never smaller than this radius [deg].
FOOTPRINT_FACTOR = 1.05
FOOTPRINT_MINIMUM = 0.02

#: Keywords in a file's metadata, in any case, that say something of its visit.
KEYWORDS = {
    "visit": ("visit",),
    "detector": ("detector",),
    "band": ("band", "filter"),
    "midpoint_mjd_tai": ("midpoint_mjd_tai", "midpointmjdtai", "midpoint"),
    "exposure_time": ("exposure_time", "exposuretime", "exptime"),
    "readout_end": ("readout_end_mjd_tai", "readoutendmjdtai", "readout_end"),
}
#: Columns that do so; what is not a column of dia_source is not handed on.
COLUMNS = {
    "visit": ("visit",),
    "detector": ("detector",),
    "band": ("band",),
    "midpoint_mjd_tai": ("midpoint_mjd_tai", "midpointMjdTai"),
    "exposure_time": ("exposure_time", "exposureTime"),
}
VISIT_ONLY = {
    "readout_end": "readout_end_mjd_tai",
    "ra": "visit_ra",
    "dec": "visit_dec",
    "radius": "visit_radius",
}


@dataclass(frozen=True)
class VisitOptions:
    """What the caller says of the visits; it goes before columns and metadata.

    Attributes
    ----------
    visit, detector : int or None
        Which visit; for files of one visit.
    band : str or None
        Band, or filter of the instrument.
    midpoint_mjd_tai : float or None
        Middle of the exposure, MJD TAI [d].
    exposure_time : float or None
        Exposure time [s].
    ra, dec, radius : float or None
        Footprint: centre and radius [deg], all three or none.
    """

    visit: int | None = None
    detector: int | None = None
    band: str | None = None
    midpoint_mjd_tai: float | None = None
    exposure_time: float | None = None
    ra: float | None = None
    dec: float | None = None
    radius: float | None = None

    def __post_init__(self) -> None:
        given = [value is not None for value in (self.ra, self.dec, self.radius)]
        if any(given) and not all(given):
            raise InvalidInput("the footprint needs ra, dec and radius: give all three or none")

    def given(self) -> dict[str, Any]:
        """Return what is given, as keywords of `apdb.Visit`."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


def visit_of(
    catalogue: CatalogueFile, rows: NDArray[np.intp] | None, options: VisitOptions
) -> Visit:
    """Return the visit that some rows belong to.

    Parameters
    ----------
    catalogue : CatalogueFile
        The file.
    rows : ndarray of int or None
        Its rows of the visit; None for all.
    options : VisitOptions
        What the caller says; goes before columns, and these before metadata.

    Returns
    -------
    Visit
        With a circle around the sources where nobody gives a footprint.

    Raises
    ------
    InvalidInput
        Something that a visit needs is said nowhere, or cannot be.
    """
    said = said_by_metadata(catalogue.meta) | _said_by_columns(catalogue, rows) | options.given()
    needed = ("visit", "detector", "band", "midpoint_mjd_tai")
    if missing := [name for name in needed if said.get(name) is None]:
        raise InvalidInput(
            f"{catalogue.path} does not say {', '.join(missing)} of the visit: give a column, "
            "metadata of the file, or an option"
        )
    circle = [said.get(name) for name in ("ra", "dec", "radius")]
    if None in circle and said.get("boundary") is None:
        for name in ("ra", "dec", "radius", "boundary"):
            said.pop(name, None)
        said |= _circle(catalogue, rows)
    elif said.get("boundary") is not None and "ra" not in options.given():
        said = {k: v for k, v in said.items() if k not in ("ra", "dec", "radius")}
    else:
        said.pop("boundary", None)
    return Visit(**said)


def said_by_metadata(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the metadata of a file say of its visit.

    Parameters
    ----------
    meta : mapping of str to object
        By lower-case keyword.

    Returns
    -------
    dict of str to object
        Keywords of `apdb.Visit`.
    """
    said: dict[str, Any] = {}
    for name, keywords in KEYWORDS.items():
        value = next((meta[each] for each in keywords if meta.get(each) is not None), None)
        kind = int if name in ("visit", "detector") else str if name == "band" else float
        if value is not None:
            said[name] = _as(kind, value)
    circle = {name: _as(float, meta.get(name)) for name in ("ra", "dec", "radius")}
    # The headers of telescopes have RA and DEC of their own: only a circle is a footprint.
    if all(isinstance(value, float) for value in circle.values()):
        said |= circle
    boundary = meta.get("boundary")
    if boundary is not None:
        said["boundary"] = json.loads(boundary) if isinstance(boundary, str) else boundary
    return said


def _as(kind: type, value: Any) -> Any:
    """Return a value of metadata, often text, as a number; what is none is left to `Visit`."""
    try:
        if kind is int and isinstance(value, float):
            return int(value) if value.is_integer() else value
        return value.strip() if kind is str else kind(value)
    except (TypeError, ValueError, AttributeError):
        return value


def _said_by_columns(catalogue: CatalogueFile, rows: NDArray[np.intp] | None) -> dict[str, Any]:
    """Return what columns say of a visit: their first value; `store_visit` compares the others."""
    said: dict[str, Any] = {}
    if catalogue.n == 0:
        return said
    names = COLUMNS | {name: (column,) for name, column in VISIT_ONLY.items()}
    for name, columns in names.items():
        column = column_of(catalogue, columns)
        if column is None:
            continue
        values = column.values if rows is None else column.values[rows]
        if column.missing is not None:
            values = values[~(column.missing if rows is None else column.missing[rows])]
        if not len(values):
            continue
        value = values[0].item() if hasattr(values[0], "item") else values[0]
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if name in VISIT_ONLY and not (values == values[0]).all():
            raise InvalidInput(f"column {column.name} must have one value in all rows of a visit")
        if not (isinstance(value, float) and math.isnan(value)):
            said[name] = _as(int, value) if name in ("visit", "detector") else value
    return said


def _circle(catalogue: CatalogueFile, rows: NDArray[np.intp] | None) -> dict[str, float]:
    """Return a circle around the sources, with a margin."""
    found = [column_of(catalogue, (name,)) for name in ("ra", "dec")]
    if catalogue.n == 0 or any(c is None or c.values.dtype.kind not in "iuf" for c in found):
        raise InvalidInput(
            f"{catalogue.path} has no positions and does not say where the visit is: give ra, dec "
            "and radius of its footprint [deg] in the metadata or as options"
        )
    both = [c.values.astype(float) for c in found if c is not None]
    ra, dec = both if rows is None else (values[rows] for values in both)
    # Bad positions are named row by row when the visit is stored.
    good = (ra >= 0) & (ra < 360) & (dec >= -90) & (dec <= 90)
    if not good.any():
        return {"ra": 0.0, "dec": 0.0, "radius": FOOTPRINT_MINIMUM}
    try:
        centre = footprint.bounding_circle(unit_vectors(ra[good], dec[good]))
    except ValueError as error:
        raise InvalidInput(
            f"the sources of one visit lie all over the sky ({catalogue.path}): if they are of "
            "several, say so in columns visit and detector"
        ) from error
    radius = max(FOOTPRINT_FACTOR * centre[2], FOOTPRINT_MINIMUM)
    return {"ra": centre[0], "dec": centre[1], "radius": radius}


def column_of(catalogue: CatalogueFile, names: tuple[str, ...]) -> RawColumn | None:
    """Return the first column that has one of some names.

    Parameters
    ----------
    catalogue : CatalogueFile
        The file.
    names : tuple of str
        The names.

    Returns
    -------
    RawColumn or None
        None if there is no such column.
    """
    return next((column for column in catalogue.columns if column.name in names), None)
