"""What should have come and what broke, so that `apdb status` can say what is missing."""

from __future__ import annotations

from collections.abc import Iterable

from apdb.errors import InvalidInput, Problem
from apdb.input.problems import show
from apdb.query.call import Degrees, Mjd, degrees, invalid, mjd, whole
from apdb.session import Session

MAX_DETECTOR = 2**15 - 1


class Expectations(Session):
    """Expected and failed visits; part of `apdb.Apdb`."""

    def expect_visit(
        self,
        visit: int,
        detectors: int | Iterable[int],
        *,
        band: str | None = None,
        midpoint_mjd_tai: Mjd | None = None,
        ra: Degrees | None = None,
        dec: Degrees | None = None,
    ) -> int:
        """Record that detectors of a visit should come.

        May be repeated: what is given replaces what was there.  A visit that is stored is never
        missing, whether it was expected or not.

        Parameters
        ----------
        visit : int
            Number of the visit.
        detectors : int or iterable of int
            Its detectors.
        band : str, optional
            Filter or band.
        midpoint_mjd_tai : float or Time, optional
            Planned midpoint [d]; without it, the visit is missed from its announcement on.
        ra, dec : float or Quantity, optional
            Planned centre [deg].

        Returns
        -------
        int
            How many detectors are expected of the visit by now.

        Raises
        ------
        InvalidInput
            An argument is out of range.
        """
        several = [detectors] if isinstance(detectors, int) else list(detectors)
        numbers = [whole("detectors", number, 0, MAX_DETECTOR) for number in several]
        values = (
            whole("visit", visit),
            numbers,
            band,
            mjd("midpoint_mjd_tai", midpoint_mjd_tai),
            _within("ra", ra, 0.0, 360.0),
            _within("dec", dec, -90.0, 90.0),
        )
        if not numbers:
            raise InvalidInput(problems=[Problem(None, "detectors", "[]", "name at least one")])
        with self.connection() as connection:
            row = connection.execute(
                "select apdb.expect_visit(%s, %s::integer[], %s, %s, %s, %s)", values
            ).fetchone()
        assert row is not None
        return int(row[0])

    def fail_visit(self, visit: int, detector: int, reason: str, stage: str) -> int:
        """Record that a detector of a visit broke on its way.

        It may be stored later all the same, and is then no longer reported as failed.

        Parameters
        ----------
        visit, detector : int
            Which visit.
        reason : str
            What happened, in words.
        stage : str
            Where, for instance ``subtract``.

        Returns
        -------
        int
            How often it has failed.

        Raises
        ------
        InvalidInput
            A number is out of range, or a text is empty.
        """
        key = (whole("visit", visit), whole("detector", detector, 0, MAX_DETECTOR))
        with self.connection() as connection:
            row = connection.execute(
                "select apdb.fail_visit(%s, %s::integer, %s, %s)", (*key, reason, stage)
            ).fetchone()
        assert row is not None
        return int(row[0])


def _within(name: str, value: Degrees | None, low: float, high: float) -> float | None:
    if value is None:
        return None
    found = degrees(name, value)
    if not low <= found <= high or (name == "ra" and found == high):
        text = f"must be from {low:g} to {high:g} degrees"
        raise invalid([Problem(None, name, show(value), text)])
    return found
