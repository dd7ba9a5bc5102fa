"""What the benchmarks share: the server, the machine's description, timing, results, arguments."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
# Settings that decide a timing; read back from the server, not from what was asked for.
_SETTINGS = [
    "server_version",
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "effective_cache_size",
    "max_wal_size",
    "checkpoint_timeout",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "jit",
    "autovacuum",
    "max_locks_per_transaction",
]
# `huge_pages` says only what the server may do.
_HUGE_PAGES = "select strpos(pg_read_file('/proc/self/maps'), '/anon_hugepage') > 0"


class Server(Protocol):
    """A PostgreSQL server on which a benchmark may make databases."""

    def dsn(self, dbname: str) -> str:
        """Libpq connection string of one of its databases."""

    def ensure_database(self, name: str) -> object:
        """Create the database unless it exists."""


class ForeignServer:
    """A server with Q3C that runs already, reached as a superuser.

    Parameters
    ----------
    dsn : str
        Libpq connection string of any database on it.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._made: list[str] = []

    def dsn(self, dbname: str) -> str:
        """Libpq connection string of one of its databases."""
        return make_conninfo(self._dsn, dbname=dbname)

    def ensure_database(self, name: str) -> None:
        """Create the database; an existing one of that name is left alone and is an error."""
        self._execute(self._dsn, sql.SQL("create database {}").format(sql.Identifier(name)))
        self._made.append(name)
        for extension in ("q3c", "btree_gist"):
            create = sql.SQL("create extension {}").format(sql.Identifier(extension))
            self._execute(self.dsn(name), create)

    def drop_databases(self) -> None:
        """Drop the databases made here, and only those."""
        while self._made:
            name = sql.Identifier(self._made.pop())
            drop = sql.SQL("drop database if exists {} with (force)").format(name)
            self._execute(self._dsn, drop)

    @staticmethod
    def _execute(dsn: str, statement: sql.Composed) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def benchmark_server(dsn: str | None = None) -> Iterator[Server]:
    """Lend a server: a private one that vanishes afterwards, or the one that `dsn` names.

    Parameters
    ----------
    dsn : str, optional
        Connection string of a running server; its new databases are dropped at the end.

    Yields
    ------
    Server
        The server, started.
    """
    if dsn is not None:
        foreign = ForeignServer(dsn)
        try:
            yield foreign
        finally:
            foreign.drop_databases()
        return
    from apdb.server.cluster import Cluster

    with tempfile.TemporaryDirectory(prefix="apdb-bench-", ignore_cleanup_errors=True) as root:
        # When run by root, the server runs as another user and must be able to enter.
        Path(root).chmod(0o755)
        cluster = Cluster(root=Path(root))
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


class Stopwatch:
    """Wall-clock seconds by step.

    Attributes
    ----------
    steps : dict of str to float
        Seconds spent in each step so far, in the order of their first use.
    """

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the step `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.steps[name] = self.steps.get(name, 0.0) + time.perf_counter() - start

    @property
    def total(self) -> float:
        """Sum over all steps, seconds."""
        return sum(self.steps.values())


def settle(dsn: str) -> None:
    """Vacuum and analyse a database, as autovacuum has done by the next visit of a field."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def machine() -> dict[str, Any]:
    """Describe the machine: processor, cores, memory; nothing that names it."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def server_settings(dsn: str) -> dict[str, str]:
    """Version and the settings that matter for speed, as the server reports them."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select name, current_setting(name) from pg_settings where name = any(%s) order by 1",
            [_SETTINGS],
        ).fetchall()
        try:
            used = connection.execute(_HUGE_PAGES).fetchone()
        except psycopg.Error:  # no Linux, or no superuser
            used = None
    found = {str(name): str(value) for name, value in rows}
    return found | {"huge_pages_used": str(used[0] if used else None)}


def peak_memory() -> int:
    """Largest resident memory of this process so far [bytes].

    Where the system says so, of this program alone: ``ru_maxrss`` outlives ``exec``, and would be
    that of the process which started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of packages."""
    return {name: metadata.version(name) for name in packages}


def write_results(name: str, results: dict[str, Any], output: Path | None = None) -> Path:
    """Write ``results/<name>.json``, or `output`, with the machine, the time and the commit.

    Parameters
    ----------
    name : str
        Name of the benchmark.
    results : dict
        What was measured; anything that JSON can hold.
    output : Path, optional
        Another place for the file.

    Returns
    -------
    Path
        The file written.
    """
    path = output or RESULTS / f"{name}.json"
    document = {
        "benchmark": name,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": machine(),
        **results,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def parser(description: str, *, sources: list[int], visits: int) -> argparse.ArgumentParser:
    """Argument parser with the options that every benchmark has; more can be added.

    Parameters
    ----------
    description : str
        First line of the help.
    sources : list of int
        Default of ``--sources``, sources per visit, one run for each.
    visits : int
        Default of ``--visits``.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.add_argument("--sources", type=int, nargs="+", default=sources, help="sources per visit")
    made.add_argument("--visits", type=int, default=visits, help="timed visits")
    made.add_argument("--seed", type=int, default=1, help="seed of the simulated sources")
    made.add_argument("--dsn", help="a running server, as superuser, instead of a private one")
    made.add_argument("--output", type=Path, help="where to write the results as JSON")
    return made


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def _commit() -> str | None:
    """Commit of the checkout, marked when files differ from it; None outside a checkout."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
