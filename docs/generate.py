"""Write the reference pages, and the generated parts of `sql/README.md`, from the sources.

`./dev docs` calls it; `tests/test_docs.py` holds the committed files against it.  Each page is a
pure function of the package: no database, no clock.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from cli_page import cli_page

# Errors are listed that are defined when the page is made: these must be.
import pipeline.errors
import pipeline.moving.errors  # noqa: F401
from apdb import errors
from apdb.cli.main import app
from apdb.schema.catalogue import Table, catalogue
from apdb.schema.catalogue_model import Column
from apdb.schema.routine_files import Routine, routines
from apdb.schema.routines import READER_ROOMS, READER_ROUTINES
from apdb.schema.views import HIDDEN
from apdb.settings import Setting

ROOT = Path(__file__).resolve().parent.parent
NOTICE = "<!-- Written by `./dev docs`; do not edit. -->"
_CALL = re.compile(r"apdb\.(\w+)\(")
_CALLERS = frozenset({"call", "Call", "self._correct", "_read"})
CALLED_EVERYWHERE = frozenset({"setting", "settings", "setting_rules", "mjd_tai", "ms_since"})

SQL_INTRODUCTION = """\
Every routine is one file, `sql/<room>/<name>.sql`. This page is made of their headers. Routines of
the rooms `query` and `status`, and {}, may be called by readers and writers; all others by writers
only. Who calls whom is in [sql/README.md](../../sql/README.md)."""
ERRORS_INTRODUCTION = """\
Every error that apdb raises is a subclass of `apdb.ApdbError`. Routines raise them with the
SQLSTATE given here, so that a client in any language can tell them apart. The command line ends
with the exit code."""
ERRORS_NOTES = """\
`IdConflict` is also an `InvalidInput`: its `problems` name the rows. An `InvalidInput` has one
`Problem` (row, column, value, message) for everything that is wrong: one attempt shows all of it.

`VA001` from a query function means an argument out of range. `23503` (foreign_key_violation) from a
routine is a bug: please report it."""
SCHEMA_INTRODUCTION = """\
Version {} of the schema. Users read the views `apdb.<table>`; the tables behind them are in the
schema `apdb_base`, which only the owner role may touch. In SQL and Python a column has its first
name; in an alert packet it has its DPDD name, and input tables may use either. Units are written as
astropy reads them. Times are MJD TAI, fluxes nJy, positions ICRS degrees, errors one sigma. The
source of this page, of the tables and of the comments in the database is
`apdb/schema/catalogue.yaml`."""

ROOMS = {
    "visit": "storing a visit: locks, stage, register, sources",
    "association": "which DIAObject a source belongs to",
    "objects": "summaries of objects and their versions",
    "forced": "forced photometry",
    "precovery": "new objects on earlier images: the queue and its workers",
    "features": "light-curve features, proper motion and parallax: statistics and queue",
    "solar_system": "known objects of the solar system",
    "corrections": "reassign, merge, split, withdraw, replace",
    "reference": "reference catalogues, and the neighbours of objects in them",
    "alerts": "fragments, packets, what is eligible; alerts as of a step of knowledge",
    "archive": "files of the archive and the index of their alerts; maintenance",
    "retrieval": "what alerts are asked by; brokers may call it",
    "service": "tokens and audit of the alert service",
    "images": "the image store: index, templates, metrics, what was processed",
    "nway": "sources of many catalogues, grouped into objects",
    "query": "what analysts ask; readers may call it",
    "status": "what operators ask; readers may call it",
    "partitions": "partitions by time",
    "integrity": "references, checked once a statement",
    "settings": "settings, bands and time scales",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    head : sequence of str
        Headings.
    rows : iterable of sequence of str
        Cells; their bars are escaped and line ends become spaces.

    Returns
    -------
    str
        The table, without a line end after it.
    """
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    for row in rows:
        cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
        lines.append(f"| {' | '.join(cells)} |".replace("  ", " "))
    return "\n".join(lines)


def code_of(routine: Routine) -> str:
    """Return the text of a routine without its comments."""
    lines = routine.text.splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith("--"))


def signature(routine: Routine) -> str:
    """Return the declaration of a routine, up to what it returns."""
    code = code_of(routine)
    head = code[code.index("apdb.") : code.index("\nlanguage")]
    return re.sub(r",\n +\)", "\n)", head)


def sql_page() -> str:
    """Return the reference of the SQL routines, from their headers."""
    parts = [
        "# SQL routines",
        NOTICE,
        SQL_INTRODUCTION.format(", ".join(f"`{name}`" for name in sorted(READER_ROUTINES))),
        "\n".join(f"- [{room}](#{room}): {ROOMS.get(room, '')}" for room in rooms()),
    ]
    for room in rooms():
        parts += [f"## {room}", f"{ROOMS.get(room, room).capitalize()}."]
        parts += [_routine(routine) for routine in routines() if routine.room == room]
    return "\n\n".join(parts) + "\n"


def rooms() -> list[str]:
    """Return the rooms that hold routines, in the order of reading."""
    present = {routine.room for routine in routines()}
    return [r for r in ROOMS if r in present] + sorted(present - ROOMS.keys())


def _routine(routine: Routine) -> str:
    parts = [
        f"### {routine.name}",
        f"{routine.summary[0].upper()}{routine.summary[1:]}.",
        f"```sql\n{signature(routine)}\n```",
        _sentence(routine.sections["contract"]),
    ]
    if routine.arguments:
        rows = [(f"`{a.name}`", a.unit or "", a.meaning) for a in routine.arguments]
        parts.append(table(("argument", "unit", "meaning"), rows))
    facts = [
        f"- {name}: {routine.sections[name]}" for name in ("returns", "errors", "locks", "cost")
    ]
    parts.append("\n".join(facts))
    return "\n\n".join(parts)


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def errors_page() -> str:
    """Return the reference of the errors, from their classes."""
    rows = [
        (
            f"`{cls.__name__}`",
            cls.sqlstate or "",
            str(cls.exit_code),
            _message(cls),
            cls.remedy,
        )
        for cls in sorted(errors.error_classes(), key=lambda c: (c.sqlstate or "", c.exit_code))
    ]
    return (
        "\n\n".join(
            [
                "# Errors",
                NOTICE,
                ERRORS_INTRODUCTION,
                table(("class", "SQLSTATE", "exit code", "message", "what to do"), rows),
                ERRORS_NOTES,
            ]
        )
        + "\n"
    )


def _message(cls: type[errors.ApdbError]) -> str:
    return (cls.__doc__ or "").splitlines()[0]


def schema_page() -> str:
    """Return the reference of tables and columns, from the catalogue."""
    found = catalogue()
    parts = [
        "# Tables and columns",
        NOTICE,
        SCHEMA_INTRODUCTION.format(found.version),
        "\n".join(f"- [{n}](#{n}): {len(t.columns)} columns" for n, t in found.tables.items()),
    ]
    parts += [_table(each) for each in found.tables.values()]
    return "\n\n".join(parts) + "\n"


def _table(each: Table) -> str:
    facts = [f"- primary key: {_names(each.primary_key)}"]
    if each.partitioned:
        facts.append("- partitioned by `midpoint_mjd_tai`, 30 days each")
    if each.name in HIDDEN:
        facts.append(f"- the view `apdb.{each.name}` shows rows with `{HIDDEN[each.name]}`")
    for key in each.foreign_keys:
        how = ", checked once a statement" if key.by_statement else ""
        target = f"`{key.referenced_table}` ({_names(key.referenced_columns)})"
        facts.append(f"- {_names(key.columns)} refers to {target}{how}")
    facts += [f"- unique: {_names(each_key.columns)}" for each_key in each.uniques]
    facts += [f"- check `{c.expression}`: {c.description}" for c in each.checks]
    facts += [f"- index `{i.name}`: {i.description}" for i in each.indexes]
    head = ("column", "DPDD name", "type", "unit", "null", "default", "description")
    return "\n\n".join(
        [
            f"## {each.name}",
            each.description,
            "\n".join(facts),
            table(head, map(_column, each.columns)),
        ]
    )


def _column(column: Column) -> tuple[str, ...]:
    return (
        f"`{column.name}`",
        f"`{column.dpdd_name}`",
        column.sql_type,
        column.unit or "",
        "yes" if column.nullable else "no",
        "identity" if column.identity else column.sql_default or "",
        column.description,
    )


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


def calls() -> dict[str, tuple[str, ...]]:
    """Return which routines each routine calls, in the order of its text."""
    known = {routine.name for routine in routines()}
    return {
        routine.name: tuple(
            name
            for name in dict.fromkeys(_CALL.findall(code_of(routine).partition("\nas $$")[2]))
            if name in known and name not in {routine.name, *CALLED_EVERYWHERE}
        )
        for routine in routines()
    }


@cache
def entry_points() -> dict[str, tuple[str, ...]]:
    """Return the routines that Python calls, with the modules that do."""
    known = {routine.name for routine in routines()} - CALLED_EVERYWHERE
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "apdb").rglob("*.py")):
        for name in sorted(_named_in(path.read_text(encoding="utf-8")) & known):
            found.setdefault(name, []).append(f"apdb/{path.name}")
    return {name: tuple(modules) for name, modules in found.items()}


def _named_in(text: str) -> set[str]:
    """Return what a module calls: `apdb.name(` in a text, or the name as argument of a helper."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(_CALL.findall(node.value))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _CALLERS:
            given = [a.value for a in node.args if isinstance(a, ast.Constant)]
            found |= {value for value in given if isinstance(value, str)}
    return found


def call_graph() -> str:
    """Return the call graph as trees, one for each routine that Python calls."""
    graph = calls()
    room = {routine.name: routine.room for routine in routines()}
    shown: set[str] = set()
    blocks = []
    for each in rooms():
        lines: list[str] = []
        for name, modules in entry_points().items():
            if room[name] == each and (each not in READER_ROOMS or graph[name]):
                lines += [f"{name}  ← {', '.join(modules)}", *_tree(name, graph, shown, "  ")]
        if lines:
            blocks.append(f"{each}/\n" + "\n".join(f"  {line}" for line in lines))
    return "```text\n" + "\n".join(blocks) + "\n```"


def _tree(
    name: str, graph: dict[str, tuple[str, ...]], shown: set[str], indent: str
) -> Iterator[str]:
    shown.add(name)
    for callee in graph[name]:
        again = callee in shown and bool(graph[callee])
        yield f"{indent}{callee}{' (above)' if again else ''}"
        if not again:
            yield from _tree(callee, graph, shown, indent + "  ")


def error_table() -> str:
    """Return the SQLSTATEs with the routines whose headers name them."""
    rows = []
    for cls in sorted(errors.error_classes(), key=lambda c: c.sqlstate or ""):
        if cls.sqlstate and cls.sqlstate.startswith("VA") and "sqlstate" in vars(cls):
            raising = [r.name for r in routines() if cls.sqlstate in r.sections["errors"]]
            rows.append(
                (
                    cls.sqlstate,
                    f"`{cls.__name__}`",
                    _message(cls),
                    ", ".join(raising) or "Python only",
                )
            )
    return table(("SQLSTATE", "class", "meaning", "named by"), rows)


def settings_table(found: Iterable[Setting]) -> str:
    """Return the settings of a fresh database; a test holds sql/README.md against it."""
    rows = [(f"`{s.name}`", s.value, s.unit or "", s.allowed, s.meaning) for s in found]
    return table(("setting", "default", "unit", "allowed", "meaning"), rows)


def room_table() -> str:
    """Return the rooms with the number of their routines."""
    rows = []
    for room in rooms():
        n = sum(routine.room == room for routine in routines())
        rows.append((f"`{room}/`", str(n), ROOMS.get(room, "")))
    return table(("room", "routines", "what it is for"), rows)


def with_sections(text: str) -> str:
    """Return the text of sql/README.md with its generated sections made anew.

    Parameters
    ----------
    text : str
        The text with the marks `<!-- generated: NAME -->` and `<!-- end -->`.

    Returns
    -------
    str
        The same, with what the marks enclose replaced.
    """
    made = {"rooms": room_table, "call graph": call_graph, "errors": error_table}
    for name, section in made.items():
        mark = f"<!-- generated: {name} -->"
        if mark not in text:
            raise ValueError(f"sql/README.md has no {mark}")
        before, _, rest = text.partition(mark)
        _, end, after = rest.partition("<!-- end -->")
        text = f"{before}{mark}\n{section()}\n{end}{after}"
    return text


@cache
def pages() -> dict[Path, str]:
    """Return every generated file, by its place in the repository."""
    readme = Path("sql/README.md")
    return {
        Path("docs/reference/sql.md"): sql_page(),
        Path("docs/reference/errors.md"): errors_page(),
        Path("docs/reference/schema.md"): schema_page(),
        Path("docs/reference/cli.md"): cli_page(app, NOTICE, table),
        readme: with_sections((ROOT / readme).read_text(encoding="utf-8")),
    }


def main(arguments: Sequence[str]) -> int:
    """Write the pages; with `--check` only say which are out of date."""
    stale = []
    for path, text in pages().items():
        file = ROOT / path
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path))
        if "--check" not in arguments:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    word = "out of date" if "--check" in arguments else "written"
    sys.stdout.write("".join(f"{word}: {name}\n" for name in stale) or "nothing to do\n")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
