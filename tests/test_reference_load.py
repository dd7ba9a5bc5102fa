"""Loading reference catalogues from tables and files, by Python and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet
import pytest
from astropy.table import Table
from astropy.time import Time
from test_cli_query import run

import apdb
from apdb.errors import InvalidInput
from apdb.reference import load
from apdb.reference.mapping import julian_year, parse_epoch

Plain = psycopg.Connection[Any]

#: Rows as Gaia's archive has them.
GAIA = {
    "source_id": np.array([4472832130942575872, 5853498713190525696]),
    "ra": [269.4485025254384, 217.39232147200883],
    "dec": [4.739420051112412, -62.67607511676666],
    "ref_epoch": [2016.0, 2016.0],
    "ra_error": [0.026239, 0.023999],
    "dec_error": [0.029041, 0.034443],
    "ra_dec_corr": [0.1, -0.3],
    "pmra": [-801.5509783684709, -3781.741008265163],
    "pmdec": [10362.394206546573, 769.4650146478623],
    "pmra_error": [0.03203, 0.03137],
    "pmdec_error": [0.03601, 0.05052],
    "pmra_pmdec_corr": [0.2, -0.4],
    "parallax": [546.975939730948, 768.0665391873573],
    "parallax_error": [0.04, 0.05],
    "phot_g_mean_mag": [8.193974, 8.984749],
}


def stored(connection: Plain) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=psycopg.rows.dict_row, binary=True) as cursor:
        rows = cursor.execute(
            "select * from apdb.reference_object order by reference_object_id"
        ).fetchall()
    connection.commit()
    return rows


def hold_gaia(rows: list[dict[str, Any]]) -> None:
    order = np.argsort(GAIA["source_id"])
    for row, k in zip(rows, order, strict=True):
        assert row["reference_object_id"] == GAIA["source_id"][k]
        assert row["ra"] == GAIA["ra"][k]
        error = np.array([GAIA["ra_error"][k], GAIA["dec_error"][k]]) / 3.6e6
        np.testing.assert_allclose([row["ra_err"], row["dec_err"]], error, rtol=1e-6)
        np.testing.assert_allclose(
            row["ra_dec_cov"], GAIA["ra_dec_corr"][k] * error.prod(), rtol=1e-6
        )
        np.testing.assert_allclose(row["pm_ra"], GAIA["pmra"][k], rtol=1e-6)
        motion = GAIA["pmra_pmdec_corr"][k] * GAIA["pmra_error"][k] * GAIA["pmdec_error"][k]
        np.testing.assert_allclose(row["pm_ra_dec_cov"], motion, rtol=1e-6)
        assert abs(row["epoch_mjd_tai"] - Time(2016.0, format="jyear", scale="tcb").tai.mjd) < 2e-3
        assert row["extendedness"] == 0.0


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ecsv", ".fits"])
def test_gaia_files(
    db: apdb.Apdb, plain_connection: Plain, dsn: str, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"gaia{suffix}"
    Table(GAIA).write(path, format="ascii.csv" if suffix == ".csv" else None)
    text = run(
        dsn,
        "reference",
        "load",
        str(path),
        "--name",
        "gaia",
        "--preset",
        "gaia",
        "--release",
        "DR3",
    )
    assert "gaia: 2 objects loaded, 2 stars and 0 galaxies" in text
    hold_gaia(stored(plain_connection))
    (kept,) = db.references()
    assert (kept.name, kept.release, kept.n_objects) == ("gaia", "DR3", 2)
    np.testing.assert_allclose(kept.max_pm, np.hypot(GAIA["pmra"][0], GAIA["pmdec"][0]), rtol=1e-6)
    assert kept.first_epoch_mjd_tai == kept.last_epoch_mjd_tai == 57388.5


def test_units_of_columns_are_heeded(db: apdb.Apdb, plain_connection: Plain) -> None:
    table = Table(GAIA)
    table["ra"].unit, table["ra_error"].unit, table["pmra"].unit = u.deg, u.mas, u.mas / u.yr
    table["ra"] = np.radians(np.asarray(table["ra"])) * u.rad
    table["dec_error"] = np.array(GAIA["dec_error"]) * 1000.0 * u.uas
    db.load_reference("gaia", table, preset="gaia", columns={"dec_err": "dec_error"})
    rows = stored(plain_connection)
    for row in rows:
        k = GAIA["source_id"].tolist().index(row["reference_object_id"])
        np.testing.assert_allclose(row["ra"], GAIA["ra"][k], rtol=1e-14)
        np.testing.assert_allclose(row["dec_err"], GAIA["dec_error"][k] / 3.6e6, rtol=1e-6)


def test_parts_of_several_files(
    db: apdb.Apdb, plain_connection: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "ROWS", 7)
    files = []
    for k in range(2):
        table = pa.table({"ra": np.arange(10.0) + k, "dec": np.arange(10.0), "kind": ["x"] * 10,
                          "u_mag": pa.array([None, *range(9)], pa.float32())})  # fmt: skip
        files.append(tmp_path / f"{k}.parquet")
        pyarrow.parquet.write_table(table, files[-1])
    seen: list[tuple[int, int | None]] = []
    kept = db.load_reference("two", files, watch=lambda n, total: seen.append((n, total)))
    assert seen == [(7, 20), (10, 20), (17, 20), (20, 20)]
    assert (kept.n_objects, kept.n_stars, kept.n_galaxies) == (20, 0, 0)
    rows = stored(plain_connection)
    assert [row["reference_object_id"] for row in rows] == list(range(1, 21))
    assert [row["ra"] for row in rows] == [*np.arange(10.0), *(np.arange(10.0) + 1)]
    assert [row["u_mag"] for row in rows] == [None, *range(9)] * 2


def test_axes_become_moments(db: apdb.Apdb, plain_connection: Plain) -> None:
    """An ellipse drawn as points: moments of the uniform ring scaled to the axes."""
    angle = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    major, minor, position = 2.0, 0.5, np.radians(30.0)
    along, across = np.sqrt(2) * major * np.cos(angle), np.sqrt(2) * minor * np.sin(angle)
    east = along * np.sin(position) + across * np.cos(position)
    north = along * np.cos(position) - across * np.sin(position)
    db.load_reference(
        "galaxies",
        {"ra": [1.0], "dec": [2.0], "a": [major] * u.arcsec, "b": [minor / 60] * u.arcmin, "pa": [30.0]},
        columns={"semi_major": "a", "semi_minor": "b", "position_angle": "pa"}, kind="galaxy",
    )  # fmt: skip
    (row,) = stored(plain_connection)
    expected = [np.mean(east**2), np.mean(north**2), np.mean(east * north)]
    np.testing.assert_allclose([row["ixx"], row["iyy"], row["ixy"]], expected, rtol=1e-6)
    assert row["extendedness"] == 1.0


def test_names_and_replacement(db: apdb.Apdb, plain_connection: Plain) -> None:
    one, two = ({"ra": [1.0], "dec": [k], "epoch_mjd_tai": [57000.0]} for k in (1.0, 2.0))
    for name in ("objects", "Gaia", "a b", "", "x" * 64):
        with pytest.raises(InvalidInput, match="a catalogue cannot be called"):
            db.load_reference(name, one)
    db.load_reference("a", one)
    with pytest.raises(InvalidInput, match="there is a catalogue 'a' already"):
        db.load_reference("a", two)
    db.load_reference("b", two)
    assert db.load_reference("a", two, replace=True).n_objects == 1
    assert [each.name for each in db.references()] == ["a", "b"]
    assert [row["dec"] for row in stored(plain_connection)] == [2.0, 2.0]


def test_the_step_gets_its_number_when_the_rows_are_in(
    db: apdb.Apdb, plain_connection: Plain
) -> None:
    """While a number is taken, nobody gets alerts of what others store after it."""
    one = {"ra": [1.0], "dec": [1.0], "epoch_mjd_tai": [57000.0]}
    db.load_reference("a", one)
    plain_connection.execute("""
        create table public.held (what text, n bigint);
        create function public.note() returns trigger language plpgsql security definer as $$
        begin
            insert into public.held select tg_op, count(*) from pg_locks as l
            where l.pid = pg_backend_pid() and l.locktype = 'advisory' and l.objsubid = 1
                and l.classid::bigint >> 16 = 17005;
            return null;
        end $$;
        create trigger note after insert or delete on apdb_base.reference_object
        for each statement execute function public.note();
        create trigger note after insert on apdb_base.reference_catalogue
        for each statement execute function public.note();
    """)
    plain_connection.commit()

    def held() -> list[tuple[str, bool]]:
        rows = plain_connection.execute("select what, n > 0 from public.held").fetchall()
        plain_connection.execute("truncate public.held")
        plain_connection.commit()
        return rows

    db.load_reference("a", one, replace=True)
    # Rows in, those of the old one out, then the line in the register, which has the number.
    assert held() == [("INSERT", False), ("DELETE", False), ("INSERT", True)]
    db.drop_reference("a")
    assert held() == [("DELETE", False)]
    steps = plain_connection.execute(
        "select store_seq, reason from apdb_base.store_event order by store_seq"
    ).fetchall()
    assert [reason for _, reason in steps] == ["load of a", "drop of a", "load of a", "drop of a"]
    register = plain_connection.execute(
        "select store_seq, dropped_store_seq from apdb_base.reference_catalogue order by catalogue_id"
    ).fetchall()
    numbers = [number for number, _ in steps]
    assert register == [(numbers[0], numbers[1]), (numbers[2], numbers[3])]
    newest = "select value::bigint from apdb_base.metadata where name = 'state.reference_store_seq'"
    assert plain_connection.execute(newest).fetchone() == (numbers[3],)


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "nan": ({"ra": [1.0, np.nan]}, {}, "row 1, column ra"),
    "ra": ({"ra": [1.0, 361.0]}, {}, r"row 1, column ra = 361.0: must be a finite number of degrees"),
    "dec": ({"dec": [1.0, -91.0]}, {}, r"row 1, column dec = -91.0: must be in \[-90, 90\]"),
    "err": ({"ra_err": [1e-5, -1e-5]}, {}, "row 1, column ra_err"),
    "twice": ({"reference_object_id": [7, 7]}, {}, "reference_object_id 7 occurs more than once"),
    "epoch": ({"epoch_mjd_tai": [57000.0, 2016.0]}, {}, "row 1, column epoch_mjd_tai = 2016.0"),
    "class": ({"extendedness": [0.0, 2.0]}, {}, "row 1, column extendedness = 2.0: must be from 0 to 1"),
    "inf": ({"pm_ra": [0.0, np.inf]}, {}, "row 1, column pm_ra"),
    "cov": ({"ra_err": [1e-5] * 2, "dec_err": [1e-5] * 2, "ra_dec_cov": [0.0, 1e-9]}, {}, "no covariance"),
    "corr": ({"ra_dec_corr": [0.0, 0.1]}, {}, "there is no column ra_err"),
    "axes": ({"semi_major": [1.0, 1.0]}, {}, "there is no column semi_minor"),
    "unit": ({"ra_err": [1.0, 1.0] * u.Jy}, {}, "is in Jy, but must be in deg"),
    "column": ({}, {"columns": {"pm_ra": "pmra"}}, "no column pmra to make pm_ra of"),
    "name": ({}, {"columns": {"pmra": "ra"}}, "has no column pmra; did you mean pm_ra"),
    "no unit": ({}, {"columns": {"ra_err": "ra:mass"}}, "mass is no unit"),
    "preset": ({}, {"preset": "hipparcos"}, "preset hipparcos: there are gaia"),
    "when": ({}, {"epoch": "2016"}, "epoch 2016: give a Julian year such as J2016.0, or an MJD"),
    "kind": ({}, {"kind": "quasar"}, "kind quasar: give star or galaxy"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_wrong_input_loads_nothing(db: apdb.Apdb, plain_connection: Plain, what: str) -> None:
    columns, options, message = BAD[what]
    with pytest.raises(InvalidInput, match=message):
        db.load_reference("bad", {"ra": [1.0, 2.0], "dec": [1.0, 2.0], **columns}, **options)
    assert stored(plain_connection) == []
    assert db.references() == []


def test_wrong_files(db: apdb.Apdb, tmp_path: Path, dsn: str) -> None:
    broken = tmp_path / "broken.parquet"
    pyarrow.parquet.write_table(pa.table({"ra": [1.0], "dec": [2.0]}), broken)
    broken.write_bytes(broken.read_bytes()[:-20])
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "text.csv").write_text("ra,dec\n1,2\nx,3\n")
    (tmp_path / "none.csv").write_text("ra,dec\n")
    (tmp_path / "other.csv").write_text("l,b\n1,2\n")
    far = pa.table({"ra": [1.0] * 150_000 + [400.0], "dec": [0.0] * 150_001})
    pyarrow.parquet.write_table(far, tmp_path / "far.parquet")
    for name, message in {
        "broken.parquet": "is it whole",
        "missing.parquet": "cannot be read: No such file",
        "empty.csv": "is it whole",
        "text.csv": "ra",
        "none.csv": "there are no rows",
        "other.csv": "the file has no column ra and none dec; it has l, b: say which it is, --column ra=COLUMN",
        "far.parquet": "row 150000, column ra = 400.0",
    }.items():
        with pytest.raises(InvalidInput) as error:
            run(dsn, "reference", "load", str(tmp_path / name), "--name", "bad")
        assert message in str(error.value)
        assert name in str(error.value) or name == "none.csv"
    assert db.references() == []


def test_epochs() -> None:
    assert parse_epoch("J2000.0") == 51544.5
    assert parse_epoch(57388.5) == 57388.5 == julian_year(2016.0)


def test_command_line(db: apdb.Apdb, tmp_path: Path, dsn: str) -> None:
    path = tmp_path / "stars.csv"
    Table({"RA": [1.0, 2.0], "DE": [3.0, 4.0], "e": [10.0, 20.0]}).write(path)
    assert "no reference catalogue is loaded" in run(dsn, "reference", "list")
    assert "ra_err: One-sigma error of ra" in run(dsn, "reference", "load", "--columns")
    load_it = [
        "reference",
        "load",
        str(path),
        "--name",
        "mine",
        "-c",
        "ra=RA",
        "-c",
        "dec=DE",
        "-c",
        "ra_err=e:mas",
    ]
    text = run(dsn, *load_it)
    assert "2 of them have no extendedness and are never neighbours" in text
    again = json.loads(
        run(dsn, "--json", *load_it, "--replace", "--kind", "star", "--no-neighbours")
    )
    assert (again["n_stars"], again["for_neighbours"]) == (2, False)
    (row,) = json.loads(run(dsn, "--json", "reference", "list"))
    assert row == again
    assert "mine" in run(dsn, "reference", "list")
    assert "neighbours of 0 objects" in run(dsn, "reference", "refresh")
    assert "mine: 2 objects removed" in run(dsn, "reference", "drop", "mine")
    with pytest.raises(apdb.NotFound):
        run(dsn, "reference", "drop", "mine")
    with pytest.raises(InvalidInput, match="give files, and --name"):
        run(dsn, "reference", "load", str(path))
    with pytest.raises(InvalidInput, match="give NAME=COLUMN"):
        run(dsn, "reference", "load", str(path), "--name", "x", "-c", "ra")
