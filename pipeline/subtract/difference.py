"""What subtraction makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.exposure import Exposure, Metrics


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
        Which of the ways was taken.
    kernel : object
        What the template or the science image was convolved with; None if nothing was.
    score : Exposure, optional
        Image to detect on, of the pre-convolution flavour: already filtered.
    metrics : dict of str to float
        Quality of the match.
    """

    exposure: Exposure
    matched_template: Exposure
    flavour: str
    kernel: Any
    score: Exposure | None
    metrics: Metrics
