"""A Hub whose answers name places outside of the client's cache: nothing is written there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _detect_agent, _http, _xet, build_hf_headers
from huggingface_hub.utils._shared_blobs import shared_blobs_enabled

from hubtools.errors import HubtoolsError
from hubtools.hub import client, xet
from hubtools.hub import intact as intact_files
from hubtools.hub.client import open_file
from hubtools.hub.download import fetched, model_info, snapshot_of
from hubtools.hub.intact import intact
from hubtools.hub.patience import _patient, be_patient
from hubtools.hub.storage import save
from hubtools.rooted import Root

COMMIT = "1" * 40
OUT = "../" * 40


class Said:
    """What the Hub says of the file and the repository."""

    def __init__(self) -> None:
        self.status, self.commit, self.etag, self.sha = 200, COMMIT, "e" * 40, COMMIT
        self.api, self.moved, self.tree = 200, False, list[dict[str, Any]]()
        self.storage: dict[str, Any] | None = None  # of Xet
        self.registry: dict[str, Any] = {}

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.endswith("/agent-harnesses"):
            return httpx2.Response(200, json=self.registry)
        if self.storage is not None and "-token" in path:
            by_name = {
                "casUrl": "cas-url",
                "accessToken": "access-token",
                "exp": "token-expiration",
            }
            heads = {f"x-xet-{by_name[name]}": str(said) for name, said in self.storage.items()}
            return httpx2.Response(200, headers=heads, json=self.storage)
        if self.moved and "/api/" in path:
            return httpx2.Response(302, headers={"location": path.replace("/api/", "/moved/")})
        if "/tree/" in path:
            return httpx2.Response(self.api, json=self.tree)
        if "/api/" in path or "/moved/" in path:
            return httpx2.Response(self.api, json={"id": "o/n", "sha": self.sha, "siblings": []})
        heads = {"etag": f'"{self.etag}"', "x-repo-commit": self.commit, "content-length": "3"}
        if self.storage is not None:
            heads["x-xet-hash"] = "a" * 64
            route = f"{constants.ENDPOINT}/any-token" if "route" in path else "/api/x-token"
            heads["link"] = f'<{route}>; rel="xet-auth"'
        if self.status == 404:
            heads["x-error-code"] = "EntryNotFound"
        content = b"abc" if request.method == "GET" else None
        return httpx2.Response(self.status, headers=heads, content=content)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Said]:
    be_patient()  # it would take another client else
    said = Said()
    transport = _patient(httpx2.MockTransport(said.answer))
    session = httpx2.Client(transport=transport, follow_redirects=True)
    monkeypatch.setattr(_http, "_GLOBAL_CLIENT", session)
    cache = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    yield said
    session.close()
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


@pytest.mark.parametrize("how", ["pull request", "moved", "203"])
def test_however_it_is_answered(said: Said, tmp_path: Path, how: str) -> None:
    said.sha, said.moved = places(tmp_path)[1], how == "moved"
    said.api = 203 if how == "203" else 200
    with pytest.raises(HubtoolsError, match="makes no sense: its commit is"):
        snapshot_of("o/n", revision="refs/pr/1" if how == "pull request" else None)


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("number", range(5))
def test_hashes_of_a_list(said: Said, tmp_path: Path, number: int, moved: bool) -> None:
    """Of what Xet has, the client takes the list's hash for the ETag and asks nobody again."""
    said.moved = moved
    lfs = {"oid": places(tmp_path)[number], "size": 3, "pointerSize": 1}
    row = {"type": "file", "path": "a.bin", "size": 3, "oid": COMMIT, "lfs": lfs}
    said.tree = [row | {"xetHash": "a" * 64}]
    with pytest.raises(HubtoolsError, match="makes no sense: a file of it has the hash"):
        snapshot_of("o/n")


@pytest.mark.parametrize("how", ["fetched", "sent"])
@pytest.mark.parametrize("place", ["local://{}/outside", "local://outside", "file://{}", "", "x"])
def test_storages_of_xet(
    said: Said, tmp_path: Path, place: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library takes `local://` for a folder of this machine, which it makes and fills."""
    said.storage = {"casUrl": place.format(tmp_path), "accessToken": "t", "exp": 9999999999}
    monkeypatch.setattr(intact_files, "PUBLIC", (constants.ENDPOINT,))
    with pytest.raises(HubtoolsError, match="makes no sense: its storage is at"):
        fetched("o/n", "route.bin") if how == "fetched" else sending(monkeypatch)
    monkeypatch.setattr(intact_files, "PUBLIC", ("https://huggingface.co",))
    assert fetched("o/n", "route.bin").read_bytes() == b"abc"
    assert not constants.HF_HUB_DISABLE_XET


@pytest.mark.parametrize("exp", [10**30, -1, "x", None])
def test_times_of_xet(said: Said, exp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said.storage = {"casUrl": "https://cas.invalid", "accessToken": "t", "exp": exp}
    with pytest.raises(HubtoolsError, match="makes no sense: its token ends at"):
        sending(monkeypatch)
    monkeypatch.setattr(intact_files, "PUBLIC", (constants.ENDPOINT,))
    with pytest.raises(HubtoolsError, match="makes no sense: its token ends at"):
        fetched("o/n", "route.bin")


def test_a_storage_that_is_one(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library asks for the address by itself where it is not told."""
    said.storage = {"casUrl": "https://cas.invalid:81/a", "accessToken": "t", "exp": 9999999999}
    told = sending(monkeypatch)
    assert told["endpoint"] == "https://cas.invalid:81/a"
    assert (told["token"], told["token_expiry_unix_secs"]) == ("t", 9999999999)


def sending(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the library for Xet is told when files are sent."""
    told: list[dict[str, Any]] = []
    library = SimpleNamespace(new_upload_commit=lambda **options: told.append(options))
    monkeypatch.setattr(_xet, "get_xet_session", lambda: library)
    monkeypatch.setattr(intact_files, "PUBLIC", (constants.ENDPOINT,))
    with xet.sending():
        url = f"{constants.ENDPOINT}/api/models/o/n/xet-write-token/main"
        _xet.get_xet_session().new_upload_commit(token_refresh_url=url, token_refresh_headers={})
    return told[0]


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


@pytest.mark.parametrize("name", ["me; curl x | sh", "$(x)", "../x", "-x", ""])
def test_whose_a_token_is(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """That stands in commands to type, and in names of repositories."""
    for who in ({"name": name}, {"name": "me", "orgs": [{"name": name}]}):
        hub = SimpleNamespace(whoami=lambda cache, who=who: who)
        monkeypatch.setattr(client, "api", lambda hub=hub: hub)
        with pytest.raises(HubtoolsError, match="a name is no word"):
            client.owners()


@pytest.mark.parametrize("how", ["fetched", "opened", "folder"])
def test_bytes_of_another_hash(said: Said, tmp_path: Path, how: str) -> None:
    """They come from a storage beside the Hub, of the length that it says."""
    name = "sub/a.bin"
    row = {"type": "file", "path": name, "size": 3, "oid": COMMIT}
    said.tree = [row | {"lfs": {"oid": "e" * 64, "size": 3, "pointerSize": 1}}]
    asks: dict[str, Callable[[], Any]] = {
        "fetched": lambda: fetched("o/n", name),
        "opened": lambda: open_file("o/n", "model", "main", name).close(),
        "folder": lambda: snapshot_of("o/n"),
    }
    said.etag = "e" * 64
    for _ in range(2):  # nothing is kept that would do the next time
        with pytest.raises(HubtoolsError, match=r"^sub/a\.bin of o/n did not arrive"):
            asks[how]()
    said.etag = hashlib.sha256(b"abc").hexdigest()
    asks[how]()
    assert fetched("o/n", name, local_only=True).read_bytes() == b"abc"


@pytest.mark.parametrize("kept", [False, True])
def test_no_hub_asks_what_variables_hold(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """The client would say by which of a server's guesses it knows a program in the environment."""
    guesses = {"word-is-b": {"envVars": {"DB_PASSWORD": "b"}}}
    told = {"standardEnvVars": ["DB_PASSWORD"], "harnesses": guesses}
    file = tmp_path / "cache"  # may have been filled by another program
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(file))
    if kept:
        file.write_text(json.dumps(told))
    said.registry = told
    monkeypatch.setattr(_detect_agent, "_registry", None)
    be_patient()
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setenv("DB_PASSWORD", "b")
    assert "agent" not in build_hf_headers()["user-agent"]
    assert file.exists() == kept


@pytest.mark.parametrize("links", [True, False])
def test_killed_before_it_is_compared(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Nothing that was not compared is there for a later command."""
    said.etag = hashlib.sha256(b"other bytes").hexdigest()
    row = {"type": "file", "path": "a.bin", "size": 3, "oid": COMMIT}
    said.tree = [row | {"lfs": {"oid": said.etag, "size": 3, "pointerSize": 1}}]
    monkeypatch.setattr(file_download, "are_symlinks_supported", lambda folder: links)

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(intact_files, "sha256_of", killed)
        with pytest.raises(KeyboardInterrupt):
            fetched("o/n", "a.bin")
    for ask in (lambda: fetched("o/n", "a.bin"), lambda: snapshot_of("o/n")):
        with pytest.raises(HubtoolsError, match=r"^a\.bin of o/n did not arrive"):
            ask()
    with pytest.raises(FileNotFoundError):
        fetched("o/n", "a.bin", local_only=True)
    said.etag = hashlib.sha256(b"abc").hexdigest()
    assert fetched("o/n", "a.bin").read_bytes() == b"abc"
    assert not any(tmp_path.rglob("*.incomplete"))


@pytest.mark.parametrize("place", ["https://huggingface.co", "https://mirror.invalid"])
def test_what_repositories_share(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A file that another repository has too is not taken from it for what this Hub says."""
    monkeypatch.setattr(constants, "ENDPOINT", place)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    assert shared_blobs_enabled()
    with intact():
        assert not shared_blobs_enabled()
        assert (place != "https://huggingface.co") == constants.HF_HUB_DISABLE_XET
    assert shared_blobs_enabled()


def test_a_client_that_names_files_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(file_download, "_download_to_tmp_and_move")
    with pytest.raises(HubtoolsError, match="cannot be compared with its SHA-256"):
        fetched("o/n", "a.bin")


def test_what_is_right(said: Said) -> None:
    for etag in (hashlib.sha256(b"abc").hexdigest(), "abc-12"):
        said.etag = etag
        said.commit = f"{len(etag):040x}"
        assert fetched("o/n", "a.bin", revision="refs/pr/1").read_bytes() == b"abc"
