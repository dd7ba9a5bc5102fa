"""Brings input tables into the form that the database takes, and names every row that is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.input.batch import (
    OF_THE_VISIT,
    Batch,
    Mask,
    check_ids,
    check_visit,
    check_withdrawn,
)
from apdb.input.containers import RawColumn, read_columns
from apdb.input.conversion import convert, default_value
from apdb.input.problems import Problems
from apdb.input.visit import FOOTPRINT_MARGIN, MJD_MAX, MJD_MIN, Visit, mjd_problem, ra_problem
from apdb.schema.catalogue import Column, Table, table

#: What the database decides itself: real packets carry these, so they are accepted and dropped.
DECIDED_BY_STORE = ("dia_object_id", "ss_object_id", "ss_object_reassoc_time_mjd_tai")

SOURCE_REQUIRED = ("dia_source_id", "ra", "dec", "psf_flux", "psf_flux_err")

_NOT_NEGATIVE = frozenset({"bbox_size", "visit", "detector"})


def normalise(
    data: object,
    table: Table,
    *,
    required: Sequence[str] = (),
    refused: Collection[str] = (),
    dropped: Collection[str] = (),
) -> Batch:
    """Return any accepted table of rows as a batch for one table of the schema.

    Parameters
    ----------
    data : object
        astropy Table, pandas DataFrame, Arrow or polars table, numpy structured array, FITS table,
        mapping of columns, or None for no rows.  Names are snake_case or DPDD.
    table : Table
        Table of the schema that the rows are for.
    required : sequence of str
        Columns that must be there unless there are no rows.
    refused : collection of str
        Columns of the table that a caller may not give.
    dropped : collection of str
        Columns that are accepted and left out of the batch, unread.

    Returns
    -------
    Batch
        The rows in the order of the input.

    Raises
    ------
    InvalidInput
        With every problem of every row and column.
    """
    problems = Problems()
    batch = normalised(data, table, problems, required, refused, dropped)
    problems.raise_if_any()
    return canonical(batch, table, required)


def dia_source_batch(data: object, visit: Visit, *, margin_deg: float = FOOTPRINT_MARGIN) -> Batch:
    """Return the DIASources of a visit as a batch.

    ``visit``, ``detector``, ``band``, ``midpoint_mjd_tai`` and ``exposure_time`` must agree with
    the visit where given, and are left out of the batch.  Associations and processing times are
    dropped: the database decides them.

    Parameters
    ----------
    data : object
        Table of any kind that `normalise` accepts.
    visit : Visit
        The visit that the sources belong to.
    margin_deg : float
        How far outside the footprint a source may lie [deg].

    Returns
    -------
    Batch
        The sources in the order of the input.

    Raises
    ------
    InvalidInput
        With every problem of every row and column.
    """
    problems, schema = Problems(), table("dia_source")
    dropped = (*DECIDED_BY_STORE, "time_processed_mjd_tai")
    batch = normalised(
        data, schema, problems, SOURCE_REQUIRED, ("store_seq",), dropped, OF_THE_VISIT
    )
    check_withdrawn(batch, problems)
    check_visit(batch, visit, problems)
    check_ids(batch, "dia_source_id", problems)
    _check_footprint(batch, visit, margin_deg, problems)
    problems.raise_if_any()
    _flush_denormals(batch)
    return canonical(batch, schema, SOURCE_REQUIRED)


def normalised(
    data: object,
    table: Table,
    problems: Problems,
    required: Sequence[str],
    refused: Collection[str],
    dropped: Collection[str],
    filled: Collection[str] = (),
) -> Batch:
    """Convert all columns.

    Parameters
    ----------
    data : object
        Table of any kind that `normalise` accepts.
    table : Table
        Table that the rows are for.
    problems : Problems
        Told what is wrong.
    required, refused, dropped : collections of str
        As for `normalise`.
    filled : collection of str
        Columns that may have no value, for something else gives it.

    Returns
    -------
    Batch
        The rows in the order of the input.
    """
    n, raw_columns = read_columns(data, problems)
    batch = Batch(n, {}, {}, {})
    for column, raw in _resolve(raw_columns, table, problems, refused):
        batch.names[column.name] = raw.name
        if column.name in dropped:
            continue
        if column.name in filled:
            column = replace(column, nullable=True)  # noqa: PLW2901 - nothing else is meant below
        values, nulls = convert(raw, column, problems)
        batch.columns[column.name], batch.nulls[column.name] = values, nulls
        _check_range(raw, column, values, nulls, problems)
    if n:
        for name in required:
            # A column that is there but unreadable has been reported as that.
            unread = problems.noted(name) or problems.noted(table.column(name).dpdd_name)
            if name not in batch.columns and not unread:
                problems.add(name, f"is missing; required are {', '.join(required)}")
    return batch


def _resolve(
    raw_columns: Sequence[RawColumn], table: Table, problems: Problems, refused: Collection[str]
) -> list[tuple[Column, RawColumn]]:
    """Return the columns of the schema that the caller's columns are."""
    found: dict[str, tuple[Column, RawColumn]] = {}
    known = {c.name: c.name for c in table.columns if c.name not in refused}
    known |= {c.dpdd_name: c.name for c in table.columns if c.name not in refused}
    for raw in raw_columns:
        if raw.name not in known:
            problems.add(raw.name, f"unknown column of {table.name}{_similar(raw.name, known)}")
            continue
        column = table.column(raw.name)
        if column.name in found:
            other = found[column.name][1].name
            text = f"is the same column as {other}: give one of them"
            problems.add(raw.name, text)
            continue
        found[column.name] = (column, raw)
    return list(found.values())


def _similar(name: str, known: Collection[str]) -> str:
    lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.7)
    if not close:
        return ": leave it out"
    return f": did you mean {' or '.join(lower[each] for each in close)}?"


def canonical(batch: Batch, table: Table, required: Collection[str]) -> Batch:
    """Leave out columns that say nothing, so that equal contents make equal batches.

    Parameters
    ----------
    batch : Batch
        The rows; its columns are changed.
    table : Table
        Table that they are for.
    required : collection of str
        Columns that stay, and are there even without rows.

    Returns
    -------
    Batch
        The same one.
    """
    for name in list(batch.columns):
        if name not in required and _says_nothing(batch, table.column(name)):
            del batch.columns[name], batch.nulls[name]
    for name in required:
        if name not in batch.columns:
            batch.columns[name] = np.empty(0, table.column(name).numpy_dtype)
            batch.nulls[name] = None
    return batch


def _says_nothing(batch: Batch, column: Column) -> bool:
    values, nulls = batch.columns[column.name], batch.nulls[column.name]
    if column.nullable and column.default is None:
        return nulls is not None and bool(nulls.all())
    default = default_value(column)
    if nulls is not None or default is None:
        return len(values) == 0
    if isinstance(default, np.floating) and np.isnan(default):
        return bool(np.isnan(values).all())
    return bool((values == default).all())


def _check_range(
    raw: RawColumn, column: Column, values: NDArray[Any], nulls: Mask | None, problems: Problems
) -> None:
    """Note values that no measurement can have; the name of a column says what it is."""
    if values.dtype.kind not in "if":
        return
    name = column.name
    message: str | Callable[[int], str]
    if name.startswith("pm_") and not name.endswith("_err"):
        return
    if name == "ra" or name.endswith("_ra"):
        bad = (values < 0) | (values >= 360)
        message = lambda row: ra_problem(float(values[row]))  # noqa: E731
    elif name == "dec" or name.endswith("_dec"):
        bad = (values < -90) | (values > 90)
        message = "must be in [-90, 90] degrees"
    elif name == "midpoint_mjd_tai":
        bad = (values < MJD_MIN) | (values > MJD_MAX)
        message = lambda row: mjd_problem(float(values[row]))  # noqa: E731
    elif name == "psf_flux_err":
        bad = values <= 0
        message = "must be positive: give NaN if it is unknown"
    elif name.endswith("_err"):
        bad = values < 0
        message = "must not be negative: give NaN if it is unknown"
    elif name in _NOT_NEGATIVE or name.endswith("_ndata"):
        bad = values < 0
        message = "must not be negative"
    else:
        return
    if nulls is not None:
        bad &= ~nulls
    problems.add_rows(bad, raw.name, raw.values, message)


def _flush_denormals(batch: Batch) -> None:
    """Make zero of positions that are nothing else, for the server's trigonometry underflows."""
    for name in ("ra", "dec"):
        values = batch.columns.get(name)
        if values is not None and bool(((values != 0.0) & (np.abs(values) < 1e-30)).any()):
            batch.columns[name] = np.where(np.abs(values) < 1e-30, 0.0, values)


def _check_footprint(batch: Batch, visit: Visit, margin_deg: float, problems: Problems) -> None:
    if batch.n == 0 or not {"ra", "dec"} <= batch.columns.keys():
        return
    ra, dec = batch.columns["ra"], batch.columns["dec"]
    if problems.failed(batch.names["ra"]) or problems.failed(batch.names["dec"]):
        return
    valid = (ra >= 0) & (ra < 360) & (dec >= -90) & (dec <= 90)
    far = np.zeros(batch.n)
    far[valid] = visit.outside_by(ra[valid], dec[valid])
    where = f"{batch.names['ra']}, {batch.names['dec']}"
    shown = np.rec.fromarrays([ra, dec])
    problems.add_rows(
        far > margin_deg,
        where,
        shown,
        lambda row: (
            f"lies {far[row]:.4g} deg outside the footprint of the visit "
            f"(margin {margin_deg:g} deg): check the position or the footprint"
        ),
    )


__all__ = ["Batch", "canonical", "dia_source_batch", "normalise", "normalised"]
