"""`apdb process`: one image, from its file to archived alerts."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.image_options import Bias, Dark, FakesSeed, Fast, Flat, InstrumentName, frames
from apdb.cli.tables import show_rows, terminal

if TYPE_CHECKING:
    from pipeline.exposure import ExposureInfo
    from pipeline.process.report import ProcessReport

_SHOWN = 20


def process(
    context: typer.Context,
    science: Annotated[Path, typer.Argument(metavar="SCIENCE.fits", show_default=False)],
    template: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Template image. Default: chosen in the image store.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings of all stages, TOML.", show_default=False)
    ] = None,
    refcat: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Reference stars (ra, dec, flux or magnitudes). Default: the catalogue of the "
            "settings.",
            show_default=False,
        ),
    ] = None,
    bias: Bias = None,
    dark: Dark = None,
    flat: Flat = None,
    instrument: InstrumentName = None,
    run: Annotated[
        str,
        typer.Option(
            help="Tag of a run apart: images and metrics are kept under it, and no DIASources or "
            "alerts are stored."
        ),
    ] = "",
    fakes: FakesSeed = None,
    fast: Fast = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what is stored of the visit.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Picture of science, template, difference and what was found."),
    ] = None,
    visit: Annotated[
        int | None, typer.Option(help="Number of the visit, if the header has none.")
    ] = None,
    detector: Annotated[int | None, typer.Option(help="Number of the detector.")] = None,
    band: Annotated[str | None, typer.Option(help="Filter, if the header has none.")] = None,
    midpoint: Annotated[
        float | None, typer.Option(help="Middle of the exposure, MJD TAI [d].")
    ] = None,
    exposure_time: Annotated[float | None, typer.Option(help="Exposure time [s].")] = None,
) -> None:
    """Process an image: calibrate, subtract a template, detect, measure, store, make alerts.

    SCIENCE is a FITS file, calibrated or not: plain, tile-compressed, multi-extension, or with
    image, mask and variance. Frames in adu are taken for raw where --bias, --dark, --flat or
    --instrument is given. The template is a FITS file, too, or the one that the image store has
    for this place and band (`apdb templates`). The visit is stored, its alerts are archived, and
    what was found is shown, and drawn with --plot.

    Exit code 0 when the visit is stored, 1 when a stage failed: it says which and why, and the
    failure is on record (`apdb status`).
    """
    from pipeline.memory import reuse_memory, touch_ahead

    # Before the stages are imported: that takes as long.
    if reuse_memory():
        touch_ahead([science, template, bias, dark, flat])
    from pipeline.process.config import read_config
    from pipeline.process.sources import Sources
    from pipeline.process.visit import Inputs, process_visit

    chosen = read_config(config).with_run(
        mode="fast" if fast else None, replace=True if replace else None
    )
    chosen = chosen.with_read(instrument=instrument)
    info = _info(science, visit, detector, band, midpoint, exposure_time)
    with apdb.connect(settings(context).resolve_dsn()) as db, _stages() as watch:
        report = process_visit(
            db,
            Inputs(science, info),
            Sources(db, chosen, template, refcat, frames(bias, dark, flat), keep=False),
            chosen,
            run=run,
            watch=watch,
            keep=plot is not None,
            fakes=fakes,
        )
    drawn = _draw(report, plot)
    if settings(context).json:
        print_json(as_document(report) | {"plot": drawn})
    else:
        _print(report, drawn)
    if report.state == "failed":
        say = terminal(stderr=True, soft_wrap=True)
        if report.trace is not None:
            say.print(report.trace, style="dim")
        say.print(f"apdb: {science}: {report.stage}: {report.reason}")
        say.print(f"      {_on_record(report, run)}; correct the cause, then repeat.")
        raise typer.Exit(1)


def _on_record(report: ProcessReport, run: str) -> str:
    if report.visit is None or report.detector is None:
        return "Which visit it is cannot be told, so the failure is not on record"
    if run:
        return f"The failure is on record (apdb.visit_processing, run {run})"
    return "The failure is on record (apdb status)"


def _info(
    science: Path,
    visit: int | None,
    detector: int | None,
    band: str | None,
    midpoint: float | None,
    exposure_time: float | None,
) -> ExposureInfo | None:
    """Return which visit the image is, where options say so; the header fills in the rest."""
    from pipeline.process.naming import completed

    given = {
        "visit": visit,
        "detector": detector,
        "band": band,
        "midpoint_mjd_tai": midpoint,
        "exposure_time": exposure_time,
    }
    return completed(science, {k: v for k, v in given.items() if v is not None})


@contextlib.contextmanager
def _stages() -> Iterator[Any]:
    """Show a line for each stage as it goes on; nothing where nobody would see it."""
    with Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as bar:

        def begun(stage: str) -> None:
            for task in bar.tasks:
                bar.update(task.id, total=1, completed=1)
                bar.stop_task(task.id)
            bar.add_task(stage, total=None)

        yield begun
        for task in bar.tasks:
            bar.update(task.id, total=1, completed=1)


def _draw(report: ProcessReport, path: Path | None) -> Path | None:
    if path is None or report.products is None or report.dia_sources is None:
        return None
    from apdb.plots import save
    from pipeline.process.picture import picture

    return save(picture(report), path)


def as_document(report: ProcessReport) -> dict[str, Any]:
    """Return what became of an image as it is printed for machines.

    Parameters
    ----------
    report : ProcessReport
        Of the image.

    Returns
    -------
    dict
    """
    choice, stored = report.choice, report.stored
    return {
        "source": report.source,
        "visit": report.visit,
        "detector": report.detector,
        "state": report.state,
        "stage": report.stage,
        "reason": report.reason,
        "n_dia_sources": report.n_dia_sources,
        "n_new_dia_objects": None if stored is None else stored.n_new_dia_objects,
        "n_alerts": report.n_alerts,
        "stored": None if stored is None else stored.state,
        "kept": report.kept,
        "template_id": None if choice is None else choice.template.template_id,
        "template_version": None if choice is None else choice.template.version,
        "template_coverage": None if choice is None else choice.coverage,
        "flavour": report.flavour,
        "images": [each.path for each in report.images],
        "seconds": report.timings,
        "metrics": report.metrics,
    }


def _print(report: ProcessReport, drawn: Path | None) -> None:
    if report.dia_sources is not None:
        _print_sources(report)
    typer.echo(
        "stages   " + ", ".join(f"{name} {spent:.2f} s" for name, spent in report.timings.items())
    )
    if report.choice is not None:
        template = report.choice.template
        typer.echo(
            f"template {template.template_id}: {template.name}, version {template.version}, covers "
            f"{report.choice.coverage:.0%}; chosen by {report.choice.rule}"
        )
    if report.stored is not None:
        stored = report.stored
        typer.echo(
            f"visit    {report.visit} detector {report.detector} {stored.state}: "
            f"{report.n_dia_sources} DIASources, {stored.n_new_dia_objects} new DIAObjects, "
            f"{stored.n_dia_forced_sources} forced, {report.n_alerts} alerts in the archive"
        )
    if report.kept:
        typer.echo(
            f"visit    {report.visit} detector {report.detector} is stored already, and was kept; "
            "--replace puts what is found now in its place"
        )
    for each in report.images:
        typer.echo(f"image    {each.path}, {each.size / 1e6:.1f} MB")
    if drawn is not None:
        typer.echo(f"picture  {drawn}")


def _print_sources(report: ProcessReport) -> None:
    from pipeline.process.picture import flagged

    found = report.dia_sources
    assert found is not None
    doubtful = flagged(found)
    order = sorted(
        range(len(found)), key=lambda row: (bool(doubtful[row]), -abs(found["snr"][row]))
    )
    names = found.colnames
    rows = [
        (
            found["dia_source_id"][row],
            f"{found['ra'][row]:.6f}",
            f"{found['dec'][row]:+.6f}",
            f"{found['psf_flux'][row]:,.0f} ± {found['psf_flux_err'][row]:,.0f}",
            f"{found['snr'][row]:.1f}",
            f"{found['reliability'][row]:.2f}" if "reliability" in names else "",
            _of_object(found, row) if "dia_object_id" in names else "",
            "flagged" if doubtful[row] else "",
        )
        for row in order[:_SHOWN]
    ]
    title = f"{len(found)} DIASources, {int(doubtful.sum())} of them flagged"
    if len(found) > _SHOWN:
        title += f"; the best {_SHOWN}"
    head = ("DIASource", "ra", "dec", "flux [nJy]", "S/N", "real", "object", "")
    show_rows(head, rows, title)


def _of_object(found: Any, row: int) -> str:
    if found["ss_object_id"][row]:
        return f"SSObject {found['ss_object_id'][row]}"
    if not found["dia_object_id"][row]:
        return "none"
    return "new" if found["is_new"][row] else str(found["dia_object_id"][row])
