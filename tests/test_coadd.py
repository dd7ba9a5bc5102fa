"""Templates built of files: what they hold and leave out, and that images are subtracted from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner, Result

import apdb
from apdb.cli.main import app
from pipeline.errors import TemplateError
from pipeline.exposure import Exposure, Mask
from pipeline.io import read_exposure, write_exposure
from pipeline.process.coadd import common_grid
from pipeline.scene import Night, NightConfig, simulate_night, tan_wcs

CONFIG = NightConfig(
    seed=11,
    n_visits=4,
    bands=("r",),
    shape=(256, 256),
    dither=12.0,
    n_stars=100,
    n_saturated=0,
    n_galaxies=8,
    n_variables=0,
    n_transients=6,
    n_fading=0,
    n_movers=4,
    satellites=0.0,
    cosmic_rays=4.0,
    background=0.0,
)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return simulate_night(CONFIG, tmp_path_factory.mktemp("night"))


@pytest.fixture
def store(db: apdb.Apdb, tmp_path: Path) -> apdb.Apdb:
    db.set_setting("image_url", tmp_path / "images")
    db.set_setting("archive_url", tmp_path / "archive")
    return db


def call(store: apdb.Apdb, *arguments: Any) -> Result:
    return CliRunner().invoke(app, ["--dsn", store.dsn, "--json", *map(str, arguments)])


def blank(at: tuple[float, float], scale: float = 0.2, size: int = 100) -> Exposure:
    pixels = np.zeros((size, size), np.float32)
    wcs = tan_wcs(*at, (size, size), scale)
    return Exposure(pixels, np.zeros(pixels.shape, np.uint32), pixels + 1, wcs=wcs)


def test_a_template_of_three_images_serves_the_fourth(
    store: apdb.Apdb, night: Night, tmp_path: Path
) -> None:
    *three, fourth = (visit.science for visit in night.visits)
    broken, out = tmp_path / "broken.fits", tmp_path / "deep.fits"
    broken.write_bytes(three[0].read_bytes()[:9000])
    built = call(store, "templates", "build", *three, broken, "--name", "field", "--out", out)
    assert built.exit_code == 0, built.output
    found = json.loads(built.stdout)
    assert found["visits"] == [visit.info.visit for visit in night.visits[:3]]
    assert (found["band"], found["version"], found["n_exposures"]) == ("r", 1, 3)
    assert list(found["left_out"]) == [str(broken)]
    assert "is left out: read: " in built.stderr

    template, images = read_exposure(out), [read_exposure(path) for path in three]
    good = ~template.masked() & ~template.masked(Mask.HIGH_VARIANCE)
    weights = np.array([1.0 / np.median(image.variance) for image in images])
    # of independent images with these weights
    assert np.median(template.variance[good]) == pytest.approx(1.0 / weights.sum(), rel=0.1)
    assert template.shape > images[0].shape
    assert found["seeing"][str(three[0])] == pytest.approx(images[0].psf.fwhm * 0.2, rel=1e-3)

    # Moving objects are where they were in one image each: there is nothing in the template.
    truth = Table.read(night.folder / "truth.fits")
    moving = truth[[str(kind).strip().endswith("mover") for kind in truth["kind"]]]
    moving = moving[moving["flux"] > 10 * np.sqrt(np.median(images[0].variance)) * 8]
    x, y = template.wcs.world_to_pixel_values(moving["ra"], moving["dec"])
    inside = (np.minimum(x, y) > 40) & (x < template.shape[1] - 40) & (y < template.shape[0] - 40)
    assert inside.sum() >= 2
    for column, row in zip(
        x[inside].round().astype(int), y[inside].round().astype(int), strict=True
    ):
        around = template.image[row - 2 : row + 3, column - 2 : column + 3]
        assert np.median(around) < 8 * np.sqrt(np.median(template.variance[good]))

    done = call(store, "process", fourth)
    assert done.exit_code == 0, done.output
    (record,) = store.processed()
    assert (record.state, record.template_version) == ("done", 1)
    # No image is subtracted from a template that it is in.
    refused = call(store, "process", three[0], "--run", "again")
    assert refused.exit_code == 1
    assert "no template in band r" in refused.stderr


def test_the_grid_holds_all_images_over_ra_zero_and_at_the_pole() -> None:
    for ra, dec in ((0.001, -30.0), (40.0, 89.99)):
        exposures = [blank((ra, dec)), blank((ra - 0.004, dec - 0.003)), blank((ra, dec), 0.3)]
        wcs, (rows, columns) = common_grid(exposures)
        for each in exposures:
            edge = np.array([-0.5, 99.5])
            x, y = (axis.ravel() for axis in np.meshgrid(edge, edge))
            column, row = wcs.world_to_pixel_values(*each.wcs.pixel_to_world_values(x, y))
            assert column.min() > -0.6
            assert row.min() > -0.6
            assert column.max() < columns - 0.4
            assert row.max() < rows - 0.4
        assert wcs.proj_plane_pixel_scales()[0].to_value("arcsec") == pytest.approx(0.2, rel=1e-6)


def test_one_image_keeps_its_pixels() -> None:
    exposure = blank((150.0, 2.0))
    wcs, shape = common_grid([exposure])
    assert shape == exposure.shape
    at = np.array([[0.0, 50.0, 99.0], [10.0, 20.0, 99.0]])
    there = exposure.wcs.pixel_to_world_values(*at)
    np.testing.assert_allclose(wcs.world_to_pixel_values(*there), at, atol=1e-3)


def test_images_far_apart_are_refused() -> None:
    with pytest.raises(TemplateError, match=r"span .* deg, and most of that is empty"):
        common_grid([blank((150.0, 2.0)), blank((150.4, 2.3))])


def test_files_that_do_not_serve(store: apdb.Apdb, night: Night, tmp_path: Path) -> None:
    science = read_exposure(night.visits[0].science)
    bare = tmp_path / "bare.fits"
    write_exposure(science.with_(wcs=None, psf=None, unit="electron"), bare)
    wrong = call(store, "templates", "build", bare, "--name", "x")
    assert isinstance(wrong.exception, TemplateError)
    assert f"none of the files can be used: {bare}: " in str(wrong.exception)
    assert "with a reference catalogue" in str(wrong.exception)
    blurred = call(
        store, "templates", "build", night.visits[0].science, "--name", "x", "--max-seeing", 0.3
    )
    assert "above 0.3" in str(blurred.exception)
    other = tmp_path / "g.fits"
    info = science.info
    assert info is not None
    write_exposure(science.with_(info=replace(info, band="g")), other)
    mixed = call(store, "templates", "build", night.visits[0].science, other, "--name", "x")
    assert "different bands (g, r)" in str(mixed.exception)
    assert store.templates() == []
