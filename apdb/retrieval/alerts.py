"""The archive of alerts for Python: part of `apdb.Apdb`."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

from apdb.archive.direct import DirectFile
from apdb.errors import InvalidInput
from apdb.query.call import whole
from apdb.retrieval.content import Alert, render, wanted
from apdb.retrieval.formats import check_format, chunks
from apdb.retrieval.query import alert_query
from apdb.retrieval.select import alert_row
from apdb.retrieval.stream import AlertStream, Archive, archive_of
from apdb.session import Session


class Alerts(Session):
    """Alerts out of the archive; part of `apdb.Apdb`."""

    _archive: Archive | None = None

    def alert(
        self,
        dia_source_id: int,
        *,
        revision: int | None = None,
        content: str = "full",
        schema: str | None = None,
    ) -> Alert:
        """Return one alert out of the archive.

        Parameters
        ----------
        dia_source_id : int
            The alert.
        revision : int, optional
            Which revision; the current one by default.
        content : {"full", "no_stamps", "no_histories", "bare", "stamps"}, optional
            Which parts.
        schema : str, optional
            Version of the public schema, such as "10.0"; that of the archived packet by default.

        Returns
        -------
        Alert
            ``packet`` has its fields, ``body`` its bytes, ``row.status`` says if it is superseded
            or withdrawn.

        Raises
        ------
        NotFound
            There is no such alert, or no such revision.
        ArchiveCorrupt
            Its file is damaged.
        """
        archive = self.archive()
        what = wanted(content, schema, archive.namespace)
        number = cast(int, whole("dia_source_id", dia_source_id))
        with self.reading() as connection:
            row = alert_row(connection, number, whole("revision", revision, 0, 2**31 - 1))
        return next(render(archive.place, [row], what))

    def alerts(
        self,
        ids: Iterable[int] | int | None = None,
        *,
        night: dt.date | str | None = None,
        visit: int | None = None,
        detector: int | None = None,
        dia_object_id: int | None = None,
        ss_object_id: int | None = None,
        cone: Iterable[float] | None = None,
        mjd_from: float | None = None,
        mjd_to: float | None = None,
        where: str | None = None,
        revisions: str = "current",
        content: str = "full",
        schema: str | None = None,
        after: str | int | None = None,
        limit: int | None = None,
    ) -> AlertStream:
        """Return alerts out of the archive, in its order; all conditions given must hold.

        Parameters
        ----------
        ids : int or iterable of int, optional
            Alert ids.
        night : datetime.date or str, optional
            Observing night, as a date or "2026-03-09".
        visit, detector : int, optional
            Visit, and detector of it.
        dia_object_id, ss_object_id : int, optional
            Object of the alert.
        cone : (float, float, float), optional
            Centre ra, dec and radius [deg].
        mjd_from, mjd_to : float, optional
            Span of midpoints, MJD TAI [d]; the end is not in it.
        where : str, optional
            Condition such as ``"psfFlux / psfFluxErr > 10 and band = 'g'"``; docs/brokers.md has
            the grammar.
        revisions : {"current", "all"}, optional
            All: also what is superseded or withdrawn.
        content : {"full", "no_stamps", "no_histories", "bare", "stamps"}, optional
            Which parts.
        schema : str, optional
            Version of the public schema; that of each archived packet by default.
        after : str or int, optional
            Cursor to go on from, or the id of the last alert that is known.
        limit : int, optional
            Most alerts.

        Returns
        -------
        AlertStream
            An iterator of `Alert`; its ``cursor`` says where to go on.

        Raises
        ------
        InvalidInput
            A condition is not valid, or the cursor is none or of another query.
        NotFound
            An alert asked for by id is not in the archive.
        """
        query = alert_query(
            ids=ids,
            night=night,
            visit=visit,
            detector=detector,
            dia_object_id=dia_object_id,
            ss_object_id=ss_object_id,
            cone=cone,
            mjd_from=mjd_from,
            mjd_to=mjd_to,
            where=where,
            revisions=revisions,
        )
        archive = self.archive()
        what = wanted(content, schema, archive.namespace)
        return AlertStream(self.reading, archive, query, what, after, whole("limit", limit, 1))

    def archive(self) -> Archive:
        """Return the archive of this database.

        Returns
        -------
        Archive

        Raises
        ------
        ArchiveUnavailable
            The setting ``archive_url`` is empty, or of a kind that is not known here.
        """
        if self._archive is None:
            with self.reading() as connection:
                self._archive = archive_of(connection)
        return self._archive


def export(
    stream: AlertStream,
    path: Path,
    format_name: str | None = None,
    codec: str | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write alerts to a file, which appears whole or not at all.

    Parameters
    ----------
    stream : AlertStream
        The alerts.
    path : pathlib.Path
        Where.
    format_name : str, optional
        One of `apdb.retrieval.formats.FORMATS`; default ``avro``.
    codec : str, optional
        For the format ``avro``.
    overwrite : bool, optional
        Whether the file may exist.
    progress : callable, optional
        Called with the bytes written so far.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    InvalidInput
        The file exists, or format and codec do not go together.
    """
    name, _, codec = check_format(format_name, stream.content, codec)
    if path.exists() and not overwrite:
        raise InvalidInput(f"{path} exists: give another name, or --overwrite")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    file = DirectFile(partial)
    try:
        size = _write(file, chunks(stream.pieces(name, codec)), progress)
        file.finish(sync=False)
        partial.replace(path)
    finally:
        file.close()
        partial.unlink(missing_ok=True)
    return size


def _write(
    file: DirectFile, pieces: Iterable[bytes], progress: Callable[[int], None] | None
) -> int:
    """Write pieces, one while the next is made; return their bytes."""
    size = 0
    with ThreadPoolExecutor(1, "apdb-export") as pool:
        written = pool.submit(int)
        for piece in pieces:
            size += written.result()
            written = pool.submit(file.write, piece)
            if progress is not None:
                progress(size)
        size += written.result()
    if progress is not None:
        progress(size)
    return size
