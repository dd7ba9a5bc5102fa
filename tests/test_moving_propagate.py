"""Propagation, observers and apparent positions against JPL Horizons, jplephem and astropy."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import erfa
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import EarthLocation
from astropy.time import Time
from astropy.utils import iers
from jplephem.spk import SPK

from pipeline.moving.ephemeris import apparent
from pipeline.moving.errors import MissingKernel, MovingError, UnknownSite
from pipeline.moving.kernel import AU_KM, kernel_path, planets
from pipeline.moving.observers import observer_state
from pipeline.moving.propagate import propagate
from pipeline.moving.times import tai_from_tdb, tdb_from_tai


@pytest.fixture(scope="module")
def horizons(test_data: Path) -> list[tuple[str, np.ndarray, float, dict[str, dict]]]:
    """Name, state, epoch and the columns of the ephemeris by site of the 17 objects."""
    folder = test_data / "solar-system" / "horizons"
    with (folder / "ephemeris.csv").open() as file:
        lines = list(csv.DictReader(file))
    objects = []
    with (folder / "elements_ssb_eq.csv").open() as file:
        for row in csv.DictReader(file):
            state = np.array([float(row[c]) for c in ("x", "y", "z", "vx", "vy", "vz")])
            # One of them is numbered in one file and not in the other.
            mine = [r for r in lines if r["targetname"][-10:] == row["targetname"][-10:]]
            sites = {}
            for site in ("X05", "W84"):
                here = [r for r in mine if r["observatory_code"] == site]
                names = ("mjd_utc", "RA", "DEC", "RA_rate", "DEC_rate", "r", "delta", "alpha")
                columns = {c: np.array([float(r[c]) for r in here]) for c in names}
                leap = erfa.dat(*erfa.jd2cal(2400000.5, columns["mjd_utc"]))
                columns["mjd_tai"] = columns["mjd_utc"] + leap / 86400.0
                sites[site] = columns
            objects.append((row["targetname"], state, float(row["mjd_tdb"]), sites))
    return objects


def test_positions_and_rates_are_those_of_horizons(horizons: list) -> None:
    assert len(horizons) == 17
    for name, state, epoch, sites in horizons:
        for site, truth in sites.items():
            assert len(truth["RA"]) == 45
            seen = apparent(state[None], epoch, site, truth["mjd_tai"])
            east = (seen.ra[0] - truth["RA"] + 180.0) % 360.0 - 180.0
            east *= np.cos(np.radians(truth["DEC"]))
            offset = np.hypot(east, seen.dec[0] - truth["DEC"]) * 3.6e6
            assert offset.max() < (150.0 if "Cruithne" in name else 20.0), (name, site)
            # Horizons gives the rates along the axes of date: only their size is ours.
            speed = np.hypot(seen.ra_rate[0], seen.dec_rate[0]) * 3600 / 24
            assert speed == pytest.approx(np.hypot(truth["RA_rate"], truth["DEC_rate"]), rel=1e-3)
            assert seen.delta[0] == pytest.approx(truth["delta"], abs=1e-6)
            assert seen.r[0] == pytest.approx(truth["r"], abs=2e-6)
            assert seen.phase[0] == pytest.approx(truth["alpha"], abs=0.01)


def test_rates_are_the_derivatives_of_the_positions(horizons: list) -> None:
    _, state, epoch, sites = horizons[0]
    times = sites["X05"]["mjd_tai"][:5]
    step = 1e-3
    before, now, after = (apparent(state[None], epoch, "X05", times + d) for d in (-step, 0, step))
    east = (after.ra - before.ra) * np.cos(np.radians(now.dec)) / (2 * step)
    assert now.ra_rate == pytest.approx(east, rel=1e-5)
    assert now.dec_rate == pytest.approx((after.dec - before.dec) / (2 * step), rel=1e-5)


def test_times_come_back_in_their_order_for_each_object(horizons: list) -> None:
    states = np.stack([horizons[i][1] for i in (0, 8)])
    epochs = np.array([horizons[i][2] for i in (0, 8)])
    times = epochs[:, None] + np.array([30.0, -20.0, 0.0, np.nan, 1.0, -21.0])
    found = propagate(states, epochs, times)
    assert np.isnan(found[:, 3]).all()
    assert (found[:, 2] == states).all()
    for column in (0, 1, 4, 5):
        for i in range(2):
            alone = propagate(states[i : i + 1], epochs[i], times[i, column : column + 1])[0, 0]
            assert found[i, column] == pytest.approx(alone, abs=1e-11)
            back = propagate(alone[None], times[i, column], epochs[i : i + 1])[0, 0]
            assert back == pytest.approx(states[i], abs=1e-10)


def test_planets_are_those_of_the_kernel() -> None:
    times = np.random.default_rng(3).uniform(58000, 61000, 200)
    chains = {"sun": [(0, 10)], "moon": [(0, 3), (3, 301)], "jupiter": [(0, 5)]}
    with closing(SPK.open(str(kernel_path()))) as spk:
        found = {
            body: [spk[pair].compute_and_differentiate(2400000.5, times) for pair in chain]
            for body, chain in chains.items()
        }
    for body, parts in found.items():
        place = sum(p for p, _ in parts).T / AU_KM
        speed = sum(v for _, v in parts).T / AU_KM
        ours = planets().body_state(body, times)
        assert np.abs(ours[:, :3] - place).max() < 1e-12
        assert np.abs(ours[:, 3:] - speed).max() < 1e-11


def test_sites_are_where_astropy_puts_them() -> None:
    times = np.array([55000.25, 58849.7, 60676.1, 60900.9])
    place = EarthLocation.from_geodetic(-70.74942, -30.24464, 2663.0)
    with iers.conf.set_temp("auto_download", False):
        position, velocity = place.get_gcrs_posvel(Time(times, format="mjd", scale="tai"))
    earth = planets().body_state("earth", tdb_from_tai(times))
    ours = (observer_state((-70.74942, -30.24464, 2663.0), times) - earth) * AU_KM
    assert np.abs(ours[:, :3] - position.xyz.to_value(u.km).T).max() < 0.03
    assert np.abs(ours[:, 3:] - velocity.xyz.to_value(u.km / u.day).T).max() < 1.0
    code = (observer_state("X05", times) - earth) * AU_KM
    assert np.abs(code - ours)[:, :3].max() < 0.5
    assert observer_state("500", times) == pytest.approx(earth)


def test_tdb_is_that_of_astropy() -> None:
    tai = np.linspace(45000.0, 62000.0, 50)
    expected = Time(tai, format="mjd", scale="tai").tdb
    difference = (Time(tdb_from_tai(tai), format="mjd", scale="tdb") - expected).to_value("s")
    assert np.abs(difference).max() < 2e-5
    assert tai_from_tdb(tdb_from_tai(tai)) == pytest.approx(tai, abs=1e-11)


def test_what_cannot_be_propagated_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = np.array([[2.5, 0.0, 0.0, 0.0, 0.0108, 0.0], [2.5, 0.0, 0.0, 0.0, np.nan, 0.0]])
    found = propagate(state, 60000.0, [60100.0])
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()
    with pytest.raises(MissingKernel, match=r"MJD, not JD"):
        propagate(state, 2460000.5, [60100.0])
    with pytest.raises(MovingError, match=r"\(n, 6\) is wanted"):
        propagate(state[:, :3], 60000.0, [60100.0])
    with pytest.raises(UnknownSite, match="not in the list"):
        observer_state("???", 60000.0)
    with pytest.raises(UnknownSite, match="Hubble"):
        observer_state("250", 60000.0)
    monkeypatch.setenv("APDB_DE440", str(tmp_path / "none.bsp"))
    with pytest.raises(MissingKernel, match="APDB_DE440"):
        propagate(state, 60000.0, [60100.0])
