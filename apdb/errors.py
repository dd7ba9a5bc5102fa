"""The errors that apdb raises: one small tree, each with the SQLSTATE its routines use.

A class docstring is the default message.  `docs/errors.md` is generated from this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class ApdbError(Exception):
    """Something went wrong in apdb.

    Parameters
    ----------
    message : str, optional
        What went wrong; default is the first line of the class's docstring.
    """

    sqlstate: ClassVar[str | None] = None
    remedy: ClassVar[str] = "Read the message; `apdb status` shows the state of the database."
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one value of the input.

    Attributes
    ----------
    row : int or None
        Row in the order of the input, counted from 0; None if the whole column is wrong.
    column : str or None
        Column name as the caller wrote it; None if the whole row is wrong.
    value : str
        The value, as text.
    message : str
        What is wrong with it and what to do.
    """

    row: int | None
    column: str | None
    value: str
    message: str

    def __str__(self) -> str:
        place = [] if self.row is None else [f"row {self.row}"]
        if self.column is not None:
            place.append(f"column {self.column}")
        value = f" = {self.value}" if self.value else ""
        return f"{', '.join(place)}{value}: {self.message}" if place else self.message


class InvalidInput(ApdbError):
    """The input is not valid; nothing was stored.

    Parameters
    ----------
    message : str, optional
        What is wrong; default lists the problems.
    problems : sequence of Problem, optional
        Everything that is wrong; `total` may be larger where only the first are kept.
    """

    sqlstate = "VA001"
    remedy = "Correct what is named, and repeat; nothing was stored or changed."
    exit_code = 2
    shown: ClassVar[int] = 20

    def __init__(self, message: str | None = None, problems: Sequence[Problem] = ()) -> None:
        self.problems = list(problems)
        if message is None and self.problems:
            lines = [f"{len(self.problems)} problem(s) in the input; nothing was stored:"]
            lines += [f"  {problem}" for problem in self.problems[: self.shown]]
            if len(self.problems) > self.shown:
                lines.append(f"  … and {len(self.problems) - self.shown} more")
            message = "\n".join(lines)
        super().__init__(message)


class VisitConflict(ApdbError):
    """Another content is stored under this (visit, detector)."""

    sqlstate = "VA002"
    remedy = (
        "If the new content is the right one, call `replace`; otherwise check the visit number."
    )
    exit_code = 3


class SchemaMismatch(ApdbError):
    """The code and the database schema differ."""

    sqlstate = "VA003"
    remedy = "Run `apdb db upgrade` with the newer code, or install the version the message names."
    exit_code = 4


class Busy(ApdbError):
    """Another session holds this part of the sky; try again."""

    sqlstate = "VA004"
    remedy = "Retry: nothing was stored. `apdb status` shows who waits for whom."
    exit_code = 5


class NotFound(ApdbError):
    """No such visit, object or source."""

    sqlstate = "VA005"
    remedy = "Check the identifier; withdrawn rows are hidden from default reads."
    exit_code = 6


class IdConflict(InvalidInput):
    """A dia_source_id is already stored under another visit."""

    sqlstate = "VA006"
    remedy = "Identifiers are unique over all visits: give the sources of this visit new ones."


class TooManyObjects(ApdbError):
    """The visit would start more new objects than the database allows."""

    sqlstate = "VA007"
    remedy = "Look at the difference image: a bad template or kernel makes thousands of artefacts."
    exit_code = 7


class CorrectionError(ApdbError):
    """The correction cannot be made; nothing was changed."""

    sqlstate = "VA008"
    remedy = "Read the message; a correction either applies as a whole or not at all."
    exit_code = 8


class ServerNotRunning(ApdbError):
    """The PostgreSQL server does not answer."""

    remedy = "Start the private server with `apdb server start`, or check the DSN."
    exit_code = 9


class ServerError(ApdbError):
    """The private PostgreSQL server could not be set up."""

    remedy = "The message names what is missing and the command that installs it."
    exit_code = 10


class ConnectionLost(ApdbError):
    """The connection to the database broke; whether the visit was stored is unknown."""

    remedy = "Store the visit again: if it was committed, its stored report comes back."
    exit_code = 11


class OutOfSpace(ApdbError):
    """The database server has no disk space left; nothing was stored."""

    sqlstate = "53100"
    remedy = (
        "Free disk space on the server (`apdb status` shows sizes), then store the visit again."
    )
    exit_code = 12


class ArchiveUnavailable(ApdbError):
    """The archive of alerts cannot be used; nothing was stored."""

    remedy = "`apdb db settings` shows archive_url; see that the place is there, and has room."
    exit_code = 13


class ArchiveCorrupt(ApdbError):
    """A file of the archive is not what was written; no alert was made of it."""

    remedy = (
        "`apdb alerts verify` says what else is damaged; restore the file from a copy, or "
        "`apdb alerts rebuild` the alerts."
    )
    exit_code = 14


class AlertRemoved(ApdbError):
    """The alert's bytes were removed from the archive, as its retention says."""

    remedy = "`apdb alerts rebuild` makes the packet again from the database; stamps are gone."
    exit_code = 15


class ImagesUnavailable(ApdbError):
    """The store of images cannot be used."""

    remedy = (
        "`apdb db settings` shows image_url; see that the place is there, has room, and is whole."
    )
    exit_code = 16


def error_classes() -> list[type[ApdbError]]:
    """Return every error class, in the order in which they are documented.

    Returns
    -------
    list of type
        ApdbError first, then its subclasses.
    """
    found: list[type[ApdbError]] = []
    todo: list[type[ApdbError]] = [ApdbError]
    while todo:
        cls = todo.pop(0)
        found.append(cls)
        todo += cls.__subclasses__()
    return found
