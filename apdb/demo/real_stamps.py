"""The stamps in a file of real alerts, by the source that triggered each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import fastavro

from apdb.archive.stamps import FIELDS, KINDS

Stamps = dict[str, list[bytes | None]]


class StampFile:
    """The stamps of alerts, in a temporary file: there may be more than fits in memory.

    Parameters
    ----------
    alerts : iterable of mapping
        Packets with diaSourceId and the three cutouts.
    file : binary file
        To write them to, and read them from.
    """

    def __init__(self, alerts: Iterable[Any], file: IO[bytes]) -> None:
        self._file = file
        self._lengths: dict[int, tuple[int, list[int | None]]] = {}
        for alert in alerts:
            stamps = [alert.get(FIELDS[kind]) for kind in KINDS]
            if any(stamps):
                lengths = [None if stamp is None else len(stamp) for stamp in stamps]
                self._lengths[alert["diaSourceId"]] = (file.tell(), lengths)
                file.writelines(stamp for stamp in stamps if stamp is not None)

    def of(self, dia_source_ids: Iterable[int]) -> Stamps | None:
        """Return the stamps of sources.

        Parameters
        ----------
        dia_source_ids : iterable of int
            The sources.

        Returns
        -------
        dict of str to list of (bytes or None), or None
            As `apdb.Apdb.store_visit` takes them; None if no source has any.
        """
        rows = [self._read(identifier) for identifier in dia_source_ids]
        if not any(map(any, rows)):
            return None
        return {kind: [row[k] for row in rows] for k, kind in enumerate(KINDS)}

    def _read(self, identifier: int) -> list[bytes | None]:
        start, lengths = self._lengths.get(identifier, (0, [None] * len(KINDS)))
        self._file.seek(start)
        return [None if length is None else self._file.read(length) for length in lengths]


@contextmanager
def open_stamps(path: Path) -> Iterator[StampFile]:
    """Find the stamps in a file of alerts.

    Parameters
    ----------
    path : Path
        Avro object container file that `apdb.rubin.read_alerts` reads.

    Yields
    ------
    StampFile
        Good until the context ends.
    """
    with path.open("rb") as stream:
        schema: Any = fastavro.reader(stream).writer_schema
    wanted = {"diaSourceId", *FIELDS.values()}
    # Only these fields are decoded; the others, above all the histories, are skipped.
    projected = {**schema, "fields": [f for f in schema["fields"] if f["name"] in wanted]}
    with path.open("rb") as stream, tempfile.TemporaryFile() as file:
        yield StampFile(fastavro.reader(stream, projected), file)
