"""Reports to the Minor Planet Center, written and never sent, and its answers."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from apdb.errors import InvalidInput
from apdb.routine import call
from apdb.session import Session
from apdb.solar_system.ades import ReportHeader, observations, psv, xml
from apdb.solar_system.designations import pack, ss_object_id

_STATES = {
    "published": "published", "accepted": "published", "designated": "published", "p": "published",
    "rejected": "rejected", "deleted": "rejected", "error": "rejected",
    "near-duplicate": "rejected", "duplicate": "rejected",
    "unlinked": "unlinked", "itf": "unlinked", "i": "unlinked",
}  # fmt: skip


@dataclass(frozen=True)
class AnswerReport:
    """What became of answers.

    Attributes
    ----------
    n_answers, n_changed : int
        Answers read, and observations whose state or text changed.
    designated : dict of str to str
        Designations that objects found here were given, by the name they had.
    ambiguous : dict of str to list of str
        Objects whose observations were identified with several objects, or that merged with
        another: left as they are, for a person to look at.
    """

    n_answers: int
    n_changed: int
    designated: dict[str, str]
    ambiguous: dict[str, list[str]]


class MpcReports(Session):
    """Reports to the Minor Planet Center, and what becomes of them."""

    def export_ades(
        self,
        path: str | Path,
        header: ReportHeader,
        *,
        batch: str | None = None,
        first: float = 0.0,
        last: float = 1e6,
        found_only: bool = False,
    ) -> int:
        """Write sources of solar-system objects that were not reported yet, as PSV and XML.

        Parameters
        ----------
        path : str or Path
            Name of the files; they get the endings .psv and .xml.
        header : ReportHeader
            Who reports, with what.
        batch : str, optional
            Name of the report; default is the name of the files.
        first, last : float
            Only sources of midpoints from and before these [MJD TAI].
        found_only : bool, default False
            Only of objects that were found here.

        Returns
        -------
        int
            Number of observations; no file is written where there is none.

        Raises
        ------
        InvalidInput
            A report of this name was exported before, a file is there already, or the name of the
            submitter is empty.
        """
        stem = Path(path)
        if stem.suffix.lower() in {".psv", ".xml"}:
            stem = stem.with_suffix("")
        files = [stem.with_name(stem.name + end) for end in (".psv", ".xml")]
        if not header.submitter.strip():
            raise InvalidInput("the submitter has no name: a report says who sends it")
        for file in files:
            if file.exists():
                raise InvalidInput(f"{file} is there already: give another name")
        with self.connection() as connection:
            station = connection.execute("select apdb.setting('site_code')").fetchone()
            assert station is not None
            with connection.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(
                    "select * from apdb.export_observations(%s, %s, %s, %s)",
                    (batch or stem.name, first, last, found_only),
                ).fetchall()
            if rows:
                records = observations(rows, str(station[0]), header)
                groups = header.groups(str(station[0]))
                with contextlib.ExitStack() as undo:
                    for file, text in zip(
                        files, (psv(groups, records), xml(groups, records)), strict=True
                    ):
                        _write(file, text)
                        undo.callback(file.unlink, missing_ok=True)
                    # The files are whole; if the commit fails, they go.
                    connection.commit()
                    undo.pop_all()
        return len(rows)

    def mark_submitted(self, batch: str) -> int:
        """Note that a report was sent.

        Parameters
        ----------
        batch : str
            Its name.

        Returns
        -------
        int
            Observations whose state changed.

        Raises
        ------
        NotFound
            There is no such report.
        """
        with self.connection() as connection:
            return int(call(connection, "mark_submitted", (batch,))["mark_submitted"])

    def import_answers(self, source: str | Path | Iterable[Mapping[str, Any]]) -> AnswerReport:
        """Take in what the Minor Planet Center says of observations, by obsSubID.

        Parameters
        ----------
        source : str, Path or iterable of mapping
            JSON (a list, or one object a line), CSV or PSV with obsSubID and status, and obsID,
            designation (or provID, permID) and message where there are; or such rows.

        Returns
        -------
        AnswerReport
            Objects found here get their designations where all published observations agree.

        Raises
        ------
        InvalidInput
            A row has no obsSubID or an unknown status: says which; nothing was changed.
        NotFound
            An observation was never exported; nothing was changed.
        """
        rows = _read(Path(source)) if isinstance(source, str | Path) else list(source)
        answers = [_answer(number, row) for number, row in enumerate(rows, 1)]
        columns = [list(c) for c in zip(*answers, strict=True)] if answers else [[]] * 5
        with self.connection() as connection:
            done = call(connection, "answer_observations", columns)["answer_observations"]
            named = connection.execute(_NAMED).fetchall()
        designated: dict[str, str] = {}
        ambiguous: dict[str, list[str]] = {}
        for identifier, name, designations in named:
            if len(designations) > 1:
                ambiguous[name] = sorted(designations)
                continue
            packed = pack(designations[0])
            with self.connection() as connection:
                values = (identifier, ss_object_id(packed), designations[0], packed)
                call(connection, "designate_object", values)
            designated[name] = designations[0]
        return AnswerReport(len(answers), int(done), designated, ambiguous)

    def submissions(self) -> list[dict[str, Any]]:
        """Return the reports, with how many observations are in which state.

        Returns
        -------
        list of dict
            batch, state, n_observations, n_objects, exported_mjd_tai; the newest first.
        """
        query = """
            select batch, state, count(*) as n_observations,
                count(distinct trk_sub) as n_objects, min(exported_mjd_tai) as exported_mjd_tai
            from apdb.mpc_submission group by batch, state order by exported_mjd_tai desc, 1, 2"""
        with self.reading() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query).fetchall()


_NAMED = """
select d.ss_object_id, b.designation, array_agg(distinct s.mpc_designation)
from apdb.mpc_submission as s
inner join apdb.dia_source as d on s.dia_source_id = d.dia_source_id
inner join apdb.orbit as b on d.ss_object_id = b.ss_object_id
where s.state = 'published' and s.mpc_designation is not null and b.source = 'linking'
    and s.mpc_designation <> b.designation
group by 1, 2 order by 1
"""


def _write(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    with part.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.rename(file)


def _read(file: Path) -> list[Mapping[str, Any]]:
    text = file.read_text(encoding="utf-8")
    try:
        if text.lstrip().startswith("["):
            return list(json.loads(text))
        if text.lstrip().startswith("{"):
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise InvalidInput(f"{file.name} is no JSON: {error}") from error
    lines = [line for line in text.splitlines() if line.strip() and line[0] not in "#!"]
    rows = list(csv.reader(lines, delimiter="|" if lines and "|" in lines[0] else ","))
    heads = [head.strip() for head in rows[0]] if rows else []
    return [dict(zip(heads, (cell.strip() for cell in row), strict=False)) for row in rows[1:]]


def _answer(
    number: int, row: Mapping[str, Any]
) -> tuple[int, str, str | None, str | None, str | None]:
    """Return one answer as answer_observations takes it."""
    given = str(row.get("obsSubID") or "").strip()
    if not re.fullmatch(r"\d{1,19}", given) or int(given) >= 2**63:
        raise InvalidInput(
            f"answer {number}: obsSubID {given!r} is not one of ours; nothing changed"
        )
    designation = next(
        (str(row[key]) for key in ("designation", "permID", "provID") if row.get(key)), None
    )
    status = str(row.get("status") or ("published" if row.get("obsID") else "")).strip().lower()
    if status not in _STATES:
        raise InvalidInput(
            f"answer {number}: status {status!r} of {given} is unknown; nothing changed: "
            f"known are {', '.join(sorted(_STATES))}"
        )
    if designation is not None:
        pack(designation)
    texts = (row.get("obsID"), designation, row.get("message"))
    obs_id, name, message = (None if not text else str(text) for text in texts)
    return int(given), _STATES[status], obs_id, name, message
