"""Typed errors. Each says what is wrong and what to do; none carries a path or a name of the source."""

from __future__ import annotations


class DrapeError(Exception):
    """An error a curator can act on.

    Args:
        what: what is wrong, without private names or paths.
        remedy: what to do about it, as an instruction.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what
        self.remedy = remedy


class ConfigError(DrapeError):
    """A setting is invalid or two settings contradict each other."""


class RecordingError(DrapeError):
    """The views do not form a recording."""


class MediaError(DrapeError):
    """A video or image sequence cannot be used as it is.

    Args:
        role: the file's role, e.g. ``"view1"``; never its path or name.
        what: what is wrong.
        remedy: what to do.
        frame: index of the first frame concerned, if known.
    """

    def __init__(self, role: str, what: str, remedy: str, frame: int | None = None) -> None:
        where = role if frame is None else f"{role}, frame {frame}"
        super().__init__(f"{where}: {what}", remedy)
        self.role = role
        self.frame = frame


class WeightsError(DrapeError):
    """Weights are missing, altered, unsafe, of another architecture, or blind."""


class DetectionError(DrapeError):
    """The detector cannot run."""


class WorkspaceError(DrapeError):
    """The workspace is missing, damaged, locked, of another recording, or out of space."""


class AdaptationError(DrapeError):
    """A detector cannot be trained: the labels, the settings, the memory or the disk do not allow it."""


class ReleaseError(DrapeError):
    """A release cannot be made."""


class VerificationError(ReleaseError):
    """A written release does not hold what it must hold."""


class DatasetError(DrapeError):
    """The FiftyOne dataset or its database cannot be used."""


class EvaluationError(DrapeError):
    """A truth or a result cannot be read, or the two cannot be compared."""
