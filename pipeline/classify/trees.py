"""Boosted trees as plain arrays: to be kept in a file that cannot run anything, and evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.errors import ClassifyError

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

Floats = NDArray[np.float64]
_FIELDS = {
    "feature": ("feature_idx", np.int16),
    "threshold": ("num_threshold", np.float64),
    "missing_left": ("missing_go_to_left", np.uint8),
    "left": ("left", np.int32),
    "right": ("right", np.int32),
    "leaf": ("is_leaf", np.uint8),
    "value": ("value", np.float64),
}


@dataclass(frozen=True)
class Trees:
    """A sum of decision trees; the nodes of all one after the other.

    Attributes
    ----------
    roots : ndarray of int32, shape (t,)
        Where each tree starts; `left` and `right` count from the first node of all.
    feature : ndarray of int16, shape (m,)
        Which feature a node asks for.
    threshold : ndarray, shape (m,)
        Values up to it go left.
    missing_left : ndarray of uint8, shape (m,)
        1 where NaN goes left.
    left, right : ndarray of int32, shape (m,)
        Next nodes.
    leaf : ndarray of uint8, shape (m,)
        1 for leaves.
    value : ndarray, shape (m,)
        Of leaves, log odds.
    baseline : float
        Added to the sum.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: Floats
    missing_left: NDArray[np.uint8]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf: NDArray[np.uint8]
    value: Floats
    baseline: float

    @classmethod
    def of(cls, classifier: HistGradientBoostingClassifier) -> Trees:
        """Take the trees out of a fitted classifier.

        scikit-learn has no public way to them: this reads its node table, whose fields are checked.

        Parameters
        ----------
        classifier : sklearn.ensemble.HistGradientBoostingClassifier
            Of two classes, without categorical features.

        Returns
        -------
        Trees

        Raises
        ------
        ClassifyError
            This release of scikit-learn keeps them otherwise.
        """
        try:
            tables = [each[0].nodes for each in classifier._predictors]
            baseline = float(np.ravel(classifier._baseline_prediction)[0])
            columns = {
                name: np.concatenate([nodes[field] for nodes in tables]).astype(kind)
                for name, (field, kind) in _FIELDS.items()
            }
        except (AttributeError, ValueError, KeyError) as error:
            raise ClassifyError(
                f"this release of scikit-learn keeps its trees in another way ({error}); train "
                "with one that the tests cover"
            ) from error
        sizes = [len(nodes) for nodes in tables]
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        first = np.repeat(roots, sizes)
        columns["left"] = columns["left"] + first
        columns["right"] = columns["right"] + first
        return cls(roots=roots, baseline=baseline, **columns)

    def check(self, n_features: int) -> None:
        """Make sure that evaluation stays within the arrays and ends.

        Parameters
        ----------
        n_features : int
            Number of columns of the features.

        Raises
        ------
        ClassifyError
            The arrays are no trees.
        """
        nodes = len(self.feature)
        arrays = (self.threshold, self.missing_left, self.left, self.right, self.leaf, self.value)
        inner = np.asarray(self.leaf) == 0
        at = np.arange(nodes)[inner]
        fine = (
            all(array.shape == (nodes,) for array in arrays)
            and bool(np.all((self.roots >= 0) & (self.roots < nodes)))
            and all(
                bool(np.all((n[inner] > at) & (n[inner] < nodes))) for n in (self.left, self.right)
            )
            and bool(np.all((self.feature[inner] >= 0) & (self.feature[inner] < n_features)))
            and bool(np.isfinite(self.value).all())
        )
        if not fine:
            raise ClassifyError("the model's arrays are no decision trees; train it anew")

    def log_odds(self, values: Floats) -> Floats:
        """Evaluate the trees.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Features; NaN where unknown.

        Returns
        -------
        ndarray, shape (n,)
        """
        found: Floats = _sum(
            np.ascontiguousarray(values, np.float64),
            self.roots,
            self.feature,
            self.threshold,
            self.missing_left,
            self.left,
            self.right,
            self.leaf,
            self.value,
        )
        return found + self.baseline


@njit(cache=True, nogil=True)
def _sum(
    values: Floats,
    roots: NDArray[np.int32],
    feature: NDArray[np.int16],
    threshold: Floats,
    missing_left: NDArray[np.uint8],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    leaf: NDArray[np.uint8],
    value: Floats,
) -> Floats:  # pragma: no cover
    found = np.zeros(len(values))
    for row in range(len(values)):
        for root in roots:
            node = root
            while leaf[node] == 0:
                given = values[row, feature[node]]
                if np.isnan(given):
                    to_left = missing_left[node] == 1
                else:
                    to_left = given <= threshold[node]
                node = left[node] if to_left else right[node]
            found[row] += value[node]
    return found
