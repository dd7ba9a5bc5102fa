"""Orbit determination: Levenberg and Marquardt on the integrator, with covariance and deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.moving.detections import GM_SUN, Detections, Floats
from pipeline.moving.elements import two_body
from pipeline.moving.ephemeris import seen
from pipeline.moving.errors import MovingError
from pipeline.moving.initial import Beginning, beginnings, windows
from pipeline.moving.kernel import planets
from pipeline.moving.leastsquares import cost, damped, inverse, shape
from pipeline.moving.propagate import propagate

_STEP = 1e-7
_FAR = 3.6e6
# Spread of the energy about that of a circle, where it is made up for by what is likely.
_BOUND = 0.4
# By how much of chi-square an open orbit must fit better than a closed one.
_OPEN = 9.0


@dataclass(frozen=True)
class FitRules:
    """How orbits are fitted, and what is plausible.

    Attributes
    ----------
    deadline : float
        Seconds of processor time that an object may take.
    iterations : int
        Steps of one minimisation.
    reject, recover : float
        A detection goes when its chi-square (two coordinates) is above `reject`, and comes back
        below `recover`.
    max_rms : float
        Largest root mean square of the normalised residuals.
    max_rejected : float
        Largest part of the detections that may be rejected.
    least_perihelion : float
        Perihelion distance [au].
    fastest : float
        Largest speed far from the Sun [km/s]; what comes from other stars has up to some 100.
    farthest : float
        Largest distance from the Sun [au].
    """

    deadline: float = 20.0
    iterations: int = 30
    reject: float = 16.0
    recover: float = 12.0
    max_rms: float = 2.0
    max_rejected: float = 0.25
    least_perihelion: float = 0.005
    fastest: float = 150.0
    farthest: float = 1000.0


@dataclass(frozen=True)
class OrbitFit:
    """A fitted orbit.

    Attributes
    ----------
    state : (6,) float64
        Barycentric, ICRF [au, au/d].
    epoch : float
        MJD TDB.
    covariance : (6, 6) float64
        Of the state, from the errors of the detections.
    residuals : (n, 2) float64
        Observed minus computed, east and north [arcsec], in the order of the detections.
    used : (n,) bool
        False for rejected detections.
    rms : float
        Root mean square of the normalised residuals of those used.
    chi2 : float
        Sum of squares of the same.
    converged : bool
        Whether the minimisation ended by itself.
    reason : str
        Why the orbit is not to be believed; empty if it is.
    """

    state: Floats
    epoch: float
    covariance: Floats
    residuals: Floats
    used: NDArray[np.bool_]
    rms: float
    chi2: float
    converged: bool
    reason: str

    @property
    def good(self) -> bool:
        """Whether the orbit converged and is plausible."""
        return self.converged and not self.reason


def fit_orbit(
    found: Detections,
    start: tuple[Floats, float] | None = None,
    rules: FitRules | None = None,
) -> OrbitFit:
    """Fit an orbit to the detections of one object.

    Parameters
    ----------
    found : Detections
        At least three detections at different times, in any order.
    start : tuple of (6,) float64 and float, optional
        Barycentric state [au, au/d] and its epoch [MJD TDB] to begin with; without it preliminary
        orbits are found by Gauss's method.
    rules : FitRules, optional
        How.

    Returns
    -------
    OrbitFit
        The best that was found until the deadline; `reason` says what is wrong with it.

    Raises
    ------
    MovingError
        Fewer than three detections at different times.
    MissingKernel
        There is no planetary kernel, or it does not cover the times.
    """
    rules = rules or FitRules()
    if len(np.unique(found.mjd_tdb)) < 3:
        raise MovingError(
            f"{len(found)} detections at {len(np.unique(found.mjd_tdb))} times: give three or more"
        )
    order = np.argsort(found.mjd_tdb, kind="stable")
    _compile()
    work = _Work(found.take(order), rules, time.thread_time() + rules.deadline)
    if start is not None:
        best = work.begun_at(*start)
    else:
        best = work.searched()
    back = np.argsort(order, kind="stable")
    return replace(best, residuals=best.residuals[back], used=best.used[back])


@cache
def _compile() -> None:
    """Move an orbit once: to compile that takes longer than a fit, and counts for none."""
    state = np.array([[1.0, 0.0, 0.0, 0.0, 0.0172, 0.0]])
    propagate(state, 60000.0, [60001.0])
    two_body(state, np.ones(1))


class _Work:
    """The fit of one object: its detections, in order of time, and the end of its time."""

    def __init__(self, found: Detections, rules: FitRules, end: float) -> None:
        self.found = found
        self.rules = rules
        self.end = end

    def searched(self) -> OrbitFit:
        """Begin with the preliminary orbits of the best windows until one fits all."""
        best: OrbitFit | None = None
        for rows in windows(self.found):
            for begin in beginnings(self.found, rows):
                fit = self._begun(begin)
                if best is None or self._merit(fit) < self._merit(best):
                    best = fit
                if best.good or self._late():
                    return best
        if best is None:
            return self._nothing("no preliminary orbit fits any part of the arc")
        return best

    def begun_at(self, state: Floats, epoch: float) -> OrbitFit:
        """Begin with a given orbit; if it comes out open, see what a search finds."""
        best = self.extended(state, epoch, np.ones(len(self.found), dtype=bool))
        if not best.good or self._energy(best.state, best.epoch)[0] <= 0.0 or self._late():
            return best
        other = self.searched()
        closed = other.good and self._energy(other.state, other.epoch)[0] <= 0.0
        enough = other.used.sum() >= best.used.sum() and other.chi2 <= best.chi2 + _OPEN
        return other if closed and enough else best

    def _begun(self, begin: Beginning) -> OrbitFit:
        sun = planets().body_state("sun", np.array([begin.epoch]))[0]
        part = np.zeros(len(self.found), dtype=bool)
        part[begin.rows] = True
        return self.extended(begin.state + sun, begin.epoch, part)

    @staticmethod
    def _merit(fit: OrbitFit) -> tuple[bool, float, float]:
        return (not fit.good, -float(fit.used.sum()), fit.rms)

    def extended(self, state: Floats, epoch: float, part: NDArray[np.bool_]) -> OrbitFit:
        """Fit a part of the arc, then ever more of it."""
        when = self.found.mjd_tdb
        soft = 10.0
        while True:
            state, _ = self._minimised(state, epoch, part, soft)
            if part.all() or self._late() or not np.isfinite(state).all():
                return self._rejecting(state, epoch)
            first, last = when[part].min(), when[part].max()
            margin = max(1.0 * (last - first), 3.0)
            wider = (when >= first - margin) & (when <= last + margin)
            if wider.sum() == part.sum():
                # Nothing within reach: jump to the next night.
                gap = np.where(wider, np.inf, np.minimum(abs(when - first), abs(when - last)))
                wider |= gap <= gap.min() + 1.0
            part = wider

    def _rejecting(self, state: Floats, epoch: float) -> OrbitFit:
        """Fit all detections, rejecting outliers until the same ones stay rejected."""
        state, converged = self._minimised(state, epoch, np.ones(len(self.found), bool), 4.0)
        used = np.ones(len(self.found), dtype=bool)
        for _ in range(8):
            chi2 = self._chi2(self._offsets(state[None], epoch)[0])
            # While the fit is bad, only the worst go (Carpino et al. 2003, Icarus 166, 248).
            limit = max(self.rules.reject, 0.25 * float(chi2[used].max(initial=0.0)))
            now = np.where(used, chi2 <= limit, chi2 <= self.rules.recover)
            same = bool((now == used).all()) and limit == self.rules.reject
            if now.sum() < 3:
                break
            used = now
            if same or self._late():
                break
            state, converged = self._minimised(state, epoch, used, np.inf)
        fit = self._finished(state, epoch, used, converged and not self._late())
        return self._bound(fit) if np.isfinite(fit.state).all() else fit

    def _bound(self, fit: OrbitFit) -> OrbitFit:
        """Prefer a closed orbit to an open one that the detections hardly ask for.

        Short arcs of distant objects say nothing of the radial velocity; most objects are bound.
        """
        energy, slope = self._energy(fit.state, fit.epoch)
        if not energy > 0.0 or energy > 3.0 * np.sqrt(abs(slope @ fit.covariance @ slope)):
            return fit
        state, converged = self._minimised(fit.state, fit.epoch, fit.used, np.inf, bound=True)
        closed = self._finished(state, fit.epoch, fit.used, converged, bound=True)
        if not closed.good or closed.chi2 > fit.chi2 + _OPEN:
            return fit
        return closed

    def _energy(self, state: Floats, epoch: float) -> tuple[float, Floats]:
        """Return the energy in units of the depth of a circular orbit, -1, and its derivatives."""
        helio = state - planets().body_state("sun", np.array([epoch]))[0]
        x, v = helio[:3], helio[3:]
        r = float(np.linalg.norm(x))
        energy = float(v @ v / 2.0 - GM_SUN / r)
        slope = np.concatenate([GM_SUN * x / r**3, v]) * r
        slope[:3] += energy * x / r
        return 2.0 * r * energy / GM_SUN, 2.0 * slope / GM_SUN

    def _finished(
        self,
        state: Floats,
        epoch: float,
        used: NDArray[np.bool_],
        converged: bool,
        bound: bool = False,
    ) -> OrbitFit:
        if not np.isfinite(state).all():
            return self._nothing("the orbit left the region that can be integrated")
        off = self._offsets(state[None], epoch)[0]
        chi2 = float(self._chi2(off)[used].sum())
        slope = self._slopes(state, epoch)[used].reshape(-1, 6)
        if bound:
            slope = np.concatenate([slope, self._energy(state, epoch)[1][None] / _BOUND])
        fit = OrbitFit(
            state, epoch, inverse(slope), off, used,
            float(np.sqrt(chi2 / max(2 * used.sum(), 1))), chi2, converged, "",
        )  # fmt: skip
        return replace(fit, reason=self._implausible(fit))

    def _implausible(self, fit: OrbitFit) -> str:
        rules = self.rules
        if self._late():
            return f"not done within its {rules.deadline:g} s"
        if not fit.converged:
            return f"not converged in {rules.iterations} steps"
        sun = planets().body_state("sun", np.array([fit.epoch]))[0]
        helio = fit.state - sun
        perihelion, excess, distance = shape(helio)
        told = (
            (not np.isfinite(fit.covariance).all(), "its covariance is singular"),
            (fit.rms > rules.max_rms, f"normalised residuals of {fit.rms:.2f}"),
            (
                (~fit.used).mean() > rules.max_rejected,
                f"{int((~fit.used).sum())} of {len(fit.used)} detections rejected",
            ),
            (perihelion < rules.least_perihelion, f"perihelion at {perihelion:.4f} au"),
            (excess > rules.fastest, f"{excess:.0f} km/s far from the Sun"),
            (distance > rules.farthest, f"{distance:.0f} au from the Sun"),
        )
        return "; ".join(text for wrong, text in told if wrong)

    def _nothing(self, reason: str) -> OrbitFit:
        n = len(self.found)
        nan = np.full((6, 6), np.nan)
        return OrbitFit(
            nan[0], float(self.found.mjd_tdb.mean()), nan, np.full((n, 2), np.nan),
            np.zeros(n, dtype=bool), np.inf, np.inf, False, reason,
        )  # fmt: skip

    def _late(self) -> bool:
        return time.thread_time() > self.end

    def _offsets(
        self, states: Floats, epoch: float, part: NDArray[np.bool_] | None = None
    ) -> Floats:
        """Return observed minus computed of several states, (k, n, 2) [arcsec]."""
        found = self.found if part is None else self.found.take(part)
        bodies = propagate(states, epoch, found.mjd_tdb)
        looks = seen(bodies, found.observer, found.sun)
        east = (found.ra - looks.ra + 180.0) % 360.0 - 180.0
        off = np.stack([east * np.cos(np.radians(found.dec)), found.dec - looks.dec], axis=-1)
        return np.nan_to_num(off * 3600.0, nan=_FAR)

    def _unlikely(self, state: Floats, epoch: float) -> float:
        return ((self._energy(state, epoch)[0] + 1.0) / _BOUND) ** 2

    def _chi2(self, off: Floats) -> Floats:
        total: Floats = ((off / self.found.sigma[:, None]) ** 2).sum(axis=-1)
        return total

    def _slopes(self, state: Floats, epoch: float, part: NDArray[np.bool_] | None = None) -> Floats:
        """Return derivatives of computed positions, in units of the errors, (n, 2, 6)."""
        size = np.repeat([np.linalg.norm(state[:3]), np.linalg.norm(state[3:])], 3) * _STEP
        off = self._offsets(
            np.concatenate([state + np.diag(size), state - np.diag(size)]), epoch, part
        )
        sigma = self.found.sigma if part is None else self.found.sigma[part]
        return (
            np.moveaxis((off[6:] - off[:6]) / (2.0 * size[:, None, None]), 0, -1)
            / sigma[:, None, None]
        )

    def _minimised(
        self,
        state: Floats,
        epoch: float,
        part: NDArray[np.bool_],
        soft: float,
        bound: bool = False,
    ) -> tuple[Floats, bool]:
        """Minimise residuals of some detections; Cauchy's weights unless soft is infinite."""
        sigma = self.found.sigma[part][:, None]
        off = self._offsets(state[None], epoch, part)[0] / sigma
        damping, slope = 1e-10, None
        best = cost(off, soft) + bound * self._unlikely(state, epoch)
        for _ in range(self.rules.iterations):
            if self._late():
                return state, False
            if slope is None:
                slope = self._slopes(state, epoch, part)
                weight = np.sqrt(1.0 / (1.0 + (off**2).sum(axis=1) / soft**2))
                matrix = (slope * weight[:, None, None]).reshape(-1, 6)
                right = (off * weight[:, None]).reshape(-1)
                if bound:
                    energy, row = self._energy(state, epoch)
                    matrix = np.concatenate([matrix, row[None] / _BOUND])
                    right = np.append(right, (-1.0 - energy) / _BOUND)
                norm = np.sqrt((matrix**2).sum(axis=0))
                norm[norm == 0.0] = 1.0
            step = damped(matrix / norm, right, damping) / norm
            trial = state + step
            trial_off = self._offsets(trial[None], epoch, part)[0] / sigma
            now = cost(trial_off, soft) + bound * self._unlikely(trial, epoch)
            if now <= best:
                done = best - now <= 1e-5 * (1.0 + now * 1e-2)
                state, off, best, slope = trial, trial_off, now, None
                damping = max(damping * 0.03, 1e-15)
                if done:
                    return state, True
            else:
                damping *= 30.0
                if damping > 1e8 or np.abs(step * norm).max() < 1e-3:
                    return state, True
        return state, False
