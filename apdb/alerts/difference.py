"""What differs between two packets, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_ROWS = {"prvDiaSources": "diaSourceId", "prvDiaForcedSources": "diaForcedSourceId"}
_STAMPS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")


def differences(
    first: Mapping[str, Any], second: Mapping[str, Any], *, without: Sequence[str] = ()
) -> list[str]:
    """List what differs between two decoded packets; stamps are not looked at.

    Parameters
    ----------
    first, second : mapping of str to object
        The packets, as `apdb.alerts.packets.decode` gives them.
    without : sequence of str
        Fields to leave out.

    Returns
    -------
    list of str
        One line for each field or row; empty if nothing differs.
    """
    found: list[str] = []
    for name in first:
        if name in _STAMPS or name in without or name not in second:
            continue
        found += _differ(name, first[name], second[name])
    return found


def _differ(name: str, first: Any, second: Any) -> Iterator[str]:
    if name in _ROWS:
        yield from _rows(name, _ROWS[name], first or [], second or [])
    elif isinstance(first, Mapping) and isinstance(second, Mapping):
        yield from _fields(name, first, second)
    elif not _same(first, second):
        yield f"{name}: {_show(first)} → {_show(second)}"


def _rows(
    name: str, key: str, first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    before = {row[key]: row for row in first}
    after = {row[key]: row for row in second}
    yield from (f"{name} {number}: gone" for number in before if number not in after)
    yield from (f"{name} {number}: new" for number in after if number not in before)
    for number, row in before.items():
        if number in after:
            yield from _fields(f"{name} {number}", row, after[number])
    both = [number for number in before if number in after]
    if both != [number for number in after if number in before]:
        yield f"{name}: in another order"


def _fields(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    for field, value in first.items():
        if not _same(value, second.get(field)):
            yield f"{name} {field}: {_show(value)} → {_show(second.get(field))}"


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, float) and isinstance(second, float):
        return first == second or (first != first and second != second)
    return bool(first == second)


def _show(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a record"
    return "null" if value is None else repr(value)
