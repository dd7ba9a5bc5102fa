"""Sources that are no points: shapes, dipoles and trails, and where these put the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.detect import Detections, Footprints
from pipeline.exposure import Exposure
from pipeline.forced.windows import Bools, Floats, Ints
from pipeline.measure.config import MeasureConfig
from pipeline.measure.dipole import Dipoles, fit_dipoles
from pipeline.measure.shapes import (
    Shapes,
    axes_of,
    contained,
    extendedness,
    psf_shapes,
    source_shapes,
)
from pipeline.measure.sky import LocalSky
from pipeline.measure.trail import ALGORITHM, Trails, fit_trails
from pipeline.measure.trail_ends import settle_ends
from pipeline.psf import Psf
from pipeline.subtract.agreement import Agreement

Columns = dict[str, NDArray[np.generic]]

#: Half length of a line in units of the sigma of the Gaussian that fits it best.
_LINE = 1.4
#: Relative error of a moment times S/N, for a Gaussian: √8.
_MOMENT_ERROR = 2.83
_SIGNIFICANT = 5.0
_DIPOLE_SUMS = np.array(
    [
        [0.5, 0, 0, 0.5, 0, 0],
        [1.0, 0, 0, -1.0, 0, 0],
        [0, 1.0, 0, 0, -1.0, 0],
        [0, 0, 1.0, 0, 0, -1.0],
        [0, 0.5, 0, 0, 0.5, 0],
        [0, 0, 0.5, 0, 0, 0.5],
    ]
)


@dataclass(frozen=True)
class Extended:
    """What is fitted to sources beyond points.

    Attributes
    ----------
    shapes, psf : Shapes
        Moments of the sources, and of the PSF there.
    dipoles : Dipoles
        Two lobes.
    is_dipole : ndarray of bool, shape (n,)
        Whether that describes them.
    trails : Trails
        Lines.
    is_trail : ndarray of bool, shape (n,)
        Whether they have a length.
    """

    shapes: Shapes
    psf: Shapes
    dipoles: Dipoles
    is_dipole: Bools
    trails: Trails
    is_trail: Bools


def fit_extended(
    detections: Detections,
    science: Exposure,
    template: Exposure,
    psf: Psf,
    usable: Bools,
    x: Floats,
    y: Floats,
    config: MeasureConfig,
) -> Extended:
    """Measure moments, and fit dipoles and trails to what looks like them.

    Parameters
    ----------
    detections : Detections
        Sources, and the difference.
    science, template : Exposure
        Direct images, the template as it was subtracted.
    psf : Psf
        Of the difference.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that may be used.
    x, y : ndarray, shape (n,)
        Positions [pixel].
    config : MeasureConfig
        Settings.

    Returns
    -------
    Extended
    """
    table, difference = detections.table, detections.exposure
    negative = np.asarray(table["is_negative"])
    snr = np.asarray(table["snr"], np.float64)
    of_psf = psf_shapes(psf, x, y)
    shapes = source_shapes(difference, usable, x, y, negative, of_psf)
    lobes = np.flatnonzero(np.isfinite(table["lobe_snr"]))
    peak = np.column_stack([table["x"], table["y"]])[lobes]
    other = np.column_stack([table["lobe_x"], table["lobe_y"]])[lobes]
    below = negative[lobes, np.newaxis]
    positive, minus = np.where(below, other, peak), np.where(below, peak, other)
    dipoles = fit_dipoles(difference, science, template, lobes, positive, minus, len(table))
    is_dipole = _are_dipoles(dipoles, snr, np.asarray(table["lobe_snr"], np.float64), config)
    ratio = config.trail_min_ratio * np.where(table["n_blended"] > 1, 2.0, 1.0)
    which, start = _trail_candidates(
        difference, detections.footprints, shapes, of_psf, snr, negative, ratio, config
    )
    single = ~is_dipole[which] & _strongest(table, which)
    start[:, :2] += np.where(np.isnan(start[:, :2]), np.column_stack([x, y])[which], 0.0)
    trails = fit_trails(
        difference, psf, which[single], start[single], len(table), config.trail_max_length
    )
    sources = np.column_stack([table["x"], table["y"], np.where(negative, -snr, snr)])
    settle_ends(
        difference, psf, trails, sources, detections.noise.at(x, y), config.trail_max_length
    )
    # What has a neighbour is longer than the PSF without being a trail.
    alone = np.asarray(table["n_blended"]) == 1
    return Extended(shapes, of_psf, dipoles, is_dipole, trails, alone & _are_trails(trails))


def positions(
    extended: Extended, x: Floats, y: Floats, covariance: Floats, lost: Bools, noise: Floats
) -> tuple[Floats, Floats, Floats, Bools]:
    """Put dipoles and trails at their middles.

    Parameters
    ----------
    extended : Extended
        From `fit_extended`.
    x, y : ndarray, shape (n,)
        Positions as point sources [pixel].
    covariance : ndarray, shape (n, 2, 2)
        Of these [pixel²].
    lost : ndarray of bool, shape (n,)
        Sources without position as a point.
    noise : ndarray, shape (n,)
        Noise over what the variance says.

    Returns
    -------
    x, y, covariance, lost
        Likewise.
    """
    sums, spread = extended.dipoles.combined(_DIPOLE_SUMS)
    trails, factor = extended.trails, np.square(noise)[:, np.newaxis, np.newaxis]
    dipole, trail = extended.is_dipole, extended.is_trail
    x = np.select([dipole, trail], [sums[:, 4], trails.x], x)
    y = np.select([dipole, trail], [sums[:, 5], trails.y], y)
    wide = [mark[:, np.newaxis, np.newaxis] for mark in (dipole, trail)]
    of_trail = trails.covariance[:, 1:3, 1:3] * factor
    covariance = np.select(wide, [spread[:, 4:, 4:] * factor, of_trail], covariance)
    return x, y, covariance, lost & ~dipole & ~trail


def shape_columns(
    extended: Extended, detections: Detections, sky: LocalSky, snr: Floats
) -> Columns:
    """Return the columns of moments.

    Parameters
    ----------
    extended : Extended
        From `fit_extended`.
    detections : Detections
        Sources.
    sky : LocalSky
        Where they are.
    snr : ndarray, shape (n,)
        Their S/N.

    Returns
    -------
    dict of str to ndarray
        Columns of DIASource.
    """
    area = sky.scale**2
    shapes, psf = extended.shapes, extended.psf
    blend = np.asarray(detections.table["n_blended"]) > 1
    in_footprint = contained(detections.footprints, shapes, detections.exposure.shape[1])
    return {
        "ixx": shapes.xx * area,
        "iyy": shapes.yy * area,
        "ixy": shapes.xy * area,
        "ixx_psf": psf.xx * area,
        "iyy_psf": psf.yy * area,
        "ixy_psf": psf.xy * area,
        "shape_flag": shapes.failed,
        "shape_flag_no_pixels": shapes.no_pixels,
        "shape_flag_not_contained": ~in_footprint & ~shapes.failed,
        "shape_flag_parent_source": blend,
        "extendedness": extendedness(shapes, psf, snr),
    }


def dipole_columns(extended: Extended, sky: LocalSky, noise: Floats, models: Agreement) -> Columns:
    """Return the columns of dipoles.

    Parameters
    ----------
    extended : Extended
        From `fit_extended`.
    sky : LocalSky
        Where the sources are.
    noise : ndarray, shape (n,)
        Noise over what the variance says.
    models : Agreement
        What PSFs and kernel leave open of fluxes, and of where one image lies on the other.

    Returns
    -------
    dict of str to ndarray
        Columns of DIASource, dipole_length_err [arcsec] and dipole_angle_err [deg].
    """
    dipoles = extended.dipoles
    values, covariance = dipoles.combined(_DIPOLE_SUMS)
    covariance = covariance * np.square(noise)[:, np.newaxis, np.newaxis]
    of_flux = np.square(models.flux * values[:, 0])
    open_part = np.column_stack([of_flux, of_flux, *np.full((2, len(values)), models.apart**2)])
    covariance[:, range(4), range(4)] += open_part
    # Lobes that overlap tell flux × distance.
    of_distance = models.flux * values[:, 2:4]
    covariance[:, 2:4, 2:4] += of_distance[:, :, np.newaxis] * of_distance[:, np.newaxis]
    length, angle = sky.vector(values[:, 2], values[:, 3])
    errors = sky.vector_errors(values[:, 2], values[:, 3], covariance[:, 2:4, 2:4])
    return {
        "dipole_mean_flux": values[:, 0],
        "dipole_mean_flux_err": np.sqrt(covariance[:, 0, 0]),
        "dipole_flux_diff": values[:, 1],
        "dipole_flux_diff_err": np.sqrt(covariance[:, 1, 1]),
        "dipole_length": length,
        "dipole_length_err": errors[0],
        "dipole_angle": angle,
        "dipole_angle_err": errors[1],
        "dipole_chi2": dipoles.chi2,
        "dipole_ndata": dipoles.n_data,
        "is_dipole": extended.is_dipole,
        "dipole_fit_attempted": dipoles.n_data > 0,
    }


def trail_columns(
    extended: Extended, at_trail: LocalSky, noise: Floats, models: Agreement
) -> Columns:
    """Return the columns of trails.

    Parameters
    ----------
    extended : Extended
        From `fit_extended`.
    at_trail : LocalSky
        Where the middles of the trails are.
    noise : ndarray, shape (n,)
        Noise over what the variance says.
    models : Agreement
        What PSFs and kernel leave open of fluxes and positions.

    Returns
    -------
    dict of str to ndarray
        Columns of DIASource; all NaN where no trail was fitted, or none was found.
    """
    trails = extended.trails
    covariance = trails.covariance * np.square(noise)[:, np.newaxis, np.newaxis]
    middle = covariance[:, 1:3, 1:3] + np.eye(2) * models.position**2
    on_sky = at_trail.position_covariance(middle)
    length, angle = at_trail.vector(trails.dx, trails.dy)
    errors = at_trail.vector_errors(trails.dx, trails.dy, covariance[:, 3:, 3:])
    columns: Columns = {
        "trail_flux": trails.flux,
        "trail_flux_err": np.hypot(np.sqrt(covariance[:, 0, 0]), models.flux * trails.flux),
        "trail_ra": at_trail.ra,
        "trail_ra_err": np.sqrt(on_sky[:, 0, 0]),
        "trail_dec": at_trail.dec,
        "trail_dec_err": np.sqrt(on_sky[:, 1, 1]),
        "trail_length": length,
        "trail_length_err": errors[0],
        "trail_angle": angle % 180.0,
        "trail_angle_err": errors[1],
        "trail_chi2": trails.chi2,
    }
    known = (trails.n_data > 0) & ~trails.failed
    columns = {name: np.where(known, values, np.nan) for name, values in columns.items()}
    columns["trail_ndata"] = trails.n_data
    columns["trail_algorithm"] = np.where(trails.n_data > 0, ALGORITHM, 0).astype(np.int32)
    columns["trail_flag"] = trails.failed
    columns["trail_flag_edge"] = trails.edge
    return columns


def _strongest(table: Table, which: Ints) -> Bools:
    """Tell which sources are the first of their footprint."""
    _, first = np.unique(np.asarray(table["footprint"]), return_index=True)
    return np.isin(which, first)


def _are_dipoles(dipoles: Dipoles, snr: Floats, lobe_snr: Floats, config: MeasureConfig) -> Bools:
    plus, minus = dipoles.positive[:, 0], dipoles.negative[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.maximum(plus, minus) / (plus + minus)
        strong = np.hypot(snr, lobe_snr) >= config.dipole_min_snr
        return np.asarray(dipoles.converged & strong & (share <= config.dipole_max_share))


def _are_trails(trails: Trails) -> Bools:
    """Tell which trails have a length beyond doubt."""
    length = np.hypot(trails.dx, trails.dy)
    along = np.stack([trails.dx, trails.dy], axis=1) / np.maximum(length, 1e-9)[:, np.newaxis]
    variance = np.einsum("ni,nij,nj->n", along, trails.covariance[:, 3:, 3:], along)
    with np.errstate(invalid="ignore"):
        return np.asarray(~trails.failed & (length > _SIGNIFICANT * np.sqrt(variance)))


def _trail_candidates(
    difference: Exposure,
    footprints: Footprints,
    shapes: Shapes,
    psf: Shapes,
    snr: Floats,
    negative: Bools,
    min_ratio: Floats,
    config: MeasureConfig,
) -> tuple[Ints, Floats]:
    """Return sources that are longer than the PSF, and first guesses x, y, dx, dy of their trails.

    By the moments; where these failed, by those of the footprint.
    """
    major, minor, angle = shapes.axes()
    psf_major, psf_minor, _ = psf.axes()
    with np.errstate(invalid="ignore"):
        excess = major - psf_major
        own_snr = np.maximum(snr, 1.0) * _own_filter(shapes, psf)
        long = excess > config.trail_min_snr * _MOMENT_ERROR * major / own_snr
        long &= major / minor > min_ratio * psf_major / psf_minor
        length = 2 * _LINE * np.sqrt(np.maximum(excess, 0.0))
    x, y = shapes.x.copy(), shapes.y.copy()
    rest = np.flatnonzero(shapes.failed | (length > config.trail_max_length))
    if len(rest):
        found = _footprint_moments(difference, footprints, negative)[rest]
        wide, narrow, turn = axes_of(found[:, 2], found[:, 3], found[:, 4])
        with np.errstate(invalid="ignore"):
            long[rest] = wide > np.maximum(4.0 * narrow, 4.0 * psf_major[rest])
        x[rest], y[rest], angle[rest] = found[:, 0], found[:, 1], turn
        length[rest] = np.sqrt(12.0 * np.maximum(wide, 0.0))
    which = np.flatnonzero(long)
    start = np.stack([x, y, length * np.cos(angle), length * np.sin(angle)], axis=1)
    return which, start[which]


def _own_filter(shapes: Shapes, psf: Shapes) -> Floats:
    """Return S/N under the filter of the own shape over that under the PSF, of Gaussians."""
    det, of_psf, of_sum = (
        xx * yy - xy**2
        for xx, xy, yy in (
            (shapes.xx, shapes.xy, shapes.yy),
            (psf.xx, psf.xy, psf.yy),
            (shapes.xx + psf.xx, shapes.xy + psf.xy, shapes.yy + psf.yy),
        )
    )
    return np.asarray(np.sqrt(of_sum) / (2.0 * (det * of_psf) ** 0.25))


def _footprint_moments(difference: Exposure, footprints: Footprints, negative: Bools) -> Floats:
    """Return centres and moments x, y, xx, xy, yy of the light in footprints."""
    n, nx = len(footprints), difference.shape[1]
    owner, pixels = footprints.owner, footprints.pixels
    sign = np.where(negative, -1.0, 1.0)[owner]
    light = np.maximum(sign * difference.image.reshape(-1)[pixels], 0.0)
    total = np.maximum(np.bincount(owner, light, n), 1e-30)
    column, row = (pixels % nx).astype(float), (pixels // nx).astype(float)
    x, y = (np.bincount(owner, light * at, n) / total for at in (column, row))
    dx, dy = column - x[owner], row - y[owner]
    moments = [np.bincount(owner, light * p, n) / total for p in (dx * dx, dx * dy, dy * dy)]
    return np.stack([x, y, *moments], axis=1)
