"""The arrows of the design: what may import what, what is loaded at the top, how long a file may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.architecture import LONGEST, STAGES, too_long, violations
from support.imports import Import, read_imports

ROOT = Path(__file__).resolve().parents[2]


def house() -> dict[str, str]:
    """{path: source} of the plugin's Python files."""
    paths = [
        ROOT / "__init__.py",
        *(path for part in ("plugin/drape", "operators", "panels") for path in (ROOT / part).rglob("*.py")),
    ]
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(paths) if path.exists()
    }


def test_the_house_keeps_its_rules() -> None:
    files = house()
    assert {
        "plugin/drape/boxes.py",
        "plugin/drape/pipeline/__init__.py",
        "plugin/drape/fiftyone_io/__init__.py",
    } <= set(files)
    assert violations(files) == []


def test_every_file_is_read_in_one_sitting() -> None:
    assert too_long(house()) == []


def test_a_file_that_is_too_long_is_named() -> None:
    files = {"plugin/drape/a.py": "x = 1\n" * LONGEST, "plugin/drape/b.py": "x = 1\n" * (LONGEST + 1)}
    assert too_long(files) == [f"plugin/drape/b.py has {LONGEST + 1} lines, more than {LONGEST}"]


BROKEN = {
    "foundation imports a stage": (
        "plugin/drape/media/reader.py",
        "from drape.tracking import track_view",
        "the arrow runs",
    ),
    "stage imports the pipeline": ("plugin/drape/tracking/passes.py", "import drape.pipeline", "the arrow runs"),
    "stage imports a stage": (
        "plugin/drape/tracking/passes.py",
        "from drape import detection",
        "never imports another stage",
    ),
    "relative import of a stage": (
        "plugin/drape/pose/heads.py",
        "from ..detection import x",
        "never imports another stage",
    ),
    "arrow back inside a function": ("plugin/drape/boxes.py", "def f():\n    import drape.media", "in a circle"),
    "arrow back for types alone": (
        "plugin/drape/pipeline/run.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from drape.fiftyone_io import Dataset",
        "the arrow runs",
    ),
    "arrow back by name": (
        "plugin/drape/pipeline/run.py",
        "import importlib\nimportlib.import_module('drape.cli')",
        "the arrow runs",
    ),
    "command line imports FiftyOne's side": ("plugin/drape/cli.py", "import drape.fiftyone_io", "the arrow runs"),
    "engine imports fiftyone": (
        "plugin/drape/pipeline/run.py",
        "def f():\n    import fiftyone as fo",
        "only fiftyone_io",
    ),
    "tracking imports mmdet": (
        "plugin/drape/tracking/passes.py",
        "from mmdet.apis import init_detector",
        "import OpenMMLab",
    ),
    "operator imports mmengine": ("operators/detect.py", "def f():\n    import mmengine", "import OpenMMLab"),
    "operator loads torch": (
        "operators/detect.py",
        "try:\n    import torch\nexcept ImportError:\n    pass",
        "loads torch at its top",
    ),
    "operator loads cv2": ("operators/detect.py", "import cv2", "no cv2"),
    "panel loads cv2 in a class": ("panels/review.py", "class P:\n    import cv2", "no cv2"),
    "root loads fiftyone": ("__init__.py", "import fiftyone.operators as foo", "only the standard library"),
    "root loads its operators": ("__init__.py", "from .operators import OPERATORS", "only the standard library"),
    "engine imports an operator": ("plugin/drape/fiftyone_io/runs.py", "import operators.detect", "the arrow runs"),
    "the package itself imports": (
        "plugin/drape/__init__.py",
        "from drape.boxes import iou",
        "drape itself imports nothing",
    ),
    "unknown part": ("plugin/drape/helpers.py", "x = 1", "belongs to no known part"),
}

SOUND = {
    "plugin/drape/__init__.py": '__version__ = "1"',
    "plugin/drape/boxes.py": "import numpy as np",
    "plugin/drape/media/__init__.py": "from drape.boxes import iou",
    "plugin/drape/media/reader.py": "from drape import errors\nimport drape",
    "plugin/drape/errors.py": "",
    "plugin/drape/openmmlab.py": "import mmengine",
    "plugin/drape/detection/__init__.py": "import drape.detection.config\ndef f():\n    import drape.detection.adapter",
    "plugin/drape/detection/config.py": "from drape import __version__, config",
    "plugin/drape/detection/adapter.py": "import torch\nimport mmdet\nfrom drape.openmmlab import x",
    "plugin/drape/config.py": "",
    "plugin/drape/tracking/__init__.py": "from drape.media.reader import read",
    "plugin/drape/pipeline/__init__.py": "from drape import detection, tracking",
    "plugin/drape/fiftyone_io/__init__.py": "import fiftyone as fo\nimport drape.pipeline",
    "plugin/drape/cli.py": "from drape.pipeline import run",
    "operators/__init__.py": "",
    "operators/detect.py": "import fiftyone.operators\nfrom drape.detection import A\ndef f():\n    import torch, cv2",
    "panels/review.py": "from ..operators import detect\nimport fiftyone.operators as foo",
    "__init__.py": "import sys\ndef register(p):\n    from .operators import detect",
}


def test_sound_files_break_no_rule() -> None:
    assert violations(SOUND) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(name: str) -> None:
    path, source, sentence = BROKEN[name]
    found = violations({**SOUND, path: source})
    assert any(sentence in one for one in found), found


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_no_stage_imports_another(stage: str) -> None:
    other = min(STAGES - {stage})
    found = violations({f"plugin/drape/{stage}/a.py": f"import drape.{other}.b", f"plugin/drape/{other}/b.py": ""})
    assert found == [f"plugin/drape/{stage}/a.py:1 imports drape.{other}.b, but a stage never imports another stage"]


def test_what_an_operator_loads_is_followed_through_the_engine() -> None:
    broken = {**SOUND, "plugin/drape/detection/__init__.py": "from drape.detection import adapter"}
    way = "through plugin/drape/detection/__init__.py, through plugin/drape/detection/adapter.py"
    found = violations(broken)
    assert f"operators/detect.py loads torch at its top, {way}" in found
    assert f"panels/review.py loads torch at its top, through operators/detect.py, {way}" in found


def test_imports_are_read_wherever_they_stand() -> None:
    source = (
        "import a.b as c\nfrom . import d\ndef f():\n    from ..e import g\nclass C:\n    import h\n__import__('i')\n"
    )
    assert read_imports("plugin/drape/media/reader.py", source) == [
        Import("a.b", 1, True),
        Import("drape.media.d", 2, True),
        Import("drape.e.g", 4, False),
        Import("h", 6, True),
        Import("i", 7, True),
    ]
