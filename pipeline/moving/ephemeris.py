"""What an observer sees: astrometric positions, rates, distances and phase angles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.moving.kernel import GM, LIGHT, Kernel, planets
from pipeline.moving.observers import Site, observer_state
from pipeline.moving.propagate import TOLERANCE, propagate
from pipeline.moving.times import tdb_from_tai

Floats = npt.NDArray[np.float64]
_PASSES = 4


@dataclass(frozen=True)
class Apparent:
    """How objects look from an observer; all arrays of shape (n, m).

    Attributes
    ----------
    ra, dec : ndarray
        Astrometric ICRS position [deg]: corrected for light time, not for aberration or deflection.
    ra_rate, dec_rate : ndarray
        Rates [deg/d], ra_rate with cos(dec).
    r, delta : ndarray
        Distances from the Sun and the observer [au].
    phase : ndarray
        Angle Sun - object - observer [deg].
    heliocentric, topocentric : ndarray, shape (n, m, 6)
        States when the light left, from the Sun and from the observer [au, au/d], ICRF.
    """

    ra: Floats
    dec: Floats
    ra_rate: Floats
    dec_rate: Floats
    r: Floats
    delta: Floats
    phase: Floats
    heliocentric: Floats
    topocentric: Floats


def apparent(
    states: npt.ArrayLike,
    epochs: npt.ArrayLike,
    observer: Site | Floats,
    mjd_tai: npt.ArrayLike,
    *,
    kernel: Kernel | None = None,
    tolerance: float = TOLERANCE,
) -> Apparent:
    """Predict how objects look.

    Parameters
    ----------
    states : array_like, shape (n, 6)
        Barycentric position [au] and velocity [au/d], ICRF.
    epochs : array_like, shape (n,) or ()
        MJD TDB of the states.
    observer : str, tuple of float, or ndarray
        A site as `observer_state` takes it, or barycentric states, shape (m, 6) or (n, m, 6).
    mjd_tai : array_like, shape (m,) or (n, m)
        Times of observation, MJD TAI.
    kernel : Kernel, optional
        Planets; `pipeline.moving.kernel.planets` by default.
    tolerance : float, default 1e-11
        Of the integration.

    Returns
    -------
    Apparent
        NaN where `propagate` gives NaN.

    Raises
    ------
    MissingKernel
        If there is no kernel, or it does not cover the times.
    UnknownSite
        If the site has no place on the Earth.
    MovingError
        If shapes do not fit.
    """
    used = kernel or planets()
    tai = np.asarray(mjd_tai, dtype=float)
    seer = (
        observer if isinstance(observer, np.ndarray) else observer_state(observer, tai, kernel=used)
    )
    tdb = tdb_from_tai(tai)
    bodies = propagate(states, epochs, tdb, kernel=used, tolerance=tolerance)
    return seen(bodies, seer, used.body_state("sun", tdb))


def seen(bodies: Floats, observers: Floats, sun: Floats) -> Apparent:
    """Predict how objects look whose states at the time of observation are known.

    Parameters
    ----------
    bodies : ndarray, shape (n, m, 6)
        Barycentric states of the objects at the times of observation.
    observers, sun : ndarray, shape (m, 6) or (n, m, 6)
        Barycentric states of the observer and of the Sun at the same times.

    Returns
    -------
    Apparent
        Light time by going back along the orbit about the Sun, to the third order in time: 1 mas at
        0.05 au from the Sun, and nothing elsewhere.
    """
    place, speed, jolt, jerk = _motion(bodies, sun)
    seer, seer_speed = observers[..., :3], observers[..., 3:]
    delay = np.zeros(bodies.shape[:2])
    for _ in range(_PASSES):
        t = delay[..., None]
        line = place - t * (speed - t / 2 * (jolt - t / 3 * jerk)) - seer
        delay = np.linalg.norm(line, axis=-1) / LIGHT
    t = delay[..., None]
    emitted = speed - t * (jolt - t / 2 * jerk)
    line = place - t * (speed - t / 2 * (jolt - t / 3 * jerk)) - seer
    delta = np.linalg.norm(line, axis=-1)
    unit = line / delta[..., None]
    # Light time changes as the distance does: the object is seen at a slower or faster clock.
    outward = np.sum(unit * emitted, axis=-1) / LIGHT
    recession = np.sum(unit * (emitted - seer_speed), axis=-1) / LIGHT
    slowing = 1.0 - recession / (1.0 + outward)
    drift = emitted * slowing[..., None] - seer_speed
    from_sun = line + seer - (sun[..., :3] - t * sun[..., 3:])
    heliocentric = np.concatenate([from_sun, emitted - sun[..., 3:]], axis=-1)
    topocentric = np.concatenate([line, emitted - seer_speed], axis=-1)
    r = np.linalg.norm(from_sun, axis=-1)
    cross = np.linalg.norm(np.cross(line, from_sun), axis=-1)
    ra, dec, ra_rate, dec_rate = _angles(unit, drift / delta[..., None])
    return Apparent(
        ra, dec, ra_rate, dec_rate, r, delta,
        np.degrees(np.arctan2(cross, np.sum(line * from_sun, axis=-1))),
        heliocentric, topocentric,
    )  # fmt: skip


def _motion(bodies: Floats, sun: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return position, velocity, acceleration and its derivative in the Sun's field."""
    d, v = bodies[..., :3] - sun[..., :3], bodies[..., 3:] - sun[..., 3:]
    r2 = np.sum(d * d, axis=-1)[..., None]
    pull = GM[0] / (r2 * np.sqrt(r2))
    along = np.sum(d * v, axis=-1)[..., None]
    return bodies[..., :3], bodies[..., 3:], -pull * d, -pull * (v - 3.0 * along / r2 * d)


def _angles(unit: Floats, drift: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    x, y, z = unit[..., 0], unit[..., 1], unit[..., 2]
    across = np.hypot(x, y)
    ra = np.degrees(np.arctan2(y, x)) % 360.0
    east = (x * drift[..., 1] - y * drift[..., 0]) / across
    north = across * drift[..., 2] - z * (x * drift[..., 0] + y * drift[..., 1]) / across
    return ra, np.degrees(np.arctan2(z, across)), np.degrees(east), np.degrees(north)
