"""Sources of one visit for the tests of what becomes of input tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apdb.errors import InvalidInput, Problem
from apdb.input.records import Batch, dia_source_batch
from apdb.input.visit import Visit
from apdb.schema.catalogue import table

VISIT = Visit(
    visit=2026030900026,
    detector=40,
    band="g",
    midpoint_mjd_tai=61109.1447,
    exposure_time=30.0,
    ra=150.05,
    dec=1.2,
    radius=0.2,
)
SOURCE = table("dia_source")
IDS = [2**60 + 1, 2**60 + 3, 2**60 + 2]


def sources(**more: Any) -> dict[str, Any]:
    return {
        "dia_source_id": np.array(IDS),
        "ra": np.array([150.0, 150.1, 150.05]),
        "dec": np.array([1.2, 1.25, 1.15]),
        "psf_flux": np.array([1000.0, -200.0, 3.5], np.float32),
        "psf_flux_err": np.array([10.0, 11.0, 12.0], np.float32),
    } | more


def rich() -> dict[str, Any]:
    return sources(
        snr=np.array([100.0, np.nan, 0.3], np.float32),
        psf_ndata=np.array([1, 2, 3], np.int32),
        is_negative=np.array([False, True, False]),
        reliability_version=np.array(["v1", "v1", "v2"]),
    )


def column(values: Any, name: str = "snr") -> tuple[list[Any], np.dtype[Any]]:
    """Return what becomes of one optional column: values with None for NULL, and the dtype."""
    batch = dia_source_batch(sources(**{name: values}), VISIT)
    if name not in batch.columns:
        return [], SOURCE.column(name).numpy_dtype
    found, nulls = batch.columns[name], batch.nulls[name]
    plain = found.tolist()
    return [None if nulls is not None and nulls[i] else plain[i] for i in range(3)], found.dtype


def problems(data: Any, visit: Visit = VISIT) -> list[Problem]:
    with pytest.raises(InvalidInput) as caught:
        dia_source_batch(data, visit)
    return caught.value.problems


def problem(values: Any, name: str = "snr") -> list[tuple[int | None, str]]:
    """Return the rows and messages of the problems that one column makes."""
    found = problems(sources() | {name: values})
    assert {each.column for each in found} == {name}
    return [(each.row, each.message) for each in found]


def same(first: Batch, second: Batch) -> bool:
    if first.n != second.n or list(first.columns) != list(second.columns):
        return False
    for name, values in first.columns.items():
        a, b = first.nulls[name], second.nulls[name]
        if (a is None) != (b is None) or (a is not None and not np.array_equal(a, b)):
            return False
        other = second.columns[name]
        if values.dtype != other.dtype or values.tolist() != other.tolist():
            return False
    return True
