"""Detection against the statistics of Gaussian fields, sep, and what was put into the images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sep
from detect_tools import SIGMA, add_gaussians, difference, gaussian, noise_of_flux
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from pipeline.detect import DetectConfig, detect
from pipeline.errors import DetectError
from pipeline.exposure import Mask
from pipeline.psf import Psf

FWHM = 4.0


def noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.normal(0.0, SIGMA, shape)


def nearest(table, x, y) -> tuple[np.ndarray, np.ndarray]:
    return cKDTree(np.column_stack([table["x"], table["y"]])).query(np.column_stack([x, y]))


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_false_alarms_on_blank_sky_are_those_of_a_gaussian_field(smoothing: float) -> None:
    # Maxima above a high level of a field with unit variance and correlation of Gaussian shape,
    # exp(-r²/4s²): 2 A (4π s²)^-1 (2π)^-1/2 … (Adler 1981): A ν exp(-ν²/2) / ((2π)^1.5 2 s²) each sign.
    shape, threshold = (1024, 1024), 3.8
    sigma = np.hypot(FWHM / 2.35482, smoothing)
    counts, ratios = [], []
    for seed in range(3):
        image = noise(np.random.default_rng(seed), shape)
        if smoothing:
            image = gaussian_filter(image, smoothing)
        made = difference(image, SIGMA**2, Psf.gaussian(FWHM, shape))
        found = detect(made, DetectConfig(threshold=threshold, min_prominence=0.0, streaks=False))
        counts.append(len(found.table))
        ratios.append(found.metrics["detect.noise_ratio"])
    # The filter is a Gaussian of the PSF's sigma; white noise smoothed by s1 has its power reduced.
    assert np.mean(ratios) == pytest.approx(FWHM / 2.35482 / sigma, rel=0.01)
    area = 3 * shape[0] * shape[1]
    density = threshold * np.exp(-(threshold**2) / 2) / ((2 * np.pi) ** 1.5 * 2 * sigma**2)
    expected = 2 * area * density
    assert abs(sum(counts) - expected) < 4 * np.sqrt(expected) + 0.05 * expected


def test_sources_of_both_signs_are_found_where_sep_finds_them() -> None:
    rng = np.random.default_rng(1)
    shape = (600, 700)
    image = noise(rng, shape)
    snr = np.concatenate([rng.uniform(7, 60, 60), rng.uniform(-60, -7, 40)])
    x, y = (at.ravel()[:100] * 60.0 + 40 for at in np.indices((11, 10)))
    x, y = x + rng.uniform(-3, 3, 100), y * 0.9 + rng.uniform(-3, 3, 100)
    psf = Psf.gaussian(FWHM, (700, 600))
    add_gaussians(image, x, y, snr * noise_of_flux(psf), FWHM)
    found = detect(difference(image, SIGMA**2, psf), DetectConfig(threshold=4.5))
    distance, index = nearest(found.table, x, y)
    assert distance.max() < 2.0
    assert len(found.table) - 100 <= 1
    assert np.array_equal(found.table["is_negative"][index], snr < 0)
    assert np.all(np.diff(found.table["snr"]) <= 0)
    for sign in (1, -1):
        theirs = sep.extract(
            (sign * image).astype(np.float32), 5.0, err=SIGMA, filter_kernel=psf.centre
        )
        bright = theirs[theirs["flux"] > 2 * noise_of_flux(psf)]
        mine = found.table[found.table["is_negative"] == (sign < 0)]
        assert nearest(mine, bright["x"], bright["y"])[0].max() < 1.5
    bits = found.exposure.mask
    at = np.rint(y).astype(int), np.rint(x).astype(int)
    assert np.all(bits[at][snr > 0] & Mask.DETECTED)
    assert np.all(bits[at][snr < 0] & Mask.DETECTED_NEGATIVE)
    for i, (start, stop) in enumerate(
        zip(found.footprints.starts[:-1], found.footprints.starts[1:], strict=True)
    ):
        rows, columns = np.divmod(found.footprints.pixels[start:stop], 700)
        assert found.table["n_pixels"][i] == stop - start
        side = max(np.ptp(rows), np.ptp(columns)) + 1
        assert found.table["bbox_size"][i] == side
        inside = (rows == round(found.table["y"][i])) & (columns == round(found.table["x"][i]))
        assert inside.any()


def test_lobes_are_one_source_and_close_sources_two() -> None:
    rng = np.random.default_rng(2)
    shape = (200, 300)
    psf = Psf.gaussian(FWHM, (300, 200))
    one = 60 * noise_of_flux(psf)
    image = noise(rng, shape)
    add_gaussians(
        image, [50, 52.5, 150, 158, 240], [50, 50, 120, 120, 60], [one, -one, one, one, one], FWHM
    )
    table = detect(difference(image, SIGMA**2, psf)).table
    assert len(table) == 4
    dipole = table[np.isfinite(table["lobe_snr"])]
    assert len(dipole) == 1
    positive = dipole["x"] if not dipole["is_negative"] else dipole["lobe_x"]
    assert positive[0] < 51 < max(dipole["x"][0], dipole["lobe_x"][0])
    close = table[np.abs(table["y"] - 120) < 3]
    assert sorted(np.rint(close["x"])) == [150, 158]
    assert close["n_blended"].tolist() == [2, 2]
    assert np.unique(table["footprint"]).size == 3


def test_wrong_variance_is_calibrated_and_nonsense_refused() -> None:
    rng = np.random.default_rng(3)
    shape = (512, 512)
    psf = Psf.gaussian(FWHM, shape)
    image = noise(rng, shape)
    add_gaussians(image, [100.0, 300.0], [100, 300], [10 * noise_of_flux(psf)] * 2, FWHM)
    for factor in (0.5, 2.0):
        found = detect(difference(image, (factor * SIGMA) ** 2, psf))
        assert len(found.table) == 2
        assert found.table["snr"] == pytest.approx([10, 10], abs=3)
        assert found.noise.at([250.0], [250.0]) == pytest.approx(1 / factor, rel=0.05)
    with pytest.raises(DetectError, match=r"detect: noise of blank sky is 10\d? times .* gain"):
        detect(difference(image, (0.1 * SIGMA) ** 2, psf))
    made = difference(image, SIGMA**2, psf)
    for changes, cause in (
        ({"psf": None}, "no PSF"),
        ({"mask": np.full(shape, np.uint32(Mask.NO_DATA))}, "all are masked NO_DATA"),
        ({"variance": np.zeros(shape, np.float32)}, "without variance"),
        ({"image": np.full(shape, np.nan, np.float32)}, "not finite"),
        ({"image": np.zeros(shape, np.float32)}, "noise of blank sky"),
    ):
        with pytest.raises(DetectError, match=cause):
            detect(replace(made, exposure=made.exposure.with_(**changes)))
    with pytest.raises(ValueError, match="grow must not be negative, but is -1"):
        DetectConfig(grow=-1)


def test_masked_pixels_neither_make_nor_hide_sources() -> None:
    rng = np.random.default_rng(4)
    shape = (400, 400)
    psf = Psf.gaussian(FWHM, shape)
    image = noise(rng, shape)
    mask = np.zeros(shape, np.uint32)
    image[200, :] = 1e5
    mask[200, :] = Mask.BAD
    image[300:360, 300:360] = np.nan
    mask[300:360, 300:360] = Mask.NO_DATA
    add_gaussians(image, [100, 250], [201, 100], [30 * noise_of_flux(psf)] * 2, FWHM)
    found = detect(difference(image, SIGMA**2, psf, mask=mask))
    assert len(found.table) == 2
    assert nearest(found.table, [100, 250], [201, 100])[0].max() < 1.0
    assert not np.any(np.hypot(found.sky[:, 0] - 330, found.sky[:, 1] - 330) < 30)


def streaked(rng: np.random.Generator, ends, strength: float, shape=(900, 1000)):
    psf = Psf.gaussian(FWHM, (shape[1], shape[0]))
    image = noise(rng, shape)
    x, y = rng.uniform(20, shape[0] - 20, (2, 40))
    add_gaussians(image, x, y, np.full(40, 40 * noise_of_flux(psf)), FWHM)
    x0, y0, x1, y1 = ends
    length = np.hypot(x1 - x0, y1 - y0)
    rows, columns = np.indices(shape)
    along = ((columns - x0) * (x1 - x0) + (rows - y0) * (y1 - y0)) / length
    across = ((columns - x0) * (y1 - y0) - (rows - y0) * (x1 - x0)) / length
    profile = np.exp(-0.5 * (across / (FWHM / 2.35482)) ** 2)
    on = (along > 0) & (along < length)
    image += strength * SIGMA * profile * on
    return difference(image, SIGMA**2, psf), on & (np.abs(across) < 3), across


@pytest.mark.parametrize(
    ("ends", "strength"),
    [
        ((-10.0, 100.0, 1010.0, 700.0), 0.8),
        ((300.0, -5.0, 330.0, 905.0), 30.0),
        ((200.0, 150.0, 700.0, 500.0), 2.0),
    ],
)
def test_trails_of_satellites_are_masked(ends, strength: float) -> None:
    made, trail, across = streaked(np.random.default_rng(5), ends, strength)
    found = detect(made)
    masked = (found.exposure.mask & np.uint32(Mask.STREAK)) != 0
    assert len(found.streaks) == 1
    assert masked[trail].mean() > 0.97
    assert not masked[np.abs(across) > 30].any()
    assert masked.sum() < 8 * trail.sum()


def test_short_trails_and_rows_of_stars_are_no_streaks() -> None:
    rng = np.random.default_rng(6)
    made, _, _ = streaked(rng, (400.0, 400.0, 480.0, 440.0), 5.0)
    assert detect(made).streaks == ()
    psf = Psf.gaussian(FWHM, (1000, 900))
    image = noise(rng, (900, 1000))
    at = np.arange(30.0, 880.0, 120.0)
    add_gaussians(image, at, at, np.full(len(at), 1000 * noise_of_flux(psf)), FWHM)
    found = detect(difference(image, SIGMA**2, psf))
    assert found.streaks == ()
    assert found.table["glint_trail"].sum() == len(at)


def test_glints_are_more_on_a_line_than_chance_puts_there() -> None:
    rng = np.random.default_rng(7)
    psf = Psf.gaussian(FWHM, (1200, 1200))
    image = noise(rng, (1200, 1200))
    t = np.array([0.0, 60, 130, 190, 270, 330])
    line = 400 + 0.9 * t, 500 + 0.436 * t
    field = rng.uniform(20, 1180, (2, 60))
    x, y = (np.concatenate(pair) for pair in zip(line, field, strict=True))
    add_gaussians(image, x, y, np.full(len(x), 20 * noise_of_flux(psf)), FWHM)
    table = detect(difference(image, SIGMA**2, psf)).table
    distance, index = nearest(table, *line)
    assert distance.max() < 1
    assert table["glint_trail"][index].all()
    assert table["glint_trail"].sum() <= len(t) + 2
    dense = rng.uniform(20, 1180, (2, 1000))
    image = noise(rng, (1200, 1200))
    add_gaussians(image, *dense, np.full(1000, 20 * noise_of_flux(psf)), FWHM)
    assert detect(difference(image, SIGMA**2, psf)).table["glint_trail"].mean() < 0.01


def test_psf_that_varies_is_followed() -> None:
    shape = (1100, 1100)
    x, y = rng_places = np.indices((6, 6)).reshape(2, -1) * 200.0 + 40
    del rng_places
    widths = 3.0 + 3.0 * x / 1100
    images = [gaussian((41, 41), 20, 20, width) for width in widths]
    psf = Psf.fit(x, y, images, 2, shape)
    rng = np.random.default_rng(8)
    image = noise(rng, shape)
    for at_x, at_y, width in zip(x, y, widths, strict=True):
        flux = 20 * SIGMA * np.sqrt(4 * np.pi) * width / 2.35482
        add_gaussians(image, [at_x], [at_y], [flux], width)
    table = detect(difference(image, SIGMA**2, psf)).table
    distance, index = nearest(table, x, y)
    assert distance.max() < 1.5
    assert np.mean(table["snr"][index]) == pytest.approx(20, abs=0.6)
