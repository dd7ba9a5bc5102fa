"""Compare our objects with the true ones, of a simulation or of another survey's association."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apdb.errors import InvalidInput, Problem

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TruthReport:
    """How our objects and the true ones correspond.

    Attributes
    ----------
    n_sources, n_true_objects, n_our_objects : int
        Sources compared; distinct true objects; distinct objects of ours.
    n_recurring : int
        True objects with at least two sources, assigned or not.
    n_whole : int
        Recurring true objects whose assigned sources (at least one) are in one object of ours.
    splits : dict of int to tuple of int
        True object → our objects, for those that are in more than one of ours.
    merges : dict of int to tuple of int
        Our object → true objects, for those that hold more than one.
    unassigned : ndarray of int64
        Rows (counted from 0) of the sources without an object of ours.
    """

    n_sources: int
    n_true_objects: int
    n_our_objects: int
    n_recurring: int
    n_whole: int
    splits: Mapping[int, tuple[int, ...]]
    merges: Mapping[int, tuple[int, ...]]
    unassigned: IntArray

    @property
    def unsplit_fraction(self) -> float:
        """Fraction of the recurring true objects that are whole; 1 if there are none."""
        return self.n_whole / self.n_recurring if self.n_recurring else 1.0

    def __str__(self) -> str:
        objects = f"{self.n_true_objects} true objects ({self.n_recurring} recurring)"
        whole = f"{100 * self.unsplit_fraction:.3f}% of the recurring objects unsplit"
        found = f"{len(self.splits)} splits, {len(self.merges)} merges"
        lines = [
            f"{self.n_sources} sources, {objects}, {self.n_our_objects} objects of ours",
            f"{whole}, {found}, {len(self.unassigned)} sources without object",
        ]
        lines += _listing("split", "is in ours", self.splits)
        lines += _listing("merge", "holds true objects", self.merges)
        return "\n".join(lines)


def _listing(word: str, verb: str, groups: Mapping[int, tuple[int, ...]]) -> list[str]:
    return [f"  {word}: {key} {verb} {', '.join(map(str, ids))}" for key, ids in groups.items()]


def _identifiers(name: str, values: npt.ArrayLike) -> IntArray:
    given: npt.NDArray[Any] = np.ma.filled(np.ma.asarray(values), 0)
    if given.size and not np.issubdtype(given.dtype, np.integer):
        message = "identifiers must be integers: floating point rounds them; 0 means none"
        raise InvalidInput(problems=[Problem(None, name, str(given.dtype), message)])
    return np.asarray(given, np.int64).ravel()


def _several(keys: IntArray, members: IntArray) -> dict[int, tuple[int, ...]]:
    """Return the keys with more than one member, of unique (key, member) pairs sorted by key."""
    _, start, count = np.unique(keys, return_index=True, return_counts=True)
    return {
        int(keys[i]): tuple(members[i : i + n].tolist())
        for i, n in zip(start[count > 1], count[count > 1], strict=True)
    }


def compare(true_ids: npt.ArrayLike, assigned_ids: npt.ArrayLike) -> TruthReport:
    """Compare two partitions of the same sources into objects.

    Parameters
    ----------
    true_ids : array_like of int, shape (n,)
        True object of each source; 0 or masked: none (noise), which neither splits nor merges.
    assigned_ids : array_like of int, shape (n,)
        Our object of each source; 0 or masked: none.

    Returns
    -------
    TruthReport
        Counts, splits, merges and sources without object.

    Raises
    ------
    InvalidInput
        If the lengths differ or the identifiers are not integers.
    """
    true, ours = _identifiers("true_ids", true_ids), _identifiers("assigned_ids", assigned_ids)
    if len(true) != len(ours):
        message = f"true_ids has {len(true)} rows, assigned_ids {len(ours)}: give one each a source"
        raise InvalidInput(message)
    both = (true != 0) & (ours != 0)
    by_true = np.unique(np.stack([true[both], ours[both]]), axis=1)
    by_ours = np.unique(np.stack([ours[both], true[both]]), axis=1)
    known, n_sources = np.unique(true[true != 0], return_counts=True)
    recurring = known[n_sources > 1]
    holders, n_ours = np.unique(by_true[0], return_counts=True)
    return TruthReport(
        n_sources=len(true),
        n_true_objects=len(known),
        n_our_objects=len(np.unique(ours[ours != 0])),
        n_recurring=len(recurring),
        n_whole=int(np.isin(recurring, holders[n_ours == 1]).sum()),
        splits=_several(by_true[0], by_true[1]),
        merges=_several(by_ours[0], by_ours[1]),
        unassigned=np.flatnonzero(ours == 0),
    )
