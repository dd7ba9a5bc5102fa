"""Detection of sources on a difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.detect.background import without_background
from pipeline.detect.config import DetectConfig
from pipeline.detect.footprints import Footprints, Peaks, find_peaks
from pipeline.detect.glints import find_glints
from pipeline.detect.merge import extents, footprints_of, merge_lobes, refine, strongest_lobes
from pipeline.detect.significance import NoiseScale, noise_scale, significance
from pipeline.detect.streaks import Streak, draw_streaks, find_streaks
from pipeline.errors import DetectError
from pipeline.exposure import Exposure, Image, Mask, Metrics
from pipeline.forced.windows import Bools, Floats, core_half, usable_pixels
from pipeline.psf import Psf
from pipeline.subtract import Difference

_SKY_SEED = 20120229


@dataclass(frozen=True)
class Detections:
    """Sources of a difference, not yet measured.

    Attributes
    ----------
    table : astropy.table.Table
        One row per source, brightest significance first: x, y (peak of the significance [pixel]),
        snr (of the peak, by the noise of blank sky), is_negative, lobe_x, lobe_y, lobe_snr (the
        strongest peak of the other sign that belongs to it; NaN without), footprint (those of one
        number touch), n_blended (sources in that footprint), n_pixels, bbox_size [pixel],
        glint_trail.
    footprints : Footprints
        Pixels of each source.
    exposure : Exposure
        The difference without what was left of background, its mask with DETECTED,
        DETECTED_NEGATIVE and STREAK.
    noise : NoiseScale
        Noise of blank sky over that of the variance.
    sky : ndarray, shape (m, 2)
        Positions x, y on blank sky [pixel].
    streaks : tuple of Streak
        Trails of satellites.
    metrics : dict of str to float
        detect.n_sources, n_negative, n_dipole_candidates, n_streaks, n_glints, noise_ratio,
        noise_ratio_min, noise_ratio_max, unusable_fraction, background_rms.
    """

    table: Table
    footprints: Footprints
    exposure: Exposure
    noise: NoiseScale
    sky: Floats
    streaks: tuple[Streak, ...]
    metrics: Metrics


def detect(difference: Difference, config: DetectConfig | None = None) -> Detections:
    """Find sources of both signs.

    The image is filtered with its PSF, divided by the noise that blank sky has after that, and cut
    at the threshold.  Where there is a score image, that is searched: it is filtered already.
    What rises towards the border of the image is no source on it.

    Parameters
    ----------
    difference : Difference
        Result of subtract.
    config : DetectConfig, optional
        Settings.

    Returns
    -------
    Detections

    Raises
    ------
    DetectError
        No PSF, no usable pixels, or noise that has nothing to do with the variance.
    """
    config = config or DetectConfig()
    exposure, searched = difference.exposure, difference.score
    psf = _psf_of(exposure)
    usable = _usable(exposure, config)
    exposure, background_rms = without_background(exposure, usable, config.background_cell)
    filtered = significance(exposure, psf, usable, config)
    noise = noise_scale(filtered, exposure.variance, usable, config)
    if searched is None:
        filtered /= noise.image()
    else:
        usable = _usable(searched, config)
        filtered = _ready(searched, usable)
        filtered /= noise_scale(filtered, searched.variance, usable, config).image()
    streaks = find_streaks(filtered, usable, config) if config.streaks else ()
    hits = np.flatnonzero(np.abs(filtered).ravel() >= config.threshold)
    peaks = find_peaks(
        filtered,
        hits,
        config.threshold,
        config.grow,
        config.min_prominence,
        config.min_contrast,
    )
    table, footprints = _sources(filtered, peaks, psf, config)
    mask = _mask(exposure.mask, filtered, hits, peaks)
    draw_streaks(mask, streaks)
    table["glint_trail"] = _glints(table, mask, config)
    blank = usable & ((mask & np.uint32(Mask.STREAK)) == 0)
    sky = _blank_positions(table, blank, psf, config.n_sky)
    return Detections(
        table=table,
        footprints=footprints,
        exposure=exposure.with_(mask=mask),
        noise=noise,
        sky=sky,
        streaks=streaks,
        metrics=_metrics(table, noise, usable, streaks, background_rms),
    )


def _psf_of(exposure: Exposure) -> Psf:
    if exposure.psf is None:
        raise DetectError("the difference has no PSF to look for; calibrate the science image")
    if min(exposure.shape) < 2 * core_half(exposure.psf) + 1:
        raise DetectError(f"an image of {exposure.shape} pixels is smaller than its PSF")
    return exposure.psf


def _usable(exposure: Exposure, config: DetectConfig) -> Bools:
    """Return the usable pixels; some there must be."""
    usable = usable_pixels(exposure, config.unusable)
    if not usable.any():
        planes = [p.name for p in config.unusable if exposure.masked(p).all()]
        cause = (
            f"all are masked {', '.join(map(str, planes))}"
            if planes
            else ("all are masked, not finite, or without variance")
        )
        raise DetectError(
            f"no usable pixel of {usable.size}: {cause}; does the template cover the image?"
        )
    return usable


def _ready(score: Exposure, usable: Bools) -> Image:
    """Return the S/N of a score image."""
    variance = np.where(usable, score.variance, np.float32(1))
    return np.asarray(np.where(usable, score.image / np.sqrt(variance), np.float32(0)), np.float32)


def _sources(
    filtered: Image, peaks: Peaks, psf: Psf, config: DetectConfig
) -> tuple[Table, Footprints]:
    """Return the table of sources, and their pixels."""
    owner = merge_lobes(peaks, config.lobe_distance * psf.fwhm)
    ny, nx = filtered.shape
    on_border = (peaks.x == 0) | (peaks.y == 0) | (peaks.x == nx - 1) | (peaks.y == ny - 1)
    sources = np.flatnonzero((owner == np.arange(len(owner))) & ~on_border)
    x, y, value = refine(filtered, peaks.x, peaks.y)
    sources = sources[np.argsort(-np.abs(value[sources]), kind="stable")]
    footprints = footprints_of(peaks, owner, sources)
    lobe = strongest_lobes(peaks, owner)[sources]
    n_pixels, side = extents(footprints, (ny, nx))
    blended = np.bincount(peaks.footprint[sources], minlength=1)
    table = Table(
        {
            "x": x[sources],
            "y": y[sources],
            "snr": np.abs(value[sources]),
            "is_negative": value[sources] < 0,
            "lobe_x": _taken(x, lobe),
            "lobe_y": _taken(y, lobe),
            "lobe_snr": _taken(np.abs(value), lobe),
            "footprint": peaks.footprint[sources],
            "n_blended": blended[peaks.footprint[sources]],
            "n_pixels": n_pixels,
            "bbox_size": side,
        }
    )
    return table, footprints


def _taken(values: Floats, index: NDArray[np.int64]) -> Floats:
    found = np.full(len(index), np.nan)
    found[index >= 0] = values[index[index >= 0]]
    return found


def _mask(
    mask: NDArray[np.uint32], filtered: Image, hits: NDArray[np.int64], peaks: Peaks
) -> NDArray[np.uint32]:
    """Return the mask with what was detected; of the ring around it, by the sign there."""
    mask = mask & ~np.uint32(Mask.DETECTED | Mask.DETECTED_NEGATIVE)
    flat, values = mask.reshape(-1), filtered.reshape(-1)
    for pixels in (hits, peaks.pixels):
        positive = values[pixels] >= 0
        flat[pixels[positive]] |= np.uint32(Mask.DETECTED)
        flat[pixels[~positive]] |= np.uint32(Mask.DETECTED_NEGATIVE)
    return np.asarray(mask)


def _glints(table: Table, mask: NDArray[np.uint32], config: DetectConfig) -> Bools:
    """Tell which sources are glints: not of those that a streak explains."""
    x, y = np.asarray(table["x"]), np.asarray(table["y"])
    at = tuple(
        np.rint(values).astype(int).clip(0, side - 1)
        for values, side in zip((y, x), mask.shape, strict=True)
    )
    free = np.flatnonzero((mask[at] & np.uint32(Mask.STREAK)) == 0)
    found = np.zeros(len(table), np.bool_)
    found[free] = find_glints(
        x[free],
        y[free],
        (mask.shape[0], mask.shape[1]),
        config.glint_points,
        config.glint_distance,
        config.glint_width,
    )
    return found


def _blank_positions(table: Table, usable: Bools, psf: Psf, n: int) -> Floats:
    """Draw positions that are usable and far from all sources; the same for the same image."""
    rng = np.random.default_rng(_SKY_SEED)
    half = core_half(psf)
    ny, nx = usable.shape
    drawn = rng.uniform(half, [nx - half - 1, ny - half - 1], (8 * n, 2))
    near = np.rint(drawn).astype(int)
    free = np.ones(len(drawn), np.bool_)
    for dy, dx in ((0, 0), (-half, -half), (-half, half), (half, -half), (half, half)):
        free &= usable[near[:, 1] + dy, near[:, 0] + dx]
    if len(table):
        tree = cKDTree(np.column_stack([table["x"], table["y"]]))
        free &= tree.query(drawn)[0] > 3.0 * psf.fwhm
    return np.asarray(drawn[free][:n])


def _metrics(
    table: Table,
    noise: NoiseScale,
    usable: Bools,
    streaks: tuple[Streak, ...],
    background_rms: float,
) -> Metrics:
    values = {
        "n_sources": len(table),
        "n_negative": np.count_nonzero(table["is_negative"]),
        "n_dipole_candidates": np.count_nonzero(np.isfinite(table["lobe_snr"])),
        "n_streaks": len(streaks),
        "n_glints": np.count_nonzero(table["glint_trail"]),
        "noise_ratio": np.median(noise.grid),
        "noise_ratio_min": noise.grid.min(),
        "noise_ratio_max": noise.grid.max(),
        "unusable_fraction": 1.0 - usable.mean(),
        "background_rms": background_rms,
    }
    return {f"detect.{name}": float(value) for name, value in values.items()}
