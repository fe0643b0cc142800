"""A face outside the masks is found in the released pictures, reported as a review item, and blocks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from drape import tables
from drape.anonymization import FacesFound, Override, ReleaseConfig, Terms, faces, verify_apart, verify_release
from drape.anonymization.faces import YUNET, FaceSearch, face_weights, masked_share, to_bgr
from drape.anonymization.manifest import NAME
from drape.anonymization.profiles import PUBLIC
from drape.errors import WeightsError
from support.releases import Planes, Scene, film, forge, make_scene, planes_of, scene_of, walk
from support.sealed import export_on

FRAMES, SIZE = 24, (320, 240)
FACE_AT = (232, 40)
SHOWN = range(8, 20)
CONFIG = ReleaseConfig()


@pytest.fixture(scope="module")
def yunet(shared: Path) -> Path:
    path = shared / "weights" / "yunet_face" / YUNET.filename
    if not path.is_file():
        pytest.skip("no face detector among the shared development data")
    return path


@pytest.fixture(scope="module")
def face(shared: Path) -> Planes:
    """A head of a photograph, 80 x 96 pixels, as planes."""
    picture = cv2.imread(str(shared / "data" / "coco_mini" / "000000000785.jpg"))
    head = cv2.resize(picture[46:118, 340:400], (80, 96), interpolation=cv2.INTER_CUBIC)
    planes = cv2.cvtColor(head, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    y, u, v = np.split(planes, [96 * 80, 96 * 80 + 48 * 40])
    return y.reshape(96, 80), u.reshape(48, 40), v.reshape(48, 40)


def paste(planes: Planes, face: Planes, at: tuple[int, int]) -> None:
    for plane, piece, scale in zip(planes, face, (1, 2, 2), strict=True):
        x, y = at[0] // scale, at[1] // scale
        plane[y : y + piece.shape[0], x : x + piece.shape[1]] = piece


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), frames=FRAMES, size=SIZE)


@pytest.fixture(scope="module")
def leaking(scene: Scene, face: Planes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def fault(index: int, planes: Planes, source: Planes) -> None:
        if index in SHOWN:
            paste(planes, face, FACE_AT)

    return forge(scene, CONFIG, tmp_path_factory.mktemp("leaking") / "release", fault)


def test_a_face_pasted_outside_the_masks_is_found(leaking: Path, yunet: Path) -> None:
    with pytest.raises(FacesFound, match="1 face") as caught:
        verify_release(leaking, faces=yunet)
    (item,) = caught.value.items
    assert (item["view"], item["first"], item["last"]) == ("view1", SHOWN[0], SHOWN[-1])
    assert item["time"] == pytest.approx(SHOWN[0] / 25, abs=1e-3) and 0.7 <= item["score"] <= 1
    x1, y1, x2, y2 = item["box"]
    assert FACE_AT[0] <= x1 < x2 <= FACE_AT[0] + 80 and FACE_AT[1] <= y1 < y2 <= FACE_AT[1] + 96


def test_the_process_of_its_own_hands_the_review_items_over(leaking: Path, yunet: Path) -> None:
    with pytest.raises(FacesFound) as caught:
        verify_apart(leaking, faces=yunet)
    assert caught.value.items[0]["first"] == SHOWN[0] and json.dumps(caught.value.items)


def test_a_release_without_faces_passes_and_says_what_was_looked_at(scene: Scene, yunet: Path, tmp_path: Path) -> None:
    folder = forge(scene, CONFIG, tmp_path / "release")
    assert verify_release(folder, faces=yunet)["faces"] == {
        "checked": True,
        "detector": "YuNet",
        "weights": YUNET.sha256,
        "score": 0.7,
        "every": 1,
        "frames": {"view1": FRAMES},
        "found": [],
    }


def test_without_the_detector_the_verdict_says_so(
    leaking: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DRAPE_CACHE", str(tmp_path))
    assert verify_release(leaking)["faces"] == {
        "checked": False,
        "why": "the face detector is not on this machine",
    }


def test_the_detector_on_this_machine_is_used_unless_it_was_changed(
    leaking: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DRAPE_CACHE", str(tmp_path))
    (tmp_path / YUNET.filename).write_bytes(yunet.read_bytes())
    with pytest.raises(FacesFound):
        verify_release(leaking)
    (tmp_path / YUNET.filename).write_bytes(yunet.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="not the published one"):
        verify_release(leaking)
    with pytest.raises(WeightsError, match="cannot be used"):
        verify_release(leaking, faces=leaking / NAME)
    with pytest.raises(WeightsError, match="file is missing"):
        face_weights(tmp_path / "nowhere", required=False)


def test_every_n_th_frame_is_said_as_it_is(scene: Scene, face: Planes, yunet: Path, tmp_path: Path) -> None:
    def fault(index: int, planes: Planes, source: Planes) -> None:
        if index == 9:
            paste(planes, face, FACE_AT)

    for every, looked in ((3, 8), (2, 12)):
        config = CONFIG.model_copy(update={"face_every": every})
        folder = forge(scene, config, tmp_path / str(every), fault)
        if 9 % every == 0:
            with pytest.raises(FacesFound, match="frames 9 to 9"):
                verify_release(folder, faces=yunet)
        else:
            said = verify_release(folder, faces=yunet)["faces"]
            assert (said["every"], said["frames"]) == (every, {"view1": looked})


@pytest.fixture(scope="module")
def with_a_face(face: Planes, scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The source itself shows a face where no person was found."""
    pictures = planes_of(scene.view.media)
    for index in SHOWN:
        paste(pictures[index], face, FACE_AT)
    path = film(tmp_path_factory.mktemp("face") / "clip.mp4", pictures)
    view = scene.view.model_copy(update={"media": path})
    return scene_of(view, walk(FRAMES, SIZE))


def test_an_export_with_a_face_releases_nothing_unless_somebody_answers(
    with_a_face: Scene, yunet: Path, tmp_path: Path
) -> None:
    terms = Terms(face_weights=yunet)
    with pytest.raises(FacesFound) as caught:
        export_on(with_a_face, tmp_path / "release", terms)
    assert list(tmp_path.iterdir()) == []
    x1, y1, x2, y2 = caught.value.items[0]["box"]

    accept = Override(name="Reviewer 7", reason="a printed poster", accepts=("faces",))
    manifest = export_on(with_a_face, tmp_path / "release", Terms(face_weights=yunet, override=accept))
    assert manifest["checks"]["faces"] == "overridden"
    assert manifest["verdict"]["faces"]["found"] == caught.value.items
    assert verify_release(tmp_path / "release", faces=yunet)["ok"]
    assert "1 place(s), accepted by the exception below" in (tmp_path / "release" / "report.html").read_text()

    region = {"view1": [{"what": "other", "box": (x1 - 20, y1 - 20, x2 + 20, y2 + 20)}]}
    masked = Terms(profile=PUBLIC, face_weights=yunet, fixed=type(terms.fixed).model_validate(region))
    manifest = export_on(with_a_face, tmp_path / "masked", masked, missed=tables.empty(tables.MISSED))
    assert manifest["checks"] == {
        "unknown_frames": "passed",
        "unknown_risk": "passed",
        "risk": "passed",
        "no_face_check": "passed",
        "faces": "passed",
    }


def test_public_without_the_detector_releases_nothing_and_says_what_to_put_where(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(faces, "YUNET", replace(YUNET, url="http://127.0.0.1:9/nothing"))
    with pytest.raises(WeightsError, match=r"put the file yunet_n_640_640\.onnx into"):
        export_on(scene, tmp_path / "out" / "release", Terms(profile=PUBLIC), missed=tables.empty(tables.MISSED))
    assert not (tmp_path / "out").exists()


def test_a_detection_on_a_mask_is_no_face() -> None:
    masks = np.array([[0, 0, 10, 20], [10, 0, 20, 10]], np.int32)
    assert masked_share((0, 0, 20, 20), masks) == 0.75
    assert masked_share((2, 2, 8, 8), masks) == 1 and masked_share((30, 30, 40, 40), masks) == 0
    assert masked_share((0, 0, 4, 4), masks[:0]) == 0


def test_pictures_are_seen_in_their_colours() -> None:
    grey = tuple(np.full(shape, value, np.uint8) for shape, value in (((6, 8), 126), ((3, 4), 128), ((3, 4), 128)))
    assert to_bgr(grey).shape == (6, 8, 3) and np.ptp(to_bgr(grey)) == 0
    red = (grey[0], np.full((3, 4), 90, np.uint8), np.full((3, 4), 240, np.uint8))
    blue, green, much = to_bgr(red)[0, 0].tolist()
    assert much > 250 and max(blue, green) < 90


def test_large_pictures_are_looked_at_smaller_and_boxes_are_theirs(face: Planes, yunet: Path) -> None:
    y = np.full((2160, 3840), 90, np.uint8)
    u, v = (np.full((1080, 1920), 128, np.uint8) for _ in range(2))
    big = tuple(piece.repeat(4, axis=0).repeat(4, axis=1) for piece in face)
    paste((y, u, v), big, (3000, 1200))
    search = FaceSearch(yunet, 1)
    search.look("view1", 0, 0.0, (y, u, v), np.zeros((0, 4), np.int32))
    (found,) = search.found
    assert 3000 <= found.box[0] < found.box[2] <= 3320 and 1200 <= found.box[1] < found.box[3] <= 1584
