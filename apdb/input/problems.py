"""Collects what is wrong with the input, so that the caller sees all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apdb.errors import InvalidInput, Problem

#: Problems with single rows that are kept in full; the others are only counted.
LIMIT = 1000


def show(value: object, width: int = 60) -> str:
    """Return a value as short text for an error message.

    Parameters
    ----------
    value : object
        A Python or numpy scalar, or anything with a repr.
    width : int
        Longest text returned, in characters.

    Returns
    -------
    str
        The repr of the plain Python value, cut at `width`.
    """
    if isinstance(value, np.generic):
        value = value.item()
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


class Problems:
    """The problems of one input, in the order in which they were found.

    Parameters
    ----------
    limit : int
        Number of row problems kept; `total` counts all.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.total = 0
        self.found: list[Problem] = []
        self._rows_kept = 0
        self._bad_rows: dict[str, NDArray[np.bool_]] = {}
        self._bad_columns: set[str] = set()

    def failed(self, column: str) -> bool:
        """Tell whether a whole column is wrong, so that its values mean nothing.

        Parameters
        ----------
        column : str
            Name as the caller wrote it.

        Returns
        -------
        bool
            True if `add` was called for it.
        """
        return column in self._bad_columns

    def noted(self, column: str) -> bool:
        """Tell whether anything is wrong with a column or any row of it.

        Parameters
        ----------
        column : str
            Name as the caller wrote it.

        Returns
        -------
        bool
            True if `add` or `add_rows` noted something.
        """
        return column in self._bad_columns or column in self._bad_rows

    def add(self, column: str | None, message: str, value: object = None) -> None:
        """Note that something is wrong with a whole column, or with the input as such.

        Parameters
        ----------
        column : str or None
            Name as the caller wrote it.
        message : str
            What is wrong and what to do.
        value : object
            The value at fault, if there is one.
        """
        self.total += 1
        if column is not None:
            self._bad_columns.add(column)
        self.found.append(Problem(None, column, "" if value is None else show(value), message))

    def add_rows(
        self,
        bad: NDArray[np.bool_],
        column: str,
        values: ArrayLike | None,
        message: str | Callable[[int], str],
    ) -> None:
        """Note that some rows of a column are wrong, unless something was noted there before.

        Parameters
        ----------
        bad : ndarray of bool, shape (n,)
            True at the rows that are wrong.
        column : str
            Name as the caller wrote it.
        values : array_like or None, shape (n,)
            The caller's values; None if there are none to show.
        message : str or callable
            What is wrong and what to do; a callable is given the row number.
        """
        if column in self._bad_columns or not bad.any():
            return
        seen = self._bad_rows.get(column)
        self._bad_rows[column] = bad if seen is None else seen | bad
        rows = np.flatnonzero(bad if seen is None else bad & ~seen)
        self.total += len(rows)
        shown: Any = values
        for row in rows[: max(0, self.limit - self._rows_kept)].tolist():
            text = message if isinstance(message, str) else message(row)
            value = "" if shown is None else show(shown[row])
            self.found.append(Problem(row, column, value, text))
            self._rows_kept += 1

    def raise_if_any(self) -> None:
        """Raise `InvalidInput` with everything found so far.

        Raises
        ------
        InvalidInput
            If there is at least one problem.
        """
        if not self.found:
            return
        message = None
        if self.total > len(self.found):
            lines = [f"{self.total} problem(s) in the input; nothing was stored:"]
            lines += [f"  {problem}" for problem in self.found[: InvalidInput.shown]]
            lines.append(
                f"  … and {self.total - InvalidInput.shown} more; "
                f".problems holds the first {len(self.found)}"
            )
            message = "\n".join(lines)
        raise InvalidInput(message, self.found)
