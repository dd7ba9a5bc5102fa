"""Where the result of an N-way matching goes: tables in memory, or files written as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from astropy.table import Table, vstack


class Sink:
    """Takes parts of a table and makes one of them.

    Parameters
    ----------
    path : Path or None
        Parquet file to write the parts to as they come; None keeps them.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._parts: list[Table] = []
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, part: Table) -> None:
        """Take a part.

        Parameters
        ----------
        part : astropy.table.Table
            Rows, with the same columns every time.
        """
        if self._path is None:
            self._parts.append(part)
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        fields = [_field(part[name], pa) for name in part.colnames]
        arrays = [pa.array(np.asarray(part[name])) for name in part.colnames]
        made = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, made.schema)
        self._writer.write_table(made)

    def table(self, names: Sequence[str] = ()) -> Table | None:
        """Return everything taken; None if it went to a file.

        Parameters
        ----------
        names : sequence of str
            Columns of a table of which no part came.

        Returns
        -------
        astropy.table.Table or None
        """
        if self._path is not None:
            return None
        if not self._parts:
            return Table(names=list(names))
        return vstack(self._parts, join_type="exact") if len(self._parts) > 1 else self._parts[0]


def _field(column: Any, pa: Any) -> Any:
    metadata = {"description": column.info.description or ""}
    if column.unit is not None:
        metadata["unit"] = str(column.unit)
    kind = pa.string() if column.dtype.kind == "U" else pa.from_numpy_dtype(column.dtype)
    return pa.field(column.name, kind, metadata=metadata)
