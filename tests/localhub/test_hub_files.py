"""Reading files: headers, ranges, listings, snapshots."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, HfFileSystem, snapshot_download
from huggingface_hub.errors import RemoteEntryNotFoundError, RevisionNotFoundError

from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT

REPO = "me/one"
BIG = os.urandom(3_000_000)


@pytest.fixture
def api(local_hub: Hub) -> HfApi:
    api = HfApi(endpoint=local_hub.url, token="hf_local")
    api.create_repo(REPO)
    api.create_commit(
        REPO,
        [
            CommitOperationAdd("notes.txt", b"0123456789"),
            CommitOperationAdd("w/big.bin", BIG),
            CommitOperationAdd("odd name #1%.txt", b"odd"),
            CommitOperationAdd("page.html", b"<script>alert(1)</script>"),
        ],
        commit_message="files",
    )
    return api


def fetch(api: HfApi, path: str, **headers: str) -> httpx2.Response:
    return CLIENT.get(f"{api.endpoint}/{REPO}/resolve/main/{path}", headers=headers)


def test_headers_of_a_download(api: HfApi) -> None:
    head = CLIENT.head(f"{api.endpoint}/{REPO}/resolve/main/w/big.bin")
    sha256 = hashlib.sha256(BIG).hexdigest()
    assert head.status_code == 200
    assert head.headers["x-linked-etag"] == head.headers["etag"] == f'"{sha256}"'
    assert head.headers["content-length"] == head.headers["x-linked-size"] == str(len(BIG))
    assert head.headers["x-repo-commit"] == api.model_info(REPO).sha
    assert "x-xet-hash" not in head.headers
    assert head.headers["x-request-id"]
    named = {"x-request-id": "mine", "x-amzn-trace-id": "traced"}
    assert fetch(api, "notes.txt", **named).headers["x-request-id"] == "mine"
    del named["x-request-id"]
    assert fetch(api, "notes.txt", **named).headers["x-request-id"].endswith(";traced")
    odd = fetch(api, "notes.txt", **{"x-request-id": "no name"}).headers["x-request-id"]
    assert odd.startswith("Root=")
    small = fetch(api, "notes.txt")
    assert small.headers["etag"] == '"ad471007bd7f5983d273b9584e5629230150fd54"'  # git hash-object
    assert fetch(api, "notes.txt", **{"If-None-Match": small.headers["etag"]}).status_code == 304


def test_what_is_uploaded_never_runs(api: HfApi) -> None:
    page = fetch(api, "page.html")
    assert page.headers["content-type"].startswith("text/plain")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "asked, start, end",
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-4", 2, 5),
        ("bytes=5-", 5, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-99", 0, 10),
        ("bytes=8-99", 8, 10),
    ],
)
def test_ranges(api: HfApi, asked: str, start: int, end: int) -> None:
    part = fetch(api, "notes.txt", Range=asked)
    assert part.status_code == 206
    assert part.content == b"0123456789"[start:end]
    assert part.headers["content-range"] == f"bytes {start}-{end - 1}/10"
    same = fetch(api, "w/big.bin", Range=f"bytes={start}-{end - 1}")
    assert same.content == BIG[start:end]


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=5-2", "bytes=-0"])
def test_ranges_that_cannot_be(api: HfApi, asked: str) -> None:
    answer = fetch(api, "notes.txt", Range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=x-y", ""])
def test_ranges_that_may_be_ignored(api: HfApi, asked: str) -> None:
    answer = fetch(api, "notes.txt", Range=asked)
    assert (answer.status_code, answer.content) == (200, b"0123456789")


def test_missing_files_and_revisions(api: HfApi) -> None:
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download(REPO, "missing.txt")
    missing = fetch(api, "missing.txt")
    assert missing.headers["x-error-code"] == "EntryNotFound"
    assert missing.headers["x-repo-commit"] == api.model_info(REPO).sha
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(REPO, "notes.txt", revision="nowhere")
    assert not api.file_exists(REPO, "missing.txt")
    assert not api.repo_exists("me/none")


def test_a_folder_is_listed_in_pages(api: HfApi) -> None:
    adds = [CommitOperationAdd(f"many/{number:04}.txt", b"x") for number in range(1100)]
    api.create_commit(REPO, adds, commit_message="many")
    listed = [item.path for item in api.list_repo_tree(REPO, "many")]
    assert listed == [f"many/{number:04}.txt" for number in range(1100)]
    some = list(api.list_repo_tree(REPO, "many", expand=True))
    assert len(some) == 1100
    assert len({item.last_commit.title for item in some}) == 1
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree(REPO, "none"))


def test_paths_info_leaves_out_what_is_missing(api: HfApi) -> None:
    found = api.get_paths_info(REPO, ["notes.txt", "w", "missing", "odd name #1%.txt"])
    assert [item.path for item in found] == ["notes.txt", "w", "odd name #1%.txt"]


def test_snapshot_download_and_file_system(api: HfApi, tmp_path: Path) -> None:
    folder = snapshot_download(REPO, endpoint=api.endpoint, cache_dir=tmp_path)
    assert (Path(folder) / "w" / "big.bin").read_bytes() == BIG
    assert (Path(folder) / "odd name #1%.txt").read_bytes() == b"odd"
    again = snapshot_download(REPO, endpoint=api.endpoint, local_dir=tmp_path / "local")
    assert (Path(again) / "notes.txt").read_bytes() == b"0123456789"
    files = HfFileSystem(endpoint=api.endpoint, token="hf_local")
    assert files.cat(f"{REPO}/notes.txt", start=3, end=6) == b"345"
    with files.open(f"{REPO}/w/big.bin") as source:
        source.seek(1_000_000)
        assert source.read(100) == BIG[1_000_000:1_000_100]


def test_a_broken_download_is_resumed(api: HfApi, local_hub: Hub, tmp_path: Path) -> None:
    fault = local_hub.fail_next("GET", "/resolve/.*big.bin", "drop")
    path = api.hf_hub_download(REPO, "w/big.bin", cache_dir=tmp_path)
    assert fault.hits == 1
    assert Path(path).read_bytes() == BIG


def test_no_large_file_is_lost_from_the_list_while_others_go(api: HfApi, local_hub: Hub) -> None:
    names = [f"{number}.bin" for number in range(6)]
    data = {name: name.encode() * 20 for name in names}
    api.create_commit("me/one", [CommitOperationAdd(n, data[n]) for n in names], commit_message="x")
    before = {item.filename for item in api.list_lfs_files("me/one")}
    url, seen = f"{local_hub.url}/api/models/me/one/lfs-files?limit=2", []
    while url:
        answer = CLIENT.get(url, headers={"Authorization": "Bearer hf_local"})
        seen += [item["filename"] for item in answer.json()]
        gone = [item for item in api.list_lfs_files("me/one") if item.filename == seen[-1]]
        api.permanently_delete_lfs_files("me/one", gone)
        url = answer.links.get("next", {}).get("url")
    assert sorted(seen) == sorted(before) == [*names, "w/big.bin"]
