"""Fill every column of the DIASource table, for benchmarks with rows of full width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from apdb.schema.catalogue import Column, table

#: Columns that come from the visit, from association or from the database.
DECIDED_ELSEWHERE = frozenset(
    {
        "visit",
        "detector",
        "band",
        "midpoint_mjd_tai",
        "exposure_time",
        "dia_object_id",
        "ss_object_id",
        "ss_object_reassoc_time_mjd_tai",
        "time_processed_mjd_tai",
        "time_withdrawn_mjd_tai",
        "store_seq",
    }
)
#: Typical values of the columns that have a scale of their own.
_SCALE = {
    "trail_angle": 90.0,
    "dipole_angle": 90.0,
    "trail_chi2": 1700.0,
    "dipole_chi2": 1700.0,
    "psf_chi2": 1700.0,
    "psf_ln_l": 800.0,
    "x_err": 0.1,
    "y_err": 0.1,
    "trail_ra_err": 3e-5,
    "trail_dec_err": 3e-5,
    "ra_err": 3e-5,
    "dec_err": 3e-5,
    "ra_dec_cov": 1e-11,
    "x": 2000.0,
    "y": 2000.0,
}


def _floats(name: str, n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    scale = _SCALE.get(name, 1000.0 if "flux" in name else 1.0)
    return scale * rng.uniform(0.5, 1.5, n)


def _fill(
    column: Column, sources: Mapping[str, npt.NDArray[Any]], rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Return values for one column."""
    n = len(sources["dia_source_id"])
    if column.name in ("trail_ra", "trail_dec"):
        return np.array(sources[column.name.removeprefix("trail_")], np.float64)
    if column.name == "parent_dia_source_id":
        return np.array(sources["dia_source_id"], np.int64)
    kind = column.numpy_dtype.kind
    if kind == "b":
        # no flag that would keep a source from starting an object
        return np.zeros(n, np.bool_)
    if kind == "i":
        return rng.integers(17, 60, n).astype(column.numpy_dtype)
    if kind == "f":
        return _floats(column.name, n, rng).astype(column.numpy_dtype)
    return np.full(n, "v1.0", object)


def full_columns(
    sources: Mapping[str, npt.NDArray[Any]], rng: np.random.Generator
) -> dict[str, npt.NDArray[Any]]:
    """Return sources with every column that a caller can give, none of them null.

    Parameters
    ----------
    sources : mapping of str to ndarray
        Columns of DIASources by catalogue name, at least dia_source_id, ra and dec.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    dict of str to ndarray
        The given columns and plausible values for the others, in the order of the catalogue.
        Not among them: `DECIDED_ELSEWHERE`.
    """
    return {
        column.name: sources[column.name] if column.name in sources else _fill(column, sources, rng)
        for column in table("dia_source").columns
        if column.name not in DECIDED_ELSEWHERE
    }
