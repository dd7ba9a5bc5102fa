"""Images to learn from: simulated, with most of what goes wrong in real ones."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter

from pipeline.calibrate import calibrate
from pipeline.classify.features import features
from pipeline.classify.lessons import Lesson
from pipeline.classify.night import DEEP, MATCH
from pipeline.classify.search import Search, search
from pipeline.exposure import Exposure, Image, Mask
from pipeline.fakes import FakesConfig, draw_fakes, inject, match
from pipeline.scene import Case, PsfModel, SimulatedField, simulate_field
from pipeline.scene.artefacts import cosmic_rays

_SIDE = 768
#: Nearer than this to an object a source may have to do with it [FWHM].
_DOUBTFUL = 2.0
_LEAST_SNR = 3.0
#: Besides the transients of the field: what is near the limit must be learnt best, and is rare.
_FAINT = FakesConfig(density=1e7, most=60, snr=(3.5, 9.0), snr_fraction=1.0, in_template=0.3)


def lesson(seed: int) -> Lesson:
    """Simulate an image, search it, and compare with the truth.

    Parameters
    ----------
    seed : int
        Of everything.

    Returns
    -------
    Lesson
    """
    field = difficult_field(seed)
    science = calibrate(field.science)
    template = calibrate(field.template).exposure
    rng = np.random.default_rng([seed, 31])
    variance = science.exposure.variance + template.variance
    fakes = draw_fakes(science.exposure, rng, _FAINT, variance=variance)
    image, fakes = inject(science.exposure, fakes, rng)
    template, fakes = inject(template, fakes, rng, template=True)
    found = search(image, template, science.sources, DEEP)
    real, doubtful = classes(found, field.truth)
    real |= match(fakes, found.table, MATCH * image.seeing).is_fake
    use = real | ~doubtful
    table = features(found.table, found.stamps)[use]
    return Lesson(table, real[use], np.full(len(table), seed))


def difficult_field(seed: int) -> SimulatedField:
    """Simulate a field whose template does not fit, on a detector that is not perfect.

    Parameters
    ----------
    seed : int
        Of everything.

    Returns
    -------
    SimulatedField
    """
    rng = np.random.default_rng([seed, 7])
    fwhm = float(rng.uniform(2.6, 5.2))
    ratio = float(np.exp(rng.normal(-0.1, 0.12)))
    shears = rng.normal(0, 0.04, 4).tolist()
    case = Case(
        PsfModel(fwhm, *shears[:2]),
        PsfModel(max(fwhm * ratio, 2.4), *shears[2:]),
        template_noise=float(10 ** rng.uniform(-0.7, 0.0)),
    )
    shift = rng.normal(0.0, 0.12, 2).tolist()
    field = simulate_field(
        seed,
        (_SIDE, _SIDE),
        int(np.exp(rng.uniform(np.log(100), np.log(2800)))),
        int(rng.uniform(30, 150)),
        100,
        case=case,
        n_variables=15,
        psf_variation=float(rng.uniform(0, 3)),
        full_well=float(rng.choice([np.inf, 10 ** rng.uniform(4.3, 5.2)])),
        background=float(rng.normal(0, 5)),
        # of pixels that are taken to be the same: what registration left
        dither=(shift[0], shift[1]),
        # half of them with stars that saturate and have haloes
        star_flux=(500.0, float(10 ** rng.choice([rng.uniform(5.5, 6.5), rng.uniform(6.5, 8.0)]))),
    )
    science = blemished(field.science, rng)
    if rng.random() < 0.5:
        field = field._replace(template=blemished(field.template, rng))
    if rng.random() < 0.5:
        smoothing = float(rng.uniform(0.05, 0.2))
        science, template = (smoothed(each, smoothing) for each in (science, field.template))
        field = field._replace(template=template)
    return field._replace(science=science)


def blemished(exposure: Exposure, rng: np.random.Generator) -> Exposure:
    """Add what detectors do: the mask knows few of it.

    Hot and dark pixels and spots, cosmic rays, bad columns, the trail of a satellite, and pixels
    that are not linear before they saturate.

    Parameters
    ----------
    exposure : Exposure
        Image.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Exposure
    """
    image, mask = exposure.image.copy(), exposure.mask.copy()
    sigma = float(np.sqrt(np.median(exposure.variance)))
    if rng.random() < 0.3:
        level = np.float32(np.quantile(image, 1.0 - 10 ** rng.uniform(-4.0, -3.0)))
        above = np.maximum(image - level, 0)
        image -= above * np.float32(rng.uniform(0.05, 0.3))
    rays, _ = cosmic_rays(rng, exposure.shape, 10.0)
    hits = rays * np.float32(sigma * rng.uniform(0.005, 0.05)) + _spots(rng, exposure.shape, sigma)
    # images that were resampled have no sharp pixels left
    image += gaussian_filter(hits, float(rng.choice([0.0, rng.uniform(0.3, 0.9)])))
    if rng.random() < 0.3:
        width = 1.5 if exposure.psf is None else 0.42 * exposure.psf.fwhm
        image += _streak(rng, exposure.shape, width) * np.float32(sigma * rng.uniform(0.5, 10))
    for column in rng.integers(0, exposure.shape[1], int(rng.integers(0, 3))):
        rows = slice(int(rng.integers(0, exposure.shape[0] // 2)), None)
        image[rows, column] += np.float32(sigma * rng.uniform(2, 20) * rng.choice([-1, 1]))
        if rng.random() < 0.5:
            mask[rows, column] |= np.uint32(Mask.BAD)
    return exposure.with_(image=image, mask=mask)


def _spots(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Image:
    """Return hot and dark spots of one to nine pixels."""
    found = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(5, 25))):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        high, wide = rng.integers(1, 4, 2) if rng.random() < 0.3 else (1, 1)
        height = sigma * np.exp(rng.uniform(np.log(6), np.log(200)))
        found[y : y + high, x : x + wide] += np.float32(height * rng.choice([-1, 1, 1]))
    return found


def _streak(rng: np.random.Generator, shape: tuple[int, int], width: float) -> Image:
    """Return a line across an image, of height 1 and Gaussian width [pixel]."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    angle = rng.uniform(0, np.pi)
    middle = rng.uniform(0.2, 0.8, 2) * shape
    away = (y - middle[0]) * np.cos(angle) - (x - middle[1]) * np.sin(angle)
    return np.asarray(np.exp(-0.5 * np.square(away / width)), np.float32)


def smoothed(exposure: Exposure, amount: float) -> Exposure:
    """Blur an image a little, as resampling does: its noise is correlated, and nobody knows.

    Parameters
    ----------
    exposure : Exposure
        Image.
    amount : float
        What each pixel gives to each of its neighbours on one axis.

    Returns
    -------
    Exposure
        Its variance is right for single pixels.
    """
    line = np.array([amount, 1 - 2 * amount, amount])
    kernel = np.outer(line, line).astype(np.float32)
    image = convolve(exposure.image, kernel, mode="nearest")
    variance = exposure.variance * np.float32(np.square(kernel).sum())
    psf = None if exposure.psf is None else exposure.psf.convolved(kernel)
    return exposure.with_(image=image, variance=variance, psf=psf)


def classes(found: Search, truth: Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which sources are of objects that changed.

    Parameters
    ----------
    found : Search
        Sources.
    truth : astropy.table.Table
        Of the field.

    Returns
    -------
    real, doubtful : ndarray of bool, shape (n,)
        Doubtful are those at an object that changed too little to be seen, and not real.
    """
    width = found.difference.exposure.seeing
    changed = truth[np.asarray(truth["diff_flux"]) != 0]
    # what faded is negative, as a fake in the template is
    changed["in_template"] = np.asarray(changed["diff_flux"]) < 0
    strong = changed[np.abs(np.asarray(changed["diff_snr"])) > _LEAST_SNR]
    real = match(strong, found.table, MATCH * width).is_fake
    changed.remove_column("in_template")
    near = match(changed, found.table, _DOUBTFUL * width).is_fake
    return real, near & ~real
