"""A server that only calls itself a Hub: what it lists is checked, and a listing ends."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COMMIT = "1" * 40


def entry(path: str, **more: Any) -> dict[str, Any]:
    oid = hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()
    return {"type": "file", "path": path, "oid": oid, "size": 3} | more


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tree: Any = None
    info: Any = None
    link: str | None = None

    def do_GET(self) -> None:
        tree = "/tree/" in self.path
        body = json.dumps(self.tree if tree else self.info).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if tree and self.link:
            self.send_header("Link", f'<{self.link.format(self.headers["Host"])}>; rel="next"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()


INFO = {"id": "o/d", "sha": COMMIT, "private": False, "tags": [], "downloads": 0, "siblings": []}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "endless": ({"tree": [entry("a.png")], "link": "http://{}/api/x/tree/1"}, "a.png' twice"),
    "endless and empty": ({"link": "http://{}/api/x/tree/1"}, "does not end"),
    "elsewhere": ({"link": "http://127.0.0.1:1/api/x/tree/1"}, "another server"),
    "huge": ({"tree": [entry("a.png", size=10**30)]}, "has a size of"),
    "negative": ({"tree": [entry("a.png", size=-5)]}, "has a size of -5"),
    "text": ({"tree": "nonsense"}, "not a list of files"),
    "numbers": ({"tree": [1, 2]}, "not a file"),
    "odd commit": ({"info": INFO | {"sha": "../../x"}}, "makes no sense"),
    "list": ({"info": [1, 2]}, "makes no sense"),
}


@pytest.mark.parametrize("case", CASES)
def test_answers_that_make_no_sense(
    server: http.server.ThreadingHTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    answers, words = CASES[case]
    for name, value in ({"info": INFO, "tree": [], "link": None} | answers).items():
        monkeypatch.setattr(Answers, name, value)
    done = subprocess.run(
        [sys.executable, "-m", "hubtools", "validate", "hf://datasets/o/d"],
        env=os.environ | {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert words in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr
    assert "bug in" not in done.stderr
