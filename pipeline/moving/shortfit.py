"""Two-body fits of many short arcs at once: what purifies the clusters of linking."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pipeline.moving.detections import ARCSEC, GM_SUN, Detections, Floats, Ints, tangent_axes
from pipeline.moving.elements import two_body
from pipeline.moving.kernel import LIGHT
from pipeline.moving.membership import Groups

STEPS = np.array([1e-6, 1e-6, 1e-6, 1e-8, 1e-8, 1e-8])
"""Steps of differences by the components of a state [au, au/d]."""

_LARGEST = 1e6
_VELOCITY = np.arange(3, 6)
# The normal matrix of a short arc spans ten orders of magnitude, but is nearly linear: damping
# that begins any higher holds back the distance for dozens of steps.
_DAMPING = 1e-12


@dataclass(frozen=True)
class Arcs:
    """Detections of many arcs, padded to one length.

    Attributes
    ----------
    rows : (c, k) int64
        Rows of the table of detections; those of padding are 0.
    real : (c, k) bool
        False for padding.
    dt : (c, k) float64
        Time since the reference [d].
    direction, east, north : (c, k, 3) float64
        Where each was seen, and the axes of the tangent plane there.
    observer : (c, k, 3) float64
        Heliocentric place of the observer [au].
    sigma : (c, k) float64
        Error per axis [arcsec].
    """

    rows: Ints
    real: NDArray[np.bool_]
    dt: Floats
    direction: Floats
    east: Floats
    north: Floats
    observer: Floats
    sigma: Floats

    def take(self, index: Ints) -> Arcs:
        """Return some of the arcs.

        Parameters
        ----------
        index : (j,) int64
            Which.

        Returns
        -------
        Arcs
            Those.
        """
        return Arcs(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def arcs_of(found: Detections, groups: Groups, reference: float) -> Arcs:
    """Pad groups of detections to one length.

    Parameters
    ----------
    found : Detections
        Detections.
    groups : Groups
        Rows of each arc.
    reference : float
        Time from which dt counts [MJD TDB].

    Returns
    -------
    Arcs
        The same in rectangular arrays.
    """
    sizes = groups.sizes()
    width = int(sizes.max()) if len(sizes) else 0
    real = np.arange(width)[None, :] < sizes[:, None]
    rows = np.zeros(real.shape, dtype=np.int64)
    rows[real] = groups.members
    ra, dec = found.ra[rows], found.dec[rows]
    east, north = tangent_axes(ra, dec)
    return Arcs(
        rows=rows,
        real=real,
        dt=found.mjd_tdb[rows] - reference,
        direction=found.directions()[rows],
        east=east,
        north=north,
        observer=(found.observer - found.sun)[rows, :3],
        sigma=found.sigma[rows],
    )


def predicted(states: Floats, dt: Floats, observer: Floats) -> Floats:
    """Predict directions in which observers see two-body orbits, light time allowed for.

    Parameters
    ----------
    states : (..., 6) float64
        Heliocentric states at the reference [au, au/d].
    dt : (...) float64
        Time of observation since the reference [d].
    observer : (..., 3) float64
        Heliocentric place of the observer [au].

    Returns
    -------
    (..., 3) float64
        Unit vectors; NaN where the orbit could not be followed.
    """
    moved = two_body(states.reshape(-1, 6), dt.reshape(-1)).reshape(states.shape)
    place, speed = moved[..., :3], moved[..., 3:]
    away = place - observer
    lag = np.sqrt((away**2).sum(axis=-1))[..., None] / LIGHT
    pull = -GM_SUN * place / ((place**2).sum(axis=-1) ** 1.5)[..., None]
    away = away - speed * lag + 0.5 * pull * lag * lag
    seen: Floats = away / np.sqrt((away**2).sum(axis=-1))[..., None]
    return seen


def residuals(states: Floats, arcs: Arcs) -> Floats:
    """Return observed minus predicted.

    Parameters
    ----------
    states : (c, 6) float64
        Heliocentric states at the reference [au, au/d].
    arcs : Arcs
        Arcs.

    Returns
    -------
    (c, k, 2) float64
        East and north [arcsec]; 0 for padding, a very large number where there is no prediction.
    """
    shape = (*arcs.dt.shape, 6)
    seen = predicted(np.broadcast_to(states[:, None, :], shape), arcs.dt, arcs.observer)
    off = arcs.direction - seen
    both = (
        np.stack([(off * arcs.east).sum(axis=-1), (off * arcs.north).sum(axis=-1)], axis=-1)
        / ARCSEC
    )
    # On the other side of the sky the tangent plane says nothing.
    behind = (seen * arcs.direction).sum(axis=-1) < 0.0
    both[behind] = _LARGEST
    both = np.nan_to_num(both, nan=_LARGEST, posinf=_LARGEST, neginf=-_LARGEST)
    both[~arcs.real] = 0.0
    return both


def fit_short(
    states: Floats,
    arcs: Arcs,
    used: NDArray[np.bool_],
    scale: Floats,
    fastest: float = np.inf,
) -> tuple[Floats, Floats]:
    """Damped least squares of all arcs at once, outliers weighted down.

    Parameters
    ----------
    states : (c, 6) float64
        Where to begin: heliocentric, at the reference [au, au/d].
    arcs : Arcs
        Arcs.
    used : (c, k) bool
        Detections that count.
    scale : (iterations,) float64
        For each step the residual, in sigma, at which the weight is a half (Cauchy's
        weights); infinity for plain least squares.
    fastest : float
        Speeds are taken to scatter by so many escape velocities: what arcs of two nights do not
        tell, the radial velocity of distant objects above all, is then not made up.

    Returns
    -------
    states : (c, 6) float64
        Fitted.
    residuals : (c, k, 2) float64
        Of all detections [arcsec].
    """
    states = states.copy()
    damping = np.full(len(states), _DAMPING)
    off = residuals(states, arcs)
    for soft in scale:
        normalised = off / arcs.sigma[..., None]
        size = (normalised**2).sum(axis=-1)
        weight = used / (1.0 + size / soft**2)
        slope = slopes(states, arcs, off) / arcs.sigma[..., None, None]
        normal = np.einsum("ckai,ckaj,ck->cij", slope, slope, weight)
        right = np.einsum("ckai,cka,ck->ci", slope, normalised, weight)
        slow = slowness(states, fastest)
        normal[:, _VELOCITY, _VELOCITY] += slow[:, None]
        right[:, 3:] -= slow[:, None] * states[:, 3:]
        step = _damped(normal, right, damping)
        trial = states + step
        trial_off = residuals(trial, arcs)
        new = ((trial_off / arcs.sigma[..., None]) ** 2).sum(axis=-1)
        better = _cost(new, used, soft) + _haste(trial, slow) <= (
            _cost(size, used, soft) + _haste(states, slow)
        )
        states[better] = trial[better]
        off[better] = trial_off[better]
        damping = np.where(better, damping * 0.03, np.minimum(damping * 30.0, 1e8))
    return states, off


def slowness(states: Floats, fastest: float) -> Floats:
    """Return what is known of velocities before anything is seen.

    Parameters
    ----------
    states : (c, 6) float64
        Heliocentric [au, au/d].
    fastest : float
        Scatter of speeds, in escape velocities; infinity for none.

    Returns
    -------
    (c,) float64
        Weight of each component of the velocity, one by its variance [d**2/au**2].
    """
    weight: Floats = np.sqrt((states[:, :3] ** 2).sum(axis=1)) / (2.0 * GM_SUN * fastest**2)
    return weight


def _haste(states: Floats, slow: Floats) -> Floats:
    cost: Floats = slow * (states[:, 3:] ** 2).sum(axis=1)
    return cost


def _cost(square: Floats, used: NDArray[np.bool_], soft: float) -> Floats:
    """Return what Cauchy's weights minimise; the sum of squares for infinity."""
    each = square if np.isinf(soft) else soft**2 * np.log1p(square / soft**2)
    total: Floats = (used * each).sum(axis=1)
    return total


def slopes(states: Floats, arcs: Arcs, off: Floats) -> Floats:
    """Return derivatives of the predictions by the states.

    Parameters
    ----------
    states : (c, 6) float64
        Heliocentric states at the reference [au, au/d].
    arcs : Arcs
        Arcs.
    off : (c, k, 2) float64
        Their residuals [arcsec].

    Returns
    -------
    (c, k, 2, 6) float64
        East and north [arcsec] by the components of the state.
    """
    out = np.empty((*off.shape, 6))
    for i, h in enumerate(STEPS):
        other = states.copy()
        other[:, i] += h
        out[..., i] = -(residuals(other, arcs) - off) / h
    return out


def _damped(normal: Floats, right: Floats, damping: Floats) -> Floats:
    """Solve the normal equations with Marquardt's damping; no step where they are singular."""
    diagonal = np.einsum("cii->ci", normal).copy()
    size = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    scaled = normal / size[:, :, None] / size[:, None, :]
    index = np.arange(6)
    scaled[:, index, index] += damping[:, None] + 1e-15
    try:
        step = np.linalg.solve(scaled, (right / size)[..., None])[..., 0]
    except np.linalg.LinAlgError:
        step = np.einsum("cij,cj->ci", np.linalg.pinv(scaled, hermitian=True), right / size)
    return np.nan_to_num(step / size, nan=0.0, posinf=0.0, neginf=0.0)
