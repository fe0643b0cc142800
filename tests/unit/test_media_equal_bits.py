"""The writer's bits do not depend on what the memory held before (glibc fills fresh memory with MALLOC_PERTURB_)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WRITE = """
import hashlib, sys, tempfile
from pathlib import Path
import numpy as np
from drape.media import VideoWriter

picture = np.random.default_rng(5).integers(60, 180, (41, 54), dtype=np.uint8).repeat(6, 0).repeat(6, 1)[:240, :320]
path = Path(tempfile.mkdtemp()) / "x.mp4"
with VideoWriter(path, 320, 240, (1, 25)) as writer:  # 20 macroblocks: no multiple of 8
    for i in range(30):
        y = np.roll(picture, 3 * i, axis=1)
        writer.write(i, y, y[::2, ::2].copy(), y[1::2, 1::2].copy())
print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_bits_do_not_depend_on_what_the_memory_held() -> None:
    found = set()
    for fill in ("0", "1", "85", "254"):
        environment = {**os.environ, "MALLOC_PERTURB_": fill}
        run = subprocess.run([sys.executable, "-c", WRITE], env=environment, capture_output=True, text=True, check=True)
        found.add(run.stdout)
    assert len(found) == 1
