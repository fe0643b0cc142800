"""Turn a database that does not answer into an error that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import fiftyone.core.config as focn
import fiftyone.core.service as fos
import pymongo.errors

from drape.errors import DatasetError

_DOWN = (
    ConnectionError,
    focn.FiftyOneConfigError,
    fos.ServiceException,
    pymongo.errors.ConnectionFailure,
)


@contextmanager
def database() -> Iterator[None]:
    """Run database work.

    Raises:
        DatasetError: the database cannot be reached, is full, or refused a write.
    """
    try:
        yield
    except _DOWN as error:
        raise DatasetError(
            "FiftyOne's database (MongoDB) cannot be reached",
            "Start mongod, or set FIFTYONE_DATABASE_URI to a running server, then run again",
        ) from error
    except pymongo.errors.PyMongoError as error:
        raise DatasetError(
            f"FiftyOne's database (MongoDB) refused an operation ({type(error).__name__})",
            "Check its free disk space and its log, then run again; what was written is completed",
        ) from error
