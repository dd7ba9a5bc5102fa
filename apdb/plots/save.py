"""Write figures to files."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from apdb.errors import InvalidInput


def save(figure: Figure, path: str | Path, *, dpi: float = 150.0) -> Path:
    """Write a figure to a file; folders that are missing are made.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : str or Path
        Where; the suffix says the format: .png, .pdf, .svg ….
    dpi : float
        Resolution of raster formats [dots per inch].

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    InvalidInput
        If the suffix is no format that can be written.
    """
    path = Path(path)
    formats = FigureCanvasAgg(figure).get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in formats:
        raise InvalidInput(f"cannot write {path}: give a name that ends in .png, .pdf or .svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
    return path
