"""What the pixels of a matched template are."""

from __future__ import annotations

import numpy as np
from scipy.signal import fftconvolve

from pipeline.detect.config import DetectConfig
from pipeline.detect.significance import noise_scale, significance
from pipeline.errors import DetectError
from pipeline.exposure import Exposure
from pipeline.forced.windows import Floats, usable_pixels
from pipeline.subtract import Difference

_SIDE = 1024


def template_as_matched(
    difference: Difference, template: Exposure, science: Exposure
) -> tuple[Exposure, float]:
    """Return a matched template with the PSF that it has, and the factor of its flux errors.

    Subtraction leaves PSF and variance of the template as they were before it.  Convolved, it has
    the PSF of the science image, and its pixels share their noise; else its fluxes were divided
    by the scale of the match.

    Parameters
    ----------
    difference : Difference
        Which way was taken, and the kernel.
    template : Exposure
        As it was subtracted.
    science : Exposure
        With PSF.

    Returns
    -------
    template : Exposure
        With PSF.
    noise : float
        Noise of PSF fluxes over what the variance says of independent pixels.
    """
    kernel, psf = difference.kernel, science.psf
    assert psf is not None
    if difference.flavour == "convolve_science":
        return template.with_(psf=template.psf or psf), 1.0 / difference.models.scale
    template = template.with_(psf=psf)
    if kernel is None or difference.flavour == "zogy":
        return template, measured_noise(template)
    return template, convolved_noise(psf.centre, kernel.centre)


def convolved_noise(psf: Floats, kernel: Floats) -> float:
    """Return what a convolution makes of the noise of PSF fluxes.

    Parameters
    ----------
    psf : ndarray, shape (k, k)
        PSF that fluxes are measured with.
    kernel : ndarray, shape (m, m)
        What independent pixels were convolved with.

    Returns
    -------
    float
        √(Σ (psf ∗ kernel)² / Σ psf²): the weights of the pixels before the convolution.
    """
    weights = fftconvolve(psf, kernel[::-1, ::-1], mode="full")
    return float(np.sqrt(np.square(weights).sum() / np.square(psf).sum()))


def measured_noise(template: Exposure) -> float:
    """Measure the noise of PSF fluxes on blank sky of an image with sources.

    Parameters
    ----------
    template : Exposure
        With PSF; its middle is looked at.

    Returns
    -------
    float
        Ratio to what the variance says; 1 if there is too little sky.
    """
    assert template.psf is not None
    rows, columns = (
        slice(max(0, (n - _SIDE) // 2), max(0, (n - _SIDE) // 2) + min(n, _SIDE))
        for n in template.shape
    )
    part = template.with_(
        image=template.image[rows, columns] - np.median(template.image[rows, columns]),
        mask=template.mask[rows, columns],
        variance=template.variance[rows, columns],
    )
    config = DetectConfig(noise_range=(1e-3, 1e3))
    usable = usable_pixels(part)
    filtered = significance(part, template.psf, usable, config)
    try:
        return float(np.median(noise_scale(filtered, part.variance, usable, config).grid))
    except DetectError:
        return 1.0
