"""Detectors that learn a site, and poses, on a dataset: run the engine, then write what it found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fiftyone as fo

from drape import pipeline
from drape.adaptation import AdaptationConfig, list_models
from drape.adaptation.student_config import StudentConfig
from drape.errors import DrapeError
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import reviewed, rollups
from drape.fiftyone_io.stages import publish, register
from drape.fiftyone_io.views import save_views
from drape.fiftyone_io.write import write_candidates
from drape.fiftyone_io.write_lessons import write_lessons
from drape.fiftyone_io.write_poses import write_heads, write_poses
from drape.pipeline import PipelineConfig
from drape.pose import PoseConfig
from drape.pose.head_config import HeadConfig
from drape.progress import Progress, silent

if TYPE_CHECKING:
    from drape.pipeline.adapting import Adapted
    from drape.pipeline.adapting_student import Made

MODELS = "models"


def models_folder(dataset: fo.Dataset, recordings: Sequence[str]) -> Path:
    """Where the models of a site are kept unless another folder is named: beside the workspaces of its recordings."""
    return datasets.workspace(dataset, recordings[0]).root.parent / MODELS


def model_names(folder: Path) -> dict[str, str]:
    """The models in a folder by name, each with what it is; none where the folder holds none or cannot be read."""
    try:
        cards = list_models(folder)
    except DrapeError:
        return {}
    return {card.name: f"{card.kind}, from {card.parent.name}" for card in cards}


def adapt(
    dataset: fo.Dataset,
    recordings: Sequence[str],
    models: Path,
    config: AdaptationConfig,
    stages: PipelineConfig,
    progress: Progress = silent,
) -> Adapted:
    """Adapt the detector to the site of some recordings, and write what the best round kept found in them.

    Args:
        dataset: of recordings.
        recordings: ids of the site's recordings.
        models: folder of the site's models.
        config: settings of the loop.
        stages: settings of the stages; ``stages.detection`` names the base detector.
        progress: counts the steps.

    Raises:
        DrapeError: nothing can be learned, training cannot go on, or the database cannot be used.
    """
    from drape.pipeline.adapting import adapt as run

    rooms = [datasets.workspace(dataset, recording) for recording in recordings]
    for ws in rooms:
        reviewed.collect(dataset, ws)
    found = run(rooms, models, config, stages, progress)
    for ws in rooms:
        write_candidates(dataset, ws, progress)
        rollups.write_unknown(dataset, ws)
        rollups.write_synchrony(dataset, ws)
        publish(dataset, ws, progress)
        for stage in ("detect", "track", "associate", "retrieve", "adapt"):
            register(dataset, ws, stage)
        write_lessons(dataset, ws, progress)
        save_views(dataset)
        rollups.outdate_release(dataset, ws.recording.id)
    return found


def train_realtime(
    dataset: fo.Dataset,
    recordings: Sequence[str],
    models: Path,
    config: StudentConfig,
    stages: PipelineConfig,
    progress: Progress = silent,
) -> Made:
    """Make a real-time detector of what is known of some recordings; their persons stay as they are.

    Raises:
        DrapeError: nothing can be learned, training cannot go on, or the database cannot be used.
    """
    from drape.pipeline.adapting_student import train_realtime as run

    rooms = [datasets.workspace(dataset, recording) for recording in recordings]
    made = run(rooms, models, config, stages.adaptation, stages, progress)
    for ws in rooms:
        register(dataset, ws, "student")
    return made


def estimate_poses(
    dataset: fo.Dataset, recording: str, pose: PoseConfig, heads: HeadConfig, progress: Progress = silent
) -> dict[str, Any]:
    """Find key points and head regions of a recording's persons and write them.

    Returns:
        The run record of the poses.

    Raises:
        DrapeError: tracking has not run, the pose model, the media or the database cannot be used.
    """
    ws = datasets.workspace(dataset, recording)
    if reviewed.collect(dataset, ws):
        publish(dataset, ws, progress)
    record = pipeline.estimate_poses(ws, pose, progress, heads)
    write_poses(dataset, ws, progress)
    write_heads(dataset, ws, progress)
    rollups.write_head_counts(dataset, ws)
    for stage in ("pose", "heads"):
        register(dataset, ws, stage)
    save_views(dataset)
    return record
