"""One release in the making: its tables, its settings, and the files of its views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drape import tables
from drape.anonymization.config import ReleaseConfig
from drape.anonymization.fill import fills_table
from drape.anonymization.fixed import fixed_boxes, with_fixed
from drape.anonymization.manifest import PersonsMasked, ViewEntry, view_entry
from drape.anonymization.policy import STATE_NAMES, Ints, Plan, digest_arrays, plan_view, released_size, sorted_out
from drape.anonymization.quarantine import Quarantine
from drape.anonymization.render import render_view
from drape.anonymization.risk import ViewRisk, view_risk
from drape.anonymization.targets import aim
from drape.anonymization.terms import Terms
from drape.media import mp4_times, probe
from drape.progress import Progress
from drape.recording import Recording, View

Tables = Callable[[str], pa.Table]
Optional = Callable[[str], pa.Table | None]


def none(view: str) -> None:
    """Of no view there is a table."""


@dataclass(frozen=True)
class Survey:
    """What is known of a release before a picture is written; everything by view.

    Attributes:
        expected: digests of what the verifier must find in the written files.
        unknown: number of frames of which nothing is known.
        risk: expected missed persons; None where nobody estimated them.
    """

    expected: dict[str, dict[str, str]]
    unknown: dict[str, int]
    risk: dict[str, ViewRisk] | None


class Job:
    """The tables and settings of a release.

    Args:
        recording: views with their facts.
        frames: gives a view's table ``FRAMES`` by its id; likewise ``covered`` and ``persons``.
        covered: see ``frames``.
        persons: see ``frames``.
        config: what is masked, with what, and how it is encoded; the profile's demands are in it.
        terms: fixed regions.
        heads: gives a view's table ``HEADS``, or None where there is none; likewise ``poses``.
        poses: see ``heads``.

    Raises:
        ConfigError: the fixed regions do not fit the recording.
    """

    def __init__(
        self,
        recording: Recording,
        frames: Tables,
        covered: Tables,
        persons: Tables,
        config: ReleaseConfig,
        terms: Terms,
        heads: Optional = none,
        poses: Optional = none,
    ) -> None:
        self.recording = recording
        self.config = config
        self._heads, self._poses = heads, poses
        self._frames, self._covered, self._persons = frames, covered, persons
        regions = terms.fixed.by_view(recording)
        self._fixed: dict[str, Ints] = {v.id: fixed_boxes(regions[v.id], v.width, v.height) for v in recording.views}
        self.origin = float(min((self._times(view).min(initial=np.inf) for view in recording.views), default=0.0))

    def plan(self, view: View) -> Plan:
        """What is masked in a view, fixed regions included."""
        given = (self._frames(view.id), self._covered(view.id), self._persons(view.id))
        found = plan_view(view, *given, self.config, self._heads(view.id), self._poses(view.id))
        return with_fixed(found, self._fixed[view.id])

    def survey(self, missed: Tables | None) -> Survey:
        """Look at the plans of all views.

        Args:
            missed: gives a view's table ``MISSED``; None where nobody estimated who is missed.
        """
        expected: dict[str, dict[str, str]] = {}
        unknown: dict[str, int] = {}
        risk: dict[str, ViewRisk] = {}
        for view in self.recording.views:
            plan = self.plan(view)
            expected[view.id] = _expectation(view, plan)
            unknown[view.id] = int((plan.states == STATE_NAMES.index("unknown")).sum())
            if missed is not None:
                risk[view.id] = view_risk(missed(view.id), self._times(view), plan)
        return Survey(expected, unknown, risk if missed is not None else None)

    def write(self, view: View, quarantine: Quarantine, progress: Progress) -> ViewEntry:
        """Write the files of a view, unless they are there from a run that was killed later; describe them."""
        plan = self.plan(view)
        if not quarantine.holds(view.id):
            work = quarantine.work
            fills = render_view(view, plan, self.config, quarantine.secret, work / f"{view.id}.mp4", progress)
            tables.write(fills_table(fills), work / f"{view.id}.fills.parquet")
            tables.write(plan.regions_table(), work / f"{view.id}.regions.parquet")
            tables.write(plan.states_table(), work / f"{view.id}.states.parquet")
            tables.write(self._released_frames(view), work / f"{view.id}.frames.parquet")
            quarantine.keep(view.id)
        return view_entry(view, plan, probe(view), quarantine.release, self._fixed[view.id], self._persons_masked(view))

    def _persons_masked(self, view: View) -> PersonsMasked:
        """How many persons of a view are masked, and how."""
        persons = self._persons(view.id)
        size = released_size(view.width, view.height)
        aims = aim(persons, self._heads(view.id), self._poses(view.id), size, self.config)
        targets, rules = aims.counts(sorted_out(persons, self.config)[1])
        reviewed = pc.sum(pc.equal(persons.column("source"), "reviewed")).as_py() or 0
        return PersonsMasked(int(reviewed), targets, rules)

    def _times(self, view: View) -> np.ndarray:
        return np.asarray(self._frames(view.id).column("time").to_numpy())

    def _released_frames(self, view: View) -> pa.Table:
        """Frames with the released file's ticks, and times counted from the recording's first frame.

        Capture times can be dates, which tell who was operated on; differences of times are all a release needs.
        """
        frames = self._frames(view.id)
        pts, _ = mp4_times(frames.column("pts").to_numpy(), view.time_base)
        time = self._times(view) - self.origin
        return tables.make(tables.FRAMES, frame=frames.column("frame"), pts=pts, time=time)


def _expectation(view: View, plan: Plan) -> dict[str, str]:
    """What the verifier must find in the written files, computed from the source's tables."""
    pts, time_base = mp4_times(plan.pts, view.time_base)
    return {
        "times_sha256": digest_arrays(pts, np.array(time_base)),
        "plan_sha256": digest_arrays(plan.states, plan.offsets, plan.boxes, plan.fills),
        "persons_sha256": digest_arrays(plan.people, plan.intervals),
    }
