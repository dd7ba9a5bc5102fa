"""The simulated survey: reproducible, consistent with its own errors, complete."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord, search_around_sky

import apdb
from apdb.errors import InvalidInput
from apdb.schema.catalogue import table
from apdb.truth import compare
from pipeline.survey import (
    Field,
    Kind,
    SimulatedVisit,
    Survey,
    SurveyConfig,
    dense_field,
    full_columns,
    simulate,
)


@pytest.fixture(scope="module")
def survey() -> Survey:
    return simulate()


@pytest.fixture(scope="module")
def visits(survey: Survey) -> list[SimulatedVisit]:
    return list(survey.visits())


def joined(visits: list[SimulatedVisit], column: str) -> np.ndarray:
    return np.concatenate([v.sources[column] for v in visits])


def sky(ra, dec) -> SkyCoord:
    return SkyCoord(ra, dec, unit="deg")


def test_size_of_the_default_night(survey, visits):
    assert len(visits) == len(survey) == 144
    assert 30_000 < sum(len(v.truth) for v in visits) < 60_000
    kinds = np.unique(np.concatenate([v.kind for v in visits]))
    assert set(kinds.tolist()) == {int(k) for k in Kind}


def test_visits_are_in_time_order_and_distinct(visits):
    times = [v.visit["midpoint_mjd_tai"] for v in visits]
    assert times == sorted(times)
    assert len({(v.visit["visit"], v.visit["detector"]) for v in visits}) == len(visits)
    assert {v.visit["band"] for v in visits} == set("ugrizy")


def test_every_visit_is_one_that_apdb_takes(visits):
    for simulated in visits:
        visit = apdb.Visit(**simulated.visit)
        assert visit.visit // 100_000 == 20260309  # the evening before 2026-03-10


def test_equal_seeds_give_equal_surveys_and_others_not(visits):
    again = list(simulate(SurveyConfig()).visits())
    other = next(simulate(SurveyConfig(seed=2)).visits())
    for one, two in zip(visits, again, strict=True):
        assert one.visit == two.visit
        for name, values in one.sources.items():
            np.testing.assert_array_equal(values, two.sources[name])
    assert not np.array_equal(other.sources["ra"], visits[0].sources["ra"])


def test_source_ids_are_unique_and_need_64_bits(visits):
    ids = joined(visits, "dia_source_id")
    assert ids.dtype == np.int64
    assert len(np.unique(ids)) == len(ids)
    assert ids.min() > 2**53


def test_columns_are_those_of_the_catalogue(visits):
    dia_source = table("dia_source")
    for name, values in visits[0].sources.items():
        assert values.dtype == dia_source.column(name).numpy_dtype, name
        assert values.shape == visits[0].truth.shape, name


def test_positions_are_in_the_footprint(visits):
    for simulated in visits:
        centre = sky(simulated.visit["ra"], simulated.visit["dec"])
        places = sky(simulated.sources["ra"], simulated.sources["dec"])
        assert centre.separation(places).deg.max() <= simulated.visit["radius"]
        assert (simulated.sources["ra"] >= 0).all()
        assert (simulated.sources["ra"] < 360).all()


def test_fields_straddle_ra_0_and_hold_the_poles(visits):
    ra, dec = joined(visits, "ra"), joined(visits, "dec")
    near = np.abs(dec + 7.5) < 0.2
    assert (ra[near] < 0.05).any()
    assert (ra[near] > 359.95).any()
    for pole in (dec > 89.9, dec < -89.9):
        assert len(np.unique(ra[pole] // 90)) == 4


def test_scatter_agrees_with_the_errors_everywhere(survey, visits):
    """Offsets from the truth, in units of the errors given, have unit variance."""
    truth = np.concatenate([p.truth for p in survey.populations])
    true_ra = np.concatenate([p.ra for p in survey.populations])
    true_dec = np.concatenate([p.dec for p in survey.populations])
    ours = np.concatenate([v.stationary_truth for v in visits])
    ra_err, dec_err = joined(visits, "ra_err"), joined(visits, "dec_err")
    good = (ours > 0) & np.isfinite(ra_err)
    place = np.searchsorted(truth, ours[good])
    # the frame of the measured position: there the error has its meaning, also next to a pole
    measured = sky(joined(visits, "ra")[good], joined(visits, "dec")[good])
    east, north = measured.spherical_offsets_to(sky(true_ra[place], true_dec[place]))
    for offset, error in ((east.deg, ra_err[good]), (north.deg, dec_err[good])):
        away = np.abs(joined(visits, "dec")[good]) < 89.5
        for which in (away, ~away):
            pull = offset[which] / error[which]
            assert np.std(pull) == pytest.approx(1.0, abs=0.03)
    assert ra_err[good].min() * 3600 == pytest.approx(0.09, abs=0.005)


def test_detections_are_above_the_threshold(visits):
    snr = joined(visits, "snr")
    assert snr.min() >= 5.0
    ratio = np.abs(joined(visits, "psf_flux")) / joined(visits, "psf_flux_err")
    np.testing.assert_allclose(snr, ratio, rtol=1e-5)
    np.testing.assert_array_equal(joined(visits, "is_negative"), joined(visits, "psf_flux") < 0)


def test_faint_objects_come_and_go(survey, visits):
    """Not every object is seen at every epoch, and many are seen often."""
    truth = np.concatenate([v.stationary_truth for v in visits])
    _, n = np.unique(truth[truth > 0], return_counts=True)
    assert (n == 1).any()
    assert n.max() == 24  # the epochs of the deep field


def test_fluxes_scatter_by_their_errors(survey, visits):
    bands = "ugrizy"
    pulls = []
    for simulated in visits:
        bright = (simulated.stationary_truth > 0) & (simulated.sources["snr"] > 15)
        for population in survey.populations:
            here = bright & np.isin(simulated.truth, population.truth)
            expected = population.difference(
                bands.index(simulated.visit["band"]), simulated.visit["midpoint_mjd_tai"]
            )[np.searchsorted(population.truth, simulated.truth[here])]
            flux, error = simulated.sources["psf_flux"], simulated.sources["psf_flux_err"]
            pulls.append((flux[here] - expected) / error[here])
    pull = np.concatenate(pulls)
    assert np.mean(pull) == pytest.approx(0.0, abs=0.05)
    assert np.std(pull) == pytest.approx(1.0, abs=0.03)


def test_light_curves_have_their_shapes():
    """Maximum 1 of an outburst, mean 0 of pulsation, dips only of an eclipse."""
    survey = simulate(SurveyConfig(nights=60, n_visits=60, fields=(Field("one", 10.0, 10.0),)))
    population = survey.populations[0]
    times = 61109.0 + np.arange(0.0, 60.0, 0.01)
    curves = np.array([population.difference(2, t) for t in times])
    relative = curves / population.template[:, 2]
    weeks = (population.kind == Kind.TRANSIENT) & (population.decay > 1)
    after = weeks & (population.start > times[0]) & (population.start < times[-1] - 20)
    assert after.sum() > 5
    np.testing.assert_allclose(curves[:, after].max(axis=0), population.peak[after, 2], rtol=1e-3)
    pulsating = population.kind == Kind.RR_LYRAE
    swing = population.amplitude[pulsating]
    assert np.abs(relative[:, pulsating].mean(axis=0) / swing).max() < 0.05
    eclipsing = population.kind == Kind.ECLIPSING
    assert relative[:, eclipsing].max() <= 0
    deepest = relative[:, eclipsing].min(axis=0) / population.amplitude[eclipsing]
    np.testing.assert_allclose(deepest, -1.0, atol=0.05)


def test_known_movers_lie_on_their_ephemeris(survey, visits):
    """Linear extrapolation from the nearest row meets the detections within 1 arcsec."""
    table_ids, times = survey.ephemeris["ss_object_id"], survey.ephemeris["mjd_tai"]
    n = 0
    for simulated in visits:
        if abs(simulated.visit["dec"]) > 85:
            continue  # there the coordinates turn too fast for a linear extrapolation
        mjd = simulated.visit["midpoint_mjd_tai"]
        for row in np.flatnonzero(simulated.kind == Kind.MOVER):
            mine = np.flatnonzero(table_ids == simulated.truth[row])
            nearest = mine[np.argmin(np.abs(times[mine] - mjd))]
            entry = {name: column[nearest] for name, column in survey.ephemeris.items()}
            dt = mjd - entry["mjd_tai"]
            assert abs(dt) <= 0.5 / 24 + 1e-9
            start = sky(entry["ra"], entry["dec"])
            predicted = start.spherical_offsets_by(
                entry["ra_rate"] * dt * u.deg, entry["dec_rate"] * dt * u.deg
            )
            found = sky(simulated.sources["ra"][row], simulated.sources["dec"][row])
            assert predicted.separation(found).arcsec < 1.0
            n += 1
    assert n > 300
    for name, values in survey.ephemeris.items():
        assert values.dtype == table("ephemeris").column(name).numpy_dtype, name


def test_unknown_movers_are_not_in_the_ephemeris(survey, visits):
    unknown = np.concatenate([v.truth[v.kind == Kind.UNKNOWN_MOVER] for v in visits])
    assert len(unknown)
    assert not np.isin(unknown, survey.ephemeris["ss_object_id"]).any()


def test_crowded_pairs_have_the_separations_asked_for():
    crowd = Field("crowd", 0.0, 89.9, crowded_pairs=100)
    survey = simulate(SurveyConfig(fields=(crowd,), n_visits=6, objects_per_detector=200))
    population = survey.populations[0]
    places = sky(population.ra, population.dec)
    one, two, apart, _ = search_around_sky(places, places, 4 * u.arcsec)
    pairs = apart[one < two].arcsec
    assert len(pairs) == 100
    assert pairs.min() >= 0.5 - 1e-6
    assert pairs.max() <= 3.0 + 1e-6
    for simulated in survey.visits():
        if simulated.visit["detector"] == 0:
            seen = np.isin(population.truth[one], simulated.truth)
            other = np.isin(population.truth[two], simulated.truth)
            assert (seen == other).mean() > 0.99  # but for those on the edge


def associate(visits: list[SimulatedVisit], radius: float) -> np.ndarray:
    """Return object numbers: nearest pairs first, one to one, running mean positions."""
    known, totals, assigned = 0, np.zeros((100_000, 3)), []
    for simulated in visits:
        usable = ~np.any(
            [simulated.sources[f] for f in simulated.sources if f.endswith("_center")], axis=0
        )
        places = sky(simulated.sources["ra"], simulated.sources["dec"])
        ours = np.zeros(len(places), np.int64)
        taken = set()
        if known:
            means = SkyCoord(totals[:known], representation_type="cartesian")
            means.representation_type = "unitspherical"
            source, target, apart, _ = search_around_sky(places, means, radius * u.arcsec)
            for i in np.argsort(apart):
                if ours[source[i]] == 0 and target[i] not in taken:
                    ours[source[i]] = target[i] + 1
                    taken.add(target[i])
        new = (ours == 0) & usable
        ours[new] = known + 1 + np.arange(new.sum())
        known += new.sum()
        found = ours > 0
        np.add.at(totals, ours[found] - 1, places.cartesian.xyz.value.T[found])
        assigned.append(ours)
    return np.concatenate(assigned)


def test_a_plain_association_leaves_the_objects_whole(visits):
    """The survey is one that can be associated: 99.9% of its recurring objects unsplit."""
    truth = np.concatenate([v.stationary_truth for v in visits])
    report = compare(truth, associate(visits, 1.0))
    assert report.n_recurring > 4000
    assert report.unsplit_fraction >= 0.999, str(report)


def test_full_columns_leaves_nothing_null(visits):
    full = full_columns(visits[0].sources, np.random.default_rng(1))
    assert len(full) > 90
    for name, values in full.items():
        column = table("dia_source").column(name)
        assert values.dtype == column.numpy_dtype, name
        if values.dtype.kind == "f" and name not in ("ra_err", "dec_err", "ra_dec_cov"):
            assert np.isfinite(values).all(), name
    for name, values in visits[0].sources.items():
        np.testing.assert_array_equal(full[name], values)


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 2.0), (0.0, 0.0), (0.0, 90.0)])
def test_dense_field_is_uniform_and_found_again(ra, dec):
    field = dense_field(20_000, ra=ra, dec=dec, radius=0.5)
    distance = sky(ra, dec).separation(sky(field.ra, field.dec)).deg
    assert distance.max() <= 0.5
    assert (distance < 0.25).mean() == pytest.approx(0.25, abs=0.01)
    visit = field.visit(1, members=np.arange(8_000), n_new=2_000)
    assert len(visit.truth) == 10_000
    assert (visit.truth > 0).sum() == 8_000
    place = np.flatnonzero(visit.truth)
    true = visit.truth[place] - 1
    offset = sky(field.ra[true], field.dec[true]).separation(
        sky(visit.sources["ra"][place], visit.sources["dec"][place])
    )
    # two axes of 0.1 arcsec each, stretched by up to 10%
    assert np.sqrt(np.mean(offset.arcsec**2)) == pytest.approx(0.1414, rel=0.03)
    apdb.Visit(**visit.visit)
    full = full_columns(visit.sources, np.random.default_rng(1))
    assert all(np.isfinite(v).all() for v in full.values() if v.dtype.kind == "f")


def test_dense_field_of_pairs():
    field = dense_field(1_000, radius=2.0, pair_separation_arcsec=(0.5, 3.0))
    places = sky(field.ra, field.dec)
    apart = places[::2].separation(places[1::2]).arcsec
    assert apart.min() >= 0.5 - 1e-6
    assert apart.max() <= 3.0 + 1e-6


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"n_visits": 0}, "n_visits is 0"),
        ({"known_fraction": 1.5}, "known_fraction is 1.5"),
        ({"fields": ()}, "at least one field"),
        ({"n_detectors": 200}, "n_detectors is 200"),
    ],
)
def test_a_wrong_configuration_is_refused(wrong, named):
    with pytest.raises(InvalidInput, match=named):
        SurveyConfig(**wrong)


def test_nights_and_numbers():
    survey = simulate(SurveyConfig(nights=40, n_visits=80, n_detectors=1))
    dates = [v.visit["visit"] // 100_000 for v in survey.visits()]
    assert len(set(dates)) == 40
    assert dates[0] == 20260309
    assert dates[-1] == 20260417
