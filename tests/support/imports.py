"""Which module imports which, read from source text without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Import(NamedTuple):
    """One import: the dotted target, its line, and whether it is carried out when the importing module is loaded."""

    target: str
    line: int
    at_top: bool


def module_name(path: str) -> str:
    """Dotted name of a file given relative to the repository: plugin/drape/boxes.py is drape.boxes, __init__.py ''."""
    parts = list(Path(path).with_suffix("").parts)
    if parts[:2] == ["plugin", "drape"]:
        parts = parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_imports(path: str, source: str) -> list[Import]:
    """Every import in ``source``, those inside functions and those made with ``import_module("name")`` included.

    ``from a import b`` has the target ``a.b``, since b may be a module. A relative import is resolved against ``path``.
    """
    package = module_name(path).split(".") if module_name(path) else []
    if Path(path).name != "__init__.py":
        package = package[:-1]
    return list(_walk(ast.parse(source, path), package, at_top=True))


def _walk(node: ast.AST, package: list[str], at_top: bool) -> Iterator[Import]:
    for target in _targets(node, package):
        yield Import(target, node.lineno, at_top)  # type: ignore[attr-defined]
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.body:
            yield from _walk(child, package, at_top=False)
        for child in node.orelse:
            yield from _walk(child, package, at_top)
        return
    inside = at_top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, package, inside)


def _targets(node: ast.AST, package: list[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        stem = [*base, *(node.module.split(".") if node.module else [])]
        return [".".join([*stem, alias.name]) for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {
        "importlib.import_module",
        "import_module",
        "__import__",
    }:
        names = [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
        return [name for name in names if isinstance(name, str)]
    return []
