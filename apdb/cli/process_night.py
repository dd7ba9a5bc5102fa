"""`apdb process-night`: a folder of images, in parallel, resumable, watched if so wished."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.image_options import Bias, Dark, FakesSeed, Fast, Flat, InstrumentName, frames
from apdb.cli.tables import show_rows

if TYPE_CHECKING:
    from pipeline.night.run import NightSummary

_SHOWN = 20
_KEPT_SHOWN = 5


def process_night(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)],
    template: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="One template for all. Default: chosen in the image store.",
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings of all stages, TOML.")] = None,
    refcat: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Reference stars. Default: the catalogue of the settings.",
        ),
    ] = None,
    bias: Bias = None,
    dark: Dark = None,
    flat: Flat = None,
    instrument: InstrumentName = None,
    run: Annotated[
        str, typer.Option(help="Tag of a run apart: no DIASources or alerts are stored.")
    ] = "",
    fakes: FakesSeed = None,
    fast: Fast = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")] = max(
        1, min(8, os.cpu_count() or 1)
    ),
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Wait for files that arrive, until Ctrl-C.")
    ] = False,
    idle: Annotated[
        float | None,
        typer.Option(min=0.0, help="With --watch: end when nothing has come for so long [s]."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Process what is done already, too.")
    ] = False,
    attempts: Annotated[
        int, typer.Option(min=1, help="Images that failed so often are left alone.")
    ] = 3,
    timeout: Annotated[
        float, typer.Option(min=1.0, help="A process that takes longer is killed [s].")
    ] = 600.0,
) -> None:
    """Process a folder of images in parallel.

    What is done already is skipped: after an interruption, the same command goes on. With --watch
    it takes images as they arrive, first those of now and then those that wait, and loads the
    template for visits that were announced (`db.expect_visit` in Python). Each image
    is processed apart: one that fails, or whose process dies, is recorded as failed with stage and
    cause, and the others go on. Where the database does not answer, images wait.

    Exit code 0 when all is processed, 1 when images failed, now or too often before.
    """
    from apdb.cli.night_board import Board
    from pipeline.night.run import NightOptions
    from pipeline.night.run import process_night as work
    from pipeline.night.worker import Setup
    from pipeline.process.config import read_config

    chosen = read_config(config).with_run(mode="fast" if fast else None)
    chosen = chosen.with_read(instrument=instrument)
    dsn = settings(context).resolve_dsn()
    options = NightOptions(
        jobs=jobs, watching=watch, idle=idle, again=again, attempts=attempts, timeout=timeout
    )
    setup = Setup(dsn, chosen, template, refcat, run, frames(bias, dark, flat), fakes)
    with apdb.connect(dsn) as db, Board() as board:
        summary = work(db, folder, setup, options, board)
    if settings(context).json:
        print_json(dataclasses.asdict(summary))
    else:
        _print(summary)
    if summary.failed or summary.n_given_up:
        raise typer.Exit(1)


def _print(summary: NightSummary) -> None:
    good = [each for each in summary.done if each.state == "done"]
    typer.echo(
        f"{len(good)} image(s) processed in {summary.seconds:.1f} s, "
        f"{sum(each.n_dia_sources for each in good):,} DIASources, "
        f"{sum(each.n_new_dia_objects for each in good):,} new DIAObjects, "
        f"{sum(each.n_alerts for each in good):,} alerts in the archive"
    )
    if summary.n_skipped:
        typer.echo(f"{summary.n_skipped} done before")
    if summary.n_given_up:
        typer.echo(f"{summary.n_given_up} failed too often before (--attempts)")
    if kept := [each.path.name for each in good if each.kept]:
        names = ", ".join(kept[:_KEPT_SHOWN]) + (", …" if len(kept) > _KEPT_SHOWN else "")
        typer.echo(
            f"{len(kept)} of visits that are stored already, which were kept: {names}; "
            "`apdb process --replace` puts what is found now in their place"
        )
    if summary.n_preloaded:
        typer.echo(f"{summary.n_preloaded} announced visit(s) had their template loaded ahead")
    if good:
        stages = {name: None for each in good for name in each.timings}
        medians = [
            f"{name} {np.median([each.timings.get(name, 0.0) for each in good]):.2f}"
            for name in stages
        ]
        typer.echo("median seconds an image: " + ", ".join(medians))
    if summary.latencies:
        typer.echo(
            f"from arrival to alerts: median {np.median(summary.latencies):.1f} s, at most "
            f"{max(summary.latencies):.1f} s"
        )
    if summary.failed:
        rows = [
            (each.path.name, each.visit, each.stage, each.reason)
            for each in summary.failed[:_SHOWN]
        ]
        show_rows(("file", "visit", "stage", "cause"), rows, f"{len(summary.failed)} failed")
