"""Galaxies of Spergel profiles, convolved with the PSF in Fourier space."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.optimize import brentq
from scipy.special import gamma, kv

from pipeline.exposure import Image
from pipeline.scene.draw import Floats, Profiles, draw_stamps

#: Index of the exponential disc, and one near de Vaucouleurs' law.
DISC, BULGE = 0.5, -0.6
#: Sides of the stamps they are drawn on [pixel], and their extent in half-light radii.
_SIDES = (64, 128, 256, 512)
_RADII = 6.0
#: Galaxies transformed at a time.
_BLOCK = 64


def draw_galaxies(
    image: Image,
    x: Floats,
    y: Floats,
    flux: Floats,
    shape: Floats,
    index: Floats,
    profiles: Profiles,
) -> None:
    """Add galaxies to an image.

    Their light follows Spergel (2010, ApJS 191, 58): in Fourier space (1 + k²c²)^-(1 + ν), which
    is multiplied with the transform of the PSF as pixels sample it.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Changed in place.
    x, y : ndarray, shape (n,)
        Centres [pixel].
    flux : ndarray, shape (n,)
        Total fluxes.
    shape : ndarray, shape (n, 2, 2)
        Matrix that makes an ellipse of the unit circle: the one that holds half of the light
        [pixel].
    index : ndarray, shape (n,)
        ν: `DISC`, `BULGE` or any other above -0.85.
    profiles : Profiles
        PSFs at their places.
    """
    extent = 2 * (_RADII * np.sqrt(np.square(shape).sum(axis=(1, 2)) / 2) + profiles.half)
    side = np.array(_SIDES)[np.minimum(np.searchsorted(_SIDES, extent), len(_SIDES) - 1)]
    for size in np.unique(side):
        members = np.flatnonzero(side == size)
        for start in range(0, len(members), _BLOCK):
            part = members[start : start + _BLOCK]
            middle = np.stack([np.rint(x[part]), np.rint(y[part])]).astype(np.int64)
            shift = np.stack([x[part], y[part]]) - middle
            stamps = _stamps(int(size), shift, shape[part], index[part], profiles[part])
            for stamp, at_x, at_y, total in zip(
                stamps, *(middle - size // 2), flux[part], strict=True
            ):
                _add(image, stamp, int(at_x), int(at_y), float(total))


def _stamps(
    side: int, shift: Floats, shape: Floats, index: Floats, profiles: Profiles
) -> NDArray[np.float64]:
    """Return galaxies of unit flux, off the middle pixel side // 2 by a shift [pixel]."""
    psf = _padded(draw_stamps(profiles), side)
    ky, kx = (
        2 * np.pi * fft.fftfreq(side)[:, np.newaxis],
        2 * np.pi * fft.rfftfreq(side)[np.newaxis],
    )
    transform = fft.rfft2(psf)
    scale = np.array([_half_light(nu) for nu in index.tolist()])
    # k' = Aᵀ k is the frequency before the ellipse was drawn out.
    ku = shape[:, 0, 0, None, None] * kx + shape[:, 1, 0, None, None] * ky
    kv_ = shape[:, 0, 1, None, None] * kx + shape[:, 1, 1, None, None] * ky
    square = (ku**2 + kv_**2) / (scale**2)[:, None, None]
    transform *= (1.0 + square) ** -(1.0 + index)[:, None, None]
    transform *= np.exp(-1j * (kx * shift[0][:, None, None] + ky * shift[1][:, None, None]))
    return np.asarray(fft.fftshift(fft.irfft2(transform, s=(side, side)), axes=(1, 2)))


def _padded(stamps: Floats, side: int) -> Floats:
    """Return stamps in larger arrays, the middle at the origin; what is beyond is cut off."""
    k = stamps.shape[1]
    half = min(k // 2, side // 2 - 1)
    centre = k // 2
    cut = stamps[:, centre - half : centre + half + 1, centre - half : centre + half + 1]
    found = np.zeros((len(stamps), side, side))
    found[:, : 2 * half + 1, : 2 * half + 1] = cut
    return np.roll(found, (-half, -half), axis=(1, 2))


def _add(image: Image, stamp: Floats, left: int, bottom: int, flux: float) -> None:
    """Add what of a stamp lies on the image."""
    ny, nx = image.shape
    height, width = stamp.shape
    rows = slice(max(bottom, 0), min(bottom + height, ny))
    columns = slice(max(left, 0), min(left + width, nx))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = stamp[
        rows.start - bottom : rows.stop - bottom, columns.start - left : columns.stop - left
    ]
    image[rows, columns] += (flux * part).astype(np.float32)


@cache
def _half_light(nu: float) -> float:
    """Return the half-light radius in units of the scale radius (Spergel 2010, eq. 8)."""

    def outside(u: float) -> float:
        order = nu + 1.0
        return float(2 * order * (u / 2) ** order * kv(order, u) / gamma(order + 1.0)) - 0.5

    return float(brentq(outside, 1e-6, 50.0))
