"""Trails of satellites: straight lines of light across the image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import label, uniform_filter1d

from pipeline.detect.config import DetectConfig
from pipeline.exposure import Image, Mask
from pipeline.forced.windows import Bools, Floats

#: Pixels between the samples along a line.
_STEP = 4.0
#: S/N beyond which a sample counts no more, so that no star makes a line.
_CLIP = 4.0
#: Length over which the light along a line is averaged [pixel].
_SMOOTH = 64.0
_MOST_BINS = 512
_MAX_HALF_WIDTH = 40
#: Half width at a third of the brightness beyond which a line is a glow, and no trail [pixel].
_MAX_CORE = 18.0
#: Lines that stay so near to one border are no streaks [pixel].
_BORDER = 20.0
#: After so many lines that are no streaks no more are looked for.
_MOST_FALSE = 3


@dataclass(frozen=True)
class Streak:
    """A straight streak.

    Attributes
    ----------
    x0, y0, x1, y1 : float
        Its ends, or where it leaves the image [pixel].
    half_width : float
        Half of its width [pixel].
    snr : float
        Significance of the line among all lines, along its whole length.
    negative : bool
        In the template rather than in the science image.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    half_width: float
    snr: float
    negative: bool

    @property
    def length(self) -> float:
        """Distance of the ends [pixel]."""
        return float(np.hypot(self.x1 - self.x0, self.y1 - self.y0))


def find_streaks(filtered: Image, usable: Bools, config: DetectConfig) -> tuple[Streak, ...]:
    """Find streaks by the number of bins above the noise that lie on a line (Hough).

    A bin counts once, however bright, so that sources do not make lines.  The best line is
    refined on the pixels, its ends and width are measured, and what it covers is taken out
    before the next is looked for.

    Parameters
    ----------
    filtered : ndarray of float32, shape (ny, nx)
        S/N of point sources.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that may take part.
    config : DetectConfig
        Settings.

    Returns
    -------
    tuple of Streak
        The most significant first, of each sign.
    """
    side = max(4, -(-max(filtered.shape) // _MOST_BINS))
    if min(filtered.shape) < 16 * side:
        return ()
    return tuple(
        streak
        for sign in (1.0, -1.0)
        for streak in _of_sign(filtered, usable, np.float32(sign), side, config)
    )


def draw_streaks(mask: NDArray[np.uint32], streaks: tuple[Streak, ...]) -> None:
    """Set STREAK in a mask.

    Parameters
    ----------
    mask : ndarray of uint32, shape (ny, nx)
        Changed.
    streaks : tuple of Streak
        Streaks.
    """
    for streak in streaks:
        for rows, within in _covered((mask.shape[0], mask.shape[1]), streak):
            mask[rows][within] |= np.uint32(Mask.STREAK)


def _of_sign(
    filtered: Image, usable: Bools, sign: np.float32, side: int, config: DetectConfig
) -> list[Streak]:
    binned, seen = _binned(filtered, usable, side)
    binned = sign * binned
    found: list[Streak] = []
    n_false = 0
    while len(found) < config.streak_max and n_false < _MOST_FALSE:
        line = _best_line(binned, seen)
        if line is None or line[2] < config.streak_threshold:
            break
        ends = _ends(line[0], line[1], side, (filtered.shape[0], filtered.shape[1]))
        streak = _measured(filtered, usable, sign, ends, line[2], config)
        if streak is None:
            n_false += 1
        else:
            found.append(streak)
            _forget(seen, streak, side)
        # The line itself too, that it be not found for ever.
        _forget(seen, _streak(np.array(ends), 0.5 * side, line[2], sign), side)
    return found


def _forget(seen: Bools, streak: Streak, side: int) -> None:
    """Take what a streak covers out of the bins."""
    ends = (np.array([streak.x0, streak.y0, streak.x1, streak.y1]) + 0.5) / side - 0.5
    in_bins = replace(
        streak,
        x0=float(ends[0]),
        y0=float(ends[1]),
        x1=float(ends[2]),
        y1=float(ends[3]),
        half_width=streak.half_width / side + 1.5,
    )
    for rows, within in _covered((seen.shape[0], seen.shape[1]), in_bins):
        seen[rows][within] = False


def _binned(filtered: Image, usable: Bools, side: int) -> tuple[Floats, Bools]:
    """Return means over bins in units of their scatter, and which bins have any pixels."""
    ny, nx = (n // side for n in filtered.shape)
    part = np.s_[: ny * side, : nx * side]
    good = usable[part].reshape(ny, side, nx, side).mean(axis=(1, 3), dtype=np.float32)
    clipped = np.clip(filtered[part], -_CLIP, _CLIP)
    means = clipped.reshape(ny, side, nx, side).mean(axis=(1, 3), dtype=np.float32)
    seen = good > 0.5
    if not seen.any():
        return means.astype(np.float64), seen
    low, middle, high = np.percentile(means[seen], [16, 50, 84])
    return (means - middle) / max(0.5 * (high - low), 1e-6), seen


def _best_line(binned: Floats, seen: Bools) -> tuple[float, float, float] | None:
    """Return angle of the normal [rad], distance from the centre [bin] and S/N of the best line."""
    ny, nx = binned.shape
    up = seen & (binned > 1.0)
    chance = up.sum() / max(int(seen.sum()), 1)
    if not 0.0 < chance < 0.9:
        return None
    diagonal = float(np.hypot(nx, ny))
    angles = np.arange(0.0, np.pi, 1.5 / diagonal)
    n_rho = int(diagonal) + 3
    y, x = np.nonzero(up)
    normals = np.cos(angles), np.sin(angles)
    centre = 0.5 * (nx - 1), 0.5 * (ny - 1)
    counts = _votes(x - centre[0], y - centre[1], *normals, n_rho)
    hidden_y, hidden_x = np.nonzero(~seen)
    hidden = _votes(hidden_x - centre[0], hidden_y - centre[1], *normals, n_rho)
    distance = np.arange(n_rho) - n_rho // 2
    trials = np.maximum(_chords(distance, normals, (nx, ny)) - hidden, 0.0)
    long = trials > 0.15 * min(nx, ny)
    spread = np.sqrt(np.maximum(trials, 1.0) * chance * (1.0 - chance))
    score = np.where(long, (counts - chance * trials) / spread, 0.0)
    usual = score[long]
    if usual.size < 100:
        return None
    low, middle, high = np.percentile(usual[:: max(1, usual.size // 100_000)], [16, 50, 84])
    score = np.where(long, (score - middle) / max(0.5 * (high - low), 1.0), 0.0)
    at = np.unravel_index(int(np.argmax(score)), score.shape)
    return float(angles[at[0]]), float(distance[at[1]]), float(score[at])


@njit(cache=True, nogil=True, parallel=True)
def _votes(
    x: Floats, y: Floats, cosine: Floats, sine: Floats, n_rho: int
) -> NDArray[np.float64]:  # pragma: no cover
    counts = np.zeros((len(cosine), n_rho))
    for a in prange(len(cosine)):
        for i in range(len(x)):
            counts[a, int(np.floor(x[i] * cosine[a] + y[i] * sine[a] + 0.5)) + n_rho // 2] += 1
    return counts


def _chords(
    distance: NDArray[np.int64], normals: tuple[Floats, Floats], size: tuple[int, int]
) -> Floats:
    """Return the area of strips of unit width on a rectangle: the length of their middle line."""
    cosine, sine = (np.abs(part)[:, np.newaxis] for part in normals)
    a, b = size[0] * cosine, size[1] * sine
    corner, flat = 0.5 * (a + b), 0.5 * np.abs(a - b)
    # The projection of a rectangle is a trapezoid.
    top = np.minimum(size[0] / np.maximum(sine, 1e-12), size[1] / np.maximum(cosine, 1e-12))
    slope = (corner - np.abs(distance)) / np.maximum(corner - flat, 1e-12)
    return np.asarray(top * np.clip(slope, 0.0, 1.0))


def _ends(
    angle: float, distance: float, side: int, shape: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return where a line of the binned image enters and leaves the image [pixel]."""
    ny, nx = shape
    normal = np.array([np.cos(angle), np.sin(angle)])
    along = np.array([-normal[1], normal[0]])
    bins = np.array([nx // side, ny // side])
    middle = (0.5 * (bins - 1) + distance * normal + 0.5) * side - 0.5
    limits = np.array([nx - 1.0, ny - 1.0])
    low, high = -np.inf, np.inf
    for axis in range(2):
        if abs(along[axis]) < 1e-9:
            continue
        reach = sorted(((-middle[axis]) / along[axis], (limits[axis] - middle[axis]) / along[axis]))
        low, high = max(low, reach[0]), min(high, reach[1])
    high = max(high, low)
    first, last = middle + low * along, middle + high * along
    return float(first[0]), float(first[1]), float(last[0]), float(last[1])


def _samples(filtered: Image, usable: Bools, ends: Floats, offsets: Floats) -> tuple[Floats, Bools]:
    """Return the image along lines beside a line, shape (offsets, samples), and what is known."""
    start, stop = ends[:2], ends[2:]
    length = max(float(np.hypot(*(stop - start))), 1.0)
    along = (stop - start) / length
    t = np.arange(0.0, length, _STEP)
    x = start[0] + t * along[0] - offsets[:, np.newaxis] * along[1]
    y = start[1] + t * along[1] + offsets[:, np.newaxis] * along[0]
    ny, nx = filtered.shape
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    known = (column >= 0) & (row >= 0) & (column < nx) & (row < ny)
    column, row = np.clip(column, 0, nx - 1), np.clip(row, 0, ny - 1)
    known &= usable[row, column]
    return np.where(known, filtered[row, column], 0.0), known


def _refined(
    filtered: Image, usable: Bools, sign: np.float32, ends: Floats, reach: float
) -> Floats:
    """Move the ends of a line sideways to where it has most light."""
    along = (ends[2:] - ends[:2]) / max(float(np.hypot(*(ends[2:] - ends[:2]))), 1.0)
    across = np.array([-along[1], along[0]])
    for step in (reach / 4, reach / 16):
        tries = step * np.arange(-5, 6)
        values, known = _samples(filtered, usable, ends, np.zeros(1))
        # Of a bright streak the ridge counts, not all that is far above the noise.
        clip = max(_CLIP, 2.0 * float(np.median(np.abs(values[known]))) if known.any() else 0.0)
        best, kept = -np.inf, ends
        for one in tries:
            for other in tries:
                moved = ends + np.concatenate([one * across, other * across])
                values, known = _samples(filtered, usable, moved, np.zeros(1))
                light = float(np.clip(sign * values, -clip, clip).sum() / max(known.sum(), 1))
                if light > best:
                    best, kept = light, moved
        ends = kept
    return ends


def _measured(
    filtered: Image,
    usable: Bools,
    sign: np.float32,
    line: tuple[float, float, float, float],
    snr: float,
    config: DetectConfig,
) -> Streak | None:
    """Return the streak on a line, None if what made the line significant is no streak."""
    side = max(4.0, max(filtered.shape) / _MOST_BINS)
    ends = _refined(filtered, usable, sign, np.array(line), 2.0 * side)
    values, known = _samples(filtered, usable, ends, np.array([-1.0, 0.0, 1.0]))
    light = np.clip(sign * values, -_CLIP, _CLIP).mean(axis=0)
    run = _longest_run(light, known.sum(axis=0) > 0)
    if run is None or (run[1] - run[0]) * _STEP < config.streak_min_length:
        return None
    length = max(float(np.hypot(*(ends[2:] - ends[:2]))), 1.0)
    along = (ends[2:] - ends[:2]) / length
    first = ends[:2] + max(run[0] * _STEP - _SMOOTH / 2, 0.0) * along
    last = ends[:2] + min(run[1] * _STEP + _SMOOTH / 2, length) * along
    ends = np.concatenate([first, last])
    half_width, core = _half_widths(filtered, usable, sign, ends)
    if core > _MAX_CORE or _along_border(ends, (filtered.shape[0], filtered.shape[1])):
        return None
    return _streak(ends, half_width, snr, sign)


def _along_border(ends: Floats, shape: tuple[int, int]) -> bool:
    """Tell whether both ends are near one border: what shines there is no satellite."""
    near = []
    for at, n in ((ends[0::2], shape[1]), (ends[1::2], shape[0])):
        near += [np.all(at < _BORDER), np.all(at > n - 1 - _BORDER)]
    return bool(np.any(near))


def _streak(ends: Floats, half_width: float, snr: float, sign: np.float32) -> Streak:
    x0, y0, x1, y1 = map(float, ends)
    return Streak(x0, y0, x1, y1, half_width, snr, bool(sign < 0))


def _longest_run(light: Floats, known: Bools) -> tuple[int, int] | None:
    """Return first and last sample of the longest stretch that shines almost everywhere."""
    width = round(_SMOOTH / _STEP)
    weight = uniform_filter1d(known.astype(float), width, mode="constant")
    mean = uniform_filter1d(light * known, width, mode="constant") / np.maximum(weight, 0.1)
    # Samples a PSF apart are hardly independent: every second one is taken to be.
    noise = 1.0 / np.sqrt(0.5 * width * np.maximum(weight, 0.1))
    shines = (weight < 0.1) | (mean > np.maximum(3.0 * noise, 0.25 * np.percentile(mean, 90)))
    runs, n = label(shines)
    if n == 0:
        return None
    sizes = np.bincount(runs.ravel(), known)[1:]
    members = np.flatnonzero(runs == 1 + int(np.argmax(sizes)))
    first, last = int(members[0]), int(members[-1])
    lit = light[first : last + 1][known[first : last + 1]]
    if not len(lit) or np.median(lit) < 0.5:
        return None
    return first, last


def _half_widths(
    filtered: Image, usable: Bools, sign: np.float32, ends: Floats
) -> tuple[float, float]:
    """Return the distances from the line at which its light is lost in the noise, or a third."""
    offsets = np.arange(-_MAX_HALF_WIDTH, _MAX_HALF_WIDTH + 1.0)
    values, known = _samples(filtered, usable, ends, offsets)
    profile = np.array(
        [
            np.median(sign * row[ok]) if ok.any() else 0.0
            for row, ok in zip(values, known, strict=True)
        ]
    )
    found = [
        float(np.abs(offsets)[profile < limit].min(initial=_MAX_HALF_WIDTH))
        for limit in (0.5, float(profile.max()) / 3.0)
    ]
    return min(found[0] + 2.0, _MAX_HALF_WIDTH), found[1]


def _covered(
    shape: tuple[int, int], streak: Streak, rows_at_once: int = 256
) -> list[tuple[slice, Bools]]:
    """Return the pixels within half a width of a streak, in strips of rows."""
    length = max(streak.length, 1e-9)
    along = (streak.x1 - streak.x0) / length, (streak.y1 - streak.y0) / length
    columns = np.arange(shape[1])
    low = min(streak.y0, streak.y1) - streak.half_width
    high = max(streak.y0, streak.y1) + streak.half_width
    first, last = max(int(np.floor(low)), 0), min(int(np.ceil(high)) + 1, shape[0])
    found = []
    for start in range(first, last, rows_at_once):
        rows = slice(start, min(start + rows_at_once, last))
        dx = columns - streak.x0
        dy = (np.arange(rows.start, rows.stop) - streak.y0)[:, np.newaxis]
        t = dx * along[0] + dy * along[1]
        across = np.abs(dx * along[1] - dy * along[0])
        within = (across <= streak.half_width) & (t >= -streak.half_width)
        found.append((rows, within & (t <= length + streak.half_width)))
    return found
