"""Which template an image is subtracted from: the rule, and how much a template covers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apdb.errors import NotFound
from apdb.images.files import Written
from apdb.input.footprint import outside_polygon
from apdb.input.sphere import unit_vectors
from apdb.input.visit import Visit

MIN_COVERAGE = 0.5
"""Least fraction of an image that a template must cover."""

COVERAGE_STEP = 0.05
"""Coverages that differ by less are as good as each other."""

RULE = "coverage in steps of 5%, then seeing, then version, then the number"

_POINTS = 2000
_GOLDEN = math.pi * (3.0 - math.sqrt(5.0))


@dataclass(frozen=True)
class Template:
    """A template in the image store.

    Attributes
    ----------
    template_id, version : int
        Its number, and its version among those of its name and band.
    name, band : str
        What it is called, and its band.
    ra, dec, radius : float
        Circle that holds it [deg].
    boundary : tuple of float
        Corners, ra1, dec1, ra2, dec2 and so on [deg].
    n_exposures : int
        What it was made of; 0 where that is unknown.
    visits : tuple of int
        Those known by number.
    seeing, noise : float or None
        Full width at half maximum of its PSF [arcsec], median noise of a pixel [nJy].
    created_mjd_tai, retired_mjd_tai : float or None
        When it came, and since when it is chosen no more, MJD TAI.
    file : Written
        Where it is.
    """

    template_id: int
    version: int
    name: str
    band: str
    ra: float
    dec: float
    radius: float
    boundary: tuple[float, ...]
    n_exposures: int
    visits: tuple[int, ...]
    seeing: float | None
    noise: float | None
    created_mjd_tai: float
    retired_mjd_tai: float | None
    file: Written


@dataclass(frozen=True)
class Choice:
    """The template chosen for an image.

    Attributes
    ----------
    template : Template
        Which.
    coverage : float
        Fraction of the image that it covers.
    rule : str
        What decided, in words.
    """

    template: Template
    coverage: float
    rule: str


def coverage(template: Template, visit: Visit) -> float:
    """Return the fraction of an image that a template covers.

    Found on 2,000 points spread evenly over the image, so to about 1%.

    Parameters
    ----------
    template : Template
        Its corners.
    visit : Visit
        The image's footprint.

    Returns
    -------
    float
    """
    points = _spread(visit)
    corners = np.reshape(template.boundary, (-1, 2))
    inside = outside_polygon(points, unit_vectors(*corners.T)) <= 0.0
    return float(inside.mean())


def choose(
    candidates: Sequence[Template], visit: Visit, min_coverage: float = MIN_COVERAGE
) -> Choice:
    """Choose the template to subtract from an image.

    Of the candidates (of the image's band, not retired, not made of the visit itself) that cover
    enough of it: the one that covers most, in steps of 5%; among equals that of the best seeing;
    then of the highest version; then the first in the store.

    Parameters
    ----------
    candidates : sequence of Template
        As `apdb.Apdb.template_candidates` returns them.
    visit : Visit
        The image.
    min_coverage : float, optional
        Least fraction of the image that must be covered.

    Returns
    -------
    Choice

    Raises
    ------
    NotFound
        None covers enough; says how many there are and what the best covers.
    """
    covered = {each.template_id: coverage(each, visit) for each in candidates}
    enough = [each for each in candidates if covered[each.template_id] >= min_coverage]
    if not enough:
        found = "there is none near it"
        if covered:
            found = f"the best of {len(covered)} near it covers {max(covered.values()):.0%}"
        raise NotFound(
            f"no template in band {visit.band} covers {min_coverage:.0%} of visit {visit.visit} "
            f"detector {visit.detector}: {found}"
        )
    best = min(enough, key=lambda each: _key(each, covered[each.template_id]))
    rule = f"{RULE}: 1 of {len(enough)} that cover at least {min_coverage:.0%}"
    return Choice(best, covered[best.template_id], rule)


def _key(template: Template, covered: float) -> tuple[float, float, int, int]:
    steps = math.floor(covered / COVERAGE_STEP + 1e-9)
    seeing = math.inf if template.seeing is None else template.seeing
    return (-steps, seeing, -template.version, template.template_id)


def _spread(visit: Visit) -> NDArray[np.float64]:
    """Return points spread evenly over the image, as unit vectors (Vogel's spiral)."""
    assert visit.ra is not None
    assert visit.dec is not None
    assert visit.radius is not None
    k = np.arange(_POINTS)
    distance = np.radians(visit.radius) * np.sqrt((k + 0.5) / _POINTS)
    angle = k * _GOLDEN
    pole = unit_vectors(visit.ra, visit.dec)
    east = unit_vectors((visit.ra + 90.0) % 360.0, 0.0)
    north = np.cross(pole, east)
    around = np.cos(angle)[:, None] * east + np.sin(angle)[:, None] * north
    points = np.cos(distance)[:, None] * pole + np.sin(distance)[:, None] * around
    if visit.boundary is None:
        return np.asarray(points)
    corners = unit_vectors(*np.asarray(visit.boundary, float).T)
    return np.asarray(points[outside_polygon(points, corners) <= 0.0])
