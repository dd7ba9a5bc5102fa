"""Fakes are added to images: their light, its noise, and a mark in the mask."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.errors import FakesError
from pipeline.exposure import UNUSABLE, Exposure, Mask
from pipeline.fakes.draw import Floats, checked_psf, nearest
from pipeline.psf import Psf

#: Sources drawn at a time.
_BLOCK = 512
#: Pixels are marked where a fake is brighter than this fraction of the noise, and its middle.
_MARKED = 0.5
#: Gauss-Legendre nodes on each FWHM of a trail.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


def inject(
    exposure: Exposure,
    table: Table,
    rng: np.random.Generator,
    *,
    template: bool = False,
    njy_per_electron: float | None = None,
) -> tuple[Exposure, Table]:
    """Add fakes to an exposure, as its own PSF shows them, with Poisson noise.

    Parameters
    ----------
    exposure : Exposure
        In nJy, with PSF.
    table : astropy.table.Table
        As `draw_fakes` makes it; flux [nJy], ra and dec or x and y, and optionally in_template,
        trail_length [pixel], trail_angle [deg].
    rng : numpy.random.Generator
        Of the noise of their light.
    template : bool
        Whether the exposure is the template: then the rows in_template are added, else the others.
    njy_per_electron : float, optional
        Flux of an electron [nJy]; by default a count of the uncalibrated image was one, as it is
        after isr.  Without calibration the light has no noise of its own.

    Returns
    -------
    exposure : Exposure
        Copy with INJECTED or INJECTED_TEMPLATE where fakes are.
    table : astropy.table.Table
        Copy with x, y on this exposure, injected (its middle is on the image), and usable (that
        pixel says something of the sky) for the rows that were added.

    Raises
    ------
    FakesError
        If the exposure has no PSF or is not in nJy, or positions are missing.
    """
    psf = checked_psf(exposure)
    table = table.copy()
    rows = _column(table, "in_template").astype(bool) == template
    x, y = _positions(exposure, table)
    ny, nx = exposure.shape
    inside = (x > -0.5) & (x < nx - 0.5) & (y > -0.5) & (y < ny - 0.5)
    row, column = nearest(exposure, np.nan_to_num(x), np.nan_to_num(y))
    good = ~exposure.masked(UNUSABLE)[row, column]
    added = rows & inside
    for name, value in (("injected", added), ("usable", added & good)):
        before = _column(table, name).astype(bool)
        table[name] = np.where(rows, value, before)
    if not template:
        table["x"], table["y"] = x, y
    length, angle = _column(table, "trail_length"), np.radians(_column(table, "trail_angle"))
    flux = np.asarray(table["flux"], float)
    light = np.zeros(exposure.shape)
    _add(light, psf, *_nodes(x[added], y[added], flux[added], length[added], angle[added], psf))
    if njy_per_electron is None:
        calibration = exposure.photo_calib
        njy_per_electron = 0.0 if calibration is None else calibration.njy_per_count
    plane = Mask.INJECTED_TEMPLATE if template else Mask.INJECTED
    return _with_light(exposure, light, rng, plane, njy_per_electron), table


def _with_light(
    exposure: Exposure, light: Floats, rng: np.random.Generator, plane: Mask, per_electron: float
) -> Exposure:
    """Return an exposure with more light on it; the noise is that of its electrons."""
    lit = np.nonzero(light)
    here = light[lit]
    more = np.maximum(here, 0.0) * per_electron
    image, variance, mask = exposure.image.copy(), exposure.variance.copy(), exposure.mask.copy()
    marked = np.abs(here) > _MARKED * np.sqrt(variance[lit])
    mask[lit] |= np.where(marked, np.uint32(plane), np.uint32(0))
    image[lit] += (here + rng.standard_normal(len(here)) * np.sqrt(more)).astype(np.float32)
    variance[lit] += more.astype(np.float32)
    return exposure.with_(image=image, variance=variance, mask=mask)


def _add(light: Floats, psf: Psf, x: Floats, y: Floats, flux: Floats) -> None:
    """Add point sources, cut off at the edges of the image."""
    ny, nx = light.shape
    at = np.arange(-psf.half, psf.half + 1)
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        stamps = psf.stamps(x[part], y[part]) * flux[part, np.newaxis, np.newaxis]
        rows = np.rint(y[part]).astype(int)[:, np.newaxis] + at
        columns = np.rint(x[part]).astype(int)[:, np.newaxis] + at
        on = ((rows >= 0) & (rows < ny))[:, :, np.newaxis]
        on = on & ((columns >= 0) & (columns < nx))[:, np.newaxis, :]
        place = rows[:, :, np.newaxis] * nx + columns[:, np.newaxis, :]
        np.add.at(light.reshape(-1), place[on], stamps[on])


def _nodes(
    x: Floats, y: Floats, flux: Floats, length: Floats, angle: Floats, psf: Psf
) -> tuple[Floats, Floats, Floats]:
    """Return point sources that stand for all fakes: trails become rows of them."""
    at = [(x[length == 0], y[length == 0], flux[length == 0])]
    for i in np.flatnonzero(length > 0):
        pieces = max(1, int(np.ceil(length[i] / psf.fwhm)))
        along = (np.arange(pieces)[:, np.newaxis] + 0.5 * (_NODES + 1)) / pieces - 0.5
        along = length[i] * along.ravel()
        weight = np.tile(0.5 * _WEIGHTS / pieces, pieces)
        at.append(
            (x[i] + along * np.cos(angle[i]), y[i] + along * np.sin(angle[i]), flux[i] * weight)
        )
    first, second, third = (np.concatenate(part) for part in zip(*at, strict=True))
    return first, second, third


def _positions(exposure: Exposure, table: Table) -> tuple[Floats, Floats]:
    """Return where fakes are on an exposure: by the sky if it can be, else by pixels."""
    names = set(table.colnames)
    if exposure.wcs is not None and {"ra", "dec"} <= names:
        ra, dec = (np.asarray(table[name], float) for name in ("ra", "dec"))
        if np.isfinite(ra).all() and np.isfinite(dec).all() and len(ra):
            x, y = exposure.wcs.world_to_pixel_values(ra, dec)
            return np.asarray(x, float), np.asarray(y, float)
    if {"x", "y"} <= names:
        return np.array(table["x"], float), np.array(table["y"], float)
    raise FakesError(
        "the fakes have no position on this exposure: the table needs ra and dec, and the exposure "
        f"a WCS, or else x and y; it has {', '.join(table.colnames)}"
    )


def _column(table: Table, name: str) -> NDArray[np.float64]:
    """Return a column, or zeros where there is none."""
    if name not in table.colnames:
        return np.zeros(len(table))
    return np.asarray(table[name], float)
