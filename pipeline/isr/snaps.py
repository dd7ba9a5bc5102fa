"""Two exposures of one visit, combined and compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import IsrError
from pipeline.exposure import UNUSABLE, Exposure, Image, Mask, Metrics

_STAR = 0.3


@dataclass(frozen=True)
class SnapResult:
    """Two snaps together.

    Attributes
    ----------
    exposure : Exposure
        Their sum; pixels that one snap has no value for are twice the other one.
    difference : Exposure
        First minus second, with the cosmic rays of either masked.
    metrics : dict of str to float
        Pixels hit in either snap.
    """

    exposure: Exposure
    difference: Exposure
    metrics: Metrics


def combine_snaps(first: Exposure, second: Exposure, threshold: float = 6.0) -> SnapResult:
    """Add two snaps; what is in one of them only is a cosmic ray.

    Parameters
    ----------
    first, second : Exposure
        Snaps after isr, of equal exposure times, in electrons.
    threshold : float
        Difference that makes a cosmic ray [sigma].  A third of the signal of what is in both is
        added to sigma, for stars differ by seeing and guiding.

    Returns
    -------
    SnapResult

    Raises
    ------
    IsrError
        Their shapes, units or exposure times differ.
    """
    _check(first, second)
    good = [~one.masked(UNUSABLE) for one in (first, second)]
    difference = first.image - second.image
    variance = first.variance + second.variance
    sigma = np.sqrt(np.maximum(variance, 1e-30))
    sky = [_sky(one.image, use) for one, use in zip((first, second), good, strict=True)]
    difference_of_skies = np.float32(sky[0] - sky[1])
    both = np.minimum(first.image - np.float32(sky[0]), second.image - np.float32(sky[1]))
    limit = np.float32(threshold) * (sigma + np.float32(_STAR / 3.0) * np.maximum(both, 0))
    compared = good[0] & good[1]
    hit = [compared & (sign * (difference - difference_of_skies) > limit) for sign in (1, -1)]
    use = [one & ~rays for one, rays in zip(good, hit, strict=True)]
    image = np.where(
        use[0] & use[1],
        first.image + second.image,
        np.where(use[0], 2 * first.image, 2 * second.image),
    )
    noise = np.where(
        use[0] & use[1], variance, np.where(use[0], 4 * first.variance, 4 * second.variance)
    )
    replaced = use[0] ^ use[1]
    mask = np.where(replaced, np.where(use[0], first.mask, second.mask), first.mask | second.mask)
    mask = mask.astype(np.uint32)
    rays = (hit[0] | hit[1]).astype(np.uint32)
    info = first.info
    if info is not None and second.info is not None:
        middle = 0.5 * (info.midpoint_mjd_tai + second.info.midpoint_mjd_tai)
        total = info.exposure_time + second.info.exposure_time
        info = replace(info, midpoint_mjd_tai=middle, exposure_time=total)
    total_exposure = first.with_(image=image, variance=noise, mask=mask, info=info)
    marks = first.mask | second.mask | rays * np.uint32(Mask.CR)
    compared_exposure = first.with_(image=difference, variance=variance, mask=marks, info=info)
    metrics = {
        "isr.snap_cosmic_rays": float(np.count_nonzero(rays)),
        "isr.snap_replaced": float(np.count_nonzero(replaced)),
    }
    return SnapResult(total_exposure, compared_exposure, metrics)


def _check(first: Exposure, second: Exposure) -> None:
    """Raise an error if two snaps cannot be added."""
    if first.shape != second.shape or first.unit != second.unit:
        raise IsrError(
            f"snaps differ: {first.shape} pixels in {first.unit}, {second.shape} in {second.unit}; "
            "give two exposures of one detector and visit after the same steps"
        )
    times = [one.info.exposure_time for one in (first, second) if one.info is not None]
    if len(times) == 2 and abs(times[0] - times[1]) > 0.01 * max(times):
        raise IsrError(f"snaps of {times[0]:g} s and {times[1]:g} s cannot be compared")


def _sky(image: Image, good: NDArray[np.bool_]) -> float:
    """Return the median of the usable pixels."""
    return float(np.median(image[good])) if good.any() else 0.0
