"""One image, from its file to archived alerts; whatever fails is on record."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.table import Table

from apdb.database import Apdb
from apdb.errors import (
    ApdbError,
    ArchiveUnavailable,
    Busy,
    ConnectionLost,
    ImagesUnavailable,
    InvalidInput,
    OutOfSpace,
    ServerNotRunning,
    VisitConflict,
)
from apdb.images.api import Write
from apdb.images.records import Outcome
from apdb.input.visit import Visit
from apdb.schema.catalogue import table
from apdb.store import StoreReport
from pipeline.calibrate import Calibrated
from pipeline.errors import ReadError, StageError
from pipeline.exposure import Exposure, ExposureInfo
from pipeline.io import write_exposure
from pipeline.process.config import ProcessConfig
from pipeline.process.forced import measure_on
from pipeline.process.identify import dia_source_ids
from pipeline.process.injection import Injection
from pipeline.process.naming import which
from pipeline.process.quality import summary, units
from pipeline.process.raw import read_frames, without_signature
from pipeline.process.report import ProcessReport
from pipeline.process.same_pixels import known, visit_of
from pipeline.process.sources import Sources
from pipeline.process.stages import Course, Products, Watch, run_stages

NOT_THE_IMAGE = (
    ArchiveUnavailable,
    Busy,
    ConnectionLost,
    ImagesUnavailable,
    OutOfSpace,
    ServerNotRunning,
)
"""Failures that are none of the image: it may be tried again as it is."""


_COLUMNS = frozenset(column.name for column in table("dia_source").columns)


@dataclass(frozen=True)
class Inputs:
    """What an image is made from.

    Attributes
    ----------
    science : Path
        The image, raw or calibrated.
    info : ExposureInfo or None
        Which visit it is, where its header does not say so.
    readout_end : float or None
        When it was read out, MJD TAI; latencies of alerts are counted from it.
    """

    science: Path
    info: ExposureInfo | None = None
    readout_end: float | None = None


def process_visit(
    db: Apdb,
    inputs: Inputs,
    sources: Sources,
    config: ProcessConfig,
    *,
    run: str = "",
    watch: Watch | None = None,
    keep: bool = False,
    fakes: int | None = None,
) -> ProcessReport:
    """Take an image from its file to archived alerts.

    The stages are read, isr (raw images), calibrate, template, subtract, detect, measure, classify,
    images, store, record.  A failure of any is recorded with stage and cause; only interrupts are
    raised.

    Parameters
    ----------
    db : Apdb
        Where to.
    inputs : Inputs
        The image.
    sources : Sources
        Where template and reference stars come from.
    config : ProcessConfig
        Settings.
    run : str, optional
        Tag of the run.  Only a run without a tag stores DIASources and makes alerts; others leave
        images, catalogues and metrics under their tag.
    watch : callable, optional
        Told the name of each stage as it begins.
    keep : bool, optional
        Keep what the stages made in the report.
    fakes : int, optional
        Seed of fakes to inject; the run must have a tag.

    Returns
    -------
    ProcessReport

    Raises
    ------
    InvalidInput
        Fakes are to be injected in a run without a tag.
    """
    if fakes is not None and not run:
        raise InvalidInput("a run with fakes is one apart: give it a tag (--run TAG)")
    work = _Work(db, inputs, sources, config, run)
    work.injection = None if fakes is None else Injection(config.fakes, fakes)
    work.course.watch = watch or work.course.watch
    try:
        work.carry_out(keep)
        work.report.state = "done"
    # Whatever one image does, the next is processed.
    except Exception as error:  # noqa: BLE001
        work.note(error)
    finally:
        sources.forget()
    work.report.metrics, work.report.timings = work.course.metrics, work.course.timings
    work.end()
    return work.report


class _Work:
    """One image on its way."""

    def __init__(
        self, db: Apdb, inputs: Inputs, sources: Sources, config: ProcessConfig, run: str
    ) -> None:
        self.db, self.inputs, self.sources = db, inputs, sources
        self.config, self.run = config, run
        self.course = Course()
        self.report = ProcessReport(str(inputs.science))
        self.begun = False
        self.stars: Table | None = None
        self.injection: Injection | None = None

    def carry_out(self, keep: bool) -> None:
        """Read the image, take it through the stages, and store what they made."""
        with self.course.at("read"):
            self.sources.begin()
            raws = self._read()
        exposure = raws[0]
        info = known(exposure)
        self.report.visit, self.report.detector = info.visit, info.detector
        bands = self.db.bands()
        if info.band not in bands:
            raise ReadError(
                f"unknown filter {info.band!r}: known are {', '.join(sorted(bands))}; "
                f"`apdb db band {info.band} BAND` makes it known as one of the survey's bands"
            )
        if self._is_done():
            self.report.kept = True
            return
        self._begin()
        if self.sources.is_raw(exposure.unit):
            with self.course.at("isr"):
                exposure = self._without_signature(raws)
        del raws  # the stages need the memory

        def reference() -> Table | None:
            self.stars = self.sources.stars(exposure)
            return self.stars

        products = run_stages(
            exposure, self._template, reference, self.config, self.course, self.injection
        )
        visit = visit_of(products.calibrated.exposure, self.inputs.readout_end)
        found = products.dia_sources
        ids = dia_source_ids(visit.visit, visit.detector, len(found))
        found.add_column(ids, name="dia_source_id", index=0)
        self.report.dia_sources, self.report.flavour = found, products.difference.flavour
        self.report.products = products if keep else None
        with self.course.at("images"):
            self._keep_images(visit, products)
        if self.run == "":
            with self.course.at("store"):
                self._store(visit, products)
        with self.course.at("record"):
            self._record(visit, products)

    def _read(self) -> list[Exposure]:
        raw = self.sources.is_raw("adu")
        return read_frames(self.inputs.science, self.config.read, self.inputs.info, raw=raw)

    def _without_signature(self, raws: list[Exposure]) -> Exposure:
        instrument, frames = self.config.read.instrument, self.sources.frames()
        found = without_signature(raws, instrument, frames, self.config.isr)
        self.course.metrics |= found.metrics
        return found.exposure

    def _is_done(self) -> bool:
        """Tell whether the visit is stored, by an attempt that came to its end."""
        visit, detector = self.report.visit, self.report.detector
        assert visit is not None
        assert detector is not None
        if self.run or self.config.run.replace or not _is_stored(self.db, visit, detector):
            return False
        before = self.db.processing_of(visit, detector)
        return before is not None and before.state == "done"

    def _was_done(self) -> bool:
        try:
            return self._is_done()
        except ApdbError:
            return False

    def _template(self, calibrated: Calibrated) -> Exposure:
        visit = visit_of(calibrated.exposure)
        found, self.report.choice = self.sources.template(visit, self.stars)
        return found

    def _keep_images(self, visit: Visit, products: Products) -> None:
        steps, calibrated = self.config.run.quantize or None, products.calibrated
        files: dict[str, Write] = {
            "calibrated": lambda at: write_exposure(calibrated.exposure, at, quantize=steps),
            "difference": lambda at: write_exposure(products.searched, at, quantize=steps),
        }
        if self.config.run.mode == "full":
            files["sources"] = lambda at: calibrated.sources.write(at, format="fits")
        if self.run:
            files["dia_sources"] = lambda at: products.dia_sources.write(at, format="fits")
        files |= self._fakes()
        choice = self.report.choice
        template_id = None if choice is None else choice.template.template_id
        self.report.images = self.db.put_images(visit, files, run=self.run, template_id=template_id)

    def _fakes(self) -> dict[str, Write]:
        """Return what is kept of fakes: what was injected, and what became of it."""
        given = self.injection
        if given is None or given.table is None or given.matches is None:
            return {}
        injected, matched = given.table, given.matches.fakes
        return {
            "fakes": lambda at: injected.write(at, format="fits"),
            "matches": lambda at: matched.write(at, format="fits"),
        }

    def _store(self, visit: Visit, products: Products) -> None:
        found, science = products.dia_sources, products.calibrated.exposure
        given: dict[str, Any] = {
            "forced": measure_on(products.searched, science, self.config.forced),
            "cutouts": products.stamps(self.config.run.stamp_half),
        }
        columns = found[[name for name in found.colnames if name in _COLUMNS]]
        stored: StoreReport | None
        try:
            if self.config.run.replace and _is_stored(self.db, visit.visit, visit.detector):
                reason = "processed again from the image"
                stored = self.db.replace(visit, columns, reason=reason, **given).stored
            else:
                stored = self.db.store_visit(visit, columns, **given)
        except VisitConflict:
            # Stored by an attempt that did not come to its end, or from elsewhere; fluxes may
            # differ in their last digits. What alerts were sent of stays.
            stored, self.report.kept = None, True
        self.report.stored = stored
        if stored is not None:
            for name in ("dia_object_id", "ss_object_id", "is_new"):
                found[name] = getattr(stored, name)
        self.report.n_alerts = _count_alerts(self.db, visit)

    def _record(self, visit: Visit, products: Products) -> None:
        """Write what was measured."""
        tags = {"mode": self.config.run.mode} | ({"run": self.run} if self.run else {})
        spent = {f"time.{name}_seconds": took for name, took in self.course.timings.items()}
        metrics = {**self.course.metrics, **spent}
        self.db.record_metrics(visit, metrics, units=units(metrics), tags=tags)
        if self.run == "":
            exposure = products.calibrated.exposure
            self.db.record_summary(summary(exposure, self.course.metrics))

    def note(self, error: Exception) -> None:
        """Put a failure into the report."""
        report = self.report
        report.stage = self.course.stage
        report.retry = isinstance(error, NOT_THE_IMAGE)
        if isinstance(error, StageError):
            report.stage, report.reason = error.stage, error.cause
        elif isinstance(error, ApdbError):
            report.reason = str(error)
        else:
            text = str(error).strip() or "no message"
            report.reason = f"{type(error).__name__}: {text}"
            report.trace = "".join(traceback.format_exception(error))

    def end(self) -> None:
        """Put the outcome on record; the failure of an image without number is in the report."""
        report = self.report
        if report.kept and not self.begun:
            return
        if not self.begun and report.visit is None:
            report.visit, report.detector = which(self.inputs.science, self.inputs.info)
        if report.visit is None or report.detector is None:
            return
        if not self.begun and self._was_done():
            # A damaged copy of what is stored already takes nothing away from it.
            return
        outcome = Outcome(
            stage=report.stage,
            reason=report.reason,
            choice=report.choice,
            flavour=report.flavour,
            n_dia_sources=report.n_dia_sources,
            timings=report.timings,
            counts=not report.retry,
        )
        try:
            if not self.begun:
                self._begin()
            self.db.end_processing(report.visit, report.detector, outcome, run=self.run)
        except ApdbError as error:
            if report.state == "done":
                report.state, report.stage, report.reason = "failed", "record", str(error)
            report.retry = report.retry or isinstance(error, NOT_THE_IMAGE)

    def _begin(self) -> None:
        assert self.report.visit is not None
        assert self.report.detector is not None
        self.db.begin_processing(
            self.report.visit,
            self.report.detector,
            run=self.run,
            mode=self.config.run.mode,
            source=self.report.source,
            config=self.config.table(),
        )
        self.begun = True


def _is_stored(db: Apdb, visit: int, detector: int) -> bool:
    with db.reading() as connection:
        row = connection.execute(
            "select exists (select from apdb.visit as v where v.visit = %s and v.detector = %s)",
            (visit, detector),
        ).fetchone()
    return row is not None and bool(row[0])


def _count_alerts(db: Apdb, visit: Visit) -> int:
    with db.reading() as connection:
        row = connection.execute(
            "select count(*) from apdb.alert as a where a.visit = %s and a.detector = %s "
            "and a.is_current",
            (visit.visit, visit.detector),
        ).fetchone()
    return 0 if row is None else int(row[0])
