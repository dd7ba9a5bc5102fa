"""The documentation: generated pages are current, what it names exists, the tutorial runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from doc_tools import agrees, outputs
from warm_cli import warm_apdb

import apdb
from apdb.cli.main import app
from apdb.errors import error_classes
from apdb.schema.routine_files import routines

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "sql" / "README.md", *DOCS.rglob("*.md")]
WRITTEN = [page for page in PAGES if "reference" not in page.parts]

sys.path.insert(0, str(DOCS))
import cli_page  # noqa: E402
import generate  # noqa: E402


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(params=PAGES, ids=page_name)
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def commands_in(text: str) -> Iterator[tuple[str, str]]:
    """Each `apdb …` in code, with its words up to the first option or argument."""
    code = re.findall(r"`([^`\n]+)`", without_blocks(text))
    for _, block in re.findall(r"^```(sh|bash|yaml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        code += block.replace("\\\n", " ").splitlines()
    for line in code:
        plain = re.sub(r" --(json|dsn (\"[^\"]*\"|\S+))", "", line.split("#")[0])
        for call in re.findall(r"(?:^|[\s(|&;/])apdb((?: [a-z][a-z-]*)*)", plain):
            yield line, call.strip()


@pytest.mark.parametrize("path", generate.pages(), ids=str)
def test_generated_pages_are_current(path: Path) -> None:
    committed = (ROOT / path).read_text(encoding="utf-8")
    assert committed == generate.pages()[path], "run `./dev docs`"


def test_settings_of_the_sql_readme_are_those_of_a_fresh_database(db: apdb.Apdb) -> None:
    text = (ROOT / "sql" / "README.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- settings -->")[2].partition("<!-- end -->")[0]
    assert shown.strip() == generate.settings_table(db.settings().values())


def test_every_error_with_an_sqlstate_of_ours_is_in_the_sql_readme() -> None:
    text = (ROOT / "sql" / "README.md").read_text(encoding="utf-8")
    for cls in error_classes():
        if (vars(cls).get("sqlstate") or "").startswith("VA"):
            assert re.search(rf"\| {cls.sqlstate} \| `{cls.__name__}` \|", text), cls


def test_every_routine_is_reached_by_the_call_graph() -> None:
    """A routine that nobody calls is dead, but for those that people and triggers call."""
    reached = set(generate.entry_points()) | generate.CALLED_EVERYWHERE
    reached |= {name for callees in generate.calls().values() for name in callees}
    by_others = {r.name for r in routines() if r.room in {"query", "status", "integrity"}}
    by_others.add("assemble_alerts")  # for people; the store calls what is inside
    assert {r.name for r in routines()} - by_others <= reached


def test_commands_named_exist(page: Path) -> None:
    known = {command.path.removeprefix("apdb").strip() for command in cli_page.commands(app)}
    groups = {c.path.removeprefix("apdb").strip() for c in cli_page.commands(app) if c.members}
    for line, words in commands_in(page.read_text(encoding="utf-8")):
        parts = words.split()
        starts = (" ".join(parts[:n]) for n in range(len(parts), -1, -1))
        longest = next(start for start in starts if start in known)
        assert longest not in groups or longest == words, f"{page.name}: {line}"


def test_links_lead_somewhere(page: Path) -> None:
    text = without_blocks(page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+://", target):
            continue
        file, _, anchor = target.partition("#")
        where = (page.parent / file).resolve() if file else page
        assert where.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", where.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page.name}: {target}"


@pytest.mark.parametrize("page", WRITTEN, ids=page_name)
def test_methods_named_exist(page: Path) -> None:
    for name in re.findall(r"\bdb\.(\w+)\(", page.read_text(encoding="utf-8")):
        assert hasattr(apdb.Apdb, name), f"{page.name}: db.{name}"


@pytest.mark.parametrize("page", WRITTEN, ids=page_name)
def test_routines_named_exist(page: Path) -> None:
    known = {routine.name for routine in routines()}
    python = {"connect", "Visit", "Apdb"}
    for name in re.findall(r"\bapdb\.(\w+)\(", page.read_text(encoding="utf-8")):
        assert name in known | python, f"{page.name}: apdb.{name}"


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    # pytest's own folders are too long for a socket.
    with TemporaryDirectory(prefix="apdb-p-") as folder, warm_apdb(Path(folder)) as warm:
        yield warm


@pytest.mark.parametrize(("name", "n_blocks"), [("README.md", 4), ("docs/tutorial.md", 15)])
def test_page_runs_and_prints_what_it_shows(
    name: str,
    n_blocks: int,
    dsn: str,
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APDB_DSN", dsn)
    monkeypatch.chdir(tmp_path)
    ran = 0
    for block, printed in outputs(ROOT / name, tmp_path, {"APDB_DSN": dsn}, programs):
        ran += 1
        place = f"{name}:{block.line}"
        if block.shown is None:
            assert not printed.strip(), f"{place} shows no output, but printed\n{printed}"
        else:
            assert agrees(block.shown, printed), f"{place} printed\n{printed}"
    assert ran >= n_blocks


def test_agreement_of_outputs() -> None:
    assert agrees("a … c\nd", "a b  c\n\nd\n")
    assert not agrees("a … c", "a b")
    assert not agrees("a", "a\nb")
    assert not agrees("a.c", "abc")
