"""Score image of the pre-convolution flavour (DMTN-179; DMTN-256)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.exposure import Exposure
from pipeline.subtract.apply import Noise, convolve_varying, full
from pipeline.subtract.background import differential_background
from pipeline.subtract.checks import psf_of
from pipeline.subtract.config import SubtractConfig
from pipeline.subtract.kernel import Kernel
from pipeline.subtract.matching import match_preconvolved
from pipeline.subtract.quality import excess_of_score
from pipeline.subtract.tiles import Image, Tile, for_each, forward, inverse, tiles, transfer

Floats = NDArray[np.float64]
# Where the science image's PSF has less than this amplitude, noise is taken for white.
_FAINTEST = 0.02


def score_image(
    science: Exposure,
    template: Exposure,
    difference: Exposure,
    matched: Image,
    usable: NDArray[np.bool_],
    where: Floats,
    config: SubtractConfig,
) -> Exposure:
    """Match the template to the science image convolved with its own PSF, and subtract.

    No kernel has to sharpen anything here.  With h the reflected PSF P of the science image and κ
    the kernel, h∗S - κ∗T is filtered with ĝ = 1 / (σ_S² + σ_T² |κ̂/ĥ|²), which makes of it the
    likelihood of a point source at every pixel; divided by its response to a source of unit flux
    it is the flux.

    Parameters
    ----------
    science, template : Exposure
        Images with PSFs.
    difference : Exposure
        Whitened difference: its mask is the score's, and if the stars are too few for a kernel it
        is filtered with its PSF instead.
    matched : ndarray of float32, shape (ny, nx)
        Matched template of the difference.
    usable : ndarray of bool, shape (ny, nx)
        Pixels with a value in both images.
    where : ndarray, shape (n, 2)
        Stars.
    config : SubtractConfig
        Settings.

    Returns
    -------
    Exposure
        Flux of a point source at every pixel, its variance, no PSF.
    """
    found = match_preconvolved(science, template, where, config)
    if found is None:
        return likelihood(difference, config.workers)
    own, kernel, convolved = found
    raw = convolved - convolve_varying(template.image, kernel, config.workers)
    raw -= differential_background(raw, usable, config.background_order)[0]
    raw[~usable] = 0.0
    noise = Noise(science.variance, template.variance, kernel, usable)
    image, variance = _filtered(raw, noise, own, science, config)
    if config.residual_variance:
        of_light = difference.with_(image=matched, variance=np.square(matched))
        light = likelihood(of_light, config.workers).variance
        variance += np.float32(excess_of_score(image, variance, light, where)) * light
    return difference.with_(image=image, variance=variance, psf=None)


def _filtered(
    raw: Image, noise: Noise, own: Kernel, science: Exposure, config: SubtractConfig
) -> tuple[Image, Image]:
    """Filter the difference of the convolved images; flux and variance."""
    image, variance = (np.empty(raw.shape, np.float32) for _ in range(2))
    half = config.decorrelation_half or noise.kernel.half + 4
    margin = half + max(noise.kernel.half, own.half)
    pieces = tiles((raw.shape[0], raw.shape[1]), margin)
    psf, h = psf_of(science), own.centre

    def _work(tile: Tile) -> None:
        kappa = noise.kernel.at(*tile.middle)[0]
        g = _filter(kappa, h, noise.ratio(tile), half)
        of_science, of_template = full(g, h), full(g, kappa)
        response = _peak(of_science, psf.at(*tile.middle)[0])
        spectrum = forward(tile.patch(raw)) * transfer(g / response, tile.side)
        image[tile.rows, tile.columns] = tile.core(inverse(spectrum, tile.side))
        spectrum = forward(tile.patch(noise.plain)) * transfer(
            np.square(of_science / response), tile.side
        )
        spectrum += forward(tile.patch(noise.convolved)) * transfer(
            np.square(of_template / response), tile.side
        )
        variance[tile.rows, tile.columns] = tile.core(inverse(spectrum, tile.side))

    for_each(_work, pieces, config.workers)
    return image, variance


def _filter(kappa: Floats, h: Floats, ratio: float, half: int) -> Floats:
    """Return g, scaled to unit sum."""
    side = int(fft.next_fast_len(4 * max(half, h.shape[-1] // 2) + 1, real=True))
    own, other = (np.square(np.abs(fft.rfft2(kernel, (side, side)))) for kernel in (h, kappa))
    quotient = (other + _FAINTEST**2) / (own + _FAINTEST**2)
    found = fft.irfft2(1.0 / (1.0 + ratio * quotient), (side, side))
    around = np.arange(-half, half + 1)
    found = found[around[:, np.newaxis], around]
    return np.asarray(found / found.sum())


def _peak(filter_: Floats, psf: Floats) -> float:
    """Value at the centre of a point source of unit flux after a filter."""
    both = full(filter_, psf)
    return float(both[both.shape[0] // 2, both.shape[1] // 2])


def likelihood(exposure: Exposure, workers: int) -> Exposure:
    """Return the flux that a point source at each pixel has by maximum likelihood.

    F = Σ P D / Σ P², with variance Σ P² V / (Σ P²)², P the PSF centred on the pixel.

    Parameters
    ----------
    exposure : Exposure
        Whitened difference with PSF.
    workers : int
        Threads.

    Returns
    -------
    Exposure
        Fluxes and their variance, no PSF.
    """
    psf = psf_of(exposure)
    image, variance = (np.empty(exposure.shape, np.float32) for _ in range(2))
    pieces = tiles(exposure.shape, psf.half)

    def _work(tile: Tile) -> None:
        profile = psf.at(*tile.middle)[0][::-1, ::-1]
        profile = profile / np.square(profile).sum()
        for filtered, pixels, kernel in (
            (image, exposure.image, profile),
            (variance, exposure.variance, np.square(profile)),
        ):
            spectrum = forward(tile.patch(pixels)) * transfer(kernel, tile.side)
            filtered[tile.rows, tile.columns] = tile.core(inverse(spectrum, tile.side))

    for_each(_work, pieces, workers)
    return exposure.with_(image=image, variance=variance, psf=None)
