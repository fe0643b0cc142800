"""When another round is not worth it: the label-free figures no longer improve."""

from __future__ import annotations

import math

from drape.adaptation.agreement import Agreement

WEIGHTS = {"accepted": 1.0, "sure": 1.0, "steady": 0.5, "matched": 0.5, "synchrony": 0.5}
"""What counts how much: finding people, above all those that had to be retrieved; then agreement over time and views.
Synchronization accuracy is the boxes' agreement over views too, only measured against other times."""


def gain(before: Agreement, after: Agreement) -> float:
    """Weighted mean of how much the figures rose that both know; 0 if there are none."""
    known = {
        name: getattr(after, name) - getattr(before, name)
        for name in WEIGHTS
        if math.isfinite(getattr(before, name)) and math.isfinite(getattr(after, name))
    }
    total = sum(WEIGHTS[name] for name in known)
    return sum(WEIGHTS[name] * rise for name, rise in known.items()) / total if total else 0.0


def no_longer_improves(before: Agreement, after: Agreement, least: float) -> str | None:
    """Why the round before is kept and no further one is run; None if this round was better.

    Args:
        before, after: of the best round so far and of the new one, on the same persons.
        least: smallest gain that is worth a round.
    """
    rise = gain(before, after)
    if rise >= least:
        return None
    return (
        f"agreement no longer improves: {rise:+.4f} over the round before, of at least {least:.4f} "
        f"(found {before.accepted:.3f} to {after.accepted:.3f}, steady {before.steady:.3f} to {after.steady:.3f})"
    )
