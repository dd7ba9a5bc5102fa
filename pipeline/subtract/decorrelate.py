"""Kernels that whiten the noise of a difference (DMTN-021)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.float64]


def whitening(kernel: Floats, ratio: float, half: int, *, flux: float | None = None) -> Floats:
    """Return the kernel ψ that makes the noise of A - κ∗B white and keeps the flux of sources.

    ψ̂² = (1 + r κ_s²) / (1 + r |κ̂|²), r = σ_B²/σ_A² and κ_s = κ̂(0): DMTN-021, equation 6.  The
    variance of every pixel is then σ_A² + σ_B² κ_s².

    Parameters
    ----------
    kernel : ndarray, shape (k, k)
        κ.
    ratio : float
        r, ratio of the variances before convolution.
    half : int
        Pixels on either side of ψ's middle.
    flux : float, optional
        κ_s if not the sum of `kernel`.

    Returns
    -------
    ndarray, shape (2 half + 1, 2 half + 1)
        Unit sum.
    """
    side = int(fft.next_fast_len(4 * max(half, kernel.shape[-1] // 2) + 1, real=True))
    padded = np.zeros((side, side))
    k = kernel.shape[-1]
    padded[:k, :k] = kernel
    power = np.square(np.abs(fft.rfft2(padded)))
    total = kernel.sum() if flux is None else flux
    psi = fft.irfft2(np.sqrt((1.0 + ratio * total**2) / (1.0 + ratio * power)), (side, side))
    around = np.arange(-half, half + 1)
    found = psi[around[:, np.newaxis], around]
    return np.asarray(found / found.sum())
