"""Training: boosted trees on sources that are known to be real or not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from pipeline.classify.curve import Curve, calibration_curve
from pipeline.classify.model import Model, digest, sigmoid
from pipeline.classify.trees import Trees
from pipeline.errors import ClassifyError

Floats = NDArray[np.float64]
_LEAST = 50


@dataclass(frozen=True)
class TrainConfig:
    """How trees are grown; small ones, which keeps the file below 300 kB.

    Attributes
    ----------
    trees : int
        Number of trees.
    leaves : int
        Most leaves of each.
    rate : float
        Learning rate.
    smallest_leaf : int
        Least number of sources in a leaf.
    l2 : float
        Regularisation of the leaves.
    folds : int
        Parts of the images, each scored by trees that have not seen it.
    purity : float
        The recommended cut keeps at least this purity
    share : float
        where this part of the detections is real, whatever part of the lessons is,
    completeness : float
        and at most loses what goes beyond this completeness.
    cut_snr : float
        The cut is chosen with sources of this S/N and more.
    seed : int
        Of the trees.
    """

    trees: int = 150
    leaves: int = 16
    rate: float = 0.08
    smallest_leaf: int = 20
    l2: float = 1.0
    folds: int = 5
    purity: float = 0.97
    share: float = 0.5
    completeness: float = 0.97
    cut_snr: float = 5.0
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("trees", "rate", "smallest_leaf"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if self.leaves < 2 or self.folds < 2:
            raise ValueError(
                f"leaves and folds must be at least 2, not {self.leaves}, {self.folds}"
            )
        for name in ("purity", "share", "completeness"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Trained:
    """A model, and how it does on images that it has not seen.

    Attributes
    ----------
    model : Model
        Trained on all.
    reliability : ndarray, shape (n,)
        Of each source, by trees and calibration that have not seen its image.
    curve : Curve
        Calibration of those.
    """

    model: Model
    reliability: Floats
    curve: Curve


def train(
    table: Table,
    real: ArrayLike,
    image: ArrayLike,
    config: TrainConfig | None = None,
    *,
    version: str | None = None,
    about: dict[str, Any] | None = None,
) -> Trained:
    """Train a model.

    Parameters
    ----------
    table : astropy.table.Table
        From `features`.
    real : array_like of bool, shape (n,)
        Which are real: injected fakes.
    image : array_like of int, shape (n,)
        Which image each is of: none is on both sides of a validation.
    config : TrainConfig, optional
        Settings.
    version : str, optional
        At most 7 characters; a digest of the trees by default.
    about : dict, optional
        Put into the file.

    Returns
    -------
    Trained

    Raises
    ------
    ClassifyError
        Too few sources or images, or all of one kind.
    """
    config = config or TrainConfig()
    real, image = np.asarray(real, bool), np.asarray(image)
    _check(table, real, image, config)
    names = tuple(name for name in table.colnames if np.isfinite(table[name]).any())
    values = np.column_stack([np.asarray(table[name], float) for name in names])
    unseen = np.empty(len(real))
    for learn, test in GroupKFold(config.folds).split(values, real, image):
        unseen[test] = _grow(values[learn], real[learn], config).log_odds(values[test])
    reliability = np.empty(len(real))
    for learn, test in GroupKFold(config.folds).split(values, real, image):
        slope, offset = platt(unseen[learn], real[learn])
        reliability[test] = sigmoid(slope * unseen[test] + offset)
    slope, offset = platt(unseen, real)
    trees = _grow(values, real, config)
    counts = np.ones(len(real), bool)
    if "snr" in table.colnames:
        counts = np.asarray(table["snr"]) >= config.cut_snr
    cut = choose_cut(
        reliability[counts], real[counts], config.purity, config.completeness, config.share
    )
    curve = calibration_curve(reliability, real)
    told = {
        **(about or {}),
        "share": float(real.mean()),
        "sources": len(real),
        "images": len(np.unique(image)),
        "settings": asdict(config),
        "curve": curve.as_dict(),
        "auc": area_under_curve(reliability, real),
    }
    model = Model(names, trees, slope, offset, cut, version or digest(trees), told)
    return Trained(model, reliability, curve)


def _check(table: Table, real: NDArray[np.bool_], image: NDArray[Any], config: TrainConfig) -> None:
    """Refuse what nothing can be learnt from."""
    if not len(table) == len(real) == len(image):
        raise ClassifyError(
            f"{len(table)} sources have features, {len(real)} a class, {len(image)} an image"
        )
    few = min(int(real.sum()), int((~real).sum()))
    if few < _LEAST:
        raise ClassifyError(
            f"{real.sum()} real sources and {(~real).sum()} others are too few to learn from, "
            f"{_LEAST} of each are needed; inject more fakes, or take more images"
        )
    if len(np.unique(image)) < config.folds:
        raise ClassifyError(
            f"{len(np.unique(image))} images are too few for {config.folds} folds; take more"
        )


def _grow(values: Floats, real: NDArray[np.bool_], config: TrainConfig) -> Trees:
    """Fit trees."""
    classifier = HistGradientBoostingClassifier(
        max_iter=config.trees,
        max_leaf_nodes=config.leaves,
        learning_rate=config.rate,
        min_samples_leaf=config.smallest_leaf,
        l2_regularization=config.l2,
        early_stopping=False,
        random_state=config.seed,
    )
    return Trees.of(classifier.fit(values, real))


def platt(log_odds: Floats, real: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit slope and offset of a logistic curve (Platt 1999, with his targets short of 0 and 1).

    Parameters
    ----------
    log_odds : ndarray, shape (n,)
        From trees that have not seen the sources.
    real : ndarray of bool, shape (n,)
        Truth.

    Returns
    -------
    slope, offset : float
    """
    # short of 0 and 1 as Platt has it: perfect separation has no infinite slope then
    above, below = int(real.sum()), int((~real).sum())
    high, low = (above + 1.0) / (above + 2.0), 1.0 / (below + 2.0)
    target = np.where(real, high, low)
    x = np.concatenate([log_odds, log_odds])[:, np.newaxis]
    label = np.repeat([1, 0], len(real))
    weight = np.concatenate([target, 1.0 - target])
    fit = LogisticRegression(C=1e6, max_iter=1000).fit(x, label, sample_weight=weight)
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def choose_cut(
    reliability: Floats,
    real: NDArray[np.bool_],
    purity: float,
    completeness: float,
    share: float | None = None,
) -> float:
    """Choose a cut.

    Parameters
    ----------
    reliability : ndarray, shape (n,)
        Of sources.
    real : ndarray of bool, shape (n,)
        Truth.
    purity : float
        Wanted share of real sources above the cut.
    completeness : float
        Share of the real sources that must remain; goes before purity.
    share : float, optional
        Of real sources, where the purity is meant; by default as in the sample.

    Returns
    -------
    float
        The lowest cut of the wanted purity, or the highest of the wanted completeness.
    """
    order = np.argsort(-reliability, kind="stable")
    share = float(real.mean()) if share is None else share
    kept = share * np.cumsum(real[order]) / real.sum()
    wrong = (1.0 - share) * np.cumsum(~real[order]) / max(int((~real).sum()), 1)
    pure = kept / (kept + wrong)
    enough = np.flatnonzero(pure >= purity)
    by_purity = reliability[order[enough[-1]]] if len(enough) else 1.0
    by_completeness = float(np.quantile(reliability[real], 1.0 - completeness))
    return float(np.clip(min(by_purity, by_completeness), 0.0, 1.0))


def area_under_curve(reliability: Floats, real: NDArray[np.bool_]) -> float:
    """Return the probability that a real source scores higher than another (area under ROC).

    Parameters
    ----------
    reliability : ndarray, shape (n,)
        Of sources.
    real : ndarray of bool, shape (n,)
        Truth.

    Returns
    -------
    float
    """
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(real, reliability))
