"""The true sky: persistent objects with their light curves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from apdb.input.sphere import offset
from pipeline.survey.config import HALF_SIDES, Field, SurveyConfig
from pipeline.survey.schedule import DITHER, detector_offset

Floats = npt.NDArray[np.float64]

#: Colour of each band against r [mag], times the redness of an object.
_COLOUR = np.array([1.4, 0.5, 0.0, -0.2, -0.3, -0.35])
AB_ZERO_POINT = 31.4  # magnitude of 1 nJy


class Kind(IntEnum):
    """What a simulated source truly is."""

    NOISE = 0
    ARTEFACT = 1
    SINUSOID = 2
    RR_LYRAE = 3
    ECLIPSING = 4
    TRANSIENT = 5
    MOVER = 6
    UNKNOWN_MOVER = 7


@dataclass(frozen=True)
class Population:
    """The persistent objects of one field.

    Attributes
    ----------
    truth : ndarray of int64, shape (n,)
        Identifiers of the true objects.
    kind : ndarray of int8, shape (n,)
        `Kind` of each.
    ra, dec : ndarray, shape (n,)
        Positions [deg].
    template : ndarray, shape (n, 6)
        Flux in the template, ugrizy [nJy].
    peak : ndarray, shape (n, 6)
        Flux of a transient at its brightest, ugrizy [nJy]; 0 for the others.
    offset, amplitude : ndarray, shape (n,)
        Difference from the template of a variable: mean and swing, relative to the template.
    period, phase : ndarray, shape (n,)
        Of a variable [d] and [cycles].
    start, rise, decay : ndarray, shape (n,)
        Of a transient: MJD TAI, and the two time scales [d].
    """

    truth: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int8]
    ra: Floats
    dec: Floats
    template: Floats
    peak: Floats
    offset: Floats
    amplitude: Floats
    period: Floats
    phase: Floats
    start: Floats
    rise: Floats
    decay: Floats

    def difference(self, band: int, mjd: float) -> Floats:
        """Return the true difference fluxes at a time.

        Parameters
        ----------
        band : int
            Index in ugrizy.
        mjd : float
            MJD TAI.

        Returns
        -------
        ndarray, shape (n,)
            Flux minus that in the template [nJy].
        """
        cycle = np.mod((mjd - 50_000.0) / self.period + self.phase, 1.0)
        swing = np.select(
            [self.kind == Kind.SINUSOID, self.kind == Kind.RR_LYRAE, self.kind == Kind.ECLIPSING],
            [np.sin(2 * np.pi * cycle), _sawtooth(cycle), _eclipses(cycle)],
            0.0,
        )
        variable = self.template[:, band] * (self.offset + self.amplitude * swing)
        outburst = self.peak[:, band] * _outburst(mjd - self.start, self.rise, self.decay)
        return np.asarray(variable + outburst)


def _sawtooth(cycle: Floats) -> Floats:
    """Return a fast rise and slow decline with mean 0, as RR Lyrae stars of type ab have."""
    order = np.arange(1, 5)
    return np.asarray((np.sin(2 * np.pi * np.multiply.outer(cycle, order)) / order).sum(axis=-1))


def _eclipses(cycle: Floats) -> Floats:
    """Return a deep and a shallow dip half a cycle apart."""
    distance = np.abs(cycle - np.rint(cycle))
    primary = np.exp(-0.5 * (distance / 0.03) ** 2)
    return np.asarray(-primary - 0.4 * np.exp(-0.5 * ((cycle - 0.5) / 0.03) ** 2))


def _outburst(time: Floats, rise: Floats, decay: Floats) -> Floats:
    """Return a rise and decay with maximum 1 (Bazin et al. 2009, eq. 1, without its constant).

    At the maximum exp(-t/rise) = rise / (decay - rise).
    """
    ratio = rise / (decay - rise)
    top = ratio ** (rise / decay) / (1.0 + ratio)
    # the limits keep exp within range long before and after
    fall = np.exp(np.clip(-time / decay, -50.0, 50.0))
    return np.asarray(fall / (1.0 + np.exp(np.clip(-time / rise, -700.0, 700.0))) / top)


def flux(magnitude: npt.ArrayLike) -> Floats:
    """Return the flux of an AB magnitude.

    Parameters
    ----------
    magnitude : array_like
        AB magnitude.

    Returns
    -------
    ndarray
        Flux [nJy].
    """
    return np.asarray(10.0 ** ((AB_ZERO_POINT - np.asarray(magnitude, float)) / 2.5))


def flux_in_bands(magnitude: Floats, redness: Floats) -> Floats:
    """Return fluxes in all bands.

    Parameters
    ----------
    magnitude : ndarray, shape (n,)
        r magnitude.
    redness : ndarray, shape (n,)
        0: as bright in all bands; 1: a G star, about.

    Returns
    -------
    ndarray, shape (n, 6)
        Fluxes in ugrizy [nJy].
    """
    return flux(magnitude[:, None] + redness[:, None] * _COLOUR)


def _isolated(x: Floats, y: Floats, distance: float) -> npt.NDArray[np.bool_]:
    """Return which points have no earlier point within a distance."""
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    keep = np.ones(len(x), np.bool_)
    for shift in range(1, len(x)):
        dx = x[shift:] - x[:-shift]
        if not (dx < distance).any():
            break
        keep[shift:] &= np.hypot(dx, y[shift:] - y[:-shift]) >= distance
    isolated = np.empty_like(keep)
    isolated[order] = keep
    return isolated


def _places(rng: np.random.Generator, field: Field, config: SurveyConfig) -> tuple[Floats, Floats]:
    """Return positions in the plane [deg] of the objects; the last ones are close companions."""
    half = np.array(HALF_SIDES) + DITHER
    length = 2 * half[0] + detector_offset(config.n_detectors - 1)
    n = round(config.objects_per_detector * length / (2 * half[0]))
    n = max(n, field.crowded_pairs)
    x = rng.uniform(-half[0], length - half[0], n)
    y = rng.uniform(-half[1], half[1], n)
    # a companion may be as far out as the widest pair
    far = (config.isolation_arcsec + config.pair_separation_arcsec[1]) / 3600
    keep = _isolated(x, y, far)
    x, y = x[keep], y[keep]
    pairs = min(field.crowded_pairs, len(x))
    apart = rng.uniform(*config.pair_separation_arcsec, pairs) / 3600
    angle = rng.uniform(0, 2 * np.pi, pairs)
    companion_x = x[:pairs] + apart * np.cos(angle)
    companion_y = y[:pairs] + apart * np.sin(angle)
    return np.append(x, companion_x), np.append(y, companion_y)


def make_population(field: Field, index: int, config: SurveyConfig) -> Population:
    """Make the persistent objects of a field.

    Parameters
    ----------
    field : Field
        Where.
    index : int
        Number of the field in the survey.
    config : SurveyConfig
        How many of what.

    Returns
    -------
    Population
        Variables and transients.  The members of close pairs are bright variables that changed
        since the template: detected at every epoch, so that pairs stay pairs.
    """
    rng = np.random.default_rng([config.seed, 2, index])
    x, y = _places(rng, field, config)
    ra, dec = offset(field.ra, field.dec, x, y)
    n, pairs = len(x), min(field.crowded_pairs, len(x) // 2)
    paired = np.arange(n) < pairs
    paired |= np.arange(n) >= n - pairs
    chances = np.array([0.5, 0.3, 0.2]) * (1 - config.transient_fraction)
    kind = rng.choice(
        [Kind.SINUSOID, Kind.RR_LYRAE, Kind.ECLIPSING, Kind.TRANSIENT],
        n,
        p=[*chances, config.transient_fraction],
    )
    kind = np.where(paired, Kind.SINUSOID, kind)
    transient = kind == Kind.TRANSIENT
    # brighter stars are rarer; a transient's host may be fainter than the template's limit
    magnitude = np.where(transient, rng.uniform(21.0, 26.0, n), 23.0 - rng.gamma(2.0, 1.0, n))
    magnitude = np.where(paired, rng.uniform(18.0, 20.0, n), np.clip(magnitude, 16.5, 26.0))
    start, rise, decay = _outburst_times(rng, n, config)
    redness = rng.uniform(0.2, 1.4, n)
    peak = flux_in_bands(rng.uniform(18.5, 23.0, n), redness - 0.4)
    period = np.select(
        [kind == Kind.RR_LYRAE, kind == Kind.ECLIPSING],
        [rng.uniform(0.4, 0.8, n), 10.0 ** rng.uniform(-0.6, 0.6, n)],
        10.0 ** rng.uniform(-0.5, 1.5, n),
    )
    return Population(
        truth=np.int64((index + 1) * 10_000_000) + np.arange(1, n + 1, dtype=np.int64),
        kind=kind.astype(np.int8),
        ra=ra,
        dec=dec,
        template=flux_in_bands(magnitude, redness),
        peak=peak * transient[:, None],
        offset=np.where(paired, 0.8, 0.0),
        amplitude=np.where(paired, 0.2, rng.uniform(0.1, 0.6, n)) * ~transient,
        period=period,
        phase=rng.uniform(0, 1, n),
        start=start,
        rise=rise,
        decay=decay,
    )


def _outburst_times(
    rng: np.random.Generator, n: int, config: SurveyConfig
) -> tuple[Floats, Floats, Floats]:
    """Return start, rise and decay of outbursts: half last for hours, half for weeks."""
    length = config.nights - 1 + config.night_hours / 24
    fast = rng.random(n) < 0.5
    rise = np.where(fast, rng.uniform(0.005, 0.03, n), rng.uniform(2.0, 5.0, n))
    decay = np.where(fast, rng.uniform(0.05, 0.3, n), rng.uniform(15.0, 40.0, n))
    early = np.where(fast, 0.0, 30.0)
    begin = config.start_mjd_tai - early + rng.uniform(0, 1, n) * (length + early)
    return begin, rise, decay
