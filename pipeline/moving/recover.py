"""How much of a simulated survey is found again, class by class."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.moving.detections import Floats, Ints
from pipeline.moving.elements import Elements, ecliptic, elements_of
from pipeline.moving.fit import FitRules, OrbitFit, fit_orbit
from pipeline.moving.kernel import planets
from pipeline.moving.link import LinkRules, link_tracklets
from pipeline.moving.membership import Groups
from pipeline.moving.population import CLASSES
from pipeline.moving.propagate import propagate
from pipeline.moving.purify import Linkages, purify
from pipeline.moving.simulate import SimulatedSky, linkable
from pipeline.moving.singles import add_singles
from pipeline.moving.tracklets import find_tracklets

Watch = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Recovery:
    """A survey, and what was found in it.

    Attributes
    ----------
    sky : SimulatedSky
        The survey.
    linkages : Linkages
        What was linked.
    fits : list of OrbitFit
        Orbit of each linkage.
    owner : (m,) int64
        Row of the object that all detections of a linkage are of; -1 where they are of several, or
        false.
    n_tracklets : int
        Tracklets.
    seconds : dict of str to float
        Wall time of each step.
    """

    sky: SimulatedSky
    linkages: Linkages
    fits: list[OrbitFit]
    owner: Ints
    n_tracklets: int
    seconds: dict[str, float]

    @property
    def purity(self) -> float:
        """Part of the linkages that are of one object wholly."""
        return float((self.owner >= 0).mean()) if len(self.owner) else 1.0

    def completeness(self, pairs: int = 2) -> dict[str, tuple[int, int]]:
        """Return how many objects of each class were found, and how many could be.

        Parameters
        ----------
        pairs : int, default 2
            Those seen on three nights or more count that were seen twice on so many of them.

        Returns
        -------
        dict of str to tuple of int
            By the name of the class.
        """
        expected = linkable(self.sky, pairs=pairs)
        kinds = self.sky.population.kind[expected]
        found = np.isin(expected, self.owner)
        return {
            name: (int(found[kinds == k].sum()), int((kinds == k).sum()))
            for k, name in enumerate(CLASSES)
        }

    def elements(self) -> tuple[Elements, Elements, Ints]:
        """Return elements as fitted and true, of pure linkages whose fit is believed.

        Returns
        -------
        fitted, true : Elements
            At the epochs of the fits.
        kind : (j,) int64
            Class of each.
        """
        rows = [i for i, fit in enumerate(self.fits) if fit.good and self.owner[i] >= 0]
        if not rows:
            nothing = elements_of(np.zeros((0, 6)), np.zeros(0))
            return nothing, nothing, np.zeros(0, dtype=np.int64)
        epoch = np.array([self.fits[i].epoch for i in rows])
        objects = self.sky.population
        states = objects.states[self.owner[rows]]
        true = propagate(states, objects.epoch, epoch[:, None])[:, 0]
        sun = planets().body_state("sun", epoch)
        fitted = np.array([self.fits[i].state for i in rows])
        both = [elements_of(ecliptic(s - sun), epoch) for s in (fitted, true)]
        return both[0], both[1], objects.kind[self.owner[rows]]


def recover(
    sky: SimulatedSky,
    *,
    link: LinkRules | None = None,
    fit: FitRules | None = None,
    watch: Watch | None = None,
) -> Recovery:
    """Link a simulated survey, fit orbits, and compare with the truth.

    Parameters
    ----------
    sky : SimulatedSky
        The survey.
    link : LinkRules, optional
        How to link.
    fit : FitRules, optional
        How to fit.
    watch : callable, optional
        Told the step, how much of it is done, and how much there is.

    Returns
    -------
    Recovery
        What was found.
    """
    say = watch or _unwatched
    clock = [time.monotonic()]
    tracklets = find_tracklets(sky.found)
    clock.append(time.monotonic())
    candidates = link_tracklets(tracklets, link, progress=lambda n, of: say("hypotheses", n, of))
    clock.append(time.monotonic())
    linked = purify(sky.found, tracklets, candidates, progress=lambda n, of: say("clusters", n, of))
    clock.append(time.monotonic())
    linked = add_singles(sky.found, tracklets, linked, link)
    clock.append(time.monotonic())
    fits = []
    for i in range(len(linked)):
        say("orbits", i + 1, len(linked))
        sun = planets().body_state("sun", np.array([linked.reference]))[0]
        start = (linked.states[i] + sun, linked.reference)
        fits.append(fit_orbit(sky.found.take(linked.groups[i]), start, fit))
    clock.append(time.monotonic())
    steps = ("tracklets", "link", "purify", "singles", "fit")
    return Recovery(
        sky, linked, fits, owners(sky.truth, linked.groups), len(tracklets),
        dict(zip(steps, np.diff(clock).tolist(), strict=True)),
    )  # fmt: skip


def owners(truth: Ints, groups: Groups) -> Ints:
    """Return the object of each linkage.

    Parameters
    ----------
    truth : (n,) int64
        Row of the object of each detection; negative for false ones.
    groups : Groups
        Rows of the detections of each linkage.

    Returns
    -------
    (m,) int64
        -1 where the detections are of several objects, or false.
    """
    found = [np.unique(truth[groups[i]]) for i in range(len(groups))]
    return np.array([t[0] if len(t) == 1 else -1 for t in found], dtype=np.int64)


def relative_error(fitted: Floats, true: Floats) -> Floats:
    """Return relative errors.

    Parameters
    ----------
    fitted, true : (n,) float64
        Values.

    Returns
    -------
    (n,) float64
        |fitted / true - 1|.
    """
    error: Floats = np.abs(fitted / true - 1.0)
    return error


def _unwatched(step: str, done: int, of: int) -> None:
    """Do nothing."""
