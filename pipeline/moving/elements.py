"""Orbital elements and states, for ellipses, parabolas and hyperbolas alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.moving._kepler import kepler
from pipeline.moving.errors import MovingError
from pipeline.moving.kernel import GM, Kernel, planets

Floats = npt.NDArray[np.float64]

MU = float(GM[0])
#: Mean obliquity of J2000 that orbit catalogues refer to [rad]: 84381.448 arcsec, IAU 1976.
OBLIQUITY = np.radians(84381.448 / 3600.0)
_TO_EQUATOR: Floats = np.array([
    [1.0, 0.0, 0.0],
    [0.0, np.cos(OBLIQUITY), -np.sin(OBLIQUITY)],
    [0.0, np.sin(OBLIQUITY), np.cos(OBLIQUITY)],
])  # fmt: skip


def equatorial(ecliptic: Floats) -> Floats:
    """Turn states from the ecliptic of J2000 to ICRF axes.

    Parameters
    ----------
    ecliptic : ndarray, shape (..., 3) or (..., 6)
        Positions, or positions and velocities.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    parts = np.split(ecliptic, ecliptic.shape[-1] // 3, axis=-1)
    return np.concatenate([part @ _TO_EQUATOR.T for part in parts], axis=-1)


def ecliptic(icrf: Floats) -> Floats:
    """Turn states from ICRF axes to the ecliptic of J2000.

    Parameters
    ----------
    icrf : ndarray, shape (..., 3) or (..., 6)
        Positions, or positions and velocities.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    parts = np.split(icrf, icrf.shape[-1] // 3, axis=-1)
    return np.concatenate([part @ _TO_EQUATOR for part in parts], axis=-1)


def two_body(states: Floats, dt: npt.ArrayLike) -> Floats:
    """Move heliocentric states along their orbits about the Sun alone.

    Parameters
    ----------
    states : ndarray, shape (n, 6)
        Heliocentric, any axes [au, au/d].
    dt : array_like, shape (n,) or ()
        How far [d].

    Returns
    -------
    ndarray, shape (n, 6)
        States after that time: universal variables (Danby 1992, Fundamentals of Celestial
        Mechanics, section 6.9), solved by Laguerre and Conway's iteration.
    """
    state = np.ascontiguousarray(states, dtype=float)
    time = np.ascontiguousarray(np.broadcast_to(np.asarray(dt, dtype=float), (len(state),)))
    found = np.empty_like(state)
    kepler(state, time, found)
    return found


@dataclass(frozen=True)
class Elements:
    """Heliocentric elements, ecliptic of J2000; all arrays of shape (n,).

    Attributes
    ----------
    q : ndarray
        Perihelion distance [au].
    e : ndarray
        Eccentricity; 1 and above are no fault.
    i, node, argperi : ndarray
        Inclination, longitude of the node and argument of perihelion [deg].
    peri_time : ndarray
        Perihelion passage, MJD TDB.
    """

    q: Floats
    e: Floats
    i: Floats
    node: Floats
    argperi: Floats
    peri_time: Floats

    @property
    def a(self) -> Floats:
        """Semi-major axis [au]: negative for hyperbolas, infinite for parabolas; shape (n,)."""
        with np.errstate(divide="ignore"):
            return np.asarray(self.q / (1.0 - self.e))

    @property
    def mean_motion(self) -> Floats:
        """Mean motion [deg/d], shape (n,); NaN where the orbit is not closed."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.degrees(np.sqrt(MU / self.a**3))
        return np.asarray(np.where(self.e < 1.0, found, np.nan))

    def mean_anomaly(self, epoch: npt.ArrayLike) -> Floats:
        """Return the mean anomaly at a time.

        Parameters
        ----------
        epoch : array_like, shape (n,) or ()
            MJD TDB.

        Returns
        -------
        ndarray, shape (n,)
            In [0, 360) [deg]; NaN where the orbit is not closed.
        """
        return np.asarray((self.mean_motion * (np.asarray(epoch) - self.peri_time)) % 360.0)


def peri_time(q: Floats, e: Floats, anomaly: Floats, epoch: Floats) -> Floats:
    """Return the perihelion passage nearest to the epoch.

    Parameters
    ----------
    q, e : ndarray, shape (n,)
        Perihelion distance [au] and eccentricity, below 1.
    anomaly : ndarray, shape (n,)
        Mean anomaly at the epoch [deg].
    epoch : ndarray, shape (n,)
        MJD TDB.

    Returns
    -------
    ndarray, shape (n,)
        MJD TDB.
    """
    motion = np.degrees(np.sqrt(MU / (q / (1.0 - e)) ** 3))
    return np.asarray(epoch - ((anomaly + 180.0) % 360.0 - 180.0) / motion)


def heliocentric(elements: Elements, epoch: npt.ArrayLike) -> Floats:
    """Turn elements into states.

    Parameters
    ----------
    elements : Elements
        Of n orbits.
    epoch : array_like, shape (n,) or ()
        When they hold, MJD TDB.

    Returns
    -------
    ndarray, shape (n, 6)
        Heliocentric, ecliptic of J2000 [au, au/d].
    """
    node, peri, tilt = (np.radians(x) for x in (elements.node, elements.argperi, elements.i))
    cos_n, sin_n = np.cos(node), np.sin(node)
    cos_p, sin_p = np.cos(peri), np.sin(peri)
    cos_i, sin_i = np.cos(tilt), np.sin(tilt)
    towards = np.stack([
        cos_n * cos_p - sin_n * sin_p * cos_i, sin_n * cos_p + cos_n * sin_p * cos_i, sin_p * sin_i,
    ], axis=-1)  # fmt: skip
    ahead = np.stack([
        -cos_n * sin_p - sin_n * cos_p * cos_i,
        -sin_n * sin_p + cos_n * cos_p * cos_i,
        cos_p * sin_i,
    ], axis=-1)  # fmt: skip
    speed = np.sqrt(MU * (1.0 + elements.e) / elements.q)
    start = np.concatenate([elements.q[:, None] * towards, speed[:, None] * ahead], axis=-1)
    return two_body(start, np.asarray(epoch, dtype=float) - elements.peri_time)


def elements_of(states: Floats, epoch: npt.ArrayLike) -> Elements:
    """Turn states into elements.

    Parameters
    ----------
    states : ndarray, shape (n, 6)
        Heliocentric, ecliptic of J2000 [au, au/d].
    epoch : array_like, shape (n,) or ()
        MJD TDB.

    Returns
    -------
    Elements
        Of a bound orbit, the perihelion passage nearest to the epoch.
    """
    place, speed = states[:, :3], states[:, 3:]
    r = np.linalg.norm(place, axis=1)
    spin = np.cross(place, speed)
    h = np.linalg.norm(spin, axis=1)
    shape = np.cross(speed, spin) / MU - place / r[:, None]
    e = np.linalg.norm(shape, axis=1)
    across = np.stack([-spin[:, 1], spin[:, 0], np.zeros_like(h)], axis=1)
    size = np.linalg.norm(across, axis=1)
    across = np.where((size > 1e-14 * h)[:, None], across, [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across, axis=1)[:, None]
    # A circle has its perihelion anywhere: at the node.
    axis = np.where((e > 1e-14)[:, None], shape / np.maximum(e, 1e-300)[:, None], across)
    pole = spin / h[:, None]
    argperi = np.arctan2(
        np.sum(np.cross(across, axis) * pole, axis=1), np.sum(across * axis, axis=1)
    )
    true = np.arctan2(np.sum(np.cross(axis, place) * pole, axis=1), np.sum(axis * place, axis=1))
    q = h * h / MU / (1.0 + e)
    return Elements(
        q=q,
        e=e,
        i=np.degrees(np.arctan2(np.hypot(spin[:, 0], spin[:, 1]), spin[:, 2])),
        node=np.degrees(np.arctan2(across[:, 1], across[:, 0])) % 360.0,
        argperi=np.degrees(argperi) % 360.0,
        peri_time=np.asarray(epoch, dtype=float) - _since_perihelion(q, e, true),
    )


def _since_perihelion(q: Floats, e: Floats, true: Floats) -> Floats:
    """Return the time since perihelion [d] at true anomalies [rad]."""
    w = np.tan(true / 2)
    ratio = (1 - e) / (1 + e)
    with np.errstate(all="ignore"):
        inner = 2 * np.arctan(np.sqrt(ratio) * w)
        closed = (inner - e * np.sin(inner)) * np.sqrt((q / (1 - e)) ** 3 / MU)
        outer = 2 * np.arctanh(np.sqrt(-ratio) * w)
        opened = (e * np.sinh(outer) - outer) * np.sqrt((q / (e - 1)) ** 3 / MU)
    # These cancel near perihelion of a nearly parabolic orbit; there dt = r**2 dnu / h as a series.
    small = ratio * w**2
    near = np.abs(small) < 0.05
    base = np.where(near, small, 0.0)
    series = sum(
        (k + 1) * (-base) ** k * w * (1 / (2 * k + 1) + w**2 / (2 * k + 3)) for k in range(14)
    )
    slow = 2 * q**2 / np.sqrt(MU * q * (1 + e)) * series
    return np.asarray(np.where(near, slow, np.where(e < 1.0, closed, opened)))


def barycentric(states: Floats, epoch: npt.ArrayLike, kernel: Kernel | None = None) -> Floats:
    """Turn heliocentric ecliptic states into barycentric ICRF ones.

    Parameters
    ----------
    states : ndarray, shape (n, 6)
        Heliocentric, ecliptic of J2000 [au, au/d].
    epoch : array_like, shape (n,) or ()
        MJD TDB.
    kernel : Kernel, optional
        Planets; `pipeline.moving.kernel.planets` by default.

    Returns
    -------
    ndarray, shape (n, 6)
        Barycentric, ICRF.

    Raises
    ------
    MissingKernel
        If there is no kernel, or it does not cover the epochs.
    MovingError
        If shapes do not fit.
    """
    if states.ndim != 2 or states.shape[1] != 6:
        raise MovingError(f"states of shape {states.shape}: (n, 6) is wanted")
    return equatorial(states) + (kernel or planets()).body_state("sun", epoch)
