"""The training samples, numbered from first to last, and how several of them become a batch of mmdet's.

Sample k of a training is a function of the lessons, the settings and k alone: which picture it is, and how it is
changed. So a training that goes on after a crash sees what it would have seen, in whatever process samples are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from drape.adaptation.augmentation import Sample, canvas_of, draw
from drape.adaptation.lessons import Lesson, Pictures
from drape.boxes import intersection

_DOUBTFUL = 0.5
"""Labels of a lower weight are ignored where the head cannot weigh."""


class Look(NamedTuple):
    """How samples look: longer side of pictures and (width, height) of the input in pixels, padding's colour (BGR),
    index of the class person, and whether the head minds weights and ignored regions."""

    size: int
    canvas: tuple[int, int]
    pad: tuple[int, int, int]
    person: int
    soft: bool


class Samples(Dataset[dict[str, Any]]):
    """Sample k, as mmdet's data pre-processor takes it.

    Args:
        own: lessons of the site.
        labelled: lessons of the labelled set; may be none.
        share: share of samples that come from the labelled set.
        look: how they look.
        seed: of the order and of the changes.
        room: bytes of decoded pictures to keep.
    """

    metainfo = {"classes": ("person",)}  # noqa: RUF012  mmengine asks each dataset for it

    def __init__(
        self, own: list[Lesson], labelled: list[Lesson], share: float, look: Look, seed: int, room: int
    ) -> None:
        self._sets = (own, labelled)
        self._share = share if labelled else 0.0
        self._look = look
        self._seed = seed
        self._pictures = Pictures(room)

    def lesson(self, k: int) -> Lesson:
        """The lesson of sample k: each set in a new order every time it is through."""
        others = int(k * self._share)
        which = int((k + 1) * self._share) - others
        place = others if which else k - others
        lessons = self._sets[which]
        time, at = divmod(place, len(lessons))
        order: NDArray[np.int64] = np.random.default_rng([self._seed, which, time]).permutation(len(lessons))
        return lessons[order[at]]

    def sample(self, k: int) -> Sample:
        """Sample k as arrays."""
        lesson = self.lesson(k)
        rng = np.random.default_rng([self._seed, 2, k])
        look = self._look
        drawn = draw(lesson, self._pictures(lesson), look.size, look.canvas, look.pad, rng)
        return drawn if look.soft else hardened(drawn, look.pad)

    def __getitem__(self, k: int) -> dict[str, Any]:
        return packed(self.sample(k), self._look.person)


def hardened(sample: Sample, pad: tuple[int, int, int]) -> Sample:
    """The nearest that a head can be given which knows neither weights nor ignored regions.

    Labels of a weight below 0.5 become ignored regions; an ignored region is painted over with the padding's colour,
    unless a person who is taught reaches into it.
    """
    sure = sample.weights >= _DOUBTFUL
    boxes = sample.boxes[sure]
    ignored = np.concatenate([sample.ignored, sample.boxes[~sure]])
    alone = ~(intersection(ignored, boxes) > 0).any(axis=1)
    pixels = sample.pixels.copy()
    for x1, y1, x2, y2 in np.rint(ignored[alone]).astype(int):
        pixels[y1:y2, x1:x2] = pad
    return Sample(pixels, boxes, np.ones(len(boxes), np.float32), ignored)


def packed(sample: Sample, person: int) -> dict[str, Any]:
    """A sample as mmdet's data pre-processor takes it."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    shape = sample.pixels.shape[:2]
    data = DetDataSample(metainfo={"img_shape": shape, "ori_shape": shape, "scale_factor": (1.0, 1.0)})
    data.gt_instances = InstanceData(
        bboxes=torch.from_numpy(np.ascontiguousarray(sample.boxes)),
        labels=torch.full((len(sample.boxes),), person, dtype=torch.long),
        weights=torch.from_numpy(sample.weights),
    )
    ignored = torch.from_numpy(np.ascontiguousarray(sample.ignored))
    data.ignored_instances = InstanceData(bboxes=ignored, labels=torch.full((len(ignored),), person, dtype=torch.long))
    # (H, W, 3) seen as (3, H, W) is the layout that convolutions are fastest in.
    return {"inputs": torch.from_numpy(sample.pixels).permute(2, 0, 1), "data_samples": data}


def collated(items: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Samples side by side."""
    return {name: [item[name] for item in items] for name in ("inputs", "data_samples")}


class Numbers(Sampler[int]):
    """Numbers of the samples that a process learns from, step by step.

    Args:
        steps: how many steps there are.
        batch: samples per step, over all processes.
        rank, world: this process and how many there are.
    """

    def __init__(self, steps: int, batch: int, rank: int = 0, world: int = 1) -> None:
        self._steps, self._batch = steps, batch
        self._rank, self._share = rank, batch // world
        self._begin = 0

    def skip(self, count: int) -> None:
        """Begin after so many of this process's samples; mmengine calls it when a training goes on."""
        self._begin = count // self._share

    def __len__(self) -> int:
        return self._steps * self._share

    def __iter__(self) -> Iterator[int]:
        for step in range(self._begin, self._steps):
            first = step * self._batch + self._rank * self._share
            yield from range(first, first + self._share)


def look_of(own: list[Lesson], size: int, pad: tuple[int, int, int], person: int, soft: bool) -> Look:
    """The look of samples of these lessons."""
    return Look(size, canvas_of(own, size), pad, person, soft)
