"""Columns that were read, as a table that any part of apdb takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from apdb.input.containers import RawColumn


def as_mapping(columns: Iterable[RawColumn]) -> dict[str, Any]:
    """Return columns by name, masked where values are missing, as quantities where they have units.

    Parameters
    ----------
    columns : iterable of RawColumn
        What a file held.

    Returns
    -------
    dict of str to array
        As `apdb.input.containers.read_columns` takes it.
    """
    from astropy import units as u

    found: dict[str, Any] = {}
    for column in columns:
        values: Any = column.values
        if column.missing is not None:
            values = np.ma.MaskedArray(values, column.missing)
        if column.unit is not None and not isinstance(column.unit, u.UnrecognizedUnit):
            filled = values
            if column.missing is not None:
                # A masked quantity would need a class of its own: NaN says the same here.
                filled = np.where(column.missing, np.nan, column.values)
            values = u.Quantity(filled, column.unit, copy=False)
        found[column.name] = values
    return found
