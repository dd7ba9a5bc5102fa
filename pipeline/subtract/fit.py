"""A kernel is fitted to stars: clipping, and how much variation the stars can bear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.exposure import Exposure
from pipeline.psf import n_terms
from pipeline.robust import weighted_median
from pipeline.subtract.bases import Bases, Floats
from pipeline.subtract.config import SubtractConfig
from pipeline.subtract.kernel import Kernel
from pipeline.subtract.normal import Equations, Stamps, equations
from pipeline.subtract.system import Solution, System

Bools = NDArray[np.bool_]
_STARS_PER_TERM = 3
_MOVED = 0.01  # pixel: a shift that is not looked at
_MANY = 20  # stars: of fewer nobody knows which moved
_MAX_CHANGE = 0.2  # of a star's brightness, beyond which it is a variable whatever its errors
_FOLDS = 4
_SAME = 4.0
_USUAL = 0.3
_FREEDOM = (0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Fit:
    """A matching kernel and how well it fits.

    Attributes
    ----------
    kernel : Kernel
        To convolve with.
    used : ndarray of bool, shape (n,)
        Stars that decided.
    chi2 : float
        Median over them of χ² per pixel.
    condition : float
        Of the normal equations.
    """

    kernel: Kernel
    used: Bools
    chi2: float
    condition: float


def fit_kernel(
    narrow: Exposure, wide: Exposure, where: Floats, bases: Bases, half: int, config: SubtractConfig
) -> Fit | None:
    """Fit the kernel that turns one image into another.

    Twice: the second time with the weights that the first kernel implies.

    Parameters
    ----------
    narrow, wide : Exposure
        Image to convolve and image to match.
    where : ndarray, shape (n, 2)
        Stars.
    bases : Bases
        Parts of the kernel.
    half : int
        Half side of the stamps.
    config : SubtractConfig
        Orders and clipping.

    Returns
    -------
    Fit or None
        None if too few stars agree with each other for one kernel of these bases.
    """
    size = (wide.shape[1], wide.shape[0])
    if len(where) == 0:
        return None
    stamps = Stamps.cut(narrow, wide, where, half, bases.half)
    convolved = bases.convolve(stamps.narrow)
    expected = 1.0, float(np.square(bases.images[0]).sum())
    use: Bools = stamps.good.mean(axis=(1, 2)) > 0.5
    for last in (False, True):
        given = equations(stamps, bases, convolved, expected, config.systematics)
        found = _clipped(given, bases, use, size, config, choose=last)
        if found is None:
            return None
        solution, use = found
        kernel = _kernel(solution, bases, size)
        expected = max(solution.flux, 1e-3), float(np.square(kernel.centre).sum())
    theta = solution.at(where, size)
    chi2 = float(np.median((given.chi2(theta) / given.pixels)[use]))
    condition = System.of(given, use, 0, size).condition(0)
    return Fit(kernel, use, chi2, condition)


def _kernel(solution: Solution, bases: Bases, size: tuple[int, int]) -> Kernel:
    """Kernel of the coefficients."""
    images = np.tensordot(solution.coefficients, bases.images[1:], axes=1)
    images[0] += solution.flux * bases.images[0]
    return Kernel(images, solution.order, size)


def _clipped(
    given: Equations,
    bases: Bases,
    use: Bools,
    size: tuple[int, int],
    config: SubtractConfig,
    *,
    choose: bool,
) -> tuple[Solution, Bools] | None:
    """Fit without the stars that stand out, at the best order that those left can bear."""
    start = use
    try:
        for round_ in range(config.clip_iterations):
            highest = _order_for(int(use.sum()), config.kernel_order)
            if highest is None:
                return None
            # The first round looks for variables and blends: a stiff kernel is not drawn to them.
            order = min(highest, 1) if round_ == 0 else highest
            solution = System.of(given, use, order, size).solve(order, _USUAL)
            theta = solution.at(given.where, size)
            kept = start & _agree(given, theta, use, config.clip_sigma)
            kept &= _stay(given, theta, bases, use, config.clip_sigma)
            done = round_ > 0 and bool((kept == use).all())
            use = kept
            if done:
                break
        highest = _order_for(int(use.sum()), config.kernel_order)
        if highest is None:
            return None
        if choose:
            return _best(given, use, highest, size), use
        return System.of(given, use, highest, size).solve(highest, _USUAL), use
    except np.linalg.LinAlgError:
        return None


def _order_for(stars: int, highest: int) -> int | None:
    """Highest order that so many stars allow; None if not even a constant kernel."""
    for order in range(highest, -1, -1):
        if stars >= _STARS_PER_TERM * n_terms(order):
            return order
    return None


def _agree(given: Equations, theta: Floats, use: Bools, sigma: float) -> Bools:
    """Tell which stars neither vary nor leave more residual than the others."""
    with np.errstate(invalid="ignore", divide="ignore"):
        badness = np.log(np.maximum(given.chi2(theta), 1e-3) / np.maximum(given.pixels, 1.0))
        scale, error = given.scale(theta)
        change = (scale - 1.0) / np.hypot(error, 0.01)
    spread = 1.4826 * np.median(np.abs(badness[use] - np.median(badness[use])))
    middle = np.median(change[use])
    width = max(1.4826 * np.median(np.abs(change[use] - middle)), 1.0)
    good = badness < np.median(badness[use]) + sigma * max(spread, 0.25)
    good &= np.abs(change - middle) < sigma * width
    return np.asarray(good & (np.abs(scale - 1.0) < _MAX_CHANGE + sigma * error))


def _stay(given: Equations, theta: Floats, bases: Bases, use: Bools, sigma: float) -> Bools:
    """Tell which stars are where the kernel puts them; others moved since the template."""
    if use.sum() < _MANY:
        return np.ones(len(use), np.bool_)
    mean = np.tensordot(theta[use].mean(axis=0), bases.images, axes=1)
    slopes = np.array(np.gradient(mean)).reshape(2, -1)
    flat = bases.images.reshape(len(bases.images), -1)
    parts = np.linalg.lstsq(flat.T, slopes.T, rcond=None)[0]
    shift, error = given.lacks(theta, parts.T)
    error = np.hypot(error, _MOVED)
    # Most stars are faint; the bright ones know.
    weight = 1.0 / np.square(error[use]).sum(axis=1)
    pull = np.abs(shift - weighted_median(shift[use], weight)) / error
    width = np.maximum(1.4826 * np.median(pull[use], axis=0), 1.0)
    return np.asarray((pull < sigma * width).all(axis=1))


def _best(given: Equations, use: Bools, highest: int, size: tuple[int, int]) -> Solution:
    """Solve with the order and the freedom that predict stars best which the fit has not seen."""
    whole = System.of(given, use, highest, size)
    if use.sum() < 2 * _FOLDS:
        return whole.solve(highest, _USUAL)
    folds = np.cumsum(use) % _FOLDS
    tests = [use & (folds == fold) for fold in range(_FOLDS)]
    unseen = [given.of(test) for test in tests]
    trained = [whole - System.of(given, test, highest, size) for test in tests]

    def score(order: int, freedom: float) -> Floats:
        found = [system.solve(order, freedom) for system in trained]
        pairs = zip(found, unseen, strict=True)
        return np.array([part.chi2(one.at(part.where, size)).sum() for one, part in pairs])

    choices = [(order, freedom) for order in range(highest + 1) for freedom in _FREEDOM]
    scores = np.array([score(*choice) for choice in choices])
    total = scores.sum(axis=1)
    # The stiffest of those that predict as well as the best.
    order, freedom = choices[int(np.argmax(total <= total.min() + _SAME))]
    return whole.solve(order, freedom)
