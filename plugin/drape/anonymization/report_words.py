"""The sentences of a release's report. Each says what was done and measured, and no more."""

from __future__ import annotations

from drape.anonymization.config import HeadRule
from drape.anonymization.manifest import Manifest, masked_targets


def purpose_sentence(manifest: Manifest) -> str:
    """Whom the release is for."""
    profile = manifest.profile
    kinds = {"internal": "within the institution", "consortium": "partners bound by contract", "public": "anybody"}
    return f"Made for {kinds.get(profile.name, 'the readers of a profile of its own')} (profile {profile.name})."


def signer_sentence(manifest: Manifest) -> str:
    """Who vouches for it."""
    if manifest.signature is None:
        return "Nobody signed this release: whoever can change its files can change this page too."
    return (
        f"Signed ({manifest.signature.algorithm}) with the key whose fingerprint is {manifest.signature.fingerprint}. "
        "Compare it with what the institution published."
    )


_RULES: dict[HeadRule, str] = {
    "key_points": "from the points of the face, the ears and the shoulders",
    "over_time": "from the moments just before and after",
    "over_views": "from the other cameras",
    "upper_box": "as the upper part of the box around the person",
    "whole_box": "as the whole box around the person",
}


def target_sentences(manifest: Manifest, fill: str) -> list[str]:
    """What is covered of people, with ``fill``."""
    count = masked_targets(manifest.views)
    less = count["head"] + count["silhouette"]
    if not less:
        return [f"Each person found is covered whole, head to foot, with {fill}."]
    said = [
        f"Of {sum(count.values())} persons counted frame by frame, {count['head']} are covered with {fill} over the "
        f"head alone (with hair, ears and neck), {count['silhouette']} over the outline of the body, and "
        f"{count['body']} whole, head to foot: those who asked for it, and all of whom too little is known for less."
    ]
    rules = {rule: sum(view.head_rules.get(rule, 0) for view in manifest.views) for rule in _RULES}
    found = "; ".join(f"{rules[rule]} {words}" for rule, words in _RULES.items() if rules[rule])
    return [*said, f"Where the head is was found {found}."]


def checked_sentences(manifest: Manifest) -> list[str]:
    """What the verifier did."""
    verdict = manifest.verdict or {"views": {}, "bounds": {}, "faces": {"checked": False, "why": "not verified"}}
    frames = sum(view["frames"] for view in verdict["views"].values())
    bound = verdict["bounds"].get("region", 0)
    worst = max((view["errors"]["region"] for view in verdict["views"].values()), default=0.0)
    said = [
        f"A program of its own opened the finished files again and looked at all {frames} frames: each stands at its "
        "time, none is missing or added, and every masked region shows its fill. The largest mean deviation of a "
        f"masked region was {worst:.1f} of 255 grey levels (allowed: {bound:g}), which is what the video's compression "
        "leaves.",
        "The files hold one picture track each and nothing else: no sound, titles, dates, places or messages.",
    ]
    faces = verdict["faces"]
    if not faces["checked"]:
        said.append(f"Not checked: nobody looked for faces in the released pictures ({faces['why']}).")
        return said
    looked = sum(faces["frames"].values())
    which = "every frame" if faces["every"] == 1 else f"one frame in {faces['every']}"
    found = len(faces["found"])
    result = "none" if not found else f"{found} place(s), accepted by the exception below"
    said.append(
        f"A face detector of another kind ({faces['detector']}) looked at {which} ({looked} in all) for faces outside "
        f"the masks and found {result}. It sees faces that are turned to the camera and not too small; that it "
        "found none does not prove that there is none."
    )
    return said


def risk_sentences(manifest: Manifest) -> list[str]:
    """The expected exposure and its bound."""
    risk = manifest.risk
    if not risk["known"]:
        return ["Nobody estimated how many people the masks may miss. This release rests on the detections alone."]
    count = risk["likely_missed_intervals"]
    where = (
        f"in {count} likely interval(s), the longest of {risk['longest_interval_s']:g} s" if count else "none likely"
    )
    return [
        "From where people were seen before, after, and by the other cameras, the software estimates where somebody "
        f"may be whom it did not find. Outside every mask, {risk['exposed_person_seconds']:g} person-seconds are "
        f"expected, {where} (before masking: {risk['missed_person_seconds']:g}).",
        f"With {risk['confidence']:.0%} confidence it is no more than {risk['exposed_person_seconds_upper']:g} "
        "person-seconds, if the estimated probabilities are right. The bound says nothing of a person whom no camera "
        "and no moment gave a reason to expect.",
    ]


def override_sentence(manifest: Manifest) -> str:
    """Who accepted what."""
    override = manifest.override
    used = sorted(gate for gate, result in manifest.checks.items() if result == "overridden")
    if override is None:
        return "None: no check was overridden."
    what = f"accepted: {', '.join(used)}" if used else "nothing had to be accepted"
    return f"{override.name} ({what}): {override.reason}"


def limit_sentences(manifest: Manifest) -> list[str]:
    """What this release does not promise."""
    said = [
        "This page does not call the video anonymous. Somebody who knows the room, the team or the date may still tell "
        "who is in it: by the number of people, by how they move and stand, by the equipment, by the course of the "
        "operation.",
        "A mask hides a person, not that a person is there, where, how large, and for how long.",
        "Shadows, mirror images and screens are masked only where somebody marked them or the software took them for "
        "people.",
        "Text in the picture (screens, name plates, labels) was not searched for; only the fixed regions listed above "
        "are masked.",
    ]
    if masked_targets(manifest.views)["head"]:
        said.append(
            "Of those of whom the head alone is covered, build, gait, skin and clothes are seen; by these too people "
            "can be recognized."
        )
    if manifest.config["fill"] == "blur":
        said.append("The patches keep the rough colours of clothing, by which people can be told apart.")
    return said
