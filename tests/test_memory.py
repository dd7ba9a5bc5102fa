"""A visit of the largest size in the memory of a small worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from store_tools import check_whole

GIB = 2**30
STORE = """
import sys
import apdb
from benchmarks.common import peak_memory
from benchmarks.store import described
from benchmarks.workload import field_visits
(made,) = field_visits(40_000, 1, 1)
before = peak_memory()
with apdb.connect(sys.argv[1]) as db:
    report = db.store_visit(described(made), made.sources)
after = peak_memory()
print(report.state, len(made.sources), before, after, report.timings["total"])
"""


@pytest.mark.slow
def test_forty_thousand_sources_in_one_gibibyte(dsn: str, plain_connection: Any) -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", STORE, dsn], cwd=root, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    state, columns, before, after, total = done.stdout.split()
    assert state == "stored"
    assert int(columns) > 80
    print(f"peak {int(after) / 2**20:.0f} MiB, {int(before) / 2**20:.0f} MiB before; {total} ms")
    assert int(after) <= GIB
    check_whole(plain_connection)
