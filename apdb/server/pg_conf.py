"""The configuration of the private PostgreSQL, tuned to the machine it runs on."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path

KIB, MIB, GIB = 1024, 1024**2, 1024**3

HBA = """\
# Only the owner of this cluster and root can enter the folder of its socket (mode 0700) and there
# is no TCP port, so whoever reaches the server has proved who they are to the operating system; a
# password would protect nothing more.  `trust` for every role lets the owner act as writer, reader
# or broker.  Open TCP only together with `scram-sha-256` lines here.
local   all           all   trust
local   replication   all   trust
"""

INCLUDE = """
# apdb rewrites the included file at every start.  Put your own settings below this line, where
# they override it.
include '../apdb.conf'
"""


def machine_memory() -> int:
    """Return the memory this process may use [bytes]: the machine's, or its container's limit."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            memory = min(memory, int(Path("/sys/fs/cgroup", name).read_text()))
    return memory


def settings(
    folder: Path, socket_dir: Path, *, name: str, fsync: bool, memory: int, lz4: bool
) -> dict[str, str]:
    """Return the server settings for this machine.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the cluster; its log files go to `log/` in it.
    socket_dir : pathlib.Path
        Folder of the socket.
    name : str
        Cluster name, shown in the process titles.
    fsync : bool
        False trades crash safety for speed; for tests only.
    memory : int
        Memory the server may plan with [bytes].
    lz4 : bool
        Whether this PostgreSQL has LZ4.

    Returns
    -------
    dict
        Setting name to value, as they stand in the file.
    """
    return {
        **_access(socket_dir, name),
        **_memory(memory),
        **_durability(folder, fsync, lz4),
        **_planner_and_vacuum(),
        **_log(folder),
    }


def render(values: dict[str, str]) -> str:
    """Return the settings as the text of a configuration file.

    Parameters
    ----------
    values : dict
        Setting name to value.

    Returns
    -------
    str
        One quoted setting a line.
    """
    lines = [f"{key} = '{value.replace(chr(39), chr(39) * 2)}'" for key, value in values.items()]
    return "\n".join(["# Written by apdb at every start: changes here are lost.", *lines, ""])


def _access(socket_dir: Path, name: str) -> dict[str, str]:
    return {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "cluster_name": name,
        "max_connections": "200",
        "shared_preload_libraries": "",
    }


def _memory(memory: int) -> dict[str, str]:
    values = {
        "shared_buffers": _size(memory // 4, 32 * MIB, 8 * GIB),
        "effective_cache_size": _size(memory * 3 // 4, 128 * MIB),
        "work_mem": _size(memory // 128, 8 * MIB, 64 * MIB),
        "maintenance_work_mem": _size(memory // 16, 64 * MIB, 2 * GIB),
        "huge_pages": "try",
        # A visit locks the sky cells of up to 40,000 sources.
        "max_locks_per_transaction": "512",
    }
    if sys.platform == "linux" and _shared_memory_is_unsafe():
        values["dynamic_shared_memory_type"] = "mmap"
    return values


def _shared_memory_is_unsafe() -> bool:
    # logind removes an ordinary user's POSIX shared memory when they log out (RemoveIPC), under
    # the feet of a server that stays; containers get 64 MB of /dev/shm, too little for parallel
    # hash joins.
    try:
        return os.getuid() != 0 or shutil.disk_usage("/dev/shm").total < 512 * MIB  # noqa: S108
    except OSError:
        return True


def _durability(folder: Path, fsync: bool, lz4: bool) -> dict[str, str]:
    safe = "on" if fsync else "off"
    wal = shutil.disk_usage(folder).free // 20
    return {
        "fsync": safe,
        "full_page_writes": safe,
        "synchronous_commit": safe,
        "max_wal_size": _size(wal, 256 * MIB, 8 * GIB),
        "min_wal_size": _size(wal // 8, 80 * MIB, 1 * GIB),
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "wal_compression": "lz4" if lz4 else "on",
    }


def _planner_and_vacuum() -> dict[str, str]:
    values = {
        "random_page_cost": "1.1",
        # Statements are short: compiling them costs more than it saves.
        "jit": "off",
        # Mean positions move, so object rows are rarely updated in place.
        "autovacuum_vacuum_scale_factor": "0.02",
        "timezone": "UTC",
    }
    if sys.platform == "linux":
        values["effective_io_concurrency"] = "200"
    return values


def _log(folder: Path) -> dict[str, str]:
    return {
        "logging_collector": "on",
        "log_directory": str(folder / "log"),
        # One file per weekday, overwritten after a week: the log cannot fill the disk for good.
        "log_filename": "postgresql-%a.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d %a ",
        "log_checkpoints": "on",
        "log_lock_waits": "on",
        "log_min_duration_statement": "10s",
    }


def _size(value: int, lowest: int, highest: int | None = None) -> str:
    value = max(value, lowest)
    if highest is not None:
        value = min(value, highest)
    return f"{value // KIB}kB"
