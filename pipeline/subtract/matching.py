"""How the images are matched: which is convolved, and with what kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.errors import SubtractError
from pipeline.exposure import Exposure, Metrics
from pipeline.subtract.apply import convolve_varying
from pipeline.subtract.bases import Bases, gaussians
from pipeline.subtract.checks import psf_of
from pipeline.subtract.config import SubtractConfig
from pipeline.subtract.fit import fit_kernel
from pipeline.subtract.kernel import Kernel
from pipeline.subtract.models import ratio_of_psfs, single_gaussian
from pipeline.subtract.stars import candidates
from pipeline.subtract.tiles import Image

Floats = NDArray[np.float64]
Direction = Literal["convolve_template", "convolve_science"]
#: Rungs of the ladder by number, as `subtract.rung` has them in the metrics.
RUNGS = ("alard_lupton", "single_gaussian", "zogy")
_FLUX_LIMITS = (0.2, 5.0)
_MODEL_HALF = 15


@dataclass(frozen=True)
class Match:
    """Which image is convolved with what.

    Attributes
    ----------
    direction : str
        ``convolve_template`` or ``convolve_science``.
    flavour : str
        The way taken: a direction, ``preconvolve`` or ``zogy``.
    kernel : Kernel
        Kernel.
    where : ndarray, shape (n, 2)
        Stars that could be fitted.
    metrics : dict of str to float
        Of the fit.
    """

    direction: Direction
    flavour: str
    kernel: Kernel
    where: Floats
    metrics: Metrics


def choose_direction(science: Exposure, template: Exposure, config: SubtractConfig) -> Direction:
    """Choose which image is convolved.

    Parameters
    ----------
    science, template : Exposure
        Images with PSFs.
    config : SubtractConfig
        Flavour and hysteresis.

    Returns
    -------
    str
    """
    if config.flavour in ("convolve_template", "preconvolve"):
        return "convolve_template"
    if config.flavour == "convolve_science":
        return "convolve_science"
    wider = psf_of(template).fwhm / psf_of(science).fwhm
    return "convolve_science" if wider > 1.0 + config.hysteresis else "convolve_template"


def match(
    science: Exposure, template: Exposure, sources: Table | None, config: SubtractConfig
) -> Match:
    """Find the best kernel that the stars can bear.

    From the top: Alard-Lupton of the highest order for which there are three stars a term, one
    Gaussian for one or two stars, the ratio of the PSF models without any.

    Parameters
    ----------
    science, template : Exposure
        Images with PSFs.
    sources : astropy.table.Table, optional
        Sources of the science image.
    config : SubtractConfig
        Settings.

    Returns
    -------
    Match

    Raises
    ------
    SubtractError
        The fluxes of the stars disagree by so much that the images cannot be calibrated alike.
    """
    direction = choose_direction(science, template, config)
    narrow, wide = (template, science)
    if direction == "convolve_science":
        narrow, wide = science, template
    flavour = config.flavour if config.flavour in ("preconvolve", "zogy") else direction
    bases, half = bases_for(narrow, wide, config), stamp_half(narrow, wide, config)
    reach = half + bases.half + 1
    where = candidates(sources, science, template, config.min_snr, reach)[: config.max_stamps]
    found = None if flavour == "zogy" else _fitted(narrow, wide, where, bases, half, config)
    if found is None:
        return _of_models(narrow, wide, where, direction)
    kernel, metrics = found
    if not _FLUX_LIMITS[0] < kernel.sum < _FLUX_LIMITS[1]:
        raise SubtractError(
            f"stars are {kernel.sum:.3g} times as bright in one image as in the other; calibrate "
            "both to the same zero point, and check that the template shows the same sky"
        )
    return Match(direction, flavour, kernel, where, metrics)


def bases_for(narrow: Exposure, wide: Exposure, config: SubtractConfig) -> Bases:
    """Return the parts of the kernel for a pair of images.

    Parameters
    ----------
    narrow, wide : Exposure
        Image to convolve and image to match, with PSFs.
    config : SubtractConfig
        Degrees and size.

    Returns
    -------
    Bases
    """
    widths = psf_of(narrow).fwhm, psf_of(wide).fwhm
    return gaussians(*widths, config.kernel_degrees, config.kernel_half)


def stamp_half(narrow: Exposure, wide: Exposure, config: SubtractConfig) -> int:
    """Return the pixels on either side of a star that take part in the fit.

    Parameters
    ----------
    narrow, wide : Exposure
        Image to convolve and image to match, with PSFs.
    config : SubtractConfig
        Settings.

    Returns
    -------
    int
    """
    widest = max(psf_of(narrow).fwhm, psf_of(wide).fwhm)
    return config.stamp_half or int(np.clip(np.ceil(2.5 * widest), 8, 20))


def _fitted(
    narrow: Exposure,
    wide: Exposure,
    where: Floats,
    bases: Bases,
    half: int,
    config: SubtractConfig,
) -> tuple[Kernel, Metrics] | None:
    """Fit a kernel to stars; None without any."""
    fit = fit_kernel(narrow, wide, where, bases, half, config)
    if fit is not None:
        return fit.kernel, {
            "subtract.rung": 0.0,
            "subtract.stars_used": float(fit.used.sum()),
            "subtract.chi2": fit.chi2,
            "subtract.condition": fit.condition,
        }
    if len(where) == 0:
        return None
    kernel = single_gaussian(narrow, wide, where[:2], half, config.systematics)
    if kernel is None:
        return None
    return kernel, {"subtract.rung": 1.0, "subtract.stars_used": float(min(len(where), 2))}


def _of_models(narrow: Exposure, wide: Exposure, where: Floats, direction: Direction) -> Match:
    """Match by the models of the PSFs."""
    kernel = ratio_of_psfs(psf_of(narrow), psf_of(wide), wide.shape, _MODEL_HALF)
    metrics = {"subtract.rung": 2.0, "subtract.stars_used": 0.0}
    return Match(direction, "zogy", kernel, where, metrics)


def match_preconvolved(
    science: Exposure, template: Exposure, where: Floats, config: SubtractConfig
) -> tuple[Kernel, Kernel, Image] | None:
    """Match the template to the science image convolved with its own reflected PSF.

    Parameters
    ----------
    science, template : Exposure
        Images with PSFs.
    where : ndarray, shape (n, 2)
        Stars.
    config : SubtractConfig
        Settings.

    Returns
    -------
    own, kernel : Kernel
        The reflected PSF, and what makes the template like the convolved science image.
    convolved : ndarray of float32, shape (ny, nx)
        The science image convolved with `own`.
    None
        If the stars are too few.
    """
    size = (science.shape[1], science.shape[0])
    own = Kernel(psf_of(science).centre[np.newaxis, ::-1, ::-1], 0, size)
    target = science.with_(
        image=convolve_varying(science.image, own, config.workers),
        variance=science.variance * np.float32(np.square(own.centre).sum()),
        psf=psf_of(science).convolved(own.centre),
    )
    bases, half = bases_for(template, target, config), stamp_half(template, target, config)
    reach = half + bases.half + 1
    inside = (where >= reach).all(axis=1) & (where < np.array(size) - reach).all(axis=1)
    fit = fit_kernel(template, target, where[inside], bases, half, config)
    return None if fit is None else (own, fit.kernel, target.image)
