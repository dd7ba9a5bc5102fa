"""How `apdb status` looks on the terminal: what needs the operator first."""

from __future__ import annotations

from collections import defaultdict

from rich.text import Text

from apdb.cli.tables import show_rows, terminal
from apdb.query.status import Severity, Status

_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}
_SHOWN = 10


def show_status(status: Status) -> None:
    """Print the state of a database.

    Parameters
    ----------
    status : Status
        What `apdb.Apdb.status` returned.
    """
    console = terminal(soft_wrap=True)
    findings = status.findings
    if not findings:
        console.print(Text("All is well.", "green"))
    for finding in findings:
        console.print(
            Text(f"{finding.severity.upper()}: ", _COLOURS[finding.severity])
            + Text(finding.message)
        )
        console.print(Text(f"    {finding.remedy}"))
    for key, value in _lines(status).items():
        console.print(Text(f"{key:<12} {value}"))
    _show_nights(status)
    _show_sessions(status)
    _show_sizes(status)


def _lines(status: Status) -> dict[str, str]:
    now = status.now
    lines = {"schema": now.schema_version or "unknown", "visits": f"{now.n_visits:,}"}
    if now.last_visit is not None and now.last_stored_mjd_tai is not None:
        ago = (now.mjd_tai - now.last_stored_mjd_tai) * 86_400.0
        lines["last visit"] = (
            f"{now.last_visit} detector {now.last_detector}, stored {_duration(ago)} ago, "
            f"{_duration(now.last_lag)} after its readout"
        )
    lines["size"] = f"{_bytes(now.database_bytes)}, growing by {_bytes(now.bytes_per_day)} a day"
    if status.disk is not None:
        days = status.disk.days_left
        full = "" if days is None or days > 1e4 else f", full in {days:.0f} d as it grows now"
        free = f"{_bytes(status.disk.free_bytes)} of {_bytes(status.disk.total_bytes)} free"
        lines["disk"] = f"{free} in {status.disk.folder}{full}"
    if now.n_replicas:
        lines["replicas"] = f"{now.n_replicas}, at most {_duration(now.replica_lag)} behind"
    if now.oldest_transaction_age is not None:
        age = _duration(now.oldest_transaction_age)
        lines["oldest"] = f"transaction of session {now.oldest_transaction_pid}, open for {age}"
    queue = status.precovery
    if queue.n_queued or queue.n_dead:
        age = "" if queue.oldest_age is None else f", the oldest for {_duration(queue.oldest_age)}"
        lines["precovery"] = f"{queue.n_queued:,} object(s) wait{age}; {queue.n_dead:,} given up"
    return lines


def _show_nights(status: Status) -> None:
    heads = [
        *("night", "exposures", "visits", "sources", "new objects", "forced", "unassociated"),
        *("expected", "outstanding", "median lag", "98% lag"),
    ]
    rows = [
        (
            *(n.night, n.n_exposures, n.n_visits, n.n_dia_sources, n.n_new_dia_objects),
            *(n.n_dia_forced_sources, n.n_unassociated, n.n_expected, n.n_outstanding),
            *(_duration(n.lag_median), _duration(n.lag_p98)),
        )
        for n in status.nights
    ]
    if rows:
        show_rows(heads, rows, "Nights")


def _show_sessions(status: Status) -> None:
    if status.attempts:
        heads = ("state", "visit", "detector", "client", "session", "since", "waits for")
        rows = [
            (a.state, a.visit, a.detector, a.client, a.pid, _duration(a.age), a.waits_for)
            for a in status.attempts[:_SHOWN]
        ]
        show_rows(heads, rows, f"{len(status.attempts)} attempt(s) not ended")
    if status.waits:
        held = ("session", "client", "visit", "lock", "for", "held by", "client", "visit", "state")
        waits = [
            (
                *(w.pid, w.client, w.visit, w.lock, _duration(w.waiting)),
                *(w.holder_pid, w.holder_client, w.holder_visit, w.holder_state),
            )
            for w in status.waits[:_SHOWN]
        ]
        show_rows(held, waits, "Who waits for whom")


def _show_sizes(status: Status) -> None:
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for size in status.sizes:
        total = totals[size.table_name]
        total[0] += size.partition_name is not None
        total[1] += size.n_rows or 0
        total[2] += size.table_bytes
        total[3] += size.index_bytes
    largest = sorted(totals.items(), key=lambda item: -(item[1][2] + item[1][3]))[:_SHOWN]
    rows = [(n, p or None, f"{r:,}", _bytes(t), _bytes(i)) for n, (p, r, t, i) in largest]
    show_rows(("table", "partitions", "rows", "size", "indexes"), rows, "Largest tables")


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000.0:
            return f"{value:.3g} {unit}"
        value /= 1000.0
    return f"{value:.3g} TB"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for size, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if abs(seconds) >= 2.0 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
