"""A checked condition as SQL: columns from the list, values as parameters, nothing else.

NaN counts as missing, as does what has no real value (division by zero, the root or logarithm of
a negative number), and a comparison with a missing value is neither true nor false, as in SQL.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from apdb.retrieval.columns import Searchable, searchable
from apdb.retrieval.predicate import COMPARISONS, Literal, Name, Operation, Tree, parse, refuse

_ARITHMETIC = frozenset({"+", "-", "*", "neg", "/", "abs", "sqrt", "log10", "power"})
_NUMERIC = frozenset({"integer", "number"})
_CASTS = {"integer": "bigint", "number": "double precision", "text": "text", "truth": "boolean"}
_TEMPLATES = {
    "neg": "(- {})",
    "abs": "abs({})",
    "/": "({} / nullif({}, 0.0))",
    "sqrt": "apdb.sqrt_or_null({})",
    "log10": "log(nullif(greatest({}, 0.0), 0.0))",
    "power": "power(nullif(greatest({}, 0.0), 0.0), {})",
}


@dataclass(frozen=True)
class Compiled:
    """SQL with placeholders.

    Attributes
    ----------
    text : str
        Made of names from the list, operators and ``%s`` only.
    values : tuple
        What goes in the placeholders, in order.
    kind : str
        ``truth``, ``integer``, ``number`` or ``text``.
    """

    text: str
    values: tuple[object, ...]
    kind: str


def compile_condition(text: str, alias: str = "a") -> Compiled:
    """Return a condition as SQL.

    Parameters
    ----------
    text : str
        The condition, see `apdb.retrieval.predicate`.
    alias : str, optional
        Alias of the view whose columns it names.

    Returns
    -------
    Compiled
        Of kind ``truth``.

    Raises
    ------
    InvalidInput
        It does not follow the grammar, names an unknown column, or compares what cannot be.
    """
    tree = parse(text)
    found = _Compiler(alias).compile(tree)
    if found.kind != "truth":
        raise refuse("this is a value, not a condition: compare it with something", tree.at)
    return found


class _Compiler:
    def __init__(self, alias: str) -> None:
        self._alias = alias

    def compile(self, tree: Tree) -> Compiled:
        if isinstance(tree, Literal):
            return _literal(tree)
        if isinstance(tree, Name):
            return self._column(tree)
        operands = [self.compile(operand) for operand in tree.operands]
        return _operation(tree, operands)

    def _column(self, tree: Name) -> Compiled:
        column = _find(tree)
        name = f'{self._alias}."{column.column}"'
        if column.kind == "number":
            name = f"nullif({name}::double precision, 'NaN')"
        return Compiled(name, (), column.kind)


def _find(tree: Name) -> Searchable:
    columns = searchable()
    found = columns.get(tree.name.lower())
    if found is None:
        near = difflib.get_close_matches(tree.name.lower(), list(columns), n=1)
        names = f"; did you mean {columns[near[0]].name}?" if near else ""
        raise refuse(f"no column {tree.name!r}{names}", tree.at)
    return found


def _literal(tree: Literal) -> Compiled:
    value = tree.value
    if isinstance(value, bool):
        kind = "truth"
    elif isinstance(value, int):
        kind = "integer"
    elif isinstance(value, float):
        kind = "number"
    else:
        kind = "text"
        if "\0" in value:
            raise refuse("text cannot hold the character NUL", tree.at)
    return Compiled(f"%s::{_CASTS[kind]}", (value,), kind)


def _operation(tree: Operation, operands: Sequence[Compiled]) -> Compiled:
    word = tree.operator
    if word in {"and", "or", "not"}:
        _require(tree, operands, {"truth"}, "conditions")
        if word == "not":
            return _joined("(not {})", operands, "truth")
        return _infix(word, operands, "truth")
    if word in _ARITHMETIC:
        _require(tree, operands, _NUMERIC, "numbers")
        return _arithmetic(word, [_real(operand) for operand in operands])
    if word in {"is null", "is not null"}:
        return _joined(
            "({} is null)" if word == "is null" else "({} is not null)", operands, "truth"
        )
    operands, kind = _alike(tree, operands)
    if word in COMPARISONS:
        return _infix(word, operands, "truth")
    if word in {"between", "not between"}:
        head = "({} not between {} and {})" if word.startswith("not") else "({} between {} and {})"
        return _joined(head, operands, "truth")
    places = ", ".join(["{}"] * (len(operands) - 1))
    if word in {"in", "not in"}:
        return _joined(f"({{}} {word} ({places}))", operands, "truth")
    return _joined(f"{word}({{}}, {places})", operands, kind)  # least, greatest, coalesce


def _arithmetic(word: str, operands: Sequence[Compiled]) -> Compiled:
    if word in _TEMPLATES:
        return _joined(_TEMPLATES[word], operands, "number")
    return _infix(word, operands, "number")


def _real(operand: Compiled) -> Compiled:
    if operand.kind == "number":
        return operand
    return _joined("{}::double precision", [operand], "number")


def _alike(tree: Operation, operands: Sequence[Compiled]) -> tuple[list[Compiled], str]:
    """Return operands of one kind: whole numbers become real ones beside such."""
    kinds = {operand.kind for operand in operands}
    if kinds == _NUMERIC:
        return [_real(operand) for operand in operands], "number"
    if len(kinds) > 1:
        shown = " and ".join(sorted(kinds))
        raise refuse(f"{tree.operator!r} cannot compare {shown}", tree.at)
    return list(operands), kinds.pop()


def _require(
    tree: Operation, operands: Sequence[Compiled], kinds: set[str] | frozenset[str], what: str
) -> None:
    for operand in operands:
        if operand.kind not in kinds:
            raise refuse(f"{tree.operator!r} takes {what}, not {operand.kind}", tree.at)


def _infix(word: str, operands: Sequence[Compiled], kind: str) -> Compiled:
    sign = "<>" if word == "!=" else word
    return _joined(f"({{}} {sign} {{}})", operands, kind)


def _joined(template: str, operands: Sequence[Compiled], kind: str) -> Compiled:
    text = template.format(*[operand.text for operand in operands])
    return Compiled(text, tuple(v for operand in operands for v in operand.values), kind)
