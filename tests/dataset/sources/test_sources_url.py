"""Datasets behind a web server, which may fail, change and lie."""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hubtools.dataset.packing.write import shard
from hubtools.dataset.validate import validate
from hubtools.errors import HubtoolsError
from hubtools.findings import Finding
from hubtools.settings import DatasetSettings

pytest.importorskip("aiohttp", reason="the extra url is not installed")


class _Handler(SimpleHTTPRequestHandler):
    """Knows ranges, and does to names in `broken` what they say."""

    broken: ClassVar[dict[str, str]] = {}
    asked: ClassVar[list[str]] = []

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(self.path)
        kind = self.broken.get(Path(self.path).name)
        path = Path(self.translate_path(self.path))
        if kind == "500" or (kind == "404" and self.command == "GET"):
            self.send_error(int(kind))
            return
        if not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        asked = self.headers.get("Range")
        begin, end = 0, len(data)
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last) + 1 if last else len(data), len(data))
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        part = data[begin:end]
        self.wfile.write(part[: len(part) // 2] if kind == "cut" else part)
        if kind == "cut":
            self.close_connection = True


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and its address."""
    root = tmp_path / "www"
    root.mkdir()
    _Handler.broken, _Handler.asked = {}, []
    monkeypatch.setattr("hubtools.dataset.sources.retrying_file.PAUSE", 0.01)
    handler = functools.partial(_Handler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield root, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def found(where: str, settings: DatasetSettings) -> list[Finding]:
    return validate(where, settings, resolution=64).sorted()


def test_files_and_folders(good: Path, served: tuple[Path, str], settings: DatasetSettings) -> None:
    root, url = served
    shutil.copytree(good, root / "set" / "sub set")
    shutil.copy(good / "0.png", good / "copy.png")
    shutil.make_archive(str(root / "a"), "zip", good)
    shutil.make_archive(str(root / "a"), "gztar", good)
    (good / "copy.png").unlink()
    shard(good, root / "shards")
    assert found(f"{url}/set/sub%20set", settings) == []
    for name in ("a.zip", "a.tar.gz"):
        for _ in range(2):
            told = [(f.rule, f.place) for f in found(f"{url}/{name}?token=secret", settings)]
            assert told == [("D401", f"{name}!0.png"), ("D202", f"{name}!copy.png")]
    report = validate(f"{url}/a.zip?token=secret", settings, resolution=64)
    assert report.subject == f"{url}/a.zip"
    parquet = "shards/data/train-00000-of-00001.parquet"
    assert validate(f"{url}/{parquet}", settings, resolution=64).facts["pictures"] == 3


def test_a_tar_is_fetched_once(
    good: Path, served: tuple[Path, str], settings: DatasetSettings
) -> None:
    root, url = served
    shutil.make_archive(str(root / "a"), "tar", good)
    settings = settings.model_copy(update={"near_radius": -1})  # else some are compared
    assert found(f"{url}/a.tar", settings) == []
    assert _Handler.asked.count("/a.tar") == 1


def test_what_fails_on_the_way_is_told(
    good: Path, served: tuple[Path, str], settings: DatasetSettings
) -> None:
    root, url = served
    shutil.copytree(good, root / "set")
    _Handler.broken = {"0.png": "404", "1.png": "500", "2.png": "cut"}
    findings = found(f"{url}/set", settings)
    assert [(f.rule, f.place) for f in findings] == [("D301", f"{n}.png") for n in range(3)]
    assert "no longer there" in findings[0].message
    assert "HTTP 500" in findings[1].message
    assert "cannot be read whole: it cannot be read: " in findings[2].message


def test_a_cut_archive(good: Path, served: tuple[Path, str], settings: DatasetSettings) -> None:
    root, url = served
    shutil.make_archive(str(root / "a"), "gztar", good)
    _Handler.broken = {"a.tar.gz": "cut"}
    assert "D801" in [f.rule for f in found(f"{url}/a.tar.gz", settings)]


def test_nobody_there(served: tuple[Path, str], settings: DatasetSettings) -> None:
    _, url = served
    with pytest.raises(HubtoolsError, match="There is nothing at "):
        found(f"{url}/nothing.zip", settings)
    with pytest.raises(HubtoolsError, match=r"cannot be read: .*connect"):
        found("http://127.0.0.1:9/a.zip", settings)
