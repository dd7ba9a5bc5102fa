"""Makes room for a visit's time: partitions, before the visit's own transaction begins."""

from __future__ import annotations

import random
import time
from typing import Any

import psycopg

from apdb.errors import Busy

LOCK_TIMEOUT = 0.8
"""How long to wait for a table [s]: below PostgreSQL's deadlock_timeout, 1 s, so that it is the
maker of partitions that steps back and not the visit it waits for."""

_GIVE_WAY = {Busy.sqlstate, "55P03", "40P01"}


def make_partitions(
    connection: psycopg.Connection[Any], start: float, end: float, patience: float
) -> None:
    """Make the partitions of a span of time, in short transactions of their own.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside any transaction; it commits.
    start, end : float
        Span, MJD TAI [d].
    patience : float
        For how long to try again while visits are being stored [s].

    Raises
    ------
    psycopg.Error
        The tables were in use all that time: Busy, names by whom.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            connection.execute(
                "select set_config('lock_timeout', %s, true)", (f"{LOCK_TIMEOUT * 1000:.0f}ms",)
            )
            connection.execute("select apdb.ensure_partitions(%s, %s)", (start, end))
            connection.commit()
        except psycopg.Error as error:
            if error.sqlstate not in _GIVE_WAY or time.monotonic() > give_up:
                raise
            connection.rollback()
            # Visits that queued behind the wait get through; makers do not keep step.
            time.sleep(random.uniform(0.0, 0.2))
        else:
            return
