"""Splits and merges against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apdb.errors import InvalidInput
from apdb.truth import compare


def test_perfect_association():
    report = compare([7, 8, 7, 8, 9], [1, 2, 1, 2, 3])
    assert report.splits == {}
    assert report.merges == {}
    assert report.unsplit_fraction == 1.0
    assert (report.n_true_objects, report.n_recurring, report.n_our_objects) == (3, 2, 3)


def test_a_split_lists_our_objects():
    report = compare([7, 7, 7, 8, 8], [1, 2, 1, 3, 3])
    assert report.splits == {7: (1, 2)}
    assert report.unsplit_fraction == 0.5
    assert report.merges == {}
    assert "split: 7 is in ours 1, 2" in str(report)


def test_a_merge_lists_the_true_objects():
    report = compare([7, 8, 7, 8], [1, 1, 1, 1])
    assert report.merges == {1: (7, 8)}
    assert report.splits == {}
    assert report.unsplit_fraction == 1.0
    assert "merge: 1 holds true objects 7, 8" in str(report)


def test_noise_neither_splits_nor_merges():
    report = compare([0, 0, 7, 7], [1, 2, 1, 1])
    assert (report.splits, report.merges, report.n_true_objects) == ({}, {}, 1)


def test_sources_without_object_are_listed_by_row():
    report = compare([7, 7, 0, 8, 8], [1, 0, 0, 0, 0])
    assert report.unassigned.tolist() == [1, 2, 3, 4]
    # an object all of whose sources were left out is not whole
    assert report.unsplit_fraction == 0.5


def test_ids_keep_all_bits():
    big = 2**60
    report = compare([big, big, big + 1], [big + 2, big + 2, big + 3])
    assert (report.splits, report.merges) == ({}, {})
    assert compare([big, big], [big + 2, big + 3]).splits == {big: (big + 2, big + 3)}


def test_masked_ids_mean_none():
    ours = np.ma.MaskedArray(np.array([1, 5]), [False, True])
    assert compare([7, 7], ours).unassigned.tolist() == [1]


def test_nothing_at_all():
    report = compare([], [])
    assert report.n_sources == 0
    assert report.unsplit_fraction == 1.0


@pytest.mark.parametrize("wrong", [[1.0, 2.0], ["1", "2"]])
def test_ids_that_are_no_integers_are_refused(wrong):
    with pytest.raises(InvalidInput, match=r"column true_ids.*must be integers"):
        compare(wrong, [1, 2])


def test_lengths_must_agree():
    with pytest.raises(InvalidInput, match="true_ids has 2 rows, assigned_ids 1"):
        compare([1, 2], [1])


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40))
def test_agrees_with_sets(pairs):
    """The same by sets of Python, row by row."""
    true = [t for t, _ in pairs]
    ours = [o for _, o in pairs]
    holders = {t: {o for u, o in pairs if u == t and o} for t in set(true) - {0}}
    held = {o: {t for t, p in pairs if p == o and t} for o in set(ours) - {0}}
    report = compare(true, ours)
    assert report.splits == {t: tuple(sorted(s)) for t, s in holders.items() if len(s) > 1}
    assert report.merges == {o: tuple(sorted(s)) for o, s in held.items() if len(s) > 1}
    recurring = [t for t in holders if true.count(t) > 1]
    assert report.n_recurring == len(recurring)
    assert report.n_whole == sum(len(holders[t]) == 1 for t in recurring)
    assert report.unassigned.tolist() == [i for i, o in enumerate(ours) if o == 0]
    mirrored = compare(ours, true)
    assert (mirrored.splits, mirrored.merges) == (report.merges, report.splits)
