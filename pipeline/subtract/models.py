"""Kernels from the models of the PSFs alone, for images with too few stars to fit one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.exposure import Exposure
from pipeline.psf import Psf, terms
from pipeline.subtract.apply import node_positions
from pipeline.subtract.bases import Bases, Floats
from pipeline.subtract.kernel import Kernel
from pipeline.subtract.normal import Stamps, equations

# Amplitude of a transfer function below which it is not divided by.
_FAINTEST = 1e-3
_LEAST_FLUX = 1e-3
_FWHM_TO_SIGMA = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))


def ratio_of_psfs(narrow: Psf, wide: Psf, shape: tuple[int, int], half: int) -> Kernel:
    """Return the kernel that makes one PSF of the other.

    Whitened, the difference with it is that of Zackay, Ofek & Gal-Yam 2016, equation 13: dividing
    by one PSF and whitening is the same as convolving each image with the other's PSF and
    whitening.

    Parameters
    ----------
    narrow, wide : Psf
        Of the image to convolve, and of the other.
    shape : tuple of int
        Rows and columns of the image.
    half : int
        Pixels on either side of the kernel's middle.

    Returns
    -------
    Kernel
        Of unit sum everywhere.
    """
    x, y = node_positions(shape).T
    kernels = deconvolved(wide.at(x, y), narrow.at(x, y), half)
    kernels /= kernels.sum(axis=(1, 2), keepdims=True)
    size = (shape[1], shape[0])
    order = 0 if narrow.order == wide.order == 0 else 2
    design = terms(x, y, order, size)
    images = np.linalg.lstsq(design, kernels.reshape(len(x), -1), rcond=None)[0]
    return Kernel(np.asarray(images, float).reshape(-1, *kernels.shape[1:]), order, size)


def deconvolved(images: Floats, by: Floats, half: int) -> Floats:
    """Divide images by others in Fourier space, where these have power.

    Parameters
    ----------
    images : ndarray, shape (n, k, k)
        To be divided; k is odd.
    by : ndarray, shape (n, m, m) or (m, m)
        Divisors of unit sum; m is odd.
    half : int
        Half side of the result.

    Returns
    -------
    ndarray, shape (n, 2 half + 1, 2 half + 1)
    """
    longest = max(images.shape[-1], by.shape[-1], 2 * half + 1)
    side = int(fft.next_fast_len(2 * longest, real=True))
    above, below = (_centred_transform(image, side) for image in (images, by))
    quotient = above * np.conj(below) / (np.square(np.abs(below)) + _FAINTEST**2)
    found = fft.irfft2(quotient, (side, side))
    around = np.arange(-half, half + 1)
    return np.asarray(found[..., around[:, np.newaxis], around])


def _centred_transform(images: Floats, side: int) -> NDArray[np.complex128]:
    """Fourier transform of images whose middle pixel is the origin."""
    half = images.shape[-1] // 2
    padded = np.zeros((*images.shape[:-2], side, side))
    padded[..., : 2 * half + 1, : 2 * half + 1] = images
    return np.asarray(fft.rfft2(np.roll(padded, (-half, -half), (-2, -1))))


def single_gaussian(
    narrow: Exposure, wide: Exposure, where: Floats, half: int, systematics: float
) -> Kernel | None:
    """Fit the sum of a Gaussian kernel whose width follows from those of the PSFs.

    Parameters
    ----------
    narrow, wide : Exposure
        Image to convolve and image to match, with PSFs.
    where : ndarray, shape (n, 2)
        Stars, one or two.
    half : int
        Half side of the stamps.
    systematics : float
        Fraction of the star's own pixels that is added to the noise.

    Returns
    -------
    Kernel or None
        None if the stars are not in both images.
    """
    assert narrow.psf is not None
    assert wide.psf is not None
    squared = max(wide.psf.fwhm**2 - narrow.psf.fwhm**2, 0.0)
    sigma = float(np.sqrt(squared)) * _FWHM_TO_SIGMA
    sigma = sigma if sigma > 0.3 else 0.0
    bases = Bases((sigma,), (0,), max(8, int(np.ceil(4.0 * sigma))))
    stamps = Stamps.cut(narrow, wide, where, half, bases.half)
    expected = 1.0, float(np.square(bases.images[0]).sum())
    given = equations(stamps, bases, bases.convolve(stamps.narrow), expected, systematics)
    signal = float((given.a - given.noise).sum())
    if signal <= 0.0 or float(given.b.sum()) <= _LEAST_FLUX * signal:
        return None
    flux = float(given.b.sum()) / signal
    return Kernel(flux * bases.images, 0, (wide.shape[1], wide.shape[0]))
