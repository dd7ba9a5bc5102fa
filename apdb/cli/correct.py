"""`apdb correct`: corrections of what is stored."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.store import AssociationRule
from apdb.cli.tables import terminal
from apdb.errors import InvalidInput
from apdb.ingest.said import VisitOptions
from apdb.ingest.visits import pieces
from apdb.replacement import CorrectionReport

SHOWN = 20

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Corrections of what is stored.\n\n"
        "Each is made as a whole or not at all, leaves an audit row with its reason, and may be "
        "repeated. Earlier versions of objects are kept."
    ),
)

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; goes to the audit.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the outcome and write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def _connect(context: typer.Context) -> apdb.Apdb:
    return apdb.connect(settings(context).resolve_dsn())


@app.command()
def reassign(
    context: typer.Context,
    dia_source_ids: Annotated[list[int], typer.Argument(metavar="SOURCE…", show_default=False)],
    reason: Reason,
    dia_object: Annotated[
        int | None, typer.Option("--object", help="DIAObject that gets the sources.")
    ] = None,
    ss_object: Annotated[
        int | None, typer.Option("--ss-object", help="Solar-system object that gets them.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Move DIASources to another DIAObject, or to a solar-system object."""
    with _connect(context) as db:
        report = db.reassign(
            dia_source_ids,
            dia_object_id=dia_object,
            ss_object_id=ss_object,
            reason=reason,
            dry_run=dry_run,
        )
    _show(context, report, json)


@app.command()
def merge(
    context: typer.Context,
    keep: Annotated[int, typer.Argument(help="DIAObject that stays.", show_default=False)],
    others: Annotated[list[int], typer.Argument(metavar="OTHER…", show_default=False)],
    reason: Reason,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make one DIAObject of several: the others go into the first and are retired."""
    with _connect(context) as db:
        report = db.merge_objects(keep, others, reason=reason, dry_run=dry_run)
    _show(context, report, json)


@app.command()
def split(
    context: typer.Context,
    dia_object: Annotated[
        int, typer.Argument(metavar="OBJECT", help="DIAObject to split.", show_default=False)
    ],
    dia_source_ids: Annotated[list[int], typer.Argument(metavar="SOURCE…", show_default=False)],
    reason: Reason,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Start a new DIAObject with some of the sources of another."""
    with _connect(context) as db:
        report = db.split(dia_object, dia_source_ids, reason=reason, dry_run=dry_run)
    _show(context, report, json)


@app.command()
def withdraw(
    context: typer.Context,
    reason: Reason,
    dia_source_ids: Annotated[
        list[int] | None, typer.Argument(metavar="SOURCE…", show_default=False)
    ] = None,
    visit: Annotated[int | None, typer.Option(help="Withdraw all of this visit.")] = None,
    detector: Annotated[int | None, typer.Option(help="Its detector.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take DIASources, or a whole visit, out of histories, counters and default reads."""
    key = None
    if visit is not None and detector is not None:
        key = (visit, detector)
    elif visit is not None or detector is not None:
        raise InvalidInput("a visit to withdraw needs --visit and --detector")
    with _connect(context) as db:
        report = db.withdraw(dia_source_ids or None, visit=key, reason=reason, dry_run=dry_run)
    _show(context, report, json)


@app.command()
def replace(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    reason: Reason,
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
    radius: Annotated[
        float | None, typer.Option(help="Association radius [arcsec]. Default: the database's.")
    ] = None,
    associate: Annotated[
        AssociationRule | None, typer.Option(help="Association rule. Default: the database's.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Replace what a visit has stored by the catalogue in a file.

    The file is read as by `apdb store` and holds one visit.
    """
    options = VisitOptions(
        visit, detector, band, midpoint, exposure_time, ra, dec, footprint_radius
    )
    n, found = pieces(file, options)
    if n != 1:
        raise InvalidInput(f"{file} holds {n} visits; replace them one by one")
    piece = next(found)
    with _connect(context) as db:
        try:
            report = db.replace(
                *piece.load(),
                reason=reason,
                radius=radius,
                associate=None if associate is None else associate.value,
                dry_run=dry_run,
            )
        except InvalidInput as error:
            raise piece.in_file(error) from error
    _show(context, report, json)


@app.command()
def duplicates(
    context: typer.Context,
    radius: Annotated[float, typer.Argument(help="Radius [arcsec].")] = 1.0,
    limit: Annotated[int, typer.Option(help="Most pairs.")] = 1000,
    after: Annotated[
        int | None, typer.Option(help="Only pairs whose first id is higher: the next page.")
    ] = None,
    json: Json = False,
) -> None:
    """List pairs of DIAObjects that are closer than a radius."""
    with _connect(context) as db:
        pairs = db.find_duplicates(radius, limit, after=after)
    if json or settings(context).json:
        print_json([dict(zip(pairs.colnames, row.as_void().item(), strict=True)) for row in pairs])
        return
    table = Table("keep?", "other", "distance", "ra", "dec", "sources", title=f'within {radius}"')
    for row in pairs:
        table.add_row(
            str(row["dia_object_id_1"]),
            str(row["dia_object_id_2"]),
            f'{row["distance"]:.3f}"',
            f"{row['ra']:.6f}",
            f"{row['dec']:.6f}",
            f"{row['n_dia_sources_1']} + {row['n_dia_sources_2']}",
        )
    if len(pairs):
        terminal().print(table)
    typer.echo(f"{len(pairs)} pair(s) within {radius:g} arcsec")


def _show(context: typer.Context, report: CorrectionReport, json: bool) -> None:
    if json or settings(context).json:
        print_json(_plain(report))
        return
    if report.dry_run:
        typer.echo("dry run: nothing was written; it would be")
    elif report.store_seq == 0:
        typer.echo(f"{report.kind}: nothing to change, it is so already")
        return
    done = "" if report.dry_run else f", store_seq {report.store_seq}"
    typer.echo(f"{report.kind}: {report.n_dia_sources} source(s){done}")
    for word in ("changed", "retired", "created"):
        ids = getattr(report, word)
        if ids:
            more = f" … and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
            shown = " ".join(str(i) for i in ids[:SHOWN])
            typer.echo(f"  objects {word}: {shown}{more}")
    if report.stored is not None:
        typer.echo(f"  new content: {len(report.stored.dia_source_id)} source(s)")


def _plain(report: CorrectionReport) -> dict[str, Any]:
    found = {
        each.name: getattr(report, each.name)
        for each in dataclasses.fields(report)
        if each.name != "stored"
    }
    if report.stored is not None:
        found["n_new_dia_sources"] = len(report.stored.dia_source_id)
        found["n_unassociated"] = report.stored.n_unassociated
    return found
