"""`apdb study`: comparisons of ways to process images."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from apdb.cli.context import print_json, settings
from apdb.errors import InvalidInput

if TYPE_CHECKING:
    from pipeline.study import Pair, StudyConfig

app = typer.Typer(help="Compare ways to process images.", no_args_is_help=True)


@app.callback()
def _study() -> None:
    """Compare ways to process images."""


@app.command("flavors")
def flavors(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="REPORT_DIR", show_default=False)],
    simulate: Annotated[
        int, typer.Option(min=0, help="Simulated visits of one field, bands in turn.")
    ] = 4,
    images: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of FITS frames of one field; repeat it for more fields."),
    ] = None,
    every_pair: Annotated[
        bool, typer.Option("--every-pair", help="Each frame in turn is the template of all others.")
    ] = False,
    flavor: Annotated[
        list[str] | None,
        typer.Option(help="A flavor to compare; repeat it. Default: all.", show_default=False),
    ] = None,
    reliability_model: Annotated[
        Path | None,
        typer.Option(help="Model of `apdb train-reliability`. Default: the one of the package."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of images and fakes.")] = 1,
) -> None:
    """Compare the flavors of image subtraction with injected fakes, as DMTN-256 does.

    Every flavor searches the same images with the same fakes: convolve_template,
    convolve_science, auto, preconvolve, zogy. The report, flavours.md in REPORT_DIR with four
    pictures, has counts and flags, efficiency against S/N and magnitude, contamination,
    photometry, repeatability of objects, clustering along rows and around bright stars, maps,
    histograms and stamps.

    Of the frames of a folder (--images) the one with the best seeing is the template, or, with
    --every-pair, each in turn.
    """
    from pipeline.classify import load_model
    from pipeline.memory import reuse_memory
    from pipeline.study import run_study, write_report

    reuse_memory()
    if simulate == 0 and not images:
        raise InvalidInput("no images: give --simulate or --images")
    config = _config(flavor, simulate, seed)
    model = None if reliability_model is None else load_model(reliability_model)
    with tempfile.TemporaryDirectory() as scratch, _progress() as bar:
        task = bar.add_task("calibrating", total=None)
        study = run_study(
            _pairs(config, simulate, images or [], Path(scratch), every=every_pair),
            config,
            model=model,
            watch=lambda text: bar.update(task, description=text),
        )
    given = [f"--simulate {simulate}", *(f"--images {path.name}" for path in images or [])]
    given += ["--every-pair"] * every_pair + [f"--flavor {name}" for name in flavor or []]
    report = write_report(study, folder, f"apdb study flavors {' '.join(given)} --seed {seed}")
    failed = sum("failure" in each for each in study.images)
    if settings(context).json:
        print_json({"report": str(report), "searches": len(study.images), "failed": failed})
    else:
        typer.echo(f"{len(study.images)} searches, {failed} of them failed; report in {report}")


def _config(flavor: list[str] | None, simulate: int, seed: int) -> StudyConfig:
    """Return the settings of the study."""
    from pipeline.scene.config import NightConfig
    from pipeline.study import StudyConfig

    chosen = {} if flavor is None else {"flavours": tuple(flavor)}
    try:
        return StudyConfig(
            night=NightConfig(n_visits=max(simulate, 1), seed=seed),
            seed=seed,
            **chosen,  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise InvalidInput(str(error)) from error


def _pairs(
    config: StudyConfig, simulate: int, images: list[Path], scratch: Path, *, every: bool
) -> Iterator[Pair]:
    """Yield all images of the study."""
    from pipeline.study import real_pairs, simulated_pairs

    if simulate:
        yield from simulated_pairs(config.night, scratch)
    for path in images:
        files = sorted(each for each in path.iterdir() if ".fits" in each.suffixes)
        yield from real_pairs(files, series=path.name, band="r", every=every)


def _progress() -> Progress:
    """Return a line that says what is being done; nothing where nobody would see it."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
