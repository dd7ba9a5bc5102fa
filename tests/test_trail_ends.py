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
from pipeline.measure.trail import fit_trails
from pipeline.measure.trail_ends import settle_ends
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


def trails_of(
    image: np.ndarray, vectors: list[tuple[float, ...]], sources: list[tuple[float, ...]]
):
    """Trails fitted from x, y, dx, dy, their ends settled among sources of x, y, S/N."""
    made = difference(image, SIGMA**2, Psf.gaussian(FWHM, image.shape)).exposure
    n = len(vectors)
    given = made, Psf.gaussian(FWHM, image.shape)
    trails = fit_trails(*given, np.arange(n), np.array(vectors), n, 200.0)
    fitted = np.hypot(trails.dx, trails.dy)
    noise = np.ones(len(sources))
    settle_ends(*given, trails, np.array(sources, float), noise, 200.0)
    return trails, fitted


@pytest.mark.parametrize("away", [13.0, 16.0])
def test_another_source_on_the_line_is_no_piece(away: float) -> None:
    """A trail of 10 pixels, and a star as bright as it is, beside its end."""
    longer = 0
    for seed in range(8):
        image = faint(seed, 11.0, 10.0, 0.0)
        flux = 10.0 * SIGMA * np.sqrt(4 * np.pi) * WIDTH
        add_gaussians(image, [70.2 + away], [69.7], [flux], FWHM)
        sources = [(70.2, 69.7, 10.0), (70.2 + away, 69.7, 10.0)]
        trails, fitted = trails_of(image, [(70.2, 69.7, 10.0, 0.0)], sources)
        longer += float(np.hypot(trails.dx, trails.dy)[0]) > max(fitted[0], 10.0) + 5.0
    assert longer <= 1


def test_trails_end_on_the_image() -> None:
    """The middle is 16 pixels from the border, the end 1: what is beyond it tells nothing."""
    for seed in range(6):
        whole = faint(seed, 15.0, 30.0, 0.0)
        image = np.ascontiguousarray(whole[:, 54:])
        (trails, _) = trails_of(image, [(16.2, 69.7, 30.0, 0.0)], [(16.2, 69.7, 9.0)])
        left = trails.x[0] - 0.5 * abs(trails.dx[0])
        assert left > -1.0
        right = trails.x[0] + 0.5 * abs(trails.dx[0])
        error = np.sqrt(trails.covariance[0, 3, 3])
        assert abs(right - 31.2) < 4.0 * error + 1.0


def test_short_trails_between_brighter_sources_keep_errors() -> None:
    image = faint(4, 9.0, 1.0, 0.0)
    sources = [(70.2, 69.7, 9.0), (64.2, 69.7, 30.0), (76.2, 69.7, 30.0)]
    for length in (0.3, 0.8, 2.0):
        trails, _ = trails_of(image, [(70.2, 69.7, length, 0.0)], sources)
        assert trails.covariance[0, 3, 3] > 0


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
