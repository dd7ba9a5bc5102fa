"""Bad input, end to end: a clear error that names the place, and not one row changed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from store_tools import MJD, digest

import apdb

Columns = dict[str, Any]


def visit(number: int = 2, **changes: Any) -> apdb.Visit:
    given: Columns = {
        "visit": number, "detector": 40, "band": "g", "midpoint_mjd_tai": MJD,
        "exposure_time": 30.0, "ra": 150.05, "dec": 1.2, "radius": 0.2,
    }  # fmt: skip
    return apdb.Visit(**(given | changes))


def good(**changes: Any) -> Columns:
    return {
        "dia_source_id": np.array([11, 12, 13]),
        "ra": np.array([150.0, 150.05, 150.1]),
        "dec": np.array([1.2, 1.25, 1.15]),
        "psf_flux": np.array([1000.0, 1100.0, 1200.0]),
        "psf_flux_err": np.array([50.0, 51.0, 52.0]),
    } | changes


def with_value(name: str, value: Any, row: int = 1, dtype: Any = None) -> Columns:
    columns = good(snr=np.array([9.0, 9.5, 10.0]))
    values = np.array(columns.get(name, np.zeros(3)), dtype=dtype)
    values[row] = value
    return columns | {name: values}


BAD: dict[str, tuple[Any, str]] = {
    "NaN in ra": (with_value("ra", np.nan), r"row 1, column ra: has no value, but needs one"),
    "NaN in dec": (with_value("dec", np.nan), r"row 1, column dec: has no value, but needs one"),
    "infinite ra": (with_value("ra", np.inf), r"row 1, column ra = inf"),
    "infinite dec": (with_value("dec", -np.inf), r"row 1, column dec = -inf"),
    "ra of 360": (with_value("ra", 360.0), r"row 1, column ra = 360\.0: .*ra % 360 is 0"),
    "negative ra": (with_value("ra", -0.1), r"row 1, column ra = -0\.1: .*ra % 360 is 359\.9"),
    "dec beyond the pole": (with_value("dec", 90.0001), r"row 1, column dec = 90\.0001"),
    "infinite optional value": (with_value("snr", np.inf), r"row 1, column snr = inf"),
    "too large for a float32": (with_value("snr", 1e39), r"row 1, column snr = 1e\+39"),
    "id twice in the batch": (
        with_value("dia_source_id", 11), r"row 1, column dia_source_id = 11: .*row 0"),
    "id of zero": (with_value("dia_source_id", 0), r"row 1, column dia_source_id = 0"),
    "negative id": (with_value("dia_source_id", -5), r"row 1, column dia_source_id = -5"),
    "id beyond 63 bits": (
        with_value("dia_source_id", 2**63, dtype=np.uint64),
        r"row 1, column dia_source_id = 9223372036854775808"),
    "ids rounded to float64": (
        good(dia_source_id=np.array([11.0, 2.0**60, 13.0])),
        r"row 1, column dia_source_id = 1\.15\d*e\+18"),
    "id of another visit": (
        with_value("dia_source_id", 2), r"row 1, column dia_source_id = 2: .*another visit"),
    "text for numbers": (good(psf_flux=np.array(["1", "two", "3"])), r"column psf_flux"),
    "numbers for flags": (
        good(centroid_flag=np.array([0, 7, 1])), r"row 1, column centroid_flag = 7"),
    "fractions for counts": (
        good(psf_ndata=np.array([1.0, 2.5, 3.0])), r"row 1, column psf_ndata = 2\.5"),
    "count beyond 32 bits": (
        good(psf_ndata=np.array([1, 2**31, 3])), r"row 1, column psf_ndata = 2147483648"),
    "columns of different lengths": (good(snr=np.array([1.0, 2.0])), r"column snr.*2"),
    "two-dimensional column": (good(snr=np.ones((3, 2))), r"column snr"),
    "outside the footprint": (
        with_value("dec", 1.5), r"row 1, column ra, dec = \(150\.05, 1\.5\): lies .* outside"),
    "masked required value": (
        Table(good(ra=MaskedColumn([150.0, 150.05, 150.1], mask=[False, True, False]))),
        r"row 1, column ra: has no value"),
    "null id": (
        pa.table(good(dia_source_id=pa.array([11, None, 13], pa.int64()))),
        r"row 1, column dia_source_id.*: has no value"),
    "text of NUL": (
        good(reliability_version=np.array(["v1", "v\0x", "v1"], object)),
        r"row 1, column reliability_version"),
    "unknown column": (good(psfFluxx=np.ones(3)), r"column psfFluxx.*psf_?[fF]lux"),
    "missing column": (
        {name: values for name, values in good().items() if name != "psf_flux_err"},
        r"column psf_flux_err: is missing"),
    "one column under two names": (good(psfFlux=np.ones(3)), r"column psfFlux.*same column"),
    "rows of another detector": (
        good(detector=np.array([40, 41, 40])), r"row 1, column detector = 41: disagrees"),
    "rows of another time": (
        good(midpointMjdTai=np.array([MJD, MJD + 1, MJD])), r"row 1, column midpointMjdTai"),
    "rows that are withdrawn": (
        good(time_withdrawn_mjd_tai=np.array([np.nan, MJD, np.nan])),
        r"row 1, column time_withdrawn_mjd_tai"),
    "no table at all": ([1, 2, 3], r"table|columns|mapping"),
}  # fmt: skip

BAD_VISITS: dict[str, tuple[Columns, str]] = {
    "NaN time": ({"midpoint_mjd_tai": np.nan}, r"column midpoint_mjd_tai = nan"),
    "infinite time": ({"midpoint_mjd_tai": np.inf}, r"column midpoint_mjd_tai = inf"),
    "a Julian date": ({"midpoint_mjd_tai": 2461109.6}, r"2461109\.6: .*subtract 2400000\.5"),
    "time of long ago": ({"midpoint_mjd_tai": 14_999.0}, r"column midpoint_mjd_tai = 14999"),
    "NaN centre": ({"ra": np.nan}, r"column ra = nan"),
    "centre beyond the pole": ({"dec": -91.0}, r"column dec = -91"),
    "NaN radius": ({"radius": np.nan}, r"column radius = nan"),
    "radius of zero": ({"radius": 0.0}, r"column radius = 0"),
    "radius in arcsec": ({"radius": 720.0}, r"column radius = 720"),
    "negative visit": ({"visit": -1}, r"column visit = -1"),
    "visit beyond 63 bits": ({"visit": 2**63}, r"column visit = 9223372036854775808"),
    "detector beyond 15 bits": ({"detector": 32768}, r"column detector = 32768"),
    "rounded visit": ({"visit": 2.0**60}, r"column visit"),
    "empty band": ({"band": ""}, r"column band"),
    "blank band": ({"band": " "}, r"column band"),
    "negative exposure": ({"exposure_time": -1.0}, r"column exposure_time = -1"),
    "no footprint": ({"radius": None}, r"radius|boundary|footprint"),
    "two corners": (
        {"ra": None, "dec": None, "radius": None, "boundary": [(150.0, 1.2), (151.0, 1.2)]},
        r"boundary.*three"),
    "NaN corner": (
        {"ra": None, "dec": None, "radius": None,
         "boundary": [(150.0, 1.2), (151.0, np.nan), (150.0, 2.0)]}, r"boundary"),
}  # fmt: skip


@pytest.fixture
def unchanged(db: apdb.Apdb, plain_connection: Any) -> Any:
    """A database with one visit in it, of which not a row may change during the test."""
    db.store_visit(
        visit(1), good(dia_source_id=np.array([1, 2, 3])), forced=measured([3.0, 4.0, 5.0])
    )
    before = digest(plain_connection)
    yield db
    assert digest(plain_connection) == before


def measured(flux: list[float]) -> Callable[[Table], Columns]:
    def measure(positions: Table) -> Columns:
        n = len(positions)
        return {
            "dia_object_id": positions["dia_object_id"],
            "psf_flux": flux[:n],
            "psf_flux_err": [1.0] * n,
        }

    return measure


@pytest.mark.parametrize("name", list(BAD))
def test_bad_sources(unchanged: apdb.Apdb, name: str) -> None:
    data, message = BAD[name]
    with pytest.raises(apdb.InvalidInput, match=message) as caught:
        unchanged.store_visit(visit(), data)
    assert caught.value.problems
    assert all(problem.message for problem in caught.value.problems)


@pytest.mark.parametrize("name", list(BAD_VISITS))
def test_bad_visits(name: str) -> None:
    changes, message = BAD_VISITS[name]
    with pytest.raises(apdb.InvalidInput, match=message) as caught:
        visit(**changes)
    assert caught.value.problems


def test_unknown_band_and_conflict_change_nothing(unchanged: apdb.Apdb) -> None:
    with pytest.raises(apdb.InvalidInput, match=r"unknown band 'V'"):
        unchanged.store_visit(visit(band="V"), good())
    with pytest.raises(apdb.VisitConflict, match="Visit 1 detector 40"):
        unchanged.store_visit(visit(1), good())


@pytest.mark.parametrize("radius", [float("nan"), 0.0, 3600.0])
def test_bad_radius_changes_nothing(unchanged: apdb.Apdb, radius: float) -> None:
    with pytest.raises(apdb.InvalidInput, match="radius"):
        unchanged.store_visit(visit(), good(), radius=radius)


def test_the_first_bad_row_of_many_visits_names_all_its_columns(unchanged: apdb.Apdb) -> None:
    data = with_value("ra", np.nan)
    data["dec"][1] = 91.0
    data["dia_source_id"][2] = 11
    with pytest.raises(apdb.InvalidInput, match=r"^3 problem\(s\)") as caught:
        unchanged.store_visit(visit(), data)
    assert {(p.row, p.column) for p in caught.value.problems} == {
        (1, "ra"), (1, "dec"), (2, "dia_source_id"),
    }  # fmt: skip


BAD_FORCED: dict[str, tuple[Any, type[apdb.ApdbError], str]] = {
    "an object that is not there": (
        {"dia_object_id": [999], "psf_flux": [1.0], "psf_flux_err": [1.0]}, apdb.NotFound, r"999"),
    "an object twice": (
        {"dia_object_id": [1, 1], "psf_flux": [1.0, 2.0], "psf_flux_err": [1.0, 1.0]},
        apdb.InvalidInput, r"row 1, .*same dia_object_id as row 0"),
    "infinite flux": (
        {"dia_object_id": [1], "psf_flux": [np.inf], "psf_flux_err": [1.0]},
        apdb.InvalidInput, r"row 0, column psf_flux = inf"),
    "no flux column": (
        {"dia_object_id": [1], "psf_flux_err": [1.0]},
        apdb.InvalidInput, r"column psf_flux: is missing"),
    "nothing returned": (
        [1], apdb.InvalidInput, r"table|columns|mapping"),
}  # fmt: skip


@pytest.mark.parametrize("as_table", [False, True], ids=["callback", "table"])
@pytest.mark.parametrize("name", list(BAD_FORCED))
def test_bad_forced_photometry(unchanged: apdb.Apdb, name: str, as_table: bool) -> None:
    rows, error, message = BAD_FORCED[name]
    with pytest.raises(error, match=message):
        unchanged.store_visit(visit(), good(), forced=rows if as_table else lambda _: rows)


def test_a_callback_that_breaks_the_connection_rules(unchanged: apdb.Apdb) -> None:
    def interrupted(positions: Table) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unchanged.store_visit(visit(), good(), forced=interrupted)
    # the connection went back clean
    assert unchanged.store_visit(visit(), good(), dry_run=True).state == "dry_run"


def test_bad_content_can_be_stored_once_corrected(db: apdb.Apdb, plain_connection: Any) -> None:
    with pytest.raises(apdb.InvalidInput):
        db.store_visit(visit(), with_value("ra", np.nan))
    assert db.store_visit(visit(), good()).state == "stored"
    states = plain_connection.execute("select state from apdb.visit_attempt").fetchall()
    assert states == [("stored",)]


def stored(connection: Any, columns: str) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        f"select {columns} from apdb.dia_source order by dia_source_id"
    ).fetchall()
    return list(rows)


def test_masked_optional_values_are_null(db: apdb.Apdb, plain_connection: Any) -> None:
    table = Table(good(
        snr=MaskedColumn([1.0, 2.0, 3.0], mask=[False, True, False]),
        ap_flux=MaskedColumn([1.0, 2.0, 3.0], mask=True),
        reliability_version=MaskedColumn(["v1", "v2", "v3"], mask=[True, False, False]),
    ))  # fmt: skip
    db.store_visit(visit(), table)
    assert stored(plain_connection, "snr, ap_flux, reliability_version") == [
        (1.0, None, None), (None, None, "v2"), (3.0, None, "v3"),
    ]  # fmt: skip


def test_big_endian_fits_columns_arrive_as_they_are(db: apdb.Apdb, plain_connection: Any) -> None:
    file = io.BytesIO()
    Table(good(x=np.array([1.5, 2.5, 3.5], np.float32), centroid_flag=[True, False, True])).write(
        file, format="fits"
    )
    file.seek(0)
    with fits.open(file) as hdus:
        data = hdus[1].data
        assert data["ra"].dtype.byteorder == ">"
        db.store_visit(visit(), data)
    assert stored(plain_connection, "dia_source_id, ra, dec, x, centroid_flag") == [
        (11, 150.0, 1.2, 1.5, True), (12, 150.05, 1.25, 2.5, False), (13, 150.1, 1.15, 3.5, True),
    ]  # fmt: skip


def test_strings_of_length_zero(db: apdb.Apdb, plain_connection: Any) -> None:
    for number, dtype in enumerate(["U0", "S0", object], start=1):
        text = np.array(["", "", ""], dtype)
        ids = 100 * number + np.arange(3)
        db.store_visit(visit(number), good(dia_source_id=ids, reliability_version=text))
    assert {v for (v,) in stored(plain_connection, "reliability_version")} <= {"", None}


def test_an_older_database_says_how_to_upgrade(dsn: str, plain_connection: Any) -> None:
    plain_connection.execute(
        "update apdb_base.metadata set value = '' where name = 'schema.revision'"
    )
    plain_connection.commit()
    with pytest.raises(apdb.SchemaMismatch, match=r"apdb db upgrade|newer code"):
        apdb.connect(dsn)


def test_routines_of_other_code(dsn: str, plain_connection: Any) -> None:
    plain_connection.execute(
        "update apdb_base.metadata set value = 'x' where name = 'routines.fingerprint'"
    )
    plain_connection.commit()
    with pytest.raises(apdb.SchemaMismatch, match="apdb db upgrade"):
        apdb.connect(dsn)


def test_a_schema_that_vanishes_under_the_session(db: apdb.Apdb, plain_connection: Any) -> None:
    plain_connection.execute("drop schema apdb cascade")
    plain_connection.commit()
    with pytest.raises(apdb.SchemaMismatch, match="apdb db upgrade"):
        db.store_visit(visit(), good())
