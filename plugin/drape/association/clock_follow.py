"""A lag followed window by window through a recording, and how sure it is.

A linear map between the signals of two views is learned at the lags found so far and tried on windows it has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.association.clock_signals import Floats, Signal


@dataclass(frozen=True)
class Track:
    """What windows of ``a`` say of its lag to ``b``.

    Attributes:
        starts, stops: (W,) seconds of a's clock.
        lags: (W,) seconds; NaN where the views are not in step.
        evidence: (W,) log-likelihood ratio of that lag against none.
    """

    starts: Floats
    stops: Floats
    lags: Floats
    evidence: Floats


JUMP = 14.0
"""Cost of a jump to any other lag, in nats: the lag is one of a thousand, and jumps are rare."""
LOSE, FIND = 5.0, 12.0
"""Costs of losing the lag, and of finding one again."""
WANDER = 1.0
"""Cost of a lag that changes by one step from window to window."""
SURE = 5.0
"""A window's score counts to this many standard deviations at most: one window alone convinces nobody of a jump."""
QUIET = 0.2
"""Power, in shares of the mean window's, at which half of a window is people moving and half is boxes trembling."""
ROUNDS = 3


def follow(a: Signal, others: list[Signal], lag: float, reach: float, window: float) -> Track:
    """Follow the lag through the recording, with jumps and with stretches that are not in step.

    The map between the signals is learned at the lags found so far, without the window it is then tried on; each
    window's score of every lag is compared with what a window of its energy should give, and the likeliest sequence of
    lags is taken (Viterbi).

    Args:
        a: the view whose lag is sought.
        others: views in step with each other, over the same times.
        lag: the lag to begin with, in seconds (their time less a's).
        reach: largest lag in seconds.
        window: seconds of a window.
    """
    rate = a.rate
    steps, shift = a.steps_to(others[0], reach)
    size = max(round(window * rate), 1)
    edges = np.arange(0, max(len(a.values) - size // 2, 1), size)
    parts = [a.values[i:j] for i, j in zip(edges, [*edges[1:], len(a.values)], strict=True)]
    states: NDArray[np.int64] = np.full(len(parts), int(np.argmin(np.abs((steps + shift) / rate - lag))))
    evidence: Floats = np.zeros(len(parts))
    for _ in range(ROUNDS):
        if (states < 0).all():
            break
        gains = np.sum([_gains(*_windows(parts, edges, b.values, steps, states)) for b in others], axis=0)
        states = _likeliest(gains)
        evidence = np.where(states >= 0, gains[np.arange(len(states)), np.maximum(states, 0)], 0.0)
    starts = a.start + edges / rate
    stops = np.append(starts[1:], a.start + len(a.values) / rate)
    found = np.where(states >= 0, (steps[np.maximum(states, 0)] + shift) / rate, np.nan)
    return Track(starts, stops, found, evidence)


def _cross(part: NDArray[np.float32], b: NDArray[np.float32], first: int) -> NDArray[np.float32]:
    """Cross-covariance of a window with the rows of ``b`` from ``first`` on, (D, E)."""
    low, high = max(first, 0), min(first + len(part), len(b))
    if high <= low:
        return np.zeros((part.shape[1], b.shape[1]), np.float32)
    out: NDArray[np.float32] = part[low - first : high - first].T @ b[low:high]
    return out


def _windows(
    parts: list[NDArray[np.float32]],
    edges: NDArray[np.int64],
    b: NDArray[np.float32],
    steps: NDArray[np.int64],
    states: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Scores of every window and lag in standard deviations, and the scores that true lags should have, (W, K) each.

    Where a window leaves ``b``, both are 0: nothing can be said.
    """
    maps = [_cross(p, b, i + steps[s]) if s >= 0 else None for p, i, s in zip(parts, edges, states, strict=True)]
    total = np.sum([m for m in maps if m is not None], axis=0)
    power_b = np.concatenate([[0.0], np.cumsum((b.astype(np.float64) ** 2).sum(axis=1))])
    power_a = np.array([float((part.astype(np.float64) ** 2).sum()) for part in parts])
    share, energy = np.zeros((len(parts), len(steps))), np.zeros((len(parts), len(steps)))
    quiet_a, quiet_b = QUIET * power_a.mean(), QUIET * power_b[-1] / len(parts)
    for w, (part, at, own) in enumerate(zip(parts, edges, maps, strict=True)):
        image = part @ (total if own is None else total - own)
        low, high = (np.clip(at + steps + n, 0, len(b)) for n in (0, len(part)))
        seen = np.maximum(power_b[high] - power_b[low], 0)
        whole = np.sqrt(seen * float((image.astype(np.float64) ** 2).sum())) + 1e-12
        share[w] = np.where(2 * (high - low) >= len(part), _slide(image, b, at + steps) / whole, 0)
        energy[w] = np.sqrt(power_a[w] / (power_a[w] + quiet_a + 1e-12) * seen / (seen + quiet_b + 1e-12))
        energy[w, 2 * (high - low) < len(part)] = 0
    spread = _spread(share, energy)
    in_step = np.flatnonzero(states >= 0)
    known, weight = share[in_step, states[in_step]], energy[in_step, states[in_step]]
    expected = max(float((known * weight).sum() / max((weight**2).sum(), 1e-12)), 0.0)
    return share / spread, expected * energy / spread


def _spread(share: Floats, energy: Floats) -> Floats:
    """Standard deviation (W, 1) of a window's score at wrong lags: its own, or all windows' where lags are few."""
    valid = energy > 0
    pooled = 1.4826 * float(np.median(np.abs(share[valid]))) if valid.any() else 1.0
    out = np.empty((len(share), 1))
    for w, (row, ok) in enumerate(zip(share, valid, strict=True)):
        own = 1.4826 * float(np.median(np.abs(row[ok]))) if ok.any() else 0.0
        trust = ok.sum() / (ok.sum() + 200)
        out[w] = np.sqrt(trust * own**2 + (1 - trust) * pooled**2)
    return np.maximum(out, 1e-9)


def _slide(image: NDArray[np.float32], b: NDArray[np.float32], firsts: NDArray[np.int64]) -> Floats:
    """Inner products of ``image`` (n, E) with the rows of ``b`` from each of ``firsts`` (rising by 1) on."""
    low = int(firsts[0])
    span = len(firsts) + len(image) - 1
    padded = np.zeros((span, b.shape[1]), np.float32)
    inner, outer = max(low, 0), min(low + span, len(b))
    if outer > inner:
        padded[inner - low : outer - low] = b[inner:outer]
    length = 1 << int(np.ceil(np.log2(span + len(image))))
    product = np.conj(np.fft.rfft(image, length, axis=0)) * np.fft.rfft(padded, length, axis=0)
    out: Floats = np.fft.irfft(product.sum(axis=1), length)[: len(firsts)]
    return out


def _gains(scores: Floats, wanted: Floats) -> Floats:
    """Log-likelihood ratio of each window and lag: N(wanted, 1 + wanted^2 / 4) against N(0, 1)."""
    z, mean = np.clip(scores, -SURE, SURE), np.minimum(wanted, SURE)
    spread = 1 + mean**2 / 4
    return 0.5 * (z**2 - (z - mean) ** 2 / spread - np.log(spread))


def _likeliest(gains: Floats) -> NDArray[np.int64]:
    """The best lag of every window, -1 for none, over the whole sequence."""
    count, lags = gains.shape
    best, none = gains[0].copy(), -LOSE
    back = np.zeros((count, lags), np.int64)
    back_none = np.full(count, -1)
    for w in range(1, count):
        near = np.stack([np.roll(best, 1) - WANDER, best, np.roll(best, -1) - WANDER])
        near[0, 0] = near[2, -1] = -np.inf
        pick = near.argmax(axis=0)
        stay, source = near.max(axis=0), np.arange(lags) + pick - 1
        top = int(best.argmax())
        jump = best[top] - JUMP
        found = none - FIND
        source = np.where(jump > stay, top, source)
        value = np.maximum(stay, jump)
        source = np.where(found > value, -1, source)
        back[w] = source
        lost = best[top] - LOSE
        back_none[w] = top if lost > none else -1
        none = max(none, lost)
        best = np.maximum(value, found) + gains[w]
    state = int(best.argmax()) if best.max() >= none else -1
    states = np.empty(count, np.int64)
    for w in range(count - 1, -1, -1):
        states[w] = state
        state = int(back[w, state]) if state >= 0 else int(back_none[w])
    return states
