"""Memory that images were in is used again, not given back to the system and asked for anew."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# The numbers of <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_NEVER = -1
_TIMES, _MOST = 4, 3 * 2**29


def reuse_memory() -> bool:
    """Have this process keep memory that is freed, for what it allocates next.

    The C library maps each large array afresh and unmaps it when it is freed; the system then fills
    every page with zeros again.  A stage makes dozens of arrays of 64 MB: of an image of 4096²
    that is a quarter of the time.  To be called once, in a process that does little else than
    images; what it allocates at most hardly grows by it, but it keeps that to its end.

    Returns
    -------
    bool
        False where the C library knows of no such thing (it is not glibc); nothing changes then.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    given = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_ARENA_MAX, 1))
    return [mallopt(what, value) for what, value in given] == [1] * len(given)


def touch_ahead(files: Iterable[Path | None]) -> None:
    """Have the memory that images will need at hand before they are read.

    A machine that has lent its free memory to others gets it back page by page, when each is first
    written: virtual machines take seconds for a gigabyte.  A thread does that while the program is
    still loading.  Of use after `reuse_memory` only.

    Parameters
    ----------
    files : iterable of Path or None
        The images; some four times their size is what their stages have in memory at once.
    """
    size = 0
    for file in files:
        # What is wrong with a file is said by who reads it.
        with suppress(OSError):
            size += file.stat().st_size if file is not None else 0
    left = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") // 4
    wanted = min(_TIMES * size, _MOST, left)
    threading.Thread(target=_touch, args=(wanted,), daemon=True).start()


def _touch(size: int) -> None:
    """Write to memory, and free it."""
    import numpy as np

    np.empty(size, np.uint8).fill(1)
