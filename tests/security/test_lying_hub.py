"""A Hub that answers one question with nonsense: a sentence says so, whichever it was."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from huggingface_hub import constants

from hubtools.errors import HubtoolsError
from hubtools.hub import collections
from hubtools.localhub.server import Hub
from tests.drawing import write_pictures

ROOT = Path(__file__).parents[2]
ASKS = """
import json, sys, urllib.request
from tests.flushing import ask_again_soon
from tests.typed import typed
ask_again_soon()
said = []
for number in range(int(sys.argv[1])):
    urllib.request.urlopen(sys.argv[2] + f"/-/lie/{number}").read()
    done = typed("push", "ds", f"me/{'new' if number % 2 else 'old'}{number}", *sys.argv[3:])
    said.append((done.returncode, done.stderr))
print(json.dumps(said))
"""
# (question, status or None for that of the truth, answer or how much of the true one)
TAGS = (
    b'{"branches": [], "converts": [], "tags": [{"name": 7, "ref": [], "targetCommit": {}},'
    b' {"name": "x", "ref": 1, "targetCommit": 2}]}'
)
OTHERS = b'{"objects": [{"oid": "a", "size": 3, "actions": {"upload": {"href": "http://127.0.0.1:9/x"}}}]}'
# of a repository that is there, and of a new one, in turn
LIES: dict[str, tuple[str, int | None, bytes | float]] = {
    "tags": (r"/refs$", None, b'{"branches": [], "converts": [], "tags": "x"}'),
    "may I write": (r"/auth-check/", 404, b"0"),
    "branches": (r"/refs$", None, b'{"branches": 1000, "converts": [], "tags": []}'),
    "who am I": (r"/whoami-v2$", None, 0.5),
    "half of the tags": (r"/refs$", None, 0.5),
    "nobody": (r"/whoami-v2$", None, b'{"name": 7, "orgs": [{"name": null}]}'),
    "a commit": (r"/commit/main$", None, b'{"success": true}'),
    "my organisations": (r"/whoami-v2$", None, b'{"name": "me", "orgs": 3}'),
    "files to send": (r"/preupload/", None, b'{"files": [{"path": 1}]}'),
    "a repository": (r"/repos/create$", None, b"[]"),
    "large files": (r"/objects/batch$", None, b'{"objects": [{"oid": 3}]}'),
    "a new one's commit": (r"/commit/main$", None, b"[]"),
    "names of tags": (r"/refs$", None, TAGS),
    "other large files": (r"/objects/batch$", None, OTHERS),
}


@contextmanager
def lying(hub: Hub) -> Iterator[str]:
    """The address of a server that hands on to `hub`, but for the lie that was asked for last."""
    lie: list[tuple[str, int | None, bytes | float]] = []

    class Liar(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith("/-/lie/"):
                lie[:] = [list(LIES.values())[int(self.path.rpartition("/")[2])]]
                self.say(200, b"", {})
                return
            there = http.client.HTTPConnection("127.0.0.1", hub.port)
            kept = {k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"}
            there.request(self.command, self.path, body, kept)
            found = there.getresponse()
            status, data = found.status, found.read()
            heads = {k: v for k, v in found.getheaders() if k.startswith(("x-", "content-type"))}
            there.close()
            pattern, other, answer = lie[0]
            if re.search(pattern, self.path.partition("?")[0]):
                status = other or status
                half = isinstance(answer, float)
                data = data[: int(len(data) * answer)] if half else answer  # type: ignore[assignment]
            self.say(status, data, heads)

        def say(self, status: int, data: bytes, heads: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in heads.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_HEAD = answer

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """(exit code, stderr) of a push for each lie; one process, as the client reads once where the
    Hub is. Every other repository is there already."""
    place = tmp_path_factory.mktemp("lies")
    write_pictures(place / "ds", 2)
    (place / "ds/README.md").write_text("---\nlicense: mit\n---\n# X\n")
    with Hub(place / "hub") as hub, lying(hub) as endpoint:
        for number in range(0, len(LIES), 2):
            made = {"name": f"old{number}", "type": "dataset", "private": True}
            asked = http.client.HTTPConnection("127.0.0.1", hub.port)
            heads = {"Authorization": f"Bearer {hub.token}"}
            asked.request("POST", "/api/repos/create", json.dumps(made), heads)
            assert asked.getresponse().status == 200
            asked.close()
        done = subprocess.run(
            [sys.executable, "-c", ASKS, str(len(LIES)), endpoint, "--release", "v1"],
            env=os.environ
            | {
                "HF_ENDPOINT": endpoint,
                "HF_TOKEN": hub.token,
                "HF_HOME": str(place / "home"),
                "PYTHONPATH": str(ROOT),
            },
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return dict(zip(LIES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("lie", [lie for lie in LIES if lie != "names of tags"])
def test_nonsense_is_told(told: dict[str, tuple[int, str]], lie: str) -> None:
    code, said = told[lie]
    assert code == 1, said
    assert "The Hub's answer cannot be used" in said


def test_nonsense_that_nobody_asked_for(told: dict[str, tuple[int, str]]) -> None:
    code, said = told["names of tags"]
    assert code == 0, said


@pytest.mark.parametrize(
    "slug", ["me/\n::add-mask::x", "../../api/repos/x", "me/../x", "me", 7, ""]
)
def test_a_collection_that_is_called_as_none_can_be(
    slug: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"slug": slug, "title": "mine", "items": [], "owner": {"name": "me"}, "theme": "blue"}
    there |= {"lastUpdated": "2026-01-01T00:00:00.000Z", "private": True, "upvotes": 0}

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = "whoami" in self.path
            data = json.dumps({"name": "me", "orgs": []} if known else [there]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("HF_TOKEN", "hf_local")
        at = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", at)
        try:
            _finds_none(slug)
        finally:
            server.shutdown()


def _finds_none(slug: object) -> None:
    with pytest.raises(HubtoolsError, match="answer cannot be used"):
        collections.find("mine", "me/x", "model", private=True)
    if isinstance(slug, str) and "/" in slug and not slug.startswith("."):
        with pytest.raises(HubtoolsError, match="is no collection"):
            collections.find(slug, "me/x", "model", private=True)
