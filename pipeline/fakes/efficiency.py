"""How many are found, how many of what is found is real, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import minimize
from scipy.special import expit, ndtr, ndtri

from pipeline.errors import FakesError
from pipeline.exposure import Metrics

Floats = NDArray[np.float64]
Interval = Literal["wilson", "jeffreys"]

#: Fewest fakes to fit a curve of three parameters to.
_FEWEST = 10


@dataclass(frozen=True)
class Efficiency:
    """Fractions in bins of some quantity, and the curve A Φ((x - centre) / width) through them.

    Attributes
    ----------
    bins : astropy.table.Table
        low, high, n, k, fraction, fraction_low, fraction_high.
    plateau, centre, width : float
        Of the curve: where it levels off, and the cumulative Gaussian that leads there; NaN if it
        was not fitted.  A negative width is a fraction that falls with the quantity.
    half, half_err : float
        Where the curve passes 0.5, and its one-sigma error; NaN if it does not.
    metrics : dict of str to float
        fakes.half_snr and so on, for the quantity.
    """

    bins: Table
    plateau: float
    centre: float
    width: float
    half: float
    half_err: float
    metrics: Metrics


def binomial_interval(
    k: ArrayLike, n: ArrayLike, level: float = 0.6827, kind: Interval = "wilson"
) -> tuple[Floats, Floats]:
    """Return confidence intervals of fractions.

    Wilson (1927, JASA 22, 209), and the equal-tailed interval of Jeffreys' prior, with its ends
    at 0 and 1 where nothing or everything was found (Brown, Cai and DasGupta 2001, Stat. Sci. 16,
    101).

    Parameters
    ----------
    k, n : array_like of int
        Successes and trials.
    level : float
        Confidence; the default is that of one sigma.
    kind : {"wilson", "jeffreys"}
        Which.

    Returns
    -------
    low, high : ndarray
        0 and 1 where there were no trials.
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    if kind == "jeffreys":
        tail = (1 - level) / 2
        low = np.where(k > 0, stats.beta.ppf(tail, k + 0.5, n - k + 0.5), 0.0)
        high = np.where(k < n, stats.beta.ppf(1 - tail, k + 0.5, n - k + 0.5), 1.0)
        return np.asarray(low), np.asarray(high)
    z = stats.norm.ppf(0.5 + level / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (k + z**2 / 2) / (n + z**2)
        half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
    low, high = np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def fractions(
    success: ArrayLike,
    values: ArrayLike,
    edges: ArrayLike,
    level: float = 0.6827,
    kind: Interval = "wilson",
) -> Table:
    """Return the fraction of successes in bins, with intervals: completeness or purity.

    Parameters
    ----------
    success : array_like of bool, shape (n,)
        Found, for completeness; real, for purity.
    values : array_like, shape (n,)
        What to bin by, such as S/N or magnitude.
    edges : array_like, shape (b + 1,)
        Of the bins; the last one is closed.
    level, kind : float, str
        Of the interval, as `binomial_interval` takes them.

    Returns
    -------
    astropy.table.Table
        low, high, n, k, fraction (NaN where n is 0), fraction_low, fraction_high.
    """
    success, values = np.asarray(success, bool), np.asarray(values, float)
    edges = np.asarray(edges, float)
    n = np.histogram(values, edges)[0]
    k = np.histogram(values[success], edges)[0]
    low, high = binomial_interval(k, n, level, kind)
    with np.errstate(invalid="ignore"):
        fraction = k / np.where(n > 0, n, np.nan)
    return Table(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "n": n,
            "k": k,
            "fraction": fraction,
            "fraction_low": low,
            "fraction_high": high,
        }
    )


def completeness(
    fakes: Table,
    by: str = "snr",
    edges: ArrayLike | None = None,
    level: float = 0.6827,
    kind: Interval = "wilson",
) -> Efficiency:
    """Return how many fakes were found against S/N, magnitude or another column.

    The curve is fitted to the single fakes by maximum likelihood; bins are for looking at.

    Parameters
    ----------
    fakes : astropy.table.Table
        Of `match`, with found and the column; rows that are not usable, if there is such a column,
        are left out.
    by : str
        Column.
    edges : array_like, optional
        Of the bins; by default ten from the lowest to the highest value.
    level, kind : float, str
        Of the intervals, as `binomial_interval` takes them.

    Returns
    -------
    Efficiency

    Raises
    ------
    FakesError
        If a column is missing or no fake is usable.
    """
    missing = [name for name in (by, "found") if name not in fakes.colnames]
    if missing:
        raise FakesError(
            f"the fakes have no column {missing[0]}; match them first; they have "
            f"{', '.join(fakes.colnames)}"
        )
    usable = np.isfinite(np.asarray(fakes[by], float))
    if "usable" in fakes.colnames:
        usable &= np.asarray(fakes["usable"], bool)
    if not usable.any():
        raise FakesError("no fake is usable: nothing to measure completeness with")
    values, found = np.asarray(fakes[by], float)[usable], np.asarray(fakes["found"], bool)[usable]
    if edges is None:
        edges = np.linspace(values.min(), values.max() or 1.0, 11)
    bins = fractions(found, values, edges, level, kind)
    plateau, centre, width, half, error = _fit(values, found)
    metrics = {
        f"fakes.half_{by}": half,
        f"fakes.half_{by}_err": error,
        f"fakes.plateau_{by}": plateau,
    }
    return Efficiency(bins, plateau, centre, width, half, error, metrics)


def _fit(values: Floats, found: NDArray[np.bool_]) -> tuple[float, float, float, float, float]:
    """Return plateau, centre, width, half and its error by maximum likelihood."""
    nothing = (np.nan,) * 5
    if len(values) < _FEWEST or found.all() or not found.any():
        return nothing
    rising = values[found].mean() > values[~found].mean()
    sign, scale = (1.0 if rising else -1.0), float(values.std()) or 1.0
    middle = float(np.median(values))
    guesses = [(2.0, middle + shift * scale, np.log(scale / 3)) for shift in (-1.0, 0.0, 1.0)]
    best = None
    for guess in guesses:
        fit = minimize(
            _loss,
            guess,
            (values, found, sign),
            method="Nelder-Mead",
            options={"maxiter": 4000, "xatol": 1e-5, "fatol": 1e-7},
        )
        best = fit if best is None or fit.fun < best.fun else best
    assert best is not None
    plateau, centre, width = _natural(best.x, sign)
    half = _half(best.x, sign)
    gradient = _gradient(lambda p: _half(p, sign), best.x)
    information = _hessian(lambda p: _loss(p, values, found, sign), best.x)
    # A plateau at its limit of 1 has no curvature: it is then taken as known.
    known = best.x[0] > 6
    free = [1, 2] if known else [0, 1, 2]
    try:
        covariance = np.linalg.inv(information[np.ix_(free, free)])
        error = float(np.sqrt(gradient[free] @ covariance @ gradient[free]))
    except np.linalg.LinAlgError:
        error = float("nan")
    return plateau, centre, width, half, error


def _natural(p: Floats, sign: float) -> tuple[float, float, float]:
    """Return plateau, centre and width of the parameters that are fitted."""
    return float(expit(p[0])), float(p[1]), float(sign * np.exp(np.clip(p[2], -20, 20)))


def _loss(p: Floats, values: Floats, found: NDArray[np.bool_], sign: float) -> float:
    """Return minus the logarithm of the likelihood."""
    plateau, centre, width = _natural(p, sign)
    chance = np.clip(plateau * ndtr((values - centre) / width), 1e-12, 1 - 1e-12)
    return float(-np.log(np.where(found, chance, 1 - chance)).sum())


def _half(p: Floats, sign: float) -> float:
    """Return where the curve passes 0.5."""
    plateau, centre, width = _natural(p, sign)
    return float(centre + width * ndtri(0.5 / plateau)) if plateau > 0.5 else np.nan


def _gradient(function: Any, p: Floats) -> Floats:
    """Return central differences."""
    steps = 1e-4 * np.eye(len(p))
    return np.array([(function(p + s) - function(p - s)) / 2e-4 for s in steps])


def _hessian(function: Any, p: Floats) -> Floats:
    """Return second central differences."""
    steps = 1e-3 * np.eye(len(p))
    return np.array(
        [
            [
                (
                    function(p + a + b)
                    - function(p + a - b)
                    - function(p - a + b)
                    + function(p - a - b)
                )
                / 4e-6
                for b in steps
            ]
            for a in steps
        ]
    )
