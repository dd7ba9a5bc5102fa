"""N-way matching in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from apdb.nway.grid import Ints, blocks
from apdb.nway.group import group
from apdb.nway.parts import Part
from apdb.nway.sources import Catalogue, Sources

BLOCK = 250_000
"""Sources matched at a time, about; what bounds the memory beyond that of the sources."""

Watch = Callable[[str, int, int], None]


def match(sources: Sources, watch: Watch) -> tuple[Part, int]:
    """Match catalogues.

    Parameters
    ----------
    sources : Sources
        The catalogues.
    watch : callable
        Told the step, how much of it is done, and of how much.

    Returns
    -------
    part : Part
        All sources in the order of their objects.
    n_dropped : int
        Sources without position.
    """
    read: list[Catalogue] = []
    for k, each in enumerate(sources):
        watch("reading", k, len(sources))
        read.append(each)
    everything = _joined(read)
    cell, when = _matched(sources, everything, watch)
    order = np.lexsort((np.arange(len(cell)), when, cell))
    new = np.ones(len(cell), np.int64)
    new[1:] = (np.diff(cell[order]) != 0) | (np.diff(when[order]) != 0)
    part = everything.taken(order)
    return part.numbered(np.cumsum(new)), sum(each.n_dropped for each in read)


def _joined(read: list[Catalogue]) -> Part:
    def column(name: str) -> Any:
        return np.concatenate([getattr(each, name) for each in read])

    return Part(
        np.zeros(sum(each.n for each in read), np.int64),
        np.repeat(np.arange(len(read)), [each.n for each in read]),
        *(column(name) for name in ("row", "lon", "lat", "flux", "flux_err", "mjd")),
    )


def _matched(sources: Sources, part: Part, watch: Watch) -> tuple[Ints, Ints]:
    """Return what the object of each source is known by."""
    grid = sources.grid
    if not len(part.row):
        return part.row, part.row
    home = grid.tile(part.lon, part.lat)
    tiles, tile_no, counts = np.unique(home, return_inverse=True, return_counts=True)
    block = blocks(tiles, counts, BLOCK)
    ghost, near = grid.ghosts(part.lon, part.lat, home)
    place = np.minimum(np.searchsorted(tiles, near), len(tiles) - 1)
    real = tiles[place] == near
    ghost, ghost_block = ghost[real], block[place[real]]
    home_block = block[tile_no]
    cell, when = np.empty(len(home), np.int64), np.empty(len(home), np.int64)
    numbers = np.unique(block)
    by_block = np.argsort(home_block, kind="stable")
    ends = np.searchsorted(home_block[by_block], numbers, side="right")
    for k, (number, mine) in enumerate(zip(numbers, np.split(by_block, ends[:-1]), strict=True)):
        watch("matching", k, len(numbers))
        which = np.union1d(mine, ghost[ghost_block == number])
        lon, lat = part.lon[which], part.lat[which]
        found = group(grid.points(lon, lat), grid.cell(lon, lat), part.catalogue[which], grid.reach)
        at = np.searchsorted(which, mine)
        cell[mine], when[mine] = found[0][at], found[1][at]
    return cell, when
