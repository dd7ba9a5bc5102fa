"""The moving sky of the demonstration: a small survey, linked and compared with the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MovingDemo:
    """What was found in a simulated survey of moving objects.

    Attributes
    ----------
    n_detections, n_tracklets, n_linkages : int
        Detections, tracklets of them, and objects linked.
    purity : float
        Part of the linkages that are of one object wholly.
    completeness : dict of str to tuple of int
        By class: objects found, and objects seen twice on three nights or more.
    seconds : float
        Wall time of linking and fitting.
    figures : list of Path
        Figures drawn.
    """

    n_detections: int
    n_tracklets: int
    n_linkages: int
    purity: float
    completeness: dict[str, tuple[int, int]]
    seconds: float
    figures: list[Path]


def moving_sky(
    out: Path,
    seed: int,
    *,
    fields: tuple[int, int] = (4, 4),
    objects: tuple[int, ...] = (80, 30, 25, 25, 25),
    false: float = 60.0,
    watch: Callable[[str, int, int], None] | None = None,
) -> MovingDemo:
    """Simulate two weeks, link them, and draw what was found.

    Parameters
    ----------
    out : Path
        Folder for the figures.
    seed : int
        Everything follows from it.
    fields : tuple of int
        Fields along declination and right ascension.
    objects : tuple of int
        Main-belt, near-Earth, Trojan, trans-Neptunian and interstellar objects.
    false : float
        False detections a visit.
    watch : callable, optional
        Told the step, how much of it is done, and how much there is.

    Returns
    -------
    MovingDemo

    Raises
    ------
    MissingKernel
        There is no planetary kernel.
    """
    from apdb.plots.moving import draw_recovery
    from pipeline.moving.recover import recover
    from pipeline.moving.simulate import SkySurvey, simulate_sky

    survey = SkySurvey(seed=seed, rows=fields[0], columns=fields[1], objects=objects, false=false)
    sky = simulate_sky(survey)
    found = recover(sky, watch=watch)
    return MovingDemo(
        len(sky.found),
        found.n_tracklets,
        len(found.linkages),
        found.purity,
        found.completeness(),
        sum(found.seconds.values()),
        draw_recovery(found, out),
    )
