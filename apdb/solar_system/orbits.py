"""Orbits on their way into the database: what readers of files make, and the checks on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.solar_system.bad_lines import BadLines
from pipeline.moving.elements import Elements, barycentric, equatorial, heliocentric

Floats = NDArray[np.float64]

#: Epochs outside these are taken for mistakes [MJD TDB]: the years 1600 and 2500.
_EPOCHS = (-94552.0, 234165.0)


@dataclass
class Orbits:
    """Some orbits; arrays of shape (n,) but for `covariance`.

    Attributes
    ----------
    lines : ndarray of int64
        Where each came from.
    packed, designation : ndarray of object
        Packed and plain primary designation.
    ss_object_id : ndarray of int64
        Identifiers.
    elements : Elements
        Heliocentric elements.
    epoch : ndarray
        MJD TDB.
    columns : dict of str to ndarray
        Further columns of mpc_orbits; NaN and None stand for what is not known.
    covariance : ndarray, shape (n, 6, 6), or None
        Of heliocentric ecliptic states [au, au/d]; NaN where it is not known.
    number : ndarray of object, or None
        Numbers of the objects, where the file has them beside provisional designations.
    """

    lines: NDArray[np.int64]
    packed: NDArray[np.object_]
    designation: NDArray[np.object_]
    ss_object_id: NDArray[np.int64]
    elements: Elements
    epoch: Floats
    columns: dict[str, NDArray[Any]]
    covariance: Floats | None = None
    number: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    def take(self, keep: NDArray[np.bool_]) -> Orbits:
        """Return some of the orbits.

        Parameters
        ----------
        keep : ndarray of bool, shape (n,)
            Which.

        Returns
        -------
        Orbits
        """
        if keep.all():
            return self
        parts = vars(self.elements)
        return Orbits(
            self.lines[keep],
            self.packed[keep],
            self.designation[keep],
            self.ss_object_id[keep],
            Elements(**{name: values[keep] for name, values in parts.items()}),
            self.epoch[keep],
            {name: values[keep] for name, values in self.columns.items()},
            None if self.covariance is None else self.covariance[keep],
            None if self.number is None else self.number[keep],
        )

    def states(self) -> tuple[Floats, Floats | None]:
        """Return what is propagated.

        Returns
        -------
        states : ndarray, shape (n, 6)
            Barycentric, ICRF [au, au/d].
        covariance : ndarray, shape (n, 6, 6), or None
            Of the states.
        """
        states = barycentric(heliocentric(self.elements, self.epoch), self.epoch)
        if self.covariance is None:
            return states, None
        turned = equatorial(np.swapaxes(equatorial(self.covariance), 1, 2))
        return states, turned


def checked(orbits: Orbits, bad: BadLines) -> Orbits:
    """Leave out orbits that cannot be, and covariances that are none.

    Parameters
    ----------
    orbits : Orbits
        As read.
    bad : BadLines
        Told what is wrong; knows the identifiers of earlier parts.

    Returns
    -------
    Orbits
        The good ones.
    """
    keep = np.ones(len(orbits), bool)
    e = orbits.elements

    def _refuse(wrong: NDArray[np.bool_], reason: Callable[[int], str]) -> None:
        for i in np.flatnonzero(wrong & keep):
            bad.add(int(orbits.lines[i]), reason(int(i)))
        keep[wrong] = False

    # What others are made of comes first.
    for name in ("epoch", "e", "i", "node", "argperi", "q"):
        values = orbits.epoch if name == "epoch" else getattr(e, name)
        _refuse(~np.isfinite(values), partial(_missing, name))
    _refuse(e.q <= 0, lambda i: f"perihelion distance {e.q[i]:g} au is not positive")
    _refuse(e.e < 0, lambda i: f"eccentricity {e.e[i]:g} is negative")
    _refuse((e.i < 0) | (e.i > 180), lambda i: f"inclination {e.i[i]:g} is not in 0-180 deg")
    _refuse(~np.isfinite(e.peri_time), partial(_missing, "peri_time"))
    low, high = _EPOCHS
    _refuse(
        (orbits.epoch < low) | (orbits.epoch > high),
        lambda i: f"epoch {orbits.epoch[i]:g} is not between the years 1600 and 2500 (MJD, not JD)",
    )
    _once(orbits, keep, bad)
    _check_covariance(orbits, keep, bad)
    return orbits.take(keep)


def _missing(name: str, _: int) -> str:
    return f"{name} is missing or no number"


def _once(orbits: Orbits, keep: NDArray[np.bool_], bad: BadLines) -> None:
    """Refuse orbits of objects of which there was one before."""
    for i, identifier in enumerate(orbits.ss_object_id.tolist()):
        if not keep[i]:
            continue
        line = int(orbits.lines[i])
        first = bad.seen.setdefault(identifier, line)
        if first != line:
            bad.add(line, f"{orbits.designation[i]} has an orbit on line {first} already")
            keep[i] = False


def _check_covariance(orbits: Orbits, keep: NDArray[np.bool_], bad: BadLines) -> None:
    """Take away covariances that are not positive; the orbits stay."""
    if orbits.covariance is None:
        return
    given = np.isfinite(orbits.covariance).all(axis=(1, 2)) & keep
    partly = np.isfinite(orbits.covariance).any(axis=(1, 2)) & keep & ~given
    wrong = partly.copy()
    if given.any():
        matrices = orbits.covariance[given]
        scale = np.sqrt(np.abs(np.diagonal(matrices, axis1=1, axis2=2)))
        safe = np.where(scale > 0, scale, 1.0)
        lowest = np.linalg.eigvalsh(matrices / safe[:, :, None] / safe[:, None, :])[:, 0]
        positive = (np.diagonal(matrices, axis1=1, axis2=2) > 0).all(axis=1)
        wrong[np.flatnonzero(given)] = ~(positive & (lowest > -1e-6))
    for i in np.flatnonzero(wrong):
        zero = not np.nan_to_num(orbits.covariance[i]).any()
        what = "is zero" if zero else "is not positive definite"
        bad.add(int(orbits.lines[i]), f"the covariance {what}; the orbit is loaded without it")
    orbits.covariance[wrong] = np.nan
