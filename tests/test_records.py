"""Names of columns, agreement with the visit, and real sources."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pytest
from batch_tools import SOURCE, VISIT, problem, problems, rich, same, sources

from apdb.errors import InvalidInput
from apdb.input.forced_records import forced_rows
from apdb.input.records import dia_source_batch, normalise
from apdb.schema.catalogue import table


def test_packet_names_and_ours_give_the_same_batch() -> None:
    renamed = {SOURCE.column(name).dpdd_name: values for name, values in rich().items()}
    assert {"diaSourceId", "psfFlux", "isNegative"} <= set(renamed)
    assert same(dia_source_batch(renamed, VISIT), dia_source_batch(rich(), VISIT))


def test_unknown_columns_are_all_named_with_what_they_may_mean() -> None:
    found = problems(
        sources(psf_fluxx=[1, 2, 3], RA=[1, 2, 3], colour=[1, 2, 3], store_seq=[1] * 3)
    )
    by_name = {each.column: each.message for each in found}
    assert set(by_name) == {"psf_fluxx", "RA", "colour", "store_seq"}
    assert "psf_flux" in by_name["psf_fluxx"]
    assert "did you mean ra" in by_name["RA"]
    assert "leave it out" in by_name["colour"]


def test_a_column_given_twice_is_refused() -> None:
    assert problem([1.0] * 3, "psfFlux") == [
        (None, "is the same column as psf_flux: give one of them")
    ]
    frame = pd.DataFrame([[1, 2]], columns=["ra", "ra"])
    assert any("same column" in each.message for each in problems(frame))


def test_missing_required_columns_are_named() -> None:
    data = sources()
    del data["psf_flux_err"], data["ra"]
    assert {each.column for each in problems(data)} == {"psf_flux_err", "ra"}


def test_columns_without_names_are_refused() -> None:
    assert "must be text" in problems(pd.DataFrame([[1, 2], [3, 4]]))[0].message


def test_what_the_visit_says_may_be_repeated_and_is_left_out() -> None:
    more = {
        "visit": [VISIT.visit] * 3,
        "detector": np.full(3, 40, np.uint8),
        "band": ["g", None, "g"],
        "midpointMjdTai": [61109.1447, 61109.1447 + 1e-9, None],
        "exposureTime": np.full(3, 30.0),
        "diaObjectId": [1, 2, 0],
        "ssObjectId": [0, 0, 5],
        "timeProcessedMjdTai": [61110.0] * 3,
        "timeWithdrawnMjdTai": [None] * 3,
    }
    assert same(dia_source_batch(sources(**more), VISIT), dia_source_batch(sources(), VISIT))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("visit", [VISIT.visit, 7, VISIT.visit]),
        ("detector", [40, 41, 40]),
        ("band", ["g", "r", "g"]),
        ("midpoint_mjd_tai", [61109.1447, 61109.15, 61109.1447]),
        ("exposure_time", [30.0, 15.0, 30.0]),
    ],
)
def test_rows_of_another_visit_are_named(name: str, values: Any) -> None:
    ((row, message),) = problem(values, name)
    assert row == 1
    assert "disagrees with the visit" in message


def test_sources_outside_the_footprint_are_named() -> None:
    data = sources()
    data["dec"] = np.array([1.2, 1.4 + 0.009, 1.5])
    (only,) = problems(data | {"ra": np.full(3, 150.05)})
    assert (only.row, only.column, only.value) == (2, "ra, dec", "(150.05, 1.5)")
    assert "lies 0.1 deg outside" in only.message
    assert dia_source_batch(data | {"ra": np.full(3, 150.05)}, VISIT, margin_deg=0.11).n == 3


def test_everything_that_is_wrong_is_told_at_once() -> None:
    data = sources(
        dia_source_id=[1, 1, 2],
        ra=[150.0, np.nan, 370.0],
        snr=[np.inf, 1, 1],
        typo=[1, 2, 3],
        psf_ndata=["a", "b", "c"],
        x_err=[1.0, 2.0],
    )
    found = {(each.row, each.column) for each in problems(data)}
    assert found == {
        (1, "dia_source_id"), (1, "ra"), (2, "ra"), (0, "snr"), (None, "typo"),
        (None, "psf_ndata"), (None, "x_err"),
    }  # fmt: skip


def test_problems_show_column_value_and_remedy() -> None:
    (only,) = problems(
        {SOURCE.column(n).dpdd_name: v for n, v in sources(dec=np.array([1.2, 95.0, 1.2])).items()}
    )
    assert str(only) == "row 1, column dec = 95.0: must be in [-90, 90] degrees"


def test_masses_of_wrong_rows_are_counted_and_the_first_kept() -> None:
    n = 100_000
    data = {
        "dia_source_id": np.arange(1, n + 1),
        "ra": np.full(n, 400.0),
        "dec": np.full(n, np.nan),
        "psf_flux": np.ones(n),
        "psf_flux_err": np.ones(n),
    }
    with pytest.raises(InvalidInput, match=r"^200000 problem\(s\)") as caught:
        dia_source_batch(data, VISIT)
    assert len(caught.value.problems) == 1000
    assert "… and 199980 more" in str(caught.value)


def test_the_callers_arrays_are_left_as_they_were() -> None:
    data = rich() | {"dec": np.ma.MaskedArray([1.2, 1.25, 1.15])}
    before = {name: values.copy() for name, values in data.items()}
    dia_source_batch(data, VISIT)
    for name, values in data.items():
        assert np.array_equal(values, before[name], equal_nan=values.dtype.kind == "f")


def forced(**more: Any) -> dict[str, Any]:
    return {
        "dia_object_id": np.array([5, 6, 7]),
        "psf_flux": [1.0, None, 3.0],
        "psf_flux_err": [1.0, None, 3.0],
    } | more


LATER: dict[str, Any] = {
    "visit": [1, 1, 2],
    "detector": [3, 3, 3],
    "midpoint_mjd_tai": [61109.1, 61109.1, 61110.2],
    "band": ["g", "g", "r"],
}


def test_forced_rows_of_the_visit() -> None:
    batch = forced_rows(forced(band=["g"] * 3, visit=[VISIT.visit] * 3), VISIT).objects
    assert list(batch.columns) == ["dia_object_id", "psf_flux", "psf_flux_err"]
    with pytest.raises(InvalidInput, match="row 0, column band = 'r': disagrees"):
        forced_rows(forced(band=["r", "g", "g"]), VISIT)
    with pytest.raises(InvalidInput, match=r"row 2, .*same dia_object_id as row 0"):
        forced_rows(forced(dia_object_id=[5, 6, 5]), VISIT)
    with pytest.raises(InvalidInput, match="row 1, column dia_object_id: has no value"):
        forced_rows(forced(dia_object_id=[5, 0, 6]), VISIT)


def test_later_forced_rows() -> None:
    batch = forced_rows(forced(**LATER)).objects
    assert batch.columns["midpoint_mjd_tai"].tolist() == LATER["midpoint_mjd_tai"]
    assert forced_rows(forced(**LATER) | {"dia_object_id": [5, 6, 5]}).objects.n == 3
    with pytest.raises(InvalidInput, match="column visit: is missing"):
        forced_rows(forced())
    with pytest.raises(InvalidInput, match="row 1, column band: has no value"):
        forced_rows(forced(**(LATER | {"band": ["g", "", "r"]})))
    with pytest.raises(InvalidInput, match=r"subtract 2400000\.5"):
        forced_rows(forced(**(LATER | {"midpoint_mjd_tai": [61109.1, 2461109.6, 61110.2]})))
    with pytest.raises(InvalidInput, match=r"row 1, .*same dia_object_id and visit and detector"):
        forced_rows(forced(**LATER) | {"dia_object_id": [5, 5, 5]})


def test_normalise_for_any_table() -> None:
    name = table("ss_object").primary_key[0]
    batch = normalise({name: [1, 2]}, table("ss_object"), required=[name])
    assert batch.columns[name].tolist() == [1, 2]
    with pytest.raises(InvalidInput, match="unknown column"):
        normalise({name: [1, 2]}, table("ss_object"), refused=[name])


DATA = Path(os.environ.get("APDB_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
ALERTS = DATA / "rubin" / "alerts.avro"


@pytest.mark.skipif(not ALERTS.exists(), reason=f"no {ALERTS}: set APDB_TEST_DATA")
def test_real_sources_arrive_as_they_are() -> None:
    with ALERTS.open("rb") as file:
        packets = itertools.islice(fastavro.reader(file), 30)
        found = [s for p in packets for s in [p["diaSource"], *(p["prvDiaSources"] or [])]]
    rows = list({source["diaSourceId"]: source for source in found}.values())
    assert len(rows) > 1000
    given_rows = {name: [row[name] for row in rows] for name in rows[0]}
    batch = normalise(given_rows, SOURCE, required=["dia_source_id"])
    for name, values in given_rows.items():
        ours = SOURCE.column(name)
        zero_is_none = ours.name in ("dia_object_id", "ss_object_id", "parent_dia_source_id")
        wanted = [None if value == 0 and zero_is_none else value for value in values]
        if ours.name not in batch.columns:
            assert set(wanted) <= {None, ours.default}, name
            continue
        nulls = batch.nulls[ours.name]
        plain = batch.columns[ours.name].tolist()
        arrived = [None if nulls is not None and nulls[i] else v for i, v in enumerate(plain)]
        assert arrived == wanted, name
