"""Real Rubin alerts: their sources are attributed to their objects, by our own ephemerides."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

import numpy as np
import psycopg
import pytest

import apdb
from pipeline.moving.ephemeris import apparent
from pipeline.moving.kernel import AU_KM

KMS = AU_KM / 86400.0


def visits(alerts: list[dict[str, Any]]) -> list[tuple[apdb.Visit, dict[str, np.ndarray]]]:
    """Their visits, each with the sources that alerts are of, and one beside each."""
    groups = defaultdict(list)
    for alert in alerts:
        source = alert["diaSource"]
        groups[source["visit"], source["detector"]].append(source)
    found = []
    for (number, detector), sources in sorted(groups.items()):
        ra, dec = (np.array([s[name] for s in sources]) for name in ("ra", "dec"))
        first = sources[0]
        visit = apdb.Visit(
            number, detector, first["band"], first["midpointMjdTai"],
            ra=float(ra.mean()), dec=float(dec.mean()), radius=0.4,
        )  # fmt: skip
        ids = np.array([s["diaSourceId"] for s in sources])
        flux = np.array([s["psfFlux"] for s in sources])
        columns = {
            "dia_source_id": np.concatenate([ids, ids + 1]),
            # 5 arcsec to the north there is something else.
            "ra": np.concatenate([ra, ra]),
            "dec": np.concatenate([dec, dec + 5 / 3600]),
            "psf_flux": np.concatenate([flux, flux]),
            "psf_flux_err": np.concatenate([flux, flux]) / 50,
        }
        found.append((visit, columns))
    return found


def nights(given: list[tuple[apdb.Visit, Any]]) -> set[dt.date]:
    return {visit.night(-70.75) for visit, _ in given}


def prepare(db: apdb.Apdb, alerts: list[dict[str, Any]], given: list[Any]) -> None:
    db.set_setting("site_longitude", -70.75)
    db.set_setting("ephemeris_keep_nights", 20)
    db.load_orbits([alert["mpc_orbits"] for alert in alerts])
    for night in nights(given):
        db.build_ephemerides(night, workers=1)


def hold(connection: Any, alerts: list[dict[str, Any]]) -> None:
    """Every source is attributed as Rubin did, and its row says what integration says."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute(
            "select s.*, d.ra, d.dec, d.midpoint_mjd_tai, d.dia_object_id from apdb.ss_source as s "
            "inner join apdb.dia_source as d on s.dia_source_id = d.dia_source_id"
        ).fetchall()
        orbits = {
            row["ss_object_id"]: row
            for row in cursor.execute("select * from apdb.orbit").fetchall()
        }
    connection.commit()
    ours = {row["dia_source_id"]: row for row in rows}
    assert {key: row["ss_object_id"] for key, row in ours.items()} == {
        alert["diaSource"]["diaSourceId"]: alert["diaSource"]["ssObjectId"] for alert in alerts
    }
    for alert in alerts:
        row, theirs = ours[alert["diaSource"]["diaSourceId"]], alert["ssSource"]
        assert all(value is not None for name, value in row.items() if name != "dia_object_id")
        assert row["dia_object_id"] is None
        orbit = orbits[row["ss_object_id"]]
        state = np.array([[orbit[n] for n in ("x", "y", "z", "vx", "vy", "vz")]])
        mjd = row["midpoint_mjd_tai"]
        seen = apparent(state, orbit["epoch_mjd_tdb"], "X05", [mjd])
        helio, topo = seen.heliocentric[0, 0], seen.topocentric[0, 0]
        # Angles of Rubin's are good; its rates are 0 and its vectors too small by a factor.
        for name in ("eclLambda", "eclBeta", "galLon", "galLat", "phaseAngle", "elongation"):
            snake = "".join("_" + c.lower() if c.isupper() else c for c in name)
            assert row[snake] == pytest.approx(theirs[name], abs=0.02), name
        assert row["eph_ra"] == pytest.approx(theirs["ephRa"], abs=2e-3 / 3600)
        assert row["eph_dec"] == pytest.approx(theirs["ephDec"], abs=2e-3 / 3600)
        for name in ("ephOffset", "ephOffsetRa", "ephOffsetDec"):
            snake = "".join("_" + c.lower() if c.isupper() else c for c in name)
            assert row[snake] == pytest.approx(theirs[name], abs=2e-3), name
        assert row["topo_range"] == pytest.approx(seen.delta[0, 0], rel=1e-6)
        assert row["helio_range"] == pytest.approx(seen.r[0, 0], rel=1e-6)
        assert row["topo_range"] == pytest.approx(theirs["topoRange"] * AU_KM, rel=1e-3)
        for frame, vector in (("helio", helio), ("topo", topo)):
            place = [row[f"{frame}_{axis}"] for axis in "xyz"]
            speed = [row[f"{frame}_v{axis}"] for axis in "xyz"]
            assert place == pytest.approx(vector[:3], abs=2e-6)
            assert speed == pytest.approx(vector[3:] * KMS, abs=2e-3)
            assert row[f"{frame}_vtot"] == pytest.approx(np.linalg.norm(vector[3:]) * KMS, rel=1e-4)
            size = np.linalg.norm(vector[:3])
            rate = vector[:3] @ vector[3:] / size * KMS
            assert row[f"{frame}_range_rate"] == pytest.approx(rate, abs=2e-3)
        # Speeds of the Earth and the main belt: not au/d.
        assert 10 < row["helio_vtot"] < 25
        assert row["eph_rate_ra"] == pytest.approx(seen.ra_rate[0, 0], rel=1e-3)
        assert row["eph_rate_dec"] == pytest.approx(seen.dec_rate[0, 0], rel=1e-3)
        assert row["eph_rate"] == pytest.approx(
            np.hypot(seen.ra_rate, seen.dec_rate)[0, 0], rel=1e-3
        )
        along = [row["eph_offset_along_track"], row["eph_offset_cross_track"]]
        assert np.hypot(*along) == pytest.approx(row["eph_offset"], abs=1e-4)
        motion = np.array([seen.ra_rate[0, 0], seen.dec_rate[0, 0]]) / row["eph_rate"]
        offset = np.array([row["eph_offset_ra"], row["eph_offset_dec"]])
        assert along[0] == pytest.approx(offset @ motion, abs=1e-3)
        assert row["dia_distance_rank"] == 1
    offsets = [row["eph_offset"] for row in rows]
    assert np.median(offsets) <= 0.15
    assert max(offsets) < 1.0


def test_real_detections_are_attributed_when_stored(
    db: apdb.Apdb, asteroid_alerts: list, plain_connection: Any
) -> None:
    given = visits(asteroid_alerts)
    prepare(db, asteroid_alerts, given)
    for visit, columns in given:
        report = db.store_visit(visit, columns)
        half = len(columns["ra"]) // 2
        assert not report.ephemerides_missing
        assert (report.ss_object_id[:half] > 2**53).all()
        assert (report.ss_object_id[half:] == 0).all()
        assert (report.dia_object_id[half:] > 0).all()
    hold(plain_connection, asteroid_alerts)
    counted = plain_connection.execute(
        "select designation, n_obs, g_n_obs + r_n_obs + i_n_obs + z_n_obs + y_n_obs + u_n_obs from apdb.ss_object"
    ).fetchall()
    assert {row[0] for row in counted} == {
        alert["mpc_orbits"]["designation"] for alert in asteroid_alerts
    }
    assert all(row[1] == row[2] == 1 for row in counted)


def test_visits_without_ephemerides_are_attributed_later(
    db: apdb.Apdb, asteroid_alerts: list, plain_connection: Any
) -> None:
    given = visits(asteroid_alerts)
    for visit, columns in given:
        report = db.store_visit(visit, columns)
        assert report.ephemerides_missing
        assert (report.ss_object_id == 0).all()
    assert all(each.n_dia_sources is None for each in db.attribute())
    prepare(db, asteroid_alerts, given)
    done = db.attribute()
    assert len(done) == len(given)
    assert sum(each.n_dia_sources for each in done) == len(asteroid_alerts)
    # Those that their detections had started as DIAObjects are left empty.
    assert sum(len(each.retired) for each in done) == len(asteroid_alerts)
    hold(plain_connection, asteroid_alerts)
    assert db.attribute() == []
    visit = given[0][0]
    again = db.attribute(visit.visit, visit.detector)
    assert [(each.n_dia_sources, each.store_seq) for each in again] == [(0, 0)]
    kinds = plain_connection.execute("select distinct kind from apdb.correction").fetchall()
    assert kinds == [("attribute",)]
    n = plain_connection.execute(
        "select count(*) from apdb.dia_source where ss_object_reassoc_time_mjd_tai is not null"
    ).fetchone()
    assert n == (len(asteroid_alerts),)
    with pytest.raises(apdb.InvalidInput, match="visit and detector"):
        db.attribute(visit.visit)


def test_what_is_far_too_bright_is_not_it(db: apdb.Apdb, asteroid_alerts: list) -> None:
    given = visits(asteroid_alerts)[:1]
    prepare(db, asteroid_alerts, given)
    visit, columns = given[0]
    report = db.store_visit(visit, columns | {"psf_flux": columns["psf_flux"] * 100})
    assert (report.ss_object_id == 0).all()
