"""Which fakes to inject: places, brightnesses and kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.errors import FakesError
from pipeline.exposure import UNUSABLE, Exposure, Image
from pipeline.psf import Psf

Floats = NDArray[np.float64]

_AB_ZERO_POINT = 31.4
#: Positions at which the PSF is evaluated at a time.
_BLOCK = 1024


@dataclass(frozen=True)
class FakesConfig:
    """What to inject.

    Attributes
    ----------
    density : float
        Fakes per square degree; an image without WCS is taken for one of 0.2 arcsec per pixel.
    most : int
        Not more than so many in one image: they must not crowd each other.
    snr, snr_fraction : tuple of float, float
        This fraction is uniform in the expected S/N in this range.
    magnitude : tuple of float
        The others are uniform in AB magnitude in this range.
    in_template : float
        Fraction that is injected into the template instead of the science image.
    in_hosts : float
        Fraction of those in the science image that are put near hosts.
    trailed : float
        Fraction of those in the science image that are trails.
    trail_length : tuple of float
        Their lengths, in FWHM of the PSF.
    host_distance : float
        Scatter of positions around hosts, in FWHM of the PSF.
    separation : float
        Least distance of two fakes, in FWHM of the PSF.
    """

    density: float = 2000.0
    most: int = 2000
    snr: tuple[float, float] = (3.0, 10.0)
    snr_fraction: float = 0.7
    magnitude: tuple[float, float] = (20.0, 25.0)
    in_template: float = 0.2
    in_hosts: float = 0.1
    trailed: float = 0.0
    trail_length: tuple[float, float] = (1.0, 8.0)
    host_distance: float = 1.0
    separation: float = 4.0

    def __post_init__(self) -> None:
        for name in ("snr_fraction", "in_template", "in_hosts", "trailed"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be in 0 to 1")
        for name in ("density", "most"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be positive")
        for name in ("snr", "magnitude", "trail_length"):
            low, high = getattr(self, name)
            if not low < high:
                raise ValueError(f"{name} is {low}, {high}: the first must be the smaller one")


def draw_fakes(
    exposure: Exposure,
    rng: np.random.Generator,
    config: FakesConfig | None = None,
    *,
    hosts: Table | None = None,
    variance: Image | None = None,
) -> Table:
    """Draw fakes for an exposure.

    Parameters
    ----------
    exposure : Exposure
        Science image, in nJy, with PSF.
    rng : numpy.random.Generator
        Source of randomness.
    config : FakesConfig, optional
        How many of what.
    hosts : astropy.table.Table, optional
        Galaxies with x, y [pixel]; without, no fake is in a host.
    variance : ndarray, shape (ny, nx), optional
        What the S/N is against [nJy²], such as the variance of the difference; the default is that
        of the exposure.

    Returns
    -------
    astropy.table.Table
        fake_id, x, y [pixel], ra, dec [deg] (NaN without WCS), flux [nJy], mag, snr as expected for
        a point source, in_template, host (row in `hosts` or -1), trail_length [pixel] and
        trail_angle from x to y [deg].

    Raises
    ------
    FakesError
        If the exposure has no PSF, is not calibrated, or has no usable pixel.
    """
    config = config or FakesConfig()
    psf = checked_psf(exposure)
    x, y = _places(exposure, rng, config, psf.fwhm)
    n = len(x)
    in_template = rng.random(n) < config.in_template
    host = np.full(n, -1)
    if hosts is not None and len(hosts):
        chosen = ~in_template & (rng.random(n) < config.in_hosts)
        which = rng.integers(len(hosts), size=n)
        shift = rng.standard_normal((2, n)) * config.host_distance * psf.fwhm
        x = np.where(chosen, np.asarray(hosts["x"])[which] + shift[0], x)
        y = np.where(chosen, np.asarray(hosts["y"])[which] + shift[1], y)
        host = np.where(chosen, which, -1)
    trailed = ~in_template & (host < 0) & (rng.random(n) < config.trailed)
    length = np.where(trailed, rng.uniform(*config.trail_length, n) * psf.fwhm, 0.0)
    noise = expected_noise(exposure, x, y, variance)
    by_magnitude = 10 ** (0.4 * (_AB_ZERO_POINT - rng.uniform(*config.magnitude, n)))
    chosen = rng.random(n) < config.snr_fraction
    flux = np.where(chosen, rng.uniform(*config.snr, n) * noise, by_magnitude)
    ra, dec = sky_of(exposure, x, y)
    return Table(
        {
            "fake_id": np.arange(1, n + 1),
            "x": x,
            "y": y,
            "ra": ra,
            "dec": dec,
            "flux": flux,
            "mag": _AB_ZERO_POINT - 2.5 * np.log10(flux),
            "snr": flux / noise,
            "in_template": in_template,
            "host": host,
            "trail_length": length,
            "trail_angle": np.where(trailed, rng.uniform(0, 180, n), 0.0),
        }
    )


def checked_psf(exposure: Exposure) -> Psf:
    """Return the PSF of a calibrated exposure.

    Parameters
    ----------
    exposure : Exposure
        In nJy, with PSF.

    Returns
    -------
    Psf

    Raises
    ------
    FakesError
        If it is not.
    """
    if exposure.psf is None:
        raise FakesError("the exposure has no PSF to make fakes with; calibrate it first")
    if exposure.unit != "nJy":
        raise FakesError(
            f"the exposure is in {exposure.unit}, fluxes of fakes are in nJy; calibrate it first"
        )
    return exposure.psf


def expected_noise(
    exposure: Exposure, x: Floats, y: Floats, variance: Image | None = None
) -> Floats:
    """Return the error of the PSF flux of faint sources at positions: √(variance / Σ psf²).

    Parameters
    ----------
    exposure : Exposure
        With PSF.
    x, y : ndarray, shape (n,)
        Positions [pixel].
    variance : ndarray, shape (ny, nx), optional
        Instead of that of the exposure [nJy²].

    Returns
    -------
    ndarray, shape (n,)
        [nJy].
    """
    psf = checked_psf(exposure)
    variance = exposure.variance if variance is None else variance
    row, column = nearest(exposure, x, y)
    square = np.concatenate(
        [
            np.square(psf.at(x[i : i + _BLOCK], y[i : i + _BLOCK])).sum(axis=(1, 2))
            for i in range(0, len(x), _BLOCK)
        ]
        or [np.empty(0)]
    )
    return np.asarray(np.sqrt(variance[row, column] / square))


def nearest(exposure: Exposure, x: Floats, y: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the pixels nearest to positions, within the image.

    Parameters
    ----------
    exposure : Exposure
        The image.
    x, y : ndarray, shape (n,)
        Positions [pixel].

    Returns
    -------
    row, column : ndarray of int, shape (n,)
    """
    ny, nx = exposure.shape
    row = np.clip(np.rint(y), 0, ny - 1).astype(np.intp)
    return row, np.clip(np.rint(x), 0, nx - 1).astype(np.intp)


def sky_of(exposure: Exposure, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return positions on the sky, NaN if there is no WCS.

    Parameters
    ----------
    exposure : Exposure
        The image.
    x, y : ndarray, shape (n,)
        Positions [pixel].

    Returns
    -------
    ra, dec : ndarray, shape (n,)
        [deg].
    """
    if exposure.wcs is None or not len(x):
        return np.full(len(x), np.nan), np.full(len(x), np.nan)
    ra, dec = exposure.wcs.pixel_to_world_values(x, y)
    return np.asarray(ra, float), np.asarray(dec, float)


def _places(
    exposure: Exposure, rng: np.random.Generator, config: FakesConfig, fwhm: float
) -> tuple[Floats, Floats]:
    """Return positions on usable pixels, away from each other: one at most in each cell."""
    usable = ~exposure.masked(UNUSABLE)
    if not usable.any():
        raise FakesError("no usable pixel in the exposure: nowhere to put a fake")
    ny, nx = exposure.shape
    side = 2.0 * config.separation * fwhm
    scale = (0.2 if exposure.wcs is None else exposure.pixel_scale) / 3600.0
    wanted = min(config.most, max(1, round(config.density * nx * ny * scale**2)))
    # at most one in a cell, in its middle half: never nearer than the separation
    cells_x, cells_y = max(1, int(nx / side)), max(1, int(ny / side))
    chosen = rng.permutation(cells_x * cells_y)[:wanted]
    within = rng.uniform(0.25, 0.75, (2, len(chosen)))
    x = (chosen % cells_x + within[0]) * (nx / cells_x) - 0.5
    y = (chosen // cells_x + within[1]) * (ny / cells_y) - 0.5
    row, column = nearest(exposure, x, y)
    good = usable[row, column]
    return x[good], y[good]
