"""The study of flavours: its measures against brute force, and a whole one in small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from scipy.stats import poisson
from typer.testing import CliRunner

from apdb.cli.main import app
from pipeline.fakes import FakesConfig
from pipeline.scene.config import NightConfig
from pipeline.scene.night import simulate_night
from pipeline.study import StudyConfig, real_pairs, run_study, simulated_pairs, write_report
from pipeline.study.measures import clustering, dispersion, objects, photometry, purity
from pipeline.study.run import together


def test_objects_are_friends_of_friends() -> None:
    rng = np.random.default_rng(1)
    # five places 10 arcsec apart, seen 1 to 5 times with 0.05 arcsec of noise on each axis
    times = np.arange(1, 6)
    place = np.repeat(np.arange(5), times)
    noise = rng.normal(0, 0.05 / 3600, (2, len(place)))
    dec = 40.0 + noise[1]
    ra = 10.0 + place * 10 / 3600 / np.cos(np.radians(40)) + noise[0] / np.cos(np.radians(dec))
    got = objects(Table({"ra": ra, "dec": dec}), 1.0)
    expected = []
    for each in range(1, 5):
        part = noise[:, place == each] * 3600
        expected.append(np.sqrt(np.square(part - part.mean(axis=1, keepdims=True)).sum(0).mean()))
    assert (got.n, got.single, got.n_sources) == (5, 0.2, pytest.approx(3.5))
    assert got.rms == pytest.approx(np.median(expected), rel=1e-3)
    assert objects(Table({"ra": [], "dec": []}), 1.0).n == 0


def test_dispersion_is_that_of_poisson() -> None:
    counts = poisson(3.0).rvs(4000, random_state=np.random.default_rng(2)).astype(float)
    index, probability = dispersion(counts)
    assert index == pytest.approx(1.0, abs=0.08)
    assert 0.001 < probability < 0.999
    clumped = counts.copy()
    clumped[::10] += 6
    assert dispersion(clumped)[0] == pytest.approx(clumped.var(ddof=1) / clumped.mean())
    assert dispersion(clumped)[1] < 1e-10
    assert np.isnan(dispersion(np.zeros(5))).all()


def test_rows_and_bright_stars_show() -> None:
    rng = np.random.default_rng(3)
    n = 400
    random = Table(
        {
            "x": rng.uniform(0, 512, n),
            "y": rng.uniform(0, 512, n),
            "name": np.full(n, "a"),
            "near_bright": rng.random(n) < 0.1,
        }
    )
    even = clustering(random, (512, 512), 8, 0.1)
    assert even.rows_p > 0.01
    assert even.columns_p > 0.01
    assert even.bright == pytest.approx(1.0, abs=0.4)
    on_rows = random.copy()
    on_rows["y"][:100] = 77.0
    on_rows["near_bright"] = rng.random(n) < 0.5
    lined = clustering(on_rows, (512, 512), 8, 0.1)
    assert lined.rows > 10
    assert lined.rows_p < 1e-20
    assert lined.columns_p > 0.01
    # odds of one half against odds of a tenth
    assert lined.bright == pytest.approx(9.0, rel=0.25)


def test_photometry_and_purity_of_known_errors() -> None:
    rng = np.random.default_rng(4)
    n = 4000
    flux, error = np.full(n, 1000.0), np.full(n, 20.0)
    down = rng.random(n) < 0.3
    measured = np.where(down, -1, 1) * (flux * 1.02 + rng.normal(0, 20, n))
    fakes = Table(
        {
            "flux": flux,
            "snr": flux / error,
            "passed": np.ones(n, bool),
            "in_template": down,
            "psf_flux": measured,
            "psf_flux_err": error,
        }
    )
    got = photometry(fakes)
    assert got.n == n
    assert got.offset == pytest.approx(-2.5 * np.log10(1.02), abs=0.002)
    assert (got.pull_mean, got.pull_width) == (
        pytest.approx(1.0, abs=0.08),
        pytest.approx(1, abs=0.05),
    )
    kinds = Table({"kind": ["fake"] * 6 + ["true"] * 3 + ["other"] * 3})
    chosen = np.ones(12, bool)
    assert purity(kinds, chosen)[0] == 0.75
    assert purity(kinds, ~chosen) == (pytest.approx(np.nan, nan_ok=True), 0.0, 1.0)


def test_flavours_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="flavours must be some of"):
        StudyConfig(flavours=("hotpants",))  # type: ignore[arg-type]
    result = CliRunner().invoke(app, ["study", "flavors", str(tmp_path), "--simulate", "0"])
    assert result.exit_code != 0
    assert "no images" in str(result.exception)


@pytest.mark.slow
def test_a_study_in_small(tmp_path: Path) -> None:
    night = NightConfig(
        n_visits=2, shape=(400, 400), n_stars=150, n_galaxies=20, n_saturated=1, n_transients=8,
        n_variables=5, n_movers=1, satellites=0.0,
    )  # fmt: skip
    config = StudyConfig(
        flavours=("convolve_template", "zogy"),
        night=night,
        fakes=FakesConfig(density=1e7, most=40, snr=(4.0, 15.0), snr_fraction=1.0),
    )
    study = run_study(simulated_pairs(night, tmp_path / "night"), config)
    report = write_report(study, tmp_path / "report", "a test").read_text()
    assert len(study.images) == 4
    assert not any("failure" in each for each in study.images)
    fakes, sources = together(study.fakes), together(study.sources)
    # the same fakes for both flavours, each found one to one
    by_flavour = [fakes[fakes["flavour"] == name] for name in config.flavours]
    np.testing.assert_array_equal(*[each["flux"] for each in by_flavour])
    assert (sources["kind"] == "fake").sum() == fakes["found"].sum()
    strong = fakes[(fakes["snr"] > 9) & (fakes["flavour"] == "convolve_template")]
    assert strong["found"].mean() > 0.85
    assert strong["reliable"].mean() > 0.75
    for words in ("half efficiency", "Contamination", "Clustering", "convolve_template", "zogy"):
        assert words in report
    pictures = sorted((tmp_path / "report").glob("*.png"))
    assert [each.stem for each in pictures] == ["efficiency", "fluxes", "maps", "stamps"]
    assert sum(each.stat().st_size for each in pictures) < 1_000_000


@pytest.mark.slow
def test_a_model_of_one_s_own_frames(tmp_path: Path) -> None:
    """Frames of one field, with fakes, by the command line."""
    night = NightConfig(
        n_visits=8, bands=("r",), shape=(420, 420), n_stars=150, n_galaxies=20, n_saturated=2,
        n_transients=0, n_variables=0, n_fading=0, n_movers=0, cosmic_rays=20.0,
        flagged_cosmic_rays=0.5,
    )  # fmt: skip
    folder = simulate_night(night, tmp_path, raw=False).visits[0].science.parent
    model = tmp_path / "own.npz"
    arguments = ["--json", "train-reliability", str(model), "--images", str(folder)]
    result = CliRunner().invoke(app, [*arguments, "--version", "own", "--trees", "10"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    # a frame that cannot be subtracted is left out, and named
    left_out = result.stderr.count("left out")
    assert (told["version"], told["images"]) == ("own", 7 - left_out)
    assert left_out <= 2
    assert told["auc"] > 0.8


def test_every_frame_can_be_the_template(tmp_path: Path) -> None:
    night = NightConfig(
        n_visits=3, bands=("r",), shape=(300, 300), n_stars=90, n_galaxies=5, n_saturated=0,
        n_transients=0, n_variables=0, n_movers=0, satellites=0.0, cosmic_rays=0.0,
    )  # fmt: skip
    paths = [visit.science for visit in simulate_night(night, tmp_path, raw=False).visits]
    each = list(real_pairs(paths, series="a", band="r", every=True))
    assert len({pair.name for pair in each}) == len(each) == 6
    used = {pair.template.info.visit for pair in each if pair.template.info}
    assert len(used) == 3
    others = list(real_pairs(paths, series="a", band="r"))
    assert len({pair.name for pair in others}) == len(others) == 2
    assert len({pair.template.info.visit for pair in others if pair.template.info}) == 1
