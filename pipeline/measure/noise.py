"""Noise of images whose pixels are not independent."""

from __future__ import annotations

import numpy as np

from pipeline.detect.config import DetectConfig
from pipeline.detect.significance import noise_scale, significance
from pipeline.errors import DetectError
from pipeline.exposure import Exposure
from pipeline.forced.windows import usable_pixels

_SIDE = 1024


def template_noise(template: Exposure) -> float:
    """Measure the noise of PSF fluxes on a warped and convolved image.

    Parameters
    ----------
    template : Exposure
        With PSF; its middle is looked at.

    Returns
    -------
    float
        Ratio to what the variance says; at least 1, as smoothing does not make the noise of a flux
        smaller than the pixels let it seem.  1 if there is too little sky.
    """
    if template.psf is None:
        return 1.0
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
        scale = noise_scale(filtered, part.variance, usable, config)
    except DetectError:
        return 1.0
    return float(np.clip(np.median(scale.grid), 1.0, 5.0))
