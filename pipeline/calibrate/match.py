"""Which star is which: blind match of an image with a reference catalogue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import poisson

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_BRIGHTEST = 100
_IN_TRIANGLES = 25
_CHANCE = 1e-3
_NARROW = 1.0
_MOST = 0.6
_SHAPE_TOLERANCE = 0.01
_LARGEST_SCALE = 1.05
_TRIALS = 400
_SHORTEST_SIDE = 10.0
_MOST_SHARE = 2.0


@dataclass(frozen=True)
class Similarity:
    """Rotation, scale and shift of the plane: z ↦ `factor` z + `shift` in complex numbers.

    Attributes
    ----------
    factor : complex
        Scale and rotation.
    shift : complex
        Shift.
    matches : int
        Pairs that it brings together.
    chance : float
        Expected number of wrong transformations, among those tried, with so many pairs.
    """

    factor: complex
    shift: complex
    matches: int
    chance: float

    def apply(self, points: Floats) -> Floats:
        """Transform points.

        Parameters
        ----------
        points : ndarray, shape (n, 2)
            Points.

        Returns
        -------
        ndarray, shape (n, 2)
        """
        moved = self.factor * (points[:, 0] + 1j * points[:, 1]) + self.shift
        return np.column_stack([moved.real, moved.imag])


def blind_match(
    points: Floats, reference: Floats, area: float, reach: float, tolerance: float
) -> Similarity | None:
    """Find the transformation of points to reference points.

    First shifts are tried, which nearly every image needs only; then similar triangles of the
    brightest points of both lists (Groth 1986, AJ 91, 1244).  A transformation is believed when
    fewer than 10⁻³ are expected to bring so many pairs together by chance.

    Parameters
    ----------
    points, reference : ndarray, shape (n, 2) and (m, 2)
        By falling flux [pixel].
    area : float
        Of the image [pixel²].
    reach : float
        Largest shift, at the centre of the points [pixel].
    tolerance : float
        Pairs are at most this far apart [pixel].

    Returns
    -------
    Similarity or None
        None if no transformation is believed.
    """
    if not len(points) or not len(reference):
        return None
    points = points[:_BRIGHTEST]
    # As dense on the sky as the points, with a margin for what is bright in one list only.
    tried = _similar_depth(points, reference, area, reach)
    # With few stars only a narrow circle tells the match from chance.
    believed: list[Similarity] = []
    for way in (_shifts, _triangles):
        trials = (way(points, tried, reach, within) for within in (tolerance, _NARROW))
        believed += [one for one in trials if one is not None and one.chance < _CHANCE]
        # A shift alone matches a part of an image that is turned.
        if believed and max(one.matches for one in believed) >= _MOST * len(points):
            break
    return max(believed, key=lambda one: one.matches, default=None)


def _similar_depth(points: Floats, reference: Floats, area: float, reach: float) -> Floats:
    """Return the brightest of the reference stars, about twice as dense as the points."""
    low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
    near = np.all((reference > low) & (reference < high), axis=1)
    wide = float(np.prod(high - low))
    most = int(np.ceil(2.0 * len(points) * max(wide / area, 1.0))) + 10
    return np.asarray(reference[near][:most])


def _judge(
    factor: complex,
    points: Floats,
    tree: cKDTree,
    shift: complex,
    density: float,
    tolerance: float,
    trials: float,
) -> Similarity:
    """Count the pairs of a transformation, refine it once, and say how likely chance is."""
    for _ in range(2):
        one = Similarity(factor, shift, 0, np.inf)
        distance, partner = tree.query(one.apply(points), distance_upper_bound=tolerance)
        paired = np.isfinite(distance)
        if np.count_nonzero(paired) < 2:
            break
        z = points[paired] @ np.array([1, 1j])
        w = tree.data[partner[paired]] @ np.array([1, 1j])
        middle = z.mean(), w.mean()
        if factor != 1.0:
            spread = np.sum(np.abs(z - middle[0]) ** 2)
            factor = complex(np.sum((w - middle[1]) * np.conj(z - middle[0])) / spread)
        shift = complex(middle[1] - factor * middle[0])
    matches = len(np.unique(partner[paired]))
    expected = len(points) * density * np.pi * tolerance**2
    # The first pair, or two for a rotation, is how the transformation was made.
    free = matches - (1 if factor == 1.0 else 2)
    chance = trials * float(poisson.sf(free - 1, expected)) if free > 0 else np.inf
    return Similarity(factor, shift, matches, chance)


def _shifts(points: Floats, reference: Floats, reach: float, tolerance: float) -> Similarity | None:
    """Return the shift that most pairs agree on."""
    if not len(reference):
        return None
    offsets = (reference[np.newaxis] - points[:, np.newaxis]).reshape(-1, 2)
    offsets = offsets[np.hypot(*offsets.T) <= reach]
    if not len(offsets):
        return None
    crowd = cKDTree(offsets)
    counts = crowd.query_ball_point(offsets, tolerance, return_length=True)
    best = np.argsort(-counts)[:5]
    tree = cKDTree(reference)
    density = _density(reference)
    found = []
    for row in best:
        near = offsets[crowd.query_ball_point(offsets[row], tolerance)]
        shift = complex(*np.median(near, axis=0))
        found.append(_judge(1.0, points, tree, shift, density, tolerance, len(offsets)))
    return min(found, key=lambda one: one.chance)


def _density(reference: Floats) -> float:
    """Return the number of reference stars per area of their own."""
    spans = np.maximum(np.ptp(reference, axis=0), 1.0)
    return len(reference) / float(np.prod(spans))


def _shapes(points: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return shapes of all triangles, and their corners: first longest, then shortest side."""
    n = len(points)
    i, j, k = (v.ravel() for v in np.indices((n, n, n)))
    below = (i < j) & (j < k)
    corners = np.column_stack([i[below], j[below], k[below]])
    if not len(corners):
        return np.zeros((0, 2)), corners
    at = points[corners] @ np.array([1, 1j])
    # Opposite sides, so that sorting them orders the corners.
    sides = np.abs(np.stack([at[:, 1] - at[:, 2], at[:, 2] - at[:, 0], at[:, 0] - at[:, 1]], 1))
    order = np.argsort(sides, axis=1)
    corners = np.take_along_axis(corners, order, axis=1)
    at = points[corners] @ np.array([1, 1j])
    # A complex number knows about mirror images, too.
    shape = (at[:, 2] - at[:, 0]) / (at[:, 1] - at[:, 0])
    useful = sides.max(axis=1) > _SHORTEST_SIDE
    return np.column_stack([shape.real, shape.imag])[useful], corners[useful]


def _triangles(
    points: Floats, reference: Floats, reach: float, tolerance: float
) -> Similarity | None:
    """Return the transformation of similar triangles that brings most pairs together."""
    mine, my_corners = _shapes(points[:_IN_TRIANGLES])
    share = float(np.clip(len(reference) / (2.0 * len(points)), 1.0, _MOST_SHARE))
    theirs, their_corners = _shapes(reference[: int(_IN_TRIANGLES * 1.2 * share)])
    if not len(mine) or not len(theirs):
        return None
    distance, partner = cKDTree(theirs).query(mine, distance_upper_bound=_SHAPE_TOLERANCE)
    rows = np.flatnonzero(np.isfinite(distance))
    a = points[my_corners[rows]] @ np.array([1, 1j])
    b = reference[their_corners[partner[rows]]] @ np.array([1, 1j])
    factor = (b[:, 2] - b[:, 0]) / (a[:, 2] - a[:, 0])
    shift = b[:, 0] - factor * a[:, 0]
    middle = complex(*points.mean(axis=0))
    scale, far = np.abs(factor), np.abs(factor * middle + shift - middle)
    likely = (scale < _LARGEST_SCALE) & (scale > 1 / _LARGEST_SCALE) & (far <= reach)
    factor, shift = factor[likely], shift[likely]
    if not len(factor):
        return None
    # Right transformations agree with each other.
    moved = (factor * middle + shift) / 500.0
    votes = np.column_stack([factor.real, factor.imag, moved.real, moved.imag])
    crowd = cKDTree(votes).query_ball_point(votes, 0.02, return_length=True)
    tree, density = cKDTree(reference), _density(reference)
    found = [
        _judge(complex(factor[i]), points, tree, complex(shift[i]), density, tolerance, len(factor))
        for i in np.argsort(-crowd, kind="stable")[:_TRIALS:8]
    ]
    return min(found, key=lambda one: one.chance)
