"""Moves and maps on the sphere by unit vectors: right at RA 0 and at the poles.

Angles are degrees, right ascension grows to the east.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def unit_vectors(ra: npt.ArrayLike, dec: npt.ArrayLike) -> FloatArray:
    """Return the unit vectors of positions.

    Parameters
    ----------
    ra, dec : array_like, shape (...,)
        Positions [deg].

    Returns
    -------
    ndarray, shape (..., 3)
        Unit vectors.
    """
    alpha, delta = np.broadcast_arrays(
        np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    )
    cos_delta = np.cos(delta)
    return np.stack([cos_delta * np.cos(alpha), cos_delta * np.sin(alpha), np.sin(delta)], axis=-1)


def positions(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return right ascension in [0, 360) and declination of vectors of any length.

    Parameters
    ----------
    vectors : ndarray, shape (..., 3)
        Vectors, not all components zero.

    Returns
    -------
    ra, dec : ndarray, shape (...,)
        Positions [deg].
    """
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    ra = np.mod(np.degrees(np.arctan2(y, x)), 360.0)
    # mod of a tiny negative angle rounds up to 360 itself
    ra = np.where(ra >= 360.0, 0.0, ra)
    return ra, np.degrees(np.arctan2(z, np.hypot(x, y)))


def east_north(ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the unit vectors that point east and north at positions.

    Parameters
    ----------
    ra, dec : array_like, shape (...,)
        Positions [deg].  At a pole `ra` says which way is east.

    Returns
    -------
    east, north : ndarray, shape (..., 3)
        Tangent unit vectors.
    """
    alpha, delta = np.broadcast_arrays(
        np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    )
    sin_a, cos_a, sin_d, cos_d = np.sin(alpha), np.cos(alpha), np.sin(delta), np.cos(delta)
    east = np.stack([-sin_a, cos_a, np.zeros_like(alpha)], axis=-1)
    north = np.stack([-sin_d * cos_a, -sin_d * sin_a, cos_d], axis=-1)
    return east, north


def offset(
    ra: npt.ArrayLike, dec: npt.ArrayLike, east: npt.ArrayLike, north: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Move positions along great circles.

    Parameters
    ----------
    ra, dec : array_like, shape (...,)
        Where to start [deg].
    east, north : array_like, shape (...,)
        Components of the way to go [deg]; its length is the distance on the sphere.

    Returns
    -------
    ra, dec : ndarray, shape (...,)
        Where it ends [deg].
    """
    e, n = np.radians(np.asarray(east, float)), np.radians(np.asarray(north, float))
    towards_east, towards_north = east_north(ra, dec)
    length = np.hypot(e, n)
    step = e[..., None] * towards_east + n[..., None] * towards_north
    # sinc keeps the direction finite where the length is zero
    scale = np.sinc(length / np.pi)
    moved = np.cos(length)[..., None] * unit_vectors(ra, dec) + scale[..., None] * step
    return positions(moved)


def tangent(
    ra: npt.ArrayLike, dec: npt.ArrayLike, ra_centre: float, dec_centre: float
) -> tuple[FloatArray, FloatArray]:
    """Project positions about a centre, the inverse of `offset` (azimuthal equidistant).

    Parameters
    ----------
    ra, dec : array_like, shape (...,)
        Positions [deg].
    ra_centre, dec_centre : float
        Centre of the projection [deg].

    Returns
    -------
    east, north : ndarray, shape (...,)
        Components of the great-circle distance from the centre [deg].
    """
    vectors = unit_vectors(ra, dec)
    towards_east, towards_north = east_north(ra_centre, dec_centre)
    e, n = vectors @ towards_east, vectors @ towards_north
    sine = np.hypot(e, n)
    angle = np.arctan2(sine, vectors @ unit_vectors(ra_centre, dec_centre))
    scale = np.degrees(np.divide(angle, sine, out=np.ones_like(angle), where=sine > 0))
    return e * scale, n * scale
