"""A field seen twice: a science image and its template, with all that is true of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from astropy.table import Table, vstack
from astropy.wcs import WCS
from numpy.typing import NDArray

from pipeline.exposure import Exposure, ExposureInfo
from pipeline.scene.draw import Floats
from pipeline.scene.movers import make_movers
from pipeline.scene.objects import (
    log_uniform,
    make_galaxies,
    make_stars,
    points_at,
    reference_catalogue,
)
from pipeline.scene.observe import Observation, add_difference, pixels, render, tan_wcs, true_psf
from pipeline.scene.psf_model import PsfModel

#: Transients keep this distance from the edge [pixel], and from each other [FWHM].
_MARGIN, _APART = 24, 5.0
#: Places that are tried for each.
_TRIES = 5


@dataclass(frozen=True)
class Case:
    """What the two images are like.

    Attributes
    ----------
    science, template : PsfModel
        Their PSFs.
    template_noise : float
        Noise of the template relative to that of the science image.
    """

    science: PsfModel
    template: PsfModel
    template_noise: float = 0.3


#: The four cases that peers are compared on.
CASES = {
    "easy": Case(PsfModel(4.4), PsfModel(3.6)),
    "worse_template": Case(PsfModel(3.6), PsfModel(4.4)),
    "noisy_template": Case(PsfModel(4.4), PsfModel(3.6), template_noise=1.0),
    "crossed": Case(PsfModel(4.0, g1=0.1), PsfModel(4.0, g1=-0.1)),
}


class SimulatedField(NamedTuple):
    """Two exposures of a field and their truth.

    Attributes
    ----------
    science, template : Exposure
        In nJy.
    truth : astropy.table.Table
        Everything on the science image: id, kind (star, galaxy, variable, transient, fading, trail,
        moved_to, moved_from), ra, dec [deg], x, y [pixel], flux and template_flux [nJy], their
        difference diff_flux with diff_snr (against the noise of both images), snr of the flux,
        host (id or -1), shapes of galaxies, ways of trails.
    refcat : astropy.table.Table
        Reference catalogue of its stars and galaxies: reference_object_id, ra, dec, ra_err,
        dec_err [deg], flux, flux_err [nJy], is_star.
    """

    science: Exposure
    template: Exposure
    truth: Table
    refcat: Table


def simulate_field(
    seed: int,
    shape: tuple[int, int] = (1024, 1024),
    n_stars: int = 500,
    n_galaxies: int = 120,
    n_transients: int = 50,
    *,
    case: str | Case = "easy",
    n_variables: int = 0,
    fading: float = 0.2,
    hosted: float = 0.5,
    star_flux: tuple[float, float] = (500.0, 1e6),
    snr: tuple[float, float] = (2.6, 100.0),
    psf_variation: float = 0.0,
    full_well: float = np.inf,
    background: float = 0.0,
    dither: tuple[float, float] = (0.0, 0.0),
    rotation: float = 0.0,
    misregistration: tuple[float, float] = (0.0, 0.0),
    movers: bool = False,
) -> SimulatedField:
    """Simulate a science image and its template.

    Parameters
    ----------
    seed : int
        Of everything.
    shape : tuple of int
        Rows and columns of both images.
    n_stars, n_galaxies, n_transients : int
        How many; 5,000 stars in 1024² make a crowded field.
    case : str or Case
        easy, worse_template, noisy_template or crossed.
    n_variables : int
        How many of the stars change, by 5% to half of their flux.
    fading : float
        Fraction of the transients that are in the template instead of the science image.
    hosted : float
        Fraction of the transients in galaxies.
    star_flux : tuple of float
        Faintest and brightest star [nJy]; counts are a power law.
    snr : tuple of float
        Of the faintest and brightest transient, on blank sky; log-uniform between.
    psf_variation : float
        How much both PSFs change over the image; 1 is a good camera: 3% in size, 0.02 in shear.
    full_well : float
        Electrons at which pixels of both images saturate and bleed.
    background : float
        Left in the science image [nJy per pixel].
    dither, rotation : tuple of float, float
        Of the template's pixels against those of the science image [pixel, deg]; its WCS knows.
    misregistration : tuple of float
        Error of the template's WCS [pixel].
    movers : bool
        Whether there are trails and stars that moved, as `make_movers` has them.

    Returns
    -------
    SimulatedField
    """
    rng = np.random.default_rng([seed, 11])
    chosen = CASES[case] if isinstance(case, str) else case
    ra, dec = 150.0, 2.0
    science = Observation(
        tan_wcs(ra, dec, shape),
        shape,
        chosen.science.varied(psf_variation),
        full_well=full_well,
        background=background,
        info=ExposureInfo(2026031000001, 0, "r", 61109.1, 30.0),
    )
    template = replace(
        science,
        wcs=_shifted(tan_wcs(ra, dec, shape, rotation=rotation), dither),
        psf=chosen.template.varied(-psf_variation),
        sky_sigma=science.sky_sigma * chosen.template_noise,
        # n exposures coadded have 1/n of the noise of each electron
        njy_per_electron=science.njy_per_electron * chosen.template_noise**2,
        # and saturate where each of them does
        full_well=full_well / chosen.template_noise**2,
        background=0.0,
        info=None,
    )
    stars = make_stars(rng, science, n_stars, star_flux)
    galaxies = make_galaxies(rng, science, n_galaxies, first_id=n_stars)
    _vary(rng, stars, n_variables)
    transients = _transients(
        rng, science, template, n_transients, galaxies, hosted, fading, n_stars + n_galaxies, snr
    )
    objects = vstack([stars, galaxies, transients], metadata_conflicts="silent")
    if movers:
        noise = float(np.hypot(science.sky_sigma, template.sky_sigma))
        moving = make_movers(rng, science, noise, len(objects))
        objects = vstack([objects, moving], metadata_conflicts="silent")
    image, truth = render(objects, science, rng)
    other, _ = render(objects, template, rng, flux="template_flux")
    other = other.with_(wcs=_shifted(template.wcs, misregistration))
    add_difference(truth, image, template)
    return SimulatedField(image, other, truth, reference_catalogue(rng, objects))


def _vary(rng: np.random.Generator, stars: Table, n: int) -> None:
    """Make some stars variable."""
    chosen = rng.choice(len(stars), min(n, len(stars)), replace=False)
    size = log_uniform(rng, (0.05, 0.5), len(chosen))
    stars["flux"][chosen] *= 1.0 + size * rng.choice([-1.0, 1.0], len(chosen))
    stars["kind"][chosen] = "variable"


def _transients(
    rng: np.random.Generator,
    science: Observation,
    template: Observation,
    n: int,
    galaxies: Table,
    hosted: float,
    fading: float,
    first_id: int,
    snr: tuple[float, float],
) -> Table:
    """Return sources that only one of the images has."""
    x, y, host = _places(rng, science, n, galaxies, hosted)
    # of the difference: noise of both images, on the blank sky
    square = np.square(true_psf(science.psf, science.size).centre).sum()
    noise = np.hypot(science.sky_sigma, template.sky_sigma) / np.sqrt(square)
    flux = noise * log_uniform(rng, snr, len(x))
    found = points_at(science.wcs, x, y, "transient", flux, first_id)
    gone = rng.random(len(x)) < fading
    found["kind"][gone] = "fading"
    found["template_flux"] = np.where(gone, flux, 0.0)
    found["flux"] = np.where(gone, 0.0, flux)
    if len(galaxies):
        found["host"] = np.where(host >= 0, np.asarray(galaxies["id"])[host], -1)
    return found


def _places(
    rng: np.random.Generator, science: Observation, n: int, galaxies: Table, hosted: float
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return places of transients, so far apart that they are found one by one, and their hosts.

    In a small or crowded image there may be room for fewer.
    """
    ny, nx = science.shape
    many = _TRIES * n
    margin = min(_MARGIN, nx // 3, ny // 3)
    x, y = (rng.uniform(margin, side - margin, many) for side in (nx, ny))
    host = np.full(many, -1)
    at_x, at_y = pixels(galaxies, science.wcs)
    inside = (np.abs(at_x - nx / 2) < nx / 2 - margin) & (np.abs(at_y - ny / 2) < ny / 2 - margin)
    if inside.any():
        chosen = rng.random(many) < hosted
        host = np.where(chosen, rng.choice(np.flatnonzero(inside), many), -1)
        scale = abs(float(np.linalg.det(science.wcs.pixel_scale_matrix))) ** 0.5 * 3600
        shift = rng.standard_normal((2, many)) * np.asarray(galaxies["r_half"])[host] / scale
        x, y = (
            np.where(chosen, at_x[host] + shift[0], x),
            np.where(chosen, at_y[host] + shift[1], y),
        )
    kept: list[int] = []
    for i in range(many):
        if len(kept) == n:
            break
        if not kept or np.hypot(x[kept] - x[i], y[kept] - y[i]).min() > _APART * science.psf.fwhm:
            kept.append(i)
    return x[kept], y[kept], host[kept]


def _shifted(wcs: WCS, by: tuple[float, float]) -> WCS:
    """Return world coordinates whose pixels are shifted."""
    found = wcs.deepcopy()
    found.wcs.crpix = np.asarray(found.wcs.crpix) + by
    found.wcs.set()
    return found
