"""Images that cannot be subtracted are refused, with the cause."""

from __future__ import annotations

import numpy as np

from pipeline.errors import SubtractError
from pipeline.exposure import Exposure
from pipeline.psf import Psf

_LEAST_GOOD = 100


def check(science: Exposure, template: Exposure) -> None:
    """Refuse images that cannot be subtracted.

    Parameters
    ----------
    science, template : Exposure
        Images.

    Raises
    ------
    SubtractError
        What is wrong, and what to do.
    """
    if science.shape != template.shape:
        raise SubtractError(
            f"the template has {template.shape} pixels, the science image {science.shape}; "
            "warp it to the science image first"
        )
    if science.unit != template.unit:
        raise SubtractError(
            f"the template is in {template.unit}, the science image in {science.unit}; "
            "calibrate both"
        )
    for name, exposure in (("science image", science), ("template", template)):
        _check_one(name, exposure)
    common = ~science.masked() & ~template.masked()
    if common.sum() < _LEAST_GOOD:
        raise SubtractError(
            f"science image and template have {int(common.sum())} good pixels in common; "
            "does the template cover the image?"
        )


def psf_of(exposure: Exposure) -> Psf:
    """Return the PSF of an exposure that has been checked to have one.

    Parameters
    ----------
    exposure : Exposure
        Image.

    Returns
    -------
    Psf
    """
    assert exposure.psf is not None
    return exposure.psf


def _check_one(name: str, exposure: Exposure) -> None:
    """Refuse an image without pixels, noise or PSF."""
    usable = ~exposure.masked()
    if usable.sum() < _LEAST_GOOD:
        raise SubtractError(
            f"the {name} has {int(usable.sum())} good pixels of {usable.size}; all others are "
            "masked as BAD, SAT, CR or NO_DATA"
        )
    wrong = int((usable & ~np.isfinite(exposure.image)).sum())
    if wrong:
        raise SubtractError(
            f"{wrong} pixels of the {name} are NaN or infinite although their mask says good; "
            "mask them NO_DATA"
        )
    positive = float((exposure.variance[usable] > 0).mean())
    if positive < 0.5:
        raise SubtractError(
            f"the variance of the {name} is positive in {positive:.0%} of its good pixels only; "
            "check gain and read noise"
        )
    if exposure.psf is None:
        raise SubtractError(f"the {name} has no PSF model; calibrate it first")
