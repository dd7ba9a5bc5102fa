"""Huge pages: memory that Linux lends to PostgreSQL in pieces of 2 MiB instead of 4 KiB."""

from __future__ import annotations

from pathlib import Path

from apdb.errors import ServerError

#: How many of them the kernel keeps for those who ask for them; writable by root.
RESERVED = Path("/proc/sys/vm/nr_hugepages")
MEMORY = Path("/proc/meminfo")


def used_by(pid: int) -> bool | None:
    """Say whether a server has its shared memory in huge pages.

    Parameters
    ----------
    pid : int
        Its first process.

    Returns
    -------
    bool or None
        None where that cannot be seen: no Linux, or the process of somebody else.
    """
    try:
        return "/anon_hugepage" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return None


def size() -> int:
    """Return the size of a huge page of this kernel [bytes]."""
    return _of_memory("Hugepagesize") * 1024


def reserve(needed: int) -> int:
    """Have the kernel set aside huge pages that nobody uses yet.

    Parameters
    ----------
    needed : int
        So many more than are in use; 0 gives back what is not in use.

    Returns
    -------
    int
        Pages reserved in all, those in use included.

    Raises
    ------
    ServerError
        Not Linux, not permitted, or the kernel found fewer; then those are given back.
    """
    if needed < 0:
        raise ServerError("This PostgreSQL was built without huge pages.")
    if not RESERVED.exists():
        raise ServerError(f"There is no {RESERVED}: huge pages are a matter of Linux.")
    before = int(RESERVED.read_text())
    # Free are also those that a server was promised and has not touched yet.
    in_use = before - _of_memory("HugePages_Free") + _of_memory("HugePages_Rsvd")
    total = in_use + needed
    if needed:  # what others have reserved for themselves is not made less
        total = max(total, before)
    if total == before:
        return total
    try:
        RESERVED.write_text(f"{total}\n")
    except PermissionError as error:
        raise ServerError(
            f"Only root may reserve huge pages: sudo sysctl -w vm.nr_hugepages={total}"
        ) from error
    except OSError as error:
        raise ServerError(
            f"The kernel takes no number of huge pages ({error.strerror}); that of a container is "
            f"its host's: sysctl -w vm.nr_hugepages={total} there."
        ) from error
    found = int(RESERVED.read_text())
    if found < total:
        RESERVED.write_text(f"{before}\n")
        raise ServerError(
            f"The kernel found {found} of {total} huge pages; its free memory is in small pieces. "
            "`sysctl -w vm.drop_caches=3 vm.compact_memory=1`, then try again, or reserve them at "
            f"boot: a line vm.nr_hugepages = {total} in /etc/sysctl.d/apdb.conf."
        )
    return total


def _of_memory(name: str) -> int:
    for line in MEMORY.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise ServerError(f"The kernel has no huge pages: no {name} in {MEMORY}.")
