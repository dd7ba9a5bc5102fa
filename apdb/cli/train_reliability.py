"""`apdb train-reliability`: a model of real and bogus."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import track

from apdb.cli.context import print_json, settings
from apdb.cli.tables import show_rows
from apdb.errors import InvalidInput

if TYPE_CHECKING:
    from pipeline.classify.lessons import Lesson
    from pipeline.classify.train import Trained

T = TypeVar("T")


#: Numbers of images with fakes, away from the seeds of simulated ones.
_FIRST_INJECTED = 1_000_000


def train_reliability(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL.npz", show_default=False)],
    simulate: Annotated[int, typer.Option(min=0, help="Learn from so many simulated images.")] = 0,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of FITS frames of one field, to inject fakes into; repeat it for more "
            "fields. The frame with the best seeing is the template of the others.",
            show_default=False,
        ),
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(
            help="Table of known variables, asteroids and transients (ra, dec in degrees), which "
            "are not learnt from.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            help="Name of the model, at most 7 characters, for the column reliability_version. "
            "Default: a digest of the model.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the first simulated image.")] = 0,
    trees: Annotated[int, typer.Option(min=1, help="Number of trees.")] = 150,
    jobs: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 1,
    plot: Annotated[
        Path | None, typer.Option(help="Calibration curve, PNG.", show_default=False)
    ] = None,
) -> None:
    """Train the model that tells real difference sources from artefacts.

    Learns from images whose real sources are known. Frames of your own (--images) get fakes: those
    are real, and the rest of the night is taken for artefacts. Simulated ones (--simulate) have bad
    matches, saturated stars, hot pixels, cosmic rays, bad columns, satellites and correlated
    noise. Reports how good the model is on images that it has not seen, and whether its
    probabilities are right; --plot draws that.

    The file holds arrays and JSON only: reading one runs nothing.
    """
    from apdb.plots import save
    from pipeline.classify.curve import draw_curve
    from pipeline.classify.lessons import joined
    from pipeline.classify.train import TrainConfig, train

    if simulate == 0 and not images:
        raise InvalidInput("nothing to learn from: give --images, or --simulate and a number")
    real = [lesson for folder in images or [] for lesson in _injected(folder, known)]
    lessons = joined([*real, *_simulated(range(seed, seed + simulate), jobs)])
    result = train(
        lessons.features,
        lessons.real,
        lessons.image,
        TrainConfig(trees=trees),
        version=version,
        about={"simulated": simulate, "seed": seed, "injected": len(real)},
    )
    result.model.save(model)
    if plot is not None:
        save(draw_curve(result.curve, f"model {result.model.version}"), plot, dpi=80)
    if settings(context).json:
        print_json(as_document(result, model))
    else:
        _print(result, model)


def _injected(folder: Path, known: Path | None) -> list[Lesson]:
    """Return the lessons of the frames of a folder."""
    from astropy.table import Table

    from pipeline.classify.night import injected_lesson
    from pipeline.errors import StageError
    from pipeline.study import real_pairs

    objects = None if known is None else Table.read(known)
    paths = sorted(each for each in folder.iterdir() if ".fits" in each.suffixes)
    pairs = real_pairs(paths, series=folder.name, band="r")
    found = []
    for number, pair in enumerate(_watched(pairs, len(paths) - 1)):
        seed = _FIRST_INJECTED + number
        try:
            lesson = injected_lesson(pair.science, pair.template, pair.sources, seed, known=objects)
        except StageError as error:
            # one frame that cannot be subtracted does not spoil the night
            typer.echo(f"left out {pair.name}: {error}", err=True)
            continue
        found.append(lesson)
    return found


def _simulated(seeds: range, jobs: int) -> list[Lesson]:
    """Return the lessons of simulated images, several processes at a time."""
    from multiprocessing import get_context

    from pipeline.classify.simulated import lesson

    if jobs == 1:
        return list(_watched(map(lesson, seeds), len(seeds)))
    with get_context("spawn").Pool(jobs) as pool:
        return list(_watched(pool.imap(lesson, seeds), len(seeds)))


def _watched(images: Iterable[T], total: int) -> Iterable[T]:
    """Show a bar of images."""
    return track(
        images,
        "images",
        total=total,
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def as_document(result: Trained, path: Path) -> dict[str, Any]:
    """Return what was trained as it is printed for machines.

    Parameters
    ----------
    result : Trained
        Model, and how good it is.
    path : Path
        Its file.

    Returns
    -------
    dict
    """
    model = result.model
    return {
        "model": str(path),
        "version": model.version,
        "cut": model.cut,
        "features": list(model.names),
        "bytes": path.stat().st_size,
        **model.about,
    }


def _print(result: Trained, path: Path) -> None:
    """Print what was trained for people."""
    model, curve = result.model, result.curve
    rows = [
        (f"{mean:.3f}", f"{fraction:.3f}", f"{low:.3f} to {high:.3f}", f"{count:,}")
        for mean, fraction, low, high, count in zip(
            curve.mean, curve.fraction, curve.low, curve.high, curve.count, strict=True
        )
    ]
    show_rows(("reliability", "real", "68%", "sources"), rows, "On images not learnt from")
    typer.echo(
        f"model    {path}, version {model.version}, {path.stat().st_size / 1e3:.0f} kB\n"
        f"learnt   from {model.about['sources']:,} sources of {model.about['images']} images, "
        f"{model.about['share']:.0%} of them real\n"
        f"quality  area under the ROC curve {model.about['auc']:.4f}, calibration error "
        f"{curve.error:.4f}\n"
        f"cut      {model.cut:.2f} is recommended"
    )
