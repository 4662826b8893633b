"""A Hub that lists names of files which lead out of a folder, or answers with nonsense: a sentence
says so before the Hub's client makes files of them."""

from __future__ import annotations

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

ROOT = Path(__file__).parents[2]
COMMIT = "a" * 40
CARD = b"---\nlicense: mit\n---\n"
NAMES = ["../../x", "/abs/x", "..\\..\\x", "a\0b", ".", "a//b", "", "a/../../b", "\ud800.png"]
LIES = {"a tree that is missing": (404, ["x"]), "a tree of numbers": (200, [1, 2])}
FETCHES = """
import json, sys
from hubtools.dataset.sources.download import fetch_dataset
said = []
for number in range(int(sys.argv[1])):
    try:
        said.append([str(fetch_dataset(f"o/d{number}")[0]), ""])
    except Exception as error:
        said.append([type(error).__name__, str(error)])
print(json.dumps(said))
"""


def entry(path: str) -> dict[str, Any]:
    data = CARD if path == "README.md" else b"abc"
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    return {"type": "file", "path": path, "oid": oid, "size": len(data)}


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        number = int(re.search(r"/o/d(\d+)", self.path)[1])  # type: ignore[index]
        listed = [entry("README.md"), entry("0.png"), *map(entry, NAMES[number : number + 1])]
        if "/tree/" in self.path:
            told = number - len(NAMES) - 1
            self.say(*(list(LIES.values())[told] if told >= 0 else (200, listed)))
        elif self.path.startswith("/api/"):
            self.say(200, {"id": f"o/d{number}", "sha": COMMIT, "private": False, "siblings": []})
        elif self.path.endswith(("/README.md", "/0.png")):
            name = self.path.rpartition("/")[2]
            data, mark = (CARD if name == "README.md" else b"abc"), entry(name)["oid"]
            self.say(200, data, {"X-Repo-Commit": COMMIT, "ETag": f'"{mark}"'})
        else:
            self.say(404, b"", {"X-Repo-Commit": COMMIT, "X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET

    def say(self, status: int, answer: Any, heads: dict[str, str] | None = None) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in (heads or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[str]], list[str]]:
    """(kind of error and sentence, or folder) for each name, one without and each lie; what was
    asked."""
    home = tmp_path_factory.mktemp("home")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        more = {"HF_ENDPOINT": place, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", FETCHES, str(len(NAMES) + 1 + len(LIES))],
            env=os.environ | more | {"HF_HUB_DISABLE_XET": "1"},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        server.shutdown()
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), server.asked  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", range(len(NAMES)), ids=map(ascii, NAMES))
def test_a_name_that_leads_out_is_told(
    told: tuple[list[list[str]], list[str]], number: int
) -> None:
    kind, said = told[0][number]
    assert kind == "HubtoolsError", said
    assert said.startswith("The Hub's answer"), said
    fetched = [path for path in told[1] if f"/o/d{number}/resolve/" in path]
    assert not fetched or "\\" in NAMES[number]  # which is a letter like others here


@pytest.mark.parametrize("lie", LIES)
def test_a_list_that_is_none_is_told(told: tuple[list[list[str]], list[str]], lie: str) -> None:
    kind, said = told[0][len(NAMES) + 1 + list(LIES).index(lie)]
    assert kind == "HubtoolsError", said
    assert said.startswith("The Hub's answer"), said


def test_names_like_others_are_fetched(told: tuple[list[list[str]], list[str]]) -> None:
    folder, said = told[0][len(NAMES)]
    assert folder.endswith(COMMIT), said
    assert sorted(path.name for path in Path(folder).iterdir()) == ["0.png", "README.md"]
