"""The adaptation loop on a small simulated recording, with real training: kept, taken back, killed, out of space."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from drape import tables
from drape.adaptation import AdaptationConfig, FineTuneConfig, GuardConfig, LabelConfig, load_card
from drape.association import AssociationConfig
from drape.detection import DetectionConfig, NoticeWarning, build_detector
from drape.errors import AdaptationError
from drape.media import read_frames
from drape.pipeline import PipelineConfig, Workspace, adapting_rounds, associate, detect, ingest, retrieve, track
from drape.pipeline.adapting import adapt
from drape.pipeline.adapting_teaching import label, split, teach
from drape.progress import silent
from drape.simulator import Scene, SceneConfig
from drape.simulator.export import write_recording
from support.models import one_thread

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::drape.detection.NoticeWarning")]

SCENE = SceneConfig(
    family="gowned", seed=1, seconds=8, fps=5, views=2, people=4, width=480, height=270, antialias=False
)
STAGES = PipelineConfig(
    detection=DetectionConfig(preset="example", device="cpu", size=480),
    association=AssociationConfig(steps=40, floor_steps=40, seeds=1),
)
CONFIG = AdaptationConfig(
    name="room-1",
    site="theatre 1",
    rounds=1,
    blocks=10,
    labels=LabelConfig(least_gap_s=0.4),
    tuning=FineTuneConfig(steps=24, batch=4, rate=3e-4, warm_up=4, device="cpu", checkpoint_every=4),
    guard=GuardConfig(canary_sites=1),
)
OWN = ("candidates", "tracklets", "persons")


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The recording as the base detector sees it."""
    root = tmp_path_factory.mktemp("site")
    ws = ingest(write_recording(Scene(SCENE), root / "recording"), root / "work")
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NoticeWarning)
        detect(ws, STAGES.detection)
        track(ws, STAGES.tracking)
        associate(ws, STAGES.association)
        retrieve(ws, STAGES.retrieval)
    return ws


@pytest.fixture
def fresh(base: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(base.root, tmp_path / "work", ignore=shutil.ignore_patterns(".lock"))
    return Workspace.open(tmp_path / "work")


@pytest.fixture(scope="module")
def kept(base: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path]:
    """A workspace in which a round was run without trouble, and the folder of its models."""
    root = tmp_path_factory.mktemp("kept")
    shutil.copytree(base.root, root / "work", ignore=shutil.ignore_patterns(".lock"))
    ws = Workspace.open(root / "work")
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NoticeWarning)
        adapt([ws], root / "models", CONFIG, STAGES)
    return ws, root / "models"


def own(ws: Workspace) -> dict[str, str]:
    return {f"{kind}/{v.id}": tables.sha256(ws.path(kind, v.id)) for kind in OWN for v in ws.recording.views}


def test_a_round_that_passes_adds_candidates_and_leaves_a_model_with_a_card(base: Workspace, kept: tuple) -> None:
    ws, models = kept
    record = ws.record("adapt")
    assert record["best"] == 1
    assert record["rounds"][0]["passed"]
    assert record["rounds"][0]["reasons"] == []
    card = load_card(models / "room-1")
    assert card.verdict.passed
    assert card.after["agreement.accepted"] >= card.before["agreement.accepted"]
    assert card.detector.notice
    for view in (v.id for v in ws.recording.views):
        before, after = base.candidates(view), ws.candidates(view)
        rows = [
            set(zip(*(t.column(n).to_pylist() for n in ("frame", "x1", "y1", "x2", "y2")), strict=True))
            for t in (before, after)
        ]
        assert rows[0] < rows[1]
        assert record["views"][view]["counts"]["added"] == len(after) - len(before)
    taught = [row for row in ws.whole("labels").to_pylist() if not row["ignored"]]
    assert len(taught) == sum(view["counts"]["labels"] for view in record["views"].values()) > 10
    text = json.dumps(record) + (models / "room-1" / "model.json").read_text()
    assert str(ws.root) not in text
    assert "view1" in text


def test_held_out_stretches_teach_nothing(kept: tuple) -> None:
    ws, _ = kept
    chosen = ws.whole("chosen")
    block = np.minimum(chosen.column("time").to_numpy() / (SCENE.seconds - 1 / SCENE.fps) * 10, 9).astype(int)
    assert len(chosen) >= 8
    assert not set(block % 5) & {2}


def test_recordings_of_one_site_teach_together(base: Workspace, tmp_path: Path) -> None:
    taught = label(base, split(base, CONFIG).learned, CONFIG)
    together = teach([base, base], [taught, taught], tmp_path / "set", silent)
    assert together.images == 2 * taught[1].num_rows
    names = {path.name.split("-")[0] for path in (tmp_path / "set" / "images").iterdir()}
    assert names == {"r1", "r2"}
    stamp = together.annotations.stat().st_mtime_ns
    assert teach([base, base], [taught, taught], tmp_path / "set", silent) == together
    assert together.annotations.stat().st_mtime_ns == stamp


def test_the_model_folder_is_a_detector(kept: tuple) -> None:
    ws, models = kept
    detector = build_detector(DetectionConfig(model=models / "room-1", device="cpu"))
    assert detector.fingerprint["weights"] == ws.record("adapt")["model"]["sha256"]
    assert "rendered rooms" in detector.fingerprint["notice"]
    first = next(iter(read_frames(ws.recording.views[0])))
    boxes, scores = detector([first.image])[0]
    alone = Workspace.open(ws.root / "adapt" / "alone-1").candidates("view1")
    same = alone.filter(pa.array(alone.column("frame").to_numpy() == 0))
    np.testing.assert_allclose(boxes, tables.boxes_of(same), atol=0.01)
    np.testing.assert_allclose(scores, same.column("score").to_numpy(), atol=1e-4)


def test_what_is_done_is_not_done_again(kept: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    ws, models = kept

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(adapting_rounds, "fine_tune", never)
    before = own(ws)
    again = adapt([ws], models, CONFIG, STAGES)
    assert again.best == 1
    assert own(ws) == before
    detect(ws, STAGES.detection)
    track(ws, STAGES.tracking)
    assert own(ws) == before
    # Tables that something else has changed are put right from what is there.
    shutil.copy(ws.root / "adapt" / "base" / "candidates" / "view1.parquet", ws.path("candidates", "view1"))
    monkeypatch.undo()
    assert adapt([ws], models, CONFIG, STAGES).best == 1
    assert own(ws) == before


def test_a_name_that_is_taken_is_refused_before_the_work(fresh: Workspace, kept: tuple) -> None:
    config = CONFIG.model_copy(update={"site": "another theatre"})
    with pytest.raises(AdaptationError, match="another model 'room-1'"):
        adapt([fresh], kept[1], config, STAGES)
    assert not (fresh.root / "adapt" / "round-1").exists()


def empty(labels: pa.Table, chosen: pa.Table) -> pa.Table:
    return labels.slice(0, 0)


def lamp(labels: pa.Table, chosen: pa.Table) -> pa.Table:
    """A lamp at the ceiling labelled a person in every picture."""
    count = chosen.num_rows
    box = np.tile(np.array([200, 10, 260, 90], np.float32), (count, 1))
    added = tables.make(
        tables.LABELS,
        view=chosen.column("view").combine_chunks(),
        frame=chosen.column("frame").combine_chunks(),
        time=chosen.column("time").combine_chunks(),
        **tables.box_columns(box),
        weight=np.ones(count, np.float32),
        ignored=np.zeros(count, bool),
        source=["detected"] * count,
    )
    return pa.concat_tables([labels, added])


# A thing is learned more slowly than it is to see nothing.
@pytest.mark.parametrize(("poison", "steps"), [(empty, 24), (lamp, 56)], ids=["empty", "lamp"])
def test_poisoned_labels_end_in_a_rollback(
    poison: Callable[[pa.Table, pa.Table], pa.Table],
    steps: int,
    base: Workspace,
    fresh: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    true = adapting_rounds.label

    def poisoned(*args: object) -> tuple[pa.Table, pa.Table]:
        labels, chosen = true(*args)
        return poison(labels, chosen), chosen

    monkeypatch.setattr(adapting_rounds, "label", poisoned)
    tuning = CONFIG.tuning.model_copy(update={"steps": steps})
    config = CONFIG.model_copy(update={"tuning": tuning})
    found = adapt([fresh], fresh.root / "models-of-site", config, STAGES)
    assert found.best == 0
    assert found.model is None
    assert not (fresh.root / "models-of-site").exists()
    assert all(reason.startswith("round 1 is taken back: ") for reason in found.reasons)
    assert found.reasons
    assert own(fresh) == own(base)
    assert fresh.record("adapt")["rounds"][0]["reasons"]


RUN = """
import sys, warnings, torch
torch.set_num_threads(1)
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
{before}
import importlib.util
spec = importlib.util.spec_from_file_location("loop", sys.argv[2])
loop = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loop)
from pathlib import Path
from drape.errors import DrapeError
try:
    loop.adapt([loop.Workspace.open(sys.argv[3])], Path(sys.argv[4]), loop.CONFIG, loop.STAGES)
except DrapeError as error:
    print(type(error).__name__, error)
    sys.exit(3)
"""


def process(ws: Workspace, models: Path, before: str = "") -> subprocess.Popen[str]:
    here = Path(__file__)
    command = [sys.executable, "-c", RUN.format(before=before), str(here.parent.parent), str(here)]
    return subprocess.Popen(
        [*command, str(ws.root), str(models)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_a_kill_in_the_middle_of_training_costs_nothing(fresh: Workspace, kept: tuple, tmp_path: Path) -> None:
    running = process(fresh, tmp_path / "models")
    deadline = time.monotonic() + 300
    while not list(fresh.root.glob("adapt/round-1/tuned-*/state.pth")):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert fresh.record("adapt") is None
    assert not list(fresh.root.glob("adapt/round-1/tuned-*/weights.pth"))
    found = adapt([fresh], tmp_path / "models", CONFIG, STAGES)
    assert found.best == 1
    assert found.rounds == tuple(kept[0].record("adapt")["rounds"])
    assert own(fresh) == own(kept[0])


FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
"""


def test_a_full_disk_is_said_and_changes_nothing(base: Workspace, fresh: Workspace, tmp_path: Path) -> None:
    running = process(fresh, tmp_path / "models", FULL)
    said, trouble = running.communicate(timeout=300)
    assert running.returncode == 3, trouble
    assert "Error" in said
    assert "space" in said
    assert own(fresh) == own(base)
    assert fresh.record("adapt") is None
