"""What the image pipeline did and measured, on record; part of `apdb.Apdb`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from apdb.images.choose import Choice
from apdb.input.visit import Visit
from apdb.session import Session, client_name

REASON_LENGTH = 2000
"""Longest reason of a failure that is kept [characters]."""


@dataclass(frozen=True)
class Processed:
    """What the image pipeline did with an image, as it is on record.

    Attributes
    ----------
    visit, detector : int
        Which image.
    run : str
        Tag of the run; empty for the production.
    state : str
        ``running``, ``done`` or ``failed``.
    mode : str
        ``fast`` or ``full``.
    input : str or None
        File.
    template_id, template_version : int or None
        Template that was subtracted.
    template_rule : str or None
        How it was chosen.
    template_coverage : float or None
        Fraction of the image that it covers.
    flavour : str or None
        Way of the subtraction.
    n_dia_sources : int or None
        Sources found.
    n_attempts : int
        How often it was begun, without what was broken off or failed for no fault of the image.
    worker : str
        Host and process of the last attempt.
    stage, reason : str or None
        Of the failure.
    """

    visit: int
    detector: int
    run: str
    state: str
    mode: str
    input: str | None
    template_id: int | None
    template_version: int | None
    template_rule: str | None
    template_coverage: float | None
    flavour: str | None
    n_dia_sources: int | None
    n_attempts: int
    worker: str
    stage: str | None
    reason: str | None


_SELECT = (
    f"select {', '.join(f'p.{each.name}' for each in fields(Processed))} "  # noqa: S608 - our own names
    "from apdb.visit_processing as p"
)


@dataclass
class Outcome:
    """What became of an image, for the record.

    Attributes
    ----------
    stage, reason : str or None
        Of the failure; None if there was none.
    choice : Choice or None
        Template out of the store.
    flavour : str or None
        Way of the subtraction.
    n_dia_sources : int or None
        Sources found.
    timings : dict of str to float
        Seconds of each stage.
    counts : bool
        False for a failure that is none of the image: it counts as no attempt.
    """

    stage: str | None = None
    reason: str | None = None
    choice: Choice | None = None
    flavour: str | None = None
    n_dia_sources: int | None = None
    timings: dict[str, float] = field(default_factory=dict)
    counts: bool = True


class Processing(Session):
    """The register of what the image pipeline did."""

    def begin_processing(
        self,
        visit: int,
        detector: int,
        *,
        run: str = "",
        mode: str = "full",
        source: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> int:
        """Note that the image pipeline begins with an image.

        Parameters
        ----------
        visit, detector : int
            Which image.
        run : str, optional
            Tag of the run; empty for the production.
        mode : {"full", "fast"}, optional
            Whether the source catalogue is wanted, too.
        source : str, optional
            File.
        config : mapping, optional
            Configuration of all stages.

        Returns
        -------
        int
            Number of the attempt, from 1.
        """
        values = (visit, detector, run, mode, source, Jsonb(dict(config or {})), client_name())
        with self.connection() as connection:
            row = connection.execute(
                "select apdb.begin_processing(%s, %s::integer, %s, %s, %s, %s, %s)", values
            ).fetchone()
        assert row is not None
        return int(row[0])

    def end_processing(self, visit: int, detector: int, outcome: Outcome, *, run: str = "") -> str:
        """Note what became of an image; a failure of the production is one of the visit.

        Parameters
        ----------
        visit, detector : int
            Which image.
        outcome : Outcome
            What became of it.
        run : str, optional
            Tag of the run; empty for the production.

        Returns
        -------
        str
            ``done`` or ``failed``.

        Raises
        ------
        NotFound
            It was not begun.
        """
        choice = outcome.choice
        reason = None if outcome.reason is None else outcome.reason[:REASON_LENGTH]
        values = (
            *(visit, detector, run, outcome.stage, reason),
            *(
                (None, None, None, None)
                if choice is None
                else (
                    choice.template.template_id,
                    choice.template.version,
                    choice.rule,
                    choice.coverage,
                )
            ),
            *(outcome.flavour, outcome.n_dia_sources, Jsonb(outcome.timings), outcome.counts),
        )
        with self.connection() as connection:
            row = connection.execute(
                "select apdb.end_processing(%s, %s::integer, %s, %s, %s, %s::bigint, %s::integer, "
                "%s, %s::real, %s, %s::integer, %s, %s)",
                values,
            ).fetchone()
        assert row is not None
        return str(row[0])

    def processing_of(self, visit: int, detector: int, *, run: str = "") -> Processed | None:
        """Return what is on record of an image.

        Parameters
        ----------
        visit, detector : int
            Which image.
        run : str, optional
            Tag of the run; empty for the production.

        Returns
        -------
        Processed or None
            None if it was never begun.
        """
        query = f"{_SELECT} where p.visit = %s and p.detector = %s and p.run = %s"
        with self.reading() as connection:
            cursor = connection.cursor(row_factory=class_row(Processed))
            return cursor.execute(query.encode(), (visit, detector, run)).fetchone()

    def processed(self, *, run: str = "", state: str | None = None) -> list[Processed]:
        """Return what is on record.

        Parameters
        ----------
        run : str, optional
            Tag of the run; empty for the production.
        state : {"running", "done", "failed"}, optional
            Only those.

        Returns
        -------
        list of Processed
            By visit and detector.
        """
        query = (
            f"{_SELECT} where p.run = %s and (%s::text is null or p.state = %s) "
            "order by p.visit, p.detector"
        )
        with self.reading() as connection:
            cursor = connection.cursor(row_factory=class_row(Processed))
            return cursor.execute(query.encode(), (run, state, state)).fetchall()

    def record_metrics(
        self,
        visit: Visit | None,
        metrics: Mapping[str, float],
        *,
        units: Mapping[str, str] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> int:
        """Write measurements into the table metrics.

        Parameters
        ----------
        visit : Visit or None
            What they are of; None for a measurement of no visit.
        metrics : mapping of str to float
            By name; what is not finite is left out.
        units : mapping of str to str, optional
            Unit of each, where it has one.
        tags : mapping, optional
            Circumstances of all of them.

        Returns
        -------
        int
            Rows written.
        """
        names = list(metrics)
        values = (
            None if visit is None else visit.visit,
            None if visit is None else visit.detector,
            None if visit is None else visit.midpoint_mjd_tai,
            names,
            [float(metrics[name]) for name in names],
            [(units or {}).get(name) for name in names],
            Jsonb(dict(tags)) if tags else None,
        )
        with self.connection() as connection:
            row = connection.execute(
                "select apdb.record_metrics(%s::bigint, %s::integer, %s::double precision, "
                "%s::text[], %s::double precision[], %s::text[], %s)",
                values,
            ).fetchone()
        assert row is not None
        return int(row[0])

    def record_summary(self, summary: Mapping[str, float]) -> None:
        """Write the quality of an image into detector_visit_processing_summary.

        Parameters
        ----------
        summary : mapping of str to number
            Columns by name; visit, detector, x_size, y_size and n_psf_star at least.  What is not
            finite is left out.
        """
        given = {name: value for name, value in summary.items() if math.isfinite(value)}
        with self.connection() as connection:
            connection.execute("select apdb.record_summary(%s)", (Jsonb(given),))
