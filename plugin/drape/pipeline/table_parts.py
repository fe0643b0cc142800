"""Tables that are written while they are made, so that memory does not grow with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from drape.errors import WorkspaceError


@contextmanager
def writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Write a table in parts, a row group each, so that the file is either whole or absent.

    Yields:
        What takes the parts.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with pq.ParquetWriter(partial, schema, compression="zstd") as out:
            yield out.write_table
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise WorkspaceError(
            f"A table could not be written ({error.strerror})", "Free disk space, then run again"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
