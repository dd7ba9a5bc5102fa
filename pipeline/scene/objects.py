"""Stars, galaxies and other sources as tables, and what a reference catalogue knows of them."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray

from apdb.input.sphere import offset
from pipeline.scene.draw import Floats
from pipeline.scene.galaxies import BULGE, DISC
from pipeline.scene.observe import Observation

#: Slope of star counts: the number of stars above a flux goes with flux ** -SLOPE.
SLOPE = 0.6
#: Reference catalogues end here [nJy].
_LIMIT = 1000.0


def points(
    ids: NDArray[np.int64],
    kind: str | list[str],
    ra: Floats,
    dec: Floats,
    flux: Floats,
    template_flux: Floats,
) -> Table:
    """Return point sources as `draw` takes them.

    Parameters
    ----------
    ids : ndarray of int, shape (n,)
        Identifiers.
    kind : str or list of str
        What they are.
    ra, dec : ndarray, shape (n,)
        [deg].
    flux, template_flux : ndarray, shape (n,)
        In the exposure and in the template [nJy].

    Returns
    -------
    astropy.table.Table
        With host -1, and zeros for the shapes of galaxies.
    """
    n = len(ids)
    kinds = [kind] * n if isinstance(kind, str) else kind
    return Table(
        {
            "id": ids,
            # wide enough for every kind that may be written into it
            "kind": np.array(kinds, "U16"),
            "ra": np.asarray(ra, float),
            "dec": np.asarray(dec, float),
            "flux": np.asarray(flux, float),
            "template_flux": np.array(template_flux, float),
            "host": np.full(n, -1),
            "r_half": np.zeros(n),
            "g1": np.zeros(n),
            "g2": np.zeros(n),
            "nu": np.full(n, DISC),
            "trail_east": np.zeros(n),
            "trail_north": np.zeros(n),
        }
    )


def points_at(wcs: WCS, x: Floats, y: Floats, kind: str, flux: Floats, first_id: int) -> Table:
    """Return point sources at pixels, as bright in the template.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        World coordinates.
    x, y : ndarray, shape (n,)
        Positions [pixel].
    kind : str
        What they are.
    flux : ndarray, shape (n,)
        [nJy].
    first_id : int
        Identifiers count from here.

    Returns
    -------
    astropy.table.Table
        As `points` has it.
    """
    ra, dec = wcs.pixel_to_world_values(x, y) if len(x) else (x, y)
    return points(first_id + np.arange(len(x)), kind, ra, dec, flux, flux)


def log_uniform(rng: np.random.Generator, limits: tuple[float, float], n: int) -> Floats:
    """Draw numbers whose logarithms are uniform.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    limits : tuple of float
        Smallest and largest.
    n : int
        How many.

    Returns
    -------
    ndarray, shape (n,)
    """
    low, high = np.log(limits).tolist()
    return np.exp(rng.uniform(low, high, n))


def make_stars(
    rng: np.random.Generator, observation: Observation, n: int, limits: tuple[float, float]
) -> Table:
    """Return stars all over an image and a little beyond its edges.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    observation : Observation
        Image to fill.
    n : int
        How many.
    limits : tuple of float
        Faintest and brightest [nJy].

    Returns
    -------
    astropy.table.Table
        As `draw` takes it, with id, kind, flux, template_flux and host.
    """
    low, high = (at**-SLOPE for at in limits)
    flux = (low - rng.random(n) * (low - high)) ** (-1 / SLOPE)
    return _scattered(rng, observation, n, "star", flux, 0)


def make_galaxies(
    rng: np.random.Generator, observation: Observation, n: int, first_id: int
) -> Table:
    """Return galaxies all over an image: discs and, one in three, bulges.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    observation : Observation
        Image to fill.
    n : int
        How many.
    first_id : int
        Their identifiers count from here.

    Returns
    -------
    astropy.table.Table
        As `draw` takes it, with id, kind, flux, template_flux and host.
    """
    flux = 10 ** rng.uniform(3.0, 5.0, n)
    found = _scattered(rng, observation, n, "galaxy", flux, first_id)
    found["r_half"] = rng.uniform(0.3, 1.2, n) * (flux / 1e4) ** 0.15
    shear, angle = rng.uniform(0, 0.45, n), rng.uniform(0, 2 * np.pi, n)
    found["g1"], found["g2"] = shear * np.cos(angle), shear * np.sin(angle)
    found["nu"] = np.where(rng.random(n) < 1 / 3, BULGE, DISC)
    return found


def reference_catalogue(rng: np.random.Generator, objects: Table) -> Table:
    """Return what a survey like Gaia knows of stars and galaxies.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of its errors.
    objects : astropy.table.Table
        Objects, of which stars, variables and galaxies above 1,000 nJy are listed.

    Returns
    -------
    astropy.table.Table
        reference_object_id, ra, dec, ra_err, dec_err [deg], flux, flux_err [nJy], is_star.
    """
    listed = np.isin(objects["kind"], ("star", "variable", "galaxy"))
    rows = objects[listed & (np.asarray(objects["template_flux"]) > _LIMIT)]
    error = np.full((2, len(rows)), 0.002 / 3600)
    ra, dec = offset(
        np.asarray(rows["ra"]), np.asarray(rows["dec"]), *(rng.standard_normal(error.shape) * error)
    )
    flux = np.asarray(rows["template_flux"])
    flux_err = 0.005 * flux
    return Table(
        {
            "reference_object_id": np.asarray(rows["id"]) + 1,
            "ra": ra,
            "dec": dec,
            "ra_err": error[0],
            "dec_err": error[1],
            "flux": flux + rng.standard_normal(len(rows)) * flux_err,
            "flux_err": flux_err,
            "is_star": np.asarray(rows["kind"]) != "galaxy",
        }
    )


def _scattered(
    rng: np.random.Generator,
    observation: Observation,
    n: int,
    kind: str,
    flux: Floats,
    first_id: int,
) -> Table:
    """Return point sources at random places, up to a stamp beyond the edges."""
    ny, nx = observation.shape
    half = observation.psf.half
    x, y = rng.uniform(-half, nx + half, n), rng.uniform(-half, ny + half, n)
    return points_at(observation.wcs, x, y, kind, flux, first_id)
