"""Nights of ephemerides: what SQL predicts is what integration says, for slow and fast objects."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

import apdb
from apdb.errors import InvalidInput
from apdb.solar_system.bad_lines import BadLines
from apdb.solar_system.readers import read_orbits
from pipeline.moving.ephemeris import apparent
from pipeline.moving.kernel import AU_KM, planets

#: Before midnight at the site, when it has been a new day in UTC for hours.
NIGHT = dt.date(2019, 7, 20)
TIMES = (58685.05, 58685.21, 58685.42)
KMS = AU_KM / 86400.0


@pytest.fixture
def built(db: apdb.Apdb, test_data: Path, tmp_path: Path) -> tuple[apdb.Apdb, Any]:
    """A night of 1,500 near-Earth orbits, and what was read of them."""
    lines = (
        (test_data / "solar-system" / "orbits" / "NEA_mpcorb_2019.txt").read_bytes().splitlines()
    )
    file = tmp_path / "nea.txt"
    file.write_bytes(b"\n".join(lines[::13]) + b"\n")
    db.set_setting("site_longitude", -70.75)
    db.load_orbits(file)
    made = db.build_ephemerides(NIGHT, workers=1)
    orbits = next(read_orbits(file, BadLines()))
    assert (made.night, made.site, made.n_failed) == (NIGHT, "X05", 0)
    assert made.n_slow + made.n_fast == len(orbits) == 1544
    assert made.n_fast > 100
    return db, orbits


def separation(ra: Any, dec: Any, ra0: Any, dec0: Any) -> Any:
    """Angle [arcsec]."""
    d, d0, dra = (np.radians(x) for x in (dec, dec0, np.asarray(ra) - ra0))
    h = np.sin((d - d0) / 2) ** 2 + np.cos(d) * np.cos(d0) * np.sin(dra / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(h))) * 3600.0


def test_predictions_are_those_of_integration(built: tuple[apdb.Apdb, Any]) -> None:
    db, orbits = built
    states, _ = orbits.states()
    expected = apparent(states, orbits.epoch, "X05", TIMES)
    index = {identifier: i for i, identifier in enumerate(orbits.ss_object_id.tolist())}
    for k, mjd in enumerate(TIMES):
        with (
            db.reading() as connection,
            connection.cursor(row_factory=psycopg.rows.dict_row) as cursor,
        ):
            rows = cursor.execute("select * from apdb.predict(0, 0, 180, %s)", (mjd,)).fetchall()
        assert len(rows) == len(index)
        found = {
            name: np.array([row[name] for row in rows], float)
            for name in rows[0]
            if name != "designation"
        }
        at = [index[row["ss_object_id"]] for row in rows]
        truth = {name: values[at, k] for name, values in vars(expected).items()}
        offset = separation(found["ra"], found["dec"], truth["ra"], truth["dec"])
        assert np.median(offset) < 1e-3
        assert offset.max() < 0.02
        speed = np.hypot(truth["ra_rate"], truth["dec_rate"])
        wrong = np.hypot(found["ra_rate"] - truth["ra_rate"], found["dec_rate"] - truth["dec_rate"])
        assert (wrong < 1e-3 * speed + 1e-4).all()
        assert found["topo_range"] == pytest.approx(truth["delta"], abs=1e-6)
        assert found["helio_range"] == pytest.approx(truth["r"], abs=1e-6)
        assert found["phase_angle"] == pytest.approx(truth["phase"], abs=1e-3)
        for frame, name in (("helio", "heliocentric"), ("topo", "topocentric")):
            for i, axis in enumerate("xyz"):
                assert found[f"{frame}_{axis}"] == pytest.approx(truth[name][:, i], abs=1e-6)
                ours, theirs = found[f"{frame}_v{axis}"], truth[name][:, 3 + i] * KMS
                assert ours == pytest.approx(theirs, abs=0.01)
        unit = truth["topocentric"][:, :3] / truth["delta"][:, None]
        recession = np.sum(unit * truth["topocentric"][:, 3:], axis=1) * KMS
        assert found["topo_range_rate"] == pytest.approx(recession, abs=0.01)
        sun = (planets().body_state("sun", mjd) - planets().body_state("earth", mjd))[:3]
        elongation = np.degrees(np.arccos(unit @ sun / np.linalg.norm(sun)))
        assert found["elongation"] == pytest.approx(elongation, abs=0.02)


def test_a_disc_has_what_is_in_it(built: tuple[apdb.Apdb, Any]) -> None:
    db, _ = built
    with db.reading() as connection:
        everything = connection.execute(
            "select ss_object_id, ra, dec from apdb.predict(0, 0, 180, %s)", (TIMES[0],)
        ).fetchall()
        ids, ra, dec = (np.array(column) for column in zip(*everything, strict=True))
        for ra0, dec0, radius in (
            (0.0, 0.0, 20.0),
            (359.9, -40.0, 15.0),
            (120.0, 89.0, 30.0),
            (200.0, 10.0, 4.0),
        ):
            rows = connection.execute(
                "select ss_object_id from apdb.predict(%s, %s, %s, %s)",
                (ra0, dec0, radius, TIMES[0]),
            ).fetchall()
            inside = separation(ra, dec, ra0, dec0) <= radius * 3600.0
            assert {row[0] for row in rows} == set(ids[inside].tolist())
            assert len(rows) == inside.sum() > 0
    for bad in (
        (0.0, 0.0, float("nan")),
        (0.0, 0.0, -1.0),
        (0.0, 91.0, 1.0),
        (float("nan"), 0.0, 1.0),
    ):
        with pytest.raises(InvalidInput, match="no disc"), db.reading() as connection:
            connection.execute("select * from apdb.predict(%s, %s, %s, %s)", (*bad, TIMES[0]))


def test_a_night_is_replaced_and_old_ones_go(
    built: tuple[apdb.Apdb, Any], plain_connection: Any
) -> None:
    db, _ = built
    db.set_setting("ephemeris_keep_nights", 2)
    first = db.ephemeris_nights()[0]
    again = db.build_ephemerides(NIGHT)
    assert again.store_seq > first.store_seq
    assert (again.n_slow, again.n_fast) == (first.n_slow, first.n_fast)
    for days in (1, 2):
        db.build_ephemerides(NIGHT + dt.timedelta(days), workers=1)
    assert [each.night for each in db.ephemeris_nights()] == [
        NIGHT + dt.timedelta(n) for n in (1, 2)
    ]
    counts = plain_connection.execute(
        "select count(*) from apdb.ephemeris_slow group by night_mjd"
    ).fetchall()
    assert len(counts) == 2
    plain_connection.execute("set role apdb_reader")
    seen = plain_connection.execute(
        "select count(*) from apdb.predict(0, 0, 180, %s)", (TIMES[1] + 1.0,)
    ).fetchone()
    assert seen == (1544,)
    with db.reading() as connection:
        assert (
            connection.execute("select * from apdb.predict(0, 0, 180, %s)", (TIMES[1],)).fetchall()
            == []
        )


def test_errors_on_the_sky_are_those_of_the_covariance(
    db: apdb.Apdb, asteroid_alerts: list[dict[str, Any]]
) -> None:
    db.set_setting("site_longitude", -70.75)
    db.load_orbits([alert["mpc_orbits"] for alert in asteroid_alerts])
    night = dt.date(2026, 3, 8)
    db.build_ephemerides(night, workers=1)
    with db.reading() as connection:
        middle = connection.execute("select middle_mjd_tai from apdb.ephemeris_night").fetchone()[0]
        rows = connection.execute(
            "select designation, ra_err, dec_err, ra_dec_cov from apdb.predict(0, 0, 180, %s)",
            (middle,),
        ).fetchall()
        orbits = connection.execute(
            "select designation, array[x, y, z, vx, vy, vz], epoch_mjd_tdb, covariance from apdb.orbit"
        ).fetchall()
    from apdb.solar_system.load import unpacked_covariances

    errors = {row[0]: row[1:] for row in rows}
    assert len(errors) == 21
    rng = np.random.default_rng(8)
    for designation, state, epoch, packed in orbits[:4]:
        # By chance instead of by derivatives.
        draws = rng.multivariate_normal(
            state, unpacked_covariances([packed])[0], 3000, method="cholesky"
        )
        seen = apparent(draws, epoch, "X05", [middle])
        east = (seen.ra[:, 0] - seen.ra[0, 0]) * np.cos(np.radians(seen.dec[0, 0]))
        expected = np.cov(east, seen.dec[:, 0])
        ra_err, dec_err, cov = errors[designation]
        assert ra_err == pytest.approx(np.sqrt(expected[0, 0]), rel=0.06)
        assert dec_err == pytest.approx(np.sqrt(expected[1, 1]), rel=0.06)
        assert cov == pytest.approx(expected[0, 1], abs=0.08 * ra_err * dec_err)


def test_a_night_without_orbits_is_refused(db: apdb.Apdb, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="there are no orbits"):
        db.build_ephemerides(NIGHT, workers=1)
    db.set_setting("site_code", "???")
    with pytest.raises(InvalidInput, match="not in the list"):
        db.build_ephemerides(NIGHT, workers=1)
    monkeypatch.setenv("APDB_DE440", "/nowhere/de440.bsp")
    with pytest.raises(InvalidInput, match="APDB_DE440"):
        db.build_ephemerides(NIGHT, workers=1)
    assert db.ephemeris_nights() == []
