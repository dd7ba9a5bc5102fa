"""The page about the command line, from the commands' own signatures and docstrings.

Read from what typer registers and from annotations, not from its internals, which change between
its versions.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.models import ArgumentInfo, OptionInfo

_INTRODUCTION = """\
`apdb --help` shows the same. Options before the command (`--dsn`, `--json`) hold for all of them.
Exit codes of errors are in [errors.md](errors.md)."""
_KINDS = {int: "INTEGER", float: "FLOAT", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True)
class Parameter:
    """One argument or option of a command: how it is written, and what it means."""

    text: str
    meaning: str
    is_option: bool


@dataclass(frozen=True)
class Command:
    """One command: its words, help, parameters and, for a group, its members."""

    path: str
    help: str
    parameters: tuple[Parameter, ...]
    members: tuple[str, ...] = ()


def commands(app: typer.Typer, path: str = "apdb") -> Iterator[Command]:
    """Yield every command of an app, groups before their members.

    Parameters
    ----------
    app : typer.Typer
        The app.
    path : str
        Words that call it.

    Yields
    ------
    Command
        One for the app itself, then its members.
    """
    root = app.registered_callback.callback if app.registered_callback else None
    groups = [(str(g.name), g.typer_instance) for g in app.registered_groups]
    single = [
        (c.name or str(getattr(c.callback, "__name__", "")).replace("_", "-"), c)
        for c in app.registered_commands
    ]
    text = root.__doc__ if root else app.info.help
    members = tuple(name for name, _ in [*single, *groups])
    yield Command(path, _paragraphs(text), tuple(_parameters(root)), members)
    for name, info in single:
        text = info.help or getattr(info.callback, "__doc__", "")
        yield Command(f"{path} {name}", _paragraphs(text), tuple(_parameters(info.callback)))
    for name, instance in groups:
        if instance is not None:
            yield from commands(instance, f"{path} {name}")


def cli_page(app: typer.Typer, notice: str, table: Callable[..., str]) -> str:
    """Return the reference of the command line.

    Parameters
    ----------
    app : typer.Typer
        The app.
    notice : str
        Line that says that the page is generated.
    table : callable
        Makes a Markdown table of headings and rows.

    Returns
    -------
    str
        The page.
    """
    parts = [
        "# Command line",
        notice,
        _INTRODUCTION,
    ]
    for command in commands(app):
        shown = ["[OPTIONS]"] if any(p.is_option for p in command.parameters) else []
        shown += [p.text for p in command.parameters if not p.is_option]
        shown += ["COMMAND"] if command.members else []
        parts += [f"## {command.path}", f"```text\n{' '.join([command.path, *shown])}\n```"]
        parts += [command.help] if command.help else []
        rows = [(f"`{p.text}`", p.meaning) for p in command.parameters if p.meaning]
        parts += [table(("argument or option", "meaning"), rows)] if rows else []
        if command.members:
            names = ", ".join(f"`{command.path} {name}`" for name in command.members)
            parts.append(f"Commands: {names}.")
    return "\n\n".join(parts) + "\n"


def _paragraphs(text: str | None) -> str:
    blocks = re.split(r"\n\s*\n", (text or "").strip())
    return "\n\n".join(" ".join(block.split()) for block in blocks)


def _parameters(callback: Callable[..., Any] | None) -> Iterator[Parameter]:
    if callback is None:
        return
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        info = next(iter(getattr(hints[name], "__metadata__", ())), None)
        if isinstance(info, OptionInfo | ArgumentInfo):
            yield _parameter(name, typing.get_args(hints[name])[0], info, parameter.default)


def _parameter(name: str, hint: Any, info: OptionInfo | ArgumentInfo, default: object) -> Parameter:
    required = default is inspect.Parameter.empty
    extra = ["required"] if required and isinstance(info, OptionInfo) else []
    given = getattr(default, "value", default)
    if not required and given is not None and not isinstance(given, bool):
        extra.append(f"default {given}")
    if isinstance(info.envvar, str):
        extra.append(f"environment {info.envvar}")
    meaning = (info.help or "") + (f" [{'; '.join(extra)}]" if extra else "")
    if isinstance(info, ArgumentInfo):
        shown = info.metavar or name.upper()
        return Parameter(shown if required else f"[{shown}]", meaning, False)
    # In Annotated the first name of an option takes the place of its default.
    declared = [d for d in map(str, (info.default, *(info.param_decls or ()))) if d[:1] == "-"]
    names = ", ".join(declared) or f"--{name.replace('_', '-')}"
    return Parameter(" ".join([names, *_kind(hint, info)]), meaning, True)


def _kind(hint: Any, info: OptionInfo) -> list[str]:
    """Return how the value of an option is written; nothing for a flag."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    if typing.get_origin(hint) is list:
        hint = typing.get_args(hint)[0]
    if hint is bool:
        return []
    if info.metavar:
        return [info.metavar]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return ["|".join(str(each.value) for each in hint)]
    return [_KINDS.get(hint, getattr(hint, "__name__", "VALUE").upper())]
