"""Which sources are stars."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.calibrate.config import CalibrateConfig
from pipeline.errors import CalibrateError
from pipeline.exposure import Bits, Mask

Floats = NDArray[np.float64]

_SATURATED = np.uint32(Mask.SAT | Mask.SUSPECT)
_FAINTEST = 10.0
_ENOUGH = 12


def half_sample_mode(values: Floats) -> float:
    """Return the mode of a sample: half of the densest half, and so on.

    Robertson & Cryer 1974, JASA 69, 1012; Bickel & Frühwirth 2006, CSDA 50, 3500.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Sample, not empty.

    Returns
    -------
    float
    """
    left = np.sort(values)
    while len(left) > 3:
        half = (len(left) + 1) // 2
        widths = left[half - 1 :] - left[: len(left) - half + 1]
        start = int(np.argmin(widths))
        left = left[start : start + half]
    if len(left) == 3:
        left = left[:2] if left[1] - left[0] <= left[2] - left[1] else left[1:]
    return float(left.mean())


def candidates(sources: Table, mask: Bits, config: CalibrateConfig) -> NDArray[np.int64]:
    """Return rows of sources that the PSF can be modelled from.

    They are well above the noise, unsaturated, round enough, alone, as small as most, and spread
    over the image.

    Parameters
    ----------
    sources : Table
        Of `find`.
    mask : ndarray of uint32, shape (ny, nx)
        Bits.
    config : CalibrateConfig
        Settings.

    Returns
    -------
    ndarray of int
        By falling flux.

    Raises
    ------
    CalibrateError
        There are fewer than `psf_min_stars`; the text counts why the others are none.
    """
    size = np.sqrt(np.sqrt(np.maximum(sources["ixx"] * sources["iyy"] - sources["ixy"] ** 2, 0)))
    shape_known = np.asarray(sources["converged"]) & np.isfinite(size) & (size > 0)
    whole = np.asarray(sources["spoiled"]) < 0.01
    linear = ~saturated(sources, mask)
    alone = isolated(sources, 2.5 * config.initial_fwhm)
    reasons = {
        "have no measurable shape": ~shape_known,
        "are saturated": shape_known & ~linear,
        "lie on bad pixels or the edge": shape_known & linear & ~whole,
        "have close neighbours": shape_known & linear & whole & ~alone,
    }
    usable = shape_known & linear & whole & alone
    if np.count_nonzero(usable) < config.psf_min_stars:
        # Better stars with neighbours, which are fitted and taken off, than none.
        usable = shape_known & linear & whole
    bright = usable & (sources["peak_snr"] >= config.psf_min_snr)
    if np.count_nonzero(bright) < _ENOUGH:
        bright = usable & (sources["peak_snr"] >= min(_FAINTEST, config.psf_min_snr))
    rows = np.flatnonzero(bright)
    rows = rows[_stellar(np.log(np.asarray(size)[rows]), np.asarray(sources["peak_snr"])[rows])]
    if len(rows) < config.psf_min_stars:
        counts = ", ".join(f"{np.count_nonzero(v)} {k}" for k, v in reasons.items())
        raise CalibrateError(
            f"{len(rows)} stars for the PSF, {config.psf_min_stars} are needed; of {len(sources)} "
            f"sources {counts}, {np.count_nonzero(usable & ~bright)} are too faint. "
            "Check the saturation level and the gain, lower `psf_min_snr` or `psf_min_stars`"
        )
    return _spread(sources, rows, mask.shape, config.psf_max_stars)


def saturated(sources: Table, mask: Bits) -> NDArray[np.bool_]:
    """Tell which sources have saturated pixels in their middle.

    Parameters
    ----------
    sources : Table
        With x, y.
    mask : ndarray of uint32, shape (ny, nx)
        Bits.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    found = np.zeros(len(sources), bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            column = np.clip(np.rint(sources["x"]).astype(int) + dx, 0, mask.shape[1] - 1)
            row = np.clip(np.rint(sources["y"]).astype(int) + dy, 0, mask.shape[0] - 1)
            found |= (mask[row, column] & _SATURATED) != 0
    return found


def isolated(sources: Table, radius: float, contrast: float = 0.1) -> NDArray[np.bool_]:
    """Tell which sources have no neighbour of comparable flux.

    Parameters
    ----------
    sources : Table
        With x, y, flux.
    radius : float
        How far neighbours count [pixel].
    contrast : float
        Fainter ones than this part of its flux do not count.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    alone = np.ones(len(sources), bool)
    if len(sources) < 2:
        return alone
    tree = cKDTree(np.column_stack([sources["x"], sources["y"]]))
    i, j = tree.query_pairs(radius, output_type="ndarray").T
    flux = np.asarray(sources["flux"])
    alone[i[flux[j] > contrast * flux[i]]] = False
    alone[j[flux[i] > contrast * flux[j]]] = False
    return alone


def _stellar(size: Floats, snr: Floats) -> NDArray[np.bool_]:
    """Tell which log sizes belong to the locus of stars: its width comes from the sample."""
    if len(size) < 4:
        return np.ones(len(size), bool)
    # Bright ones define the locus: their sizes have the smaller errors.
    bright = np.argsort(-snr)[: max(8, len(size) // 2)]
    middle = half_sample_mode(size[bright])
    spread = 0.05
    for _ in range(5):
        near = np.abs(size - middle) < 3.0 * spread
        if np.count_nonzero(near) < 3:
            break
        middle = float(np.median(size[near]))
        spread = float(np.clip(1.4826 * np.median(np.abs(size[near] - middle)), 0.02, 0.1))
    return np.asarray(np.abs(size - middle) < 3.0 * np.hypot(spread, 1.0 / snr))


def _spread(
    sources: Table, rows: NDArray[np.int64], shape: tuple[int, ...], most: int
) -> NDArray[np.int64]:
    """Choose the brightest in every part of the image."""
    if len(rows) <= most:
        return rows
    cells = max(1, int(np.sqrt(most / 6)))
    cell = [
        np.clip(sources[name][rows] * cells / side, 0, cells - 1).astype(int)
        for name, side in (("x", shape[1]), ("y", shape[0]))
    ]
    index = cell[1] * cells + cell[0]
    # Rank within the cell, by flux: rows are sorted by it.
    order = np.argsort(index, kind="stable")
    first = np.searchsorted(index[order], index[order])
    rank = np.empty(len(rows), int)
    rank[order] = np.arange(len(rows)) - first
    return np.sort(rows[np.argsort(rank, kind="stable")[:most]])
