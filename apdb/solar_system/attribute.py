"""Attributing the sources of visits that were stored before their ephemerides were built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apdb.errors import InvalidInput
from apdb.session import Session, patiently

_FLAGGED = """
select v.visit, v.detector
from apdb.visit as v
where v.ephemerides_missing
order by v.midpoint_mjd_tai, v.visit, v.detector
"""


@dataclass(frozen=True)
class Attributed:
    """What became of a visit that was stored without ephemerides.

    Attributes
    ----------
    visit, detector : int
        The visit.
    n_dia_sources : int or None
        Sources attributed; None if there still are no ephemerides for its time.
    store_seq : int
        Step of knowledge; 0 if nothing was changed.
    retired : tuple of int
        DIAObjects that were left without a source.
    """

    visit: int
    detector: int
    n_dia_sources: int | None
    store_seq: int
    retired: tuple[int, ...]


class Attribution(Session):
    """Attribution of stored visits to solar-system objects."""

    def attribute(
        self,
        visit: int | None = None,
        detector: int | None = None,
        *,
        patience: float = 60.0,
        watch: Callable[[int, int | None], None] | None = None,
    ) -> list[Attributed]:
        """Attribute sources of stored visits to known solar-system objects.

        Sources that belong to one already stay there; the others that are where an object is
        predicted leave their DIAObjects.  Each visit is a correction of its own, with its audit.

        Parameters
        ----------
        visit, detector : int, optional
            One visit, whether it is flagged or not; default are all that were stored while there
            were no ephemerides for their time.
        patience : float, default 60
            For how long to try again while others hold the sky [s].
        watch : callable, optional
            Told how many visits are done, and how many there are.

        Returns
        -------
        list of Attributed
            In the order of time.

        Raises
        ------
        InvalidInput
            A visit without a detector, or the other way round.
        NotFound
            The visit is not stored.
        Busy
            Others held the sky all that time; visits before it are done.
        """
        if (visit is None) != (detector is None):
            raise InvalidInput("give visit and detector, or neither for all that are flagged")
        if visit is None or detector is None:
            with self.reading() as connection:
                wanted = connection.execute(_FLAGGED).fetchall()
        else:
            wanted = [(visit, detector)]
        done: list[Attributed] = []
        for each in wanted:
            done.append(patiently(lambda pair=each: self._attribute(*pair), patience))  # type: ignore[misc]
            if watch is not None:
                watch(len(done), len(wanted))
        return done

    def _attribute(self, visit: int, detector: int) -> Attributed:
        with self.connection() as connection:
            row = connection.execute(
                "select a.store_seq, a.n_dia_sources, a.retired "
                "from apdb.attribute_visit(%s, %s) as a",
                (visit, detector),
            ).fetchone()
        assert row is not None
        return Attributed(visit, detector, row[1], row[0] or 0, tuple(row[2] or ()))
