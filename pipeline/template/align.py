"""A template brought onto the pixels of a science image, as well as stars allow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from astropy.table import Table

from pipeline.exposure import Exposure, Metrics
from pipeline.template.mapping import Affine
from pipeline.template.register import Registration, register
from pipeline.template.warp import overlap, warp

#: Shifts below this are left to the kernel [pixel].
NEGLIGIBLE = 0.01
#: After a correction beyond this the stars are looked at once more [pixel].
LARGE = 1.0


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

    Every warp starts from the template itself, so that its pixels are interpolated once.

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
    correction = Affine(np.zeros((2, 3)), (science.shape[1], science.shape[0]))
    warped = warp(template, science.wcs, science.shape, workers=workers)
    for last in (False, True):
        registration = register(science, warped, sources)
        step = registration.correction.coefficients
        moved = float(np.abs(step).sum(axis=1).max())
        if moved <= NEGLIGIBLE:
            break
        correction = replace(correction, coefficients=correction.coefficients + step)
        warped = warp(template, science.wcs, science.shape, correction=correction, workers=workers)
        if moved < LARGE or last:
            break
    registration = replace(registration, correction=correction)
    metrics = {
        **registration.metrics,
        "template.shift_x": float(correction.coefficients[0, 0]),
        "template.shift_y": float(correction.coefficients[1, 0]),
        "template.coverage": overlap(warped),
    }
    return Aligned(warped, registration, metrics)
