"""One image from its file to archived alerts, and what is on record when a stage fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner

import apdb
from apdb.archive.stamps import read_ccd
from apdb.cli.main import app
from pipeline.detect import DetectConfig
from pipeline.exposure import Exposure, Mask
from pipeline.fakes import FakesConfig
from pipeline.io import read_exposure, write_exposure
from pipeline.process import Inputs, Precover, ProcessConfig, Sources, process_visit
from pipeline.process.report import ProcessReport
from pipeline.process.templates import add_template
from pipeline.scene import SimulatedField, simulate_field

SHAPE = (256, 256)


@pytest.fixture(scope="module")
def field() -> SimulatedField:
    return simulate_field(8, SHAPE, n_stars=100, n_galaxies=12, n_transients=12)


@pytest.fixture
def store(db: apdb.Apdb, tmp_path: Path) -> apdb.Apdb:
    db.set_setting("image_url", tmp_path / "images")
    db.set_setting("archive_url", tmp_path / "archive")
    return db


Process = Callable[..., ProcessReport]


@pytest.fixture
def run(store: apdb.Apdb, field: SimulatedField, tmp_path: Path) -> Process:
    """Process an image against the template in the store."""
    add_template(store, field.template, "field", "r")
    config = ProcessConfig()

    def process(exposure: Exposure | Path | None = None, **given: Any) -> ProcessReport:
        path = exposure if isinstance(exposure, Path) else tmp_path / "2026031000001_000.fits"
        if not isinstance(exposure, Path):
            write_exposure(exposure or field.science, path)
        chosen = given.pop("config", config)
        return process_visit(store, Inputs(path), Sources(store, chosen), chosen, **given)

    return process


def at(field: SimulatedField, days: float) -> Exposure:
    info = field.science.info
    assert info is not None
    moved = replace(info, visit=info.visit + 1, midpoint_mjd_tai=info.midpoint_mjd_tai + days)
    return field.science.with_(info=moved)


@pytest.mark.slow
def test_an_image_becomes_alerts_images_and_metrics(
    run: Process, store: apdb.Apdb, field: SimulatedField
) -> None:
    stages: list[str] = []
    report = run(watch=stages.append)
    assert (report.state, report.reason) == ("done", None)
    assert stages == [
        "read", "calibrate", "template", "subtract", "detect", "measure", "classify", "images", "store", "record",
    ]  # fmt: skip
    truth = field.truth[np.abs(field.truth["diff_snr"]) > 8]
    found = report.dia_sources
    assert found is not None
    distance = np.hypot(
        truth["x"][:, None] - np.asarray(found["x"]), truth["y"][:, None] - np.asarray(found["y"])
    )
    inside = (np.minimum(truth["x"], truth["y"]) > 8) & (
        np.maximum(truth["x"], truth["y"]) < SHAPE[0] - 9
    )
    assert (distance.min(axis=1) < 2.0)[inside].mean() > 0.9
    with store.reading() as connection:
        stored, alerts, metrics = connection.execute(
            "select (select count(*) from apdb.dia_source), (select count(*) from apdb.alert), "
            "(select count(*) from apdb.metrics where visit = 2026031000001)"
        ).fetchone() or (0, 0, 0)
        seeing, columns, stars = connection.execute(
            "select seeing, x_size, n_psf_star from apdb.detector_visit_processing_summary"
        ).fetchone() or (0, 0, 0)
        row = connection.execute("select config from apdb.visit_processing").fetchone()
        unit = connection.execute(
            "select unit from apdb.metrics where name = 'time.subtract_seconds'"
        ).fetchone()
    assert stored == len(found) == report.n_alerts == alerts > 3
    assert metrics > 40
    assert unit == ("s",)
    assert row is not None
    assert row[0]["detect"]["threshold"] == 4.4
    # the field was drawn with 0.2 arcsec pixels
    assert seeing == pytest.approx(report.metrics["calibrate.psf_fwhm"] * 0.2, rel=0.01)
    assert columns == SHAPE[1]
    assert stars > 10
    (record,) = store.processed()
    assert (record.state, record.template_version, record.template_coverage) == ("done", 1, 1.0)
    assert record.flavour == "convolve_template"
    assert set(store.images_of(2026031000001, 0)) == {"calibrated", "difference", "sources"}
    with store.image_file(store.images_of(2026031000001, 0)["sources"]) as path:
        assert {"x", "flux", "is_star"} <= set(Table.read(path).colnames)
    again = run()
    assert again.reason is None
    assert again.kept
    assert set(again.timings) == {"read"}
    replaced = run(config=ProcessConfig().with_run(replace=True))
    assert replaced.reason is None
    assert not replaced.kept


@pytest.mark.slow
def test_stamps_show_what_was_found(run: Process, store: apdb.Apdb) -> None:
    report = run()
    found = report.dia_sources
    assert found is not None
    brightest = int(np.nanargmax(found["psf_flux"]))
    alert = store.alert(int(found["dia_source_id"][brightest]))
    stamps = read_ccd(alert.packet)
    difference = stamps["difference"]
    assert difference.data.shape == (31, 31)
    peak = np.unravel_index(np.argmax(difference.data), (31, 31))
    assert np.hypot(peak[0] - 15, peak[1] - 15) < 2
    sky = difference.wcs.pixel_to_world_values(15, 15)
    assert np.allclose(sky, (found["ra"][brightest], found["dec"][brightest]), atol=0.2 / 3600)
    assert np.allclose(
        stamps["science"].data - stamps["template"].data, difference.data,
        atol=6 * np.sqrt(np.median(difference.uncertainty.array)),
    )  # fmt: skip


@pytest.mark.slow
def test_a_tagged_run_leaves_the_database_alone(run: Process, store: apdb.Apdb) -> None:
    report = run(run="fakes", config=ProcessConfig().with_run(mode="fast"))
    assert report.state == "done"
    assert report.stored is None
    assert set(store.images_of(2026031000001, 0, run="fakes")) == {
        "calibrated", "difference", "dia_sources",
    }  # fmt: skip
    with store.reading() as connection:
        rows = connection.execute(
            "select (select count(*) from apdb.visit), (select count(*) from apdb.dia_source), "
            "(select count(*) from apdb.metrics where tags->>'run' = 'fakes') > 40"
        ).fetchone()
    assert rows == (0, 0, True)
    assert not store.processed()
    assert store.processed(run="fakes")[0].mode == "fast"


@pytest.mark.slow
def test_new_objects_are_measured_on_earlier_images(
    run: Process, store: apdb.Apdb, field: SimulatedField
) -> None:
    # Before: the sky as the template has it, in which the transients are not yet there.
    noise = np.random.default_rng(3).normal(size=SHAPE) * np.sqrt(field.science.variance)
    template = field.template
    before = at(field, -5.0).with_(
        image=(template.image + noise).astype(np.float32),
        variance=template.variance + field.science.variance,
    )
    blind = replace(ProcessConfig(), detect=DetectConfig(threshold=1000.0))
    first = run(before, config=blind)
    assert (first.reason, first.n_dia_sources) == (None, 0)
    report = run()
    assert report.stored is not None
    summary = store.run_precovery(Precover(store))
    new = np.unique(report.stored.dia_object_id[report.stored.is_new])
    assert summary.n_images == 1
    assert summary.n_failed_images == 0
    assert len(new) - 1 <= summary.n_stored <= len(new)
    assert summary.n_stored > 3
    with store.reading() as connection:
        rows = connection.execute(
            "select f.psf_flux / f.psf_flux_err, d.snr from apdb.dia_forced_source as f "
            "join apdb.dia_source as d using (dia_object_id) where f.visit = 2026031000002 "
            "and d.visit = 2026031000001"
        ).fetchall()
    pull, snr = np.array(rows).T
    # nothing was there: noise, however bright the source is now
    assert np.abs(pull).max() < 4.5
    assert snr.max() > 30


@pytest.mark.slow
def test_fakes_are_injected_matched_and_kept_in_runs_apart(run: Process, store: apdb.Apdb) -> None:
    few = FakesConfig(density=1e6, most=30, snr=(12.0, 20.0), snr_fraction=1.0)
    config = replace(ProcessConfig(), fakes=few)
    with pytest.raises(apdb.InvalidInput, match="give it a tag"):
        run(fakes=1)
    report = run(fakes=1, run="fakes", config=config)
    assert report.reason is None
    kept = store.images_of(2026031000001, 0, run="fakes")
    with store.image_file(kept["fakes"]) as injected, store.image_file(kept["matches"]) as matched:
        fakes, matches = Table.read(injected), Table.read(matched)
    assert len(fakes) == len(matches) >= 15
    usable = matches["usable"] & (matches["flux"] > 0)
    # S/N 12 and more, on good pixels: nearly all are found
    assert matches["found"][usable].mean() > 0.9
    found = report.dia_sources
    assert found is not None
    assert found["pixel_flags_injected"].sum() >= matches["found"].sum() * 0.7
    with store.reading() as connection:
        rows = connection.execute(
            "select name, value from apdb.metrics where name = 'fakes.found' and tags->>'run' = 'fakes'"
        ).fetchall()
    assert rows == [("fakes.found", float(matches["found"].sum()))]


def saturated(field: SimulatedField) -> Exposure:
    return field.science.with_(mask=np.full(SHAPE, int(Mask.SAT), np.uint32))


def blank(field: SimulatedField) -> Exposure:
    noise = np.random.default_rng(1).normal(size=SHAPE) * np.sqrt(field.science.variance)
    return field.science.with_(image=noise.astype(np.float32))


def elsewhere(field: SimulatedField) -> Exposure:
    assert field.science.wcs is not None
    wcs = field.science.wcs.deepcopy()
    wcs.wcs.crval = [190.0, -40.0]
    return field.science.with_(wcs=wcs)


def nowhere(field: SimulatedField) -> Exposure:
    return field.science.with_(wcs=None)


def no_noise(field: SimulatedField) -> Exposure:
    return field.science.with_(variance=np.zeros(SHAPE, np.float32))


@pytest.mark.parametrize(
    ("spoil", "stage", "cause"),
    [
        (saturated, "read|calibrate", "all are masked|no pixel"),
        (blank, "calibrate", "star"),
        (no_noise, "read|calibrate", "variance|no pixel"),
        (elsewhere, "template", "no template in band r covers 50%"),
        (nowhere, "calibrate", "no world coordinates"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_bad_images_are_on_record_with_stage_and_cause(
    spoil: Callable[[SimulatedField], Exposure], stage: str, cause: str,
    run: Process, store: apdb.Apdb, field: SimulatedField,
) -> None:  # fmt: skip
    report = run(spoil(field))
    assert report.state == "failed"
    assert report.trace is None, report.trace
    assert report.stage in stage.split("|")
    assert any(each in str(report.reason) for each in cause.split("|")), report.reason
    (record,) = store.processed(state="failed")
    assert (record.stage, record.reason) == (report.stage, report.reason)
    (failed,) = store.status().outstanding
    assert (failed.visit, failed.stage, failed.reason) == (
        2026031000001, report.stage, report.reason,
    )  # fmt: skip
    with store.reading() as connection:
        assert connection.execute("select count(*) from apdb.visit").fetchone() == (0,)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:30_000])


def no_fits(path: Path) -> None:
    path.write_text("this is no image")


@pytest.mark.parametrize("spoil", [truncated, no_fits, Path.unlink])
def test_files_that_cannot_be_read_are_known_by_header_or_name(
    spoil: Callable[[Path], None],
    run: Process,
    store: apdb.Apdb,
    field: SimulatedField,
    tmp_path: Path,
) -> None:
    path = tmp_path / "2026031000001_000.fits"
    write_exposure(field.science, path)
    spoil(path)
    report = run(path)
    assert (report.state, report.stage, report.visit, report.detector) == (
        "failed", "read", 2026031000001, 0,
    )  # fmt: skip
    assert store.processed(state="failed")[0].reason == report.reason


def test_files_that_are_not_there_are_told_before_any_image_is_blamed(
    db: apdb.Apdb, tmp_path: Path
) -> None:
    image = tmp_path / "2026031000001.fits"
    image.write_text("no image")
    for command, given in (("process", image), ("process-night", tmp_path)):
        for option in ("--template", "--refcat", "--flat"):
            arguments = ["--dsn", db.dsn, command, str(given), option, str(tmp_path / "none.fits")]
            assert CliRunner().invoke(app, arguments).exit_code == 2
    assert db.processed() == []
    (tmp_path / "unknown.fits").write_text("no image, and no number")
    said = CliRunner().invoke(app, ["--dsn", db.dsn, "process", str(tmp_path / "unknown.fits")])
    assert said.exit_code == 1
    assert "the failure is not on record" in said.stderr
    said = CliRunner().invoke(app, ["--dsn", db.dsn, "process", str(image)])
    assert "The failure is on record (apdb status)" in said.stderr
    assert [each.visit for each in db.processed(state="failed")] == [2026031000001]


@pytest.mark.slow
def test_on_the_command_line(store: apdb.Apdb, field: SimulatedField, tmp_path: Path) -> None:
    science, template, plot = (tmp_path / n for n in ("s.fits", "t.fits", "p.png"))
    write_exposure(field.science, science)
    write_exposure(field.template, template)
    config = tmp_path / "c.toml"
    config.write_text("[detect]\nthreshold = 6\n[run]\nstamp_half = 10\n")
    arguments = ["--dsn", store.dsn, "process", str(science), "--template", str(template)]
    said = CliRunner().invoke(app, [*arguments, "--config", str(config), "--plot", str(plot)])
    assert said.exit_code == 0, said.output
    assert "new DIAObjects" in said.output
    assert fits.getheader(science, 1) is not None
    assert plot.read_bytes()[:4] == b"\x89PNG"
    said = CliRunner().invoke(
        app, ["--json", *arguments, "--visit", "2026031000099", "--band", "no such"]
    )
    assert said.exit_code == 1
    document = json.loads(said.stdout)
    assert (document["state"], document["stage"]) == ("failed", "read")
    config.write_text("[detect]\nthreshold = 'high'\n")
    said = CliRunner().invoke(app, [*arguments, "--config", str(config)])
    assert isinstance(said.exception, apdb.InvalidInput)
    assert "c.toml, section [detect], key threshold = 'high': must be a number" in str(
        said.exception
    )


def test_a_filter_that_is_not_known_is_said_before_the_work(run: Process, store: apdb.Apdb) -> None:
    config = ProcessConfig().with_read(band="Halpha")
    report = run(config=config)
    assert (report.state, report.stage) == ("failed", "read")
    assert report.reason is not None
    assert report.reason.startswith("unknown filter 'Halpha': known are g, i, r, u, y, z; ")
    assert set(report.timings) == {"read"}
    (record,) = store.processed()
    assert (record.state, record.stage) == ("failed", "read")
    store.add_band("Halpha", "r")
    assert run(config=config).stage != "read"


def test_templates_on_the_command_line(
    store: apdb.Apdb, field: SimulatedField, tmp_path: Path
) -> None:
    path = tmp_path / "deep.fits"
    write_exposure(field.template, path)
    base = ["--dsn", store.dsn, "--json", "templates"]
    added = CliRunner().invoke(app, [*base, "add", str(path), "--band", "r", "--visit", "77"])
    assert added.exit_code == 0, added.output
    (template,) = json.loads(added.stdout)
    assert (template["name"], template["version"], template["visits"]) == ("deep", 1, [77])
    with store.image_file(store.template(template["template_id"])) as stored:
        assert np.array_equal(read_exposure(stored).image, field.template.image)
    assert CliRunner().invoke(app, [*base, "retire", str(template["template_id"])]).exit_code == 0
    assert json.loads(CliRunner().invoke(app, [*base, "list"]).stdout) == []
    assert len(json.loads(CliRunner().invoke(app, [*base, "list", "--all"]).stdout)) == 1
