"""The aperiodic set in SQL against numpy, scipy, dense matrices and the package light-curve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import light_curve as peers
import numpy as np
import psycopg
import pytest
from scipy import stats

from apdb.features.names import NON_PERIODIC

Curve = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]
NAMES = [feature.name for feature in NON_PERIODIC]
LEVEL = 5000.0


def in_sql(
    connection: psycopg.Connection[Any], curve: Curve, level: float | None = LEVEL, band: str = "r"
) -> dict[str, float]:
    row = connection.execute(
        "select apdb.lc_non_periodic(%s, %s::float8[], %s::float8[], %s::float8[], %s)",
        (band, *(each.tolist() for each in curve), level),
    ).fetchone()
    assert row is not None
    assert len(row[0]) == len(NAMES) == 20
    return {n: np.nan if v is None else v for n, v in zip(NAMES, row[0], strict=True)}


def stetson_delta(flux: Any, error: Any) -> Any:
    n = len(flux)
    mean = np.average(flux, weights=error**-2.0)
    for _ in range(20):
        delta = np.sqrt(n / (n - 1)) * (flux - mean) / error
        after = np.average(flux, weights=error**-2.0 / (1 + (np.abs(delta) / 2) ** 2))
        moved, mean = abs(after - mean), after
        if moved < 1e-6 and moved < 1e-6 * abs(after):
            break
    return np.sqrt(n / (n - 1)) * (flux - mean) / error


def dense_qso(t: Any, flux: Any, error: Any, level: float, lvar: float, ltau: float) -> Any:
    """Butler & Bloom by whole matrices, as in their paper."""
    x = 2.5 / np.log(10) * flux / level
    noise = (2.5 / np.log(10) * error / level) ** 2
    tau = 10**ltau
    covariance = 0.5 * 10**lvar * tau * np.exp(-np.abs(t[:, None] - t) / tau) + np.diag(noise)
    inverse = np.linalg.inv(covariance)
    one = np.ones(len(t))
    mean = one @ inverse @ x / (one @ inverse @ one)
    nu = len(t) - 1
    return (x - mean) @ inverse @ (x - mean) / nu, np.trace(inverse) * np.var(x) / nu


def in_numpy(curve: Curve, level: float) -> dict[str, float]:
    t, f, e = curve
    n = len(t)
    amplitude, median = np.ptp(f), np.median(f)
    p = lambda q: np.percentile(f, q)  # noqa: E731
    spread = p(95) - p(5)
    delta = stetson_delta(f, e)
    std = np.std(f, ddof=1)
    z = delta**2 - 1
    qso = dense_qso(t, f, e, level, -4.34, 3.12)
    return {
        "max_slope": np.max(np.diff(f) / np.diff(t)),
        "amplitude": amplitude,
        "median_absolute_deviation": np.median(np.abs(f - median)),
        "median_buffer_fraction": np.mean(np.abs(f - median) <= 0.1 * amplitude),
        "slope_trend": np.mean(np.sign(np.diff(f[-30:]))),
        "skewness": stats.skew(f, bias=False),
        "kurtosis": stats.kurtosis(f, bias=False),
        "standard_deviation": std,
        "beyond_one_sigma": np.mean(np.abs(f - np.average(f, weights=e**-2.0)) > std),
        "stetson_j": np.mean(np.sign(z) * np.sqrt(np.abs(z))),
        "stetson_k": np.mean(np.abs(delta)) / np.sqrt(np.mean(delta**2)),
        "flux_ratio_mid20": (p(60) - p(40)) / spread,
        "flux_ratio_mid35": (p(67.5) - p(32.5)) / spread,
        "flux_ratio_mid50": (p(75) - p(25)) / spread,
        "flux_ratio_mid65": (p(82.5) - p(17.5)) / spread,
        "flux_ratio_mid80": (p(90) - p(10)) / spread,
        "largest_departure": np.max(np.abs(f - median)) / median,
        "percentile_spread": spread / median,
        "chi2_qso": qso[0],
        "chi2_false": qso[1],
        # what is near zero by nature has the scale of what it is made of
        "n": n,
    }


def random_curve(rng: np.random.Generator, n: int) -> Curve:
    t = np.sort(rng.uniform(61000, 61365, n))
    e = rng.uniform(10, 200, n)
    f = rng.normal(1500, 400, n) + 300 * np.sin(t / 20) + rng.standard_t(3, n) * e
    return t, f, e


@pytest.mark.parametrize("n", [4, 5, 9, 30, 31, 100, 400])
def test_equals_numpy_and_scipy(plain_connection: psycopg.Connection[Any], n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(8):
        curve = random_curve(rng, n)
        found, expected = in_sql(plain_connection, curve), in_numpy(curve, LEVEL)
        for name in NAMES:
            assert found[name] == pytest.approx(expected[name], rel=1e-6, abs=1e-6), name


def test_equals_light_curve_from_pypi(plain_connection: psycopg.Connection[Any]) -> None:
    rng = np.random.default_rng(5)
    features: dict[str, tuple[Any, float]] = {
        "amplitude": (peers.Amplitude(), 2.0),
        "median_absolute_deviation": (peers.MedianAbsoluteDeviation(), 1.0),
        # its amplitude is half of ours
        "median_buffer_fraction": (peers.MedianBufferRangePercentage(quantile=0.2), 1.0),
        "skewness": (peers.Skew(), 1.0),
        "kurtosis": (peers.Kurtosis(), 1.0),
        "standard_deviation": (peers.StandardDeviation(), 1.0),
    }
    for n in (4, 20, 150):
        t, f, e = random_curve(rng, n)
        found = in_sql(plain_connection, (t, f, e))
        for name, (feature, factor) in features.items():
            assert found[name] == pytest.approx(factor * feature(t, f, e)[0], rel=1e-9), name
        # that of the package is the largest in size
        rise, fall = found["max_slope"], in_sql(plain_connection, (t, -f, e))["max_slope"]
        assert max(rise, fall) == pytest.approx(peers.MaximumSlope()(t, f, e)[0], rel=1e-9)


def test_no_points(plain_connection: psycopg.Connection[Any]) -> None:
    none = np.empty(0)
    assert all(np.isnan(v) for v in in_sql(plain_connection, (none, none, none)).values())


def test_one_point(plain_connection: psycopg.Connection[Any]) -> None:
    found = in_sql(plain_connection, (np.array([61000.0]), np.array([7.0]), np.array([2.0])))
    known = {name: value for name, value in found.items() if not np.isnan(value)}
    assert known == {
        "amplitude": 0.0,
        "median_absolute_deviation": 0.0,
        "median_buffer_fraction": 1.0,
        "largest_departure": 0.0,
        "percentile_spread": 0.0,
    }


def test_two_and_three_points(plain_connection: psycopg.Connection[Any]) -> None:
    t, f, e = np.array([0.0, 2.0, 5.0]) + 61000, np.array([1.0, 5.0, 3.0]), np.full(3, 0.5)
    two = in_sql(plain_connection, (t[:2], f[:2], e[:2]))
    assert np.isnan(two["skewness"])
    assert np.isnan(two["kurtosis"])
    assert two["max_slope"] == 2.0
    assert two["slope_trend"] == 1.0
    assert two["standard_deviation"] == pytest.approx(np.sqrt(8.0))
    delta = np.sqrt(2.0) * 2.0 / 0.5
    assert two["stetson_j"] == pytest.approx(np.sqrt(delta**2 - 1))
    assert two["stetson_k"] == pytest.approx(1.0)
    assert two["flux_ratio_mid50"] == pytest.approx(0.5 / 0.9)
    three = in_sql(plain_connection, (t, f, e))
    assert three["skewness"] == pytest.approx(stats.skew(f, bias=False), abs=1e-12)
    assert np.isnan(three["kurtosis"])
    assert three["slope_trend"] == 0.0
    for found, m in ((two, 2), (three, 3)):
        qso = dense_qso(t[:m], f[:m], e[:m], LEVEL, -4.34, 3.12)
        assert (found["chi2_qso"], found["chi2_false"]) == pytest.approx(qso, rel=1e-9)


def test_constant_light_curve(plain_connection: psycopg.Connection[Any]) -> None:
    """A third has no exact binary form: what is constant must stay so through sums."""
    n = 57
    curve = (61000 + np.arange(n) * 0.7, np.full(n, 1 / 3), np.linspace(0.1, 0.9, n))
    found = in_sql(plain_connection, curve)
    assert found["standard_deviation"] == found["amplitude"] == found["beyond_one_sigma"] == 0.0
    assert found["max_slope"] == found["slope_trend"] == 0.0
    assert found["median_buffer_fraction"] == 1.0
    assert found["stetson_j"] == -1.0
    assert found["chi2_qso"] == pytest.approx(0.0, abs=1e-20)
    for name in ("skewness", "kurtosis", "stetson_k", "flux_ratio_mid20"):
        assert np.isnan(found[name])


def test_gaps_and_equal_times(plain_connection: psycopg.Connection[Any]) -> None:
    """Years without points, and points of one time, which have no slope between them."""
    t = np.array([50000.0, 50000.0, 50000.5, 61000.0, 61000.01, 61000.01])
    f = np.array([10.0, 90.0, 30.0, 20.0, 25.0, 99.0])
    e = np.array([3.0, 5.0, 4.0, 2.0, 6.0, 7.0])
    found = in_sql(plain_connection, (t, f, e))
    assert found["max_slope"] == pytest.approx(5.0 / (t[4] - t[3]))
    assert found["slope_trend"] == pytest.approx((1 - 1 - 1 + 1 + 1) / 5)
    qso = dense_qso(t, f, e, LEVEL, -4.34, 3.12)
    assert (found["chi2_qso"], found["chi2_false"]) == pytest.approx(qso, rel=1e-6)


def test_points_that_do_not_count(plain_connection: psycopg.Connection[Any]) -> None:
    rng = np.random.default_rng(8)
    t, f, e = random_curve(rng, 40)
    expected = in_sql(plain_connection, (t, f, e))
    bad_t = np.concatenate([t, [61100.0, 61101.0, 61102.0, 61103.0, np.nan]])
    bad_f = np.concatenate([f, [np.nan, 5.0, np.inf, 7.0, 1.0]])
    bad_e = np.concatenate([e, [1.0, np.nan, 1.0, 0.0, 1.0]])
    order = rng.permutation(len(bad_t))
    assert in_sql(plain_connection, (bad_t[order], bad_f[order], bad_e[order])) == expected
    nulls = plain_connection.execute(
        "select apdb.lc_non_periodic('r', array[61000, null], array[null, 3], array[1, 1], 5)"
    ).fetchone()
    assert nulls is not None
    assert nulls[0] == [None] * 20


EXTREMES: dict[str, Callable[[np.random.Generator], Curve]] = {
    "largest reals": lambda g: (np.arange(20.0), g.choice([-3.4e38, 3.4e38], 20), np.ones(20)),
    "smallest reals": lambda g: (np.arange(20.0), g.choice([1e-45, 3e-45], 20), np.full(20, 1e-45)),
    "all sizes": lambda g: (np.arange(40.0), 10.0 ** g.uniform(-45, 38, 40), np.full(40, 1e-20)),
    "tiny errors": lambda g: (np.arange(20.0), g.normal(1e30, 1e29, 20), np.full(20, 1e-38)),
    "huge errors": lambda g: (np.arange(20.0), g.normal(0, 1e-30, 20), np.full(20, 3e38)),
    "around zero": lambda g: (np.arange(3.0), np.array([1e-45, 3e38, -3e38]), np.ones(3)),
    "one moment": lambda g: (np.full(9, 61000.0), g.normal(0, 1, 9), np.ones(9)),
    "one exact point": lambda g: (np.arange(2.0), np.array([0.0, 1.0]), np.array([1e-45, 3e38])),
    "an eternity": lambda g: (15000 + np.arange(9) * 15000.0, g.normal(0, 1, 9), np.ones(9)),
}


@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("level", [1e-45, 1.0, 3.4e38, 0.0, -5.0, None])
def test_extreme_light_curves_do_not_fail(
    plain_connection: psycopg.Connection[Any], kind: str, level: float | None
) -> None:
    curve = EXTREMES[kind](np.random.default_rng(1))
    found = in_sql(plain_connection, curve, level)
    assert found["amplitude"] == np.ptp(curve[1])
    assert 0.0 <= found["beyond_one_sigma"] <= 1.0
    if not level or level < 0:
        assert np.isnan(found["chi2_qso"])


def test_points_of_all_sizes_at_once(plain_connection: psycopg.Connection[Any]) -> None:
    """The departures are 1e83 errors: their squares are no float's, squared once more."""
    flux = np.array([100, 3e38, -3e38, 100, 100, 3e38], np.float32).astype(float)
    error = np.array([5, 5, 1e-45, 1e-45, 3e38, 1e-45], np.float32).astype(float)
    t = 61000.0 + np.arange(6)
    for level in (1e-45, 100.0, 3e38):
        found = in_sql(plain_connection, (t, flux, error), level)
        assert found["amplitude"] == np.ptp(flux)
        assert found["standard_deviation"] == pytest.approx(np.std(flux, ddof=1))
        assert found["skewness"] == pytest.approx(stats.skew(flux, bias=False))
        delta = stetson_delta(flux, error)
        k = np.mean(np.abs(delta) / np.sqrt(np.mean(delta**2)))
        assert found["stetson_k"] == pytest.approx(k)


def test_quasar_metrics_by_band(plain_connection: psycopg.Connection[Any]) -> None:
    """Parameters of Butler & Bloom's table 1; there is none for y, so it has those of z."""
    t, f, e = random_curve(np.random.default_rng(4), 60)
    table = {"u": (-3.90, 2.73), "g": (-4.10, 2.92), "i": (-4.23, 2.83), "z": (-4.44, 3.06)}
    for band, (lvar, ltau) in {**table, "y": table["z"]}.items():
        found = in_sql(plain_connection, (t, f, e), band=band)
        expected = dense_qso(t, f, e, LEVEL, lvar, ltau)
        assert (found["chi2_qso"], found["chi2_false"]) == pytest.approx(expected, rel=1e-6)
    other = in_sql(plain_connection, (t, f, e), band="clear")
    assert np.isnan(other["chi2_qso"])
    assert other["amplitude"] == np.ptp(f)


def test_quasars_are_told_from_other_variables(plain_connection: psycopg.Connection[Any]) -> None:
    """Damped random walks have chi2_qso about 1 and far below chi2_false; white variables do not."""
    rng = np.random.default_rng(9)
    t = np.sort(rng.uniform(61000, 63000, 120))
    tau, s = 10**3.12, 0.5 * 10 ** (-4.34 + 3.12)
    walk = np.linalg.cholesky(s * np.exp(-np.abs(t[:, None] - t) / tau)) @ rng.normal(size=120)
    e = np.full(120, 0.01)
    scale = LEVEL * np.log(10) / 2.5
    quasar = in_sql(plain_connection, (t, scale * (walk + rng.normal(0, e)), scale * e))
    white = in_sql(plain_connection, (t, scale * rng.normal(0, 0.2, 120), scale * e))
    assert 0.7 < quasar["chi2_qso"] < 1.4
    assert quasar["chi2_false"] > 5 * quasar["chi2_qso"]
    assert white["chi2_qso"] > 5
    assert white["chi2_false"] < 2 * white["chi2_qso"]


def test_analysts_may_ask_for_any_points(plain_connection: psycopg.Connection[Any]) -> None:
    plain_connection.execute("set local role apdb_reader")
    assert in_sql(plain_connection, (np.arange(2.0), np.arange(2.0), np.ones(2)))["amplitude"] == 1
