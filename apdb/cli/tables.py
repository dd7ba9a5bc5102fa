"""Tables on the terminal, as JSON, and in files."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from apdb.errors import InvalidInput

if TYPE_CHECKING:
    from astropy.table import Table
    from astropy.time import Time

FORMATS = {
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".parquet": "parquet",
    ".csv": "ascii.csv",
}
_LEAST_WIDTH = 100


def terminal(*, stderr: bool = False, soft_wrap: bool = False, width: int | None = None) -> Console:
    """Return the terminal, to print texts on as they are.

    Units and names of files have brackets, which rich would take for markup and leave out.

    Parameters
    ----------
    stderr : bool
        Whether it is standard error.
    soft_wrap : bool
        Whether lines are left to the terminal to wrap.
    width : int, optional
        Columns; by default those that it has.

    Returns
    -------
    rich.console.Console
    """
    return Console(
        stderr=stderr,
        soft_wrap=soft_wrap,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
    )


def utc(mjd_tai: float) -> Time:
    """Return a time in UTC, to be written.

    Parameters
    ----------
    mjd_tai : float
        MJD TAI [d].

    Returns
    -------
    astropy.time.Time
    """
    from astropy.time import Time  # slow to import; most commands write no times

    return Time(mjd_tai, format="mjd", scale="tai").utc


def show_table(table: Table, columns: Sequence[str], title: str) -> None:
    """Print some columns of a Table, with their units.

    Parameters
    ----------
    table : astropy.table.Table
        The rows.
    columns : sequence of str
        Columns to print, where the table has them.
    title : str
        Above it.
    """
    names = [name for name in columns if name in table.colnames]
    heads = [f"{name}\n[{table[name].unit}]" if table[name].unit else name for name in names]
    show_rows(heads, zip(*(map(_cell, _plain(table[name])) for name in names), strict=True), title)


def show_rows(heads: Sequence[str], rows: Iterable[Sequence[object]], title: str) -> None:
    """Print rows of texts under a title.

    Parameters
    ----------
    heads : sequence of str
        Names of the columns.
    rows : iterable of sequence
        Values; None prints as a dash.
    title : str
        Above it.
    """
    console = terminal()
    if not console.is_terminal:
        # What is piped to a file or a pager is not cut at 80 columns.
        console = terminal(width=max(_LEAST_WIDTH, 30 * len(heads)))
    drawn = RichTable(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head in heads:
        drawn.add_column(head, justify="right", overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    console.print(drawn)


def table_json(table: Table) -> list[dict[str, Any]]:
    """Return a Table as JSON values.

    Parameters
    ----------
    table : astropy.table.Table
        The rows.

    Returns
    -------
    list of dict
        One a row.  Ids are strings, as JSON numbers lose digits above 2**53; what is missing or
        NaN is null.
    """
    columns = {name: [_json(name, v) for v in _plain(table[name])] for name in table.colnames}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def ids_as_strings(value: Any) -> Any:
    """Return nested mappings and lists with ids as strings, NaN as null and dates as text.

    Parameters
    ----------
    value : object
        What `dataclasses.asdict` makes.

    Returns
    -------
    object
        The same for JSON.
    """
    if isinstance(value, dict):
        return {name: ids_as_strings(_json(name, v)) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [ids_as_strings(v) for v in value]
    return value


def check_out(path: Path | None, overwrite: bool) -> None:
    """Make sure that a file can be written, before the query is run.

    Parameters
    ----------
    path : pathlib.Path or None
        Where; None writes nothing.
    overwrite : bool
        Whether it may exist.

    Raises
    ------
    InvalidInput
        Its suffix is no known format, or it exists.
    """
    if path is None:
        return
    if path.suffix.lower() not in FORMATS:
        raise InvalidInput(f"cannot write {path}: give a name that ends in {', '.join(FORMATS)}")
    if path.exists() and not overwrite:
        raise InvalidInput(f"{path} exists: give another name, or --overwrite")


def write_table(table: Table, path: Path) -> None:
    """Write a Table to a file in the format of its suffix, with units where the format has them.

    Parameters
    ----------
    table : astropy.table.Table
        The rows.
    path : pathlib.Path
        Where; folders that are missing are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write(path, format=FORMATS[path.suffix.lower()], overwrite=True)


def _plain(column: Any) -> list[Any]:
    """Return Python values; float32 as the shortest decimal that is it."""
    if column.dtype == np.float32:
        decimals = np.ma.asarray(column).filled(np.nan).astype(str).astype(float)
        column = np.ma.array(decimals, mask=np.ma.getmaskarray(column))
    values: list[Any] = column.tolist()
    return values


def _json(name: str, value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and name.endswith("_id"):
        return str(value)
    return value


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def show_report(facts: Mapping[str, str], steps: Mapping[str, str], head: str) -> Console:
    """Print what a demonstration did, and how long the median of each step took.

    Parameters
    ----------
    facts : mapping of str to str
        What there is to say, by name.
    steps : mapping of str to str
        Median of each step, as text.
    head : str
        What the steps are in, such as ``seconds an image``.

    Returns
    -------
    rich.console.Console
        To go on with.
    """
    table = RichTable(box=None, show_header=False, pad_edge=False)
    for name, fact in facts.items():
        table.add_row(name, fact)
    console = terminal()
    console.print()
    console.print(table)
    console.print()
    times = RichTable(head, "median", box=None, pad_edge=False)
    times.columns[1].justify = "right"
    for step, median in steps.items():
        times.add_row(step, median)
    console.print(times)
    return console
