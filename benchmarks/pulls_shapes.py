"""Pulls of trails and dipoles: what `./dev bench pulls` shows beside those of point sources.

Differences made by hand: Gaussian PSF, trails by their integral, stars that moved; noise that is white, or
shared between pixels as that of a template is that was moved by half a pixel.  All goes through detection
and measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from astropy.table import Table, vstack
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.spatial import cKDTree
from scipy.special import erf

from pipeline.detect import DetectConfig, detect
from pipeline.exposure import Exposure
from pipeline.measure import measure
from pipeline.psf import SIGMA_TO_FWHM, Psf
from pipeline.subtract import Difference

Floats = NDArray[np.float64]
SIGMA, FWHM, SCALE = 10.0, 4.0, 0.2
WIDTH = FWHM / SIGMA_TO_FWHM
#: Part of the variance that is the template's.
TEMPLATE = 0.4
NOISES = ("white", "shared")
#: S/N in all (of the filter that has the trail's own shape), and lengths [pixel].
TRAILS = [(snr, length) for snr in (8, 10, 15, 30, 100) for length in (5, 10, 30, 60)]
#: S/N of the star, and how far it moved [pixel].
DIPOLES = [
    *((8, 3), (15, 2), (15, 3), (30, 1), (30, 3), (100, 0.5), (100, 2), (300, 0.2), (300, 1)),
]
SIDE = 11
#: So many sources would be a part of the background of their surroundings, which would be taken off.
ALONE = DetectConfig(background_cell=0)
OF_TRAILS = {"length": "trail_length", "angle": "trail_angle", "flux": "trail_flux"}
OF_DIPOLES = {"length": "dipole_length", "angle": "dipole_angle", "flux": "dipole_mean_flux"}


def _wcs() -> WCS:
    made = WCS(naxis=2)
    made.wcs.crpix, made.wcs.crval = [1, 1], [150, 0]
    made.wcs.cdelt, made.wcs.ctype = [-SCALE / 3600, SCALE / 3600], ["RA---TAN", "DEC--TAN"]
    return made


def _noise(rng: np.random.Generator, side: int, noise: str) -> tuple[Floats, Floats]:
    """Noise of science image and template."""
    one, other = rng.normal(0.0, SIGMA, (2, side, side))
    if noise == "shared":
        other = 2.0 * uniform_filter(other, 2, mode="wrap")
    return one * np.sqrt(1 - TEMPLATE), other * np.sqrt(TEMPLATE)


def _exposure(image: Floats, variance: Floats | float) -> Exposure:
    variances = np.broadcast_to(np.float32(variance), image.shape).copy()
    psf = Psf.gaussian(FWHM, (image.shape[0], image.shape[1]))
    nothing = np.zeros(image.shape, np.uint32)
    return Exposure(image.astype(np.float32), nothing, variances, psf=psf, wcs=_wcs())


def _places(rng: np.random.Generator, step: int) -> Floats:
    grid = step * (np.indices((SIDE, SIDE)).reshape(2, -1).T + 0.5)
    return np.asarray(grid + rng.uniform(-0.5, 0.5, grid.shape))


def _stamps(places: Floats, half: int) -> Iterator[tuple[tuple[slice, slice], Floats, Floats]]:
    """Where the stamps of places lie, and how far their pixels are from there."""
    for x, y in places:
        x0, y0 = round(x) - half, round(y) - half
        rows, columns = np.indices((2 * half, 2 * half), float)
        at = (slice(y0, y0 + 2 * half), slice(x0, x0 + 2 * half))
        yield at, columns + x0 - x, rows + y0 - y


def _line(dx: Floats, dy: Floats, length: float, angle: float) -> Floats:
    """A trail of flux 1."""
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    ends = [erf((along + end * length) / (np.sqrt(2) * WIDTH)) for end in (0.5, -0.5)]
    profile = np.exp(-0.5 * (across / WIDTH) ** 2) / (np.sqrt(2 * np.pi) * WIDTH)
    return np.asarray(profile * (ends[0] - ends[1]) / (2 * length))


def _star(dx: Floats, dy: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * (dx**2 + dy**2) / WIDTH**2) / (2 * np.pi * WIDTH**2))


def _turned(x: Floats, y: Floats) -> Floats:
    """Position angle of a direction on the image [deg]."""
    return np.degrees(np.arctan2(-x, y))


def trails(rng: np.random.Generator, snr: float, length: float, noise: str) -> Table:
    """Pulls of the trails of an image."""
    step = int(length) + 50
    image = np.subtract(*_noise(rng, step * SIDE, noise))
    places, angle = _places(rng, step), rng.uniform(0, np.pi, SIDE**2)
    flux = np.empty(len(places))
    for k, (at, dx, dy) in enumerate(_stamps(places, step // 2)):
        line = _line(dx, dy, length, angle[k])
        flux[k] = snr * SIGMA / np.sqrt(np.square(line).sum())
        image[at] += flux[k] * line
    exposure = _exposure(image, SIGMA**2)
    made = Difference(exposure, exposure, "convolve_template", None, None, {})
    table = measure(detect(made, ALONE), made, exposure)
    table = table[(table["trail_length"] > 0) & ~table["trail_flag"]]
    table["x"], table["y"] = _wcs().world_to_pixel_values(table["trail_ra"], table["trail_dec"])
    for name, column in (("x_err", "trail_ra_err"), ("y_err", "trail_dec_err")):
        table[name] = table[column] * (3600 / SCALE)
    return _pulls(
        table, places, OF_TRAILS, length, _turned(np.cos(angle), np.sin(angle)), 180, flux
    )


def dipoles(rng: np.random.Generator, snr: float, distance: float, noise: str) -> Table:
    """Pulls of the dipoles of an image."""
    step = 50
    places, angle = _places(rng, step), rng.uniform(0, 2 * np.pi, SIDE**2)
    flux = snr * SIGMA * 2 * np.sqrt(np.pi) * WIDTH
    half = 0.5 * distance * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    parts = (1 - TEMPLATE) * SIGMA**2, TEMPLATE * SIGMA**2
    images = _noise(rng, step * SIDE, noise)
    for image, sign in zip(images, (1, -1), strict=True):
        for at, dx, dy in _stamps(places + sign * half, step // 2 - 4):
            image[at] += flux * _star(dx, dy)
    science, template = (_exposure(*pair) for pair in zip(images, parts, strict=True))
    exposure = _exposure(images[0] - images[1], SIGMA**2)
    made = Difference(exposure, template, "convolve_science", None, None, {})
    table = measure(detect(made, ALONE), made, science)
    table = table[table["is_dipole"]]
    turned = _turned(np.cos(angle), np.sin(angle))
    return _pulls(table, places, OF_DIPOLES, distance, turned, 360, np.full(len(places), flux))


def _pulls(
    table: Table,
    places: Floats,
    names: dict[str, str],
    length: float,
    angle: Floats,
    turn: float,
    flux: Floats,
) -> Table:
    """(Measured - true) / error of what is next to a place."""
    distance, near = cKDTree(places).query(np.column_stack([table["x"], table["y"]]))
    kept = distance < 0.5 * length + 4
    table, near = table[kept], near[kept]
    turned = (table[names["angle"]] - angle[near] + 0.5 * turn) % turn - 0.5 * turn
    off = {
        "length": table[names["length"]] - SCALE * length,
        "angle": turned,
        "flux": table[names["flux"]] - flux[near],
    }
    errors = {name: np.asarray(table[f"{column}_err"], float) for name, column in names.items()}
    return Table(
        {name: np.asarray(values, float) / errors[name] for name, values in off.items()}
        | {
            "x": np.asarray(table["x"] - places[near, 0], float) / table["x_err"],
            "y": np.asarray(table["y"] - places[near, 1], float) / table["y_err"],
        }
    )


def described(pulls: Table) -> dict[str, Any]:
    """Number, means and widths, the latter also by the middle 68%."""
    found: dict[str, Any] = {"n": len(pulls)}
    if len(pulls) < 10:
        return found
    for name in pulls.colnames:
        each = np.asarray(pulls[name])
        low, middle, high = np.percentile(each, [15.87, 50.0, 84.13])
        values = {
            "mean": each.mean(),
            "mean_err": each.std(ddof=1) / np.sqrt(len(each)),
            "width": each.std(ddof=1),
            "width_err": each.std(ddof=1) / np.sqrt(2 * len(each)),
            "median": middle,
            "width_68": 0.5 * (high - low),
        }
        found[name] = {key: round(float(value), 3) for key, value in values.items()}
    return found


def shapes(n_images: int, seed: int) -> Iterator[tuple[str, str, float, float, dict[str, Any]]]:
    """What it is, the noise, S/N, length, and what the pulls are, one case after the other."""
    for what, make, cases in (("trail", trails, TRAILS), ("dipole", dipoles, DIPOLES)):
        for noise in NOISES:
            for k, (snr, length) in enumerate(cases):
                rng = np.random.default_rng([seed, k])
                images = [make(rng, snr, length, noise) for _ in range(n_images)]
                pulls = {"drawn": n_images * SIDE**2} | described(vstack(images))
                yield what, noise, snr, length, pulls
