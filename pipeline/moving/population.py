"""Simulated orbits: a seeded population of the solar system, and what comes from outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.moving.detections import GM_SUN, Floats, Ints
from pipeline.moving.elements import Elements, ecliptic, equatorial, heliocentric
from pipeline.moving.kernel import EARTH, planets

CLASSES = ("main belt", "near-Earth", "Trojan", "trans-Neptunian", "interstellar")
"""Classes of objects; the number of a class is its place here."""

_JUPITER = 6


@dataclass(frozen=True)
class Population:
    """Simulated objects.

    Attributes
    ----------
    states : (n, 6) float64
        Barycentric, ICRF [au, au/d].
    epoch : float
        Of the states [MJD TDB].
    kind : (n,) int64
        Number of the class in `CLASSES`.
    magnitude : (n,) float64
        Absolute magnitude H.
    """

    states: Floats
    epoch: float
    kind: Ints
    magnitude: Floats

    def __len__(self) -> int:
        return len(self.kind)


def draw(
    kind: int,
    n: int,
    epoch: float,
    towards: Floats,
    reach: float,
    faintest: float,
    rng: np.random.Generator,
) -> Population:
    """Draw objects of one class that are in a part of the sky and bright enough.

    Parameters
    ----------
    kind : int
        Number of the class in `CLASSES`.
    n : int
        How many.
    epoch : float
        Time [MJD TDB].
    towards : (3,) float64
        Unit vector to the middle of the part of the sky, from the Earth.
    reach : float
        Its radius [deg].
    faintest : float
        Faintest magnitude, without phase effect.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Population
        That many: orbits are drawn until there are enough. Broad outlines of the populations; what
        matters is that every kind of motion is there, not that their numbers are right.

    Raises
    ------
    ValueError
        Next to none of the class is there.
    """
    kernel = planets()
    bodies = kernel.positions(np.array([epoch]))[0]
    sun = kernel.body_state("sun", np.array([epoch]))[0]
    jupiter = bodies[_JUPITER] - sun[:3]
    earth = bodies[EARTH]
    chosen: list[Floats] = []
    bright: list[Floats] = []
    count = drawn = 0
    while count < n:
        if drawn > 2_000_000 + 20_000 * n:
            raise ValueError(
                f"{count} of {drawn} {CLASSES[kind]} orbits are within {reach} deg of the place "
                f"and brighter than {faintest}: widen either"
            )
        q, e, incl, h = _shape(kind, 50_000, rng)
        states = _placed(kind, q, e, incl, epoch, jupiter, rng) + sun
        drawn += len(q)
        away = states[:, :3] - earth
        delta = np.sqrt((away**2).sum(axis=1))
        r = np.sqrt(((states[:, :3] - sun[:3]) ** 2).sum(axis=1))
        seen = (away @ towards) / delta > np.cos(np.radians(reach))
        seen &= h + 5.0 * np.log10(r * delta) < faintest
        chosen.append(states[seen])
        bright.append(h[seen])
        count += int(seen.sum())
    states, magnitude = np.concatenate(chosen)[:n], np.concatenate(bright)[:n]
    return Population(states, epoch, np.full(n, kind, dtype=np.int64), magnitude)


def combined(parts: list[Population]) -> Population:
    """Put populations of one epoch together.

    Parameters
    ----------
    parts : list of Population
        At least one.

    Returns
    -------
    Population
        All of them.
    """
    return Population(
        np.concatenate([p.states for p in parts]),
        parts[0].epoch,
        np.concatenate([p.kind for p in parts]),
        np.concatenate([p.magnitude for p in parts]),
    )


def _shape(kind: int, n: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    """Draw perihelion distance [au], eccentricity, inclination [rad] and absolute magnitude."""
    if kind == 0:
        a, e, i = rng.uniform(2.15, 3.3, n), rng.rayleigh(0.12, n).clip(0, 0.4), rng.rayleigh(8, n)
        h = rng.uniform(13.0, 21.0, n)
    elif kind == 1:
        a, e, i = rng.uniform(0.7, 3.0, n), rng.uniform(0.05, 0.8, n), rng.rayleigh(12, n)
        h = rng.uniform(16.0, 25.0, n)
        e = np.where(a * (1.0 - e) > 1.3, 1.0 - rng.uniform(0.3, 1.3, n) / a, e).clip(0.0, 0.95)
    elif kind == 2:
        a, e, i = rng.normal(5.2, 0.05, n), rng.rayleigh(0.06, n).clip(0, 0.2), rng.rayleigh(11, n)
        h = rng.uniform(8.0, 17.0, n)
    elif kind == 3:
        a, i = rng.uniform(38.0, 60.0, n), rng.rayleigh(10, n)
        e = (1.0 - rng.uniform(32.0, 45.0, n) / a).clip(0.0, 0.5)
        h = rng.uniform(3.0, 9.0, n)
    else:
        e, i = rng.uniform(1.1, 4.0, n), np.degrees(np.arccos(rng.uniform(-1, 1, n)))
        return rng.uniform(0.3, 4.0, n), e, np.radians(i), rng.uniform(8.0, 20.0, n)
    return a * (1.0 - e), e, np.radians(i), h


def _placed(
    kind: int,
    q: Floats,
    e: Floats,
    incl: Floats,
    epoch: float,
    jupiter: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Turn shapes to random places, Trojans to Jupiter's, as heliocentric ICRF states."""
    n = len(q)
    node, peri = rng.uniform(0.0, 360.0, (2, n))
    if kind == 4:
        since = rng.uniform(-300.0, 300.0, n)
    else:
        mean = rng.uniform(0.0, 2 * np.pi, n)
        if kind == 2:
            x, y, _ = ecliptic(jupiter)
            swarm = rng.choice([-1.0, 1.0], n) * rng.normal(60.0, 10.0, n)
            mean = np.arctan2(y, x) + np.radians(swarm - node - peri)
        mean = (mean + np.pi) % (2 * np.pi) - np.pi
        since = mean * np.sqrt((q / (1.0 - e)) ** 3 / GM_SUN)
    elements = Elements(q, e, np.degrees(incl), node, peri, epoch - since)
    return equatorial(heliocentric(elements, np.full(n, epoch)))
