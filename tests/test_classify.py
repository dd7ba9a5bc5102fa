"""Reliability: features, trees against scikit-learn, the model file, real stamps of ZTF."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from scipy.stats import spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from apdb.archive.stamps import Stamps
from pipeline.classify import default_model, features, load_model, score
from pipeline.classify.model import sigmoid
from pipeline.classify.train import TrainConfig, choose_cut, platt, train
from pipeline.classify.trees import Trees
from pipeline.errors import ClassifyError
from pipeline.exposure import Mask
from pipeline.psf import Psf

SIDE, FWHM, SIGMA = 31, 4.0, 5.0
ZTF_GAIN = 6.2
ZTF_FWHM = 3.0


def learnable(n: int = 600, seed: int = 3) -> tuple[Table, np.ndarray, np.ndarray]:
    """Return features, classes and images: classes overlap, one feature is often unknown."""
    rng = np.random.default_rng(seed)
    real = rng.random(n) < 0.4
    values = rng.normal(size=(n, 4)) + real[:, np.newaxis] * [1.5, 0.7, 0.0, 0.3]
    values[rng.random(n) < 0.3, 1] = np.nan
    table = Table({name: values[:, i] for i, name in enumerate("abcd")})
    return table, real, np.arange(n) % 12


def stamps_of(images: dict[str, np.ndarray], mask: np.ndarray | None = None) -> dict[str, Stamps]:
    """Return stamps of white noise of SIGMA with a Gaussian PSF."""
    psf = Psf.gaussian(FWHM, (SIDE, SIDE)).centre
    return {
        kind: Stamps(image, np.full(image.shape, SIGMA**2), mask, psf)
        for kind, image in images.items()
    }


def drawn(rng: np.random.Generator, dx: float, dy: float, flux: float) -> np.ndarray:
    """Return a Gaussian star, and noise."""
    at = np.arange(SIDE) - SIDE // 2
    s = FWHM / 2.35482
    star = np.exp(-0.5 * ((at - dx) ** 2 + (at[:, np.newaxis] - dy) ** 2) / s**2)
    return flux * star / (2 * np.pi * s**2) + rng.normal(0, SIGMA, (SIDE, SIDE))


def test_features_tell_a_source_a_shift_and_a_hit_apart() -> None:
    rng = np.random.default_rng(5)
    flux = 40 * SIGMA * FWHM
    star = drawn(rng, 0, 0, 20 * flux)
    shifted = drawn(rng, 0.15, 0, 20 * flux) - star
    hit = rng.normal(0, SIGMA, star.shape)
    hit[SIDE // 2, SIDE // 2] += 60 * SIGMA
    faded = -drawn(rng, 0, 0, flux)
    sky = rng.normal(0, SIGMA, star.shape)
    science = np.stack([drawn(rng, 0, 0, flux), star, hit, sky])
    template = np.stack([sky, star, sky, -faded])
    difference = np.stack([science[0] - sky, shifted, hit, faded])
    found = features(
        Table({"x": [5.0, 50, 90, 200], "y": [5.0, 80, 9, 200]}),
        stamps_of({"difference": difference, "science": science, "template": template}),
    )
    # Σ psf² of a Gaussian is 1 / (4πσ²); the errors are of one stamp
    expected = flux / (SIGMA * np.sqrt(4 * np.pi) * FWHM / 2.35482)
    assert found["fit_snr"][[0, 3]] == pytest.approx([expected, expected], rel=0.15)
    assert found["point_explains"][0] > 0.6 > 0.2 > found["fault_explains"][0]
    assert found["fault_explains"][1] > 0.6 > 0.2 > found["point_explains"][1]
    assert found["sharpness"][2] > 2.0 > found["sharpness"][0]
    assert found["negative_share"][1] > 0.4 > 0.2 > found["negative_share"][3]
    assert found["absent_snr"][3] < 5 < 10 < found["present_snr"][3]


def test_masked_pixels_take_no_part() -> None:
    rng = np.random.default_rng(6)
    image = np.stack([drawn(rng, 0, 0, 500.0)] * 2)
    image[1, 10:12, 8:20] = 1e9
    mask = np.zeros(image.shape, np.int32)
    mask[1, 10:12, 8:20] = int(Mask.SAT)
    found = features(
        Table({"x": [0.0, 1]}),
        stamps_of(dict.fromkeys(("difference", "science", "template"), image), mask),
    )
    assert found["fit_snr"][1] == pytest.approx(found["fit_snr"][0], rel=0.1)
    assert found["saturated_near"].tolist() == [0.0, pytest.approx(24 / SIDE**2)]
    # nothing but masked pixels: unknown, and no failure
    mask[1] = int(Mask.NO_DATA)
    none = features(
        Table({"x": [0.0, 1]}),
        stamps_of(dict.fromkeys(("difference", "science", "template"), image), mask),
    )
    assert np.isnan(none["fit_snr"][1])
    assert none["unusable"][1] == 1.0


def test_trees_are_those_of_scikit_learn(tmp_path: Path) -> None:
    table, real, image = learnable()
    values = np.column_stack([table[name] for name in table.colnames])
    peer = HistGradientBoostingClassifier(max_iter=40, random_state=1).fit(values, real)
    other = np.random.default_rng(8).normal(0, 2, (500, 4))
    other[::3, 1] = np.nan
    other[::7, 2] = np.nan
    ours = Trees.of(peer).log_odds(other)
    np.testing.assert_allclose(ours, peer.decision_function(other), rtol=1e-12, atol=1e-12)
    trained = train(table, real, image, TrainConfig(trees=20), version="v1")
    trained.model.save(tmp_path / "a.npz")
    trained.model.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = load_model(tmp_path / "a.npz")
    assert back.version == "v1"
    np.testing.assert_array_equal(back.reliability(table), trained.model.reliability(table))
    assert back.about["curve"]["count"] == trained.curve.count


def test_probabilities_are_calibrated() -> None:
    table, real, image = learnable(4000)
    trained = train(table, real, image)
    for low in np.arange(0, 1, 0.2):
        inside = (trained.reliability >= low) & (trained.reliability < low + 0.2)
        mean, n = trained.reliability[inside].mean(), inside.sum()
        assert abs(real[inside].mean() - mean) < 4 * np.sqrt(mean * (1 - mean) / n)
    auc = roc_auc_score(real, trained.reliability)
    assert trained.model.about["auc"] == pytest.approx(auc)
    # classes are Gaussian, so the best possible score is known: 0.91 with all features
    assert 0.83 < auc < 0.91
    # odds of another mix of classes differ by a factor
    fewer = trained.model.for_share(0.05).reliability(table)
    share = real.mean()
    factor = (0.05 / 0.95) / (share / (1 - share))
    before = trained.model.reliability(table)
    np.testing.assert_allclose(fewer / (1 - fewer), factor * before / (1 - before), rtol=1e-6)


def test_platt_is_logistic_regression() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(0, 3, 20000)
    real = rng.random(len(x)) < 1 / (1 + np.exp(-(0.7 * x - 0.4)))
    slope, offset = platt(x, real)
    assert (slope, offset) == pytest.approx((0.7, -0.4), abs=0.05)
    assert platt(np.array([-1.0, 1.0] * 50), np.array([False, True] * 50))[0] < 10
    np.testing.assert_allclose(sigmoid([-800, 0, 800]), [0, 0.5, 1])


def test_cut_keeps_what_it_promises() -> None:
    reliability = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    real = np.array([0, 0, 0, 1, 0, 1, 1, 1, 1, 1], bool)
    # pure above 0.6; keeping five of six asks for that, six of six for 0.4
    assert choose_cut(reliability, real, 0.99, 0.8) == pytest.approx(0.6)
    assert choose_cut(reliability, real, 0.99, 0.999) == pytest.approx(0.4, abs=0.01)
    # above 0.4 all six and one of four: 0.8 pure if half are real, 0.5 if one in five is
    assert choose_cut(reliability, real, 0.8, 0.8, 0.5) == pytest.approx(0.4)
    assert choose_cut(reliability, real, 0.51, 0.8, 0.2) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda meta, _arrays: meta.update(format=9), "format 9"),
        (lambda meta, _arrays: meta.update(version="far too long"), "7"),
        (lambda _meta, arrays: arrays.pop("left.npy"), "left.npy"),
        (lambda _meta, arrays: arrays.update({"left.npy": _bytes(np.zeros(3, np.int32))}), "trees"),
        (lambda _meta, arrays: arrays.update({"value.npy": _pickled()}), "no model"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, spoil, says: str) -> None:  # type: ignore[no-untyped-def]
    table, real, image = learnable()
    path = tmp_path / "model.npz"
    train(table, real, image, TrainConfig(trees=3)).model.save(path)
    with zipfile.ZipFile(path) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}
    meta = json.loads(arrays.pop("model.json"))
    spoil(meta, arrays)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"model.json": json.dumps(meta).encode(), **arrays}.items():
            archive.writestr(name, content)
    with pytest.raises(ClassifyError, match=says):
        load_model(path)


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    table, real, image = learnable()
    with pytest.raises(ClassifyError, match="cannot be read"):
        load_model(tmp_path / "none.npz")
    (tmp_path / "text").write_text("no model")
    with pytest.raises(ClassifyError, match="is no model"):
        load_model(tmp_path / "text")
    with pytest.raises(ClassifyError, match="inject more fakes"):
        train(table[:30], real[:30], image[:30])
    with pytest.raises(ClassifyError, match="take more"):
        train(table, real, np.zeros(len(real)))
    model = train(table, real, image, TrainConfig(trees=3)).model
    with pytest.raises(ClassifyError, match="features d, which"):
        model.reliability(table["a", "b", "c"])
    image_of = Stamps(np.zeros((2, 9, 9)), np.ones((2, 9, 9)))
    stamps = dict.fromkeys(("difference", "science", "template"), image_of)
    with pytest.raises(ClassifyError, match="no PSF"):
        score(Table({"x": [1, 2]}), stamps, model)
    with pytest.raises(ClassifyError, match="2 stamps of kind difference for 1 source"):
        score(Table({"x": [1]}), stamps, model)


@pytest.fixture(scope="module")
def ztf(test_data: Path) -> tuple[Table, dict[str, Stamps], np.ndarray]:
    """Return sources, stamps and ``drb`` of the real alerts of ZTF."""
    columns = {
        "difference": "cutoutDifference",
        "science": "cutoutScience",
        "template": "cutoutTemplate",
    }
    images: dict[str, list[np.ndarray]] = {kind: [] for kind in columns}
    rows = []
    for path in sorted((test_data / "stamps").glob("*.parquet")):
        for alert in pq.read_table(path, columns=["candidate", *columns.values()]).to_pylist():
            rows.append(alert["candidate"])
            for kind, name in columns.items():
                content = gzip.decompress(alert[name]["stampData"])
                images[kind].append(fits.getdata(io.BytesIO(content)).astype(float))
    table = Table(
        {
            "is_negative": [row["isdiffpos"] in ("f", "0") for row in rows],
            "snr": [1.0857 / row["sigmapsf"] for row in rows],
        }
    )
    stamps = {
        kind: Stamps(each, [_ztf_variance(image) for image in each])
        for kind, each in images.items()
    }
    drb = np.array([np.nan if row.get("drb") is None else row["drb"] for row in rows])
    return table, stamps, drb


def _ztf_variance(image: np.ndarray) -> np.ndarray:
    """Return noise of the sky, and of the photons above it."""
    low, middle = np.nanpercentile(image, [15.87, 50])
    return (middle - low) ** 2 + np.maximum(np.nan_to_num(image - middle), 0) / ZTF_GAIN


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_default_model_agrees_with_ztf(ztf: tuple[Table, dict[str, Stamps], np.ndarray]) -> None:
    """Learnt on simulated images alone, it sorts alerts of a camera that it never saw."""
    table, stamps, drb = ztf
    reliability = score(table, stamps, fwhm=ZTF_FWHM)
    assert np.all((reliability >= 0) & (reliability <= 1))
    known = np.isfinite(drb)
    assert known.sum() > 150
    order = spearmanr(reliability[known], drb[known])
    assert order.statistic > 0.35
    assert order.pvalue < 1e-6
    assert roc_auc_score(drb[known] > 0.5, reliability[known]) > 0.7


def test_default_model_is_small_and_says_how_it_was_made() -> None:
    model = default_model()
    file = Path(load_model.__code__.co_filename).parent / "default.npz"
    assert file.stat().st_size < 300_000
    assert model.about["simulated"] >= 25
    assert model.about["auc"] > 0.98
    assert 0.05 < model.cut < 0.9


def _bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()
