"""Fakes against photutils, astropy's intervals and sky matching, and binomial algebra."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.stats import binom_conf_interval
from astropy.table import Table
from photutils.aperture import CircularAperture, aperture_photometry
from scipy import stats

from pipeline.errors import FakesError
from pipeline.exposure import Exposure, Mask
from pipeline.fakes import (
    FakesConfig,
    binomial_interval,
    completeness,
    draw_fakes,
    expected_noise,
    fractions,
    inject,
    match,
)
from pipeline.scene import SimulatedField, simulate_field

CONFIG = FakesConfig(
    density=50_000,
    snr=(20.0, 60.0),
    snr_fraction=1.0,
    in_template=0.3,
    trailed=0.4,
    trail_length=(1.0, 5.0),
    separation=10.0,
)


@pytest.fixture(scope="module")
def field() -> SimulatedField:
    return simulate_field(2, (512, 512), 40, 0, 0, psf_variation=1.0)


def test_fakes_that_are_drawn_follow_the_configuration(field: SimulatedField) -> None:
    hosts = Table({"x": [100.0, 400.0], "y": [120.0, 300.0]})
    config = FakesConfig(density=2e5, snr=(3.0, 10.0), in_hosts=0.5)
    fakes = draw_fakes(field.science, np.random.default_rng(1), config, hosts=hosts)
    n = len(fakes)
    assert n > 80
    apart = SkyCoord(fakes["ra"], fakes["dec"], unit="deg")
    lone = np.asarray(fakes["host"]) < 0
    _, separation, _ = apart[lone].match_to_catalog_sky(apart[lone], nthneighbor=2)
    assert separation.arcsec.min() > 4 * 0.2 * field.science.psf.fwhm
    assert abs(np.mean(fakes["in_template"]) - 0.2) < 4 * np.sqrt(0.16 / n)
    near = np.hypot(fakes["x"] - hosts["x"][fakes["host"]], fakes["y"] - hosts["y"][fakes["host"]])
    assert near[~lone].max() < 5 * field.science.psf.fwhm
    assert not np.asarray(fakes["in_template"])[~lone].any()
    x, _ = field.science.wcs.world_to_pixel_values(fakes["ra"], fakes["dec"])
    assert np.asarray(fakes["x"]) == pytest.approx(x, abs=1e-6)
    # 70% are uniform in S/N, the others uniform in magnitude
    uniform = (fakes["snr"] >= 3) & (fakes["snr"] <= 10)
    assert np.mean(uniform) > 0.6
    assert fakes["mag"] == pytest.approx(31.4 - 2.5 * np.log10(fakes["flux"]))
    # S/N by the error of an optimal flux, written down for one of them
    one = fakes[0]
    psf = field.science.psf.stamps([one["x"]], [one["y"]])[0]
    row, column = round(one["y"]), round(one["x"])
    error = np.sqrt(field.science.variance[row, column] / (psf**2).sum())
    assert one["snr"] == pytest.approx(one["flux"] / error, rel=0.01)
    few = draw_fakes(field.science, np.random.default_rng(1), FakesConfig(2e5, most=10))
    assert len(few) == 10


def test_injected_light_is_what_the_table_says(field: SimulatedField) -> None:
    rng = np.random.default_rng(5)
    fakes = draw_fakes(field.science, rng, CONFIG)
    science, table = inject(field.science, fakes, rng)
    template, table = inject(field.template, table, rng, template=True)
    lights = science.image - field.science.image, template.image - field.template.image
    size = np.asarray(table["trail_length"])
    assert (size > 0).sum() > 3
    pulls = []
    for row in table[np.asarray(table["injected"])]:
        before, light = (
            (field.template, lights[1]) if row["in_template"] else (field.science, lights[0])
        )
        x, y = before.wcs.world_to_pixel_values(row["ra"], row["dec"])
        aperture = CircularAperture((x, y), 12.0 + 0.5 * row["trail_length"])
        whole = aperture.do_photometry(np.ones_like(light))[0][0]
        if whole < 0.999 * aperture.area:
            continue
        found = aperture_photometry(light.astype(float), aperture)["aperture_sum"][0]
        error = np.sqrt(row["flux"] * before.photo_calib.njy_per_count)
        # 2% of the light is beyond the aperture at most
        pulls.append((found - 0.995 * row["flux"]) / np.hypot(error, 0.007 * row["flux"]))
    assert len(pulls) > 10
    assert np.abs(pulls).max() < 4
    for exposure, before, light, plane in (
        (science, field.science, lights[0], Mask.INJECTED),
        (template, field.template, lights[1], Mask.INJECTED_TEMPLATE),
    ):
        more = exposure.variance - before.variance
        assert more.sum() == pytest.approx(light.sum() * before.photo_calib.njy_per_count, rel=0.05)
        assert exposure.masked(plane).any()
        assert (exposure.mask & ~np.uint32(plane) == before.mask).all()
        assert not before.masked(plane).any()


def test_trail_is_as_long_as_it_should_be(field: SimulatedField) -> None:
    row = {"x": [250.3], "y": [260.2], "flux": [1e6], "trail_length": [60.0], "trail_angle": [30.0]}
    after, table = inject(field.science, Table(row), np.random.default_rng(1), njy_per_electron=0.0)
    light = (after.image - field.science.image).astype(float)
    rows, columns = np.indices(light.shape)
    total = light.sum()
    x, y = (light * columns).sum() / total, (light * rows).sum() / total
    assert (x, y) == pytest.approx((250.3, 260.2), abs=0.02)
    along = (columns - x) * np.cos(np.pi / 6) + (rows - y) * np.sin(np.pi / 6)
    across = -(columns - x) * np.sin(np.pi / 6) + (rows - y) * np.cos(np.pi / 6)
    variances = [(light * d**2).sum() / total for d in (along, across)]
    # an even line of length L has the variance L² / 12; the PSF adds the same on both axes
    assert np.sqrt(12 * (variances[0] - variances[1])) == pytest.approx(60.0, rel=0.005)
    assert table["usable"][0]


def test_fakes_off_the_image_or_on_bad_pixels_are_told(field: SimulatedField) -> None:
    mask = field.science.mask.copy()
    mask[100, 90] = Mask.SAT
    exposure = field.science.with_(mask=mask, wcs=None)
    table = Table(
        {"x": [90.2, 300.0, -3.0, 511.2], "y": [99.7, 300.0, 20.0, 511.4], "flux": [5e3] * 4}
    )
    after, found = inject(exposure, table, np.random.default_rng(2))
    assert found["injected"].tolist() == [True, True, False, True]
    assert found["usable"].tolist() == [False, True, False, True]
    assert (after.image[:40, :40] == exposure.image[:40, :40]).all()
    assert after.image[500:, 500:].sum() > exposure.image[500:, 500:].sum()
    with pytest.raises(FakesError, match=r"no position .* needs ra and dec"):
        inject(
            exposure, Table({"ra": [150.0], "dec": [2.0], "flux": [1.0]}), np.random.default_rng()
        )
    with pytest.raises(FakesError, match="no PSF to make fakes with; calibrate it first"):
        inject(exposure.with_(psf=None), table, np.random.default_rng())
    with pytest.raises(FakesError, match="exposure is in electron"):
        draw_fakes(exposure.with_(unit="electron"), np.random.default_rng())
    nothing: Exposure = exposure.with_(mask=np.full_like(mask, Mask.NO_DATA))
    with pytest.raises(FakesError, match="no usable pixel"):
        draw_fakes(nothing, np.random.default_rng())


def test_matches_are_the_nearest_pairs() -> None:
    rng = np.random.default_rng(9)
    n = 300
    ra, dec = 10 + rng.uniform(0, 0.1, n), 89.0 + rng.uniform(0, 0.001, n)
    fakes = Table({"ra": ra, "dec": dec, "in_template": rng.random(n) < 0.3})
    seen = rng.random(n) < 0.6
    scatter = rng.normal(0, 0.1 / 3600, (2, n))
    at = (ra + scatter[0] / np.cos(np.radians(dec)))[seen], (dec + scatter[1])[seen]
    negative = np.asarray(fakes["in_template"])[seen]
    extra = 10 + rng.uniform(0, 0.1, 50), 89.0 + rng.uniform(0, 0.001, 50)
    sources = {
        "ra": np.append(at[0], extra[0]),
        "dec": np.append(at[1], extra[1]),
        "is_negative": np.append(negative, rng.random(50) < 0.5),
    }
    found = match(fakes, sources, 0.4)
    # brute force with astropy: all pairs of the right sign, nearest first
    one, two = SkyCoord(ra, dec, unit="deg"), SkyCoord(sources["ra"], sources["dec"], unit="deg")
    separation = one[:, None].separation(two[None]).arcsec
    separation[np.asarray(fakes["in_template"])[:, None] != sources["is_negative"]] = np.inf
    wanted = np.full(n, -1)
    while separation.min() <= 0.4:
        i, j = np.unravel_index(np.argmin(separation), separation.shape)
        wanted[i] = j
        separation[i], separation[:, j] = np.inf, np.inf
    assert found.fakes["row"].tolist() == wanted.tolist()
    assert np.flatnonzero(found.is_fake).tolist() == sorted(wanted[wanted >= 0])
    assert found.metrics["fakes.found"] == (wanted >= 0).sum() > 150
    assert found.metrics["fakes.injected"] == n
    none = match(fakes, {"ra": np.empty(0), "dec": np.empty(0)})
    assert not none.fakes["found"].any()
    with pytest.raises(FakesError, match=r"radius of the match is 0\.0 arcsec"):
        match(fakes, sources, 0.0)


def test_trails_match_along_their_length() -> None:
    fakes = Table({"ra": [10.0, 10.0], "dec": [0.0, 1.0], "trail_length": [0.0, 20.0]})
    sources = Table({"ra": [10.0, 10.0], "dec": [1.2 / 3600, 1 + 1.2 / 3600]})
    assert match(fakes, sources, 0.5).fakes["found"].tolist() == [False, True]


@pytest.mark.parametrize("kind", ["wilson", "jeffreys"])
def test_intervals_are_those_of_astropy(kind: str) -> None:
    k, n = np.array([0, 1, 5, 9, 10, 400]), np.array([10, 10, 10, 10, 10, 1000])
    for level in (0.6827, 0.95):
        wanted = binom_conf_interval(k, n, level, interval=kind)
        assert np.array(binomial_interval(k, n, level, kind)) == pytest.approx(wanted, abs=1e-9)
    assert [float(v[0]) for v in binomial_interval([0], [0], kind="wilson")] == [0.0, 1.0]


def test_curve_finds_the_half_and_its_error() -> None:
    errors, pulls = [], []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        snr = rng.uniform(2.0, 12.0, 800)
        chance = 0.95 * stats.norm.cdf((snr - 5.0) / 0.9)
        fakes = Table({"snr": snr, "found": rng.random(800) < chance})
        curve = completeness(fakes)
        half = 5.0 + 0.9 * stats.norm.ppf(0.5 / 0.95)
        pulls.append((curve.half - half) / curve.half_err)
        errors.append(curve.half - half)
    assert np.mean(errors) == pytest.approx(0.0, abs=4 * np.std(errors) / 4.0)
    assert 0.75 < np.std(pulls) < 1.3
    assert curve.metrics["fakes.half_snr"] == curve.half
    assert curve.plateau == pytest.approx(0.95, abs=0.04)
    magnitude = Table({"mag": 30 - snr, "found": fakes["found"]})
    falling = completeness(magnitude, "mag", np.arange(18, 29))
    assert falling.half == pytest.approx(30 - curve.half, abs=0.01)
    assert falling.half_err == pytest.approx(curve.half_err, rel=0.05)
    assert falling.width < 0 < curve.width


def test_completeness_leaves_out_what_is_not_usable_and_says_what_is_missing() -> None:
    snr = np.linspace(0, 10, 100)
    fakes = Table({"snr": snr, "found": snr > 5, "usable": snr < 9})
    curve = completeness(fakes, edges=[0, 5, 10])
    assert curve.bins["n"].tolist() == [50, 40]
    assert curve.bins["fraction"].tolist() == [0.0, 1.0]
    perfect = completeness(fakes[snr > 6])
    assert np.isnan(perfect.half)
    with pytest.raises(FakesError, match="no column found; match them first"):
        completeness(Table({"snr": [1.0]}))
    with pytest.raises(FakesError, match="no fake is usable"):
        completeness(Table({"snr": [1.0], "found": [True], "usable": [False]}))
    purity = fractions([True, False, True], [1.0, 1.5, 7.0], [0, 2, 4, 8])
    assert purity["n"].tolist() == [2, 0, 1]
    assert np.isnan(purity["fraction"][1])


def test_expected_noise_is_the_scatter_of_optimal_fluxes(field: SimulatedField) -> None:
    rng = np.random.default_rng(11)
    shape = (300, 300)
    variance = np.full(shape, 16.0, np.float32)
    blank = Exposure(
        rng.normal(0, 4, shape).astype(np.float32),
        np.zeros(shape, np.uint32),
        variance,
        psf=field.science.psf,
    )
    x, y = (at.ravel() for at in np.meshgrid(np.arange(30, 271, 24.0), np.arange(30, 271, 24.0)))
    stamps, half = blank.psf.stamps(x, y), blank.psf.half
    fluxes = []
    for stamp, column, row in zip(stamps, x.astype(int), y.astype(int), strict=True):
        cut = blank.image[row - half : row + half + 1, column - half : column + half + 1]
        fluxes.append((stamp * cut).sum() / (stamp**2).sum())
    pulls = np.array(fluxes) / expected_noise(blank, x, y)
    assert pulls.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(pulls)))
