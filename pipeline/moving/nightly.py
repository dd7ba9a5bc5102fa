"""A night's ephemerides as polynomials: where each object's light comes from, and who looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.moving.ephemeris import seen
from pipeline.moving.kernel import planets
from pipeline.moving.observers import SPIN, Site, observer_state
from pipeline.moving.propagate import propagate
from pipeline.moving.times import tdb_from_tai

Floats = npt.NDArray[np.float64]

#: Half of a day and a little, so that nights leave no gap [d].
HALF_WIDTH = 0.502
#: Fast objects have a polynomial for each of so many pieces of the night.
PIECES = 6
#: An object that moves farther than this from its position in the middle is fast [deg].
SLOW_MARGIN = 0.35
#: So is one that its polynomial would miss by more [arcsec].
_MISS = 0.01

_NODES = np.cos(np.pi * (np.arange(5) + 0.5) / 5)
_FIT: Floats = np.linalg.pinv(np.vander(_NODES, 4))
#: Where displacements are looked at, in units of the half-width.
_LOOKS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


@dataclass(frozen=True)
class Frame:
    """Where the observer and the Sun are in a night.

    Attributes
    ----------
    middle : float
        MJD TAI.
    half_width : float
        How long before and after it holds [d].
    site : str or tuple of float
        The observer, as `observer_state` takes it.
    earth : ndarray, shape (3, 5)
        Polynomials of the Earth's barycentric place, highest power first [au].
    site_turn : ndarray, shape (3, 3)
        Of each coordinate of the site from the Earth's centre: constant, cosine and sine of one
        sidereal turn since the middle [au].
    sun : ndarray, shape (3, 3)
        Polynomials of the Sun's barycentric place [au].
    """

    middle: float
    half_width: float
    site: Site
    earth: Floats
    site_turn: Floats
    sun: Floats


@dataclass(frozen=True)
class Rows:
    """Polynomials of objects; arrays of shape (n,) but for `coefficients`.

    Attributes
    ----------
    number : ndarray of int64
        Which of the orbits.
    middle : ndarray
        Middle of the time for which each holds, MJD TAI.
    ra, dec : ndarray
        Position from the site in the middle [deg].
    coefficients : ndarray, shape (n, 4, 3)
        Constant first: barycentric place of where the light comes from [au].
    errors : ndarray, shape (n, 3)
        Errors of ra (with cos dec) and dec [deg], and their covariance [deg**2]; NaN without.
    """

    number: npt.NDArray[np.int64]
    middle: Floats
    ra: Floats
    dec: Floats
    coefficients: Floats
    errors: Floats


@dataclass(frozen=True)
class Night:
    """What is made of some orbits.

    Attributes
    ----------
    slow, fast : Rows
        Objects that move little in the night, and pieces of those that move more.
    fast_margin : float
        Farthest that a fast object moves from the middle of its piece [deg].
    n_failed : int
        Orbits that could not be propagated.
    """

    slow: Rows
    fast: Rows
    fast_margin: float
    n_failed: int


def frame_of(middle: float, site: Site) -> Frame:
    """Work out where the observer and the Sun are in a night.

    Parameters
    ----------
    middle : float
        Middle of the night, MJD TAI.
    site : str or tuple of float
        As `observer_state` takes it.

    Returns
    -------
    Frame
        Its polynomials are good to 10 m.

    Raises
    ------
    MissingKernel
        If there is no kernel, or it does not cover the night.
    UnknownSite
        If the site has no place on the Earth.
    """
    s = np.cos(np.pi * (np.arange(12) + 0.5) / 12)
    days = s * HALF_WIDTH
    tai = middle + days
    tdb = tdb_from_tai(tai)
    earth = planets().body_state("earth", tdb)[:, :3]
    turn = observer_state(site, tai)[:, :3] - earth
    angle = SPIN * days
    basis = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)
    return Frame(
        middle,
        HALF_WIDTH,
        site,
        np.linalg.lstsq(np.vander(s, 5), earth, rcond=None)[0].T,
        np.linalg.lstsq(basis, turn, rcond=None)[0].T,
        np.linalg.lstsq(np.vander(s, 3), planets().body_state("sun", tdb)[:, :3], rcond=None)[0].T,
    )


def build(states: Floats, epochs: Floats, covariance: Floats | None, frame: Frame) -> Night:
    """Make a night's ephemerides.

    Parameters
    ----------
    states : ndarray, shape (n, 6)
        Barycentric, ICRF [au, au/d].
    epochs : ndarray, shape (n,)
        MJD TDB.
    covariance : ndarray, shape (n, 6, 6), or None
        Of the states; NaN where it is not known.
    frame : Frame
        The night.

    Returns
    -------
    Night
        Cubic polynomials through five Chebyshev nodes: within 0.01 arcsec of the integration for
        slow objects, by the part of the fourth order.

    Raises
    ------
    MissingKernel
        If there is no kernel, or it does not cover the times.
    """
    everyone = np.arange(len(states))
    middles = np.array([frame.middle])
    whole, moved, miss = _fitted(states, epochs, everyone, middles, frame.half_width, frame.site)
    good = np.isfinite(whole.ra)
    fast = good & ((moved > SLOW_MARGIN) | (miss > _MISS))
    picked = np.flatnonzero(fast)
    width = frame.half_width / PIECES
    middles = frame.middle + width * (2 * np.arange(PIECES) + 1 - PIECES)
    pieces, strides, _ = _fitted(
        states[picked], epochs[picked], picked, middles, width * 1.001, frame.site
    )
    errors = _errors(states, epochs, covariance, frame)
    return Night(
        _with_errors(whole, errors, good & ~fast),
        _with_errors(pieces, errors, np.isfinite(pieces.ra)),
        float(np.nanmax(strides, initial=0.0)),
        int((~good).sum()),
    )


def _with_errors(rows: Rows, errors: Floats, keep: npt.NDArray[np.bool_]) -> Rows:
    return Rows(
        rows.number[keep], rows.middle[keep], rows.ra[keep], rows.dec[keep],
        rows.coefficients[keep], errors[rows.number[keep]],
    )  # fmt: skip


def _fitted(
    states: Floats,
    epochs: Floats,
    number: npt.NDArray[np.int64],
    middles: npt.NDArray[Any],
    half_width: float,
    site: Site,
) -> tuple[Rows, Floats, Floats]:
    """Return polynomials about each middle, how far objects move [deg], what they miss [arcsec]."""
    n, m = len(states), len(middles)
    tai = (middles[:, None] + half_width * _NODES).ravel()
    looks = observer_state(site, (middles[:, None] + half_width * _LOOKS).ravel())[:, :3]
    tdb = tdb_from_tai(tai)
    seer = observer_state(site, tai)
    bodies = propagate(states, epochs, tdb)
    with np.errstate(invalid="ignore"):
        view = seen(bodies, seer, planets().body_state("sun", tdb))
        place = (view.topocentric[..., :3] + seer[:, :3]).reshape(n, m, 5, 3)
        fit = np.einsum("pk,nmkc->nmpc", _FIT, place)
        rest = place - np.einsum("kp,nmpc->nmkc", np.vander(_NODES, 4), fit)
        nearest = view.delta.reshape(n, m, 5).min(axis=-1)
        # Between the nodes the part of the fourth order is at most this much larger.
        miss = 1.1 * np.degrees(np.abs(rest).max(axis=(-1, -2)) / nearest) * 3600.0
        line = np.einsum("kp,nmpc->nmkc", np.vander(_LOOKS, 4), fit) - looks.reshape(m, 5, 3)
        unit = line / np.linalg.norm(line, axis=-1, keepdims=True)
        chord = np.linalg.norm(unit - unit[:, :, 2:3], axis=-1).max(axis=-1)
    middle = unit[:, :, 2]
    rows = Rows(
        np.repeat(number, m),
        np.tile(middles, n),
        (np.degrees(np.arctan2(middle[..., 1], middle[..., 0])) % 360.0).ravel(),
        np.degrees(np.arcsin(np.clip(middle[..., 2], -1.0, 1.0))).ravel(),
        fit[:, :, ::-1].reshape(n * m, 4, 3),
        np.empty((n * m, 3)),
    )
    return rows, np.degrees(2 * np.arcsin(chord / 2)).ravel(), miss.ravel()


def _errors(states: Floats, epochs: Floats, covariance: Floats | None, frame: Frame) -> Floats:
    """Return errors on the sky in the middle of the night, to first order, by differences."""
    found = np.full((len(states), 3), np.nan)
    if covariance is None:
        return found
    known = np.flatnonzero(np.isfinite(covariance).all(axis=(1, 2)))
    if not len(known):
        return found
    values, vectors = np.linalg.eigh(_scaled(covariance[known])[0])
    scale = _scaled(covariance[known])[1]
    steps = np.sqrt(np.maximum(values, 0.0))[:, None, :] * vectors * scale[:, :, None]
    moved = np.concatenate([np.zeros((len(known), 6, 1)), steps], axis=2)
    about = (states[known][:, :, None] + moved).transpose(0, 2, 1).reshape(-1, 6)
    tai = np.array([frame.middle])
    tdb = tdb_from_tai(tai)
    bodies = propagate(np.ascontiguousarray(about), np.repeat(epochs[known], 7), tdb)
    with np.errstate(invalid="ignore"):
        view = seen(bodies, observer_state(frame.site, tai), planets().body_state("sun", tdb))
    ra, dec = view.ra.reshape(-1, 7), view.dec.reshape(-1, 7)
    east = (ra[:, 1:] - ra[:, :1] + 180.0) % 360.0 - 180.0
    east *= np.cos(np.radians(dec[:, :1]))
    north = dec[:, 1:] - dec[:, :1]
    found[known, 0] = np.sqrt(np.sum(east**2, axis=1))
    found[known, 1] = np.sqrt(np.sum(north**2, axis=1))
    found[known, 2] = np.sum(east * north, axis=1)
    return found


def _scaled(covariance: Floats) -> tuple[Floats, Floats]:
    """Return correlations, of which eigenvectors are accurate, and the errors."""
    scale = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    return covariance / scale[:, :, None] / scale[:, None, :], scale
