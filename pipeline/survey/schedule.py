"""When and where a survey points, and how visits and sources are numbered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from astropy.time import Time

from apdb.input.sphere import offset
from pipeline.survey.config import BANDS, HALF_SIDES, SurveyConfig

#: Gap between neighbouring detectors [deg].
_GAP = 0.01
#: Largest shift of a pointing from the centre of its field on each axis [deg].
DITHER = 0.01
#: MJD of 2000-01-01, from which the nights in source identifiers count.
_MJD_2000 = 51544
#: Bits of a source identifier for the detector, and for the source within it.
_DETECTOR_BITS, _COUNTER_BITS, _SEQUENCE_BITS = 8, 20, 17


@dataclass(frozen=True)
class Exposure:
    """One detector of one exposure.

    Attributes
    ----------
    visit, detector : int
        Its numbers; a visit is YYYYMMDDNNNNN, of the night and within the night.
    field : int
        Index of the field.
    night, sequence : int
        MJD of the evening, and number of the visit in the night, from 1.
    band : str
        One of ugrizy.
    midpoint_mjd_tai : float
        Time [d].
    ra, dec : float
        Centre of the detector [deg].
    """

    visit: int
    detector: int
    field: int
    night: int
    sequence: int
    band: str
    midpoint_mjd_tai: float
    ra: float
    dec: float


def detector_offset(detector: int) -> float:
    """Return how far east of the pointing a detector lies.

    Parameters
    ----------
    detector : int
        Number of the detector, from 0.

    Returns
    -------
    float
        Offset of its centre [deg].
    """
    return detector * (2 * HALF_SIDES[0] + _GAP)


def dia_source_ids(exposure: Exposure, n: int) -> npt.NDArray[np.int64]:
    """Return identifiers for the sources of an exposure.

    Parameters
    ----------
    exposure : Exposure
        Where they were found.
    n : int
        How many.

    Returns
    -------
    ndarray of int64, shape (n,)
        Night, visit, detector and counter packed in 59 bits: unique, and not exact in a double.
    """
    head = (exposure.night - _MJD_2000) << _SEQUENCE_BITS | exposure.sequence
    head = head << _DETECTOR_BITS | exposure.detector
    first = (head << _COUNTER_BITS) + 1
    return np.arange(first, first + n, dtype=np.int64)


def _shares(config: SurveyConfig) -> npt.NDArray[np.int64]:
    """Return the number of visits of each field: by weight, largest remainders rounded up."""
    weight: npt.NDArray[np.float64] = np.array([f.weight for f in config.fields])
    share = config.n_visits * weight / weight.sum()
    count: npt.NDArray[np.int64] = np.floor(share).astype(np.int64)
    count[np.argsort(count - share, kind="stable")[: config.n_visits - count.sum()]] += 1
    return count


def exposures(config: SurveyConfig) -> Iterator[Exposure]:
    """Yield the exposures of a survey, detector by detector, in time order.

    Parameters
    ----------
    config : SurveyConfig
        Fields and cadence.  Every field is visited evenly over the whole survey; its bands
        follow each other as ugrizy, so that each returns every sixth visit.

    Yields
    ------
    Exposure
        One per (visit, detector).
    """
    count = _shares(config)
    field = np.repeat(np.arange(len(count)), count)
    epoch = np.concatenate([np.arange(n) for n in count])
    phase = (np.arange(len(count)) + 0.5) / len(count)
    turn = np.lexsort([field, (epoch + phase[field]) / count[field]])
    rng = np.random.default_rng([config.seed, 1])
    dither = rng.uniform(-DITHER, DITHER, (config.n_visits, 2))
    night = np.arange(config.n_visits) * config.nights // config.n_visits
    for i, which in enumerate(turn.tolist()):
        first, last = np.searchsorted(night, [night[i], night[i] + 1])
        hours = config.night_hours * (i - first + 0.5) / (last - first)
        mjd = config.start_mjd_tai + float(night[i]) + hours / 24
        # an observing night is named after its evening
        evening = int(np.floor(mjd - 0.5))
        sequence = int(i - first + 1)
        date = Time(evening, format="mjd").strftime("%Y%m%d")
        pointing = config.fields[field[which]]
        for detector in range(config.n_detectors):
            east = dither[i, 0] + detector_offset(detector)
            ra, dec = offset(pointing.ra, pointing.dec, east, dither[i, 1])
            yield Exposure(
                visit=int(f"{date}{sequence:05d}"),
                detector=detector,
                field=int(field[which]),
                night=evening,
                sequence=sequence,
                band=BANDS[epoch[which] % len(BANDS)],
                midpoint_mjd_tai=mjd,
                ra=float(ra),
                dec=float(dec),
            )
