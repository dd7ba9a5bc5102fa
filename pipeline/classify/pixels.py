"""Stamps of any source, cut to one size and put on one footing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apdb.archive.stamps import Stamps
from pipeline.errors import ClassifyError
from pipeline.exposure import UNUSABLE
from pipeline.psf import SIGMA_TO_FWHM

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: Pixels on either side of the middle one that features look at.
HALF = 15


@dataclass(frozen=True)
class Pixels:
    """Stamps of the three kinds, n of each, side 2 HALF + 1, source in the middle pixel.

    Attributes
    ----------
    difference, science, template : ndarray of float32, shape (n, k, k)
        Images; 0 where not `good`.
    noise : dict of str to ndarray of float32, shape (n, k, k)
        Variance of each kind.
    good : dict of str to ndarray of bool, shape (n, k, k)
        Pixels of each kind that have a value.
    mask : ndarray of uint32, shape (n, k, k)
        Bits of the difference; 0 where the stamps have no mask.
    psf : ndarray of float32, shape (n, k, k)
        PSF of the difference, of unit sum.
    psf_science : ndarray of float32, shape (n, k, k)
        PSF of the science image, which is that of the matched template.
    fwhm : ndarray of float32, shape (n,)
        Width of `psf` [pixel].
    """

    difference: Floats
    science: Floats
    template: Floats
    noise: dict[str, Floats]
    good: dict[str, Bools]
    mask: NDArray[np.uint32]
    psf: Floats
    psf_science: Floats
    fwhm: Floats

    def __len__(self) -> int:
        return len(self.difference)


def read_pixels(stamps: Mapping[str, Stamps], rows: slice, fwhm: ArrayLike | None) -> Pixels:
    """Cut stamps to the common size.

    Parameters
    ----------
    stamps : mapping of str to Stamps
        difference, science and template.
    rows : slice
        Sources that are wanted.
    fwhm : array_like or None
        Width of the PSF [pixel], one or one for each of the sources of `stamps`: for stamps
        without PSF.

    Returns
    -------
    Pixels

    Raises
    ------
    ClassifyError
        A kind is missing, or there is neither PSF nor width.
    """
    missing = [kind for kind in ("difference", "science", "template") if kind not in stamps]
    if missing:
        raise ClassifyError(f"stamps of kind {', '.join(missing)} are missing; cut out all three")
    n = len(stamps["difference"])
    index = range(n)[rows]
    images, noise, good = {}, {}, {}
    for kind in ("difference", "science", "template"):
        given = stamps[kind]
        image, inside = _planes(given.image, index)
        variance = _variance(given, image, inside, index)
        bits = _bits(given, index)
        good[kind] = inside & np.isfinite(image) & (variance > 0) & np.isfinite(variance)
        # the mask of the difference knows of both images
        good[kind] &= (bits & np.uint32(UNUSABLE)) == 0
        images[kind] = np.where(good[kind], image, np.float32(0))
        noise[kind] = np.where(good[kind], variance, np.float32(1))
    psf = _psf(stamps["difference"], index, fwhm, n)
    science = _psf(stamps["science"], index, fwhm, n)
    area = 1.0 / np.maximum(np.square(psf).sum(axis=(1, 2)), 1e-6)
    width = np.sqrt(area / (4 * np.pi)) * SIGMA_TO_FWHM
    bits = _bits(stamps["difference"], index)
    return Pixels(
        **images, noise=noise, good=good, mask=bits, psf=psf, psf_science=science, fwhm=width
    )


def _planes(arrays: Any, index: range) -> tuple[Floats, Bools]:
    """Return arrays of any size as one, and where they have pixels."""
    if isinstance(arrays, np.ndarray) and arrays.ndim == 3:
        cut, inside = _around(arrays[index.start : index.stop])
        return cut, np.broadcast_to(inside, cut.shape)
    side = 2 * HALF + 1
    found = np.zeros((len(index), side, side), np.float32)
    known = np.zeros(found.shape, bool)
    for row, at in enumerate(index):
        cut, inside = _around(np.asarray(arrays[at])[np.newaxis])
        found[row], known[row] = cut[0], inside
    return found, known


def _around(images: NDArray[Any]) -> tuple[Floats, Bools]:
    """Cut or pad images around their middle pixel; also tell what was there."""
    side = 2 * HALF + 1
    found = np.zeros((len(images), side, side), np.float32)
    inside = np.zeros((side, side), bool)
    into, out = [], []
    for length in images.shape[1:]:
        middle = length // 2
        low, high = max(0, middle - HALF), min(length, middle + HALF + 1)
        out.append(slice(low, high))
        into.append(slice(low - middle + HALF, high - middle + HALF))
    found[:, into[0], into[1]] = images[:, out[0], out[1]]
    inside[into[0], into[1]] = True
    return found, inside


def _variance(stamps: Stamps, image: Floats, inside: Bools, index: range) -> Floats:
    """Return the variance, or what the pixels far from the middle say of it."""
    if stamps.variance is not None:
        return _planes(stamps.variance, index)[0]
    known = np.where(inside & np.isfinite(image), image, np.float32(np.nan))
    flat = known.reshape(len(image), -1)
    some = np.isfinite(flat).any(axis=1)
    sigma = np.full(len(flat), np.nan)
    if some.any():
        low, high = np.nanpercentile(flat[some], [15.87, 50.0], axis=1)
        sigma[some] = high - low
    return np.broadcast_to((sigma**2)[:, None, None], image.shape).astype(np.float32)


def _bits(stamps: Stamps, index: range) -> NDArray[np.uint32]:
    """Return the mask; what lies outside counts as good, for `inside` says so already."""
    if stamps.mask is None:
        return np.zeros((len(index), 2 * HALF + 1, 2 * HALF + 1), np.uint32)
    # float32 would lose bits above 2**24; there are 16
    return np.asarray(_planes(stamps.mask, index)[0].astype(np.uint32))


def _psf(stamps: Stamps, index: range, fwhm: ArrayLike | None, n: int) -> Floats:
    """Return the PSFs of stamps, or round Gaussians."""
    if stamps.psf is None:
        if fwhm is None:
            raise ClassifyError("the stamps have no PSF; give its width (`fwhm`, in pixels)")
        width = np.broadcast_to(np.asarray(fwhm, float), n)[index.start : index.stop]
        at = np.arange(-HALF, HALF + 1)
        line = np.exp(-0.5 * (at * SIGMA_TO_FWHM / width[:, np.newaxis]) ** 2)
        found = (line[:, :, np.newaxis] * line[:, np.newaxis]).astype(np.float32)
    elif isinstance(stamps.psf, np.ndarray) and stamps.psf.ndim == 2:
        one = _around(stamps.psf[np.newaxis])[0]
        found = np.broadcast_to(one, (len(index), *one.shape[1:]))
    else:
        found = _planes(stamps.psf, index)[0]
    total = found.sum(axis=(1, 2), keepdims=True)
    return np.asarray(found / np.where(np.abs(total) > 1e-6, total, 1.0), np.float32)
