"""From pixels to the sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from pipeline.forced.windows import Floats


@dataclass(frozen=True)
class LocalSky:
    """Sky positions of pixels, and what a pixel is there.

    Attributes
    ----------
    ra, dec : ndarray, shape (n,)
        ICRS [deg].
    jacobian : ndarray, shape (n, 2, 2)
        Offsets to the east (with cos dec) and to the north [deg] per pixel in x and y.
    frame_error : float
        Error per axis of the world coordinates themselves, which all positions share [deg].
    """

    ra: Floats
    dec: Floats
    jacobian: Floats
    frame_error: float

    @property
    def scale(self) -> Floats:
        """Side of a square of the area of a pixel [arcsec]."""
        return np.asarray(3600.0 * np.sqrt(np.abs(np.linalg.det(self.jacobian))))

    def covariance(self, pixels: Floats) -> Floats:
        """Turn covariances of x and y into those of the sky.

        Parameters
        ----------
        pixels : ndarray, shape (n, 2, 2)
            Covariance [pixel²].

        Returns
        -------
        ndarray, shape (n, 2, 2)
            Of offsets to the east and to the north [deg²].
        """
        return np.asarray(self.jacobian @ pixels @ self.jacobian.transpose(0, 2, 1))

    def position_covariance(self, pixels: Floats) -> Floats:
        """Return covariances of positions, with the error that the world coordinates have.

        Parameters
        ----------
        pixels : ndarray, shape (n, 2, 2)
            Covariance of x and y [pixel²].

        Returns
        -------
        ndarray, shape (n, 2, 2)
            Of the east (with cos dec) and the north [deg²].
        """
        return self.covariance(pixels) + np.eye(2) * self.frame_error**2

    def vector(self, dx: Floats, dy: Floats) -> tuple[Floats, Floats]:
        """Return length and position angle of vectors.

        Parameters
        ----------
        dx, dy : ndarray, shape (n,)
            Vectors [pixel].

        Returns
        -------
        length : ndarray, shape (n,)
            [arcsec].
        angle : ndarray, shape (n,)
            From north over east, 0 … 360 [deg].
        """
        east, north = self._offsets(dx, dy)
        return 3600.0 * np.hypot(east, north), np.degrees(np.arctan2(east, north)) % 360.0

    def vector_errors(self, dx: Floats, dy: Floats, pixels: Floats) -> tuple[Floats, Floats]:
        """Return the errors of length and position angle of vectors.

        Parameters
        ----------
        dx, dy : ndarray, shape (n,)
            Vectors [pixel].
        pixels : ndarray, shape (n, 2, 2)
            Their covariance [pixel²].

        Returns
        -------
        length_err : ndarray, shape (n,)
            [arcsec].
        angle_err : ndarray, shape (n,)
            [deg].
        """
        along = np.stack(self._offsets(dx, dy), axis=1)
        length = np.hypot(*along.T)
        along /= np.maximum(length, 1e-30)[:, np.newaxis]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        covariance = self.covariance(pixels)
        spread = [
            np.sqrt(np.einsum("ni,nij,nj->n", axis, covariance, axis)) for axis in (along, across)
        ]
        return 3600.0 * spread[0], np.degrees(spread[1] / np.maximum(length, 1e-30))

    def _offsets(self, dx: Floats, dy: Floats) -> tuple[Floats, Floats]:
        found = np.einsum("nij,nj->ni", self.jacobian, np.stack([dx, dy], axis=1))
        return found[:, 0], found[:, 1]


def local_sky(wcs: WCS, x: Floats, y: Floats) -> LocalSky:
    """Return where pixels are on the sky.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        World coordinates, ICRS; their error is what CRDERi says, and none without.
    x, y : ndarray, shape (n,)
        Positions [pixel].

    Returns
    -------
    LocalSky
    """
    n = len(x)
    shifts = np.array([[0, 0], [0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
    all_x, all_y = (np.add.outer(shifts[:, k], at).ravel() for k, at in enumerate((x, y)))
    found = wcs.pixel_to_world_values(all_x, all_y)
    ra, dec = (np.asarray(part, np.float64).reshape(5, n) for part in found)
    turned = (ra[1::2] - ra[2::2] + 180.0) % 360.0 - 180.0
    east, north = turned * np.cos(np.radians(dec[0])), dec[1::2] - dec[2::2]
    jacobian = np.stack([east, north], axis=0).transpose(2, 0, 1)
    frame_error = float(np.mean(np.nan_to_num(wcs.wcs.crder[:2])))
    return LocalSky(ra[0] % 360.0, dec[0], jacobian, frame_error)
