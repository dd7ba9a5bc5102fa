"""The process that is killed while it stores visits."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from typing import Any

from astropy.table import Table

import apdb


def kill_myself(positions: Table) -> Any:
    """A `forced` callback in whose middle the machine goes down."""
    os.kill(os.getpid(), signal.SIGKILL)


def run(
    dsn: str, visits: list[tuple[apdb.Visit, dict[str, Any]]], dies: bool, to: Connection
) -> None:
    """Store visits one after the other, say so, and wait for death; `dies` in the first's forced step."""
    with apdb.connect(dsn) as db:
        for visit, sources in visits:
            to.send(("begin", visit.visit))
            db.store_visit(visit, sources, forced=kill_myself if dies else None)
            to.send(("done", visit.visit))
        # On a fast machine all are stored before the step to be killed at is seen.
        signal.pause()
