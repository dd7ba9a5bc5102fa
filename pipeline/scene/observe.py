"""Objects on the sky become an exposure: positions, pixels, noise, saturation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray

from pipeline.exposure import Exposure, ExposureInfo, Image, Mask, PhotoCalib
from pipeline.psf import Psf
from pipeline.scene.artefacts import bleed
from pipeline.scene.draw import Floats, draw_points
from pipeline.scene.galaxies import DISC, draw_galaxies
from pipeline.scene.psf_model import PsfModel

#: Wings end where they are this fraction of the noise of the sky.
_FAINTEST = 0.02
#: Positions at which the PSF is evaluated at a time.
_BLOCK = 1024
#: Nodes per FWHM along a trail: a Gauss-Legendre rule on each such piece.
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(4)


@dataclass(frozen=True)
class Observation:
    """How the sky is seen by one exposure; the defaults are a Rubin CCD in r, cut to 1024².

    Attributes
    ----------
    wcs : astropy.wcs.WCS
        True world coordinates.
    shape : tuple of int
        Rows and columns.
    psf : PsfModel
        True PSF.
    sky_sigma : float
        Noise of the sky with readout [nJy per pixel].
    njy_per_electron : float
        Flux of one electron [nJy].
    full_well : float
        Electrons of a pixel, sky included, above which charge spills along its column.
    background : float
        Left over after the sky was subtracted [nJy per pixel].
    info : ExposureInfo, optional
        Which visit this is.
    """

    wcs: WCS
    shape: tuple[int, int] = (1024, 1024)
    psf: PsfModel = field(default_factory=PsfModel)
    sky_sigma: float = 20.0
    njy_per_electron: float = 0.6
    full_well: float = np.inf
    background: float = 0.0
    info: ExposureInfo | None = None

    def __post_init__(self) -> None:
        for name in ("sky_sigma", "njy_per_electron", "full_well"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be positive")

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self.shape[1], self.shape[0]

    @property
    def sky_electrons(self) -> float:
        """Electrons of the sky in a pixel, whose Poisson noise is `sky_sigma`."""
        return (self.sky_sigma / self.njy_per_electron) ** 2


def tan_wcs(
    ra: float, dec: float, shape: tuple[int, int], scale: float = 0.2, rotation: float = 0.0
) -> WCS:
    """Return a gnomonic projection, north up and east to the left.

    Parameters
    ----------
    ra, dec : float
        Centre of the image [deg].
    shape : tuple of int
        Rows and columns.
    scale : float
        Side of a pixel [arcsec].
    rotation : float
        Of the image, counter-clockwise [deg].

    Returns
    -------
    astropy.wcs.WCS
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.radesys = "ICRS"
    angle = np.radians(rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs.wcs.cd = np.diag([-scale, scale]) @ turn / 3600
    wcs.wcs.set()
    return wcs


def draw(objects: Table, observation: Observation, flux: str = "flux") -> Image:
    """Return what the sky would be without noise.

    Parameters
    ----------
    objects : astropy.table.Table
        ra, dec [deg], fluxes [nJy]; optionally r_half [arcsec], nu, g1, g2 of galaxies (shear
        towards east and north-east) and trail_east, trail_north: the way that a source goes during
        the exposure, around its position [arcsec].
    observation : Observation
        Through what.
    flux : str
        Name of the column of fluxes.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
        [nJy per pixel].
    """
    image = np.zeros(observation.shape, np.float32)
    x, y = pixels(objects, observation.wcs)
    fluxes = np.asarray(objects[flux], float)
    r_half = _column(objects, "r_half")
    way = np.stack([_column(objects, "trail_east"), _column(objects, "trail_north")])
    to_pixel = np.linalg.inv(observation.wcs.pixel_scale_matrix * 3600)
    there = (fluxes != 0) & np.isfinite(x) & np.isfinite(y)
    extended = there & (r_half > 0)
    trailed = there & ~extended & way.any(axis=0)
    points = there & ~extended & ~trailed
    _draw_sources(image, x[points], y[points], fluxes[points], observation)
    for i in np.flatnonzero(trailed):
        dx, dy = to_pixel @ way[:, i]
        along, weight = _trail(float(np.hypot(dx, dy)), observation.psf.fwhm)
        nodes = x[i] + along * dx, y[i] + along * dy
        _draw_sources(image, *nodes, fluxes[i] * weight, observation)
    if extended.any():
        shape = to_pixel @ _ellipse(objects[extended])
        nu = _column(objects, "nu", DISC)[extended]
        at = x[extended], y[extended]
        profiles = observation.psf.profiles(*at, observation.size)
        draw_galaxies(image, *at, fluxes[extended], shape, nu, profiles)
    return image


def render(
    objects: Table, observation: Observation, rng: np.random.Generator, flux: str = "flux"
) -> tuple[Exposure, Table]:
    """Return an exposure of objects, and what is in it.

    The noise is Gaussian with the variance of the electrons; the variance plane is the true one.

    Parameters
    ----------
    objects : astropy.table.Table
        As `draw` takes it; all columns are handed through.
    observation : Observation
        Through what.
    rng : numpy.random.Generator
        Of the noise.
    flux : str
        Name of the column of fluxes.

    Returns
    -------
    exposure : Exposure
        In nJy, with the true PSF, WCS and calibration.
    truth : astropy.table.Table
        Rows whose centre is on the image, with x, y [pixel] and snr, of a point source with this
        flux at this place.
    """
    model = draw(objects, observation, flux)
    per_electron = observation.njy_per_electron
    variance = observation.sky_sigma**2 + np.maximum(model, 0) * np.float32(per_electron)
    variance = variance.astype(np.float32)
    image = model + rng.standard_normal(model.shape, np.float32) * np.sqrt(variance)
    mask = np.zeros(observation.shape, np.uint32)
    if np.isfinite(observation.full_well):
        limit = (observation.full_well - observation.sky_electrons) * per_electron
        full = bleed(model, limit)
        image[full] = limit
        mask[full] |= np.uint32(Mask.SAT)
    image += np.float32(observation.background)
    exposure = Exposure(
        image,
        mask,
        variance,
        info=observation.info,
        psf=true_psf(observation.psf, observation.size),
        wcs=observation.wcs,
        photo_calib=PhotoCalib(per_electron),
    )
    return exposure, _truth(objects, exposure, flux)


def add_difference(truth: Table, science: Exposure, template: Observation) -> None:
    """Add true differences and their signal-to-noise ratios to a truth table.

    Parameters
    ----------
    truth : astropy.table.Table
        Of `render`, with template_flux; diff_flux = flux - template_flux [nJy] and diff_snr, of a
        point source against the noise of both images at its place, are added.
    science : Exposure
        Exposure that the truth is of.
    template : Observation
        How the template was taken.
    """
    assert science.psf is not None
    assert science.photo_calib is not None
    x, y = np.asarray(truth["x"]), np.asarray(truth["y"])
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    square = sum_of_squares(science.psf, x, y)
    more = template.njy_per_electron / science.photo_calib.njy_per_count
    noise = np.sqrt(science.variance[row, column] * (1 + more) / square)
    truth["diff_flux"] = np.asarray(truth["flux"]) - np.asarray(truth["template_flux"])
    truth["diff_snr"] = np.asarray(truth["diff_flux"]) / noise


def pixels(objects: Table, wcs: WCS) -> tuple[Floats, Floats]:
    """Return the positions of objects on an image.

    Parameters
    ----------
    objects : astropy.table.Table
        ra, dec [deg].
    wcs : astropy.wcs.WCS
        World coordinates.

    Returns
    -------
    x, y : ndarray, shape (n,)
        [pixel].
    """
    if not len(objects):
        return np.empty(0), np.empty(0)
    x, y = wcs.world_to_pixel_values(np.asarray(objects["ra"]), np.asarray(objects["dec"]))
    return np.asarray(x, float), np.asarray(y, float)


@cache
def true_psf(model: PsfModel, size: tuple[int, int]) -> Psf:
    """Return the PSF of an exposure; computed once.

    Parameters
    ----------
    model : PsfModel
        True PSF.
    size : tuple of int
        Columns and rows.

    Returns
    -------
    Psf
    """
    return model.psf(size)


def sum_of_squares(psf: Psf, x: Floats, y: Floats) -> Floats:
    """Return Σ psf² at positions: the inverse of the noise area.

    Parameters
    ----------
    psf : Psf
        PSF.
    x, y : ndarray, shape (n,)
        Positions [pixel].

    Returns
    -------
    ndarray, shape (n,)
    """
    found = np.empty(len(x))
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part] = np.square(psf.at(x[part], y[part])).sum(axis=(1, 2))
    return found


def _draw_sources(
    image: Image, x: Floats, y: Floats, flux: Floats, observation: Observation
) -> None:
    """Draw points with the PSF where they are."""
    profiles = observation.psf.profiles(x, y, observation.size)
    draw_points(image, x, y, flux, profiles, _FAINTEST * observation.sky_sigma)


def _trail(length: float, fwhm: float) -> tuple[Floats, Floats]:
    """Return nodes from -0.5 to 0.5 and weights of unit sum that stand for an even trail."""
    pieces = max(1, int(np.ceil(length / fwhm)))
    start = np.arange(pieces)[:, np.newaxis]
    along = (start + 0.5 * (_NODES + 1.0)) / pieces - 0.5
    weight = np.broadcast_to(0.5 * _NODE_WEIGHTS / pieces, along.shape)
    return along.ravel(), weight.ravel()


def _ellipse(objects: Table) -> NDArray[np.float64]:
    """Return matrices that draw half-light ellipses [arcsec], shape (n, 2, 2)."""
    g1, g2 = _column(objects, "g1"), _column(objects, "g2")
    matrix = np.moveaxis(np.array([[1 + g1, g2], [g2, 1 - g1]]), -1, 0)
    scale = _column(objects, "r_half") / np.sqrt(1 - g1**2 - g2**2)
    return np.asarray(matrix * scale[:, np.newaxis, np.newaxis])


def _column(objects: Table, name: str, default: float = 0.0) -> Floats:
    """Return a column of numbers, or a constant where there is none."""
    if name not in objects.colnames:
        return np.full(len(objects), default)
    return np.asarray(objects[name], float)


def _truth(objects: Table, exposure: Exposure, flux: str) -> Table:
    """Return the rows on an exposure with their pixels and signal-to-noise ratios."""
    assert exposure.psf is not None
    x, y = pixels(objects, exposure.wcs)
    ny, nx = exposure.shape
    inside = (x > -0.5) & (x < nx - 0.5) & (y > -0.5) & (y < ny - 0.5)
    truth = objects[inside]
    truth["x"], truth["y"] = x[inside], y[inside]
    column, row = (np.rint(at[inside]).astype(int) for at in (x, y))
    square = sum_of_squares(exposure.psf, x[inside], y[inside])
    noise = np.sqrt(exposure.variance[row, column] / square)
    truth["snr"] = np.asarray(truth[flux]) / noise
    return truth
