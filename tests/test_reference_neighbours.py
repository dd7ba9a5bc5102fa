"""Neighbours, probabilities and hosts in SQL, against numpy and astropy on simulated skies."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from reference_tools import Sky, moved, neighbours, objects, simulate

import apdb

MJD = 61110.25
Plain = psycopg.Connection[Any]

#: The plane, RA 0, both poles, the corner of a cube of Q3C, and a crowd.
PLACES = {
    "plain": (150.0, 2.2),
    "ra 0": (0.001, -30.0),
    "north pole": (10.0, 89.999),
    "south pole": (200.0, -90.0),
    "corner": (45.0, 35.2644),
}


def found(
    connection: Plain,
    own: dict[str, Any],
    *,
    radius: float,
    prior: float,
    rule: str,
    mjd: float = MJD,
) -> dict[int, dict[str, Any]]:
    n = len(own["ra"])
    lists = [
        [None if np.isnan(value) else float(value) for value in own[name]]
        for name in ("ra", "dec", "ra_err", "dec_err", "ra_dec_cov")
    ]
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute(
            "select * from apdb.match_neighbours(%s::bigint[], %s::float8[], %s::float8[], %s::real[], "
            "%s::real[], %s::real[], %s::float8[], %s, %s, %s)",
            (list(range(n)), *lists, [mjd] * n, radius, prior, rule),
        ).fetchall()
    return {row["dia_object_id"]: row for row in rows}


def hold(row: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    """Compare what the database says of an object with brute force, in single precision."""
    if row is None:
        assert not expected["nearby_obj"].any()
        return
    for name in ("nearby_obj", "nearby_pot_host"):
        assert [value or 0 for value in row[name]] == expected[name].tolist()
    for name in ("nearby_obj_dist", "nearby_obj_ln_p", "nearby_pot_host_sep_dist"):
        values = np.array([np.nan if value is None else value for value in row[name]])
        np.testing.assert_allclose(values, expected[name], rtol=3e-6, atol=3e-6, err_msg=name)
    assert all(
        (c is None) == (i is None)
        for c, i in zip(row["nearby_obj_catalogue"], row["nearby_obj"], strict=True)
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("rule", ["moments", "effective_radius"])
def test_neighbours_equal_brute_force(
    db: apdb.Apdb, plain_connection: Plain, place: str, rule: str
) -> None:
    sky = simulate(PLACES[place], seed=len(place))
    db.load_reference("simulated", sky.columns)
    own = objects(np.random.default_rng(5), sky, PLACES[place], 60)
    rows = found(plain_connection, own, radius=10.0, prior=0.3, rule=rule)
    places = moved(sky, MJD)
    for k in range(60):
        position = {name: float(values[k]) for name, values in own.items()}
        hold(rows.get(k), neighbours(sky, position, MJD, prior=0.3, rule=rule, places=places))
    assert len(rows) == 60


def test_other_radii_and_times(db: apdb.Apdb, plain_connection: Plain) -> None:
    centre = PLACES["plain"]
    sky = simulate(centre, n=3000, radius=0.1, seed=9)
    db.load_reference("simulated", sky.columns)
    own = objects(np.random.default_rng(6), sky, centre, 40)
    for radius, mjd in ((0.5, 61110.0), (60.0, 61110.0), (5.0, 45000.0)):
        rows = found(plain_connection, own, radius=radius, prior=0.5, rule="moments", mjd=mjd)
        places = moved(sky, mjd)
        for k in range(40):
            position = {name: float(values[k]) for name, values in own.items()}
            hold(rows.get(k), neighbours(sky, position, mjd, radius=radius, places=places))


def test_a_fast_star_is_found_where_it_is_now(db: apdb.Apdb, plain_connection: Plain) -> None:
    """Barnard's star by Gaia DR3 moves 10.4″ a year: 105″ from its place at the epoch."""
    star: dict[str, list[Any]] = {
        "ra": [269.4485025], "dec": [4.7394201], "pm_ra": [-801.551], "pm_dec": [10362.394],
        "ra_err": [0.026 / 3.6e6], "dec_err": [0.029 / 3.6e6], "reference_object_id": [4472832130942575872],
    }  # fmt: skip
    db.load_reference("gaia", star, kind="star", epoch="J2016.0")
    unknown = ("ra_dec_cov", "pm_ra_err", "pm_dec_err", "pm_ra_dec_cov", "ixx", "iyy", "ixy")
    filled = {name: [np.nan] for name in (*unknown, "effective_radius")}
    filled |= {**star, "extendedness": [0.0], "epoch_mjd_tai": [57388.5]}
    sky = Sky({name: np.array(values) for name, values in filled.items()})
    now = moved(sky, MJD)[0]
    own = {"ra": np.array([now.ra.deg, star["ra"][0]]), "dec": np.array([now.dec.deg, star["dec"][0]]),
           **{name: np.full(2, 1e-5) for name in ("ra_err", "dec_err")}, "ra_dec_cov": np.zeros(2)}  # fmt: skip
    rows = found(plain_connection, own, radius=2.0, prior=0.5, rule="moments")
    assert list(rows) == [0]
    assert rows[0]["nearby_obj"][0] == 4472832130942575872
    assert rows[0]["nearby_obj_dist"][0] < 1e-3
    assert rows[0]["nearby_obj_ln_p"][0] > np.log(0.9)


def test_catalogues_side_by_side(db: apdb.Apdb, plain_connection: Plain) -> None:
    """Probabilities are within a catalogue, the nearest are of all; one is for crossmatches only."""
    position = {"ra": 150.0, "dec": 2.0, "ra_err": 2e-5, "dec_err": 2e-5, "ra_dec_cov": 0.0}
    one = simulate((150.0, 2.0), n=30, radius=0.002, seed=1)
    two = simulate((150.0, 2.0), n=25, radius=0.002, seed=2)
    db.load_reference("one", one.columns)
    alone = found(plain_connection, {k: np.array([v]) for k, v in position.items()},
                  radius=10.0, prior=0.5, rule="moments")[0]  # fmt: skip
    plain_connection.commit()
    db.load_reference("two", two.columns)
    db.load_reference("aside", one.columns, for_neighbours=False)
    both = found(plain_connection, {k: np.array([v]) for k, v in position.items()},
                 radius=10.0, prior=0.5, rule="moments")[0]  # fmt: skip
    first, second = (neighbours(sky, position, MJD) for sky in (one, two))
    hold(alone, first)
    for start in (0, 3):
        part = slice(start, start + 3)
        distance = np.concatenate([first["nearby_obj_dist"][part], second["nearby_obj_dist"][part]])
        best = np.argsort(distance)[:3]
        np.testing.assert_allclose(both["nearby_obj_dist"][part], distance[best], rtol=3e-6)
        assert both["nearby_obj_catalogue"][part] == [1 if k < 3 else 2 for k in best]
        ln_p = np.concatenate([first["nearby_obj_ln_p"][part], second["nearby_obj_ln_p"][part]])
        np.testing.assert_allclose(both["nearby_obj_ln_p"][part], ln_p[best], rtol=3e-6, atol=3e-6)


def test_probabilities_are_calibrated(db: apdb.Apdb, plain_connection: Plain) -> None:
    """Objects made as the prior says: of those said to be a star with probability P, P are."""
    rng = np.random.default_rng(11)
    n, prior = 6000, 0.5
    sky = simulate((150.0, 2.0), n=12000, radius=0.25, seed=4)
    none = np.full(len(sky), np.nan, np.float32)
    for name in ("pm_ra", "pm_dec", "pm_ra_err", "pm_dec_err", "pm_ra_dec_cov", "ra_dec_cov"):
        sky.columns[name] = none
    for name in ("ra_err", "dec_err"):
        sky.columns[name] = np.full(len(sky), 0.3 / 3600, np.float32)
    sky.columns["extendedness"] = np.zeros(len(sky), np.float32)
    db.load_reference("stars", sky.columns)
    own = objects(rng, sky, (150.0, 2.0), n)
    true = rng.random(n) < prior
    which = rng.integers(0, len(sky), n)
    sigma = np.hypot(np.hypot(0.3, 0.2), 0.05)
    ra, dec = sky["ra"][which].copy(), sky["dec"][which].copy()
    spread = rng.normal(0, sigma, (2, n))
    # Those that are no star are anywhere within the radius of one.
    angle, far = rng.uniform(0, 2 * np.pi, n), 10.0 * np.sqrt(rng.random(n))
    east = np.where(true, spread[0], far * np.cos(angle))
    north = np.where(true, spread[1], far * np.sin(angle))
    own |= {"ra": ra + east / 3600 / np.cos(np.radians(dec)), "dec": dec + north / 3600}
    own |= {
        "ra_err": np.full(n, 0.2 / 3600),
        "dec_err": np.full(n, 0.2 / 3600),
        "ra_dec_cov": np.zeros(n),
    }
    rows = found(plain_connection, own, radius=10.0, prior=prior, rule="moments")
    said, right = [], []
    for k, row in rows.items():
        for number, ln_p in zip(row["nearby_obj"][:3], row["nearby_obj_ln_p"][:3], strict=True):
            if number is not None:
                said.append(np.exp(ln_p))
                right.append(bool(true[k]) and number == sky["reference_object_id"][which[k]])
    probability, is_right = np.array(said), np.array(right)
    for low, high in ((0.05, 0.3), (0.3, 0.6), (0.6, 0.8), (0.8, 0.95)):
        some = (probability >= low) & (probability < high)
        error = np.sqrt(np.sum(probability[some] * (1 - probability[some]))) / some.sum()
        assert some.sum() > 50
        assert abs(is_right[some].mean() - probability[some].mean()) < 4 * error + 0.03
