"""What is left of stars in a difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import nnls

from pipeline.psf import Psf
from pipeline.subtract.stars import cut
from pipeline.subtract.tiles import Image

Floats = NDArray[np.float64]
Pixels = TypeVar("Pixels", Image, Floats)
_REACH = 3
_FEWEST = 3
_ROUNDS = 4
_TYPICAL = 0.003
_OUTLIER = 9.0
_MOST = 0.05  # what is more is no flaw of a match but its failure
_BRIGHT = 50


@dataclass(frozen=True)
class Residuals:
    """Residuals of stars beyond the noise.

    Attributes
    ----------
    flux : float
        Root mean square, as a fraction of the template's pixels.
    gradient : float
        Root mean square, as a fraction of the template's gradient [pixel].
    """

    flux: float
    gradient: float = 0.0

    def add_to(self, variance: Image, template: Image) -> None:
        """Add what they contribute to the variance of pixels, in place.

        Parameters
        ----------
        variance : ndarray of float32, shape (ny, nx)
            Variance.
        template : ndarray of float32, shape (ny, nx)
            Matched template.
        """
        if self.flux > 0 or self.gradient > 0:
            factors = np.float32(self.flux**2), np.float32(0.25 * self.gradient**2)
            _add(variance, np.ascontiguousarray(template, np.float32), *factors)


@njit(cache=True, nogil=True)
def _add(
    variance: Image, template: Image, light: np.float32, slope: np.float32
) -> None:  # pragma: no cover - compiled
    """Add light t² + slope |∇t|², the gradient being that of neighbours two pixels apart."""
    height, width = template.shape
    for i in range(height):
        above, below = min(i + 1, height - 1), max(i - 1, 0)
        for j in range(width):
            across = template[i, min(j + 1, width - 1)] - template[i, max(j - 1, 0)]
            along = template[above, j] - template[below, j]
            variance[i, j] += light * template[i, j] ** 2 + slope * (across**2 + along**2)


def steepness(image: Pixels) -> Pixels:
    """Return the square of the gradient of an image.

    Parameters
    ----------
    image : ndarray, shape (..., ny, nx)
        Image, or images.

    Returns
    -------
    ndarray of the same shape and type
    """
    found = np.zeros_like(image)
    found[..., 1:-1] += np.square(0.5 * (image[..., 2:] - image[..., :-2]))
    found[..., 1:-1, :] += np.square(0.5 * (image[..., 2:, :] - image[..., :-2, :]))
    return found


def measure_residuals(
    difference: Image, variance: Image, template: Image, psf: Psf, where: Floats
) -> Residuals:
    """Measure how much of stars is left, as the matched filter sees it.

    Around each star the square of the filtered difference is compared with its variance.  The
    excess is a sum of two parts, of the star's own light (its shape) and of its gradient (its
    position); both are found by least squares in which stars that vary do not count.

    Parameters
    ----------
    difference, variance : ndarray of float32, shape (ny, nx)
        Whitened difference and its variance.
    template : ndarray of float32, shape (ny, nx)
        Matched template.
    psf : Psf
        PSF of the difference.
    where : ndarray, shape (n, 2)
        Stars, away from the edges.

    Returns
    -------
    Residuals
        Zero if there are too few stars.
    """
    half = min(psf.half, int(np.ceil(1.5 * psf.fwhm)))
    reach = half + _REACH + 1
    inside = (where > reach + 1).all(axis=1)
    inside &= (where < np.array(difference.shape[::-1]) - reach - 2).all(axis=1)
    where = where[inside]
    if len(where) < _FEWEST:
        return Residuals(0.0, 0.0)
    middle = psf.half
    profiles = psf.at(*where.T)[
        :, middle - half : middle + half + 1, middle - half : middle + half + 1
    ]
    stamps = {
        name: np.asarray(cut(image, where, reach), np.float64)
        for name, image in (("d", difference), ("v", variance), ("t", template))
    }
    squares: Floats = np.square(profiles)
    excess = np.square(_filtered(stamps["d"], profiles)) - _filtered(stamps["v"], squares)
    noise = _filtered(stamps["v"], squares).mean(axis=(1, 2))
    light = _filtered(np.square(stamps["t"]), squares).mean(axis=(1, 2))
    slope = _filtered(steepness(stamps["t"]), squares).mean(axis=(1, 2))
    return _fitted(excess.mean(axis=(1, 2)), noise, np.column_stack((light, slope)))


def excess_of_score(score: Image, variance: Image, light: Image, where: Floats) -> float:
    """Measure how much of stars is left in a score image.

    Parameters
    ----------
    score, variance : ndarray of float32, shape (ny, nx)
        Score and its variance.
    light : ndarray of float32, shape (ny, nx)
        Square of the template, filtered as variances are.
    where : ndarray, shape (n, 2)
        Stars, away from the edges.

    Returns
    -------
    float
        What `light` is to be multiplied with to be the variance beyond the noise.
    """
    if len(where) < _FEWEST:
        return 0.0
    squares, noise, parts = (
        np.asarray(cut(image, where, _REACH), np.float64).mean(axis=(1, 2))
        for image in (np.square(score), variance, light)
    )
    return _fitted(squares - noise, noise, parts[:, np.newaxis]).flux ** 2


def _filtered(stamps: Floats, profiles: Floats) -> Floats:
    """Correlate each stamp with its profile, where the star's surroundings are."""
    side = profiles.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(stamps, (side, side), axis=(1, 2))
    return np.asarray(np.einsum("nyxij,nij->nyx", windows, profiles, optimize=True))


def _fitted(excess: Floats, noise: Floats, parts: Floats) -> Residuals:
    """Fit excess = f² light + g² slope, neither negative."""
    found = np.zeros(parts.shape[1])
    # Half of the stars are thought to be constant; where to begin with the others.
    relative = excess / (noise + _TYPICAL**2 * parts[:, 0])
    use = relative <= max(4.0, 4.0 * float(np.median(relative)))
    for _ in range(_ROUNDS):
        if use.sum() < _FEWEST:
            return Residuals(0.0)
        weight = 1.0 / (noise + parts @ found)[use]
        found = nnls(parts[use] * weight[:, np.newaxis], excess[use] * weight)[0]
        use = excess < _OUTLIER * (noise + parts @ found)
    return Residuals(*(min(float(np.sqrt(part)), _MOST) for part in found))


def residual_fraction(difference: Image, variance: Image, image: Image, where: Floats) -> float:
    """Return the residual of the brightest stars as a fraction of their pixels: the lower quartile.

    Of a match that fails, every star leaves much.  Some of these stars may be new or variable, and
    a median would be theirs where they are many.

    Parameters
    ----------
    difference, variance : ndarray of float32, shape (ny, nx)
        Difference and its variance; what noise alone leaves is taken off.
    image : ndarray of float32, shape (ny, nx)
        Science image.
    where : ndarray, shape (n, 2)
        Stars, away from the edges.

    Returns
    -------
    float
        NaN without stars.
    """
    if len(where) == 0:
        return float("nan")
    light = np.asarray(cut(image, where, _REACH), np.float64).sum(axis=(1, 2))
    brightest = np.argsort(-light)[:_BRIGHT]
    left = np.abs(np.asarray(cut(difference, where[brightest], _REACH), np.float64))
    noise = np.sqrt(np.asarray(cut(variance, where[brightest], _REACH), np.float64))
    rest = (left - np.sqrt(2.0 / np.pi) * noise).sum(axis=(1, 2))
    return max(float(np.quantile(rest / np.maximum(light[brightest], 1e-30), 0.25)), 0.0)
