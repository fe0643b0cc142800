"""Affine clocks from lags measured in windows: robust lines, and the steps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.association.clock_signals import Floats

USUAL_DRIFT = 1e-3
"""Standard deviation of a drift before it is measured: a container that says 30 for 29.97 frames per second."""
LEAST_WINDOWS = 3
"""Windows on either side of a step."""


@dataclass(frozen=True)
class Line:
    """``corrected time = offset + (1 + drift) * time`` from ``start`` on, in seconds; ``error`` at its best point."""

    start: float
    offset: float
    drift: float
    error: float


def fit(times: Floats, lags: Floats, errors: Floats) -> Line:
    """The line of lags (W,) with errors (W,) at times (W,), outliers held back (Huber).

    The drift is drawn towards none as far as the windows leave it open.
    """
    centre = float(np.average(times, weights=1 / errors**2))
    x = times - centre
    weight = 1 / errors**2
    offset = drift = 0.0
    for _ in range(10):
        total = weight.sum()
        stiff = np.array([[total, (weight * x).sum()], [(weight * x).sum(), (weight * x * x).sum() + USUAL_DRIFT**-2]])
        offset, drift = np.linalg.solve(stiff, [(weight * lags).sum(), (weight * x * lags).sum()])
        distance = np.abs(lags - offset - drift * x) / errors
        weight = np.minimum(1, 2 / np.maximum(distance, 1e-9)) / errors**2
    return Line(float(times.min()), float(offset - drift * centre), float(drift), float(1 / np.sqrt(weight.sum())))


def pieces(times: Floats, lags: Floats, errors: Floats, least_step: float) -> list[Line]:
    """Lines with steps between them; a step is taken where it explains far more than the windows' noise.

    Args:
        times: (W,) rising.
        lags: (W,) seconds.
        errors: (W,) standard errors; made larger where neighbours differ by more.
        least_step: steps smaller than this, in seconds, are left in the line.
    """
    errors = errors * _excess(lags, errors)
    return _split(times, lags, errors, least_step)


def _excess(lags: Floats, errors: Floats) -> float:
    """How much larger the differences of neighbours are than their errors say, at least 1."""
    if len(lags) < 3:
        return 1.0
    ratio = np.abs(np.diff(lags)) / np.sqrt(errors[1:] ** 2 + errors[:-1] ** 2)
    return max(float(np.median(ratio)) / 0.6745, 1.0)


def _split(times: Floats, lags: Floats, errors: Floats, least_step: float) -> list[Line]:
    whole = fit(times, lags, errors)
    best, gain = -1, 25.0
    for at in range(LEAST_WINDOWS, len(times) - LEAST_WINDOWS + 1):
        left, right = (fit(times[part], lags[part], errors[part]) for part in (slice(at), slice(at, None)))
        middle = (times[at - 1] + times[at]) / 2
        step = abs(_at(left, middle) - _at(right, middle))
        gained = _cost(whole, times, lags, errors) - sum(
            _cost(line, times[part], lags[part], errors[part])
            for line, part in ((left, slice(at)), (right, slice(at, None)))
        )
        if step >= least_step and gained > gain:
            best, gain = at, gained
    if best < 0:
        return [whole]
    middle = float((times[best - 1] + times[best]) / 2)
    right_lines = _split(times[best:], lags[best:], errors[best:], least_step)
    first = right_lines[0]
    right_lines[0] = Line(middle, first.offset, first.drift, first.error)
    return _split(times[:best], lags[:best], errors[:best], least_step) + right_lines


def _at(line: Line, time: float) -> float:
    return line.offset + line.drift * time


def _cost(line: Line, times: Floats, lags: Floats, errors: Floats) -> float:
    distance = np.abs(lags - line.offset - line.drift * times) / errors
    return float(np.where(distance < 2, distance**2, 4 * distance - 4).sum())


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open ranges of consecutive true flags (N,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
