"""Every kind of table becomes the same batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table
from batch_tools import IDS, VISIT, problems, rich, same, sources

from apdb.input.forced_records import forced_rows
from apdb.input.records import dia_source_batch


class StreamOnly:
    """A table that can do nothing but Arrow's stream protocol, as polars and DuckDB offer it."""

    def __init__(self, arrow: pa.Table) -> None:
        self.arrow = arrow

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.arrow.__arrow_c_stream__(requested_schema)


def fits_table(data: dict[str, Any], path: Path) -> Any:
    formats = {"i8": "K", "f8": "D", "f4": "E", "i4": "J", "b1": "L"}
    columns = [
        fits.Column(name, formats.get(values.dtype.str[1:], "5A"), array=values)
        for name, values in data.items()
    ]
    fits.BinTableHDU.from_columns(columns).writeto(path)
    return fits.getdata(path, 1)


def containers(tmp_path: Path) -> dict[str, Any]:
    data = rich()
    arrow = pa.table(data)
    records = np.rec.fromarrays(list(data.values()), names=list(data))
    nullable = pd.DataFrame(data).convert_dtypes()
    return {
        "Table": Table(data),
        "masked Table": Table(data, masked=True),
        "QTable": QTable(data, units={"ra": u.deg, "dec": u.deg, "psf_flux": u.nJy}),
        "DataFrame": pd.DataFrame(data),
        "DataFrame, nullable dtypes": nullable,
        "DataFrame, Arrow dtypes": pd.DataFrame(data).convert_dtypes(dtype_backend="pyarrow"),
        "DataFrame, categories": pd.DataFrame(data).astype({"reliability_version": "category"}),
        "Arrow table": arrow,
        "Arrow table in pieces": pa.concat_tables([arrow[:1], arrow[1:]]),
        "Arrow dictionary": arrow.set_column(
            8, "reliability_version", arrow["reliability_version"].dictionary_encode()
        ),
        "record batch": arrow.to_batches()[0],
        "Arrow stream": StreamOnly(arrow),
        "structured array": records.view(np.ndarray),
        "recarray": records,
        "masked structured array": np.ma.MaskedArray(records.view(np.ndarray)),
        "FITS": fits_table(data, tmp_path / "sources.fits"),
        "lists": {name: values.tolist() for name, values in data.items()},
        "tuples": {name: tuple(values.tolist()) for name, values in data.items()},
        "objects": {name: values.astype(object) for name, values in data.items()},
        "Series": {name: pd.Series(values) for name, values in data.items()},
        "Arrow arrays": {name: pa.array(values) for name, values in data.items()},
        "Quantities": data | {"psf_flux": data["psf_flux"] * u.nJy},
        "strided": {name: np.repeat(values, 2)[::2] for name, values in data.items()},
    }


def test_every_container_gives_the_same_batch(tmp_path: Path) -> None:
    reference = dia_source_batch(rich(), VISIT)
    assert reference.n == 3
    assert reference.columns["dia_source_id"].tolist() == IDS
    assert reference.columns["reliability_version"].tolist() == ["v1", "v1", "v2"]
    nulls = reference.nulls["snr"]
    assert nulls is not None
    assert nulls.tolist() == [False, True, False]
    for name, data in containers(tmp_path).items():
        batch = dia_source_batch(data, VISIT)
        assert same(batch, reference), name
        for values in batch.columns.values():
            assert values.flags.c_contiguous, name
            assert values.dtype.isnative, name


def test_fits_null_integers_and_units(tmp_path: Path) -> None:
    columns = [
        fits.Column("trailAlgorithm", "J", null=-99, array=np.array([1, -99, 3])),
        fits.Column("psf_flux", "E", unit="uJy", array=np.array([1, 2, 3])),
    ] + [fits.Column(n, "K" if n[0] == "d" and len(n) > 3 else "D", array=v)
         for n, v in sources().items() if n != "psf_flux"]  # fmt: skip
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "nulls.fits")
    batch = dia_source_batch(fits.getdata(tmp_path / "nulls.fits", 1), VISIT)
    nulls = batch.nulls["trail_algorithm"]
    assert nulls is not None
    assert nulls.tolist() == [False, True, False]
    assert batch.columns["psf_flux"].tolist() == [1000.0, 2000.0, 3000.0]


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        {},
        Table(),
        pd.DataFrame(),
        pa.table({}),
        {name: [] for name in sources()},
        Table({name: values[:0] for name, values in sources().items()}),
        pd.DataFrame(sources())[:0],
        pa.table(sources())[:0],
        {"ra": []},
    ],
)
def test_no_rows_are_valid(nothing: Any) -> None:
    batch = dia_source_batch(nothing, VISIT)
    assert batch.n == 0
    assert batch.columns["dia_source_id"].shape == (0,)
    assert batch.columns["dia_source_id"].dtype == np.int64
    assert forced_rows(nothing if nothing is None else {}).objects.n == 0


@pytest.mark.parametrize("data", [[1, 2], "sources.fits", 7, np.zeros(3), [{"ra": 1.0}]])
def test_what_is_no_table_is_refused(data: Any) -> None:
    (only,) = problems(data)
    assert "give an astropy Table" in only.message
