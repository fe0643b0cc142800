"""``make demo``: the whole product on a simulated operation whose truth is known, offline, from a bare clone.

``--real`` does the same on real video instead (``make demo REAL=1``), ``--app`` also makes a FiftyOne dataset.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from drape.errors import DrapeError
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "demo-output", help="folder for everything that is made")
    parser.add_argument("--real", action="store_true", help="real video and a real detector instead of the simulator")
    parser.add_argument("--app", action="store_true", help="also make the FiftyOne dataset drape-demo")
    parser.add_argument("--site", default="gowned", help="family of the simulated site")
    parser.add_argument("--seed", type=int, default=4, help="which site and which operation")
    parser.add_argument("--seconds", type=float, default=24.0, help="length of the simulated recording")
    arguments = parser.parse_args()
    out: Path = arguments.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        if arguments.real:
            from demo_real import demo as real

            good = real(out, console)
        else:
            from demo_simulated import Setting, demo

            setting = Setting(arguments.site, arguments.seed, arguments.seconds, arguments.app)
            good = demo(out, setting, console)
    except DrapeError as error:
        console.print(f"[red]error:[/red] {error}")
        return 1
    console.print(f"release    {relative(out / 'release')}\npicture    {relative(out / 'strip.jpg')}")
    if (out / "mosaic.mp4").is_file():
        console.print(f"video      {relative(out / 'mosaic.mp4')}")
    console.print(f"look again .venv/bin/drape verify {relative(out / 'release')}")
    how = "make app DATASET=drape-demo" if arguments.app else "make demo APP=1, then make app DATASET=drape-demo"
    if not arguments.real:
        console.print(f"in the App {how}")
    return 0 if good else 1


def relative(path: Path) -> str:
    """A path as a user in the project's folder would type it."""
    return os.path.relpath(path, Path.cwd())


if __name__ == "__main__":
    sys.exit(main())
