"""Lines of a file of orbits that are left out, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Bad lines that are kept with their reasons; the others are only counted.
LIMIT = 1000


@dataclass(frozen=True)
class BadLine:
    """A line that was not loaded, or not whole.

    Attributes
    ----------
    line : int
        Number of the line, or of the row of a table, counted from 1.
    reason : str
        What is wrong with it.
    """

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass
class BadLines:
    """The bad lines of a file.

    Attributes
    ----------
    total : int
        How many there are.
    found : list of BadLine
        The first thousand.
    seen : dict of int to int
        Line of each identifier that came so far.
    """

    total: int = 0
    found: list[BadLine] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)

    def add(self, line: int, reason: str) -> None:
        """Note a bad line.

        Parameters
        ----------
        line : int
            Its number.
        reason : str
            What is wrong with it.
        """
        self.total += 1
        if len(self.found) < LIMIT:
            self.found.append(BadLine(line, reason))
