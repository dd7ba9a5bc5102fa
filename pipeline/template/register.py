"""What is left of the relative astrometry of two images on the same pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.exposure import Exposure, Metrics
from pipeline.subtract.stars import candidates, cut, found_sources
from pipeline.template.mapping import Affine, Floats

_MIN_SNR = 20.0
_MOST_STARS = 300
_FOR_AFFINE = 8
_ROUNDS = 5
_SEARCH = 30.0
_PAIRED = 100
_FEWEST_PAIRS = 3
_BIN = 2.0
_FWHM_TO_SIGMA = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))


@dataclass(frozen=True)
class Registration:
    """Where the template's stars are, seen from the science image.

    Attributes
    ----------
    correction : Affine
        To give to `warp`, which then puts the template's stars where the science image has them.
    metrics : dict of str to float
        Stars, mean shift and scatter [pixel].
    """

    correction: Affine
    metrics: Metrics


def register(science: Exposure, warped: Exposure, sources: Table | None) -> Registration:
    """Measure the positions of stars in both images and fit their difference.

    A shift for fewer than eight stars, an affine transformation for more, without outliers such
    as stars of large proper motion.

    Parameters
    ----------
    science, warped : Exposure
        Science image and template on its pixels, with PSFs.
    sources : astropy.table.Table, optional
        Sources of the science image: x, y, snr, is_star, flags.

    Returns
    -------
    Registration
        No correction without stars.
    """
    size = (science.shape[1], science.shape[0])
    assert science.psf is not None
    half = int(np.ceil(1.8 * science.psf.fwhm)) + 2
    where = candidates(sources, science, warped, _MIN_SNR, half + 3)[:_MOST_STARS]
    sigma = science.psf.fwhm * _FWHM_TO_SIGMA
    guess = where + _predicted(where, coarse(science, warped), size)
    reach = half + 1
    inside = (guess > reach).all(axis=1) & (guess < np.array(size) - reach - 1).all(axis=1)
    where, guess = where[inside], guess[inside]
    here = centroids(science.image, where, sigma, half)
    there = centroids(warped.image, guess, sigma, half)
    shift = there - here
    with np.errstate(invalid="ignore"):
        use = (np.abs(here - where) < sigma + 1.0).all(axis=1)
        use &= (np.abs(there - guess) < sigma + 1.0).all(axis=1)
    coefficients, use = _robust(where, shift, use, size)
    left = shift[use] - _predicted(where[use], coefficients, size)
    scatter = float(np.sqrt(np.mean(np.square(left)))) if use.any() else float("nan")
    metrics = {
        "template.register_stars": float(use.sum()),
        "template.shift_x": float(coefficients[0, 0]),
        "template.shift_y": float(coefficients[1, 0]),
        "template.register_scatter": scatter,
    }
    return Registration(Affine(coefficients, size), metrics)


def coarse(science: Exposure, warped: Exposure, search: float = _SEARCH) -> Floats:
    """Find a shift of many pixels by the pairs of bright sources that have it in common.

    Parameters
    ----------
    science, warped : Exposure
        Science image and template on its pixels.
    search : float
        Largest shift [pixel].

    Returns
    -------
    ndarray, shape (2, 3)
        Coefficients as of `Affine`; zero if no shift stands out.
    """
    found = np.zeros((2, 3))
    lists = [_brightest(exposure) for exposure in (science, warped)]
    if min(len(positions) for positions in lists) < _FEWEST_PAIRS:
        return found
    here, there = lists
    offsets = (there[np.newaxis] - here[:, np.newaxis]).reshape(-1, 2)
    offsets = offsets[np.abs(offsets).max(axis=1) <= search]
    if not len(offsets):
        return found
    tree = cKDTree(offsets)
    votes = tree.query_ball_point(offsets, _BIN, return_length=True)
    best = offsets[tree.query_ball_point(offsets[int(np.argmax(votes))], _BIN)].mean(axis=0)
    if votes.max() >= max(_FEWEST_PAIRS, 0.3 * min(len(here), len(there))):
        found[:, 0] = best
    distance, which = cKDTree(there).query(here + found[:, 0])
    near = distance < 2.0 * _BIN
    if near.sum() < _FEWEST_PAIRS:
        return np.zeros((2, 3))
    size = (science.shape[1], science.shape[0])
    return _robust(here[near], there[which[near]] - here[near], np.ones(near.sum(), bool), size)[0]


def _brightest(exposure: Exposure) -> Floats:
    """Return the positions of the brightest sources."""
    # What is far above the noise is found in a third of the time, and mostly enough.
    for threshold in (50.0, 5.0):
        x, y, snr = found_sources(exposure, _MIN_SNR, threshold)
        if len(x) >= _PAIRED:
            break
    return np.column_stack((x, y))[np.argsort(-snr)[:_PAIRED]]


def centroids(image: NDArray[np.float32], where: Floats, sigma: float, half: int) -> Floats:
    """Measure centroids under a Gaussian window that follows them.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Image without background.
    where : ndarray, shape (n, 2)
        First guesses [pixel].
    sigma : float
        Width of the window [pixel].
    half : int
        Half side of the stamps [pixel].

    Returns
    -------
    ndarray, shape (n, 2)
        NaN where there is none.
    """
    stamps = np.asarray(cut(image, where, half), np.float64)
    at = np.arange(-half, half + 1.0)
    middle = np.rint(where)
    position = where - middle
    for _ in range(8):
        x, y = (at - position[:, axis, np.newaxis] for axis in (0, 1))
        window = np.exp(-0.5 * np.square(y / sigma))[:, :, np.newaxis]
        window = window * np.exp(-0.5 * np.square(x / sigma))[:, np.newaxis, :] * stamps
        total = window.sum(axis=(1, 2))
        total = np.where(total > 0, total, np.nan)
        step = np.column_stack(
            (
                (window.sum(axis=1) * x).sum(axis=1) / total,
                (window.sum(axis=2) * y).sum(axis=1) / total,
            )
        )
        position = position + 2.0 * step
    return np.asarray(middle + position)


def _predicted(where: Floats, coefficients: Floats, size: tuple[int, int]) -> Floats:
    """Shift at positions."""
    moved = Affine(coefficients, size)(where[:, 0], where[:, 1])
    return np.column_stack(moved) - where


def _robust(
    where: Floats, shift: Floats, use: NDArray[np.bool_], size: tuple[int, int]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Fit the shift without outliers."""
    found = np.zeros((2, 3))
    for _ in range(_ROUNDS):
        if not use.any():
            break
        found = np.zeros((2, 3))
        found[:, 0] = np.median(shift[use], axis=0)
        if use.sum() >= _FOR_AFFINE:
            u, v = (2.0 * where[use, i] / max(size[i] - 1, 1) - 1.0 for i in (0, 1))
            design = np.column_stack((np.ones(len(u)), u, v))
            found = np.linalg.lstsq(design, shift[use], rcond=None)[0].T
        left = np.abs(shift - _predicted(where, found, size)).max(axis=1)
        spread = max(1.4826 * float(np.median(left[use])), 0.01)
        with np.errstate(invalid="ignore"):
            kept = use & (left < 4.0 * spread)
        if (kept == use).all():
            break
        use = kept
    return found, use
