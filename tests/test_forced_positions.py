"""Which positions a visit hands to forced photometry, and positions from outside that are followed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from test_store_visit import MJD, sources, visit
from typer.testing import CliRunner

import apdb
from apdb.cli.main import app
from apdb.input.visit import FOOTPRINT_MARGIN


def asked(db: apdb.Apdb, at: apdb.Visit, batch: dict[str, Any]) -> dict[tuple[int, int], str]:
    """Store a visit; return who asked for each position that its forced function was given."""
    seen: dict[tuple[int, int], str] = {}

    def measure(positions: Table) -> None:
        assert positions.meta["visit"] == at
        ids = zip(positions["dia_object_id"], positions["followed_id"], strict=True)
        seen.update(zip(ids, positions["requested_by"].tolist(), strict=True))

    db.store_visit(at, batch, forced=measure)
    return seen


@pytest.fixture
def history(db: apdb.Apdb) -> apdb.Apdb:
    """Objects 1 (seen once, long ago), 2 (twice, long ago), 3 (once), 4 (twice, lately)."""
    db.store_visit(visit(1, MJD - 500), sources(1, [150.00, 150.02], [1.2, 1.2]))
    db.store_visit(visit(2, MJD - 450), sources(21, [150.02], [1.2]))
    db.store_visit(visit(3, MJD - 20), sources(3, [150.04, 150.06], [1.2, 1.2]))
    db.store_visit(visit(4, MJD - 10), sources(41, [150.06], [1.2]))
    return db


def test_the_default_rule(history: apdb.Apdb) -> None:
    found = asked(history, visit(5), sources(5, [150.08, 150.04], [1.2, 1.2]))
    assert found == {(4, 0): "apdb:history", (5, 0): "apdb:new", (3, 0): "apdb:history"}


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("forced_days", 5, {5: "apdb:new"}),
        ("forced_days", 1000, {2: "apdb:history", 4: "apdb:history", 5: "apdb:new"}),
        ("history_days", 1000, {2: "apdb:history", 4: "apdb:history", 5: "apdb:new"}),
        ("forced_min_sources", 1, {3: "apdb:history", 4: "apdb:history", 5: "apdb:new"}),
        ("forced_min_sources", 3, {5: "apdb:new"}),
        ("forced_new", "false", {4: "apdb:history"}),
    ],
)
def test_the_rule_is_configurable(
    history: apdb.Apdb, name: str, value: object, wanted: dict[int, str]
) -> None:
    history.set_setting(name, value)
    found = asked(history, visit(5), sources(5, [150.08], [1.2]))
    assert found == {(number, 0): who for number, who in wanted.items()}


def test_no_history_is_read(history: apdb.Apdb, plain_connection: Any) -> None:
    """The rule is one on counters: it finds the same when the histories are gone."""
    plain_connection.execute("set session_replication_role = replica")
    plain_connection.execute("delete from apdb_base.dia_source")
    plain_connection.commit()
    found = asked(history, visit(5), sources(5, [150.08], [1.2]))
    assert found == {(4, 0): "apdb:history", (5, 0): "apdb:new"}


def test_a_late_visit_measures_what_began_behind_it(history: apdb.Apdb) -> None:
    """Precovery of object 3 may have passed before this image came."""
    assert asked(history, visit(6, MJD - 30), sources(61, [150.09], [1.2])) == {
        (61, 0): "apdb:new",
        (3, 0): "apdb:precovery",
        (4, 0): "apdb:history",
    }
    history.set_setting("precovery_days", 5)
    assert (3, 0) not in asked(history, visit(7, MJD - 31), sources(71, [150.01], [1.2]))


def test_followed_positions_inside_the_footprint(db: apdb.Apdb) -> None:
    rng = np.random.default_rng(7)
    n = 300
    at = apdb.Visit(
        visit=9, detector=40, band="r", midpoint_mjd_tai=MJD,
        boundary=[(359.9, -0.1), (0.1, -0.1), (0.1, 0.1), (359.9, 0.1)],
    )  # fmt: skip
    ra, dec = rng.uniform(-0.2, 0.2, n) % 360, rng.uniform(-0.2, 0.2, n)
    report = db.follow({"name": [f"t{i}" for i in range(n)], "ra": ra, "dec": dec}, "broker")
    assert (report.n_added, len(np.unique(report.followed_id))) == (n, n)
    found = asked(db, at, sources(5, [0.05], [0.05]))
    # The sides are great circles, which are straight in the gnomonic projection.
    offset = SkyCoord(ra, dec, unit="deg").transform_to(
        SkyCoord(0, 0, unit="deg").skyoffset_frame()
    )
    corner = SkyCoord(0.1, 0.1, unit="deg").transform_to(
        SkyCoord(0, 0, unit="deg").skyoffset_frame()
    )

    def plane(at: SkyCoord) -> tuple[Any, Any]:
        return np.tan(at.lon.rad), np.tan(at.lat.rad) / np.cos(at.lon.rad)

    (x, y), (cx, cy) = plane(offset), plane(corner)
    outside = np.degrees(np.maximum(np.abs(x) - cx, np.abs(y) - cy))
    inside = outside <= 0.0
    margin = (outside > 0.0) & (outside < 1.5 * FOOTPRINT_MARGIN)
    assert 0 < inside.sum() < n
    for number in report.followed_id[margin].tolist():
        found.pop((0, number), None)
    wanted = {(0, int(number)): "broker" for number in report.followed_id[inside]}
    assert found == wanted | {(5, 0): "apdb:new"}


def test_spans_of_time_and_giving_up(db: apdb.Apdb) -> None:
    positions = {
        "name": ["always", "over", "later", "gone"],
        "ra": [150.0] * 4,
        "dec": [1.2] * 4,
        "from_mjd_tai": [np.nan, MJD - 10, MJD + 1, np.nan],
        "until_mjd_tai": [np.nan, MJD - 1, np.nan, np.nan],
    }
    ids = db.follow(positions, "survey").followed_id
    assert db.unfollow("survey", ["gone"]) == 1
    assert set(asked(db, visit(1), sources(1, 150.1, 1.2))) == {(1, 0), (0, ids[0])}
    with pytest.raises(apdb.NotFound, match="gone"):
        db.unfollow("survey", ["always", "gone"])
    assert len(db.followed("survey")) == 3
    assert db.unfollow("survey") == 3
    assert len(db.followed()) == 0
    assert len(db.followed(ended=True)) == 4
    with pytest.raises(apdb.NotFound):
        db.unfollow("survey")


def test_following_again(db: apdb.Apdb) -> None:
    first = db.follow({"name": ["a", "b"], "ra": [1.0, 2.0], "dec": [3.0, 4.0]}, "x")
    again = db.follow({"name": ["b", "a"], "ra": [2.0, 1.0], "dec": [4.0, 3.0]}, "x")
    assert (again.n_same, again.n_added) == (2, 0)
    assert again.followed_id.tolist() == first.followed_id[::-1].tolist()
    moved = db.follow(
        {"name": ["a", "b", "c"], "ra": [1.5, 2.0, 0.0], "dec": [3.0, 4.0, 0.0],
         "until_mjd_tai": [np.nan, 62000.0, np.nan]}, "x",
    )  # fmt: skip
    assert (moved.n_moved, moved.n_changed, moved.n_added, moved.n_same) == (1, 1, 1, 0)
    assert moved.followed_id[1] == first.followed_id[1]
    assert moved.followed_id[0] not in first.followed_id
    other = db.follow({"name": ["a"], "ra": [1.0], "dec": [3.0]}, "y")
    assert other.n_added == 1


@pytest.mark.parametrize(
    ("changes", "by", "text"),
    [
        ({"name": ["a", "a"]}, "x", "row 1, column name = 'a': same name as row 0"),
        ({"name": ["a", ""]}, "x", "row 1, column name"),
        ({"ra": [1.0, 360.0]}, "x", "row 1, column ra = 360.0"),
        ({"dec": [np.nan, 0.0]}, "x", "row 0, column dec"),
        ({"until_mjd_tai": [2461109.5, 61109.0]}, "x", "row 0, column until_mjd_tai"),
        ({"from_mjd_tai": [61110.0, 6e4], "until_mjd_tai": [61109.0, 61109.0]}, "x",
         "row 0, column until_mjd_tai = 61109.0: is before"),
        ({"flux": [1, 2]}, "x", "column flux"),
        ({}, "apdb:me", "must not begin with apdb:"),
        ({}, " ", "must be the name of who asks"),
    ],
)  # fmt: skip
def test_wrong_positions_are_named(
    db: apdb.Apdb, changes: dict[str, Any], by: str, text: str
) -> None:
    good = {"name": ["a", "b"], "ra": [1.0, 2.0], "dec": [3.0, 4.0]}
    with pytest.raises(apdb.InvalidInput) as caught:
        db.follow(good | changes, by)
    assert text in str(caught.value)
    assert len(db.followed()) == 0


def fluxes(positions: Table) -> Table:
    """A measure function that hands back what it got with fluxes beside it."""
    found = positions.copy()
    found["psf_flux"] = 100.0 * np.asarray(positions["ra"]) + np.asarray(positions["followed_id"])
    found["psf_flux_err"] = 7.0
    return found


def test_fluxes_of_followed_positions(db: apdb.Apdb) -> None:
    numbers = db.follow(
        {"name": ["p", "q"], "ra": [150.01, 150.02], "dec": [1.2, 1.21]}, "broker"
    ).followed_id
    for k in range(3):
        report = db.store_visit(
            visit(k + 1, MJD + k), sources(10 * k + 1, 150.1, 1.2), forced=fluxes
        )
        assert report.n_dia_forced_sources == 1
    curve = db.forced_of_followed(numbers[1])
    assert curve["visit"].tolist() == [1, 2, 3]
    assert curve["psf_flux"] == pytest.approx(np.full(3, 15002.0 + numbers[1]), rel=1e-6)
    assert curve["psf_flux_err"].unit == u.nJy
    assert curve["band"].tolist() == ["g"] * 3
    assert db.followed()["n_forced"].tolist() == [3, 3]


def test_withdrawal_and_replacement_take_the_fluxes_along(db: apdb.Apdb) -> None:
    """One flux a position and image, of what the image is now; none of an image that is withdrawn."""
    number = db.follow({"name": ["p"], "ra": [150.01], "dec": [1.2]}, "b").followed_id[0]
    nothing = {name: [] for name in ("dia_source_id", "ra", "dec", "psf_flux", "psf_flux_err")}
    contents = [sources(10 * k + 1, 150.1, 1.2) for k in range(3)] + [nothing]
    for k, content in enumerate(contents):
        db.store_visit(visit(k + 1, MJD + k), content, forced=fluxes)
    moved = visit(2, MJD + 1 + 1e-5)
    db.replace(moved, contents[1], forced=fluxes, reason="the clock was late")
    curve = db.forced_of_followed(number)
    assert curve["visit"].tolist() == [1, 2, 3, 4]
    assert curve["midpoint_mjd_tai"].tolist() == [
        MJD, moved.midpoint_mjd_tai, MJD + 2, MJD + 3,
    ]  # fmt: skip
    db.withdraw(visit=(1, 40), reason="clouds")
    db.withdraw(21, reason="a ghost")
    db.withdraw(visit=(4, 40), reason="no source, but a flux")
    assert db.forced_of_followed(number)["visit"].tolist() == [2, 3]
    assert db.withdraw(visit=(4, 40), reason="again").store_seq == 0
    db.replace(visit(1), contents[0], forced=fluxes, reason="no clouds")
    assert db.forced_of_followed(number)["visit"].tolist() == [1, 2, 3]


def test_a_failed_visit_leaves_no_flux(db: apdb.Apdb) -> None:
    number = db.follow({"name": ["p"], "ra": [150.0], "dec": [1.2]}, "b").followed_id[0]

    def wrong(positions: Table) -> Any:
        found = fluxes(positions)
        found["followed_id"][-1] = 0
        return found

    with pytest.raises(apdb.InvalidInput, match=r"dia_object_id: has no value: name the DIAObject"):
        db.store_visit(visit(1), sources(1, 150.1, 1.2), forced=wrong)
    bad = {"followed_id": [number + 5], "psf_flux": [1.0], "psf_flux_err": [1.0]}
    with pytest.raises(apdb.NotFound, match=str(number + 5)):
        db.store_visit(visit(1), sources(1, 150.1, 1.2), forced=bad)
    assert len(db.forced_of_followed(number)) == 0
    assert len(db.visits()) == 0


def test_later_rows_of_both_kinds(db: apdb.Apdb, plain_connection: Any) -> None:
    db.store_visit(visit(1), sources(1, 150.1, 1.2))
    number = db.follow({"name": ["p"], "ra": [150.0], "dec": [1.2]}, "b").followed_id[0]
    rows = {
        "dia_object_id": [0, 1, 0],
        "followed_id": [number, 0, number],
        "visit": [77, 77, 78],
        "detector": [4, 4, 4],
        "midpoint_mjd_tai": [MJD - 400, MJD - 400, MJD + 400],
        "band": ["g", "g", "i"],
        "psf_flux": [10.0, 20.0, np.nan],
        "psf_flux_err": [1.0, 2.0, np.nan],
        "science_flux": [np.nan, 5.0, 6.0],
    }
    assert db.store_forced(rows).n_changed == 3
    assert db.store_forced(rows).n_changed == 0
    curve = db.forced_of_followed(number)
    assert curve["psf_flux"].tolist() == [10.0, None]
    assert curve["science_flux"].tolist() == [None, 6.0]
    objects = plain_connection.execute(
        "select visit, psf_flux, science_flux from apdb.dia_forced_source"
    ).fetchall()
    assert objects == [(77, 20.0, 5.0)]
    assert db.store_forced(rows | {"psf_flux": [11.0, 20.0, np.nan]}).n_changed == 1
    assert db.forced_of_followed(number)["psf_flux"].tolist() == [11.0, None]
    with pytest.raises(apdb.InvalidInput, match="'V'"):
        db.store_forced({k: [v[0]] for k, v in rows.items()} | {"band": ["V"]})
    with pytest.raises(apdb.InvalidInput, match="row 1, column followed_id = "):
        db.store_forced(rows | {"followed_id": [number, number, number]})
    with pytest.raises(apdb.InvalidInput, match=r"row 2, .*same dia_object_id and followed_id"):
        db.store_forced(rows | {"visit": [77, 77, 77]})


def run(dsn: str, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["--dsn", dsn, *arguments])
    if isinstance(result.exception, apdb.ApdbError):
        assert result.exception.exit_code == code, result.exception
        return str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_the_commands(db: apdb.Apdb, dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "targets.ecsv"
    Table({"name": ["SN a", "SN b"], "ra": [150.0, 150.01] * u.deg, "dec": [1.2, 1.2]}).write(file)
    assert "2 added" in run(dsn, "forced", "follow", str(file), "--by", "fink")
    assert "2 as before" in run(dsn, "forced", "follow", str(file), "--by", "fink")
    db.store_visit(visit(1), sources(1, 150.1, 1.2), forced=fluxes)
    listed = json.loads(run(dsn, "--json", "forced", "list"))
    assert [(row["name"], row["n_forced"]) for row in listed] == [("SN a", 1), ("SN b", 1)]
    assert "SN b" in run(dsn, "forced", "list", "--by", "fink")
    out = tmp_path / "curve.ecsv"
    number = listed[0]["followed_id"]
    run(dsn, "forced", "show", number, "--out", str(out))
    assert len(Table.read(out)) == 1
    late = tmp_path / "late.ecsv"
    Table(
        {"dia_object_id": [1], "visit": [70], "detector": [3], "midpoint_mjd_tai": [MJD - 3],
         "band": ["r"], "psf_flux": [1.0], "psf_flux_err": [2.0]}
    ).write(late)  # fmt: skip
    assert "1 row(s), 1 new or changed" in run(dsn, "forced", "store", str(late))
    assert "1 row(s), 0 new or changed" in run(dsn, "forced", "store", str(late))
    assert "1 given up" in run(dsn, "forced", "unfollow", "--by", "fink", "SN a")
    assert "SN z" in run(dsn, "forced", "unfollow", "--by", "fink", "SN z", code=6)
    assert "name them" in run(dsn, "forced", "unfollow", "--by", "fink", code=2)
    assert "1 given up" in run(dsn, "forced", "unfollow", "--by", "fink", "--all")
    assert "no followed position 999" in run(dsn, "forced", "show", "999", code=6)
