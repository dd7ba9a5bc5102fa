"""Precovery and merging: more detections for an orbit, and orbits that are one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.moving.detections import Detections, Floats, Ints
from pipeline.moving.ephemeris import seen
from pipeline.moving.fit import FitRules, OrbitFit, fit_orbit
from pipeline.moving.propagate import propagate

_STEPS = np.array([1e-6, 1e-6, 1e-6, 1e-8, 1e-8, 1e-8])


@dataclass(frozen=True)
class GrowRules:
    """Which detections may be an object's.

    Attributes
    ----------
    sigmas : float
        Largest distance from the prediction, in its uncertainty with that of the detection.
    sure : float
        Uncertainty of the prediction below which a single detection is believed [arcsec]; above,
        only two or more of a night.
    farthest : float
        Largest distance from the prediction [arcsec].
    rounds : int
        Number of refits.
    apart : float
        Distance of two states, in sigma of both together, within which a joint fit is tried.
    """

    sigmas: float = 4.0
    sure: float = 0.7
    farthest: float = 60.0
    rounds: int = 10
    apart: float = 8.0


def matches(fit: OrbitFit, pool: Detections, rules: GrowRules | None = None) -> Ints:
    """Find detections at the places where an orbit was.

    Parameters
    ----------
    fit : OrbitFit
        Orbit with covariance.
    pool : Detections
        Detections of any times.
    rules : GrowRules, optional
        How near.

    Returns
    -------
    (k,) int64
        Rows: the nearest of each time, by the uncertainty ellipse of the prediction with the error
        of the detection.
    """
    rules = rules or GrowRules()
    if not len(pool):
        return np.zeros(0, dtype=np.int64)
    off, spread = _predicted(fit, pool)
    cover = spread + np.eye(2) * (pool.sigma**2)[:, None, None]
    inverse = np.linalg.inv(cover)
    square = np.einsum("ni,nij,nj->n", off, inverse, off)
    near = (square <= rules.sigmas**2) & (np.hypot(off[:, 0], off[:, 1]) <= rules.farthest)
    rows = np.flatnonzero(near)
    rows = rows[np.lexsort((square[rows], pool.mjd_tdb[rows]))]
    rows = rows[np.unique(pool.mjd_tdb[rows], return_index=True)[1]]
    size = np.sqrt(np.trace(spread, axis1=1, axis2=2)[rows])
    _, which, count = np.unique(pool.night[rows], return_inverse=True, return_counts=True)
    found: Ints = rows[(size <= rules.sure) | (count[which] >= 2)]
    return found


def _predicted(fit: OrbitFit, pool: Detections) -> tuple[Floats, Floats]:
    """Return observed minus predicted (n, 2) and the covariance of the prediction [arcsec]."""
    times, first, back = np.unique(pool.mjd_tdb, return_index=True, return_inverse=True)
    tried = np.concatenate([fit.state[None], fit.state + np.diag(_STEPS)])
    bodies = propagate(tried, fit.epoch, times)
    looks = seen(bodies, pool.observer[first], pool.sun[first])
    cosine = np.cos(np.radians(looks.dec[0]))
    east = ((looks.ra[1:] - looks.ra[0] + 180.0) % 360.0 - 180.0) * cosine
    slope = np.stack([east, looks.dec[1:] - looks.dec[0]]) * 3600.0 / _STEPS[None, :, None]
    spread = np.einsum("ait,ij,bjt->tab", slope, fit.covariance, slope)
    away = (pool.ra - looks.ra[0][back] + 180.0) % 360.0 - 180.0
    off = np.stack([away * cosine[back], pool.dec - looks.dec[0][back]], axis=1) * 3600.0
    return np.nan_to_num(off, nan=1e9), np.nan_to_num(spread, nan=1e9)[back]


def grown(
    fit: OrbitFit,
    members: Detections,
    pool: Detections,
    rules: GrowRules | None = None,
    fit_rules: FitRules | None = None,
) -> tuple[OrbitFit, Detections]:
    """Take detections of other times into an orbit, and refit, until nothing changes.

    Parameters
    ----------
    fit : OrbitFit
        Orbit of the members.
    members : Detections
        Its detections.
    pool : Detections
        Those that are of no object yet; may contain members.
    rules : GrowRules, optional
        How near.
    fit_rules : FitRules, optional
        How to fit.

    Returns
    -------
    OrbitFit
        Refitted.
    Detections
        All detections that it uses; rejected ones are left out.
    """
    rules = rules or GrowRules()
    for _ in range(rules.rounds):
        new = pool.take(matches(fit, pool, rules))
        new = new.take(~np.isin(new.ids, members.ids))
        # An object is in one place at a time.
        new = new.take(~np.isin(new.mjd_tdb, members.mjd_tdb))
        if not len(new):
            break
        both = joined(members, new)
        again = fit_orbit(both, (fit.state, fit.epoch), fit_rules)
        kept = both.take(again.used)
        if not again.good or not np.isin(members.ids, kept.ids).all() or len(kept) <= len(members):
            break
        fit, members = _only_used(again), kept
    return fit, members


def _only_used(fit: OrbitFit) -> OrbitFit:
    return OrbitFit(
        fit.state, fit.epoch, fit.covariance, fit.residuals[fit.used], fit.used[fit.used],
        fit.rms, fit.chi2, fit.converged, fit.reason,
    )  # fmt: skip


def joined(one: Detections, other: Detections) -> Detections:
    """Put detections together.

    Parameters
    ----------
    one, other : Detections
        Detections without common ids.

    Returns
    -------
    Detections
        Both, in order of time.
    """
    both = Detections(
        **{
            name: np.concatenate([getattr(one, name), getattr(other, name)])
            for name in one.__dataclass_fields__
        }
    )
    return both.take(np.argsort(both.mjd_tdb, kind="stable"))


def merged(
    one: tuple[OrbitFit, Detections],
    other: tuple[OrbitFit, Detections],
    rules: GrowRules | None = None,
    fit_rules: FitRules | None = None,
) -> tuple[OrbitFit, Detections] | None:
    """Make one orbit of two, if a joint fit says that they are one.

    Parameters
    ----------
    one, other : tuple of OrbitFit and Detections
        Orbits with their detections.
    rules : GrowRules, optional
        How like each other their states must be for a fit to be tried.
    fit_rules : FitRules, optional
        How to fit.

    Returns
    -------
    tuple of OrbitFit and Detections, or None
        The joint orbit, which uses nine of ten detections or more; None if there is none.
    """
    rules = rules or GrowRules()
    if np.isin(one[1].mjd_tdb, other[1].mjd_tdb).any() or not _alike(one[0], other[0], rules.apart):
        return None
    both = joined(one[1], other[1])
    better = one if len(one[1]) >= len(other[1]) else other
    fit = fit_orbit(both, (better[0].state, better[0].epoch), fit_rules)
    if not fit.good or fit.used.mean() < 0.9:
        return None
    return _only_used(fit), both.take(fit.used)


def _alike(one: OrbitFit, other: OrbitFit, apart: float) -> bool:
    """Say whether two states are the same at one time, within their errors."""
    tried = np.concatenate([one.state[None], one.state + np.diag(_STEPS)])
    moved = propagate(tried, one.epoch, [other.epoch])[:, 0]
    if not np.isfinite(moved).all():
        return False
    slope = ((moved[1:] - moved[0]) / _STEPS[:, None]).T
    cover = slope @ one.covariance @ slope.T + other.covariance
    scale = np.sqrt(np.diag(cover))
    off = (moved[0] - other.state) / scale
    return bool(
        off @ np.linalg.pinv(cover / np.outer(scale, scale), hermitian=True) @ off <= apart**2
    )
