"""Sources of an image, and their shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sep
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.calibrate.background import sky
from pipeline.calibrate.extract import extract
from pipeline.calibrate.kernels import adaptive_moments, smooth
from pipeline.errors import CalibrateError
from pipeline.exposure import Image

FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))


@dataclass(frozen=True)
class Found:
    """Sources of an image.

    Attributes
    ----------
    sources : Table
        x, y, peak_snr, ixx, iyy, ixy, flux, spoiled (part of its light on bad pixels), converged;
        by falling flux.
    covered : ndarray of bool, shape (ny, nx)
        Pixels of sources.
    noise : float
        Noise of the smoothed sky over that of white noise: above 1 if noise is correlated.
    """

    sources: Table
    covered: NDArray[np.bool_]
    noise: float


def find(
    image: Image,
    rms: Image,
    bad: NDArray[np.bool_],
    covered: NDArray[np.bool_],
    fwhm: float,
    threshold: float,
    min_area: int,
    keep: int,
) -> Found:
    """Find sources on the image smoothed with a Gaussian.

    The threshold is in units of the noise that the smoothed blank sky has, so that correlated
    noise does not make sources.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels without background.
    rms : ndarray of float32, shape (ny, nx)
        Noise of the sky, known up to a factor.
    bad : ndarray of bool, shape (ny, nx)
        Pixels that say nothing; a source on them is found from its other pixels.
    covered : ndarray of bool, shape (ny, nx)
        Pixels of sources that are known, which are not sky.
    fwhm : float
        Width of the Gaussian [pixel].
    threshold : float
        In sigmas.
    min_area : int
        Pixels above the threshold.
    keep : int
        The brightest are returned, if there are more.

    Returns
    -------
    Found

    Raises
    ------
    CalibrateError
        The noise is zero, or there are so many sources that it must be wrong.
    """
    half = max(2, round(1.5 * fwhm))
    line = np.exp(-0.5 * (np.arange(-half, half + 1) * FWHM / fwhm) ** 2).astype(np.float32)
    clean = image / rms
    clean[bad] = 0.0
    filtered = smooth(clean, line / line.sum())
    del clean
    level, noise = sky(filtered, bad | covered)
    if not noise > 0:
        raise CalibrateError(
            "the sky has no noise (all pixels equal?), so nothing can be found in it; check that "
            "the file is an image of the sky and not already clipped or rounded to zero"
        )
    filtered -= np.float32(level)
    sep.set_sub_object_limit(8192)
    try:
        found, labels = extract(
            filtered,
            threshold * noise,
            minarea=min_area,
            filter_kernel=None,
            deblend_cont=0.005,
            clean=False,
            segmentation_map=True,
        )
    except Exception as error:
        raise CalibrateError(
            f"sources cannot be told apart ({error}); the noise of the sky is {noise:.3g} times "
            "the expected one: check gain and variance, or raise `threshold`"
        ) from error
    sources = _measured(image, rms, bad, found, fwhm)
    sources["peak_snr"] = found["peak"] / noise
    order = np.argsort(-np.nan_to_num(sources["flux"]), kind="stable")[:keep]
    white = float(np.sum((line / line.sum()) ** 2))
    return Found(sources[order], labels > 0, noise / white)


def _measured(
    image: Image, rms: Image, bad: NDArray[np.bool_], found: NDArray[np.void], fwhm: float
) -> Table:
    """Return positions and adaptive moments of what was extracted."""
    x, y = (found[name].astype(np.float64) for name in ("x", "y"))
    moments = adaptive_moments(np.ascontiguousarray(image), bad, x, y, fwhm / FWHM)
    names = ("x", "y", "ixx", "iyy", "ixy", "flux", "spoiled", "converged")
    sources = Table({name: moments[:, i] for i, name in enumerate(names)})
    sources["converged"] = sources["converged"] == 1
    lost = ~np.isfinite(sources["flux"])
    at = tuple(
        np.clip(np.rint(v).astype(int), 0, n - 1) for v, n in zip((y, x), image.shape, strict=True)
    )
    sources["flux"][lost] = (found["flux"] * rms[at])[lost]
    return sources
