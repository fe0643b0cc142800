"""Learn an association model from the unlabelled detections of a recording."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from drape.association.calibration import Calibration
from drape.association.config import AssociationConfig
from drape.association.model import AssociationModel, new_network
from drape.association.network import Network
from drape.association.placing import apply, place_views
from drape.association.sets import Sets, gather, staying
from drape.association.threads import one_thread
from drape.association.training import Trace, Trainer, pair_accuracies
from drape.association.views import Instants, Ints, ViewBoxes, meet
from drape.errors import RecordingError
from drape.progress import Progress, silent

BLOCKS = 24
"""Held-out instants come in blocks of time, so that their neighbours are not learned from."""
MOST_HELD = 60
FEWEST_INSTANTS = 16
LOOKS = 4
"""Most steps per instant: a short recording has nothing more to say after that."""
GOOD_FLOOR = 0.6
"""Held-out synchronization accuracy from which floors are believed."""
TRIAL_STEPS = 150
UNTRACKED_WEIGHT = 0.3
"""Weight of detections that no tracklet holds, where there are tracklets."""
FIRST_GAIN = -4.0
FIRST_FLOOR_WIDTH = 1.0


@dataclass(frozen=True)
class History:
    """What training showed.

    Attributes:
        floors: the fit of the floors alone; None where no floors were found.
        floor_accuracy: its held-out synchronization accuracy, NaN without floors.
        networks: one trace per network.
        accuracy: held-out synchronization accuracy of each network.
        views: the same of each view with the others, over the networks; a view that cannot be compared is absent.
        gap: seconds between instants taken as unrelated, as training ended.
    """

    floors: Trace | None
    floor_accuracy: float
    networks: list[Trace]
    accuracy: list[float]
    views: dict[str, float]
    gap: float


@one_thread
def learn(
    views: Sequence[ViewBoxes], config: AssociationConfig | None = None, progress: Progress = silent
) -> tuple[AssociationModel, History]:
    """Train on unlabelled detections.

    Args:
        views: detections of at least two views whose times are on one clock.
        config: settings.

    Raises:
        RecordingError: fewer than two views, or they hardly ever show people at one time.
    """
    config = config or AssociationConfig()
    if len(views) < 2:
        raise RecordingError("Association needs at least two views", "Give another view, or leave association out")
    views = [view.select(view.scores >= config.train_score) for view in views]
    instants = _busy(meet(views))
    if len(instants) < FEWEST_INSTANTS:
        raise RecordingError(
            "The views hardly ever show people at one time, so that nothing can be learned",
            "Check the clocks of the views, or give a longer recording with --train",
        )
    rng = np.random.default_rng(config.seed)
    instants = _at_most(instants, config.max_instants, rng)
    gaps = _gaps(instants, config.gaps_s)
    sets = gather(views, instants, [_weights(view, gaps[-1], config, rng) for view in views])
    train, held = _split(len(instants), config.held_out)
    config = config.model_copy(update={"steps": min(config.steps, LOOKS * len(train))})
    total = config.floor_steps + config.steps * config.seeds
    ticker = _Ticker(progress, total)
    base, floors, floor_accuracy = _floors(views, instants, sets, (train, held), gaps, config, ticker)
    networks, traces, accuracy, level = [], [], [], 0
    for k in range(config.seeds):
        torch.manual_seed(config.seed + k)
        network = new_network(config, len(views))
        _inherit(network, base)
        trainer = Trainer(network, sets, train, held, gaps, config, config.seed + k)
        accuracy.append(trainer.fit(ticker.tick))
        ticker.reach(config.floor_steps + (k + 1) * config.steps)
        level = max(level, trainer.level)
        networks.append(network.eval())
        traces.append(trainer.trace)
    blank = Calibration(np.array([-50.0, 0.0]), np.array([-5.0, 1.0]), {})
    model = AssociationModel(
        config, tuple(view.view for view in views), tuple(view.extent() for view in views), networks, blank
    )
    of_views = _of_views([view.view for view in views], networks, sets, held, gaps[level])
    history = History(floors, floor_accuracy, traces, accuracy, of_views, gaps[level])
    return model.calibrated(views, gaps[-1], instants), history


def _of_views(
    names: Sequence[str], networks: Sequence[Network], sets: Sets, held: Ints, gap: float
) -> dict[str, float]:
    """Held-out synchronization accuracy of each view with the others."""
    found: dict[str, list[float]] = {}
    for network in networks:
        for pair, accuracy in pair_accuracies(network, sets, held, gap).items():
            for view in pair:
                found.setdefault(names[view], []).append(accuracy)
    return {view: float(np.mean(values)) for view, values in found.items()}


class _Ticker:
    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def tick(self) -> None:
        self.done += 1
        self.progress(min(self.done, self.total), self.total, "learning how the views hang together")

    def reach(self, done: int) -> None:
        self.done = done


def _busy(instants: Instants) -> Instants:
    """Instants at which at least two views show somebody."""
    shown = np.stack([rows[:, 1] > rows[:, 0] for rows in instants.rows], axis=1).sum(axis=1) >= 2
    return _some(instants, np.flatnonzero(shown))


def _at_most(instants: Instants, most: int, rng: np.random.Generator) -> Instants:
    if len(instants) <= most:
        return instants
    return _some(instants, np.sort(rng.choice(len(instants), most, replace=False)))


def _some(instants: Instants, chosen: Ints) -> Instants:
    return Instants(instants.time[chosen], tuple(rows[chosen] for rows in instants.rows), instants.present[chosen])


def _gaps(instants: Instants, wanted: tuple[float, ...]) -> tuple[float, ...]:
    """Distances of negatives that the recording is long and dense enough for, wide to near."""
    length = float(instants.time[-1] - instants.time[0])
    pace = float(np.median(np.diff(instants.time)))
    usable = sorted({max(min(gap, length / 5), 0.9 * pace) for gap in wanted}, reverse=True)
    return tuple(usable)


def _weights(view: ViewBoxes, gap: float, config: AssociationConfig, rng: np.random.Generator) -> NDArray[np.float32]:
    """How much each detection says of the time: sure ones that move say most."""
    stay = staying(view, gap, rng)
    sure = np.minimum(1, view.scores / config.sure_score)
    if (view.tracklet >= 0).any():
        sure = np.where(view.tracklet >= 0, sure, UNTRACKED_WEIGHT * sure)
    out: NDArray[np.float32] = (sure * (1 - config.stay_weight * stay)).astype(np.float32)
    return out


def _split(count: int, share: float) -> tuple[Ints, Ints]:
    """Instants to learn from and to check on; the latter in blocks spread over the recording."""
    blocks = min(BLOCKS, count)
    block = np.arange(count) * blocks // count
    every = max(2, round(1 / share))
    held = np.flatnonzero(block % every == every // 2)
    train = np.setdiff1d(np.arange(count), held)
    if len(held) > MOST_HELD:
        held = held[np.linspace(0, len(held) - 1, MOST_HELD).astype(np.int64)]
    return train, held


def _floors(
    views: Sequence[ViewBoxes],
    instants: Instants,
    sets: Sets,
    parts: tuple[Ints, Ints],
    gaps: tuple[float, ...],
    config: AssociationConfig,
    ticker: _Ticker,
) -> tuple[Network | None, Trace | None, float]:
    """A network that knows the floors alone, or None where they do not explain which instants belong together."""
    placing = place_views(views, instants, gaps[-1], np.random.default_rng(config.seed))
    if len(placing.matrices) < 2:
        ticker.reach(config.floor_steps)
        return None, None, float("nan")
    torch.manual_seed(config.seed)
    network = new_network(config, len(views))
    apply(placing, network, views)
    with torch.no_grad():
        network.log_floor_width.fill_(math.log(FIRST_FLOOR_WIDTH))
        network.log_gain.fill_(FIRST_GAIN)
    trainer = Trainer(network, sets, *parts, gaps[-1:], config, config.seed)
    accuracy = trainer.fit_floors(ticker.tick)
    ticker.reach(config.floor_steps)
    if accuracy < GOOD_FLOOR or not _help(network, len(views), sets, parts, gaps, config):
        return None, trainer.trace, accuracy
    return network, trainer.trace, accuracy


def _help(
    base: Network,
    cameras: int,
    sets: Sets,
    parts: tuple[Ints, Ints],
    gaps: tuple[float, ...],
    config: AssociationConfig,
) -> bool:
    """Whether a short training goes further with the floors than without, by held-out synchronization accuracy."""
    short = config.model_copy(update={"steps": min(TRIAL_STEPS, config.steps)})
    reached = []
    for floors in (base, None):
        torch.manual_seed(config.seed)
        network = new_network(config, cameras)
        _inherit(network, floors)
        trainer = Trainer(network, sets, *parts, gaps[-1:], short, config.seed)
        reached.append(trainer.fit(lambda: None))
    return reached[0] >= reached[1]


def _inherit(network: Network, base: Network | None) -> None:
    """Give a fresh network the floors that were found."""
    if base is None:
        return
    network.ground.load_state_dict(copy.deepcopy(base.ground.state_dict()))
    with torch.no_grad():
        for mine, found in (
            (network.log_floor_width, base.log_floor_width),
            (network.log_gain, base.log_gain),
            (network.clutter, base.clutter),
        ):
            mine.copy_(found)
