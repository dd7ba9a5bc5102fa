"""Which fakes were found, and which detections are fakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from apdb.input.sphere import unit_vectors
from pipeline.errors import FakesError
from pipeline.exposure import Metrics


@dataclass(frozen=True)
class Matches:
    """Fakes, or other true sources, and the detections of them.

    Attributes
    ----------
    fakes : astropy.table.Table
        As given, with found, row (of the detection, or -1) and separation [arcsec].
    is_fake : ndarray of bool, shape (m,)
        Which of the detections are fakes.
    metrics : dict of str to float
        fakes.injected, fakes.found, fakes.separation [arcsec], a median.
    """

    fakes: Table
    is_fake: NDArray[np.bool_]
    metrics: Metrics


def match(
    fakes: Table,
    dia_sources: Table | Mapping[str, Any],
    radius: float = 0.5,
    *,
    pixel_scale: float = 0.2,
) -> Matches:
    """Match fakes with detections one to one, the nearest pairs first.

    Parameters
    ----------
    fakes : astropy.table.Table
        With ra, dec [deg]; if in_template is there, those rows match negative detections only and
        the others positive ones only; trails match along half of their length.
    dia_sources : astropy.table.Table or mapping
        Detections with ra, dec [deg], and is_negative if signs are to be matched.
    radius : float
        Largest separation [arcsec].
    pixel_scale : float
        Of the image [arcsec], for the lengths of trails.

    Returns
    -------
    Matches

    Raises
    ------
    FakesError
        If the radius is not positive.
    """
    if not radius > 0:
        raise FakesError(f"the radius of the match is {radius} arcsec: it must be positive")
    n, m = len(fakes), len(dia_sources["ra"])
    reach = np.full(n, radius)
    if "trail_length" in fakes.colnames:
        reach += 0.5 * pixel_scale * np.asarray(fakes["trail_length"], float)
    first, second, separation = _pairs(fakes, dia_sources, reach)
    keep = separation <= reach[first]
    if "in_template" in fakes.colnames and _has(dia_sources, "is_negative"):
        wanted = np.asarray(fakes["in_template"], bool)
        keep &= wanted[first] == np.asarray(dia_sources["is_negative"], bool)[second]
    row, distance = np.full(n, -1), np.full(n, np.nan)
    taken = np.zeros(m, np.bool_)
    candidates = np.flatnonzero(keep)
    for pair in candidates[np.argsort(separation[candidates], kind="stable")].tolist():
        i, j = int(first[pair]), int(second[pair])
        if row[i] < 0 and not taken[j]:
            row[i], distance[i], taken[j] = j, separation[pair], True
    found = fakes.copy()
    found["found"], found["row"], found["separation"] = row >= 0, row, distance
    known = int((row >= 0).sum())
    metrics = {
        "fakes.injected": float(n),
        "fakes.found": float(known),
        "fakes.separation": float(np.median(distance[row >= 0])) if known else float("nan"),
    }
    return Matches(found, taken, metrics)


def _pairs(
    fakes: Table, dia_sources: Table | Mapping[str, Any], reach: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return all pairs within the largest reach: rows of both, and separations [arcsec]."""
    nothing = np.empty(0, np.intp)
    if not len(reach) or not len(dia_sources["ra"]):
        return nothing, nothing, np.empty(0)
    places = [
        unit_vectors(np.asarray(table["ra"], float), np.asarray(table["dec"], float))
        for table in (fakes, dia_sources)
    ]
    trees = [cKDTree(place) for place in places]
    chord = 2 * np.sin(np.radians(reach.max() / 3600) / 2) * (1 + 1e-9)
    pairs = trees[0].sparse_distance_matrix(trees[1], chord, output_type="ndarray")
    separation = np.degrees(2 * np.arcsin(np.clip(pairs["v"] / 2, 0, 1))) * 3600
    return pairs["i"], pairs["j"], separation


def _has(table: Table | Mapping[str, Any], name: str) -> bool:
    """Tell whether a table has a column."""
    return name in (table.colnames if isinstance(table, Table) else table)
