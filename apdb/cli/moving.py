"""`apdb moving`: objects of the solar system that are found by their motion."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.progress import Steps
from apdb.cli.tables import show_rows

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Objects of the solar system that are found by their motion.\n\n"
        "Run it by day: `apdb moving run`; then `apdb ades export` reports what was found."
    ),
)
_HEADS = ("what", "object", "sources", "nights", "rms", "a", "e", "i")
_STEPS = ("kind", "designation", "n_dia_sources", "n_nights", "normalized_rms", "mjd_tai", "reason")


@app.command()
def run(
    context: typer.Context,
    nights: Annotated[float, typer.Option(help="Days before the end, 1 to 60.")] = 14.0,
    until: Annotated[
        float | None, typer.Option(help="End [MJD TAI]; default is the last stored visit.")
    ] = None,
    precovery_days: Annotated[
        float, typer.Option(min=0.0, help="How far before the nights sources are looked for.")
    ] = 90.0,
    deadline: Annotated[
        float, typer.Option(min=0.1, help="Seconds that the fit of one orbit may take.")
    ] = 10.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Find, and write nothing.")] = False,
) -> None:
    """Find objects among the sources that are of nothing known.

    Sources of a night that move alike become tracklets; three nights or more, two of them with
    tracklets, become orbits. Objects that were found before get what is theirs first. What is
    believed is written, each object in a transaction of its own: its sources are reassigned to it,
    and DIAObjects that have none left are retired. Run again whenever there is more; nothing is
    found twice.

    Example: apdb moving run --nights 14
    """
    with apdb.connect(settings(context).resolve_dsn()) as db, Steps() as steps:
        report = db.run_moving(
            nights,
            until=until,
            precovery_days=precovery_days,
            deadline=deadline,
            dry_run=dry_run,
            watch=steps.at,
        )
    if settings(context).json:
        print_json(dataclasses.asdict(report))
        return
    rows = [
        (
            o.kind,
            o.designation or "(dry run)",
            o.n_dia_sources,
            o.n_nights,
            f"{o.rms:.2f}",
            f"{o.a:.3f}",
            f"{o.e:.3f}",
            f"{o.i:.2f}",
        )
        for o in report.objects
    ]
    if rows:
        show_rows(_HEADS, rows, f"{len(rows)} object(s)")
    typer.echo(
        f"{report.n_sources:,} sources, {report.n_tracklets:,} tracklets, {report.n_linkages:,} "
        f"linkages, {len(rows):,} object(s); {report.n_attributed:,} sources of known ones"
    )
    for reason, count in sorted(report.refused.items()):
        typer.echo(f"refused {count}: {reason}", err=True)
    if report.n_busy:
        typer.echo(f"{report.n_busy} object(s) were busy: run again", err=True)
        raise typer.Exit(apdb.Busy.exit_code)


@app.command()
def history(
    context: typer.Context,
    designation: Annotated[
        str | None, typer.Argument(help="Name of an object; default is all, the newest first.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most steps.")] = 100,
) -> None:
    """Show what was found to be one object, when and why."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        steps = db.identifications(designation, limit=limit)
    if settings(context).json:
        print_json(steps)
    elif steps:
        show_rows(
            _STEPS, [[step[name] for name in _STEPS] for step in steps], f"{len(steps)} step(s)"
        )
    else:
        typer.echo("nothing was found yet; `apdb moving run --help` says how")


@app.command()
def simulate(
    context: typer.Context,
    seed: Annotated[int, typer.Option(help="Everything follows from it.")] = 1,
    objects: Annotated[
        str, typer.Option(help="Main belt, near-Earth, Trojan, trans-Neptunian, interstellar.")
    ] = "200,60,50,50,40",
    rows: Annotated[int, typer.Option(min=1, help="Fields along declination.")] = 5,
    columns: Annotated[int, typer.Option(min=1, help="Fields along right ascension.")] = 6,
    false: Annotated[float, typer.Option(min=0.0, help="False detections a visit.")] = 100.0,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("moving"),
) -> None:
    """Simulate two weeks of a survey, link it, and say how much was found, by class.

    Needs no database. Objects count that were seen twice on three nights or more.
    """
    from apdb.demo.moving import moving_sky

    try:
        counts = tuple(int(part) for part in objects.split(","))
    except ValueError:
        counts = ()
    if len(counts) != 5 or min(counts) < 0 or not any(counts):
        raise apdb.InvalidInput(f"objects {objects!r} are not five numbers with commas between")
    with Steps() as steps:
        found = moving_sky(
            out, seed, fields=(rows, columns), objects=counts, false=false, watch=steps.at
        )
    if settings(context).json:
        said = dataclasses.asdict(found)
        print_json({**said, "figures": [str(figure) for figure in found.figures]})
        return
    counted = found.completeness.items()
    table = [(name, n, of, f"{100 * n / of:.1f}") for name, (n, of) in counted if of]
    show_rows(("class", "found", "of", "%"), table, f"{found.n_linkages} linkages")
    typer.echo(f"purity {100 * found.purity:.2f}%; " + ", ".join(map(str, found.figures)))
