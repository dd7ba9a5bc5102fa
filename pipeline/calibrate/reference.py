"""Reference stars as the image should show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.calibrate.config import CalibrateConfig
from pipeline.errors import CalibrateError
from pipeline.exposure import ExposureInfo

Floats = NDArray[np.float64]

_AB_NJY = 31.4
_YEAR = 365.25
_MAS = 3.6e6


@dataclass(frozen=True)
class References:
    """Reference stars at the epoch of an image, by falling flux.

    Attributes
    ----------
    ra, dec : ndarray, shape (n,)
        Positions, ICRS [deg].
    flux, flux_err : ndarray, shape (n,)
        In the band of the image [nJy]; NaN if unknown.
    star : ndarray of bool, shape (n,)
        Not known to be extended.
    """

    ra: Floats
    dec: Floats
    flux: Floats
    flux_err: Floats
    star: NDArray[np.bool_]


def references(refcat: Table, info: ExposureInfo | None, config: CalibrateConfig) -> References:
    """Read positions and fluxes from a catalogue.

    Parameters
    ----------
    refcat : Table
        ra, dec [deg]; fluxes as the settings say; optional are pm_ra (with cos dec), pm_dec
        [mas/yr] with epoch_mjd_tai, flux errors (``…_err``), extendedness or is_star.
    info : ExposureInfo or None
        Band and time of the image.
    config : CalibrateConfig
        Settings.

    Returns
    -------
    stars : References
        By falling flux.

    Raises
    ------
    CalibrateError
        A column that is needed is missing, or no row is usable.
    """
    missing = [name for name in ("ra", "dec") if name not in refcat.colnames]
    if missing:
        raise CalibrateError(
            f"the reference catalogue has no column {missing[0]}; it has "
            f"{', '.join(refcat.colnames)}"
        )
    flux, error = _fluxes(refcat, info, config)
    ra, dec = _moved(refcat, info)
    known = np.isfinite(ra) & np.isfinite(dec)
    if not known.any():
        raise CalibrateError(
            f"none of the {len(refcat)} rows of the reference catalogue has a position; check that "
            "it covers the image"
        )
    rows = np.argsort(np.where(np.isfinite(flux), -flux, np.inf), kind="stable")
    rows = rows[known[rows]]
    star = _column(refcat, "is_star", 1.0) > 0.5
    star &= ~(_column(refcat, "extendedness", 0.0) > 0.5)
    return References(ra[rows], dec[rows], flux[rows], error[rows], star[rows])


def _column(table: Table, name: str, default: float) -> Floats:
    """Return a column as floats, what is masked or missing replaced."""
    if name not in table.colnames:
        return np.full(len(table), default)
    return np.asarray(np.ma.filled(np.ma.asarray(table[name]).astype(np.float64), default))


def _fluxes(
    refcat: Table, info: ExposureInfo | None, config: CalibrateConfig
) -> tuple[Floats, Floats]:
    """Return fluxes and errors [nJy]."""
    term = config.colour_term
    if term is not None:
        for name in (term.primary, term.secondary):
            if name not in refcat.colnames:
                raise CalibrateError(
                    f"the colour term needs column {name}, which the reference catalogue has not"
                )
        primary, secondary = (_column(refcat, n, np.nan) for n in (term.primary, term.secondary))
        colour = primary - secondary
        magnitude = primary + term.constant + term.slope * colour + term.quadratic * colour**2
        error = _column(refcat, f"{term.primary}_err", np.nan)
        return _from_magnitudes(magnitude, error)
    name = _flux_column(refcat, info, config)
    values, error = (_column(refcat, n, np.nan) for n in (name, f"{name}_err"))
    if name.endswith("mag"):
        return _from_magnitudes(values, error)
    return np.where(values > 0, values, np.nan), error


def _flux_column(refcat: Table, info: ExposureInfo | None, config: CalibrateConfig) -> str:
    """Return the name of the column of fluxes or magnitudes."""
    band = info.band if info is not None else ""
    names = [f"{band}_mag", f"{band}_flux", "flux", "mag"]
    wanted = names if config.flux_column is None else [config.flux_column]
    for name in wanted:
        if name in refcat.colnames:
            return name
    raise CalibrateError(
        f"the reference catalogue has none of the columns {', '.join(wanted)}; set `flux_column` "
        f"to one of {', '.join(refcat.colnames)}"
    )


def _from_magnitudes(magnitude: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Return fluxes [nJy] of AB magnitudes."""
    flux = 10.0 ** (0.4 * (_AB_NJY - magnitude))
    return flux, flux * error * np.log(10.0) / 2.5


def _moved(refcat: Table, info: ExposureInfo | None) -> tuple[Floats, Floats]:
    """Return positions at the time of the image."""
    ra, dec = (_column(refcat, name, np.nan) for name in ("ra", "dec"))
    if info is None or "epoch_mjd_tai" not in refcat.colnames:
        return ra, dec
    years = (info.midpoint_mjd_tai - _column(refcat, "epoch_mjd_tai", np.nan)) / _YEAR
    years = np.nan_to_num(years)
    east, north = (_column(refcat, name, 0.0) for name in ("pm_ra", "pm_dec"))
    cosine = np.maximum(np.cos(np.radians(dec)), 1e-9)
    return (
        ra + np.nan_to_num(east) * years / (_MAS * cosine),
        dec + np.nan_to_num(north) * years / _MAS,
    )
