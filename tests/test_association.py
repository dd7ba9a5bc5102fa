"""The two association rules against scipy, astropy and a plain loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from association_tools import (
    Bench,
    Catalogue,
    associate,
    brute_pairs,
    catalogues,
    close_pairs,
    greedy,
    heap,
    lend_bench,
    optimum,
    scattered,
    scores,
    total_cost,
)

import apdb
from apdb.server.cluster import Cluster

MJD = 61100.0


@pytest.fixture(scope="module")
def lent(cluster: Cluster) -> Iterator[Bench]:
    with lend_bench(cluster) as bench:
        yield bench


@pytest.fixture
def bench(lent: Bench) -> Iterator[Bench]:
    with lent.trial():
        yield lent


def agree(
    bench: Bench, sources: Catalogue, objects: Catalogue, radius: float, *, sparse: bool = False
) -> dict[int, int]:
    """Compare both rules with their references; return the likelihood's matches."""
    by_astropy = brute_pairs(sources, objects, radius)
    keys = list(by_astropy)
    has_errors = any(
        not np.isnan(t[name]).all() for t in (sources, objects) for name in ("ra_err",) if name in t
    )
    values = scores(keys, sources, objects) if has_errors else np.array(list(by_astropy.values()))
    costs = dict(zip(keys, values.tolist(), strict=True))
    found = associate(bench, sources, objects, "likelihood", radius, twins=False)
    assert len(set(found.values())) == len(found), "one object twice"
    assert set(found.items()) <= set(costs), "a match beyond the radius"
    least, _ = optimum(costs, sparse=sparse)
    assert total_cost(found, costs) == pytest.approx(least, rel=1e-9, abs=1e-6)
    nearest = associate(bench, sources, objects, "nearest", radius, twins=False)
    assert nearest == greedy(by_astropy)
    return found


@pytest.mark.parametrize("errors", ["all", "some", "none"])
@pytest.mark.parametrize("seed", range(4))
def test_close_pairs(bench: Bench, seed: int, errors: str) -> None:
    rng = np.random.default_rng([1, seed])
    tables = catalogues(rng, *close_pairs(rng, 120), errors)
    agree(bench, *tables, radius=[1.0, 1.5, 2.0, 3.0][seed])


@pytest.mark.parametrize("errors", ["all", "some", "none"])
@pytest.mark.parametrize(
    ("n_sources", "n_objects", "size"),
    [(12, 12, 1.5), (30, 8, 1.2), (8, 30, 1.2), (60, 60, 3.0), (1, 20, 0.8), (20, 1, 0.8)],
)
def test_random_clusters(
    bench: Bench, n_sources: int, n_objects: int, size: float, errors: str
) -> None:
    for seed in range(3):
        rng = np.random.default_rng([2, seed, n_sources, n_objects])
        tables = catalogues(rng, *heap(rng, n_sources, n_objects, size), errors)
        agree(bench, *tables, radius=1.5)


def test_several_hundred_in_one_heap(bench: Bench) -> None:
    rng = np.random.default_rng(3)
    for n, m in ((250, 250), (300, 120)):
        tables = catalogues(rng, *heap(rng, n, m, 8.0))
        agree(bench, *tables, radius=1.5, sparse=True)


def test_a_chain_of_sources_and_objects(bench: Bench) -> None:
    """Sources between objects along a line: the whole line is one cluster."""
    n = 400
    east = np.arange(2 * n) * 0.6
    jitter = np.random.default_rng(4).normal(0, 0.05, (2, 2 * n))
    ra, dec = scattered(np.random.default_rng(0), (10.0, 20.0), east + jitter[0], jitter[1])
    sources, objects = catalogues(
        np.random.default_rng(5), (ra[::2], dec[::2]), (ra[1::2], dec[1::2])
    )
    agree(bench, sources, objects, radius=0.9, sparse=True)


def test_the_references_agree_with_each_other() -> None:
    rng = np.random.default_rng(6)
    costs = {(int(s), int(o)): float(rng.normal()) for s, o in rng.integers(0, 40, (300, 2))}
    dense, matches = optimum(costs)
    sparse, _ = optimum(costs, sparse=True)
    assert dense == pytest.approx(sparse, abs=1e-9)
    assert total_cost(dict(matches), costs) == pytest.approx(dense, abs=1e-9)


@pytest.mark.parametrize("dec", [-89.999, -60.0, -0.00005, 0.0, 35.0, 89.9995])
@pytest.mark.parametrize("ra", [0.0, 123.0, 359.9999])
def test_scores_are_those_of_the_tangent_plane(bench: Bench, ra: float, dec: float) -> None:
    rng = np.random.default_rng(7)
    n = 40
    angle, r = rng.uniform(0, 2 * np.pi, n), rng.uniform(0, 2.9, n)
    centre = np.array([ra, dec])
    source = (np.array([ra]), np.array([dec]))
    vectors = np.radians(r / 3600)
    east, north = vectors * np.cos(angle), vectors * np.sin(angle)
    a, d = np.radians(centre)
    o_dec = np.arctan2(np.sin(d) + north * np.cos(d), np.hypot(east, np.cos(d) - north * np.sin(d)))
    o_ra = a + np.arctan2(east, np.cos(d) - north * np.sin(d))
    objects = (np.degrees(o_ra) % 360.0, np.degrees(o_dec))
    sources, targets = catalogues(rng, source, objects, "some")
    bench.objects(targets)
    bench.sources(sources)
    pairs = bench.pairs(3.0)
    assert pairs.keys() == brute_pairs(sources, targets, 3.0).keys()
    assert len(pairs) == n
    expected = scores(list(pairs), sources, targets)
    np.testing.assert_allclose([s for _, s in pairs.values()], expected, rtol=1e-6, atol=1e-6)
    distances = brute_pairs(sources, targets, 3.0)
    np.testing.assert_allclose(
        [d for d, _ in pairs.values()], [distances[k] for k in pairs], rtol=0, atol=1e-7
    )


def test_missing_and_tiny_errors(bench: Bench) -> None:
    """One error in one catalogue is enough for the likelihood; 0.2″ stands in, 0.05″ is least."""
    dec = 10.0 + np.array([0.0, 0.3]) / 3600
    sources = {
        "dia_source_id": [1, 2],
        "ra": [5.0, 5.0],
        "dec": dec,
        "ra_err": [np.nan, 1e-9],
        "dec_err": [np.nan, 1e-9],
    }
    objects = {
        "dia_object_id": [11, 12],
        "ra": [5.0, 5.0],
        "dec": dec + 0.1 / 3600,
        "ra_err": [np.nan, 1e-9],
        "dec_err": [np.nan, 1e-9],
    }
    bench.objects(objects)
    bench.sources(sources)
    pairs = bench.pairs(1.0)

    def cost(distance: float, variance: float) -> float:
        return float(0.5 * distance**2 / variance + np.log(variance))

    assert pairs[1, 11][1] == pytest.approx(cost(0.1, 0.08), abs=1e-6)
    assert pairs[1, 12][1] == pytest.approx(cost(0.4, 0.04), abs=1e-6)
    assert pairs[2, 11][1] == pytest.approx(cost(0.2, 0.04), abs=1e-6)
    assert pairs[2, 12][1] == pytest.approx(cost(0.1, 0.0025), abs=1e-6)


def test_likelihood_differs_from_nearest_where_it_should(bench: Bench) -> None:
    """A sharp object near, a blurred one a bit farther: two sources, one optimum."""
    sources = {"dia_source_id": [1, 2], "ra": [20.0, 20.0], "dec": 5 + np.array([0.0, 0.5]) / 3600}
    objects = {
        "dia_object_id": [11, 12],
        "ra": [20.0, 20.0],
        "dec": 5 + np.array([0.3, 1.45]) / 3600,
    }
    # nearest: 2-11 at 0.2″, then 1 has only 11 within 1″ and stays alone; optimum: both
    assert associate(bench, sources, objects, "nearest", 1.0) == {2: 11}
    assert associate(bench, sources, objects, "likelihood", 1.0) == {1: 11, 2: 12}


def test_ties_go_to_the_lowest_ids(bench: Bench) -> None:
    same = {"ra": np.full(3, 30.0), "dec": np.full(3, 10.0)}
    objects = {"dia_object_id": np.array([13, 11, 12])} | same
    for rule in ("nearest", "likelihood"):
        sources = {"dia_source_id": np.array([2]), "ra": [30.0], "dec": [10.0]}
        assert associate(bench, sources, objects, rule, 1.0) == {2: 11}
    # on the equator, so that both distances are the same to the last bit
    dec = np.array([0.5, -0.5]) / 3600
    sources = {"dia_source_id": np.array([3, 2]), "ra": np.full(2, 30.0), "dec": dec}
    target = {"dia_object_id": np.array([7]), "ra": [30.0], "dec": [0.0]}
    assert associate(bench, sources, target, "nearest", 1.0) == {2: 7}


@pytest.mark.parametrize("rule", ["nearest", "likelihood"])
def test_order_of_rows_does_not_matter(bench: Bench, rule: str) -> None:
    rng = np.random.default_rng(8)
    grid = np.array([(x, y) for x in range(6) for y in range(6)], float)
    # exact ties on purpose: sources and objects on grids shifted by half a step
    objects = catalogues(rng, ([], []), scattered(rng, (40.0, 0.0), *(grid.T * 0.8)), "none")[1]
    sources = catalogues(
        rng, scattered(rng, (40.0, 0.0), *((grid + 0.5).T * 0.8)), ([], []), "none"
    )[0]
    results = []
    for _ in range(5):
        i, j = rng.permutation(36), rng.permutation(36)
        shuffled = ({k: v[i] for k, v in sources.items()}, {k: v[j] for k, v in objects.items()})
        results.append(associate(bench, *shuffled, rule, 1.0))
    assert all(result == results[0] for result in results[1:])
    assert len(results[0]) >= 30


def test_retired_objects_take_no_source(bench: Bench) -> None:
    objects = {
        "dia_object_id": [11],
        "ra": [30.0],
        "dec": [10.0],
        "validity_end_mjd_tai": [MJD + 1],
    }
    sources = {"dia_source_id": [2], "ra": [30.0], "dec": [10.0]}
    assert associate(bench, sources, objects, "nearest", 1.0) == {}


# -- sources of one batch within 0.05″ of each other -----------------------------------------------


def leaders_by_hand(table: Catalogue) -> dict[int, int]:
    """Return the leaders by a plain loop: unflagged first, then by id; the first leader near."""
    flagged = table.get("centroid_flag", np.zeros(len(table["ra"]), bool))
    order = np.lexsort([table["dia_source_id"], flagged])
    near = brute_pairs(
        table,
        {"dia_object_id": table["dia_source_id"], "ra": table["ra"], "dec": table["dec"]},
        0.05,
    )
    leaders: dict[int, int] = {}
    chosen: list[int] = []
    for id_ in np.asarray(table["dia_source_id"])[order].tolist():
        leaders[id_] = next((c for c in chosen if (c, id_) in near), id_)
        if leaders[id_] == id_:
            chosen.append(id_)
    return leaders


@pytest.mark.parametrize("seed", range(6))
def test_duplicates_follow_a_leader(bench: Bench, seed: int) -> None:
    rng = np.random.default_rng([9, seed])
    n = 60
    centre = [
        (0.0, 0.0),
        (359.99999, -30.0),
        (10.0, 89.99999),
        (90.0, -90.0),
        (45.0, 35.0),
        (200.0, 60.0),
    ][seed]
    east, north = rng.uniform(-0.15, 0.15, (2, n))
    ra, dec = scattered(rng, (centre[0], np.clip(centre[1], -89.9999, 89.9999)), east, north)
    table = {
        "dia_source_id": 1 + rng.permutation(n),
        "ra": ra,
        "dec": dec,
        "centroid_flag": rng.random(n) < 0.3,
    }
    expected = leaders_by_hand(table)
    assert 0 < sum(k != v for k, v in expected.items()) < n - 1
    for _ in range(3):
        order = rng.permutation(n)
        with bench.trial():
            bench.sources({name: values[order] for name, values in table.items()})
            assert bench.leaders() == expected


def test_a_chain_of_duplicates_is_cut_where_it_gets_too_long(bench: Bench) -> None:
    dec = 1.2 + np.arange(5) * 0.03 / 3600
    for ids in (np.arange(1, 6), np.array([5, 4, 3, 2, 1])):
        table = {"dia_source_id": ids, "ra": np.full(5, 150.0), "dec": dec}
        with bench.trial():
            bench.sources(table)
            by_id = bench.leaders()
        assert by_id == leaders_by_hand(table) == {1: 1, 2: 1, 3: 3, 4: 3, 5: 5}


def test_a_visit_delivered_twice_in_one_batch(bench: Bench) -> None:
    """Every source has its twin: as quick as any other visit, and each pair one object."""
    rng = np.random.default_rng(10)
    n = 3000
    ra, dec = rng.uniform(10, 10.5, n), rng.uniform(10, 10.5, n)
    table = {"dia_source_id": np.arange(1, 2 * n + 1), "ra": np.tile(ra, 2), "dec": np.tile(dec, 2)}
    bench.sources(table)
    leaders = bench.leaders()
    assert [leaders[k] for k in range(1, 2 * n + 1)] == [*range(1, n + 1)] * 2
    matches = bench.match("nearest", 1.0)
    assert all(matches[k] == matches[k + n] for k in range(1, n + 1))


def test_followers_go_where_their_leader_goes(bench: Bench) -> None:
    """Also where another object is nearer to the follower."""
    dec = 1.2 + np.array([0.0, 0.04]) / 3600
    sources = {"dia_source_id": [1, 2], "ra": [150.0, 150.0], "dec": dec}
    objects = {
        "dia_object_id": [11, 12],
        "ra": [150.0, 150.0],
        "dec": 1.2 + np.array([-0.2, 0.2]) / 3600,
    }
    assert associate(bench, sources, objects, "nearest", 1.0) == {1: 11, 2: 11}


# -- the radius ---------------------------------------------------------------------------------


def one(id_: int, north: float, **more: Any) -> Catalogue:
    return {
        "dia_source_id": [id_],
        "ra": [150.0],
        "dec": [1.2 + north / 3600],
        "psf_flux": [100.0],
        "psf_flux_err": [5.0],
    } | more


def visit(number: int) -> apdb.Visit:
    return apdb.Visit(number, 1, "r", MJD + number, ra=150.0, dec=1.2, radius=0.2)


def test_radius_per_call_and_per_database(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    db.store_visit(visit(1), one(1, 0.0))
    assert db.store_visit(visit(2), one(2, 1.3), dry_run=True).dia_object_id.tolist() == [2]
    called = db.store_visit(visit(2), one(2, 1.3), dry_run=True, radius=1.31)
    assert called.dia_object_id.tolist() == [1]
    assert db.store_visit(
        visit(2), one(2, 1.3), dry_run=True, radius=1.29
    ).dia_object_id.tolist() == [2]
    plain_connection.execute("select apdb.set_setting('association_radius', '1.4')")
    plain_connection.commit()
    assert db.store_visit(visit(2), one(2, 1.3), dry_run=True).dia_object_id.tolist() == [1]
    assert db.store_visit(
        visit(2), one(2, 1.3), dry_run=True, radius=1.0
    ).dia_object_id.tolist() == [2]


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan"), float("inf"), 3600.0])
def test_radii_that_make_no_sense(db: apdb.Apdb, radius: float) -> None:
    with pytest.raises(apdb.InvalidInput, match="radius"):
        db.store_visit(visit(1), one(1, 0.0), radius=radius)


def test_rule_per_call_and_per_database(
    db: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    db.store_visit(visit(1), one(11, 0.3))
    db.store_visit(visit(2), one(12, 1.45))
    two = {k: a + b for (k, a), b in zip(one(21, 0.0).items(), one(22, 0.5).values(), strict=True)}
    assert db.store_visit(visit(3), two, dry_run=True).dia_object_id.tolist() == [21, 11]
    both = db.store_visit(visit(3), two, dry_run=True, associate="likelihood")
    assert both.dia_object_id.tolist() == [11, 12]
    plain_connection.execute("select apdb.set_setting('association_rule', 'likelihood')")
    plain_connection.commit()
    assert db.store_visit(visit(3), two).dia_object_id.tolist() == [11, 12]
