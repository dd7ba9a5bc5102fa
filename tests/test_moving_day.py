"""Finding objects of the solar system in the database, on a simulated survey with truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from correction_tools import invariants
from test_store_visit import digest

import apdb
from apdb.routine import call
from apdb.solar_system.designations import pack, ss_object_id
from apdb.solar_system.found import orbit_values
from pipeline.moving.elements import ecliptic, elements_of
from pipeline.moving.fit import fit_orbit
from pipeline.moving.kernel import planets
from pipeline.moving.simulate import SimulatedSky, SkySurvey, simulate_sky


@pytest.fixture(scope="module")
def sky() -> SimulatedSky:
    """Ten nights of one field: a few objects of four classes, and false detections."""
    survey = SkySurvey(
        seed=3, nights=10, clear=1.0, part=1.0, rows=1, columns=1, radius=2.5, false=15.0,
        objects=(8, 0, 2, 2, 0), depth=24.0,
    )  # fmt: skip
    return simulate_sky(survey)


def store(db: apdb.Apdb, sky: SimulatedSky, visits: Any = None) -> None:
    """Store the visits of a simulated sky."""
    for row in range(len(sky.visits.ra)) if visits is None else visits:
        mine = np.flatnonzero(sky.visit == row)
        sigma = sky.found.sigma[mine] / 3600.0
        flux = 10.0 ** (-0.4 * (sky.magnitude[mine] - 31.4))
        db.store_visit(
            apdb.Visit(
                visit=1000 + row,
                detector=1,
                band="r",
                midpoint_mjd_tai=float(sky.visits.mjd_tai[row]),
                exposure_time=30.0,
                ra=float(sky.visits.ra[row]),
                dec=float(sky.visits.dec[row]),
                radius=2.6,
            ),
            {
                "dia_source_id": sky.found.ids[mine],
                "ra": sky.found.ra[mine],
                "dec": sky.found.dec[mine],
                "ra_err": sigma,
                "dec_err": sigma,
                "psf_flux": flux,
                "psf_flux_err": np.full(len(mine), 10.0 ** (-0.4 * (24.0 - 31.4)) / 5.0),
            },
        )


def found_sets(connection: Any) -> dict[int, set[int]]:
    """Sources of each solar-system object."""
    rows = connection.execute(
        "select ss_object_id, array_agg(dia_source_id) from apdb.dia_source "
        "where ss_object_id is not null group by 1"
    ).fetchall()
    connection.rollback()
    return {row[0]: set(row[1]) for row in rows}


def truths(sky: SimulatedSky, ids: set[int]) -> set[int]:
    return set(sky.truth[np.isin(sky.found.ids, list(ids))].tolist())


@pytest.mark.slow
def test_objects_are_found_written_and_told(
    db: apdb.Apdb, plain_connection: Any, sky: SimulatedSky
) -> None:
    store(db, sky)
    before = digest(plain_connection)
    tried = db.run_moving(nights=14, dry_run=True)
    plain_connection.rollback()
    assert digest(plain_connection) == before
    report = db.run_moving(nights=14)
    assert len(report.objects) == len(tried.objects) >= 10
    assert {o.kind for o in report.objects} == {"new"}
    sets = found_sets(plain_connection)
    assert set(sets) == {o.ss_object_id for o in report.objects}
    seen = [truths(sky, ids) for ids in sets.values()]
    assert all(len(t) == 1 and t != {-1} for t in seen)
    assert len(set.union(*seen)) == len(sets)
    # Nearly all detections of what was found are its own now.
    rows = np.isin(sky.truth, list(set.union(*seen)))
    assert sum(map(len, sets.values())) >= 0.95 * rows.sum()
    invariants(plain_connection)
    query = """
        select i.kind, i.designation, i.n_dia_sources, o.n_obs, o.designation, b.designation, m.nobs_total,
            i.store_seq = c.store_seq, m.a, m.e
        from apdb.identification as i
        join apdb.ss_object as o using (ss_object_id) join apdb.orbit as b using (ss_object_id)
        join apdb.mpc_orbits as m on m.unpacked_primary_provisional_designation = b.designation
        left join apdb.correction as c on i.store_seq = c.store_seq"""
    told = plain_connection.execute(query).fetchall()
    plain_connection.rollback()
    assert len(told) == len(sets)
    assert all(
        t[0] == "new" and t[1] == t[4] == t[5] and t[2] == t[3] == t[6] and t[7] for t in told
    )
    name = told[0][1]
    assert int.from_bytes(name.encode(), "big") in sets
    # A DIAObject that a moving thing started has no source left, and is retired.
    left = plain_connection.execute(
        "select count(*) from apdb.dia_source where ss_object_id is not null and "
        "(dia_object_id is not null or ss_object_reassoc_time_mjd_tai is null)"
    ).fetchone()
    assert left == (0,)
    plain_connection.rollback()
    again = db.run_moving(nights=14)
    assert (again.objects, again.n_attributed) == ([], 0)


@pytest.mark.slow
def test_what_was_found_grows_with_later_visits(
    db: apdb.Apdb, plain_connection: Any, sky: SimulatedSky
) -> None:
    last = np.unique(sky.visits.night)[-3]
    store(db, sky, np.flatnonzero(sky.visits.night < last))
    db.run_moving(nights=14)
    first = found_sets(plain_connection)
    assert len(first) >= 8
    store(db, sky, np.flatnonzero(sky.visits.night >= last))
    report = db.run_moving(nights=14)
    grown = {o.ss_object_id for o in report.objects if o.kind == "extended"}
    assert len(grown) >= 0.8 * len(first)
    later = found_sets(plain_connection)
    for identifier in grown:
        assert first[identifier] < later[identifier]
    assert all(len(truths(sky, ids)) == 1 for ids in later.values())
    invariants(plain_connection)


@pytest.mark.slow
def test_two_that_are_one_become_one(
    db: apdb.Apdb, plain_connection: Any, sky: SimulatedSky
) -> None:
    store(db, sky)
    middle = np.unique(sky.visits.night)[5]
    until = float(sky.visits.mjd_tai[sky.visits.night < middle].max()) + 1e-6
    db.run_moving(nights=14, until=until)
    first = found_sets(plain_connection)
    # The rest of one of them is found apart, as another program might.
    identifier, mine = next(iter(first.items()))
    (row,) = truths(sky, mine)
    rest = sky.found.take((sky.truth == row) & ~np.isin(sky.found.ids, list(mine)))
    assert len(np.unique(rest.night)) >= 3
    fit = fit_orbit(rest)
    assert fit.good
    with db.connection() as connection:
        values = (None, None, *orbit_values(fit, rest), "found apart")
        other = call(connection, "accept_moving_object", values)["ss_object_id"]
    report = db.run_moving(nights=14)
    merged = [o for o in report.objects if o.kind == "merged"]
    assert [o.ss_object_id for o in merged] == [identifier]
    later = found_sets(plain_connection)
    assert other not in later
    assert later[identifier] >= mine | set(rest.ids.tolist())
    left = plain_connection.execute(
        "select (select count(*) from apdb.orbit where ss_object_id = %(o)s), "
        "(select n_obs from apdb.ss_object where ss_object_id = %(o)s), "
        "(select kind from apdb.identification where other_ss_object_id = %(o)s)",
        {"o": other},
    ).fetchone()
    assert left == (0, 0, "merged")
    plain_connection.rollback()
    invariants(plain_connection)


def test_nothing_is_said_clearly(db: apdb.Apdb) -> None:
    with pytest.raises(apdb.InvalidInput, match="no visit is stored"):
        db.run_moving()
    with pytest.raises(apdb.InvalidInput, match="0 nights cannot be linked"):
        db.run_moving(nights=0)


def test_tracklets_of_known_objects_are_attributed(
    db: apdb.Apdb, plain_connection: Any, sky: SimulatedSky
) -> None:
    """Visits that came before the ephemerides: by place and motion, and nothing is linked anew."""
    nights = np.unique(sky.visits.night)[:2]
    store(db, sky, np.flatnonzero(sky.visits.night <= nights[-1]))
    objects = sky.population
    epoch = np.full(len(objects), objects.epoch)
    sun = planets().body_state("sun", epoch)
    e = elements_of(ecliptic(objects.states - sun), epoch)
    rows = [
        {
            "packed_primary_provisional_designation": pack(f"2026 A{'ABCDEFGHJKLMNOPQ'[k]}"),
            "unpacked_primary_provisional_designation": f"2026 A{'ABCDEFGHJKLMNOPQ'[k]}",
            **{name: float(values[k]) for name, values in vars(e).items()},
            "epoch_mjd": objects.epoch,
            "h": float(objects.magnitude[k]),
        }
        for k in range(len(objects))
    ]
    assert db.load_orbits(rows, name="truth").n_new == len(objects)
    for (night,) in plain_connection.execute("select distinct night from apdb.visit").fetchall():
        db.build_ephemerides(night, workers=1)
    plain_connection.rollback()
    report = db.run_moving(nights=5)
    assert report.objects == []
    sets = found_sets(plain_connection)
    assert sum(map(len, sets.values())) == report.n_attributed > 20
    ids = {
        ss_object_id(row["packed_primary_provisional_designation"]): k for k, row in enumerate(rows)
    }
    for identifier, mine in sets.items():
        assert truths(sky, mine) == {ids[identifier]}
    invariants(plain_connection)
