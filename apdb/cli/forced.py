"""`apdb forced`: positions from outside to follow, and forced photometry that comes late."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.tables import check_out, show_table, table_json, write_table
from apdb.errors import InvalidInput, NotFound
from apdb.ingest.files import read_catalogue
from apdb.input.columns import as_mapping

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Forced photometry: positions to follow, and fluxes that come late.\n\n"
        "Each visit hands the positions that want forced photometry to the function that it was "
        "given: objects by the rule of the settings forced_… (`apdb db settings`), and the "
        "positions followed here, each under the name of who asked for it."
    ),
)

By = Annotated[str, typer.Option("--by", help="Who asks, for instance a broker or a survey.")]
Out = Annotated[
    Path | None, typer.Option(help="Write to this file: .ecsv, .fits, .parquet or .csv.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")]


def _connect(context: typer.Context) -> apdb.Apdb:
    return apdb.connect(settings(context).resolve_dsn())


@app.command()
def follow(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    by: By,
) -> None:
    """Follow the positions of a file: every visit that covers them measures there.

    The file (Parquet, FITS, ECSV or Avro) has columns name, ra, dec [deg, ICRS], and may have
    from_mjd_tai and until_mjd_tai [d]. The same file again changes nothing; a name with another
    position ends the old one and gets a new number, so that all fluxes of a number are of one
    place. Fluxes are in the table forced_followed: see `apdb forced show`.
    """
    positions = _read(file)
    with _connect(context) as db:
        report = db.follow(positions, by)
    if settings(context).json:
        print_json(dataclasses.asdict(report) | {"followed_id": report.followed_id.tolist()})
        return
    typer.echo(
        f"{len(report.followed_id)} followed for {by}: {report.n_added} added, "
        f"{report.n_moved} moved, {report.n_changed} with other times, {report.n_same} as before"
    )


@app.command()
def unfollow(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", show_default=False)] = None,
    by: By = "",
    everything: Annotated[bool, typer.Option("--all", help="All positions of this asker.")] = False,
) -> None:
    """Give up followed positions. Their fluxes stay."""
    if bool(names) == everything:
        raise typer.BadParameter("name them, or give --all", param_hint="NAME")
    if not by:
        raise typer.BadParameter("say who asked for them", param_hint="--by")
    with _connect(context) as db:
        n = db.unfollow(by, None if everything else names)
    if settings(context).json:
        print_json({"n_given_up": n})
    else:
        typer.echo(f"{n} given up")


@app.command("list")
def list_(
    context: typer.Context,
    by: Annotated[str | None, typer.Option("--by", help="Only those of this asker.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also those given up.")] = False,
) -> None:
    """List the positions that are followed, with the number of fluxes of each."""
    with _connect(context) as db:
        found = db.followed(by, ended=ended)
    if settings(context).json:
        print_json(table_json(found))
        return
    columns = ["followed_id", "requested_by", "name", "ra", "dec", "n_forced"]
    columns += [c for c in ("from_mjd_tai", "until_mjd_tai") if np.ma.count(found[c])]
    if ended:
        columns.append("removed_mjd_tai")
    show_table(found, columns, f"{len(found)} followed position(s)")


@app.command()
def show(
    context: typer.Context,
    followed_id: Annotated[int, typer.Argument(metavar="NUMBER", show_default=False)],
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Show the fluxes measured at a followed position, in time order."""
    check_out(out, overwrite)
    with _connect(context) as db:
        known = db.followed(ended=True)["followed_id"]
        if followed_id not in known:
            raise NotFound(f"There is no followed position {followed_id}: see `apdb forced list`")
        curve = db.forced_of_followed(followed_id)
    if out is not None:
        write_table(curve, out)
    if settings(context).json:
        print_json(table_json(curve))
        return
    columns = ["midpoint_mjd_tai", "visit", "detector", "band", "psf_flux", "psf_flux_err"]
    show_table(curve, columns, f"{len(curve)} flux(es) at followed position {followed_id}")


@app.command()
def store(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)],
) -> None:
    """Store forced photometry that comes later than its visits.

    The files (Parquet, FITS, ECSV or Avro) have columns dia_object_id or followed_id, visit,
    detector, midpoint_mjd_tai, band, psf_flux, psf_flux_err [nJy]; and may have science_flux,
    science_flux_err, ra, dec. Safe to repeat: the same rows again change nothing. The rows of
    objects are in all later alerts of theirs.
    """
    reports = []
    with _connect(context) as db:
        for file in files:
            report = db.store_forced(_read(file))
            reports.append({"file": str(file), **dataclasses.asdict(report)})
            if not settings(context).json:
                typer.echo(f"{file}: {report.n_rows} row(s), {report.n_changed} new or changed")
    if settings(context).json:
        print_json(reports)


def _read(file: Path) -> Mapping[str, Any]:
    found = read_catalogue(file)
    if not found.n:
        raise InvalidInput(f"{file} has no rows")
    return as_mapping(found.columns)
