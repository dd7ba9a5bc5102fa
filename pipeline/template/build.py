"""Templates from many exposures: warped, cleaned of what moves or flashes, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from pipeline.errors import TemplateError
from pipeline.exposure import UNUSABLE, Bits, Exposure, Image, Mask, Metrics
from pipeline.psf import Psf
from pipeline.template.mapping import Floats
from pipeline.template.warp import warp

_BAND = 128
_FAR = 2.0
_NODES = 5
_ALWAYS = np.uint32(Mask.SUSPECT | Mask.INTERP | Mask.EDGE | Mask.GHOST | Mask.CROSSTALK)
_SATURATED = np.uint32(Mask.SAT)


@dataclass(frozen=True)
class TemplateConfig:
    """How a template is built.

    Attributes
    ----------
    clip_sigma : float
        Pixels further than this many standard deviations from the median are left out.
    clip_fraction : float
        Fraction of the median added to that: exposures of different seeing disagree about stars.
    min_for_clip : int
        Fewest exposures among which an outlier can be told.
    high_variance : float
        Pixels noisier than the median by this factor in variance are flagged HIGH_VARIANCE.
    workers : int
        Threads.
    """

    clip_sigma: float = 5.0
    clip_fraction: float = 0.25
    min_for_clip: int = 3
    high_variance: float = 2.0
    workers: int = 2

    def __post_init__(self) -> None:
        if not self.clip_sigma > 0 or not self.clip_fraction >= 0 or self.min_for_clip < 3:
            raise ValueError(
                "clip_sigma must be positive, clip_fraction not negative and min_for_clip at "
                f"least 3, not {self.clip_sigma}, {self.clip_fraction}, {self.min_for_clip}"
            )
        if not self.high_variance > 1 or not self.workers > 0:
            raise ValueError(
                "high_variance must be above 1 and workers positive, not "
                f"{self.high_variance}, {self.workers}"
            )


@dataclass(frozen=True)
class Template:
    """A template and how it was built.

    Attributes
    ----------
    exposure : Exposure
        Mean of the exposures, with PSF and WCS.
    metrics : dict of str to float
        Exposures, coverage, clipped fraction, width of the PSF.
    """

    exposure: Exposure
    metrics: Metrics


def build(
    exposures: Sequence[Exposure],
    wcs: WCS,
    shape: tuple[int, int],
    config: TemplateConfig | None = None,
) -> Template:
    """Warp exposures to common pixels and average them.

    Each exposure has one weight, the inverse of its median variance, so that the PSF of the mean
    is the weighted mean of the PSFs.  Bad pixels and outliers are left out: moving objects,
    satellites, cosmic rays, transients of the minority.

    Parameters
    ----------
    exposures : sequence of Exposure
        Calibrated exposures of one band [nJy], with WCS and PSF.
    wcs : astropy.wcs.WCS
        World coordinates of the template.
    shape : tuple of int
        Its rows and columns.
    config : TemplateConfig, optional
        Settings.

    Returns
    -------
    Template

    Raises
    ------
    TemplateError
        No exposures, of different units or bands, or none that covers the template.
    """
    config = config or TemplateConfig()
    _check(exposures)
    warped = []
    reasons = []
    for exposure in exposures:
        try:
            warped.append(warp(exposure, wcs, shape, workers=config.workers))
        except TemplateError as error:
            reasons.append(error.cause)
    if not warped:
        raise TemplateError(f"none of {len(exposures)} exposures can be used: {reasons[0]}")
    weights = np.array([_weight(exposure) for exposure in warped])
    image, variance, mask, clipped = _averaged(warped, weights, config)
    mask |= _noisy(variance, mask, config.high_variance)
    psf = _mean_psf(warped, weights, shape)
    exposure = Exposure(image, mask, variance, warped[0].unit, psf=psf, wcs=wcs)
    exposure = exposure.with_(photo_calib=warped[0].photo_calib)
    metrics = {
        "template.exposures": float(len(warped)),
        "template.left_out": float(len(reasons)),
        "template.coverage": float(1.0 - exposure.masked(Mask.NO_DATA).mean()),
        "template.clipped": clipped,
        "template.fwhm": psf.fwhm if psf is not None else float("nan"),
    }
    return Template(exposure, metrics)


def _check(exposures: Sequence[Exposure]) -> None:
    """Refuse exposures that do not belong into one template."""
    if not exposures:
        raise TemplateError("no exposure to build a template of")
    units = {exposure.unit for exposure in exposures}
    if len(units) > 1:
        raise TemplateError(f"exposures are in different units ({', '.join(sorted(units))})")
    bands = {exposure.info.band for exposure in exposures if exposure.info is not None}
    if len(bands) > 1:
        raise TemplateError(f"exposures are of different bands ({', '.join(sorted(bands))})")


def _weight(exposure: Exposure) -> float:
    """Inverse of the median variance."""
    sparse = exposure.variance[::4, ::4][~exposure.masked()[::4, ::4]]
    middle = float(np.median(sparse)) if sparse.size else 0.0
    return 1.0 / middle if middle > 0 else 0.0


def _averaged(
    warped: Sequence[Exposure], weights: Floats, config: TemplateConfig
) -> tuple[Image, Image, Bits, float]:
    """Average band by band."""
    shape = warped[0].shape
    image, variance = (np.zeros(shape, np.float32) for _ in range(2))
    mask = np.zeros(shape, np.uint32)
    clipped = 0
    for first in range(0, shape[0], _BAND):
        rows = slice(first, first + _BAND)
        pixels, noise, bits = (
            np.stack([getattr(exposure, name)[rows] for exposure in warped])
            for name in ("image", "variance", "mask")
        )
        good = ((bits & np.uint32(UNUSABLE)) == 0) & (noise > 0)
        kept = good & ~_outliers(pixels, noise, good, config)
        clipped += int(good.sum() - kept.sum())
        image[rows], variance[rows], mask[rows] = _band(pixels, noise, bits, kept, weights)
    return image, variance, mask, clipped / (image.size * len(warped))


def _outliers(
    pixels: Image, noise: Image, good: NDArray[np.bool_], config: TemplateConfig
) -> NDArray[np.bool_]:
    """Tell which pixels disagree with the median of all."""
    enough = good.sum(axis=0) >= config.min_for_clip
    if not enough.any():
        return np.zeros(pixels.shape, bool)
    ordered = np.sort(np.where(good, pixels, np.inf), axis=0)
    count = good.sum(axis=0)
    low, high = (np.maximum(count - 1, 0) // 2, count // 2)
    picked = [
        np.take_along_axis(ordered, np.minimum(at, len(pixels) - 1)[np.newaxis], axis=0)[0]
        for at in (low, high)
    ]
    median = np.where(enough, 0.5 * (picked[0] + picked[1]), 0.0)
    allowed = config.clip_sigma * np.sqrt(noise) + config.clip_fraction * np.abs(median)
    allowed = np.where(enough & good, allowed, np.inf)
    excess = np.abs(pixels - median) / allowed
    # Around what stands out by far lie its wings, which do not stand out themselves.
    grown = maximum_filter(excess > _FAR, size=(1, 3, 3))
    return np.asarray((excess > 1.0) | grown)


def _band(
    pixels: Image, noise: Image, bits: Bits, kept: NDArray[np.bool_], weights: Floats
) -> tuple[Image, Image, Bits]:
    """Average the pixels kept; what no exposure has is NO_DATA, or SAT where all are saturated."""
    weight = np.where(kept, weights[:, np.newaxis, np.newaxis], 0.0).astype(np.float32)
    total = weight.sum(axis=0)
    empty = total <= 0
    divisor = np.where(empty, 1.0, total)
    mean = (weight * pixels).sum(axis=0) / divisor
    variance = (np.square(weight) * noise).sum(axis=0) / np.square(divisor)
    found = np.bitwise_or.reduce(np.where(kept, bits & _ALWAYS, np.uint32(0)), axis=0)
    saturated = ((bits & _SATURATED) != 0).sum(axis=0)
    most = empty & (saturated > 0)
    found |= np.where(most, _SATURATED, np.uint32(0))
    found |= np.where(empty & ~most, np.uint32(Mask.NO_DATA), np.uint32(0))
    if most.any():
        brightest = pixels.max(axis=0)
        mean, variance = (
            np.where(most, brightest, mean),
            np.where(most, noise.max(axis=0), variance),
        )
    return mean, variance, found


def _noisy(variance: Image, mask: Bits, factor: float) -> Bits:
    """HIGH_VARIANCE where the variance is far above the median."""
    covered = (mask & np.uint32(Mask.NO_DATA | Mask.SAT)) == 0
    if not covered.any():
        return np.zeros_like(mask)
    limit = factor * float(np.median(variance[covered]))
    return np.where(covered & (variance > limit), np.uint32(Mask.HIGH_VARIANCE), np.uint32(0))


def _mean_psf(warped: Sequence[Exposure], weights: Floats, shape: tuple[int, int]) -> Psf | None:
    """Average the PSFs on a grid of positions."""
    psfs = [exposure.psf for exposure in warped]
    if any(psf is None for psf in psfs):
        return None
    axes = (np.linspace(0, length - 1, _NODES) for length in shape[::-1])
    x, y = (axis.ravel() for axis in np.meshgrid(*axes))
    half = max(psf.half for psf in psfs if psf is not None)
    total = np.zeros((len(x), 2 * half + 1, 2 * half + 1))
    for psf, weight in zip(psfs, weights, strict=True):
        assert psf is not None
        inner = slice(half - psf.half, half + psf.half + 1)
        total[:, inner, inner] += weight * psf.at(x, y)
    return Psf.fit(x, y, total / weights.sum(), 2, (shape[1], shape[0]))
