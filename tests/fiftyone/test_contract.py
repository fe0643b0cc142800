"""The data contract names what the code writes, and nothing that it does not."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from drape import tables
from drape.fiftyone_io import release, schema
from support.database import ROOT

TEXT = (ROOT / "docs" / "SCHEMA.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, up to the next heading."""
    found = re.search(rf"^#+ {title}$\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> list[list[str]]:
    """The cells of the tables below a heading, without head and rule."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0].startswith("`")]


def names(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_sample_fields_are_those_of_the_schema() -> None:
    listed = rows("Sample fields")
    assert {name for row in listed for name in names(row[0])} == {*schema.IDENTITY, *schema.ROLLUPS, schema.INTERVALS}
    assert {name for row in listed if "indexed" in row[1] for name in names(row[0])} == set(schema.INDEXED)


def test_frame_fields_and_sources_are_those_of_the_schema() -> None:
    assert {f"frames.{name}" for row in rows("Frame fields") for name in names(row[0])} == {
        schema.CANDIDATES,
        schema.PERSONS,
        schema.MISSED,
        schema.GROUND_TRUTH,
        schema.POSES,
        schema.HEADS,
        schema.LABELS,
    }
    assert set(tables.SOURCES) | set(tables.REASONS) | set(tables.HEAD_RULES) <= names(section("Frame fields"))


def test_release_fields_are_the_allow_list() -> None:
    listed = {name for row in rows("Dataset of releases") for name in names(row[0])}
    assert listed == {*release.SAMPLE_FIELDS, release.STATE}


@pytest.mark.parametrize(
    ("title", "file", "table"),
    [
        ("Workspace", "frames/VIEW.parquet", tables.FRAMES),
        ("Workspace", "covered/VIEW.parquet", tables.COVERED),
        ("Workspace", "labels.parquet", tables.LABELS),
        ("Workspace", "chosen.parquet", tables.CHOSEN),
        ("Workspace", "candidates/VIEW.parquet", tables.CANDIDATES),
        ("Workspace", "glimpses/VIEW.parquet", tables.GLIMPSES),
        ("Workspace", "tracklets/VIEW.parquet", tables.TRACKLETS),
        ("Workspace", "pairs.parquet", tables.PAIRS),
        ("Workspace", "identities.parquet", tables.IDENTITIES),
        ("Workspace", "expected.parquet", tables.EXPECTED),
        ("Workspace", "clocks.parquet", tables.CLOCKS),
        ("Workspace", "synchrony.parquet", tables.INTERVALS),
        ("Workspace", "persons/VIEW.parquet", tables.PERSONS),
        ("Workspace", "missed/VIEW.parquet", tables.MISSED),
        ("Release", "VIEW.frames.parquet", tables.FRAMES),
        ("Release", "VIEW.states.parquet", tables.STATES),
        ("Release", "VIEW.regions.parquet", tables.REGIONS),
        ("Release", "VIEW.fills.parquet", tables.FILLS),
    ],
)
def test_columns_are_those_of_the_tables(title: str, file: str, table: pa.Schema) -> None:
    (row,) = [row for row in rows(title) if file in names(row[0])]
    assert [name for name in re.findall(r"`([^`]+)`", row[-1]) if name in table.names] == table.names


def test_the_version_is_the_schemas() -> None:
    assert f"Version {schema.VERSION} " in TEXT
