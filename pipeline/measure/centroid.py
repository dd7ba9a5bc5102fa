"""Positions of point sources by fits of the PSF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from pipeline.exposure import Exposure
from pipeline.forced import fluxes
from pipeline.forced.windows import Bools, Floats, Ints, Windows, core_half, cut, point_sources
from pipeline.psf import Psf

_BLOCK = 1024
_ITERATIONS = 8
_CONVERGED = 2e-3
_LARGEST_STEP = 0.7
#: A pixel is a spike if it exceeds the model by this part of its peak, and so many sigmas.
_SPIKE = 0.5
_SPIKE_SNR = 6.0


@dataclass(frozen=True)
class Points:
    """Fitted point sources.

    Attributes
    ----------
    x, y : ndarray, shape (n,)
        Position [pixel].
    flux : ndarray, shape (n,)
        Flux in units of the image.
    covariance : ndarray, shape (n, 3, 3)
        Of flux, x, y.
    chi2 : ndarray, shape (n,)
        Of the pixels of the window.
    misfit : ndarray, shape (n,)
        Root of the sum of squares of the residual over that of the model.
    n_data : ndarray of int64, shape (n,)
        Number of pixels.
    converged : ndarray of bool, shape (n,)
        The last step was small, and the source is where it was looked for.
    spike : ndarray of bool, shape (n,)
        Light is gathered in a pixel as the PSF does not gather it: a cosmic ray.
    """

    x: Floats
    y: Floats
    flux: Floats
    covariance: Floats
    chi2: Floats
    misfit: Floats
    n_data: Floats
    converged: Bools
    spike: Bools


def fit_points(
    exposure: Exposure,
    psf: Psf,
    x: Floats,
    y: Floats,
    max_shift: float,
    light: Floats | None = None,
) -> Points:
    """Fit flux and position of point sources, each by itself.

    Gauss-Newton with equal weights on the pixels; the covariance is that of these weights under
    the variance of the image.

    Parameters
    ----------
    exposure : Exposure
        Image.
    psf : Psf
        Its PSF.
    x, y : ndarray, shape (n,)
        Where to start [pixel].
    max_shift : float
        Greatest distance from there [pixel].
    light : ndarray, shape (n, k, k), optional
        What other sources put into the windows, as `neighbour_light` returns it.

    Returns
    -------
    Points
    """
    parts = []
    for start in range(0, max(len(x), 1), _BLOCK):
        s = slice(start, start + _BLOCK)
        windows = cut(exposure, None, x[s], y[s], window_half(psf))
        image = windows.image if light is None else windows.image - light[s] * windows.good
        parts.append(_fit_block(windows, image, psf, x[s], y[s], max_shift))
    fields = Points.__dataclass_fields__
    return Points(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def fit_apart(exposure: Exposure, psf: Psf, x: Floats, y: Floats, max_shift: float) -> Points:
    """Fit point sources; those with neighbours again, without the light of these.

    Parameters
    ----------
    exposure : Exposure
        Image.
    psf : Psf
        Its PSF.
    x, y : ndarray, shape (n,)
        Where to start [pixel].
    max_shift : float
        Greatest distance from there [pixel].

    Returns
    -------
    Points
    """
    points = fit_points(exposure, psf, x, y, max_shift)
    for _ in range(2):
        at_x, at_y = (np.where(points.converged, a, b) for a, b in ((points.x, x), (points.y, y)))
        found = fluxes(exposure, at_x, at_y, psf=psf)
        light = neighbour_light(psf, np.column_stack([x, y]), at_x, at_y, found.flux)
        if light is None:
            break
        index, values = light
        again = fit_points(exposure, psf, x[index], y[index], max_shift, values)
        for name in Points.__dataclass_fields__:
            getattr(points, name)[index] = getattr(again, name)
    return points


def window_half(psf: Psf) -> int:
    """Return the half side of the windows: positions need a little more than fluxes.

    Parameters
    ----------
    psf : Psf
        PSF.

    Returns
    -------
    int
        Half side [pixel].
    """
    return core_half(psf) + 1


def neighbour_light(
    psf: Psf, start: Floats, x: Floats, y: Floats, flux: Floats
) -> tuple[Ints, Floats] | None:
    """Return what the other sources put into the window of each.

    Parameters
    ----------
    psf : Psf
        PSF.
    start : ndarray, shape (n, 2)
        Positions x, y that the windows are centred on [pixel].
    x, y, flux : ndarray, shape (n,)
        Sources; those without flux (NaN) count for nothing.

    Returns
    -------
    index : ndarray of int64, shape (m,)
        Sources with neighbours.
    light : ndarray, shape (m, k, k)
        The light of these in the windows of `fit_points`.

        None if no two sources are near each other.
    """
    half = window_half(psf)
    if len(x) < 2:
        return None
    tree = cKDTree(np.column_stack([x, y]))
    near = tree.query_pairs(half + psf.half, p=np.inf, output_type="ndarray")
    if not len(near):
        return None
    i, j = np.concatenate([near, near[:, ::-1]]).T
    index, place = np.unique(i, return_inverse=True)
    light = np.zeros((len(index), 2 * half + 1, 2 * half + 1))
    middle_x, middle_y = np.rint(start).T
    for first in range(0, len(i), _BLOCK):
        s = slice(first, first + _BLOCK)
        a, b = i[s], j[s]
        (model,) = point_sources(psf.at(x[b], y[b]), x[b] - middle_x[a], y[b] - middle_y[a], half)
        np.add.at(light, place[s], np.nan_to_num(flux[b])[:, np.newaxis, np.newaxis] * model)
    return index, light


def _fit_block(
    windows: Windows, image: Floats, psf: Psf, x: Floats, y: Floats, max_shift: float
) -> Points:
    n = len(x)
    images = psf.at(windows.x, windows.y)
    at = np.stack([x - windows.x, y - windows.y], axis=1)
    first = at.copy()
    step = np.full((n, 2), np.inf)
    for _ in range(_ITERATIONS):
        design, _ = _design(images, at, windows)
        moving = np.abs(step).max(axis=1) > _CONVERGED
        flux, slope = _linear(design, image, windows.good)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.nan_to_num(slope / flux[:, np.newaxis])
        length = np.maximum(np.hypot(*step.T)[:, np.newaxis], 1e-12)
        step *= np.minimum(1.0, _LARGEST_STEP / length) * moving[:, np.newaxis]
        at += step
        strayed = np.hypot(*(at - first).T) > 2 * max_shift
        at[strayed], step[strayed] = first[strayed], 0.0
        if not np.any(np.abs(step) > _CONVERGED):
            break
    design, model = _design(images, at, windows)
    flux, _ = _linear(design, image, windows.good)
    residual = np.where(windows.good, image - flux[:, np.newaxis, np.newaxis] * model, 0.0)
    weight = np.where(windows.good, 1.0 / np.where(windows.good, windows.variance, 1.0), 0.0)
    shift = np.hypot(*(at - first).T)
    light = np.abs(flux) * np.sqrt((model**2 * windows.good).sum(axis=(1, 2)))
    return Points(
        x=windows.x + at[:, 0],
        y=windows.y + at[:, 1],
        flux=flux,
        covariance=_covariance(design, windows, flux),
        chi2=(residual**2 * weight).sum(axis=(1, 2)),
        misfit=np.sqrt((residual**2).sum(axis=(1, 2))) / np.maximum(light, 1e-30),
        n_data=windows.good.sum(axis=(1, 2)).astype(float),
        converged=(np.abs(step).max(axis=1) < 0.05) & (shift <= max_shift) & (shift > 0),
        spike=_spikes(residual, np.sqrt(weight), flux, model),
    )


def _spikes(residual: Floats, per_sigma: Floats, flux: Floats, model: Floats) -> Bools:
    """Tell which sources have a pixel far above the fitted model, on the scale of its peak."""
    above = np.sign(flux)[:, np.newaxis, np.newaxis] * residual
    least = _SPIKE * np.abs(flux) * model.max(axis=(1, 2), initial=0.0)
    sharp = (above > least[:, np.newaxis, np.newaxis]) & (above * per_sigma > _SPIKE_SNR)
    return np.asarray(sharp.any(axis=(1, 2)))


def _design(images: Floats, at: Floats, windows: Windows) -> tuple[Floats, Floats]:
    """Return point sources and their slopes on the good pixels, (n, 3, pixels), and the sources."""
    parts = point_sources(images, at[:, 0], at[:, 1], windows.half, slopes=True)
    design = np.stack([part * windows.good for part in parts], axis=1)
    return design.reshape(len(at), 3, (2 * windows.half + 1) ** 2), parts[0]


def _linear(design: Floats, image: Floats, good: Bools) -> tuple[Floats, Floats]:
    """Return flux and flux × shift by linear least squares; zero where it cannot be solved."""
    normal = design @ design.transpose(0, 2, 1)
    right = design @ (image * good).reshape(len(image), design.shape[2], 1)
    solved = _solved(normal, right)
    return solved[:, 0, 0], solved[:, 1:, 0]


def _solved(normal: Floats, right: Floats) -> Floats:
    """Solve systems; singular ones give zeros."""
    scale = np.sqrt(np.maximum(np.diagonal(normal, axis1=1, axis2=2), 1e-300))
    scaled = normal / (scale[:, :, np.newaxis] * scale[:, np.newaxis])
    known = np.abs(np.linalg.det(scaled)) > 1e-9
    scaled[~known] = np.eye(normal.shape[1])
    solved = np.linalg.solve(scaled, right / scale[:, :, np.newaxis]) / scale[:, :, np.newaxis]
    return np.where(known[:, np.newaxis, np.newaxis], solved, 0.0)


def _covariance(design: Floats, windows: Windows, flux: Floats) -> Floats:
    """Return the covariance (n, 3, 3) of flux, x and y; NaN where it is not known."""
    normal = design @ design.transpose(0, 2, 1)
    noise = (design * windows.variance.reshape(len(flux), 1, design.shape[2])) @ design.transpose(
        0, 2, 1
    )
    half = _solved(normal, noise)
    covariance = _solved(normal, half.transpose(0, 2, 1))
    per = np.ones((len(flux), 3))
    with np.errstate(divide="ignore"):
        per[:, 1:] = 1.0 / flux[:, np.newaxis]
    with np.errstate(invalid="ignore"):
        found = covariance * per[:, :, np.newaxis] * per[:, np.newaxis]
    unknown = ~(np.diagonal(found, axis1=1, axis2=2) > 0).all(axis=1)
    found[unknown] = np.nan
    return np.asarray(found)
