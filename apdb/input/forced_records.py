"""Brings forced photometry, of objects and of followed positions, into the form of the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apdb.input.batch import (
    OF_THE_VISIT,
    Batch,
    check_ids,
    check_present,
    check_unique,
    check_visit,
    check_withdrawn,
)
from apdb.input.problems import Problems
from apdb.input.records import canonical, normalised
from apdb.input.visit import Visit
from apdb.schema.catalogue import Table, table

REQUIRED = ("dia_object_id", "psf_flux", "psf_flux_err")
LATER_REQUIRED = (*REQUIRED, "visit", "detector", "midpoint_mjd_tai", "band")
OF_A_FOLLOWED = (
    *("followed_id", "visit", "detector", "midpoint_mjd_tai", "band"),
    *("psf_flux", "psf_flux_err", "science_flux", "science_flux_err"),
)
# A caller may hand back the table of positions with columns added to it.
_ECHOED = ("requested_by",)


@dataclass(frozen=True)
class ForcedRows:
    """Forced photometry, told apart by what it is of.

    Attributes
    ----------
    objects : Batch
        Rows for dia_forced_source.
    followed : Batch
        Rows for forced_followed.
    """

    objects: Batch
    followed: Batch


def forced_rows(data: object, visit: Visit | None = None) -> ForcedRows:
    """Return forced photometry of objects and of followed positions.

    A row with a followed_id other than 0 is of that followed position; its dia_object_id is 0 or
    has no value.  The position of such a row, where given, is left out: it is that of the number.

    Parameters
    ----------
    data : object
        Table of any kind that `apdb.input.records.normalise` accepts.
    visit : Visit, optional
        The visit being stored; without it, every row says visit, detector, band and midpoint.

    Returns
    -------
    ForcedRows
        Each in the order of the input.

    Raises
    ------
    InvalidInput
        With every problem of every row and column.
    """
    problems = Problems()
    batch = _read(data, problems, visit)
    followed = _ids(batch, "followed_id") != 0
    _check_whose(batch, followed, problems)
    _check(batch, visit, problems)
    problems.raise_if_any()
    wanted = REQUIRED if visit is not None else LATER_REQUIRED
    return ForcedRows(
        _part(batch, ~followed, table("dia_forced_source"), wanted),
        _part(batch, followed, table("forced_followed"), OF_A_FOLLOWED),
    )


def _with_followed() -> Table:
    """Return the columns of forced photometry, with those of a followed position."""
    schema, followed = table("dia_forced_source"), table("forced_followed")
    asked = table("followed_position").column("requested_by")
    more = (followed.column("followed_id"), asked)
    return replace(schema, columns=(*schema.columns, *more))


def _read(data: object, problems: Problems, visit: Visit | None) -> Batch:
    required = LATER_REQUIRED if visit is None else REQUIRED
    filled = ("followed_id", "dia_object_id", *(() if visit is None else OF_THE_VISIT))
    dropped = ("time_processed_mjd_tai", *_ECHOED)
    batch = normalised(
        data,
        _with_followed(),
        problems,
        [name for name in required if name != "dia_object_id"],
        ("store_seq",),
        dropped,
        filled,
    )
    check_withdrawn(batch, problems)
    return batch


def _check(batch: Batch, visit: Visit | None, problems: Problems) -> None:
    key = ["dia_object_id"]
    if batch.columns["followed_id"].any():
        key.append("followed_id")
    if visit is not None:
        check_visit(batch, visit, problems)
    else:
        key += ["visit", "detector"]
        check_present(batch, "band", problems)
    check_ids(batch, "dia_forced_source_id", problems)
    check_unique(batch, key, problems)


def _ids(batch: Batch, name: str) -> NDArray[np.int64]:
    """Return ids with 0 where there is none."""
    if name not in batch.columns:
        return np.zeros(batch.n, np.int64)
    values, nulls = batch.columns[name], batch.nulls[name]
    return np.asarray(values if nulls is None else np.where(nulls, 0, values), np.int64)


def _check_whose(batch: Batch, followed: NDArray[np.bool_], problems: Problems) -> None:
    """Note rows that are of nothing, or of two things; make both ids plain numbers."""
    unread = problems.noted("dia_object_id") or problems.noted("diaObjectId") or batch.n == 0
    ids = {name: _ids(batch, name) for name in ("dia_object_id", "followed_id")}
    if "dia_object_id" not in batch.columns and not followed.all() and not unread:
        problems.add("dia_object_id", f"is missing; required are {', '.join(REQUIRED)}")
    both = followed & (ids["dia_object_id"] != 0)
    text = "is given beside a dia_object_id: give one of them"
    problems.add_rows(both, batch.names.get("followed_id", ""), ids["followed_id"], text)
    for name, values in ids.items():
        batch.columns[name], batch.nulls[name] = values, None
        batch.names.setdefault(name, name)
    neither = ~followed & (ids["dia_object_id"] == 0)
    text = "has no value: name the DIAObject, or in followed_id the followed position"
    problems.add_rows(neither, batch.names["dia_object_id"], None, text)
    for name, values in ids.items():
        problems.add_rows(values < 0, batch.names[name], values, "must be positive")


def _part(batch: Batch, rows: NDArray[np.bool_], schema: Table, wanted: Collection[str]) -> Batch:
    """Return some rows of a batch, for the table that they are of."""
    names = [c.name for c in schema.columns if c.name in batch.columns]
    nulls = {name: batch.nulls[name] for name in names}
    part = Batch(
        int(rows.sum()),
        {name: batch.columns[name][rows] for name in names},
        {name: None if (mask := nulls[name]) is None else mask[rows] for name in names},
        {name: batch.names[name] for name in names},
    )
    return canonical(part, schema, [name for name in wanted if name in names or not part.n])
