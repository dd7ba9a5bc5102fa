"""World coordinates that follow from stars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS
from numpy.typing import NDArray

from pipeline.calibrate.config import PointingGuess

Floats = NDArray[np.float64]
_GRID = 24
_EXACT = 1e-3
_TPV_ORDER = 3


@dataclass(frozen=True)
class Polynomials:
    """Map of the plane by polynomials in x and y.

    Attributes
    ----------
    coefficients : ndarray, shape (n_terms, 2)
        Of x^i y^j scaled, in the order of `powers`.
    order : int
        Total degree.
    centre : ndarray, shape (2,)
        Point taken as zero.
    scale : float
        Length taken as one.
    """

    coefficients: Floats
    order: int
    centre: Floats
    scale: float

    def apply(self, points: Floats) -> Floats:
        """Map points.

        Parameters
        ----------
        points : ndarray, shape (n, 2)
            Points.

        Returns
        -------
        ndarray, shape (n, 2)
        """
        design = monomials((points - self.centre) / self.scale, self.order)
        return np.asarray(points + design @ self.coefficients)


def powers(order: int) -> list[tuple[int, int]]:
    """Return exponents (i, j) of x and y up to a total degree.

    Parameters
    ----------
    order : int
        Highest total degree.

    Returns
    -------
    list of tuple of int
    """
    return [(total - j, j) for total in range(order + 1) for j in range(total + 1)]


def monomials(points: Floats, order: int) -> Floats:
    """Return x^i y^j.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Points.
    order : int
        Highest total degree.

    Returns
    -------
    ndarray, shape (n, n_terms)
    """
    return np.stack([points[:, 0] ** i * points[:, 1] ** j for i, j in powers(order)], axis=1)


def fit_map(
    points: Floats, wanted: Floats, weight: Floats, order: int, shape: tuple[int, int]
) -> Polynomials:
    """Fit the correction of pixels, wanted - points, by weighted least squares.

    Parameters
    ----------
    points, wanted : ndarray, shape (n, 2)
        Pixels measured, and where the old world coordinates see the reference stars.
    weight : ndarray, shape (n,)
        Inverse errors.
    order : int
        Degree; 1 with fewer than three points, or 0, is a shift.
    shape : tuple of int
        Rows and columns of the image.

    Returns
    -------
    Polynomials
    """
    centre = 0.5 * (np.array([shape[1], shape[0]]) - 1.0)
    scale = 0.5 * max(shape)
    design = monomials((points - centre) / scale, order) * weight[:, np.newaxis]
    values = (wanted - points) * weight[:, np.newaxis]
    found = np.linalg.lstsq(design, values, rcond=None)[0]
    return Polynomials(np.asarray(found, np.float64), order, centre, scale)


def from_pointing(guess: PointingGuess, shape: tuple[int, int]) -> WCS:
    """Return world coordinates of a pointing.

    Parameters
    ----------
    guess : PointingGuess
        Pointing.
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    astropy.wcs.WCS
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [guess.ra, guess.dec]
    wcs.wcs.crpix = [0.5 * (shape[1] + 1), 0.5 * (shape[0] + 1)]
    angle, side = np.radians(guess.rotation), guess.pixel_scale / 3600.0
    east = 1.0 if guess.flipped else -1.0
    # The y axis points to (sin, cos) of its position angle (east, north).
    up = np.array([np.sin(angle), np.cos(angle)])
    right = east * np.array([np.cos(angle), -np.sin(angle)])
    wcs.wcs.cd = side * np.column_stack([right, up])
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def composed(
    old: WCS, correction: Polynomials, shape: tuple[int, int], form: Literal["sip", "tpv"]
) -> WCS:
    """Return world coordinates that are the old ones of corrected pixels.

    A tangential projection at the centre of the image with polynomials (SIP, Shupe et al. 2005;
    TPV) of the lowest degree that reproduces a grid of pixels within a thousandth of a pixel.

    Parameters
    ----------
    old : astropy.wcs.WCS
        Old coordinates.
    correction : Polynomials
        From pixels to the pixels of the old coordinates.
    shape : tuple of int
        Rows and columns.
    form : str
        ``sip`` or ``tpv``.

    Returns
    -------
    astropy.wcs.WCS
    """
    lines = [np.linspace(-0.5, side - 0.5, _GRID) for side in (shape[1], shape[0])]
    grid = np.stack([v.ravel() for v in np.meshgrid(*lines)], axis=1)
    sky = np.column_stack(old.pixel_to_world_values(*correction.apply(grid).T))
    middle = 0.5 * (np.array([shape[1], shape[0]], float) - 1.0)
    at = np.asarray(old.pixel_to_world_values(*correction.apply(middle[np.newaxis])[0]), float)
    plane = tangent(sky, at)
    offset = grid - middle
    scale = 0.5 * max(shape)
    for order in (1, 2, 3, 4, 5):
        # No constant: the point of contact is the middle.
        design = monomials(offset / scale, order)[:, 1:]
        found = np.linalg.lstsq(design, plane, rcond=None)[0]
        left = (plane - design @ found) @ np.linalg.inv(found[:2] / scale)
        if np.abs(left).max() < _EXACT or (form == "tpv" and order == _TPV_ORDER):
            break
    found /= np.array([scale ** (i + j) for i, j in powers(order)[1:]])[:, np.newaxis]
    return _written(at, middle, np.asarray(found, np.float64), order, form, shape)


def tangent(sky: Floats, centre: Floats) -> Floats:
    """Project positions onto the plane that touches the sky at a point.

    Parameters
    ----------
    sky : ndarray, shape (n, 2)
        ra, dec [deg].
    centre : ndarray, shape (2,)
        Point of contact [deg].

    Returns
    -------
    ndarray, shape (n, 2)
        Towards east and north [deg].
    """
    ra, dec = np.radians(sky[:, 0] - centre[0]), np.radians(sky[:, 1])
    at = np.radians(centre[1])
    below = np.sin(at) * np.sin(dec) + np.cos(at) * np.cos(dec) * np.cos(ra)
    east = np.cos(dec) * np.sin(ra) / below
    north = (np.cos(at) * np.sin(dec) - np.sin(at) * np.cos(dec) * np.cos(ra)) / below
    return np.asarray(np.degrees(np.column_stack([east, north])))


def _written(
    at: Floats,
    middle: Floats,
    found: Floats,
    order: int,
    form: Literal["sip", "tpv"],
    shape: tuple[int, int],
) -> WCS:
    """Return the coordinates of polynomials of the offset from the middle."""
    header = Header()
    matrix = found[:2].T
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, shape[1], shape[0]
    kind = "TAN" if order == 1 else {"sip": "TAN-SIP", "tpv": "TPV"}[form]
    header["CTYPE1"], header["CTYPE2"] = f"RA---{kind}", f"DEC--{kind}"
    header["RADESYS"] = "ICRS"
    for i in (0, 1):
        header[f"CRVAL{i + 1}"] = at[i]
        header[f"CRPIX{i + 1}"] = middle[i] + 1.0
        for j in (0, 1):
            header[f"CD{i + 1}_{j + 1}"] = matrix[i, j]
    if order > 1 and form == "sip":
        _write_sip(header, np.asarray(np.linalg.solve(matrix, found.T), np.float64), order)
    elif order > 1:
        _write_tpv(header, matrix, found, order)
    return WCS(header)


def _write_sip(header: Header, terms: Floats, order: int) -> None:
    """Write polynomials of SIP: what is added to the offset in pixels."""
    header["A_ORDER"] = header["B_ORDER"] = order
    for column, (i, j) in enumerate(powers(order)[1:]):
        if i + j != 1:
            header[f"A_{i}_{j}"], header[f"B_{i}_{j}"] = terms[0, column], terms[1, column]


#: Number of the term x^i y^j of TPV; its second axis exchanges x and y.
_TPV = {(0, 0): 0, (1, 0): 1, (0, 1): 2, (2, 0): 4, (1, 1): 5, (0, 2): 6, (3, 0): 7, (2, 1): 8,
        (1, 2): 9, (0, 3): 10}  # fmt: skip


def _write_tpv(header: Header, matrix: Floats, found: Floats, order: int) -> None:
    """Write polynomials of TPV: of the linear intermediate coordinates."""
    rng = np.random.default_rng(0)
    offsets = rng.uniform(-1.0, 1.0, (200, 2)) / np.abs(matrix).max() * 0.1
    plane = monomials(offsets, order)[:, 1:] @ found
    linear = offsets @ matrix.T
    size = np.abs(linear).max()
    terms = np.linalg.lstsq(monomials(linear / size, order), plane, rcond=None)[0]
    for column, (i, j) in enumerate(powers(order)):
        scale = size ** -(i + j)
        header[f"PV1_{_TPV[i, j]}"] = terms[column, 0] * scale
        header[f"PV2_{_TPV[j, i]}"] = terms[column, 1] * scale
