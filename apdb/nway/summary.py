"""What is said of the objects of an N-way matching: repeatability and variability.

Standard deviations have n - 1 in the denominator; what needs more sources than an object has is
NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Column, Table
from numpy.typing import NDArray
from scipy.special import gammaincc

from apdb.nway.grid import Floats, Grid, Ints

MAD_TO_SIGMA = 1.482602218505602
"""Of a normal distribution, sigma over median absolute deviation."""

VARIABLE = 1e-6
"""Chance below which a constant object would scatter so much; then it counts as variable."""


@dataclass(frozen=True)
class Members:
    """Sources in the order of their objects.

    Attributes
    ----------
    object_id : ndarray of int64, shape (n,)
        Ascending.
    lon, lat, flux, flux_err, mjd : ndarray of float64, shape (n,)
        Position, flux, its error and time; NaN where unknown.
    """

    object_id: Ints
    lon: Floats
    lat: Floats
    flux: Floats
    flux_err: Floats
    mjd: Floats


def describe(members: Members, grid: Grid) -> Table:
    """Return one row for each object.

    Parameters
    ----------
    members : Members
        Whole objects.
    grid : Grid
        Sky or plane.

    Returns
    -------
    astropy.table.Table
        object_id, position, n_sources, scatter of position; of the n_fluxes sources that have a
        flux and an error: weighted mean and its error, median, standard deviation, sigma from the
        MAD, extremes, chi2 of a constant with n_fluxes - 1 degrees of freedom, the chance of so
        much, the scatter beyond the errors, and standard deviation over mean; first and last time.
    """
    start = np.flatnonzero(np.diff(members.object_id, prepend=-1))
    table = Table({"object_id": members.object_id[start]})
    table.columns["object_id"].description = "Number of the object"
    which = np.repeat(np.arange(len(start)), np.diff(start, append=len(members.object_id)))
    _positions(table, members, grid, start, which)
    _fluxes(table, members, which, len(start))
    for name, values in _times(members.mjd, which, len(start)).items():
        table[name] = Column(values, unit=u.d, description=f"{name}, of sources with a time")
    return table


def _positions(
    table: Table, members: Members, grid: Grid, start: NDArray[np.intp], which: NDArray[np.intp]
) -> None:
    points = grid.points(members.lon, members.lat)
    n = np.diff(start, append=len(which))
    centre = np.add.reduceat(points, start, axis=0) / n[:, None] if len(start) else points
    east, north = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    lon, lat = centre[:, 0], centre[:, 1]
    names, unit, scale = ("x", "y"), None, 1.0
    along = points - centre[which]
    if grid.sky:
        names, unit, scale = ("ra", "dec"), u.arcsec, 3600.0 * np.degrees(1.0)
        across = np.hypot(centre[:, 0], centre[:, 1])
        a, d = np.arctan2(centre[:, 1], centre[:, 0]), np.arctan2(centre[:, 2], across)
        lon, lat = np.degrees(a) % 360.0, np.degrees(d)
        lon = np.where(lon >= 360.0, 0.0, lon)
        zero = np.zeros_like(a)
        east = np.column_stack([-np.sin(a), np.cos(a), zero])[which]
        north = np.column_stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])[which]
    for name, values in zip(names, (lon, lat), strict=True):
        described = f"Mean {name} of the sources"
        table[name] = Column(values, unit=u.deg if grid.sky else None, description=described)
    table["n_sources"] = Column(n.astype(np.int64), description="Sources, one of each catalogue")
    scatters = [(along * axis).sum(axis=1) * scale for axis in (east, north)]
    rms = [_std(values, which, len(n), n) for values in scatters]
    for name, values in zip(names, rms, strict=True):
        described = f"Standard deviation of {name}{' times cos(dec)' if name == 'ra' else ''}"
        table[f"{name}_rms"] = Column(values, unit=unit, description=described)
    described = "Scatter of the position, both directions together"
    table["position_rms"] = Column(np.hypot(*rms), unit=unit, description=described)


def _std(values: Floats, which: NDArray[np.intp], size: int, n: NDArray[np.intp]) -> Floats:
    mean = np.bincount(which, values, size) / np.maximum(n, 1)
    squares = np.bincount(which, np.square(values - mean[which]), size)
    return np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)


_FLUX = {
    "n_fluxes": "Sources with a flux and an error",
    "flux_mean": "Mean flux, weighted by the inverse variances",
    "flux_mean_err": "One-sigma error of the weighted mean",
    "flux_median": "Median flux",
    "flux_std": "Standard deviation of the fluxes",
    "flux_mad_sigma": "1.4826 times the median absolute deviation from the median",
    "flux_min": "Smallest flux",
    "flux_max": "Largest flux",
    "flux_chi2": "Chi-square of a constant flux, n_fluxes - 1 degrees of freedom",
    "flux_chance": "Chance that a constant flux scatters at least so much",
    "flux_excess": "Scatter beyond the errors: root of variance less mean squared error, or 0",
    "flux_repeatability": "Standard deviation over weighted mean",
}


def _fluxes(table: Table, members: Members, which: NDArray[np.intp], size: int) -> None:
    good = np.isfinite(members.flux) & np.isfinite(members.flux_err) & (members.flux_err > 0.0)
    flux, error, of = members.flux[good], members.flux_err[good], which[good]
    n = np.bincount(of, minlength=size)
    some, several = n > 0, n > 1
    weight = error**-2.0
    total = np.bincount(of, weight, size)
    mean = _where(some, np.bincount(of, weight * flux, size), total)
    std = _std(flux, of, size, n)
    median = _median(flux, of, n)
    chi2 = np.bincount(of, np.square((flux - mean[of]) / error), size)
    variance = _where(several, np.bincount(of, error**2.0, size), n)
    found: Mapping[str, NDArray[Any]] = {
        "n_fluxes": n.astype(np.int64),
        "flux_mean": mean,
        "flux_mean_err": _where(some, np.ones(size), np.sqrt(total)),
        "flux_median": median,
        "flux_std": std,
        "flux_mad_sigma": MAD_TO_SIGMA * _median(np.abs(flux - median[of]), of, n),
        "flux_min": -_largest(-flux, of, size),
        "flux_max": _largest(flux, of, size),
        "flux_chi2": np.where(several, chi2, np.nan),
        "flux_chance": np.where(several, gammaincc((np.maximum(n, 2) - 1) / 2, chi2 / 2), np.nan),
        "flux_excess": np.sqrt(np.maximum(np.square(std) - variance, 0.0)),
        "flux_repeatability": _where(several & (mean != 0.0), std, mean),
    }
    for name, description in _FLUX.items():
        table[name] = Column(found[name], description=description)


def _where(good: NDArray[np.bool_], over: NDArray[Any], under: NDArray[Any]) -> Floats:
    """Return a quotient, NaN where it is not meant."""
    return np.where(good, over / np.where(good, under, 1.0), np.nan)


def _largest(values: Floats, of: NDArray[np.intp], size: int) -> Floats:
    found = np.full(size, -np.inf)
    np.maximum.at(found, of, values)
    return np.where(np.isfinite(found), found, np.nan)


def _median(values: Floats, of: NDArray[np.intp], n: NDArray[np.intp]) -> Floats:
    if not len(values):
        return np.full(len(n), np.nan)
    ordered = values[np.lexsort((values, of))]
    start = np.cumsum(n) - n
    low = np.minimum(start + np.maximum(n - 1, 0) // 2, len(values) - 1)
    high = np.minimum(start + n // 2, len(values) - 1)
    return np.where(n > 0, (ordered[low] + ordered[high]) / 2.0, np.nan)


def _times(mjd: Floats, which: NDArray[np.intp], size: int) -> dict[str, Floats]:
    known = np.isfinite(mjd)
    first = -_largest(-mjd[known], which[known], size)
    return {"mjd_first": first, "mjd_last": _largest(mjd[known], which[known], size)}


class Overall:
    """Sums over all objects, gathered as they come.

    Parameters
    ----------
    grid : Grid
        Sky or plane.
    n_catalogues : int
        Number of catalogues; objects in at least half of them count as well measured.
    """

    def __init__(self, grid: Grid, n_catalogues: int) -> None:
        self._n_catalogues = n_catalogues
        self._sky = grid.sky
        self._n = self._several = self._variable = 0
        self._kept: list[NDArray[np.float64]] = []

    def add(self, objects: Table) -> None:
        """Add objects.

        Parameters
        ----------
        objects : astropy.table.Table
            What `describe` returned.
        """
        n = np.asarray(objects["n_sources"])
        self._n += len(objects)
        self._several += int((n > 1).sum())
        well = (n >= self._n_catalogues / 2.0) & (n > 1)
        self._variable += int((np.asarray(objects["flux_chance"])[well] < VARIABLE).sum())
        names = ("position_rms", "flux_repeatability", "flux_mean")
        self._kept.append(np.column_stack([np.asarray(objects[name])[well] for name in names]))

    def result(self) -> dict[str, Any]:
        """Return the summary.

        Returns
        -------
        dict
            Counts, and medians over objects that are in half of the catalogues: scatter of the
            position [arcsec, or as x and y], and flux_repeatability of the brighter half.
        """
        rms, repeat, mean = np.concatenate(self._kept or [np.empty((0, 3))]).T
        known = np.isfinite(repeat)
        bright = known & (mean >= np.median(mean[known])) if known.any() else known
        return {
            "n_objects": self._n,
            "n_objects_several": self._several,
            "n_variable": self._variable,
            "n_well_measured": len(rms),
            "position_rms_median": float(np.median(rms)) if len(rms) else None,
            "flux_repeatability_median": float(np.median(repeat[bright])) if bright.any() else None,
        }
