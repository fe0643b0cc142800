"""Profiles stop what they do not allow before a picture is written; fixed regions are masked and verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drape import tables
from drape.anonymization import FixedRegions, Override, ReleaseConfig, Terms, load_manifest, verify_release
from drape.anonymization.manifest import NAME
from drape.anonymization.profiles import CONSORTIUM, PUBLIC
from drape.errors import ConfigError, ReleaseError, VerificationError
from support.releases import Scene, copy_release, make_scene, planes_of, resign
from support.sealed import export_on, missed_table

ACCEPT = Override(name="Reviewer 7", reason="seen by two people", accepts=("risk", "unknown_frames", "unknown_risk"))
FREE = (270.0, 10.0, 310.0, 60.0)
"""A place where nobody of the scene is."""

MONITOR = FixedRegions.model_validate(
    {"view1": [{"what": "monitor", "box": FREE}, {"what": "clock", "polygon": [(0, 0), (40, 0), (0, 30)]}]}
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), frames=20)


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), frames=8, unknown=[3])


@pytest.fixture(scope="module")
def fixed(unknown: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("fixed") / "release"
    export_on(unknown, target, Terms(fixed=MONITOR))
    return target


def test_a_release_whose_risk_nobody_knows_is_for_internal_use(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "out" / "release"
    for profile in (CONSORTIUM, PUBLIC):
        with pytest.raises(ReleaseError, match="Nobody estimated"):
            export_on(scene, target, Terms(profile=profile))
    assert not target.parent.exists()
    manifest = export_on(scene, target)
    assert manifest["checks"]["unknown_risk"] == "reported" and manifest["risk"] == {"known": False}
    assert manifest["profile"]["name"] == "internal" and manifest["raised"] == []


def test_too_much_risk_stops_a_release_until_it_is_masked_or_answered_for(scene: Scene, tmp_path: Path) -> None:
    """R10: a person whom the detector did not see, but whom time and the other views expect."""
    strict = Terms(profile=CONSORTIUM.model_copy(update={"max_missed_person_seconds": 0.1, "max_missed_intervals": 0}))
    missed = missed_table(scene, range(5, 15), FREE, 0.8)
    with pytest.raises(ReleaseError, match=r"0\.3 person-seconds in 1 likely") as caught:
        export_on(scene, tmp_path / "a", strict, missed=missed)
    assert "Review first: view1 from 0.2 to 0.6 s" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []

    told = Terms(profile=strict.profile, override=ACCEPT)
    manifest = export_on(scene, tmp_path / "a", told, missed=missed)
    assert manifest["checks"]["risk"] == "overridden" and manifest["override"]["name"] == "Reviewer 7"
    assert manifest["risk"]["exposed_person_seconds"] == pytest.approx(0.32)
    assert manifest["risk"]["exposed_person_seconds_upper"] == pytest.approx(0.4)
    assert "Reviewer 7 (accepted: risk): seen by two people" in (tmp_path / "a" / "report.html").read_text()

    masked = Terms(profile=strict.profile, fixed=MONITOR)
    manifest = export_on(scene, tmp_path / "b", masked, missed=missed)
    assert manifest["checks"]["risk"] == "passed" and manifest["risk"]["exposed_person_seconds"] == 0
    assert manifest["risk"]["missed_person_seconds"] == pytest.approx(0.32)


def test_unknown_frames_leave_the_house_as_cards_only_with_a_name(unknown: Scene, tmp_path: Path) -> None:
    nobody = tables.empty(tables.MISSED)
    with pytest.raises(ReleaseError, match=r"Nothing is known of some frames: view1 \(1\)"):
        export_on(unknown, tmp_path / "a", Terms(profile=CONSORTIUM), missed=nobody)
    manifest = export_on(unknown, tmp_path / "a", Terms(profile=CONSORTIUM, override=ACCEPT), missed=nobody)
    assert manifest["checks"]["unknown_frames"] == "overridden"
    assert manifest["views"][0]["states"]["unknown"] == 1


def test_a_profile_strengthens_the_settings_that_are_used(scene: Scene, tmp_path: Path) -> None:
    weak = ReleaseConfig(margin_x=0, margin_top=0, margin_bottom=0, min_margin_px=0, temporal_padding_s=0, fill="blur")
    manifest = export_on(scene, tmp_path / "a", Terms(profile=CONSORTIUM), weak, tables.empty(tables.MISSED))
    assert manifest["raised"] == ["margin_bottom", "margin_top", "margin_x", "min_margin_px", "temporal_padding_s"]
    assert manifest["config"]["margin_x"] == 0.2 and manifest["config"]["fill"] == "blur"
    internal = export_on(scene, tmp_path / "b", Terms(), weak)
    shares = [m["verdict"]["views"]["view1"]["masked_share"] for m in (manifest, internal)]
    assert shares[0] > shares[1] * 1.2


def test_public_needs_the_search_for_faces(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAPE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ReleaseError, match="allows no override of no_face_check"):
        accept = ACCEPT.model_copy(update={"accepts": ("no_face_check",)})
        export_on(scene, tmp_path / "a", Terms(profile=PUBLIC, override=accept), missed=tables.empty(tables.MISSED))
    lenient = PUBLIC.model_copy(update={"name": "mine", "face_check": "if_available"})
    export_on(scene, tmp_path / "b", Terms(profile=lenient), missed=tables.empty(tables.MISSED))
    # Whoever writes "required" into the manifest afterwards finds that the verdict does not say that it took place.
    path = tmp_path / "b" / NAME
    path.write_text(path.read_text().replace('"face_check": "if_available"', '"face_check": "required"'))
    with pytest.raises(VerificationError, match="nobody looked for faces"):
        verify_release(tmp_path / "b")


def test_fixed_regions_are_masked_in_every_frame(fixed: Path, unknown: Scene) -> None:
    manifest = load_manifest(fixed)
    view = manifest.views[0]
    assert view.states == {"detected": 7, "verified_empty": 0, "unknown": 1}
    assert view.fixed[0] == (270, 10, 310, 60) and len(view.fixed) > 5
    for y, u, v in planes_of(fixed / "view1.mp4"):
        assert np.abs(y[14:56, 274:306].astype(int) - 128).max() <= 6  # the monitor
        assert np.abs(y[:12, :20].astype(int) - 128).max() <= 6  # inside the clock's triangle
        assert np.abs(u[8:28, 138:152].astype(int) - 128).max() <= 6
        assert np.abs(v[8:28, 138:152].astype(int) - 128).max() <= 6
    assert manifest.dicom[1]["applied"]
    assert planes_of(unknown.view.media)[0][0][12:56, 274:306].std() > 20


def test_an_empty_room_with_a_monitor_is_verified_empty(tmp_path: Path) -> None:
    """R09: nobody is there; the monitor is masked all the same."""
    busy = make_scene(tmp_path / "scene", frames=6)
    nobody = tables.empty(tables.PERSONS)
    scene = Scene(busy.view, busy.frames, nobody, busy.covered)
    export_on(scene, tmp_path / "release", Terms(fixed=MONITOR))
    view = load_manifest(tmp_path / "release").views[0]
    assert view.states == {"detected": 0, "verified_empty": 6, "unknown": 0}
    assert view.regions == 6 * len(view.fixed) and verify_release(tmp_path / "release")["ok"]
    export_on(scene, tmp_path / "plain")
    assert load_manifest(tmp_path / "plain").views[0].regions == 0 and verify_release(tmp_path / "plain")["ok"]


def drop(columns: dict, which: int) -> None:
    for values in columns.values():
        del values[which]


@pytest.mark.parametrize("frame", [0, 5])
def test_a_fixed_region_missing_in_one_frame_is_found(fixed: Path, frame: int, tmp_path: Path) -> None:
    """Even where the table of regions, its count and all digests agree."""
    folder = copy_release(fixed, tmp_path / "release")
    path = folder / "view1.regions.parquet"
    columns = tables.read(path, tables.REGIONS).to_pydict()
    last = len(columns["frame"]) - 1 - columns["frame"][::-1].index(frame)
    columns["x2"][last] -= 2
    tables.write(tables.make(tables.REGIONS, **columns), path)
    resign(folder)
    with pytest.raises(VerificationError, match="a fixed region is not masked in every frame"):
        verify_release(folder)
    columns["x2"][last] += 2
    drop(columns, last)
    tables.write(tables.make(tables.REGIONS, **columns), path)
    resign(folder)
    manifest = folder / NAME
    count = load_manifest(folder).views[0].regions
    manifest.write_text(manifest.read_text().replace(f'"regions": {count}', f'"regions": {count - 1}'))
    with pytest.raises(VerificationError, match="fixed region"):
        verify_release(folder)


def test_a_fixed_region_shown_in_one_frame_is_found(unknown: Scene, tmp_path: Path) -> None:
    """The released video of a run without the region, in the folder of one with it."""
    export_on(unknown, tmp_path / "without")
    export_on(unknown, tmp_path / "with", Terms(fixed=MONITOR))
    (tmp_path / "with" / "view1.mp4").write_bytes((tmp_path / "without" / "view1.mp4").read_bytes())
    resign(tmp_path / "with")
    with pytest.raises(VerificationError, match="frame 0: a masked region does not show its fill"):
        verify_release(tmp_path / "with")


def test_regions_of_a_view_that_is_not_there_release_nothing(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name no view"):
        export_on(scene, tmp_path / "release", Terms(fixed=FixedRegions.model_validate({"view9": [{"box": FREE}]})))
    assert list(tmp_path.iterdir()) == []


def test_boxes_that_curators_added_are_counted(scene: Scene, tmp_path: Path) -> None:
    columns = scene.persons.to_pydict()
    columns["source"][:3] = ["reviewed"] * 3
    persons = tables.make(tables.PERSONS, **columns)
    manifest = export_on(Scene(scene.view, scene.frames, persons, scene.covered), tmp_path / "release")
    assert manifest["views"][0]["reviewed"] == 3
