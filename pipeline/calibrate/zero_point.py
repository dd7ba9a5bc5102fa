"""Zero point from reference stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import CalibrateError
from pipeline.exposure import PhotoCalib

Floats = NDArray[np.float64]
_ROUNDS = 5
_CLIP = 3.0


@dataclass(frozen=True)
class ZeroPoint:
    """Calibration of the fluxes.

    Attributes
    ----------
    photo_calib : PhotoCalib
        From counts to nJy.
    stars : int
        Stars that it comes from.
    scatter : float
        Robust scatter of single stars [mag].
    """

    photo_calib: PhotoCalib
    stars: int
    scatter: float


def zero_point(
    counts: Floats, counts_err: Floats, flux: Floats, flux_err: Floats, floor: float
) -> ZeroPoint:
    """Average the ratio of catalogue to image, outliers (variables, blends) clipped.

    Parameters
    ----------
    counts, counts_err : ndarray, shape (n,)
        Fluxes on the image.
    flux, flux_err : ndarray, shape (n,)
        Fluxes of the catalogue [nJy]; unknown errors are NaN.
    floor : float
        Relative error that is added to every star.

    Returns
    -------
    ZeroPoint

    Raises
    ------
    CalibrateError
        No star has both fluxes.
    """
    known = np.isfinite(counts) & np.isfinite(counts_err) & np.isfinite(flux)
    known &= (counts > 0) & (flux > 0)
    if not known.any():
        raise CalibrateError(
            f"none of {len(counts)} matched stars has a flux on the image and in the catalogue, "
            "unsaturated and unblended; check `flux_column`, the band and the saturation level"
        )
    counts, counts_err, flux = counts[known], counts_err[known], flux[known]
    of_catalogue = np.nan_to_num(flux_err[known] / flux)
    magnitude = np.log(flux / counts)
    error = np.sqrt((counts_err / counts) ** 2 + of_catalogue**2 + floor**2)
    use = np.ones(len(magnitude), bool)
    for _ in range(_ROUNDS):
        weight = use / error**2
        mean = float(np.sum(weight * magnitude) / np.sum(weight))
        if not use.all() or len(magnitude) > 2:
            middle = float(np.median(magnitude[use]))
            pull = np.abs(magnitude - middle) / error
            typical = max(1.0, 1.4826 * float(np.median(pull[use])))
            use = pull < _CLIP * typical
    weight = use / error**2
    mean = float(np.sum(weight * magnitude) / np.sum(weight))
    free = max(int(np.count_nonzero(use)) - 1, 1)
    excess = max(1.0, float(np.sum(weight * (magnitude - mean) ** 2)) / free)
    relative = float(np.sqrt(excess / np.sum(weight)))
    left = magnitude[use] - mean
    scatter = 1.0857 * 1.4826 * float(np.median(np.abs(left - np.median(left))))
    value = float(np.exp(mean))
    return ZeroPoint(PhotoCalib(value, value * relative), int(np.count_nonzero(use)), scatter)
