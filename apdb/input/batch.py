"""Rows on their way into one table, and the checks that are made on several kinds of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.input.problems import Problems
from apdb.input.visit import Visit

Mask = NDArray[np.bool_]

#: What a visit says once for all its sources; given by row it must agree with the visit.
OF_THE_VISIT = ("visit", "detector", "band", "midpoint_mjd_tai", "exposure_time")

#: How far times of one visit may differ [d]: 1 ms, more than rounding, less than any exposure.
TIME_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Batch:
    """Rows on their way into one table, by column.

    Parameters
    ----------
    n : int
        Number of rows.
    columns : dict of str to ndarray, shape (n,)
        Values by snake_case name, in the dtype of the database, contiguous and in native byte
        order; text as object arrays of str.  Columns that are NULL or the default in every row are
        left out, unless required: absent and all-default are the same.  Not to be written to, for
        it may be the caller's memory.
    nulls : dict of str to (ndarray of bool, shape (n,), or None)
        True where NULL; None if no value of the column is.  Same keys as `columns`.
    names : dict of str to str
        Name of each column as the caller wrote it, for messages.
    """

    n: int
    columns: dict[str, NDArray[Any]]
    nulls: dict[str, Mask | None]
    names: dict[str, str] = field(default_factory=dict, compare=False)


def check_withdrawn(batch: Batch, problems: Problems) -> None:
    """Note rows that say that they were withdrawn; drop the column.

    Parameters
    ----------
    batch : Batch
        The rows.
    problems : Problems
        Told what is wrong.
    """
    name = "time_withdrawn_mjd_tai"
    if name not in batch.columns:
        return
    values, nulls = batch.columns.pop(name), batch.nulls.pop(name)
    given = np.ones(batch.n, bool) if nulls is None else ~nulls
    text = "is set: store the row without it, then call `withdraw`"
    problems.add_rows(given, batch.names[name], values, text)


def check_present(batch: Batch, name: str, problems: Problems) -> None:
    """Note rows that have no value.

    Parameters
    ----------
    batch : Batch
        The rows.
    name : str
        Column that needs one.
    problems : Problems
        Told what is wrong.
    """
    nulls = batch.nulls.get(name)
    if nulls is not None:
        problems.add_rows(nulls, batch.names[name], None, "has no value, but later rows need one")


def check_ids(batch: Batch, name: str, problems: Problems) -> None:
    """Note identifiers that are not positive, and those that occur twice.

    Parameters
    ----------
    batch : Batch
        The rows.
    name : str
        Column of the identifiers.
    problems : Problems
        Told what is wrong.
    """
    if name not in batch.columns:
        return
    values = batch.columns[name]
    problems.add_rows(values <= 0, batch.names[name], values, "must be positive")
    check_unique(batch, [name], problems)


def check_unique(batch: Batch, key: Sequence[str], problems: Problems) -> None:
    """Note rows whose key an earlier row has.

    Parameters
    ----------
    batch : Batch
        The rows.
    key : sequence of str
        Columns of the key.
    problems : Problems
        Told what is wrong.
    """
    if batch.n < 2 or any(name not in batch.columns for name in key):
        return
    columns = [batch.columns[name] for name in key]
    order = np.lexsort(columns[::-1])
    same = np.ones(batch.n - 1, bool)
    for values in columns:
        ordered = values[order]
        same &= ordered[1:] == ordered[:-1]
    if not same.any():
        return
    # lexsort is stable: the first row of each run of equal keys is the first in the input.
    run = np.cumsum(np.concatenate([[True], ~same]))
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    first = np.empty(batch.n, np.intp)
    first[order] = order[starts[run - 1]]
    repeated = first != np.arange(batch.n)
    what = " and ".join(key)
    problems.add_rows(
        repeated,
        batch.names[key[0]],
        columns[0],
        lambda row: f"same {what} as row {first[row]}: give each once",
    )


def check_visit(batch: Batch, visit: Visit, problems: Problems) -> None:
    """Note rows that say other things of the visit than the visit does; drop these columns.

    Parameters
    ----------
    batch : Batch
        The rows.
    visit : Visit
        The visit.
    problems : Problems
        Told what is wrong.
    """
    for name in OF_THE_VISIT:
        if name not in batch.columns:
            continue
        values, nulls = batch.columns.pop(name), batch.nulls.pop(name)
        wanted = getattr(visit, name)
        if name == "midpoint_mjd_tai":
            differs = np.abs(values - wanted) > TIME_TOLERANCE
        elif name == "exposure_time" and wanted is not None:
            differs = ~np.isclose(values, wanted, rtol=1e-6, atol=0)
        else:
            differs = np.asarray(values != wanted, bool)
        if nulls is not None:
            differs = differs & ~nulls
        text = f"disagrees with the visit, which has {wanted!r}: correct the one or the other"
        problems.add_rows(differs, batch.names[name], values, text)
