"""Conditions on alerts as brokers write them: text into a checked tree, never into SQL.

The grammar, in the order of binding from loose to tight::

    condition   = conjunct { "or" conjunct }
    conjunct    = negated { "and" negated }
    negated     = "not" negated | comparison
    comparison  = sum [ ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) sum
                      | "is" [ "not" ] "null"
                      | [ "not" ] "in" "(" literal { "," literal } ")"
                      | [ "not" ] "between" sum "and" sum ]
    sum         = product { ( "+" | "-" ) product }
    product     = factor { ( "*" | "/" ) factor }
    factor      = "-" factor | number | text | "true" | "false" | column
                | function "(" condition { "," condition } ")" | "(" condition ")"
    function    = "abs" | "sqrt" | "log10" | "power" | "least" | "greatest" | "coalesce"

Words may be written large or small; text stands between single quotes, a quote in it doubled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from apdb.errors import InvalidInput

MAX_LENGTH = 4_000
"""Most characters of a condition."""

MAX_TOKENS = 500
"""Most words and signs of a condition."""

MAX_DEPTH = 40
"""Deepest nesting of brackets and signs."""

FUNCTIONS = {
    "abs": (1, 1),
    "sqrt": (1, 1),
    "log10": (1, 1),
    "power": (2, 2),
    "least": (2, 9),
    "greatest": (2, 9),
    "coalesce": (2, 9),
}
"""Fewest and most arguments of each function."""

COMPARISONS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
_BLANKS = " \t\n\r\f\v"
_WORDS = frozenset({"and", "or", "not", "is", "null", "in", "between", "true", "false"})
_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<text>'(?:[^']|'')*')"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)"
    r"|(?P<sign><=|>=|<>|!=|[=<>+\-*/(),])"
    r")",
    re.ASCII,
)


@dataclass(frozen=True)
class Literal:
    """A number, text or truth value, with its place in the condition."""

    value: int | float | str | bool
    at: int


@dataclass(frozen=True)
class Name:
    """A column, as the caller wrote it."""

    name: str
    at: int


@dataclass(frozen=True)
class Operation:
    """An operator or function and what it works on.

    Attributes
    ----------
    operator : str
        A word or sign of the grammar, "neg" for the sign before a number, "is null" and
        "is not null", "in" and "not in", "between" and "not between".
    operands : tuple
        What it works on, in order.
    at : int
        Its place in the condition, counted from 1.
    """

    operator: str
    operands: tuple[Tree, ...]
    at: int


Tree: TypeAlias = Literal | Name | Operation


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def refuse(message: str, at: int | None = None) -> InvalidInput:
    """Return the error for a condition.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    at : int, optional
        Place in the condition, counted from 1.

    Returns
    -------
    InvalidInput
        To be raised.
    """
    where = "" if at is None else f", character {at}"
    return InvalidInput(f"condition{where}: {message}")


def parse(text: str) -> Tree:
    """Read a condition.

    Parameters
    ----------
    text : str
        The condition.

    Returns
    -------
    Tree
        What it means; names and types are not yet checked.

    Raises
    ------
    InvalidInput
        It does not follow the grammar; the message says where.
    """
    if len(text) > MAX_LENGTH:
        raise refuse(f"{len(text)} characters are too many: at most {MAX_LENGTH}")
    tokens = list(_tokens(text))
    if len(tokens) > MAX_TOKENS:
        raise refuse(f"{len(tokens) - 1} words and signs are too many: at most {MAX_TOKENS}")
    parser = _Parser(tokens)
    tree = parser.condition()
    parser.end()
    return tree


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    end = len(text.rstrip(_BLANKS))
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            at = len(text) - len(text[at:].lstrip(_BLANKS))
            raise refuse(_unreadable(text[at]), at + 1)
        kind = str(found.lastgroup)
        word = found[kind]
        if kind == "name" and word.lower() in _WORDS:
            kind, word = "word", word.lower()
        yield _Token(kind, word, found.start(str(found.lastgroup)) + 1)
        at = found.end()
    yield _Token("end", "", len(text) + 1)


def _unreadable(sign: str) -> str:
    if sign == "'":
        return "the text that begins here does not end: close it with a single quote"
    if sign == '"':
        return "text stands between single quotes, column names between none"
    return f"{sign!r} has no meaning here"


class _Parser:
    """Goes through the tokens once, from left to right."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def end(self) -> None:
        """Refuse what follows the condition."""
        token = self._here
        if token.kind != "end":
            raise refuse(f"{token.text!r} does not follow: expected and, or, or the end", token.at)

    def condition(self) -> Tree:
        """Read conjuncts between "or"."""
        found = self._conjunct()
        while (token := self._take("or")) is not None:
            found = Operation("or", (found, self._conjunct()), token.at)
        return found

    def _conjunct(self) -> Tree:
        found = self._negated()
        while (token := self._take("and")) is not None:
            found = Operation("and", (found, self._negated()), token.at)
        return found

    def _negated(self) -> Tree:
        token = self._take("not")
        if token is None:
            return self._comparison()
        self._deeper(token)
        found = Operation("not", (self._negated(),), token.at)
        self._depth -= 1
        return found

    def _comparison(self) -> Tree:
        left = self._sum()
        token = self._take(*COMPARISONS)
        if token is not None:
            return Operation(token.text, (left, self._sum()), token.at)
        token = self._take("is")
        if token is not None:
            negated = "not " if self._take("not") else ""
            self._expect("null")
            return Operation(f"is {negated}null", (left,), token.at)
        negation = self._take("not")
        token = self._take("in", "between")
        if token is None:
            if negation is not None:
                raise refuse("expected in or between after not", self._here.at)
            return left
        word = f"not {token.text}" if negation else token.text
        if token.text == "in":
            return Operation(word, (left, *self._literals()), token.at)
        low = self._sum()
        self._expect("and")
        return Operation(word, (left, low, self._sum()), token.at)

    def _literals(self) -> tuple[Tree, ...]:
        self._expect("(")
        found = [self._literal()]
        while self._take(","):
            found.append(self._literal())
        self._expect(")")
        return tuple(found)

    def _literal(self) -> Tree:
        found = self._factor()
        if not isinstance(found, Literal):
            raise refuse("a list holds numbers or texts only", found.at)
        return found

    def _sum(self) -> Tree:
        found = self._product()
        while (token := self._take("+", "-")) is not None:
            found = Operation(token.text, (found, self._product()), token.at)
        return found

    def _product(self) -> Tree:
        found = self._factor()
        while (token := self._take("*", "/")) is not None:
            found = Operation(token.text, (found, self._factor()), token.at)
        return found

    def _factor(self) -> Tree:
        token = self._here
        self._deeper(token)
        self._next += 1
        found = self._value(token)
        self._depth -= 1
        return found

    def _value(self, token: _Token) -> Tree:
        if token.kind == "number":
            return Literal(_number(token), token.at)
        if token.kind == "text":
            return Literal(token.text[1:-1].replace("''", "'"), token.at)
        if token.text in {"true", "false"} and token.kind == "word":
            return Literal(token.text == "true", token.at)
        if token.kind == "name":
            return self._call(token) if self._here.text == "(" else Name(token.text, token.at)
        if token.text == "-":
            inner = self._factor()
            if isinstance(inner, Literal) and type(inner.value) in {int, float}:
                return Literal(-inner.value, token.at)  # type: ignore[operator]
            return Operation("neg", (inner,), token.at)
        if token.text == "(":
            found = self.condition()
            self._expect(")")
            return found
        shown = repr(token.text) if token.kind != "end" else "nothing"
        raise refuse(f"expected a column, a value or a bracket, found {shown}", token.at)

    def _call(self, token: _Token) -> Tree:
        name = token.text.lower()
        if name not in FUNCTIONS:
            raise refuse(f"no function {token.text!r}: there are {', '.join(FUNCTIONS)}", token.at)
        self._expect("(")
        operands = [self.condition()]
        while self._take(","):
            operands.append(self.condition())
        self._expect(")")
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(operands) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise refuse(f"{name} takes {wanted} arguments, not {len(operands)}", token.at)
        return Operation(name, tuple(operands), token.at)

    def _deeper(self, token: _Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise refuse(f"nested deeper than {MAX_DEPTH}", token.at)

    @property
    def _here(self) -> _Token:
        return self._tokens[min(self._next, len(self._tokens) - 1)]

    def _take(self, *words: str) -> _Token | None:
        token = self._here
        if token.kind not in {"word", "sign"} or token.text not in words:
            return None
        self._next += 1
        return token

    def _expect(self, word: str) -> None:
        token = self._here
        if self._take(word) is None:
            shown = repr(token.text) if token.kind != "end" else "the end"
            raise refuse(f"expected {word!r}, found {shown}", token.at)


def _number(token: _Token) -> int | float:
    if token.text.isdigit():
        value = int(token.text)
        if value >= 2**63:
            raise refuse("a whole number must be below 2**63", token.at)
        return value
    found = float(token.text)
    if found == float("inf"):
        raise refuse("the number is too large", token.at)
    return found
