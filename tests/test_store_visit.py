"""store_visit: the contract of one visit, against the database itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

import apdb

MJD = 61109.1447


def visit(number: int = 1, mjd: float = MJD, **changes: Any) -> apdb.Visit:
    given = {"ra": 150.05, "dec": 1.2, "radius": 0.2} | changes
    return apdb.Visit(
        visit=number, detector=40, band="g", midpoint_mjd_tai=mjd, exposure_time=30.0, **given
    )


def sources(first_id: int, ra: Any, dec: Any, **more: Any) -> dict[str, Any]:
    ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
    n = len(ra)
    return {
        "dia_source_id": np.arange(first_id, first_id + n),
        "ra": ra,
        "dec": dec,
        "psf_flux": np.full(n, 1000.0),
        "psf_flux_err": np.full(n, 50.0),
    } | more


def digest(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """A digest of every base table but the trace of attempts."""
    tables = connection.execute(
        "select relname from pg_class where relnamespace = 'apdb_base'::regnamespace "
        "and relkind in ('r', 'p') and not relispartition and relname <> 'visit_attempt'"
    ).fetchall()
    return {
        name: connection.execute(
            f"select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from apdb_base.{name} as t"
        ).fetchone()[0]
        for (name,) in tables
    }


def test_first_visit_starts_objects_named_after_their_sources(db: apdb.Apdb) -> None:
    report = db.store_visit(visit(), sources(101, [150.0, 150.1], [1.2, 1.25]))
    assert report.state == "stored"
    assert report.dia_object_id.tolist() == [101, 102]
    assert report.ss_object_id.tolist() == [0, 0]
    assert report.is_new.tolist() == [True, True]
    assert report.dia_object_id.dtype == np.int64
    assert {"validate", "associate", "total"} <= report.timings.keys()


def test_second_visit_joins_within_the_radius(db: apdb.Apdb) -> None:
    db.store_visit(visit(1), sources(1, [150.0, 150.1], [1.2, 1.25]))
    report = db.store_visit(
        visit(2, MJD + 1),
        sources(11, [150.1, 150.0, 150.0], [1.25 + 0.9 / 3600, 1.2, 1.2 + 1.5 / 3600]),
    )
    assert report.dia_object_id.tolist() == [2, 1, 13]
    assert report.is_new.tolist() == [False, False, True]


def test_report_is_in_the_order_of_the_input(db: apdb.Apdb) -> None:
    table = sources(1, 150.0 + np.arange(5) * 0.01, np.full(5, 1.2))
    order = [3, 0, 4, 1, 2]
    report = db.store_visit(visit(), {name: values[order] for name, values in table.items()})
    assert report.dia_source_id.tolist() == report.dia_object_id.tolist() == [4, 1, 5, 2, 3]


def test_the_same_again_changes_nothing(db: apdb.Apdb, plain_connection: Any) -> None:
    table = sources(1, [150.0, 150.1], [1.2, 1.25], ra_err=[1e-5, np.nan])
    first = db.store_visit(visit(), table)
    before = digest(plain_connection)
    again = db.store_visit(
        visit(),
        Table(table)[[1, 0]]["psf_flux_err", "psf_flux", "dec", "ra", "dia_source_id", "ra_err"],
    )
    assert again.state == "repeated"
    assert again.dia_object_id.tolist() == [2, 1]
    assert again.store_seq == first.store_seq
    assert not again.corrected
    plain_connection.rollback()
    assert digest(plain_connection) == before


def test_other_content_under_the_same_key_is_a_conflict(db: apdb.Apdb) -> None:
    db.store_visit(visit(), sources(1, 150.0, 1.2))
    with pytest.raises(apdb.VisitConflict, match=r"Visit 1 detector 40 .*replace"):
        db.store_visit(visit(), sources(1, 150.0, 1.2000001))


def test_empty_visit_is_a_visit(db: apdb.Apdb, plain_connection: Any) -> None:
    report = db.store_visit(visit(), {})
    assert len(report.dia_source_id) == 0
    count = plain_connection.execute(
        "select count(*), sum(n_dia_sources) from apdb.visit"
    ).fetchone()
    assert count == (1, 0)
    assert db.store_visit(visit(), None).state == "repeated"


def test_ids_of_another_visit_are_named_with_their_rows(db: apdb.Apdb) -> None:
    db.store_visit(visit(1), sources(1, [150.0, 150.1], [1.2, 1.25]))
    with pytest.raises(apdb.IdConflict, match=r"row 1, column dia_source_id = 2") as caught:
        db.store_visit(
            visit(2), sources(2, [150.0, 150.1], [1.2, 1.25]) | {"dia_source_id": np.array([7, 2])}
        )
    assert [p.row for p in caught.value.problems] == [1]


def test_dry_run_writes_nothing(db: apdb.Apdb, plain_connection: Any) -> None:
    db.store_visit(visit(1), sources(1, 150.0, 1.2))
    before = digest(plain_connection)
    report = db.store_visit(
        visit(2, MJD + 1), sources(11, [150.0, 150.1], [1.2, 1.2]), dry_run=True
    )
    assert report.state == "dry_run"
    assert report.dia_object_id.tolist() == [1, 12]
    plain_connection.rollback()
    assert digest(plain_connection) == before
    attempts = plain_connection.execute("select count(*) from apdb.visit_attempt").fetchone()
    assert attempts == (1,)


def test_a_flagged_source_joins_but_starts_nothing(db: apdb.Apdb) -> None:
    flagged = {"centroid_flag": np.array([True])}
    lone = db.store_visit(visit(1), sources(1, 150.0, 1.2, **flagged))
    assert lone.dia_object_id.tolist() == [0]
    assert lone.n_unassociated == 1
    db.store_visit(visit(2, MJD + 1), sources(2, 150.0, 1.2))
    joined = db.store_visit(visit(3, MJD + 2), sources(3, 150.0, 1.2, **flagged))
    assert joined.dia_object_id.tolist() == [2]


@pytest.mark.parametrize(
    "flag",
    [
        "pixel_flags_cr_center",
        "pixel_flags_nodata_center",
        "pixel_flags_interpolated_center",
        "pixel_flags_saturated_center",
        "pixel_flags_suspect_center",
        "pixel_flags_streak_center",
        "glint_trail",
    ],
)
def test_each_disqualifying_flag(db: apdb.Apdb, flag: str) -> None:
    table = sources(1, [150.0, 150.1], [1.2, 1.2]) | {flag: np.array([True, False])}
    assert db.store_visit(visit(), table).dia_object_id.tolist() == [0, 2]


def test_unreliable_sources_start_nothing(db: apdb.Apdb) -> None:
    table = sources(1, [150.0, 150.1, 150.15], [1.2, 1.2, 1.2], reliability=[0.05, 0.2, np.nan])
    assert db.store_visit(visit(), table).dia_object_id.tolist() == [0, 2, 3]


def test_one_detection_delivered_twice_is_one_object(db: apdb.Apdb) -> None:
    dec = 1.2 + np.array([0.0, 0.03, 0.06, 0.5]) / 3600
    report = db.store_visit(visit(), sources(1, np.full(4, 150.0), dec))
    # 2 follows 1; 3 lies 0.06″ from 1, and 2 is no leader; so 3 starts its own
    assert report.dia_object_id.tolist() == [1, 1, 3, 4]


def test_a_flagged_twin_does_not_lead(db: apdb.Apdb) -> None:
    table = sources(1, [150.0, 150.0], [1.2, 1.2]) | {"centroid_flag": np.array([True, False])}
    assert db.store_visit(visit(), table).dia_object_id.tolist() == [2, 2]


def test_late_visit_joins_and_leaves_times_right(db: apdb.Apdb, plain_connection: Any) -> None:
    db.store_visit(visit(1, MJD), sources(1, 150.0, 1.2))
    db.store_visit(visit(2, MJD + 10), sources(2, 150.0, 1.2))
    late = db.store_visit(visit(3, MJD - 40), sources(3, 150.0, 1.2))
    assert late.dia_object_id.tolist() == [1]
    row = plain_connection.execute(
        "select first_dia_source_mjd_tai, last_dia_source_mjd_tai, n_dia_sources, g_psf_flux_ndata, store_seq "
        "from apdb.dia_object"
    ).fetchone()
    assert row == (MJD - 40, MJD + 10, 3, 3, late.store_seq)
    versions = plain_connection.execute(
        "select n_dia_sources, validity_end_mjd_tai from apdb.dia_object_version order by store_seq"
    ).fetchall()
    starts = plain_connection.execute(
        "select validity_start_mjd_tai from (select * from apdb.dia_object_version union all "
        "select * from apdb.dia_object) as v order by store_seq"
    ).fetchall()
    assert [n for n, _ in versions] == [1, 2]
    assert [end for _, end in versions] == [start for (start,) in starts[1:]]


def test_summary_columns(db: apdb.Apdb, plain_connection: Any) -> None:
    rng = np.random.default_rng(5)
    n = 12
    flux, err = rng.normal(1000, 200, n), rng.uniform(20, 90, n)
    science, science_err = rng.normal(5000, 200, n), rng.uniform(20, 90, n)
    ra = 359.99999 + rng.normal(0, 0.1, n) / 3600 / np.cos(np.radians(60))
    dec = 60.0 + rng.normal(0, 0.1, n) / 3600
    ra_err, dec_err = rng.uniform(0.05, 0.2, (2, n)) / 3600
    mjd = MJD + np.sort(rng.uniform(0, 30, n))
    for k in rng.permutation(n):
        db.store_visit(
            apdb.Visit(k, 1, "g", mjd[k], ra=0.0, dec=60.0, radius=0.1),
            {
                "dia_source_id": [k + 1],
                "ra": [ra[k] % 360],
                "dec": [dec[k]],
                "psf_flux": [flux[k]],
                "psf_flux_err": [err[k]],
                "ra_err": [ra_err[k]],
                "dec_err": [dec_err[k]],
                "science_flux": [science[k]],
                "science_flux_err": [science_err[k]],
            },
        )
    cursor = plain_connection.cursor(row_factory=psycopg.rows.dict_row)
    (row,) = cursor.execute("select * from apdb.dia_object").fetchall()
    f, e = np.float32(flux).astype(float), np.float32(err).astype(float)
    w = 1 / e**2
    expected = {
        "g_psf_flux_mean": np.average(f, weights=w),
        "g_psf_flux_mean_err": w.sum() ** -0.5,
        "g_psf_flux_sigma": np.std(f, ddof=1),
        "g_psf_flux_min": f.min(),
        "g_psf_flux_max": f.max(),
        "g_psf_flux_max_slope": (np.diff(f) / np.diff(mjd)).max(),
        "g_psf_flux_err_mean": e.mean(),
        "g_science_flux_mean": np.average(science, weights=science_err**-2.0),
        "g_science_flux_mean_err": (science_err**-2.0).sum() ** -0.5,
    }
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=3e-7), name
    assert row["g_psf_flux_ndata"] == row["n_dia_sources"] == n
    assert row["r_psf_flux_ndata"] == 0
    assert row["r_psf_flux_mean"] is None
    weight = 1 / (((ra_err**2 + dec_err**2) / 2 * 3600**2) + 0.05**2)
    xyz = SkyCoord(ra, dec, unit="deg").cartesian.xyz.value
    mean = SkyCoord(*np.average(xyz, axis=1, weights=weight), representation_type="cartesian")
    place = SkyCoord(row["ra"], row["dec"], unit="deg")
    mean.representation_type = "unitspherical"
    assert place.separation(mean).arcsec < 1e-6
    assert row["ra_err"] == pytest.approx(
        np.sqrt((weight**2 * ra_err**2).sum()) / weight.sum(), rel=1e-6
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_light_curves_of_three_bands_over_two_years(
    db: apdb.Apdb, plain_connection: Any, seed: int
) -> None:
    """Points come, expire and come late; every state equals numpy on the points of its history."""
    rng = np.random.default_rng(seed)
    n = 24
    mjd = MJD + np.sort(rng.uniform(0, 800, n))
    late = rng.permutation(np.arange(5, n - 5))[:4]
    order = [k for k in range(n) if k not in late] + list(late)
    bands = rng.choice(list("gry"), n)
    flux, err = rng.normal(1000, 300, n).astype("f4"), rng.uniform(20, 90, n).astype("f4")
    science = rng.normal(5000, 300, n).astype("f4")
    cursor = plain_connection.cursor(row_factory=psycopg.rows.dict_row)
    for step, k in enumerate(order):
        if step == n // 2:
            db.set_setting("history_days", "200")
        db.store_visit(
            apdb.Visit(k, 1, str(bands[k]), mjd[k], ra=10.0, dec=-30.0, radius=0.1),
            {
                "dia_source_id": [k + 1],
                "ra": [10.0],
                "dec": [-30.0],
                "psf_flux": [flux[k]],
                "psf_flux_err": [err[k]],
                "science_flux": [science[k]],
                "science_flux_err": [err[k]],
            },
        )
        days = 365.0 if step < n // 2 else 200.0
        stored = np.array(order[: step + 1])
        last = mjd[stored].max()
        (row,) = cursor.execute("select * from apdb.dia_object").fetchall()
        assert row["n_dia_sources"] == step + 1
        for band in "gry":
            at = np.sort(stored[(bands[stored] == band) & (mjd[stored] >= last - days)])
            f, e = flux[at].astype(float), err[at].astype(float)
            assert row[f"{band}_psf_flux_ndata"] == len(at), (step, band)
            if len(at) == 0:
                assert row[f"{band}_psf_flux_mean"] is None
                continue
            assert row[f"{band}_psf_flux_mean"] == pytest.approx(
                np.average(f, weights=e**-2), rel=1e-6
            )
            assert row[f"{band}_psf_flux_min"] == pytest.approx(f.min(), rel=1e-6)
            assert row[f"{band}_science_flux_mean"] == pytest.approx(
                np.average(science[at], weights=e**-2), rel=1e-6
            )
            if len(at) > 1:
                slope = (np.diff(f) / np.diff(mjd[at])).max()
                assert row[f"{band}_psf_flux_max_slope"] == pytest.approx(slope, rel=1e-6)
                assert row[f"{band}_psf_flux_sigma"] == pytest.approx(np.std(f, ddof=1), rel=1e-6)
        plain_connection.rollback()


def test_forced_photometry_in_the_same_transaction(db: apdb.Apdb, plain_connection: Any) -> None:
    db.store_visit(visit(1), sources(1, [150.0, 150.1], [1.2, 1.25]))
    db.store_visit(visit(2, MJD + 1), sources(11, [150.1], [1.25]))
    seen: list[Table] = []

    def measure(positions: Table) -> dict[str, Any]:
        seen.append(positions)
        n = len(positions)
        return {
            "dia_object_id": positions["dia_object_id"],
            "psf_flux": np.full(n, 10.0),
            "psf_flux_err": np.full(n, 2.0),
        }

    report = db.store_visit(visit(3, MJD + 2), sources(21, [150.15], [1.2]), forced=measure)
    # 2 was seen twice, 21 is new; 1 was seen once and is not touched
    assert seen[0]["dia_object_id"].tolist() == [2, 21]
    assert report.n_dia_forced_sources == 2
    rows = plain_connection.execute(
        "select dia_object_id, psf_flux, visit, band from apdb.dia_forced_source order by 1"
    ).fetchall()
    assert rows == [(2, 10.0, 3, "g"), (21, 10.0, 3, "g")]
    assert plain_connection.execute(
        "select g_fp_flux_mean, g_fp_flux_mean_err from apdb.dia_object where dia_object_id = 21"
    ).fetchone() == (10.0, 2.0)


def test_failing_forced_callback_stores_nothing(db: apdb.Apdb, plain_connection: Any) -> None:
    def broken(positions: Table) -> None:
        raise RuntimeError("no pixels")

    with pytest.raises(RuntimeError, match="no pixels"):
        db.store_visit(visit(), sources(1, 150.0, 1.2), forced=broken)
    assert plain_connection.execute("select count(*) from apdb.visit").fetchone() == (0,)
    assert plain_connection.execute("select state, error from apdb.visit_attempt").fetchall() == [
        ("failed", "no pixels")
    ]
    assert db.store_visit(visit(), sources(1, 150.0, 1.2)).state == "stored"


def test_known_solar_system_objects_come_first(db: apdb.Apdb, plain_connection: Any) -> None:
    plain_connection.execute(
        "insert into apdb_base.ephemeris (ss_object_id, mjd_tai, ra, dec, ra_rate, dec_rate, designation, vmag) "
        "values (77, %s, 150.0, 1.2, 0.24, -0.12, '2026 AB', 20.5)",
        (MJD - 0.01,),
    )
    plain_connection.commit()
    moved = SkyCoord(150.0, 1.2, unit="deg").spherical_offsets_by("8.64s", "-4.32s")
    ra = 150.0 + 0.24 * 0.01 / np.cos(np.radians(1.2))
    dec = 1.2 - 0.12 * 0.01
    assert moved.separation(SkyCoord(ra, dec, unit="deg")).arcsec < 200
    report = db.store_visit(visit(), sources(1, [ra, 150.1], [dec + 0.3 / 3600, 1.25]))
    assert report.ss_object_id.tolist() == [77, 0]
    assert report.dia_object_id.tolist() == [0, 2]
    assert not report.ephemerides_missing
    row = plain_connection.execute(
        "select designation, eph_offset, eph_offset_dec, ecl_lambda, ecl_beta, gal_lon, gal_lat from apdb.ss_source"
    ).fetchone()
    where = SkyCoord(ra, dec + 0.3 / 3600, unit="deg")
    assert row[0] == "2026 AB"
    assert row[1:3] == pytest.approx((0.3, 0.3), abs=2e-3)
    ecliptic, galactic = where.barycentricmeanecliptic, where.galactic
    assert row[3:5] == pytest.approx((ecliptic.lon.deg, ecliptic.lat.deg), abs=2e-5)
    # astropy goes by way of FK5, which is turned against ICRS by 0.02″
    assert row[5:7] == pytest.approx((galactic.l.deg, galactic.b.deg), abs=2e-5)
    assert plain_connection.execute("select n_obs, g_n_obs from apdb.ss_object").fetchone() == (
        1,
        1,
    )


def test_a_position_that_is_almost_zero(db: apdb.Apdb, plain_connection: Any) -> None:
    db.store_visit(visit(1, ra=0.0, dec=0.0), sources(1, 5e-324, -1e-310))
    assert plain_connection.execute("select ra, dec from apdb.dia_source").fetchone() == (0.0, 0.0)


def test_unknown_band_names_the_known(db: apdb.Apdb) -> None:
    with pytest.raises(apdb.InvalidInput, match=r"unknown band 'V': known are g, i, r, u, y, z"):
        db.store_visit(
            apdb.Visit(1, 1, "V", MJD, ra=150.0, dec=1.2, radius=0.2), sources(1, 150.0, 1.2)
        )


@pytest.mark.parametrize("radius", [float("nan"), 0, 3600.0, -1.0, "1"])
def test_radius_that_cannot_be(db: apdb.Apdb, radius: Any) -> None:
    with pytest.raises(apdb.InvalidInput, match="radius"):
        db.store_visit(visit(), sources(1, 150.0, 1.2), radius=radius)


def test_too_many_new_objects(db: apdb.Apdb, plain_connection: Any) -> None:
    plain_connection.execute("select apdb.set_setting('max_new_objects', '1')")
    plain_connection.commit()
    with pytest.raises(apdb.TooManyObjects, match="2 new objects"):
        db.store_visit(visit(), sources(1, [150.0, 150.1], [1.2, 1.2]))


def test_older_or_missing_schema(cluster: Any, dsn: str, plain_connection: Any) -> None:
    plain_connection.execute(
        "update apdb_base.metadata set value = '9999' where name = 'schema.revision'"
    )
    plain_connection.commit()
    with pytest.raises(apdb.SchemaMismatch, match="newer code"):
        apdb.connect(dsn)
    with pytest.raises(apdb.SchemaMismatch, match="apdb db upgrade"):
        apdb.connect(cluster.dsn("postgres"))


def test_server_that_is_not_running(tmp_path: Any) -> None:
    with pytest.raises(apdb.ServerNotRunning, match="apdb server start"):
        apdb.connect(f"host={tmp_path} dbname=apdb")


def test_a_writer_without_any_other_right_stores(dsn: str, plain_connection: Any) -> None:
    with apdb.connect(f"{dsn} user=apdb_writer") as writer:
        assert writer.store_visit(visit(), sources(1, 150.0, 1.2)).state == "stored"
        assert writer.store_visit(
            visit(2, MJD + 1), sources(2, 150.0, 1.2)
        ).dia_object_id.tolist() == [1]
        with pytest.raises(apdb.VisitConflict):
            writer.store_visit(visit(), sources(1, 150.0, 1.3))
    assert plain_connection.execute("select count(*) from apdb.dia_source").fetchone() == (2,)
