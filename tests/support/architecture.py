"""The rules of the house: which part may import which. ``violations`` names every import that breaks one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from support.imports import Import, module_name, read_imports

FOUNDATIONS = {"boxes", "recording", "tables", "media", "config", "errors", "progress"}
TOOLS = {"openmmlab", "assets", "checkpoint", "mot"}
ENTRANCES = {
    "cli",
    "cli_adapt",
    "cli_options",
    "cli_output",
    "cli_pose",
    "cli_progress",
    "cli_release",
    "cli_simulate",
    "cli_views",
    "__main__",
}
STAGES = {
    "detection",
    "tracking",
    "association",
    "retrieval",
    "adaptation",
    "pose",
    "anonymization",
    "evaluation",
    "simulator",
}
RANKS = {
    **dict.fromkeys(FOUNDATIONS, 0),
    **dict.fromkeys(TOOLS, 1),
    **dict.fromkeys(STAGES, 2),
    "pipeline": 3,
    "fiftyone_io": 4,
    **dict.fromkeys(ENTRANCES, 4),
    "operators": 5,
    "panels": 5,
    "root": 6,
}
MAY_IMPORT_EACH_OTHER = [FOUNDATIONS, TOOLS, ENTRANCES, {"operators", "panels"}]

OPENMMLAB = {"mmdet", "mmpose", "mmengine", "mmcv"}
OPENMMLAB_USERS = {"openmmlab", "detection", "pose", "adaptation"}
FIFTYONE_USERS = {"fiftyone_io", "operators", "panels", "root"}
SLOW_TO_LOAD = {"torch", "torchvision"} | OPENMMLAB  # cv2 is not: FiftyOne loads it itself

LONGEST = 350  # lines


def violations(files: dict[str, str]) -> list[str]:
    """What breaks the rules in ``files``, {path relative to the repository: source}; one sentence each."""
    imports = {path: read_imports(path, source) for path, source in files.items()}
    broken = [sentence for path in files for sentence in _of_file(path, imports[path])]
    return broken + list(_slow_tops(imports)) + list(_cycles(imports))


def too_long(files: dict[str, str]) -> list[str]:
    """The files with more lines than a reader takes in at one sitting."""
    counts = {path: len(source.splitlines()) for path, source in files.items()}
    return [f"{path} has {count} lines, more than {LONGEST}" for path, count in counts.items() if count > LONGEST]


def unit_of(module: str) -> str | None:
    """The part of the house that a module belongs to; None if it is not of this house (or is the package ``drape``)."""
    parts = module.split(".")
    if parts[0] in {"operators", "panels"}:
        return parts[0]
    if parts[0] == "drape" and len(parts) > 1 and parts[1] != "__version__":
        return parts[1]
    return "root" if module == "" else None


def _of_file(path: str, imports: list[Import]) -> Iterator[str]:
    unit = unit_of(module_name(path))
    if unit is None and module_name(path) == "drape":
        yield from (
            f"{path}:{found.line} imports {found.target}, but drape itself imports nothing" for found in imports
        )
        return
    if unit not in RANKS:
        yield f"{path} belongs to no known part: give {unit} its place in tests/support/architecture.py"
        return
    for found in imports:
        problem = _problem(unit, found)
        if problem:
            yield f"{path}:{found.line} imports {found.target}, {problem}"


def _problem(unit: str, found: Import) -> str | None:
    package = found.target.split(".")[0]
    if unit == "root" and found.at_top and package not in sys.stdlib_module_names:
        return "but the plugin's __init__ imports only the standard library at its top"
    if unit in {"operators", "panels"} and found.at_top and package == "cv2":
        return "but operators and panels load no cv2 at their top"
    if package == "fiftyone" and unit not in FIFTYONE_USERS:
        return "but in the engine only fiftyone_io imports fiftyone"
    if package in OPENMMLAB and unit not in OPENMMLAB_USERS:
        return f"but only {', '.join(sorted(OPENMMLAB_USERS))} import OpenMMLab"
    target = unit_of(found.target)
    if target is None or target == unit or target not in RANKS:
        return None
    if {unit, target} <= STAGES:
        return "but a stage never imports another stage"
    if RANKS[target] < RANKS[unit] or any({unit, target} <= group for group in MAY_IMPORT_EACH_OTHER):
        return None
    return f"but the arrow runs from {target} to {unit}"


def _slow_tops(imports: dict[str, list[Import]]) -> Iterator[str]:
    """Operators and panels whose loading loads what takes seconds, directly or through modules of this house."""
    paths = {module_name(path): path for path in imports}
    for start in (path for path in imports if path.startswith(("operators/", "panels/"))):
        chains = [[start]]
        seen = {start}
        while chains:
            chain = chains.pop(0)
            for found in (found for found in imports[chain[-1]] if found.at_top):
                if found.target.split(".")[0] in SLOW_TO_LOAD:
                    way = "".join(f", through {step}" for step in chain[1:])
                    yield f"{start} loads {found.target.split('.')[0]} at its top{way}"
                for path in sorted(_loaded(found.target, paths) - seen):
                    seen.add(path)
                    chains.append([*chain, path])


def _loaded(target: str, paths: dict[str, str]) -> set[str]:
    """Files that are run when ``target`` is imported: its own and those of the packages it is in."""
    parts = target.split(".")
    names = {".".join(parts[: count + 1]) for count in range(len(parts))}
    return {paths[name] for name in names if name in paths}


def _cycles(imports: dict[str, list[Import]]) -> Iterator[str]:
    """Parts that import each other in a circle."""
    graph: dict[str, set[str]] = {}
    for path, found in imports.items():
        unit = unit_of(module_name(path))
        targets = {unit_of(one.target) for one in found} - {None, unit}
        if unit is not None:
            graph.setdefault(unit, set()).update(target for target in targets if target is not None)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"these import each other in a circle: {' <- '.join(error.args[1])}"
