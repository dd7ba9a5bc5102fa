"""Brings one column into the type, unit and nulls of the database; the same for every container.

Where a row is wrong, the problem is noted and a harmless value (NaN, 0 or "") stands in, so that
the checks that follow do not fail.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.input.containers import RawColumn
from apdb.input.problems import Problems
from apdb.schema.catalogue import Column

Mask = NDArray[np.bool_]
Values = tuple[NDArray[Any], Mask | None]

#: In these columns 0 means "none", as in real alert packets.
ZERO_IS_NONE = frozenset({"dia_object_id", "ss_object_id", "parent_dia_source_id"})

_INT64_MAX = 2**63 - 1
_NO_VALUE = "has no value, but needs one: give it, or leave the row out"


def convert(raw: RawColumn, column: Column, problems: Problems) -> Values:
    """Return a column in the dtype of the database.

    Parameters
    ----------
    raw : RawColumn
        The column as the caller gave it.
    column : Column
        The column of the schema that it becomes.
    problems : Problems
        Told about every row that cannot be converted.

    Returns
    -------
    values : ndarray, shape (n,)
        Contiguous, in native byte order; text as an object array of str.  May be the caller's own
        memory: do not write to it.
    nulls : ndarray of bool, shape (n,), or None
        True where NULL; `values` holds 0, False or "" there.  None if nothing is NULL.
    """
    kind = "O" if column.sql_type == "text" else column.numpy_dtype.kind
    if column.array or kind not in "bifO" or (kind == "O" and column.sql_type != "text"):
        problems.add(raw.name, f"is of type {column.sql_type}, which cannot be given in a table")
        return np.zeros(len(raw.values)), None
    if kind == "O":
        values, missing = _text(raw, problems)
    else:
        numbers = raw.values
        if raw.missing is not None and numbers.dtype.kind in "biuf":
            numbers = np.where(raw.missing, numbers.dtype.type(0), numbers)
        numbers, unit_is_right = _in_unit(raw, numbers, column, problems)
        if not unit_is_right:
            return np.zeros(len(numbers), column.numpy_dtype), None
        converter = {"b": _boolean, "i": _integer, "f": _floating}[kind]
        values, missing = converter(raw, numbers, column, problems)
    return _settle(raw, values, missing, column, problems)


def default_value(column: Column) -> Any:
    """Return the default of a column as a numpy scalar, or None if it has none.

    Parameters
    ----------
    column : Column
        Column of the schema.

    Returns
    -------
    numpy scalar, str or None
        The default in the dtype of the column.
    """
    if column.default is None or column.numpy_dtype.kind == "O":
        return column.default
    default: Any = column.default
    if default != default:
        # The NaN of a YAML file may have its sign set; PostgreSQL's has not.
        default = float("nan")
    return column.numpy_dtype.type(default)


def _defaults_to_nan(column: Column) -> bool:
    default = default_value(column)
    return isinstance(default, np.floating) and bool(np.isnan(default))


def _either(first: Mask | None, second: Mask) -> Mask | None:
    """Return where one or the other is set; None if nowhere."""
    if not second.any():
        return first
    return second if first is None else first | second


def _settle(
    raw: RawColumn, values: NDArray[Any], missing: Mask | None, column: Column, problems: Problems
) -> Values:
    """Make missing values NULL, or the default, or a problem."""
    if missing is None or not missing.any():
        return np.ascontiguousarray(values), None
    text = values.dtype.kind == "O"
    if column.nullable:
        empty: Any = "" if text else values.dtype.type(0)
        return np.where(missing, empty, values), missing
    default = default_value(column)
    if default is None:
        problems.add_rows(missing, raw.name, None, _NO_VALUE)
        default = "" if text else math.nan if values.dtype.kind == "f" else 0
    return np.where(missing, default, values).astype(values.dtype), None


def _in_unit(
    raw: RawColumn, values: NDArray[Any], column: Column, problems: Problems
) -> tuple[NDArray[Any], bool]:
    """Return values in the unit of the schema, and whether the caller's unit can be that."""
    if raw.unit is None:
        return values, True
    from astropy import units as u  # most tables come without

    wanted = u.Unit(column.unit) if column.unit else u.dimensionless_unscaled
    unit = u.Unit(raw.unit)
    if unit == wanted:
        return values, True
    if values.dtype.kind not in "iuf" or not unit.is_equivalent(wanted):
        should = f"must be in {column.unit}" if column.unit else "has no unit in the schema"
        problems.add(raw.name, f"is in {unit}, but {should}: convert it")
        return values, False
    with np.errstate(all="ignore"):  # what becomes infinite or NaN is found and named later
        return np.asarray(unit.to(wanted, values)), True


def _mistyped(raw: RawColumn, wanted: str, column: Column, problems: Problems) -> Values:
    problems.add(raw.name, f"has type {_type_name(raw)}, but must be {wanted}")
    size = len(raw.values)
    return np.zeros(size, column.numpy_dtype), None


def _type_name(raw: RawColumn) -> str:
    return "text" if raw.values.dtype.kind in "OUS" else str(raw.values.dtype)


def _boolean(raw: RawColumn, values: NDArray[Any], column: Column, problems: Problems) -> Values:
    missing = raw.missing
    if values.dtype.kind == "b":
        return values, missing
    if values.dtype.kind not in "iuf" or len(values) == 0:
        if len(values) == 0 or (missing is not None and missing.all()):
            return np.zeros(len(values), bool), missing
        return _mistyped(raw, "boolean", column, problems)
    if values.dtype.kind == "f":
        nan = np.isnan(values)
        missing = _either(missing, nan)
        values = np.where(nan, 0, values)
    bad = (values != 0) & (values != 1)
    if bad.any():
        problems.add_rows(bad, raw.name, raw.values, "must be True or False, or 1 or 0")
    return values == 1, missing


def _floating(raw: RawColumn, values: NDArray[Any], column: Column, problems: Problems) -> Values:
    missing, dtype = raw.missing, column.numpy_dtype
    if values.dtype.kind not in "iuf":
        if len(values) == 0 or (missing is not None and missing.all()):
            return np.zeros(len(values), dtype), missing
        return _mistyped(raw, "numbers", column, problems)
    with np.errstate(over="ignore", under="ignore"):
        result = values.astype(dtype, copy=False)
    finite = np.isfinite(result)
    if finite.all():
        return result, missing
    nan = np.isnan(result)
    infinite = ~finite & ~nan
    if infinite.any():
        result = np.where(infinite, dtype.type(np.nan), result)
        given = np.isinf(values)
        text = "is infinite: give a finite number, or NaN if there is none"
        problems.add_rows(infinite & given, raw.name, raw.values, text)
        text = f"does not fit {dtype.name} (at most {np.finfo(dtype).max:.3g}): check its unit"
        problems.add_rows(infinite & ~given, raw.name, raw.values, text)
    return result, missing if _defaults_to_nan(column) else _either(missing, nan)


def _integer(raw: RawColumn, values: NDArray[Any], column: Column, problems: Problems) -> Values:
    missing, kind = raw.missing, values.dtype.kind
    if len(values) == 0 or (missing is not None and missing.all()):
        return np.zeros(len(values), column.numpy_dtype), missing
    if kind in "OUS" and column.numpy_dtype.itemsize == 8:
        result, missing = _digits(raw, problems)
    elif kind == "f":
        result, missing = _whole(raw, values, column, problems)
    elif kind in "iu":
        result = _in_range(raw, values, column, problems)
    else:
        return _mistyped(raw, "whole numbers", column, problems)
    if column.name in ZERO_IS_NONE:
        missing = _either(missing, result == 0)
    return result, missing


def _in_range(
    raw: RawColumn, values: NDArray[Any], column: Column, problems: Problems
) -> NDArray[Any]:
    """Return integers in the dtype of the column."""
    dtype = column.numpy_dtype
    if np.can_cast(values.dtype, dtype, "safe"):
        return values.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    bad = values > info.max
    if values.dtype.kind == "i":
        bad |= values < info.min
    if bad.any():
        text = f"does not fit {column.sql_type} ({info.min} to {info.max})"
        problems.add_rows(bad, raw.name, raw.values, text)
        values = np.where(bad, values.dtype.type(0), values)
    return values.astype(dtype)


def _whole(raw: RawColumn, values: NDArray[Any], column: Column, problems: Problems) -> Values:
    """Return integers from floats that are whole and small enough to be exact."""
    nan = np.isnan(values)
    with np.errstate(invalid="ignore"):
        broken = ~nan & (np.isinf(values) | (values != np.trunc(values)))
    exact = 2.0 ** (np.finfo(values.dtype).nmant + 1)
    info = np.iinfo(column.numpy_dtype)
    large = ~nan & ~broken & (np.abs(values) >= exact)
    outside = ~nan & ~broken & ~large & ((values < info.min) | (values > info.max))
    bad = broken | large | outside
    if bad.any():
        problems.add_rows(broken, raw.name, raw.values, "must be a whole number")
        text = (
            f"is a {values.dtype.name} of 2^{int(math.log2(exact))} or more, which rounds whole "
            "numbers: give the column as int64 or as strings of digits"
        )
        problems.add_rows(large, raw.name, raw.values, text)
        text = f"does not fit {column.sql_type} ({info.min} to {info.max})"
        problems.add_rows(outside, raw.name, raw.values, text)
    whole = np.where(nan | bad, 0, values).astype(column.numpy_dtype)
    return whole, _either(raw.missing, nan)


def _digits(raw: RawColumn, problems: Problems) -> Values:
    """Return int64 from strings of digits; an empty string is a missing value."""
    if raw.values.dtype.kind == "S":
        texts = np.char.decode(raw.values, "ascii", "replace")
    else:
        texts = raw.values.astype("U")
    texts = np.char.strip(texts)
    missing = _either(raw.missing, texts == "")
    gone = np.zeros(len(texts), bool) if missing is None else missing
    encoded = np.char.encode(texts, "ascii", "replace")
    digits = np.char.isdigit(encoded)
    problems.add_rows(
        ~digits & ~gone, raw.name, raw.values, "must be a whole number written in digits"
    )
    encoded = np.char.lstrip(np.where(digits & ~gone, encoded, b"0"), b"0")
    long = np.char.str_len(encoded) > 19
    padded = np.char.zfill(np.where(long, b"0", encoded), 19)
    large = long | np.greater(padded, str(_INT64_MAX).encode())
    problems.add_rows(large, raw.name, raw.values, f"does not fit bigint (at most {_INT64_MAX})")
    return np.where(large, b"0", padded).astype("S19").astype(np.int64), missing


def _text(raw: RawColumn, problems: Problems) -> Values:
    """Return text as an object array of str; an empty string is a missing value."""
    values, missing = raw.values, raw.missing
    if missing is not None and missing.all():
        return np.full(len(values), "", dtype=object), missing
    if values.dtype.kind == "S":
        values = _decoded(raw, problems)
    elif values.dtype.kind not in "OU" and len(values):
        problems.add(raw.name, f"has type {values.dtype}, but must be text")
        return np.full(len(values), "?", dtype=object), None
    values = values.astype(object)
    if missing is not None:
        values[missing] = ""
    together = "".join(values.tolist())
    if "\0" in together or not _encodes(together):
        bad = np.array(["\0" in text or not _encodes(text) for text in values])
        text = "holds a NUL character or half a surrogate pair, which PostgreSQL cannot store"
        problems.add_rows(bad, raw.name, raw.values, text)
        values = np.where(bad, "?", values)
    return values, _either(missing, np.asarray(values == "", bool))


def _decoded(raw: RawColumn, problems: Problems) -> NDArray[Any]:
    try:
        return np.asarray(np.char.decode(raw.values, "utf-8"))
    except UnicodeDecodeError:
        texts = np.char.decode(raw.values, "utf-8", "replace")
        bad = np.char.encode(texts, "utf-8") != raw.values
        problems.add_rows(bad, raw.name, raw.values, "is no UTF-8 text")
        return np.asarray(texts)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
