"""``drape pose``: key points and head regions of everybody who will be masked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drape.cli_options import configure, with_options
from drape.cli_output import show_counts
from drape.cli_progress import progress_bars
from drape.pipeline import PipelineConfig, Workspace, estimate_poses, find_heads
from drape.pose import PoseConfig
from drape.pose.head_config import HeadConfig

Work = Annotated[Path, typer.Option("--workspace", "-w", help="Workspace to work in, tracked")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with the keys pose and heads")]
OnlyHeads = Annotated[
    bool,
    typer.Option("--only-heads", help="Make head regions of what is there, without a pose model: by careful rules"),
]


@with_options(pose=PoseConfig, heads=HeadConfig)
def pose_command(
    workspace: Work,
    config: ConfigFile = None,
    only_heads: OnlyHeads = False,
    *,
    pose: dict[str, Any],
    heads: dict[str, Any],
) -> None:
    """Estimate every person's key points, and from them the region of the head.

    A release with `--target head` or `--target silhouette` masks these regions instead of whole boxes.
    """
    base = PipelineConfig.from_yaml(config) if config else PipelineConfig()
    regions = configure(base.heads, heads)
    ws = Workspace.open(workspace)
    with progress_bars() as progress:
        record = None if only_heads else estimate_poses(ws, configure(base.pose, pose), progress, regions)
        found = find_heads(ws, regions, progress)
    if record is not None:
        show_counts("Poses", record)
    show_counts("Heads by rule", found)
