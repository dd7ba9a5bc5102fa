"""A survey of moving objects, detection by detection, with the truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.moving.detections import Detections, Floats, Ints, detections, unit_vectors
from pipeline.moving.ephemeris import seen
from pipeline.moving.kernel import planets
from pipeline.moving.observers import observer_state
from pipeline.moving.photometry import hg_magnitude
from pipeline.moving.population import Population, combined, draw
from pipeline.moving.propagate import propagate
from pipeline.moving.times import tdb_from_tai

_BLOCK = 50
# Where the law of H and G ends [deg].
_LARGEST_PHASE = 140.0


@dataclass(frozen=True)
class SkySurvey:
    """What is observed, and how well.

    Attributes
    ----------
    seed : int
        Everything follows from it.
    first_night : int
        MJD of the noon before the first night is this plus a half.
    nights : int
        Number of nights.
    ra, dec : float
        Middle of the survey [deg].
    rows, columns : int
        Fields along declination and right ascension, 3 degrees apart.
    radius : float
        Radius of a field [deg].
    part : float
        Part of the fields that is visited in a night.
    clear : float
        Part of the nights that is clear.
    gap : float
        Time between two visits of a field in a night [d].
    depth : float
        Magnitude at which half of the objects is detected, at five sigma.
    fill : float
        Part of a field that is covered by detectors.
    lost : float
        Part of the detections that is lost for other reasons.
    false : float
        Mean number of false detections a visit.
    seeing : float
        Full width at half maximum [arcsec].
    floor : float
        Error of the position of bright objects per axis [arcsec].
    objects : tuple of int
        Number of objects of each class.
    site : str
        Code of the observatory.
    """

    seed: int = 1
    first_night: int = 60999
    nights: int = 14
    ra: float = 56.0
    dec: float = 20.0
    rows: int = 8
    columns: int = 10
    radius: float = 1.75
    part: float = 0.5
    clear: float = 0.85
    gap: float = 33.0 / 1440.0
    depth: float = 24.3
    fill: float = 0.93
    lost: float = 0.03
    false: float = 100.0
    seeing: float = 0.8
    floor: float = 0.02
    objects: tuple[int, ...] = field(default=(600, 200, 150, 150, 100))
    site: str = "X05"


@dataclass(frozen=True)
class SkyVisits:
    """Visits of a survey.

    Attributes
    ----------
    mjd_tai : (v,) float64
        Midpoints [MJD TAI], ascending.
    ra, dec : (v,) float64
        Centres [deg].
    night : (v,) int64
        Night.
    """

    mjd_tai: Floats
    ra: Floats
    dec: Floats
    night: Ints


@dataclass(frozen=True)
class SimulatedSky:
    """Detections and the truth.

    Attributes
    ----------
    population : Population
        Objects.
    visits : SkyVisits
        Visits.
    found : Detections
        Detections in order of time, then of objects, false ones last in a visit; ids count from 1.
    truth : (n,) int64
        Row of the object of each detection; -1 for false ones.
    visit : (n,) int64
        Row of the visit of each detection.
    magnitude : (n,) float64
        Apparent magnitude.
    """

    population: Population
    visits: SkyVisits
    found: Detections
    truth: Ints
    visit: Ints
    magnitude: Floats


def simulate_sky(survey: SkySurvey | None = None) -> SimulatedSky:
    """Simulate a survey of the moving sky.

    Parameters
    ----------
    survey : SkySurvey, optional
        What and how.

    Returns
    -------
    SimulatedSky
        The same for the same survey, bit for bit on one machine.
    """
    survey = survey or SkySurvey()
    rng = np.random.default_rng(survey.seed)
    visits = schedule(survey, rng)
    epoch = float(survey.first_night + 0.7 + survey.nights / 2.0)
    towards = unit_vectors(np.array(survey.ra), np.array(survey.dec))
    reach = 1.5 * max(survey.rows, survey.columns)
    parts = [
        draw(kind, n, epoch, towards, reach, survey.depth, rng)
        for kind, n in enumerate(survey.objects)
        if n
    ]
    return observe(survey, combined(parts), visits, rng)


def schedule(survey: SkySurvey, rng: np.random.Generator) -> SkyVisits:
    """Schedule pairs of visits, night by night.

    Parameters
    ----------
    survey : SkySurvey
        What and how.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    SkyVisits
        Each field that a night gets twice, in blocks of fields that are gone through in the gap.
    """
    row, column = np.divmod(np.arange(survey.rows * survey.columns), survey.columns)
    dec = survey.dec + 3.0 * (row - (survey.rows - 1) / 2.0)
    ra = survey.ra + 3.0 * (column - (survey.columns - 1) / 2.0) / np.cos(np.radians(dec))
    times, fields, nights = [], [], []
    for night in survey.first_night + np.arange(survey.nights):
        if rng.uniform() > survey.clear:
            continue
        chosen = np.sort(rng.permutation(len(ra))[: round(survey.part * len(ra))])
        start = night + 1.08 + rng.uniform(0.0, 0.05)
        for block in np.array_split(chosen, max(1, -(-len(chosen) // _BLOCK))):
            offset = np.arange(len(block)) * survey.gap / max(len(block), 1)
            times += [start + offset, start + survey.gap + offset]
            fields += [block, block]
            nights.append(np.full(2 * len(block), night))
            start += 2.0 * survey.gap + 0.002
    if not times:
        return SkyVisits(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))
    which = np.concatenate(fields)
    wobble = rng.normal(0.0, 0.2, (2, len(which)))
    return SkyVisits(
        np.concatenate(times),
        (ra[which] + wobble[0]) % 360.0,
        dec[which] + wobble[1],
        np.concatenate(nights).astype(np.int64),
    )


def observe(
    survey: SkySurvey, population: Population, visits: SkyVisits, rng: np.random.Generator
) -> SimulatedSky:
    """Observe objects on visits.

    Parameters
    ----------
    survey : SkySurvey
        How well.
    population : Population
        Objects.
    visits : SkyVisits
        Visits.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    SimulatedSky
        Integrated among the planets, light time allowed for; noise, losses, false detections.
    """
    observers = observer_state(survey.site, visits.mjd_tai)
    sun = planets().body_state("sun", tdb_from_tai(visits.mjd_tai))
    objects, at, ra, dec, magnitude = _seen(survey, population, visits, observers, sun)
    chance = survey.fill * (1.0 - survey.lost) / (1.0 + np.exp((magnitude - survey.depth) / 0.1))
    kept = rng.uniform(size=len(objects)) < chance
    objects, at, ra, dec = objects[kept], at[kept], ra[kept], dec[kept]
    magnitude = magnitude[kept]
    false_at = np.repeat(np.arange(len(visits.ra)), rng.poisson(survey.false, len(visits.ra)))
    false_ra, false_dec = _within(visits.ra[false_at], visits.dec[false_at], survey.radius, rng)
    objects = np.concatenate([objects, np.full(len(false_at), -1)]).astype(np.int64)
    at = np.concatenate([at, false_at]).astype(np.int64)
    faint = survey.depth - rng.exponential(0.5, len(false_at))
    magnitude = np.concatenate([magnitude, faint])
    snr = 5.0 * 10.0 ** (0.4 * (survey.depth - magnitude))
    sigma = np.hypot(survey.floor, 0.6 * survey.seeing / snr)
    noise = rng.normal(size=(2, len(at))) * sigma / 3600.0
    dec = np.concatenate([dec, false_dec]) + noise[1]
    ra = np.concatenate([ra, false_ra]) + noise[0] / np.cos(np.radians(dec))
    order = np.lexsort((objects < 0, visits.mjd_tai[at]))
    made = detections(
        ra[order] % 360.0,
        dec[order],
        tdb_from_tai(visits.mjd_tai)[at][order],
        observers[at][order],
        sun[at][order],
        ids=np.arange(1, len(at) + 1, dtype=np.int64),
        sigma=sigma[order],
        night=visits.night[at][order],
    )
    return SimulatedSky(population, visits, made, objects[order], at[order], magnitude[order])


def _seen(
    survey: SkySurvey, population: Population, visits: SkyVisits, observers: Floats, sun: Floats
) -> tuple[Ints, Ints, Floats, Floats, Floats]:
    """Return which objects are in which visits, where, and how bright, night by night."""
    parts = []
    middle = unit_vectors(visits.ra, visits.dec)
    for night in np.unique(visits.night):
        rows = np.flatnonzero(visits.night == night)
        time = tdb_from_tai(visits.mjd_tai[rows])
        states = propagate(population.states, population.epoch, time)
        looks = seen(states, observers[rows], sun[rows])
        near = unit_vectors(looks.ra, looks.dec)
        inside = np.einsum("nmi,mi->nm", near, middle[rows]) > np.cos(np.radians(survey.radius))
        one, visit = np.nonzero(inside)
        bright = hg_magnitude(
            population.magnitude[one],
            0.15,
            looks.r[inside],
            looks.delta[inside],
            np.minimum(looks.phase[inside], _LARGEST_PHASE),
        )
        parts.append((one, rows[visit], looks.ra[inside], looks.dec[inside], bright))
    if not parts:
        none = np.zeros(0)
        return np.zeros(0, np.int64), np.zeros(0, np.int64), none, none, none
    one, at, ra, dec, bright = (np.concatenate(column) for column in zip(*parts, strict=True))
    return one, at, ra, dec, bright


def _within(
    ra: Floats, dec: Floats, radius: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw places uniformly within fields."""
    apart = np.degrees(
        np.arccos(1.0 - rng.uniform(size=len(ra)) * (1.0 - np.cos(np.radians(radius))))
    )
    angle = rng.uniform(0.0, 2 * np.pi, len(ra))
    there = np.clip(dec + apart * np.cos(angle), -89.9, 89.9)
    return (ra + apart * np.sin(angle) / np.cos(np.radians(there))) % 360.0, there


def linkable(
    sky: SimulatedSky,
    least: int = 3,
    pairs: int = 2,
    longest: float = 1.5 / 24.0,
    fastest: float = 1.5,
) -> Ints:
    """Return objects that were seen on enough nights.

    Parameters
    ----------
    sky : SimulatedSky
        Survey.
    least : int
        Number of nights.
    pairs : int
        On how many of these they were seen twice.
    longest : float
        Longest time between the two detections of such a night [d].
    fastest : float
        Fastest motion [deg/d].

    Returns
    -------
    (k,) int64
        Rows of the population. Two detections of a night count when they can be a tracklet.
    """
    rows = np.flatnonzero(sky.truth >= 0)
    order = rows[np.lexsort((sky.found.mjd_tdb[rows], sky.truth[rows]))]
    one, other = order[:-1], order[1:]
    dt = sky.found.mjd_tdb[other] - sky.found.mjd_tdb[one]
    u = sky.found.directions()
    moved = np.degrees(np.sqrt(((u[other] - u[one]) ** 2).sum(axis=1)))
    pair = (sky.truth[one] == sky.truth[other]) & (dt > 1e-4) & (dt <= longest)
    pair &= moved <= fastest * np.maximum(dt, 1e-9)

    def _nights(of: Ints) -> Ints:
        each = np.unique(np.stack([sky.truth[of], sky.found.night[of]]), axis=1)
        return np.bincount(each[0], minlength=len(sky.population))

    return np.flatnonzero((_nights(order) >= least) & (_nights(one[pair]) >= pairs))
