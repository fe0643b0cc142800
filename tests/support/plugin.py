"""The plugin's modules under the name that FiftyOne gives them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from support.database import ROOT

PACKAGE = "drape_plugin_under_test"


def plugin_module(name: str) -> ModuleType:
    """A module of the plugin's folder, e.g. ``"operators.forms"``; ``""`` is the plugin itself."""
    if PACKAGE not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[PACKAGE])
    return importlib.import_module(f"{PACKAGE}.{name}") if name else sys.modules[PACKAGE]
