"""What --help shows: all that the options say, units among it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from apdb.cli.main import app
from apdb.cli.tables import show_rows


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = {" ".join(("apdb", *path)): (path, command) for path, command in commands(get_command(app))}


@pytest.mark.parametrize("name", ALL)
def test_help_shows_every_word(name: str) -> None:
    path, command = ALL[name]
    found = CliRunner(env={"COLUMNS": "250"}).invoke(app, [*path, "--help"])
    assert found.exit_code == 0
    shown = " ".join(found.output.replace("│", " ").split())
    texts = [command.help, *(getattr(each, "help", None) for each in command.params)]
    for text in texts:
        # In backticks are commands, which are shown without them.
        for word in (text or "").replace("`", "").split():
            assert word in shown, f"{word!r} of {text!r} is not shown"


def test_tables_show_units_and_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(["ra\n[deg]", "flux [nJy]"], [("night[1].fits", ":star:")], "within [arcsec]")
    shown = capsys.readouterr().out
    for word in ("[deg]", "[nJy]", "night[1].fits", ":star:", "[arcsec]"):
        assert word in shown
