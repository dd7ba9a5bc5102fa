"""Visit by visit through a simulated survey."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apdb.input.sphere import offset, tangent
from pipeline.survey import measure
from pipeline.survey.config import BANDS, HALF_SIDES, SurveyConfig
from pipeline.survey.measure import Columns, Conditions
from pipeline.survey.movers import Movers, ephemeris, make_movers
from pipeline.survey.population import Kind, Population, make_population
from pipeline.survey.schedule import Exposure, dia_source_ids, exposures

Floats = npt.NDArray[np.float64]

#: Circle around a detector and the scatter of the sources at its corners [deg].
FOOTPRINT_RADIUS = float(np.hypot(*HALF_SIDES)) + 0.002


@dataclass(frozen=True)
class SimulatedVisit:
    """One detector of one exposure.

    Attributes
    ----------
    visit : dict
        Keywords of `apdb.Visit`.
    sources : dict of str to ndarray, each of shape (n,)
        Columns of the DIASources, in random order.
    truth : ndarray of int64, shape (n,)
        True object of each source (of known moving objects: ss_object_id); 0: noise.
    kind : ndarray of int8, shape (n,)
        `Kind` of each source.
    """

    visit: dict[str, Any]
    sources: Columns
    truth: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int8]

    @property
    def stationary_truth(self) -> npt.NDArray[np.int64]:
        """True persistent object of each source; 0: noise or moving, which have no DIAObject."""
        moves = (self.kind == Kind.MOVER) | (self.kind == Kind.UNKNOWN_MOVER)
        return np.where(moves, 0, self.truth)


@dataclass(frozen=True)
class _Candidates:
    """True sources in an exposure before detection, each array of shape (n,)."""

    truth: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int8]
    ra: Floats
    dec: Floats
    difference: Floats
    template: Floats

    def __getitem__(self, rows: npt.NDArray[Any]) -> _Candidates:
        return _Candidates(*(values[rows] for values in vars(self).values()))


def _join(parts: list[_Candidates]) -> _Candidates:
    """Concatenate candidates."""
    return _Candidates(*(np.concatenate(a) for a in zip(*map(_arrays, parts), strict=True)))


def _arrays(candidates: _Candidates) -> tuple[npt.NDArray[Any], ...]:
    return tuple(vars(candidates).values())


@dataclass(frozen=True)
class Survey:
    """A simulated survey.

    Attributes
    ----------
    config : SurveyConfig
        Its parameters.
    populations : list of Population
        The persistent objects of each field.
    movers : list of Movers
        The moving objects of each field.
    ephemeris : dict of str to ndarray
        Rows for the ephemeris table: the known moving objects, hourly.
    """

    config: SurveyConfig
    populations: list[Population]
    movers: list[Movers]
    ephemeris: Columns

    def __len__(self) -> int:
        """Return the number of (visit, detector)."""
        return self.config.n_visits * self.config.n_detectors

    def visits(self) -> Iterator[SimulatedVisit]:
        """Yield the visits in time order; each call yields the same.

        Yields
        ------
        SimulatedVisit
            One per (visit, detector).
        """
        for number, exposure in enumerate(exposures(self.config)):
            yield self._observe(exposure, number)

    def _observe(self, exposure: Exposure, number: int) -> SimulatedVisit:
        """Simulate one exposure; its random numbers are its own, so that any can be remade."""
        rng = np.random.default_rng([self.config.seed, 5, number])
        band = BANDS.index(exposure.band)
        # seeing and depth belong to the exposure, not to one of its detectors
        weather = np.random.default_rng([self.config.seed, 6, number // self.config.n_detectors])
        conditions = measure.draw_conditions(weather, band)
        real = self._real(exposure, band)
        error = measure.flux_errors(real.template + real.difference, conditions)
        measured = real.difference + error * rng.standard_normal(len(error))
        seen = np.abs(measured) > self.config.detection_snr * error
        false, false_error = self._false(rng, exposure, conditions)
        found = _join([real[seen], false])
        flux = np.concatenate([measured[seen], false.difference])
        error = np.concatenate([error[seen], false_error])
        order = rng.permutation(len(flux))
        return self._measure(rng, exposure, conditions, found[order], flux[order], error[order])

    def _real(self, exposure: Exposure, band: int) -> _Candidates:
        """Return the persistent and moving objects on the detector."""
        population, movers = self.populations[exposure.field], self.movers[exposure.field]
        mjd = exposure.midpoint_mjd_tai
        persistent = _Candidates(
            population.truth,
            population.kind,
            population.ra,
            population.dec,
            population.difference(band, mjd),
            population.template[:, band],
        )
        dark = np.zeros(len(movers.truth))
        moving = _Candidates(movers.truth, movers.kind, *movers.at(mjd), movers.flux[:, band], dark)
        real = _join([persistent, moving])
        east, north = tangent(real.ra, real.dec, exposure.ra, exposure.dec)
        return real[(np.abs(east) < HALF_SIDES[0]) & (np.abs(north) < HALF_SIDES[1])]

    def _false(
        self, rng: np.random.Generator, exposure: Exposure, conditions: Conditions
    ) -> tuple[_Candidates, Floats]:
        """Return detections of nothing and of artefacts, with their flux errors."""
        config = self.config
        n_noise, n_artefacts = rng.poisson(
            [config.noise_per_detector, config.artefacts_per_detector]
        ).tolist()
        n = n_noise + n_artefacts
        artefact = np.arange(n) >= n_noise
        east, north = (rng.uniform(-half, half, n) for half in HALF_SIDES)
        ra, dec = offset(exposure.ra, exposure.dec, east, north)
        # the tail of a normal distribution beyond 5 sigma is nearly exponential
        snr = config.detection_snr + rng.exponential(np.where(artefact, 20.0, 0.25))
        error = np.full(n, conditions.sky_error)
        flux = snr * error * rng.choice([-1.0, 1.0], n)
        kind = np.where(artefact, Kind.ARTEFACT, Kind.NOISE).astype(np.int8)
        nothing = np.zeros(n)
        return _Candidates(np.zeros(n, np.int64), kind, ra, dec, flux, nothing), error

    def _measure(
        self,
        rng: np.random.Generator,
        exposure: Exposure,
        conditions: Conditions,
        found: _Candidates,
        flux: Floats,
        error: Floats,
    ) -> SimulatedVisit:
        """Measure the detections."""
        n = len(flux)
        real = found.truth != 0
        artefact = found.kind == Kind.ARTEFACT
        sources: Columns = {"dia_source_id": dia_source_ids(exposure, n)}
        sources |= measure.scatter(
            rng, found.ra, found.dec, flux / error, conditions.seeing, self.config.scatter_arcsec
        )
        east, north = tangent(sources["ra"], sources["dec"], exposure.ra, exposure.dec)
        sources |= measure.pixels(east, north)
        sources |= measure.photometry(rng, flux, error, found.template)
        sources |= measure.shapes(rng, n, conditions.seeing, artefact)
        sources |= measure.flags(
            rng, artefact, real & (rng.random(n) < self.config.flagged_fraction)
        )
        # a failed centroid has no errors, as in the real pipeline
        for name in ("ra_err", "dec_err", "ra_dec_cov"):
            sources[name][sources["centroid_flag"]] = np.nan
        reliability = np.select(
            [real, artefact], [rng.beta(12, 2, n), rng.beta(1, 8, n)], rng.beta(3, 6, n)
        )
        sources["reliability"] = reliability.astype(np.float32)
        visit = {
            "visit": exposure.visit,
            "detector": exposure.detector,
            "band": exposure.band,
            "midpoint_mjd_tai": exposure.midpoint_mjd_tai,
            "exposure_time": self.config.exposure_time,
            "ra": exposure.ra,
            "dec": exposure.dec,
            "radius": FOOTPRINT_RADIUS,
        }
        return SimulatedVisit(visit, sources, found.truth, found.kind)


def simulate(config: SurveyConfig | None = None) -> Survey:
    """Simulate a survey.

    Parameters
    ----------
    config : SurveyConfig, optional
        Its parameters; by default one night of 72 exposures of nine fields by two detectors.

    Returns
    -------
    Survey
        Objects and ephemeris; `Survey.visits` makes the visits one by one.
    """
    config = SurveyConfig() if config is None else config
    populations = [make_population(f, i, config) for i, f in enumerate(config.fields)]
    movers = [make_movers(f, i, config) for i, f in enumerate(config.fields)]
    return Survey(config, populations, movers, ephemeris(movers, config))
