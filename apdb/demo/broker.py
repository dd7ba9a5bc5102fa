"""The end of a demonstration: a night's alerts leave the archive and are read as a broker would."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import fastavro

from apdb.database import Apdb
from apdb.retrieval.alerts import export

#: Alerts of the file that are decoded, about; a night of 35,000 would take 9 s.
N_DECODED = 5_000

_NIGHT: LiteralString = """
select f.night, sum(f.n_alerts), (sum(f.n_alerts) filter (where f.kind = 'stamps')) as n_stamps
from apdb.archive_file as f
group by f.night
having sum(f.n_alerts) > 0
order by n_stamps desc nulls last, sum(f.n_alerts) desc, f.night
limit 1
"""
_FILES: LiteralString = """
select count(*), coalesce(sum(size), 0), coalesce(sum(n_alerts) filter (where kind = 'packets'), 0)
from apdb.archive_file
"""


@dataclass
class ArchiveReport:
    """What the archive holds after a demonstration, and what a broker got of it.

    Attributes
    ----------
    url : str
        Where the archive is.
    n_alerts, n_files, n_bytes : int
        In the archive.
    night : datetime.date or None
        Which night was exported: that with the most stamps, else the most alerts; None: no alerts.
    file : Path or None
        What it was exported to.
    n_exported, file_bytes : int
        How much that was.
    export_seconds, read_seconds : float
        How long writing and reading it took.
    schema : str
        Name of the records in it.
    n_read : int
        Alerts that fastavro found in the file.
    n_decoded, n_with_history, n_of_ss_objects, n_with_stamps : int
        How many of them it decoded, evenly over the file, and how many of those have earlier
        sources or forced photometry, belong to a solar-system object, carry stamps.
    example : int
        An alert worth looking at; 0 if there is none.
    """

    url: str
    n_alerts: int = 0
    n_files: int = 0
    n_bytes: int = 0
    night: dt.date | None = None
    file: Path | None = None
    n_exported: int = 0
    file_bytes: int = 0
    export_seconds: float = 0.0
    read_seconds: float = 0.0
    schema: str = ""
    n_read: int = 0
    n_decoded: int = 0
    n_with_history: int = 0
    n_of_ss_objects: int = 0
    n_with_stamps: int = 0
    example: int = 0


def take_a_night(db: Apdb, out: Path) -> ArchiveReport:
    """Export a night and read it back with nothing but fastavro and the schema in the file.

    Parameters
    ----------
    db : Apdb
        With an archive.
    out : Path
        Folder for the file, which replaces that of an earlier demonstration; made if missing.

    Returns
    -------
    ArchiveReport

    Raises
    ------
    ArchiveUnavailable
        The database has no archive.
    """
    report = ArchiveReport(db.archive().place.url)
    with db.reading() as connection:
        night = connection.execute(_NIGHT).fetchone()
        files = connection.execute(_FILES).fetchone()
    assert files is not None
    report.n_files, report.n_bytes, report.n_alerts = map(int, files)
    if night is None:
        return report
    report.night = night[0]
    out.mkdir(parents=True, exist_ok=True)
    report.file = out / f"alerts-{night[0]}.avro"
    start = time.perf_counter()
    stream = db.alerts(night=night[0])
    report.file_bytes = export(stream, report.file, "avro", "zstd", overwrite=True)
    report.n_exported = stream.n_read
    report.export_seconds = time.perf_counter() - start
    _read(report, report.file)
    return report


def _read(report: ArchiveReport, path: Path) -> None:
    start = time.perf_counter()
    step = max(1, report.n_exported // N_DECODED)
    best = -1
    with path.open("rb") as file:
        reader = fastavro.block_reader(file)
        schema: Any = reader.writer_schema
        report.schema = schema["name"]
        for number, block in enumerate(reader):
            report.n_read += block.num_records
            if number % step:
                continue
            found: Any
            for found in block:
                worth = _count(report, found)
                if worth > best:
                    best, report.example = worth, found["diaSourceId"]
    report.read_seconds = time.perf_counter() - start


def _count(report: ArchiveReport, alert: Any) -> int:
    """Count an alert; return how much there is to see in it: stamps first, then history."""
    n_earlier = len(alert["prvDiaSources"] or ())
    has_stamps = alert["cutoutDifference"] is not None
    report.n_decoded += 1
    report.n_with_history += n_earlier > 0 or bool(alert["prvDiaForcedSources"])
    report.n_of_ss_objects += alert["ssSource"] is not None
    report.n_with_stamps += has_stamps
    return n_earlier + (1_000_000 if has_stamps else 0)
