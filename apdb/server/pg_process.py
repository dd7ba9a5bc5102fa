"""What a cluster's pid file and the process table say about its server."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from apdb.errors import ServerError

PROC = Path("/proc")
PATIENCE = 2.0
SETTLED = ("ready", "standby")


@dataclass(frozen=True)
class Postmaster:
    """A living server process, as its pid file describes it.

    Attributes
    ----------
    pid : int
        Process id.
    started : datetime.datetime
        When it started (UTC).
    socket_dir : pathlib.Path
        Folder of its socket.
    state : str
        "starting", "ready", "standby" or "stopping".
    """

    pid: int
    started: datetime
    socket_dir: Path
    state: str


@dataclass(frozen=True)
class ClusterStatus:
    """What is known of a private cluster without connecting to it.

    Attributes
    ----------
    state : str
        "absent", "stopped", "starting", "ready", "standby", "stopping", or "unreachable" when the
        server lives but its socket was deleted.
    root, data : pathlib.Path
        Folder of the cluster, and of its data.
    pid : int or None
        Process id of the server.
    started : datetime.datetime or None
        When it started (UTC).
    major : int or None
        Major version of PostgreSQL that made the data.
    durable : bool
        False if it was last started without fsync.
    log_file : pathlib.Path or None
        The newest log file.
    free_bytes : int
        Space left on the disk of the data [bytes].
    dsn : str
        How to connect.
    huge_pages : bool or None
        Whether its shared memory is in huge pages; None if it does not run or that cannot be seen.
    """

    state: str
    root: Path
    data: Path
    pid: int | None
    started: datetime | None
    major: int | None
    durable: bool
    log_file: Path | None
    free_bytes: int
    dsn: str
    huge_pages: bool | None

    @property
    def running(self) -> bool:
        """Whether the server takes connections."""
        return self.state in SETTLED


@dataclass(frozen=True)
class Identity:
    """What tells this cluster's processes from others: data folder, owner, name in their titles."""

    data: Path
    uid: int
    name: str

    def postmaster(self) -> Postmaster | None:
        """Return the living server of this cluster, or None.

        Returns
        -------
        Postmaster or None
            None without a pid file, or with one that a killed server left behind.

        Raises
        ------
        ServerError
            The data folder may not be read.
        """
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise ServerError(
                f"{self.data} belongs to another user; run as its owner or as root"
            ) from error
        if len(lines) < 5 or not lines[0].strip().lstrip("-").isdigit():
            return None
        pid = abs(int(lines[0]))
        if not self._owns(pid):
            return None
        state = lines[7].strip() if len(lines) > 7 else "starting"
        return Postmaster(
            pid, datetime.fromtimestamp(int(lines[2]), UTC), Path(lines[4]), state or "starting"
        )

    def processes(self) -> list[int]:
        """Return the ids of all server processes of this cluster (Linux; elsewhere none)."""
        if not PROC.is_dir():
            return []
        pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
        return sorted(pid for pid in pids if self._owns(pid))

    def clear_remains(self, socket_dir: Path) -> None:
        """End backends that outlived a killed server and remove lock files that mislead the next.

        Call it only while no server of this cluster lives.

        Parameters
        ----------
        socket_dir : pathlib.Path
            Folder of the socket.

        Raises
        ------
        ServerError
            A backend cannot be ended.
        """
        self._end_orphans()
        for file in (self.data / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*.lock")):
            # PostgreSQL itself replaces a lock file whose process is gone, but takes any process
            # of that number for a server: a zombie, or a stranger after a reboot.
            if _misleads(file):
                file.unlink(missing_ok=True)

    def _end_orphans(self) -> None:
        # A backend busy in a long query does not notice that its server died, and holds the shared
        # memory, so that the next server refuses to start.  SIGQUIT is what the server would send.
        for action in (0, signal.SIGQUIT, signal.SIGKILL):
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, action)
            if _wait(lambda: not self.processes()):
                return
        left = " ".join(map(str, self.processes()))
        raise ServerError(
            f"Processes of the killed server do not end: {left}. They wait for a disk, probably; "
            f"look with `ps -o pid,stat,wchan,cmd -p {left.replace(' ', ',')}` and start again."
        )

    def _owns(self, pid: int) -> bool:
        if not PROC.is_dir():
            return _exists(pid)
        try:
            if (PROC / str(pid)).stat().st_uid != self.uid:
                return False
            words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        # A zombie has no command line.  The server names its data folder; its children change
        # their titles to "postgres: <cluster name>: …".
        if words[0].startswith(f"postgres: {self.name}: ".encode()):
            return True
        return words[0].rpartition(b"/")[2] == b"postgres" and os.fsencode(self.data) in words


def wait_settled(identity: Identity, timeout: float) -> Postmaster | None:
    """Wait until the server is neither starting nor stopping.

    Parameters
    ----------
    identity : Identity
        The cluster.
    timeout : float
        How long to wait [s].

    Returns
    -------
    Postmaster or None
        The running server, or None when none runs.

    Raises
    ------
    ServerError
        It is still starting or stopping after that time.
    """
    settled: list[Postmaster | None] = []

    def _look() -> bool:
        server = identity.postmaster()
        if server is None or server.state in SETTLED:
            settled.append(server)
        return bool(settled)

    if not _wait(_look, timeout):
        server = identity.postmaster()
        raise ServerError(
            f"The server (pid {server.pid if server else '?'}) is still "
            f"{server.state if server else 'changing'} after {timeout:.0f} s. A server that was "
            "killed replays its log first, one that stops writes its memory out; wait, look into "
            "its log file (`apdb server status` names it), and try again."
        )
    return settled[0]


def _wait(condition: Callable[[], bool], timeout: float = PATIENCE) -> bool:
    return any(condition() for _ in _ticks(timeout))


def _ticks(timeout: float) -> Iterator[None]:
    deadline = time.monotonic() + timeout
    while True:
        yield
        if time.monotonic() >= deadline:
            return
        time.sleep(0.02)


def _misleads(file: Path) -> bool:
    try:
        first = file.read_text().partition("\n")[0].strip()
    except FileNotFoundError:
        return False
    return not first.isdigit() or _exists(int(first))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
