"""Kills an embedded Hub at random moments, again and again, and looks at what is left.

    python tools/kill_hub.py --kills 1000 [--seed 1] [--root DIR]

While it is killed a client commits texts and Git LFS objects, deletes files, tags, opens and merges
pull requests, and makes and deletes other repositories. After each kill a new Hub on the same
folder must have everything that was answered, at most the one request more whose answer was lost,
and every byte of it; at the end nothing may lie there that nobody uses. The suite has a short one
(tests/localhub/test_hub_store.py). Ends with 1 and what was wrong.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx2

REPO = "me/kept"
ME = {"Authorization": "Bearer hf_local"}
Files = dict[str, str]  # path: SHA-256 of what is in it


class Lost(Exception):
    """Something that was answered is not there, or something that nobody sent is."""


class Side:
    """The client: what it knows to be there, and what may be there besides."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.files: Files = {}
        self.maybe: Files | None = None  # after the request that was not answered
        self.tags: set[str] = set()
        self.gone: set[str] = set()
        self.number = 0
        self.done = 0

    def work(self, client: httpx2.Client) -> None:
        """Requests until one is not answered."""
        steps = [self.change] * 6 + [self.tag, self.propose, self.come_and_go]
        while True:
            self.number += 1
            self.chance.choice(steps)(client)
            self.done += 1

    def change(self, client: httpx2.Client, *, pull: bool = False) -> None:
        """A commit of a text, a Git LFS object, and sometimes a deletion."""
        text, data = (self.chance.randbytes(size) for size in (300, 5000))
        after = dict(self.files)
        after[f"{self.number}.txt"] = hashlib.sha256(text).hexdigest()
        after[f"deep/{self.number}.bin"] = upload(client, data)
        content = base64.b64encode(text).decode()
        lines = [
            ("file", {"path": f"{self.number}.txt", "content": content, "encoding": "base64"}),
            ("lfsFile", {"path": f"deep/{self.number}.bin", "algo": "sha256",
                         "oid": after[f"deep/{self.number}.bin"]}),
        ]  # fmt: skip
        for _ in range(1 if 20 < len(self.files) <= 200 else 4 if len(self.files) > 200 else 0):
            doomed = self.chance.choice(sorted(after))
            lines.append(("deletedFile", {"path": doomed}))
            del after[doomed]
        self.maybe = self.files if pull else after
        send(client, f"models/{REPO}/commit/main{'?create_pr=1' if pull else ''}", commit(lines))
        if pull:
            found = get(client, f"models/{REPO}/discussions").json()["discussions"][0]["num"]
            self.maybe = after
            send(client, f"models/{REPO}/discussions/{found}/merge", b"{}")
        self.files, self.maybe = after, None

    def propose(self, client: httpx2.Client) -> None:
        """A pull request, merged."""
        self.change(client, pull=True)

    def tag(self, client: httpx2.Client) -> None:
        send(client, f"models/{REPO}/tag/main", json.dumps({"tag": f"v{self.number}"}).encode())
        self.tags.add(f"v{self.number}")

    def come_and_go(self, client: httpx2.Client) -> None:
        """Another repository with a large file, deleted again."""
        name = f"t{self.number}"
        send(client, "repos/create", json.dumps({"name": name}).encode())
        sha256 = upload(client, self.chance.randbytes(5000), f"me/{name}")
        lines = [("lfsFile", {"path": "a.bin", "algo": "sha256", "oid": sha256})]
        send(client, f"models/me/{name}/commit/main", commit(lines))
        body = json.dumps({"name": name}).encode()
        checked(client.request("DELETE", "/api/repos/delete", content=body, headers=ME))
        self.gone.add(name)

    def look(self, client: httpx2.Client, *, all_of_it: bool) -> None:
        """Raises `Lost` unless the Hub has what it must have."""
        tree = get(client, f"models/{REPO}/tree/main?recursive=1").json()
        there = {item["path"] for item in tree if item["type"] == "file"} - {".gitattributes"}
        fits = [files for files in (self.files, self.maybe) if files is not None]
        held = next((files for files in fits if set(files) == there), None)
        if held is None:
            wanted = [sorted(there ^ set(files))[:6] for files in fits]
            raise Lost(f"main is neither before nor after the last commit: {wanted}")
        paths = sorted(held)
        for path in paths if all_of_it else self.chance.sample(paths, min(4, len(paths))):
            data = checked(client.get(f"/{REPO}/resolve/main/{path}")).content
            if hashlib.sha256(data).hexdigest() != held[path]:
                raise Lost(f"{path} is not what was sent")
        refs = {tag["name"] for tag in get(client, f"models/{REPO}/refs").json()["tags"]}
        if missing := self.tags - refs:
            raise Lost(f"tags are gone: {sorted(missing)[:5]}")
        repos = {info["id"] for info in get(client, "models?limit=1000").json()}
        if back := {f"me/{name}" for name in self.gone} & repos:
            raise Lost(f"deleted repositories are there: {sorted(back)[:5]}")
        self.files, self.maybe = held, None


def commit(lines: Iterable[tuple[str, dict[str, Any]]]) -> bytes:
    """An ndjson commit."""
    every = [("header", {"summary": "a change"}), *lines]
    return "\n".join(json.dumps({"key": key, "value": value}) for key, value in every).encode()


def checked(answer: httpx2.Response) -> httpx2.Response:
    """An answer that is no refusal."""
    if answer.status_code >= 400:
        raise Lost(f"{answer.request.method} {answer.request.url}: {answer.text[:300]}")
    return answer


def get(client: httpx2.Client, path: str) -> httpx2.Response:
    return checked(client.get(f"/api/{path}", headers=ME))


def send(client: httpx2.Client, path: str, body: bytes) -> httpx2.Response:
    return checked(client.post(f"/api/{path}", content=body, headers=ME))


def upload(client: httpx2.Client, data: bytes, repo: str = REPO) -> str:
    """Send a Git LFS object; its SHA-256."""
    sha256 = hashlib.sha256(data).hexdigest()
    body = {"operation": "upload", "objects": [{"oid": sha256, "size": len(data)}]}
    path = f"/{repo}.git/info/lfs/objects/batch"
    (item,) = checked(client.post(path, json=body, headers=ME)).json()["objects"]
    if "actions" in item:
        checked(client.put(item["actions"]["upload"]["href"], content=data))
    return sha256


def with_hub(root: Path, use: Callable[[subprocess.Popen[str], httpx2.Client], None]) -> None:
    """Run a Hub of its own process on `root` while `use` runs, and stop it."""
    command = [sys.executable, "-m", "hubtools.localhub", "--root", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as hub:
        assert hub.stdout is not None
        line = hub.stdout.readline()
        try:
            if not line:
                raise Lost("the Hub does not start any more")
            with httpx2.Client(base_url=json.loads(line)["url"], timeout=60) as client:
                use(hub, client)
        finally:
            hub.terminate()


def tidy(root: Path) -> None:
    """Raises `Lost` if something lies in the folder that nobody uses, or the database is broken."""
    connection = sqlite3.connect(root / "hub.sqlite3")
    said = connection.execute("PRAGMA integrity_check").fetchone()[0]
    used = {row[0] for row in connection.execute("SELECT sha256 FROM lfs_objects")}
    connection.close()
    if said != "ok":
        raise Lost(f"the database is broken: {said}")
    blobs = {path.name for path in (root / "blobs").rglob("*") if path.is_file()}
    if blobs != used:
        raise Lost(f"{len(blobs - used)} blobs are nobody's, {len(used - blobs)} are missing")
    if left := [*(root / "incoming").iterdir()]:
        raise Lost(f"{len(left)} uploads were left lying")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--root", type=Path)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    side = Side(chance)
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.root or Path(scratch) / "hub"

        def one(hub: subprocess.Popen[str], client: httpx2.Client) -> None:
            client.post("/api/repos/create", json={"name": "kept"}, headers=ME)
            side.look(client, all_of_it=False)
            timer = threading.Timer(chance.uniform(0.0, 1.0), hub.kill)
            timer.start()
            try:
                side.work(client)
            except httpx2.HTTPError:
                timer.join()

        begun = time.monotonic()
        try:
            for kill in range(arguments.kills):
                with_hub(root, one)
                if sys.stdout.isatty() or kill % 50 == 49:
                    print(f"{kill + 1} kills, {side.done} requests answered", flush=True)
            with_hub(root, lambda _, client: side.look(client, all_of_it=True))
            tidy(root)
        except Lost as lost:
            print(f"seed {arguments.seed}, after {side.done} requests: {lost}")
            return 1
    print(
        f"{arguments.kills} kills, {side.done} requests answered, {len(side.files)} files,"
        f" nothing lost, {time.monotonic() - begun:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
