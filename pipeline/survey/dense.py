"""A dense field of persistent objects, for benchmarks and tests of association."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apdb.input.sphere import offset
from pipeline.survey import measure
from pipeline.survey.population import Kind
from pipeline.survey.schedule import Exposure, dia_source_ids
from pipeline.survey.simulate import SimulatedVisit

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DenseField:
    """Persistent objects, uniform in a circle.

    Attributes
    ----------
    seed : int
        Seed of the visits.
    ra_centre, dec_centre, radius : float
        The circle [deg].
    truth : ndarray of int64, shape (n,)
        Identifiers of the objects, from 1.
    ra, dec : ndarray, shape (n,)
        True positions [deg].
    """

    seed: int
    ra_centre: float
    dec_centre: float
    radius: float
    truth: npt.NDArray[np.int64]
    ra: Floats
    dec: Floats

    def visit(
        self,
        number: int,
        *,
        members: npt.ArrayLike | None = None,
        n_new: int = 0,
        midpoint_mjd_tai: float | None = None,
        band: str = "r",
        detector: int = 0,
        scatter_arcsec: float = 0.1,
    ) -> SimulatedVisit:
        """Simulate a visit that detects chosen objects.

        Parameters
        ----------
        number : int
            Number of the visit, 1 to 99999; says which random numbers are drawn.
        members : array_like of int, optional
            Indices of the objects that are detected; by default all.
        n_new : int
            Detections elsewhere in the circle, with truth 0.
        midpoint_mjd_tai : float, optional
            Time; by default 61109 plus 40 seconds per `number`.
        band : str
            One of ugrizy.
        detector : int
            Number of the detector.
        scatter_arcsec : float
            Scatter of the positions on each axis [arcsec].

        Returns
        -------
        SimulatedVisit
            Columns as of a simulated survey, except flags; in random order.
        """
        rng = np.random.default_rng([self.seed, number, detector])
        mjd = 61109.0 + number * 40 / 86400 if midpoint_mjd_tai is None else midpoint_mjd_tai
        exposure = Exposure(
            20260309_00000 + number, detector, 0, 61108, number, band, mjd,
            self.ra_centre, self.dec_centre,
        )  # fmt: skip
        chosen = np.arange(len(self.truth)) if members is None else np.asarray(members, np.intp)
        new_ra, new_dec = _in_circle(rng, n_new, self.ra_centre, self.dec_centre, self.radius)
        ra = np.append(self.ra[chosen], new_ra)
        dec = np.append(self.dec[chosen], new_dec)
        truth = np.append(self.truth[chosen], np.zeros(n_new, np.int64))
        order = rng.permutation(len(ra))
        sources = _sources(rng, exposure, ra[order], dec[order], scatter_arcsec)
        truth = truth[order]
        kind = np.where(truth > 0, Kind.SINUSOID, Kind.NOISE).astype(np.int8)
        # the edge of the circle scatters too
        footprint = self.radius + 10 * scatter_arcsec / 3600
        keywords = {
            "visit": exposure.visit,
            "detector": detector,
            "band": band,
            "midpoint_mjd_tai": mjd,
            "exposure_time": 30.0,
            "ra": self.ra_centre,
            "dec": self.dec_centre,
            "radius": footprint,
        }
        return SimulatedVisit(keywords, sources, truth, kind)


def _sources(
    rng: np.random.Generator, exposure: Exposure, ra: Floats, dec: Floats, scatter_arcsec: float
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of detections with S/N 10 to 100."""
    n, seeing = len(ra), 0.8
    error = rng.uniform(80.0, 120.0, n)
    flux = error * rng.uniform(10.0, 100.0, n)
    sources: dict[str, npt.NDArray[Any]] = {"dia_source_id": dia_source_ids(exposure, n)}
    sources |= measure.scatter(rng, ra, dec, np.full(n, np.inf), seeing, scatter_arcsec)
    sources |= measure.photometry(rng, flux, error, np.full(n, 1000.0))
    sources |= measure.shapes(rng, n, seeing, np.zeros(n, np.bool_))
    sources["reliability"] = rng.beta(12, 2, n).astype(np.float32)
    return sources


def _in_circle(
    rng: np.random.Generator, n: int, ra: float, dec: float, radius: float
) -> tuple[Floats, Floats]:
    """Return positions uniform on the sphere within a circle."""
    half_chord = np.sin(np.radians(radius) / 2) * np.sqrt(rng.random(n))
    distance = np.degrees(2 * np.arcsin(half_chord))
    angle = rng.uniform(0, 2 * np.pi, n)
    centre_ra, centre_dec = np.broadcast_to(ra, n), np.broadcast_to(dec, n)
    return offset(centre_ra, centre_dec, distance * np.cos(angle), distance * np.sin(angle))


def dense_field(
    n_objects: int,
    *,
    seed: int = 1,
    ra: float = 150.0,
    dec: float = 2.0,
    radius: float = 1.0,
    pair_separation_arcsec: tuple[float, float] | None = None,
) -> DenseField:
    """Make a dense field.

    Parameters
    ----------
    n_objects : int
        Number of persistent objects.
    seed : int
        Seed of all random numbers.
    ra, dec, radius : float
        The circle in which they are uniform [deg].
    pair_separation_arcsec : tuple of float, optional
        If given, every second object is a companion of the one before it at a separation
        uniform in this range [arcsec], and may lie that far outside the circle.

    Returns
    -------
    DenseField
        The objects; `DenseField.visit` detects them.
    """
    rng = np.random.default_rng([seed, 0])
    object_ra, object_dec = _in_circle(rng, n_objects, ra, dec, radius)
    if pair_separation_arcsec is not None:
        second = np.arange(1, n_objects, 2)
        apart = rng.uniform(*pair_separation_arcsec, len(second)) / 3600
        angle = rng.uniform(0, 2 * np.pi, len(second))
        east, north = apart * np.cos(angle), apart * np.sin(angle)
        first = second - 1
        object_ra[second], object_dec[second] = offset(
            object_ra[first], object_dec[first], east, north
        )
    truth = np.arange(1, n_objects + 1, dtype=np.int64)
    return DenseField(seed, ra, dec, radius, truth, object_ra, object_dec)
