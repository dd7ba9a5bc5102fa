"""`apdb characterize` and `apdb features`: light-curve features, proper motion and parallax."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.tables import show_rows, table_json, utc
from apdb.errors import InvalidInput
from apdb.features.run import Characterized, FeaturesDue

if TYPE_CHECKING:
    from astropy.table import Table

FAILED = 21
"""Exit code of `apdb characterize` when objects could not be characterised."""

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def characterize(
    context: typer.Context,
    ids: Annotated[
        list[int] | None,
        typer.Argument(metavar="[ID]...", help="Only these DIAObjects, due or not."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes to work with. Default: one a processor core."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most objects; the others stay in the queue.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All objects are due, as after a change of settings.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Only show the queue; characterise nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Characterise the objects that are due: variability, proper motion, parallax.

    Due is what visits and corrections touched since the object was last characterised. Periods are
    searched in each band, the statistics of LDM-151 are made (lcPeriodic, lcNonPeriodic), and
    proper motion and parallax are fitted to all sources. Run it daily, from cron for instance; it
    may be broken off at any time and goes on where it was, and several may run at once.

    `apdb features ID` shows the result; in SQL it is in apdb.light_curve_feature and
    apdb.dia_object_astrometry. How periods are searched is in the settings called features_….
    Exit code 21: some objects could not be characterised.
    """
    if status and (ids or everything or limit):
        raise InvalidInput("--status goes with no other option")
    with apdb.connect(settings(context).resolve_dsn()) as db:
        if status:
            _show_due(db.features_due(), json or settings(context).json)
            return
        with _bar() as bar:
            task = bar.add_task("characterising", total=None)
            done = db.characterize(
                ids or None,
                jobs=jobs or (1 if ids else os.cpu_count() or 1),
                limit=limit,
                everything=everything,
                progress=lambda n, total: bar.update(task, completed=n, total=total),
            )
        failed = db.features_due()
    if json or settings(context).json:
        print_json(dataclasses.asdict(done))
    else:
        _show(done, failed)
    if done.n_failed:
        raise typer.Exit(FAILED)


def features(
    context: typer.Context,
    dia_object_id: Annotated[int, typer.Argument(metavar="ID", help="The dia_object_id.")],
    json: Json = False,
) -> None:
    """Show the features of a DIAObject: by band, and its proper motion and parallax."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        curves, motion = db.features(dia_object_id), db.astrometry(dia_object_id)
    if json or settings(context).json:
        print_json({"features": table_json(curves), "astrometry": table_json(motion)})
        return
    if not len(motion):
        typer.echo(f"DIAObject {dia_object_id} was not characterised yet; to do it:")
        typer.echo(f"apdb characterize {dia_object_id}")
        return
    made = utc(motion["made_mjd_tai"][0]).isot[:19]
    bands = [str(band) for band in curves["band"]]
    show_rows(
        ["feature", "unit", *bands],
        _by_row(
            curves, [name for name in curves.colnames if name not in ("dia_object_id", "band")]
        ),
        f"Features of DIAObject {dia_object_id}, made {made} UTC",
    )
    hidden = ("dia_object_id", "store_seq", "store_seq_end")
    names = [name for name in motion.colnames if name not in hidden]
    show_rows(["", "unit", "value"], _by_row(motion, names), "Proper motion and parallax")


def _by_row(table: Table, names: list[str]) -> list[list[str]]:
    return [[name, str(table[name].unit or ""), *map(_text, table[name])] for name in names]


def _text(value: object) -> str:
    if value is np.ma.masked:
        return "–"
    if isinstance(value, np.float64):
        return f"{value:.8f}"
    return f"{value:.6g}" if isinstance(value, np.floating) else str(value)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("objects"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def _show(done: Characterized, after: FeaturesDue) -> None:
    rate = done.n_written / done.seconds if done.seconds else 0.0
    typer.echo(
        f"{done.n_written:,} objects characterised, {done.n_curves:,} light curves, in "
        f"{done.seconds:.1f} s ({rate:.1f} objects a second)"
    )
    if done.n_left:
        typer.echo(f"{done.n_left:,} objects are still due")
    if done.n_died:
        typer.echo(f"{done.n_died} workers died; the others did their part")
    if done.n_failed:
        typer.echo(f"{done.n_failed:,} attempts failed: {after.last_error or 'tried again later'}")


def _show_due(due: FeaturesDue, as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(due))
        return
    typer.echo(f"due             {due.n_due:,} objects")
    if due.oldest_due_mjd_tai is not None:
        since = utc(due.oldest_due_mjd_tai).isot[:19]
        typer.echo(f"oldest since    {since} UTC")
    typer.echo(f"not looked at   {due.n_steps_unseen:,} visits and corrections")
    typer.echo(f"characterised   {due.n_objects:,} objects")
    if due.last_made_mjd_tai is not None:
        made = utc(due.last_made_mjd_tai).isot[:19]
        typer.echo(f"last            {made} UTC")
    if due.n_failed:
        typer.echo(f"failed          {due.n_failed:,} objects: {due.last_error}")
