"""`apdb ades`: reports to the Minor Planet Center, which nobody but you sends."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.tables import show_rows
from apdb.solar_system.ades import ReportHeader

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Reports to the Minor Planet Center, in ADES 2022.\n\n"
        "Nothing is ever sent from here: `apdb ades export` writes files, you send them, "
        "`apdb ades sent` notes it, and `apdb ades import` takes in the answers."
    ),
)
_HEADS = ("report", "state", "observations", "objects", "exported")


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Name of the files, without ending.")],
    submitter: Annotated[str, typer.Option(help='Who sends the report, such as "J. Doe".')],
    measurer: Annotated[list[str] | None, typer.Option(help="Who measured; repeat it.")] = None,
    observer: Annotated[list[str] | None, typer.Option(help="Who observed; repeat it.")] = None,
    design: Annotated[str, typer.Option(help="Design of the telescope.")] = "Reflector",
    aperture: Annotated[float, typer.Option(min=0.01, help="Its aperture [m].")] = 8.4,
    detector: Annotated[str, typer.Option(help="Its detector.")] = "CCD",
    catalogue: Annotated[str, typer.Option(help="Reference catalogue, by its code.")] = "Gaia3",
    band_prefix: Annotated[str, typer.Option(help="Put before the name of a band.")] = "L",
    batch: Annotated[str | None, typer.Option(help="Name of the report.")] = None,
    first: Annotated[float, typer.Option("--from", help="First midpoint [MJD TAI].")] = 0.0,
    last: Annotated[float, typer.Option("--until", help="Midpoints before [MJD TAI].")] = 1e6,
    found_only: Annotated[
        bool, typer.Option("--found-only", help="Only objects that were found here.")
    ] = False,
) -> None:
    """Write what was not reported yet as FILE.psv and FILE.xml.

    Every source of a solar-system object is reported once. Objects found here have their own name
    as trkSub, others their designation; obsSubID is the dia_source_id. The observatory is that of
    the setting site_code. Validate the files with `valsubmit` of the package iau-ades.

    Example: apdb ades export night-61000 --submitter "J. Doe"
    """
    header = ReportHeader(
        submitter,
        tuple(measurer or ()),
        tuple(observer or ()),
        design,
        aperture,
        detector,
        catalogue,
        band_prefix,
    )
    with apdb.connect(settings(context).resolve_dsn()) as db:
        n = db.export_ades(file, header, batch=batch, first=first, last=last, found_only=found_only)
    if settings(context).json:
        print_json({"n_observations": n})
    else:
        typer.echo(
            f"{n:,} observations" if n else "everything was reported before; nothing written"
        )


@app.command()
def sent(
    context: typer.Context,
    batch: Annotated[str, typer.Argument(help="Name of the report.")],
) -> None:
    """Note that a report was sent."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        n = db.mark_submitted(batch)
    if settings(context).json:
        print_json({"n_observations": n})
    else:
        typer.echo(f"{n:,} observations are submitted")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, show_default=False)],
) -> None:
    """Take in answers: JSON, CSV or PSV with obsSubID and status, by observation.

    Objects that were found here get the designation that their observations agree on.
    """
    with apdb.connect(settings(context).resolve_dsn()) as db:
        report = db.import_answers(file)
    if settings(context).json:
        print_json(dataclasses.asdict(report))
        return
    typer.echo(f"{report.n_answers:,} answers, {report.n_changed:,} of them new")
    for name, designation in report.designated.items():
        typer.echo(f"{name} is {designation}")
    for name, several in report.ambiguous.items():
        typer.echo(f"{name} was identified with several: {', '.join(several)}", err=True)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the reports, and the states of their observations."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        found = db.submissions()
    if settings(context).json:
        print_json(found)
    elif found:
        show_rows(_HEADS, [list(row.values()) for row in found], f"{len(found)} row(s)")
    else:
        typer.echo("nothing was exported yet; `apdb ades export --help` says how")
