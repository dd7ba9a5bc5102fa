"""Model of the PSF from stars: an analytic core, what is left of it, and how it varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.optimize import least_squares

from pipeline.calibrate.star_stamps import Centred, Stars
from pipeline.errors import CalibrateError
from pipeline.psf import Psf, n_terms, terms
from pipeline.robust import weighted_median

Floats = NDArray[np.float64]

_SHUFFLES = 12
_TOP_SNR = 500.0
_ROUNDS = 3


@dataclass(frozen=True)
class PsfFit:
    """A model of the PSF and the stars that it comes from.

    Attributes
    ----------
    psf : Psf
        Model.
    used : ndarray of bool, shape (n,)
        Stars that were not rejected.
    order : int
        Degree of the variation.
    components : int
        Images that vary, beside the mean.
    scatter : float
        Robust scatter of the residuals of the stars, over their flux: Σ|star - model| / flux.
    """

    psf: Psf
    used: NDArray[np.bool_]
    order: int
    components: int
    scatter: float


def order_for(stars: int, highest: int, per_term: float) -> int:
    """Return the degree of a polynomial that so many stars can carry.

    Parameters
    ----------
    stars : int
        Number of stars.
    highest : int
        Largest degree wanted.
    per_term : float
        Stars needed per term.

    Returns
    -------
    int
    """
    fitting = [o for o in range(highest + 1) if stars >= per_term * n_terms(o)]
    return max(fitting, default=0)


def fit_psf(
    stars: Stars,
    x: Floats,
    y: Floats,
    flux: Floats,
    *,
    order: int,
    per_term: float,
    size: tuple[int, int],
) -> PsfFit:
    """Model the PSF of stars whose neighbours have been taken off.

    The mean star is an elliptical Moffat profile plus what is left of it where that is above the
    noise.  Deviations of stars are regressed on polynomials of the position; of the matrix of
    coefficients (term × pixel) those singular images are kept whose singular value is larger than
    any found when the stars change places, so that few stars give a PSF that does not vary.

    Parameters
    ----------
    stars : Stars
        Pixels around the stars, without background and neighbours.
    x, y, flux : ndarray, shape (n,)
        Stars.
    order : int
        Highest degree of the variation.
    per_term : float
        Stars needed per term.
    size : tuple of int
        Columns and rows of the image.

    Returns
    -------
    PsfFit

    Raises
    ------
    CalibrateError
        The stars have no light.
    """
    x, y, flux = (np.array(v, np.float64) for v in (x, y, flux))
    half = stars.half
    used = np.ones(len(x), bool)
    model: Psf | None = None
    for _ in range(_ROUNDS):
        centred = stars.centred(x, y, flux, model)
        psf, components, degree = _regress(centred, x, y, used, order, per_term, size)
        residuals = centred.images - psf.at(x, y)
        core = _disc(half, max(2.0, 0.8 * psf.fwhm))
        misfit = np.abs(residuals)[:, core].sum(axis=1)
        used = _keep(misfit, centred.snr)
        flux, dx, dy = _refine(centred, psf, x, y, flux, core)
        x, y = x + dx, y + dy
        model = psf
    return PsfFit(psf, used, degree, components, float(np.median(misfit[used])))


def _regress(
    stars: Centred,
    x: Floats,
    y: Floats,
    used: NDArray[np.bool_],
    order: int,
    per_term: float,
    size: tuple[int, int],
) -> tuple[Psf, int, int]:
    """Return the model, the number of its varying images, and their degree."""
    images = stars.images[used]
    weight = 1.0 / (1.0 / np.maximum(stars.snr[used], 1e-3) ** 2 + 1.0 / _TOP_SNR**2)
    weight = weight / weight.sum()
    mean = np.tensordot(weight, images, axes=1)
    if len(images) >= 5:
        # A neighbour that was not found is in one star, not in the middle one of many.
        middle = weighted_median(images, weight)
        spread = 1.4826 * weighted_median(np.abs(images - middle), weight)
        reach = 4.0 * np.maximum(spread, stars.noise[used][:, np.newaxis, np.newaxis])
        images = np.clip(images, middle - reach, middle + reach)
        mean = np.tensordot(weight, images, axes=1)
    noise = float(np.sqrt(np.sum((weight * stars.noise[used]) ** 2)))
    # A star is round enough that the corners of the stamp have only noise.
    base = _denoised(mean, noise) * _disc(stars.images.shape[-1] // 2, mean.shape[0] / 2.0)
    total = base.sum()
    if not total > 0:
        raise CalibrateError(
            f"{len(images)} stars add up to a PSF without light; they are no stars: check the "
            "background (`background_box`), the mask, and the sign of the image"
        )
    degree = order_for(len(images), order, per_term)
    found = _components(images - mean, mean, x[used], y[used], weight, degree, size)
    if found is None:
        return Psf.constant(base / total, size), 0, degree
    coefficients, vectors = found
    basis = np.concatenate([base[np.newaxis], vectors])
    first = np.zeros((1, n_terms(degree)))
    first[0, 0] = 1.0
    psf = Psf(basis / total, np.concatenate([first, coefficients]), degree, size)
    return psf, len(vectors), degree


def _without_noise(image: Floats) -> Floats:
    """Return an image of the variation without what is no more than its noise, seen at the rim."""
    half = image.shape[0] // 2
    rim = image[~_disc(half, 0.75 * half)]
    gain = _gain(image, 1.4826 * float(np.median(np.abs(rim))))
    return image * gain * _disc(half, image.shape[0] / 2.0)


def _gain(signal: Floats, noise: float) -> Floats:
    """Return Wiener's factor from the power around each pixel."""
    power = uniform_filter(signal**2, 5, mode="nearest")
    return np.asarray(np.clip(1.0 - 1.5 * noise**2 / np.maximum(power, 1e-30), 0.0, 1.0))


def _components(
    deviations: Floats,
    mean: Floats,
    x: Floats,
    y: Floats,
    weight: Floats,
    degree: int,
    size: tuple[int, int],
) -> tuple[Floats, Floats] | None:
    """Return coefficients (r, n_terms) and images (r, k, k) of the variation, if there is any."""
    if degree == 0:
        return None
    design = terms(x, y, degree, size)[:, 1:]
    centre = weight @ design
    centred = (design - centre) * np.sqrt(weight)[:, np.newaxis]
    data = deviations.reshape(len(deviations), -1) * np.sqrt(weight)[:, np.newaxis]
    # In an orthonormal basis of the terms noise is the same in all of them.
    q, r = np.linalg.qr(centred)
    if np.abs(np.diagonal(r)).min() < 1e-8 * np.abs(np.diagonal(r)).max():
        return None
    found = q.T @ data
    # Judged where the light is; in the wings there is only noise to be found.
    light = np.sqrt(np.clip(mean.ravel() / mean.max(), 0.0, None))
    u, s, _ = np.linalg.svd(found * light, full_matrices=False)
    rng = np.random.default_rng(1)
    by_chance = max(
        np.linalg.norm((q.T @ data[rng.permutation(len(data))]) * light, 2)
        for _ in range(_SHUFFLES)
    )
    keep = s > 1.05 * by_chance
    if not keep.any():
        return None
    coefficients = np.linalg.solve(r, u[:, keep]).T
    constant = -coefficients @ centre
    images = np.stack([_without_noise(one.reshape(mean.shape)) for one in u[:, keep].T @ found])
    return np.concatenate([constant[:, np.newaxis], coefficients], axis=1), images


def _denoised(mean: Floats, noise: float) -> Floats:
    """Return a Moffat profile plus what is left of the mean star where that is above the noise."""
    profile, level = _moffat(mean, noise)
    left = mean - profile - level
    return np.asarray(profile + _gain(left, noise) * left)


def _moffat(mean: Floats, noise: float) -> tuple[Floats, float]:
    """Fit an elliptical Moffat profile, and the level of what is around stars and was not found."""
    half = mean.shape[0] // 2
    at = np.arange(-half, half + 1, dtype=np.float64)
    dy, dx = np.meshgrid(at, at, indexing="ij")
    error = np.hypot(noise, 0.01 * np.maximum(mean, 0))
    error = np.maximum(error, 1e-4 * mean.max())

    def profile(p: Floats) -> Floats:
        u, v = dx - p[1], dy - p[2]
        rho = np.exp(p[3]) * u * u + np.exp(p[4]) * v * v + 2 * p[5] * u * v
        return np.asarray(p[0] * (1.0 + np.maximum(rho, 0) / np.exp(p[6])) ** -np.exp(p[6]))

    width = np.sqrt(max(mean.sum(), 0.0) / (2 * np.pi * max(mean.max(), 1e-12)))
    start = -2.0 * np.log(max(width, 0.5)) - np.log(2.0)
    guess = np.array([mean.max(), 0.0, 0.0, start, start, 0.0, np.log(3.5), 0.0])
    found = least_squares(
        lambda p: ((profile(p) + p[7] - mean) / error).ravel(), guess, loss="soft_l1", max_nfev=200
    )
    return profile(found.x), float(found.x[7])


def _keep(misfit: Floats, snr: Floats) -> NDArray[np.bool_]:
    """Tell which stars look like the model; half of them always stay."""
    if len(misfit) < 4:
        return np.ones(len(misfit), bool)
    # Faint stars differ by their noise, which is no reason to reject them.
    excess = misfit * np.clip(snr / np.median(snr), None, 1.0)
    middle = np.median(excess)
    spread = 1.4826 * np.median(np.abs(excess - middle))
    return np.asarray(excess <= middle + 4.0 * max(spread, 0.1 * middle))


def _refine(
    stars: Centred, psf: Psf, x: Floats, y: Floats, flux: Floats, core: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Return fluxes and shifts that fit the model better."""
    model = psf.at(x, y)
    slope_y, slope_x = (np.asarray(np.gradient(model, axis=axis)) for axis in (1, 2))
    design = np.stack([m[:, core] for m in (model, -slope_x, -slope_y)], axis=2)
    data = stars.images[:, core]
    normal = design.transpose(0, 2, 1) @ design
    solved = np.linalg.solve(normal, design.transpose(0, 2, 1) @ data[:, :, np.newaxis])[:, :, 0]
    scale = np.clip(solved[:, 0], 0.5, 2.0)
    steps = np.clip(solved[:, 1:] / scale[:, np.newaxis], -0.5, 0.5)
    return flux * scale, steps[:, 0], steps[:, 1]


def _disc(half: int, radius: float) -> NDArray[np.bool_]:
    """Return pixels within a distance of the middle one."""
    at = np.arange(-half, half + 1)
    return np.asarray(np.hypot(*np.meshgrid(at, at)) <= radius)
