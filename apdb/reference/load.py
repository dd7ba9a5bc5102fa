"""Loading reference catalogues, a part at a time and as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import class_row

from apdb.errors import InvalidInput
from apdb.ingest.table_files import open_table
from apdb.input.containers import RawColumn, read_columns
from apdb.input.problems import Problems
from apdb.input.records import Batch, normalise
from apdb.reference.mapping import (
    PRESETS,
    Source,
    choose,
    derive,
    parse_columns,
    parse_epoch,
    renamed,
)
from apdb.schema.catalogue import table
from apdb.session import Session
from apdb.stage import copy_in

Kind = Literal["star", "galaxy"]
Watch = Callable[[int, int | None], None]

ROWS = 100_000
"""Rows read, checked and sent at a time."""

_EXTENDEDNESS = {"star": 0.0, "galaxy": 1.0}
_COLUMNS = (
    "name, release, description, for_neighbours, n_objects, n_stars, n_galaxies, "
    "first_epoch_mjd_tai, last_epoch_mjd_tai, max_pm, loaded_mjd_tai, store_seq"
)


@dataclass(frozen=True)
class ReferenceCatalogue:
    """A reference catalogue that is loaded.

    Attributes
    ----------
    name : str
        Its name.
    release, description : str or None
        Its release, and what it is.
    for_neighbours : bool
        Whether neighbours and hosts are taken from it.
    n_objects, n_stars, n_galaxies : int
        Number of objects, and of those that are known to be the one or the other.
    first_epoch_mjd_tai, last_epoch_mjd_tai : float or None
        Epochs of objects that move, MJD TAI [d].
    max_pm : float or None
        Largest proper motion [mas/yr].
    loaded_mjd_tai : float
        When it was loaded, MJD TAI [d].
    store_seq : int
        Place of the load in the order of knowledge.
    """

    name: str
    release: str | None
    description: str | None
    for_neighbours: bool
    n_objects: int
    n_stars: int
    n_galaxies: int
    first_epoch_mjd_tai: float | None
    last_epoch_mjd_tai: float | None
    max_pm: float | None
    loaded_mjd_tai: float
    store_seq: int


@dataclass(frozen=True)
class Options:
    """How the rows of a catalogue are to be read.

    Attributes
    ----------
    columns : dict of str to Source
        Where columns come from, beside those of the same name.
    preset : str or None
        One of `apdb.reference.mapping.PRESETS`.
    epoch : float or None
        Epoch of rows that have none, MJD TAI [d].
    extendedness : float or None
        Extendedness of rows that have none.
    """

    columns: Mapping[str, Source]
    preset: str | None
    epoch: float | None
    extendedness: float | None


class ReferenceCatalogues(Session):
    """The reference catalogues of a database."""

    def load_reference(
        self,
        name: str,
        source: object,
        *,
        columns: Mapping[str, str] | None = None,
        preset: str | None = None,
        release: str | None = None,
        description: str | None = None,
        epoch: str | float | None = None,
        kind: Kind | None = None,
        for_neighbours: bool = True,
        replace: bool = False,
        watch: Watch | None = None,
    ) -> ReferenceCatalogue:
        """Load a reference catalogue, as a whole or not at all.

        Parameters
        ----------
        name : str
            What to call it: small letters, digits and underscores.
        source : path, sequence of paths, or table
            Files (Parquet, FITS, ECSV, CSV, Avro), or any table that `store_visit` takes.
        columns : mapping of str to str, optional
            Column of `reference_object` → column of the source, ``"ra_error:mas"`` with its unit.
            Columns of the same name need none.  Instead of moments there may be semi_major,
            semi_minor [arcsec] and position_angle [deg], instead of covariances ra_dec_corr and
            pm_ra_dec_corr.  Rows without a reference_object_id are numbered from 1.
        preset : {"gaia"}, optional
            Columns as that catalogue calls them.
        release, description : str, optional
            Its release, and what it is.
        epoch : str or float, optional
            Epoch of rows without one: ``"J2016.0"``, or MJD TAI [d].
        kind : {"star", "galaxy"}, optional
            What rows without an extendedness are; without it they are never neighbours.
        for_neighbours : bool, optional
            Take neighbours and hosts of objects from it; otherwise it serves for crossmatches.
        replace : bool, optional
            Drop the catalogue of that name first, in the same transaction.
        watch : callable, optional
            Called with the number of rows sent, and that of all if it is known.

        Returns
        -------
        ReferenceCatalogue

        Raises
        ------
        InvalidInput
            A file, column or row is wrong, an id occurs twice, or the name is taken or no name.
        """
        options = _options(columns, preset, epoch, kind)
        with self.connection() as connection:
            connection.execute("select apdb.open_reference_stage()")
            sent = 0
            for batch, total in _batches(source, options):
                copy_in(connection, "stage_reference", "reference_object", batch, {})
                sent += batch.n
                if watch is not None:
                    watch(sent, total)
            if sent == 0:
                raise InvalidInput(f"there are no rows to make the catalogue {name} of")
            with connection.cursor(row_factory=class_row(ReferenceCatalogue)) as cursor:
                query = f"select {_COLUMNS} from apdb.load_reference(%s, %s, %s, %s, %s)"  # noqa: S608
                values = (name, release, description, for_neighbours, replace)
                loaded = cursor.execute(query, values).fetchone()
        assert loaded is not None
        return loaded

    def references(self) -> list[ReferenceCatalogue]:
        """Return the reference catalogues that are loaded, by name.

        Returns
        -------
        list of ReferenceCatalogue
        """
        with (
            self.reading() as connection,
            connection.cursor(row_factory=class_row(ReferenceCatalogue)) as cursor,
        ):
            query = f"select {_COLUMNS} from apdb.reference_catalogue order by name"  # noqa: S608
            return cursor.execute(query).fetchall()

    def drop_reference(self, name: str) -> int:
        """Remove a reference catalogue.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        int
            Number of objects that it had.

        Raises
        ------
        NotFound
            There is no such catalogue.
        """
        with self.connection() as connection:
            row = connection.execute("select apdb.drop_reference(%s)", (name,)).fetchone()
        assert row is not None
        return int(row[0])


def _options(
    columns: Mapping[str, str] | None,
    preset: str | None,
    epoch: str | float | None,
    kind: str | None,
) -> Options:
    if kind is not None and kind not in _EXTENDEDNESS:
        raise InvalidInput(f"kind {kind}: give star or galaxy")
    if preset is not None and preset not in PRESETS:
        raise InvalidInput(f"preset {preset}: there are {', '.join(PRESETS)}")
    usual = PRESETS[preset][1] if preset is not None else None
    what = kind or usual
    return Options(
        parse_columns(f"{name}={source}" for name, source in (columns or {}).items()),
        preset,
        None if epoch is None else parse_epoch(epoch),
        None if what is None else _EXTENDEDNESS[what],
    )


def _batches(source: Any, options: Options) -> Iterator[tuple[Batch, int | None]]:
    """Yield what is to be stored, and how many rows there are in all, if that is known."""
    number = 0
    for where, columns, total in _parts(source, options):
        try:
            batch = _batch(columns, options, number)
        except InvalidInput as error:
            raise _placed(error, where) from error
        number += batch.n
        yield batch, total


def _parts(
    source: Any, options: Options
) -> Iterator[tuple[tuple[Path | None, int], list[RawColumn], int | None]]:
    """Yield where a part begins, its columns under the names of the table, and the total."""
    if isinstance(source, str | Path):
        source = [source]
    if isinstance(source, Sequence) and all(isinstance(each, str | Path) for each in source):
        files = [open_table(Path(each)) for each in source]
        counts = [each.n_rows for each in files]
        total = None if None in counts else sum(n for n in counts if n is not None)
        chosen = [_chosen(each.names, options, each.path) for each in files]
        for file, sources in zip(files, chosen, strict=True):
            wanted = list(dict.fromkeys(each.name for each in sources.values()))
            for start, columns in file.parts(wanted, ROWS):
                yield (file.path, start), renamed(columns, sources), total
        return
    problems = Problems()
    n, columns = read_columns(source, problems)
    problems.raise_if_any()
    sources = _chosen([column.name for column in columns], options, None)
    for start in range(0, n, ROWS):
        part = [
            replace(
                column,
                values=column.values[start : start + ROWS],
                missing=None if column.missing is None else column.missing[start : start + ROWS],
            )
            for column in columns
        ]
        yield (None, start), renamed(part, sources), n


def _chosen(names: Sequence[str], options: Options, path: Path | None) -> dict[str, Source]:
    try:
        return choose(names, options.columns, options.preset)
    except InvalidInput as error:
        raise InvalidInput(f"{path or 'the table'}: {error}", error.problems) from error


def _placed(error: InvalidInput, where: tuple[Path | None, int]) -> InvalidInput:
    """Return the error with rows counted from the start of the file, and its name."""
    path, start = where
    problems = [p if p.row is None else replace(p, row=p.row + start) for p in error.problems]
    if not problems:
        return InvalidInput(f"{path}: {error}" if path else str(error))
    lines = [
        f"{path or 'the table'} is wrong in at least {len(problems)} place(s); nothing was stored:"
    ]
    lines += [f"  {problem}" for problem in problems[: InvalidInput.shown]]
    if len(problems) > InvalidInput.shown:
        lines.append(f"  … and {len(problems) - InvalidInput.shown} more")
    return InvalidInput("\n".join(lines), problems)


def _batch(columns: Iterable[RawColumn], options: Options, first: int) -> Batch:
    """Return rows checked and ready to be sent; those without an id get the next numbers."""
    named = derive({column.name: column for column in columns})
    n = len(named["ra"].values)
    if "reference_object_id" not in named:
        numbers = np.arange(first + 1, first + n + 1)
        named["reference_object_id"] = RawColumn("reference_object_id", numbers)
    _fill(named, "epoch_mjd_tai", options.epoch, n)
    _fill(named, "extendedness", options.extendedness, n)
    batch = normalise(
        {name: _measured(raw) for name, raw in named.items()},
        table("reference_object"),
        required=("reference_object_id", "ra", "dec"),
        refused=("catalogue_id",),
    )
    _check(batch)
    return batch


def _fill(named: dict[str, RawColumn], name: str, value: float | None, n: int) -> None:
    """Give a column's value to rows that have none."""
    if value is None:
        return
    raw = named.get(name)
    if raw is None:
        named[name] = RawColumn(name, np.full(n, value))
    elif raw.values.dtype.kind in "iuf":
        gone = np.isnan(raw.values.astype(float))
        if raw.missing is not None:
            gone |= raw.missing
        named[name] = replace(raw, values=np.where(gone, value, raw.values), missing=None)


def _measured(raw: RawColumn) -> Any:
    from astropy.table import Column, MaskedColumn

    if raw.missing is not None:
        return MaskedColumn(raw.values, mask=raw.missing, unit=raw.unit)
    return Column(raw.values, unit=raw.unit)


def _check(batch: Batch) -> None:
    """Raise InvalidInput for values that no reference object can have."""
    problems = Problems()

    def note(name: str, bad: NDArray[np.bool_], text: str) -> None:
        nulls = batch.nulls[name]
        problems.add_rows(bad if nulls is None else bad & ~nulls, name, batch.columns[name], text)

    for name, (low, high) in {
        "extendedness": (0.0, 1.0),
        "epoch_mjd_tai": (15000.0, 150000.0),
    }.items():
        if name in batch.columns:
            values = batch.columns[name]
            note(name, ~((values >= low) & (values <= high)), f"must be from {low:g} to {high:g}")
    for name, values in batch.columns.items():
        if values.dtype.kind == "f":
            note(name, ~np.isfinite(values), "must be finite: give NaN if it is unknown")
    for cov, errors in (
        ("ra_dec_cov", ("ra_err", "dec_err")),
        ("pm_ra_dec_cov", ("pm_ra_err", "pm_dec_err")),
    ):
        if cov in batch.columns:
            limit = np.ones(batch.n)
            for error in errors:
                limit = limit * batch.columns.get(error, np.zeros(batch.n)).astype(float)
            # A correlation of 1 in single precision.
            bad = np.abs(batch.columns[cov].astype(float)) > limit * (1.0 + 1e-6)
            note(cov, bad, f"is more than {' times '.join(errors)}: no covariance")
    problems.raise_if_any()


__all__ = ["Kind", "Options", "ReferenceCatalogue", "ReferenceCatalogues", "Watch"]
