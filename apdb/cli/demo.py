"""`apdb demo`: the main job on a simulated night or on real alerts."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.progress import ProgressBar, Steps
from apdb.cli.store import AssociationRule, rule
from apdb.cli.tables import show_report, terminal
from apdb.demo import run as job
from apdb.demo.broker import ArchiveReport, take_a_night
from apdb.demo.material import SEED, replayed, simulated
from apdb.demo.moving import moving_sky
from apdb.schema import migrate

LISTED = 5
QUERY = "select ra, dec, n_dia_sources from apdb.dia_object order by n_dia_sources desc limit 5"


def demo(
    context: typer.Context,
    alerts: Annotated[
        Path | None,
        typer.Option(help="Replay the sources of these LSST alert packets (Avro) instead."),
    ] = None,
    images: Annotated[
        bool,
        typer.Option("--images", help="Simulate images of a night, and process them to alerts."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the simulated night.")] = SEED,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Store only the first visits, this many.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for figures and alerts.")] = Path("apdb-demo"),
    keep: Annotated[
        bool,
        typer.Option("--keep/--fresh", help="Keep what an earlier demo stored, or start anew."),
    ] = False,
    radius: Annotated[
        float | None, typer.Option(help="Association radius [arcsec]. Default: the database's.")
    ] = None,
    associate: Annotated[
        AssociationRule | None, typer.Option(help="Association rule. Default: the database's.")
    ] = None,
) -> None:
    """Store a simulated night, or replay real alerts, and compare the objects with the truth.

    With --images it begins with pixels: stars, galaxies, variables, transients, moving objects,
    satellites, cosmic rays; and draws the last image with what was found.

    At the end it exports a night's alerts from the archive and reads them back as a broker would.

    Starts the private PostgreSQL if need be and uses the database apdb_demo there, which it makes
    anew each time. With --dsn or APDB_DSN it uses that database, which must be empty (or --keep),
    and removes nothing; if it is empty and has no archive, the archive goes below --out.
    """
    say = terminal(stderr=True)
    say.print("preparing the database")
    dsn = settings(context).dsn
    if dsn is None:
        dsn = job.private_database(keep=keep)
    else:
        migrate.upgrade(dsn)
    with apdb.connect(dsn) as db:
        if settings(context).dsn is not None and not keep:
            job.check_empty(db)
            if not job.has_archive(db):
                db.set_setting("archive_url", (out / "archive").resolve())
        if images:
            from apdb.cli.demo_images import demo_images

            demo_images(context, db, out, seed, limit)
            return
        say.print(f"reading {alerts}" if alerts else "simulating a night")
        material = (replayed(alerts) if alerts else simulated(seed)).first(limit)
        say.print(f"storing {material.n_visits} visits of {material.name}")
        with ProgressBar() as bar:
            report = job.run(db, material, radius=radius, associate=rule(associate), watcher=bar)
        say.print(f"drawing into {out}")
        job.draw(db, report, out)
        if job.has_archive(db):
            say.print("exporting a night of alerts and reading it back")
            report.archive = take_a_night(db, out)
        # A few visits are asked for where time is short.
        if alerts is None and limit is None:
            say.print("finding moving objects in a simulated survey")
            with Steps() as steps:
                report.moving = moving_sky(out, seed, watch=steps.at)
            report.figures += report.moving.figures
    if settings(context).json:
        print_json(dataclasses.asdict(report))
        return
    _print(report)
    _print_next(context, report)


def _print(report: job.DemoReport) -> None:
    truth = report.truth
    whole = f"{truth.n_whole:,} of {truth.n_recurring:,} that recur are whole"
    facts = {
        "stored": f"{report.name}, in {report.seconds:.1f} s",
        "visits": f"{report.n_visits:,}",
        "sources": f"{report.n_sources:,}, of which {report.n_unassociated:,} without any object",
        "objects": f"{report.n_objects:,}, {report.n_recurring:,} of them with several sources",
        "truth": f"{truth.n_true_objects:,} objects; {whole} ({100 * truth.unsplit_fraction:.2f}%)",
        "splits": _listing(len(truth.splits), "true object", truth.splits),
        "merges": _listing(len(truth.merges), "our object", truth.merges),
    }
    if report.n_known_moving:
        attributed = f"{report.n_attributed:,} of {report.n_known_moving:,}"
        facts["asteroids"] = f"{attributed} sources of known ones attributed to them"
    if report.moving:
        classes = [f"{n} of {of} {name}" for name, (n, of) in report.moving.completeness.items()]
        facts["moving"] = (
            f"{report.moving.n_linkages:,} new objects linked in {report.moving.seconds:.0f} s"
        )
        facts["found"] = ", ".join(classes)
    facts |= _archive_facts(report.archive)
    steps = {step: f"{milliseconds:.1f}" for step, milliseconds in report.timings.items()}
    console = show_report(facts, steps, "milliseconds a visit")
    console.print(f"98% of the visits took at most {report.slowest_98:.0f} ms")


def _archive_facts(archive: ArchiveReport | None) -> dict[str, str]:
    if archive is None:
        return {"alerts": "none, as this database has no archive (apdb db set archive_url FOLDER)"}
    facts = {
        "alerts": f"{archive.n_alerts:,} in {archive.n_files:,} files, "
        f"{archive.n_bytes / 1e6:,.1f} MB"
    }
    if archive.night is not None:
        facts["exported"] = (
            f"{archive.n_exported:,} of the night {archive.night}, "
            f"{archive.file_bytes / 1e6:,.1f} MB in {archive.export_seconds:.1f} s"
        )
        facts["read back"] = f"{archive.n_read:,} {archive.schema} in {archive.read_seconds:.1f} s"
        facts["decoded"] = (
            f"{archive.n_decoded:,} of them: {archive.n_with_history:,} with history, "
            f"{archive.n_of_ss_objects:,} of asteroids, {archive.n_with_stamps:,} with stamps"
        )
    return facts


def _listing(n: int, word: str, found: object) -> str:
    """Return a number and the first few identifiers."""
    keys = list(found) if isinstance(found, dict) else []
    shown = ", ".join(map(str, keys[:LISTED])) + (", …" if len(keys) > LISTED else "")
    return f"{n:,}" + (f" ({word} {shown})" if keys else "")


def _print_next(context: typer.Context, report: job.DemoReport) -> None:
    program = "apdb" if shutil.which("apdb") else sys.argv[0]
    root = context.find_root()
    known = set(getattr(root.command, "commands", {}))
    lines = [f"export APDB_DSN={shlex.quote(report.dsn)}"]
    if "status" in known:
        lines.append(f"{program} status")
    if "object" in known and report.example:
        lines.append(f"{program} object {report.example} --plot object.png")
    lines.append(f"{program} server psql -c {shlex.quote(QUERY)}")
    if report.archive and report.archive.example:
        stamps = " --format fits --out stamps.tar" if report.archive.n_with_stamps else ""
        lines += [
            f"{program} alerts get {report.archive.example}{stamps}",
            f"{program} alerts rebuild {report.archive.example}",
            f"{program} serve --anonymous",
            f"curl 'http://127.0.0.1:8000/alerts/{report.archive.example}?format=json'",
        ]
    typer.echo("\nfigures: " + ", ".join(map(str, report.figures)))
    typer.echo(f"database: {report.dsn}")
    if report.archive:
        typer.echo(f"archive: {report.archive.url}")
        typer.echo(f"alerts of a night: {report.archive.file or 'none'}")
    typer.echo("next, for example:")
    for line in lines:
        typer.echo(f"  {line}")
