"""Subtraction from end to end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.errors import SubtractError
from pipeline.exposure import UNUSABLE, Exposure, Metrics
from pipeline.psf import Psf
from pipeline.subtract import apply, masks
from pipeline.subtract.background import differential_background
from pipeline.subtract.bases import Bases, gaussians
from pipeline.subtract.config import SubtractConfig
from pipeline.subtract.difference import Difference
from pipeline.subtract.fit import Fit, fit_kernel
from pipeline.subtract.kernel import Kernel
from pipeline.subtract.stars import candidates

Direction = Literal["convolve_template", "convolve_science"]


@dataclass(frozen=True)
class _Match:
    """Which image is convolved with what."""

    direction: Direction
    fit: Fit
    rung: str


def subtract(
    science: Exposure,
    template: Exposure,
    sources: Table | None = None,
    config: SubtractConfig | None = None,
) -> Difference:
    """Match a template to a science image and subtract it.

    Parameters
    ----------
    science : Exposure
        Calibrated image [nJy] with PSF.
    template : Exposure
        Template on the same pixels [nJy], with PSF.
    sources : astropy.table.Table, optional
        Sources of the science image, as calibrate makes them: x, y, snr, is_star, flags.
    config : SubtractConfig, optional
        Settings.

    Returns
    -------
    Difference

    Raises
    ------
    SubtractError
        The images do not belong together, have no noise or PSF, or their stars do not match.
    """
    config = config or SubtractConfig()
    started = time.perf_counter()
    _check(science, template)
    match, stars = _match(science, template, sources, config)
    difference = _difference(science, template, match, config)
    metrics = {
        **difference.metrics,
        "subtract.stars": float(stars),
        "subtract.stars_used": float(match.fit.used.sum()),
        "subtract.chi2": match.fit.chi2,
        "subtract.condition": match.fit.condition,
        "subtract.kernel_order": float(match.fit.kernel.order),
        "subtract.kernel_sum": match.fit.kernel.sum,
        "subtract.seconds": time.perf_counter() - started,
    }
    return Difference(
        difference.exposure,
        difference.matched_template,
        match.direction,
        match.fit.kernel,
        None,
        metrics,
    )


def _check(science: Exposure, template: Exposure) -> None:
    """Refuse images that cannot be subtracted."""
    if science.shape != template.shape:
        raise SubtractError(
            f"the template has {template.shape} pixels, the science image {science.shape}; warp "
            "it to the science image first"
        )
    if science.unit != template.unit:
        raise SubtractError(
            f"the template is in {template.unit}, the science image in {science.unit}; calibrate both"
        )
    for name, exposure in (("science image", science), ("template", template)):
        usable = ~exposure.masked()
        if not usable.any():
            raise SubtractError(f"the {name} has no usable pixel: all are masked")
        if not np.isfinite(exposure.image[usable]).all():
            raise SubtractError(f"the {name} has NaN in pixels that its mask says are good")
        if not (exposure.variance[usable] > 0).mean() > 0.5:
            raise SubtractError(
                f"the variance of the {name} is not positive in most good pixels; check the gain"
            )
        if exposure.psf is None:
            raise SubtractError(f"the {name} has no PSF model; calibrate it first")
    if not (~science.masked() & ~template.masked()).any():
        raise SubtractError("science image and template have no good pixel in common")


def _match(
    science: Exposure, template: Exposure, sources: Table | None, config: SubtractConfig
) -> tuple[_Match, int]:
    """Choose a direction and fit the kernel."""
    widths = _fwhm(science), _fwhm(template)
    direction: Direction = "convolve_template"
    if config.flavour == "convolve_science" or (
        config.flavour == "auto" and widths[1] > widths[0] * (1.0 + config.hysteresis)
    ):
        direction = "convolve_science"
    narrow, wide = (template, science)
    if direction == "convolve_science":
        narrow, wide = science, template
    bases = gaussians(_fwhm(narrow), _fwhm(wide), config.kernel_degrees, config.kernel_half)
    half = config.stamp_half or int(np.clip(np.ceil(2.5 * max(widths)), 8, 20))
    where = candidates(sources, science, template, config.min_snr, half + bases.half + 1)
    where = where[: config.max_stamps]
    fit, rung = _ladder(narrow, wide, where, bases, half, config)
    return _Match(direction, fit, rung), len(where)


def _ladder(
    narrow: Exposure,
    wide: Exposure,
    where: NDArray[np.float64],
    bases: Bases,
    half: int,
    config: SubtractConfig,
) -> tuple[Fit, str]:
    """Fit the best kernel that the stars can bear."""
    fit = fit_kernel(narrow, wide, where, bases, half, config)
    if fit is None:
        raise SubtractError(f"{len(where)} stars are too few for a kernel")
    return fit, "alard_lupton"


def _fwhm(exposure: Exposure) -> float:
    """Width of the PSF."""
    assert isinstance(exposure.psf, Psf)
    return exposure.psf.fwhm


def _difference(
    science: Exposure, template: Exposure, match: _Match, config: SubtractConfig
) -> Difference:
    """Apply a kernel, take the background away, whiten."""
    kernel = match.fit.kernel
    forward = match.direction == "convolve_template"
    narrow, wide = (template, science) if forward else (science, template)
    flux = 1.0 if forward else kernel.sum
    convolved = apply.convolve_varying(narrow.image, kernel, config.workers)
    difference = (wide.image - convolved) if forward else (convolved - wide.image) / flux
    reach = masks.reach_of(kernel.centre, 0.99)
    bits, usable = _mask(science, template, forward, reach)
    background, level = differential_background(difference, usable, config.background_order)
    difference -= background
    difference[~usable] = 0.0
    half = config.decorrelation_half or kernel.half + 4
    noise = apply.Noise(wide.variance, narrow.variance, kernel, usable)
    white, variance, nodes = apply.whiten(
        difference, noise, half, config.workers, decorrelate=config.decorrelate
    )
    variance /= flux**2
    masks.with_edges(bits, kernel.half, ~usable)
    psf = _psf(science, template, match, nodes)
    exposure = science.with_(image=white, variance=variance, mask=bits, psf=psf)
    matched = template.with_(
        image=convolved if forward else wide.image / np.float32(flux), mask=bits, wcs=science.wcs
    )
    metrics: Metrics = {"subtract.background": level}
    return Difference(exposure, matched, match.direction, kernel, None, metrics)


def _mask(
    science: Exposure, template: Exposure, forward: bool, reach: int
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Mask of the difference, and which of its pixels have a value."""
    of_science, of_template = masks.of_science(science), masks.of_template(template)
    if forward:
        bits = of_science | masks.spread(of_template, reach)
    else:
        bits = masks.spread(of_science, reach) | of_template
    usable = ((of_science | of_template) & np.uint32(UNUSABLE)) == 0
    return bits, usable


def _psf(science: Exposure, template: Exposure, match: _Match, nodes: NDArray[np.float64]) -> Psf:
    """PSF of sources of the difference."""
    source = (science if match.direction == "convolve_template" else template).psf
    assert source is not None
    return apply.psf_of(source, nodes, science.shape)
