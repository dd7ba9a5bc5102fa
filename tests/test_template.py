"""Warping, building and registering templates against astropy, scipy and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS

from pipeline.errors import TemplateError
from pipeline.exposure import Exposure, Mask
from pipeline.psf import Psf
from pipeline.scene.field import simulate_field
from pipeline.template import TemplateConfig, align, build, register, warp
from pipeline.template.mapping import mapping


def tan(shape: tuple[int, int], scale: float = 0.2, rotation: float = 0.0, at=(150.0, 2.0)) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = at
    wcs.wcs.crpix = [0.5 * (shape[1] + 1), 0.5 * (shape[0] + 1)]
    c, s = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    wcs.wcs.cd = scale / 3600.0 * np.array([[-c, s], [s, c]])
    return wcs


def gaussians(shape: tuple[int, int], x: np.ndarray, y: np.ndarray, flux: float, sigma: float):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for a, b in zip(x, y, strict=True):
        image += np.exp(-0.5 * ((columns - a) ** 2 + (rows - b) ** 2) / sigma**2)
    return flux / (2 * np.pi * sigma**2) * image


def exposure(image: np.ndarray, wcs: WCS | None, variance: float = 1.0) -> Exposure:
    return Exposure(
        image.astype(np.float32),
        np.zeros(image.shape, np.uint32),
        np.full(image.shape, variance, np.float32),
        psf=Psf.gaussian(4.0, (image.shape[1], image.shape[0])),
        wcs=wcs,
    )


def test_grid_agrees_with_the_wcs_everywhere() -> None:
    shape = (700, 900)
    source, target = tan((800, 1000), rotation=20.0), tan(shape)
    found = mapping(source, target, shape)
    x, y = np.random.default_rng(1).uniform(0, 1, (2, 500)) * np.array([[899.0], [699.0]])
    wanted = source.world_to_pixel_values(*target.pixel_to_world_values(x, y))
    np.testing.assert_allclose(found.at(x, y), wanted, atol=2e-3)


def test_warped_stars_are_where_the_sky_says_with_their_fluxes() -> None:
    shape = (220, 240)
    source, target = tan((300, 300), rotation=7.0), tan(shape, scale=0.22)
    x, y = np.random.default_rng(2).uniform(40, 180, (2, 12))
    there = source.world_to_pixel_values(*target.pixel_to_world_values(x, y))
    found = warp(exposure(gaussians((300, 300), *there, 1000.0, 1.8), source), target, shape)
    # Fluxes stay: the profile is narrower by the ratio of the scales.
    wanted = gaussians(shape, x, y, 1000.0, 1.8 * 0.2 / 0.22)
    assert np.abs(found.image - wanted).max() < 0.006 * wanted.max()
    assert found.image.sum() == pytest.approx(wanted.sum(), rel=1e-3)
    assert found.psf is not None
    assert found.psf.fwhm == pytest.approx(4.0 * 0.2 / 0.22, rel=0.01)


def test_variance_of_a_warp_is_that_of_the_filtered_noise() -> None:
    shape = (400, 400)
    noise = np.random.default_rng(3).normal(0.0, 2.0, shape)
    found = warp(exposure(noise, tan(shape, rotation=0.7), 4.0), tan(shape), shape)
    profile = Psf.gaussian(4.0, (400, 400)).centre
    spectrum = np.fft.rfft2(found.image) * np.fft.rfft2(profile, shape)
    filtered = np.fft.irfft2(spectrum, shape)[30:-30, 30:-30]
    assert filtered.var() == pytest.approx(4.0 * np.square(profile).sum(), rel=0.06)
    assert found.variance[200, 200] == pytest.approx(4.0, rel=1e-3)


def test_masks_and_edges_are_carried_along() -> None:
    shape = (120, 120)
    image = exposure(np.ones(shape), tan(shape))
    mask = image.mask.copy()
    mask[60, 60] = Mask.SAT
    mask[20, 20] = Mask.NO_DATA
    pixels = image.image.copy()
    pixels[20, 20] = 1e9
    shifted = tan(shape)
    shifted.wcs.crpix += [10.3, 0.0]
    found = warp(image.with_(mask=mask, image=pixels, wcs=shifted), tan(shape), shape)
    x, y = tan(shape).world_to_pixel_values(*shifted.pixel_to_world_values(60, 60))
    assert found.masked(Mask.SAT)[round(float(y)), round(float(x))]
    assert found.masked(Mask.SAT).sum() <= 16
    assert found.masked(Mask.NO_DATA)[:, 112:].all()
    assert found.masked(Mask.EDGE)[:, 108].all()
    assert not found.masked(Mask.NO_DATA)[30:50, 5:100].any()
    good = ~found.masked(Mask.NO_DATA)
    np.testing.assert_allclose(found.image[good], 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (None, "no celestial WCS"),
        (tan((100, 100), at=(150.1, 2.0)), "covers 0.0%"),
        (tan((100, 100), at=(330.0, -2.0)), "overlap"),
        (tan((100, 100), scale=0.6), "pixels of the template wide"),
    ],
)
def test_templates_that_do_not_fit_are_refused(source: WCS | None, cause: str) -> None:
    with pytest.raises(TemplateError, match=cause):
        warp(exposure(np.zeros((100, 100)), source), tan((100, 100)), (100, 100))


def test_coadd_leaves_out_what_passes_by_and_has_the_noise_it_says() -> None:
    shape = (200, 220)
    rng = np.random.default_rng(4)
    x, y = rng.uniform(20, 180, (2, 15))
    exposures = []
    for i in range(7):
        wcs = tan(shape, rotation=0.3 * i)
        wcs.wcs.crpix += rng.uniform(-2, 2, 2)
        there = wcs.world_to_pixel_values(*tan(shape).pixel_to_world_values(x, y))
        sigma = 1.0 if i < 4 else 2.0
        image = gaussians(shape, *there, 3000.0, 1.7) + rng.normal(0.0, sigma, shape)
        image[20 + 20 * i, 40:180] += 400.0
        exposures.append(exposure(image, wcs, sigma**2))
    found = build(exposures, tan(shape), shape)
    inner = (slice(15, -15), slice(15, -15))
    difference = found.exposure.image - gaussians(shape, x, y, 3000.0, 1.7)
    pull = difference[inner] / np.sqrt(found.exposure.variance[inner])
    assert np.abs(pull).max() < 7.0
    # Interpolation takes noise from the smallest scales: the scatter is below the variance's.
    assert 0.6 < pull.std() < 1.0
    assert np.median(found.exposure.variance[inner]) == pytest.approx(1 / (4 + 3 / 4), rel=0.02)
    assert found.metrics["template.exposures"] == 7
    assert found.exposure.psf is not None
    assert found.exposure.psf.fwhm == pytest.approx(4.0, rel=0.01)


def test_coadd_refuses_nothing_and_mixtures() -> None:
    shape = (60, 60)
    one = exposure(np.zeros(shape), tan(shape))
    with pytest.raises(TemplateError, match="no exposure"):
        build([], tan(shape), shape)
    with pytest.raises(TemplateError, match="different units"):
        build([one, one.with_(unit="electron")], tan(shape), shape)
    with pytest.raises(TemplateError, match="none of 2"):
        build([one, one], tan(shape, at=(10.0, 10.0)), shape)
    with pytest.raises(ValueError, match="clip_sigma"):
        TemplateConfig(clip_sigma=0.0)


def test_registration_finds_the_error_of_the_wcs() -> None:
    field = simulate_field(7, (400, 400), 150, 10, 0, misregistration=(0.31, -0.17), rotation=0.5)
    aligned = align(field.template, field.science)
    assert aligned.metrics["template.register_stars"] > 20
    # The wrong WCS puts the template's stars where they are not.
    assert abs(aligned.metrics["template.shift_x"]) == pytest.approx(0.31, abs=0.02)
    assert abs(aligned.metrics["template.shift_y"]) == pytest.approx(0.17, abs=0.02)
    again = register(field.science, aligned.exposure, None)
    assert np.abs(again.correction.coefficients).max() < 0.01


def test_registration_finds_shifts_of_many_pixels_and_rotations() -> None:
    field = simulate_field(8, (500, 500), 200, 10, 0)
    given = field.template.wcs
    assert given is not None
    c, s = np.cos(np.radians(0.2)), np.sin(np.radians(0.2))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = list(given.wcs.ctype)
    wcs.wcs.crval = given.wcs.crval
    wcs.wcs.crpix = np.add(given.wcs.crpix, [11.4, -17.8])
    wcs.wcs.cd = given.pixel_scale_matrix @ [[c, -s], [s, c]]
    aligned = align(field.template.with_(wcs=wcs), field.science)
    again = register(field.science, aligned.exposure, None)
    assert again.metrics["template.register_stars"] > 20
    assert np.abs(again.correction.coefficients).max() < 0.01
