"""What a user installs is what the project says: requirements, pins, versions, the wheel, the repository's files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import drape
import pytest
import yaml
from packaging.requirements import Requirement
from support.packaging_rules import PYTHONS, bad_pins, by_name, foreign, requirements_in, strays, undeclared, unpinned

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def direct() -> list[Requirement]:
    """Everything that pyproject.toml names: dependencies, tools for development, what set-up and the build need."""
    settings = project()
    named = settings["project"]
    lines = [*named["dependencies"], *named["optional-dependencies"]["dev"], *settings["dependency-groups"]["setup"]]
    return [Requirement(line) for line in [*lines, *settings["build-system"]["requires"]]]


def test_requirements_are_the_dependencies() -> None:
    listed = requirements_in((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert listed == by_name(project()["project"]["dependencies"])


def test_requirements_file_is_read_with_its_comments() -> None:
    assert requirements_in("# why\n\nNum_Py>=2,<3  # here\n") == by_name(["num-py<3,>=2"])
    assert requirements_in("numpy>=2") != by_name(["numpy>=2.1"])


@pytest.mark.parametrize("python", PYTHONS)
def test_every_direct_dependency_has_one_pin_in_its_range(python: str) -> None:
    assert len(direct()) > 30
    assert unpinned(direct(), CONSTRAINTS, python) == []


def test_every_import_is_of_a_declared_dependency() -> None:
    sources = {
        path: text
        for path, text in texts().items()
        if re.match(r"(plugin|operators|panels)/.*\.py$|__init__\.py$", path)
    }
    declared = [*by_name(project()["project"]["dependencies"]), *by_name(project()["dependency-groups"]["setup"])]
    assert undeclared(sources, declared, packages_distributions()) == []


def test_an_undeclared_import_is_named() -> None:
    sources = {"a.py": "import os, yaml, numpy.linalg\nfrom drape import x\ndef f():\n    import torch.nn, unheard_of"}
    providers = {"yaml": ["PyYAML"], "numpy": ["numpy"], "torch": ["torch"]}
    assert undeclared(sources, ["pyyaml", "numpy"], providers) == ["a.py imports torch", "a.py imports unheard_of"]


def test_constraints_hold_pins_and_nothing_else() -> None:
    assert len(CONSTRAINTS.splitlines()) > 150
    assert bad_pins(CONSTRAINTS) == []
    assert "://" not in CONSTRAINTS


def test_a_missing_a_double_and_a_wrong_pin_are_named() -> None:
    wanted = [Requirement(line) for line in ("a>=1", "b>=1", "c>=2", "d>=1; python_version < '3.11'")]
    pins = "b==1\nb==2 ; python_full_version < '3.11'\nc==1\n"
    assert unpinned(wanted, pins, "3.10") == [
        "a>=1 has no pin",
        "b>=1 has ['1', '2']",
        "c>=2 has ['1']",
        'd>=1; python_version < "3.11" has no pin',
    ]
    assert unpinned(wanted, f"a==1\n{pins}", "3.12") == ["c>=2 has ['1']"]


@pytest.mark.parametrize(
    "line",
    ["a>=1", "a", "a==1.*", "a @ https://example.org/a.whl", "--find-links https://example.org", "a[b]==1", "a==1,<2"],
)
def test_a_line_that_pins_nothing_is_named(line: str) -> None:
    assert bad_pins(f"# comment\nz==1 ; python_version < '3.11'\n{line}\n") == [line]


def test_versions_agree() -> None:
    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert re.fullmatch(r"\d+\.\d+\.\d+", drape.__version__)
    assert manifest["version"] == citation["version"] == drape.__version__


def test_licenses_agree() -> None:
    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert manifest["license"] == citation["license"] == project()["project"]["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path / "source"
    for path in repository_files():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, source / path)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "wheel"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "./source"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stdout + made.stderr
    (wheel,) = (tmp_path / "wheel").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert strays(names) == []
    assert wheel.name == f"drape-{drape.__version__}-py3-none-any.whl"
    package = {path.removeprefix("plugin/") for path in repository_files() if path.startswith("plugin/drape/")}
    assert package <= set(names), "left out of the wheel"
    assert {"drape/py.typed", "drape/cli.py"} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_a_stray_member_is_named() -> None:
    names = ["drape/boxes.py", "drape-0.1.0.dist-info/RECORD", "operators/x.py", "plugin/drape/boxes.py", "tests/a.py"]
    assert strays(names) == names[2:]


def test_no_text_names_a_machine_or_an_index() -> None:
    found = {path: foreign(text) for path, text in texts().items()}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize("parts", [("", "work", "x"), ("see ", "root", ".cache"), ("https:", "", "pypi.{}", "simple")])
def test_a_foreign_place_is_named(parts: tuple[str, ...]) -> None:
    place = "/".join(parts).format("org")
    assert foreign(f"a\n{place}\nb") == [place]
    assert foreign("frame/work/flow, https://example.org/root/x") == []


def texts() -> dict[str, str]:
    """{path: text} of every text file of the repository."""
    found = {}
    for path in repository_files():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            found[path] = content.decode("utf-8")
    assert {"pyproject.toml", "Makefile", "plugin/drape/boxes.py"} <= set(found)
    return found


def repository_files() -> list[str]:
    """Paths of the files that are, or are about to be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for path in listed.split("\0") if path and (ROOT / path).is_file()]
