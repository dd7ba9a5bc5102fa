"""Trails: point sources that moved during the exposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.exposure import Exposure
from pipeline.forced.windows import Bools, Floats, Ints, Windows, cut
from pipeline.measure.fit import Fit, fit_models
from pipeline.psf import Psf

#: Fitted with the PSF as sampled, smeared along a line.
ALGORITHM = 1
_SIDES = (49, 63, 99, 149, 225, 343, 525)
#: Pixels of all windows that are fitted at once.
_AT_ONCE = 1_500_000


@dataclass(frozen=True)
class Trails:
    """Fitted trails.

    Attributes
    ----------
    flux : ndarray, shape (n,)
        In units of the image.
    x, y : ndarray, shape (n,)
        Middle [pixel].
    dx, dy : ndarray, shape (n,)
        From one end to the other, dx ≥ 0 [pixel].
    covariance : ndarray, shape (n, 5, 5)
        Of these.
    chi2 : ndarray, shape (n,)
        Of the pixels.
    n_data : ndarray of int32, shape (n,)
        Number of pixels; 0 where nothing was fitted.
    failed, edge : ndarray of bool, shape (n,)
        A fit was tried and failed; the trail reaches beyond the image.
    """

    flux: Floats
    x: Floats
    y: Floats
    dx: Floats
    dy: Floats
    covariance: Floats
    chi2: Floats
    n_data: NDArray[np.int32]
    failed: Bools
    edge: Bools

    @classmethod
    def none(cls, n: int) -> Trails:
        """Return n sources whose trails were not fitted.

        Parameters
        ----------
        n : int
            Number.

        Returns
        -------
        Trails
        """
        flux, x, y, dx, dy, chi2 = np.full((6, n), np.nan)
        return cls(
            flux=flux,
            x=x,
            y=y,
            dx=dx,
            dy=dy,
            covariance=np.full((n, 5, 5), np.nan),
            chi2=chi2,
            n_data=np.zeros(n, np.int32),
            failed=np.zeros(n, np.bool_),
            edge=np.zeros(n, np.bool_),
        )


def fit_trails(
    exposure: Exposure,
    psf: Psf,
    which: Ints,
    start: Floats,
    n: int,
    max_length: float,
) -> Trails:
    """Fit trails of constant brightness: the PSF convolved with a line.

    In Fourier space, where the line is a sinc (Vereš et al. 2012, PASP 124, 1197, have the same
    model for a Gaussian PSF).  Weights are equal; errors are those of these weights.

    Parameters
    ----------
    exposure : Exposure
        Image.
    psf : Psf
        Its PSF.
    which : ndarray of int64, shape (m,)
        Sources to fit.
    start : ndarray, shape (m, 4)
        Middle x, y, and the vector from end to end [pixel].
    n : int
        Number of all sources.
    max_length : float
        Longer trails are failures [pixel].

    Returns
    -------
    Trails
        Of all n sources.
    """
    trails = Trails.none(n)
    trails.failed[which] = True
    _fit_all(exposure, psf, which, start, max_length, trails)
    # What ran out of its window, or of iterations, goes on from where it came to.
    came = np.column_stack([trails.x, trails.y, trails.dx, trails.dy])[which]
    on = trails.failed[which] & np.isfinite(came).all(axis=1)
    on &= np.hypot(*(came - start)[:, :2].T) < np.hypot(*start[:, 2:].T) + psf.fwhm
    _fit_all(exposure, psf, which[on], came[on], max_length, trails)
    return trails


def _fit_all(
    exposure: Exposure, psf: Psf, which: Ints, start: Floats, max_length: float, trails: Trails
) -> None:
    """Fit trails, those of like lengths together, in windows that hold them."""
    length = np.hypot(start[:, 2], start[:, 3])
    half_needed = 0.65 * length + psf.half + 2
    largest = min(exposure.shape) // 2
    for low, side in zip((0, *_SIDES[:-1]), _SIDES, strict=True):
        half = side // 2
        fits = (half_needed > low // 2) & (half_needed <= half) & (length <= max_length)
        members = np.flatnonzero(fits) if half <= largest else np.empty(0, np.int64)
        chunk = max(1, _AT_ONCE // side**2)
        for first in range(0, len(members), chunk):
            some = members[first : first + chunk]
            _fit_some(exposure, psf, which[some], start[some], half, max_length, trails)


def _fit_some(
    exposure: Exposure,
    psf: Psf,
    which: Ints,
    start: Floats,
    half: int,
    max_length: float,
    trails: Trails,
) -> None:
    windows = cut(exposure, None, start[:, 0], start[:, 1], half)
    model = _TrailModel(psf, windows)
    n = len(which)
    data = windows.image.reshape(n, -1)
    good = windows.good.reshape(n, -1).astype(float)
    variance = windows.variance.reshape(n, -1)
    first = np.column_stack(
        [np.ones(n), start[:, 0] - windows.x, start[:, 1] - windows.y, start[:, 2:]]
    )
    shape, _ = model(first, np.arange(n))
    first[:, 0] = (shape * data).sum(axis=1) / np.maximum((shape**2 * good).sum(axis=1), 1e-30)
    typical = np.maximum(variance.sum(axis=1) / np.maximum(good.sum(axis=1), 1.0), 1e-30)
    fit = fit_models(model, first, data, good / typical[:, np.newaxis], variance)
    _store(fit, windows, which, max_length, trails)


def _store(fit: Fit, windows: Windows, which: Ints, max_length: float, trails: Trails) -> None:
    flux, x, y, dx, dy = fit.parameters.T
    turn = np.where(dx < 0, -1.0, 1.0)
    turned = np.stack([np.ones_like(dx), np.ones_like(dx), np.ones_like(dx), turn, turn], axis=1)
    n = len(which)
    good = windows.good.reshape(n, -1)
    variance = np.where(good, windows.variance.reshape(n, -1), 1.0)
    trails.flux[which] = flux
    trails.x[which], trails.y[which] = x + windows.x, y + windows.y
    trails.dx[which], trails.dy[which] = turn * dx, turn * dy
    trails.covariance[which] = fit.covariance * turned[:, :, np.newaxis] * turned[:, np.newaxis]
    trails.chi2[which] = (np.where(good, fit.residuals, 0.0) ** 2 / variance).sum(axis=1)
    trails.n_data[which] = good.sum(axis=1)
    length = np.hypot(dx, dy)
    inside = (np.abs(x) + 0.5 * np.abs(dx) < windows.half) & (
        np.abs(y) + 0.5 * np.abs(dy) < windows.half
    )
    known = np.isfinite(fit.covariance).all(axis=(1, 2))
    trails.failed[which] = ~(fit.converged & inside & known & (length <= max_length))
    trails.edge[which] = ~_ends_inside(windows, x, y, dx, dy)


def _ends_inside(windows: Windows, x: Floats, y: Floats, dx: Floats, dy: Floats) -> Bools:
    """Tell whether both ends of trails are on the image."""
    half = windows.half
    found = np.ones(len(x), np.bool_)
    for end in (-0.5, 0.5):
        column, row = (
            np.clip(np.rint(np.nan_to_num(at + end * by)) + half, 0, 2 * half).astype(np.int64)
            for at, by in ((x, dx), (y, dy))
        )
        found &= windows.inside[np.arange(len(x)), row, column]
    return found


class _TrailModel:
    """Trails in windows: flux, x, y (from the middle), dx, dy."""

    def __init__(self, psf: Psf, windows: Windows) -> None:
        self.half = windows.half
        self.side = side = 2 * windows.half + 1
        self.good = windows.good.reshape(len(windows.x), -1)
        padded = np.zeros((len(windows.x), side, side))
        k = min(psf.half, windows.half)
        part = slice(windows.half - k, windows.half + k + 1)
        core = slice(psf.half - k, psf.half + k + 1)
        padded[:, part, part] = psf.at(windows.x, windows.y)[:, core, core]
        self.transform = fft.rfft2(np.fft.ifftshift(padded, axes=(1, 2)))
        self.ky = 2 * np.pi * np.fft.fftfreq(side)[:, np.newaxis]
        self.kx = 2 * np.pi * np.fft.rfftfreq(side)[np.newaxis]

    def __call__(self, parameters: Floats, which: Ints) -> tuple[Floats, Floats]:
        flux, x, y, dx, dy = (column[:, np.newaxis, np.newaxis] for column in parameters.T)
        x, y = x + self.half, y + self.half
        phase = np.exp(-1j * self.kx * x) * np.exp(-1j * self.ky * y)
        half_turn = 0.5 * (self.kx * dx + self.ky * dy)
        sinc, slope = _sinc(half_turn)
        moved = self.transform[which] * phase
        point = moved * sinc
        smeared = 0.5 * flux * moved * slope
        layers = np.stack(
            [
                point,
                -1j * self.kx * flux * point,
                -1j * self.ky * flux * point,
                self.kx * smeared,
                self.ky * smeared,
            ],
            axis=1,
        )
        slopes = fft.irfft2(layers, (self.side, self.side)).reshape(len(which), 5, -1)
        slopes *= self.good[which, np.newaxis]
        return parameters[:, :1] * slopes[:, 0], slopes


def _sinc(t: Floats) -> tuple[Floats, Floats]:
    """Return sin t / t and its derivative."""
    small = np.abs(t) < 1e-3
    safe = np.where(small, 1.0, t)
    sine, cosine = np.sin(safe), np.cos(safe)
    value = np.where(small, 1.0 - t**2 / 6.0, sine / safe)
    slope = np.where(small, -t / 3.0, (cosine - sine / safe) / safe)
    return value, slope
