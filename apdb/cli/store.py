"""`apdb store`: ingest of catalogue files."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.progress import ProgressBar
from apdb.cli.tables import terminal
from apdb.ingest.run import IngestSummary, Outcome, ingest
from apdb.ingest.said import VisitOptions
from apdb.store import Rule

SHOWN = 20
REASON_LINES = 6


class AssociationRule(StrEnum):
    """How DIASources find their DIAObjects."""

    NEAREST = "nearest"
    LIKELIHOOD = "likelihood"


def rule(chosen: AssociationRule | None) -> Rule | None:
    """Return an association rule as `store_visit` takes it."""
    if chosen is None:
        return None
    return "nearest" if chosen is AssociationRule.NEAREST else "likelihood"


def store(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)],
    radius: Annotated[
        float | None, typer.Option(help="Association radius [arcsec]. Default: the database's.")
    ] = None,
    associate: Annotated[
        AssociationRule | None, typer.Option(help="Association rule. Default: the database's.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the outcome and write nothing.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", "-k", help="Go on after a visit was refused.")
    ] = False,
    visit: Annotated[int | None, typer.Option(help="Number of the visit.")] = None,
    detector: Annotated[int | None, typer.Option(help="Number of the detector.")] = None,
    band: Annotated[str | None, typer.Option(help="Band, or filter of the instrument.")] = None,
    midpoint: Annotated[
        float | None, typer.Option(help="Middle of the exposure, MJD TAI [d].")
    ] = None,
    exposure_time: Annotated[float | None, typer.Option(help="Exposure time [s].")] = None,
    ra: Annotated[float | None, typer.Option(help="Centre of the footprint [deg].")] = None,
    dec: Annotated[float | None, typer.Option(help="Centre of the footprint [deg].")] = None,
    footprint_radius: Annotated[
        float | None, typer.Option(help="Radius of the footprint [deg].")
    ] = None,
) -> None:
    """Store the visits of catalogue files: Parquet, FITS, ECSV, or Avro (records or LSST alerts).

    A file holds one visit, or several told apart by columns visit and detector. What a visit needs
    comes from the options, else from columns (visit, detector, band, midpoint_mjd_tai,
    exposure_time, readout_end_mjd_tai; visit_ra, visit_dec, visit_radius), else from the metadata
    of the file under these names or FILTER, MIDPOINT, EXPTIME, and ra, dec, radius or boundary. A
    footprint that nobody gives is a circle around the sources, 5% larger than needed and at least
    0.02 deg in radius.

    Safe to repeat and to resume: visits that are stored already are skipped. Exit code 0 when
    nothing was refused, else that of the first refusal; without --keep-going it ends the ingest.
    """
    options = VisitOptions(
        visit, detector, band, midpoint, exposure_time, ra, dec, footprint_radius
    )
    with apdb.connect(settings(context).resolve_dsn()) as db, ProgressBar() as bar:
        summary = ingest(
            db,
            files,
            options=options,
            radius=radius,
            associate=rule(associate),
            dry_run=dry_run,
            keep_going=keep_going,
            watcher=bar,
        )
    if settings(context).json:
        print_json(summary.as_dict())
    else:
        _print(summary)
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def _print(summary: IngestSummary) -> None:
    console = terminal()
    by_file: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in summary.outcomes:
        by_file[outcome.path].append(outcome)
    states = [s for s in ("stored", "dry run", "skipped", "refused") if summary.count(s)]
    table = Table("file", box=None, pad_edge=False)
    for heading in (*states, "sources", "new objects"):
        table.add_column(heading, justify="right")
    for path, outcomes in by_file.items():
        counts = [str(sum(o.state == state for o in outcomes)) for state in states]
        taken = [o for o in outcomes if o.state != "refused"]
        sums = (sum(o.n_sources for o in taken), sum(o.n_new_objects for o in taken))
        table.add_row(path, *counts, *map(str, sums))
    console.print(table)
    if skipped := summary.count("skipped"):
        console.print(f"skipped: {skipped} stored already")
    for outcome in summary.refused[:SHOWN]:
        _print_refusal(console, outcome)
    if len(summary.refused) > SHOWN:
        console.print(f"… and {len(summary.refused) - SHOWN} more refused; --json lists all")
    if summary.stopped:
        console.print(
            f"stopped: {summary.n_visits_left} visits of this file and {summary.n_files_left} "
            "files were not tried (--keep-going goes on; repeating resumes)"
        )


def _print_refusal(console: Console, outcome: Outcome) -> None:
    place = outcome.path
    if outcome.visit is not None:
        place += f", visit {outcome.visit} detector {outcome.detector}"
    lines = outcome.reason.splitlines()
    if len(lines) > REASON_LINES:
        lines = [*lines[: REASON_LINES - 1], f"  … {len(lines) - REASON_LINES + 1} lines more"]
    console.print(f"refused: {place}: {outcome.error}", soft_wrap=True)
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)
