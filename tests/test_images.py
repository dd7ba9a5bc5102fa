"""The image store: files by footprint, retention, orphans; templates by a stated rule; records."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import psycopg
import pytest
from astropy.coordinates import SkyCoord
from typer.testing import CliRunner

import apdb
from apdb.archive.maintenance import maintain
from apdb.cli.main import app
from apdb.images.choose import choose, coverage
from apdb.images.files import Written
from apdb.images.records import Outcome

MJD = 61109.3
SIDE = 0.2


def square(ra: float, dec: float, side: float = SIDE) -> tuple[tuple[float, float], ...]:
    half, stretch = side / 2, 1 / np.cos(np.radians(dec))
    steps = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return tuple(((ra + a * half * stretch) % 360, dec + b * half) for a, b in steps)


def visit(number: int, ra: float = 150.0, dec: float = 2.0, days: float = 0.0) -> apdb.Visit:
    return apdb.Visit(number, 3, "r", MJD + days, 30.0, boundary=square(ra, dec))


def holding(text: str) -> Any:
    return lambda path: path.write_text(text)


@pytest.fixture
def store(db: apdb.Apdb, tmp_path: Path) -> apdb.Apdb:
    db.set_setting("image_url", tmp_path / "images")
    return db


def age(connection: psycopg.Connection[Any], days: float) -> None:
    connection.execute("update apdb_base.image set written_mjd_tai = written_mjd_tai - %s", (days,))
    connection.execute(
        "update apdb_base.template set retired_mjd_tai = retired_mjd_tai - %s", (days,)
    )
    connection.commit()


def test_files_are_found_by_image_and_by_position(store: apdb.Apdb) -> None:
    rng = np.random.default_rng(5)
    centres = [(359.97, -30.0), (0.05, -30.02), (0.2, -29.9)]
    for number, (ra, dec) in enumerate(centres, start=1):
        store.put_images(
            visit(number, ra, dec, days=-number),
            {"difference": holding(f"d{number}"), "calibrated": holding("c")},
        )
    found = store.images_of(2, 3)
    assert set(found) == {"difference", "calibrated"}
    with store.image_file(found["difference"]) as path:
        assert path.read_text() == "d2"
    ra, dec = (359.8 + rng.random(60) * 0.5) % 360, -30.15 + rng.random(60) * 0.4
    at = SkyCoord(ra * u.deg, dec * u.deg)
    inside = np.zeros((60, 3), bool)
    for k, centre in enumerate(centres):
        # Squares in the tangent plane of their own middle, to a hundredth of an arcsec.
        x, y = SkyCoord(*centre, unit="deg").spherical_offsets_to(at)
        inside[:, k] = (abs(x.deg) < SIDE / 2 * 0.999) & (abs(y.deg) < SIDE / 2 * 0.999)
        near = (abs(abs(x.deg) - SIDE / 2) < 3e-4) | (abs(abs(y.deg) - SIDE / 2) < 3e-4)
        inside[near] = False
        at, ra, dec, inside = at[~near], ra[~near], dec[~near], inside[~near]
    got = [[i.visit for i in store.images_at(a, d)] for a, d in zip(ra, dec, strict=True)]
    assert got == [(np.flatnonzero(row)[::-1] + 1).tolist() for row in inside]
    assert inside.any(axis=0).all()
    assert not store.images_at(0.05, -30.0, until_mjd_tai=MJD - 3.5)
    with pytest.raises(apdb.InvalidInput, match="ra = 400"):
        store.images_at(400.0, 0.0)


def test_another_run_does_not_touch_the_production(store: apdb.Apdb) -> None:
    store.put_images(visit(1), {"difference": holding("real")})
    store.put_images(
        visit(1), {"difference": holding("fake"), "fakes": holding("f")}, run="fakes 1"
    )
    store.put_images(visit(1), {"difference": holding("real again")})
    assert set(store.images_of(1, 3)) == {"difference"}
    assert set(store.images_of(1, 3, run="fakes 1")) == {"difference", "fakes"}
    with store.image_file(store.images_of(1, 3)["difference"]) as path:
        assert path.read_text() == "real again"
    # a tag is a folder of the store, whatever it is
    for tag in ("..", "../..", "a/../../b"):
        (written,) = store.put_images(visit(1), {"difference": holding("x")}, run=tag)
        assert ".." not in Path(written.path).parts
        assert set(store.images_of(1, 3, run=tag)) == {"difference"}


def test_a_write_that_fails_leaves_nothing(store: apdb.Apdb, tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        store.put_images(visit(1), {"calibrated": holding("c"), "difference": fails})
    assert store.images_of(1, 3) == {}
    assert not list(tmp_path.rglob("*.difference.fits*"))


def test_damage_is_seen(store: apdb.Apdb, tmp_path: Path) -> None:
    (written,) = store.put_images(visit(1), {"difference": holding("whole")})
    (tmp_path / "images" / written.path).write_text("who")
    image = store.images_of(1, 3)["difference"]
    with pytest.raises(apdb.ImagesUnavailable, match="3 bytes, not 5"), store.image_file(image):
        pass
    (tmp_path / "images" / written.path).unlink()
    with pytest.raises(apdb.ImagesUnavailable, match="is gone"), store.image_file(image):
        pass


def test_on_a_store_that_is_no_folder(db: apdb.Apdb) -> None:
    db.set_setting("image_url", f"memory://images-{time.time_ns()}")
    db.put_images(visit(1), {"difference": holding("far away")})
    with db.image_file(db.images_of(1, 3)["difference"]) as path:
        assert path.read_text() == "far away"
    image = db.images_of(1, 3)["difference"]
    other = replace(image, file=Written(image.file.path, image.file.size, bytes(32)))
    with pytest.raises(apdb.ImagesUnavailable, match="not what was written"), db.image_file(other):
        pass


def test_without_a_store_nothing_is_kept(db: apdb.Apdb) -> None:
    assert db.put_images(visit(1), {"difference": holding("d")}) == []
    with pytest.raises(apdb.ImagesUnavailable, match="image_url is empty"):
        db.add_template("t", "r", holding("t"), square(150.0, 2.0))
    with pytest.raises(apdb.InvalidInput, match="image_keep_days cannot be '10'"):
        db.set_setting("image_keep_days", 10)


def test_retention_and_orphans(
    store: apdb.Apdb, plain_connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    root = tmp_path / "images"
    old = store.put_images(visit(1), {"difference": holding("old")})
    template = store.add_template("t", "r", holding("t"), square(150.0, 2.0))
    unused = store.add_template("u", "r", holding("u"), square(150.0, 2.0))
    store.retire_template(template.template_id)
    store.retire_template(unused.template_id)
    age(plain_connection, 44.0)
    new = store.put_images(visit(2), {"difference": holding("n")}, template_id=template.template_id)
    again = store.put_images(
        visit(2), {"difference": holding("n2")}, template_id=template.template_id
    )
    orphan, young = root / "main/2026-03-10/9_003_0.difference.fits", root / "main/y.sources.fits"
    for each in (orphan, young):
        each.parent.mkdir(exist_ok=True)
        each.write_text("?")
    os.utime(orphan, (1e9, 1e9))
    assert not maintain(store, steps=["images"]).images.expired
    assert not orphan.exists()
    assert young.exists()
    age(plain_connection, 1.5)
    planned = maintain(store, steps=["images"], dry_run=True).images.expired
    done = maintain(store, steps=["images"]).images
    assert planned == done.expired
    assert {path: why for path, _, why in done.expired} == {
        old[0].path: "images are kept for 45 d",
        new[0].path: "was made again",
        unused.file.path: "templates are kept for 45 d after they were retired",
    }
    assert {p.name for p in root.rglob("*.fits")} == {
        Path(p).name for p in (again[0].path, template.file.path, young)
    }
    assert not maintain(store, steps=["images"]).images.expired
    (root / "images.json").write_text('{"archive_id": "another"}')
    with pytest.raises(apdb.ImagesUnavailable, match="belongs to another database"):
        maintain(store, steps=["images"])


def test_templates_have_versions_and_are_chosen_by_the_rule(store: apdb.Apdb) -> None:
    def add(name: str, ra: float, side: float = 0.3, band: str = "r", **given: Any) -> int:
        return store.add_template(
            name, band, holding(name), square(ra, 2.0, side), **given
        ).template_id

    shifted = add("shifted", 150.06, seeing=0.6)
    blurred = add("patch", 150.0, seeing=1.4)
    assert store.choose_template(visit(7)).template.template_id == blurred
    sharp = add("patch", 150.01, seeing=0.7)
    assert store.template(sharp).version == 2
    add("green", 150.0, band="g", seeing=0.3)
    own = add("own", 150.0, seeing=0.2, visits=[7])
    choice = store.choose_template(visit(7))
    assert choice.template.template_id == sharp
    assert choice.coverage == 1.0
    assert "seeing" in choice.rule
    assert "1 of 3 that cover at least 50%" in choice.rule
    assert store.choose_template(visit(8)).template.template_id == own
    for each in (own, sharp, blurred):
        store.retire_template(each)
    assert store.choose_template(visit(7)).template.template_id == shifted
    with pytest.raises(apdb.NotFound, match="the best of 1 near it covers"):
        store.choose_template(visit(7), min_coverage=0.97)
    with pytest.raises(apdb.NotFound, match="there is none near it"):
        store.choose_template(visit(7, ra=190.0))
    with pytest.raises(apdb.NotFound, match="no template 999"):
        store.retire_template(999)
    assert len(store.templates()) == 2
    assert len(store.templates(retired=True)) == 5


@pytest.mark.parametrize("dec", [0.0, -70.0, 89.0])
def test_coverage_is_the_overlap_of_the_polygons(store: apdb.Apdb, dec: float) -> None:
    template = store.add_template("t", "r", holding("t"), square(10.0, dec, 0.2))
    image = apdb.Visit(1, 1, "r", MJD, boundary=square(10.0, dec + 0.05, 0.2))
    assert coverage(template, image) == pytest.approx(0.75, abs=0.03)
    assert choose([template], image).coverage == coverage(template, image)


def test_processing_is_on_record_and_failures_reach_status(store: apdb.Apdb) -> None:
    choice = store.add_template("t", "r", holding("t"), square(150.0, 2.0)) and (
        store.choose_template(visit(1))
    )
    config = {"subtract": {"flavour": "auto"}}
    assert store.begin_processing(1, 3, source="a.fits", config=config) == 1
    store.end_processing(1, 3, Outcome(stage="subtract", reason="no stars", choice=choice))
    assert store.begin_processing(1, 3, run="fakes") == 1
    store.end_processing(1, 3, Outcome(stage="read", reason="truncated"), run="fakes")
    (failed,) = store.processed(state="failed")
    assert (failed.stage, failed.reason, failed.template_id) == (
        "subtract", "no stars", choice.template.template_id,
    )  # fmt: skip
    with store.reading() as connection:
        rows = connection.execute(
            "select failed_stage, failed_reason, n_failures from apdb.expected_visit"
        ).fetchall()
    assert rows == [("subtract", "no stars", 1)]
    assert store.begin_processing(1, 3) == 2
    store.end_processing(1, 3, Outcome(n_dia_sources=4, timings={"read": 0.1}))
    (done,) = store.processed()
    assert (done.state, done.stage, done.template_id, done.n_dia_sources) == ("done", None, None, 4)
    with pytest.raises(apdb.NotFound, match="visit 5 detector 0 was not begun"):
        store.end_processing(5, 0, Outcome())


def test_what_is_none_of_the_image_counts_as_no_attempt(store: apdb.Apdb) -> None:
    assert store.begin_processing(1, 3) == 1
    # its process was killed, and another begins with it
    assert store.begin_processing(1, 3) == 1
    store.end_processing(1, 3, Outcome(stage="images", reason="does not answer", counts=False))
    assert store.begin_processing(1, 3) == 1
    store.end_processing(1, 3, Outcome(stage="read", reason="truncated"))
    assert store.begin_processing(1, 3) == 2


def test_metrics_and_summary(store: apdb.Apdb) -> None:
    values = {"calibrate.seeing": 0.8, "subtract.kernel_sum": 1.5, "detect.bad": np.nan}
    n = store.record_metrics(
        visit(4), values, units={"calibrate.seeing": "arcsec"}, tags={"run": "x"}
    )
    assert n == 2
    summary = {"visit": 4, "detector": 3, "x_size": 1024, "y_size": 900, "n_psf_star": 40}
    store.record_summary({**summary, "seeing": 0.8, "zero_point": np.nan})
    store.record_summary({**summary, "sky_bg": 120.5})
    with store.reading() as connection:
        rows = connection.execute(
            "select name, value, unit, night::text, tags from apdb.metrics order by name"
        ).fetchall()
        summaries = connection.execute(
            "select x_size, seeing, sky_bg from apdb.detector_visit_processing_summary"
        ).fetchall()
    assert rows == [
        ("calibrate.seeing", 0.8, "arcsec", "2026-03-09", {"run": "x"}),
        ("subtract.kernel_sum", 1.5, None, "2026-03-09", {"run": "x"}),
    ]
    assert summaries == [(1024, None, 120.5)]


def test_maintain_says_what_it_removed(
    store: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    store.put_images(visit(1), {"difference": holding("old")})
    age(plain_connection, 46.0)
    done = CliRunner().invoke(app, ["--dsn", store.dsn, "maintain", "--step", "images"])
    assert done.exit_code == 0, done.output
    assert "images      1 files removed" in done.output
