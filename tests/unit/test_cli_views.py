"""``drape associate`` and ``drape retrieve`` on plain detections, as users meet them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drape import tables
from support import ground
from support.command import drape

QUICK = ("--steps", "60", "--floor-steps", "60", "--seeds", "1")
FPS = 4.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name MOT files of three views of one scene."""
    folder = tmp_path_factory.mktemp("mot")
    scene = ground.scene(views=3, people=5, seconds=40, fps=FPS, miss=0.1, clutter=0.5, seed=2)
    options = []
    for view in scene.views:
        lines = [
            f"{f + 1},-1,{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{s:.3f}"
            for f, (x1, y1, x2, y2), s in zip(view.frame, view.boxes, view.scores, strict=True)
        ]
        (folder / f"{view.view}.txt").write_text("\n".join(lines))
        options += ["--mot", f"{view.view}={folder / view.view}.txt"]
    return options


def test_associate_writes_pairs_identities_and_a_model_that_can_be_used_again(files: list[str], tmp_path: Path) -> None:
    done = drape("associate", *files, "--fps", FPS, "-o", tmp_path / "a", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "matched pairs" in done.stdout
    pairs = tables.read(tmp_path / "a" / "pairs.parquet", tables.PAIRS)
    assert pairs.column("matched").to_numpy(zero_copy_only=False).any()
    assert tables.read(tmp_path / "a" / "identities.parquet", tables.IDENTITIES).num_rows > 0
    assert (tmp_path / "a" / "association.png").stat().st_size > 10_000
    model = tmp_path / "a" / "model.safetensors"
    again = drape("associate", *files, "--fps", FPS, "-o", tmp_path / "b", "--model", model)
    assert again.returncode == 0, again.stderr
    assert tables.read(tmp_path / "b" / "pairs.parquet", tables.PAIRS).num_rows > 0
    assert not (tmp_path / "b" / "model.safetensors").exists()


@pytest.mark.parametrize("tracking", [(), ("--no-tracking",)])
def test_retrieve_writes_global_identities_and_likely_misses(
    files: list[str], tracking: tuple[str, ...], tmp_path: Path
) -> None:
    done = drape("retrieve", *files, "--fps", FPS, "-o", tmp_path, *QUICK, *tracking)
    assert done.returncode == 0, done.stderr
    found = {view: np.loadtxt(tmp_path / f"{view}.txt", delimiter=",") for view in ("view1", "view2", "view3")}
    assert all(((rows[:, 6] >= 0) & (rows[:, 6] <= 1)).all() for rows in found.values())
    sure = [set(rows[rows[:, 6] >= 0.5, 1].astype(int)) for rows in found.values()]
    assert set.intersection(*sure), "nobody has one identity in all views"
    persons = tables.pq.read_table(tmp_path / "persons.parquet")
    assert persons.schema.names == ["view", *tables.PERSONS.names]
    missed = tables.pq.read_table(tmp_path / "missed.parquet")
    assert missed.schema.names == ["view", *tables.MISSED.names]
    assert persons.num_rows == sum(len(rows) for rows in found.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("associate",), "Nothing to work on"),
        (("retrieve", "--mot", "a=b.txt"), "--fps"),
        (("associate", "--mot", "a=b.txt", "--mot", "a=c.txt", "--fps", "5", "-o", "{tmp}"), "each view once"),
        (("retrieve", "-w", "{tmp}/none"), "no workspace here"),
    ],
)
def test_errors_say_what_to_do(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = drape(*(a.format(tmp=tmp_path) for a in arguments))
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
