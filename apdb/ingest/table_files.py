"""Tables of any size in files, read a part at a time: Parquet, FITS, ECSV, CSV, Avro."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apdb.errors import InvalidInput
from apdb.ingest.files import FORMATS as FEWER
from apdb.ingest.files import file_format, read_catalogue
from apdb.input.containers import RawColumn, read_columns
from apdb.input.problems import Problems

if TYPE_CHECKING:
    from astropy import units as u

FORMATS = "Parquet, FITS, ECSV, CSV or Avro"

_CSV_BLOCK = 16 * 2**20
"""Bytes of a CSV file read at a time; the types of its columns are those of the first block."""

Part = tuple[int, list[RawColumn]]


@dataclass(frozen=True)
class TableFile:
    """A table in a file, of which nothing but the names of the columns is read yet.

    Attributes
    ----------
    path : pathlib.Path
        Where it is.
    names : tuple of str
        Names of its columns.
    n_rows : int or None
        Number of rows; None where only reading all of it would tell.
    units : dict of str to Unit
        Units that the file gives apart from its rows.
    """

    path: Path
    names: tuple[str, ...]
    n_rows: int | None
    units: dict[str, u.UnitBase] = field(default_factory=dict)
    _read: Callable[[Sequence[str], int], Iterator[Any]] = field(repr=False, kw_only=True)

    def parts(self, columns: Sequence[str], rows: int) -> Iterator[Part]:
        """Read some columns, a part of the rows at a time.

        Parameters
        ----------
        columns : sequence of str
            Names of columns of the file.
        rows : int
            Most rows of a part.

        Yields
        ------
        (int, list of RawColumn)
            Number of the part's first row, counted from 0, and its columns.

        Raises
        ------
        InvalidInput
            A part cannot be read, or a column holds what is no number, boolean or text.
        """
        start = 0
        for data in _named(self.path, self._read(columns, rows)):
            problems = Problems()
            n, found = read_columns(data, problems)
            problems.raise_if_any()
            yield (
                start,
                [
                    RawColumn(c.name, c.values, c.missing, c.unit or self.units.get(c.name))
                    for c in found
                ],
            )
            start += n


def open_table(path: Path) -> TableFile:
    """Look into a file that holds a table.

    Parameters
    ----------
    path : Path
        Parquet; FITS, the first table in it; ECSV; CSV with a line of names, told by its name; or
        Avro with one flat record a row.

    Returns
    -------
    TableFile

    Raises
    ------
    InvalidInput
        It is no such file, or is damaged.
    """
    if path.suffix.lower() == ".csv" and path.is_file() and not _says_ecsv(path):
        kind = "csv"
    else:
        try:
            kind = file_format(path)
        except InvalidInput as error:
            raise InvalidInput(str(error).replace(f"give {FEWER}", f"give {FORMATS}")) from error
    opened = _OPENERS.get(kind, _open_whole)
    try:
        return opened(path)
    except InvalidInput:
        raise
    # Libraries raise what they like on damaged files, of which the user must hear all the same.
    except Exception as error:
        raise _damaged(path, error) from error


def _says_ecsv(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(6) == b"# %ECS"


def _damaged(path: Path, error: Exception) -> InvalidInput:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InvalidInput(f"{path} cannot be read ({text}): is it whole?")


def _named(path: Path, parts: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from parts
    except InvalidInput:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, error) from error


def _open_parquet(path: Path) -> TableFile:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as opened:
        schema, n_rows = opened.schema_arrow, opened.metadata.num_rows

    def read(columns: Sequence[str], rows: int) -> Iterator[Any]:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=rows, columns=list(columns))

    return TableFile(path, tuple(schema.names), n_rows, _parquet_units(schema), _read=read)


def _parquet_units(schema: Any) -> dict[str, u.UnitBase]:
    from astropy import units as u

    told = {
        each.name: each.metadata[b"unit"].decode()
        for each in schema
        if each.metadata and b"unit" in each.metadata
    }
    written = (schema.metadata or {}).get(b"table_meta_yaml")
    if written is not None:
        from astropy.table.meta import get_header_from_yaml

        header = get_header_from_yaml(written.decode().splitlines())
        told |= {each["name"]: each["unit"] for each in header["datatype"] if each.get("unit")}
    return {name: u.Unit(unit, parse_strict="silent") for name, unit in told.items()}


def _open_fits(path: Path) -> TableFile:
    from astropy import units as u
    from astropy.io import fits

    def table(hdus: Any) -> Any:
        for hdu in hdus:
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
                return hdu
        raise InvalidInput(f"{path} has no table in it: give a FITS file with a table extension")

    def read(columns: Sequence[str], rows: int) -> Iterator[Any]:
        with path.open("rb") as stream, fits.open(stream, memmap=False) as hdus:
            data = table(hdus).data
            # Columns that are not wanted may be of kinds that cannot be read.
            names = [n for n in data.names if n in set(columns)]
            for start in range(0, len(data), rows):
                part = data[start : start + rows]
                yield {name: _fits_values(part, name) for name in names}

    with path.open("rb") as stream, fits.open(stream, memmap=False) as hdus:
        found = table(hdus)
        units = {c.name: u.Unit(c.unit, parse_strict="silent") for c in found.columns if c.unit}
        return TableFile(
            path, tuple(found.columns.names), int(found.header["NAXIS2"]), units, _read=read
        )


def _fits_values(part: Any, name: str) -> Any:
    import numpy as np

    values, header = part.field(name), part.columns[name]
    if header.null not in (None, "") and values.dtype.kind in "iu":
        return np.ma.MaskedArray(values, values == header.null)
    return values


def _open_csv(path: Path) -> TableFile:
    import pyarrow.csv

    def opened() -> Any:
        return pyarrow.csv.open_csv(path, pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK))

    def read(columns: Sequence[str], rows: int) -> Iterator[Any]:
        with opened() as reader:
            for batch in reader:
                chosen = batch.select(list(columns))
                for start in range(0, chosen.num_rows, rows):
                    yield chosen.slice(start, rows)

    with opened() as reader:
        return TableFile(path, tuple(reader.schema.names), None, _read=read)


def _open_ecsv(path: Path) -> TableFile:
    from astropy import units as u
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        table = Table.read(path, format="ascii.ecsv")

    def read(columns: Sequence[str], rows: int) -> Iterator[Any]:
        for start in range(0, len(table), rows):
            yield table[list(columns)][start : start + rows]

    return TableFile(path, tuple(table.colnames), len(table), _read=read)


def _open_whole(path: Path) -> TableFile:
    found = read_catalogue(path)

    def read(columns: Sequence[str], rows: int) -> Iterator[Any]:
        wanted = {c.name: c for c in found.columns if c.name in set(columns)}
        for start in range(0, found.n, rows):
            yield {name: _masked(c)[start : start + rows] for name, c in wanted.items()}

    units = {c.name: c.unit for c in found.columns if c.unit is not None}
    return TableFile(path, tuple(c.name for c in found.columns), found.n, units, _read=read)


def _masked(column: RawColumn) -> Any:
    import numpy as np

    if column.missing is None:
        return column.values
    return np.ma.MaskedArray(column.values, column.missing)


_OPENERS: dict[str, Callable[[Path], TableFile]] = {
    "parquet": _open_parquet,
    "fits": _open_fits,
    "csv": _open_csv,
    "ecsv": _open_ecsv,
}
