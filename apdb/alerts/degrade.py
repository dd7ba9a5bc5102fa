"""What is left out of a visit's packets when there are too many, or they are late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from apdb.alerts.rules import Rules

Content = Literal["full", "no_stamps", "no_histories", "bare"]
WITHOUT_HISTORIES = frozenset({"no_histories", "bare"})
"""Contents in the extended schema, with ids in the place of earlier DIASources."""
Reason = Literal["count", "seconds", "fragments"]


@dataclass(frozen=True)
class Plan:
    """What the packets of a visit hold.

    Attributes
    ----------
    stamps : bool
        Whether they get stamps.
    histories : bool
        Whether they get earlier DIASources.
    degraded : {"count", "seconds", "fragments"} or None
        Why something is left out that a later job completes; None if nothing is.
    """

    stamps: bool
    histories: bool
    degraded: Reason | None

    @property
    def content(self) -> Content:
        """What the packets hold, in one word; those without histories have no stamps either."""
        if not self.histories:
            return "bare"
        return "full" if self.stamps else "no_stamps"

    @property
    def left_out(self) -> str | None:
        """What the extended schema says is completed later."""
        if self.degraded is None:
            return None
        return "stamps" if self.histories else "histories"


def plan(rules: Rules, n_alerts: int, seconds: float, *, stamps: bool) -> Plan:
    """Decide what the packets of a visit hold: first stamps are left out, then histories too.

    Parameters
    ----------
    rules : Rules
        What the settings say.
    n_alerts : int
        Number of alerts.
    seconds : float
        Time since the visit's storing began [s].
    stamps : bool
        Whether there are stamps.

    Returns
    -------
    Plan
    """
    many_histories = n_alerts > rules.max_with_histories
    late_histories = seconds > rules.seconds_with_histories
    unfinished = rules.registry_id not in rules.complete
    many_stamps = stamps and n_alerts > rules.max_with_stamps
    late_stamps = stamps and seconds > rules.seconds_with_stamps
    without_histories = many_histories or late_histories or unfinished
    degraded: Reason | None = None
    if many_histories or many_stamps:
        degraded = "count"
    elif late_histories or late_stamps:
        degraded = "seconds"
    elif unfinished:
        degraded = "fragments"
    without_stamps = without_histories or many_stamps or late_stamps
    return Plan(stamps and not without_stamps, not without_histories, degraded)
