"""Crossmatch in the database against astropy's search_around_sky, from tables, files and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import psycopg
import pyarrow.parquet
import pytest
from astropy.coordinates import SkyCoord, search_around_sky
from astropy.table import Table
from psycopg.conninfo import make_conninfo
from reference_tools import around, simulate
from test_cli_query import run

import apdb
from apdb import positions
from apdb.errors import InvalidInput

PLACES = {
    "plain": (150.0, 2.2),
    "ra 0": (0.001, -30.0),
    "pole": (10.0, 89.999),
    "corner": (45.0, 35.2644),
}


def expected(ra: Any, dec: Any, sky: Any, radius: float, best: bool) -> list[tuple[int, int]]:
    """(row, index) pairs in the order of row and distance."""
    first = SkyCoord(ra, dec, unit="deg")
    second = SkyCoord(sky["ra"], sky["dec"], unit="deg")
    i, k, distance, _ = search_around_sky(first, second, radius * u.arcsec)
    order = np.lexsort([distance.arcsec, i])
    pairs = [(int(i[j]), int(k[j])) for j in order]
    return [p for j, p in enumerate(pairs) if not best or j == 0 or pairs[j - 1][0] != p[0]]


@pytest.mark.parametrize("best", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_reference_equals_search_around_sky(
    db: apdb.Apdb, place: str, best: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "ROWS", 70)
    sky = simulate(PLACES[place], n=800)
    db.load_reference("simulated", sky.columns)
    db.load_reference("other", simulate(PLACES[place], n=50, seed=3).columns)
    ra, dec = around(np.random.default_rng(2), PLACES[place], 0.02, 300)
    found = db.crossmatch({"ra": ra, "dec": dec}, "simulated", radius=5.0, best=best)
    index = np.asarray(found["reference_object_id"]) - 2**61
    assert list(zip(found["row"].tolist(), index.tolist(), strict=True)) == expected(
        ra, dec, sky, 5.0, best
    )
    here = SkyCoord(ra[found["row"]], dec[found["row"]], unit="deg")
    there = SkyCoord(found["match_ra"], found["match_dec"])
    np.testing.assert_allclose(
        found["distance"], here.separation(there).arcsec, rtol=1e-9, atol=1e-7
    )
    assert found["distance"].unit == u.arcsec


@pytest.fixture
def stored(db: apdb.Apdb) -> tuple[Any, Any]:
    """Positions of 200 objects."""
    ra, dec = around(np.random.default_rng(4), (150.0, 2.2), 0.1, 200)
    visit = apdb.Visit(
        visit=1, detector=1, band="r", midpoint_mjd_tai=61100.0, ra=150.0, dec=2.2, radius=0.12
    )
    db.store_visit(
        visit,
        {"dia_source_id": np.arange(1, 201), "ra": ra, "dec": dec, "psf_flux": np.ones(200), "psf_flux_err": np.ones(200)},
    )  # fmt: skip
    return ra, dec


def test_objects_with_columns_of_theirs(db: apdb.Apdb, stored: tuple[Any, Any]) -> None:
    ra, dec = stored
    found = db.crossmatch(
        Table({"RAJ2000": ra[::-1] * u.deg, "DEJ2000": np.radians(dec[::-1]) * u.rad}),
        radius=0.36 * u.arcsec, columns=["n_dia_sources", "lastDiaSourceMjdTai"],
    )  # fmt: skip
    assert found["row"].tolist() == list(range(200))
    assert found["dia_object_id"].tolist() == list(range(200, 0, -1))
    assert set(found["n_dia_sources"]) == {1}
    assert set(found["last_dia_source_mjd_tai"]) == {61100.0}
    assert found["distance"].max() < 1e-6


def test_readers_may(db: apdb.Apdb, stored: tuple[Any, Any]) -> None:
    """Everything that analysts ask of catalogues, neighbours and features."""
    sky = simulate(PLACES["plain"], n=50)
    db.load_reference("simulated", sky.columns)
    ids = db.crossmatch({"ra": stored[0], "dec": stored[1]})["dia_object_id"].tolist()
    db.refresh_neighbours()
    db.set_setting("features_min_sources", 1)
    db.characterize(ids[:1])
    with apdb.connect(make_conninfo(db.dsn, user="apdb_reader")) as reader:
        table = {"ra": sky["ra"], "dec": sky["dec"]}
        found = reader.crossmatch(table, "simulated", columns=["ra_err", "extendedness"])
        assert found["row"].tolist() == list(range(50))
        assert len(reader.crossmatch({"ra": stored[0], "dec": stored[1]}, columns=["ra"]))
        with pytest.raises(apdb.NotFound, match="There are: simulated"):
            reader.crossmatch(table, "gaia")
        assert [each.name for each in reader.references()] == ["simulated"]
        assert len(reader.neighbours(ids))
        assert len(reader.features(ids[0])) == len(reader.astrometry(ids[0])) == 1
        assert reader.features_due().n_objects == 1
        assert reader.precovery_queue() is not None
        assert len(reader.followed()) == 0


def test_merged_objects_are_not_found(db: apdb.Apdb, stored: tuple[Any, Any]) -> None:
    ra, dec = stored
    db.withdraw([5], reason="artefact")
    found = db.crossmatch({"ra": ra[4:6], "dec": dec[4:6]}, radius=0.1)
    assert found["dia_object_id"].tolist() == [6]


def test_no_rows_and_no_matches(db: apdb.Apdb, stored: tuple[Any, Any]) -> None:
    for given in ({"ra": [], "dec": []}, {"ra": [10.0], "dec": [-60.0]}):
        found = db.crossmatch({k: np.array(v, float) for k, v in given.items()})
        assert len(found) == 0
        assert found.colnames == ["row", "dia_object_id", "match_ra", "match_dec", "distance"]


def test_reference_columns(db: apdb.Apdb) -> None:
    sky = simulate((150.0, 2.2), n=50)
    db.load_reference("simulated", sky.columns)
    found = db.crossmatch(
        {"ra": sky["ra"], "dec": sky["dec"]}, "simulated", radius=0.01, columns=["pm_ra", "ixx"]
    )
    assert found["row"].tolist() == list(range(50))
    np.testing.assert_array_equal(np.ma.filled(found["pm_ra"], np.nan), sky["pm_ra"])
    np.testing.assert_array_equal(np.ma.filled(found["ixx"], np.nan), sky["ixx"])


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "nan": ({"ra": [1.0, np.nan], "dec": [2.0, 3.0]}, {}, r"row 1, column ra = nan"),
    "ra": ({"ra": [-1.0], "dec": [2.0]}, {}, r"row 0, column ra = -1.0: must be in \[0, 360\)"),
    "dec": ({"RA": [1.0], "Dec": [95.0]}, {}, r"row 0, column Dec = 95.0"),
    "masked": ({"ra": np.ma.array([1.0], mask=[True]), "dec": [2.0]}, {}, r"row 0, column ra = nan"),
    "text": ({"ra": ["10:00:00"], "dec": ["+02:00:00"]}, {}, "column ra must be ra in degrees"),
    "unit": ({"ra": [1.0] * u.Jy, "dec": [2.0]}, {}, "is in Jy, but must be an angle"),
    "no ra": ({"x": [1.0], "dec": [2.0]}, {}, r"no column that looks like ra among x, dec"),
    "name": ({"ra": [1.0], "dec": [2.0]}, {"ra": "raa"}, "no column raa: did you mean ra"),
    "zero": ({"ra": [1.0], "dec": [2.0]}, {"radius": 0.0}, "radius = 0.0: must be above 0"),
    "nan radius": ({"ra": [1.0], "dec": [2.0]}, {"radius": np.nan}, "must be above 0"),
    "wide": ({"ra": [1.0], "dec": [2.0]}, {"radius": 4000.0}, "at most 3600 arcsec"),
    "flux": ({"ra": [1.0], "dec": [2.0]}, {"radius": 1.0 * u.Jy}, "must be above 0"),
    "column": ({"ra": [1.0], "dec": [2.0]}, {"columns": ["colour"]}, "dia_object has no such column"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_wrong_input(db: apdb.Apdb, what: str) -> None:
    positions, options, message = BAD[what]
    with pytest.raises(InvalidInput, match=message):
        db.crossmatch(positions, **options)


def test_unknown_catalogue(db: apdb.Apdb) -> None:
    with pytest.raises(apdb.NotFound, match="there is no reference catalogue 'gaia'"):
        db.crossmatch({"ra": [1.0], "dec": [2.0]}, "gaia")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'{1}', '{2}', 0, true", "radius = 0"),
        ("'{1}', '{2}', 'nan', true", "radius = NaN"),
        ("'{1,nan}', '{2,3}', 1, true", "position 1 is no position"),
        ("'{1,null}', '{2,3}', 1, true", "position 1 is no position: ra = null"),
        ("'{1}', '{2,3}', 1, true", "there are 1 ra and 2 dec"),
    ],
)
def test_wrong_arguments_in_sql(
    plain_connection: psycopg.Connection[Any], arguments: str, message: str
) -> None:
    with pytest.raises(psycopg.DatabaseError, match=message) as error:
        plain_connection.execute(f"select * from apdb.crossmatch_objects({arguments})")  # type: ignore[arg-type]
    assert error.value.sqlstate == "VA001"


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ecsv", ".fits"])
def test_files_in_and_out(
    db: apdb.Apdb,
    stored: tuple[Any, Any],
    dsn: str,
    tmp_path: Path,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(positions, "ROWS", 30)
    ra, dec = stored
    names = np.array([f"target {k}" for k in range(100)])
    given = Table({"name": names, "ra": ra[:100], "dec": dec[:100], "mag": np.arange(100.0)})
    path, out = tmp_path / f"targets{suffix}", tmp_path / f"out{suffix}"
    given.write(path, format="ascii.csv" if suffix == ".csv" else None)
    text = run(
        dsn, "xmatch", str(path), "--radius", "0.5", "--keep", "name", "-k", "ra", "--out", str(out)
    )
    assert "100 matches of 100 rows written" in text
    if suffix == ".parquet":
        found = Table(pyarrow.parquet.read_table(out).to_pydict())
    else:
        found = Table.read(out, format="ascii.csv" if suffix == ".csv" else None)
    assert found["dia_object_id"].tolist() == list(range(1, 101))
    assert [
        str(name).removeprefix("b'").removesuffix("'") for name in found["name"]
    ] == names.tolist()
    np.testing.assert_array_equal(found["ra"], ra[:100])
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert "exists: give another name" in run_wrong(dsn, "xmatch", str(path), "--out", str(out))


def run_wrong(dsn: str, *arguments: str) -> str:
    with pytest.raises(apdb.ApdbError) as error:
        run(dsn, *arguments)
    return str(error.value)


def test_command_line(db: apdb.Apdb, stored: tuple[Any, Any], dsn: str, tmp_path: Path) -> None:
    ra, dec = stored
    path = tmp_path / "targets.csv"
    Table({"ra": ra[:60], "dec": dec[:60]}).write(path)
    text = run(dsn, "xmatch", str(path))
    assert "60 matches of 60 rows, the first 50 (--out gives all)" in text
    rows = json.loads(run(dsn, "xmatch", str(path), "--json", "--all", "--radius", "100"))
    pairs = expected(ra[:60], dec[:60], {"ra": ra, "dec": dec}, 100.0, False)
    assert [(row["row"], int(row["dia_object_id"]) - 1) for row in rows] == pairs
    assert "cannot be read: No such file" in run_wrong(dsn, "xmatch", str(tmp_path / "none.fits"))
    (tmp_path / "notes.txt").write_text("ra dec\n")
    assert "give Parquet, FITS, ECSV, CSV or Avro" in run_wrong(
        dsn, "xmatch", str(tmp_path / "notes.txt")
    )
    assert "there is no reference catalogue 'gaia'" in run_wrong(
        dsn, "xmatch", str(path), "--against", "gaia"
    )
    assert "radius = 0.0" in run_wrong(dsn, "xmatch", str(path), "--radius", "0")
    assert "no column mag" in run_wrong(dsn, "xmatch", str(path), "--keep", "mag")
    Table({"ra": [1.0, np.nan], "dec": [0.0, 1.0]}).write(tmp_path / "bad.ecsv")
    out = tmp_path / "matches.csv"
    assert "row 1, column ra = nan" in run_wrong(
        dsn, "xmatch", str(tmp_path / "bad.ecsv"), "--out", str(out)
    )
    assert not out.exists()
