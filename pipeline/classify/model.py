"""The model that tells real sources from artefacts, and its file."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from apdb.archive.stamps import Stamps
from pipeline.classify.features import features
from pipeline.classify.trees import Trees
from pipeline.errors import ClassifyError

Floats = NDArray[np.float64]
_FORMAT = 1
_ARRAYS = [field.name for field in fields(Trees) if field.name != "baseline"]
#: Characters that `reliability_version` of a source has room for.
VERSION_LENGTH = 7


@dataclass(frozen=True)
class Model:
    """Gradient-boosted trees with calibrated probabilities.

    Attributes
    ----------
    names : tuple of str
        Features in the order of the trees.
    trees : Trees
        They give log odds f, and the probability is 1 / (1 + exp(-(slope f + offset))).
    slope, offset : float
        Of the calibration (Platt 1999), on images that the trees had not seen.
    cut : float
        Recommended least reliability of an alert.
    version : str
        At most 7 characters.
    about : dict
        How it was trained and how good it is, as JSON can hold it.
    """

    names: tuple[str, ...]
    trees: Trees
    slope: float
    offset: float
    cut: float
    version: str
    about: dict[str, Any]

    def __post_init__(self) -> None:
        if not 1 <= len(self.version) <= VERSION_LENGTH or not self.version.isprintable():
            raise ClassifyError(
                f"version {self.version!r} must have 1 to {VERSION_LENGTH} printable characters"
            )
        if not (np.isfinite([self.slope, self.offset]).all() and 0.0 <= self.cut <= 1.0):
            raise ClassifyError(
                f"slope {self.slope}, offset {self.offset} and cut {self.cut} make no probability"
            )
        self.trees.check(len(self.names))

    def reliability(self, table: Table) -> Floats:
        """Return the probability of being real.

        Parameters
        ----------
        table : astropy.table.Table
            From `features`.

        Returns
        -------
        ndarray, shape (n,)
            In [0, 1].

        Raises
        ------
        ClassifyError
            A feature of the model is missing.
        """
        missing = [name for name in self.names if name not in table.colnames]
        if missing:
            raise ClassifyError(
                f"model {self.version} wants features {', '.join(missing)}, which this release "
                "does not compute; train it anew"
            )
        values = np.column_stack([np.asarray(table[name], float) for name in self.names])
        return sigmoid(self.slope * self.trees.log_odds(values) + self.offset)

    def for_share(self, share: float) -> Model:
        """Return the model for images with another share of real sources.

        Parameters
        ----------
        share : float
            Fraction of the detections that is real where the model is to be used.

        Returns
        -------
        Model
            Its log odds are shifted (Saerens et al. 2002); the order of sources stays.

        Raises
        ------
        ClassifyError
            It is no fraction.
        """
        if not 0.0 < share < 1.0:
            raise ClassifyError(f"share must be between 0 and 1, not {share}")
        trained = float(self.about["share"])
        shift = np.log(share / (1 - share)) - np.log(trained / (1 - trained))
        about = {**self.about, "share": share}
        return replace(self, offset=self.offset + float(shift), about=about)

    def save(self, path: Path | str) -> None:
        """Write the model: a zip file of arrays and JSON, which runs nothing when read.

        Parameters
        ----------
        path : Path or str
            File, by custom with the ending .npz.
        """
        Path(path).write_bytes(self._content())

    def _content(self) -> bytes:
        """Return the bytes of the file; the same for the same model."""
        meta = {
            "format": _FORMAT,
            "names": list(self.names),
            "slope": self.slope,
            "offset": self.offset,
            "cut": self.cut,
            "version": self.version,
            "baseline": self.trees.baseline,
            "about": self.about,
        }
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            entries = {"model.json": json.dumps(meta, indent=1, sort_keys=True).encode()}
            for name in _ARRAYS:
                buffer = io.BytesIO()
                np.save(buffer, getattr(self.trees, name), allow_pickle=False)
                entries[f"{name}.npy"] = buffer.getvalue()
            for name, content in entries.items():
                # a fixed time: the file depends on the model alone
                archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content, 8, 9)
        return whole.getvalue()


def sigmoid(values: ArrayLike) -> Floats:
    """Return probabilities of log odds.

    Parameters
    ----------
    values : array_like
        Log odds.

    Returns
    -------
    ndarray
    """
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(values, float))))


def load_model(path: Path | str) -> Model:
    """Read a model.

    Parameters
    ----------
    path : Path or str
        File that `Model.save` wrote.

    Returns
    -------
    Model

    Raises
    ------
    ClassifyError
        It is no such file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ClassifyError(f"model {path} cannot be read: {error.strerror}") from error
    return _from_bytes(content, str(path))


def _from_bytes(content: bytes, name: str) -> Model:
    """Read a model out of the bytes of its file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            meta = json.loads(archive.read("model.json"))
            if meta["format"] != _FORMAT:
                raise ClassifyError(f"model {name} has format {meta['format']}, not {_FORMAT}")
            arrays = {
                each: np.load(io.BytesIO(archive.read(f"{each}.npy")), allow_pickle=False)
                for each in _ARRAYS
            }
        trees = Trees(baseline=float(meta["baseline"]), **arrays)
        return Model(
            tuple(meta["names"]),
            trees,
            float(meta["slope"]),
            float(meta["offset"]),
            float(meta["cut"]),
            str(meta["version"]),
            dict(meta["about"]),
        )
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
        raise ClassifyError(f"{name} is no model of `apdb train-reliability`: {error}") from error


@cache
def default_model() -> Model:
    """Return the model that comes with the package, trained on simulated images.

    Returns
    -------
    Model
    """
    file = resources.files("pipeline.classify") / "default.npz"
    return _from_bytes(file.read_bytes(), "the default model")


def digest(trees: Trees) -> str:
    """Return a version for trees that have no name.

    Parameters
    ----------
    trees : Trees
        Of the model.

    Returns
    -------
    str
        7 hexadecimal digits.
    """
    content = hashlib.sha256(repr(trees.baseline).encode())
    for name in _ARRAYS:
        content.update(np.ascontiguousarray(getattr(trees, name)).tobytes())
    return content.hexdigest()[:VERSION_LENGTH]


def score(
    table: Table,
    stamps: Mapping[str, Stamps],
    model: Model | None = None,
    *,
    fwhm: ArrayLike | None = None,
) -> Floats:
    """Return the reliability of sources: the probability that each is real.

    Parameters
    ----------
    table : astropy.table.Table
        Sources of one image, as `pipeline.measure` has them.
    stamps : mapping of str to Stamps
        difference, science and template of each.
    model : Model, optional
        The one of the package by default.
    fwhm : array_like, optional
        Width of the PSF [pixel], for stamps without PSF.

    Returns
    -------
    ndarray, shape (n,)
        In [0, 1]; for the columns reliability, with `model.version` for reliability_version.

    Raises
    ------
    ClassifyError
        Stamps do not belong to the sources, or have neither PSF nor width; or the model is of
        another release.
    """
    model = model or default_model()
    if not len(table):
        return np.empty(0)
    return model.reliability(features(table, stamps, fwhm=fwhm))
