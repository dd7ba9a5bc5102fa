"""What `apdb process-night` shows while it works; imported when it is needed."""

from __future__ import annotations

import sys

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from apdb.cli.tables import terminal
from pipeline.night.run import NightWatcher
from pipeline.night.worker import Done, Image


class Board(NightWatcher):
    """A bar of images and a line for each process; failures stay on the screen."""

    def __init__(self) -> None:
        self._console = terminal(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images, {task.fields[sources]:,} sources"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("processing", total=0, sources=0)
        self._total = self._sources = 0
        self._lines: dict[int, str] = {}
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Board:
        if self._shown:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._live.stop()

    def found(self, n: int) -> None:
        """Count images in."""
        self._total += n
        self._bar.update(self._task, total=self._total)
        self._draw()

    def stage(self, worker: int, image: Image, stage: str) -> None:
        """Show what a process is at."""
        self._lines[worker] = f"  {worker}  {stage:<10} {image.path.name}"
        self._draw()

    def done(self, done: Done) -> None:
        """Move on by an image; say it if it failed."""
        self._sources += done.n_dia_sources
        self._bar.update(self._task, advance=1, sources=self._sources)
        if done.state == "failed":
            text = f"{done.path.name}: {done.stage}: {done.reason}"
            self._console.print(text, style="red", markup=False)
        self._draw()

    def waiting(self, why: str) -> None:
        """Say what is waited for."""
        self._console.print(f"waiting: {why}", style="yellow", markup=False)

    def _draw(self) -> None:
        lines = [Text(self._lines[worker]) for worker in sorted(self._lines)]
        self._live.update(Group(self._bar, *lines))
