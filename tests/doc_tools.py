"""Runs the code of a Markdown page, block by block, and compares what it prints."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = {"python", "bash"}
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Block:
    """One block of code, its first line in the page, and the output shown below it, if any."""

    language: str
    code: str
    line: int
    shown: str | None


def blocks(text: str) -> list[Block]:
    """Blocks of python and bash; a block of text right below one is its output."""
    fences = list(_FENCE.finditer(text))
    found = []
    for number, fence in enumerate(fences):
        if fence[1] not in RUN:
            continue
        following = fences[number + 1] if number + 1 < len(fences) else None
        between = text[fence.end() : following.start()] if following else "none"
        below = following is not None and following[1] == "text" and not between.strip()
        line = text.count("\n", 0, fence.start()) + 2
        found.append(Block(fence[1], fence[2], line, following[2] if following and below else None))
    return found


def outputs(
    page: Path, folder: Path, environment: dict[str, str], programs: Path = BIN
) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a page in order, in one namespace; yield what each prints.

    What is in the folder of programs hides what the shell would take.
    """
    namespace: dict[str, Any] = {"__name__": "tutorial"}
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "python":
            yield block, _run_python(block, page, namespace)
        else:
            path = os.pathsep.join([str(programs), str(BIN), os.environ["PATH"]])
            yield block, _run_bash(block, page, folder, {"PATH": path, **environment})


def _run_python(block: Block, page: Path, namespace: dict[str, Any]) -> str:
    printed = io.StringIO()
    # Line numbers of tracebacks are those of the page.
    source = "\n" * (block.line - 1) + block.code
    with redirect_stdout(printed):
        exec(compile(source, str(page), "exec"), namespace)
    return printed.getvalue()


def _run_bash(block: Block, page: Path, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        cwd=folder,
        env=os.environ | {"COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{page.name}:{block.line}: exit {done.returncode}\n{done.stderr}"
    return done.stdout


def agrees(shown: str, printed: str) -> bool:
    """Whether output is as shown; `…` stands for anything, and the width of gaps for nothing."""
    pattern = ".*?".join(re.escape(part) for part in _squeezed(shown).split("…"))
    return re.fullmatch(pattern, _squeezed(printed), re.DOTALL) is not None


def _squeezed(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line and not set(line) <= {"─", " "})
