"""Memory of images is used again; files are read ahead; extraction takes what it needs."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sep

from apdb.database import Apdb
from pipeline.calibrate import extract as of_sep
from pipeline.errors import ReadError
from pipeline.exposure import Exposure
from pipeline.io import write_exposure
from pipeline.process.config import ProcessConfig
from pipeline.process.sources import Sources

FAULTS = """
import resource
import numpy as np
from pipeline.memory import reuse_memory
if {reuse}:
    assert reuse_memory()
def work():
    return float(np.ones(16_000_000, np.float32).sum())
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_not_asked_for_again() -> None:
    def faults(reuse: bool) -> int:
        done = subprocess.run(
            [sys.executable, "-c", FAULTS.format(reuse=reuse)],
            cwd=Path(__file__).parents[1],
            env={"PATH": "", "NUMPY_MADVISE_HUGEPAGE": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    # 64 MB are 15,600 pages, ten times.
    assert faults(reuse=False) > 100_000
    assert faults(reuse=True) < 5_000


AHEAD = """
import resource, sys, threading
from pathlib import Path
import numpy as np
from pipeline.memory import reuse_memory, touch_ahead
reuse_memory()
touch_ahead([Path(name) for name in sys.argv[1:]] + [None])
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(16_000_000, np.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_is_touched_before_it_is_wanted(tmp_path: Path) -> None:
    image = tmp_path / "image.fits"
    image.write_bytes(bytes(20_000_000))

    def faults(*files: Path) -> int:
        done = subprocess.run(
            [sys.executable, "-c", AHEAD, *map(str, files)],
            cwd=Path(__file__).parents[1],
            env={"PATH": "", "NUMPY_MADVISE_HUGEPAGE": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert faults(tmp_path / "missing.fits") > 10_000
    assert faults(image) < 1_000


def frame(level: float) -> Exposure:
    image = np.full((40, 50), level, np.float32)
    return Exposure(image, np.zeros(image.shape, np.uint32), np.ones_like(image), unit="electron")


def sources(folder: Path, **options: Any) -> Sources:
    frames = {name: folder / f"{name}.fits" for name in ("bias", "dark")}
    return Sources(cast(Apdb, None), ProcessConfig(), None, None, frames, **options)


@pytest.mark.parametrize("begun", [True, False])
def test_calibration_frames_are_the_files_read_ahead_or_not(tmp_path: Path, begun: bool) -> None:
    for name, level in (("bias", 3.0), ("dark", 7.0)):
        write_exposure(frame(level), tmp_path / f"{name}.fits")
    found = sources(tmp_path)
    if begun:
        found.begin()
    assert {name: float(each.image[5, 5]) for name, each in found.frames().items()} == {
        "bias": 3.0,
        "dark": 7.0,
    }
    # They are kept: the files are not asked for again.
    (tmp_path / "bias.fits").unlink()
    found.begin()
    assert set(found.frames()) == {"bias", "dark"}
    alone = sources(tmp_path, keep=False)
    alone.begin()
    with pytest.raises(ReadError, match=r"bias\.fits: no such file"):
        alone.frames()


def test_extraction_grows_its_buffer_until_it_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    image = rng.normal(size=(300, 400)).astype(np.float32)
    image[100:250, 50:350] += 100.0
    sep.set_extract_pixstack(1_000_000)
    wanted = sep.extract(image, 5.0, minarea=5)
    monkeypatch.setattr(of_sep, "_FIRST", 1000)
    found = of_sep.extract(image, 5.0, minarea=5)
    assert len(found) == len(wanted) > 0
    for name in ("x", "y", "flux", "npix"):
        np.testing.assert_array_equal(found[name], wanted[name])
    assert sep.get_extract_pixstack() >= 150 * 300


def test_extraction_says_what_is_wrong_otherwise() -> None:
    with pytest.raises(ValueError, match="dtype"):
        of_sep.extract(np.ones((20, 20), np.complex64), 5.0)
