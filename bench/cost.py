"""What the main job costs: tracking per frame, export beside a plain transcode, memory for short and long videos.

``python -m bench.cost tracking --workspace WORKSPACE``
``python -m bench.cost export --workspace WORKSPACE --view view1``
``python -m bench.cost memory --video CLIP --weights FILE``
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
import typer
from drape.anonymization import ReleaseConfig, ReleaseSecret, plan_view, render_view, verify_release
from drape.pipeline import Workspace, export
from drape.tracking import track_view

RATE = 25
"""Frames per second of the repeated clip."""

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Work = Annotated[Path, typer.Option(help="Workspace that was detected and tracked.")]
Runs = Annotated[int, typer.Option(min=1, help="Counted runs, after one that is not counted.")]


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that one call takes."""
    start = clock()
    work()
    return clock() - start


@app.command()
def tracking(workspace: Work, runs: Runs = 5) -> None:
    """Milliseconds per frame of tracking, processor time of one thread."""
    ws = Workspace.open(workspace)
    for view in ws.recording.views:
        frames, candidates = ws.frames(view.id), ws.candidates(view.id)
        taken = [
            seconds(lambda f=frames, c=candidates, v=view: track_view(f, c, (v.width, v.height)), time.process_time)
            for _ in range(runs + 1)
        ][1:]
        per_frame = statistics.median(taken) / view.num_frames * 1000
        rate = candidates.num_rows / view.num_frames
        print(f"{view.id}: {per_frame:.2f} ms per frame ({view.num_frames} frames, {rate:.0f} candidates per frame)")


@app.command("export")
def export_cost(
    workspace: Work,
    view: Annotated[str, typer.Option(help="View to export.")] = "view1",
    runs: Runs = 5,
) -> None:
    """Writing the masked video, as a multiple of a plain ffmpeg transcode with the same encoder settings, in turn."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise typer.BadParameter("ffmpeg is not installed")
    ws, config = Workspace.open(workspace), ReleaseConfig()
    facts = ws.recording.view(view)
    plan = plan_view(facts, ws.frames(facts.id), ws.covered(facts.id), ws.persons(facts.id), config)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        secret = ReleaseSecret(bytes(32))
        plain = [ffmpeg, "-v", "error", "-y", "-i", str(facts.media), "-map", "0:v:0", "-an", "-c:v", "libx264"]
        plain += ["-preset", config.encoder_preset, "-crf", str(config.crf), "-threads", str(config.encoder_threads)]
        plain += [
            "-bf",
            "0",
            "-profile:v",
            "high",
            "-pix_fmt",
            "yuv420p",
            "-movflags",
            "+faststart",
            f"{folder}/plain.mp4",
        ]
        for _ in range(runs + 1):
            theirs.append(seconds(lambda: subprocess.run(plain, check=True)))
            ours.append(seconds(lambda: render_view(facts, plan, config, secret, Path(folder) / "masked.mp4")))
        whole = seconds(lambda: export(ws, config, Path(folder) / "release"))
        checked = seconds(lambda: verify_release(Path(folder) / "release"))
    ratios = [a / b for a, b in zip(ours[1:], theirs[1:], strict=True)]
    print(f"{view}: {facts.num_frames} frames of {facts.width} x {facts.height}")
    print(f"masked video {statistics.median(ours[1:]):.2f} s, plain transcode {statistics.median(theirs[1:]):.2f} s")
    print(f"ratio, run by run: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")
    print(f"the whole release of {len(ws.recording.views)} views {whole:.1f} s; verifying it once more {checked:.1f} s")


@app.command()
def memory(
    video: Annotated[Path, typer.Option(help="Clip that is repeated to the lengths measured.")],
    weights: Annotated[Path, typer.Option(help="Weights of the preset rtmdet-nano-person.")],
    lengths: Annotated[list[int] | None, typer.Option(help="Numbers of frames.")] = None,
    size: Annotated[int, typer.Option(help="Longer side of the detector's input.")] = 160,
) -> None:
    """Peak memory of ``drape run`` for videos of several lengths."""
    for count in lengths or [100, 10_000]:
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / "clip.mp4"
            repeat(video, clip, count)
            arguments = ["run", str(clip), "-w", f"{folder}/work", "-o", f"{folder}/release", "--size", str(size)]
            arguments += ["--preset", "rtmdet-nano-person", "--weights", str(weights.absolute())]
            program = (
                "import json, resource, sys; from drape.cli import app; app(json.loads(sys.argv[1]), standalone_mode="
                "False); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
            )
            command = [sys.executable, "-c", program, json.dumps(arguments)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"{count} frames: {int(done.stdout.splitlines()[-1]) / 1024:.0f} MiB", flush=True)


def repeat(source: Path, target: Path, count: int) -> None:
    """Write ``count`` frames of a clip, over and over, at ``RATE`` frames a second."""
    with av.open(str(target), "w") as out:
        stream = None
        written = 0
        while written < count:
            with av.open(str(source)) as container:
                for frame in container.decode(video=0):
                    if stream is None:
                        stream = out.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "25"})
                        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
                    frame.pts, frame.time_base = written, Fraction(1, RATE)
                    out.mux(stream.encode(frame.reformat(format="yuv420p")))
                    written += 1
                    if written == count:
                        break
        if stream is not None:
            out.mux(stream.encode())


if __name__ == "__main__":
    app()
