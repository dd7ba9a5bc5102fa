"""Proper motion and parallax of many objects at once, from the positions of their sources.

The model of LDM-151 §8.23: position at an epoch, proper motion and parallax, five parameters,
linear in the plane tangent at the mean position (Lang et al. 2009, AJ 137, 4400, for the model).
The parallax moves a source by ``(p_ra, p_dec) * parallax``: the barycentric position of the Earth
in astronomical units, along west and south.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.features.earth import earth_barycentric

Floats = NDArray[np.float64]

PARAMETERS = ("ra", "dec", "pm_ra", "pm_dec", "parallax")
"""The parameters of the fit, in the order of its covariance."""

MIN_POINTS = 3
"""Sources that five parameters need: two coordinates each, and one more coordinate."""

MISSING_ERROR = 0.05
"""Error of a position that has none [arcsec]."""

CLIP = 25.0
"""Chi squared of both coordinates above which a source is an outlier: 4e-6 of normal ones."""

_HUBER = 1.5
_ROBUST_STEPS = 12
_CLIP_STEPS = 8
_SINGULAR = 1e-10
_PAIRS = tuple((i, j) for i in range(len(PARAMETERS)) for j in range(i + 1))
_YEAR = 365.25
_MAS = np.degrees(1.0) * 3.6e6


@dataclass(frozen=True)
class Positions:
    """Positions of the sources of some objects, those of each next to each other.

    Attributes
    ----------
    owner : ndarray of int, shape (n,)
        Number of the object of each, from 0, ascending.
    n_objects : int
        Number of objects.
    mjd_tai : ndarray, shape (n,)
        Times, MJD TAI [d].
    ra, dec : ndarray, shape (n,)
        ICRS [deg].
    ra_err, dec_err : ndarray, shape (n,)
        Errors [deg], that of ra times cos(dec); NaN for unknown.
    ra_dec_cov : ndarray, shape (n,)
        Their covariance [deg**2]; NaN for unknown.
    """

    owner: NDArray[np.int64]
    n_objects: int
    mjd_tai: Floats
    ra: Floats
    dec: Floats
    ra_err: Floats
    dec_err: Floats
    ra_dec_cov: Floats


@dataclass(frozen=True)
class Astrometry:
    """Fits of position, proper motion and parallax; NaN where the sources do not determine them.

    Attributes
    ----------
    epoch : ndarray, shape (n_objects,)
        Epoch of the position, MJD TAI [d]: the mean time of the sources, weighted.
    ra, dec : ndarray, shape (n_objects,)
        Position at the epoch, without parallax, ICRS [deg].
    pm_ra, pm_dec : ndarray, shape (n_objects,)
        Proper motion [mas/yr], that of ra times cos(dec).
    parallax : ndarray, shape (n_objects,)
        Parallax [mas].
    covariance : ndarray, shape (n_objects, 5, 5)
        Of ra cos(dec), dec [mas], both proper motions [mas/yr] and the parallax [mas].
    ln_likelihood : ndarray, shape (n_objects,)
        Natural logarithm of the likelihood: of the densities by square arcsecond of the sources
        that count.
    chi2 : ndarray, shape (n_objects,)
        Chi squared, of two values for each source that counts.
    n_used : ndarray of int, shape (n_objects,)
        Sources that count: outliers do not.
    used : ndarray of bool, shape (n,)
        Whether each source counts.
    """

    epoch: Floats
    ra: Floats
    dec: Floats
    pm_ra: Floats
    pm_dec: Floats
    parallax: Floats
    covariance: Floats
    ln_likelihood: Floats
    chi2: Floats
    n_used: NDArray[np.int64]
    used: NDArray[np.bool_]


def fit_astrometry(positions: Positions, floor: float = 0.0) -> Astrometry:
    """Fit position, proper motion and parallax to the sources of each object.

    First by weights that fall with the departure (Huber), so that outliers do not drag the fit;
    then by least squares of the sources within `CLIP` of it, until these do not change.  The
    covariance is that of this last fit.

    Parameters
    ----------
    positions : Positions
        The sources.
    floor : float, optional
        Error in each coordinate that the given errors do not know of [arcsec]; added in quadrature.

    Returns
    -------
    Astrometry
    """
    frame = _Frame(positions, floor)
    weight = np.where(frame.good, 1.0, 0.0)
    for _ in range(_ROBUST_STEPS):
        solved = frame.solve(weight)
        departure = np.sqrt(frame.departure(solved.parameters))
        with np.errstate(invalid="ignore", divide="ignore"):
            # a floor of 1 for the scale: where errors are too small, not everything is an outlier
            weight = np.where(frame.good, np.minimum(1.0, _HUBER / departure), 0.0)
    used = frame.good & (frame.departure(solved.parameters) <= CLIP)
    for _ in range(_CLIP_STEPS):
        solved = frame.solve(used.astype(float))
        again = frame.good & (frame.departure(solved.parameters) <= CLIP)
        if np.array_equal(again, used):
            break
        used = again
    return frame.result(used)


@dataclass(frozen=True)
class _Solved:
    """Parameters about the epoch, in mas and mas/yr; NaN where they are not determined."""

    parameters: Floats
    covariance: Floats


class _Frame:
    """The sources of each object in its tangent plane, with what the model says of them."""

    def __init__(self, positions: Positions, floor: float) -> None:
        self._owner = positions.owner
        self._n = positions.n_objects
        self._starts = np.flatnonzero(np.diff(self._owner, prepend=-1))
        self.good = np.isfinite(positions.ra) & np.isfinite(positions.dec)
        self.good &= np.isfinite(positions.mjd_tai)
        self._times = np.where(self.good, positions.mjd_tai, 60000.0)
        ra = np.radians(np.where(self.good, positions.ra, 0.0))
        dec = np.radians(np.where(self.good, positions.dec, 0.0))
        self._inverse(positions, floor)
        weight = np.where(self.good, self._w11 + self._w22, 0.0)
        total = np.maximum(self._sum(weight), 1e-300)
        # time from any one of them first: MJD squared would cost digits
        start = self._first(self._times)
        self.epoch = start + self._sum(weight * (self._times - start[self._owner])) / total
        self._center(ra, dec, weight)
        self._project(ra, dec)
        self._multiply()

    def _sum(self, values: Floats) -> Floats:
        """Return the sums by object of values, shape (..., n) to (..., n_objects)."""
        found = np.zeros((*values.shape[:-1], self._n))
        found[..., self._owner[self._starts]] = np.add.reduceat(values, self._starts, axis=-1)
        return found

    def _first(self, values: Floats) -> Floats:
        found = np.zeros(self._n)
        found[self._owner[::-1]] = values[::-1]
        return found

    def _inverse(self, positions: Positions, floor: float) -> None:
        """Set the inverse covariance of each position [1/mas**2], and its determinant."""
        missing = MISSING_ERROR / 3600.0
        errors = [
            np.where(np.isfinite(each) & (each > 0.0), each, missing)
            for each in (positions.ra_err, positions.dec_err)
        ]
        cov = np.where(np.isfinite(positions.ra_dec_cov), positions.ra_dec_cov, 0.0)
        # A covariance that cannot be, as of rounded errors, is none.
        cov = np.where(np.abs(cov) < 0.999 * errors[0] * errors[1], cov, 0.0) * 3.6e6**2
        own = (floor * 1000.0) ** 2
        v11, v22 = ((each * 3.6e6) ** 2 + own for each in errors)
        determinant = v11 * v22 - cov * cov
        self._w11, self._w22 = v22 / determinant, v11 / determinant
        self._w12 = -cov / determinant
        self._ln_determinant = np.log(determinant * 1e-12)

    def _center(self, ra: Floats, dec: Floats, weight: Floats) -> None:
        """Set the mean direction of each object's sources."""
        xyz = [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)]
        x, y, z = (self._sum(weight * each) for each in xyz)
        self._ra0, self._dec0 = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))

    def _project(self, ra: Floats, dec: Floats) -> None:
        ra0, dec0 = self._ra0[self._owner], self._dec0[self._owner]
        # differences of small angles without loss of digits
        half = np.sin(0.5 * (ra - ra0)) ** 2
        cosine = np.cos(dec - dec0) - 2.0 * np.cos(dec) * np.cos(dec0) * half
        self._xi = _MAS * np.cos(dec) * np.sin(ra - ra0) / cosine
        north = np.sin(dec - dec0) + 2.0 * np.sin(dec0) * np.cos(dec) * half
        self._eta = _MAS * north / cosine
        self._years = (self._times - self.epoch[self._owner]) / _YEAR
        earth = earth_barycentric(self._times)
        self._p_ra = earth[:, 0] * np.sin(ra0) - earth[:, 1] * np.cos(ra0)
        self._p_dec = (earth[:, 0] * np.cos(ra0) + earth[:, 1] * np.sin(ra0)) * np.sin(
            dec0
        ) - earth[:, 2] * np.cos(dec0)

    def solve(self, weight: Floats) -> _Solved:
        """Solve the weighted normal equations of every object.

        Parameters
        ----------
        weight : ndarray, shape (n,)
            Weight of each source, beside that of its errors.

        Returns
        -------
        _Solved
        """
        sums = self._sum(self._products * weight)
        normal = np.empty((self._n, 5, 5))
        for place, (i, j) in enumerate(_PAIRS):
            normal[:, i, j] = normal[:, j, i] = sums[place]
        enough = self._sum((weight > 0.0).astype(float)) >= MIN_POINTS
        return _solved(normal, sums[len(_PAIRS) :].T, enough)

    def _multiply(self) -> None:
        """Set what the normal equations sum up over the sources: 15 of the left, 5 of the right."""
        rows = self._columns()
        left = [(self._w11 * a + self._w12 * d, self._w12 * a + self._w22 * d) for a, d in rows]
        self._products = np.stack([
            *(left[i][0] * rows[j][0] + left[i][1] * rows[j][1] for i, j in _PAIRS),
            *(ra * self._xi + dec * self._eta for ra, dec in left),
        ])  # fmt: skip

    def _columns(self) -> list[tuple[Any, Any]]:
        one, none = np.ones_like(self._years), np.zeros_like(self._years)
        return [
            (one, none),
            (none, one),
            (self._years, none),
            (none, self._years),
            (self._p_ra, self._p_dec),
        ]

    def _residual(self, parameters: Floats) -> tuple[Floats, Floats]:
        own = parameters[self._owner]
        ra = self._xi - own[:, 0] - own[:, 2] * self._years - own[:, 4] * self._p_ra
        dec = self._eta - own[:, 1] - own[:, 3] * self._years - own[:, 4] * self._p_dec
        return ra, dec

    def departure(self, parameters: Floats) -> Floats:
        """Return chi squared of each source; 0 where there is no fit."""
        ra, dec = self._residual(parameters)
        found = self._w11 * ra * ra + 2.0 * self._w12 * ra * dec + self._w22 * dec * dec
        return np.where(np.isfinite(found), np.maximum(found, 0.0), 0.0)

    def result(self, used: NDArray[np.bool_]) -> Astrometry:
        """Return the fit to the sources that count."""
        solved = self.solve(used.astype(float))
        found = solved.parameters
        fitted = np.isfinite(found[:, 0])
        each = np.where(used, self.departure(found), 0.0)
        chi2 = np.where(fitted, self._sum(each), np.nan)
        constant = self._sum(np.where(used, self._ln_determinant + 2.0 * np.log(2.0 * np.pi), 0.0))
        ra, dec = _on_the_sky(self._ra0, self._dec0, found[:, 0] / _MAS, found[:, 1] / _MAS)
        counts = self._sum(used.astype(float)).astype(np.int64)
        return Astrometry(
            epoch=np.where(fitted, self.epoch, np.nan),
            ra=np.where(fitted, ra, np.nan),
            dec=np.where(fitted, dec, np.nan),
            pm_ra=found[:, 2],
            pm_dec=found[:, 3],
            parallax=found[:, 4],
            covariance=solved.covariance,
            ln_likelihood=np.where(fitted, -0.5 * (chi2 + constant), np.nan),
            chi2=chi2,
            n_used=np.where(fitted, counts, 0),
            used=used & fitted[self._owner],
        )


def _solved(normal: Floats, right: Floats, enough: NDArray[np.bool_]) -> _Solved:
    """Solve normal equations; NaN where they are singular."""
    n = len(normal)
    scale = np.sqrt(np.einsum("bii->bi", normal))
    scale[~(scale > 0.0)] = 1.0
    scaled = normal / scale[:, :, None] / scale[:, None, :]
    smallest = np.linalg.eigvalsh(scaled)[:, 0] if n else np.empty(0)
    good = enough & (smallest > _SINGULAR)
    scaled[~good] = np.eye(5)
    inverse = np.linalg.inv(scaled) / scale[:, :, None] / scale[:, None, :]
    inverse[~good] = np.nan
    found = np.einsum("bij,bj->bi", inverse, right)
    return _Solved(found, inverse)


def _on_the_sky(ra0: Floats, dec0: Floats, xi: Floats, eta: Floats) -> tuple[Floats, Floats]:
    """Return ra and dec [deg] of points of the tangent plane [rad]."""
    down = np.cos(dec0) - eta * np.sin(dec0)
    ra = np.degrees(ra0 + np.arctan2(xi, down)) % 360.0
    dec = np.degrees(np.arctan2(np.sin(dec0) + eta * np.cos(dec0), np.hypot(xi, down)))
    return np.where(ra >= 360.0, 0.0, ra), dec
