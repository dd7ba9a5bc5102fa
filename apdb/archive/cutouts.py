"""The stamps of a visit, as given by the caller, made into the ends of packets."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from apdb.alerts.encoding import encode_long
from apdb.alerts.packets import encode_stamp
from apdb.archive.fits_layout import Layout, template
from apdb.archive.stamps import FIELDS, KINDS, Stamps
from apdb.errors import InvalidInput, Problem

Given: TypeAlias = Stamps | Sequence[bytes | None]
"""Stamps of one kind: as arrays, or as finished FITS files, None for a source without."""

_NULL = b"\x00"
_HERE = 2
_SIGNATURE = b"SIMPLE  ="
_PIECE_BYTES = 12 * 2**20


class Cutouts:
    """The stamps of all sources of a visit.

    Parameters
    ----------
    given : mapping of str to (Stamps or sequence of (bytes or None))
        By kind: difference, science, template; those that are missing are null in the packets.
    n : int
        Number of sources; stamps are in their order.

    Raises
    ------
    InvalidInput
        Naming everything that is wrong.
    """

    def __init__(self, given: Mapping[str, Given], n: int) -> None:
        if not isinstance(given, Mapping):
            raise InvalidInput("cutouts must be a mapping of difference, science and template")
        problems = [
            Problem(None, str(kind), "", f"no such stamp: there are {', '.join(KINDS)}")
            for kind in given
            if kind not in KINDS
        ]
        for kind in KINDS:
            if kind in given:
                problems += _problems(kind, given[kind], n)
        if problems:
            raise InvalidInput(problems=problems)
        self._given = dict(given)
        self._n = n
        # Arrays may be read by several threads at once; what else a caller gives, who knows.
        arrays = all(isinstance(each, Stamps) and each.uniform for each in given.values())
        self._lock: Any = nullcontext() if arrays else threading.Lock()

    def __len__(self) -> int:
        return self._n

    def encode(self, rows: NDArray[np.intp], names: Sequence[bytes] | None = None) -> list[Any]:
        """Return the last three fields of packets, Avro.

        Ask for some at a time: each takes about 100 kB until it is written.  Threads may do so at
        once.

        Parameters
        ----------
        rows : ndarray of int, shape (n,)
            Which sources, counted from 0 in the order of the input.
        names : sequence of bytes, length n, optional
            What to put before each, such as its id.

        Returns
        -------
        list of (bytes-like or None)
            None for a source without any stamp.
        """
        rows = np.asarray(rows, np.intp)
        before = [b""] * len(rows) if names is None else names
        ends: list[Any] = [None] * len(rows)
        with self._lock:
            if all(isinstance(stamps, Stamps) for stamps in self._given.values()):
                for layouts, places in self._groups(rows, tuple(self._given)).items():
                    self._encode(layouts, rows, places, before, ends)
                return ends
            parts = [self._field(kind, rows) for kind in KINDS]
        for k, fields in enumerate(zip(*parts, strict=True)):
            if any(field is not _NULL for field in fields):
                ends[k] = b"".join((before[k], *fields))
        return ends

    def _field(self, kind: str, rows: NDArray[np.intp]) -> list[Any]:
        """Return one field of packets."""
        given = self._given.get(kind)
        if given is None:
            return [_NULL] * len(rows)
        if isinstance(given, Stamps):
            whole: list[Any] = [None] * len(rows)
            for layouts, places in self._groups(rows, (kind,)).items():
                self._encode(layouts, rows, places, [b""] * len(rows), whole)
            before, after = KINDS.index(kind), len(KINDS) - KINDS.index(kind) - 1
            return [end[before : len(end) - after] for end in whole]
        files = [given[row] for row in rows.tolist()]
        return [_NULL if f is None else encode_stamp(f) for f in files]

    def _groups(
        self, rows: NDArray[np.intp], kinds: Sequence[str]
    ) -> dict[tuple[Layout | None, ...], list[int]]:
        """Group rows whose stamps have the same layouts."""
        sharing = self._sharing(rows) if {"difference", "science"} <= set(kinds) else None
        groups: dict[tuple[Layout | None, ...], list[int]] = defaultdict(list)
        seen: dict[tuple[str, bool], Layout] = {}
        for k, row in enumerate(rows.tolist()):
            layouts: list[Layout | None] = []
            for kind in KINDS:
                stamps = self._given.get(kind)
                if kind not in kinds or not isinstance(stamps, Stamps):
                    layouts.append(None)
                    continue
                shares = kind == "difference" and sharing is not None and bool(sharing[k])
                layout = seen.get((kind, shares)) if stamps.uniform else None
                if layout is None:
                    layout = stamps.layout(row, FIELDS["science"] if shares else None)
                    seen[kind, shares] = layout
                layouts.append(layout)
            groups[tuple(layouts)].append(k)
        return groups

    def _sharing(self, rows: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """Tell where the PSFs of difference and science image are equal; None if there are none."""
        one, other = (self._given[kind] for kind in ("difference", "science"))
        assert isinstance(one, Stamps)
        assert isinstance(other, Stamps)
        if one.psf is None or other.psf is None:
            return None
        a, b = one.psf, other.psf
        if a is b:
            return np.ones(len(rows), bool)
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.ndim == b.ndim == 3:
            if a.shape != b.shape or a.dtype != b.dtype:
                return None
            equal: NDArray[np.bool_] = (a[rows] == b[rows]).all(axis=(1, 2))
            return equal
        return np.array([_same(one.psf_of(row), other.psf_of(row)) for row in rows.tolist()], bool)

    def _encode(
        self,
        layouts: tuple[Layout | None, ...],
        rows: NDArray[np.intp],
        places: list[int],
        before: Sequence[bytes],
        ends: list[Any],
    ) -> None:
        """Lay out the stamps of rows that have the same layouts."""
        lengths = [0 if layout is None else len(template(layout).data) for layout in layouts]
        sizes = [encode_long(length) if length else b"" for length in lengths]
        if not any(lengths):
            return
        room = max(map(len, before), default=0)
        width = room + len(KINDS) + sum(map(len, sizes)) + sum(lengths)
        step = max(1, _PIECE_BYTES // width)
        for start in range(0, len(places), step):
            some = places[start : start + step]
            out = np.empty((len(some), width), np.uint8)
            at = room
            for kind, layout, size, length in zip(KINDS, layouts, sizes, lengths, strict=True):
                out[:, at] = _HERE if layout is not None else 0
                at += 1
                out[:, at : at + len(size)] = np.frombuffer(size, np.uint8)
                at += len(size)
                stamps = self._given.get(kind)
                if layout is not None and isinstance(stamps, Stamps):
                    stamps.fill(layout, out[:, at : at + length], rows[some])
                at += length
            view = out.reshape(-1).data
            for k, place in enumerate(some):
                behind = k * width + room
                first = behind - len(before[place])
                view[first:behind] = before[place]
                ends[place] = view[first : (k + 1) * width]


@dataclass(frozen=True)
class Chosen:
    """Stamps of some sources of a visit, laid out when they are asked for.

    Attributes
    ----------
    cutouts : Cutouts
        Stamps of all.
    places : ndarray of int, shape (n,)
        Which, counted from 0 in the order of the input.
    """

    cutouts: Cutouts
    places: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.places)

    def records(self, rows: slice, names: Sequence[bytes]) -> list[Any]:
        """Return the last three fields of some packets, each behind a name.

        Parameters
        ----------
        rows : slice
            Which of them.
        names : sequence of bytes
            Ids, Avro.

        Returns
        -------
        list of (bytes-like or None)
            None for a source without any stamp.
        """
        return self.cutouts.encode(self.places[rows], names)


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    return (
        one is not None
        and other is not None
        and one.dtype == other.dtype
        and np.array_equal(one, other)
    )


def _problems(kind: str, given: Any, n: int) -> list[Problem]:
    if isinstance(given, Stamps):
        return given.problems(kind, n)
    if isinstance(given, np.ndarray) and given.ndim == 3:
        return [Problem(None, kind, "", "give apdb.archive.stamps.Stamps(image=…), not an array")]
    try:
        files = list(given)
    except TypeError:
        return [Problem(None, kind, type(given).__name__, "must be Stamps or a list of FITS files")]
    if len(files) != n:
        return [Problem(None, kind, str(len(files)), f"must have one for each of {n} sources")]
    return [
        Problem(row, kind, type(file).__name__, "must be the bytes of a FITS file, or None")
        for row, file in enumerate(files)
        if file is not None
        and not (isinstance(file, bytes | bytearray | memoryview) and file[:9] == _SIGNATURE)
    ]
