"""Options that the commands on images have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Bias: TypeAlias = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Raw frames: master bias.")
]
Dark: TypeAlias = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Raw frames: master dark.")
]
Flat: TypeAlias = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Raw frames: flat field.")
]
InstrumentName: TypeAlias = Annotated[
    str | None, typer.Option(help="Raw frames: description of the instrument.")
]
FakesSeed: TypeAlias = Annotated[
    int | None, typer.Option(help="Inject fakes of this seed (section [fakes]); needs --run.")
]
Fast: TypeAlias = Annotated[bool, typer.Option("--fast", help="Only what alerts need.")]


def frames(bias: Path | None, dark: Path | None, flat: Path | None) -> dict[str, Path]:
    """Return the calibration frames that were given, by name."""
    given = {"bias": bias, "dark": dark, "flat": flat}
    return {name: path for name, path in given.items() if path is not None}
