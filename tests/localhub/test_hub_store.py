"""What is kept: over restarts, over SIGKILL, one server at a time; and mounted folders."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError

from hubtools.errors import HubtoolsError, UsageError
from hubtools.localhub.server import Hub, User
from tests.localhub.asking import CLIENT

REPO = "me/one"


@contextmanager
def process(root: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Hub in a process of its own: (process, URL)."""
    command = [sys.executable, "-m", "hubtools.localhub", "--root", str(root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child, json.loads(child.stdout.readline())["url"]
        finally:
            child.kill()


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    blob = os.urandom(5000)
    with Hub(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        api.create_repo(REPO, private=True)
        api.create_commit(
            REPO,
            [CommitOperationAdd("a.txt", b"1"), CommitOperationAdd("b.bin", blob)],
            commit_message="one",
        )
        api.create_tag(REPO, tag="v1")
        api.create_pull_request(REPO, title="Later")
        before = api.model_info(REPO, files_metadata=True)
    with Hub(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        assert api.model_info(REPO, files_metadata=True) == before
        path = api.hf_hub_download(REPO, "b.bin", revision="v1", cache_dir=tmp_path / "cache")
        assert Path(path).read_bytes() == blob
        assert [item.title for item in api.get_repo_discussions(REPO)] == ["Later"]


def test_sigkill_in_the_middle_of_an_upload(tmp_path: Path) -> None:
    root = tmp_path / "hub"
    data = os.urandom(1 << 20) * 8
    with process(root) as (child, url):
        api = HfApi(endpoint=url, token="hf_local")
        api.create_repo(REPO)
        kept = api.upload_file(path_or_fileobj=b"\0x", path_in_repo="a.bin", repo_id=REPO)
        href = _upload_address(url, data)
        # Half of the object is on its way when the process dies.
        sent = _send_half(href, data)
        _until(lambda: any(file.stat().st_size for file in (root / "incoming").iterdir()))
        os.kill(child.pid, signal.SIGKILL)
        child.wait(120)
        sent.close()
    assert list((root / "incoming").iterdir())
    with process(root) as (child, url):
        # A lock of a killed process does not stand in the way, left-overs are gone.
        assert list((root / "incoming").iterdir()) == []
        api = HfApi(endpoint=url, token="hf_local")
        assert api.model_info(REPO).sha == kept.oid
        api.upload_file(path_or_fileobj=data, path_in_repo="b.bin", repo_id=REPO)
        assert api.get_paths_info(REPO, "b.bin")[0].lfs.sha256 == hashlib.sha256(data).hexdigest()
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0


def _upload_address(url: str, data: bytes) -> str:
    answer = CLIENT.post(
        f"{url}/{REPO}.git/info/lfs/objects/batch",
        json={
            "operation": "upload",
            "transfers": ["basic"],
            "objects": [{"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}],
        },
        headers={"Authorization": "Bearer hf_local"},
    )
    href: str = answer.json()["objects"][0]["actions"]["upload"]["href"]
    return href


def _send_half(href: str, data: bytes) -> socket.socket:
    address = httpx2.URL(href)
    connection = socket.create_connection((address.host, address.port or 0), timeout=120)
    head = f"PUT {address.raw_path.decode()} HTTP/1.1\r\nHost: {address.netloc.decode()}\r\n"
    connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode())
    connection.sendall(data[: len(data) // 2])
    return connection


def _until(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it never comes to that"
        time.sleep(0.01)


def _push(client: httpx2.Client, url: str, name: str) -> None:
    """A commit of a text and a Git LFS object, without the retries of the real client."""
    data = os.urandom(1000)
    answer = client.put(_upload_address(url, data), content=data)
    assert answer.status_code == 200
    files = (
        ("file", {"path": f"{name}.txt", "content": "eA==", "encoding": "base64"}),
        ("lfsFile", {"path": f"{name}.bin", "oid": hashlib.sha256(data).hexdigest()}),
    )
    lines = [("header", {"summary": name}), *files]
    answer = client.post(
        f"{url}/api/models/{REPO}/commit/main",
        content="\n".join(json.dumps({"key": key, "value": value}) for key, value in lines),
        headers={"Authorization": "Bearer hf_local"},
    )
    assert answer.status_code == 200


def test_commits_killed_at_random_leave_whole_commits(tmp_path: Path) -> None:
    root = tmp_path / "hub"
    done = 0
    for attempt in range(3):
        with process(root) as (child, url), httpx2.Client() as client:
            HfApi(endpoint=url, token="hf_local").create_repo(REPO, exist_ok=True)
            timer = threading.Timer(0.1 + 0.07 * attempt, child.kill)
            timer.start()
            with contextlib.suppress(httpx2.HTTPError):
                for number in range(10_000):
                    _push(client, url, f"{attempt}-{number}")
                    done += 1
            timer.join()
    with Hub(root) as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        commits = api.list_repo_commits(REPO)
        # Every answered commit is there; one more a round may be, whose answer was lost.
        assert done <= len(commits) - 1 <= done + 3
        files = api.list_repo_files(REPO)
        assert len(files) == 1 + 2 * (len(commits) - 1)
        api.snapshot_download(REPO, cache_dir=tmp_path / "cache")
        assert not api.verify_repo_checksums(REPO, cache_dir=tmp_path / "cache").mismatches


def test_one_server_a_root(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub"):
        with pytest.raises(HubtoolsError, match="Another embedded Hub") as caught:
            Hub(tmp_path / "hub")
        assert caught.value.hint
    with Hub(tmp_path / "hub"):
        pass


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with Hub(tmp_path / "a") as hub, pytest.raises(HubtoolsError, match="cannot be used"):
        Hub(tmp_path / "b", port=hub.port)
    # And at once free again.
    with Hub(tmp_path / "b", port=hub.port):
        pass


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.txt"):
        Hub(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(UsageError, match="not a folder"):
        Hub(tmp_path / "thesis.txt")
    other = tmp_path / "other"
    other.mkdir()
    (other / "hub.sqlite3").write_text("this is no database, but long enough to be read as one")
    with pytest.raises(HubtoolsError, match="not the database of an embedded Hub"):
        Hub(other, trust_state=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", ""])  # noqa: S104
def test_only_the_loopback(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="this machine only"):
        Hub(tmp_path / "hub", host=host)


def test_ipv6_loopback(tmp_path: Path) -> None:
    try:
        hub = Hub(tmp_path / "hub", host="::1")
    except HubtoolsError:
        pytest.skip("no IPv6 on this machine")
    with hub:
        assert hub.url.startswith("http://[::1]:")
        assert HfApi(endpoint=hub.url, token=hub.token).whoami()["name"] == "me"


def test_owners_and_users(tmp_path: Path) -> None:
    with Hub(tmp_path / "a", owners=["alice", "me"], token="secret") as hub:
        api = HfApi(endpoint=hub.url, token="secret")
        assert api.create_repo("alice/x").repo_id == "alice/x"
        assert api.create_repo("me/x").repo_id == "me/x"
    with pytest.raises(UsageError, match="token of their own"):
        Hub(tmp_path / "b", users=[User("a", "t"), User("b", "t")])
    with pytest.raises(UsageError, match="cannot be the name"):
        Hub(tmp_path / "b", users=[User("a/b", "t")])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    (folder / "unet").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Base\n")
    (folder / "unet" / "model.safetensors").write_bytes(os.urandom(4000))
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")
    (tmp_path / "outside.txt").write_text("not yours")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    (folder / "inside.txt").symlink_to(folder / "README.md")
    return folder


def test_a_mounted_folder_is_a_repository(local_hub: Hub, folder: Path, tmp_path: Path) -> None:
    local_hub.store.mount("model", "stable/base", folder)
    api = HfApi(endpoint=local_hub.url, token=False)
    info = api.model_info("stable/base", files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    assert set(sizes) == {"README.md", "inside.txt", "unet/model.safetensors"}
    assert sizes["unet/model.safetensors"] == 4000
    assert info.card_data is not None
    assert info.card_data.license == "mit"
    copy = Path(api.snapshot_download("stable/base", cache_dir=tmp_path / "cache"))
    weights = "unet/model.safetensors"
    assert (copy / weights).read_bytes() == (folder / weights).read_bytes()
    assert not api.verify_repo_checksums("stable/base", cache_dir=tmp_path / "cache").mismatches
    assert [commit.commit_id for commit in api.list_repo_commits("stable/base")] == [info.sha]
    assert [branch.name for branch in api.list_repo_refs("stable/base").branches] == ["main"]
    # What changes there changes here, and is another commit.
    (folder / weights).write_bytes(b"new")
    assert api.model_info("stable/base").sha != info.sha
    with pytest.raises(RevisionNotFoundError):
        api.model_info("stable/base", revision=info.sha)


def test_a_mount_is_read_only(local_hub: Hub, folder: Path) -> None:
    local_hub.store.mount("models", "me/base", folder, commit="a" * 40)
    api = HfApi(endpoint=local_hub.url, token="hf_local")
    assert api.model_info("me/base").sha == "a" * 40
    assert api.model_info("me/base", revision="a" * 40).sha == "a" * 40
    with pytest.raises(HfHubHTTPError, match="read-only"):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="me/base")
    with pytest.raises(HfHubHTTPError, match="read-only"):
        api.delete_repo("me/base")
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("me/base")
    api.create_repo("me/base", exist_ok=True)
    assert (folder / "README.md").exists()


def test_mounts_that_cannot_be(local_hub: Hub, folder: Path) -> None:
    HfApi(endpoint=local_hub.url, token="hf_local").create_repo("me/there")
    for kind, name, where in (
        ("model", "me/there", folder),
        ("model", "nonamespace", folder),
        ("bucket", "me/x", folder),
        ("model", "me/--", folder),
        ("model", "me/x", folder / "README.md"),
        ("model", "me/x", folder / "missing"),
    ):
        with pytest.raises(UsageError):
            local_hub.store.mount(kind, name, where)


def test_a_snapshot_of_the_hub_cache_is_mounted_without_reading_it(
    local_hub: Hub, tmp_path: Path
) -> None:
    api = HfApi(endpoint=local_hub.url, token="hf_local")
    api.create_repo(REPO)
    api.create_commit(
        REPO,
        [CommitOperationAdd("a.txt", b"1"), CommitOperationAdd("b.bin", b"\0" * 999)],
        commit_message="one",
    )
    before = {item.path: item for item in api.list_repo_tree(REPO)}
    copy = Path(api.snapshot_download(REPO, cache_dir=tmp_path))
    local_hub.store.mount("model", "them/copy", copy, commit=copy.name)
    after = {item.path: item for item in api.list_repo_tree("them/copy")}
    assert after == before
    with local_hub.store.database.reading() as connection:
        hashed = connection.execute("SELECT path FROM hashes").fetchall()
    assert not any(str(tmp_path) in row["path"] for row in hashed)
