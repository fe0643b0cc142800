"""Named weights: found, fetched, checked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from drape.assets import Asset, cache_folder, locate
from drape.detection import PRESETS
from drape.errors import WeightsError

CONTENT = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``CONTENT`` as ``/w.pth``; anything else is missing. ``paths`` lists what was asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.content = CONTENT
        super().__init__(("127.0.0.1", 0), Handler)

    def asset(self, sha256: str = DIGEST, path: str = "w.pth") -> Asset:
        return Asset("small", "w-1234.pth", f"http://127.0.0.1:{self.server_port}/{path}", sha256)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        if self.path != "/w.pth":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DRAPE_CACHE", str(folder))
    return folder


def test_a_missing_file_is_downloaded_once(server: Server, cache: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    path = locate(server.asset(), progress=lambda *args: seen.append(args))
    assert path == cache / "w-1234.pth"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT), "download small")
    assert [done for done, _, _ in seen[:-1]] == sorted(done for done, _, _ in seen[:-1])
    assert locate(server.asset()) == path
    assert server.paths == ["/w.pth"]
    assert [p.name for p in cache.iterdir()] == ["w-1234.pth"]


def test_a_file_that_is_there_is_used_without_network(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / "w-1234.pth").write_bytes(CONTENT)
    assert locate(server.asset(), offline=True).read_bytes() == CONTENT
    assert locate(server.asset(DIGEST[:8])).read_bytes() == CONTENT
    assert server.paths == []


def test_an_altered_file_is_refused_and_left_alone(server: Server, cache: Path) -> None:
    cache.mkdir()
    altered = CONTENT[:-1] + b"!"
    (cache / "w-1234.pth").write_bytes(altered)
    for sha256 in (DIGEST, DIGEST[:8]):
        with pytest.raises(WeightsError, match="not the published one") as caught:
            locate(server.asset(sha256))
        assert "w-1234.pth" in str(caught.value)
    assert (cache / "w-1234.pth").read_bytes() == altered
    assert server.paths == []


@pytest.mark.parametrize("sha256", ["0" * 64, "0" * 8, DIGEST[:8] + "0" * 8])
def test_a_wrong_download_is_not_kept(server: Server, cache: Path, sha256: str) -> None:
    with pytest.raises(WeightsError, match="not the published file"):
        locate(server.asset(sha256))
    assert list(cache.iterdir()) == []


def test_a_broken_off_download_is_not_kept(server: Server, cache: Path) -> None:
    server.content = CONTENT[: len(CONTENT) // 2]
    with pytest.raises(WeightsError):
        locate(server.asset())
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("how", ["offline", "unreachable", "gone"])
def test_without_network_it_says_what_to_put_where(server: Server, cache: Path, how: str) -> None:
    asset = server.asset(path="other.pth")
    if how == "unreachable":
        server.server_close()
    with pytest.raises(WeightsError) as caught:
        locate(asset, offline=how == "offline")
    text = str(caught.value)
    assert asset.url in text
    assert "w-1234.pth" in text
    assert "DRAPE_CACHE" in text
    assert str(cache) not in text
    assert not list(cache.glob("*")) if cache.exists() else True
    assert server.paths == (["/other.pth"] if how == "gone" else [])


def test_a_folder_that_cannot_be_written_is_an_error(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRAPE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match="cannot be written"):
        locate(server.asset())


def test_the_default_folder_is_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRAPE_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home_of_hans"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home_of_hans" / ".cache"))
    assert cache_folder() == tmp_path / "home_of_hans" / ".cache" / "drape"
    with pytest.raises(WeightsError) as caught:
        locate(Asset("small", "w.pth", "https://example.org/w.pth", DIGEST), offline=True)
    assert "~" in str(caught.value)
    assert "hans" not in str(caught.value)


@pytest.mark.parametrize("sha256", ["", "abc", "A" * 64, DIGEST + "0", "zzzzzzzz"])
def test_an_asset_needs_a_digest(sha256: str) -> None:
    with pytest.raises(ValueError, match="sha256"):
        Asset("small", "w.pth", "https://example.org/w.pth", sha256)


@pytest.mark.parametrize("filename", ["../w.pth", "/etc/w.pth", "", ".."])
def test_an_asset_stays_in_its_folder(filename: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        Asset("small", filename, "https://example.org/w.pth", DIGEST)


def test_presets_are_published_by_openmmlab_under_their_digest() -> None:
    for preset in (preset for preset in PRESETS.values() if preset.folder is None):
        asset = preset.asset
        assert asset.url.startswith("https://download.openmmlab.com/")
        assert asset.url.endswith("/" + asset.filename)
        assert asset.filename.endswith(f"-{asset.sha256[:8]}.pth")
