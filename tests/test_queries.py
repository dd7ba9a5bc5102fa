"""Queries for analysts, against brute force over all rows with astropy, matplotlib and healpy."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import healpy
import numpy as np
import psycopg
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon
from psycopg.conninfo import make_conninfo

import apdb
from apdb.input.sphere import east_north, offset, unit_vectors

MJD = 61109.1
FIELDS = [(0.0, 0.0), (120.0, 90.0), (359.9, -89.7), (45.0, 35.2644), (200.0, -30.0)]
N = 200
NDATA = ", ".join(f"{band}_psf_flux_ndata" for band in "ugrizy")
PROPERTY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def scatter(rng: np.random.Generator, ra: float, dec: float, radius: float, n: int) -> Any:
    """Positions whose distance from the centre is uniform: crowded in the middle."""
    distance, angle = radius * rng.uniform(0, 1, n), rng.uniform(0, 2 * np.pi, n)
    return offset(
        np.full(n, ra), np.full(n, dec), distance * np.cos(angle), distance * np.sin(angle)
    )


def visit(number: int, ra: float, dec: float, radius: float = 6.0, mjd: float = MJD) -> apdb.Visit:
    return apdb.Visit(
        visit=number, detector=3, band="r", midpoint_mjd_tai=mjd, ra=ra, dec=dec, radius=radius
    )


def sources(first: int, ra: Any, dec: Any, **more: Any) -> dict[str, Any]:
    n = len(ra)
    return {
        "dia_source_id": np.arange(first, first + n, dtype=np.int64),
        "ra": np.asarray(ra),
        "dec": np.asarray(dec),
        "psf_flux": np.linspace(100.0, 200.0, n),
        "psf_flux_err": np.full(n, 5.0),
    } | more


@pytest.fixture
def sky(db: apdb.Apdb) -> tuple[apdb.Apdb, Table]:
    """Five fields of sources, each its own object, and what brute force knows of them."""
    rng = np.random.default_rng(7)
    rows: list[tuple[int, float, float]] = []
    for number, (ra, dec) in enumerate(FIELDS):
        place = scatter(rng, ra, dec, 5.0, N)
        first = 2**60 + 1 + number * 1000
        snr = np.where(np.arange(N) % 3 == 0, np.nan, 7.0)
        db.store_visit(
            visit(number, ra, dec, mjd=MJD + number), sources(first, *place, snr=snr), radius=1e-3
        )
        rows += zip(range(first, first + N), *(p.tolist() for p in place), strict=True)
    return db, Table(rows=rows, names=["dia_object_id", "ra", "dec"])


def separation(table: Table, ra: float, dec: float) -> Any:
    return (
        SkyCoord(table["ra"], table["dec"], unit="deg")
        .separation(SkyCoord(ra, dec, unit="deg"))
        .deg
    )


def ids(table: Table, column: str = "dia_object_id") -> set[int]:
    return set(table[column].tolist())


@PROPERTY
@given(
    st.sampled_from(FIELDS),
    st.floats(0, 5),
    st.floats(0, 6.3),
    st.one_of(st.floats(1e-4, 6), st.floats(6, 90)),
)
def test_cone_is_exact(
    sky: Any, field: tuple[float, float], away: float, angle: float, radius: float
) -> None:
    db, truth = sky
    ra, dec = (float(v) for v in offset(*field, away * np.cos(angle), away * np.sin(angle)))
    distance = separation(truth, ra, dec)
    wanted = ids(truth[distance < radius])
    edge = ids(truth[np.abs(distance - radius) < 1e-9])
    found = db.objects_in_cone(ra, dec, radius, columns=["dia_object_id", "ra", "dec"])
    assert ids(found) - edge == wanted - edge
    np.testing.assert_allclose(found["distance"] / 3600.0, separation(found, ra, dec), atol=1e-9)
    assert np.all(np.diff(found["distance"]) >= 0)
    seen = db.sources_in_cone(ra, dec, radius, columns=["dia_source_id"])
    assert ids(seen, "dia_source_id") - edge == wanted - edge


@PROPERTY
@given(st.sampled_from(FIELDS), st.floats(0.01, 180), st.floats(-8, 8), st.floats(0.01, 9))
def test_box_is_exact(sky: Any, field: Any, width: float, shift: float, height: float) -> None:
    db, truth = sky
    ra_min, ra_max = (field[0] - width) % 360, (field[0] + width) % 360
    low = float(np.clip(field[1] + shift, -90, 89))
    high = min(90.0, low + height)
    inside = (truth["ra"] - ra_min) % 360 <= (ra_max - ra_min) % 360
    inside &= (truth["dec"] >= low) & (truth["dec"] <= high)
    found = db.objects_in_box(ra_min, ra_max, low, high, columns=["dia_object_id"])
    assert ids(found) == ids(truth[inside])
    assert found["dia_object_id"].tolist() == sorted(found["dia_object_id"])
    seen = db.sources_in_box(ra_min, ra_max, low, high, columns=["dia_source_id"])
    assert ids(seen, "dia_source_id") == ids(truth[inside])


@PROPERTY
@given(st.sampled_from(FIELDS), st.integers(0, 2**32 - 1), st.integers(3, 20), st.booleans())
@example((45.0, 35.2644), 5, 20, False)  # Q3C's own search by polygons misses a quarter of it
def test_polygon_is_exact_also_where_concave(
    sky: Any, field: Any, seed: int, n: int, backwards: bool
) -> None:
    db, truth = sky
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    radius = rng.uniform(0.5, 5.0, n)
    corners = np.column_stack(
        offset(
            *np.broadcast_to(np.array([field]).T, (2, n)),
            radius * np.cos(angle),
            radius * np.sin(angle),
        )
    )
    if backwards:
        corners = corners[::-1]
    # A gnomonic projection maps great circles to straight lines.
    east, north = east_north(*field)

    def project(ra: Any, dec: Any) -> Any:
        vectors = unit_vectors(ra, dec)
        depth = vectors @ unit_vectors(*field)
        ahead = depth > 0.5
        plane = (
            np.column_stack([vectors @ east, vectors @ north]) / np.where(ahead, depth, 1)[:, None]
        )
        return np.where(ahead[:, None], plane, 9.0)

    inside = Polygon(project(*corners.T)).contains_points(project(truth["ra"], truth["dec"]))
    found = db.objects_in_polygon(corners.tolist(), columns=["dia_object_id"])
    assert ids(found) == ids(truth[inside])
    seen = db.sources_in_polygon(corners.tolist(), columns=["dia_source_id"])
    assert ids(seen, "dia_source_id") == ids(truth[inside])


@PROPERTY
@given(st.sampled_from(FIELDS), st.floats(0, 6), st.floats(0, 6.3), st.integers(1, 7))
def test_nearest(sky: Any, field: Any, away: float, angle: float, n: int) -> None:
    db, truth = sky
    ra, dec = (float(v) for v in offset(*field, away * np.cos(angle), away * np.sin(angle)))
    distance = separation(truth, ra, dec)
    order = np.argsort(distance)[:n]
    order = order[distance[order] < 2.0]
    found = db.nearest_objects(ra, dec, 2.0 * u.deg, n)
    assert found["dia_object_id"].tolist() == truth["dia_object_id"][order].tolist()
    np.testing.assert_allclose(
        found["distance"].quantity.to_value(u.deg), distance[order], atol=1e-9
    )


@pytest.mark.parametrize("order", [0, 3, 8])
@pytest.mark.parametrize("nest", [False, True])
def test_healpix_counts(sky: Any, order: int, nest: bool) -> None:
    db, truth = sky
    pixel = healpy.ang2pix(2**order, truth["ra"], truth["dec"], lonlat=True, nest=nest)
    wanted = np.bincount(pixel, minlength=12 * 4**order)
    np.testing.assert_array_equal(db.healpix_counts(order, nest=nest), wanted)
    np.testing.assert_array_equal(db.healpix_counts(order, "sources", nest=nest), wanted)
    first = np.bincount(pixel[:N], minlength=12 * 4**order)
    np.testing.assert_array_equal(
        db.healpix_counts(order, "sources", nest=nest, mjd_to=MJD + 1), first
    )
    if nest:
        for call, counts in {
            "count_objects_by_healpix(%s)": wanted,
            "count_sources_by_healpix(%s)": wanted,
            f"count_sources_by_healpix(%s, p_mjd_to => {MJD + 1})": first,
        }.items():
            with db.reading() as connection:
                rows = connection.execute(f"select pixel, n from apdb.{call}", (order,)).fetchall()
            assert dict(rows) == {i: counts[i] for i in np.flatnonzero(counts)}


@pytest.mark.parametrize("order", [0, 1, 7, 15, 16, 29])
def test_healpix_pixel_is_healpys(plain_connection: psycopg.Connection[Any], order: int) -> None:
    rng = np.random.default_rng(order)
    n = 5000
    ra = np.r_[rng.uniform(0, 360, n), 90.0, 359.99999999, 0.0, 17.0]
    dec = np.r_[np.degrees(np.arcsin(rng.uniform(-1, 1, n))), 0.0, 1e-9, 90.0, -90.0]
    rows = plain_connection.execute(
        "select apdb.healpix_nest(%s, t.ra, t.dec) from unnest(%s::float8[], %s::float8[]) "
        "with ordinality as t(ra, dec, i) order by i",
        (order, ra.tolist(), dec.tolist()),
    ).fetchall()
    found = np.array(rows)[:, 0]
    wanted = healpy.ang2pix(2**order, ra, dec, lonlat=True, nest=True)
    # At order 29 a pixel is 0.4 mas: the last bit of a double moves a few positions by one.
    assert np.mean(found == wanted) > (1.0 if order < 20 else 0.99) - 1e-9


def test_columns_have_units_descriptions_masks_and_exact_ids(sky: Any) -> None:
    db, _ = sky
    found = db.sources_in_cone(200.0, -30.0, 1.0)
    assert found["dia_source_id"].dtype == np.int64
    assert found["dia_source_id"].min() > 2**60
    assert found["psf_flux"].unit == u.nJy
    assert found["ra"].unit == u.deg
    assert "flux" in found["psf_flux"].description.lower()
    assert found["snr"].mask.tolist() == ((found["dia_source_id"] - 2**60 - 4001) % 3 == 0).tolist()
    assert set(found["snr"].compressed()) == {7.0}
    assert found["ss_object_id"].mask.all()
    assert set(found["band"]) == {"r"}
    assert np.isnan(found["x"]).all()
    empty = db.objects_in_cone(100.0, 45.0, 0.1)
    assert len(empty) == 0
    assert empty["ra"].unit == u.deg
    chosen = db.objects_in_cone(200.0, -30.0, 1.0, columns=["diaObjectId", "ra"], limit=2)
    assert chosen.colnames == ["dia_object_id", "ra", "distance"]
    assert len(chosen) == 2


def test_light_curves(db: apdb.Apdb) -> None:
    for epoch in range(3):
        table = sources(1 + 10 * epoch, [150.0, 150.01], [1.0, 1.0])
        forced = {"dia_object_id": [1], "psf_flux": [10.0 * epoch], "psf_flux_err": [2.0]}
        db.store_visit(visit(epoch, 150.0, 1.0, 0.2, MJD + epoch), table, forced=forced)
    curve = db.light_curve(1)
    assert curve["forced"].tolist() == [False, True] * 3
    assert curve["midpoint_mjd_tai"].tolist() == np.repeat(MJD + np.arange(3), 2).tolist()
    assert curve["psf_flux"][curve["forced"]].tolist() == [0.0, 10.0, 20.0]
    assert curve["psf_flux"].unit == u.nJy
    assert curve["dia_source_id"].tolist() == [1, None, 11, None, 21, None]
    place = db.light_curve_in_cone(150.005, 1.0, 0.1)
    assert place["dia_object_id"].tolist().count(1) == 6
    assert place["dia_object_id"].tolist().count(2) == 3
    assert ids(db.sources_of_object(2), "dia_source_id") == {2, 12, 22}
    assert len(db.forced_sources_of_object(1)) == 3
    with pytest.raises(apdb.NotFound, match="DIAObject 77"):
        db.light_curve(77)


def test_objects_as_they_were(db: apdb.Apdb, plain_connection: psycopg.Connection[Any]) -> None:
    first = db.store_visit(visit(1, 150.0, 1.0, 0.2), sources(1, [150.0], [1.0]))
    second = db.store_visit(
        visit(2, 150.0, 1.0, 0.2, MJD - 5), sources(11, [150.0001, 150.1], [1.0, 1.0])
    )
    cone = (150.0, 1.0, 0.15)
    then = db.objects_at(*cone, store_seq=first.store_seq)
    assert then["n_dia_sources"].tolist() == [1]
    np.testing.assert_allclose(then["ra"], [150.0])
    now = db.objects_at(*cone, store_seq=second.store_seq)
    assert dict(zip(now["dia_object_id"], now["n_dia_sources"], strict=True)) == {1: 2, 12: 1}
    np.testing.assert_allclose(now["ra"][0], 150.00005)
    for report, size in [(first, 1), (second, 2)]:
        when = report.time_processed_mjd_tai
        assert len(db.objects_at(*cone, mjd_tai=when)) == size
        # One instant before the visit was known.
        assert len(db.objects_at(*cone, mjd_tai=when - 1e-9)) == size - 1
    assert len(db.objects_at(*cone, mjd_tai=Time("2020-01-01"))) == 0
    plain_connection.execute(
        "update apdb_base.dia_object set validity_end_mjd_tai = validity_start_mjd_tai + 1, "
        "store_seq_end = store_seq + 7 where dia_object_id = 1"
    )
    plain_connection.commit()
    assert ids(db.objects_in_cone(*cone)) == {12}
    assert ids(db.objects_at(*cone, store_seq=second.store_seq)) == {1, 12}
    assert ids(db.objects_at(*cone, store_seq=second.store_seq + 7)) == {12}
    assert ids(db.objects_at(*cone, mjd_tai=second.time_processed_mjd_tai + 0.5)) == {1, 12}
    assert ids(db.objects_at(*cone, mjd_tai=second.time_processed_mjd_tai + 1.0)) == {12}
    assert db.object_versions(1)["n_dia_sources"].tolist() == [1, 2]
    with pytest.raises(apdb.InvalidInput, match="one of them"):
        db.objects_at(*cone)


def test_an_object_that_a_correction_moved_is_found_where_it_was(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    report = db.store_visit(visit(1, 150.0, 1.0, 0.2), sources(1, [150.0], [1.0]))
    plain_connection.execute(
        "update apdb_base.dia_object set validity_end_mjd_tai = validity_start_mjd_tai + 1, "
        "store_seq_end = store_seq + 1; "
        "insert into apdb_base.dia_object_version select * from apdb_base.dia_object; "
        "update apdb_base.dia_object set ra = 160, validity_start_mjd_tai = validity_end_mjd_tai, "
        "validity_end_mjd_tai = null, store_seq = store_seq_end, store_seq_end = null"
    )
    plain_connection.execute(
        "insert into apdb_base.store_event (store_seq, kind, mjd_tai, made_by) "
        "values (%s, 'reassign', 0, 'test') on conflict do nothing",
        (report.store_seq + 1,),
    )
    plain_connection.execute(
        "insert into apdb_base.reassignment (store_seq, dia_source_id, midpoint_mjd_tai, "
        "old_dia_object_id, new_dia_object_id, withdrawn) values (%s, 1, %s, 1, 1, false)",
        (report.store_seq + 1, MJD),
    )
    plain_connection.commit()
    assert ids(db.objects_at(150.0, 1.0, 0.1, store_seq=report.store_seq)) == {1}
    assert ids(db.objects_at(160.0, 1.0, 0.1, store_seq=report.store_seq)) == set()


def test_sources_of_visit_and_unassociated(db: apdb.Apdb) -> None:
    flags = [False, True, False]
    table = sources(1, [150.0, 150.1, 150.2], [1.0, 1.0, 1.0], centroid_flag=flags)
    db.store_visit(visit(1, 150.1, 1.0, 0.3), table)
    db.store_visit(visit(2, 150.1, 1.0, 0.3, MJD + 40), {})
    assert ids(db.sources_of_visit(1), "dia_source_id") == {1, 2, 3}
    assert len(db.sources_of_visit(1, 3)) == 3
    assert len(db.sources_of_visit(2, 3)) == 0
    with pytest.raises(apdb.NotFound, match="Visit 1 detector 4 is not stored"):
        db.sources_of_visit(1, 4)
    left = {
        i
        for i, o in zip(
            *db.sources_of_visit(1)["dia_source_id", "dia_object_id"].itercols(), strict=True
        )
        if o is np.ma.masked
    }
    assert left
    assert ids(db.unassociated_sources(MJD, MJD + 1), "dia_source_id") == left
    assert len(db.unassociated_sources(MJD - 1, MJD)) == 0
    nights = db.visits()
    assert nights["visit"].tolist() == [1, 2]
    assert db.visits(nights["night"][1])["visit"].tolist() == [2]
    assert db.visits(limit=1)["visit"].tolist() == [2]


BAD_CONES = [
    (np.nan, 0.0, 1.0),
    (360.0, 0.0, 1.0),
    (-1.0, 0.0, 1.0),
    (0.0, 90.1, 1.0),
    (0.0, np.nan, 1.0),
    (0.0, 0.0, np.nan),
    (0.0, 0.0, 0.0),
    (0.0, 0.0, -1.0),
    (0.0, 0.0, 90.1),
    (0.0, 0.0, np.inf),
    ("x", 0.0, 1.0),
    (0.0, 0.0, 1.0 * u.s),
    (0.0, 0.0, None),
]


@pytest.mark.parametrize(
    "method", ["objects_in_cone", "sources_in_cone", "light_curve_in_cone", "nearest_objects"]
)
def test_bad_cones_are_refused(db: apdb.Apdb, method: str) -> None:
    for cone in BAD_CONES:
        with pytest.raises(apdb.InvalidInput, match=r"ra|dec|radius"):
            getattr(db, method)(*cone)


def test_other_bad_arguments_are_refused(db: apdb.Apdb) -> None:
    def bad(match: str, method: str, *values: Any, **named: Any) -> None:
        with pytest.raises(apdb.InvalidInput, match=match) as caught:
            getattr(db, method)(*values, **named)
        assert "stored" not in str(caught.value)

    bad("ascending", "objects_in_box", 0, 1, 2, 1)
    bad("ascending", "objects_in_box", 0, 1, np.nan, 1)
    bad(r"\[0, 360\]", "sources_in_box", 0, 361, 0, 1)
    bad("3 to 100", "objects_in_polygon", [(0, 0), (1, 1)])
    bad("3 to 100", "objects_in_polygon", [(i, i / 10) for i in range(101)])
    bad("too large", "objects_in_polygon", [(0, 0), (40, 0), (20, 30)])
    bad("too large", "objects_in_polygon", [(0, 0), (120, 0), (240, 0)])
    bad("corner 1", "sources_in_polygon", [(0, 0), (np.nan, 0), (2, 3)])
    bad("pairs", "objects_in_polygon", [1, 2, 3])
    bad("above 10 degrees", "nearest_objects", 0, 0, 11)
    bad("n = 0", "nearest_objects", 0, 0, 1, 0)
    bad("columns = 'flux'", "objects_in_cone", 0, 0, 1, columns=["ra", "flux"])
    bad("limit", "objects_in_cone", 0, 0, 1, limit=-1)
    bad("dia_object_id", "light_curve", 1.5)
    bad("mjd_from", "unassociated_sources", np.nan, 1)
    bad("night", "visits", "yesterday")
    bad("order", "healpix_counts", 12)
    bad("objects or sources", "healpix_counts", 3, "stars")
    bad("one of them", "objects_at", 0, 0, 1, mjd_tai=60000, store_seq=1)


PLANS = {
    "objects_in_cone(150, 1, 0.05)": "dia_object_q3c_idx",
    "objects_in_box(359.99, 0.01, 1, 1.01)": "dia_object_q3c_idx",
    "objects_in_polygon(array[150, 1, 150.1, 1, 150, 1.1])": "dia_object_q3c_idx",
    "sources_in_cone(150, 1, 0.05)": "ang2ipix",
    "sources_in_box(359.99, 0.01, 1, 1.01)": "ang2ipix",
    "sources_in_polygon(array[150, 1, 150.1, 1, 150, 1.1])": "ang2ipix",
    "light_curve_in_cone(150, 1, 0.05)": "ang2ipix",
    "light_curve(5)": "dia_object_id_midpoint",
    "sources_of_visit(2)": "visit_detector",
}


def test_plans_use_the_index(plain_connection: psycopg.Connection[Any]) -> None:
    connection = plain_connection
    connection.execute("select apdb.ensure_partitions(61080, 61160)")
    connection.execute(
        "insert into apdb_base.dia_object (dia_object_id, validity_start_mjd_tai, ra, dec, "
        f"n_dia_sources, store_seq, {NDATA}) select i, 60000, random() * 360, "
        "degrees(asin(random() * 2 - 1)), 1, 1, 0, 0, 0, 0, 0, 0 "
        "from generate_series(1, 20000) as i"
    )
    connection.execute("set session_replication_role = replica")
    connection.execute(
        "insert into apdb_base.dia_source (dia_source_id, visit, detector, dia_object_id, "
        "band, ra, dec, midpoint_mjd_tai, store_seq, time_processed_mjd_tai) "
        "select i, i / 100, 1, i, 'r', random() * 360, "
        "degrees(asin(random() * 2 - 1)), 61080 + random() * 80, 1, 1 "
        "from generate_series(1, 20000) as i"
    )
    connection.execute("analyze")
    for call, index in PLANS.items():
        rows = connection.execute(f"explain select * from apdb.{call} as t limit 3").fetchall()
        plan = "\n".join(line for (line,) in rows)
        assert "Function Scan" not in plan, plan
        assert index in plan, plan


def test_reader_can_use_every_query_and_write_nothing(sky: Any) -> None:
    db, truth = sky
    with apdb.connect(make_conninfo(db.dsn, user="apdb_reader")) as reader:
        cone = (200.0, -30.0, 1.0)
        first = int(truth["dia_object_id"][0])
        calls = {
            "objects_in_cone": cone,
            "sources_in_cone": cone,
            "light_curve_in_cone": cone,
            "nearest_objects": cone,
            "objects_in_box": (199, 201, -31, -29),
            "sources_in_box": (199, 201, -31, -29),
            "objects_in_polygon": ([(199, -31), (201, -31), (200, -29)],),
            "sources_in_polygon": ([(199, -31), (201, -31), (200, -29)],),
            "light_curve": (first,),
            "object_versions": (first,),
            "sources_of_object": (first,),
            "sources_of_visit": (1,),
            "visits": (),
        }
        for method, values in calls.items():
            assert len(getattr(reader, method)(*values)), method
        assert len(reader.objects_at(*cone, store_seq=2**40))
        assert len(reader.forced_sources_of_object(first)) == 0
        assert len(reader.unassociated_sources(MJD, MJD + 9)) == 0
        assert reader.healpix_counts(2).sum() == len(truth)
        with (
            pytest.raises(apdb.ApdbError, match="permission denied"),
            reader.connection() as connection,
        ):
            connection.execute("set transaction read write; delete from apdb.dia_source")
        with (
            pytest.raises(apdb.ApdbError, match="permission denied"),
            reader.connection() as connection,
        ):
            connection.execute("select count(*) from apdb_base.dia_object")
        with pytest.raises(apdb.ApdbError, match=r"read-only|permission denied"):
            reader.store_visit(visit(9, 10.0, 10.0), sources(5, [10.0], [10.0]))
    assert len(db.visits()) == len(FIELDS)


def test_statement_timeout_is_named(db: apdb.Apdb) -> None:
    with (
        pytest.raises(apdb.ApdbError, match=r"statement_timeout.*limit") as caught,
        db.reading(timeout=0.1) as connection,
    ):
        connection.execute("select pg_sleep(5)")
    assert not isinstance(caught.value, apdb.ConnectionLost)
    assert len(db.visits()) == 0


def test_a_hundred_thousand_rows_come_as_one_table(db: apdb.Apdb, plain_connection: Any) -> None:
    plain_connection.execute(
        "insert into apdb_base.dia_object (dia_object_id, validity_start_mjd_tai, ra, dec, "
        f"n_dia_sources, store_seq, {NDATA}, g_psf_flux_mean) "
        "select i, 60000, 10 + i * 1e-5, 1, 1, 1, 0, 0, 0, 0, 0, 0, i "
        "from generate_series(1, 100000) as i"
    )
    plain_connection.commit()
    found = db.objects_in_box(9.0, 12.0, 0.0, 2.0)
    assert found["dia_object_id"].tolist() == list(range(1, 100_001))
    np.testing.assert_array_equal(found["g_psf_flux_mean"], np.arange(1, 100_001, dtype=np.float32))
