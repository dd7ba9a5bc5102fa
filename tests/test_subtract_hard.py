"""Subtraction where it is hard: few stars, real images, images that do not belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sep
from astropy.io import fits
from astropy.table import Table
from photutils.centroids import centroid_2dg
from scipy.signal import fftconvolve

from pipeline.errors import SubtractError
from pipeline.exposure import Exposure, Mask
from pipeline.psf import Psf, shifted
from pipeline.scene.field import simulate_field
from pipeline.subtract import SubtractConfig, subtract

NONE = Table({"x": [], "y": [], "snr": []}, dtype=[float, float, float])
FLAVOURS = ["convolve_template", "convolve_science", "preconvolve", "zogy"]


def scatter(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_transients_have_their_fluxes_within_their_errors(flavour: str) -> None:
    case = "worse_template" if flavour == "convolve_science" else "easy"
    field = simulate_field(
        11, (512, 512), 120, 0, 60, case=case, fading=0.0, hosted=0.0, psf_variation=1.0
    )
    found = subtract(field.science, field.template, None, SubtractConfig(flavour=flavour))
    assert found.flavour == flavour
    new = field.truth[field.truth["kind"] == "transient"]
    x, y = np.asarray(new["x"], float), np.asarray(new["y"], float)
    exposure = found.exposure
    assert exposure.psf is not None
    half = exposure.psf.half
    inside = (np.minimum(x, y) > half + 1) & (np.maximum(x, y) < 510 - half)
    x, y, flux = x[inside], y[inside], np.asarray(new["diff_flux"], float)[inside]
    # Least squares with the PSF that the difference says it has.
    profiles = exposure.psf.stamps(x, y)
    pixels = [
        np.stack([
            image[b - half : b + half + 1, a - half : a + half + 1]
            for a, b in zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True)
        ])
        for image in (exposure.image, exposure.variance)
    ]  # fmt: skip
    weight = profiles / pixels[1]
    total = (weight * profiles).sum(axis=(1, 2))
    measured = (weight * pixels[0]).sum(axis=(1, 2)) / total
    pull = (measured - flux) * np.sqrt(total)
    assert len(pull) > 25
    assert abs(np.median(pull)) < 4 * 1.25 / np.sqrt(len(pull))
    assert 0.7 < scatter(pull) < 1.4
    bright = flux * np.sqrt(total) > 30
    assert np.median((measured / flux)[bright]) == pytest.approx(1.0, abs=0.015)


def test_score_is_the_flux_of_a_source_with_noise_of_unit_width() -> None:
    field = simulate_field(12, (512, 512), 150, 0, 40, fading=0.0, hosted=0.0, psf_variation=1.0)
    found = subtract(field.science, field.template, None, SubtractConfig(flavour="preconvolve"))
    assert found.score is not None
    significance = found.score.image / np.sqrt(found.score.variance)
    everything = np.rint([field.truth["x"], field.truth["y"]]).astype(int)
    blank = np.ones(significance.shape, bool)
    for x, y in everything.T:
        blank[max(y - 12, 0) : max(y + 13, 0), max(x - 12, 0) : max(x + 13, 0)] = False
    assert scatter(significance[blank]) == pytest.approx(1.0, abs=0.03)
    new = field.truth[(field.truth["kind"] == "transient") & (field.truth["diff_snr"] > 15)]
    x, y = np.rint(new["x"]).astype(int), np.rint(new["y"]).astype(int)
    peak = [
        found.score.image[b - 1 : b + 2, a - 1 : a + 2].max() for a, b in zip(x, y, strict=True)
    ]
    # Off the pixel's centre a source of FWHM 4.4 has up to 7% less.
    ratio = np.array(peak) / new["diff_flux"]
    assert 0.93 < np.median(ratio) < 1.02


@pytest.mark.parametrize(
    ("n_stars", "rung", "order"), [(0, 2, None), (2, 1, 0), (5, 0, 0), (12, 0, 1)]
)
def test_kernel_follows_the_number_of_stars(n_stars: int, rung: int, order: int | None) -> None:
    field = simulate_field(13, (400, 400), 60, 0, 0)
    stars = field.truth[(field.truth["kind"] == "star") & (field.truth["snr"] > 30)]
    x, y = np.asarray(stars["x"]), np.asarray(stars["y"])
    stars = stars[(np.minimum(x, y) > 40) & (np.maximum(x, y) < 360)][:n_stars]
    sources = stars["x", "y", "snr"] if n_stars else NONE
    if not n_stars:
        # An empty table means that nothing is known: nothing bright enough is left either.
        config = SubtractConfig(min_snr=1e9)
    else:
        config = SubtractConfig()
    found = subtract(field.science, field.template, sources, config)
    assert found.metrics["subtract.rung"] == rung
    assert order is None or found.metrics["subtract.kernel_order"] <= order
    pull = found.exposure.image / np.sqrt(found.exposure.variance)
    assert scatter(pull[30:-30, 30:-30]) == pytest.approx(1.0, abs=0.03)
    assert (np.abs(pull[30:-30, 30:-30]) > 8).mean() < 2e-3


def test_stars_that_moved_do_not_move_the_kernel() -> None:
    # A twentieth of the stars is 0.2 to 4 pixels from where the template has them.
    field = simulate_field(47, (900, 900), 450, 0, 0, psf_variation=1.0, movers=True)
    truth = field.truth[np.isin(field.truth["kind"], ["star", "moved_to"])]
    assert np.sum(truth["kind"] == "moved_to") == 18
    made = subtract(field.science, field.template, truth["x", "y", "snr"])
    at = [each.ravel() for each in np.meshgrid(*2 * [np.linspace(50.0, 850.0, 5)])]
    kernel, narrow, wide = (
        each.at(*at) for each in (made.kernel, field.template.psf, field.science.psf)
    )
    matched = [fftconvolve(*pair, mode="same") for pair in zip(narrow, kernel, strict=True)]
    middles = [
        [centroid_2dg(each) - len(each) // 2 for each in images] for images in (matched, wide)
    ]
    offsets = np.subtract(*middles)
    # 0.016 where those that moved take part; 0.004 where there are none
    assert np.sqrt(np.mean(np.square(offsets))) < 0.006


def test_auto_convolves_the_sharper_image_and_does_not_swap_for_nothing() -> None:
    field = simulate_field(14, (256, 256), 60, 0, 0, case="easy")
    size = (256, 256)
    for fwhm, wanted in (
        (3.0, "template"),
        (4.4, "template"),
        (4.55, "template"),
        (5.0, "science"),
    ):
        science = field.science.with_(psf=Psf.gaussian(4.4, size))
        template = field.template.with_(psf=Psf.gaussian(fwhm, size))
        config = SubtractConfig(max_residual=10.0)
        assert subtract(science, template, None, config).flavour == f"convolve_{wanted}"


@pytest.mark.parametrize("order", [("DEC-OBS04a", "DEC-OBS18a"), ("DEC-OBS18a", "DEC-OBS04a")])
def test_real_images_with_four_stars_have_no_artefacts(
    order: tuple[str, str], test_data: Path
) -> None:
    folder = test_data / "images" / "decam_mini"
    found = subtract(*(decam(folder / f"{name}.mini.fits") for name in order))
    assert found.metrics["subtract.kernel_order"] == 0
    assert found.metrics["subtract.residual_fraction"] < 0.02
    assert found.kernel.sum == pytest.approx(1.0, abs=0.06)
    pull = (found.exposure.image / np.sqrt(found.exposure.variance))[20:-20, 20:-20]
    assert scatter(pull) == pytest.approx(1.0, abs=0.05)
    assert np.abs(pull).max() < 6.5


def test_difference_of_stacks_is_the_published_one(test_data: Path) -> None:
    folder = test_data / "images" / "decam_mini" / "4check"
    pair = [decam(folder / f"Stack-DEC-OBS{night}.fits") for night in ("04", "18")]
    found = subtract(*pair, None, SubtractConfig(residual_variance=False, decorrelate=False))
    published = fits.getdata(folder / "FinalDifference.fits").astype(float)
    ours = found.exposure.image
    inner = np.zeros(ours.shape, bool)
    inner[20:-20, 20:-20] = True
    bright = inner & (np.abs(pair[0].image) > 500)
    sky = inner & ~bright
    assert np.corrcoef(ours[sky], published[sky])[0, 1] > 0.95
    assert scatter(ours[sky]) == pytest.approx(scatter(published[sky]), rel=0.03)
    # The bright stars leave less than there.
    assert ours[bright].std() < 0.8 * published[bright].std()


def decam(path: Path) -> Exposure:
    """An exposure whose PSF is the median of its stars."""
    image = np.ascontiguousarray(fits.getdata(path), dtype=float)
    sky = sep.Background(image)
    image -= sky.back()
    stars = sep.extract(image, 20 * sky.globalrms)
    inside = (np.minimum(stars["x"], stars["y"]) > 20) & (np.maximum(stars["x"], stars["y"]) < 235)
    stars = stars[inside & (stars["flag"] == 0)]
    stars = stars[np.argsort(-stars["flux"])][:6]
    stamps = []
    for star in stars:
        x, y = round(star["x"]), round(star["y"])
        stamp = image[np.newaxis, y - 15 : y + 16, x - 15 : x + 16]
        stamps.append(shifted(stamp, x - star["x"], y - star["y"])[0] / star["flux"])
    psf = np.maximum(np.median(stamps, axis=0), 0.0)
    variance = sky.globalrms**2 + np.maximum(image, 0.0) / 4.0
    return Exposure(
        image.astype(np.float32),
        np.zeros(image.shape, np.uint32),
        variance.astype(np.float32),
        psf=Psf.constant(psf / psf.sum(), (image.shape[1], image.shape[0])),
    )


def masked(exposure: Exposure, plane: Mask, columns: slice) -> Exposure:
    mask = exposure.mask.copy()
    mask[:, columns] |= np.uint32(plane)
    return exposure.with_(mask=mask)


def with_nan(exposure: Exposure) -> Exposure:
    image = exposure.image.copy()
    image[5:9, 7] = np.nan
    return exposure.with_(image=image)


def cropped(exposure: Exposure) -> Exposure:
    arrays = (exposure.image[:-1], exposure.mask[:-1], exposure.variance[:-1])
    return Exposure(*arrays, psf=exposure.psf)


BROKEN = {
    "": lambda e: e,
    "saturated": lambda e: masked(e, Mask.SAT, slice(None)),
    "half": lambda e: masked(e, Mask.NO_DATA, slice(None, 130)),
    "other half": lambda e: masked(e, Mask.NO_DATA, slice(120, None)),
    "nan": with_nan,
    "variance": lambda e: e.with_(variance=np.zeros_like(e.variance)),
    "psf": lambda e: e.with_(psf=None),
    "shape": cropped,
    "unit": lambda e: e.with_(unit="electron"),
    "zero point": lambda e: e.with_(image=20.0 * e.image, variance=400.0 * e.variance),
    "sky": lambda e: e.with_(image=e.image[::-1].copy(), variance=e.variance[::-1].copy()),
}


@pytest.mark.parametrize(
    ("science", "template", "cause"),
    [
        ("saturated", "", "science image has 0 good pixels"),
        ("", "saturated", "template has 0 good pixels"),
        ("half", "other half", "0 good pixels in common"),
        ("nan", "", "4 pixels of the science image are NaN"),
        ("", "variance", "check gain and read noise"),
        ("psf", "", "science image has no PSF model"),
        ("", "shape", "warp it to the science image first"),
        ("", "unit", "calibrate both"),
        ("zero point", "", "to the same zero point"),
        ("", "sky", "same sky|do not match"),
    ],
)
def test_what_cannot_be_subtracted_is_refused_with_the_cause(
    science: str, template: str, cause: str
) -> None:
    field = simulate_field(15, (256, 256), 80, 0, 0)
    pair = BROKEN[science](field.science), BROKEN[template](field.template)
    with pytest.raises(SubtractError, match=cause) as caught:
        subtract(*pair)
    assert caught.value.stage == "subtract"


@pytest.mark.parametrize(
    "wrong",
    [
        {"flavour": "other"},
        {"kernel_degrees": ()},
        {"kernel_order": -1},
        {"min_snr": 0.0},
        {"background_order": -2},
    ],
)
def test_settings_are_checked(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SubtractConfig(**wrong)
