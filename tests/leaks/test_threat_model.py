"""The table of the threat model names every number of the catalogue once, and only tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TEXT = (TESTS.parent / "docs" / "threat-model.md").read_text(encoding="utf-8")


def named(text: str) -> list[tuple[str, str | None]]:
    """(file, function) of every test named; a function alone belongs to the file named before it in its cell."""
    found: list[tuple[str, str | None]] = []
    for line in text.splitlines():
        for cell in line.split("|"):
            file = ""
            for path, function in re.findall(r"`((?:unit|leaks|fiftyone)/test_\w+)?(?:::(\w+))?`", cell):
                file = path or file
                if file and (path or function):
                    found.append((file, function or None))
    return found


def test_every_number_has_one_row() -> None:
    numbers = re.findall(r"^\| (R\d\d) \|", TEXT, re.MULTILINE)
    assert numbers == [f"R{n:02}" for n in range(1, 36)]


def test_every_named_test_is_there() -> None:
    tests = named(TEXT)
    assert len(tests) > 80
    missing = [
        f"{file}::{function}"
        for file, function in tests
        if not (TESTS / f"{file}.py").is_file()
        or (function and f"def test_{function}(" not in (TESTS / f"{file}.py").read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_names_are_read_as_they_are_written() -> None:
    row = "| x | `leaks/test_a::one`, `::two`; `unit/test_b` | `Profile`, `::three` |"
    assert named(row) == [("leaks/test_a", "one"), ("leaks/test_a", "two"), ("unit/test_b", None)]
