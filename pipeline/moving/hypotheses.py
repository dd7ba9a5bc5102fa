"""Hypotheses of heliocentric distance and radial velocity, under which tracklets become orbits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.moving.detections import GM_SUN, Floats
from pipeline.moving.elements import two_body
from pipeline.moving.kernel import LIGHT
from pipeline.moving.tracklets import Tracklets

# By how much a sphere may shrink further, as it is pulled inwards, within two weeks [au].
_SLACK = 0.05


@dataclass(frozen=True)
class HypothesisGrid:
    """How finely heliocentric distance and radial velocity are tried.

    Attributes
    ----------
    nearest, farthest : float
        Range of heliocentric distance [au].
    ratio : float
        Step of distance, as a part of the distance from the Earth at opposition.
    smallest_step : float
        Least step of distance [au].
    drift : float
        Step of radial velocity, as a part of the distance from the Earth at opposition [1/d].
    unbound : float
        Radial velocities reach this part of the escape velocity; above 1 for interstellar objects.
    """

    nearest: float = 0.85
    farthest: float = 70.0
    ratio: float = 0.11
    smallest_step: float = 0.02
    drift: float = 0.0035
    unbound: float = 0.75

    def points(self) -> Floats:
        """Return all hypotheses.

        Returns
        -------
        (h, 2) float64
            Distance [au] and radial velocity [au/d] at the reference time.

        Raises
        ------
        ValueError
            The range is empty.
        """
        if not 0.0 < self.nearest < self.farthest:
            raise ValueError(f"no distance is between {self.nearest} and {self.farthest} au")
        made = []
        r = self.nearest
        while r <= self.farthest:
            reach = max(abs(r - 1.0), self.smallest_step / self.ratio)
            fastest = self.unbound * np.sqrt(2.0 * GM_SUN / r)
            step = min(self.drift * reach, fastest)
            half = int(np.ceil(fastest / step))
            made.append(
                np.column_stack(
                    [np.full(2 * half + 1, r), np.linspace(-fastest, fastest, 2 * half + 1)]
                )
            )
            r += self.ratio * reach
        return np.concatenate(made)


def orbits_of(
    tracklets: Tracklets, r: float, radial: float, reference: float
) -> tuple[Floats, NDArray[np.int64]]:
    """Return heliocentric states of tracklets under one hypothesis.

    Parameters
    ----------
    tracklets : Tracklets
        Tracklets.
    r : float
        Heliocentric distance at the reference time [au].
    radial : float
        Radial velocity then [au/d].
    reference : float
        The time [MJD TDB].

    Returns
    -------
    states : (k, 6) float64
        Heliocentric states at the reference time [au, au/d].
    rows : (k,) int64
        The tracklet of each: none where the line of sight misses the sphere or the object would
        be unbound by far; two where it cuts it twice. Holman et al. 2018 (AJ 156, 135) with
        spheres that move: radial acceleration by the tracklet's own angular momentum.
    """
    near = tracklets.observer - tracklets.sun
    place, speed = near[:, :3], near[:, 3:]
    along = np.einsum("ij,ij->i", place, tracklets.direction)
    square = np.einsum("ij,ij->i", place, place)
    dt = tracklets.mjd_tdb - reference
    found, rows = [], []
    nearest = r - abs(radial) * np.abs(dt).max(initial=0.0) - _SLACK
    # From inside the sphere, a line of sight cuts it once.
    inside = nearest > np.sqrt(square.max(initial=0.0))
    for sign in (1.0,) if inside else (1.0, -1.0):
        state, good = _on_sphere(tracklets, place, speed, along, square, dt, r, radial, sign)
        index = np.flatnonzero(good)
        found.append(state[index])
        rows.append(index)
    return np.concatenate(found), np.concatenate(rows).astype(np.int64)


def _on_sphere(
    tracklets: Tracklets,
    place: Floats,
    speed: Floats,
    along: Floats,
    square: Floats,
    dt: Floats,
    r: float,
    radial: float,
    sign: float,
) -> tuple[Floats, NDArray[np.bool_]]:
    """One of the two points where lines of sight cut the moving sphere, moved to the reference."""
    acceleration = np.full(len(dt), -0.2 * GM_SUN / r**2)
    lag = dt
    good = np.ones(len(dt), dtype=bool)
    with np.errstate(invalid="ignore"):
        for _ in range(3):
            now = r + radial * lag + 0.5 * acceleration * lag * lag
            rate = radial + acceleration * lag
            depth = along * along - square + now * now
            range_ = -along + sign * np.sqrt(depth)
            position = place + range_[:, None] * tracklets.direction
            across = speed + range_[:, None] * tracklets.motion
            inward = np.einsum("ij,ij->i", position, tracklets.direction)
            drift = (now * rate - np.einsum("ij,ij->i", position, across)) / inward
            velocity = across + drift[:, None] * tracklets.direction
            spin = np.einsum("ij,ij->i", velocity, velocity) - rate * rate
            acceleration = (spin / now) - GM_SUN / now**2
            acceleration = np.clip(acceleration, -GM_SUN / now**2, 2.0 * GM_SUN / now**2)
            lag = dt - range_ / LIGHT
        good = (depth > 0.0) & (range_ > 1e-3) & (now > 0.1)
        good &= np.einsum("ij,ij->i", velocity, velocity) < 4.0 * 2.0 * GM_SUN / now
        # Where the line of sight is tangent to the sphere, the radial velocity says nothing.
        good &= np.abs(inward) > 0.05 * now
    state = np.concatenate([position, velocity], axis=1)
    state[~good] = 0.0
    state[~good, 0] = 1.0
    moved = two_body(state, -lag)
    return moved, good & np.isfinite(moved).all(axis=1)
