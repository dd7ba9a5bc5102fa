"""Synthetic visits to one field: the detections that every benchmark stores.

Pure numpy, no files, no database: the same arguments give the same arrays on every machine, so
that two systems (or two runs) are handed identical work.

Sources carry their DPDD names (``diaSourceId``, ``psfFlux``), the one naming that ours and others
both read.  Left out are the columns that belong to the visit (``visit``, ``detector``, ``band``,
``midpointMjdTai``, ``exposureTime``), to association (``diaObjectId``, ``ssObjectId``) and to the
store itself (``timeProcessedMjdTai`` …).  No source has a flag or a reliability that would
keep it from starting an object: every row is stored by every system.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float64]

BANDS = "grizyu"
SCATTER_ARCSEC = 0.1
FIRST_MJD_TAI = 61041.1  # 2026-01-01
# Within the 12 months (12 x 30 d) of history that the Rubin client loads.
SPAN_DAYS = 350.0
# Room for 2**20 sources in a visit; a 13-digit visit number needs 41 bits, so ids stay below 2**61.
_ID_BITS = 20

_FLAGS = [
    "centroid_flag",
    "apFlux_flag",
    "apFlux_flag_apertureTruncated",
    "psfFlux_flag",
    "psfFlux_flag_edge",
    "psfFlux_flag_noGoodPixels",
    "trail_flag_edge",
    "trail_flag",
    "forced_PsfFlux_flag",
    "forced_PsfFlux_flag_edge",
    "forced_PsfFlux_flag_noGoodPixels",
    "shape_flag",
    "shape_flag_no_pixels",
    "shape_flag_not_contained",
    "shape_flag_parent_source",
    "isDipole",
    "glint_trail",
    "pixelFlags",
    "pixelFlags_bad",
    "pixelFlags_cr",
    "pixelFlags_crCenter",
    "pixelFlags_edge",
    "pixelFlags_nodata",
    "pixelFlags_nodataCenter",
    "pixelFlags_interpolated",
    "pixelFlags_interpolatedCenter",
    "pixelFlags_offimage",
    "pixelFlags_saturated",
    "pixelFlags_saturatedCenter",
    "pixelFlags_suspect",
    "pixelFlags_suspectCenter",
    "pixelFlags_streak",
    "pixelFlags_streakCenter",
    "pixelFlags_injected",
    "pixelFlags_injectedCenter",
    "pixelFlags_injected_template",
    "pixelFlags_injected_templateCenter",
]
# Flags that some rows carry and that disqualify none.
_HARMLESS_FLAGS = ("pixelFlags", "pixelFlags_interpolated", "pixelFlags_edge", "shape_flag")


@dataclass(frozen=True)
class FieldVisit:
    """One visit and its detections.

    Attributes
    ----------
    visit, detector : int
        Key of the visit.
    band : str
        Band, one of ``ugrizy``.
    midpoint_mjd_tai : float
        Middle of the exposure, MJD TAI.
    exposure_time : float
        Seconds.
    ra, dec : float
        Centre of the field, ICRS degrees.
    radius : float
        Radius of the field in degrees; every source lies inside.
    sources : dict of str to ndarray
        Column arrays, all of shape ``(n_sources,)``, by DPDD name; fluxes nJy, positions ICRS
        degrees, errors one sigma (``raErr`` includes cos dec).
    true_id : ndarray of int64, shape (n_sources,)
        Number of the true object of each source, from 1; 0 for noise, which never recurs.
    """

    visit: int
    detector: int
    band: str
    midpoint_mjd_tai: float
    exposure_time: float
    ra: float
    dec: float
    radius: float
    sources: dict[str, Array]
    true_id: npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Sky:
    """The objects of the field that recur in every visit."""

    ra: Floats
    dec: Floats
    flux: Floats
    amplitude: Floats
    period: Floats
    phase: Floats


def field_visits(
    n_sources: int,
    n_visits: int,
    seed: int,
    center: tuple[float, float] = (150.0, 2.2),
    matched_fraction: float = 0.8,
    *,
    radius: float = 0.2,
    start_mjd_tai: float = FIRST_MJD_TAI,
    span_days: float = SPAN_DAYS,
    detector: int = 94,
) -> Iterator[FieldVisit]:
    """Visits to one field, in time order, evenly over `span_days`.

    Every visit sees the same ``matched_fraction * n_sources`` variable objects, each displaced by
    0.1 arcsec per axis, and for the rest noise at new places.  Rows come shuffled.

    Parameters
    ----------
    n_sources : int
        Sources per visit, at most 2**20.
    n_visits : int
        Number of visits.
    seed : int
        Seed; visit k depends on it, on k and on the field alone, so that a longer series begins
        with the shorter one of the same `span_days` / `n_visits`.
    center : tuple of float
        RA and dec of the field's centre, degrees.
    matched_fraction : float
        Part of the sources, 0 to 1, that recurs in every visit.
    radius : float
        Radius of the field, degrees.
    start_mjd_tai : float
        Midpoint of the first visit, MJD TAI.  Visit numbers and ids follow from the nights, so a
        second field in one database needs nights of its own.
    span_days : float
        Time over which the visits are spread, days.
    detector : int
        Detector number of every visit.

    Yields
    ------
    FieldVisit
        Visits in time order.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    if not 0 < n_sources <= 1 << _ID_BITS:
        raise ValueError(f"n_sources is {n_sources}; give 1 to {1 << _ID_BITS}")
    if not 0.0 <= matched_fraction <= 1.0:
        raise ValueError(f"matched_fraction is {matched_fraction}; give 0 to 1")
    sky = _make_sky(
        np.random.default_rng([seed, 0]), round(n_sources * matched_fraction), center, radius
    )
    for k in range(n_visits):
        rng = np.random.default_rng([seed, k + 1])
        mjd = start_mjd_tai + span_days * k / n_visits
        visit = _visit_number(mjd, k)
        sources, true_id = _detect(rng, sky, n_sources, center, radius, mjd)
        first_id = visit << _ID_BITS
        sources["diaSourceId"] = first_id + np.arange(n_sources, dtype=np.int64)
        yield FieldVisit(
            visit=visit,
            detector=detector,
            band=BANDS[k % len(BANDS)],
            midpoint_mjd_tai=mjd,
            exposure_time=30.0,
            ra=center[0],
            dec=center[1],
            radius=radius,
            sources=sources,
            true_id=true_id,
        )


def _visit_number(mjd: float, sequence: int) -> int:
    """Visit number as Rubin writes it: date, then a running number of five digits."""
    day = np.datetime64("1858-11-17") + np.timedelta64(int(mjd), "D")
    return int(str(day).replace("-", "")) * 100_000 + sequence + 1


def _make_sky(rng: np.random.Generator, n: int, center: tuple[float, float], radius: float) -> _Sky:
    ra, dec = _in_disc(rng, n, center, radius)
    return _Sky(
        ra=ra,
        dec=dec,
        flux=rng.lognormal(7.5, 0.8, n),
        amplitude=rng.uniform(0.1, 0.6, n),
        period=rng.lognormal(1.0, 1.5, n),
        phase=rng.uniform(0.0, 2.0 * np.pi, n),
    )


def _in_disc(
    rng: np.random.Generator, n: int, center: tuple[float, float], radius: float
) -> tuple[Floats, Floats]:
    """Draw n places uniformly from a disc on the sphere; RA and dec in degrees."""
    # Kept off the rim, so that scatter cannot carry a detection out of the footprint.
    rim = np.radians(radius * 0.995)
    distance = np.arccos(1.0 - rng.uniform(0.0, 1.0, n) * (1.0 - np.cos(rim)))
    bearing = rng.uniform(0.0, 2.0 * np.pi, n)
    ra0, dec0 = np.radians(center)
    sin_dec = np.sin(dec0) * np.cos(distance) + np.cos(dec0) * np.sin(distance) * np.cos(bearing)
    east = np.sin(bearing) * np.sin(distance) * np.cos(dec0)
    north = np.cos(distance) - np.sin(dec0) * sin_dec
    ra = np.degrees(ra0 + np.arctan2(east, north)) % 360.0
    return ra, np.degrees(np.arcsin(sin_dec))


def _detect(
    rng: np.random.Generator,
    sky: _Sky,
    n: int,
    center: tuple[float, float],
    radius: float,
    mjd: float,
) -> tuple[dict[str, Array], npt.NDArray[np.int64]]:
    """Detect every object of the field once, plus noise up to n sources, in random order."""
    n_true = sky.ra.size
    noise_ra, noise_dec = _in_disc(rng, n - n_true, center, radius)
    sigma = SCATTER_ARCSEC / 3600.0
    dec = sky.dec + rng.normal(0.0, sigma, n_true)
    ra = sky.ra + rng.normal(0.0, sigma, n_true) / np.cos(np.radians(sky.dec))
    flux = sky.flux * (1.0 + sky.amplitude * np.sin(2.0 * np.pi * mjd / sky.period + sky.phase))
    order = rng.permutation(n)
    true_id = np.concatenate([np.arange(1, n_true + 1), np.zeros(n - n_true, np.int64)])[order]
    sources = _measure(
        rng,
        np.concatenate([ra, noise_ra])[order] % 360.0,
        np.concatenate([dec, noise_dec])[order],
        np.concatenate([flux, rng.lognormal(6.5, 0.4, n - n_true)])[order],
    )
    return sources, true_id.astype(np.int64)


def _measure(rng: np.random.Generator, ra: Floats, dec: Floats, flux: Floats) -> dict[str, Array]:
    """All measured columns of sources at given places with given true fluxes."""
    n = ra.size
    error = np.sqrt(80.0**2 + flux)
    measured = flux + rng.normal(0.0, error)
    sigma = SCATTER_ARCSEC / 3600.0 * rng.uniform(0.8, 1.25, (2, n))
    columns: dict[str, Array] = {
        "ra": ra,
        "dec": dec,
        "raErr": _f32(sigma[0]),
        "decErr": _f32(sigma[1]),
        "ra_dec_Cov": _f32(0.1 * sigma[0] * sigma[1]),
        "parentDiaSourceId": np.zeros(n, np.int64),
        "x": _f32(rng.uniform(0.0, 4072.0, n)),
        "y": _f32(rng.uniform(0.0, 4000.0, n)),
        "xErr": _f32(sigma[0] * 18_000.0),
        "yErr": _f32(sigma[1] * 18_000.0),
        "isNegative": measured < 0.0,
        "snr": _f32(np.abs(measured) / error),
    }
    columns.update(_fluxes(rng, measured, error))
    columns.update(_trail_and_dipole(rng, ra, dec, measured, error))
    columns.update(_shape_and_class(rng, n))
    for name in _FLAGS:
        columns[name] = np.zeros(n, bool)
    for name in _HARMLESS_FLAGS:
        columns[name] = rng.random(n) < 0.05
    return columns


def _fluxes(rng: np.random.Generator, flux: Floats, error: Floats) -> dict[str, Array]:
    n = flux.size
    template = rng.lognormal(8.0, 1.0, n)
    return {
        "psfFlux": _f32(flux),
        "psfFluxErr": _f32(error),
        "psfLnL": _f32(-0.5 * rng.chisquare(900, n)),
        "psfChi2": _f32(rng.chisquare(900, n)),
        "psfNdata": np.full(n, 961, np.int32),
        "apFlux": _f32(flux + rng.normal(0.0, error)),
        "apFluxErr": _f32(error * 1.4),
        "scienceFlux": _f32(flux + template),
        "scienceFluxErr": _f32(error),
        "templateFlux": _f32(template),
        "templateFluxErr": _f32(error * 0.3),
    }


def _trail_and_dipole(
    rng: np.random.Generator, ra: Floats, dec: Floats, flux: Floats, error: Floats
) -> dict[str, Array]:
    n = ra.size
    return {
        "trailFlux": _f32(flux * 1.01),
        "trailFluxErr": _f32(error * 1.1),
        "trailRa": ra.copy(),
        "trailRaErr": _f32(np.full(n, 3e-5)),
        "trailDec": dec.copy(),
        "trailDecErr": _f32(np.full(n, 3e-5)),
        "trailLength": _f32(rng.gamma(2.0, 0.1, n)),
        "trailLengthErr": _f32(rng.uniform(0.05, 0.2, n)),
        "trailAngle": _f32(rng.uniform(0.0, 180.0, n)),
        "trailAngleErr": _f32(rng.uniform(5.0, 40.0, n)),
        "trailChi2": _f32(rng.chisquare(900, n)),
        "trailNdata": np.full(n, 961, np.int32),
        "trailAlgorithm": np.ones(n, np.int32),
        "dipoleMeanFlux": _f32(np.abs(flux)),
        "dipoleMeanFluxErr": _f32(error),
        "dipoleFluxDiff": _f32(flux * 0.02),
        "dipoleFluxDiffErr": _f32(error),
        "dipoleLength": _f32(rng.gamma(2.0, 0.05, n)),
        "dipoleAngle": _f32(rng.uniform(0.0, 360.0, n)),
        "dipoleChi2": _f32(rng.chisquare(900, n)),
        "dipoleNdata": np.full(n, 961, np.int32),
        "dipoleFitAttempted": rng.random(n) < 0.5,
    }


def _shape_and_class(rng: np.random.Generator, n: int) -> dict[str, Array]:
    return {
        "ixx": _f32(rng.normal(0.12, 0.01, n)),
        "iyy": _f32(rng.normal(0.12, 0.01, n)),
        "ixy": _f32(rng.normal(0.0, 0.01, n)),
        "ixxPSF": _f32(rng.normal(0.12, 0.001, n)),
        "iyyPSF": _f32(rng.normal(0.12, 0.001, n)),
        "ixyPSF": _f32(rng.normal(0.0, 0.001, n)),
        "extendedness": _f32(rng.uniform(0.0, 1.0, n)),
        "reliability": _f32(rng.uniform(0.5, 1.0, n)),
        "reliabilityVersion": np.full(n, "v1", dtype=object),
        "bboxSize": rng.integers(20, 60, n, dtype=np.int32),
    }


def _f32(values: Floats) -> npt.NDArray[np.float32]:
    return values.astype(np.float32)
