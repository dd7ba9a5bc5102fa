"""Sky footprints: circles and great-circle polygons, on unit vectors.

Nothing here works on (ra, dec) as if it were a plane, so RA 0 and the poles need no special case.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Points treated at a time against all edges of a polygon: bounds the memory of a many-sided one.
_CELLS = 2_000_000


def separation(a: Floats, b: Floats) -> Floats:
    """Return the angle between unit vectors, exact for the smallest and the largest.

    Parameters
    ----------
    a, b : ndarray of float64, shape (..., 3)
        Unit vectors, broadcast against each other.

    Returns
    -------
    ndarray of float64
        Angles [deg].
    """
    across = np.linalg.norm(a - b, axis=-1)
    along = np.linalg.norm(a + b, axis=-1)
    return np.asarray(np.degrees(2.0 * np.arctan2(across, along)))


def bounding_circle(corners: Floats) -> tuple[float, float, float]:
    """Return a circle that holds a polygon of less than a hemisphere.

    The centre is the mean of the unit vectors of the corners.  A circle of less than 90° that
    holds the corners holds the great circles between them too.

    Parameters
    ----------
    corners : ndarray of float64, shape (m, 3)
        Unit vectors of the corners.

    Returns
    -------
    ra, dec, radius : float
        Centre, ra in [0, 360), and radius [deg].

    Raises
    ------
    ValueError
        If the corners do not lie within one hemisphere around their mean.
    """
    mean = corners.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length < 1e-6:
        raise ValueError("the corners lie all around the sky")
    centre = mean / length
    radius = float(separation(corners, centre).max())
    if radius >= 90.0:
        raise ValueError("the polygon is larger than a hemisphere")
    ra = float(np.degrees(np.arctan2(centre[1], centre[0]))) % 360.0
    dec = float(np.degrees(np.arctan2(centre[2], np.hypot(centre[0], centre[1]))))
    # The remainder of a tiny negative angle rounds up to 360 itself.
    return (0.0 if ra >= 360.0 else ra), dec, radius


def _plane(vectors: Floats, centre: Floats) -> tuple[Floats, Floats, Floats]:
    """Return gnomonic coordinates around a centre and the cosine of the distance to it."""
    pole = np.eye(3)[np.argmin(np.abs(centre))]
    east = np.cross(pole, centre)
    east /= np.linalg.norm(east)
    north = np.cross(centre, east)
    depth = vectors @ centre
    # Points on the far side are refused by their depth; they only must not divide by zero.
    scale = np.where(depth > 1e-9, depth, 1.0)
    return vectors @ east / scale, vectors @ north / scale, depth


def _turn(ax: Any, ay: Any, bx: Any, by: Any, cx: Any, cy: Any) -> Any:
    """Return twice the signed area of triangles abc in the plane."""
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def polygon_problem(corners: Floats) -> str | None:
    """Say what is wrong with a polygon.

    Parameters
    ----------
    corners : ndarray of float64, shape (m, 3)
        Unit vectors of the corners in order, the first not repeated at the end.

    Returns
    -------
    str or None
        Why it is no polygon: no area, or edges that cross each other.  None if it is one.
    """
    centre = corners.mean(axis=0)
    centre /= np.linalg.norm(centre)
    x, y, _ = _plane(corners, centre)
    nx, ny = np.roll(x, -1), np.roll(y, -1)
    size = max(float(np.ptp(x)), float(np.ptp(y)))
    ahead = _turn(x[:, None], y[:, None], nx[:, None], ny[:, None], x, y)
    if np.abs(ahead).max() <= 1e-12 * size**2:
        return "its corners lie on one line"
    behind = _turn(x[:, None], y[:, None], nx[:, None], ny[:, None], nx, ny)
    splits = ahead * behind < -1e-24 * size**4
    first, second = np.nonzero(splits & splits.T)
    if len(first):
        return (
            f"edge {first[0]} crosses edge {second[0]}: "
            "give the corners in order around the footprint"
        )
    return None


def outside_circle(points: Floats, centre: Floats, radius: float) -> Floats:
    """Return how far points lie outside a circle.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 3)
        Unit vectors.
    centre : ndarray of float64, shape (3,)
        Unit vector of the centre.
    radius : float
        Radius of the circle [deg].

    Returns
    -------
    ndarray of float64, shape (n,)
        Distance to the circle [deg]; 0 inside.
    """
    return np.maximum(separation(points, centre) - radius, 0.0)


def outside_polygon(points: Floats, corners: Floats) -> Floats:
    """Return how far points lie outside a polygon of less than a hemisphere, convex or not.

    Gnomonic projection makes the edges straight, and the number of edges that a ray crosses tells
    inside from outside; the distance is that to the nearest great-circle edge.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 3)
        Unit vectors.
    corners : ndarray of float64, shape (m, 3)
        Unit vectors of the corners in order, the first not repeated at the end.

    Returns
    -------
    ndarray of float64, shape (n,)
        Distance to the polygon [deg]; 0 inside.
    """
    result = np.zeros(len(points))
    step = max(1, _CELLS // len(corners))
    for start in range(0, len(points), step):
        part = points[start : start + step]
        outside = np.flatnonzero(~_inside(part, corners))
        if len(outside):
            result[start + outside] = _edge_distance(part[outside], corners)
    return result


def _inside(points: Floats, corners: Floats) -> NDArray[np.bool_]:
    """Tell which points lie inside a polygon, by the even-odd rule."""
    centre = corners.mean(axis=0)
    centre /= np.linalg.norm(centre)
    ax, ay, _ = _plane(corners, centre)
    bx, by = np.roll(ax, -1), np.roll(ay, -1)
    px, py, depth = _plane(points, centre)
    px, py = px[:, None], py[:, None]
    straddles = (ay > py) != (by > py)
    # Level edges straddle nothing; the 1.0 only keeps them from dividing by zero.
    rise = np.where(by == ay, 1.0, by - ay)
    crossing = px < (bx - ax) * (py - ay) / rise + ax
    odd = np.count_nonzero(straddles & crossing, axis=1) % 2 == 1
    return np.asarray(odd & (depth > 1e-9))


def _edge_distance(points: Floats, corners: Floats) -> Floats:
    """Return the angle [deg] from points to the nearest edge of a polygon."""
    a, b = corners, np.roll(corners, -1, axis=0)
    normal = np.cross(a, b)
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    beside = (points @ np.cross(normal, a).T >= 0) & (points @ np.cross(b, normal).T >= 0)
    to_circle = np.degrees(np.arcsin(np.clip(np.abs(points @ normal.T), 0.0, 1.0)))
    to_corner = separation(points[:, None, :], a[None, :, :])
    nearest = np.where(beside, np.minimum(to_circle, to_corner), to_corner)
    return np.asarray(nearest.min(axis=1))
