"""`apdb alerts get`, `export` and `tail`: alerts out of the archive."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

import apdb
from apdb.cli.alerts_archive import complete, manifest, rebuild, rebuild_fragments, verify
from apdb.cli.context import print_json, settings
from apdb.cli.tables import show_rows
from apdb.errors import InvalidInput
from apdb.retrieval.alerts import export as write_alerts
from apdb.retrieval.content import CONTENTS, Alert
from apdb.retrieval.described import described, packet_json
from apdb.retrieval.formats import CODECS, FORMATS
from apdb.retrieval.stream import AlertStream

app = typer.Typer(no_args_is_help=True, help="Alerts in the archive: get, export, follow, check.")
app.command()(rebuild)
app.command()(verify)
app.command()(manifest)
app.command("rebuild-fragments")(rebuild_fragments)
app.command()(complete)

Content = Annotated[
    str | None, typer.Option(help=f"Parts wanted: {', '.join(CONTENTS)}. Default: full.")
]
Version = Annotated[
    str | None, typer.Option("--schema", help="Version of the public schema, such as 10.0.")
]
FormatName = Annotated[
    str | None,
    typer.Option("--format", help=f"{', '.join(FORMATS)}. Default: as FILE is called, else avro."),
]
Codec = Annotated[str | None, typer.Option(help=f"For avro: {', '.join(CODECS)}. Default: null.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON; ids are strings.")]
Night = Annotated[str | None, typer.Option(help="Observing night, such as 2026-03-09.")]
Visit = Annotated[int | None, typer.Option(help="Visit.")]
Detector = Annotated[int | None, typer.Option(help="Detector of the visit.")]
Object = Annotated[int | None, typer.Option("--object", help="DIAObject.")]
SsObject = Annotated[int | None, typer.Option("--ss-object", help="Solar-system object.")]
Cone = Annotated[
    tuple[float, float, float] | None,
    typer.Option(metavar="RA DEC RADIUS", help="Within a radius of a position [deg]."),
]
MjdFrom = Annotated[float | None, typer.Option(help="First midpoint, MJD TAI.")]
MjdTo = Annotated[float | None, typer.Option(help="Midpoint before which it ends, MJD TAI.")]
Where = Annotated[
    str | None, typer.Option(help="Condition, such as \"psfFlux > 1000 and band = 'g'\".")
]
All = Annotated[bool, typer.Option("--all", help="Also what is superseded or withdrawn.")]
After = Annotated[
    str | None, typer.Option(help="Go on after this cursor, or after the alert of this id.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Most alerts.")]

_FORMAT_OF = {".parquet": "parquet", ".tar": "tar", ".json": "json", ".jsonl": "json"}
_HEADS = ("alert", "revision", "status", "midpoint", "visit", "detector", "object", "bytes")


@app.command()
def get(
    context: typer.Context,
    ids: Annotated[list[int], typer.Argument(metavar="ID…", help="Alert ids (diaSourceId).")],
    revision: Annotated[
        int | None, typer.Option(min=0, help="Revision. Default: the current one.")
    ] = None,
    content: Content = None,
    schema: Version = None,
    format_name: FormatName = None,
    codec: Codec = None,
    out: Annotated[Path | None, typer.Option(help="Write them to a file.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Get alerts by their ids: what they are, their fields with --json, or a file with --out."""
    if out is not None and revision is not None:
        raise InvalidInput("--revision goes without --out: give it to see one revision's fields")
    made = format_name or _format_of(out)
    parts = content or ("stamps" if made == "fits" else "full")
    with apdb.connect(settings(context).resolve_dsn()) as db:
        if out is not None:
            stream = db.alerts(ids, content=parts, schema=schema)
            size = write_alerts(stream, out, made, codec, overwrite=overwrite)
            typer.echo(f"{stream.n_read} alerts, {size:,} bytes, written to {out}")
            return
        if revision is not None:
            found = [db.alert(i, revision=revision, content=parts, schema=schema) for i in ids]
        else:
            found = list(db.alerts(ids, content=parts, schema=schema))
    if as_json or settings(context).json:
        print_json([{"archive": described(a.row), "alert": packet_json(a)} for a in found])
    else:
        show_rows(_HEADS, map(_row, found), f"{len(found)} alert(s)")


@app.command()
def export(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")],
    night: Night = None,
    visit: Visit = None,
    detector: Detector = None,
    object_: Object = None,
    ss_object: SsObject = None,
    cone: Cone = None,
    mjd_from: MjdFrom = None,
    mjd_to: MjdTo = None,
    where: Where = None,
    all_: All = False,
    content: Content = None,
    schema: Version = None,
    format_name: FormatName = None,
    codec: Codec = None,
    after: After = None,
    limit: Limit = None,
    overwrite: Overwrite = False,
) -> None:
    """Write alerts to a file; all conditions given must hold. Says the cursor to go on from."""
    made = format_name or _format_of(out)
    with apdb.connect(settings(context).resolve_dsn()) as db:
        stream = db.alerts(
            night=night, visit=visit, detector=detector, dia_object_id=object_,
            ss_object_id=ss_object, cone=cone, mjd_from=mjd_from, mjd_to=mjd_to, where=where,
            revisions="all" if all_ else "current", schema=schema, after=after, limit=limit,
            content=content or ("stamps" if made == "fits" else "full"),
        )  # fmt: skip
        with _bar(stream) as told:
            size = write_alerts(stream, out, made, codec, overwrite=overwrite, progress=told)
    if settings(context).json:
        print_json({"file": out, "n_alerts": stream.n_read, "bytes": size, "cursor": stream.cursor})
        return
    typer.echo(f"{stream.n_read:,} alerts, {size:,} bytes, written to {out}")
    typer.echo(f"cursor {stream.cursor}")


@app.command()
def tail(
    context: typer.Context,
    night: Night = None,
    visit: Visit = None,
    detector: Detector = None,
    object_: Object = None,
    ss_object: SsObject = None,
    cone: Cone = None,
    mjd_from: MjdFrom = None,
    mjd_to: MjdTo = None,
    where: Where = None,
    all_: All = False,
    content: Annotated[
        str | None, typer.Option(help="Print packets with these parts too; default none.")
    ] = None,
    schema: Version = None,
    after: After = None,
    cursor_file: Annotated[
        Path | None,
        typer.Option(help="Keep the cursor in this file, and go on from it the next time."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for more until stopped.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="How often to look [s].")] = 2.0,
) -> None:
    """Print alerts as lines of JSON, in the order of the archive, and wait for more."""
    if after is None and cursor_file is not None and cursor_file.exists():
        after = cursor_file.read_text(encoding="utf-8").strip()
    with apdb.connect(settings(context).resolve_dsn()) as db:
        while True:
            stream = db.alerts(
                night=night, visit=visit, detector=detector, dia_object_id=object_,
                ss_object_id=ss_object, cone=cone, mjd_from=mjd_from, mjd_to=mjd_to, where=where,
                revisions="all" if all_ else "current", content=content or "full", schema=schema,
                after=after,
            )  # fmt: skip
            for line in _lines(stream, content is not None):
                typer.echo(json.dumps(line, separators=(",", ":")))
            after = stream.cursor
            if cursor_file is not None:
                _keep(cursor_file, after)
            if not follow:
                return
            sys.stdout.flush()
            time.sleep(interval)


def _lines(stream: AlertStream, packets: bool) -> Iterator[dict[str, Any]]:
    if not packets:
        for row in stream.rows():
            yield described(row, stream.cursor)
        return
    for found in stream:
        yield {"archive": described(found.row, stream.cursor), "alert": packet_json(found)}


def _keep(path: Path, cursor: str) -> None:
    """Write the cursor whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(cursor + "\n", encoding="utf-8")
    partial.replace(path)


def _format_of(out: Path | None) -> str | None:
    """Return the format that a file's name tells, if it tells one."""
    return _FORMAT_OF.get(out.suffix.lower()) if out is not None else None


def _row(found: Alert) -> tuple[object, ...]:
    row = found.row
    owner = row.dia_object_id or row.ss_object_id
    where = (row.midpoint_mjd_tai, row.visit, row.detector, owner)
    return (row.dia_source_id, row.revision, row.status, *where, len(found.body))


@contextmanager
def _bar(stream: AlertStream) -> Iterator[Any]:
    """Show alerts and bytes written, where somebody looks."""
    with Progress(
        TextColumn("{task.fields[alerts]:,} alerts"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None, alerts=0)

        def told(size: int) -> None:
            progress.update(task, completed=size, alerts=stream.n_read)

        yield told
