"""What callers may give that is of astropy, looked at without importing astropy.

It takes longer to import than most commands run, and a value can only be of a class whose module
its program has imported.
"""

from __future__ import annotations

import sys
from typing import Any


def imported(module: str, name: str) -> Any:
    """Return a class if its module has been imported, for `isinstance`.

    Parameters
    ----------
    module : str
        Name of the module, such as ``astropy.units``.
    name : str
        Name of the class in it.

    Returns
    -------
    type or tuple
        The class; an empty tuple, of which nothing is an instance, while nobody has imported it.
    """
    return getattr(sys.modules.get(module), name, ())


def number_in(unit: str, value: Any) -> float:
    """Return a number, or a Quantity's value in a unit.

    Parameters
    ----------
    unit : str
        The unit, as astropy writes it.
    value : float or Quantity
        What was given.

    Returns
    -------
    float
        In the unit.

    Raises
    ------
    TypeError
        It is neither a number nor the text of one, or its unit cannot be converted.
    ValueError
        It is a text that is no number, or its unit cannot be converted: astropy's
        UnitConversionError is both.
    """
    is_quantity = isinstance(value, imported("astropy.units", "Quantity"))
    return float(value.to_value(unit) if is_quantity else value)
