"""What the pixels of a difference source say of its being real."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.pixels import HALF, Bools, Floats, Pixels
from pipeline.exposure import Mask

#: Groups of planes whose share of the core is a feature.
_PLANES = {
    "defect": Mask.BAD | Mask.INTERP | Mask.NO_DATA,
    "saturated": Mask.SAT | Mask.SAT_TEMPLATE | Mask.SUSPECT | Mask.GHOST | Mask.CROSSTALK,
    "cosmic_ray": Mask.CR,
    "edge": Mask.EDGE,
    "streak": Mask.STREAK,
}
#: Radii of rings [FWHM].
_RINGS = (0.0, 0.5, 1.0, 1.5, 2.5)
#: Smallest part of the fit's own scale that a term must have.
_RIDGE = 1e-6


def stamp_features(pixels: Pixels) -> dict[str, NDArray[np.float64]]:
    """Compute the features of stamps.

    The difference is turned so that its source is positive.  ``present`` is the image that has more
    of it (science image or, of what faded, the template), ``absent`` the other.  Nothing depends on
    units, and lengths are in FWHM: a model of one instrument can be tried on another.

    Parameters
    ----------
    pixels : Pixels
        Stamps.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Features by name; NaN where one cannot be computed.
    """
    look = _Look(pixels)
    found = {**_shape(look), **_rings(look), **_residual_of_template(look), **_images(look)}
    found |= _masks(look)
    return {name: np.where(np.isfinite(v), v, np.nan) for name, v in found.items()}


class _Look:
    """Weights, radii and the PSF fit, computed once."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        at = np.arange(-HALF, HALF + 1)
        distance = np.hypot(at[:, np.newaxis], at).astype(np.float32)
        self.radius = distance / pixels.fwhm[:, np.newaxis, np.newaxis]
        good = pixels.good["difference"]
        self.weight = np.where(good, 1.0 / pixels.noise["difference"], 0.0).astype(np.float32)
        raw, _ = fit_psf(pixels.difference, pixels.psf, self.weight)
        self.sign = np.where(raw < 0, -1.0, 1.0).astype(np.float32)
        self.data: Floats = pixels.difference * self.sign[:, np.newaxis, np.newaxis]
        self.flux, self.error = fit_psf(self.data, pixels.psf, self.weight)
        self.left: Floats = self.data - self.flux[:, None, None].astype(np.float32) * pixels.psf

    def within(self, outer: float, inner: float = -1.0) -> Bools:
        """Tell which good pixels are between two radii [FWHM]."""
        return (self.radius < outer) & (self.radius >= inner) & (self.weight > 0)


def fit_psf(
    image: Floats, psf: Floats, weight: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit the flux of a point source in the middle.

    Parameters
    ----------
    image, psf, weight : ndarray, shape (n, k, k)
        Pixels, PSF, inverse variance.

    Returns
    -------
    flux, error : ndarray, shape (n,)
        NaN without good pixels.
    """
    square = np.einsum("nij,nij,nij->n", weight, psf, psf, dtype=np.float64)
    cross = np.einsum("nij,nij,nij->n", weight, psf, image, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return cross / square, 1.0 / np.sqrt(square)


def _mean(values: NDArray[np.floating], use: Bools) -> NDArray[np.float64]:
    """Return means over chosen pixels, NaN where there is none."""
    count = use.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(use, values, 0.0).sum(axis=(1, 2), dtype=np.float64) / count)


def _shape(look: _Look) -> dict[str, NDArray[np.float64]]:
    """How much like a point the source is."""
    pixels, core, wide = look.pixels, look.within(1.0), look.within(1.5)
    sigma = np.sqrt(pixels.noise["difference"])
    scaled = look.data / sigma
    turned = look.data[:, ::-1, ::-1]
    model = look.flux[:, None, None] * pixels.psf
    total = np.where(wide, np.abs(look.data), 0).sum(axis=(1, 2), dtype=np.float64)
    below = np.where(wide, np.minimum(look.data, 0), 0).sum(axis=(1, 2), dtype=np.float64)
    peak = np.where(core, look.data, -np.inf).max(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "fit_snr": look.flux / look.error,
            "sharpness": peak / model.max(axis=(1, 2)),
            "negative_share": -below / total,
            "negative_pixels": _mean((scaled < -2.0).astype(float), wide),
            "positive_pixels": _mean((scaled > 2.0).astype(float), wide),
            "symmetry": _mean(look.data * turned, core) / _mean(look.data**2, core),
            "likeness": _mean(look.data * pixels.psf, core)
            / np.sqrt(_mean(look.data**2, core) * _mean(pixels.psf**2, core)),
            "largest_outlier": np.where(wide, np.abs(look.left) / sigma, 0).max(axis=(1, 2)),
        }


def _rings(look: _Look) -> dict[str, NDArray[np.float64]]:
    """Measure what the fit of the PSF leaves, by distance."""
    found = {}
    for number, (inner, outer) in enumerate(pairwise(_RINGS)):
        use = look.within(outer, inner)
        chi2 = np.square(look.left) * look.weight
        found[f"ring{number}_chi2"] = _mean(chi2, use)
        variance = np.where(use, look.pixels.noise["difference"], 0).sum(axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.where(use, look.left, 0).sum(axis=(1, 2), dtype=np.float64)
            found[f"ring{number}_level"] = left / np.sqrt(variance)
    return found


def _residual_of_template(look: _Look) -> dict[str, NDArray[np.float64]]:
    """Whether errors of shift, width or scale of the match explain the source.

    Those leave the gradient, the Laplacian and a part of the template.  χ² within 2 FWHM with and
    without them, relative to that of the image; and what is left of the S/N of a point when shift
    and width are fitted along.
    """
    pixels = look.pixels
    use = look.within(2.0)
    weight = np.where(use, look.weight, np.float32(0))
    template = _above_surroundings(pixels.template, pixels.good["template"] & (look.radius > 2.0))
    down, across = (np.asarray(np.gradient(template, axis=axis)) for axis in (1, 2))
    bend = np.asarray(np.gradient(down, axis=1) + np.gradient(across, axis=2))
    errors = [across, down, bend, template]
    whole = (weight * np.square(look.data)).sum(axis=(1, 2), dtype=np.float64)
    alone = _explained(look.data, [pixels.psf], weight)[0]
    faults = _explained(look.data, errors, weight)[0]
    moved, snr_moved = _explained(look.data, [pixels.psf, across, down], weight)
    both, snr_both = _explained(look.data, [pixels.psf, across, down, bend], weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "point_explains": alone / whole,
            "fault_explains": faults / whole,
            "point_over_fault": (alone - faults) / whole,
            "shift_adds": (moved - alone) / whole,
            "fault_adds": (both - alone) / whole,
            "snr_beside_shift": snr_moved,
            "snr_beside_fault": snr_both,
        }


def _explained(
    data: Floats, models: list[Floats], weight: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far linear models lower χ², and the S/N of the first of them beside the others."""
    size = [np.sqrt((weight * np.square(m)).sum(axis=(1, 2), dtype=np.float64)) for m in models]
    scaled = [
        model * np.where(norm > 0, 1.0 / np.maximum(norm, 1e-30), 0.0)[:, None, None]
        for model, norm in zip(models, size, strict=True)
    ]
    n, m = len(data), len(models)
    matrix, vector = np.zeros((n, m, m)), np.zeros((n, m))
    for i, one in enumerate(scaled):
        weighted = weight * one
        vector[:, i] = (weighted * data).sum(axis=(1, 2))
        for j in range(i, m):
            matrix[:, i, j] = matrix[:, j, i] = (weighted * scaled[j]).sum(axis=(1, 2))
    matrix += _RIDGE * np.eye(m)
    inverse = np.linalg.inv(matrix)
    solution = np.einsum("nij,nj->ni", inverse, vector)
    return (solution * vector).sum(axis=1), solution[:, 0] / np.sqrt(inverse[:, 0, 0])


def _images(look: _Look) -> dict[str, NDArray[np.float64]]:
    """Measure what the two images have at the place."""
    pixels = look.pixels
    up = look.sign > 0
    flux, snr, peaks = {}, {}, {}
    for kind in ("science", "template"):
        good = pixels.good[kind]
        image = _above_surroundings(getattr(pixels, kind), good & (look.radius > 2.0))
        weight = np.where(good, 1.0 / pixels.noise[kind], 0.0).astype(np.float32)
        value, error = fit_psf(image, pixels.psf_science, weight)
        noise = _mean(np.sqrt(pixels.noise["science"]), good)
        flux[kind] = value
        with np.errstate(divide="ignore", invalid="ignore"):
            snr[kind] = value / error
            near = np.where(good & (look.radius < 1.5), image, -np.inf).max(axis=(1, 2))
            far = np.where(good, image, -np.inf).max(axis=(1, 2))
            peaks[kind] = near / noise, far / noise
    present = np.where(up, flux["science"], flux["template"])
    absent = np.where(up, flux["template"], flux["science"])
    core = np.where(look.within(0.8), look.data, -np.inf).max(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = _mean(np.sqrt(pixels.noise["science"]), pixels.good["science"])
        return {
            "absent_ratio": np.arcsinh(absent / look.flux),
            "present_ratio": np.arcsinh(present / look.flux),
            "absent_snr": np.where(up, snr["template"], snr["science"]),
            "present_snr": np.where(up, snr["science"], snr["template"]),
            "template_peak": peaks["template"][0],
            "template_peak_far": peaks["template"][1],
            "change": core / (noise * np.maximum(peaks["template"][0], 1.0)),
        }


def _above_surroundings(image: Floats, far: Bools) -> Floats:
    """Take the median of the pixels around off: not all stamps come without sky."""
    known = np.where(far, image, np.float32(np.nan)).reshape(len(image), -1)
    level = np.zeros(len(image), np.float32)
    some = far.any(axis=(1, 2))
    level[some] = np.nanmedian(known[some], axis=1)
    return np.asarray(image - level[:, None, None])


def _masks(look: _Look) -> dict[str, NDArray[np.float64]]:
    """How much of the core and of the stamp is not to be trusted."""
    core = look.radius < 1.5
    size = core.sum(axis=(1, 2))
    found = {
        "unusable_core": (core & (look.weight == 0)).sum(axis=(1, 2)) / size,
        "unusable": (look.weight == 0).mean(axis=(1, 2)),
    }
    for name, planes in _PLANES.items():
        hit = (look.pixels.mask & np.uint32(planes)) != 0
        found[name] = (core & hit).sum(axis=(1, 2)) / size
    found["saturated_near"] = ((look.pixels.mask & np.uint32(_PLANES["saturated"])) != 0).mean(
        axis=(1, 2)
    )
    return {name: np.asarray(value, np.float64) for name, value in found.items()}
