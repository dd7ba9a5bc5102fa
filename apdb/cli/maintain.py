"""`apdb maintain`: what keeps database and archive in order."""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

import apdb
from apdb.archive.maintenance import ORPHAN_AGE, STEPS, Maintained, Removed, maintain
from apdb.cli.context import print_json, settings

_SHOWN = 20


def maintain_(
    context: typer.Context,
    step: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this: {', '.join(STEPS)}. May be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; say what would be done.")
    ] = False,
    orphan_age: Annotated[
        float, typer.Option(min=0.0, help="How old a file must be to be an orphan [s].")
    ] = ORPHAN_AGE,
) -> None:
    """Make partitions ahead, apply retention, remove orphans of archive and images, seal nights.

    Run it daily, from cron for instance. It is safe at any time, beside visits that are being
    stored, and may be broken off and repeated. What retention keeps, and when a night is sealed,
    are settings: `apdb db settings` shows those called archive_…, image_… and api_….
    """
    unknown = [name for name in step or () if name not in STEPS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]}: there are {', '.join(STEPS)}", param_hint="--step")
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        Progress(
            console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
        ) as progress,
    ):
        tasks = {name: progress.add_task(name, total=None) for name in step or STEPS}

        def told(name: str, done: int, total: int) -> None:
            progress.update(tasks[name], completed=done, total=total)

        found = maintain(
            db, steps=step or STEPS, dry_run=dry_run, orphan_age=orphan_age, watch=told
        )
    if settings(context).json:
        print_json(dataclasses.asdict(found))
    else:
        _print(found)


def _print(found: Maintained) -> None:
    would = "would be " if found.dry_run else ""
    typer.echo(f"partitions  {len(found.partitions)} made")
    images = found.images
    _print_files("images", f"{would}removed", _removed(images.expired + images.orphans))
    _print_files("retention", f"{would}removed", found.expired)
    if found.n_requests:
        typer.echo(f"audit       {found.n_requests:,} requests {would}forgotten")
    _print_files("orphans", f"{would}removed", found.orphans)
    if found.spared:
        typer.echo(f"spared      {len(found.spared)} files whose attempt lives, or that are young")
    if found.strange:
        typer.echo(f"strange     {len(found.strange)} files that are not this database's to judge")
        _print_some(found.strange)
    for each in found.sealed:
        complete = "complete" if not each.n_missing else f"{each.n_missing:,} alerts missing"
        verdict = "requirement met" if each.met else "requirement NOT met"
        typer.echo(
            f"sealed      {each.night}, seal {each.seal} {would}made: {each.n_alerts:,} alerts, "
            f"{complete}, {verdict}"
        )


def _removed(files: list[tuple[str, int, str]]) -> list[Removed]:
    return [Removed(*file) for file in files]


def _print_files(title: str, what: str, files: list[Removed]) -> None:
    size = sum(file.size for file in files) / 1e6
    typer.echo(f"{title:<11} {len(files)} files {what}, {size:,.1f} MB")
    _print_some([f"{file.path}: {file.why}" for file in files])


def _print_some(lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        typer.echo(f"    {line}")
    if len(lines) > _SHOWN:
        typer.echo(f"    … and {len(lines) - _SHOWN} more")
