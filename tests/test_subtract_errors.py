"""Errors that models of PSF and kernel make: against algebra of Gaussians, and the whole chain."""

from __future__ import annotations

import numpy as np
import pytest
from detect_tools import assert_pulls
from scipy.signal import fftconvolve
from scipy.spatial import cKDTree

from benchmarks.pulls_movers import image_pulls
from pipeline.calibrate import calibrate
from pipeline.classify.search import search
from pipeline.psf import Psf
from pipeline.scene import simulate_field
from pipeline.subtract import Kernel
from pipeline.subtract.agreement import agreement
from pipeline.subtract.apply import Noise, psf_of, whiten

SIZE = (1000, 800)


def gaussians(sigma: np.ndarray, half: int = 20, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    at = np.arange(-half, half + 1)
    r2 = np.square(at - x)[np.newaxis, :] + np.square(at - y)[:, np.newaxis]
    square = np.square(np.atleast_1d(sigma))[:, np.newaxis, np.newaxis]
    return np.exp(-0.5 * r2 / square) / (2 * np.pi * square)


def test_models_that_agree_make_no_error_but_scale_and_shift() -> None:
    narrow, wide = (Psf.constant(gaussians(s)[0], SIZE) for s in (1.5, 2.5))
    # a kernel that a distant ring makes heavier by 3%: a fitted flux does not know that
    at = np.hypot(*np.mgrid[-20:21, -20:21])
    ring = (at > 17) & (at < 19)
    kernel = 0.8 * (gaussians(2.0, x=0.03, y=-0.05)[0] + 0.03 * ring / ring.sum())
    found = agreement(narrow, Kernel(kernel[np.newaxis], 0, SIZE), wide)
    assert found.scale == pytest.approx(0.8, rel=2e-3)
    assert found.shift == pytest.approx((0.03, -0.05), abs=1e-3)
    assert (found.flux, found.position) == pytest.approx((0.0, 0.0), abs=1e-9)
    # models of PSFs that have nothing to do with the kernel are not asked
    wrong = agreement(narrow, Kernel(kernel[np.newaxis], 0, SIZE), narrow)
    assert wrong.scale == pytest.approx(kernel.sum())


def test_errors_are_the_scatter_of_what_the_models_say() -> None:
    half, sigma, slope = 20, 2.5, 0.02
    x, y = (each.ravel() for each in np.meshgrid(np.linspace(0, 999, 20), [0.0, 400.0, 799.0]))
    # the model of one PSF grows by 2% from the middle to a side; the other and the kernel do not
    wide = Psf.fit(x, y, gaussians(sigma * (1.0 + slope * (2.0 * x / 999 - 1.0))), 1, SIZE)
    narrow = Psf.constant(gaussians(1.5)[0], SIZE)
    # and the kernel moves stars by up to 0.01 pixel along y
    delta = 0.01
    middle = gaussians(2.0, half)
    moved = (gaussians(2.0, half, y=delta) - gaussians(2.0, half, y=-delta)) / 2.0
    kernel = Kernel(np.concatenate([middle, np.zeros_like(moved), moved]), 1, SIZE)
    found = agreement(narrow, kernel, wide)
    # Σ G_a G_b / Σ G_b² = 2 b² / (a² + b²): half of the relative error of b², that is of b
    places = (np.arange(6) + 0.5) / 3.0 - 1.0
    spread = np.tile(places, 6).std(ddof=1)
    assert found.flux == pytest.approx(slope * spread, rel=0.05)
    assert found.position == pytest.approx(delta * spread / np.sqrt(2.0), rel=0.05)


@pytest.mark.parametrize(
    ("ratio", "boosted"), [(1.0, "plain"), (4.0, "convolved")], ids=["plain", "convolved"]
)
def test_fluxes_scatter_as_the_variance_says_where_a_source_adds_noise(
    ratio: float, boosted: str
) -> None:
    shape, right = (240, 480), np.s_[20:-20, 260:460]
    rng = np.random.default_rng(5)
    kernel = Kernel(gaussians(2.0, 10), 0, shape[::-1])
    levels = {"plain": 1.0, "convolved": ratio}
    variances = {name: np.full(shape, level, np.float32) for name, level in levels.items()}
    variances[boosted][:, 240:] *= 20.0
    wide = Psf.constant(gaussians(2.5)[0], shape[::-1])
    usable = np.zeros(shape, bool)
    usable[:, :240] = True  # the level of the noise is that of the sky
    noise = Noise(variances["plain"], variances["convolved"], kernel, usable)
    pulls = []
    for _ in range(10):
        plain, convolved = (
            rng.normal(size=shape) * np.sqrt(variances[name]) for name in ("plain", "convolved")
        )
        difference = plain - fftconvolve(convolved, kernel.images[0], mode="same")
        white, variance, nodes = whiten(
            difference.astype(np.float32), noise, wide, 14, 1, decorrelate=True
        )
        # the fit of the PSF at every pixel, and what its error is by the variance of pixels
        profile = psf_of(wide, nodes, shape).at(350.0, 120.0)[0][::-1, ::-1]
        flux, square = (
            fftconvolve(each, weight, mode="same")
            for each, weight in ((white, profile), (variance, np.square(profile)))
        )
        pulls.append((flux / np.sqrt(square))[right])
    # some 4,000 PSFs
    assert np.std(pulls) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("case", ["worse_template", pytest.param("easy", marks=pytest.mark.slow)])
def test_pulls_of_bright_sources_through_all_stages(case: str) -> None:
    options = {"case": case, "hosted": 0.0, "psf_variation": 1.0, "snr": (10.0, 2000.0)}
    field = simulate_field(21, (900, 900), 450, 60, 45, **options)
    science, template = (calibrate(each, field.refcat) for each in field[:2])
    found = search(science.exposure, template.exposure, science.sources)
    new = field.truth[np.isin(field.truth["kind"], ["transient", "fading"])]
    at = np.column_stack(science.exposure.wcs.world_to_pixel_values(new["ra"], new["dec"]))
    distance, row = cKDTree(np.column_stack([found.table["x"], found.table["y"]])).query(at)
    new, at, table = new[distance < 2.5], at[distance < 2.5], found.table[row[distance < 2.5]]
    assert len(new) > 40
    assert_pulls(table["psf_flux"], new["diff_flux"], table["psf_flux_err"])
    for axis, name in enumerate(("x", "y")):
        assert_pulls(table[name], at[:, axis], table[f"{name}_err"])
    models = found.difference.models
    faint = np.abs(new["diff_snr"]) < 30
    # what is faint has the error that it had
    assert np.all(
        models.flux * np.abs(table["psf_flux"]) < 0.4 * table["psf_flux_err"], where=faint
    )
    assert found.difference.metrics["subtract.flux_error"] == models.flux


@pytest.mark.slow
def test_pulls_of_trails_and_dipoles_through_all_stages() -> None:
    every = [image_pulls("easy", seed) for seed in range(200, 208)]
    for what in ("trail", "dipole"):
        pulls = np.concatenate([np.asarray(one[what]["length"]) for one in every])
        assert len(pulls) > 60
        assert_pulls(pulls, 0.0, np.ones(len(pulls)))
