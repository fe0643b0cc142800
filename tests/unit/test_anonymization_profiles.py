"""A profile only ever adds protection; what it does not allow needs a name and a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drape.anonymization import (
    PROFILES,
    FacesFound,
    Override,
    Profile,
    ReleaseConfig,
    Terms,
    TermsConfig,
    load_private_key,
    new_keys,
)
from drape.anonymization.gates import Gates
from drape.anonymization.profiles import CONSORTIUM, INTERNAL, PUBLIC
from drape.anonymization.risk import Interval, ViewRisk
from drape.anonymization.signing import PRIVATE_KEY, fingerprint
from drape.errors import ConfigError, ReleaseError
from hypothesis import given
from hypothesis import strategies as st

ACCEPT = Override(name="Reviewer 7", reason="seen by two people", accepts=("risk", "unknown_frames", "faces"))
RISKY = {"view2": ViewRisk(20.0, (Interval(12.3, 32.3, 20.0, 0.9, True), Interval(40.0, 41.0, 1.0, 0.6, True)))}
CALM = {"view1": ViewRisk(0.1, ())}
FACE = {"view": "view1", "first": 3, "last": 5, "box": [1, 2, 3, 4], "score": 0.9, "time": 0.1}


def test_internal_changes_nothing() -> None:
    for config in (ReleaseConfig(), ReleaseConfig(fill="blur", margin_x=0, min_existence=0.5, face_every=1000)):
        assert INTERNAL.strengthen(config) == (config, ())


def test_public_raises_what_is_too_weak_and_names_it() -> None:
    config = ReleaseConfig(fill="blur", margin_x=0.05, margin_top=0.3, min_existence=0.4, face_every=9, grey=60)
    stronger, changed = PUBLIC.strengthen(config)
    assert changed == ("face_every", "fill", "margin_x", "min_existence", "temporal_padding_s")
    assert (stronger.fill, stronger.margin_x, stronger.margin_top, stronger.grey) == ("solid", 0.2, 0.3, 60)
    assert (stronger.min_existence, stronger.temporal_padding_s, stronger.face_every) == (0.05, 0.2, 1)


@given(
    st.builds(
        ReleaseConfig,
        fill=st.sampled_from(["solid", "blur"]),
        min_existence=st.floats(0, 0.5),
        margin_x=st.floats(0, 1),
        margin_top=st.floats(0, 1),
        margin_bottom=st.floats(0, 1),
        min_margin_px=st.integers(0, 64),
        temporal_padding_s=st.floats(0, 5),
        face_every=st.integers(1, 1000),
    ),
    st.sampled_from(list(PROFILES.values())),
)
def test_no_profile_ever_weakens(config: ReleaseConfig, profile: Profile) -> None:
    stronger, _ = profile.strengthen(config)
    for name in ("margin_x", "margin_top", "margin_bottom", "min_margin_px", "temporal_padding_s"):
        assert getattr(stronger, name) >= max(getattr(config, name), getattr(profile, name))
    assert stronger.min_existence <= min(config.min_existence, profile.max_existence)
    assert stronger.face_every <= config.face_every
    assert profile.strengthen(stronger) == (stronger, ())


def test_the_profiles_are_ordered_by_strictness() -> None:
    assert list(PROFILES) == ["internal", "consortium", "public"]
    for weak, strong in ((INTERNAL, CONSORTIUM), (CONSORTIUM, PUBLIC)):
        assert strong.max_existence <= weak.max_existence and strong.max_face_every <= weak.max_face_every
        assert set(strong.fills) <= set(weak.fills) and set(strong.overridable) <= set(weak.overridable)
        assert strong.temporal_padding_s >= weak.temporal_padding_s


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_profile_of_ones_own_is_as_strict_as_public_where_it_says_nothing(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine{suffix}"
    path.write_text(json.dumps({"name": "study-7", "max_missed_person_seconds": 3, "reviewers": ["Reviewer 7"]}))
    profile = Profile.load(path)
    assert profile.model_copy(update={"name": "public", "max_missed_person_seconds": 1.0, "reviewers": None}) == PUBLIC


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: public\nfills: [blur]", "name of a built-in"),
        ("name: mine\nmasking: off", "masking"),
        ("name: mine\nmax_existence: 0.9", "max_existence"),
        ("name: Mine!", "name"),
        ("fills: [solid]", "name: Field required"),
        ("name: mine\noverridable: [everything]", "overridable"),
        ("!!python/object/apply:os.getcwd []", "cannot be read"),  # R22
        ("", "the file"),
    ],
)
def test_a_profile_of_something_else_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        Profile.load(path)
    with pytest.raises(ConfigError, match="Name one of internal, consortium, public"):
        Profile.load("publik")


def test_unknown_risk_goes_on_for_internal_use_only() -> None:
    gates = Gates(INTERNAL, None)
    gates.check_risk(None)
    assert gates.said == {"unknown_risk": "reported"}
    for profile in (CONSORTIUM, PUBLIC):
        with pytest.raises(ReleaseError, match="Nobody estimated"):
            Gates(profile, None).check_risk(None)
    accept = ACCEPT.model_copy(update={"accepts": ("unknown_risk",)})
    gates = Gates(CONSORTIUM, accept)
    gates.check_risk(None)
    assert gates.said == {"unknown_risk": "overridden"}
    with pytest.raises(ReleaseError, match="allows no override of unknown_risk"):
        Gates(PUBLIC, accept)


def test_too_much_risk_says_what_to_review() -> None:
    with pytest.raises(ReleaseError, match=r"18\.6 person-seconds in 2 likely") as caught:
        Gates(CONSORTIUM, None).check_risk(RISKY)
    assert "view2 from 12.3 to 32.3 s (18.0 expected); view2 from 40.0 to 41.0 s" in caught.value.remedy
    assert "override of 'risk'" in caught.value.remedy
    gates = Gates(CONSORTIUM, ACCEPT)
    gates.check_risk(RISKY)
    assert gates.said["risk"] == "overridden"
    for profile, result in ((INTERNAL, "reported"), (CONSORTIUM, "passed"), (PUBLIC, "passed")):
        gates = Gates(profile, None)
        gates.check_risk(CALM)
        assert gates.said == {"unknown_risk": "passed", "risk": result}


def test_seconds_and_intervals_are_limits_of_their_own() -> None:
    short = {"view1": ViewRisk(0.2, tuple(Interval(i, i + 0.1, 0.1, 0.9, True) for i in range(6)))}
    with pytest.raises(ReleaseError, match="6 likely"):
        Gates(CONSORTIUM, None).check_risk(short)
    slow = {"view1": ViewRisk(30.0, (Interval(0, 100, 100.0, 0.3, False),))}
    with pytest.raises(ReleaseError, match=r"30\.0 person-seconds"):
        Gates(CONSORTIUM, None).check_risk(slow)


def test_cards_need_somebodys_word_outside_the_house() -> None:
    gates = Gates(INTERNAL, None)
    gates.check_frames({"view1": 3})
    assert gates.said == {"unknown_frames": "reported"}
    with pytest.raises(ReleaseError, match=r"view2 \(3\)"):
        Gates(PUBLIC, None).check_frames({"view1": 0, "view2": 3})
    gates = Gates(PUBLIC, ACCEPT)
    gates.check_frames({"view2": 3})
    assert gates.said == {"unknown_frames": "overridden"}


def test_faces_and_a_missing_search_for_them_stop_a_release() -> None:
    gates = Gates(INTERNAL, None)
    gates.check_faces({"checked": False})
    assert gates.said == {"no_face_check": "reported"}
    with pytest.raises(ReleaseError, match="Nobody looked for faces"):
        Gates(PUBLIC, None).check_faces({"checked": False})
    with pytest.raises(FacesFound, match="view1, frames 3 to 5") as caught:
        Gates(INTERNAL, None).check_faces({"checked": True, "found": [FACE]})
    assert caught.value.items == [FACE]
    gates = Gates(PUBLIC, ACCEPT)
    gates.check_faces({"checked": True, "found": [FACE]})
    assert gates.said == {"no_face_check": "passed", "faces": "overridden"}


def test_only_those_named_may_override() -> None:
    profile = CONSORTIUM.model_copy(update={"reviewers": ("Reviewer 7",)})
    Gates(profile, ACCEPT)
    with pytest.raises(ReleaseError, match="names others"):
        Gates(profile, ACCEPT.model_copy(update={"name": "Somebody"}))


@pytest.mark.parametrize(
    "given",
    [
        {"accept": "risk"},
        {"accept": "risk", "accepted_by": "Reviewer 7"},
        {"accepted_by": "Reviewer 7", "reason": "seen by two people"},
        {"accept": "risk", "accepted_by": "Reviewer 7", "reason": "ok"},
        {"accept": "risk, all", "accepted_by": "Reviewer 7", "reason": "seen by two people"},
        {"accept": "risk", "accepted_by": "<script>", "reason": "seen by two people"},
    ],
)
def test_an_override_needs_checks_a_name_and_a_reason(given: dict) -> None:
    with pytest.raises(ConfigError, match="An override needs"):
        TermsConfig(**given).terms()


def test_terms_that_differ_have_other_inputs(tmp_path: Path) -> None:
    regions = tmp_path / "regions.yaml"
    regions.write_text("view1: [{box: [0, 0, 8, 8]}]")
    variants = [
        Terms(),
        TermsConfig(profile="public").terms(),
        TermsConfig(regions=regions).terms(),
        TermsConfig(accept="risk, faces", accepted_by="Reviewer 7", reason="seen by two people").terms(),
        Terms(face_weights=regions),
    ]
    assert len({json.dumps(terms.inputs(), sort_keys=True) for terms in variants}) == len(variants)
    assert Terms().inputs() == TermsConfig().terms().inputs()


def test_what_a_form_gives_becomes_terms(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine")
    new_keys(tmp_path / "keys")
    key = tmp_path / "keys" / PRIVATE_KEY
    config = TermsConfig(
        profile_file=mine, key=key, accept=" risk,faces ", accepted_by="Reviewer 7", reason="seen by two people"
    )
    terms = config.terms()
    assert terms.profile.name == "mine" and terms.override.accepts == ("risk", "faces")
    assert terms.inputs()["key"] == fingerprint(load_private_key(key).public_key())
    assert terms.fixed.root == {} and TermsConfig().terms() == Terms()
