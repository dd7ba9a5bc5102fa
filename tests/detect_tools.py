"""Differences that are made by hand: noise, Gaussian or galsim's sources, a WCS with a skew."""

from __future__ import annotations

from collections.abc import Callable

import galsim
import numpy as np
from astropy.wcs import WCS

from pipeline.exposure import Exposure
from pipeline.psf import Psf
from pipeline.subtract import Difference

SIGMA = 10.0


def wcs() -> WCS:
    made = WCS(naxis=2)
    made.wcs.crpix, made.wcs.crval = [300.0, 200.0], [150.0, -60.0]
    made.wcs.cd = np.array([[-0.2, 0.03], [0.04, 0.2]]) / 3600.0
    made.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    return made


def difference(image: np.ndarray, variance: np.ndarray | float, psf: Psf, **changes) -> Difference:
    exposure = Exposure(
        np.asarray(image, np.float32),
        np.zeros(image.shape, np.uint32),
        np.broadcast_to(np.float32(variance), image.shape).astype(np.float32),
        psf=psf,
        wcs=wcs(),
    ).with_(**changes)
    return Difference(exposure, exposure, "convolve_template", None, None, {})


def gaussian(shape: tuple[int, int], x: float, y: float, fwhm: float) -> np.ndarray:
    sigma = fwhm / 2.3548200450309493
    rows = np.exp(-0.5 * ((np.arange(shape[0]) - y) / sigma) ** 2)
    columns = np.exp(-0.5 * ((np.arange(shape[1]) - x) / sigma) ** 2)
    return np.outer(rows, columns) / (2 * np.pi * sigma**2)


def add_gaussians(image: np.ndarray, x, y, flux, fwhm: float) -> None:
    reach = int(6 * fwhm)
    for at_x, at_y, light in zip(x, y, flux, strict=True):
        x0, y0 = max(round(at_x) - reach, 0), max(round(at_y) - reach, 0)
        part = image[y0 : round(at_y) + reach + 1, x0 : round(at_x) + reach + 1]
        part += light * gaussian(part.shape, at_x - x0, at_y - y0, fwhm)


def moffat(fwhm: float, size: tuple[int, int]) -> tuple[galsim.GSObject, Psf]:
    """A profile whose stamp of 63 pixels holds nearly all of its light, and as Psf."""
    accurate = galsim.GSParams(folding_threshold=1e-4)
    profile = galsim.Moffat(beta=4.0, fwhm=fwhm, gsparams=accurate).shear(g1=0.03)
    image = profile.drawImage(nx=63, ny=63, scale=1.0).array.astype(float)
    return profile, Psf.constant(image / image.sum(), size)


def on_grid(
    rng: np.random.Generator,
    n: int,
    step: int,
    draw: Callable[[float, float], tuple[galsim.GSObject, float, float]],
) -> tuple[np.ndarray, np.ndarray]:
    """Draw n × n objects by galsim: an image, and their places."""
    image = galsim.ImageD(n * step, n * step, scale=1.0)
    places = step * (np.indices((n, n)).reshape(2, -1).T + 0.5)[:, ::-1]
    places = places + rng.uniform(-0.5, 0.5, places.shape)
    for x, y in places:
        profile, dx, dy = draw(x, y)
        stamp = profile.drawImage(
            nx=step, ny=step, center=galsim.PositionD(x + 1 + dx, y + 1 + dy), scale=1.0
        )
        part = stamp.bounds & image.bounds
        image[part] += stamp[part]
    return image.array, places


def moved_on_grid(
    seed: int, n: int, step: int, profile: galsim.GSObject, half: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw objects that moved: images with them ahead of and behind their places by `half`."""
    images = []
    for sign in (1, -1):
        each = iter(sign * half)
        image, places = on_grid(
            np.random.default_rng(seed), n, step, lambda x, y, each=each: (profile, *next(each))
        )
        images.append(image)
    return images, places


def pulls(values, truth, errors) -> tuple[float, float]:
    each = (np.asarray(values, float) - truth) / np.asarray(errors, float)
    return float(each.mean()), float(each.std(ddof=1))


def assert_pulls(values, truth, errors, bias: float = 0.1) -> None:
    """Mean within 0.1 and width 0.9-1.15, both widened by 3.3 of their sampling errors."""
    n = len(values)
    mean, width = pulls(values, truth, errors)
    assert abs(mean) < bias + 3.3 / np.sqrt(n), (mean, width, n)
    slack = 3.3 / np.sqrt(2 * n)
    assert 0.9 * (1 - slack) < width < 1.15 * (1 + slack), (mean, width, n)


def noise_of_flux(psf: Psf) -> float:
    """Error of a PSF flux in noise of SIGMA."""
    return SIGMA / float(np.sqrt(np.square(psf.centre).sum()))
