"""What is asked of the archive: one set of conditions for Python, command line and HTTP."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from apdb.errors import Problem
from apdb.input.problems import show
from apdb.query.call import invalid, whole
from apdb.retrieval.predicate_sql import Compiled, compile_condition

Revisions = Literal["current", "all"]

MAX_IDS = 10_000
"""Most alert ids in one query."""

MAX_RADIUS = 90.0
"""Largest radius of a cone [deg]."""

_MAX_DETECTOR = 2**15 - 1
_MJD_RANGE = (15_000.0, 150_000.0)


@dataclass(frozen=True)
class AlertQuery:
    """Conditions on alerts; all that are given must hold.  Made by `alert_query`.

    Attributes
    ----------
    ids : tuple of int
        Alert ids (dia_source_id), ascending; empty for any.
    night : datetime.date or None
        Observing night.
    visit, detector : int or None
        Visit, and detector of it.
    dia_object_id, ss_object_id : int or None
        Object of the alert as the packet has it.
    cone : tuple of float or None
        Centre ra, dec and radius [deg] around the triggering source.
    mjd_from, mjd_to : float or None
        Span of midpoints, MJD TAI [d]; the end is not in it.
    where : str or None
        Condition in the grammar of `apdb.retrieval.predicate`.
    revisions : {"current", "all"}
        Only what is neither superseded nor withdrawn, nor removed by the archive's retention, or
        everything.  Alerts asked for by id are given when withdrawn too.
    """

    ids: tuple[int, ...] = ()
    night: dt.date | None = None
    visit: int | None = None
    detector: int | None = None
    dia_object_id: int | None = None
    ss_object_id: int | None = None
    cone: tuple[float, float, float] | None = None
    mjd_from: float | None = None
    mjd_to: float | None = None
    where: str | None = None
    revisions: Revisions = "current"

    @property
    def digest(self) -> bytes:
        """Eight bytes that are the same for the same conditions, and only for them."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).digest()[:8]

    @property
    def is_narrow(self) -> bool:
        """Whether an index leads to few alerts: those of a visit or an object, or some by id."""
        keys = (self.visit, self.dia_object_id, self.ss_object_id)
        return bool(self.ids) or any(key is not None for key in keys)

    @property
    def condition(self) -> Compiled | None:
        """The condition `where` as SQL; None if there is none."""
        return None if self.where is None else compile_condition(self.where)


def alert_query(
    *,
    ids: Iterable[int] | int | None = None,
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
) -> AlertQuery:
    """Check conditions on alerts.

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
    cone : iterable of float, optional
        Centre ra, dec and radius [deg].
    mjd_from, mjd_to : float, optional
        Span of midpoints, MJD TAI [d].
    where : str, optional
        Condition.
    revisions : {"current", "all"}, optional
        See `AlertQuery`.

    Returns
    -------
    AlertQuery

    Raises
    ------
    InvalidInput
        A value is of the wrong kind or out of range, or the condition does not follow the grammar.
    """
    if detector is not None and visit is None:
        raise invalid([Problem(None, "detector", show(detector), "goes with a visit")])
    if revisions not in {"current", "all"}:
        raise invalid([Problem(None, "revisions", show(revisions), "must be current or all")])
    text = where.strip() if where is not None else ""
    found = AlertQuery(
        ids=_ids(ids),
        night=as_night(night),
        visit=whole("visit", visit),
        detector=whole("detector", detector, 0, _MAX_DETECTOR),
        dia_object_id=whole("dia_object_id", dia_object_id, 1),
        ss_object_id=whole("ss_object_id", ss_object_id, 1),
        cone=_cone(cone),
        mjd_from=_mjd("mjd_from", mjd_from),
        mjd_to=_mjd("mjd_to", mjd_to),
        where=text or None,
        revisions=cast(Revisions, revisions),
    )
    if found.where is not None:
        compile_condition(found.where)
    return found


def as_night(night: dt.date | str | None) -> dt.date | None:
    """Return a night as a date.

    Parameters
    ----------
    night : datetime.date, str or None
        The night, as a date or "2026-03-09".

    Returns
    -------
    datetime.date or None
        None as given.

    Raises
    ------
    InvalidInput
        It is no date.
    """
    if night is None or (isinstance(night, dt.date) and not isinstance(night, dt.datetime)):
        return night
    try:
        # Of its forms, ISO 8601's longest only: 20260309 might be a number gone astray.
        if len(str(night)) != 10:
            raise ValueError
        return dt.date.fromisoformat(cast(str, night))
    except (TypeError, ValueError):
        text = "must be a date, such as 2026-03-09"
        raise invalid([Problem(None, "night", show(night), text)]) from None


def _ids(ids: Iterable[int] | int | None) -> tuple[int, ...]:
    if ids is None:
        return ()
    given = [ids] if isinstance(ids, int) else list(ids)
    if not given:
        raise invalid([Problem(None, "ids", "", "name at least one, or none at all")])
    if len(given) > MAX_IDS:
        text = f"at most {MAX_IDS} at a time"
        raise invalid([Problem(None, "ids", f"{len(given)} of them", text)])
    return tuple(sorted({cast(int, whole("id", one)) for one in given}))


def _cone(cone: Iterable[float] | None) -> tuple[float, float, float] | None:
    if cone is None:
        return None
    try:
        ra, dec, radius = (float(value) for value in cone)
    except (TypeError, ValueError):
        text = "must be three numbers: ra, dec and radius in degrees"
        raise invalid([Problem(None, "cone", show(cone), text)]) from None
    problems = []
    # "not … <=" is true for NaN too.
    if not 0.0 <= ra < 360.0:
        problems.append(Problem(None, "ra", str(ra), "must be from 0 to below 360 degrees"))
    if not -90.0 <= dec <= 90.0:
        problems.append(Problem(None, "dec", str(dec), "must be from -90 to 90 degrees"))
    if not 0.0 < radius <= MAX_RADIUS:
        text = f"must be above 0 and at most {MAX_RADIUS:g} degrees"
        problems.append(Problem(None, "radius", str(radius), text))
    if problems:
        raise invalid(problems)
    return ra, dec, radius


def _mjd(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    low, high = _MJD_RANGE
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not low <= found <= high:
        text = f"must be an MJD (TAI) from {low:.0f} to {high:.0f}"
        raise invalid([Problem(None, name, show(value), text)])
    return found
