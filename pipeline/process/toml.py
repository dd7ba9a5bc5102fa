"""Settings out of TOML into dataclasses, with errors that name file, section, key and value."""

from __future__ import annotations

import difflib
import enum
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from apdb.errors import InvalidInput

T = TypeVar("T")


class _WrongError(Exception):
    """A value cannot be what it should be; the message says what that is."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict

    Raises
    ------
    InvalidInput
        It is missing or no TOML; names the line.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: this is no TOML: {error}") from error


def known_keys(given: Iterable[str], known: Iterable[str], where: str, what: str) -> None:
    """Make sure that all names are known.

    Parameters
    ----------
    given, known : iterable of str
        Names that are there, and those that may be.
    where : str
        Beginning of the message.
    what : str
        What a name stands for, such as ``section``.

    Raises
    ------
    InvalidInput
        Naming the first that is not, and what it may have been meant to be.
    """
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise InvalidInput(f"{where}: there is no {what} {name}; {meant}")


def from_table(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make a dataclass of settings out of a table of TOML.

    Parameters
    ----------
    cls : type
        Dataclass with defaults that checks its values.
    table : mapping
        Settings by name.
    where : str
        Beginning of the message, such as ``run.toml, section [detect]``.

    Returns
    -------
    object of type `cls`

    Raises
    ------
    InvalidInput
        Naming key and value.
    """
    hints = get_type_hints(cls)
    known = {each.name: hints[each.name] for each in fields(cls) if each.init}  # type: ignore[arg-type]
    known_keys(table, known, where, "key")
    given: dict[str, Any] = {}
    for name, value in table.items():
        at = f"{where}, key {name} = {value!r}"
        try:
            given[name] = _converted(value, known[name], f"{where}, key {name}")
        except _WrongError as error:
            raise InvalidInput(f"{at}: must be {error}") from error
    try:
        return cls(**given)
    except (ValueError, TypeError) as error:
        raise InvalidInput(_blamed(cls, given, table, where, error)) from error


def _blamed(
    cls: type[Any], given: dict[str, Any], table: Mapping[str, Any], where: str, error: Exception
) -> str:
    """Return a message that names the one key that is wrong by itself, if there is one."""
    for name, value in given.items():
        try:
            cls(**{name: value})
        except (ValueError, TypeError) as alone:
            if str(alone) == str(error):
                return f"{where}, key {name} = {table[name]!r}: {error}"
    return f"{where}: {error}"


def _converted(value: Any, wanted: Any, where: str) -> Any:
    """Return a value of TOML as the type of a field."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return _one_of(value, arguments, where)
    if origin is Literal:
        if value not in arguments:
            raise _WrongError("one of " + ", ".join(map(str, arguments)))
        return value
    if origin is tuple:
        return _tuple(value, arguments, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise _WrongError("a table")
        return {key: _converted(each, arguments[1], where) for key, each in value.items()}
    return _plain(value, wanted, where)


def _plain(value: Any, wanted: Any, where: str) -> Any:
    if is_dataclass(wanted) and isinstance(wanted, type):
        if not isinstance(value, dict):
            raise _WrongError("a table of " + ", ".join(each.name for each in fields(wanted)))
        return from_table(wanted, value, where)
    if isinstance(wanted, type) and issubclass(wanted, enum.Flag):
        return _flags(value, wanted)
    if wanted is Path and isinstance(value, str):
        return Path(value)
    # TOML's true is no number, and Python's is.
    if wanted is float and type(value) in (int, float):
        return float(value)
    if wanted in (int, bool, str) and type(value) is wanted:
        return value
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
    raise _WrongError(names.get(wanted, f"a {getattr(wanted, '__name__', wanted)}"))


def _one_of(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    """Return a value of the first type that takes it."""
    said = []
    for each in arguments:
        if each is type(None):
            continue
        try:
            return _converted(value, each, where)
        except _WrongError as error:
            said.append(str(error))
    raise _WrongError(" or ".join(said))


def _tuple(value: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _WrongError("a list")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_converted(each, arguments[0], where) for each in value)
    if len(value) != len(arguments):
        raise _WrongError(f"a list of {len(arguments)}")
    pairs = zip(value, arguments, strict=True)
    return tuple(_converted(each, wanted, where) for each, wanted in pairs)


def _flags(value: Any, wanted: type[enum.Flag]) -> enum.Flag:
    names = list(wanted.__members__)
    if not isinstance(value, list) or not all(name in names for name in value):
        raise _WrongError("a list of " + ", ".join(names))
    found = wanted(0)
    for name in value:
        found |= wanted[name]
    return found


def as_table(settings: Any) -> Any:
    """Return settings as plain values, as they may be written as TOML or JSON.

    Parameters
    ----------
    settings : object
        A dataclass, or what may be in one.

    Returns
    -------
    object
        Dictionaries, lists, texts and numbers; None for what is not set.
    """
    if is_dataclass(settings) and not isinstance(settings, type):
        shown = [each.name for each in fields(settings) if each.init]
        return {name: as_table(getattr(settings, name)) for name in shown}
    if isinstance(settings, enum.Flag):
        return [name for name, each in type(settings).__members__.items() if each in settings]
    if isinstance(settings, dict):
        return {str(key): as_table(value) for key, value in settings.items()}
    if isinstance(settings, tuple | list):
        return [as_table(each) for each in settings]
    if isinstance(settings, Path):
        return str(settings)
    return settings
