"""A template brought onto the pixels of a science image, as well as stars allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from pipeline.exposure import Exposure, Metrics
from pipeline.template.register import Registration, register
from pipeline.template.warp import overlap, warp

#: Shifts below this are left to the kernel [pixel].
NEGLIGIBLE = 0.01


@dataclass(frozen=True)
class Aligned:
    """A template on the pixels of a science image.

    Attributes
    ----------
    exposure : Exposure
        Warped template.
    registration : Registration
        What was left of the relative astrometry, and has been corrected.
    metrics : dict of str to float
        Of the registration, and coverage.
    """

    exposure: Exposure
    registration: Registration
    metrics: Metrics


def align(
    template: Exposure, science: Exposure, sources: Table | None = None, *, workers: int = 2
) -> Aligned:
    """Warp a template to a science image, register it with stars, and warp once more.

    The second warp starts from the template itself, so that its pixels are interpolated once.

    Parameters
    ----------
    template, science : Exposure
        With WCS and PSF.
    sources : astropy.table.Table, optional
        Sources of the science image: x, y, snr, is_star, flags.
    workers : int
        Threads.

    Returns
    -------
    Aligned

    Raises
    ------
    TemplateError
        No WCS, no overlap, or too different pixel scales.
    """
    warped = warp(template, science.wcs, science.shape, workers=workers)
    registration = register(science, warped, sources)
    if np.abs(registration.correction.coefficients).sum(axis=1).max() > NEGLIGIBLE:
        warped = warp(
            template,
            science.wcs,
            science.shape,
            correction=registration.correction,
            workers=workers,
        )
    metrics = {**registration.metrics, "template.coverage": overlap(warped)}
    return Aligned(warped, registration, metrics)
