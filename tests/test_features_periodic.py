"""The periodic set against astropy and numpy, and whether it finds the periods that were put in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from astropy.timeseries import LombScargle
from scipy import stats
from threadpoolctl import threadpool_info, threadpool_limits

from apdb.features import periodogram as periodogram_module
from apdb.features.aliases import resolve
from apdb.features.names import PERIODIC
from apdb.features.periodic import MIN_POINTS, LightCurve, lc_periodic, light_curve, significance
from apdb.features.periodogram import Periodogram, Search, penalised_peak, penalty
from apdb.features.waves import FEW_POINTS, sums
from apdb.one_thread import ONE_THREAD

AT = {feature.name: place for place, feature in enumerate(PERIODIC)}
Floats = np.ndarray[Any, np.dtype[np.float64]]


def observed(
    rng: np.random.Generator, time: Floats, frequencies: Any, amplitudes: Any, snr: float
) -> LightCurve:
    """Sinusoids of random phases; errors are the first amplitude by S/N, give or take a third."""
    error = amplitudes[0] / snr * rng.uniform(0.7, 1.3, len(time))
    phases = rng.uniform(0, 2 * np.pi, len(frequencies))
    waves = np.sin(2 * np.pi * np.multiply.outer(time, frequencies) + phases) @ np.array(amplitudes)
    return light_curve(time, 300.0 + waves + rng.normal(0, error), error)


def nights(rng: np.random.Generator, n: int, days: float) -> Floats:
    """Times of a survey: at night, some hours long."""
    return np.sort(np.floor(rng.uniform(0, days, n)) + rng.normal(0.5, 0.1, n)) + 61000.0


def numbers(curve: LightCurve, search: Search | None = None) -> dict[str, float]:
    row = lc_periodic([curve], search)[0]
    return {name: row[place] for name, place in AT.items()}


@pytest.mark.parametrize(("fine", "tolerance"), [(0, 1e-7), (10**9, 0.02)])
def test_periodogram_equals_astropy(
    monkeypatch: pytest.MonkeyPatch, fine: int, tolerance: float
) -> None:
    """In double precision, and in single, where only the place of the peak must be right."""
    monkeypatch.setattr(periodogram_module, "FINE_GRID", fine)
    rng = np.random.default_rng(1)
    for n, days in ((30, 40.0), (150, 300.0)):
        curve = observed(rng, nights(rng, n, days), [2.345], [100.0], 8)
        grid = Search().grid(float(np.ptp(curve.time)))
        assert grid is not None
        ours = Periodogram(curve.time, curve.error**-2.0, grid).power(curve.flux)
        peers = LombScargle(curve.time, curve.flux, curve.error).power(
            grid.frequencies, method="cython"
        )
        # near one a day, or a multiple, sine and cosine are nearly constants: no power, by contract
        searched = ours > 0
        assert searched.mean() > 0.9
        assert np.abs(ours - peers)[searched].max() < tolerance
        best, height = penalised_peak(ours, grid, penalty(grid, n, 100.0))
        assert abs(grid.step * (best + 1) - 2.345) < 1.5 / days
        assert height == pytest.approx(peers[best], abs=tolerance)


@pytest.mark.parametrize("n_points", [1, 40, FEW_POINTS, FEW_POINTS + 1])
@pytest.mark.parametrize("n", [1, 2, 3, 64, 88, 1920])
def test_sums_are_those_of_all_points_and_frequencies(n_points: int, n: int) -> None:
    rng = np.random.default_rng(n)
    turn, strength = rng.uniform(-3, 3, n_points), rng.normal(size=n_points)
    angle = 2 * np.pi * np.multiply.outer(np.arange(1, n + 1), turn)
    expected = [wave(times * angle) @ strength for times in (1, 2) for wave in (np.cos, np.sin)]
    single = 1e-5 if n_points <= FEW_POINTS else 1e-3
    for real, tolerance in ((np.float64, 1e-7), (np.float32, single)):
        ours = sums(turn, n, real)
        once, twice = ours.once_and_twice(strength)
        for found, peer in zip(
            [*once, *twice, *ours.once(strength)], [*expected, *expected[:2]], strict=True
        ):
            assert found.dtype == real
            assert np.abs(ours.in_order(found) - peer).max() < tolerance * np.sum(np.abs(strength))


def test_the_last_of_several_lifts_the_limit_of_threads() -> None:
    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        before = threads()
        ONE_THREAD.__enter__()
        ONE_THREAD.__enter__()
        assert threads() == {1}
        ONE_THREAD.__exit__()
        assert threads() == {1}
        ONE_THREAD.__exit__()
        assert threads() == before


def test_grid_is_what_was_asked_for() -> None:
    search = Search(minimum=0.5, maximum=3.0, oversampling=7.0)
    grid = search.grid(100.0)
    assert grid is not None
    assert grid.step <= 1 / 700
    assert grid.frequencies[-1] == pytest.approx(3.0)
    assert grid.frequencies[grid.first] >= 0.5 > grid.frequencies[grid.first - 1]
    assert Search().grid(0.0) is None
    assert Search(minimum=11.0).grid(100.0) is None
    lowest = Search().grid(50.0)
    assert lowest is not None
    assert lowest.frequencies[lowest.first] >= 1 / 50


def test_high_frequencies_are_penalised() -> None:
    """Richards et al.: log(f / f_N) off (n - 1) / 2 times the power."""
    grid = Search(maximum=8.0).grid(64.0)
    assert grid is not None
    first, lower = penalty(grid, 41, 2.0)
    frequencies = grid.frequencies[first:]
    assert np.allclose(lower, np.log(np.maximum(frequencies / 2.0, 1)) / 20, atol=1e-6)
    assert grid.frequencies[first - 1] <= 2.0
    power = np.zeros(grid.n, np.float32)
    power[[100, 2000]] = 0.5, 0.52
    assert penalised_peak(power, grid, (grid.n, np.empty(0, np.float32)))[0] == 2000
    assert penalised_peak(power, grid, (first, lower))[0] == 100


@pytest.mark.parametrize("power", [0.02, 0.1, 0.3, 0.6, 0.9])
def test_significance_equals_that_of_astropy(power: float) -> None:
    rng = np.random.default_rng(2)
    time, error = np.sort(rng.uniform(0, 200, 60)), rng.uniform(0.5, 2.0, 60)
    peer = LombScargle(time, rng.normal(0, error), error)
    false = peer.false_alarm_probability(power, method="baluev", maximum_frequency=10.0)
    weight = error**-2.0 / np.sum(error**-2.0)
    highest = peer.autofrequency(maximum_frequency=10.0).max()
    width = highest * np.sqrt(4 * np.pi * np.sum(weight * (time - np.sum(weight * time)) ** 2))
    expected = max(stats.norm.isf(false), 0.0)
    assert significance(power, 60, width) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_significance_of_what_no_float_holds() -> None:
    assert 15 < significance(0.999, 100, 3000.0) < 40
    assert np.isfinite(significance(1.0, 1000, 3000.0))
    assert significance(0.0, 100, 3000.0) == 0.0


def test_coefficients_equal_those_of_numpy() -> None:
    """The final frequencies in a plain least-squares fit of numpy's give slope, amplitudes, phases."""
    rng = np.random.default_rng(3)
    time = np.sort(rng.uniform(61000, 61200, 140))
    curve = observed(rng, time, [0.731, 2.119, 5.43], [900.0, 500.0, 300.0], 30)
    curve = LightCurve(curve.time, curve.flux + 2.5 * (time - 61000), curve.error)
    found = numbers(curve)
    frequencies = [found[f"frequency{i}"] for i in (1, 2, 3)]
    t = time - time[0]
    columns = [np.ones_like(t), t]
    for f in frequencies:
        for j in (1, 2, 3, 4):
            columns += [np.sin(2 * np.pi * j * f * t), np.cos(2 * np.pi * j * f * t)]
    design = np.array(columns).T
    solved = np.linalg.lstsq(design / curve.error[:, None], curve.flux / curve.error, rcond=None)[0]
    assert found["slope"] == pytest.approx(solved[1], rel=1e-6)
    first = np.arctan2(solved[3], solved[2])
    for i in (0, 1, 2):
        for j in (1, 2, 3, 4):
            a, b = solved[2 + 8 * i + 2 * (j - 1) : 4 + 8 * i + 2 * (j - 1)]
            assert found[f"amplitude{i + 1}{j}"] == pytest.approx(np.hypot(a, b), rel=1e-6)
            phase = np.arctan2(b, a) - j * frequencies[i] / frequencies[0] * first
            apart = np.angle(np.exp(1j * (phase - found[f"phase{i + 1}{j}"])))
            assert apart == pytest.approx(0.0, abs=1e-6)
    assert found["phase11"] == 0.0
    assert all(-np.pi < found[f"phase{i}{j}"] <= np.pi for i in (1, 2, 3) for j in (1, 2, 3, 4))


def test_variance_ratio() -> None:
    """A sinusoid of variance 1/2 over noise of 1/8: five times the variance before."""
    rng = np.random.default_rng(4)
    time = np.sort(rng.uniform(0, 100, 3000))
    flux = np.sin(2 * np.pi * 1.37 * time) + rng.normal(0, np.sqrt(1 / 8), 3000)
    found = numbers(light_curve(time, flux, np.full(3000, np.sqrt(1 / 8))))
    assert found["variance_ratio1"] == pytest.approx(5.0, rel=0.08)
    assert found["amplitude11"] == pytest.approx(1.0, rel=0.03)


def test_harmonics_of_one_period_are_one_component() -> None:
    """A sawtooth has amplitudes 1/j and phases that do not depend on when the clock starts."""
    rng = np.random.default_rng(5)
    time = np.sort(rng.uniform(61000, 61090, 400))
    sets = []
    for start in (0.0, 0.321):
        turn = 2 * np.pi * 0.83 * (time + start)
        flux = sum(np.sin(j * turn + 0.4 * j) / j for j in (1, 2, 3, 4))
        sets.append(
            numbers(light_curve(time, 50 * flux + rng.normal(0, 0.5, 400), np.full(400, 0.5)))
        )
    for found in sets:
        assert found["frequency1"] == pytest.approx(0.83, abs=1e-4)
        for j in (1, 2, 3, 4):
            assert found[f"amplitude1{j}"] == pytest.approx(50 / j, rel=0.02)
            assert abs(np.angle(np.exp(1j * found[f"phase1{j}"]))) < 0.05
        assert found["significance1"] > 15
        assert found["significance_ratio2"] < 0.2
        assert found["variance_ratio1"] > 100


@pytest.mark.parametrize("n", [0, 1, 2, 3, *(m - 1 for m in MIN_POINTS), *MIN_POINTS, 60])
def test_number_of_points_decides_what_is_determined(n: int) -> None:
    rng = np.random.default_rng(6)
    time = np.sort(rng.uniform(0, 50, n))
    curve = light_curve(time, np.sin(time) + rng.normal(0, 0.1, n), np.full(n, 0.1))
    found = numbers(curve)
    n_components = sum(n >= m for m in MIN_POINTS)
    for i in (1, 2, 3):
        names = [f"frequency{i}", *(f"amplitude{i}{j}" for j in (1, 2, 3, 4))]
        names.append("significance1" if i == 1 else f"phase{i}4")
        assert all(np.isfinite(found[name]) == (i <= n_components) for name in names)
    assert np.isfinite(found["slope"]) == (n_components > 0)


def test_curves_without_periods_to_find() -> None:
    rng = np.random.default_rng(7)
    time = np.sort(rng.uniform(0, 50, 40))
    for curve in (
        light_curve(time, np.full(40, 3.0), np.ones(40)),
        light_curve(np.full(40, 61000.0), rng.normal(0, 1, 40), np.ones(40)),
        light_curve(time, np.full(40, np.nan), np.ones(40)),
        light_curve(time, rng.normal(0, 1, 40), np.zeros(40)),
        light_curve(np.sort(rng.uniform(0, 0.05, 40)), rng.normal(0, 1, 40), np.ones(40)),
    ):
        assert np.isnan(lc_periodic([curve])).all()
    assert lc_periodic([]).shape == (0, 32)


def test_extreme_values_and_gaps() -> None:
    rng = np.random.default_rng(8)
    time = np.concatenate([rng.uniform(0, 30, 30), rng.uniform(3000, 3030, 30)])
    for scale in (1e-45, 1.0, 3e38):
        found = lc_periodic([light_curve(time, scale * rng.uniform(-1, 1, 60), np.full(60, scale))])
        assert np.isfinite(np.delete(found, [29, 30])).all()  # ratios to a significance of 0
    one_precise = np.full(60, 1e30)
    one_precise[7] = 1e-30
    assert np.isfinite(
        lc_periodic([light_curve(time, rng.normal(0, 1, 60), one_precise)])[0, 1:4]
    ).all()


def test_points_that_do_not_count_are_left_out() -> None:
    rng = np.random.default_rng(9)
    curve = observed(rng, nights(rng, 80, 90), [1.7], [100.0], 10)
    more = [np.concatenate([x, y]) for x, y in (
        (curve.time, [61010.0, 61011.0, np.nan, 61013.0]),
        (curve.flux, [np.nan, 1e9, 1.0, np.inf]),
        (curve.error, [1.0, np.nan, 1.0, 1.0]),
    )]  # fmt: skip
    order = rng.permutation(84)
    bad = light_curve(*(each[order] for each in more))
    assert np.array_equal(lc_periodic([bad]), lc_periodic([curve]))


def test_light_curves_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one length, not \(3,\), \(2,\), \(3,\)"):
        light_curve([1, 2, 3], [1, 2], [1, 2, 3])


def test_a_batch_gives_what_each_curve_gives_alone() -> None:
    rng = np.random.default_rng(10)
    curves = [
        observed(rng, nights(rng, n, 200), [rng.uniform(0.2, 9)], [50.0], 10)
        for n in (5, 12, 20, 33, 33, 90, 140, 7)
    ]
    together = lc_periodic(curves)
    for curve, row in zip(curves, together, strict=True):
        assert np.allclose(lc_periodic([curve])[0], row, rtol=1e-6, atol=1e-6, equal_nan=True)


def recovered(curves: list[LightCurve], truth: list[Any]) -> Any:
    """Whether each true frequency is among the three found, within one over the length."""
    found = lc_periodic(curves)[:, 1:4]
    lengths = np.array([np.ptp(each.time) for each in curves])
    return np.array([
        [np.min(np.abs(row - f)) < 1 / length for f in own]
        for row, own, length in zip(found, truth, lengths, strict=True)
    ])  # fmt: skip


def separate(rng: np.random.Generator, low: float, high: float) -> Floats:
    while True:
        frequencies = rng.uniform(low, high, 3)
        if np.abs(np.subtract.outer(frequencies, frequencies))[np.triu_indices(3, 1)].min() > 0.3:
            return frequencies


def test_three_periods_are_recovered_from_a_year_of_a_survey() -> None:
    """100 points of a band in the nights of a year, S/N 10: all three in 95 of 100 cases."""
    rng = np.random.default_rng(11)
    curves, truth = [], []
    for _ in range(200):
        truth.append(separate(rng, 0.05, 9.9))
        curves.append(observed(rng, nights(rng, 100, 365), truth[-1], [100.0, 60.0, 40.0], 10))
    assert recovered(curves, truth).all(axis=1).mean() >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("amplitudes", [[100.0, 50.0, 25.0], [100.0, 30.0, 10.0]])
def test_three_periods_are_recovered_with_real_cadences(
    test_data: Path, amplitudes: list[float]
) -> None:
    """Cadence of real Rubin light curves of 20 nights or more, S/N 10: all three in 95 of 100."""
    cadences = [t for t in rubin_cadences(test_data) if len(np.unique(np.floor(t - 0.2))) >= 20]
    assert len(cadences) >= 10
    rng = np.random.default_rng(12)
    curves, truth = [], []
    for k in range(100):
        truth.append(separate(rng, 0.2, 9.8))
        curves.append(observed(rng, cadences[k % len(cadences)], truth[-1], amplitudes, 10))
    assert recovered(curves, truth).all(axis=1).mean() >= 0.95


@pytest.mark.parametrize("snr", [5, 10, 20, 50])
@pytest.mark.parametrize("second", [0.0, 60.0])
def test_what_is_left_over_is_searched_where_it_is_more_than_noise(
    monkeypatch: pytest.MonkeyPatch, snr: float, second: float
) -> None:
    """The search takes longer than all else."""
    rng = np.random.default_rng(14)
    time = np.sort(rng.uniform(0, 365, 100))
    curve = observed(rng, time, [2.345, 6.789], [100.0, second], snr)
    grid = Search().grid(float(np.ptp(time)))
    assert grid is not None
    points = (curve.time - curve.time[0], curve.flux - curve.flux.mean(), curve.error**-2.0)
    periodogram = Periodogram(points[0], points[2], grid)
    power = periodogram.power(points[1])
    searched: list[Floats] = []

    def search(value: Floats) -> Any:
        searched.append(value)
        return power

    monkeypatch.setattr(periodogram, "power", search)
    # chi squared of 95 degrees of freedom, and 5 sigma
    found = resolve(periodogram, grid, power, points, 95 + 5 * np.sqrt(2 * 95))
    assert bool(searched) == (second > 0)
    assert found is None or second > 0


def test_rivals_do_not_make_three_periods_of_one_with_harmonics() -> None:
    """Ten nights of a sawtooth: one component with harmonics, as in a dense cadence."""
    rng = np.random.default_rng(13)
    found = 0
    for _ in range(20):
        time = np.sort(np.repeat(rng.choice(40, 10, replace=False), 12) + rng.uniform(0, 0.3, 120))
        frequency = rng.uniform(1.5, 4.0)
        turn = 2 * np.pi * frequency * time
        flux = 100 * sum(np.sin(j * turn) / j**2 for j in (1, 2, 3)) + rng.normal(0, 5, 120)
        got = numbers(light_curve(time, flux, np.full(120, 5.0)))
        found += abs(got["frequency1"] - frequency) < 1 / 40
    assert found >= 18


def rubin_cadences(test_data: Path) -> list[Floats]:
    """Times of all detections of each object in the real alerts."""
    times: dict[int, set[float]] = {}
    with (test_data / "rubin" / "alerts.avro").open("rb") as file:
        for alert in fastavro.reader(file):
            assert isinstance(alert, dict)
            if alert["diaObject"]:
                own = times.setdefault(alert["diaObject"]["diaObjectId"], set())
                for source in [alert["diaSource"], *(alert["prvDiaSources"] or [])]:
                    own.add(source["midpointMjdTai"])
    return [np.array(sorted(own)) for own in times.values()]
