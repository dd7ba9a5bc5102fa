"""Memory of images is used again; files are read ahead; extraction takes what it needs."""

from __future__ import annotations

import importlib
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sep
from threadpoolctl import threadpool_info, threadpool_limits

from apdb.database import Apdb
from pipeline.calibrate import calibrate
from pipeline.calibrate import extract as of_sep
from pipeline.errors import ReadError
from pipeline.exposure import Exposure
from pipeline.io import read_exposure, write_exposure
from pipeline.memory import touch_ahead
from pipeline.process import sources as of_sources
from pipeline.process.config import ProcessConfig
from pipeline.process.sources import Sources
from pipeline.subtract import subtract

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

_HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
FAULTS_COUNT = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or (_HUGE.exists() and "[always]" in _HUGE.read_text()),
    reason="the C library is not glibc, or all pages are huge, whose faults are few",
)


def faults(program: str, *arguments: object) -> int:
    """Page faults that a program counts in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        env={"PATH": "", "NUMPY_MADVISE_HUGEPAGE": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@FAULTS_COUNT
def test_freed_memory_is_not_asked_for_again() -> None:
    # 64 MB are 15,600 pages, ten times.
    assert faults(FAULTS.format(reuse=False)) > 100_000
    assert faults(FAULTS.format(reuse=True)) < 5_000


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


@FAULTS_COUNT
def test_memory_is_touched_before_it_is_wanted(tmp_path: Path) -> None:
    image = tmp_path / "image.fits"
    image.write_bytes(bytes(20_000_000))
    assert faults(AHEAD, tmp_path / "missing.fits") > 10_000
    assert faults(AHEAD, image) < 1_000


def frame(level: float) -> Exposure:
    image = np.full((40, 50), level, np.float32)
    return Exposure(image, np.zeros(image.shape, np.uint32), np.ones_like(image), unit="electron")


def sources(folder: Path, **options: Any) -> Sources:
    frames = {name: folder / f"{name}.fits" for name in ("bias", "dark")}
    return Sources(cast(Apdb, None), ProcessConfig(), None, None, frames, **options)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read, as they are."""
    names: list[str] = []

    def read(path: Path) -> Exposure:
        names.append(path.name)
        return read_exposure(path)

    monkeypatch.setattr(of_sources, "read_exposure", read)
    return names


@pytest.mark.parametrize("keep", [True, False])
def test_calibration_frames_are_read_ahead_once(
    tmp_path: Path, asked: list[str], keep: bool
) -> None:
    for name, level in (("bias", 3.0), ("dark", 7.0)):
        write_exposure(frame(level), tmp_path / f"{name}.fits")
    found = sources(tmp_path, keep=keep)
    found.begin()
    found.begin()
    levels = {name: float(each.image[5, 5]) for name, each in found.frames().items()}
    assert levels == {"bias": 3.0, "dark": 7.0}
    assert sorted(asked) == ["bias.fits", "dark.fits"]
    found.begin()
    found.frames()
    assert sorted(asked) == sorted((1 if keep else 2) * ["bias.fits", "dark.fits"])


def test_what_is_wrong_with_a_file_is_said_where_it_is_asked_for(
    tmp_path: Path, asked: list[str]
) -> None:
    write_exposure(frame(7.0), tmp_path / "dark.fits")
    found = sources(tmp_path)
    found.begin()
    with pytest.raises(ReadError, match=r"bias\.fits: no such file"):
        found.frames()
    # The next image finds what is there then.
    found.forget()
    write_exposure(frame(3.0), tmp_path / "bias.fits")
    found.begin()
    assert set(found.frames()) == {"bias", "dark"}
    assert asked.count("bias.fits") == 2


def test_files_that_cannot_be_looked_at_are_left_to_who_reads_them() -> None:
    touch_ahead([Path("a" * 300), Path("/nowhere/at/all.fits"), None])


@pytest.mark.parametrize("stage", [subtract, calibrate])
def test_linear_algebra_is_by_one_thread(
    monkeypatch: pytest.MonkeyPatch, stage: Callable[..., Any]
) -> None:
    seen: list[int] = []

    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    def look(*_: object) -> None:
        seen.extend(threads())
        raise LookupError("seen")

    module = importlib.import_module(f"pipeline.{stage.__name__}.run")
    monkeypatch.setattr(module, "check" if stage is subtract else "_usable", look)
    with threadpool_limits(2, "blas"):
        before = threads()
        with pytest.raises(LookupError, match="seen"):
            stage(frame(1.0), frame(1.0))
        assert threads() == before
    assert set(seen) == {1}


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
