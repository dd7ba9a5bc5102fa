"""PSF fluxes at many positions, close pairs fitted together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import MeasureError
from pipeline.exposure import Exposure
from pipeline.forced.blends import Pairs, find_pairs, solve
from pipeline.forced.windows import Bools, Floats, Windows, core_half, cut, point_sources
from pipeline.psf import Psf

_BLOCK = 1024


@dataclass(frozen=True)
class ForcedConfig:
    """How forced fluxes are measured.

    Attributes
    ----------
    overlap : float
        Sources are fitted together where the product of their PSFs is more than this part of that
        of one with itself.
    closest : float
        Sources closer than this part of the FWHM cannot be told apart: each gets the light of
        both.
    min_weight : float
        Least part of Σ psf² on usable pixels for a flux.
    """

    overlap: float = 1e-5
    closest: float = 0.15
    min_weight: float = 0.05

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 < value < 1.0:
                raise ValueError(f"{name} must be between 0 and 1, not {value}")


@dataclass(frozen=True)
class ForcedFluxes:
    """Fluxes of point sources at given positions.

    Attributes
    ----------
    flux, flux_err : ndarray, shape (n,)
        Flux and its error in units of the image [nJy]; NaN where `failed`.
    failed : ndarray of bool, shape (n,)
        No flux: too few usable pixels, or the position is not on the image.
    edge : ndarray of bool, shape (n,)
        The window reaches beyond the image.
    no_good_pixels : ndarray of bool, shape (n,)
        Not one pixel is usable.
    blended : ndarray of bool, shape (n,)
        Closer to another position than can be told apart: the light may be that one's.
    weight : ndarray, shape (n,)
        Part of Σ psf² on usable pixels.
    chi2 : ndarray, shape (n,)
        Of image - model of the source and those fitted with it.
    ln_likelihood : ndarray, shape (n,)
        Natural logarithm of the likelihood of these pixels.
    n_data : ndarray of int32, shape (n,)
        Number of pixels.
    """

    flux: Floats
    flux_err: Floats
    failed: Bools
    edge: Bools
    no_good_pixels: Bools
    blended: Bools
    weight: Floats
    chi2: Floats
    ln_likelihood: Floats
    n_data: NDArray[np.int32]

    @property
    def flags(self) -> dict[str, Bools]:
        """Flags as the columns of sources name them, without prefix."""
        return {
            "flag": self.failed,
            "flag_edge": self.edge,
            "flag_no_good_pixels": self.no_good_pixels,
        }


@dataclass(frozen=True)
class _Sums:
    """Sums over the windows: psf × image, psf², psf² × variance, all of psf²."""

    data: Floats
    square: Floats
    noise: Floats
    whole: Floats


def fluxes(
    exposure: Exposure,
    x: ArrayLike,
    y: ArrayLike,
    *,
    fit_neighbours: bool = True,
    noise: ArrayLike = 1.0,
    psf: Psf | None = None,
    config: ForcedConfig | None = None,
) -> ForcedFluxes:
    """Measure the fluxes of point sources at given positions.

    Least squares of equal weights: optimal against the noise of the sky, and without bias where the
    variance knows the photons of the source.  Its error is that of these weights under the
    variance of the image, Σ p² v / (Σ p²)².

    Parameters
    ----------
    exposure : Exposure
        Image.
    x, y : array_like, shape (n,)
        Positions [pixel].  They may be off the image: such fluxes are NaN, and flagged.
    fit_neighbours : bool
        Whether close pairs are fitted together; else each gets the light of its neighbours too.
    noise : array_like
        Factor of the errors, one or for each: noise that was measured on blank sky over that of the
        variance, where pixels are correlated.
    psf : Psf, optional
        By default that of the exposure.
    config : ForcedConfig, optional
        Settings.

    Returns
    -------
    ForcedFluxes

    Raises
    ------
    MeasureError
        The exposure has no PSF.
    """
    config = config or ForcedConfig()
    psf = psf or exposure.psf
    if psf is None:
        raise MeasureError("forced fluxes need the PSF of the image; calibrate it first")
    x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
    blocks = [_Block(exposure, psf, x[s], y[s]) for s in _slices(len(x))]
    sums = _Sums(
        data=_joined([block.sums.data for block in blocks]),
        square=_joined([block.sums.square for block in blocks]),
        noise=_joined([block.sums.noise for block in blocks]),
        whole=_joined([block.sums.whole for block in blocks]),
    )
    windows = [block.windows for block in blocks]
    weight = sums.square / np.where(sums.whole > 0, sums.whole, 1.0)
    usable = weight >= config.min_weight
    pairs = Pairs.none()
    if fit_neighbours:
        pairs = find_pairs(exposure, psf, x, y, usable, config.overlap, config.closest)
    flux, variance, blended = solve(sums.data, sums.square, sums.noise, usable, pairs)
    chi2, likelihood = _fit_quality(blocks, flux, pairs)
    failed = ~usable
    n_data = _joined([w.good.sum(axis=(1, 2)) for w in windows]).astype(np.int32)
    return ForcedFluxes(
        flux=np.where(failed, np.nan, flux),
        flux_err=np.where(failed, np.nan, np.sqrt(variance) * noise),
        failed=failed,
        edge=_joined([w.inside.mean(axis=(1, 2)) for w in windows]) < 1.0,
        no_good_pixels=n_data == 0,
        blended=blended,
        weight=weight,
        chi2=np.where(failed, np.nan, chi2),
        ln_likelihood=np.where(failed, np.nan, likelihood),
        n_data=n_data,
    )


class _Block:
    """Windows and models of some positions."""

    def __init__(self, exposure: Exposure, psf: Psf, x: Floats, y: Floats) -> None:
        half = core_half(psf)
        self.windows: Windows = cut(exposure, None, x, y, half)
        # Off the image nothing is good: any place will do for the model.
        dx, dy = (
            np.where(np.abs(at - near) <= 0.5, at - near, 0.0)
            for at, near in ((x, self.windows.x), (y, self.windows.y))
        )
        (self.model,) = point_sources(psf.at(self.windows.x, self.windows.y), dx, dy, half)
        good = self.model * self.windows.good
        self.sums = _Sums(
            _dot(self.model, self.windows.image),
            _dot(good, good),
            _dot(good * good, self.windows.variance),
            _dot(self.model, self.model),
        )


def _fit_quality(blocks: list[_Block], flux: Floats, pairs: Pairs) -> tuple[Floats, Floats]:
    """Return χ² and ln L of the pixels of each window under the models fitted there."""
    chi2, likelihood = np.zeros(len(flux)), np.zeros(len(flux))
    for part, block in zip(_slices(len(flux)), blocks, strict=True):
        windows = block.windows
        model = flux[part, np.newaxis, np.newaxis] * block.model
        mine = (pairs.i >= part.start) & (pairs.i < part.stop)
        np.add.at(
            model,
            pairs.i[mine] - part.start,
            flux[pairs.j[mine], np.newaxis, np.newaxis] * pairs.models[mine],
        )
        variance = np.where(windows.good, windows.variance, 1.0)
        residual = np.where(windows.good, windows.image - model, 0.0)
        chi2[part] = (residual**2 / variance).sum(axis=(1, 2))
        norm = np.where(windows.good, np.log(2 * np.pi * variance), 0.0).sum(axis=(1, 2))
        likelihood[part] = -0.5 * (chi2[part] + norm)
    return chi2, likelihood


def _slices(n: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate([*parts, np.empty(0)])


def _dot(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.einsum("nij,nij->n", one, other))
