"""Zero point from reference stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import CalibrateError
from pipeline.exposure import PhotoCalib
from pipeline.robust import weighted_median

Floats = NDArray[np.float64]
_ROUNDS = 5
_CLIP = 3.0
#: Fewer stars than this are averaged.
_FEW = 5
#: Variance of the median over that of the mean, of Gaussian errors.
_OF_MEDIAN = 0.5 * np.pi


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
    """Take the weighted median ratio of catalogue to image, outliers (variables, blends) clipped.

    Light that a catalogue has not, or has of two stars, makes ratios smaller only: it would move
    a mean by a tenth of a percent.

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
        if not use.all() or len(magnitude) > 2:
            middle = float(np.median(magnitude[use]))
            pull = np.abs(magnitude - middle) / error
            use = pull < _CLIP * max(1.0, 1.4826 * float(np.median(pull[use])))
    weight = use / error**2
    if np.count_nonzero(use) < _FEW:
        typical = float(np.average(magnitude, weights=weight))
    else:
        typical = float(weighted_median(magnitude, weight))
    free = max(int(np.count_nonzero(use)) - 1, 1)
    excess = max(1.0, float(np.sum(weight * (magnitude - typical) ** 2)) / free)
    relative = float(np.sqrt(_OF_MEDIAN * excess / np.sum(weight)))
    left = magnitude[use] - typical
    scatter = 1.0857 * 1.4826 * float(np.median(np.abs(left - np.median(left))))
    value = float(np.exp(typical))
    return ZeroPoint(PhotoCalib(value, value * relative), int(np.count_nonzero(use)), scatter)
