"""What stops a release, before a picture is written and after it was verified; and what an override lets through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drape.anonymization.faces import FacesFound
from drape.anonymization.profiles import Gate, Override, Profile
from drape.anonymization.risk import ViewRisk, summary, worst
from drape.errors import ReleaseError


class Gates:
    """The checks of one release, each passed, reported or overridden; anything else is an error.

    Args:
        profile: whom the release is for.
        override: who accepts what a check says.

    Raises:
        ReleaseError: the override is not one the profile allows.
    """

    def __init__(self, profile: Profile, override: Override | None) -> None:
        self._profile = profile
        self._accepted = override.accepts if override else ()
        self.said: dict[str, str] = {}
        if override is None:
            return
        if refused := [gate for gate in override.accepts if gate not in profile.overridable]:
            raise ReleaseError(
                f"The profile {profile.name} allows no override of {refused[0]}", "Review, or choose another profile"
            )
        if profile.reviewers is not None and override.name not in profile.reviewers:
            raise ReleaseError(f"The profile {profile.name} names others who may override", "Ask one of them")

    def check_frames(self, unknown: Mapping[str, int]) -> None:
        """Frames of which nothing is known, by view.

        Raises:
            ReleaseError: there are some, and the profile or an override does not take cards in their place.
        """
        views = [f"{view} ({count})" for view, count in unknown.items() if count]
        if not views or self._profile.cards:
            self.said["unknown_frames"] = "reported" if views else "passed"
            return
        self._pass(
            "unknown_frames",
            f"Nothing is known of some frames: {', '.join(views)}",
            "Run detection again, or accept grey cards in their place",
        )

    def check_risk(self, views: Mapping[str, ViewRisk] | None) -> None:
        """The expected missed persons outside every mask; None where nobody estimated them.

        Raises:
            ReleaseError: they are unknown or too many for the profile, and no override accepts it.
        """
        profile = self._profile
        if views is None:
            if profile.risk == "reported":
                self.said["unknown_risk"] = "reported"
            else:
                self._pass("unknown_risk", "Nobody estimated who may be missed", "Run `drape retrieve` first")
            return
        self.said["unknown_risk"] = "passed"
        numbers = summary(views)
        seconds, count = numbers["exposed_person_seconds"], numbers["likely_missed_intervals"]
        limits = profile.max_missed_person_seconds, profile.max_missed_intervals
        if (limits[0] is None or seconds <= limits[0]) and (limits[1] is None or count <= limits[1]):
            self.said["risk"] = "passed" if limits != (None, None) else "reported"
            return
        places = "; ".join(
            f"{view} from {interval.start:.1f} to {interval.stop:.1f} s ({interval.expected:.1f} expected)"
            for view, interval in worst(views)
        )
        allowed = [f"{limits[0]:g} person-seconds"] if limits[0] is not None else []
        allowed += [f"{limits[1]} intervals"] if limits[1] is not None else []
        self._pass(
            "risk",
            f"{seconds:.1f} person-seconds in {count} likely interval(s) may show somebody; the profile "
            f"{profile.name} allows {' and '.join(allowed)}",
            f"Review first: {places}",
        )

    def check_faces(self, report: Mapping[str, Any]) -> None:
        """What the verifier's search for faces gave.

        Raises:
            ReleaseError: it did not happen, or found some, and no override accepts it.
        """
        if not report["checked"]:
            if self._profile.face_check == "if_available":
                self.said["no_face_check"] = "reported"
            else:
                self._pass("no_face_check", "Nobody looked for faces in the released pictures", "Give YuNet's file")
            return
        self.said["no_face_check"] = "passed"
        if not report["found"]:
            self.said["faces"] = "passed"
        elif "faces" in self._accepted:
            self.said["faces"] = "overridden"
        else:
            raise FacesFound(list(report["found"]))

    def _pass(self, gate: Gate, what: str, remedy: str) -> None:
        if gate not in self._accepted:
            how = f"; or accept it by an override of '{gate}'" if gate in self._profile.overridable else ""
            raise ReleaseError(what, remedy + how)
        self.said[gate] = "overridden"
