"""Groups of rows in one flat array, and what can be asked of all of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pipeline.moving.detections import Floats, Ints


@dataclass(frozen=True)
class Groups:
    """Groups of rows of some table.

    Attributes
    ----------
    start : (m + 1,) int64
        Group i has members[start[i]:start[i + 1]].
    members : (k,) int64
        Rows.
    """

    start: Ints
    members: Ints

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, group: int) -> Ints:
        """Rows of one group."""
        return self.members[self.start[group] : self.start[group + 1]]

    def sizes(self) -> Ints:
        """Return the number of members of each group.

        Returns
        -------
        (m,) int64
            At least 0.
        """
        return np.diff(self.start)

    def owners(self) -> Ints:
        """Return the group of each member.

        Returns
        -------
        (k,) int64
            Ascending.
        """
        return np.repeat(np.arange(len(self), dtype=np.int64), self.sizes())

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Groups:
        """Return groups at an index or of a mask.

        Parameters
        ----------
        index : (j,) int64 or (m,) bool
            Which.

        Returns
        -------
        Groups
            Those, in this order.
        """
        chosen = (
            np.flatnonzero(index) if index.dtype == np.bool_ else np.asarray(index, dtype=np.int64)
        )
        sizes = self.sizes()[chosen]
        start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        offset = np.arange(start[-1], dtype=np.int64) - np.repeat(start[:-1], sizes)
        return Groups(start, self.members[np.repeat(self.start[chosen], sizes) + offset])

    def joined(self, other: Groups) -> Groups:
        """Return these groups, then those of another.

        Parameters
        ----------
        other : Groups
            Groups of rows of the same table.

        Returns
        -------
        Groups
            All of both.
        """
        return Groups(
            np.concatenate([self.start, other.start[1:] + self.start[-1]]),
            np.concatenate([self.members, other.members]),
        )

    def only(self, keep: NDArray[np.bool_]) -> Groups:
        """Return groups without some members.

        Parameters
        ----------
        keep : (k,) bool
            Which members stay.

        Returns
        -------
        Groups
            As many groups, some of them perhaps empty.
        """
        sizes = np.bincount(self.owners()[keep], minlength=len(self))
        return Groups(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), self.members[keep])

    def one_a_time(self, when: Floats) -> Groups:
        """Return one member of each time: the first of those that share it.

        Parameters
        ----------
        when : (rows,) float64
            Time of each row of the table.

        Returns
        -------
        Groups
            Members ascending in time.
        """
        owner = self.owners()
        order = np.lexsort((self.members, when[self.members], owner))
        owner, members = owner[order], self.members[order]
        again = np.zeros(len(members), dtype=bool)
        again[1:] = (owner[1:] == owner[:-1]) & (when[members[1:]] == when[members[:-1]])
        return Groups(self.start, members).only(~again)

    def distinct(self, label: Ints) -> Ints:
        """Count different labels in each group.

        Parameters
        ----------
        label : (rows,) int64
            Label of each row of the table.

        Returns
        -------
        (m,) int64
            Of nights, for example.
        """
        owner, values = self.owners(), label[self.members]
        order = np.lexsort((values, owner))
        owner, values = owner[order], values[order]
        new = np.ones(len(values), dtype=bool)
        new[1:] = (owner[1:] != owner[:-1]) | (values[1:] != values[:-1])
        return np.bincount(owner[new], minlength=len(self))

    def hashes(self) -> NDArray[np.uint64]:
        """Return a number a group that is the same for the same set of members.

        Returns
        -------
        (m,) uint64
            Sum of the mixed rows (splitmix64), modulo 2**64.
        """
        mixed = splitmix(self.members)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
        differences: NDArray[np.uint64] = sums[self.start[1:]] - sums[self.start[:-1]]
        return differences


def splitmix(values: Ints) -> NDArray[np.uint64]:
    """Mix integers well.

    Parameters
    ----------
    values : (n,) int64
        Any.

    Returns
    -------
    (n,) uint64
        splitmix64 of them (Steele, Lea and Flood 2014, OOPSLA 49, 453).
    """
    z = (values.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def grouped(owner: Ints, members: Ints) -> Groups:
    """Make groups from pairs of group and member.

    Parameters
    ----------
    owner : (k,) int64
        Key of the group of each member.
    members : (k,) int64
        Rows.

    Returns
    -------
    Groups
        One for each key, ascending.
    """
    order = np.argsort(owner, kind="stable")
    _, sizes = np.unique(owner, return_counts=True)
    return Groups(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), members[order])


def duplicates(groups: Groups, *, contained: bool = False) -> NDArray[np.bool_]:
    """Say which groups say nothing that another does not say.

    Parameters
    ----------
    groups : Groups
        Groups without repeated members.
    contained : bool
        Whether to mark groups that are wholly inside a larger one too.

    Returns
    -------
    (m,) bool
        True for all but the first of equal ones, and for contained ones if asked.
    """
    _, first = np.unique(groups.hashes(), return_index=True)
    again = np.ones(len(groups), dtype=bool)
    again[first] = False
    if not contained or not len(groups):
        return again
    keep = np.flatnonzero(~again)
    some = groups.take(keep)
    width = int(some.members.max()) + 1 if len(some.members) else 1
    table = csr_array(
        (np.ones(len(some.members), dtype=np.int32), some.members, some.start),
        shape=(len(some), width),
    )
    common = (table @ table.T).tocoo()
    one, other = common.coords
    sizes = some.sizes()
    inside = (common.data == sizes[one]) & (sizes[one] < sizes[other])
    again[keep[np.unique(one[inside])]] = True
    return again


def pairs_within(groups: Groups) -> tuple[Ints, Ints]:
    """Return all pairs of members of each group, the earlier one first.

    Parameters
    ----------
    groups : Groups
        Groups.

    Returns
    -------
    first, second : (k,) int64
        Rows.
    """
    sizes = groups.sizes()
    follow = (
        sizes[groups.owners()]
        - 1
        - (np.arange(len(groups.members)) - groups.start[groups.owners()])
    )
    first = np.repeat(np.arange(len(groups.members), dtype=np.int64), follow)
    offset = np.arange(len(first), dtype=np.int64) - np.repeat(np.cumsum(follow) - follow, follow)
    return groups.members[first], groups.members[first + 1 + offset]
