"""What the embedded Hub costs: a request on a kept connection, many small commits, a repository of
50,000 files (its list, its info, a commit, the memory after forty), and a large download beside
that of a plain file server. The Hub runs as a process of its own, and so does the file server.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import keep
from huggingface_hub import HfApi, constants

TOKEN = "hf_local"
FILES = 50_000
COMMITS = 40
LARGE = 500_000_000  # bytes
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/x-ndjson"}
SERVER = """
import functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *arguments): pass
serving = functools.partial(Handler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serving)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def process(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server and the line that it says first."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running, running.stdout.readline()
        finally:
            running.terminate()


def memory(pid: int) -> int:
    """Megabytes that a process holds."""
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000


def took(action: Any, *arguments: Any, **named: Any) -> float:
    """Seconds."""
    begun = time.perf_counter()
    action(*arguments, **named)
    return time.perf_counter() - begun


def fetch(port: int, path: str) -> int:
    """The bytes of a file, read and let go."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
    answer, total = connection.getresponse(), 0
    while block := answer.read(1 << 20):
        total += len(block)
    connection.close()
    return total


def commit(api: HfApi, repo: str, files: dict[str, bytes]) -> None:
    """One commit of regular files, without looking at them first."""
    lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": "files"}}]
    for path, data in files.items():
        content = base64.b64encode(data).decode()
        value = {"path": path, "content": content, "encoding": "base64"}
        lines.append({"key": "file", "value": value})
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    host = api.endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    connection.request("POST", f"/api/models/{repo}/commit/main", body, HEADERS)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise RuntimeError(said.decode())
    connection.close()


def requests(api: HfApi) -> Iterator[tuple[str, float]]:
    """One connection, and the client's own small uploads."""
    connection = http.client.HTTPConnection(api.endpoint.removeprefix("http://"))
    times = []
    for _ in range(300):
        begun = time.perf_counter()
        connection.request("GET", "/api/whoami-v2", headers=HEADERS)
        connection.getresponse().read()
        times.append(time.perf_counter() - begun)
    yield "request on a kept connection, ms (median)", statistics.median(times) * 1000
    api.create_repo("me/small")
    begun = time.perf_counter()
    for number in range(50):
        api.upload_file(
            path_or_fileobj=b"x%d" % number, path_in_repo=f"{number}", repo_id="me/small"
        )
    yield "50 uploads of a small file, s", time.perf_counter() - begun


def many_files(api: HfApi, pid: int) -> Iterator[tuple[str, float]]:
    """A repository with many files."""
    api.create_repo("me/many")
    files = {f"train/{n // 1000:02}/{n:06}.txt": b"%d" % n for n in range(FILES)}
    yield f"commit of {FILES} files, s", took(commit, api, "me/many", files)
    yield "its list, s", took(lambda: list(api.list_repo_tree("me/many", recursive=True)))
    yield "its list again, s", took(lambda: list(api.list_repo_tree("me/many", recursive=True)))
    yield "its info, s", took(api.model_info, "me/many")
    yield "a list of one folder, s", took(lambda: list(api.list_repo_tree("me/many", "train/07")))
    times = [
        took(commit, api, "me/many", {f"more/{number}.txt": b"x"}) for number in range(COMMITS)
    ]
    yield "a commit of one file in it, s (median)", statistics.median(times)
    yield f"memory of the Hub after {COMMITS} of them, MB", memory(pid)


def downloads(api: HfApi, scratch: Path, port: int) -> Iterator[tuple[str, float]]:
    """A large file from this Hub and from a plain file server."""
    (scratch / "served").mkdir()
    large = scratch / "served/large.bin"
    with large.open("wb") as file:
        for _ in range(LARGE // 1_000_000):
            file.write(os.urandom(1_000_000))
    api.create_repo("me/large")
    yield (
        f"upload of {LARGE // 1_000_000} MB, s",
        took(api.upload_file, path_or_fileobj=large, path_in_repo="large.bin", repo_id="me/large"),
    )
    with process(sys.executable, "-c", SERVER, str(scratch / "served")) as (_, line):
        ours, plain = [], []
        for _ in range(9):
            ours.append(took(fetch, port, "/me/large/resolve/main/large.bin"))
            plain.append(took(fetch, int(line), "/large.bin"))
    yield "download of it, s (best of 9)", min(ours)
    yield "from a plain file server, s (best of 9)", min(plain)
    yield "times as long", min(ours) / min(plain)


def main() -> None:
    """Measure and keep."""
    constants.HF_HUB_DISABLE_XET = True
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        command = [sys.executable, "-m", "hubtools.localhub", "--root", str(scratch / "hub")]
        with process(*command) as (hub, line):
            url = json.loads(line)["url"]
            api = HfApi(endpoint=url, token=TOKEN)
            found = [
                *requests(api),
                *many_files(api, hub.pid),
                *downloads(api, scratch, int(url.rpartition(":")[2])),
            ]
    keep("hub", [{"what": name, "figure": round(value, 3)} for name, value in found])


if __name__ == "__main__":
    main()
