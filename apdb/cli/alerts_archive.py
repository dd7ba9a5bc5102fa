"""`apdb alerts rebuild`, `verify`, `manifest`, `rebuild-fragments` and `complete`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import apdb
from apdb.alerts.complete import complete_alerts
from apdb.alerts.rebuild import rebuild as rebuild_alert
from apdb.alerts.refill import check_fragments
from apdb.alerts.refill import rebuild_fragments as refill
from apdb.archive.manifest import manifest as night_manifest
from apdb.archive.verify import verify as verify_archive
from apdb.cli.context import print_json, settings
from apdb.errors import InvalidInput
from apdb.retrieval.query import as_night

DIFFERS = 21
"""Exit code when something is not as it should be: an alert unlike its archive, damage, a night
that misses the requirement."""

_SHOWN = 30


def rebuild(
    context: typer.Context,
    ids: Annotated[list[int], typer.Argument(metavar="ID…", help="Alert ids (diaSourceId).")],
    revision: Annotated[
        int | None, typer.Option(min=0, help="Revision. Default: the current one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the packet made now (schemaless Avro) of one alert.")
    ] = None,
) -> None:
    """Render archived alerts anew from the columns as of their visit, and compare SHA-256.

    Exit code 21 if one is not equal to what was archived.
    """
    if out is not None and len(ids) > 1:
        raise InvalidInput("--out goes with one alert")
    with apdb.connect(settings(context).resolve_dsn()) as db:
        found = [rebuild_alert(db, identifier, revision) for identifier in ids]
    if out is not None:
        out.write_bytes(found[0].packet)
    if settings(context).json:
        print_json([_plain(dataclasses.asdict(each)) for each in found])
    else:
        for each in found:
            verdict = "equal" if each.equal else "NOT EQUAL"
            typer.echo(f"alert {each.dia_source_id} revision {each.revision}: {verdict}")
            typer.echo(f"  archived {each.sha256_archived.hex()}")
            stamps = ", without the stamps, which were removed" if each.without_stamps else ""
            typer.echo(f"  rebuilt  {each.sha256_rebuilt.hex()}{stamps}")
            _print("differs", each.differences)
            _print("corrected since", each.corrections)
            _print("would say now", each.changes)
    if not all(each.equal for each in found):
        raise typer.Exit(DIFFERS)


def verify(
    context: typer.Context,
    night: Annotated[str | None, typer.Option(help="Only this night.")] = None,
    fragments: Annotated[
        int, typer.Option(min=0, help="Also compare the fragments of so many visits with columns.")
    ] = 0,
    every_visit: Annotated[
        bool,
        typer.Option(
            "--every-visit", help="Also report visits without any alert that should have some."
        ),
    ] = False,
) -> None:
    """Check archive, index and database against each other. Exit code 21 if something is wrong."""
    chosen = as_night(night)
    with apdb.connect(settings(context).resolve_dsn()) as db, _bar("bytes") as told:
        found = verify_archive(db, night=chosen, every_visit=every_visit, watch=told)
        wrong = check_fragments(db, fragments) if fragments else []
    if settings(context).json:
        print_json({**_plain(dataclasses.asdict(found)), "fragments": wrong})
    else:
        typer.echo(
            f"{found.n_files:,} files, {found.n_alerts:,} alerts and revisions, "
            f"{found.n_bytes:,} bytes read; {found.n_removed:,} files removed by retention, "
            f"{found.n_waiting:,} without index yet"
        )
        for what, n in found.counts.items():
            typer.echo(f"{n:,} × {what}")
        _print("found", [str(each) for each in found.discrepancies])
        _print("fragments", wrong)
        if found.clean and not wrong:
            typer.echo("clean")
    if not found.clean or wrong:
        raise typer.Exit(DIFFERS)


def manifest(
    context: typer.Context,
    night: Annotated[str, typer.Argument(help="Observing night, such as 2026-03-09.")],
    out: Annotated[Path | None, typer.Option(help="Write it to a file, as JSON.")] = None,
) -> None:
    """Print what a night's archive holds, its completeness and latency, and the verdict.

    Exit code 21 if the night misses the requirement.
    """
    chosen = as_night(night)
    assert chosen is not None
    with apdb.connect(settings(context).resolve_dsn()) as db:
        found = night_manifest(db, chosen)
    if out is not None:
        out.write_text(json.dumps(found, indent=1, default=str) + "\n", encoding="utf-8")
        typer.echo(f"manifest of {night} written to {out}")
    elif settings(context).json:
        print_json(found)
    else:
        _print_manifest(found)
    if not found["requirement"]["met"]:
        raise typer.Exit(DIFFERS)


def rebuild_fragments(
    context: typer.Context,
    schema: Annotated[
        str | None, typer.Option(help="Version of the schema. Default: that of the settings.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Make those that are there anew, too.")
    ] = False,
) -> None:
    """Make the fragments that packets are put together from, a visit at a time.

    May be broken off and repeated; visits may be stored meanwhile.
    """
    with apdb.connect(settings(context).resolve_dsn()) as db, _bar("visits") as told:
        found = refill(db, schema, everything=everything, progress=told)
    if settings(context).json:
        print_json(dataclasses.asdict(found))
        return
    typer.echo(
        f"fragments of schema {found.version}: {found.n_fragments:,} made for "
        f"{found.n_rebuilt:,} of {found.n_visits:,} visits, {found.n_dropped:,} of other versions "
        "removed"
    )


def complete(
    context: typer.Context,
    visit: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="VISIT DETECTOR", help="Only this one. Default: all that need it."),
    ] = None,
    every_visit: Annotated[
        bool,
        typer.Option(
            "--every-visit", help="Also sources that a changed setting made eligible: reads all."
        ),
    ] = False,
) -> None:
    """Complete alerts that were written without stamps or histories, or not at all."""
    with apdb.connect(settings(context).resolve_dsn()) as db, _bar("files") as told:
        found = complete_alerts(db, visit=visit, every_visit=every_visit, progress=told)
    if settings(context).json:
        print_json([dataclasses.asdict(each) for each in found])
        return
    for each in found:
        where = f"visit {each.visit} detector {each.detector}"
        what = f"{each.n_alerts:,} alerts, {each.content}" if each.n_alerts else "stamps to come"
        typer.echo(f"{where}: {what}")
    typer.echo(f"{sum(each.n_alerts for each in found):,} alerts completed")


def _print_manifest(found: dict[str, Any]) -> None:
    typer.echo(f"night      {found['night']}")
    typer.echo(
        f"alerts     {found['n_alerts']:,} of {found['n_eligible']:,} eligible sources, "
        f"{found['n_missing']:,} missing, {found['n_degraded']:,} degraded"
    )
    typer.echo(f"visits     {found['n_stored']:,} stored, {found['n_not_stored']:,} not")
    typer.echo(f"files      {len(found['files']):,}")
    need = found["requirement"]
    verdict = "met" if need["met"] else "NOT met"
    typer.echo(
        f"required   {verdict}: {need['n_late']:,} late and {need['n_failed']:,} failed of "
        f"{need['n_visits']:,} exposures ({need['share_late']:.2%}, {need['share_failed']:.2%})"
    )
    for file in found["files"][:_SHOWN]:
        typer.echo(f"  {file['sha256']}  {file['path']}")
    if len(found["files"]) > _SHOWN:
        typer.echo(f"  … and {len(found['files']) - _SHOWN} more: --json or --out give all")


def _print(title: str, lines: Any) -> None:
    for line in list(lines)[:_SHOWN]:
        typer.echo(f"  {title}: {line}")
    if len(lines) > _SHOWN:
        typer.echo(f"  … and {len(lines) - _SHOWN} more")


def _plain(value: Any) -> Any:
    """Return what JSON can say: ids as strings, bytes as hexadecimal digits."""
    if isinstance(value, dict):
        return {
            name: str(inner) if name == "dia_source_id" and inner is not None else _plain(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else value


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    ) as progress:
        task = progress.add_task(what, total=None)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield told
