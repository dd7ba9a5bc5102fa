"""The files of the SQL routines, and what their headers say."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CREATE = re.compile(r"^create or replace (function|procedure) apdb\.(\w+)\(", re.MULTILINE)
_SECTION = re.compile(r"^(contract|args|returns|errors|locks|cost): ?(.*)$")
_ARGUMENT = re.compile(r"^  (\w+)(?: \[([^\]]+)\])?: (.*)$")


@dataclass(frozen=True)
class Argument:
    """One documented argument of a routine: its name, unit (or None) and meaning."""

    name: str
    unit: str | None
    meaning: str


@dataclass(frozen=True)
class Routine:
    """One file of ``sql/``: the routine it creates and what its header says.

    Attributes
    ----------
    name : str
        Name of the routine and stem of the file.
    kind : str
        ``function`` or ``procedure``.
    room : str
        Folder of the file.
    path : pathlib.Path
        The file.
    text : str
        Its whole text, with ``@q3c@`` for the schema that holds Q3C.
    summary : str
        First line of the header.
    sections : dict of str to str
        contract, returns, errors, locks and cost, as text.
    arguments : tuple of Argument
        Documented arguments, in order.
    """

    name: str
    kind: str
    room: str
    path: Path
    text: str
    summary: str
    sections: dict[str, str]
    arguments: tuple[Argument, ...]

    @property
    def sha256(self) -> str:
        """Checksum of the file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def comment(self) -> str:
        """Text for COMMENT ON."""
        contract = self.sections.get("contract", "").rstrip(".")
        return f"{self.summary}; {contract}" if contract else self.summary


def sql_folder() -> Path:
    """Return the folder of the routines: inside the installed package, or of the checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "_sql"
    return packaged if packaged.is_dir() else package.parent / "sql"


def parse(path: Path) -> Routine:
    """Read one routine file.

    Parameters
    ----------
    path : pathlib.Path
        A file of ``sql/<room>/``.

    Returns
    -------
    Routine
        The routine, its header taken apart.

    Raises
    ------
    ValueError
        The file has no header, creates no routine, or one of another name.
    """
    text = path.read_text(encoding="utf-8")
    header: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        header.append(line[3:] if line.startswith("-- ") else "")
    created = _CREATE.search(text)
    if not header or created is None or created.group(2) != path.stem:
        raise ValueError(f"{path}: expected a header and `create or replace … apdb.{path.stem}(`")
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in header[1:]:
        section = _SECTION.match(line)
        if section:
            current = sections.setdefault(section.group(1), [])
        text_of_line = section.group(2) if section else line
        if text_of_line.strip():
            current.append(text_of_line)
    return Routine(
        name=path.stem,
        kind=created.group(1),
        room=path.parent.name,
        path=path,
        text=text,
        summary=header[0],
        sections={k: " ".join(s.strip() for s in v) for k, v in sections.items() if k != "args"},
        arguments=_arguments(sections.get("args", [])),
    )


def _arguments(lines: list[str]) -> tuple[Argument, ...]:
    found: list[Argument] = []
    for line in lines:
        argument = _ARGUMENT.match(line)
        if argument:
            found.append(Argument(argument.group(1), argument.group(2), argument.group(3)))
        elif found:
            last = found.pop()
            found.append(Argument(last.name, last.unit, f"{last.meaning} {line.strip()}"))
    return tuple(found)


@cache
def routines() -> tuple[Routine, ...]:
    """Return every routine of the package, by room and name."""
    return tuple(parse(path) for path in sorted(sql_folder().glob("*/*.sql")))
