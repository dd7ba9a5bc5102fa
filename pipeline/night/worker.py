"""A process that images are processed in, apart from all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.process.config import ProcessConfig
    from pipeline.process.report import ProcessReport


@dataclass(frozen=True)
class Setup:
    """What all images of a run have in common.

    Attributes
    ----------
    dsn : str
        The database.
    config : ProcessConfig
        Settings.
    template, refcat : Path or None
        Files, see `pipeline.process.sources.Sources`.
    run : str
        Tag of the run; empty for the production.
    frames : mapping of str to Path
        Files of calibration frames, for raw images.
    fakes : int or None
        Seed of fakes to inject; needs a tag.
    """

    dsn: str
    config: ProcessConfig
    template: Path | None = None
    refcat: Path | None = None
    run: str = ""
    frames: Mapping[str, Path] = field(default_factory=dict)
    fakes: int | None = None


@dataclass(frozen=True)
class Image:
    """An image to process.

    Attributes
    ----------
    path : Path
        The file.
    readout_end : float or None
        When it was read out, MJD TAI.
    """

    path: Path
    readout_end: float | None = None


@dataclass(frozen=True)
class Planned:
    """An image that was announced.

    Attributes
    ----------
    visit : int
        Its number.
    ra, dec, radius : float
        Circle that it will be within [deg].
    band : str
        Filter.
    """

    visit: int
    ra: float
    dec: float
    radius: float
    band: str


@dataclass(frozen=True)
class Done:
    """What became of an image, in few words.

    Attributes
    ----------
    path : Path
        The file.
    visit, detector : int or None
        Which image it is.
    state : str
        ``done`` or ``failed``.
    stage, reason : str or None
        Of the failure.
    retry : bool
        True if the failure is none of the image.
    kept : bool
        True if the visit was stored before, and is left as it is.
    stored : str or None
        stored or repeated, in the database.
    n_dia_sources, n_new_dia_objects, n_alerts : int
        What was found, and made of it.
    seconds : float
        Wall time.
    timings : dict of str to float
        Seconds of each stage.
    """

    path: Path
    visit: int | None = None
    detector: int | None = None
    state: str = "failed"
    stage: str | None = None
    reason: str | None = None
    retry: bool = False
    kept: bool = False
    stored: str | None = None
    n_dia_sources: int = 0
    n_new_dia_objects: int = 0
    n_alerts: int = 0
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)


def work(pipe: Connection, setup: Setup) -> None:
    """Process images that come through a pipe, until it is closed or says None.

    For each `Image`, names of stages and then a `Done` go back; for each `Planned`, the number of
    templates that are at hand.

    Parameters
    ----------
    pipe : multiprocessing.connection.Connection
        To whom it belongs.
    setup : Setup
        What all images have in common.
    """
    from apdb.database import connect
    from apdb.errors import ApdbError
    from pipeline.memory import reuse_memory
    from pipeline.process.sources import Sources
    from pipeline.process.visit import Inputs, process_visit

    reuse_memory()

    def _tell(what: str | Done) -> None:
        try:
            pipe.send(what)
        except OSError as error:
            # Nobody is left to listen. The image is not to blame: it stays to be done, and a run
            # that has begun with it since must not find it failed.
            raise SystemExit(0) from error

    with connect(setup.dsn) as db:
        sources = Sources(db, setup.config, setup.template, setup.refcat, setup.frames)
        _tell("ready")
        while (task := _next(pipe)) is not None:
            if isinstance(task, Planned):
                try:
                    n = sources.preload(task.ra, task.dec, task.radius, task.band)
                except ApdbError:
                    # The image itself will say what is wrong, if it comes.
                    n = 0
                pipe.send(n)
                continue
            inputs = Inputs(task.path, readout_end=task.readout_end)
            report = process_visit(
                db,
                inputs,
                sources,
                setup.config,
                run=setup.run,
                watch=_tell,
                fakes=setup.fakes,
            )
            _tell(_done(task.path, report))


def _next(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except (EOFError, ConnectionResetError, KeyboardInterrupt):
        return None


def _done(path: Path, report: ProcessReport) -> Done:
    stored = report.stored
    return Done(
        path,
        report.visit,
        report.detector,
        report.state,
        report.stage,
        report.reason,
        report.retry,
        report.kept,
        None if stored is None else stored.state,
        report.n_dia_sources or 0,
        0 if stored is None else stored.n_new_dia_objects,
        report.n_alerts,
        report.seconds,
        report.timings,
    )
