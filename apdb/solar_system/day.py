"""DayMOPS: what moves and is not known is linked, fitted, and becomes solar-system objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg.rows import dict_row

from apdb.errors import Busy, CorrectionError, InvalidInput
from apdb.routine import call
from apdb.session import Session
from apdb.solar_system.found import found_orbits, members, orbit_values, unlinked
from apdb.solar_system.known import attribute_tracklets

if TYPE_CHECKING:
    from pipeline.moving.detections import Detections
    from pipeline.moving.fit import OrbitFit

Watch = Callable[[str, int, int], None]
Orbit = tuple["OrbitFit", "Detections"]

#: How far the angular momenta of two orbits may differ, relative, for a joint fit to be tried.
_PLANE = 0.1


@dataclass(frozen=True)
class MovingObject:
    """An object that a run found, or found more of.

    Attributes
    ----------
    kind : str
        ``new``, ``extended`` or ``merged``.
    ss_object_id : int
        The object; 0 in a dry run for a new one.
    designation : str
        Its name.
    n_dia_sources, n_nights : int
        Sources that its orbit is of, and their nights.
    rms : float
        Root mean square of the normalised residuals.
    a, e, i : float
        Semi-major axis [au], negative for hyperbolas; eccentricity; inclination [deg].
    """

    kind: str
    ss_object_id: int
    designation: str
    n_dia_sources: int
    n_nights: int
    rms: float
    a: float
    e: float
    i: float


@dataclass
class MovingReport:
    """What a run did.

    Attributes
    ----------
    first_mjd_tai, last_mjd_tai : float
        Sources of midpoints from and before these were linked [MJD TAI].
    n_sources, n_tracklets : int
        Sources that were of nothing known, and tracklets of them.
    n_attributed : int
        Sources of tracklets that turned out to be of known objects.
    n_linkages : int
        Linkages that were fitted.
    objects : list of MovingObject
        What was written.
    refused : dict of str to int
        Why orbits of linkages were not believed, and how often.
    n_busy : int
        Objects that could not be written because another session held the sky or had taken a
        source: run again.
    """

    first_mjd_tai: float
    last_mjd_tai: float
    n_sources: int = 0
    n_tracklets: int = 0
    n_attributed: int = 0
    n_linkages: int = 0
    objects: list[MovingObject] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    n_busy: int = 0


class MovingObjects(Session):
    """Objects of the solar system that are found by their motion."""

    def run_moving(
        self,
        nights: float = 14.0,
        *,
        until: float | None = None,
        precovery_days: float = 90.0,
        deadline: float = 10.0,
        dry_run: bool = False,
        watch: Watch | None = None,
    ) -> MovingReport:
        """Find objects of the solar system among the sources of the last nights.

        Tracklets of known objects are attributed to them, objects that were found before get what
        is theirs, the rest is linked and fitted; orbits that are believed are followed back in
        time, merged where two are one, and written: each object in a transaction of its own, so
        that a run that is interrupted loses nothing that it had found, and may be repeated.

        Parameters
        ----------
        nights : float, default 14
            Days before the end.
        until : float, optional
            End [MJD TAI]; default is the last stored visit.
        precovery_days : float, default 90
            How far before the nights sources are looked for.
        deadline : float, default 10
            Seconds that the fit of one orbit may take.
        dry_run : bool, default False
            Find, and write nothing.
        watch : callable, optional
            Told the step, how much of it is done, and how much there is.

        Returns
        -------
        MovingReport

        Raises
        ------
        InvalidInput
            `nights` is not from 1 to 60, or no visit is stored.
        MissingKernel
            There is no planetary kernel, or it does not cover the times.
        """
        if not 1.0 <= nights <= 60.0:
            raise InvalidInput(f"{nights:g} nights cannot be linked: give 1 to 60")
        run = _Run(self, deadline, dry_run, watch or _unwatched)
        return run.all(nights, until, precovery_days)

    def identifications(
        self, designation: str | None = None, *, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return steps of the identification history, the newest first.

        Parameters
        ----------
        designation : str, optional
            Name of an object; all if not given.
        limit : int, default 100
            Most steps.

        Returns
        -------
        list of dict
            Rows of the table identification.
        """
        query = (
            "select * from apdb.identification where %s::text is null or ss_object_id in "
            "(select i.ss_object_id from apdb.identification as i where i.designation = %s) "
            "order by identification_id desc limit %s"
        )
        with self.reading() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, (designation, designation, limit)).fetchall()


def _unwatched(step: str, done: int, of: int) -> None:
    """Do nothing."""


class _Run:
    """One run: the sources that are free, the orbits that are known, and what was done."""

    def __init__(self, db: Session, deadline: float, dry_run: bool, watch: Watch) -> None:
        from pipeline.moving.fit import FitRules

        self.db = db
        self.rules = FitRules(deadline=deadline)
        self.dry_run = dry_run
        self.watch = watch
        self.known: dict[int, Orbit] = {}

    def all(self, nights: float, until: float | None, precovery_days: float) -> MovingReport:
        with self.db.reading(timeout=600.0) as connection:
            if until is None:
                row = connection.execute("select max(midpoint_mjd_tai) from apdb.visit").fetchone()
                assert row is not None
                if row[0] is None:
                    raise InvalidInput("no visit is stored: there is nothing to link")
                until = float(row[0]) + 1e-6
            first = until - nights
            self.pool = unlinked(connection, first - precovery_days, until)
            fits = found_orbits(connection)
            seen = members(connection, list(fits))
        self.known = {k: (fits[k], seen[k]) for k in fits if k in seen}
        self.report = MovingReport(first, until)
        self._extend()
        window = self._window(first)
        self.report.n_sources = len(window)
        self._attribute(first)
        self._link(first)
        if not self.dry_run:
            self._merge()
        return self.report

    def _window(self, first: float) -> Detections:
        from pipeline.moving.times import tdb_from_tai

        return self.pool.take(self.pool.mjd_tdb >= tdb_from_tai(first))

    def _extend(self) -> None:
        """Give objects that were found before what is theirs."""
        from pipeline.moving.fit import fit_orbit
        from pipeline.moving.grow import grown, matches

        for done, (identifier, (fit, found)) in enumerate(list(self.known.items())):
            self.watch("known orbits", done + 1, len(self.known))
            if not len(matches(fit, self.pool)):
                continue
            again = fit_orbit(found, (fit.state, fit.epoch), self.rules)
            if not again.good:
                continue
            better, more = grown(again, found, self.pool, fit_rules=self.rules)
            if len(more) > len(found):
                self._write(
                    (better, more), identifier, None, "more sources at the predicted places"
                )

    def _attribute(self, first: float) -> None:
        """Attribute tracklets to known objects, by place and motion."""
        from pipeline.moving.tracklets import find_tracklets

        tracklets = find_tracklets(self._window(first))
        pairs = attribute_tracklets(self.db, tracklets, self._window(first))
        for identifier, ids in pairs.items():
            self._take(np.array(ids))
            if not self.dry_run:
                reason = "tracklet at the predicted place with the predicted motion"
                try:
                    with self.db.connection() as connection:
                        call(connection, "reassign", (ids, None, identifier, reason))
                except (Busy, CorrectionError):
                    self.report.n_busy += 1
                    continue
            self.report.n_attributed += len(ids)

    def _take(self, ids: Any) -> None:
        self.pool = self.pool.take(~np.isin(self.pool.ids, ids))

    def _link(self, first: float) -> None:
        from pipeline.moving.link import link_tracklets
        from pipeline.moving.purify import purify
        from pipeline.moving.singles import add_singles
        from pipeline.moving.tracklets import find_tracklets

        window = self._window(first)
        tracklets = find_tracklets(window)
        self.report.n_tracklets = len(tracklets)
        candidates = link_tracklets(
            tracklets, progress=lambda done, of: self.watch("hypotheses", done, of)
        )
        linked = purify(
            window,
            tracklets,
            candidates,
            progress=lambda done, of: self.watch("clusters", done, of),
        )
        linked = add_singles(window, tracklets, linked)
        self.report.n_linkages = len(linked)
        for i in range(len(linked)):
            self.watch("orbits", i + 1, len(linked))
            found = window.take(linked.groups[i])
            found = found.take(np.isin(found.ids, self.pool.ids))
            self._linkage(found, linked.states[i], linked.reference)

    def _linkage(self, found: Detections, state: Any, epoch: float) -> None:
        """Fit one linkage, follow it through past visits, and write it."""
        from pipeline.moving.fit import fit_orbit
        from pipeline.moving.grow import grown
        from pipeline.moving.kernel import planets

        if len(np.unique(found.night)) < 3:
            # An orbit before this one took the others.
            return
        sun = planets().body_state("sun", np.array([epoch]))[0]
        fit = fit_orbit(found, (state + sun, epoch), self.rules)
        if not fit.good:
            fit = fit_orbit(found, rules=self.rules)
        kept = found.take(fit.used)
        if not fit.good or len(np.unique(kept.night)) < 3:
            reason = fit.reason or "fewer than three nights are left"
            self.report.refused[reason] = self.report.refused.get(reason, 0) + 1
            return
        if len(kept) < len(found):
            fit = fit_orbit(kept, (fit.state, fit.epoch), self.rules)
        fit, kept = grown(fit, kept, self.pool, fit_rules=self.rules)
        same = self._same((fit, kept))
        if same is not None:
            self._write(same[1], same[0], None, "a linkage of the same orbit, by a joint fit")
        else:
            self._write((fit, kept), None, None, f"linked over {len(np.unique(kept.night))} nights")

    def _same(self, orbit: Orbit) -> tuple[int, Orbit] | None:
        """Find an object found here before that this is."""
        from pipeline.moving.grow import merged

        for identifier in self._like(orbit[0]):
            whole = merged(self.known[identifier], orbit, fit_rules=self.rules)
            if whole is not None:
                return identifier, whole
        return None

    def _like(self, fit: OrbitFit) -> list[int]:
        """Choose objects found here whose orbits lie in nearly the same plane."""
        ids = list(self.known)
        if not ids:
            return []
        states = np.array([self.known[k][0].state for k in ids])
        spins = np.cross(states[:, :3], states[:, 3:])
        spin = np.cross(fit.state[:3], fit.state[3:])
        off = np.linalg.norm(spins - spin, axis=1) / np.linalg.norm(spin)
        return [ids[k] for k in np.argsort(off) if off[k] < _PLANE]

    def _merge(self) -> None:
        """Make one of objects found here that are one by a joint fit; the older one stays."""
        from pipeline.moving.grow import merged

        for identifier in sorted(self.known):
            if identifier not in self.known:
                continue
            for other in self._like(self.known[identifier][0]):
                if other <= identifier:
                    continue
                whole = merged(self.known[identifier], self.known[other], fit_rules=self.rules)
                if whole is None:
                    continue
                if self._write(whole, identifier, other, "one orbit, by a joint fit"):
                    del self.known[other]

    def _write(self, orbit: Orbit, identifier: int | None, other: int | None, reason: str) -> bool:
        """Write an object, unless it is a dry run, and believe it from then on; say if it went."""
        fit, found = orbit
        ids, *values = orbit_values(fit, found)
        if other is not None:
            # Those that the joint fit leaves out are of no object of their own any more, either.
            ids = np.union1d(ids, self.known[other][1].ids).tolist()
        row: dict[str, Any] = {"ss_object_id": identifier or 0, "designation": ""}
        if not self.dry_run:
            try:
                with self.db.connection() as connection:
                    row = call(
                        connection,
                        "accept_moving_object",
                        (identifier, other, ids, *values, reason),
                    )
            except (Busy, CorrectionError):
                self.report.n_busy += 1
                return False
            self.known[row["ss_object_id"]] = orbit
        self._take(found.ids)
        kind = "merged" if other else "new" if identifier is None else "extended"
        said = values[3].obj
        self.report.objects.append(
            MovingObject(
                kind,
                row["ss_object_id"],
                row["designation"],
                len(found),
                len(np.unique(found.night)),
                fit.rms,
                said.get("a", np.nan),
                said["e"],
                said["i"],
            )
        )
        return True
