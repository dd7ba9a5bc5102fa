"""Sources whose class is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table, vstack
from numpy.typing import NDArray

from pipeline.errors import ClassifyError


@dataclass(frozen=True)
class Lesson:
    """Sources whose class is known.

    Attributes
    ----------
    features : astropy.table.Table
        Of each.
    real : ndarray of bool, shape (n,)
        Class.
    image : ndarray of int64, shape (n,)
        Which image it is of.
    """

    features: Table
    real: NDArray[np.bool_]
    image: NDArray[np.int64]


def joined(lessons: Sequence[Lesson]) -> Lesson:
    """Return the sources of several images together.

    Parameters
    ----------
    lessons : sequence of Lesson
        Images.

    Returns
    -------
    Lesson

    Raises
    ------
    ClassifyError
        There is none.
    """
    some = [each for each in lessons if len(each.real)]
    if not some:
        raise ClassifyError(
            f"nothing was found in {len(lessons)} images: there is nothing to learn"
        )
    return Lesson(
        vstack([each.features for each in some], metadata_conflicts="silent"),
        np.concatenate([each.real for each in some]),
        np.concatenate([each.image for each in some]),
    )
