"""Fine-tuning: labels count as far as they are believed, a crash changes nothing, memory and disk may run out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from drape import openmmlab
from drape.adaptation import training_state
from drape.adaptation.augmentation import Sample, draw
from drape.adaptation.batches import Look, Samples, hardened, packed
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.adaptation.fine_tuning import BaseModel, FineTuned, fine_tune, read_losses
from drape.adaptation.lessons import read_lessons
from drape.adaptation.soft_losses import soften
from drape.adaptation.training_loop import freeze_norms
from drape.boxes import Boxes, as_boxes
from drape.checkpoint import read_checkpoint
from drape.detection import PRESETS, DetectionConfig, build_detector
from drape.detection.canary import PERSONS, canary_image
from drape.errors import AdaptationError, WeightsError
from support.models import one_thread

SIZE = 160
NOBODY = np.zeros((0, 4), np.float32)
QUICK = {"steps": 4, "batch": 2, "checkpoint_every": 2, "device": "cpu"}


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with one_thread():
        yield


class Lessons(NamedTuple):
    annotations: Path
    digest: str


def lessons(root: Path, weight: float = 1.0, count: int = 4) -> Lessons:
    """The canary's persons in some copies of its picture, with one ignored region in each."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    images, told = [], []
    for k in range(count):
        name = f"view-{k:08d}.png"
        cv2.imwrite(str(root / "images" / name), cv2.resize(canary_image(), (320, 180)))
        images.append({"id": k + 1, "file_name": f"images/{name}", "width": 320, "height": 180})
        for x1, y1, x2, y2 in (PERSONS / 3).tolist():
            told.append({"image_id": k + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "weight": weight})
        told.append({"image_id": k + 1, "bbox": [20, 10, 40, 40], "weight": 0.0, "iscrowd": 1, "ignore": 1})
    annotations = [{"id": k + 1, "category_id": 1, "iscrowd": 0, **one} for k, one in enumerate(told)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (root / "annotations.json").write_text(json.dumps(content))
    return Lessons(root / "annotations.json", f"{weight} {count}")


def example() -> BaseModel:
    preset = PRESETS["example"]
    return BaseModel(openmmlab.load_config(preset.configuration()), preset.weights(), SIZE, 0)


def tune(tmp_path: Path, out: str = "out", **settings: Any) -> FineTuned:
    return fine_tune(example(), lessons(tmp_path / "set"), FineTuneConfig(**{**QUICK, **settings}), tmp_path / out)


def state(tuned: FineTuned) -> dict[str, torch.Tensor]:
    return read_checkpoint(tuned.weights).state


# --- the whole way


def test_a_tuned_detector_is_repeatable_and_detection_takes_it(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    labels = lessons(tmp_path / "set")
    config = FineTuneConfig(**{**QUICK, "steps": 3})
    first = fine_tune(example(), labels, config, tmp_path / "a", progress=lambda *said: told.append(said))
    assert told == [(k, 3, "fine-tuning") for k in range(1, 4)]
    second = fine_tune(example(), labels, config, tmp_path / "b")
    assert first.sha256 == second.sha256
    read = read_checkpoint(first.weights)
    assert read.classes == ("person",)
    assert read.sha256 == first.sha256
    before = read_checkpoint(PRESETS["example"].weights()).state
    moved = [name for name in before if not torch.allclose(read.state[name], before[name].float(), atol=1e-7)]
    assert any(name.endswith("conv.weight") for name in moved)
    assert not any("bn." in name or name.startswith("backbone.stem") for name in moved)
    with pytest.warns(UserWarning, match="rendered rooms"):
        detector = build_detector(DetectionConfig(preset="example", weights=first.weights, device="cpu"))
    assert (detector([canary_image()])[0][1] > 0.3).sum() >= 2


def test_losses_and_what_was_learned_can_be_seen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    labels = lessons(tmp_path / "set")
    config = FineTuneConfig(**QUICK)
    tuned = fine_tune(example(), labels, config, tmp_path / "out", progress=lambda done, *_: print(done))
    assert capfd.readouterr().out == "1\n2\n3\n4\n"  # what the caller prints, and nothing of OpenMMLab's
    table = read_losses(tuned)
    assert table.column("step").to_pylist() == [1, 2, 3, 4]
    parts = table.column("loss_cls").to_numpy() + table.column("loss_bbox").to_numpy()
    np.testing.assert_allclose(table.column("loss").to_numpy(), parts, rtol=1e-5)
    assert cv2.imread(str(tuned.plot)) is not None
    assert cv2.imread(str(tuned.samples)).shape[1] == 1600
    assert list((tmp_path / "out" / "runs").rglob("events.out.tfevents.*"))
    again = fine_tune(example(), labels, config, tmp_path / "out", progress=lambda *_: pytest.fail("trained again"))
    assert again.sha256 == tuned.sha256


def test_it_learns(tmp_path: Path) -> None:
    """Persons upside down, of whom the base knows little."""
    labels = lessons(tmp_path / "set")
    content = json.loads(labels.annotations.read_text())
    for one in content["annotations"]:
        one["bbox"][1] = 180 - one["bbox"][1] - one["bbox"][3]
    labels.annotations.write_text(json.dumps(content))
    for path in (tmp_path / "set" / "images").iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path))[::-1])
    config = FineTuneConfig(**{**QUICK, "steps": 20, "rate": 2e-3, "rehearsal": 0, "warm_up": 2})
    loss = read_losses(fine_tune(example(), labels, config, tmp_path / "out")).column("loss").to_numpy()
    assert loss[-6:].mean() < 0.8 * loss[:6].mean()


# --- crashes, memory, disk

CHILD = """
import sys, json, os, signal
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import importlib.util
spec = importlib.util.spec_from_file_location("here", sys.argv[2])
here = importlib.util.module_from_spec(spec); spec.loader.exec_module(here)
root = Path(sys.argv[3])
def progress(done, total, what):
    if done == 4:
        os.kill(os.getpid(), signal.SIGKILL)
config = here.FineTuneConfig(**json.loads(sys.argv[4]))
here.fine_tune(here.example(), here.lessons(root / "set"), config, root / "killed", progress=progress)
"""


def test_a_killed_training_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    settings = {**QUICK, "steps": 5, "checkpoint_every": 3, "distillation": 1.0}
    whole = tune(tmp_path, "whole", **settings)
    folder = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-c", CHILD, folder, __file__, str(tmp_path), json.dumps(settings)]
    child = subprocess.run(command, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()[-2000:]
    seen: list[int] = []
    resumed = fine_tune(
        example(),
        lessons(tmp_path / "set"),
        FineTuneConfig(**settings),
        tmp_path / "killed",
        progress=lambda done, *_: seen.append(done),
    )
    assert seen == [4, 5]
    assert resumed.sha256 == whole.sha256
    assert read_losses(resumed).equals(read_losses(whole))


def test_a_planted_state_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "exploded",))

    torch.save({"key": "k", "step": Bomb()}, tmp_path / "state.pth")
    assert training_state.load(tmp_path / "state.pth", "k") is None
    assert not (tmp_path / "exploded").exists()
    training_state.save({"key": "k", "step": 3}, tmp_path / "state.pth")
    assert training_state.load(tmp_path / "state.pth", "another") is None
    assert training_state.load(tmp_path / "state.pth", "k") == {"key": "k", "step": 3}


def test_a_batch_too_large_for_memory_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real loop; only the memory is made small: more than two pictures at once do not fit."""
    from mmdet.models.detectors import RTMDet

    forward = RTMDet.extract_feat
    sizes: list[int] = []

    def scarce(self: Any, inputs: torch.Tensor) -> Any:
        sizes.append(len(inputs))
        if len(inputs) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, inputs)

    whole = tune(tmp_path, "whole", batch=4, steps=2)
    with monkeypatch.context() as patch:
        patch.setattr(RTMDet, "extract_feat", scarce)
        split = tune(tmp_path, "split", batch=4, steps=2)
        assert sizes == [4, 2, 2, 2, 2]
        assert "2 parts" in split.notes[0]
        patch.setattr(RTMDet, "extract_feat", lambda *_: scarce(None, torch.zeros(3)))
        with pytest.raises(AdaptationError, match="memory"):
            tune(tmp_path, "never", batch=4, steps=2)
    a, b = state(whole), state(split)
    before = read_checkpoint(PRESETS["example"].weights()).state
    name = "bbox_head.rtm_reg.0.weight"
    moves = [(x[name] - before[name].float()).flatten() for x in (a, b)]
    assert torch.cosine_similarity(*moves, dim=0) > 0.7


def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    blocked = tmp_path / "out" / ".state.pth.partial"
    blocked.symlink_to("/dev/full")
    with pytest.raises(AdaptationError, match=r"cannot be written \(No space left"):
        tune(tmp_path)
    assert tune(tmp_path).steps == 4


def test_a_loss_that_is_not_finite_stops_it(tmp_path: Path) -> None:
    with pytest.raises(AdaptationError, match="not finite"):
        tune(tmp_path, rate=0.1, largest_gradient=1e6, rehearsal=0, steps=60, warm_up=0, size=64)


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    labels, config = lessons(tmp_path / "set"), FineTuneConfig(**QUICK)
    with pytest.raises(AdaptationError, match="1 classes"):
        fine_tune(example()._replace(person_class=3), labels, config, tmp_path / "out")
    two = example()
    two.config.model.bbox_head.num_classes = 2
    with pytest.raises(WeightsError, match="another shape"):
        fine_tune(two, labels, config, tmp_path / "out")
    (tmp_path / "set" / "images" / "view-00000002.png").unlink()
    with pytest.raises(AdaptationError, match="cannot be read"):
        fine_tune(example(), labels, config, tmp_path / "out")
    labels.annotations.write_text('{"images": []}')
    with pytest.raises(AdaptationError, match="KeyError"):
        fine_tune(example(), labels, config, tmp_path / "out")


@pytest.mark.slow
def test_several_processes_learn_together(tmp_path: Path) -> None:
    told: list[int] = []
    labels = lessons(tmp_path / "set")
    config = FineTuneConfig(**{**QUICK, "launcher": "pytorch", "processes": 2, "steps": 2})
    both = fine_tune(example(), labels, config, tmp_path / "two", progress=lambda done, *_: told.append(done))
    one = tune(tmp_path, "one", steps=2)
    assert told[-1] == 2
    a, b, before = state(both), state(one), read_checkpoint(PRESETS["example"].weights()).state
    name = "bbox_head.rtm_cls.0.weight"
    moves = [(x[name] - before[name].float()).flatten() for x in (a, b)]
    assert torch.cosine_similarity(*moves, dim=0) > 0.9


# --- soft labels and ignored regions


def head_losses(
    kind: str, boxes: Boxes, weights: list[float], ignored: Boxes, person: int = 0, classes: int = 1
) -> tuple[dict[str, Any], Any, Any]:
    """Losses of a fresh network of a family, what its head put out, and the network."""
    torch.manual_seed(0)
    model: Any = openmmlab.build_model(MODELS[kind](classes), "mmdet").train()
    assert soften(model, person)
    for layer in getattr(model.bbox_head, "rtm_reg", []):
        torch.nn.init.constant_(layer.bias, 2.0)  # a fresh RTMDet's boxes are empty, and overlap nobody
    freeze_norms(model)
    sample = Sample(np.full((96, 96, 3), 90, np.uint8), boxes, np.array(weights, np.float32), ignored)
    item = packed(sample, person)
    data = model.data_preprocessor({"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}, True)
    outs = model.bbox_head(model.extract_feat(data["inputs"]))
    for level in [*outs[0], *outs[1], *outs[-1]]:
        level.retain_grad()
    samples = data["data_samples"]
    meta = [s.metainfo for s in samples]
    found = model.bbox_head.loss_by_feat(
        *outs, [s.gt_instances for s in samples], meta, [s.ignored_instances for s in samples]
    )
    return found, outs, model


def _common(head: dict[str, Any], kind: str) -> Any:
    from mmengine.config import ConfigDict

    backbone = {
        "type": "CSPNeXt", "arch": "P5", "deepen_factor": 0.33, "widen_factor": 0.125, "norm_cfg": {"type": "BN"},
        "act_cfg": {"type": "SiLU"},
    }  # fmt: skip
    neck = {
        "type": "CSPNeXtPAFPN", "in_channels": [32, 64, 128], "out_channels": 32, "num_csp_blocks": 1,
        "norm_cfg": {"type": "BN"},
    }  # fmt: skip
    pre = {"type": "DetDataPreprocessor", "mean": [0.0] * 3, "std": [255.0] * 3}
    return ConfigDict(type=kind, data_preprocessor=pre, backbone=backbone, neck=neck, **head)


def _rtmdet(classes: int = 1) -> Any:
    cfg = example().config.model.copy()
    cfg.bbox_head.num_classes = classes
    return cfg


def _atss(classes: int = 1) -> Any:
    head = {
        "type": "ATSSHead", "num_classes": classes, "in_channels": 32, "stacked_convs": 1, "feat_channels": 32,
        "anchor_generator": {
            "type": "AnchorGenerator", "ratios": [1.0], "octave_base_scale": 8, "scales_per_octave": 1,
            "strides": [8, 16, 32],
        },
        "norm_cfg": None, "reg_decoded_bbox": True, "loss_bbox": {"type": "GIoULoss"},
    }  # fmt: skip
    train = {"assigner": {"type": "ATSSAssigner", "topk": 9}, "allowed_border": -1, "pos_weight": -1, "debug": False}
    return _common({"bbox_head": head, "train_cfg": train, "test_cfg": {}}, "ATSS")


def _yolox(classes: int = 1) -> Any:
    head = {
        "type": "YOLOXHead", "num_classes": classes, "in_channels": 32, "feat_channels": 32, "stacked_convs": 1,
        "norm_cfg": {"type": "BN"}, "act_cfg": {"type": "SiLU"},
    }  # fmt: skip
    train = {"assigner": {"type": "SimOTAAssigner", "center_radius": 2.5}}
    return _common({"bbox_head": head, "train_cfg": train, "test_cfg": {}}, "YOLOX")


MODELS = {"rtmdet": _rtmdet, "atss": _atss, "yolox": _yolox}
PERSON = as_boxes([[20, 10, 60, 80]])


def _total(losses: dict[str, Any], part: str) -> torch.Tensor:
    value = losses[part]
    return torch.stack(list(value)).sum() if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("kind", MODELS)
def test_half_the_weight_is_half_the_pull(kind: str) -> None:
    everywhere = as_boxes([[0, 0, 96, 96]])  # so that only positive places have a loss at all
    losses = {w: head_losses(kind, PERSON, [w], everywhere)[0] for w in (1.0, 0.5)}
    for part in losses[1.0]:
        whole, half = (_total(losses[w], part).item() for w in (1.0, 0.5))
        assert whole > 0, part
        assert half == pytest.approx(whole / 2, rel=1e-4), part


@pytest.mark.parametrize("kind", MODELS)
def test_nothing_is_learned_in_an_ignored_region(kind: str) -> None:
    region = as_boxes([[0, 0, 48, 96]])
    gradients = []
    for ignored in (NOBODY, region):
        found, outs, _ = head_losses(kind, NOBODY, [], ignored)
        torch.stack([_total(found, part) for part in found]).sum().backward()
        scores = outs[2] if kind == "yolox" else outs[0]  # YOLOX's background is in its objectness
        gradients.append(scores[0].grad[0, 0])
    free, kept = gradients
    assert (free != 0).all()
    assert (kept[:, :6] == 0).all()
    assert (kept[:, 7:] == free[:, 7:]).all()


@pytest.mark.parametrize(
    ("kind", "layer"), [("rtmdet", "rtm_cls"), ("atss", "atss_cls"), ("yolox", "multi_level_conv_cls")]
)
def test_other_classes_are_left_alone(kind: str, layer: str) -> None:
    losses, _, model = head_losses(kind, PERSON, [1.0], NOBODY, person=2, classes=4)
    torch.stack([_total(losses, part) for part in losses]).sum().backward()
    last = getattr(model.bbox_head, layer)
    levels = last if isinstance(last, torch.nn.ModuleList) else [last]
    gradient = torch.stack([level.weight.grad.abs().amax(dim=(1, 2, 3)) for level in levels]).amax(dim=0)
    assert gradient.bool().tolist() == [False, False, True, False]


def test_a_head_that_cannot_weigh_gets_sure_labels_only() -> None:
    boxes = as_boxes([[10, 10, 30, 60], [60, 10, 80, 60]])
    ignored = as_boxes([[25, 20, 50, 40], [70, 70, 90, 90]])
    pixels = np.full((96, 96, 3), 50, np.uint8)
    got = hardened(Sample(pixels, boxes, np.array([0.9, 0.3], np.float32), ignored), (114, 114, 114))
    np.testing.assert_array_equal(got.boxes, boxes[:1])
    np.testing.assert_array_equal(got.weights, [1.0])
    assert len(got.ignored) == 3
    assert (got.pixels[70:90, 70:90] == 114).all()  # alone: painted over
    assert (got.pixels[10:60, 60:80] == 114).all()  # hardly believed: painted over
    assert (got.pixels[20:40, 25:50] == 50).all()  # a person reaches into it
    assert (pixels == 50).all()


# --- samples


def test_boxes_stay_on_what_they_are_drawn_around(tmp_path: Path) -> None:
    picture = np.full((180, 320, 3), 20, np.uint8)
    picture[30:150, 40:100] = 240
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), picture)
    told = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [40, 30, 60, 120]}]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 320, "height": 180}],
        "annotations": told,
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "list.json").write_text(json.dumps(content))
    (lesson,) = read_lessons(tmp_path / "list.json")
    heights, sides = [], set()
    for k in range(60):
        sample = draw(lesson, picture, 160, (160, 96), (0, 0, 0), np.random.default_rng(k))
        white = np.argwhere(sample.pixels.min(axis=2) > 100)
        if not len(sample.boxes):
            continue
        (y1, x1), (y2, x2) = white.min(axis=0), white.max(axis=0) + 1
        np.testing.assert_allclose(sample.boxes[0], [x1, y1, x2, y2], atol=2.0)
        heights.append(y2 - y1)
        sides.add(bool(x1 + x2 > 160))
    assert max(heights) > 1.3 * min(heights)
    assert sides == {False, True}


def test_a_labelled_set_takes_its_share_and_every_picture_its_turn(tmp_path: Path) -> None:
    own = read_lessons(lessons(tmp_path / "own", count=3).annotations)
    other = read_lessons(lessons(tmp_path / "other", count=5).annotations)
    look = Look(SIZE, (160, 96), (114, 114, 114), 0, True)
    samples = Samples(own, other, 0.25, look, 0, 0)
    drawn = [samples.lesson(k).picture for k in range(20)]
    assert sorted(p for p in drawn if "other" in p.parts) == sorted(one.picture for one in other)
    assert all(sum(p == one.picture for p in drawn) == 5 for one in own)
    again = Samples(own, other, 0.25, look, 0, 2**20)
    np.testing.assert_array_equal(samples.sample(7).pixels, again.sample(7).pixels)
    assert (samples.sample(7).pixels != samples.sample(8).pixels).any()
    mixed = fine_tune(
        example(), lessons(tmp_path / "own"), FineTuneConfig(**{**QUICK, "steps": 1}), tmp_path / "out",
        labelled=tmp_path / "other" / "annotations.json",
    )  # fmt: skip
    assert mixed.steps == 1


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    labels = lessons(tmp_path / "set")
    text = labels.annotations.read_text().replace("images/view-00000000.png", "../secret.png")
    labels.annotations.write_text(text)
    with pytest.raises(AdaptationError, match="outside"):
        read_lessons(labels.annotations)
