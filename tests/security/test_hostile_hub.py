"""A server that only calls itself a Hub: what it lists is checked, and a listing ends."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

COMMIT = "1" * 40
ROOT = Path(__file__).parents[2]


def entry(path: str, **more: Any) -> dict[str, Any]:
    oid = hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()
    return {"type": "file", "path": path, "oid": oid, "size": 3} | more


ASKS = """
import json, sys
from tests.typed import typed
said = []
for number in range(int(sys.argv[1])):
    done = typed("validate", f"hf://datasets/o/d{number}")
    said.append((done.returncode, done.stderr))
print(json.dumps(said))
"""


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = re.search(r"/o/d(\d+)", self.path)
        assert found
        number = int(found[1])
        answers = {"info": INFO | {"id": f"o/d{number}"}, "tree": []} | list(CASES.values())[
            number
        ][0]
        tree = "/tree/" in self.path
        answer = answers["tree" if tree else "info"]
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if isinstance(answer, bytes):
            self.send_header("Content-Encoding", answers.get("packing", "gzip"))
        if tree and "link" in answers:
            link = answers["link"].format(self.headers["Host"], number)
            self.send_header("Link", f'<{link}>; rel="next"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """(exit code, stderr) for each case; one process asks for all, since the Hub's client reads
    where the Hub is when it is imported."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        done = subprocess.run(
            [sys.executable, "-c", ASKS, str(len(CASES))],
            env=os.environ | {"HF_ENDPOINT": endpoint, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path_factory.mktemp("nothing"),
            capture_output=True,
            text=True,
            timeout=900,
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


def packed(text: bytes, times: int) -> bytes:
    """Much in a few bytes."""
    return gzip.compress(text * times, 1)


INFO = {"id": "o/d", "sha": COMMIT, "private": False, "tags": [], "downloads": 0, "siblings": []}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "endless": ({"tree": [entry("a.png")], "link": "http://{}/api/x/o/d{}/tree/1"}, "a.png' twice"),
    "endless and empty": ({"link": "http://{}/api/x/o/d{}/tree/1"}, "does not end"),
    "elsewhere": ({"link": "http://127.0.0.1:1/api/x/tree/1"}, "another server"),
    "huge": ({"tree": [entry("a.png", size=10**30)]}, "has a size of"),
    "negative": ({"tree": [entry("a.png", size=-5)]}, "has a size of -5"),
    "text": ({"tree": "nonsense"}, "not a list of files"),
    "numbers": ({"tree": [1, 2]}, "not a file"),
    "odd commit": ({"info": INFO | {"sha": "../../x"}}, "makes no sense"),
    "list": ({"info": [1, 2]}, "cannot be used"),
    "packed list": ({"tree": packed(b" " * 1000, 65_000)}, "is longer than 64,000,000 bytes"),
    "packed facts": ({"info": packed(b" " * 1000, 65_000)}, "is longer than 64,000,000 bytes"),
    "many values": ({"tree": packed(b"[],", 2_500_000)}, "more values than are read"),
    "other packing": ({"tree": b"x", "packing": "br"}, "which nobody asked for"),
    "damaged packing": ({"tree": b"x"}, "is damaged"),
    "hash": (
        {"tree": [entry("a.png", lfs={"oid": "../" * 21 + "x", "size": 3})]},
        "has the hash",
    ),
    "out of it": ({"tree": [entry("../../../a.png")]}, "no name of a file"),
}


@pytest.mark.parametrize("case", CASES)
def test_answers_that_make_no_sense(told: dict[str, tuple[int, str]], case: str) -> None:
    code, said = told[case]
    assert code == 1
    assert CASES[case][1] in " ".join(said.split()), said
    assert "Traceback" not in said
    assert "bug in" not in said
