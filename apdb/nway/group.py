"""The rule of N-way matching, on the sources of one part of the sky.

An object has at most one source of each catalogue, within the radius of its centre.

1. Sources are counted in cells of a quarter radius.  A cell is the seed of an object where, within
   half the radius around it, lie more sources than around any other cell within the radius; among
   equals the cell with the lowest number.
2. The centre moves to the mean of the sources that are nearest to it, one of each catalogue; so a
   few times.
3. What is left over seeds further objects in the same way, until nothing is.
4. Where the circles of objects overlap of which none has more than twice the sources of another,
   as those of two close stars, their sources are shared out once more with all centres known: of
   all pairs within the radius the closest is joined first.  A stray source beside an object takes
   no part.

Nothing here depends on the order of catalogues or sources: equal distances are decided by the order
of the input, which is one by name and position.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from apdb.nway.grid import Floats, Ints

MOVES = 3
"""How often centres move before their sources are settled."""

NEAREST = 4
"""Centres that a source may choose among."""

SECOND_ROUND = 1_000_000
"""Passes of the second round are counted from here, so that they are told apart."""


def group(points: Floats, cells: Ints, catalogues: Ints, reach: float) -> tuple[Ints, Ints]:
    """Group sources into objects.

    Parameters
    ----------
    points : ndarray of float64, shape (n, d)
        Positions in a space where distances are plain; in an order that does not depend on that of
        the files.
    cells : ndarray of int64, shape (n,)
        Cells of the positions, see `apdb.nway.grid.Grid.cell`.
    catalogues : ndarray of int64, shape (n,)
        Catalogue of each source.
    reach : float
        Radius of an object in that space.

    Returns
    -------
    cell, round : ndarray of int64, shape (n,)
        What the source's object is known by: the cell that was its seed, and when it was found.
    """
    seeds = _Seeds()
    owner = np.full(len(points), -1)
    _fill(points, cells, catalogues, reach, owner, seeds, 0)
    _share(points, catalogues, reach, owner)
    _fill(points, cells, catalogues, reach, owner, seeds, SECOND_ROUND)
    cell, when = seeds.arrays()
    return cell[owner], when[owner]


class _Seeds:
    """What objects are known by, in the order in which they were found."""

    def __init__(self) -> None:
        self.n = 0
        self._cells: list[Ints] = [np.empty(0, np.int64)]
        self._rounds: list[Ints] = [np.empty(0, np.int64)]

    def add(self, cells: Ints, when: int) -> int:
        """Add objects; return the number of the first."""
        first, self.n = self.n, self.n + len(cells)
        self._cells.append(cells)
        self._rounds.append(np.full(len(cells), when, np.int64))
        return first

    def arrays(self) -> tuple[Ints, Ints]:
        """Return cell and round of all."""
        return np.concatenate(self._cells), np.concatenate(self._rounds)


def _fill(
    points: Floats,
    cells: Ints,
    catalogues: Ints,
    reach: float,
    owner: NDArray[np.intp],
    seeds: _Seeds,
    first_round: int,
) -> None:
    """Make objects of the sources that have no owner until all have one."""
    left = np.flatnonzero(owner < 0)
    when = first_round
    while len(left):
        mine, of = points[left], catalogues[left]
        found, centres = _peaks(mine, cells[left], reach)
        for _ in range(MOVES):
            chosen = _assign(mine, of, centres, reach)
            means, named, _ = _means(mine, chosen)
            centres[named] = means
        chosen = _assign(mine, of, centres, reach)
        base = seeds.add(found, when)
        owner[left] = np.where(chosen >= 0, base + chosen, -1)
        left = left[chosen < 0]
        when += 1


def _share(points: Floats, catalogues: Ints, reach: float, owner: NDArray[np.intp]) -> None:
    """Share out the sources of close objects anew; those that find no centre have no owner then."""
    centres, named, counts = _means(points, owner)
    a, b = cKDTree(centres).query_pairs(2.0 * reach, output_type="ndarray").T
    equal = np.maximum(counts[a], counts[b]) <= 2 * np.minimum(counts[a], counts[b])
    weak = np.zeros(len(centres), bool)
    weak[np.where(counts[a] < counts[b], a, b)[~equal]] = True
    both = equal & ~weak[a] & ~weak[b] & (counts[a] > 1) & (counts[b] > 1)
    close = np.unique(np.concatenate([a[both], b[both]]))
    if not len(close):
        return
    theirs = np.flatnonzero(np.isin(owner, named[close]))
    chosen = _assign(points[theirs], catalogues[theirs], centres[close], reach)
    owner[theirs] = np.where(chosen >= 0, named[close][chosen], -1)


def _peaks(points: Floats, cells: Ints, reach: float) -> tuple[Ints, Floats]:
    """Return the cells that are seeds, and the mean position in each."""
    numbers, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
    middles = _sums(points, inverse, len(numbers)) / counts[:, None]
    pairs = cKDTree(middles).query_pairs(reach, output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    close = np.square(middles[a] - middles[b]).sum(axis=1) <= (reach / 2.0) ** 2
    density = counts.astype(np.int64)
    for one, other in ((a[close], b[close]), (b[close], a[close])):
        density += np.bincount(one, counts[other], len(numbers)).astype(np.int64)
    less = (density[a] < density[b]) | ((density[a] == density[b]) & (numbers[a] > numbers[b]))
    is_peak = np.ones(len(numbers), bool)
    is_peak[np.where(less, a, b)] = False
    return numbers[is_peak], middles[is_peak]


def _assign(points: Floats, catalogues: Ints, centres: Floats, reach: float) -> NDArray[np.intp]:
    """Return the centre of each source, -1 for none: of all pairs in reach the closest first."""
    k = min(NEAREST, len(centres))
    distance, centre = cKDTree(centres).query(points, k=k, distance_upper_bound=reach)
    distance, centre = distance.reshape(len(points), k), centre.reshape(len(points), k)
    source, which = np.nonzero(np.isfinite(distance))
    centre, distance = centre[source, which], distance[source, which]
    order = np.lexsort((centre, source, distance))
    source, centre = source[order], centre[order]
    place = centre * (int(catalogues.max(initial=0)) + 1) + catalogues[source]
    _, place = np.unique(place, return_inverse=True)
    chosen = np.full(len(points), -1, np.intp)
    taken = np.zeros(int(place.max(initial=-1)) + 1, bool)
    while len(source):
        rank = np.arange(len(source))
        best_source = _first(source, rank, len(points))
        best_place = _first(place, rank, len(taken))
        joined = (best_source[source] == rank) & (best_place[place] == rank)
        chosen[source[joined]] = centre[joined]
        taken[place[joined]] = True
        open_ = (chosen[source] < 0) & ~taken[place]
        source, centre, place = source[open_], centre[open_], place[open_]
    return chosen


def _first(keys: NDArray[np.intp], rank: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return the lowest rank of each key; of repeated indices numpy keeps the last that is set."""
    found = np.empty(n, np.intp)
    found[keys[::-1]] = rank[::-1]
    return found


def _means(
    points: Floats, owner: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """Return the mean position of owners that have sources, which these are, and how many."""
    has = owner >= 0
    n = int(owner.max(initial=-1)) + 1
    counts = np.bincount(owner[has], minlength=n)
    named = np.flatnonzero(counts)
    sums = _sums(points[has], owner[has], n)
    return sums[named] / counts[named, None], named, counts[named]


def _sums(points: Floats, keys: NDArray[np.intp], n: int) -> Floats:
    return np.column_stack([np.bincount(keys, column, n) for column in points.T])
