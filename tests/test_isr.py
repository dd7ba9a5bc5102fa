"""Signature removal against simulated electronics, astroscrappy, real raw frames and algebra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import astroscrappy
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from scipy.signal import convolve2d

from pipeline.errors import IsrError
from pipeline.exposure import Exposure, ExposureInfo, Mask
from pipeline.io import read_exposure
from pipeline.isr import (
    Amplifier,
    Instrument,
    IsrConfig,
    combine_snaps,
    load_instrument,
    remove_signature,
)
from pipeline.isr.corrections import fringe_scale, without_brighter_fatter
from pipeline.isr.cosmic import cosmic_rays
from pipeline.isr.interpolate import interpolate
from pipeline.psf import Psf
from pipeline.scene import tan_wcs

INFO = ExposureInfo(1, 0, "r", 60_000.0, 30.0)
OFF = IsrConfig(interpolate=False, cosmic_rays=False, grow_saturation=0)


def exposure(
    image: np.ndarray, unit: str = "adu", variance: float = 0.0, **more: object
) -> Exposure:
    image = np.asarray(image, np.float32)
    return Exposure(image, np.zeros(image.shape, np.uint32),
                    np.full(image.shape, variance, np.float32), unit, INFO, **more)  # fmt: skip


GAINS, NOISES = (1.5, 2.0), (4.0, 6.0)
CROSSTALK = np.array([[0.0, 2e-4], [1e-4, 0.0]])
TWO = Instrument(
    "two", "two amplifiers side by side, the second read from the other end",
    (
        Amplifier("A", 0, "[1:100, 1:120]", "[101:130, 1:120]", "[1:100, 1:120]", gain=1.5,
                  read_noise=4.0, saturation=60_000.0, linearity=(2e-7,)),
        Amplifier("B", 1, "[1:100, 1:120]", "[101:130, 1:120]", "[101:200, 1:120]", flip_x=True,
                  gain=2.0, read_noise=6.0, saturation=60_000.0),
    ),
    shape=(120, 200), overscan="rows", crosstalk=CROSSTALK, defects=("[50:50, 1:120]",),
)  # fmt: skip


def electronics(light: np.ndarray, rng: np.random.Generator) -> list[Exposure]:
    """Read electrons out: what a camera does, written down forwards."""
    parts = [light[:, :100], light[:, :99:-1]]
    noisy = [
        (p + rng.normal(0, n, p.shape)) / g for p, g, n in zip(parts, GAINS, NOISES, strict=True)
    ]
    # x + 2e-7 x² = true, solved for the counts that are read.
    noisy[0] = (np.sqrt(1 + 4 * 2e-7 * noisy[0]) - 1) / (2 * 2e-7)
    seen = [noisy[0] + 2e-4 * noisy[1], noisy[1] + 1e-4 * noisy[0]]
    drift = 900.0 + 20.0 * np.sin(np.arange(120) / 30.0)[:, np.newaxis]
    raws = []
    for image, gain, noise in zip(seen, GAINS, NOISES, strict=True):
        scan = rng.normal(0, noise / gain, (120, 30))
        raws.append(exposure(np.clip(np.hstack([image, scan]) + drift, None, 65_535.0)))
    return raws


def test_two_amplifiers_back_to_electrons() -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:120, :200]
    response = 1.0 + 0.1 * np.sin(x / 40.0)
    pattern, current = 30.0 * np.cos(y / 9.0), 2.0 + (x % 7)
    light = 2000.0 + 40.0 * (x % 5)
    light[30:34, 140:144] = 50_000.0
    raws = electronics(light * response + pattern + 30.0 * current, rng)
    dark = exposure(current * 60.0, "electron").with_(info=replace(INFO, exposure_time=60.0))
    flat = exposure(response * 20_000.0, "electron")
    result = remove_signature(
        raws, TWO, bias=exposure(pattern, "electron"), dark=dark, flat=flat, config=OFF
    )
    found = result.exposure
    assert found.unit == "electron"
    assert result.metrics["isr.overscan_noise"] == pytest.approx(5.0, abs=0.2)
    assert result.metrics["isr.dark_scale"] == pytest.approx(0.5)
    # The noise is that of the readout only (and of the overscan's row medians), over the flat.
    normal = response / np.median(response)
    light = light * np.median(response)
    scale = np.where(x < 100, 4.0, 6.0) / normal
    pulls = (found.image - light) / scale
    usual = (found.mask == 0) & (light < 10_000)
    assert np.mean(pulls[usual]) == pytest.approx(0.0, abs=0.1)
    assert np.std(pulls[usual]) == pytest.approx(1.0, abs=0.1)
    # Bright pixels: crosstalk of 100 counts on the other amplifier is gone, and is masked.
    assert np.abs(pulls[30:34, 140:144]).max() < 6
    assert np.all(found.masked(Mask.BAD)[:, 49])
    wanted = (light * normal + 30.0 * current + np.where(x < 100, 16.0, 36.0)) / normal**2
    assert np.median(np.abs(found.variance / wanted - 1)[usual]) < 0.02


def test_saturation_and_crosstalk_are_masked() -> None:
    light = np.full((120, 200), 500.0)
    light[60, 150] = 3e5
    config = replace(OFF, crosstalk_threshold=5.0)
    found = remove_signature(
        electronics(light, np.random.default_rng(2)), TWO, config=config
    ).exposure
    assert list(np.argwhere(found.masked(Mask.SAT))[0]) == [60, 150]
    # Amplifiers are read at the same time: pixel 150 is the 50th from the other end.
    assert list(np.argwhere(found.masked(Mask.CROSSTALK))[0]) == [60, 49]
    assert np.count_nonzero(found.masked(Mask.SAT | Mask.CROSSTALK)) == 2


@pytest.mark.parametrize("step", ["overscan", "crosstalk", "linearity", "defects", "saturation"])
def test_steps_of_the_camera_are_left_out(step: str) -> None:
    raws = electronics(np.full((120, 200), 9e4), np.random.default_rng(3))
    by_config = remove_signature(raws, TWO, config=replace(OFF, **{step: False})).exposure
    by_camera = remove_signature(raws, replace(TWO, off=frozenset({step})), config=OFF).exposure
    plain = remove_signature(raws, TWO, config=OFF).exposure
    assert np.array_equal(by_config.image, by_camera.image)
    assert np.array_equal(by_config.mask, by_camera.mask)
    changed = not np.array_equal(plain.image, by_config.image)
    assert changed or not np.array_equal(plain.mask, by_config.mask)


def test_raw_ccd_with_a_bias_section(test_data: Path) -> None:
    raw = read_exposure(test_data / "images" / "single" / "ccdproc_a8280271.fits")
    for name in ("ste3", "generic"):
        result = remove_signature(raw, name, config=OFF)
        assert result.exposure.shape == (520, 512)
        # RDNOISE of the header, from pixels of the bias section alone.
        assert result.metrics["isr.overscan_noise"] == pytest.approx(5.0, rel=0.2)
        with fits.open(test_data / "images" / "single" / "ccdproc_a8280271.fits") as hdus:
            data = hdus[0].data.astype(float)
        wanted = 1.9 * (np.median(data[100:400, 16:528]) - np.median(data[:, 3:13]))
        assert np.median(result.exposure.image[100:400]) == pytest.approx(wanted, abs=1.0)


def test_simulated_lsst_amplifier(test_data: Path) -> None:
    raw = read_exposure(test_data / "images" / "single" / "imsim_raw_amp.fits.gz")
    result = remove_signature(raw, "imsim_amp")
    assert result.exposure.shape == (2000, 509)
    assert result.metrics["isr.overscan_noise"] == pytest.approx(raw.header["RDNOISE"], rel=0.05)
    # Trimmed by four columns and one row: the sky stays where it is.
    trimmed = np.array(result.exposure.wcs.pixel_to_world_values(100.0, 200.0))
    assert trimmed == pytest.approx(np.array(raw.wcs.pixel_to_world_values(104.0, 201.0)), abs=1e-9)
    # Sky and noise belong together: gain and read noise are right.
    blank = result.exposure.image[result.exposure.mask == 0]
    noise = 1.4826 * np.median(np.abs(blank - np.median(blank)))
    assert noise**2 == pytest.approx(np.median(result.exposure.variance), rel=0.15)


def test_cosmic_rays_are_those_of_astroscrappy(test_data: Path) -> None:
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:300, :300]
    sky = np.full((300, 300), 400.0)
    for _ in range(60):
        at = rng.uniform(5, 295, 2)
        sky += 10 ** rng.uniform(2, 5) / 18 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 5.8)
    image = rng.poisson(sky) + rng.normal(0, 5, sky.shape)
    truth = np.zeros(image.shape, bool)
    for _ in range(60):
        row, column, angle = *rng.uniform(10, 290, 2), rng.uniform(0, np.pi)
        for step in range(int(rng.integers(1, 9))):
            at = int(row + step * np.sin(angle)), int(column + step * np.cos(angle))
            image[at] += rng.uniform(400, 4000)
            truth[at] = True
    image = image.astype(np.float32)
    variance = (sky + 25).astype(np.float32)
    settings = {"sigma": 5.0, "fraction": 0.3, "contrast": 5.0, "rounds": 3}
    found = cosmic_rays(image, variance, np.zeros(image.shape, bool), **settings)
    peer, _ = astroscrappy.detect_cosmics(image, invar=variance, sigclip=5.0, sigfrac=0.3, objlim=5.0, gain=1.0,
                                          readnoise=0.0, satlevel=np.inf, niter=3, sepmed=False)  # fmt: skip
    assert np.count_nonzero(found & truth) >= 0.95 * np.count_nonzero(truth)
    assert np.count_nonzero(found & ~truth) <= max(2, np.count_nonzero(peer & ~truth))
    assert np.count_nonzero(found ^ peer) <= 0.06 * np.count_nonzero(peer)
    # A real long-slit frame, where the sky has edges, too.
    with fits.open(test_data / "images" / "single" / "astroscrappy_gmos.fits") as hdus:
        image, variance = (hdus[name].data.astype(np.float32) for name in ("SCI", "VAR"))
    found = cosmic_rays(image, variance, np.zeros(image.shape, bool), **settings)
    peer, _ = astroscrappy.detect_cosmics(image, invar=variance, sigclip=5.0, sigfrac=0.3, objlim=5.0, gain=1.0,
                                          readnoise=0.0, satlevel=np.inf, niter=3, sepmed=False)  # fmt: skip
    assert np.count_nonzero(found & peer) >= 0.8 * np.count_nonzero(peer)
    assert np.count_nonzero(found & ~peer) <= 0.1 * np.count_nonzero(peer)


def test_brighter_fatter_is_undone_without_loss() -> None:
    y, x = np.mgrid[:80, :80]
    true = 500.0 + 60_000.0 * np.exp(-((x - 40.3) ** 2 + (y - 39.6) ** 2) / 8.0)
    at = np.hypot(*np.mgrid[-8:9, -8:9])
    kernel = -4e-7 * np.exp(-at / 1.5)
    # Forwards (Coulton et al. 2018, equation 22): F = I - ½ ∇·(I ∇(K ∗ I)), by finite volumes of
    # a convolution summed directly.
    potential = convolve2d(true, kernel, mode="same")
    measured = true.copy()
    for axis in (0, 1):
        mean = 0.5 * (true + np.roll(true, -1, axis))
        flow = 0.5 * mean * (np.roll(potential, -1, axis) - potential)
        flow[(slice(None),) * axis + (-1,)] = 0.0
        measured -= flow - np.roll(flow, 1, axis)
    assert np.abs(measured - true).max() > 300
    found = without_brighter_fatter(measured.astype(np.float32), kernel, 20)
    assert np.abs(found - true)[10:-10, 10:-10].max() < 5.0
    assert found.sum(dtype=np.float64) == pytest.approx(measured.sum(), rel=1e-7)
    with pytest.raises(IsrError, match="diverges"):
        without_brighter_fatter(measured.astype(np.float32), 3e3 * kernel, 20)


def test_interpolation_knows_the_psf() -> None:
    """A bad column through the middle of stars: better than a straight line between neighbours."""
    psf = Psf.gaussian(3.6, (200, 40))
    sigma = 3.6 / 2.3548
    y, x = np.mgrid[:40, :200]
    image = np.full((40, 200), 50.0)
    for i, shift in enumerate(np.linspace(-0.5, 0.5, 6)):
        at = 20 + 30 * i + shift, 20.0
        image += 5000.0 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
    holes = np.zeros(image.shape, bool)
    holes[:, 20:200:30] = True
    holes[3, 3:5] = True
    spoiled = np.where(holes, 9e9, image).astype(np.float32)
    found, filled = interpolate(spoiled, holes, np.zeros_like(holes), psf, 0.4)
    assert filled[holes].all()
    error = np.abs(found - image)[20, 20:200:30]
    line = np.abs(0.5 * (image[20, 19:199:30] + image[20, 21:201:30]) - image[20, 20:200:30])
    assert np.all(error < 0.15 * line)
    assert np.abs(found - image)[2:5, 2:6].max() < 0.5
    # What is inside a large hole stays as it is.
    holes[10:30, 60:90] = True
    _, filled = interpolate(spoiled, holes, np.zeros_like(holes), psf, 0.4)
    assert not filled[20, 75]


def test_snaps_tell_cosmic_rays_from_stars() -> None:
    rng = np.random.default_rng(6)
    y, x = np.mgrid[:100, :100]
    sky = 200.0 + 8e3 * np.exp(-((x - 50) ** 2 + (y - 50) ** 2) / 6.0)
    snaps = [
        exposure(rng.poisson(sky), "electron").with_(variance=sky.astype(np.float32))
        for _ in range(2)
    ]
    image = snaps[0].image.copy()
    image[20, 30:36] += 900.0
    image[70, 70] += 500.0
    bad = snaps[1].mask.copy()
    bad[10, 10] = np.uint32(Mask.BAD)
    result = combine_snaps(snaps[0].with_(image=image), snaps[1].with_(mask=bad))
    assert result.metrics == {"isr.snap_cosmic_rays": 7.0, "isr.snap_replaced": 8.0}
    assert result.exposure.image[20, 32] == 2 * snaps[1].image[20, 32]
    assert result.exposure.image[10, 10] == 2 * snaps[0].image[10, 10]
    assert result.exposure.mask[10, 10] == 0
    assert result.exposure.variance[20, 32] == pytest.approx(4 * sky[20, 32])
    assert result.exposure.info.exposure_time == 60.0
    assert np.all(result.difference.masked(Mask.CR)[20, 30:36])
    left = result.difference.image / np.sqrt(result.difference.variance)
    assert np.std(left[~result.difference.masked()]) == pytest.approx(1.0, abs=0.03)


def test_fringes_and_ghosts() -> None:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:200, :200]
    pattern = np.sin((x + 0.3 * y) / 6.0)
    image = 300.0 + 12.0 * pattern + rng.normal(0, 10, pattern.shape)
    image[90:100, 90:100] += 4000.0
    masked = np.zeros(image.shape, bool)
    assert fringe_scale(image, pattern, masked) == pytest.approx(12.0, abs=0.3)
    raw = exposure(
        image + 100.0, header=fits.Header({"GAIN": 1.0}), wcs=tan_wcs(150.0, 2.0, image.shape)
    )
    table = Table({"x": [50.0], "y": [60.0], "radius": [10.0], "inner_radius": [4.0]})
    found = remove_signature(raw, fringe=exposure(pattern, "electron"), ghosts=table, config=OFF)
    assert np.count_nonzero(found.exposure.masked(Mask.GHOST)) == pytest.approx(
        np.pi * (100 - 16), rel=0.05
    )
    assert not found.exposure.masked(Mask.GHOST)[60, 50]
    assert found.metrics["isr.fringe_scale"] == pytest.approx(12.0, abs=0.3)
    ra, dec = raw.wcs.pixel_to_world_values(50.0, 60.0)
    on_sky = Table({"ra": [float(ra)], "dec": [float(dec)], "radius": [2.0], "inner_radius": [0.8]})
    again = remove_signature(raw, ghosts=on_sky, config=OFF).exposure
    differ = again.masked(Mask.GHOST) ^ found.exposure.masked(Mask.GHOST)
    assert np.count_nonzero(differ) <= 8


RAW = exposure(
    np.random.default_rng(8).normal(1000.0, 5.0, (50, 60)), header=fits.Header({"GAIN": 1.0})
)
SCANNED = fits.Header(
    {"GAIN": 50.0, "RDNOISE": 5.0, "TRIMSEC": "[1:50,1:50]", "BIASSEC": "[51:60,1:50]"}
)


@pytest.mark.parametrize(
    ("raw", "more", "cause"),
    [
        (RAW.with_(unit="nJy"), {}, "raw images are in adu"),
        ([], {}, "no raw image"),
        (RAW, {"instrument": "nonesuch"}, "no instrument nonesuch; there are generic, imsim_amp, ste3"),
        (RAW, {"instrument": "imsim_amp"}, "reaches beyond the image"),
        (RAW, {"instrument": TWO}, "reaches beyond the image"),
        (RAW.with_(header=fits.Header({"TRIMSEC": "all"})), {}, "is no section"),
        (RAW.with_(header=fits.Header({"GAIN": -1.0})), {}, "gain -1"),
        (RAW.with_(header=SCANNED), {}, "noise of .* read noise should be 5"),
        (RAW.with_(header=fits.Header({"SATURATE": 10.0})), {}, "100% are saturated"),
        (RAW, {"bias": exposure(np.zeros((9, 9)))}, "the bias frame has 9 × 9 pixels, the image 60 × 50"),
        (RAW, {"flat": exposure(np.zeros((50, 60)))}, "give one with light"),
        (RAW.with_(info=None), {"dark": exposure(np.zeros((50, 60)))}, "exposure time of the image is unknown"),
        (RAW, {"ghosts": Table({"ra": [1.0]})}, "needs x, y, radius"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(raw, more: dict, cause: str) -> None:
    with pytest.raises(IsrError, match=cause) as caught:
        remove_signature(raw, **more)
    assert caught.value.stage == "isr"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("name = 'x'", "no \\[\\[amplifier\\]\\]"),
        ("name = 'x'\n[[amplifier]]\nname = 'a'\ncolour = 3", "colour"),
        ("name = 'x'\n[overscan]\nmethod = 'mean'\n[[amplifier]]\nname = 'a'", "overscan method mean"),
        ("name = 'x'\ncrosstalk = [[0.0, 1.0]]\n[[amplifier]]\nname = 'a'", "crosstalk must have 1 rows"),
        ("name = 'x'\nbrighter_fatter = [[1.0, 2.0]]\n[[amplifier]]\nname = 'a'", "square with odd sides"),
        ("name = ", "is wrong"),
        ("gian = 3\n[[amplifier]]\nname = 'a'", "unknown key gian"),
    ],
)  # fmt: skip
def test_wrong_descriptions_say_what_is_wrong(text: str, cause: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(IsrError, match=cause):
        load_instrument(path)


def test_a_description_of_ones_own(tmp_path: Path) -> None:
    np.save(tmp_path / "bf.npy", np.full((3, 3), 1e-9))
    path = tmp_path / "mine.toml"
    path.write_text(
        "name = 'mine'\noff = ['flat']\nbrighter_fatter = 'bf.npy'\n[overscan]\nmethod = 'polynomial'\norder = 1\n"
        "[[amplifier]]\nname = 'a'\ndata = '[1:40, 1:50]'\noverscan = '[41:60, 1:50]'\ngain = 3.0\n"
    )
    ramp = 0.5 * np.arange(50)[:, np.newaxis]
    raw = exposure(RAW.image + ramp)
    found = remove_signature(raw, str(path), flat=exposure(np.ones((9, 9))), config=OFF).exposure
    assert found.shape == (50, 40)
    # A straight ramp in both is taken off; the flat of another shape was not looked at.
    assert np.abs(np.median(found.image, axis=1)).max() < 12.0
    assert np.median(found.variance) == pytest.approx(0.0, abs=8.0)
