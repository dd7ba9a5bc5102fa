"""`apdb templates`: the templates that images are subtracted from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, track

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.image_options import Bias, Dark, Flat, InstrumentName, frames
from apdb.cli.tables import show_rows, terminal
from apdb.images.choose import Template

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Templates that images are subtracted from.\n\n"
        "They are in the image store (setting image_url), with footprint, seeing and noise. For an "
        "image, those of its band that are not made of it and cover enough of it compete: the one "
        "that covers most wins, in steps of 5%; then that of the best seeing; then that of the "
        "highest version."
    ),
)


@app.command()
def add(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)],
    name: Annotated[
        str | None,
        typer.Option(
            help="What it is called; the same name again is the next version. Default: "
            "the file's name."
        ),
    ] = None,
    band: Annotated[str | None, typer.Option(help="Filter. Default: that of the header.")] = None,
    visit: Annotated[
        list[int] | None,
        typer.Option(help="Visits it was made of: it is never subtracted from those."),
    ] = None,
    refcat: Annotated[
        Path | None, typer.Option(help="Reference stars, for images that are not calibrated.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings of all stages, TOML.")] = None,
) -> None:
    """Put images into the store as templates; those without PSF are calibrated first."""
    from pipeline.io import read_exposure
    from pipeline.process.config import read_config
    from pipeline.process.refcat import reference_table
    from pipeline.process.stages import calibrated_template
    from pipeline.process.templates import add_template

    chosen = read_config(config)
    stars = None if refcat is None else reference_table(refcat)
    added = []
    with apdb.connect(settings(context).resolve_dsn()) as db:
        for file in track(files, "adding", transient=True, disable=len(files) < 2):
            exposure = calibrated_template(read_exposure(file), stars, chosen)
            label = name or file.name.split(".")[0]
            added.append(add_template(db, exposure, label, band, visits=visit or ()))
    _show(context, added, f"{len(added)} added")


@app.command()
def build(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)],
    name: Annotated[
        str, typer.Option(help="What it is called; the same name again is the next version.")
    ],
    band: Annotated[str | None, typer.Option(help="Filter. Default: that of the headers.")] = None,
    refcat: Annotated[
        Path | None, typer.Option(help="Reference stars, for images that are not calibrated.")
    ] = None,
    max_seeing: Annotated[
        float | None, typer.Option(help="Leave out files with a wider PSF [arcsec].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write it to this file, too, for apdb process --template.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings of all stages, TOML.")] = None,
    bias: Bias = None,
    dark: Dark = None,
    flat: Flat = None,
    instrument: InstrumentName = None,
) -> None:
    """Average images of one field and filter to a template, and put it into the store.

    Each is read as apdb process reads it, raw or calibrated, and brought onto pixels that hold all
    of them. What only a few of them show (moving objects, satellites, cosmic rays, flares) is left
    out: three images are the least for that. The template is never subtracted from a visit that is
    in it. All images are in memory at once: 200 MB for each of 4096 by 4096 pixels.

    Exit code 1 when no image can be used; those that cannot are named, and the others are taken.
    """
    from pipeline.io import write_exposure
    from pipeline.memory import reuse_memory
    from pipeline.process.coadd import coadd
    from pipeline.process.config import read_config
    from pipeline.process.sources import Sources
    from pipeline.process.templates import add_template

    reuse_memory()
    chosen = read_config(config).with_read(instrument=instrument)
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        sources = Sources(db, chosen, None, refcat, frames(bias, dark, flat))
        task = progress.add_task("reading", total=len(files))
        made = coadd(
            files,
            sources,
            chosen,
            max_seeing=max_seeing,
            watch=lambda _: progress.advance(task),
        )
        if out is not None:
            write_exposure(made.template.exposure, out)
        added = add_template(
            db,
            made.template.exposure,
            name,
            band or made.band,
            visits=made.visits,
            n_exposures=len(made.seeing),
        )
    for path, why in made.left_out.items():
        terminal(stderr=True, soft_wrap=True).print(f"apdb: {path} is left out: {why}")
    if settings(context).json:
        left_out = {str(path): why for path, why in made.left_out.items()}
        seeing = {str(path): width for path, width in made.seeing.items()}
        document = {"seeing": seeing, "left_out": left_out, "metrics": made.template.metrics}
        print_json(_document(added) | document)
        return
    _show(context, [added], f"built of {len(made.seeing)} of {len(files)} images")
    metrics = made.template.metrics
    typer.echo(
        f"{100 * metrics['template.coverage']:.1f}% of its pixels are covered; "
        f"{100 * metrics['template.clipped']:.3f}% of the images' were outliers"
    )


@app.command("list")
def list_(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that are chosen no more, too.")
    ] = False,
) -> None:
    """List the templates by name, band and version."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        found = db.templates(retired=everything)
    _show(context, found, f"{len(found)} template(s)")


@app.command()
def retire(
    context: typer.Context,
    template_ids: Annotated[list[int], typer.Argument(metavar="TEMPLATE…", show_default=False)],
) -> None:
    """Have templates chosen no more; their files stay for image_keep_days."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        for number in template_ids:
            db.retire_template(number)
    if settings(context).json:
        print_json({"retired": template_ids})
    else:
        typer.echo(f"{len(template_ids)} retired")


def _show(context: typer.Context, templates: list[Template], title: str) -> None:
    if settings(context).json:
        print_json([_document(each) for each in templates])
        return
    rows = [
        (
            each.template_id,
            each.name,
            each.version,
            each.band,
            f"{each.ra:.5f}",
            f"{each.dec:+.5f}",
            f"{each.radius * 60:.1f}",
            None if each.seeing is None else f"{each.seeing:.2f}",
            each.n_exposures,
            "retired" if each.retired_mjd_tai is not None else "",
        )
        for each in templates
    ]
    head = (
        *("template", "name", "version", "band", "ra", "dec", "radius [arcmin]"),
        *("seeing [arcsec]", "exposures", ""),
    )
    show_rows(head, rows, title)


def _document(template: Template) -> dict[str, Any]:
    found = dataclasses.asdict(template)
    found["file"] = template.file.path
    return found
