"""Where a source lies: cells of a quarter radius, tiles of 256 radii; on the sky or in a plane.

Both are fixed on the coordinates and not on the data, so that nothing depends on what came first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELLS = 4
"""Cells to a radius."""

TILE = 256
"""Radii to a tile."""

MARGIN = 16
"""Radii around a tile from which sources are looked at, too."""

LARGEST = 2**29
"""Most cells from the origin of a plane in each direction."""


@dataclass(frozen=True)
class Grid:
    """Cells and tiles.

    Attributes
    ----------
    sky : bool
        True for ra, dec; False for x, y.
    radius : float
        Largest distance of a source from its object: deg on the sky, as x and y in a plane.
    """

    sky: bool
    radius: float

    @property
    def reach(self) -> float:
        """The radius as a distance between `points`."""
        return 2.0 * float(np.sin(np.radians(self.radius) / 2.0)) if self.sky else self.radius

    def points(self, lon: Floats, lat: Floats) -> Floats:
        """Return positions in a space where distances are plain.

        Parameters
        ----------
        lon, lat : ndarray of float64, shape (n,)
            ra, dec [deg] or x, y.

        Returns
        -------
        ndarray of float64, shape (n, 3) or (n, 2)
            Unit vectors, or x and y.
        """
        if not self.sky:
            return np.column_stack([lon, lat])
        a, d = np.radians(lon), np.radians(lat)
        across = np.cos(d)
        return np.column_stack([across * np.cos(a), across * np.sin(a), np.sin(d)])

    def cell(self, lon: Floats, lat: Floats) -> Ints:
        """Return the cell of each position.

        Parameters
        ----------
        lon, lat : ndarray of float64, shape (n,)
            ra, dec [deg] or x, y.

        Returns
        -------
        ndarray of int64, shape (n,)
            In the order of lat, then lon.
        """
        side = self.radius / CELLS
        if not self.sky:
            return _square(lon, lat, side)
        band = np.floor((lat + 90.0) / side).astype(np.int64)
        middle = np.radians((band + 0.5) * side - 90.0)
        i = np.floor(lon * np.maximum(np.cos(middle), 0.0) / side).astype(np.int64)
        return np.asarray((band << 30) | i, np.int64)

    def tile(self, lon: Floats, lat: Floats) -> Ints:
        """Return the tile of each position.

        Parameters
        ----------
        lon, lat : ndarray of float64, shape (n,)
            ra, dec [deg] or x, y.

        Returns
        -------
        ndarray of int64, shape (n,)
            In the order of lat, then lon.
        """
        side = self.radius * TILE
        if not self.sky:
            return _square(lon, lat, side)
        band = np.minimum(np.floor((lat + 90.0) / side), np.ceil(180.0 / side) - 1)
        # So many that a tile is nowhere narrower than its height.
        edge = np.maximum(np.abs(band * side - 90.0), np.abs((band + 1) * side - 90.0))
        narrowest = np.cos(np.radians(np.minimum(edge, 90.0)))
        n = np.maximum(np.floor(360.0 * narrowest / side), 1.0)
        i = np.minimum(np.floor(lon / 360.0 * n), n - 1)
        return np.asarray((band.astype(np.int64) << 30) | i.astype(np.int64), np.int64)

    def ghosts(self, lon: Floats, lat: Floats, home: Ints) -> tuple[Ints, Ints]:
        """Return the other tiles that positions lie near.

        Parameters
        ----------
        lon, lat : ndarray of float64, shape (n,)
            ra, dec [deg] or x, y.
        home : ndarray of int64, shape (n,)
            Their own tiles.

        Returns
        -------
        which, tile : ndarray of int64, shape (m,)
            Position and tile of each such pair, once each.
        """
        margin = self.radius * MARGIN
        which, tiles = [], []
        for up in (-margin, 0.0, margin):
            x, y = lon, lat + up
            step: Any = margin
            if self.sky:
                over = np.abs(y) > 90.0
                x = np.where(over, lon + 180.0, lon)
                y = np.where(over, np.sign(y) * 180.0 - y, y)
                step = np.minimum(margin / np.maximum(np.cos(np.radians(y)), 1e-9), 180.0)
            for right in (-1.0, 0.0, 1.0):
                moved = x + right * step
                if self.sky:
                    moved = np.where(moved < 0.0, moved + 360.0, moved)
                    moved = np.where(moved >= 360.0, moved - 360.0, moved)
                tile = self.tile(moved, y)
                near = np.flatnonzero(tile != home)
                which.append(near)
                tiles.append(tile[near])
        of, near_tile = np.concatenate(which), np.concatenate(tiles)
        order = np.lexsort((near_tile, of))
        of, near_tile = of[order], near_tile[order]
        first = np.ones(len(of), bool)
        first[1:] = (of[1:] != of[:-1]) | (near_tile[1:] != near_tile[:-1])
        return of[first], near_tile[first]


def blocks(tiles: Ints, counts: Ints, target: int) -> Ints:
    """Return which block each tile belongs to: runs of tiles with some number of sources.

    Parameters
    ----------
    tiles, counts : ndarray of int64, shape (n,)
        Tiles in ascending order, and the sources in each.
    target : int
        Sources in a block, about.

    Returns
    -------
    ndarray of int64, shape (n,)
        Ascending.
    """
    before = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(tiles) else np.empty(0, np.int64)
    return np.asarray(before // target, np.int64)


def _square(x: Floats, y: Floats, side: float) -> Ints:
    i, j = (np.floor(v / side).astype(np.int64) + LARGEST for v in (x, y))
    return np.asarray((j << 30) | i, np.int64)
