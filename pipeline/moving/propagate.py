"""Propagation of orbits: numerical integration among the Sun, Moon and planets of DE440."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.moving._integrate import integrate
from pipeline.moving.errors import MovingError
from pipeline.moving.kernel import Kernel, planets

Floats = npt.NDArray[np.float64]

#: Relative error of a step: 1 mas at 1 au is 5e-9, and the estimate is of an order too low.
TOLERANCE = 1e-11


def propagate(
    states: npt.ArrayLike,
    epochs: npt.ArrayLike,
    times: npt.ArrayLike,
    *,
    kernel: Kernel | None = None,
    tolerance: float = TOLERANCE,
) -> Floats:
    """Integrate orbits to other times.

    Point masses of the Sun, the Moon and the planets, and the Sun's relativistic term; Dormand and
    Prince's Runge-Kutta of order 8, steps by its error estimate, so that close approaches need no
    care.  Compiled; it releases the interpreter's lock.

    Parameters
    ----------
    states : array_like, shape (n, 6)
        Barycentric position [au] and velocity [au/d], ICRF.
    epochs : array_like, shape (n,) or ()
        MJD TDB of the states.
    times : array_like, shape (m,) or (n, m)
        MJD TDB, for all alike or for each its own, in any order; NaN gives NaN.
    kernel : Kernel, optional
        Planets; `pipeline.moving.kernel.planets` by default.
    tolerance : float, default 1e-11
        Relative error that a step may have by its own estimate.

    Returns
    -------
    ndarray, shape (n, m, 6)
        Barycentric states; NaN for an object whose state is not finite or that falls into a body.

    Raises
    ------
    MissingKernel
        If there is no kernel, or it does not cover the times.
    MovingError
        If shapes do not fit.
    """
    state = np.ascontiguousarray(states, dtype=float)
    if state.ndim != 2 or state.shape[1] != 6:
        raise MovingError(f"states of shape {state.shape}: (n, 6) is wanted")
    n = len(state)
    epoch = np.ascontiguousarray(np.broadcast_to(np.asarray(epochs, dtype=float), (n,)))
    time = np.asarray(times, dtype=float)
    if time.ndim not in (1, 2) or (time.ndim == 2 and len(time) != n):
        raise MovingError(f"times of shape {time.shape} for {n} orbits: (m,) or ({n}, m) is wanted")
    time = np.atleast_2d(time)
    found = np.full((n, time.shape[1], 6), np.nan)
    both = np.concatenate([time[np.isfinite(time)], epoch[np.isfinite(epoch)]])
    if not found.size or not both.size:
        return found
    table = (kernel or planets()).span(float(both.min()), float(both.max()))
    order = np.argsort(time, axis=1)
    ascending = np.ascontiguousarray(np.take_along_axis(time, order, axis=1))
    integrate(state, epoch, ascending, tolerance, table.start, table.coefficients, found)
    if (order[:, 1:] > order[:, :-1]).all():
        return found
    back = np.argsort(order, axis=1)
    return np.take_along_axis(found, np.broadcast_to(back, found.shape[:2])[..., None], axis=1)
