"""Types, nulls, defaults and units of single columns; every row that is wrong is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked
from batch_tools import IDS, VISIT, column, problem, problems, same, sources
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from apdb.errors import InvalidInput
from apdb.input.records import dia_source_batch
from apdb.input.visit import Visit


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0], "has 2 rows where the others have 3"),
        (np.ones((3, 2)), "has shape (3, 2)"),
        ([[1, 2], [3, 4], [5, 6]], "has shape (3, 2)"),
        ([[1], [1, 2], [3]], "cannot be read as a column|holds values of type list"),
        (3.0, "is one float"),
        (np.array(["2026-01-01"] * 3, "M8[D]"), "has type datetime64"),
        (np.array([1j, 2, 3]), "has type complex128"),
        ([1.0, "a", 2.0], "holds values of type"),
        ([1.0, True, 2.0], "holds values of type"),
        ([{}, {}, {}], "holds values of type dict"),
        (["1.0", "2.0", "3.0"], "has type text, but must be numbers"),
        (np.array([True, False, True]), "has type bool, but must be numbers"),
        (pd.Series(pd.to_datetime(["2026-01-01"] * 3)), "has type datetime64"),
    ],
)
def test_columns_of_the_wrong_shape_or_type(values: Any, message: str) -> None:
    ((row, text),) = problem(values)
    assert row is None
    assert any(part in text for part in message.split("|"))


@pytest.mark.parametrize(
    "values",
    [
        [1.0, np.nan, 3.0],
        [1.0, None, 3.0],
        [1, None, 3],
        np.ma.MaskedArray([1.0, np.inf, 3.0], [0, 1, 0]),
        np.ma.MaskedArray([1, 2, 3], [0, 1, 0]),
        MaskedColumn([1.0, 2.0, 3.0], mask=[0, 1, 0]),
        Masked([1.0, 2.0, 3.0] * u.dimensionless_unscaled, mask=[0, 1, 0]),
        pd.Series([1.0, None, 3.0]),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1, None, 3], dtype="Float32"),
        pd.Series([1, pd.NA, 3], dtype=object),
        pa.array([1.0, None, 3.0]),
        pa.array([1, None, 3]),
        pa.chunked_array([[1.0], [None, 3.0]]),
        np.array([1.0, np.ma.masked, 3.0], dtype=object),
    ],
)
def test_every_way_to_say_nothing_is_null(values: Any) -> None:
    assert column(values) == ([1.0, None, 3.0], np.dtype(np.float32))


@pytest.mark.parametrize(
    "values",
    [
        [True, None, False],
        np.ma.MaskedArray([True, True, False], [0, 1, 0]),
        pd.Series([True, None, False], dtype="boolean"),
        pd.Series([True, None, False], dtype=object),
        pa.array([True, None, False]),
        [1, None, 0],
        [1.0, np.nan, 0.0],
    ],
)
def test_booleans(values: Any) -> None:
    assert column(values, "is_negative") == ([True, None, False], np.dtype(bool))


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "é"],
        ["a", "", "é"],
        ["a", np.nan, "é"],
        np.array(["a", "", "é"]),
        np.array(["a", "", "é"], dtype=object),
        np.array([b"a", b"", "é".encode()]),
        [b"a", None, "é".encode()],
        np.ma.MaskedArray(["a", "b", "é"], [0, 1, 0]),
        pd.Series(["a", None, "é"]),
        pd.Series(["a", None, "é"], dtype="string"),
        pd.Series(["a", None, "é"], dtype="category"),
        pa.array(["a", None, "é"]),
        pa.array(["a", None, "é"], pa.string_view()),
        pa.array(["a", None, "é"], pa.large_string()),
    ],
)
def test_texts(values: Any) -> None:
    assert column(values, "reliability_version")[0] == ["a", None, "é"]


def test_defaults_and_zero_ids() -> None:
    nan = float("nan")
    assert column([1, None, 3], "psf_ndata") == ([1, 0, 3], np.dtype(np.int32))
    assert column([1.0, nan, 3.0], "bbox_size") == ([1, 0, 3], np.dtype(np.int32))
    assert column([7, 0, 9], "parent_dia_source_id")[0] == [7, None, 9]
    batch = dia_source_batch(sources(x=[1.0, None, nan]), VISIT)
    assert batch.nulls["x"] is None
    assert np.array_equal(batch.columns["x"], [1, nan, nan], equal_nan=True)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("snr", [np.nan] * 3),
        ("snr", [None] * 3),
        ("reliability_version", ["", "", ""]),
        ("reliability_version", [None] * 3),
        ("is_negative", [None] * 3),
        ("trail_algorithm", np.ma.MaskedArray([1, 2, 3], True)),
        ("parent_dia_source_id", [0, 0, 0]),
        ("x", [np.nan] * 3),
        ("trail_ndata", [0, 0, 0]),
        ("snr", pa.nulls(3)),
    ],
)
def test_columns_that_say_nothing_are_left_out(name: str, values: Any) -> None:
    assert same(
        dia_source_batch(sources(**{name: values}), VISIT), dia_source_batch(sources(), VISIT)
    )


def test_missing_values_of_needed_columns_name_the_row() -> None:
    for nothing in (np.ma.MaskedArray([150.0, 1.0, 150.0], [0, 1, 0]), [150.0, None, 150.0],
                    [150.0, np.nan, 150.0]):  # fmt: skip
        ((row, message),) = problem(nothing, "ra")
        assert row == 1
        assert "has no value" in message
    ((row, message),) = problem([1, None, 2], "dia_source_id")
    assert row == 1
    assert "has no value" in message


@pytest.mark.parametrize(
    "values",
    [
        np.array(IDS, np.uint64),
        np.array(IDS).astype(">i8"),
        [str(each) for each in IDS],
        np.array([str(each) for each in IDS]),
        np.array([str(each).encode() for each in IDS]),
        [f"00{each} " for each in IDS],
        pd.Series([str(each) for each in IDS]),
        pd.Series(IDS, dtype="Int64"),
        pa.array(IDS),
        [np.int64(each) for each in IDS],
    ],
)
def test_ids_arrive_exactly(values: Any) -> None:
    batch = dia_source_batch(sources() | {"dia_source_id": values}, VISIT)
    assert batch.columns["dia_source_id"].tolist() == IDS


@pytest.mark.parametrize(
    ("values", "rows", "message"),
    [
        (np.array([1.0, 2.0**53, 3.0]), [1], "int64 or as strings of digits"),
        (np.array([1.0, 2.0**24, 3.0], np.float32), [1], "float32 of 2^24"),
        (np.array(IDS, float), [0, 1, 2], "rounds whole numbers"),
        ([1, 2**63, 3], [1], "does not fit bigint"),
        (np.array([1, 2**64 - 1, 3], np.uint64), [1], "does not fit bigint"),
        ([1, 2**70, 3], [1], "does not fit bigint"),
        (["1", str(2**63), "3"], [1], "does not fit bigint"),
        (["1", "9" * 40, "3"], [1], "does not fit bigint"),
        (["1", "2.0", "x"], [1, 2], "written in digits"),
        (["1", "-2", "²"], [1, 2], "written in digits"),
        (["1", "", "3"], [1], "has no value"),
        ([1, 2**70, None], [1], "does not fit bigint"),
        ([1.0, 2.5, np.inf], [1, 2], "whole number"),
        ([1, 0, -5], [1, 2], "must be positive"),
        ([5, 7, 5], [2], "same dia_source_id as row 0"),
    ],
)
def test_bad_ids_name_their_rows(values: Any, rows: list[int], message: str) -> None:
    found = problem(values, "dia_source_id")
    assert [row for row, _ in found] == rows
    assert all(message in text for _, text in found)


def test_booleans_are_no_ids() -> None:
    ((row, message),) = problem([True, True, False], "dia_source_id")
    assert (row, message) == (None, "has type bool, but must be whole numbers")


@pytest.mark.parametrize(
    ("name", "values", "rows", "message"),
    [
        ("snr", [1.0, np.inf, -np.inf], [1, 2], "is infinite"),
        ("snr", [1.0, 1e39, -1e300], [1, 2], "does not fit float32"),
        ("psf_ndata", [1, 2**31, 3], [1], "does not fit integer"),
        ("psf_ndata", [1.0, 2.0**31, 3.5], [2, 1], "does not fit|whole"),
        ("psf_ndata", [1, -1, 2], [1], "must not be negative"),
        ("bbox_size", [1, -1, 2], [1], "must not be negative"),
        ("is_negative", [0, 1, 2], [2], "True or False"),
        ("is_negative", [0, 0.5, 1], [1], "True or False"),
        ("ra", [150.0, 360.0, -150.0], [1, 2], "ra % 360 is"),
        ("dec", [1.2, 91.0, -91.0], [1, 2], "[-90, 90]"),
        ("ra", [150.0, np.inf, 150.0], [1], "is infinite"),
        ("trail_ra", [1.0, -0.1, np.nan], [1], "[0, 360)"),
        ("psf_flux_err", [1.0, 0.0, -1.0], [1, 2], "must be positive"),
        ("ra_err", [0.0, -0.1, np.nan], [1], "must not be negative"),
        ("time_withdrawn_mjd_tai", [None, 61109.0, None], [1], "withdraw"),
        ("reliability_version", ["a", "b\0", "c\ud800"], [1, 2], "PostgreSQL cannot store"),
        ("reliability_version", np.array([b"a", b"\xff", b"c"]), [1], "UTF-8"),
    ],
)
def test_bad_values_name_their_rows(name: str, values: Any, rows: list[int], message: str) -> None:
    found = problem(values, name)
    assert sorted(row for row, _ in found if row is not None) == sorted(rows)
    assert all(any(part in text for part in message.split("|")) for _, text in found)


def test_tiny_numbers_become_zero_or_subnormal_silently() -> None:
    assert column([1e-320, 1e-40, 1.0])[0] == [0.0, float(np.float32(1e-40)), 1.0]


@settings(deadline=None)
@given(hnp.arrays(st.sampled_from(["f4", "f8", ">f4", ">f8", "i2", "u4", ">i8"]), 3))
@example(np.array([3.40282357e38, np.inf, np.inf]))
def test_floats_are_as_numpy_casts_them_or_refused(values: Any) -> None:
    with np.errstate(over="ignore"):
        expected = values.astype(np.float32)
    if np.isinf(expected).any():
        rows = np.flatnonzero(np.isinf(expected)).tolist()
        # first what is infinite, then what becomes so as a real
        assert sorted(row for row, _ in problem(values) if row is not None) == rows
        return
    nothing = np.isnan(expected)
    found = column(values)[0]
    if nothing.all():
        assert found == []
    else:
        wanted = expected.tolist()
        assert found == [None if gone else v for v, gone in zip(wanted, nothing, strict=True)]


@settings(deadline=None)
@given(st.lists(st.integers(-(2**70), 2**70) | st.floats(), min_size=3, max_size=3))
def test_integers_are_exact_or_refused(values: list[Any]) -> None:
    try:
        found = column(values, "parent_dia_source_id")[0] or [None] * 3
    except InvalidInput:
        return
    for given_value, value in zip(values, found, strict=True):
        assert value == given_value or (
            value is None and (given_value == 0 or given_value != given_value)
        )


def test_units_are_converted() -> None:
    data = QTable(sources())
    data["psf_flux"] = [1.0, 2.0, 3.0] * u.uJy
    data["ra"] = np.array([150.0, 150.1, 150.05]) / 15 * u.hourangle
    data["ra_err"] = [36.0, 72.0, 108.0] * u.mas
    batch = dia_source_batch(data, VISIT)
    assert batch.columns["psf_flux"].tolist() == [1000.0, 2000.0, 3000.0]
    assert batch.columns["ra"] == pytest.approx([150.0, 150.1, 150.05], abs=1e-12)
    assert batch.columns["ra_err"] == pytest.approx(np.array([1e-5, 2e-5, 3e-5]), rel=1e-6)


def test_a_plain_column_with_a_unit_and_a_magnitude_are_converted() -> None:
    data = Table(sources())
    data["psf_flux"].unit = "mJy"
    assert dia_source_batch(data, VISIT).columns["psf_flux"][0] == 1e9
    # AB magnitude 31.4 is 1 nJy, by definition
    found = column(u.Magnitude([31.4, 28.9, 31.4], u.ABmag), "science_flux")[0]
    assert found == pytest.approx([1, 10, 1], rel=1e-3)


@pytest.mark.parametrize(
    ("name", "unit", "message"),
    [
        ("psf_flux", u.deg, "is in deg, but must be in nJy"),
        ("psf_flux", u.ct, "is in ct, but must be in nJy"),
        ("snr", u.nJy, "has no unit in the schema"),
        ("psf_flux", u.Unit("bananas", parse_strict="silent"), "is in bananas"),
    ],
)
def test_units_that_cannot_be_converted_are_refused(name: str, unit: Any, message: str) -> None:
    data = Table(sources(snr=[1.0, 2.0, 3.0]))
    data[name].unit = unit
    (only,) = problems(data)
    assert (only.row, only.column) == (None, name)
    assert message in only.message


def test_time_columns_are_tai() -> None:
    utc = Time(["2026-03-10T03:27:45.08"] * 3, scale="utc")
    midpoint = Visit(**{**vars(VISIT), "midpoint_mjd_tai": utc[0]})
    assert dia_source_batch(QTable(sources() | {"midpoint_mjd_tai": utc}), midpoint).n == 3
    tai = Time(utc.value, scale="tai")
    assert len(problems(QTable(sources() | {"midpoint_mjd_tai": tai}), midpoint)) == 3
