"""`apdb nway`: sources of many catalogues, grouped into objects."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.tables import check_out, write_table
from apdb.errors import InvalidInput

if TYPE_CHECKING:
    from apdb.nway.run import NwayResult


def nway_(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)],
    radius: Annotated[
        float,
        typer.Option(
            "--radius", "-r", help="Farthest of a source from its object [arcsec, or as x and y]."
        ),
    ],
    plane: Annotated[
        bool, typer.Option("--xy", help="Match x and y instead of ra and dec.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the objects here: .ecsv, .fits, .parquet or .csv."),
    ] = None,
    sources_out: Annotated[
        Path | None,
        typer.Option(help="Write object, file, row and position of every source here."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
    min_sources: Annotated[
        int, typer.Option(min=1, help="Leave out objects with fewer sources.")
    ] = 1,
    in_database: Annotated[
        bool,
        typer.Option(
            "--in-database",
            help="Do it in temporary tables of the database: for more sources than memory holds. "
            "Files to write must be .parquet then.",
        ),
    ] = False,
    lon: Annotated[str | None, typer.Option(help="Column of ra, or x.")] = None,
    lat: Annotated[str | None, typer.Option(help="Column of dec, or y.")] = None,
    flux: Annotated[str | None, typer.Option(help="Column of the flux.")] = None,
    flux_err: Annotated[str | None, typer.Option(help="Column of its error.")] = None,
    mjd: Annotated[str | None, typer.Option(help="Column of the time.")] = None,
) -> None:
    """Group the sources of many catalogues into objects; say how well they repeat.

    Each file (Parquet, FITS, ECSV or Avro) is one catalogue, for instance the sources of one image;
    an object has at most one source of each. Positions must be right already. The radius should be
    several times the scatter of a position, and below the distance between neighbours. The order of
    files and rows does not matter. No database is needed, but for --in-database.

    Columns are found by their usual names (ra, dec; x, y; psf_flux, flux; psf_flux_err, flux_err;
    midpoint_mjd_tai, mjd) or named by options. For each object: mean position and its scatter;
    weighted mean, median, scatter, MAD, extremes and chi2 of the flux; scatter beyond the errors,
    and scatter over mean.
    """
    from apdb.nway.run import nway  # with scipy, which other commands do without
    from apdb.nway.sources import Columns

    to = _targets(out, sources_out, overwrite, in_database)
    database: Any = nullcontext(None)
    if in_database:
        database = apdb.connect(settings(context).resolve_dsn())
    with database as db, _bar() as bar:
        task = bar.add_task("reading", total=len(files))
        result = nway(
            files,
            radius,
            plane=plane,
            columns=Columns(lon, lat, flux, flux_err, mjd),
            min_sources=min_sources,
            database=db,
            objects_to=to[0],
            sources_to=to[1],
            watch=lambda step, done, total: bar.update(
                task, description=step, completed=done, total=total
            ),
        )
    _write(result, out, sources_out)
    if settings(context).json:
        print_json(result.summary)
    else:
        _print(result.summary, plane)


def _targets(
    out: Path | None, sources_out: Path | None, overwrite: bool, in_database: bool
) -> tuple[Path | None, Path | None]:
    """Return the Parquet files, which are written as the result comes."""
    targets: list[Path | None] = []
    if out is not None and out == sources_out:
        raise InvalidInput(f"{out} is given for objects and for sources: give two names")
    for path in (out, sources_out):
        check_out(path, overwrite)
        is_parquet = path is not None and path.suffix.lower() == ".parquet"
        if in_database and not is_parquet and path is not None:
            raise InvalidInput(f"with --in-database {path} must be a .parquet file")
        targets.append(path if is_parquet else None)
    return targets[0], targets[1]


def _write(result: NwayResult, out: Path | None, sources_out: Path | None) -> None:
    for table, path in ((result.objects, out), (result.sources, sources_out)):
        if table is not None and path is not None:
            write_table(table, path)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def _print(summary: dict[str, Any], plane: bool) -> None:
    dropped = f", {summary['n_dropped']:,} without position" if summary["n_dropped"] else ""
    typer.echo(
        f"{summary['n_sources']:,} sources of {summary['n_catalogues']:,} catalogues{dropped}"
    )
    typer.echo(
        f"{summary['n_objects']:,} objects, {summary['n_objects_several']:,} of them with several "
        "sources"
    )
    if summary["position_rms_median"] is None:
        return
    unit = "" if plane else " arcsec"
    typer.echo(
        f"{summary['n_well_measured']:,} objects are in half of the catalogues or more: median "
        f"scatter of the position {summary['position_rms_median']:.4g}{unit}"
    )
    if summary["flux_repeatability_median"] is not None:
        typer.echo(
            "median repeatability of the flux, brighter half of these: "
            f"{100.0 * summary['flux_repeatability_median']:.2f}%; "
            f"{summary['n_variable']:,} vary beyond a chance of 1e-6"
        )
