"""Memory does not grow with the length of a video."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.clips import make_clip

SCRIPT = """
import resource, sys
from pathlib import Path
from drape.media import VideoWriter, plan_mosaic, read_frames, read_planes, render_mosaic, scan
from drape.recording import View

view = View(id="view1", name="x", media=Path(sys.argv[1]))
view, frames = scan(view)
for frame in read_frames(view):
    pass
with VideoWriter(Path(sys.argv[2]), view.width, view.height, view.time_base) as writer:
    for planes in read_planes(view):
        writer.write(planes.pts, planes.y, planes.u, planes.v)
mosaic = plan_mosaic([view], {"view1": frames["time"].to_numpy()}, 240)
render_mosaic([view], mosaic, Path(sys.argv[2]))
print(view.num_frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_peak_memory_is_that_of_a_short_video(tmp_path: Path) -> None:
    peaks = {}
    for frames in (100, 3000):
        clip = make_clip(tmp_path / f"{frames}.mp4", frames, (320, 240), options={"preset": "ultrafast", "bf": "2"})
        command = [sys.executable, "-c", SCRIPT, str(clip), str(tmp_path / "out.mp4")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        count, peak = map(int, done.stdout.split())
        assert count == frames
        peaks[frames] = peak / 1024
    # 2900 frames more are 320 MiB of planes, and 640 MiB of pictures.
    assert peaks[3000] - peaks[100] < 12, peaks
