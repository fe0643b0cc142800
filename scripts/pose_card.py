"""The example pose model's card: what it was made of, how, and how well it places points on people it never saw."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from drape import openmmlab
from drape.checkpoint import load_into, read_checkpoint
from drape.simulator import FAMILIES, Family, stills
from numpy.typing import NDArray
from pose_crops import PADDING, SIZE, asked_of, box_of

_HEAD = [*range(5), *range(23, 91)]
_PARTS = {"body": range(17), "head": _HEAD, "all": range(133)}
_FIRST_SITE, _SITES, _PER_SITE = 9000, 6, 16
_TEXT = """# The example pose model

A small RTMPose (CSPNeXt backbone, SimCC head, 133 points of COCO-WholeBody) for inputs of {width} x {height} pixels,
trained on rendered persons by `scripts/train_pose.py`; its backbone begins as the example detector's, the rest from
nothing. **It has never seen a real person. It is for trying Drape on simulated recordings, never for releasing a real
one**, and Drape says so whenever it is used.

| | |
|---|---|
| weights | `{file}`, half precision, {megabytes:.2f} MB |
| sha256 | `{sha256}` |
| trained on | {persons} persons; family `{family}`, sites {first} to {last} |
| training | seed {seed}, {steps} steps of {batch} ({samples} crops), {seconds} s on {threads} core(s) |
| licence | Apache-2.0, like Drape; no other data or weights went into it |

Measured on {sites} unseen sites of each family, {stills} pictures of each, on true boxes. Error in shares of the square
root of the box's area, for points that are seen; *PCK*: share of them with an error below .05.

{table}
"""


def write_card(folder: Path, facts: dict[str, Any], table: str) -> None:
    """Write ``card.json`` (the facts) and ``CARD.md`` (the facts in words, and the table)."""
    (folder / "card.json").write_text(json.dumps(facts, indent=2) + "\n")
    about = {"megabytes": facts["bytes"] / 1e6, "sites": _SITES, "stills": _PER_SITE, "table": table}
    (folder / "CARD.md").write_text(_TEXT.format(**facts, **about))


def measure(folder: Path) -> str:
    """A Markdown table of how well the model in ``folder`` places points, by family and part of the body."""
    network: Any = openmmlab.build_model(openmmlab.load_config(folder / "architecture.json").model, "mmpose")
    load_into(network, read_checkpoint(folder / "pose.pth"))
    lines = ["| family | part | points | median error | PCK |", "|---|---|---|---|---|"]
    for family in FAMILIES:
        errors = np.concatenate([_errors(network, family, _FIRST_SITE + k) for k in range(_SITES)])
        for part, points in _PARTS.items():
            seen = errors[:, list(points)]
            seen = seen[~np.isnan(seen)]
            lines.append(f"| {family} | {part} | {len(seen)} | {np.median(seen):.3f} | {(seen < 0.05).mean():.2f} |")
    return "\n".join(lines)


def _errors(network: Any, family: Family, site: int) -> NDArray[np.float64]:
    """(N, 133) errors in shares of the square root of the box's area; NaN for points that are not seen."""
    rows = []
    for image, truth in stills(family, site, _PER_SITE):
        for row in np.flatnonzero(asked_of(truth)):
            box = box_of(truth, row)
            scale = float(np.min(np.array(SIZE) / (PADDING * (box[2:] - box[:2]))))
            shift = np.array(SIZE) / 2 - scale * (box[:2] + box[2:]) / 2
            matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
            found = (_points(network, cv2.warpAffine(image, matrix, SIZE)) - shift) / scale
            away = np.linalg.norm(found - truth.keypoints[row, :, :2], axis=1) / math.sqrt(np.prod(box[2:] - box[:2]))
            rows.append(np.where(truth.keypoints[row, :, 2] == 2, away, np.nan))
    return np.array(rows).reshape(-1, 133)


@torch.inference_mode()
def _points(network: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(133, 2) places in the input: the highest bins of both axes."""
    preprocessor = network.data_preprocessor
    inputs = torch.from_numpy(pixels[None]).permute(0, 3, 1, 2).float()
    sides = network.head(network.extract_feat(inputs.sub_(preprocessor.mean).div_(preprocessor.std)))
    ratio = network.head.decoder.simcc_split_ratio
    return np.stack([side[0].argmax(-1).double().numpy() / ratio for side in sides], axis=1)
