"""Turns any table that users bring into plain columns: name, numpy array, missing values, unit.

Accepted are astropy Tables, pandas DataFrames, Arrow tables (and what speaks Arrow's stream
protocol, such as polars), numpy structured arrays, FITS tables and mappings of columns.  astropy,
pandas and pyarrow are looked at only if the caller has imported them.
"""

from __future__ import annotations

import itertools
import operator
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from apdb.given import imported
from apdb.input.problems import Problems

if TYPE_CHECKING:
    from astropy import units as u
    from astropy.io.fits import FITS_rec

ACCEPTED = (
    "give an astropy Table, a pandas DataFrame, an Arrow or polars table, a numpy structured "
    "array, a FITS table or a mapping of columns"
)


@dataclass(frozen=True)
class RawColumn:
    """One column as the caller gave it.

    Parameters
    ----------
    name : str
        Name as the caller wrote it.
    values : ndarray, shape (n,)
        Values of a boolean, integer, floating or text dtype in native byte order; or object, and
        then every value is a str, except where missing.
    missing : ndarray of bool, shape (n,), or None
        True where there is no value; None if there is one everywhere.
    unit : astropy.units.UnitBase or None
        Unit of the values; None if the caller gave none.
    """

    name: str
    values: NDArray[Any]
    missing: NDArray[np.bool_] | None = None
    unit: u.UnitBase | None = None


def read_columns(data: object, problems: Problems) -> tuple[int, list[RawColumn]]:
    """Return the columns of a table of any accepted kind.

    Parameters
    ----------
    data : object
        The table; None stands for one without rows.
    problems : Problems
        Told about columns that cannot be read; these are left out of the result.

    Returns
    -------
    n : int
        Number of rows: the length that most columns have.
    columns : list of RawColumn
        The columns that have n values, in the caller's order.
    """
    items = list(_items(data, problems))
    read = [column for name, value in items if (column := _read(name, value, problems))]
    if not read:
        return 0, []
    n = Counter(len(column.values) for column in read).most_common(1)[0][0]
    for column in read:
        if len(column.values) != n:
            text = f"has {len(column.values)} rows where the others have {n}"
            problems.add(column.name, f"{text}: give every column one value per row")
    return n, [column for column in read if len(column.values) == n]


def _items(data: Any, problems: Problems) -> Iterable[tuple[Any, Any]]:
    """Return (name, column) pairs of any kind of table."""
    pandas, pyarrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    if data is None:
        return []
    if isinstance(data, imported("astropy.table", "Table")):
        return [(name, data[name]) for name in data.colnames]
    if isinstance(data, imported("astropy.io.fits", "FITS_rec")):
        return [(name, _fits_column(data, name)) for name in data.names]
    if isinstance(data, np.ndarray) and data.dtype.names and data.ndim == 1:
        return [(name, data[name]) for name in data.dtype.names]
    if isinstance(data, Mapping):
        return list(data.items())
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return [(name, data.iloc[:, i]) for i, name in enumerate(data.columns)]
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "to_arrow"):
        data = _arrow_table(data)
        return list(zip(data.schema.names, data.columns, strict=True))
    if pyarrow is not None and isinstance(data, pyarrow.RecordBatch):
        return list(zip(data.schema.names, data.columns, strict=True))
    problems.add(None, f"cannot read columns from {type(data).__name__}: {ACCEPTED}")
    return []


def _arrow_table(data: Any) -> Any:
    import pyarrow as pa  # slow to import, and only needed for Arrow input

    if isinstance(data, pa.Table | pa.RecordBatch):
        return data
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    return data.to_arrow()


def _fits_column(data: FITS_rec, name: str) -> Any:
    """Return a FITS column with its unit, and masked where it holds its TNULL."""
    from astropy import units as u
    from astropy.table import Column

    values, header = data.field(name), data.columns[name]
    if header.null not in (None, "") and values.dtype.kind in "iu":
        values = np.ma.MaskedArray(values, values == header.null)
    if not header.unit:
        return values
    unit = u.Unit(header.unit, parse_strict="silent")
    return Column(values, unit=unit) if not np.ma.isMA(values) else _Measured(values, unit)


@dataclass(frozen=True)
class _Measured:
    """Values with a unit, where no class of astropy's keeps mask, dtype and unit as they are."""

    values: Any
    unit: u.UnitBase


def _read(name: Any, value: Any, problems: Problems) -> RawColumn | None:
    """Return one column in plain form, or None after noting why it cannot be read."""
    if not isinstance(name, str):
        problems.add(None, f"column name {name!r} must be text: name the columns")
        return None
    unit = getattr(value, "unit", None) if _has_unit(value) else None
    try:
        values, missing = _plain(value)
    except (TypeError, ValueError, NotImplementedError) as error:
        problems.add(name, f"cannot be read as a column ({error}): give one value per row")
        return None
    if values.ndim == 0:
        problems.add(name, f"is one {type(value).__name__}: give one value per row", value)
        return None
    if values.ndim > 1:
        problems.add(name, f"has shape {values.shape}: give one value per row")
        return None
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "O":
        unpacked = _unpack(values, missing, name, problems)
        if unpacked is None:
            return None
        values, missing = unpacked
    if values.dtype.kind not in "biufOUS":
        problems.add(name, f"has type {values.dtype}: give numbers, booleans or text")
        return None
    return RawColumn(name, values, missing, unit)


def _has_unit(value: Any) -> bool:
    classes = (imported("astropy.table", "Column"), imported("astropy.units", "Quantity"))
    return isinstance(value, (*classes, _Measured))


def _plain(value: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return values and missing-mask of a column of any kind."""
    if isinstance(value, _Measured):
        value = value.values
    if isinstance(value, imported("astropy.time", "Time")):
        value = value.tai.mjd
    if isinstance(value, imported("astropy.utils.masked", "Masked")):
        return np.asarray(value.unmasked), _mask(value.mask)
    if isinstance(value, np.ma.MaskedArray):
        return np.asarray(value.data), _mask(np.ma.getmaskarray(value))
    if isinstance(value, np.ndarray):  # Quantity and Column too
        return value.view(np.ndarray), None
    if isinstance(value, list | tuple | range):
        # As objects, for numpy would make text of a number among texts, and 1 of True among 1s.
        return np.array(value, dtype=object), None
    return _foreign(value)


def _foreign(value: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return values and missing-mask of a column of pandas, Arrow, or what looks like an array."""
    pandas, pyarrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    if pandas is not None and isinstance(value, pandas.Series | pandas.Index):
        return _from_pandas(value)
    if hasattr(value, "to_arrow"):
        value = value.to_arrow()
        pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(value, pyarrow.Array | pyarrow.ChunkedArray):
        return _from_arrow(value, pyarrow)
    return np.asarray(value), None


def _mask(mask: Any) -> NDArray[np.bool_] | None:
    mask = np.asarray(mask, bool)
    return mask if mask.any() else None


def _from_pandas(series: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return np.asarray(series.to_numpy()), None
    plain = getattr(dtype, "numpy_dtype", None)
    if isinstance(plain, np.dtype) and plain.kind in "biuf":
        mask = _mask(series.isna().to_numpy())
        return np.asarray(series.to_numpy(dtype=plain, na_value=plain.type(0))), mask
    mask = _mask(series.isna().to_numpy())
    return np.asarray(series.to_numpy(dtype=object)), mask


def _from_arrow(array: Any, pyarrow: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    types = pyarrow.types
    if isinstance(array, pyarrow.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pyarrow.ChunkedArray):  # no chunk, or too much text for one
            array = pyarrow.concat_arrays(array.chunks or [pyarrow.array([], array.type)])
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    mask = _mask(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else None
    kind = array.type
    if types.is_null(kind):
        return np.zeros(len(array)), mask
    if mask is not None and (
        types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
    ):
        array = array.fill_null(False if types.is_boolean(kind) else 0)
    return np.asarray(array.to_numpy(zero_copy_only=False)), mask


def _is(values: list[Any], what: object) -> NDArray[np.bool_]:
    """Tell which values are one object, without a loop in Python."""
    return np.fromiter(map(operator.is_, values, itertools.repeat(what)), bool, len(values))


def _unpack(
    values: NDArray[Any], missing: NDArray[np.bool_] | None, name: str, problems: Problems
) -> tuple[NDArray[Any], NDArray[np.bool_] | None] | None:
    """Return a column of Python objects as one of numbers, booleans or text."""
    everything = values.tolist()
    gone = np.zeros(len(values), bool) if missing is None else missing.copy()
    pandas = sys.modules.get("pandas")
    nothings = [None, np.ma.masked] + ([] if pandas is None else [pandas.NA, pandas.NaT])
    types = set(map(type, everything))
    for nothing in nothings:
        if type(nothing) in types:
            gone |= _is(everything, nothing)
    present = list(itertools.compress(everything, (~gone).tolist()))
    types = set(map(type, present))
    if str in types and any(issubclass(each, float | np.floating) for each in types):
        # Text columns of older pandas mark a missing text by a NaN.
        nan = np.fromiter((isinstance(v, float | np.floating) and v != v for v in present), bool)
        gone[np.flatnonzero(~gone)[nan]] = True
        present = list(itertools.compress(present, (~nan).tolist()))
        types = set(map(type, present))
    return _gather(values, present, types, gone, name, problems)


_BOOLEANS = (bool, np.bool_)
_NUMBERS = (int, float, np.integer, np.floating)


def _gather(
    values: NDArray[Any],
    present: list[Any],
    types: set[type],
    gone: NDArray[np.bool_],
    name: str,
    problems: Problems,
) -> tuple[NDArray[Any], NDArray[np.bool_] | None] | None:
    """Return the values present in the dtype that holds all of them, zero or "" elsewhere."""
    mask = gone if gone.any() else None
    if all(issubclass(each, str) for each in types):
        texts = np.full(len(values), "", dtype=object)
        texts[~gone] = present
        return texts, mask
    boolean = [issubclass(each, _BOOLEANS) for each in types]
    alike = all(boolean) or (not any(boolean) and all(issubclass(each, _NUMBERS) for each in types))
    if not alike and not all(issubclass(each, bytes) for each in types):
        names = ", ".join(sorted(each.__name__ for each in types))
        problems.add(name, f"holds values of type {names}: give numbers, booleans or text")
        return None
    try:
        # Left to itself, numpy makes rounded floats of integers of which one is above 2^63.
        whole = all(issubclass(each, int | np.integer) for each in types - {bool})
        plain = np.array(present, np.int64 if whole and not any(boolean) else None)
    except OverflowError:
        large = [not -(2**63) <= int(v) < 2**63 for v in np.where(gone, 0, values)]
        problems.add_rows(np.array(large), name, values, "does not fit bigint (64 bits)")
        return None
    full = np.zeros(len(values), plain.dtype)
    full[~gone] = plain
    return full, mask
