"""What follows from an orbit alone: the distance to the Earth's orbit, Tisserand's parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from pipeline.moving.elements import MU, Elements, ecliptic, elements_of
from pipeline.moving.kernel import AU_KM, planets

Floats = npt.NDArray[np.float64]

#: Semi-major axis of Jupiter [au], Standish & Williams 1992.
_JUPITER = 5.2026
_KMS = AU_KM / 86400.0
_GRID = 400


@dataclass(frozen=True)
class Moid:
    """Least distances of orbits from that of the Earth; arrays of shape (n,).

    Attributes
    ----------
    distance : ndarray
        The distance [au].
    speed : ndarray
        Relative speed of the two there [km/s].
    longitude : ndarray
        Heliocentric ecliptic longitude of the place on the Earth's orbit [deg].
    earth_anomaly, anomaly : ndarray
        True anomalies of the Earth and of the object there [deg].
    """

    distance: Floats
    speed: Floats
    longitude: Floats
    earth_anomaly: Floats
    anomaly: Floats


def tisserand_j(elements: Elements) -> Floats:
    """Return Tisserand's parameter with respect to Jupiter.

    Parameters
    ----------
    elements : Elements
        Of n orbits.

    Returns
    -------
    ndarray, shape (n,)
        Murray & Dermott 1999, Solar System Dynamics, eq. 3.46; for hyperbolas too.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = (1.0 - elements.e) / elements.q
        shape = np.sqrt(elements.q * (1.0 + elements.e) / _JUPITER)
    return np.asarray(_JUPITER * inverse + 2.0 * np.cos(np.radians(elements.i)) * shape)


def moid_earth(elements: Elements, epoch: npt.ArrayLike) -> Moid:
    """Return the least distances of orbits from that of the Earth.

    Parameters
    ----------
    elements : Elements
        Of n orbits.
    epoch : array_like, shape (n,) or ()
        When the orbits hold, and that of the Earth is taken, MJD TDB.

    Returns
    -------
    Moid
        Between osculating ellipses, as they are: found on a grid of the object's anomaly, with the
        nearest point of the Earth's orbit for each, and refined.

    Raises
    ------
    MissingKernel
        If there is no kernel, or it does not cover the epoch.
    """
    earth = _earth_orbit(np.broadcast_to(np.asarray(epoch, dtype=float), elements.q.shape))
    towards, ahead = _axes(elements)
    earth_towards, earth_ahead = _axes(earth)
    out = np.full((len(elements.q), 3), np.nan)
    _search(
        np.column_stack([elements.q, elements.e, towards, ahead]),
        np.column_stack([earth.q, earth.e, earth_towards, earth_ahead]),
        out,
    )
    distance, anomaly, other = out.T
    _, speed = _point(elements.q, elements.e, towards, ahead, anomaly)
    there, pace = _point(earth.q, earth.e, earth_towards, earth_ahead, other)
    return Moid(
        distance,
        np.linalg.norm(speed - pace, axis=1) * _KMS,
        np.degrees(np.arctan2(there[:, 1], there[:, 0])) % 360.0,
        np.degrees(other) % 360.0,
        np.degrees(anomaly) % 360.0,
    )


def _earth_orbit(epochs: Floats) -> Elements:
    """Return the osculating orbits of the Earth at some times, which JPL's distances refer to."""
    kernel = planets()
    return elements_of(
        ecliptic(kernel.body_state("earth", epochs) - kernel.body_state("sun", epochs)), epochs
    )


def _axes(elements: Elements) -> tuple[Floats, Floats]:
    """Return unit vectors to the perihelion and ahead of it, shapes (n, 3)."""
    node, peri, tilt = (np.radians(x) for x in (elements.node, elements.argperi, elements.i))
    cn, sn, cp, sp = np.cos(node), np.sin(node), np.cos(peri), np.sin(peri)
    ci, si = np.cos(tilt), np.sin(tilt)
    towards = np.stack([cn * cp - sn * sp * ci, sn * cp + cn * sp * ci, sp * si], axis=-1)
    ahead = np.stack([-cn * sp - sn * cp * ci, -sn * sp + cn * cp * ci, cp * si], axis=-1)
    return towards, ahead


def _point(
    q: Floats, e: Floats, towards: Floats, ahead: Floats, true: Floats
) -> tuple[Floats, Floats]:
    """Return place [au] and velocity [au/d] at true anomalies."""
    parameter = q * (1.0 + e)
    r = parameter / (1.0 + e * np.cos(true))
    place = r[:, None] * (np.cos(true)[:, None] * towards + np.sin(true)[:, None] * ahead)
    k = np.sqrt(MU / parameter)[:, None]
    speed = k * (-np.sin(true)[:, None] * towards + (e + np.cos(true))[:, None] * ahead)
    return place, speed


@nb.njit(cache=True, nogil=True)
def _at(q, e, towards, ahead, true, out):  # type: ignore[no-untyped-def]
    r = q * (1.0 + e) / (1.0 + e * np.cos(true))
    c, s = r * np.cos(true), r * np.sin(true)
    for k in range(3):
        out[k] = c * towards[k] + s * ahead[k]


@nb.njit(cache=True, nogil=True)
def _nearest(place, q, e, towards, ahead):  # type: ignore[no-untyped-def]
    """Return the true anomaly of the point of a nearly circular orbit nearest to a place."""
    x = place[0] * towards[0] + place[1] * towards[1] + place[2] * towards[2]
    y = place[0] * ahead[0] + place[1] * ahead[1] + place[2] * ahead[2]
    a = q / (1.0 - e)
    b = a * np.sqrt(1.0 - e * e)
    # Eccentric anomaly by Newton's method on the derivative of the distance.
    u = np.arctan2(y, x)
    for _ in range(6):
        c, s = np.cos(u), np.sin(u)
        dx, dy = a * (c - e) - x, b * s - y
        slope = -a * s * dx + b * c * dy
        bend = a * a * s * s + b * b * c * c - a * c * dx - b * s * dy
        if bend <= 0.0:
            break
        step = slope / bend
        u -= step
        if abs(step) < 1e-13:
            break
    return np.arctan2(np.sqrt(1.0 - e * e) * np.sin(u), np.cos(u) - e)


@nb.njit(cache=True, nogil=True)
def _gap(true, orbit, earth, one, two):  # type: ignore[no-untyped-def]
    _at(orbit[0], orbit[1], orbit[2:5], orbit[5:8], true, one)
    other = _nearest(one, earth[0], earth[1], earth[2:5], earth[5:8])
    _at(earth[0], earth[1], earth[2:5], earth[5:8], other, two)
    d2 = (one[0] - two[0]) ** 2 + (one[1] - two[1]) ** 2 + (one[2] - two[2]) ** 2
    return np.sqrt(d2), other


@nb.njit(cache=True, nogil=True)
def _refined(low, high, orbit, earth, one, two):  # type: ignore[no-untyped-def]
    """Return the anomaly of the least distance between two, by golden sections."""
    golden = 0.5 * (np.sqrt(5.0) - 1.0)
    for _ in range(45):
        left = high - golden * (high - low)
        right = low + golden * (high - low)
        if _gap(left, orbit, earth, one, two)[0] < _gap(right, orbit, earth, one, two)[0]:
            high = right
        else:
            low = left
    return 0.5 * (low + high)


@nb.njit(cache=True, nogil=True)
def _search(orbits, earths, out):  # type: ignore[no-untyped-def]
    one, two = np.empty(3), np.empty(3)
    gaps = np.empty(_GRID)
    for i in range(len(orbits)):
        e = orbits[i, 1]
        if not np.all(np.isfinite(orbits[i])):
            continue
        # Hyperbolas end at their asymptotes, ellipses come round.
        end = np.pi if e < 1.0 else 0.9999 * np.arccos(-1.0 / e)
        width = 2.0 * end / _GRID
        for k in range(_GRID):
            gaps[k], _ = _gap(-end + (k + 0.5) * width, orbits[i], earths[i], one, two)
        best = np.inf
        for k in range(_GRID):
            if gaps[k] > gaps[k - 1] or gaps[k] > gaps[(k + 1) % _GRID]:
                continue
            low, high = -end + (k - 0.5) * width, -end + (k + 1.5) * width
            if e >= 1.0:
                low, high = max(low, -end), min(high, end)
            true = _refined(low, high, orbits[i], earths[i], one, two)
            gap, other = _gap(true, orbits[i], earths[i], one, two)
            if gap < best:
                best = gap
                out[i, 0], out[i, 1], out[i, 2] = gap, true, other
