"""From catalogue files to visits: which rows belong together, and what is said of their visit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import MaskedColumn
from numpy.typing import NDArray

from apdb import footprint, rubin
from apdb.catalogue import table
from apdb.containers import RawColumn
from apdb.conversion import convert
from apdb.errors import InvalidInput
from apdb.ingest_files import CatalogueFile, file_format, is_alerts, read_catalogue
from apdb.problems import Problems
from apdb.visit import Visit

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


@dataclass(frozen=True)
class Piece:
    """The rows of one visit in a file.

    Attributes
    ----------
    path : Path
        The file.
    visit, detector : int or None
        Which visit; None where the file does not say.
    n : int
        Number of sources.
    load : callable
        Returns the visit and its sources, for `Apdb.store_visit`; raises InvalidInput.
    rows : ndarray of int or None
        Where in the file the sources are; None if they are its rows in order.
    """

    path: Path
    visit: int | None
    detector: int | None
    n: int
    load: Callable[[], tuple[Visit, Mapping[str, Any]]]
    rows: NDArray[np.intp] | None = None

    def in_file(self, error: InvalidInput) -> InvalidInput:
        """Return an error about the rows of the visit as one about those of the file.

        Parameters
        ----------
        error : InvalidInput
            As `Apdb.store_visit` raised it.

        Returns
        -------
        InvalidInput
            Of the same class.
        """
        rows = self.rows
        if rows is None or not any(problem.row is not None for problem in error.problems):
            return error
        moved = [
            problem if problem.row is None else replace(problem, row=int(rows[problem.row]))
            for problem in error.problems
        ]
        return type(error)(problems=moved)


def pieces(path: Path, options: VisitOptions) -> tuple[int, Iterator[Piece]]:
    """Take a file apart into visits.

    Parameters
    ----------
    path : Path
        Catalogue, or Avro file of LSST alerts, whose sources are replayed in time order.
    options : VisitOptions
        What the caller says of the visits.

    Returns
    -------
    n : int
        Number of visits.
    pieces : iterator of Piece
        In time order.

    Raises
    ------
    InvalidInput
        The file cannot be read, or does not say which rows belong to which visit.
    """
    if file_format(path) == "avro" and is_alerts(path):
        return alert_pieces(path, rubin.read_alerts(path), options)
    catalogue = read_catalogue(path)
    groups = _groups(catalogue)
    if groups is None:
        said = _keywords(catalogue.meta) | options.given()
        single = _piece(catalogue, said.get("visit"), said.get("detector"), None, options)
        return 1, iter([single])
    found = [
        _piece(
            catalogue,
            options.visit if visit is None else visit,
            options.detector if detector is None else detector,
            rows,
            options,
        )
        for visit, detector, rows in groups
    ]
    return len(found), iter(found)


def alert_pieces(
    path: Path, tables: rubin.AlertTables, options: VisitOptions
) -> tuple[int, Iterator[Piece]]:
    """Take the sources of alerts apart into visits.

    Parameters
    ----------
    path : Path
        Where they come from.
    tables : AlertTables
        What `apdb.rubin.read_alerts` returned.
    options : VisitOptions
        Exposure time of the visits; nothing else can be given.

    Returns
    -------
    n : int
        Number of visits.
    pieces : iterator of Piece
        In time order.

    Raises
    ------
    InvalidInput
        Options say what the alerts say themselves.
    """
    given = options.given()
    exposure_time = float(given.pop("exposure_time", 30.0))
    if given:
        names = ", ".join(given)
        raise InvalidInput(f"{path} holds alerts, which say {names} themselves: do not give it")
    source = tables.dia_source
    keys = np.stack([source["visit"], source["detector"].astype(np.int64)])
    n = np.unique(keys, axis=1).shape[1] if keys.size else 0

    def found() -> Iterator[Piece]:
        for each in rubin.visits(tables, exposure_time=exposure_time):
            loaded = Visit(**each.visit), each.sources
            key = each.visit["visit"], each.visit["detector"]
            yield Piece(path, *key, len(each.truth), lambda loaded=loaded: loaded)  # type: ignore[misc]

    return n, found()


_Group = tuple[int | None, int | None, NDArray[np.intp]]


def _groups(catalogue: CatalogueFile) -> list[_Group] | None:
    """Return the rows of each (visit, detector) in time order; None if no column says them."""
    problems = Problems()
    keys: dict[str, NDArray[np.int64] | None] = {}
    for name in ("visit", "detector"):
        raw = _column(catalogue, COLUMNS[name])
        if raw is None or catalogue.n == 0:
            keys[name] = None
            continue
        values, nulls = convert(raw, table("dia_source").column(name), problems)
        if nulls is not None:
            text = "has no value: every row needs one to be told which visit it belongs to"
            problems.add_rows(nulls, raw.name, None, text)
        keys[name] = values.astype(np.int64)
    problems.raise_if_any()
    if all(each is None for each in keys.values()):
        return None
    nothing = np.zeros(catalogue.n, np.int64)
    visit, detector = (each if each is not None else nothing for each in keys.values())
    order = np.lexsort([np.arange(catalogue.n), detector, visit])
    change = (np.diff(visit[order]) != 0) | (np.diff(detector[order]) != 0)
    parts = np.split(order, np.flatnonzero(change) + 1)
    time = _column(catalogue, COLUMNS["midpoint_mjd_tai"])
    if time is not None and time.values.dtype.kind in "iuf":
        parts.sort(key=lambda rows: float(np.nan_to_num(time.values[rows[0]])))
    return [
        (
            int(visit[rows[0]]) if keys["visit"] is not None else None,
            int(detector[rows[0]]) if keys["detector"] is not None else None,
            rows,
        )
        for rows in parts
    ]


def _column(catalogue: CatalogueFile, names: tuple[str, ...]) -> RawColumn | None:
    return next((column for column in catalogue.columns if column.name in names), None)


def _piece(
    catalogue: CatalogueFile,
    visit: Any,
    detector: Any,
    rows: NDArray[np.intp] | None,
    options: VisitOptions,
) -> Piece:
    def _load() -> tuple[Visit, Mapping[str, Any]]:
        sources = {
            column.name: _cut(column, rows)
            for column in catalogue.columns
            if column.name not in VISIT_ONLY.values()
        }
        return _visit(catalogue, rows, options), sources

    n = catalogue.n if rows is None else len(rows)
    shown = [value if isinstance(value, int) else None for value in (visit, detector)]
    return Piece(catalogue.path, shown[0], shown[1], n, _load, rows)


def _cut(column: RawColumn, rows: NDArray[np.intp] | None) -> Any:
    """Return some rows of a column in a form that keeps missing values and unit."""
    values = column.values if rows is None else column.values[rows]
    if column.missing is None and column.unit is None:
        return values
    mask = (
        False
        if column.missing is None
        else column.missing
        if rows is None
        else column.missing[rows]
    )
    return MaskedColumn(values, mask=mask, unit=column.unit)


def _visit(catalogue: CatalogueFile, rows: NDArray[np.intp] | None, options: VisitOptions) -> Visit:
    """Return the visit that some rows belong to, by options, columns and metadata."""
    said = _keywords(catalogue.meta) | _said_by_columns(catalogue, rows) | options.given()
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


def _keywords(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the metadata of a file say of its visit, as keywords of `apdb.Visit`."""
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
        column = _column(catalogue, columns)
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
    found = [_column(catalogue, (name,)) for name in ("ra", "dec")]
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
        centre = footprint.bounding_circle(footprint.unit_vectors(ra[good], dec[good]))
    except ValueError as error:
        raise InvalidInput(
            f"the sources of one visit lie all over the sky ({catalogue.path}): if they are of "
            "several, say so in columns visit and detector"
        ) from error
    radius = max(FOOTPRINT_FACTOR * centre[2], FOOTPRINT_MINIMUM)
    return {"ra": centre[0], "dec": centre[1], "radius": radius}
