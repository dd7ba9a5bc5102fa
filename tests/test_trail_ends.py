"""Faint trails: where they end, against sums over all ends and the truth of what was drawn."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
from detect_tools import SIGMA, add_gaussians, assert_pulls, difference, moffat, on_grid
from scipy.spatial import cKDTree
from scipy.special import erf

from pipeline.detect import DetectConfig, detect
from pipeline.measure import measure
from pipeline.psf import Psf

FWHM = 4.0
WIDTH = FWHM / 2.3548200450309493
SCALE = 0.2


def line(shape: tuple[int, int], x: float, y: float, turn: float, low: float, high: float):
    """Light of 1 per pixel of length, smeared by a Gaussian, from `low` to `high` along a line."""
    rows, columns = np.indices(shape)
    along = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
    across = (rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)
    ends = erf((along - low) / (np.sqrt(2) * WIDTH)) - erf((along - high) / (np.sqrt(2) * WIDTH))
    return 0.5 * ends * np.exp(-0.5 * (across / WIDTH) ** 2) / (np.sqrt(2 * np.pi) * WIDTH)


def faint(seed: int, snr: float, length: float, turn: float):
    shape = (140, 140)
    light = line(shape, 70.2, 69.7, turn, -0.5 * length, 0.5 * length)
    light *= snr * SIGMA / np.sqrt(np.square(light).sum())
    rng = np.random.default_rng(seed)
    return light + rng.normal(0.0, SIGMA, shape)


@pytest.mark.parametrize(("seed", "snr", "length"), [(1, 15.0, 40.0), (2, 12.0, 30.0)])
def test_lengths_are_means_over_all_ends(seed: int, snr: float, length: float) -> None:
    turn = 0.4
    image = faint(seed, snr, length, turn)
    made = difference(image, SIGMA**2, Psf.gaussian(FWHM, image.shape))
    detections = detect(made, DetectConfig(background_cell=0))
    table = measure(detections, made, made.exposure)
    row = table[np.nanargmax(np.where(table["trail_flag"], np.nan, table["trail_length"]))]
    noise = SIGMA * float(np.median(detections.noise.grid))
    lows = np.arange(-0.5 * length - 20, 0.0, 1.0)
    gains, lengths, middles = [], [], []
    for low in lows:
        for high in -lows:
            shape = line(image.shape, 70.2, 69.7, turn, low, high)
            inner = (shape * image).sum()
            gains.append(inner**2 / np.square(shape).sum() / noise**2)
            lengths.append(high - low)
            middles.append(0.5 * (high + low))
    weight = np.exp(0.5 * (np.array(gains) - max(gains)))
    mean = np.average(lengths, weights=weight)
    error = np.sqrt(np.average((lengths - mean) ** 2, weights=weight))
    wcs = made.exposure.wcs
    one, other = (
        wcs.pixel_to_world(70.2 + end * np.cos(turn), 69.7 + end * np.sin(turn))
        for end in (-0.5, 0.5)
    )
    per_pixel = one.separation(other).arcsec
    # The line here is the true one, there the fitted one.
    assert row["trail_length"] / per_pixel == pytest.approx(mean, abs=0.35 * error)
    assert row["trail_length_err"] / per_pixel == pytest.approx(error, rel=0.2)
    along = (row["x"] - 70.2) * np.cos(turn) + (row["y"] - 69.7) * np.sin(turn)
    assert along == pytest.approx(np.average(middles, weights=weight), abs=0.2 * error)


def test_a_trail_does_not_reach_over_a_star_on_its_line() -> None:
    turn, length = 0.0, 30.0
    image = faint(3, 20.0, length, turn)
    add_gaussians(image, [70.2 + 0.5 * length + 14.0], [69.7], [100 * SIGMA * 6.0], FWHM)
    made = difference(image, SIGMA**2, Psf.gaussian(FWHM, image.shape))
    table = measure(detect(made, DetectConfig(background_cell=0)), made, made.exposure)
    row = table[np.hypot(table["x"] - 70.2, table["y"] - 69.7).argmin()]
    assert row["trail_length"] > 0
    assert abs(row["x"] - 70.2) < 4 * row["x_err"]
    assert row["trail_length"] / SCALE < length + 6


@pytest.mark.slow
@pytest.mark.parametrize(("snr", "length"), [(15.0, 60.0), (10.0, 30.0)])
def test_pulls_of_trails_that_fall_to_pieces(snr: float, length: float) -> None:
    rng = np.random.default_rng(7)
    n, step = 13, int(length) + 50
    profile, psf = moffat(FWHM, (step * n, step * n))
    turns = rng.uniform(0, np.pi, n * n)
    each = iter(turns)
    one = galsim.Convolve(galsim.Box(length, 1e-3), profile).drawImage(nx=111, ny=111, scale=1.0)
    flux = snr * SIGMA / np.sqrt(np.square(one.array).sum())

    def draw(x: float, y: float):
        box = galsim.Box(length, 1e-3).rotate(next(each) * galsim.radians)
        return galsim.Convolve(box, profile) * flux, 0.0, 0.0

    image, places = on_grid(rng, n, step, draw)
    made = difference(image + rng.normal(0.0, SIGMA, image.shape), SIGMA**2, psf)
    table = measure(detect(made, DetectConfig(background_cell=0)), made, made.exposure)
    found = cKDTree(places).query(np.column_stack([table["x"], table["y"]]))
    kept = (table["trail_length"] > 0) & ~table["trail_flag"] & (found[0] < 0.5 * length)
    table, index = table[kept], found[1][kept]
    assert len(np.unique(index)) > (0.95 if snr > 12 else 0.7) * n * n
    half = 0.5 * length * np.stack([np.cos(turns), np.sin(turns)], 1)
    wcs = made.exposure.wcs
    ends = [wcs.pixel_to_world(*(places + end * half)[index].T) for end in (-1, 1)]
    truth = ends[0].separation(ends[1]).arcsec
    assert_pulls(table["trail_length"], truth, table["trail_length_err"])
    turned = (table["trail_angle"] - ends[0].position_angle(ends[1]).deg + 90) % 180 - 90
    assert_pulls(turned, 0.0, table["trail_angle_err"])
    middle = wcs.pixel_to_world(*places[index].T)
    assert_pulls(table["trail_dec"], middle.dec.deg, table["trail_dec_err"])
    # Those that noise helped to be found are too bright.
    assert_pulls(table["trail_flux"], flux, table["trail_flux_err"], bias=0.1 if snr > 12 else 0.4)
