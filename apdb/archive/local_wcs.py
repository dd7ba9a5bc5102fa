"""The place of stamps on the sky: a gnomonic projection around each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apdb.archive.fits_layout import number_cards

if TYPE_CHECKING:
    from astropy.wcs import WCS


@dataclass(frozen=True)
class LocalWcs:
    """Where stamps are on the sky: gnomonic projections, one for each.

    Attributes
    ----------
    crpix : ndarray of float64, shape (n, 2)
        Reference pixel, x and y, counted from 1 at the middle of the stamp's first pixel.
    crval : ndarray of float64, shape (n, 2)
        Its right ascension and declination, ICRS [deg].
    cd : ndarray of float64, shape (n, 2, 2)
        Change of the projected coordinates with the pixels [deg/pixel].
    """

    crpix: NDArray[np.float64]
    crval: NDArray[np.float64]
    cd: NDArray[np.float64]

    @classmethod
    def of_image(cls, wcs: WCS, x: ArrayLike, y: ArrayLike, corner: ArrayLike) -> Self:
        """Return the local WCS of stamps that were cut out of an image.

        Parameters
        ----------
        wcs : astropy.wcs.WCS
            Of the image.
        x, y : array-like of float, shape (n,)
            Positions of the sources, counted from 0 at the middle of the image's first pixel.
        corner : array-like of int, shape (n, 2)
            Pixel of the image, x and y from 0, that is the first of each stamp.

        Returns
        -------
        LocalWcs
            Exact at the source, and linear in the tangent plane around it.
        """
        x, y, corner = np.asarray(x, float), np.asarray(y, float), np.asarray(corner)
        ra, dec = wcs.all_pix2world(x, y, 0)
        steps = ((0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5))
        beside = [wcs.all_pix2world(x + dx, y + dy, 0) for dx, dy in steps]
        right, left, above, below = (_projected(a, d, ra, dec) for a, d in beside)
        cd = np.stack([right - left, above - below], axis=-1)
        crpix = np.stack([x - corner[:, 0] + 1, y - corner[:, 1] + 1], axis=-1)
        return cls(crpix, np.stack([ra, dec], axis=-1), cd)

    def cards(self, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the values of the header's keywords, see `number_cards`.

        Parameters
        ----------
        rows : ndarray of int, shape (n,)
            Which stamps.

        Returns
        -------
        ndarray of uint8, shape (n, 8, 20)
        """
        cd = self.cd[rows].reshape(len(rows), 4)
        return number_cards(np.hstack([self.crpix[rows], self.crval[rows], cd]))


def _projected(ra: Any, dec: Any, ra0: Any, dec0: Any) -> NDArray[np.float64]:
    """Gnomonic projection around (ra0, dec0) [deg]; Calabretta & Greisen 2002, section 5.1.3."""
    a, d, a0, d0 = (np.radians(each) for each in (ra, dec, ra0, dec0))
    cosine = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a - a0)
    xi = np.cos(d) * np.sin(a - a0) / cosine
    eta = (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a - a0)) / cosine
    found: NDArray[np.float64] = np.degrees(np.stack([xi, eta], axis=-1))
    return found
