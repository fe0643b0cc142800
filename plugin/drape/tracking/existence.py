"""How probable it is that a tracklet's box holds a person, from the scores along the whole tracklet.

A two-state hidden Markov model (present, absent) runs over the tracklet: a candidate speaks for presence by the
log-odds of its score, a frame without one against it, and neighbouring frames speak for each other. So a low score
between high ones is believed, and a tail of low scores behind a person who left is not. The forward-backward
recursion is Rabiner 1989, section III.A, written in odds. The result is multiplied by the probability that the
tracklet is of a person at all, from its best scores: an object that never looks like a person for long stays doubtful
however often it is seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EVEN_SCORE = 0.15
"""Score that speaks neither for nor against presence."""
EVIDENCE = 0.5
"""Weight of a score's log-odds: scores of neighbouring frames are not independent."""
MISSING = -1.0
"""Evidence, in nats, of a frame without a candidate."""
LIMIT = 2.0
"""Largest evidence of one frame, in nats."""
PRIOR = 0.2
"""Probability of presence just before the first and just after the last candidate."""
CHANGE_RATE = 0.14
"""Comings and goings per second at pace 1."""
EVIDENCE_RATE = 7.0
"""Independent looks per second at pace 1; more frames than that share their evidence."""
PERSON_SCORE = 0.4
"""Best score at which a tracklet is as likely an object as a person."""
PERSON_SLOPE = 2.0


def existence(times: Array, scores: Array, pace: float) -> Array:
    """Existence along one tracklet.

    Args:
        times: (N,) seconds, increasing.
        scores: (N,) detector scores in (0, 1); NaN where no candidate was found.
        pace: see ``pace.py``.

    Returns:
        (N,) probabilities in [0, 1].
    """
    step = np.diff(times, prepend=times[0])
    step[0] = np.median(step[1:]) if len(step) > 1 else 1 / EVIDENCE_RATE
    share = np.minimum(1.0, step * EVIDENCE_RATE * pace)
    evidence = np.where(np.isnan(scores), MISSING, EVIDENCE * (log_odds(scores) - log_odds(EVEN_SCORE)))
    weight = np.exp(np.clip(evidence, -LIMIT, LIMIT) * share)
    change = 0.5 * (1 - np.exp(-2 * CHANGE_RATE * pace * step))
    return _present(weight, change) * person_probability(scores)


def log_odds(score: Array | float) -> Array:
    """``log(p / (1 - p))`` with scores kept off 0 and 1."""
    p = np.clip(score, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(p / (1 - p)))


def person_probability(scores: Array) -> float:
    """Probability that a tracklet with these scores is of a person at all, from the 90th percentile of its scores."""
    best = float(np.nanpercentile(scores, 90))
    return float(1 / (1 + np.exp(-PERSON_SLOPE * (log_odds(best) - log_odds(PERSON_SCORE)))))


def _present(weight: Array, change: Array) -> Array:
    """Posterior of the present state; scalar loops on floats are the fastest way through a recursion."""
    count = len(weight)
    prior = PRIOR / (1 - PRIOR)
    ahead = np.empty(count)
    odds = prior
    for i, (w, c) in enumerate(zip(weight.tolist(), change.tolist(), strict=True)):
        odds = w * ((1 - c) * odds + c) / ((1 - c) + c * odds)
        odds = min(max(odds, 1e-9), 1e9)
        ahead[i] = odds
    behind = np.empty(count)
    odds = prior
    weights, changes = weight.tolist(), change.tolist()
    for i in range(count - 1, -1, -1):
        behind[i] = odds
        c = changes[i]
        back = weights[i] * odds
        odds = min(max(((1 - c) * back + c) / ((1 - c) + c * back), 1e-9), 1e9)
    total = ahead * behind
    return total / (1 + total)
