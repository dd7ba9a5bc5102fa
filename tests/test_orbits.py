"""Orbits in: real files of every kind, elements against JPL, bad lines told, the rest loaded."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

import apdb
from apdb.errors import InvalidInput
from apdb.solar_system.bad_lines import BadLines
from apdb.solar_system.designations import pack, ss_object_id
from apdb.solar_system.load import unpacked_covariances
from apdb.solar_system.readers import read_orbits
from pipeline.moving.elements import (
    Elements,
    barycentric,
    elements_of,
    equatorial,
    heliocentric,
    two_body,
)

#: A real line of MPCORB.
EROS = (
    "00433   11.16  0.46 K1972  84.17190  178.83549  304.30424   10.82858  0.2227385  0.55973997"
    "   1.4581823  0 MPO467611  8406  52 1893-2019 0.69 M-v 38h MPCLINUX   1804    (433) Eros"
    "               20190509"
)


def test_elements_are_those_of_horizons(test_data: Path) -> None:
    folder = test_data / "solar-system" / "horizons"
    with (folder / "elements_sun_ec.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = {n: np.array([float(r[n]) for r in rows]) for n in rows[0] if n != "targetname"}
    states = np.stack([columns[n] for n in ("x", "y", "z", "vx", "vy", "vz")], axis=1)
    found = elements_of(states, columns["mjd_tdb"])
    names = {
        "q": "q",
        "e": "e",
        "i": "incl",
        "node": "Omega",
        "argperi": "w",
        "peri_time": "tp_mjd",
    }
    for ours, theirs in names.items():
        assert getattr(found, ours) == pytest.approx(columns[theirs], rel=1e-11), ours
    assert found.mean_anomaly(columns["mjd_tdb"]) == pytest.approx(columns["M"], rel=1e-9)
    assert heliocentric(found, columns["mjd_tdb"]) == pytest.approx(states, abs=1e-12)
    with (folder / "elements_ssb_eq.csv").open() as file:
        expected = [
            [float(r[n]) for n in ("x", "y", "z", "vx", "vy", "vz")] for r in csv.DictReader(file)
        ]
    assert barycentric(states, columns["mjd_tdb"]) == pytest.approx(np.array(expected), abs=1e-13)


def test_orbits_of_every_kind_come_back() -> None:
    rng = np.random.default_rng(5)
    n = 3000
    e = np.concatenate(
        [rng.uniform(0, 1, n), 1 + rng.normal(0, 1e-6, n), 1 + 10 ** rng.uniform(-3, 1, n)]
    )
    angles = (rng.uniform(low, high, 3 * n) for low, high in ((0, 180), (0, 360), (0, 360)))
    given = Elements(10 ** rng.uniform(-2, 1.5, 3 * n), e, *angles, rng.uniform(-300, 300, 3 * n))
    states = heliocentric(given, 0.0)
    found = elements_of(states, 0.0)
    assert found.q == pytest.approx(given.q, rel=1e-8)
    assert found.e == pytest.approx(given.e, abs=1e-9)
    assert heliocentric(found, 0.0) == pytest.approx(states, rel=1e-7, abs=1e-9)
    dt = rng.uniform(-100, 100, 3 * n)
    there = two_body(states, dt)
    spin = np.cross(states[:, :3], states[:, 3:])
    assert np.cross(there[:, :3], there[:, 3:]) == pytest.approx(spin, rel=1e-6, abs=1e-10)
    assert two_body(there, -dt) == pytest.approx(states, rel=1e-6, abs=1e-7)


def test_real_files_are_read_whole(test_data: Path) -> None:
    folder = test_data / "solar-system" / "orbits"
    counts = {}
    orbits = {}
    for name in ("NEA_mpcorb_2019.txt", "kstars_jpl_sbdb_asteroids.json", "ELEMENTS.COMET.gz"):
        bad = BadLines()
        parts = list(read_orbits(folder / name, bad))
        counts[name] = (sum(map(len, parts)), bad.total)
        orbits[name] = parts[0]
    assert counts["NEA_mpcorb_2019.txt"] == (20060, 0)
    # One circular orbit without an anomaly.
    assert counts["kstars_jpl_sbdb_asteroids.json"] == (7098, 1)
    read, refused = counts["ELEMENTS.COMET.gz"]
    assert read + refused == 3771
    assert refused < 75  # of antiquity, before the planetary kernel
    eros = orbits["NEA_mpcorb_2019.txt"]
    assert eros.packed[0] == "00433"
    assert eros.elements.a[0] == 1.4581823
    assert eros.elements.mean_anomaly(eros.epoch)[0] == pytest.approx(84.1719)
    assert eros.epoch[0] == 58666.0
    ceres = orbits["kstars_jpl_sbdb_asteroids.json"]
    assert ceres.packed[0] == pack("A801 AA")
    assert ceres.elements.mean_anomaly(ceres.epoch)[0] == pytest.approx(334.3271698971151)
    halley = orbits["ELEMENTS.COMET.gz"]
    assert halley.designation[0] == "1P"
    # 1986 February 5.89532
    assert halley.elements.peri_time[0] == pytest.approx(46466.89532, abs=1e-9)


def test_rows_of_real_alerts_are_loaded(
    db: apdb.Apdb, asteroid_alerts: list, plain_connection: Any
) -> None:
    rows = [alert["mpc_orbits"] for alert in asteroid_alerts]
    loaded = db.load_orbits(rows, name="alerts")
    assert (loaded.n_orbits, loaded.n_new, loaded.n_changed, loaded.bad) == (21, 21, 0, [])
    again = db.load_orbits(rows, name="the same")
    assert (again.n_orbits, again.n_new, again.n_changed) == (21, 0, 0)
    with plain_connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        stored = cursor.execute("select * from apdb.orbit").fetchall()
        public = {
            row["designation"]: row for row in cursor.execute("select * from apdb.mpc_orbits")
        }
    by_id = {row["ss_object_id"]: row for row in stored}
    assert by_id.keys() == {alert["diaSource"]["ssObjectId"] for alert in asteroid_alerts}
    for alert in asteroid_alerts:
        given = alert["mpc_orbits"]
        row = by_id[alert["diaSource"]["ssObjectId"]]
        document = json.loads(given["mpc_orb_jsonb"])
        values = np.array([document["CAR"]["coefficient_values"]])
        expected = barycentric(values, row["epoch_mjd_tdb"])[0]
        assert [row[n] for n in ("x", "y", "z", "vx", "vy", "vz")] == pytest.approx(
            expected, abs=1e-12
        )
        covariance = unpacked_covariances([row["covariance"]])[0]
        sigmas = np.array(document["CAR"]["coefficient_uncertainties"])
        # Turning the axes keeps the trace.
        assert np.trace(covariance[:3, :3]) == pytest.approx(np.sum(sigmas[:3] ** 2), rel=1e-4)
        there = public[given["designation"]]
        for name in (
            "q",
            "e",
            "i",
            "node",
            "argperi",
            "peri_time",
            "a",
            "h",
            "g",
            "period",
            "a_unc",
        ):
            assert there[name] == pytest.approx(given[name], rel=1e-7), name
        assert json.loads(there["mpc_orb_jsonb"]) == document


def test_bad_lines_are_told_and_the_rest_loaded(db: apdb.Apdb, tmp_path: Path) -> None:
    def line(old: str, new: str, number: str) -> str:
        assert old in EROS
        return EROS.replace(old, new).replace("00433", number).replace("(433) Eros", " " * 10)

    file = tmp_path / "orbits.txt"
    lines = [
        EROS,
        line("0.2227385", "0.22x7385", "00434"),
        EROS,
        line("K1972", "K19Z2", "00435"),
        line("1.4581823", "-1.458182", "00436"),
        line("10.82858", "190.8286", "00437"),
        "too short",
        line("1.4581823", "1.4581824", "0!438"),
        line("1.4581823", "1.4581824", "~0000"),
    ]
    file.write_text("\n".join(lines) + "\n")
    loaded = db.load_orbits(file)
    assert (loaded.n_orbits, loaded.n_new, loaded.n_bad) == (2, 2, 7)
    said = {bad.line: bad.reason for bad in loaded.bad}
    assert "e is missing or no number" in said[2]
    assert "has an orbit on line 1 already" in said[3]
    assert "epoch is missing" in said[4]
    assert "not positive" in said[5]
    assert "inclination" in said[6]
    assert "9 characters long" in said[7]
    assert "packed designation" in said[8]
    with db.reading() as connection:
        ids = {row[0] for row in connection.execute("select ss_object_id from apdb.orbit")}
    assert ids == {ss_object_id("00433"), ss_object_id("~0000")}


def test_an_object_has_one_orbit_by_whatever_name(db: apdb.Apdb, tmp_path: Path) -> None:
    document = {
        "fields": ["full_name", "epoch_mjd", "e", "a", "q", "i", "om", "w", "ma", "H", "G", "moid"],
        "data": [["   433 Eros (A898 PA)", "58666", ".2227", "1.458", "1.1333", "10.8", "304.3", "178.8", "84.1", "10.4", "0.46", "0.149"]],
    }  # fmt: skip
    sbdb, mpcorb = tmp_path / "eros.json", tmp_path / "eros.txt"
    sbdb.write_text(json.dumps(document))
    mpcorb.write_text(EROS + "\n")

    def stored() -> list[tuple[Any, ...]]:
        with db.reading() as connection:
            rows = connection.execute(
                "select ss_object_id, designation, source from apdb.orbit"
            ).fetchall()
            public = connection.execute("select designation from apdb.mpc_orbits").fetchall()
        assert [row[1] for row in rows] == [row[0] for row in public]
        return rows

    db.load_orbits(mpcorb)
    assert stored() == [(ss_object_id("00433"), "433", "eros.txt")]
    # By its provisional designation it is the same; the number is remembered.
    assert db.load_orbits(sbdb).n_new == 1
    assert stored() == [(ss_object_id("I98P00A"), "A898 PA", "eros.json")]
    again = db.load_orbits(mpcorb)
    assert (again.n_new, again.n_changed) == (0, 1)
    assert stored() == [(ss_object_id("I98P00A"), "A898 PA", "eros.txt")]


def test_covariances_that_are_none_are_left_out(db: apdb.Apdb, asteroid_alerts: list) -> None:
    row = asteroid_alerts[0]["mpc_orbits"]
    document = json.loads(row["mpc_orb_jsonb"])
    zero = dict.fromkeys(document["CAR"]["covariance"], 0.0)
    document["CAR"]["covariance"] = zero
    loaded = db.load_orbits([row | {"mpc_orb_jsonb": json.dumps(document)}])
    assert loaded.n_orbits == 1
    assert "the covariance is zero; the orbit is loaded without it" in loaded.bad[0].reason
    with db.reading() as connection:
        assert connection.execute("select covariance from apdb.orbit").fetchall() == [(None,)]
    document["CAR"]["coefficient_values"][0] = float("nan")
    document["epoch_data"]["epoch"] = 2461000.5
    with pytest.raises(InvalidInput, match="no orbit that can be loaded"):
        db.load_orbits([row | {"mpc_orb_jsonb": json.dumps(document)}])


def test_what_is_no_file_of_orbits_is_refused(db: apdb.Apdb, tmp_path: Path) -> None:
    for text in ("hello\nworld\n", "", '{"a": '):
        file = tmp_path / "other.txt"
        file.write_text(text)
        with pytest.raises(InvalidInput, match=r"no file of orbits|no JSON"):
            db.load_orbits(file)


def test_axes_turn_as_the_obliquity_says() -> None:
    pole = equatorial(np.array([[0.0, 0.0, 1.0]]))[0]
    # North ecliptic pole: 18h, 66.56071 deg.
    assert np.degrees(np.arcsin(pole[2])) == pytest.approx(90 - 84381.448 / 3600)
    assert pole[0] == 0.0
    assert pole[1] < 0
