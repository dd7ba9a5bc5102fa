"""How often somebody may ask."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

Clock = Callable[[], float]


class Bucket:
    """A rate on average, with room for some at once; threads may share it.

    Parameters
    ----------
    rate : float
        Requests a second on average.
    burst : float
        Most at once.
    clock : callable, optional
        Seconds that never go back.
    """

    def __init__(self, rate: float, burst: float, clock: Clock = time.monotonic) -> None:
        self.rate = rate
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._when = clock()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one.

        Returns
        -------
        float
            0 if it was there; otherwise how long to wait [s].
        """
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._when) * self.rate)
            self._when = now
            if self._left >= 1.0:
                self._left -= 1.0
                return 0.0
            return (1.0 - self._left) / self.rate


class Window:
    """At most so many in any span of time; threads may share it.

    Parameters
    ----------
    most : int
        How many.
    seconds : float
        Length of the span [s].
    clock : callable, optional
        Seconds that never go back.
    """

    def __init__(self, most: int, seconds: float, clock: Clock = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._times: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one.

        Returns
        -------
        float
            0 if it was there; otherwise how long to wait [s].
        """
        with self._lock:
            now = self._clock()
            while self._times and self._times[0] <= now - self._seconds:
                self._times.popleft()
            if len(self._times) < self._most:
                self._times.append(now)
                return 0.0
            return self._times[0] + self._seconds - now
