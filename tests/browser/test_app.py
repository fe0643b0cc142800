"""A curator at work: the real App in a real browser, from an empty database to boxes on two views."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drape.media import Mosaic, plan_mosaic
from drape.pipeline import Workspace
from numpy.typing import NDArray
from support.blobs import make_recording
from support.database import ROOT, Server, end_with_parent, free_port

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIDEO = "[data-cy=modal-looker-container]"
OPERATORS = (
    "ingest_recording",
    "detect_candidates",
    "track_persons",
    "associate_views",
    "retrieve_missed",
    "adapt_detector",
    "train_realtime_detector",
    "estimate_poses",
    "export_release",
    "run_pipeline",
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of an App server with an empty database."""
    server = Server()
    problem = server.start()
    if problem is not None:
        pytest.skip(problem)
    port = free_port()
    environment = {**os.environ, **server.environment(), "FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS": "true"}
    environment["PYTHONPATH"] = str(ROOT / "tests")
    command = [sys.executable, "-m", "support.app_server", "--port", str(port), "--address", "127.0.0.1"]
    with open(tmp_path / "server.log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, preexec_fn=end_with_parent)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process, tmp_path / "server.log")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)
        server.stop()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the App does not answer: {log.read_text()}")


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of a headless browser."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no {CHROMIUM}: install Debian's chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        # The App's advertisement lies over the grid until it has been seen once.
        page.add_init_script("localStorage.setItem('fiftyone-enterprise-tooltip-seen', 'true')")
        yield page
        browser.close()


@pytest.fixture
def recording(tmp_path: Path) -> dict[str, str]:
    """What is entered into the form; DRAPE_SCREENSHOT_SOURCE and DRAPE_SCREENSHOT_WEIGHTS name a real recording."""
    source = os.environ.get("DRAPE_SCREENSHOT_SOURCE")
    if source:
        weights = os.environ.get("DRAPE_SCREENSHOT_WEIGHTS", "")
        return {"source": source, "preset": "rtmdet-nano-person", "weights": weights}
    make_recording(tmp_path / "operation", frames=50, size=(640, 360))
    return {"source": str(tmp_path / "operation"), "preset": "blobs", "weights": ""}


def test_curator_runs_the_pipeline_and_sees_persons_in_two_views(
    address: str, page: Any, recording: dict[str, str], tmp_path: Path
) -> None:
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_selector("[data-cy=index-page]", timeout=60_000)
    _every_operator_is_listed(page)
    _open_operator(page, "run_pipeline")
    _shoot(page, tmp_path, "operators")
    _fill_form(page, recording, tmp_path / "releases")
    _shoot(page, tmp_path, "form")
    result = _execute_now(page)
    assert result["recordings"] == 1
    assert result["masked_frames"] > 0
    assert [path.name for path in (tmp_path / "releases").glob("rec-*/manifest.json")] == ["manifest.json"]
    _open_mosaic(page)
    _shoot(page, tmp_path, "persons")
    assert len(_labelled_tiles(page, tmp_path / "workspace")) >= 2


def _every_operator_is_listed(page: Any) -> None:
    for name in OPERATORS:
        _search(page, name)
        page.wait_for_selector(f"[data-cy=operators-browser] >> text={name}", timeout=20_000)
        page.keyboard.press("Escape")


def _search(page: Any, name: str) -> None:
    """Type a name into the operator browser; where the App still draws and takes no keys, press the key again."""
    from playwright.sync_api import TimeoutError as TooLate

    page.wait_for_timeout(1500)
    field = page.get_by_placeholder("Search operations by name")
    for _ in range(12):
        page.keyboard.press("Backquote")
        try:
            field.wait_for(state="visible", timeout=5_000)
            break
        except TooLate:
            continue
    field.fill(name, timeout=20_000)
    page.wait_for_timeout(500)


def _open_operator(page: Any, name: str) -> None:
    _search(page, name)
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-cy=operators-prompt-modal]", timeout=30_000)


def _field(page: Any, label: str) -> Any:
    """The input below a label of the open form."""
    form = page.locator("[data-cy=operators-prompt-modal]")
    return form.locator(f"xpath=.//*[text()='{label}']/following::input[not(@aria-hidden)][1]")


def _fill_form(page: Any, recording: dict[str, str], target: Path) -> None:
    form = page.locator("[data-cy=operators-prompt-modal]")
    for label, value in {
        "Source": recording["source"],
        "Dataset": "theatre",
        "Workspace": str(target.parent / "workspace"),
        "Folder of releases": str(target),
    }.items():
        _field(page, label).fill(value)
        page.wait_for_timeout(1500)
    form.get_by_text("Change detection settings").click()
    form.locator("[role=combobox]").click()
    page.locator("[role=option]", has_text=recording["preset"]).click()
    page.wait_for_timeout(1500)
    if recording["weights"]:
        _field(page, "Weights").fill(recording["weights"])
        page.wait_for_timeout(1500)


def _execute_now(page: Any) -> dict[str, Any]:
    """Choose "Execute" instead of "Schedule", and wait for the operator's result."""
    form = page.locator("[data-cy=operators-prompt-modal]")
    form.locator("svg[data-testid=ArrowDropDownIcon]").last.click()
    page.get_by_text("Run this operation synchronously").click()

    def is_ours(response: Any) -> bool:
        return "/operators/execute" in response.url and "run_pipeline" in (response.request.post_data or "")

    with page.expect_response(is_ours, timeout=400_000) as answer:
        form.get_by_role("button", name="Execute", exact=True).click()
    content = answer.value.json()
    assert not content["error"], content["error_message"]
    return dict(content["result"])


def _open_mosaic(page: Any) -> None:
    """Open the recording at the middle of its mosaic."""
    page.wait_for_selector("[data-cy=fo-grid] [data-cy=looker]", timeout=60_000)
    page.locator("[data-cy=fo-grid] [data-cy=looker]").first.click()
    page.wait_for_selector(f"{VIDEO} canvas", timeout=60_000)
    page.wait_for_timeout(3000)
    page.get_by_test_id("timeline-ruler").click()
    page.wait_for_timeout(3000)


def _labelled_tiles(page: Any, workspace: Path) -> set[str]:
    """The views in whose tile of the open mosaic label tags vanish when the persons are switched off."""
    mosaic = _mosaic(workspace)
    shown = _picture(page, mosaic)
    page.locator("[data-cy=modal] [data-cy='checkbox-frames.persons']").click()
    page.wait_for_timeout(2000)
    changed = np.abs(shown - _picture(page, mosaic)).max(axis=2) > 60
    solid = cv2.erode(changed.astype(np.uint8), np.ones((5, 5), np.uint8))
    return {
        tile.view
        for tile in mosaic.tiles
        if solid[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width].sum() > 50
    }


def _picture(page: Any, mosaic: Mosaic) -> NDArray[np.int16]:
    """What the App shows inside the video's edges, scaled to the video's own size."""
    screen = cv2.imdecode(np.frombuffer(page.locator(VIDEO).screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert screen is not None
    height, width = screen.shape[:2]
    scale = min(width / mosaic.width, height / mosaic.height)
    w, h = int(mosaic.width * scale), int(mosaic.height * scale)
    x, y = (width - w) // 2, (height - h) // 2
    return np.asarray(cv2.resize(screen[y : y + h, x : x + w], (mosaic.width, mosaic.height)), np.int16)


def _mosaic(workspace: Path) -> Mosaic:
    (folder,) = workspace.iterdir()
    ws = Workspace.open(folder)
    times = {view.id: ws.frames(view.id).column("time").to_numpy() for view in ws.recording.views}
    return plan_mosaic(ws.recording.views, times)


def _shoot(page: Any, tmp_path: Path, name: str) -> Path:
    folder = Path(os.environ.get("DRAPE_SCREENSHOTS", tmp_path / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")
    return folder / f"{name}.png"
