"""Progress bars on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from apdb.ingest.run import Outcome, Watcher


class ProgressBar(Watcher):
    """A bar of visits, with the sources stored so far; nothing where nobody would see it."""

    def __init__(self) -> None:
        self._sources = 0
        self._total = 0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("visits, {task.fields[sources]:,} sources"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task("storing", total=None, sources=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def opened(self, path: Path, n_visits: int) -> None:
        """Count the visits of a file in."""
        self._total += n_visits
        self._bar.update(self._task, total=self._total, description=path.name)

    def done(self, outcome: Outcome) -> None:
        """Move on by a visit."""
        self._sources += outcome.n_sources
        self._bar.update(self._task, advance=1, sources=self._sources)


class RowsBar:
    """A bar of rows, with or without a known end; nothing where nobody would see it.

    Parameters
    ----------
    what : str
        What is being done.
    unit : str
        What is counted.
    """

    def __init__(self, what: str, unit: str = "rows") -> None:
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:,.0f} " + unit),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task(what, total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def at(self, done: int, total: int | None) -> None:
        """Say how far it is."""
        self._bar.update(self._task, completed=done, total=total)


class Steps:
    """One bar after another, for work in steps; nothing where nobody would see it."""

    def __init__(self) -> None:
        self._step = ""
        self._bar: RowsBar | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
            self._bar = None

    def at(self, step: str, done: int, total: int) -> None:
        """Say how far the step is; a new step begins a new bar."""
        if self._bar is None or step != self._step:
            self.__exit__(None, None, None)
            self._step, self._bar = step, RowsBar(step, step)
            self._bar.__enter__()
        self._bar.at(done, total)
