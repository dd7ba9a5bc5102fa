"""A synthetic catalogue of orbits, written as MPCORB lines: what ephemerides are timed with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: Columns of MPCORB; every orbit is osculating on 2026 June 9.
_LINE = (
    "{:<7s} {:5.2f}  0.15 K2669 {:9.5f}  {:9.5f}  {:9.5f}  {:9.5f}  {:9.7f} {:11.8f} {:11.7f}  0"
    " MPO000000   500   5 2000-2025 0.50 M-v 38h MPCLINUX   0000 {:>28s}20250901\n"
)
_MONTHS = "ABCDEFGHJKLMNOPQRSTUVWXY"
_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def designations(n: int) -> tuple[list[str], list[str]]:
    """Packed and plain provisional designations, no two alike."""
    index = np.arange(n)
    letter, rest = index % 25, index // 25
    cycle, rest = rest % 250, rest // 250
    half, year = rest % 24, 2000 + rest // 24
    packed, plain = [], []
    for y, h, c, k in zip(
        year.tolist(), half.tolist(), cycle.tolist(), letter.tolist(), strict=True
    ):
        packed.append(f"K{y % 100:02d}{_MONTHS[h]}{_DIGITS[c // 10]}{c % 10}{_LETTERS[k]}")
        plain.append(f"{y} {_MONTHS[h]}{_LETTERS[k]}{c or ''}")
    return packed, plain


def write_mpcorb(path: Path, n: int, seed: int) -> None:
    """Write so many orbits: main belt, 2.5% near the Earth, 1% Trojans, 0.4% beyond Neptune."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, n, p=[0.961, 0.025, 0.01, 0.004])
    choose = lambda *values: np.choose(kind, values)  # noqa: E731
    a = choose(
        rng.uniform(2.15, 3.25, n),
        rng.uniform(0.8, 2.8, n),
        rng.normal(5.2, 0.04, n),
        rng.normal(43, 3, n),
    )
    e = choose(
        rng.rayleigh(0.09, n),
        rng.uniform(0.2, 0.8, n),
        rng.rayleigh(0.05, n),
        rng.rayleigh(0.08, n),
    )
    e = np.clip(e, 0.0, 0.95)
    tilt = np.clip(
        choose(rng.rayleigh(7, n), rng.rayleigh(12, n), rng.rayleigh(12, n), rng.rayleigh(8, n)),
        0,
        170,
    )
    h = choose(
        rng.normal(17.5, 1.2, n), rng.normal(22, 2, n), rng.normal(14, 1, n), rng.normal(8, 1, n)
    )
    angles = rng.uniform(0, 360, (3, n))
    motion = 0.9856076686 / a**1.5
    packed, plain = designations(n)
    with path.open("w") as file:
        for row in zip(
            packed,
            h.tolist(),
            *(x.tolist() for x in (*angles, tilt, e, motion, a)),
            plain,
            strict=True,
        ):
            file.write(_LINE.format(*row))
