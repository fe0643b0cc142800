"""The real App server, with one more detector registered: ``python -m support.app_server --port N``."""

from __future__ import annotations

import runpy
import sys

from support import blobs

if __name__ == "__main__":
    blobs.register()
    sys.argv[0] = "fiftyone.server.main"
    runpy.run_module("fiftyone.server.main", run_name="__main__")
