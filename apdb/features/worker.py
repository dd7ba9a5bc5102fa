"""A process that works the queue of characterisation until nothing is due: `apdb characterize`.

Its orders come as JSON on standard input, so that no password is among its arguments; it answers
with a line of JSON for every batch.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial

from apdb.errors import ApdbError
from apdb.features.work import BATCH, Done, Options, read_options, work
from apdb.session import Session, patiently

PATIENCE = 300.0
"""How long a worker tries again where visits hold the sky [s]."""


def drain(
    session: Session,
    options: Options,
    told: Callable[[Done], None],
    *,
    limit: int | None = None,
    dia_object_ids: Sequence[int] | None = None,
    batch: int = BATCH,
) -> None:
    """Work the queue until nothing is due that nobody else works on.

    Parameters
    ----------
    session : Session
        Where.
    options : Options
        How.
    told : callable
        Called with what became of each batch.
    limit : int, optional
        Most objects.
    dia_object_ids : sequence of int, optional
        Only these.
    batch : int, optional
        Objects at once.

    Raises
    ------
    Busy
        Visits held the sky of a batch for `PATIENCE`.
    """
    left = limit
    while left is None or left > 0:
        n = min(batch, left or batch)
        done = patiently(partial(work, session, options, n, dia_object_ids), PATIENCE)
        if done.n_taken == 0:
            return
        told(done)
        if left is not None:
            left -= done.n_taken


def main() -> int:
    """Work by the orders on standard input.

    Returns
    -------
    int
        Exit code.
    """
    orders = json.load(sys.stdin)

    def _say(done: Done) -> None:
        print(json.dumps(dataclasses.asdict(done)), flush=True)

    try:
        with Session(orders["dsn"], busy_timeout=orders["busy_timeout"]) as session:
            drain(
                session,
                read_options(session),
                _say,
                limit=orders["limit"],
                dia_object_ids=orders["dia_object_ids"],
                batch=orders["batch"],
            )
    except ApdbError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0
