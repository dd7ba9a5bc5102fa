"""`apdb xmatch`: tables of positions matched with objects or a reference catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.progress import RowsBar
from apdb.cli.table_writer import TableWriter
from apdb.cli.tables import check_out, show_table, table_json
from apdb.crossmatch import OBJECTS, make_target, matched
from apdb.ingest.table_files import open_table

if TYPE_CHECKING:
    from astropy.table import Table

SHOWN = 50


def xmatch(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    against: Annotated[
        str, typer.Option(help="objects (DIAObjects), or the name of a reference catalogue.")
    ] = OBJECTS,
    radius: Annotated[float, typer.Option(help="How far to look [arcsec], at most 3600.")] = 1.0,
    best: Annotated[
        bool, typer.Option("--best/--all", help="The nearest match of each row, or all.")
    ] = True,
    ra: Annotated[str | None, typer.Option(help="Column of right ascensions.")] = None,
    dec: Annotated[str | None, typer.Option(help="Column of declinations.")] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", "-k", metavar="COLUMN", help="Column of FILE to keep; may repeat."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", "-c", metavar="COLUMN", help="Column of the matches to add."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the matches to a file: .ecsv, .fits, .parquet or .csv."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --out.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON; ids are strings.")] = False,
) -> None:
    """Match a table of positions with DIAObjects or a reference catalogue.

    FILE is Parquet, FITS, ECSV, CSV or Avro, with ICRS positions in degrees, or in the unit that
    the file says. A match has the row of FILE (counted from 0), its id and position, and the
    distance [arcsec]. The database does the work, a part of FILE at a time: .parquet and .csv are
    written as it goes, whatever the size.
    """
    check_out(out, overwrite)
    as_json = json or settings(context).json
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        RowsBar("matching") as bar,
        TableWriter(out, keep_rows=None if as_json else SHOWN) as writer,
    ):
        target = make_target(db, against, radius, best=best, columns=column)
        total, done = open_table(file).n_rows, 0
        for found, n in matched(db, target, file, ra=ra, dec=dec, keep=keep or ()):
            writer.add(found)
            done += n
            bar.at(done, total)
    if out is not None:
        typer.echo(f"{writer.n_rows:,} matches of {done:,} rows written to {out}")
    elif as_json:
        print_json(table_json(writer.table))
    else:
        _show(writer.table, writer.n_rows, done)


def _show(table: Table, n_matches: int, n_rows: int) -> None:
    more = f", the first {SHOWN} (--out gives all)" if n_matches > SHOWN else ""
    show_table(table[:SHOWN], table.colnames, f"{n_matches:,} matches of {n_rows:,} rows{more}")
