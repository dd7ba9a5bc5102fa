"""Loading ephemerides: once, replaced where they differ, refused where they cannot be."""

from __future__ import annotations

import pytest

import apdb

EPHEMERIS = {
    "ss_object_id": [7, 7],
    "mjd_tai": [61109.0, 61109.1],
    "ra": [10.0, 10.02],
    "dec": [-5.0, -5.0],
    "ra_rate": [0.2, 0.2],
    "dec_rate": [0.0, 0.0],
}


def test_ephemerides_are_stored_once_and_replaced_where_they_differ(db: apdb.Apdb) -> None:
    assert db.load_ephemeris(EPHEMERIS) == 2
    assert db.load_ephemeris(EPHEMERIS) == 0
    assert db.load_ephemeris(EPHEMERIS | {"ra": [10.0, 10.03]}) == 1
    with db.reading() as connection:
        rows = connection.execute("select ra, vmag from apdb.ephemeris order by mjd_tai").fetchall()
    assert rows == [(10.0, None), (10.03, None)]
    assert db.load_ephemeris(None) == 0


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("ss_object_id", [7, -7], "must be positive"),
        ("mjd_tai", [61109.0, 61109.0], "in another row"),
        ("mjd_tai", [61109.0, 2461109.5], "subtract 2400000.5"),
        ("ra", [10.0, 361.0], "in \\[0, 360\\)"),
        ("ra_rate", [10.0, float("nan")], "ra_rate"),
    ],
)
def test_bad_ephemerides_are_refused(db: apdb.Apdb, column: str, values: list, said: str) -> None:
    with pytest.raises(apdb.InvalidInput, match=said) as caught:
        db.load_ephemeris(EPHEMERIS | {column: values})
    assert [problem.row for problem in caught.value.problems] == [1]
