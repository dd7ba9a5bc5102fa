"""What a visit accepts, where it lies on the sky and to which night it belongs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pickle
from typing import Any

import healpy
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from apdb.errors import InvalidInput
from apdb.input.visit import Visit

GOOD: dict[str, Any] = {
    "visit": 2026030900026,
    "detector": 40,
    "band": "g",
    "midpoint_mjd_tai": 61109.1447,
    "ra": 150.05,
    "dec": 1.2,
    "radius": 0.2,
}
SQUARE = [(150.0, 1.0), (150.2, 1.0), (150.2, 1.2), (150.0, 1.2)]


def visit(**change: Any) -> Visit:
    return Visit(**(GOOD | change))


def bounded(boundary: Any) -> Visit:
    return visit(boundary=boundary, ra=None, dec=None, radius=None)


def problems(**change: Any) -> list[tuple[str | None, str]]:
    with pytest.raises(InvalidInput) as caught:
        visit(**change)
    return [(problem.column, problem.message) for problem in caught.value.problems]


def test_accepts_numpy_numbers_quantities_and_times() -> None:
    one = visit(
        visit=np.int64(7),
        detector=np.int16(3),
        ra=150.05 * u.deg,
        radius=12 * u.arcmin,
        exposure_time=0.5 * u.min,
        midpoint_mjd_tai=Time("2026-03-10T03:00:00", scale="utc"),
        readout_end=Time("2026-03-10T03:00:20", scale="utc"),
    )
    assert (type(one.visit), type(one.detector), one.exposure_time) == (int, int, 30.0)
    assert one.radius == pytest.approx(0.2)
    # 37 leap seconds since 2017
    assert one.midpoint_mjd_tai == pytest.approx(61109 + (3 * 3600 + 37) / 86400, abs=1e-10)
    assert one.readout_end == pytest.approx(61109 + (3 * 3600 + 57) / 86400, abs=1e-10)


@pytest.mark.parametrize(
    ("change", "column", "message"),
    [
        ({"visit": 1.0}, "visit", "whole number"),
        ({"visit": True}, "visit", "whole number"),
        ({"visit": np.True_}, "visit", "whole number"),
        ({"visit": "7"}, "visit", "whole number"),
        ({"visit": 2**63}, "visit", "from 0 to 9223372036854775807"),
        ({"visit": -1}, "visit", "from 0"),
        ({"detector": 2**15}, "detector", "from 0 to 32767"),
        ({"band": ""}, "band", "non-empty"),
        ({"band": "  "}, "band", "non-empty"),
        ({"band": None}, "band", "non-empty"),
        ({"midpoint_mjd_tai": None}, "midpoint_mjd_tai", "must be given"),
        ({"midpoint_mjd_tai": "2026"}, "midpoint_mjd_tai", "must be a number"),
        ({"midpoint_mjd_tai": float("nan")}, "midpoint_mjd_tai", "15000"),
        ({"midpoint_mjd_tai": 2461109.64}, "midpoint_mjd_tai", "subtract 2400000.5"),
        ({"midpoint_mjd_tai": 61109.0 * 86400}, "midpoint_mjd_tai", "divide by 86400"),
        ({"midpoint_mjd_tai": 14999.9}, "midpoint_mjd_tai", "between 15000 and 150000"),
        ({"midpoint_mjd_tai": Time([61109, 61110], format="mjd")}, "midpoint_mjd_tai", "number"),
        ({"readout_end": 61109.0}, "readout_end", "before midpoint"),
        ({"readout_end": float("inf")}, "readout_end", "15000"),
        ({"exposure_time": 0}, "exposure_time", "positive"),
        ({"exposure_time": float("nan")}, "exposure_time", "positive"),
        ({"exposure_time": float("inf")}, "exposure_time", "positive"),
        ({"exposure_time": 3 * u.m}, "exposure_time", "number in s"),
        ({"ra": 360.0}, "ra", "ra % 360 is 0"),
        ({"ra": -10.0}, "ra", "ra % 360 is 350"),
        ({"ra": float("nan")}, "ra", "finite"),
        ({"dec": 90.001}, "dec", "[-90, 90]"),
        ({"dec": float("inf")}, "dec", "[-90, 90]"),
        ({"radius": 0}, "radius", "above 0"),
        ({"radius": float("nan")}, "radius", "above 0"),
        ({"radius": 700.0}, "radius", "not arcsec"),
        ({"radius": None}, "radius", "radius missing"),
        ({"ra": None, "dec": None, "radius": None}, "boundary", "give ra, dec and radius, or"),
    ],
)
def test_refuses(change: dict[str, Any], column: str, message: str) -> None:
    (found,) = problems(**change)
    assert found[0] == column
    assert message in found[1]


def test_names_everything_that_is_wrong_at_once() -> None:
    found = problems(visit=-1, detector=1.5, band="", midpoint_mjd_tai=0, radius=None, ra=None)
    assert [column for column, _ in found] == [
        "visit", "detector", "band", "midpoint_mjd_tai", "ra",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("boundary", "message"),
    [
        ([(1, 2), (3, 4)], "three or more"),
        ([(1, 2), (3, 4), (1, 2)], "three or more"),
        ([(1, 2, 3)] * 3, "three or more"),
        ("here", "three or more"),
        ([(359, 0), (361, 0), (360, 1)], "corner 1"),
        ([(0, 0), (1, float("nan")), (1, 1)], "corner 1"),
        ([(0, 0), (1, 0), (2, 0)], "one line"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "edge 0 crosses edge 2"),
        ([(0, 0), (120, 0), (240, 0)], "around the sky"),
        ([(0, 0), (30, 0), (0, 30)], "radius"),
    ],
)
def test_refuses_boundaries(boundary: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        bounded(boundary)


def test_a_boundary_gives_centre_and_radius() -> None:
    one = bounded([*SQUARE, SQUARE[0]])
    assert one.boundary == tuple(SQUARE)
    centre = SkyCoord(one.ra, one.dec, unit="deg")
    corners = SkyCoord(*np.transpose(SQUARE), unit="deg")
    assert one.radius == pytest.approx(centre.separation(corners).deg.max(), abs=1e-10)
    assert centre.separation(SkyCoord(150.1, 1.1, unit="deg")).arcsec < 1


def test_is_a_value() -> None:
    one = bounded(np.array(SQUARE))
    assert dataclasses.replace(one, band="r").radius == one.radius
    assert pickle.loads(pickle.dumps(one)) == one
    assert len({one, bounded(SQUARE)}) == 1
    with pytest.raises(InvalidInput, match="by the boundary"):
        dataclasses.replace(one, radius=0.5)


@pytest.mark.parametrize("dec", [0.0, 40.0, -89.9, 90.0])
def test_a_circle_agrees_with_astropy(dec: float) -> None:
    rng = np.random.default_rng(5)
    one = visit(ra=359.9, dec=dec, radius=0.5)
    centre = SkyCoord(359.9, dec, unit="deg")
    points = centre.directional_offset_by(
        rng.uniform(0, 360, 3000) * u.deg, rng.uniform(0, 1, 3000) * u.deg
    )
    far = centre.separation(points).deg
    ra, dec_of = points.ra.deg, points.dec.deg
    assert np.array_equal(one.contains(ra, dec_of, 0.0), far <= 0.5)
    assert np.array_equal(one.contains(ra, dec_of), far <= 0.51)
    assert np.allclose(one.outside_by(ra, dec_of), np.maximum(far - 0.5, 0), atol=1e-10)


def circle_of(ra: float, dec: float, sizes: list[float]) -> list[tuple[float, float]]:
    """Return corners around a centre, at equal angles and given distances."""
    angles = np.arange(len(sizes)) * 360 / len(sizes) + 10
    corners = SkyCoord(ra, dec, unit="deg").directional_offset_by(angles * u.deg, sizes * u.deg)
    return [
        (float(r) % 360, float(d)) for r, d in zip(corners.ra.deg, corners.dec.deg, strict=True)
    ]


@pytest.mark.parametrize(("ra", "dec"), [(150, 2), (0, 0), (359.99, 45), (0, 90), (77, -89.8)])
@pytest.mark.parametrize("sides", [3, 4, 6])
def test_convex_polygons_agree_with_healpy(ra: float, dec: float, sides: int) -> None:
    boundary = circle_of(ra, dec, [1.3] * sides)
    nside = 1024
    inside = healpy.query_polygon(nside, healpy.ang2vec(*np.transpose(boundary), lonlat=True))
    near = healpy.query_disc(nside, healpy.ang2vec(ra, dec, lonlat=True), np.radians(2.5))
    points = healpy.pix2ang(nside, near, lonlat=True)
    assert np.array_equal(bounded(boundary).contains(*points, 0.0), np.isin(near, inside))


def test_a_concave_polygon_is_the_convex_one_without_its_bite() -> None:
    corners = [(0.5, -0.5), (0.5, 0.5), (0.0, 0.0), (359.5, 0.5), (359.5, -0.5)]
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(-0.7, 0.7, (2, 4000))
    whole = bounded([corners[i] for i in (0, 1, 3, 4)]).contains(ra % 360, dec, 0.0)
    bite = bounded([corners[i] for i in (1, 2, 3)]).contains(ra % 360, dec, 0.0)
    assert np.array_equal(bounded(corners).contains(ra % 360, dec, 0.0), whole & ~bite)
    assert np.array_equal(bounded(corners[::-1]).contains(ra % 360, dec, 0.0), whole & ~bite)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.1, 5), min_size=3, max_size=9), st.integers(0, 2**32 - 1))
def test_a_footprint_turns_with_the_sky(sizes: list[float], seed: int) -> None:
    """Star-shaped polygons, convex or not: nothing depends on where on the sphere they lie."""
    rng = np.random.default_rng(seed)
    turn = Rotation.random(rng=rng).as_matrix()

    def turned(positions: Any) -> Any:
        vectors = healpy.ang2vec(*np.transpose(positions), lonlat=True) @ turn.T
        ra, dec = healpy.vec2ang(vectors, lonlat=True)
        return np.transpose([ra % 360, dec])

    boundary = circle_of(10, 20, sizes)
    points = np.transpose([rng.uniform(3, 17, 300), rng.uniform(13, 27, 300)])
    here = bounded(boundary).outside_by(*points.T)
    there = bounded(turned(boundary)).outside_by(*turned(points).T)
    assert np.allclose(here, there, atol=1e-6)


def test_distance_to_a_polygon_is_that_to_its_nearest_point() -> None:
    boundary = circle_of(0, 89.9, [0.5, 0.2, 0.6, 0.3, 0.4])
    one = bounded(boundary)
    corners = SkyCoord(*np.transpose(boundary), unit="deg")
    follower = SkyCoord(np.roll(corners.ra, -1), np.roll(corners.dec, -1))
    share = np.linspace(0, 1, 2001)
    edge = np.concatenate([
        (a.cartesian.xyz.value[:, None] * (1 - share) + b.cartesian.xyz.value[:, None] * share).T
        for a, b in zip(corners, follower, strict=True)
    ])  # fmt: skip
    outline = SkyCoord(*edge.T, representation_type="cartesian")
    points = SkyCoord(0, 89.9, unit="deg").directional_offset_by(
        np.linspace(0, 360, 200) * u.deg, np.linspace(0.1, 2, 200) * u.deg
    )
    _, nearest, _ = points.match_to_catalog_sky(SkyCoord(outline.spherical))
    found = one.outside_by(points.ra.deg, points.dec.deg)
    outside = found > 0
    assert 20 < np.count_nonzero(outside) < 200
    assert np.allclose(found[outside], nearest.deg[outside], atol=2e-4)


def test_the_far_side_of_the_sky_is_outside() -> None:
    assert bounded(SQUARE).outside_by([330.1], [-1.1])[0] == pytest.approx(179.9, abs=0.05)


@pytest.mark.parametrize(
    ("utc", "longitude", "night"),
    [
        ("2026-03-10T03:00:00", 0.0, "2026-03-09"),
        ("2026-03-10T11:59:59.9", 0.0, "2026-03-09"),
        ("2026-03-10T12:00:00.1", 0.0, "2026-03-10"),
        # 2017 began with a leap second: by TAI alone these would change nights 37 s early
        ("2016-12-31T11:59:59.5", 0.0, "2016-12-30"),
        ("2017-01-01T11:59:59.5", 0.0, "2016-12-31"),
        ("2017-01-01T12:00:00.5", 0.0, "2017-01-01"),
        ("1975-06-01T11:59:59.5", 0.0, "1975-05-31"),
        # Cerro Pachón, 70.7° west: local noon is 16:43 UTC
        ("2026-03-10T16:42:00", -70.7494, "2026-03-09"),
        ("2026-03-10T16:44:00", -70.7494, "2026-03-10"),
        # Siding Spring, 149.1° east: local noon is 02:04 UTC
        ("2026-03-10T02:03:00", 149.07, "2026-03-09"),
        ("2026-03-10T02:05:00", 149.07, "2026-03-10"),
    ],
)
def test_night(utc: str, longitude: float, night: str) -> None:
    one = visit(midpoint_mjd_tai=Time(utc, scale="utc"))
    assert one.night(longitude) == dt.date.fromisoformat(night)


@pytest.mark.parametrize("mjd", [15000.0, 40000.0, 150000.0])
def test_night_needs_no_leap_seconds_that_nobody_knows(mjd: float) -> None:
    expected = dt.date(1858, 11, 17) + dt.timedelta(days=int(mjd) - 1)
    assert visit(midpoint_mjd_tai=mjd).night() == expected


def test_night_refuses_a_longitude_that_is_none() -> None:
    with pytest.raises(ValueError, match="longitude"):
        visit().night(float("nan"))
