"""What subtraction makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.exposure import Exposure, Metrics
from pipeline.subtract.agreement import Agreement


@dataclass(frozen=True)
class Difference:
    """The science image without what the template has.

    Attributes
    ----------
    exposure : Exposure
        Science minus matched template [nJy], decorrelated, with the PSF that its sources have.
    matched_template : Exposure
        The template on the pixels of the science image, as it was subtracted.
    flavour : str
        Which of the ways was taken: ``convolve_template``, ``convolve_science``, ``preconvolve``
        or ``zogy``.
    kernel : Kernel or None
        What the template or the science image was convolved with; None for ``zogy``.
    score : Exposure, optional
        Image to detect on, of the pre-convolution flavour.  Every pixel is the flux [nJy] of a
        point source there, by maximum likelihood; its variance is that of the flux, so
        image / √variance is the signal-to-noise ratio, already filtered.
    metrics : dict of str to float
        Quality of the match.
    models : Agreement
        What the errors of the models of PSFs and kernel are worth; its scale is what the images
        were divided by.
    """

    exposure: Exposure
    matched_template: Exposure
    flavour: str
    kernel: Any
    score: Exposure | None
    metrics: Metrics
    models: Agreement = field(default_factory=Agreement)
