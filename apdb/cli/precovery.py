"""`apdb precovery`: new objects on the difference images from before they were found."""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.tables import ids_as_strings, show_rows
from apdb.precovery.run import DeadLetter, PrecoveryQueue, PrecoverySummary, Watcher, load_measure
from apdb.precovery.work import Measure

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Precovery: new objects on the difference images from before they were found.\n\n"
        "Every new object queues itself when its visit is stored. Workers measure it on the images "
        "of the days before (setting precovery_days) that cover it, and store the fluxes, which "
        "are in all later alerts of the object."
    ),
)


@app.command()
def run(
    context: typer.Context,
    measure: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODULE:FUNCTION]",
            help="The function that measures. Default: on the images of the image store.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=5000, help="Objects taken at a time.")] = 500,
    attempts: Annotated[
        int, typer.Option(min=1, help="Attempts after which an object is given up.")
    ] = 5,
    backoff: Annotated[
        float,
        typer.Option(min=0.0, help="Wait after a first failure [s], then 4 times it."),
    ] = 60.0,
    max_batches: Annotated[
        int | None, typer.Option(min=1, help="End after so many batches.")
    ] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Wait for more when none is due.")] = False,
) -> None:
    """Measure the new objects that wait in the queue.

    Without MODULE:FUNCTION, the differences in the image store are measured (setting image_url);
    visits whose images are not kept there give nothing.

    MODULE:FUNCTION is called for one image at a time with an astropy Table of positions
    (dia_object_id, ra, dec [deg]), the visit in its meta["visit"]; it returns a table with
    dia_object_id, psf_flux and psf_flux_err [nJy], or None where there is nothing to measure. An
    exception is a failure of that image: its objects are tried again later, and given up after
    --attempts. Modules in the current folder are found.

    Run it from cron or with --stay, in as many processes as you like; any may be killed at any
    time. Exit code 0 when nothing failed, 1 when images failed or objects were given up.
    """
    given = None if measure is None else load_measure(measure)
    with apdb.connect(settings(context).resolve_dsn()) as db, _Bar() as bar:
        summary = db.run_precovery(
            given or _of_image_store(db),
            batch=batch,
            max_attempts=attempts,
            backoff=backoff,
            max_batches=max_batches,
            stay=stay,
            watcher=bar,
        )
    if settings(context).json:
        print_json(dataclasses.asdict(summary))
    else:
        _print_summary(summary)
    if summary.n_failed_images or summary.n_dead:
        raise typer.Exit(1)


@app.command()
def status(
    context: typer.Context,
    shown: Annotated[int, typer.Option(min=0, help="How many of those given up to show.")] = 20,
) -> None:
    """Show the age of the queue against the 24 h it may have, and what was given up."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        queue = db.precovery_queue()
        dead = db.precovery_dead(shown)
    if settings(context).json:
        document: dict[str, Any] = dataclasses.asdict(queue) | {"met": queue.met}
        document["dead"] = [dataclasses.asdict(each) for each in dead]
        print_json(ids_as_strings(document))
        return
    _print_queue(queue)
    _print_dead(dead)


@app.command()
def retry(
    context: typer.Context,
    dia_object_ids: Annotated[
        list[int] | None, typer.Argument(metavar="OBJECT…", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
) -> None:
    """Queue objects again that were given up."""
    if bool(dia_object_ids) == everything:
        raise typer.BadParameter("name objects, or give --all", param_hint="OBJECT")
    with apdb.connect(settings(context).resolve_dsn()) as db:
        n = db.retry_precovery(None if everything else dia_object_ids)
    if settings(context).json:
        print_json({"n_queued": n})
    else:
        typer.echo(f"{n} queued again")


def _of_image_store(db: apdb.Apdb) -> Measure:
    from pipeline.process.forced import Precover

    db.images_root()  # says so at once if there is no image store
    return Precover(db)


class _Bar(Watcher):
    """A bar of the images of a batch; nothing where nobody would see it."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images, {task.fields[objects]:,} objects done"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task("precovery", total=None, objects=0)

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def images(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)

    def batch(self, summary: PrecoverySummary) -> None:
        self._bar.update(self._task, objects=summary.n_done)


def _print_summary(summary: PrecoverySummary) -> None:
    typer.echo(
        f"{summary.n_done:,} object(s) done on {summary.n_images:,} image(s), "
        f"{summary.n_stored:,} measurement(s) stored"
    )
    if summary.n_failed_images:
        typer.echo(f"{summary.n_failed_images:,} image(s) failed")
    for n, text in (
        (summary.n_left, "left for another attempt"),
        (summary.n_dead, "given up: `apdb precovery status` says why"),
        (summary.n_void, "void: retired, or taken by another worker"),
    ):
        if n:
            typer.echo(f"{n:,} {text}")
    if summary.queue is not None:
        _print_queue(summary.queue)


def _print_queue(queue: PrecoveryQueue) -> None:
    age = "" if queue.oldest_age is None else f", the oldest for {queue.oldest_age / 3600.0:.1f} h"
    typer.echo(
        f"queue    {queue.n_queued:,} object(s) wait{age}; {queue.n_due:,} due now, "
        f"{queue.n_retrying:,} tried before"
    )
    if queue.delay_max is not None and queue.delay_median is not None:
        typer.echo(
            f"done     {queue.n_done_last_day:,} within a day, median "
            f"{queue.delay_median / 3600.0:.1f} h and at most {queue.delay_max / 3600.0:.1f} h "
            "after they were found"
        )
    typer.echo(f"given up {queue.n_dead:,}")
    typer.echo(f"24 h     requirement {'met' if queue.met else 'NOT met'}")


def _print_dead(dead: list[DeadLetter]) -> None:
    if dead:
        rows = [(each.dia_object_id, each.n_attempts, each.error) for each in dead]
        show_rows(("object", "attempts", "error"), rows, "Given up, latest first")
