"""Association and sky cells anywhere on the sphere, against astropy's own geometry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from association_tools import Bench, brute_pairs, lend_bench
from astropy.coordinates import SkyCoord
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apdb.server.cluster import Cluster

#: Where rounding may decide whether a pair is within the radius [deg].
BOUNDARY = 1e-9
#: No position is nearer to 0 without being 0 [deg]: PostgreSQL refuses products that underflow.
TINY = 1e-30
CORNER = float(np.degrees(np.arctan(np.sqrt(0.5))))

often = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
Place = tuple[float, float]


@pytest.fixture(scope="module")
def bench(cluster: Cluster) -> Iterator[Bench]:
    with lend_bench(cluster) as lent:
        yield lent


def face_edge(face: int, along: float, north: bool) -> Place:
    """Return a place on the edge between an equatorial and a polar face of Q3C's cube."""
    dec = float(np.degrees(np.arctan(np.cos(np.radians(along)))))
    return (90.0 * face + along) % 360.0, dec if north else -dec


def settled(place: Place) -> Place:
    """Return the place as a catalogue has it: right ascension in [0, 360), nothing subnormal."""
    right, up = (0.0 if abs(x) < TINY else float(x) for x in place)
    right %= 360.0
    return (0.0 if right >= 360.0 else right), min(90.0, max(-90.0, up))


ra = st.floats(0.0, 360.0, exclude_max=True)
faces = st.integers(0, 3)
places: st.SearchStrategy[Place] = st.one_of(
    st.tuples(st.just(0.0), st.floats(-90.0, 90.0)),
    st.tuples(ra, st.sampled_from([90.0, -90.0])),
    st.builds(lambda face, dec: (45.0 + 90.0 * face, dec), faces, st.floats(-CORNER, CORNER)),
    st.builds(face_edge, faces, st.floats(-45.0, 45.0), st.booleans()),
    st.tuples(faces.map(lambda face: 45.0 + 90.0 * face), st.sampled_from([CORNER, -CORNER])),
    st.tuples(ra, st.floats(-1.0, 1.0).map(lambda z: float(np.degrees(np.arcsin(z))))),
)
#: Distance and direction: in units of the radius, and in degrees.
offsets = st.tuples(st.floats(0.0, 2.5), st.floats(0.0, 360.0))
radii = st.one_of(st.just(1.0), st.floats(0.01, 60.0))


def around(place: Place, scale: float, given: list[tuple[float, float]]) -> tuple[Any, Any]:
    """Return positions at offsets in units of `scale` [arcsec] from a place."""
    distance, direction = np.array(given).reshape(-1, 2).T
    found = SkyCoord(*place, unit="deg").directional_offset_by(
        direction * u.deg, distance * scale * u.arcsec
    )
    settled_places = [settled(p) for p in zip(found.ra.deg, found.dec.deg, strict=True)]
    right, up = np.array(settled_places).reshape(-1, 2).T
    return right, up


@often
@given(
    place=places,
    radius=radii,
    sources=st.lists(offsets, min_size=1, max_size=8),
    objects=st.lists(offsets, min_size=1, max_size=12),
)
@example(
    place=(0.0, 90.0),
    radius=1.0,
    sources=[(0.0, 0.0)],
    objects=[(0.9, a * 30.0) for a in range(12)],
)
@example(
    place=(0.0, -90.0),
    radius=60.0,
    sources=[(0.5, 0.0)],
    objects=[(0.5, a * 30.0) for a in range(12)],
)
@example(
    place=(45.0, CORNER),
    radius=1.0,
    sources=[(0.0, 0.0)],
    objects=[(0.999, a * 30.0) for a in range(12)],
)
def test_candidate_pairs_are_all_pairs_within_the_radius(
    bench: Bench,
    place: Place,
    radius: float,
    sources: list[tuple[float, float]],
    objects: list[tuple[float, float]],
) -> None:
    made = []
    for name, first, points in (("dia_source_id", 1, sources), ("dia_object_id", 1001, objects)):
        right, up = around(place, radius, points)
        made.append({name: np.arange(first, first + len(points)), "ra": right, "dec": up})
    with bench.trial():
        bench.forbid_twins()
        bench.objects(made[1])
        bench.sources(made[0])
        leaders = {s for s, leader in bench.leaders().items() if s == leader}
        pairs = bench.pairs(radius)
    wide = brute_pairs(made[0], made[1], radius + 2 * BOUNDARY * 3600)
    expected = {pair: d for pair, d in wide.items() if pair[0] in leaders}
    certain = {pair for pair, d in expected.items() if d < radius - BOUNDARY * 3600}
    assert certain <= pairs.keys() <= expected.keys()
    for pair, (distance, _) in pairs.items():
        assert distance == pytest.approx(expected[pair], rel=1e-9, abs=BOUNDARY * 3600)


@pytest.mark.parametrize(
    "place",
    [
        (0.0, 0.0),
        (0.0, 90.0),
        (180.0, -90.0),
        (45.0, 0.0),
        (135.0, -20.0),
        (45.0, CORNER),
        (315.0, -CORNER),
        face_edge(1, 20.0, True),
        face_edge(3, -33.0, False),
        (200.0, 45.0),
    ],
)
def test_a_dense_field_over_a_seam(bench: Bench, place: Place) -> None:
    """Hundreds of sources and objects on both sides of a seam: the same pairs as astropy's."""
    rng = np.random.default_rng(11)
    made = []
    for name, first, n in (("dia_source_id", 1, 300), ("dia_object_id", 1001, 400)):
        points = np.column_stack([15.0 * np.sqrt(rng.random(n)), rng.uniform(0, 360, n)])
        right, up = around(place, 1.0, points.tolist())
        made.append({name: np.arange(first, first + n), "ra": right, "dec": up})
    with bench.trial():
        bench.forbid_twins()
        bench.objects(made[1])
        bench.sources(made[0])
        pairs = bench.pairs(1.5)
    expected = brute_pairs(made[0], made[1], 1.5)
    assert len(expected) > 800
    assert pairs.keys() == expected.keys()


# -- the cells that are locked ------------------------------------------------------------------


def cells(bench: Bench, place: Place, radius: float) -> set[int]:
    """Return the cells that a disc touches; radius [deg]."""
    query = "select cell from apdb.sky_cells(%s, %s, %s)"
    with bench.trial():
        found = [cell for (cell,) in bench.connection.execute(query, [*place, radius]).fetchall()]
    assert len(found) == len(set(found)), "a cell twice"
    return set(found)


def beside(place: Place, direction: float, distance: float) -> Place:
    """Return the place at a distance [deg]."""
    right, up = around(place, 3600.0, [(distance, direction)])
    return float(right[0]), float(up[0])


near_poles = st.builds(
    lambda right, off, north: (right, 90.0 - off if north else off - 90.0),
    ra,
    st.floats(0.0, 0.5),
    st.booleans(),
)
#: Band and cell borders, to the last bit and next to it.
borders = st.builds(lambda right, k: (right, min(90.0, k * 0.1 - 90.0)), ra, st.integers(0, 1800))
disc_places = st.one_of(places, near_poles, borders).map(settled)
disc_radii = st.one_of(st.just(1.0), st.floats(0.01, 60.0)).map(lambda r: r / 3600)


@settings(often, max_examples=400)
@given(disc_places, disc_radii, disc_radii, st.floats(0.0, 360.0), st.floats(0.0, 0.999999))
def test_discs_that_overlap_share_a_cell(
    bench: Bench, place: Place, radius: float, other: float, direction: float, share: float
) -> None:
    there = beside(place, direction, share * (radius + other))
    assert cells(bench, place, radius) & cells(bench, there, other)


@settings(often, max_examples=400)
@given(disc_places, disc_radii, st.floats(0.0, 360.0), st.floats(0.0, 0.999999))
def test_a_disc_touches_the_cells_of_all_its_points(
    bench: Bench, place: Place, radius: float, direction: float, share: float
) -> None:
    point = beside(place, direction, share * radius)
    assert cells(bench, point, 0.0) <= cells(bench, place, radius)


@settings(often, max_examples=300)
@given(disc_places, disc_radii)
def test_a_disc_touches_few_cells(bench: Bench, place: Place, radius: float) -> None:
    found = cells(bench, place, radius)
    assert 1 <= len(found) <= 6
    assert min(found) >= 0
    assert max(found) < 6_500_000


@settings(often, max_examples=400)
@given(disc_places, disc_radii)
def test_the_only_cell_of_a_disc_is_all_that_it_touches(
    bench: Bench, place: Place, radius: float
) -> None:
    with bench.trial():
        ((only,),) = bench.connection.execute(
            "select apdb.only_cell(%s, %s, %s)", [*place, radius]
        ).fetchall()
    # It may say nothing near an edge, but not in the middle of a cell.
    touched = cells(bench, place, radius)
    assert only is None or {only} == touched


def test_the_only_cell_is_known_in_the_middle_of_a_cell(bench: Bench) -> None:
    with bench.trial():
        ((only,),) = bench.connection.execute(
            "select apdb.only_cell(150.05, 0.05, 0.0003)"
        ).fetchall()
    assert {only} == cells(bench, (150.05, 0.05), 0.0003)
