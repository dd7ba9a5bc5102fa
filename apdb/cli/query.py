"""`apdb objects`, `object`, `visits`, `sources` and `status`: what is in the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.draw_object import draw_object
from apdb.cli.show_status import show_status
from apdb.cli.tables import (
    check_out,
    ids_as_strings,
    show_rows,
    show_table,
    table_json,
    write_table,
)
from apdb.errors import InvalidInput
from apdb.query.status import GRACE, Outstanding

if TYPE_CHECKING:
    from astropy.table import Table
    from astropy.time import Time

NEEDS_OPERATOR = 20
"""Exit code of `apdb status` when something needs the operator."""

SHOWN = 50
_OBJECT = (
    "dia_object_id",
    "ra",
    "dec",
    "n_dia_sources",
    "first_dia_source_mjd_tai",
    "last_dia_source_mjd_tai",
    "distance",
)
_VERSION = ("validity_start_mjd_tai", "validity_end_mjd_tai", "store_seq", *_OBJECT[1:6])
_CURVE = ("midpoint_mjd_tai", "band", "psf_flux", "psf_flux_err", "forced", "visit", "detector")
_NEIGHBOUR = ("kind", "rank", "catalogue", "reference_object_id", "distance", "ln_p", "separation")
_FEATURE = (
    "band",
    "n_points",
    "frequency1",
    "significance1",
    "amplitude",
    "standard_deviation",
    "stetson_j",
    "chi2_qso",
    "chi2_false",
)
_MOTION = ("pm_ra", "pm_ra_err", "pm_dec", "pm_dec_err", "parallax", "parallax_err", "n_points")
_SOURCE = (
    "dia_source_id",
    "detector",
    "ra",
    "dec",
    "psf_flux",
    "psf_flux_err",
    "dia_object_id",
    "ss_object_id",
)
_VISIT = (
    "visit",
    "detector",
    "band",
    "midpoint_mjd_tai",
    "night",
    "n_dia_sources",
    "n_new_dia_objects",
    "n_unassociated",
)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON; ids are strings.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help=f"Most rows. Default: {SHOWN} on the terminal, all with --out."),
]
Out = Annotated[
    Path | None, typer.Option(help="Write all columns to a file: .ecsv, .fits, .parquet or .csv.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out.")]


def objects(
    context: typer.Context,
    cone: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="RA DEC RADIUS", help="Within a radius of a position [deg]."),
    ] = None,
    box: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(
            metavar="RA_MIN RA_MAX DEC_MIN DEC_MAX",
            help="Between bounds [deg]; over RA 0 where RA_MIN > RA_MAX.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="As known at a time: MJD TAI, or UTC such as 2026-03-09T05:00:00. With --cone."
        ),
    ] = None,
    limit: Limit = None,
    out: Out = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """List DIAObjects of a part of the sky: current ones, or as they were known at a time."""
    if (cone is None) == (box is None):
        raise InvalidInput("give --cone RA DEC RADIUS or --box RA_MIN RA_MAX DEC_MIN DEC_MAX")
    if at is not None and cone is None:
        raise InvalidInput("--at goes with --cone")
    check_out(out, overwrite)
    most = limit if limit or out or json else SHOWN + 1
    with _connect(context) as db:
        if box is not None:
            found = db.objects_in_box(*box, limit=most)
        elif cone is not None and at is not None:
            found = db.objects_at(*cone, mjd_tai=_time(at), limit=most)
        else:
            assert cone is not None
            found = db.objects_in_cone(*cone, limit=most)
    _hand_out(context, found, _OBJECT, "DIAObjects", limit, out, json)


def object_(
    context: typer.Context,
    dia_object_id: Annotated[int, typer.Argument(metavar="ID", help="The dia_object_id.")],
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw fluxes, magnitudes, phases, positions, the last stamps: .png, .pdf, .svg."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show a DIAObject: its versions, neighbours, features and light curve.

    All features of it are shown by `apdb features`.
    """
    with _connect(context) as db:
        versions = db.object_versions(dia_object_id)
        curve = db.light_curve(dia_object_id)
        known = {
            "neighbours": db.neighbours(dia_object_id),
            "features": db.features(dia_object_id),
            "astrometry": db.astrometry(dia_object_id),
        }
        if plot is not None:
            draw_object(db, dia_object_id, plot)
    if json or settings(context).json:
        tables = {"versions": versions, **known, "light_curve": curve}
        print_json({name: table_json(table) for name, table in tables.items()})
        return
    for table, columns, what in (
        (versions, _VERSION, "versions"),
        (known["neighbours"], _NEIGHBOUR, "neighbours and hosts"),
        (known["features"], _FEATURE, "light curves with features"),
        (known["astrometry"], _MOTION, "proper motion and parallax"),
        (curve, _CURVE, "points"),
    ):
        if not len(table) and columns not in (_VERSION, _CURVE):
            continue
        cut = f", the last {SHOWN}" if len(table) > SHOWN else ""
        show_table(table[-SHOWN:], columns, f"DIAObject {dia_object_id}: {len(table)} {what}{cut}")
    if plot is not None:
        typer.echo(f"object drawn in {plot}")


def visits(
    context: typer.Context,
    night: Annotated[str | None, typer.Option(help="Of one night, such as 2026-03-09.")] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Those expected that neither came nor failed.")
    ] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="Those that failed and are not stored.")
    ] = False,
    grace: Annotated[
        float, typer.Option(help="How long after its midpoint a visit may take [s].")
    ] = GRACE,
    limit: Limit = None,
    out: Out = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """List visits: the latest that are stored, or those that are missing or failed."""
    check_out(out, overwrite)
    with _connect(context) as db:
        if not missing and not failed:
            most = limit if limit or out or json else SHOWN + 1
            found = db.visits(night, limit=most)
            _hand_out(context, found, _VISIT, "Visits", limit, out, json)
            return
        states = [name for name, on in (("missing", missing), ("failed", failed)) if on]
        rows = [o for o in db.status(nights=1, grace=grace).outstanding if o.state in states]
    rows = [o for o in rows if night is None or str(o.night) == night][:limit]
    if out is not None:
        write_table(_outstanding_table(rows), out)
        typer.echo(f"{len(rows)} visits written to {out}")
    elif json or settings(context).json:
        print_json(ids_as_strings([vars(row) for row in rows]))
    else:
        heads = ("state", "visit", "detector", "night", "midpoint", "stage", "reason", "failures")
        show_rows(heads, map(_outstanding_row, rows), f"{len(rows)} outstanding visit(s)")


def sources(
    context: typer.Context,
    visit: Annotated[int, typer.Argument(help="Number of the visit.")],
    detector: Annotated[int | None, typer.Argument(help="Number of the detector.")] = None,
    limit: Limit = None,
    out: Out = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """List the DIASources of a visit."""
    check_out(out, overwrite)
    with _connect(context) as db:
        found = db.sources_of_visit(visit, detector)
    _hand_out(context, found[:limit], _SOURCE, f"DIASources of visit {visit}", limit, out, json)


def status(
    context: typer.Context,
    nights: Annotated[int, typer.Option(min=1, help="How many nights to count.")] = 7,
    grace: Annotated[
        float, typer.Option(min=0, help="How long after its midpoint a visit may take [s].")
    ] = GRACE,
    json: Json = False,
) -> None:
    """Say what came, what is missing, what died, who waits, and when the disk is full.

    Exit code 0 when all is well, 20 when something needs the operator; it is listed first.
    """
    with _connect(context) as db:
        found = db.status(nights=nights, grace=grace)
    if json or settings(context).json:
        print_json(ids_as_strings(found.as_dict()))
    else:
        show_status(found)
    if found.findings:
        raise typer.Exit(NEEDS_OPERATOR)


def _connect(context: typer.Context) -> apdb.Apdb:
    return apdb.connect(settings(context).resolve_dsn())


def _hand_out(
    context: typer.Context,
    found: Table,
    columns: tuple[str, ...],
    what: str,
    limit: int | None,
    out: Path | None,
    json: bool,
) -> None:
    if out is not None:
        write_table(found, out)
        typer.echo(f"{len(found)} rows written to {out}")
    elif json or settings(context).json:
        print_json(table_json(found))
    else:
        shown = found[: limit or SHOWN]
        more = "" if len(found) <= len(shown) else " and more (--limit or --out gives them)"
        show_table(shown, columns, f"{len(shown)} {what}{more}")


def _time(text: str) -> float | Time:
    try:
        return float(text)
    except ValueError:
        pass
    from astropy.time import Time

    try:
        return Time(text, scale="utc")
    except ValueError:
        raise InvalidInput(f"--at {text}: give an MJD (TAI) or a UTC time") from None


def _outstanding_row(row: Outstanding) -> tuple[object, ...]:
    where = (row.state, row.visit, row.detector, row.night, row.midpoint_mjd_tai)
    return (*where, row.stage, row.reason, row.n_failures)


def _outstanding_table(rows: list[Outstanding]) -> Table:
    from astropy.table import Table

    names = list(Outstanding.__dataclass_fields__)
    texts = {"night", "stage", "reason"}
    return Table(
        {
            name: [
                ("" if value is None else str(value))
                if name in texts
                else (float("nan") if value is None else value)
                for value in (getattr(row, name) for row in rows)
            ]
            for name in names
        }
    )
