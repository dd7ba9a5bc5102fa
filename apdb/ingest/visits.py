"""From catalogue files to visits: which rows belong together, and what is said of their visit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb import rubin
from apdb.errors import InvalidInput
from apdb.ingest.files import CatalogueFile, file_format, is_alerts, read_catalogue
from apdb.ingest.said import (
    COLUMNS,
    VISIT_ONLY,
    VisitOptions,
    column_of,
    said_by_metadata,
    visit_of,
)
from apdb.input.containers import RawColumn
from apdb.input.conversion import convert
from apdb.input.problems import Problems
from apdb.input.visit import Visit
from apdb.schema.catalogue import table


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
        said = said_by_metadata(catalogue.meta) | options.given()
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

    def _found() -> Iterator[Piece]:
        for each in rubin.visits(tables, exposure_time=exposure_time):
            loaded = Visit(**each.visit), each.sources
            key = each.visit["visit"], each.visit["detector"]
            yield Piece(path, *key, len(each.truth), lambda loaded=loaded: loaded)  # type: ignore[misc]

    return n, _found()


_Group = tuple[int | None, int | None, NDArray[np.intp]]


def _groups(catalogue: CatalogueFile) -> list[_Group] | None:
    """Return the rows of each (visit, detector) in time order; None if no column says them."""
    problems = Problems()
    keys: dict[str, NDArray[np.int64] | None] = {}
    for name in ("visit", "detector"):
        raw = column_of(catalogue, COLUMNS[name])
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
    time = column_of(catalogue, COLUMNS["midpoint_mjd_tai"])
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
        return visit_of(catalogue, rows, options), sources

    n = catalogue.n if rows is None else len(rows)
    shown = [value if isinstance(value, int) else None for value in (visit, detector)]
    return Piece(catalogue.path, shown[0], shown[1], n, _load, rows)


def _cut(column: RawColumn, rows: NDArray[np.intp] | None) -> Any:
    """Return some rows of a column in a form that keeps missing values and unit."""
    values = column.values if rows is None else column.values[rows]
    if column.missing is None and column.unit is None:
        return values
    from astropy.table import MaskedColumn

    mask = (
        False
        if column.missing is None
        else column.missing
        if rows is None
        else column.missing[rows]
    )
    return MaskedColumn(values, mask=mask, unit=column.unit)


__all__ = ["Piece", "VisitOptions", "alert_pieces", "pieces"]
