"""May an adapted detector be kept? It is taken back as soon as anything that can be checked has fallen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from drape.adaptation.agreement import Agreement
from drape.adaptation.config_guard import GuardConfig
from drape.adaptation.sight import Sight

MORE_EVERYWHERE, FEW_MORE = 1.5, 3.0
"""Boxes per canary picture may grow by this factor and so many: more of them fire at anything."""


class Labelled(NamedTuple):
    """Figures on pictures with labels: average precision and recall at the guard's score, at IoU .5."""

    ap50: float
    recall: float


class Measures(NamedTuple):
    """All that is measured of one detector. ``own`` is the user's canary set, ``labelled`` are labels of the site;
    None where there are none."""

    agreement: Agreement
    canary: Sight
    own: Sight | None = None
    labelled: Labelled | None = None


class Verdict(NamedTuple):
    """Whether the adapted detector may be kept; if not, every reason in words; and the figures that were compared."""

    passed: bool
    reasons: tuple[str, ...]
    figures: dict[str, float]


def judge(base: Measures, adapted: Measures, config: GuardConfig) -> Verdict:
    """Compare an adapted detector with its base, both measured on the same pictures."""
    reasons = [
        *_agreement(base.agreement, adapted.agreement, config),
        *_sight("the canary pictures", base.canary, adapted.canary, config),
    ]
    if base.own is not None and adapted.own is not None:
        reasons += _sight("your own canary pictures", base.own, adapted.own, config)
    if base.labelled is not None and adapted.labelled is not None:
        reasons += _labelled(base.labelled, adapted.labelled, config)
    return Verdict(not reasons, tuple(reasons), figures(base, "before") | figures(adapted, "after"))


def figures(measures: Measures, when: str) -> dict[str, float]:
    """Measures as named numbers, those that do not apply left out; names end with ``when``."""
    named: dict[str, float] = {}
    for part in ("agreement", "canary", "own", "labelled"):
        values = getattr(measures, part)
        if values is not None:
            named |= {f"{part}.{key}.{when}": float(value) for key, value in values._asdict().items()}
    return {key: value for key, value in named.items() if math.isfinite(value)}


def _agreement(base: Agreement, new: Agreement, config: GuardConfig) -> Iterator[str]:
    if base.persons < config.least_persons:
        yield (
            f"held-out stretches hold {base.persons} sure persons, and {config.least_persons} are needed to judge by: "
            "give a longer recording"
        )
    falls = (
        ("sure persons of held-out stretches found", base.sure, new.sure, config.sure_tolerance),
        ("boxes that go on in the next frame", base.steady, new.steady, config.steady_tolerance),
        ("boxes that another view confirms", base.matched, new.matched, config.matched_tolerance),
    )
    for what, before, after, tolerance in falls:
        yield from _fell(what, before, after, tolerance)
    # An unknown share after a known one means that there are no boxes at all any more.
    grown = new.unsupported - base.unsupported
    if grown > config.unsupported_more:
        yield (
            f"boxes that nothing supports rose from {base.unsupported:.3f} to {new.unsupported:.3f} of all boxes, "
            f"by more than {config.unsupported_more:.3f}"
        )
    if new.standing > base.standing:
        more = new.standing - base.standing
        yield f"a thing is taken for a person all the time at {more} new place{'s' if more > 1 else ''}"


def _sight(where: str, base: Sight, new: Sight, config: GuardConfig) -> Iterator[str]:
    yield from _fell(f"persons on {where} found", base.recall, new.recall, config.canary_tolerance)
    if new.boxes > base.boxes * MORE_EVERYWHERE + FEW_MORE:
        yield f"boxes all over {where}: {base.boxes:.1f} per picture before, {new.boxes:.1f} after"


def _labelled(base: Labelled, new: Labelled, config: GuardConfig) -> Iterator[str]:
    yield from _fell("average precision on the labels", base.ap50, new.ap50, config.labelled_tolerance)
    yield from _fell("persons of the labels found", base.recall, new.recall, config.labelled_tolerance)


def _fell(what: str, before: float, after: float, tolerance: float) -> Iterator[str]:
    if math.isnan(before):
        return
    if math.isnan(after):
        yield f"{what}: {before:.3f} before, and nothing is left to say so after"
    elif after < before - tolerance:
        yield f"{what}: fell from {before:.3f} to {after:.3f}, by more than {tolerance:.3f}"
