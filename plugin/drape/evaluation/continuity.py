"""For how long persons stay uncovered: runs of frames, by person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.errors import EvaluationError

_OFTEN = 0.95


@dataclass(frozen=True, eq=False)
class Continuity:
    """Runs of uncovered frames. A person is an identity of the truth; a run ends where the person leaves the picture.

    Attributes:
        covered: share of person-frames that are covered; 1 if there are none.
        shares: (persons,) share of each person's frames that are covered, persons in the order of their identity.
        longest: (persons,) longest run of each person in frames; 0 for a person who is never uncovered.
        longest_seconds: (persons,) the same in seconds.
        events: number of runs.
        exposed_seconds: person-seconds uncovered.
        person_seconds: person-seconds in all.
        onset: longest run in frames that starts with a person's first frame: what leaks at an entry.
        offset: longest run in frames that ends with a person's last frame: what leaks at an exit.
    """

    covered: float
    shares: NDArray[np.float64]
    longest: NDArray[np.int64]
    longest_seconds: NDArray[np.float64]
    events: int
    exposed_seconds: float
    person_seconds: float
    onset: int
    offset: int

    @property
    def persons(self) -> int:
        """Number of persons."""
        return len(self.longest)

    @property
    def longest_mean(self) -> float:
        """Mean over persons of the longest run, in frames; 0 if there are no persons."""
        return float(self.longest.mean()) if self.persons else 0.0

    @property
    def longest_max(self) -> int:
        """Longest run of all, in frames."""
        return int(self.longest.max(initial=0))

    @property
    def longest_seconds_max(self) -> float:
        """Longest run of all, in seconds."""
        return float(self.longest_seconds.max(initial=0))

    @property
    def fully_covered(self) -> int:
        """Number of persons without one uncovered frame."""
        return int((self.longest == 0).sum())

    @property
    def often_covered(self) -> float:
        """Share of persons covered in at least 95 % of their frames; 1 if there are no persons."""
        return float((self.shares >= _OFTEN).mean()) if self.persons else 1.0

    @property
    def exposed_share(self) -> float:
        """Exposed person-seconds per person-second; 0 if no person was there."""
        return self.exposed_seconds / self.person_seconds if self.person_seconds else 0.0


def frame_durations(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds for which each frame is shown: until the next one; the last as long as the median of the others.

    Args:
        times: (F,) presentation times in seconds, increasing, F >= 2.
    """
    steps = np.diff(times)
    return np.append(steps, np.median(steps))


def continuity(
    person: NDArray[np.int32], frame: NDArray[np.int32], covered: NDArray[np.bool_], durations: NDArray[np.float64]
) -> Continuity:
    """Summarize the uncovered runs of persons.

    Args:
        person: (N,) identity of each person-frame.
        frame: (N,) its frame index; no identity twice in a frame.
        covered: (N,) whether it is covered.
        durations: (F,) seconds for which each frame is shown, F > max(frame).

    Raises:
        EvaluationError: a frame has no duration.
    """
    if len(frame) and frame.max() >= len(durations):
        raise EvaluationError("A frame of the truth has no time", "Cut the truth to the evaluated frames first")
    order = np.lexsort((frame, person))
    person, frame, covered = person[order], frame[order], covered[order]
    seconds = durations[frame]
    ids, index, size = np.unique(person, return_inverse=True, return_counts=True)
    starts, stops = runs(person, frame, covered)
    elapsed = np.append(0.0, np.cumsum(seconds))
    frames_of_run, seconds_of_run = stops - starts, elapsed[stops] - elapsed[starts]
    longest, longest_seconds = np.zeros(len(ids), np.int64), np.zeros(len(ids))
    np.maximum.at(longest, index[starts], frames_of_run)
    np.maximum.at(longest_seconds, index[starts], seconds_of_run)
    first = np.cumsum(size) - size
    return Continuity(
        covered=float(covered.mean()) if len(covered) else 1.0,
        shares=np.bincount(index, weights=covered, minlength=len(ids)) / size,
        longest=longest,
        longest_seconds=longest_seconds,
        events=len(starts),
        exposed_seconds=float(seconds[~covered].sum()),
        person_seconds=float(seconds.sum()),
        onset=int(frames_of_run[np.isin(starts, first)].max(initial=0)),
        offset=int(frames_of_run[np.isin(stops, first + size)].max(initial=0)),
    )


def runs(
    person: NDArray[np.int32], frame: NDArray[np.int32], covered: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and row after the last of every maximal run of uncovered rows with consecutive frames of a person.

    Args:
        person, frame, covered: (N,) as for ``continuity``, sorted by person, then frame.
    """
    joined = (np.diff(person) == 0) & (np.diff(frame) == 1) & ~covered[1:] & ~covered[:-1]
    starts = np.flatnonzero(~covered & np.append(True, ~joined)[: len(covered)])
    stops = np.flatnonzero(~covered & np.append(~joined, True)[: len(covered)]) + 1
    return starts, stops
