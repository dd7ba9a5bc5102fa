"""N-way matching: groups against the truth and against scipy, any order, statistics, the command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord, search_around_sky
from astropy.table import MaskedColumn, Table
from scipy import stats
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from typer.testing import CliRunner

import apdb
from apdb.cli.main import app
from apdb.nway import database, memory
from apdb.nway.run import NwayResult, nway
from apdb.nway.sources import Columns

Catalogues = dict[str, dict[str, Any]]
Groups = set[frozenset[tuple[str, int]]]
CENTRES = [(150.0, 2.2), (0.001, -0.001), (47.0, 89.97), (200.0, -89.99), (45.0, 35.2644)]


def catalogues(
    n: int, *, at: tuple[float, float] = CENTRES[0], n_objects: int = 60, noise: int = 6,
    scatter: float = 0.08, seed: int = 1, completeness: float = 0.9,
) -> Catalogues:  # fmt: skip
    """Objects at least 3 arcsec apart within 3 arcmin, seen with scatter [arcsec], and noise."""
    rng = np.random.default_rng(seed)
    grid = np.array([(i, j) for i in range(-14, 15) for j in range(-14, 15)], float) * 6.0
    place = grid[rng.permutation(len(grid))[: n_objects + n * noise]]
    place += rng.uniform(-1.5, 1.5, place.shape)
    flux = 10 ** rng.uniform(2, 5, n_objects)
    frame = SkyCoord(*at, unit="deg").skyoffset_frame()
    made: Catalogues = {}
    for k in range(n):
        seen = np.flatnonzero(rng.random(n_objects) < completeness)
        xy = place[seen] + rng.normal(0, scatter, (len(seen), 2))
        stray = place[n_objects + k * noise : n_objects + (k + 1) * noise]
        xy = np.concatenate([xy, stray])
        sky = SkyCoord(xy[:, 0], xy[:, 1], unit="arcsec", frame=frame).icrs
        f = np.concatenate(
            [flux[seen] * (1 + rng.normal(0, 0.02, len(seen))), np.full(noise, 50.0)]
        )
        made[f"night{(k * 7) % n:03d}"] = {
            "ra": sky.ra.deg,
            "dec": sky.dec.deg,
            "x": xy[:, 0] * 5.0,
            "y": xy[:, 1] * 5.0,
            "psf_flux": f,
            "psf_flux_err": 0.02 * f,
            "mjd": np.full(len(f), 61000.0 + k),
            "truth": np.concatenate([seen + 1, -1 - k * noise - np.arange(noise)]),
        }
    return made


def columns_only(given: Catalogues, *names: str) -> Catalogues:
    return {name: {c: data[c] for c in names} for name, data in given.items()}


def groups(result: NwayResult) -> Groups:
    assert result.sources is not None
    found: dict[int, list[tuple[str, int]]] = {}
    for row in result.sources:
        found.setdefault(int(row["object_id"]), []).append((str(row["catalogue"]), int(row["row"])))
    return {frozenset(group) for group in found.values()}


def truth(given: Catalogues) -> Groups:
    found: dict[int, list[tuple[str, int]]] = {}
    for name, data in given.items():
        for row, number in enumerate(data["truth"].tolist()):
            found.setdefault(number, []).append((name, row))
    return {frozenset(group) for group in found.values()}


@pytest.mark.parametrize("at", CENTRES)
def test_the_truth_is_found_anywhere_on_the_sky(at: tuple[float, float]) -> None:
    given = catalogues(25, at=at)
    result = nway(given, 0.5)
    assert groups(result) == truth(given)
    assert result.summary["n_objects"] == len(truth(given))


def test_the_truth_is_found_in_a_plane() -> None:
    given = catalogues(25)
    assert groups(nway(given, 2.5, plane=True)) == truth(given)


@pytest.mark.parametrize("seed", range(5))
def test_sparse_sources_are_grouped_as_by_friends_of_friends(seed: int) -> None:
    """Where groups are far apart and whole, they are the components of all pairs within 1 arcsec."""
    given = catalogues(12, seed=seed, n_objects=40, noise=10)
    ra = np.concatenate([each["ra"] for each in given.values()])
    dec = np.concatenate([each["dec"] for each in given.values()])
    names = [(name, row) for name, data in given.items() for row in range(len(data["ra"]))]
    sky = SkyCoord(ra, dec, unit="deg")
    a, b, _, _ = search_around_sky(sky, sky, 1 * u.arcsec)
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(ra), len(ra)))
    _, label = connected_components(graph)
    wanted: dict[int, list[tuple[str, int]]] = {}
    for name, number in zip(names, label.tolist(), strict=True):
        wanted.setdefault(number, []).append(name)
    assert groups(nway(given, 0.6)) == {frozenset(group) for group in wanted.values()}


def crowded(n: int, seed: int = 5) -> Catalogues:
    """So many that circles overlap everywhere, with several sources a catalogue in each."""
    rng = np.random.default_rng(seed)
    return {
        f"c{k:02d}": {
            "ra": (0.0002 + rng.uniform(-5e-3, 5e-3, 300)) % 360,
            "dec": rng.uniform(-5e-3, 5e-3, 300),
            "flux": rng.normal(100, 10, 300),
            "flux_err": np.full(300, 10.0),
        }
        for k in range(n)
    }


def test_what_holds_in_any_field() -> None:
    """Every source in one object; one of each catalogue in it; none farther than the radius."""
    given = crowded(20)
    result = nway(given, 0.5)
    sources, objects = result.sources, result.objects
    assert sources is not None
    assert objects is not None
    rows = set(zip(sources["catalogue"], sources["row"], strict=True))
    assert rows == {(name, row) for name in given for row in range(300)}
    assert len(sources) == 6000
    pairs = list(zip(sources["object_id"], sources["catalogue"], strict=True))
    assert len(set(pairs)) == len(pairs)
    place = np.searchsorted(objects["object_id"], sources["object_id"])
    centre = SkyCoord(objects["ra"][place], objects["dec"][place])
    apart = centre.separation(SkyCoord(sources["ra"], sources["dec"])).arcsec
    # The centre of the last move is not that of all members to the last.
    assert np.quantile(apart, 0.99) < 0.5
    assert apart.max() < 1.0


def shuffled(given: Mapping[str, Mapping[str, Any]], seed: int) -> Catalogues:
    rng = np.random.default_rng(seed)
    made: Catalogues = {}
    for name in rng.permutation(list(given)):
        data = given[name]
        order = rng.permutation(len(next(iter(data.values()))))
        made[str(name)] = {c: np.asarray(values)[order] for c, values in data.items()}
    return made


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("field", [crowded(20), catalogues(20)], ids=["crowded", "sparse"])
def test_order_does_not_matter_to_the_last_bit(field: Catalogues, seed: int) -> None:
    named = columns_only(
        field, *(c for c in next(iter(field.values())) if c not in ("x", "y", "truth"))
    )
    first, second = nway(named, 0.5), nway(shuffled(named, seed), 0.5)
    assert first.objects is not None
    assert second.objects is not None
    for name in first.objects.colnames:
        np.testing.assert_array_equal(first.objects[name], second.objects[name])
    assert first.sources is not None
    assert second.sources is not None
    for name in ("object_id", "catalogue", "ra", "dec"):
        np.testing.assert_array_equal(first.sources[name], second.sources[name])


@pytest.mark.parametrize("radius", [0.3, 0.5])
def test_parts_of_the_sky_fit_together(radius: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of a tile each, and in one block: tiles are 77 and 128 arcsec wide."""
    given = catalogues(20, noise=12)
    whole = nway(given, radius)
    monkeypatch.setattr(memory, "BLOCK", 1)
    parts = nway(given, radius)
    assert groups(parts) == groups(whole)
    assert len(groups(whole) ^ truth(given)) < 0.05 * len(truth(given))
    assert parts.objects is not None
    assert whole.objects is not None
    for name in whole.objects.colnames:
        np.testing.assert_array_equal(parts.objects[name], whole.objects[name])


@pytest.mark.parametrize("separation", [0.35, 0.45, 0.7])
def test_two_stars_closer_than_the_circles(separation: float) -> None:
    rng = np.random.default_rng(8)
    given = {}
    for k in range(200):
        seen = rng.random(2) < 0.9
        x = (np.array([0.0, separation]) + rng.normal(0, 0.04, 2))[seen]
        y = rng.normal(0, 0.04, 2)[seen]
        given[f"{k}"] = {"x": x, "y": y, "truth": np.flatnonzero(seen)}
    found = groups(nway(columns_only(given, "x", "y"), 0.5, plane=True))
    right = {(name, row): t for name, data in given.items() for row, t in enumerate(data["truth"])}
    largest = sorted(found, key=len)[-2:]
    whole = sum(max(sum(right[s] == t for s in group) for t in (0, 1)) for group in largest)
    assert whole > 0.98 * len(right)


def test_a_stray_source_beside_a_star_takes_nothing() -> None:
    rng = np.random.default_rng(9)
    given = {f"{k}": {"x": rng.normal(0, 0.1, 1), "y": rng.normal(0, 0.1, 1)} for k in range(100)}
    given["50"] = {"x": np.array([0.02, 0.3]), "y": np.array([0.0, 0.0])}
    assert sorted(map(len, groups(nway(given, 0.6, plane=True)))) == [1, 100]


def test_many_sources_of_one_catalogue_at_one_place() -> None:
    given = {"a": {"x": np.zeros(50), "y": np.zeros(50)}, "b": {"x": [0.1], "y": [0.0]}}
    result = nway(given, 1.0, plane=True)
    assert result.objects is not None
    assert sorted(result.objects["n_sources"]) == [1] * 49 + [2]


def brute_force(members: list[dict[str, float]]) -> dict[str, float]:
    """Statistics of one object, one formula after the other."""
    sky = SkyCoord([m["ra"] for m in members], [m["dec"] for m in members], unit="deg")
    mean = sky.cartesian.mean()
    centre = SkyCoord(mean.x, mean.y, mean.z, representation_type="cartesian")
    centre = SkyCoord(centre.spherical.lon, centre.spherical.lat)
    east, north = centre.spherical_offsets_to(sky)
    good = [m for m in members if np.isfinite(m["psf_flux"]) and m["psf_flux_err"] > 0]
    f = np.array([m["psf_flux"] for m in good])
    e = np.array([m["psf_flux_err"] for m in good])
    n, several = len(f), len(f) > 1
    found = {
        "ra": centre.ra.deg,
        "dec": centre.dec.deg,
        "n_sources": len(members),
        "ra_rms": np.std(east.arcsec, ddof=1) if len(members) > 1 else np.nan,
        "dec_rms": np.std(north.arcsec, ddof=1) if len(members) > 1 else np.nan,
        "n_fluxes": n,
    }
    if n:
        mean_flux = np.average(f, weights=e**-2)
        std = np.std(f, ddof=1) if several else np.nan
        chi2 = (((f - mean_flux) / e) ** 2).sum()
        found |= {
            "flux_mean": mean_flux,
            "flux_mean_err": (e**-2).sum() ** -0.5,
            "flux_median": np.median(f),
            "flux_std": std,
            "flux_mad_sigma": stats.median_abs_deviation(f, scale="normal"),
            "flux_min": f.min(),
            "flux_max": f.max(),
            "flux_chi2": chi2 if several else np.nan,
            "flux_chance": stats.chi2.sf(chi2, n - 1) if several else np.nan,
            "flux_excess": np.sqrt(max(std**2 - (e**2).mean(), 0)) if several else np.nan,
            "flux_repeatability": std / mean_flux,
        }
    known = [m["mjd"] for m in members if np.isfinite(m["mjd"])]
    found["mjd_first"] = min(known) if known else np.nan
    found["mjd_last"] = max(known) if known else np.nan
    return found


@pytest.mark.parametrize("at", [CENTRES[0], CENTRES[1], CENTRES[2]])
def test_statistics(at: tuple[float, float]) -> None:
    given = catalogues(9, at=at, n_objects=40, noise=1, completeness=0.6)
    rng = np.random.default_rng(4)
    for data in given.values():
        n = len(data["ra"])
        data["psf_flux"][rng.random(n) < 0.2] = np.nan
        data["psf_flux_err"][rng.random(n) < 0.1] = 0.0
        data["mjd"][rng.random(n) < 0.3] = np.nan
    result = nway(given, 0.5)
    assert result.objects is not None
    assert result.sources is not None
    for row in result.objects:
        mine = result.sources[result.sources["object_id"] == row["object_id"]]
        members = [{c: given[s["catalogue"]][c][s["row"]] for c in
                    ("ra", "dec", "psf_flux", "psf_flux_err", "mjd")} for s in mine]  # fmt: skip
        wanted = brute_force(members)
        for name, value in wanted.items():
            scale = 1e-6 if name.endswith("rms") else 1e-9
            assert row[name] == pytest.approx(value, rel=1e-6, abs=scale, nan_ok=True), name
        for name in result.objects.colnames:
            if name.startswith("flux") and not wanted["n_fluxes"]:
                assert np.isnan(row[name])
    assert result.objects["ra_rms"].unit == u.arcsec
    assert min(result.objects["n_fluxes"]) == 0


def test_variables_stand_out() -> None:
    given = catalogues(40, noise=0, n_objects=80, completeness=1.0)
    for k, data in enumerate(given.values()):
        data["psf_flux"][:5] *= 1.3 if k % 2 else 1.0
    result = nway(given, 0.5)
    assert result.objects is not None
    assert result.summary["n_variable"] == 5
    variable = result.objects[result.objects["flux_chance"] < 1e-6]
    # Of two levels in ratio 1.3: half their difference over their mean, and 2% of noise.
    assert variable["flux_repeatability"] == pytest.approx(np.full(5, 0.15 / 1.15), abs=0.02)
    assert result.summary["flux_repeatability_median"] == pytest.approx(0.02, rel=0.15)
    assert result.summary["position_rms_median"] == pytest.approx(0.08 * 2**0.5, rel=0.1)


def test_objects_with_enough_sources() -> None:
    given = catalogues(10)
    result = nway(given, 0.5, min_sources=3)
    assert result.objects is not None
    assert result.sources is not None
    several = [group for group in truth(given) if len(group) >= 3]
    assert len(result.objects) == len(several)
    assert groups(result) == set(several)
    assert result.summary["n_sources"] == sum(len(d["ra"]) for d in given.values())


def test_in_the_database_as_in_memory(
    db: apdb.Apdb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BLOCK", 300)
    for k, (given, radius, plane) in enumerate(
        [
            (catalogues(15, at=CENTRES[1]), 0.3, False),
            (catalogues(15, at=CENTRES[2]), 0.4, False),
            (crowded(8), 0.5, False),
            (catalogues(15), 2.5, True),
        ]
    ):
        in_memory = nway(given, radius, plane=plane, min_sources=2)
        files = (tmp_path / f"o{k}.parquet", tmp_path / f"s{k}.parquet")
        there = nway(
            shuffled(given, 3), radius, plane=plane, min_sources=2, database=db,
            objects_to=files[0], sources_to=files[1],
        )  # fmt: skip
        assert there.objects is None
        assert there.summary == in_memory.summary
        for path, wanted in zip(files, (in_memory.objects, in_memory.sources), strict=True):
            assert wanted is not None
            found = pq.read_table(path)
            for name in set(wanted.colnames) - {"row"}:
                np.testing.assert_array_equal(found[name], np.asarray(wanted[name]), name)
    with db.reading() as connection:
        left = connection.execute("select to_regclass('pg_temp.stage_nway')").fetchone()
    assert left == (None,)


def test_nothing_at_all(db: apdb.Apdb) -> None:
    empty = {"a": {"ra": [], "dec": []}, "b": {"ra": [np.nan], "dec": [1.0]}}
    for where in (None, db):
        result = nway(empty, 1.0, database=where)
        assert result.summary["n_dropped"] == 1
        assert result.summary["n_objects"] == 0
        assert result.summary["position_rms_median"] is None


def test_units_names_and_missing_positions() -> None:
    ra = MaskedColumn(np.radians([10.0, 20.0, 30.0]), mask=[False, True, False], unit="rad")
    one = Table({"coord_ra": ra, "coord_dec": np.radians([1.0, 2.0, 3.0]) * u.rad})
    two = {"RA": [10.0, 30.0], "DEC": [1.0, 3.0], "PSFFLUX": [1.0, 2.0]}
    result = nway({"one": one, "two": two}, 1.0)
    assert groups(result) == {
        frozenset({("one", 0), ("two", 0)}),
        frozenset({("one", 2), ("two", 1)}),
    }
    named = nway(
        {"t": {"a": [1.0], "b": [2.0], "m": [5.0]}}, 1.0, columns=Columns("a", "b", mjd="m")
    )
    assert named.objects is not None
    assert named.objects["mjd_first"].tolist() == [5.0]


@pytest.mark.parametrize(
    ("given", "options", "text"),
    [
        ({}, {}, "no catalogue is given"),
        ({"a": {"ra": [1.0], "dec": [2.0]}}, {"radius": 0.0}, "radius = 0.0"),
        ({"a": {"ra": [1.0], "dec": [2.0]}}, {"radius": 4000.0}, "radius = 4000.0"),
        ({"a": {"ra": [1.0], "dec": [2.0]}}, {"radius": np.nan}, "radius = nan"),
        ({"a": {"ra": [1.0], "dec": [2.0]}}, {"min_sources": 0}, "min_sources"),
        ({"a": {"ra": [1.0], "de": [2.0]}}, {}, "a has no column dec: name it; there are ra, de"),
        ({"a": {"ra": [1.0], "dec": [2.0]}}, {"columns": Columns(flux="f")}, "no column f"),
        ({"a": {"ra": [360.0], "dec": [2.0]}}, {}, "a, row 0: "),
        ({"a": {"ra": [1.0, 1.0], "dec": [2.0, 91.0]}}, {}, "a, row 1: "),
        ({"a": {"ra": ["x"], "dec": [2.0]}}, {}, "a, column ra: holds text"),
        ({"a": {"ra": [1.0] * u.m, "dec": [2.0]}}, {}, "a, column ra: m is no angle"),
        ({"a": {"x": [1e12], "y": [2.0]}}, {"plane": True}, "a, row 0: "),
        (["x.fits", "x.fits"], {}, "x.fits is given twice"),
        (["nowhere.fits"], {}, "nowhere.fits cannot be read"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(given: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(apdb.InvalidInput) as caught:
        nway(given, **({"radius": 1.0} | options))
    assert text in str(caught.value)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, apdb.ApdbError):
        assert result.exception.exit_code == code, result.exception
        return str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The catalogues as files of three formats."""
    suffixes = ("parquet", "fits", "ecsv")
    made = []
    for k, (name, data) in enumerate(catalogues(9).items()):
        path = tmp_path / f"{name}.{suffixes[k % 3]}"
        Table(data).write(path)
        made.append(str(path))
    return made


def test_the_command(files: list[str], tmp_path: Path, dsn: str) -> None:
    out, sources = tmp_path / "o.parquet", tmp_path / "s.ecsv"
    text = run("nway", *files, "-r", "0.5", "--out", str(out), "--sources-out", str(sources))
    assert "sources of 9 catalogues" in text
    assert "median repeatability of the flux" in text
    objects = Table.read(out)
    assert len(Table.read(sources)) == objects["n_sources"].sum()
    assert "exists" in run("nway", *files, "-r", "0.5", "--out", str(out), code=2)
    again = ("nway", *reversed(files), "-r", "0.5", "--out", str(out), "--overwrite")
    run("--dsn", dsn, *again, "--in-database")
    found = Table.read(out)
    for name in objects.colnames:
        np.testing.assert_array_equal(found[name], objects[name])
    summary = json.loads(run("--json", "nway", *files, "-r", "2.5", "--xy"))
    assert summary["n_objects"] == len(objects)
    wrong = ("nway", *files, "-r", "0.5", "--in-database", "--out", str(tmp_path / "x.fits"))
    assert "must be a .parquet file" in run(*wrong, code=2)
    same = ("nway", *files, "-r", "0.5", "--out", str(tmp_path / "q.fits"))
    assert "two names" in run(*same, "--sources-out", str(tmp_path / "q.fits"), code=2)
