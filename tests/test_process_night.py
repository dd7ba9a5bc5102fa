"""A folder of images: in parallel, resumed, watched; one that kills its process harms no other."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import apdb
from apdb.errors import InvalidInput
from pipeline.exposure import Exposure, ExposureInfo
from pipeline.io import write_exposure
from pipeline.night.files import Folder
from pipeline.night.run import NightOptions, NightWatcher, process_night
from pipeline.night.worker import Image, Planned, Setup, work
from pipeline.process import ProcessConfig
from pipeline.process.templates import add_template
from pipeline.scene import SimulatedField, simulate_field


def test_files_are_given_once_and_when_they_are_whole(tmp_path: Path) -> None:
    (tmp_path / "1.fits").write_bytes(b"x")
    for name in ("notes.txt", ".2.fits.part", ".3.fits", "4.fits.part"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.fits").mkdir()
    os.utime(tmp_path / "1.fits", (1e9, 1e9))
    folder = Folder(tmp_path, settle=0.3)
    (first,) = folder.arrived()
    assert (first.path.name, first.since, first.fresh) == ("1.fits", 1e9, False)
    growing = (tmp_path / "5.fits.fz").open("wb", buffering=0)
    started = time.monotonic()
    while time.monotonic() - started < 0.9:
        growing.write(b"more")
        assert folder.arrived() == []
        assert folder.pending
        time.sleep(0.1)
    growing.close()
    (tmp_path / ".2.fits.part").rename(tmp_path / "2.fits")
    time.sleep(0.4)
    assert [(f.path.name, f.fresh) for f in folder.arrived()] == [
        ("2.fits", True),
        ("5.fits.fz", True),
    ]
    assert folder.arrived() == []
    assert not folder.pending
    with pytest.raises(InvalidInput, match="is no folder"):
        Folder(tmp_path / "none")


@pytest.fixture(scope="module")
def field() -> SimulatedField:
    return simulate_field(8, (256, 256), n_stars=90, n_galaxies=15, n_transients=8)


@pytest.fixture
def store(db: apdb.Apdb, field: SimulatedField, tmp_path: Path) -> apdb.Apdb:
    db.set_setting("image_url", tmp_path / "images")
    add_template(db, field.template, "field", "r")
    return db


def science(field: SimulatedField, number: int) -> Exposure:
    info = field.science.info
    assert info is not None
    moved = replace(info, visit=2026031000000 + number, midpoint_mjd_tai=61109.0 + number / 1000)
    return field.science.with_(info=moved)


def deliver(field: SimulatedField, folder: Path, *numbers: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        write_exposure(science(field, number), folder / f"{2026031000000 + number}_000.fits")


def test_a_process_that_nobody_listens_to_leaves_its_image_alone(
    db: apdb.Apdb, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(3).normal(100.0, 5.0, (64, 64)).astype(np.float32)
    variance = np.full(pixels.shape, 25.0, np.float32)
    info = ExposureInfo(2026031000001, 0, "r", 61109.0, 30.0)
    path = tmp_path / "2026031000001.fits"
    write_exposure(
        Exposure(pixels, np.zeros(pixels.shape, np.uint32), variance, unit="nJy", info=info), path
    )
    ours, theirs = Pipe()

    def leave() -> None:
        assert ours.recv() == "ready"
        ours.send(Image(path))
        ours.close()

    gone = threading.Thread(target=leave)
    gone.start()
    # The image has no stars: told to nobody, that is not on record either.
    with pytest.raises(SystemExit):
        work(theirs, Setup(db.dsn, ProcessConfig()))
    gone.join()
    assert [each.state for each in db.processed()] in ([], ["running"])


class Killer(NightWatcher):
    """Kills the process of one image in the middle of its work."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.killed = False

    def stage(self, worker: int, image: Image, stage: str) -> None:
        if image.path.name.startswith(self.name) and stage == "subtract" and not self.killed:
            self.killed = True
            pids = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
            named = [p for p in pids if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]
            os.kill(int(named[worker]), signal.SIGKILL)


def run(store: apdb.Apdb, folder: Path, watcher: NightWatcher | None = None, **given: Any) -> Any:
    setup = Setup(store.dsn, ProcessConfig())
    options = NightOptions(jobs=2, settle=0.2, **given)
    return process_night(store, folder, setup, options, watcher)


@pytest.mark.slow
def test_a_night_goes_on_whatever_one_image_does(
    store: apdb.Apdb, field: SimulatedField, tmp_path: Path
) -> None:
    folder = tmp_path / "night"
    deliver(field, folder, 1, 2, 3, 4)
    broken = folder / "2026031000004_000.fits"
    broken.write_bytes(broken.read_bytes()[:40_000])
    (folder / "nobody.fits").write_text("no image, and no number")
    summary = run(store, folder, Killer("2026031000002"))
    by_name = {each.path.name: each for each in summary.done}
    assert {name: each.state for name, each in by_name.items()} == {
        "2026031000001_000.fits": "done",
        "2026031000002_000.fits": "failed",
        "2026031000003_000.fits": "done",
        "2026031000004_000.fits": "failed",
        "nobody.fits": "failed",
    }
    died = by_name["2026031000002_000.fits"]
    assert (died.stage, died.visit) == ("subtract", 2026031000002)
    assert "killed by SIGKILL" in str(died.reason)
    records = {each.visit: (each.state, each.stage) for each in store.processed()}
    assert records == {
        2026031000001: ("done", None),
        2026031000002: ("failed", "subtract"),
        2026031000003: ("done", None),
        2026031000004: ("failed", "read"),
    }
    # The next run skips what is done, and tries the others again.
    again = run(store, folder)
    assert (again.n_found, again.n_skipped) == (5, 2)
    assert {each.path.name for each in again.done if each.state == "done"} == {
        "2026031000002_000.fits"
    }
    third = run(store, folder)
    assert (third.n_skipped, third.n_given_up) == (3, 0)
    assert run(store, folder).n_given_up == 1


@pytest.mark.slow
def test_watching_takes_what_arrives_first_and_loads_templates_ahead(
    store: apdb.Apdb, field: SimulatedField, tmp_path: Path
) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    store.expect_visit(2026031000009, 0, band="r", ra=150.0, dec=2.0)
    found: list[Any] = []
    announced = threading.Event()

    class Listener(NightWatcher):
        def announced(self, planned: Planned) -> None:
            assert planned.visit == 2026031000009
            announced.set()

    thread = threading.Thread(
        target=lambda: found.append(run(store, folder, Listener(), watching=True, idle=30.0))
    )
    thread.start()
    assert announced.wait(240.0)
    deliver(field, folder, 9)
    thread.join(240.0)
    (summary,) = found
    assert [each.state for each in summary.done] == ["done"]
    assert summary.n_preloaded == 1
    assert len(summary.latencies) == 1
    with store.reading() as connection:
        row = connection.execute("select readout_end_mjd_tai from apdb.visit").fetchone()
    assert row is not None
    assert row[0] > 61109.0
