"""The FiftyOne plugin's entry: it names the operators, nothing more. The engine is ``plugin/drape``."""

from __future__ import annotations

from typing import Any


def register(plugin: Any) -> None:
    """Register every operator that ``fiftyone.yml`` lists. FiftyOne calls this at each request, so it is cheap."""
    _find_engine()
    from .operators import OPERATORS

    for operator in OPERATORS:
        plugin.register(operator)


def _find_engine() -> None:
    """Make the engine importable where the plugin was downloaded, and not installed as a package."""
    import importlib.util
    import sys
    from pathlib import Path

    if "drape" not in sys.modules and importlib.util.find_spec("drape") is None:
        sys.path.append(str(Path(__file__).resolve().parent / "plugin"))
