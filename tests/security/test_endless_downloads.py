"""A download ends: at the size that the server gave, or before the disk is full."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.hub import sizes

ROOT = Path(__file__).parents[2]
COMMIT = "1" * 40
BLOCK = b"x" * 65536
ASKS = """
import json, shutil, sys
from hubtools.errors import HubtoolsError
from hubtools.hub.client import open_file
from hubtools.hub.download import fetched, snapshot_of
from hubtools.hub import sizes
from hubtools.hub.sizes import SIZES

def without_room(repo):
    sizes._LEFT = shutil.disk_usage(".").free - 10**9  # a disk of which a GB is free
    return fetched(repo, "a.bin")

def snapshot_again(repo):
    SIZES._known.clear()
    return snapshot_of(repo)

said = {}
asks = {
    "endless": lambda: fetched("o/endless", "a.bin"),
    "endless elsewhere": lambda: fetched("o/elsewhere", "a.bin"),
    "endless, to be read": lambda: open_file("o/endless", "model", "main", "b.bin"),
    "endless, of a folder": lambda: snapshot_of("o/endless"),
    "endless, of a folder seen before": lambda: snapshot_again("o/endless"),
    "packed": lambda: fetched("o/packed", "a.json"),
    "well": lambda: len(fetched("o/well", "a.bin").read_bytes()),
    "huge": lambda: without_room("o/huge"),
}
for name, ask in asks.items():
    try:
        said[name] = str(ask())
    except HubtoolsError as error:
        said[name] = error.message
print(json.dumps(said))
"""
SAYS = {
    "endless": "is longer than 70,000 bytes",
    "endless elsewhere": "is longer than 70,000 bytes",
    "endless, to be read": "is longer than 70,000 bytes",
    "endless, of a folder": "is longer than 70,000 bytes",
    "endless, of a folder seen before": "is longer than 70,000 bytes",
    "packed": "is longer than 70,000 bytes",
    "huge": "does not fit on the disk",
    "well": "70000",
}


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.send_response(302 if "/elsewhere/" in self.path else 200)
        if "/elsewhere/" in self.path:
            self.send_header("Location", f"http://{self.headers['Host']}/storage/a?signed=1")
            self.send_header("X-Linked-Size", "70000")
        size = 4 * 10**10 if "/huge/" in self.path else 70_000
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{self.path.replace("/", "-")}"')
        self.send_header("Content-Length", "0" if "/elsewhere/" in self.path else str(size))
        self.end_headers()

    def do_GET(self) -> None:
        if "/api/" in self.path:
            tree = [{"type": "file", "path": "c d.bin", "oid": COMMIT, "size": 70_000}]
            info = {"id": "o/endless", "sha": COMMIT, "siblings": []}
            self.answer(json.dumps(tree if "/tree/" in self.path else info).encode())
            return
        if "/well/" in self.path:
            self.answer(BLOCK + b"x" * (70_000 - len(BLOCK)))
            return
        self.send_response(200)
        if "/packed/" in self.path:
            import gzip

            data = gzip.compress(bytes(20_000_000))
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while True:  # until nobody listens
                self.wfile.write(BLOCK)
        except OSError:
            self.close_connection = True

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[str]]:
    """What each download says, and the files that are in the cache then."""
    home = tmp_path_factory.mktemp("home")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        done = subprocess.run(
            [sys.executable, "-c", ASKS],
            env=os.environ
            | {"HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(home), "PYTHONPATH": str(ROOT)},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=300,
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    files = [path.relative_to(home).as_posix() for path in home.rglob("blobs/*") if path.is_file()]
    return json.loads(done.stdout.splitlines()[-1]), files


@pytest.mark.parametrize("case", SAYS)
def test_downloads_end(told: tuple[dict[str, str], list[str]], case: str) -> None:
    assert SAYS[case] in told[0][case]


def test_nothing_is_left_of_them(told: tuple[dict[str, str], list[str]]) -> None:
    assert [name.split("/")[0] for name in told[1]] == ["models--o--well"]


@pytest.mark.parametrize(
    ("size", "what"), [(60_000, "A download of 60,000 bytes"), (0, "The rest")]
)
def test_room_that_stays_free_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, what: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    free = shutil.disk_usage(tmp_path)._replace(free=62_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(HubtoolsError, match=what) as caught:
        sizes.refuse_without_room(size)
    assert "62,000,000 bytes are free, of which 100,000,000 are to stay free" in str(caught.value)
    assert f"free {size + 38_000_000:,} bytes more" in str(caught.value.hint)
