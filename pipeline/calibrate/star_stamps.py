"""Stars cut out of an image, for the model of the PSF."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.calibrate.fit import cut_outside
from pipeline.calibrate.kernels import cut
from pipeline.exposure import Image
from pipeline.psf import Psf, shifted

Floats = NDArray[np.float64]

_PAD = 3


@dataclass(frozen=True)
class Stars:
    """Pixels around stars.

    Attributes
    ----------
    pixels : ndarray, shape (n, m, m)
        Without background and neighbours; wider than the model by a margin for shifts.
    holes : ndarray of bool, shape (n, m, m)
        Pixels that are not used.
    noise : ndarray, shape (n,)
        Of a pixel of the sky beside each.
    column, row : ndarray of int, shape (n,)
        Middle pixels.
    """

    pixels: Floats
    holes: NDArray[np.bool_]
    noise: Floats
    column: NDArray[np.int64]
    row: NDArray[np.int64]

    @classmethod
    def cut(
        cls,
        image: Image,
        variance: Image,
        bad: NDArray[np.bool_],
        x: Floats,
        y: Floats,
        half: int,
    ) -> Stars:
        """Cut stars out of an image.

        Parameters
        ----------
        image, variance : ndarray of float32, shape (ny, nx)
            Pixels without background, and their variance.
        bad : ndarray of bool, shape (ny, nx)
            Pixels that are not used.
        x, y : ndarray, shape (n,)
            Positions [pixel].
        half : int
            Pixels on either side of the middle one in the model.

        Returns
        -------
        Stars
        """
        column, row = (np.rint(v).astype(np.int64) for v in (x, y))
        wide = half + _PAD
        pixels = cut(image, column, row, wide).astype(np.float64)
        holes = cut_outside(bad, column, row, wide) > 0
        # Only the rim: the variance of the middle is that of the star.
        rim = cut(variance, column, row, wide)[:, :: 2 * wide].reshape(len(pixels), -1)
        noise = np.sqrt(np.median(rim, axis=1))
        known = noise > 0
        noise[~known] = np.median(noise[known]) if known.any() else 1.0
        return cls(pixels, holes, noise, column, row)

    def with_own(self, psf: Psf, x: Floats, y: Floats, flux: Floats) -> Stars:
        """Put the stars back into stamps that all sources were taken off from.

        Parameters
        ----------
        psf : Psf
            As they were taken off.
        x, y, flux : ndarray, shape (n,)
            Stars.

        Returns
        -------
        Stars
        """
        margin = self.half + _PAD - psf.half
        stamps = psf.stamps(x, y) * flux[:, np.newaxis, np.newaxis]
        if margin >= 0:
            own = np.pad(stamps, ((0, 0), (margin, margin), (margin, margin)))
        else:
            own = stamps[:, -margin:margin, -margin:margin]
        return replace(self, pixels=self.pixels + own)

    @property
    def half(self) -> int:
        """Pixels on either side of the middle one in the model."""
        return int(self.pixels.shape[1] // 2 - _PAD)

    def centred(self, x: Floats, y: Floats, flux: Floats, model: Psf | None) -> Centred:
        """Fill what is bad, shift, and normalise.

        Parameters
        ----------
        x, y, flux : ndarray, shape (n,)
            Stars.
        model : Psf or None
            What bad pixels are filled with.

        Returns
        -------
        Centred
        """
        stamps = self.pixels / flux[:, np.newaxis, np.newaxis]
        dx, dy = x - self.column, y - self.row
        if model is None:
            # The other side of the star is the best there is.
            other = (slice(None), slice(None, None, -1), slice(None, None, -1))
            filling = np.where(self.holes[other], 0.0, stamps[other])
        else:
            around = ((0, 0), (_PAD, _PAD), (_PAD, _PAD))
            filling = np.pad(shifted(model.at(x, y), dx, dy), around)
        stamps = np.where(self.holes, filling, stamps)
        moved = shifted(stamps, -dx, -dy)[:, _PAD:-_PAD, _PAD:-_PAD]
        noise = self.noise / flux
        # The model reaches to three FWHM, and the noise counts on 4πσ².
        area = 4.0 * np.pi * (self.half / 7.0) ** 2
        return Centred(moved, 1.0 / (noise * np.sqrt(area)), noise)


@dataclass(frozen=True)
class Centred:
    """Stars shifted to the middle pixel, with unit flux.

    Attributes
    ----------
    images : ndarray, shape (n, k, k)
        Pixels.
    snr : ndarray, shape (n,)
        Rough signal to noise.
    noise : ndarray, shape (n,)
        Of a pixel of the sky.
    """

    images: Floats
    snr: Floats
    noise: Floats
