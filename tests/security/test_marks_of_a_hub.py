"""A Hub whose answers name places outside of the client's cache: nothing is written there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http

from hubtools.errors import HubtoolsError
from hubtools.hub.client import open_file
from hubtools.hub.download import fetched, model_info, snapshot_of
from hubtools.hub.patience import _patient, be_patient
from hubtools.hub.storage import save
from hubtools.rooted import Root

COMMIT = "1" * 40
OUT = "../" * 40


class Said:
    """What the Hub says of the file and the repository."""

    def __init__(self) -> None:
        self.status, self.commit, self.etag, self.sha = 200, COMMIT, "e" * 40, COMMIT

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if "/tree/" in path:
            return httpx2.Response(200, json=[])
        if "/api/" in path:
            return httpx2.Response(200, json={"id": "o/n", "sha": self.sha, "siblings": []})
        heads = {"etag": f'"{self.etag}"', "x-repo-commit": self.commit, "content-length": "3"}
        if self.status == 404:
            heads["x-error-code"] = "EntryNotFound"
        content = b"abc" if request.method == "GET" else None
        return httpx2.Response(self.status, headers=heads, content=content)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Said]:
    be_patient()  # it would take another client else
    said = Said()
    transport = _patient(httpx2.MockTransport(said.answer))
    client = httpx2.Client(transport=transport, follow_redirects=True)
    monkeypatch.setattr(_http, "_GLOBAL_CLIENT", client)
    cache = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    yield said
    client.close()
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def places(tmp_path: Path) -> list[str]:
    return [f"{OUT}{str(tmp_path)[1:]}/outside", f"{tmp_path}/outside", "..", "", "a" * 4000]


@pytest.mark.parametrize("number", range(5))
def test_etags(said: Said, tmp_path: Path, number: int) -> None:
    said.etag = places(tmp_path)[number]
    with pytest.raises(HubtoolsError, match="makes no sense: its ETag is"):
        fetched("o/n", "a.bin")


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("number", range(4))
def test_commits(said: Said, tmp_path: Path, number: int, status: int) -> None:
    said.commit, said.status = places(tmp_path)[number], status
    with pytest.raises(HubtoolsError, match="makes no sense: its commit is"):
        fetched("o/n", "a.bin")


@pytest.mark.parametrize("number", range(4))
def test_commits_of_repositories(said: Said, tmp_path: Path, number: int) -> None:
    said.sha = places(tmp_path)[number]
    for ask in (model_info, snapshot_of):
        with pytest.raises(HubtoolsError, match="makes no sense: its commit is"):
            ask("o/n")


@pytest.mark.parametrize("number", range(3))
def test_revisions(said: Said, tmp_path: Path, number: int) -> None:
    """Those of a history, too, which a Hub tells."""
    revision = places(tmp_path)[number]
    asks: list[Any] = [
        lambda: fetched("o/n", "a.bin", revision=revision),
        lambda: snapshot_of("o/n", revision=revision),
        lambda: open_file("o/n", "model", revision, "a.bin"),
        lambda: save("o/n", "model", revision, "a.bin", Root(tmp_path), "a", "0" * 64),
    ]
    for ask in asks:
        with pytest.raises(HubtoolsError, match="is no revision of a repository"):
            ask()


def test_what_is_right(said: Said) -> None:
    for etag in ("e" * 64, "abc-12"):
        said.etag = etag
        said.commit = f"{len(etag):040x}"
        assert fetched("o/n", "a.bin", revision="refs/pr/1").read_bytes() == b"abc"
