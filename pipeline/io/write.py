"""Exposures are written to FITS files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import fsspec

from pipeline.exposure import Exposure
from pipeline.io import own
from pipeline.io.quiet import QUIET


def write_exposure(
    exposure: Exposure,
    path: str | Path | IO[bytes],
    *,
    compress: bool = True,
    quantize: float | None = None,
) -> None:
    """Write an exposure; `read_exposure` returns it as it was, to the last bit.

    A local file appears under its name when it is complete.

    Parameters
    ----------
    exposure : Exposure
        What to write, with PSF, world coordinates, calibration, visit and header.
    path : str, Path or file object
        Where to: path, fsspec URL or open file; what is there is replaced.
    compress : bool
        Whether mask and variance are compressed in tiles, without loss.
    quantize : float, optional
        Quantise image and variance with so many steps per sigma of the noise, with dither: 16
        keeps fluxes to 1/50 of their noise and takes a third of the bytes.

    Raises
    ------
    ValueError
        If the world coordinates have distortion tables.
    """
    hdus = own.to_hdus(exposure, compress, quantize)
    # cards of old headers that are repaired on the way
    with QUIET:
        if isinstance(path, str) and "://" in path:
            with fsspec.open(path, "wb") as remote:
                hdus.writeto(remote, output_verify="silentfix+ignore")
            return
        if not isinstance(path, str | Path):
            hdus.writeto(path, output_verify="silentfix+ignore")
            return
        target = Path(path)
        draft = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            hdus.writeto(draft, output_verify="silentfix+ignore", overwrite=True)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
