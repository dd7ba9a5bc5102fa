"""The sky of a simulated night: what is there, how bright it is when, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table, vstack
from numpy.typing import NDArray

from apdb.input.sphere import offset
from pipeline.scene.config import NightConfig
from pipeline.scene.draw import Floats
from pipeline.scene.objects import make_galaxies, make_stars, points, points_at
from pipeline.scene.observe import Observation, tan_wcs
from pipeline.survey.config import BANDS, SurveyConfig
from pipeline.survey.movers import Movers, ephemeris
from pipeline.survey.population import AB_ZERO_POINT, Kind, Population, flux_in_bands

#: First identifiers of each kind: which one an object is can be seen.
_GALAXIES, _POPULATION, _FADING, _UNKNOWN, _KNOWN = (
    1_000_000,
    2_000_000,
    3_000_000,
    4_000_000,
    21_000_000_000_000_001,
)


@dataclass(frozen=True)
class NightSky:
    """Everything in the field of a night.

    Attributes
    ----------
    constant : astropy.table.Table
        Stars, galaxies and fading sources, as `draw` takes them.
    constant_flux, constant_template : ndarray, shape (n, 6)
        Their fluxes in ugrizy, of the night and of the templates [nJy].
    population : Population
        Variables and transients.
    host : ndarray of int, shape (m,)
        Galaxies that the transients are in, or -1.
    movers : Movers
        Objects of the solar system.
    """

    constant: Table
    constant_flux: Floats
    constant_template: Floats
    population: Population
    host: NDArray[np.int64]
    movers: Movers

    def at(self, band: str, mjd: float, exposure_time: float) -> Table:
        """Return what is in the sky during an exposure.

        Parameters
        ----------
        band : str
            One of ugrizy.
        mjd : float
            Middle of the exposure, MJD TAI.
        exposure_time : float
            Its length [s].

        Returns
        -------
        astropy.table.Table
            As `draw` takes it, with flux, template_flux [nJy], host and kind.
        """
        index = BANDS.index(band)
        constant = self.constant.copy()
        constant["flux"] = self.constant_flux[:, index]
        constant["template_flux"] = self.constant_template[:, index]
        template = self.population.template[:, index]
        flux = np.maximum(template + self.population.difference(index, mjd), 0.0)
        kinds = [Kind(kind).name.lower() for kind in self.population.kind.tolist()]
        changing = points(
            self.population.truth, kinds, self.population.ra, self.population.dec, flux, template
        )
        changing["host"] = self.host
        return vstack(
            [constant, changing, self._moving(index, mjd, exposure_time)],
            metadata_conflicts="silent",
        )

    def _moving(self, index: int, mjd: float, exposure_time: float) -> Table:
        """Return the objects of the solar system, with their ways during the exposure."""
        ends = [self.movers.at(mjd + sign * 0.5 * exposure_time / 86400.0) for sign in (-1.0, 1.0)]
        ra, dec = self.movers.at(mjd)
        flux = self.movers.flux[:, index]
        kinds = [Kind(kind).name.lower() for kind in self.movers.kind.tolist()]
        found = points(self.movers.truth, kinds, ra, dec, flux, np.zeros(len(flux)))
        east = (ends[1][0] - ends[0][0] + 180.0) % 360.0 - 180.0
        found["trail_east"] = east * np.cos(np.radians(dec)) * 3600
        found["trail_north"] = (ends[1][1] - ends[0][1]) * 3600
        return found


def night_sky(config: NightConfig) -> NightSky:
    """Make the sky of a night.

    Parameters
    ----------
    config : NightConfig
        What is in it.

    Returns
    -------
    NightSky
    """
    rng = np.random.default_rng([config.seed, 21])
    shape = (config.shape[0] + 2 * config.margin, config.shape[1] + 2 * config.margin)
    area = Observation(tan_wcs(config.ra, config.dec, shape, config.scale), shape)
    stars = make_stars(rng, area, config.n_stars, config.star_flux)
    # charge in the brightest pixel is about a twentieth of that of the star
    full = 20 * config.full_well * config.njy_per_electron
    bright = min(config.n_saturated, len(stars))
    stars["flux"][:bright] = full * np.exp(rng.uniform(np.log(2.0), np.log(30.0), bright))
    galaxies = make_galaxies(rng, area, config.n_galaxies, _GALAXIES)
    x, y = (
        rng.uniform(config.margin, side - config.margin, config.n_fading) for side in shape[::-1]
    )
    brightness = 10 ** rng.uniform(3.0, 4.5, config.n_fading)
    fading = points_at(area.wcs, x, y, "fading", brightness, _FADING)
    constant = vstack([stars, galaxies, fading], metadata_conflicts="silent")
    magnitude = AB_ZERO_POINT - 2.5 * np.log10(np.asarray(constant["flux"]))
    fluxes = flux_in_bands(magnitude, rng.uniform(0.2, 1.4, len(constant)))
    gone = np.asarray(constant["kind"]) == "fading"
    population, host = _population(rng, config, area, galaxies)
    movers = _movers(rng, config)
    now = np.where(gone[:, np.newaxis], 0.0, fluxes)
    return NightSky(constant, now, fluxes, population, host, movers)


def night_ephemeris(sky: NightSky, config: NightConfig) -> Table:
    """Return the ephemeris of the known objects of the solar system, hour by hour.

    Parameters
    ----------
    sky : NightSky
        The sky.
    config : NightConfig
        Says which time to cover.

    Returns
    -------
    astropy.table.Table
        As `apdb.Apdb.load_ephemeris` takes it.
    """
    hours = max(1.0, config.n_visits * config.cadence_minutes / 60)
    survey = SurveyConfig(
        seed=config.seed, start_mjd_tai=config.start_mjd_tai, night_hours=hours, nights=1
    )
    return Table(ephemeris([sky.movers], survey))


def _population(
    rng: np.random.Generator, config: NightConfig, area: Observation, galaxies: Table
) -> tuple[Population, NDArray[np.int64]]:
    """Return variables at random places, and transients, half of them in galaxies."""
    n = config.n_variables + config.n_transients
    variable = np.arange(n) < config.n_variables
    ny, nx = area.shape
    ra, dec = area.wcs.pixel_to_world_values(rng.uniform(0, nx, n), rng.uniform(0, ny, n))
    ra, dec = np.atleast_1d(ra), np.atleast_1d(dec)
    host = np.full(n, -1)
    if len(galaxies):
        # one to a galaxy, as long as there are enough
        which = np.resize(rng.permutation(len(galaxies)), n)
        inside = ~variable & (rng.random(n) < 0.5)
        shift = rng.standard_normal((2, n)) * np.asarray(galaxies["r_half"])[which] / 3600
        places = offset(
            np.asarray(galaxies["ra"])[which], np.asarray(galaxies["dec"])[which], *shift
        )
        ra, dec = np.where(inside, places[0], ra), np.where(inside, places[1], dec)
        host = np.where(inside, np.asarray(galaxies["id"])[which], -1)
    redness = rng.uniform(0.2, 1.4, n)
    pulsating = rng.choice([Kind.SINUSOID, Kind.RR_LYRAE, Kind.ECLIPSING], n)
    length = config.n_visits * config.cadence_minutes / 1440
    fast = rng.random(n) < 0.3
    rise = np.where(fast, rng.uniform(0.2, 0.5, n) * length, rng.uniform(2.0, 5.0, n))
    magnitude = np.where(variable, rng.uniform(18.0, 22.5, n), 99.0)
    population = Population(
        truth=np.int64(_POPULATION) + np.arange(n, dtype=np.int64),
        kind=np.where(variable, pulsating, Kind.TRANSIENT).astype(np.int8),
        ra=ra,
        dec=dec,
        template=np.where(variable[:, None], flux_in_bands(magnitude, redness), 0.0),
        peak=flux_in_bands(rng.uniform(19.5, 24.5, n), redness - 0.4) * ~variable[:, None],
        offset=np.zeros(n),
        amplitude=np.where(variable, rng.uniform(0.1, 0.5, n), 0.0),
        period=10 ** rng.uniform(-0.7, 0.7, n),
        phase=rng.uniform(0, 1, n),
        start=config.start_mjd_tai + np.where(fast, rng.uniform(0, length, n), -5.0),
        rise=rise,
        decay=np.where(fast, 4 * rise, rng.uniform(15.0, 40.0, n)),
    )
    return population, host


def _movers(rng: np.random.Generator, config: NightConfig) -> Movers:
    """Return objects that are on the detector during some exposure: one in four is fast."""
    n = config.n_movers
    known = np.arange(n) < round(config.known_fraction * n)
    visit = rng.integers(config.n_visits, size=n)
    centre = np.full(n, config.ra), np.full(n, config.dec)
    half = [side * config.scale / 3600 / 2 * 0.9 for side in config.shape[::-1]]
    ra, dec = offset(*centre, *(rng.uniform(-side, side, n) for side in half))
    rate = np.where(np.arange(n) % 4 == 3, rng.uniform(2.0, 8.0, n), rng.uniform(0.1, 0.35, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    magnitude = rng.uniform(18.5, 22.5, n)
    serial = np.arange(n, dtype=np.int64)
    return Movers(
        truth=np.where(known, _KNOWN + serial, _UNKNOWN + serial),
        known=known,
        ra=ra,
        dec=dec,
        east=rate * np.cos(angle),
        north=rate * np.sin(angle),
        epoch=config.start_mjd_tai + visit * config.cadence_minutes / 1440,
        flux=flux_in_bands(magnitude, np.ones(n)),
        vmag=magnitude + 0.2,
    )
