"""What a demonstration stores: a simulated night, or the sources of real alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb import rubin
from apdb.demo.real_stamps import open_stamps
from apdb.errors import InvalidInput
from apdb.input.visit import Visit

SEED = 20260310
#: Visits at the end of a simulated night whose alerts get stamps: each takes 20 kB.
N_STAMPED = 8


@dataclass(frozen=True)
class DemoVisit:
    """A visit of the demonstration and what is true of its sources.

    Attributes
    ----------
    visit : Visit
        Which, when and where.
    sources : mapping of str to ndarray, each of shape (n,)
        Columns of the DIASources.
    true_object : ndarray of int64, shape (n,)
        True object of each source; 0: none that stays in its place.
    true_ss_object : ndarray of int64, shape (n,)
        Known solar-system object of each source; 0: none.
    cutouts : callable, optional
        Returns the stamps of the sources as `apdb.Apdb.store_visit` takes them, or None.
    """

    visit: Visit
    sources: Mapping[str, Any]
    true_object: NDArray[np.int64]
    true_ss_object: NDArray[np.int64]
    cutouts: Callable[[], Mapping[str, Any] | None] | None = None


@dataclass(frozen=True)
class Material:
    """What a demonstration stores.

    Attributes
    ----------
    name : str
        What it is, in words.
    n_visits : int
        Number of visits.
    visits : iterator of DemoVisit
        In time order.
    ephemeris : mapping of str to ndarray, or None
        Rows for `Apdb.load_ephemeris`.
    n_stamped : int
        Visits at the end whose stamps are worth storing.
    """

    name: str
    n_visits: int
    visits: Iterator[DemoVisit]
    ephemeris: Mapping[str, Any] | None = None
    n_stamped: int = 0

    def first(self, limit: int | None) -> Material:
        """Return the first visits of it.

        Parameters
        ----------
        limit : int or None
            How many; None for all.

        Returns
        -------
        Material
            With at most `limit` visits.
        """
        if limit is None:
            return self
        n = min(limit, self.n_visits)
        return replace(self, n_visits=n, visits=islice(self.visits, n))


def simulated(seed: int = SEED, config: Any = None) -> Material:
    """Return a simulated night.

    Parameters
    ----------
    seed : int, optional
        Of all random numbers.
    config : pipeline.survey.SurveyConfig, optional
        Another survey than the default one; its seed counts then.

    Returns
    -------
    Material
        Nine fields, with variables, transients, moving objects, noise and crowded spots.
    """
    from pipeline.survey import Kind, SurveyConfig, cutouts, simulate

    survey = simulate(config or SurveyConfig(seed=seed))

    def _visits() -> Iterator[DemoVisit]:
        for each in survey.visits():
            known = np.where(each.kind == Kind.MOVER, each.truth, 0)
            stamps = partial(cutouts, each, survey.config.seed)
            yield DemoVisit(Visit(**each.visit), each.sources, each.stationary_truth, known, stamps)

    name = f"a simulated night, seed {survey.config.seed}"
    return Material(name, len(survey), _visits(), survey.ephemeris, N_STAMPED)


def replayed(path: Path) -> Material:
    """Return the sources of real alerts, visit by visit in time order.

    Parameters
    ----------
    path : Path
        Avro file of LSST alerts.

    Returns
    -------
    Material
        True is what the sender's association says; the stamps are those of the packets.

    Raises
    ------
    InvalidInput
        The file cannot be read or holds no sources.
    """
    try:
        tables = rubin.read_alerts(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    source = tables.dia_source
    if not len(source["dia_source_id"]):
        raise InvalidInput(f"{path} holds no alerts: there is nothing to replay")
    keys = np.stack([source["visit"], source["detector"].astype(np.int64)])

    def _visits() -> Iterator[DemoVisit]:
        with open_stamps(path) as stamps:
            for each in rubin.visits(tables):
                none = np.zeros(len(each.truth), np.int64)
                found = partial(stamps.of, each.sources["dia_source_id"].tolist())
                yield DemoVisit(Visit(**each.visit), each.sources, each.truth, none, found)

    n = np.unique(keys, axis=1).shape[1]
    return Material(f"the alerts in {path.name}", n, _visits(), n_stamped=n)
