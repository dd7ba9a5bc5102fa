"""Forced photometry that comes later than its visit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_store_visit import MJD, digest, sources, visit

import apdb


def later(n: int, **changes: Any) -> dict[str, Any]:
    """Forced rows of n visits before the detection, of object 1."""
    return {
        "dia_object_id": np.full(n, 1),
        "visit": 100 + np.arange(n),
        "detector": np.full(n, 40),
        "midpoint_mjd_tai": MJD - 1.0 - 20.0 * np.arange(n),
        "band": np.full(n, "r"),
        "psf_flux": np.linspace(10.0, 40.0, n),
        "psf_flux_err": np.full(n, 5.0),
    } | changes


@pytest.fixture
def with_object(db: apdb.Apdb) -> apdb.Apdb:
    db.store_visit(visit(1), sources(1, 150.0, 1.2))
    return db


def test_later_rows_are_stored_over_many_partitions(
    with_object: apdb.Apdb, plain_connection: Any
) -> None:
    report = with_object.store_forced(later(4))
    assert (report.n_rows, report.n_changed) == (4, 4)
    rows = plain_connection.execute(
        "select visit, psf_flux, ra, dec, store_seq from apdb.dia_forced_source order by visit"
    ).fetchall()
    assert [row[:2] for row in rows] == [(100, 10.0), (101, 20.0), (102, 30.0), (103, 40.0)]
    assert {row[4] for row in rows} == {report.store_seq}
    assert rows[0][2:4] == pytest.approx((150.0, 1.2), abs=1e-12)


def test_the_same_again_changes_nothing(with_object: apdb.Apdb, plain_connection: Any) -> None:
    with_object.store_forced(later(4))
    before = digest(plain_connection)
    again = with_object.store_forced(later(4))
    assert (again.n_changed, again.store_seq) == (0, 0)
    plain_connection.rollback()
    assert digest(plain_connection) == before


def test_another_measurement_replaces(with_object: apdb.Apdb, plain_connection: Any) -> None:
    with_object.store_forced(later(2))
    report = with_object.store_forced(later(2, psf_flux=[10.0, 21.0]))
    assert report.n_changed == 1
    assert plain_connection.execute(
        "select psf_flux, store_seq from apdb.dia_forced_source where visit = 101"
    ).fetchone() == (21.0, report.store_seq)


def test_the_next_source_takes_the_forced_mean(
    with_object: apdb.Apdb, plain_connection: Any
) -> None:
    with_object.store_forced(later(4, psf_flux_err=[1.0, 2.0, 4.0, 8.0]))
    with_object.store_visit(visit(2, MJD + 1), sources(2, 150.0, 1.2))
    weights = np.array([1.0, 2.0, 4.0, 8.0]) ** -2
    mean = np.average([10.0, 20.0, 30.0, 40.0], weights=weights)
    found = plain_connection.execute(
        "select r_fp_flux_mean, r_fp_flux_mean_err, g_fp_flux_mean from apdb.dia_object"
    ).fetchone()
    assert found[:2] == pytest.approx((mean, weights.sum() ** -0.5), rel=1e-6)
    assert found[2] is None


def test_objects_that_do_not_exist_are_named(with_object: apdb.Apdb) -> None:
    with pytest.raises(apdb.NotFound, match="77"):
        with_object.store_forced(later(2, dia_object_id=[1, 77]))


def test_rows_need_their_visit(with_object: apdb.Apdb) -> None:
    rows = later(2)
    del rows["visit"]
    with pytest.raises(apdb.InvalidInput, match="visit"):
        with_object.store_forced(rows)


def test_an_unknown_band_is_named(with_object: apdb.Apdb) -> None:
    with pytest.raises(apdb.InvalidInput, match="'V'"):
        with_object.store_forced(later(1, band=["V"]))


def test_no_rows_are_nothing(with_object: apdb.Apdb) -> None:
    assert with_object.store_forced({}).n_rows == 0
