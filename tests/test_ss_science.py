"""Facts about solar-system objects: magnitudes and fits by sbpy, distances of orbits by JPL."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest
from scipy.optimize import curve_fit
from test_attribution import prepare, visits

import apdb
from apdb.solar_system.bad_lines import BadLines
from apdb.solar_system.readers import read_orbits
from pipeline.moving.elements import Elements
from pipeline.moving.orbit_facts import moid_earth, tisserand_j
from pipeline.moving.photometry import fit_hg12, hg12_magnitude, hg_magnitude


def test_distances_of_orbits_are_those_of_jpl(test_data: Path) -> None:
    file = test_data / "solar-system" / "orbits" / "kstars_jpl_sbdb_asteroids.json"
    document = json.loads(file.read_text())
    orbits = next(read_orbits(file, BadLines()))
    column = document["fields"].index("moid")
    pick = slice(None, None, 20)
    expected = np.array([float(document["data"][line - 1][column]) for line in orbits.lines[pick]])
    some = Elements(**{name: values[pick] for name, values in vars(orbits.elements).items()})
    found = moid_earth(some, orbits.epoch[pick])
    # JPL gives six digits.
    assert found.distance == pytest.approx(expected, rel=5e-6, abs=2e-5)
    assert len(expected) > 300
    assert ((found.speed > 0) & (found.speed < 75)).all()
    assert ((found.anomaly >= 0) & (found.anomaly < 360)).all()


def test_distance_of_crossing_orbits_by_brute_force() -> None:
    rng = np.random.default_rng(11)
    n = 6
    e = np.concatenate([rng.uniform(0.3, 0.9, n // 2), rng.uniform(1.01, 3.0, n // 2)])
    orbits = Elements(
        rng.uniform(0.3, 1.1, n), e, rng.uniform(0, 170, n), rng.uniform(0, 360, n),
        rng.uniform(0, 360, n), np.full(n, 60000.0),
    )  # fmt: skip
    found = moid_earth(orbits, 60000.0)
    from pipeline.moving import orbit_facts

    earth = orbit_facts._earth_orbit(np.array([60000.0]))
    towards, ahead = orbit_facts._axes(orbits)
    (etowards,), (eahead,) = orbit_facts._axes(earth)
    true = np.linspace(-np.pi, np.pi, 1201)[:, None]
    re = earth.q * (1 + earth.e) / (1 + earth.e * np.cos(true))
    circle = re * (np.cos(true) * etowards + np.sin(true) * eahead)
    for i in range(n):
        end = np.pi if e[i] < 1 else np.arccos(-1 / e[i]) * 0.98
        nu = np.linspace(-end, end, 1201)[:, None]
        r = orbits.q[i] * (1 + e[i]) / (1 + e[i] * np.cos(nu))
        path = r * (np.cos(nu) * towards[i] + np.sin(nu) * ahead[i])
        near = path[np.abs(np.linalg.norm(path, axis=1) - 1) < 0.6]
        gaps = np.linalg.norm(near[:, None] - circle[None], axis=2)
        assert found.distance[i] == pytest.approx(gaps.min(), abs=1e-2)
        assert found.distance[i] <= gaps.min() + 1e-9


def test_tisserand_parameters_are_the_known_ones() -> None:
    # 2P/Encke and 1P/Halley, by JPL: 3.025 and -0.605.
    orbits = Elements(
        np.array([0.33594951, 0.58597811]), np.array([0.84833946, 0.96714291]),
        np.array([11.78142, 162.26269]), *(np.zeros(2) for _ in range(3)),
    )  # fmt: skip
    assert tisserand_j(orbits) == pytest.approx([3.025, -0.605], abs=3e-3)


def test_magnitudes_are_those_of_sbpy_and_horizons(test_data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sbpy.photometry import HG12_Pen16
    phase = np.linspace(0.05, 120, 300)
    for g12 in (0.0, 0.3, 0.6, 0.95):
        expected = HG12_Pen16.evaluate(np.radians(phase), 15.0, g12)
        assert hg12_magnitude(15.0, g12, 1.0, 1.0, phase) == pytest.approx(expected, abs=1e-3)
    with (test_data / "solar-system" / "horizons" / "ephemeris.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["V"] and row["G"] and row["H"] and float(row["alpha"]) < 120
        ]
    h, g, r, delta, alpha, v = (
        np.array([float(row[name]) for row in rows])
        for name in ("H", "G", "r", "delta", "alpha", "V")
    )
    assert len(rows) > 1000
    assert hg_magnitude(h, g, r, delta, alpha) == pytest.approx(v, abs=2e-3)


def test_fits_find_what_was_put_in() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sbpy.photometry import HG12_Pen16
    rng = np.random.default_rng(4)
    n, m = 200, 40
    h, g12 = rng.uniform(12, 20, n), rng.uniform(0.1, 0.9, n)
    group = np.repeat(np.arange(n), m)
    phase = rng.uniform(1, 28, n * m)
    error = rng.uniform(0.01, 0.08, n * m)
    exact = np.concatenate(
        [HG12_Pen16.evaluate(np.radians(phase[group == i]), h[i], g12[i]) for i in range(n)]
    )
    given = exact + rng.normal(0, error)
    given[::40] += 1.5
    found = fit_hg12(group, n, given, error, phase)
    assert found.held.mean() < 0.02
    free = ~found.held
    pulls_h = ((found.h - h) / found.h_err)[free]
    pulls_g = ((found.g12 - g12) / found.g12_err)[free]
    for pulls in (pulls_h, pulls_g):
        assert abs(np.median(pulls)) < 0.15
        assert 0.85 < np.std(pulls) < 1.15
    # One in forty was 1.5 mag off.
    assert (found.n_used <= m - 1).all()
    assert np.median(found.n_used) >= m - 2
    assert found.phase_min.min() >= 1
    assert found.phase_max.max() <= 28


def test_fits_to_real_light_curves_are_those_of_sbpy(test_data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sbpy.photometry import HG12_Pen16
    name = "sso_ztf_lc_aggregated_202504_three_obj.parquet"
    rows = pq.read_table(test_data / "solar-system" / "ztf" / name).to_pylist()
    rows = [row for row in rows if row["Phase"] is not None]
    assert len(rows) == 2
    for row in rows:
        columns = {k: np.array(v) for k, v in row.items() if isinstance(v, list)}
        reduced = columns["cmagpsf"] - 5 * np.log10(columns["Dobs"] * columns["Dhelio"])
        group = columns["cfid"].astype(np.int64) - 1
        found = fit_hg12(group, 2, reduced, columns["csigmapsf"], columns["Phase"])
        for k in np.flatnonzero(~found.held):
            mine = group == k
            model = HG12_Pen16.evaluate(
                np.radians(columns["Phase"][mine]), found.h[k], found.g12[k]
            )
            off = np.abs(reduced[mine] - model)
            limit = np.sort(off)[found.n_used[k] - 1]
            used = off <= limit
            fitted, covariance = curve_fit(
                lambda a, h, g: HG12_Pen16.evaluate(np.radians(a), h, g),
                columns["Phase"][mine][used], reduced[mine][used], (found.h[k], 0.5),
                columns["csigmapsf"][mine][used], absolute_sigma=True,
            )  # fmt: skip
            assert [found.h[k], found.g12[k]] == pytest.approx(fitted, abs=0.01)
            scale = max(1.0, found.chi2[k] / (found.n_used[k] - 2))
            assert found.h_err[k] ** 2 == pytest.approx(covariance[0, 0] * scale, rel=0.03)
            assert found.cov[k] == pytest.approx(covariance[0, 1] * scale, rel=0.1)
            assert found.n_used[k] > 0.9 * mine.sum()
        assert (~found.held).any()


def test_errors_are_those_of_many_realisations() -> None:
    rng = np.random.default_rng(6)
    n, m = 3000, 40
    phase = np.tile(rng.uniform(1, 28, m), n)
    error = np.full(n * m, 0.04)
    given = hg12_magnitude(15.0, 0.5, 1.0, 1.0, phase) + rng.normal(0, error)
    found = fit_hg12(np.repeat(np.arange(n), m), n, given, error, phase)
    expected = np.cov(found.h, found.g12)
    assert np.median(found.h_err) == pytest.approx(np.sqrt(expected[0, 0]), rel=0.06)
    assert np.median(found.g12_err) == pytest.approx(np.sqrt(expected[1, 1]), rel=0.06)
    scale = np.sqrt(expected[0, 0] * expected[1, 1])
    assert np.median(found.cov) == pytest.approx(expected[0, 1], abs=0.06 * scale)
    assert np.median(found.chi2) == pytest.approx(m - 2, rel=0.1)


def test_slopes_that_cannot_be_fitted_are_held() -> None:
    group = np.array([0, 0, 0, 1])
    found = fit_hg12(
        group, 3, np.array([15.0, 15.1, 14.9, 16.0]), np.full(4, 0.1), np.full(4, 10.0)
    )
    assert found.held.tolist() == [True, True, True]
    assert found.n_used.tolist() == [3, 1, 0]
    base = hg12_magnitude(0.0, 0.5, 1.0, 1.0, 10.0)
    assert found.h[:2] == pytest.approx([15.0 - base, 16.0 - base], abs=1e-6)
    assert found.h_err[:2] == pytest.approx([0.1 / np.sqrt(3), 0.1], rel=1e-6)
    assert np.isnan([found.h[2], found.g12_err[0], found.cov[0]]).all()


def test_objects_of_real_alerts_are_characterized(
    db: apdb.Apdb,
    asteroid_alerts: list,
    plain_connection: Any,
) -> None:
    given = visits(asteroid_alerts)
    prepare(db, asteroid_alerts, given)
    for visit, columns in given:
        db.store_visit(visit, columns)
    assert db.characterize_ss_objects() == len(
        {a["diaSource"]["ssObjectId"] for a in asteroid_alerts}
    )
    with plain_connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute("select * from apdb.ss_object").fetchall()
        orbits = {r["designation"]: r for r in cursor.execute("select * from apdb.mpc_orbits")}
    for row in rows:
        band = next(b for b in "ugrizy" if row[f"{b}_n_obs"])
        orbit = orbits[row["designation"]]
        # One detection each, of a rotating body, in a band that is not V.
        assert row[f"{band}_h"] == pytest.approx(orbit["h"], abs=2.0)
        assert row[f"{band}_slope_fit_failed"] is True
        assert row[f"{band}_n_obs_used"] == row["n_obs"] == 1
        assert row[f"{band}_phase_angle_min"] == row[f"{band}_phase_angle_max"] > 0
        other = next(b for b in "ugrizy" if not row[f"{b}_n_obs"])
        assert row[f"{other}_h"] is None
        assert row[f"{other}_slope_fit_failed"] is None
        # The orbits of the main belt stay away from the Earth's.
        assert orbit["q"] - 1.03 < row["moid_earth"] < orbit["q"] - 0.9
        assert 3.0 < row["tisserand_j"] < 3.7
