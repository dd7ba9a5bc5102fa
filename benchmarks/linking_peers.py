"""Another program that links, driven with the same detections: heliolinx.

It is a Python package of compiled code (``pip install heliolinx "numpy<2"``), whose wheels want an older numpy than ours: it
runs in an interpreter of its own, which the environment variable HELIOLINX_PYTHON names, and is left out without.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.moving.detections import Detections, Floats, Ints
from pipeline.moving.elements import ecliptic
from pipeline.moving.kernel import planets
from pipeline.moving.membership import Groups, grouped

_AU = 149597870.7
_DAY = 86400.0


@dataclass(frozen=True)
class Linked:
    """What it linked, rows of the detections, and its time [s]."""

    groups: Groups
    wall: float
    cpu: float


def heliolinx_python() -> str | None:
    """Interpreter that has heliolinx, if there is one."""
    return os.environ.get("HELIOLINX_PYTHON")


def heliolinx(found: Detections, hypotheses: Floats) -> Linked:
    """Run it with its defaults, on hypotheses of distance [au], rate [au/d] and acceleration."""
    program = heliolinx_python()
    assert program is not None
    order = np.argsort(found.mjd_tdb, kind="stable")
    mine = found.take(order)
    exposure, first, back = np.unique(mine.mjd_tdb, return_index=True, return_inverse=True)
    towards = mine.directions()
    middle = np.stack([np.bincount(back, towards[:, k]) for k in range(3)], axis=1)
    middle /= np.linalg.norm(middle, axis=1)[:, None]
    radius = np.degrees(np.arccos((towards * middle[back]).sum(axis=1).min()))
    days = np.arange(np.floor(exposure.min()) - 20.0, np.ceil(exposure.max()) + 20.0)
    earth = planets().body_state("earth", days) - planets().body_state("sun", days)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "detections.npz", Path(folder) / "linkages.npz"
        np.savez(
            given,
            mjd=mine.mjd_tdb, ra=mine.ra, dec=mine.dec, sigma=mine.sigma,
            exposure=exposure, observer=_kilometres((mine.observer - mine.sun)[first]),
            centre_ra=np.degrees(np.arctan2(middle[:, 1], middle[:, 0])) % 360.0,
            centre_dec=np.degrees(np.arcsin(middle[:, 2])),
            radius=radius + 0.1, earth_mjd=days, earth=_kilometres(earth), hypotheses=hypotheses,
        )  # fmt: skip
        script = Path(__file__).with_name("heliolinx_peer.py")
        subprocess.run(
            [program, str(script), str(given), str(made)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        )  # fmt: skip
        done = np.load(made)
        pairs: NDArray[np.int64] = np.unique(np.stack([done["linkage"], done["row"]]), axis=1)
        rows: Ints = order[pairs[1]]
        return Linked(grouped(pairs[0], rows), float(done["wall"]), float(done["cpu"]))


def _kilometres(states: Floats) -> Floats:
    """Return heliocentric ecliptic states in km and km/s."""
    made: Floats = ecliptic(states) * _AU
    made[:, 3:] /= _DAY
    return made
