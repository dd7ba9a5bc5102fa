"""Limits of the service, by a clock of our own."""

from __future__ import annotations

import itertools
import random

import pytest

from apdb.service.limits import Bucket, Window


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_bucket_gives_its_rate_and_a_burst() -> None:
    clock = Hand()
    bucket = Bucket(2.0, 5.0, clock)
    assert [bucket.take() for _ in range(5)] == [0.0] * 5
    assert bucket.take() == pytest.approx(0.5)
    clock.now += 0.5
    assert bucket.take() == 0.0
    assert bucket.take() > 0.0
    clock.now += 1000.0
    assert sum(bucket.take() == 0.0 for _ in range(20)) == 5


def test_never_more_than_the_window_allows_in_any_span() -> None:
    clock = Hand()
    window = Window(50, 35.0, clock)
    rng = random.Random(4)
    times = []
    for _ in range(3000):
        clock.now += rng.expovariate(5.0)
        if window.take() == 0.0:
            times.append(clock.now)
    assert len(times) > 500
    # Of any 51 that passed, the first and last are more than the span apart.
    assert all(
        b - a >= 35.0 for a, b in zip(times, itertools.islice(times, 50, None), strict=False)
    )


def test_window_says_how_long_to_wait() -> None:
    clock = Hand()
    window = Window(1, 35.0, clock)
    assert window.take() == 0.0
    clock.now += 5.0
    wait = window.take()
    assert wait == pytest.approx(30.0)
    clock.now += wait
    assert window.take() == 0.0
