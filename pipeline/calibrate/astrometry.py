"""Sources matched with reference stars, and the world coordinates that follow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area, proj_plane_pixel_scales
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.calibrate.config import CalibrateConfig
from pipeline.calibrate.match import Similarity, blind_match
from pipeline.calibrate.psf_model import order_for
from pipeline.calibrate.reference import References
from pipeline.calibrate.wcs import Polynomials, composed, fit_map
from pipeline.errors import CalibrateError
from pipeline.exposure import Metrics

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_ROUNDS = 5
_FLOOR = 0.02
_OUTLIER = 9.0
_BRIGHT = 10.0


@dataclass(frozen=True)
class Astrometry:
    """World coordinates and the pairs that they come from.

    Attributes
    ----------
    wcs : astropy.wcs.WCS
        Fitted.
    sources, references : ndarray of int, shape (n,)
        Rows of the pairs in both tables.
    metrics : dict of str to float
        Number of pairs, degree, scatter, error of the fit, correction of the pointing.
    nearby : Table
        Reference stars on the image and around it: row in their table, x, y [pixel].
    """

    wcs: WCS
    sources: Rows
    references: Rows
    metrics: Metrics
    nearby: Table = field(default_factory=Table)


def solve(
    sources: Table,
    stars: References,
    wcs: WCS,
    shape: tuple[int, int],
    config: CalibrateConfig,
) -> Astrometry:
    """Find the reference stars on an image and correct its world coordinates.

    Parameters
    ----------
    sources : Table
        x, y, x_err, y_err, flux, snr.
    stars : References
        Reference stars.
    wcs : astropy.wcs.WCS
        Coordinates that are right to `search_radius`.
    shape : tuple of int
        Rows and columns.
    config : CalibrateConfig
        Settings.

    Returns
    -------
    Astrometry

    Raises
    ------
    CalibrateError
        The catalogue does not cover the image, or no match is found.
    """
    scale = float(np.mean(proj_plane_pixel_scales(wcs.celestial))) * 3600.0
    reach, tolerance = config.search_radius / scale, max(config.match_radius / scale, 1.5)
    near, expected = _on_image(stars, wcs, shape, reach)
    measured = np.column_stack([sources["x"], sources["y"]]).astype(np.float64)
    usable = np.all(np.isfinite(measured), axis=1) & (np.asarray(sources["snr"]) > _BRIGHT)
    rows = np.flatnonzero(usable)
    rows = rows[np.argsort(-np.asarray(sources["flux"])[rows], kind="stable")]
    first = blind_match(measured[rows], expected, float(shape[0] * shape[1]), reach, tolerance)
    if first is None:
        raise CalibrateError(
            f"no match of {len(rows)} sources with the {len(near)} reference stars within "
            f"{config.search_radius:g} arcsec of the image; check pointing, pixel scale "
            f"({scale:.3f} arcsec) and orientation, or enlarge `search_radius`"
        )
    found = _refined(sources, rows, measured, near, expected, first, wcs, shape, scale, config)
    x, y = found.wcs.all_world2pix(stars.ra[near], stars.dec[near], 0, quiet=True)
    inside = (np.abs(2 * x - shape[1] + 1) < shape[1]) & (np.abs(2 * y - shape[0] + 1) < shape[0])
    area = shape[0] * shape[1] * float(proj_plane_pixel_area(found.wcs.celestial))
    return replace(
        found,
        metrics=found.metrics | {"calibrate.reference_density": float(inside.sum()) / area},
        nearby=Table({"row": near, "x": x, "y": y})[np.isfinite(x) & np.isfinite(y)],
    )


def _on_image(
    stars: References, wcs: WCS, shape: tuple[int, int], reach: float
) -> tuple[Rows, Floats]:
    """Return reference stars that may be on the image, and where the old coordinates see them."""
    corners = np.array([(0, 0), (shape[1], 0), (0, shape[0]), (shape[1], shape[0])], float)
    middle = np.array([[0.5 * shape[1], 0.5 * shape[0]]])
    sky = np.radians(np.column_stack(wcs.pixel_to_world_values(*np.vstack([middle, corners]).T)))
    vectors = _vectors(sky)
    side = np.hypot(*shape) / 2.0
    widest = float(np.max(np.arccos(np.clip(vectors[1:] @ vectors[0], -1, 1))))
    widest *= 1.05 * (1.0 + reach / side)
    each = _vectors(np.radians(np.column_stack([stars.ra, stars.dec])))
    near = np.flatnonzero(each @ vectors[0] > np.cos(min(widest, 1.5)))
    if not len(near):
        raise CalibrateError(
            f"none of the {len(stars.ra)} reference stars is near the image, whose centre is "
            f"({np.degrees(sky[0, 0]):.4f}, {np.degrees(sky[0, 1]):.4f}); give a catalogue that "
            "covers it, or correct the pointing"
        )
    pixels = wcs.all_world2pix(stars.ra[near], stars.dec[near], 0, quiet=True)
    at = np.column_stack(pixels)
    known = np.all(np.isfinite(at), axis=1)
    return near[known], at[known]


def _vectors(sky: Floats) -> Floats:
    """Return unit vectors of positions [rad]."""
    ra, dec = sky.T
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def _refined(
    sources: Table,
    rows: Rows,
    measured: Floats,
    near: Rows,
    expected: Floats,
    first: Similarity,
    wcs: WCS,
    shape: tuple[int, int],
    scale: float,
    config: CalibrateConfig,
) -> Astrometry:
    """Match and fit in turn, within a circle that shrinks to the scatter."""
    tree = cKDTree(expected)
    points = measured[rows]
    error = np.hypot(np.asarray(sources["x_err"])[rows], np.asarray(sources["y_err"])[rows])
    weight = 1.0 / np.hypot(np.nan_to_num(error / np.sqrt(2.0), nan=1.0), _FLOOR)
    moved = first.apply(points)
    within = max(config.match_radius / scale, 1.5)
    for turn in range(2 * _ROUNDS):
        mine, theirs = _pairs(moved, tree, within)
        if len(mine) < config.wcs_min_matches:
            raise CalibrateError(
                f"{len(mine)} stars match the reference catalogue, {config.wcs_min_matches} are "
                "needed; enlarge `match_radius`, or use a deeper catalogue"
            )
        # Distortion only when the linear map has found all stars that it can.
        highest = min(config.wcs_order, 1) if turn < _ROUNDS else config.wcs_order
        highest = _degree(len(mine), highest, config)
        polynomials = _simplest(points[mine], expected[theirs], weight[mine], highest, shape)
        moved = polynomials.apply(points)
        left = np.hypot(*(expected[theirs] - moved[mine]).T)
        typical = float(np.median(left))
        within = float(np.clip(4.0 * typical, 0.3, within))
    close = left <= within
    mine, theirs, left = mine[close], theirs[close], left[close]
    fitted = composed(wcs, polynomials, shape, config.wcs_format)
    error = scale * _error_of(polynomials, left, weight[mine])
    fitted.wcs.crder = [error / 3600.0] * 2
    metrics = _metrics(left * scale, polynomials, scale, shape) | {"calibrate.wcs_error": error}
    return Astrometry(fitted, rows[mine], near[theirs], metrics)


def _degree(stars: int, highest: int, config: CalibrateConfig) -> int:
    """Return the degree that the stars carry; three suffice for a linear map."""
    order = order_for(stars, highest, config.stars_per_term)
    return max(order, 1) if stars >= 4 and highest >= 1 else order


def _simplest(
    points: Floats, wanted: Floats, weight: Floats, highest: int, shape: tuple[int, int]
) -> Polynomials:
    """Return the map that the stars call for: the one of the lowest information criterion.

    Schwarz 1978, Ann. Statist. 6, 461, with the noise that the map of the highest degree leaves,
    and outliers counted as three sigma.
    """
    maps = [fit_map(points, wanted, weight, order, shape) for order in range(highest + 1)]
    squares = [
        np.square((wanted - one.apply(points)) * weight[:, np.newaxis]).sum(axis=1) for one in maps
    ]
    n, free = len(points), maps[-1].coefficients.size
    # The median of χ² with two degrees of freedom is 2 ln 2; blends do not count as distortion.
    spare = max(1.0 - free / (2.0 * n), 0.2)
    noise = max(float(np.median(squares[-1])) / (2.0 * np.log(2.0) * spare), 1e-12)
    scores = [
        float(np.minimum(one / noise, _OUTLIER).sum()) + of.coefficients.size * np.log(2.0 * n)
        for one, of in zip(squares, maps, strict=True)
    ]
    return maps[int(np.argmin(scores))]


def _pairs(points: Floats, tree: cKDTree, within: float) -> tuple[Rows, Rows]:
    """Return pairs each of which is the nearest of the other."""
    distance, partner = tree.query(points, distance_upper_bound=within)
    mine = np.flatnonzero(np.isfinite(distance))
    mine = mine[np.argsort(distance[mine], kind="stable")]
    theirs, first = np.unique(partner[mine], return_index=True)
    return mine[first], theirs.astype(np.int64)


def _error_of(polynomials: Polynomials, left: Floats, weight: Floats) -> float:
    """Return the error per axis of a fitted map, averaged over its stars [pixel]."""
    terms = polynomials.coefficients.size
    spare = max(2 * len(left) - terms, 1)
    chi2 = float(np.square(left * weight).sum()) / spare
    return float(np.sqrt(0.5 * terms * chi2 / np.square(weight).sum()))


def _metrics(
    left: Floats, polynomials: Polynomials, scale: float, shape: tuple[int, int]
) -> Metrics:
    """Return figures of the fit; distances in arcsec."""
    centre = polynomials.centre[np.newaxis]
    side = 0.25 * max(shape)
    shift = (polynomials.apply(centre) - centre)[0]
    right = (polynomials.apply(centre + np.array([side, 0.0])) - polynomials.apply(centre))[
        0
    ] / side
    return {
        "calibrate.wcs_matches": float(len(left)),
        "calibrate.wcs_order": float(polynomials.order),
        "calibrate.wcs_rms": float(np.sqrt(np.mean(left**2) / 2.0)),
        "calibrate.wcs_distance_mean": float(np.mean(left)),
        "calibrate.wcs_distance_std": float(np.std(left)),
        "calibrate.wcs_offset": float(np.hypot(*shift)) * scale,
        "calibrate.wcs_rotation": float(np.degrees(np.arctan2(right[1], right[0]))),
        "calibrate.wcs_scale": float(np.hypot(*right)),
    }
