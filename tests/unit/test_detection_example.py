"""The built-in example detector: it sees people in rooms like those it learned from, and says what it is."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drape.boxes import iou
from drape.checkpoint import read_checkpoint
from drape.detection import PRESETS, DetectionConfig, Detector, NoticeWarning, build_detector
from drape.errors import WeightsError
from drape.pipeline import detect, ingest
from drape.simulator import Scene, SceneConfig, stills
from drape.simulator.export import write_recording
from drape.simulator.export_sought import sought
from drape.tables import sha256
from support.models import one_thread

EXAMPLE = DetectionConfig(preset="example", device="cpu")
FOLDER = PRESETS["example"].folder or Path()
UNSEEN = 9500
"""Sites from here on are neither trained on nor in the card's table."""
SITES = 4


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def detector() -> Detector:
    with one_thread(), pytest.warns(NoticeWarning, match="simulated recordings"):
        return build_detector(EXAMPLE)


def _clear_scores(detector: Detector, family: str) -> np.ndarray:
    """Best score of a box on each clearly visible person, 0 where there is none, at unseen sites."""
    best = []
    for site in range(UNSEEN, UNSEEN + SITES):
        for image, truth in stills(family, site, 8):  # type: ignore[arg-type]  # a family's name
            wanted, share = sought(truth)
            boxes, scores = detector([image])[0]
            fits = iou(wanted[share >= 0.75], boxes) >= 0.5
            best += (fits * scores).max(axis=1, initial=0).tolist()
    return np.array(best)


def test_it_finds_people_in_unseen_rooms_of_its_family_and_fewer_elsewhere(detector: Detector) -> None:
    home, away = _clear_scores(detector, "source"), _clear_scores(detector, "new")
    assert len(home) > 20
    assert len(away) > 20
    assert (home >= 0.3).mean() >= 0.85
    assert (away >= 0.5).mean() < (home >= 0.5).mean() - 0.1
    assert (away >= 0.1).mean() > (away >= 0.5).mean() + 0.1  # what Drape's loop has to work with


def test_it_says_what_it_is_in_a_warning_and_in_the_run_record(tmp_path: Path) -> None:
    scene = Scene(SceneConfig(seconds=0.4, fps=5, views=1, people=1, width=320, height=180))
    ws = ingest(write_recording(scene, tmp_path / "made"), tmp_path / "work")
    with pytest.warns(NoticeWarning, match="never for releasing a real one"):
        record = detect(ws, EXAMPLE)
    assert record["detector"]["name"] == "example"
    assert record["detector"]["notice"] == PRESETS["example"].notice


def test_it_is_never_the_default() -> None:
    assert DetectionConfig().preset != "example"
    assert [name for name, preset in PRESETS.items() if preset.notice] == ["example"]


def test_the_weights_are_small_tensors_in_half_precision_and_the_cards() -> None:
    weights = PRESETS["example"].weights()
    assert weights.stat().st_size <= 4_000_000
    state = read_checkpoint(weights).state
    assert {value.dtype for value in state.values()} == {torch.float16}
    card = json.loads((FOLDER / "card.json").read_text())
    assert card["sha256"] == sha256(weights) == PRESETS["example"].asset.sha256
    assert card["sha256"] in (FOLDER / "CARD.md").read_text()
    assert not set(range(card["first"], card["last"] + 1)) & {card["measured_from"], *range(UNSEEN, UNSEEN + SITES)}


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_altered_weights_are_refused(harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDER, tmp_path / "example")
    file = tmp_path / "example" / "person.pth"
    if harm == "changed":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    else:
        file.unlink()
    monkeypatch.setitem(PRESETS, "example", replace(PRESETS["example"], folder=tmp_path / "example"))
    with warnings.catch_warnings(), pytest.raises(WeightsError, match=f"{harm}"):
        warnings.simplefilter("ignore", NoticeWarning)
        build_detector(EXAMPLE)
