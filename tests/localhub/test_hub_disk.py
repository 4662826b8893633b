"""The embedded Hub where its disk is full, read-only or fails: a sentence with the cause, and it
goes on when there is room again."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from hubtools.errors import HubtoolsError
from hubtools.hub.errors import as_sentence
from hubtools.localhub import lock
from hubtools.localhub.database import Database
from hubtools.localhub.disk import disk_errors
from hubtools.localhub.lock import RootLock
from hubtools.localhub.server import Hub
from tests.disks import fill, read_only, small_disk, without_privilege

REPO = "me/one"


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2_000_000) as disk, Hub(disk / "hub") as hub:
        api = HfApi(endpoint=hub.url, token="hf_local")
        api.create_repo(REPO)
        filler = fill(disk, leave=100_000)
        for name, size in (("w.safetensors", 400_000), ("a.txt", 300_000)):
            data = os.urandom(size) if name[0] == "w" else b"words " * (size // 6)
            with pytest.raises((HfHubHTTPError, RuntimeError)) as caught:
                api.create_commit(REPO, [CommitOperationAdd(name, data)], commit_message="x")
            refused = caught.value.__cause__ if name[0] == "w" else caught.value
            assert isinstance(refused, HfHubHTTPError)
            assert refused.response.status_code == 507
            sentence = as_sentence(refused)
            assert sentence is not None
            assert "The disk is full" in sentence.message
        assert api.list_repo_files(REPO) == [".gitattributes"]
        filler.unlink()
        api.create_commit(REPO, [CommitOperationAdd("a.txt", b"words")], commit_message="x")
        assert sorted(api.list_repo_files(REPO)) == [".gitattributes", "a.txt"]


def test_no_room_for_a_new_one(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64_000) as disk:
        fill(disk)
        with pytest.raises(OSError, match="No space left") as caught:
            Hub(disk / "hub")
        sentence = as_sentence(caught.value)
        assert sentence is not None
        assert sentence.code == "disk-full"
        assert str(disk) in sentence.message


def test_a_read_only_root(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2_000_000) as disk:
        with Hub(disk / "hub"):
            pass
        with read_only(disk), pytest.raises(OSError, match="Read-only") as caught:
            Hub(disk / "hub")
        sentence = as_sentence(caught.value)
        assert sentence is not None
        assert sentence.code == "permission-denied"


def test_a_database_that_may_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    Database(path).close()
    path.chmod(0o400)
    with without_privilege():
        database = Database(path)
        with pytest.raises(PermissionError), database.writing() as connection:
            connection.execute("INSERT INTO meta VALUES ('a', 'b')")
        with database.reading() as connection:  # it goes on
            connection.execute("SELECT * FROM meta")
        database.close()


def test_no_database_is_no_failing_disk(tmp_path: Path) -> None:
    (tmp_path / "hub.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(HubtoolsError, match="is not the database"):
        Database(tmp_path / "hub.sqlite3")
    with pytest.raises(sqlite3.OperationalError, match="syntax"), disk_errors(tmp_path / "x"):
        sqlite3.connect(":memory:").execute("nonsense")


def test_a_lock_that_another_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = RootLock(tmp_path / "lock")
    with pytest.raises(HubtoolsError, match="Another embedded Hub"):
        RootLock(tmp_path / "lock")
    held.release()

    def none(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "_lock", none)
    with pytest.raises(OSError, match=r"No locks available.*lock"):
        RootLock(tmp_path / "lock")


def test_a_mounted_file_without_permission(tmp_path: Path, hub_of: Hub) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_bytes(b"x")
    hub_of.store.mount("model", "me/mounted", folder)
    repo = hub_of.store.find("model", "me", "mounted")
    assert repo is not None
    assert "inner/a.txt" in hub_of.store.snapshot(repo).files
    (folder / "inner").chmod(0)
    try:
        with without_privilege(), pytest.raises(PermissionError):
            hub_of.store.snapshot(repo)
    finally:
        (folder / "inner").chmod(0o755)


@pytest.fixture
def hub_of(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "hub")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with Hub(tmp_path / "one") as hub, pytest.raises(HubtoolsError, match="cannot be used") as told:
        Hub(tmp_path / "two", port=hub.port)
    assert told.value.code == "busy"
    assert "another program has it" in str(told.value.hint)
