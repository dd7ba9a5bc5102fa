"""Star or galaxy: how much wider than the PSF a source is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.calibrate.fit import cut_outside, point_stamps
from pipeline.calibrate.kernels import cut
from pipeline.exposure import Image
from pipeline.psf import Psf

Floats = NDArray[np.float64]
_BLOCK = 1024
_WIDER = 0.25


def spread(
    residual: Image,
    variance: Image,
    bad: NDArray[np.bool_],
    psf: Psf,
    x: Floats,
    y: Floats,
    flux: Floats,
) -> tuple[Floats, Floats]:
    """Compare sources with the PSF and with a slightly wider one.

    spread = (g·p)/(φ·p) - (g·φ)/(φ·φ), where p are the pixels, φ the PSF, and g the PSF smoothed
    with a Gaussian of a quarter of its width: 0 for a star, positive for what is extended,
    negative for what is sharper than the PSF.  After Desai et al. 2012, ApJ 757, 83, equation 4,
    with uniform weights and a Gaussian for the disc.

    Parameters
    ----------
    residual, variance : ndarray of float32, shape (ny, nx)
        Pixels without background and without the fitted sources, and their variance.
    bad : ndarray of bool, shape (ny, nx)
        Pixels that are not used.
    psf : Psf
        Model.
    x, y, flux : ndarray, shape (n,)
        The sources as they were fitted.

    Returns
    -------
    spread, error : ndarray, shape (n,)
        NaN for what has no flux.
    """
    width = max(_WIDER * psf.fwhm, 0.5)
    basis = gaussian_filter(psf.basis, (0, width, width), mode="constant")
    wider = Psf(basis, psf.coefficients, psf.order, psf.size)
    found = np.full((2, len(x)), np.nan)
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[:, part] = _spread_block(
            residual, variance, bad, psf, wider, x[part], y[part], flux[part]
        )
    return found[0], found[1]


def _spread_block(
    residual: Image,
    variance: Image,
    bad: NDArray[np.bool_],
    psf: Psf,
    wider: Psf,
    x: Floats,
    y: Floats,
    flux: Floats,
) -> Floats:
    """Return spread and error of some sources."""
    column, row = (np.rint(v).astype(np.int64) for v in (x, y))
    star, wide = (point_stamps(one, x, y).astype(np.float64) for one in (psf, wider))
    n = len(x)
    good = 1.0 - cut_outside(bad, column, row, psf.half).reshape(n, -1)
    star, wide = star.reshape(n, -1) * good, wide.reshape(n, -1) * good
    data = cut(residual, column, row, psf.half).reshape(n, -1) + flux[:, np.newaxis] * star
    noise = cut(variance, column, row, psf.half).reshape(n, -1).astype(np.float64)
    in_star, in_wide = np.sum(star * data, axis=1), np.sum(wide * data, axis=1)
    safe = np.where(in_star > 0, in_star, np.nan)
    found = in_wide / safe - np.sum(wide * star, axis=1) / np.maximum(
        np.sum(star * star, axis=1), 1e-30
    )
    ratio = (in_wide / safe)[:, np.newaxis]
    error = np.sqrt(np.sum(noise * (wide - ratio * star) ** 2, axis=1)) / safe
    return np.stack([found, error])
