"""Evaluation's figures by plain loops over their definitions: slow, and written to be read."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pyarrow as pa

ALPHAS = [k / 20 for k in range(1, 20)]


def _rows(table: pa.Table) -> list[dict]:
    return table.to_pylist()


def _iou(a: dict, b: dict) -> float:
    width = min(a["x2"], b["x2"]) - max(a["x1"], b["x1"])
    height = min(a["y2"], b["y2"]) - max(a["y1"], b["y1"])
    if width <= 0 or height <= 0:
        return 0.0
    area = [(r["x2"] - r["x1"]) * (r["y2"] - r["y1"]) for r in (a, b)]
    return width * height / (sum(area) - width * height)


def _inside(a: dict, b: dict) -> float:
    """Share of a that lies in b."""
    width = min(a["x2"], b["x2"]) - max(a["x1"], b["x1"])
    height = min(a["y2"], b["y2"]) - max(a["y1"], b["y1"])
    return max(width, 0) * max(height, 0) / ((a["x2"] - a["x1"]) * (a["y2"] - a["y1"]))


def best_only(truth: pa.Table, found: pa.Table) -> list[tuple[float, int | None]]:
    """The 4D-OR rule: score of each found box, best first, and the truth it takes; after suppression at IoU .7."""
    kept: list[dict] = []
    for row in sorted(_rows(found), key=lambda r: -r["score"]):
        if all(k["frame"] != row["frame"] or _iou(k, row) <= 0.7 for k in kept):
            kept.append(row)
    truths, taken, result = _rows(truth), set(), []
    for row in kept:
        overlaps = [_iou(t, row) if t["frame"] == row["frame"] else -1.0 for t in truths]
        best = int(np.argmax(overlaps))
        good = overlaps[best] >= 0.5 and best not in taken
        taken |= {best} if good else set()
        result.append((row["score"], best if good else None))
    return result


def eleven_point(outcomes: list[tuple[float, int | None]], truths: int) -> float:
    """Average precision at recall 0, .1, …, 1, of outcomes with different scores."""
    hits = [taken is not None for _, taken in outcomes]
    points = [(sum(hits[:k]), sum(hits[:k]) / k) for k in range(1, len(hits) + 1)]
    return sum(max((p for hit, p in points if 10 * hit >= level * truths), default=0.0) for level in range(11)) / 11


def best_f(outcomes: list[tuple[float, int | None]], truths: int, beta: int) -> float:
    """The highest F measure over all thresholds."""
    best = 0.0
    for k in range(1, len(outcomes) + 1):
        hits = sum(taken is not None for _, taken in outcomes[:k])
        best = max(best, (1 + beta**2) * hits / (beta**2 * truths + k))
    return best


def most_matches(truth: pa.Table, found: pa.Table, threshold: float, of_truth: bool) -> int:
    """Pairs of a small scene at IoU >= threshold, or with so much of the true box inside; by trying all pairings."""
    total = 0
    for frame in {r["frame"] for r in _rows(truth)}:
        a, b = ([r for r in _rows(table) if r["frame"] == frame] for table in (truth, found))
        likeness = {(i, j): _inside(x, y) if of_truth else _iou(x, y) for i, x in enumerate(a) for j, y in enumerate(b)}
        spare = [*range(len(b)), *([None] * len(a))]
        total += max(
            sum(j is not None and likeness[i, j] >= threshold for i, j in enumerate(order))
            for order in itertools.permutations(spare, len(a))
        )
    return total


def multi_view(observations: pa.Table) -> tuple[float, float]:
    """Multi-view recall and scene-instant recall."""
    persons, instants = defaultdict(list), defaultdict(list)
    for row in _rows(observations):
        persons[row["person"], row["instant"]].append(row["covered"])
        instants[row["instant"]].append(row["covered"])
    return tuple(sum(all(v) for v in d.values()) / len(d) for d in (persons, instants))  # type: ignore[return-value]


def exposures(observations: pa.Table, absence: float) -> dict[str, float]:
    """Events, exposed and person-seconds, longest, fully covered share, mean onset and offset, walking each track."""
    tracks: list[list[dict]] = []
    for row in sorted(_rows(observations), key=lambda r: (r["view"], r["person"], r["frame"])):
        last = tracks[-1][-1] if tracks else None
        same = last is not None and (last["view"], last["person"]) == (row["view"], row["person"])
        if same and row["time"] - last["time"] - last["seconds"] <= absence:
            tracks[-1].append(row)
        else:
            tracks.append([row])
    runs, onset, offset = [], [], []
    for track in tracks:
        run, leaks = [], []
        for n, row in enumerate(track):
            if run and (row["covered"] or row["frame"] != run[-1]["frame"] + 1):
                leaks.append((run[0] is track[0], False, sum(r["seconds"] for r in run)))
                run = []
            if not row["covered"]:
                run = [*run, row]
                if n == len(track) - 1:
                    leaks.append((run[0] is track[0], True, sum(r["seconds"] for r in run)))
        runs += leaks
        onset.append(sum(seconds for first, _, seconds in leaks if first))
        offset.append(sum(seconds for _, last, seconds in leaks if last))
    rows = _rows(observations)
    return {
        "events": len(runs),
        "exposed_seconds": sum(r["seconds"] for r in rows if not r["covered"]),
        "person_seconds": sum(r["seconds"] for r in rows),
        "longest_seconds": max((seconds for _, _, seconds in runs), default=0.0),
        "fully_covered_rate": sum(all(r["covered"] for r in t) for t in tracks) / len(tracks),
        "onset_seconds": sum(onset) / len(tracks),
        "offset_seconds": sum(offset) / len(tracks),
        "tracks": len(tracks),
    }


def hota(truth: pa.Table, tracks: pa.Table) -> float:
    """HOTA of a small scene: the matching of each frame by trying all, association by counting."""
    frames = sorted({r["frame"] for r in (*_rows(truth), *_rows(tracks))})
    a = {f: [r for r in _rows(truth) if r["frame"] == f] for f in frames}
    b = {f: [r for r in _rows(tracks) if r["frame"] == f] for f in frames}
    size_a, size_b, shared = defaultdict(int), defaultdict(int), defaultdict(float)
    for f in frames:
        table = {(i["id"], j["id"]): _iou(i, j) for i in a[f] for j in b[f]}
        for i in a[f]:
            size_a[i["id"]] += 1
        for j in b[f]:
            size_b[j["id"]] += 1
        for (i, j), s in table.items():
            row, column = (sum(v for k, v in table.items() if k[side] == own) for side, own in ((0, i), (1, j)))
            shared[i, j] += s / (row + column - s) if s > 0 else 0.0
    matched = []
    for f in frames:
        short, long = sorted((a[f], b[f]), key=len)
        best: tuple[float, list] = (-1.0, [])
        for order in itertools.permutations(long, len(short)):
            couples = [(x, y) if short is a[f] else (y, x) for x, y in zip(short, order, strict=True)]
            couples = [(x["id"], y["id"], _iou(x, y)) for x, y in couples]
            weight = sum(shared[x, y] / (size_a[x] + size_b[y] - shared[x, y]) * s for x, y, s in couples)
            best = max(best, (weight, couples), key=lambda option: option[0])
        matched += best[1]
    total = 0.0
    for alpha in ALPHAS:
        hits = [(x, y) for x, y, s in matched if s >= alpha - 1e-15]
        association = 0.0
        for x, y in hits:
            together = hits.count((x, y))
            association += together / (size_a[x] + size_b[y] - together)
        detection = len(hits) / (len(truth) + len(tracks) - len(hits))
        total += math.sqrt(detection * association / len(hits)) if hits else 0.0
    return total / len(ALPHAS)


def idf1(truth: pa.Table, tracks: pa.Table) -> float:
    """IDF1 of a small scene: the one-to-one assignment of identities that explains most boxes, by trying all."""
    together: dict[tuple[int, int], int] = defaultdict(int)
    for a, b in itertools.product(_rows(truth), _rows(tracks)):
        together[a["id"], b["id"]] += a["frame"] == b["frame"] and _iou(a, b) >= 0.5
    ids_a, ids_b = (sorted({r["id"] for r in _rows(t)}) for t in (truth, tracks))
    spare = [*ids_b, *([None] * len(ids_a))]
    best = max(
        sum(together[a, b] for a, b in zip(ids_a, order, strict=True) if b is not None)
        for order in set(itertools.permutations(spare, len(ids_a)))
    )
    return 2 * best / (len(truth) + len(tracks))


def upper_bound(misses: int, reviewed: int, error: float) -> float:
    """The rate at which so few misses have probability ``error``, by bisection of the binomial sum."""
    low, high = 0.0, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if so_few(misses, reviewed, middle) > error else (low, middle)
    return low


def most_missed(misses: int, reviewed: int, total: int, error: float) -> int:
    """The largest number of misses among ``total`` that makes so few in the sample no less likely than ``error``."""

    def few_of(bad: int) -> float:
        ways = (math.comb(bad, k) * math.comb(total - bad, reviewed - k) for k in range(misses + 1))
        return sum(ways) / math.comb(total, reviewed)

    return max(bad for bad in range(misses, total - reviewed + misses + 1) if few_of(bad) > error)


def clean_bound(reviewed: list[int], sizes: list[int], error: float, steps: int = 200_000) -> float:
    """Two strata without a miss: the largest rate on the edge of what is not too unlikely, by a fine search."""
    share = np.array(sizes) / sum(sizes)
    first = np.linspace(0, 1 - error ** (1 / reviewed[0]), steps)
    second = 1 - (error / (1 - first) ** reviewed[0]) ** (1 / reviewed[1])
    return float(np.max(share[0] * first + share[1] * np.maximum(second, 0)))


def so_few(misses: int, reviewed: int, rate: float) -> float:
    """Probability of at most so many misses."""
    return sum(math.comb(reviewed, k) * rate**k * (1 - rate) ** (reviewed - k) for k in range(misses + 1))


def fisher_bound(misses: list[int], reviewed: list[int], sizes: list[int]) -> float:
    """Two strata: along the edge of what Fisher's test at 5 % leaves, the largest rate of the whole."""
    edge = math.exp(-9.487729036781154 / 2)  # the 95 % quantile of chi-squared with 4 degrees of freedom

    def at(first: float) -> float:
        left = edge / so_few(misses[0], reviewed[0], first)
        second = upper_bound(misses[1], reviewed[1], left) if left < 1 else 0.0
        return (sizes[0] * first + sizes[1] * second) / sum(sizes)

    # The edge is concave: the largest rate is found by narrowing down.
    low, high = 0.0, upper_bound(misses[0], reviewed[0], edge)
    for _ in range(100):
        third = (high - low) / 3
        low, high = (low + third, high) if at(low + third) < at(high - third) else (low, high - third)
    return at((low + high) / 2)


def running_bound(misses: int, reviewed: int, aim: float, error: float) -> float:
    """The rate at which the mixture of all bets has won 1 / error, by bisection."""

    def won(rate: float) -> float:
        b = 1 / aim
        gain = math.lgamma(0.5 + misses) + math.lgamma(b + reviewed - misses) - math.lgamma(0.5 + b + reviewed)
        gain -= math.lgamma(0.5) + math.lgamma(b) - math.lgamma(0.5 + b)
        return gain - misses * math.log(rate) - (reviewed - misses) * math.log(1 - rate)

    low, high = max(misses / reviewed, 1e-12), 1 - 1e-12
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if won(middle) < -math.log(error) else (low, middle)
    return low


def chapman_mean(total: int, first: int, second: int) -> float:
    """Exact mean of Chapman's estimate over all ways to draw; it is ``total`` where first + second >= total."""
    mean = 0.0
    for both in range(max(0, first + second - total), min(first, second) + 1):
        ways = math.comb(first, both) * math.comb(total - first, second - both) / math.comb(total, second)
        mean += ways * ((first + 1) * (second + 1) / (both + 1) - 1)
    return mean


def misses(risks: list[float]) -> tuple[float, float]:
    """Mean and deviation of the number of misses, over all that can happen."""
    mean = square = 0.0
    for happens in itertools.product((False, True), repeat=len(risks)):
        chance = math.prod(p if h else 1 - p for p, h in zip(risks, happens, strict=True))
        mean, square = mean + chance * sum(happens), square + chance * sum(happens) ** 2
    return mean, math.sqrt(square - mean**2)


def calibration_error(probabilities: np.ndarray, outcomes: np.ndarray, bins: int) -> float:
    """Expected calibration error over bins of equal width."""
    total = 0.0
    for k in range(bins):
        inside = [(p, y) for p, y in zip(probabilities, outcomes, strict=True) if min(int(p * bins), bins - 1) == k]
        total += abs(sum(p for p, _ in inside) - sum(y for _, y in inside))
    return total / len(probabilities)


def head_pixels(heads: list, masks: pa.Table, size: tuple[int, int]) -> tuple[float, float]:
    """Masked share of head pixels, and share of heads of which 99 % are masked, pixel by pixel."""
    shares, hidden, whole = [], 0, 0
    for head in heads:
        boxes = [r for r in _rows(masks) if r["frame"] == head.frame]
        pixels = [(head.x + c, head.y + r) for r, c in zip(*np.nonzero(head.mask), strict=True)]
        pixels = [(x, y) for x, y in pixels if 0 <= x < size[0] and 0 <= y < size[1]]
        under = [any(b["x1"] <= x < b["x2"] and b["y1"] <= y < b["y2"] for b in boxes) for x, y in pixels]
        hidden, whole = hidden + sum(under), whole + len(pixels)
        shares += [sum(under) / len(pixels)] if pixels else []
    return hidden / whole, sum(share >= 0.99 for share in shares) / len(shares)


def over_masking(heads: list, masks: pa.Table, size: tuple[int, int]) -> float:
    """Share of the masked pixels that are of no head, pixel by pixel."""
    masked, needless = 0, 0
    for frame in {r["frame"] for r in _rows(masks)}:
        hidden = set()
        for box in (r for r in _rows(masks) if r["frame"] == frame):
            columns, rows = (range(max(box[low], 0), min(box[high], end)) for low, high, end in _sides(size))
            hidden |= set(itertools.product(columns, rows))
        shown = set()
        for head in (h for h in heads if h.frame == frame):
            shown |= {(head.x + c, head.y + r) for r, c in zip(*np.nonzero(head.mask), strict=True)}
        masked, needless = masked + len(hidden), needless + len(hidden - shown)
    return needless / masked


def _sides(size: tuple[int, int]) -> tuple[tuple[str, str, int], tuple[str, str, int]]:
    return ("x1", "x2", size[0]), ("y1", "y2", size[1])


def interval(above: list[float], below: list[float], weights: np.ndarray) -> tuple[float, float]:
    """Percentiles 2.5 and 97.5 of the ratio over draws of blocks, each draw a row of how often a block was drawn."""
    values = []
    for row in weights.tolist():
        drawn = [block for block, times in enumerate(row) for _ in range(times)]
        values.append(sum(above[b] for b in drawn) / sum(below[b] for b in drawn))
    return tuple(np.quantile(values, [0.025, 0.975]))  # type: ignore[return-value]
