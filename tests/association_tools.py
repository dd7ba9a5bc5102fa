"""Association on staged sources, and the same by other means: astropy, numpy and scipy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import astropy.units as u
import numpy as np
import psycopg
from astropy.coordinates import SkyCoord, search_around_sky
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from apdb.schema import migrate
from apdb.server.cluster import Cluster

MJD = 61100.0
Catalogue = dict[str, Any]
COUNTS = [f"{band}_psf_flux_ndata" for band in "ugrizy"]


@contextmanager
def lend_bench(cluster: Cluster) -> Iterator[Bench]:
    """Lend a bench on a database of its own, for tests that keep nothing."""
    cluster.ensure_database("association")
    migrate.upgrade(cluster.dsn("association"))
    with psycopg.connect(cluster.dsn("association")) as connection:
        yield Bench(connection)


class Bench:
    """One transaction at a time on a database: objects, staged sources, association."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        connection.execute("select apdb.open_stage(null)")
        connection.commit()

    def forbid_twins(self) -> None:
        """Take sources close to each other for so many detections."""
        self.connection.execute("select apdb.set_setting('duplicate_radius', '1e-9')")

    def objects(self, catalogue: dict[str, Any]) -> None:
        """Insert DIAObjects: dia_object_id, ra, dec [deg] and perhaps ra_err, dec_err [deg]."""
        names = ", ".join(f'"{name}"' for name in catalogue)
        statement = (
            f"copy apdb_base.dia_object ({names}, validity_start_mjd_tai, n_dia_sources, "
            f"store_seq, {', '.join(COUNTS)}) from stdin"
        )
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in zip(*catalogue.values(), strict=True):
                copy.write_row([*map(plain, row), MJD, 1, 0, *(0 for _ in COUNTS)])

    def sources(self, catalogue: dict[str, Any]) -> None:
        """Stage DIASources and find their leaders."""
        names = ", ".join(f'"{name}"' for name in catalogue)
        statement = f"copy pg_temp.stage_source ({names}) from stdin"
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in zip(*catalogue.values(), strict=True):
                copy.write_row([*map(plain, row)])
        self.connection.execute("analyze pg_temp.stage_source (dia_source_id, ra, dec)")
        self.connection.execute("select apdb.start_matches()")

    def pairs(self, radius: float) -> dict[tuple[int, int], tuple[float, float]]:
        """Return distance [arcsec] and score of each candidate pair."""
        rows = self.connection.execute("select * from apdb.candidate_pairs(%s)", [radius])
        return {(s, o): (distance, score) for s, o, distance, score in rows.fetchall()}

    def match(self, rule: str, radius: float) -> dict[int, int]:
        """Return the object that each source gets, old or new; sources without are left out."""
        self.connection.execute("select apdb.match_dia_objects(%s, %s)", [rule, radius])
        rows = self.connection.execute(
            "select dia_source_id, dia_object_id from pg_temp.stage_match "
            "where dia_object_id is not null"
        )
        return dict(rows.fetchall())

    def leaders(self) -> dict[int, int]:
        """Return the leader of each source."""
        rows = self.connection.execute("select dia_source_id, leader_id from pg_temp.stage_match")
        return dict(rows.fetchall())

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Roll back what happens inside."""
        try:
            yield
        finally:
            self.connection.rollback()


def plain(value: Any) -> Any:
    """Return a Python value; NaN is NULL."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


def associate(
    bench: Bench,
    sources: dict[str, Any],
    objects: dict[str, Any],
    rule: str,
    radius: float,
    *,
    twins: bool = True,
) -> dict[int, int]:
    """Return the matches of sources with old objects; without twins, no source follows another."""
    with bench.trial():
        if not twins:
            bench.forbid_twins()
        bench.objects(objects)
        bench.sources(sources)
        old = set(np.asarray(objects["dia_object_id"]).tolist())
        return {s: o for s, o in bench.match(rule, radius).items() if o in old}


def brute_pairs(
    sources: dict[str, Any], objects: dict[str, Any], radius: float
) -> dict[tuple[int, int], float]:
    """Return all pairs within a radius [arcsec] and their distances, by astropy."""
    if not len(sources["ra"]) or not len(objects["ra"]):
        return {}
    s, o = (SkyCoord(t["ra"], t["dec"], unit="deg") for t in (sources, objects))
    i, j, separation, _ = search_around_sky(s, o, radius * u.arcsec)
    ids = zip(
        np.asarray(sources["dia_source_id"])[i].tolist(),
        np.asarray(objects["dia_object_id"])[j].tolist(),
        strict=True,
    )
    return dict(zip(ids, separation.arcsec.tolist(), strict=True))


def greedy(pairs: dict[tuple[int, int], float]) -> dict[int, int]:
    """Return the matches of the nearest rule: over all pairs by (distance, source, object)."""
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for (source, target), _ in sorted(pairs.items(), key=lambda item: (item[1], *item[0])):
        if source not in matches and target not in taken:
            matches[source] = target
            taken.add(target)
    return matches


def scores(
    pairs: list[tuple[int, int]], sources: dict[str, Any], objects: dict[str, Any]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the score of pairs as ap_association defines it, with astropy's offsets."""
    s_row = {id_: row for row, id_ in enumerate(np.asarray(sources["dia_source_id"]).tolist())}
    o_row = {id_: row for row, id_ in enumerate(np.asarray(objects["dia_object_id"]).tolist())}
    i = np.array([s_row[s] for s, _ in pairs], int)
    j = np.array([o_row[o] for _, o in pairs], int)
    here = SkyCoord(sources["ra"], sources["dec"], unit="deg")[i]
    there = SkyCoord(objects["ra"], objects["dec"], unit="deg")[j]
    offsets = [angle.arcsec for angle in here.spherical_offsets_to(there)]
    variances = []
    for name in ("ra_err", "dec_err"):
        total = np.zeros(len(pairs))
        for table, rows in ((sources, i), (objects, j)):
            given = np.asarray(table.get(name, np.full(len(table["ra"]), np.nan)), np.float32)
            arcsec = given.astype(float)[rows] * 3600.0
            total += np.where(np.isnan(arcsec), 0.2, arcsec) ** 2
        variances.append(np.maximum(total, 0.05**2))
    quadratic = sum(d**2 / v for d, v in zip(offsets, variances, strict=True))
    return np.asarray(0.5 * quadratic + 0.5 * np.log(variances[0] * variances[1]))


def optimum(costs: dict[tuple[int, int], float], *, sparse: bool = False) -> tuple[float, set[Any]]:
    """Return the least total cost, ghosts included, and the matches, by scipy.

    Parameters
    ----------
    costs : dict
        Cost of each pair of source and object.
    sparse : bool
        By ``min_weight_full_bipartite_matching`` instead of ``linear_sum_assignment``.
    """
    ghost = max(costs.values()) + 1.0
    source_ids, row = np.unique([s for s, _ in costs], return_inverse=True)
    object_ids, column = np.unique([o for _, o in costs], return_inverse=True)
    n, m = len(source_ids), len(object_ids)
    values = np.array(list(costs.values()))
    if sparse:
        # An explicit zero is no edge there, and a constant on every row changes no optimum.
        shift = 1.0 - values.min()
        graph = coo_matrix(
            (
                np.concatenate([values, np.full(n, ghost)]) + shift,
                (np.concatenate([row, np.arange(n)]), np.concatenate([column, m + np.arange(n)])),
            ),
            shape=(n, m + n),
        ).tocsr()
        rows, columns = min_weight_full_bipartite_matching(graph)
        total = float(np.asarray(graph[rows, columns]).sum() - n * shift)
    else:
        forbidden = 1e6 * (abs(ghost) + 1.0)
        matrix = np.full((n, m + n), forbidden)
        matrix[row, column] = values
        matrix[np.arange(n), m + np.arange(n)] = ghost
        rows, columns = linear_sum_assignment(matrix)
        total = float(matrix[rows, columns].sum())
    real = columns < m
    matches = zip(source_ids[rows[real]].tolist(), object_ids[columns[real]].tolist(), strict=True)
    return total, set(matches)


def total_cost(matches: dict[int, int], costs: dict[tuple[int, int], float]) -> float:
    """Return the cost of matches, with the ghost's for every source of a pair left alone."""
    ghost = max(costs.values()) + 1.0
    alone = {s for s, _ in costs} - set(matches)
    return sum(costs[pair] for pair in matches.items()) + ghost * len(alone)


def scattered(
    rng: np.random.Generator, centre: tuple[float, float], east: Any, north: Any
) -> tuple[Any, Any]:
    """Return positions at offsets [arcsec] from a centre [deg]."""
    ra = centre[0] + np.asarray(east) / 3600 / np.cos(np.radians(centre[1]))
    return ra % 360.0, centre[1] + np.asarray(north) / 3600


def catalogues(
    rng: np.random.Generator,
    sources: tuple[Any, Any],
    objects: tuple[Any, Any],
    errors: str = "all",
) -> tuple[Catalogue, Catalogue]:
    """Return both catalogues, ids shuffled, with all, some or no errors."""
    made = []
    for name, (ra, dec) in (("dia_source_id", sources), ("dia_object_id", objects)):
        n = len(ra)
        first = 1 if name == "dia_source_id" else 10**12
        table = {name: first + rng.permutation(n), "ra": np.asarray(ra), "dec": np.asarray(dec)}
        if errors != "none":
            for column in ("ra_err", "dec_err"):
                sigma = rng.uniform(0.01, 0.6, n) / 3600
                if errors == "some":
                    sigma[rng.random(n) < 0.4] = np.nan
                table[column] = sigma
        made.append(table)
    return made[0], made[1]


def close_pairs(rng: np.random.Generator, n: int) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return sources and objects: pairs of objects 0.5 to 3 arcsec apart, and what is seen."""
    half = rng.uniform(0.25, 1.5, n)
    angle = rng.uniform(0, 2 * np.pi, n)
    east, north = rng.uniform(-300, 300, (2, n))
    object_east = np.concatenate([east + half * np.cos(angle), east - half * np.cos(angle)])
    object_north = np.concatenate([north + half * np.sin(angle), north - half * np.sin(angle)])
    seen = rng.random(2 * n) < 0.8
    extra = rng.uniform(-300, 300, (2, n // 2))
    scatter = rng.normal(0, 0.4, (2, 2 * n))
    source_east = np.concatenate([(object_east + scatter[0])[seen], extra[0]])
    source_north = np.concatenate([(object_north + scatter[1])[seen], extra[1]])
    centre = (rng.uniform(0, 360), rng.uniform(-80, 80))
    return (
        scattered(rng, centre, source_east, source_north),
        scattered(rng, centre, object_east, object_north),
    )


def heap(
    rng: np.random.Generator, n_sources: int, n_objects: int, size: float
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return sources and objects in one disc of a radius [arcsec]: one heap for small sizes."""
    centre = (rng.uniform(0, 360), rng.uniform(-85, 85))
    made = []
    for n in (n_sources, n_objects):
        r, angle = size * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
        made.append(scattered(rng, centre, r * np.cos(angle), r * np.sin(angle)))
    return made[0], made[1]
