"""Tables of positions on the sky, from anywhere, read a part at a time."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.errors import InvalidInput, Problem
from apdb.ingest.table_files import open_table
from apdb.input.containers import RawColumn, read_columns
from apdb.input.problems import Problems

ROWS = 20_000
"""Positions sent at a time: what bounds memory, and the time of a statement."""

_NAMES = {
    "ra": ("ra", "raj2000", "ra_icrs", "radeg", "ra_deg", "right_ascension", "_ra", "coord_ra"),
    "dec": (
        "dec", "dej2000", "decj2000", "de_icrs", "dedeg", "dec_deg", "declination", "_dec", "_de",
        "coord_dec",
    ),
}  # fmt: skip


def parts(
    positions: Any, ra: str | None, dec: str | None, keep: Sequence[str]
) -> Iterator[tuple[int, list[RawColumn], tuple[str, str]]]:
    """Read a table of positions, a part at a time.

    Parameters
    ----------
    positions : object
        Any table that `store_visit` takes, or the path of one.
    ra, dec : str or None
        Names of the columns of positions; None for usual names.
    keep : sequence of str
        Further columns to read.

    Yields
    ------
    (int, list of RawColumn, (str, str))
        Number of the first row, the columns, and the names of those of positions.

    Raises
    ------
    InvalidInput
        A column is not there.
    """
    if isinstance(positions, str | Path):
        file = open_table(Path(positions))
        names = _position_names(file.names, ra, dec, f"{file.path}: ")
        wanted = list(dict.fromkeys((*names, *(_named(file.names, each) for each in keep))))
        for start, columns in file.parts(wanted, ROWS):
            yield start, columns, names
        return
    problems = Problems()
    n, columns = read_columns(positions, problems)
    problems.raise_if_any()
    given = [column.name for column in columns]
    names = _position_names(given, ra, dec, "")
    wanted = list(dict.fromkeys((*names, *(_named(given, each) for each in keep))))
    columns = [column for column in columns if column.name in wanted]
    for start in range(0, n, ROWS):
        yield start, [_cut(column, start) for column in columns], names


def _cut(column: RawColumn, start: int) -> RawColumn:
    part = slice(start, start + ROWS)
    missing = None if column.missing is None else column.missing[part]
    return RawColumn(column.name, column.values[part], missing, column.unit)


def _position_names(
    names: Sequence[str], ra: str | None, dec: str | None, where: str
) -> tuple[str, str]:
    found = []
    for what, given in (("ra", ra), ("dec", dec)):
        if given is not None:
            found.append(_named(names, given, where))
            continue
        lower = {name.lower(): name for name in reversed(names)}
        usual = [lower[name] for name in _NAMES[what] if name in lower]
        if not usual:
            raise InvalidInput(
                f"{where}there is no column that looks like {what} among {', '.join(names[:20])}: "
                f"name it (--{what} COLUMN)"
            )
        found.append(usual[0])
    return found[0], found[1]


def _named(names: Sequence[str], name: str, where: str = "") -> str:
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(names[:20])}"
        raise InvalidInput(f"{where}there is no column {name}: {hint}")
    return name


def degrees(raw: RawColumn, what: str, first: int) -> NDArray[Any]:
    """Return a column of angles.

    Parameters
    ----------
    raw : RawColumn
        The column, in degrees unless it has another unit.
    what : str
        What it holds, for the error.
    first : int
        Number of its first row, for the error.

    Returns
    -------
    ndarray of float64, shape (n,)
        Degrees; NaN where it has no value.

    Raises
    ------
    InvalidInput
        It holds no angles.
    """
    if raw.values.dtype.kind not in "iuf":
        raise InvalidInput(
            f"column {raw.name} must be {what} in degrees, but holds {raw.values.dtype} "
            f"(row {first}: {raw.values[0]!r}): convert it"
        )
    values = np.asarray(raw.values, float)
    if raw.unit is not None and raw.unit != "deg":
        if not raw.unit.is_equivalent("deg"):
            raise InvalidInput(f"column {raw.name} is in {raw.unit}, but must be an angle")
        values = np.asarray(raw.unit.to("deg", values))
    return values if raw.missing is None else np.where(raw.missing, np.nan, values)


def check(where: tuple[NDArray[Any], ...], names: tuple[str, str], first: int) -> None:
    """Make sure that positions are on the sky.

    Parameters
    ----------
    where : (ndarray, ndarray), shape (n,) each
        ra and dec [deg].
    names : (str, str)
        Names of the columns, for the error.
    first : int
        Number of the first row, for the error.

    Raises
    ------
    InvalidInput
        Naming each that is not.
    """
    found = [
        Problem(int(row) + first, name, repr(float(values[row])), text)
        for values, name, good, text in (
            (where[0], names[0], (where[0] >= 0) & (where[0] < 360), "must be in [0, 360) degrees"),
            (where[1], names[1], np.abs(where[1]) <= 90, "must be in [-90, 90] degrees"),
        )
        for row in np.flatnonzero(~good)[:100]
    ]
    if found:
        found.sort(key=lambda problem: problem.row or 0)
        lines = [f"at least {len(found)} position(s) are none:"]
        lines += [f"  {problem}" for problem in found[: InvalidInput.shown]]
        raise InvalidInput("\n".join(lines), found)
