"""The plugin as a user gets it: downloaded by FiftyOne's own command, with no ``drape`` installed beside it."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.database import ROOT, Server
from support.theatre import Theatre

SCRIPT = """
import importlib.util, json, sys
from pathlib import Path

sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
sys.path = [path for path in sys.path if not (Path(path or ".") / "drape" / "__init__.py").is_file()]
assert importlib.util.find_spec("drape") is None, "drape is still installed"

import fiftyone.operators as foo

found = sorted(one.uri for one in foo.list_operators() if one.uri.startswith("@drape/"))
run = foo.get_operator("@drape/drape/ingest_recording")(sys.argv[1], sys.argv[2], workspace=sys.argv[3])
import drape

print(json.dumps({"operators": found, "engine": drape.__file__, "result": run.result}))
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where the repository can be downloaded as an archive, from this machine."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    served = tmp_path / "served"
    served.mkdir()
    with zipfile.ZipFile(served / "drape.zip", "w") as archive:
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                archive.write(ROOT / name, f"drape-main/{name}")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/drape.zip"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_the_downloaded_plugin_works_without_an_installed_engine(
    database: Server, theatre: Theatre, url: str, tmp_path: Path
) -> None:
    plugins = tmp_path / "plugins"
    environment = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)}
    command = [sys.executable, "-c", "from fiftyone.core.cli import main; main()", "plugins", "download", url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (folder,) = plugins.glob("@drape/drape")
    assert (folder / "plugin" / "drape" / "__init__.py").is_file()
    environment.pop("PYTHONPATH", None)
    arguments = [str(theatre.source), theatre.name, str(theatre.work)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told["operators"]) == 10
    assert Path(told["engine"]).is_relative_to(folder.resolve())
    assert told["result"]["frames"] == 100
    assert theatre.dataset.count() == 1
