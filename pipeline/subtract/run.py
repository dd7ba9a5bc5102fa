"""Subtraction from end to end."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from apdb.one_thread import ONE_THREAD
from pipeline.errors import SubtractError
from pipeline.exposure import UNUSABLE, Bits, Exposure, Metrics
from pipeline.subtract import apply, masks, quality
from pipeline.subtract.agreement import Agreement, agreement
from pipeline.subtract.background import differential_background
from pipeline.subtract.checks import check, psf_of
from pipeline.subtract.config import SubtractConfig
from pipeline.subtract.difference import Difference
from pipeline.subtract.kernel import Kernel
from pipeline.subtract.matching import Match, match
from pipeline.subtract.score import score_image
from pipeline.subtract.tiles import Image


@ONE_THREAD
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
    check(science, template)
    found = match(science, template, sources, config)
    models = _agreement(science, template, found)
    raw = _subtracted(science, template, found, models.scale, config)
    exposure, added = _whitened(science, template, found, models, raw, config)
    score = None
    if found.flavour == "preconvolve":
        score = score_image(
            science, template, exposure, raw.matched, raw.usable, found.where, config
        )
    metrics = {
        "subtract.stars": float(len(found.where)),
        "subtract.kernel_order": float(found.kernel.order),
        "subtract.kernel_sum": found.kernel.sum,
        "subtract.background": raw.level,
        "subtract.flux_error": models.flux,
        "subtract.position_error_pixel": models.position,
        **found.metrics,
        **added,
        "subtract.seconds": time.perf_counter() - started,
    }
    matched = template.with_(image=raw.matched, mask=raw.mask, wcs=science.wcs)
    return Difference(exposure, matched, found.flavour, found.kernel, score, metrics, models)


def _agreement(science: Exposure, template: Exposure, found: Match) -> Agreement:
    """Compare the models of the PSFs, as far as it concerns the sources of the difference.

    Where the template is convolved, what is new in the science image is as it was, and measured by
    the model of its own PSF: half of the variance is taken to be of that, half of the template's.
    How far it is from where the template has it depends on all.
    """
    forward = found.direction == "convolve_template"
    narrow, wide = (template, science) if forward else (science, template)
    models = agreement(psf_of(narrow), found.kernel, psf_of(wide))
    if not forward:
        return models
    flux, position = (each * np.sqrt(0.5) for each in (models.flux, models.position))
    return Agreement(flux=float(flux), position=float(position), apart=models.apart)


@dataclass(frozen=True)
class _Raw:
    """A difference as it is before whitening."""

    image: Image
    matched: Image
    mask: Bits
    usable: NDArray[np.bool_]
    level: float


def _subtracted(
    science: Exposure, template: Exposure, found: Match, scale: float, config: SubtractConfig
) -> _Raw:
    """Apply the kernel and take the differential background away; fluxes stay those before."""
    kernel = found.kernel
    forward = found.direction == "convolve_template"
    narrow = template if forward else science
    convolved = apply.convolve_varying(narrow.image, kernel, config.workers)
    if forward:
        matched, difference = convolved, science.image - convolved
    else:
        matched = template.image / np.float32(scale)
        difference = convolved / np.float32(scale) - matched
    mask, usable = _mask(science, template, kernel, forward=forward)
    background, level = differential_background(difference, usable, config.background_order)
    difference -= background
    difference[~usable] = 0.0
    return _Raw(difference, matched, mask, usable, level)


def _mask(
    science: Exposure, template: Exposure, kernel: Kernel, *, forward: bool
) -> tuple[Bits, NDArray[np.bool_]]:
    """Mask of the difference, and which of its pixels have a value."""
    of_science, of_template = masks.of_science(science), masks.of_template(template)
    usable = ((of_science | of_template) & np.uint32(UNUSABLE)) == 0
    reach = masks.reach_of(kernel.centre, 0.99)
    if forward:
        bits = of_science | masks.spread(of_template, reach)
    else:
        bits = masks.spread(of_science, reach) | of_template
    return masks.with_edges(bits, kernel.half, ~usable), usable


def _whitened(
    science: Exposure,
    template: Exposure,
    found: Match,
    models: Agreement,
    raw: _Raw,
    config: SubtractConfig,
) -> tuple[Exposure, Metrics]:
    """Whiten the noise; find variance, PSF and what is left of stars."""
    forward = found.direction == "convolve_template"
    narrow, wide = (template, science) if forward else (science, template)
    noise = apply.Noise(wide.variance, narrow.variance, found.kernel, raw.usable)
    half = config.decorrelation_half or found.kernel.half + 4
    own = psf_of(wide)
    image, variance, nodes = apply.whiten(
        raw.image, noise, own, half, config.workers, decorrelate=config.decorrelate
    )
    variance /= np.float32(models.scale**2)
    psf = apply.psf_of(own, nodes, science.shape, models.shift)
    where = found.where
    left = quality.residual_fraction(raw.image, variance, science.image, where)
    if left > config.max_residual:
        raise SubtractError(
            f"{left:.0%} of the light of the brightest stars is left, more than "
            f"{config.max_residual:.0%}; template and image do not match: check WCS, PSF and "
            "zero point of both"
        )
    metrics = {"subtract.residual_fraction": left, **_noise(image, variance, raw)}
    if config.residual_variance:
        residuals = quality.measure_residuals(image, variance, raw.matched, psf, where)
        residuals.add_to(variance, raw.matched)
        metrics["subtract.residual_flux"] = residuals.flux
        metrics["subtract.residual_gradient"] = residuals.gradient
    exposure = science.with_(image=image, variance=variance, mask=raw.mask, psf=psf)
    return exposure, metrics


def _noise(image: Image, variance: Image, raw: _Raw) -> Metrics:
    """Compare the noise of the difference with what it should be."""
    step = max(1, min(image.shape) // 512)
    sparse = (slice(None, None, step), slice(None, None, step))
    use = raw.usable[sparse] & (variance[sparse] > 0)
    pull = image[sparse][use] / np.sqrt(variance[sparse][use])
    middle = float(np.median(pull))
    return {"subtract.noise": 1.4826 * float(np.median(np.abs(pull - middle)))}
