"""Calibration curve: of sources with reliability p, the fraction p should be real."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.fakes import binomial_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Fraction of real sources by reliability.

    Attributes
    ----------
    mean : list of float
        Mean reliability of each bin.
    fraction : list of float
        Fraction of its sources that is real.
    low, high : list of float
        68% interval of that fraction (Jeffreys).
    count : list of int
        Sources in the bin.
    error : float
        Mean of |fraction - mean| over sources: the expected calibration error.
    """

    mean: list[float]
    fraction: list[float]
    low: list[float]
    high: list[float]
    count: list[int]
    error: float

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values.

        Returns
        -------
        dict
        """
        return asdict(self)


def calibration_curve(reliability: Floats, real: NDArray[np.bool_], bins: int = 10) -> Curve:
    """Compare reliability with truth.

    Parameters
    ----------
    reliability : ndarray, shape (n,)
        In [0, 1].
    real : ndarray of bool, shape (n,)
        Truth.
    bins : int
        Bins of equal width; empty ones are left out.

    Returns
    -------
    Curve
    """
    which = np.minimum((np.asarray(reliability) * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    hits = np.bincount(which, np.asarray(real, float), minlength=bins)
    total = np.bincount(which, reliability, minlength=bins)
    use = count > 0
    count, hits, total = count[use], hits[use], total[use]
    mean, fraction = total / count, hits / count
    bounds = binomial_interval(hits, count, kind="jeffreys")
    error = float((count * np.abs(fraction - mean)).sum() / max(count.sum(), 1))
    low, high = (each.round(6).tolist() for each in bounds)
    return Curve(
        mean.round(6).tolist(), fraction.round(6).tolist(), low, high, count.tolist(), error
    )


def draw_curve(curve: Curve, title: str = "") -> Figure:
    """Draw a calibration curve, with the counts below it.

    Parameters
    ----------
    curve : Curve
        From `calibration_curve`.
    title : str
        Above it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(4.2, 5.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    mean, fraction = np.array(curve.mean), np.array(curve.fraction)
    upper.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    errors = np.clip([fraction - curve.low, np.array(curve.high) - fraction], 0, None)
    upper.errorbar(mean, fraction, errors, fmt="o-", color="C0", markersize=4, linewidth=1)
    upper.set(ylabel="fraction that is real", title=title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    lower.bar(mean, curve.count, width=0.05, color="C0")
    lower.set(xlabel="reliability", ylabel="sources", yscale="log")
    return figure
