"""Features of difference sources: of their stamps, of what was measured, of their neighbours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from apdb.archive.stamps import Stamps
from pipeline.classify.pixels import read_pixels
from pipeline.classify.stamp_features import stamp_features
from pipeline.errors import ClassifyError

Floats = NDArray[np.float64]
_BLOCK = 1024

#: Quotients of measured columns, by name of the feature.
_QUOTIENTS = {
    "psf_snr": ("psf_flux", "psf_flux_err"),
    "psf_chi2_dof": ("psf_chi2", "psf_ndata"),
    "trail_chi2_dof": ("trail_chi2", "trail_ndata"),
    "dipole_chi2_dof": ("dipole_chi2", "dipole_ndata"),
    "dipole_balance": ("dipole_flux_diff", "dipole_mean_flux"),
    "trail_gain": ("trail_flux", "psf_flux"),
    "aperture_ratio": ("ap_flux", "psf_flux"),
    "width_x": ("ixx", "ixx_psf"),
    "width_y": ("iyy", "iyy_psf"),
}
#: Measured columns that are features themselves.
_COLUMNS = ("snr", "is_negative", "extendedness", "is_dipole", "glint_trail", "bbox_size")


def features(table: Table, stamps: Mapping[str, Stamps], *, fwhm: ArrayLike | None = None) -> Table:
    """Compute the features of the sources of one image.

    Parameters
    ----------
    table : astropy.table.Table
        Sources as `pipeline.measure` has them; columns that are missing make features NaN.
    stamps : mapping of str to Stamps
        difference, science, template of the same sources in the same order, at least 2.5 FWHM on
        either side, as `pipeline.process.cutouts` makes them.
    fwhm : array_like, optional
        Width of the PSF [pixel], one or one per source: for stamps without PSF.

    Returns
    -------
    astropy.table.Table
        One column per feature, float64, NaN where unknown.

    Raises
    ------
    ClassifyError
        Stamps are missing, not as many as sources, or without PSF and width.
    """
    for kind, given in stamps.items():
        if len(given) != len(table):
            raise ClassifyError(f"{len(given)} stamps of kind {kind} for {len(table)} sources")
    blocks, widths = [], []
    for start in range(0, max(len(table), 1), _BLOCK):
        pixels = read_pixels(stamps, slice(start, min(start + _BLOCK, len(table))), fwhm)
        blocks.append(stamp_features(pixels))
        widths.append(pixels.fwhm)
    found = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, (above, below) in _QUOTIENTS.items():
            found[name] = _column(table, above) / _column(table, below)
        found["psf_snr"] = np.abs(found["psf_snr"])
        found["dipole_balance"] = np.abs(found["dipole_balance"])
    for name in _COLUMNS:
        found[name] = _column(table, name)
    found |= _neighbours(table, np.concatenate(widths))
    return Table({name: np.where(np.isfinite(v), v, np.nan) for name, v in found.items()})


def _column(table: Table, name: str) -> Floats:
    """Return a column as numbers, NaN where it has none."""
    if name not in table.colnames:
        return np.full(len(table), np.nan)
    return np.asarray(np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan))


def _neighbours(table: Table, fwhm: NDArray[np.float32]) -> dict[str, Floats]:
    """Count the sources around each: artefacts come in crowds, and on the same row or column."""
    x, y = _column(table, "x"), _column(table, "y")
    where = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    found = {name: np.full(len(table), np.nan) for name in ("near_3", "near_12", "in_line")}
    if not len(where):
        return found
    at = np.column_stack([x[where], y[where]])
    tree = cKDTree(at)
    for name, radius in (("near_3", 3.0), ("near_12", 12.0)):
        near = tree.query_ball_point(at, radius * fwhm[where], return_length=True)
        found[name][where] = np.asarray(near) - 1.0
    # more of them on a row or column than the density of the image makes
    count = np.zeros(len(where))
    for axis in (0, 1):
        ordered = np.sort(at[:, axis])
        high = np.searchsorted(ordered, at[:, axis] + 1.5, "right")
        low = np.searchsorted(ordered, at[:, axis] - 1.5, "left")
        span = max(float(np.ptp(ordered)), 3.0)
        count = np.maximum(count, (high - low - 1) - 3.0 * len(where) / span)
    found["in_line"][where] = count
    return found
