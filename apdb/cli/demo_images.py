"""`apdb demo --images`: a simulated night of images, processed to alerts."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import sys
from pathlib import Path

import typer

from apdb.cli.context import print_json, settings
from apdb.cli.tables import show_report, terminal
from apdb.database import Apdb
from apdb.demo.images import ImagesReport, run_images


def demo_images(context: typer.Context, db: Apdb, out: Path, seed: int, limit: int | None) -> None:
    """Run the demonstration on images and print what it did.

    Parameters
    ----------
    context : typer.Context
        Of the command.
    db : Apdb
        Where to.
    out : Path
        Folder for images and picture.
    seed : int
        Of the night.
    limit : int or None
        Exposures.
    """
    from apdb.cli.night_board import Board

    say = terminal(stderr=True)
    with Board() as board:
        report = run_images(
            db, out, seed=seed, n_visits=max(2, limit or 6), say=say.print, watcher=board
        )
    if settings(context).json:
        print_json(dataclasses.asdict(report))
        return
    _print(report)
    _print_next(db, report)


def _print(report: ImagesReport) -> None:
    facts = {
        "images": f"{report.n_images} in {report.seconds:.1f} s, {report.n_failed} failed "
        f"(simulated in {report.simulate_seconds:.1f} s)",
        "sources": f"{report.n_dia_sources:,} DIASources, {report.n_new_dia_objects:,} DIAObjects, "
        f"{report.n_forced:,} forced fluxes, {report.n_alerts:,} alerts in the archive",
    }
    for kind, (found, sought) in sorted(report.found.items()):
        facts[kind] = f"{found} of {sought} changes of S/N 8 or more found"
    facts["unexplained"] = (
        f"{report.n_unexplained} of {report.n_unflagged} sources without flags are no true change"
    )
    steps = {stage: f"{seconds:.2f}" for stage, seconds in report.median_seconds.items()}
    show_report(facts, steps, "seconds an image")


def _print_next(db: Apdb, report: ImagesReport) -> None:
    program = "apdb" if shutil.which("apdb") else sys.argv[0]
    typer.echo(f"\npicture: {report.picture}")
    typer.echo(f"images: {report.folder}")
    typer.echo("next, for example:")
    for line in (
        f"export APDB_DSN={shlex.quote(db.dsn)}",
        f"{program} status",
        f"{program} templates list",
        f"{program} object {report.example} --plot object.png",
        f"{program} process {report.folder}/science/*1.fits --run again --plot again.png",
    ):
        typer.echo(f"  {line}")
