"""Tables that come a part at a time, written as they come where the format allows it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from apdb.cli.tables import write_table

if TYPE_CHECKING:
    from astropy.table import Table


class TableWriter:
    """Writes parts of a table to a file, or keeps them.

    Parquet and CSV are written part by part; ECSV and FITS, whose heads tell the number of rows or
    widths of text, at the end.  The file appears under its name when all of it is written.

    Parameters
    ----------
    path : pathlib.Path or None
        The file; None to keep the parts in memory.
    keep_rows : int or None
        Without a file, how many rows to keep; None for all.
    """

    def __init__(self, path: Path | None, keep_rows: int | None = None) -> None:
        self.n_rows = 0
        self._path = path
        self._part = None if path is None else path.with_name(f".{path.stem}.part{path.suffix}")
        self._keep_rows = keep_rows
        self._kept: list[Table] = []
        self._parquet: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._parquet is not None:
            self._parquet.close()
        if self._path is None or self._part is None:
            return
        if kind is not None:
            self._part.unlink(missing_ok=True)
            return
        if not self._part.exists():
            write_table(self.table, self._part)
        self._part.replace(self._path)

    @property
    def table(self) -> Table:
        """What is kept."""
        from astropy.table import vstack

        return (
            vstack(self._kept, metadata_conflicts="silent")
            if len(self._kept) > 1
            else self._kept[0]
        )

    def add(self, part: Table) -> None:
        """Add rows.

        Parameters
        ----------
        part : astropy.table.Table
            The rows; the same columns each time.
        """
        self.n_rows += len(part)
        suffix = None if self._path is None else self._path.suffix.lower()
        if suffix == ".parquet":
            self._add_parquet(part)
        elif suffix == ".csv":
            self._add_csv(part)
        elif (
            self._path is not None
            or self._keep_rows is None
            or not self._kept
            or sum(map(len, self._kept)) < self._keep_rows
        ):
            self._kept.append(part)

    def _add_parquet(self, part: Table) -> None:
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet

        assert self._part is not None
        arrays, fields = [], []
        for name in part.colnames:
            column = part[name]
            mask = np.ma.getmaskarray(column) if np.ma.isMA(column) else None
            values = np.ma.getdata(column)
            array = pa.array(values.tolist() if values.dtype.kind in "SU" else values, mask=mask)
            metadata = {"unit": str(column.unit)} if column.unit else None
            arrays.append(array)
            fields.append(pa.field(name, array.type, metadata=metadata))
        rows = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        if self._parquet is None:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._parquet = pyarrow.parquet.ParquetWriter(self._part, rows.schema)
        self._parquet.write_table(rows.cast(self._parquet.schema))

    def _add_csv(self, part: Table) -> None:
        assert self._part is not None
        first = not self._part.exists()
        self._part.parent.mkdir(parents=True, exist_ok=True)
        with self._part.open("a", encoding="utf-8", newline="") as stream:
            part.write(stream, format="ascii.csv" if first else "ascii.no_header", **_csv(first))


def _csv(first: bool) -> dict[str, Any]:
    return {} if first else {"delimiter": ","}
