"""Folders that hubtools keeps in a project may have come with it, or be exchanged meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubtools.errors import HubtoolsError
from hubtools.fences import LeadsOut
from hubtools.localhub.pages.laid import Judged
from hubtools.localhub.store import Store
from hubtools.trust import ForeignState
from tests.drawing import write_pictures
from tests.typed import typed

PRECIOUS = "mine\n"
links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with a file of the user's."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "thesis.txt").write_text(PRECIOUS)
    (folder / ("ab" * 16)).write_text(PRECIOUS)
    (folder / ("ab" * 32)).write_text(PRECIOUS)
    return folder


def all_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@links
@pytest.mark.parametrize("name", ["incoming", "blobs", "blobs/ab"])
def test_folders_that_are_links(name: str, outside: Path, tmp_path: Path) -> None:
    before = all_of(outside)
    root = tmp_path / "hub"
    (root / name).parent.mkdir(parents=True)
    (root / name).symlink_to(outside)
    with suppress(LeadsOut):
        Store(root).close()
    assert all_of(outside) == before


@links
@pytest.mark.parametrize(
    "name", ["lock", "hub.sqlite3", "hub.sqlite3-wal", "hub.sqlite3-shm", "hub.sqlite3-journal"]
)
@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_files_that_are_links(name: str, make: object, outside: Path, tmp_path: Path) -> None:
    before = all_of(outside)
    root = tmp_path / "hub"
    root.mkdir()
    make(outside / "thesis.txt", root / name)  # type: ignore[operator]
    for trust in (False, True):
        with pytest.raises(HubtoolsError):
            Store(root, trust_state=trust)
    assert all_of(outside) == before


@links
def test_the_usual_folder_of_a_downloaded_one(outside: Path, tmp_path: Path) -> None:
    before = all_of(outside)
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / ".hubtools").symlink_to(outside)
    done = typed("hub", "serve", "--port", "0", cwd=tmp_path / "ds")
    assert done.returncode == 1
    assert "leads out" in done.stderr
    assert all_of(outside) == before


def test_the_hub_of_somebody_else_is_asked_about(tmp_path: Path) -> None:
    """sqlite carries a journal on before anybody can look into the database, and a journal names
    another file that is deleted afterwards."""
    root = tmp_path / "hub"
    Store(root).close()
    (root / "owner.json").write_text(json.dumps({"made_by": "hubtools hub serve"}))
    with pytest.raises(ForeignState, match="copied or moved here"):
        Store(root)
    Store(root, trust_state=True).close()
    Store(root).close()


def test_what_no_upload_has_left_stays(tmp_path: Path) -> None:
    root = tmp_path / "hub"
    Store(root).close()
    (root / "incoming" / "notes.txt").write_text(PRECIOUS)
    (root / "incoming" / ("0" * 32)).write_text("half")
    Store(root).close()
    assert [path.name for path in (root / "incoming").iterdir()] == ["notes.txt"]


def test_a_database_of_something_else(tmp_path: Path) -> None:
    root = tmp_path / "hub"
    root.mkdir()
    with sqlite3.connect(root / "hub.sqlite3") as other:
        other.execute("create table mine (x)")
    other.close()
    before = (root / "hub.sqlite3").read_bytes()
    with pytest.raises(ForeignState):
        Store(root)
    assert (root / "hub.sqlite3").read_bytes() == before


@links
def test_a_rehearsal_with_links_in_it(outside: Path, tmp_path: Path) -> None:
    """The Hub's client would write its cache through them."""
    from hubtools.journey.stage import own_folder

    project = tmp_path / "project"
    project.mkdir()
    folder = own_folder(project, print)
    (folder / "hf-home").symlink_to(outside)
    notes: list[str] = []
    assert own_folder(project, notes.append) == folder
    assert len(notes) == 1
    assert not (folder / "hf-home").exists()
    assert (folder.parent / "rehearsal.other-1" / "hf-home").is_symlink()


def test_the_cache_of_a_rehearsal_lies_in_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub's client writes by its path, through a link that is made meanwhile, too."""
    from hubtools.journey.stage import own_cache

    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    project = tmp_path / "project"
    (project / "hf-home" / "hub").mkdir(parents=True)  # of an earlier version
    with own_cache(project) as home:
        assert home.is_relative_to(tmp_path / "cache")
        assert home.stat().st_mode & 0o077 == 0
    assert not home.exists()
    assert not (project / "hf-home").exists()


@links
def test_init_into_a_folder_that_becomes_a_link(
    outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, project = write_pictures(tmp_path / "source", 2), tmp_path / "project"
    (source / "metadata.jsonl").unlink()
    (outside / "metadata.jsonl").write_text(PRECIOUS)
    before = all_of(outside)
    copy = shutil.copyfileobj

    def exchanged(*words: Any) -> None:
        copy(*words)
        if (dataset := project / "dataset").is_dir() and not dataset.is_symlink():
            dataset.rename(tmp_path / "away")
            dataset.symlink_to(outside)

    monkeypatch.setattr(shutil, "copyfileobj", exchanged)
    typed("init", project, "--from", source, cwd=tmp_path)
    assert (tmp_path / "away").is_dir()
    assert all_of(outside) == before


@links
@pytest.mark.parametrize("swapped", ["notes/thesis.txt", "notes"])
def test_a_file_of_a_mount_that_is_exchanged_for_a_link(
    tmp_path: Path, outside: Path, swapped: str
) -> None:
    mine = tmp_path / "mounted"
    (mine / "notes").mkdir(parents=True)
    (mine / "notes/thesis.txt").write_text("other")
    store = Store(tmp_path / "hub")
    store.mount("model", "me/notes", mine)
    repo = store.find("model", "me", "notes")
    assert repo is not None
    _, content = store.open(store.snapshot(repo), "notes/thesis.txt")
    place = mine / swapped
    place.rename(tmp_path / "aside")
    place.symlink_to(outside / "thesis.txt" if "." in swapped else outside)
    with pytest.raises(FileNotFoundError):
        content.open()
    store.close()


@links
@pytest.mark.parametrize("exchanged", ["hub/incoming", "hub/incoming/view", "hub/incoming/view/x"])
def test_pages_lay_nothing_out_behind_a_link(exchanged: str, outside: Path, tmp_path: Path) -> None:
    """A folder above what is laid out is exchanged for a link between two files."""
    before = all_of(outside)
    store = Store(tmp_path / "hub")
    laid = []

    def opened(_: object, name: str) -> tuple[Any, Any]:
        if name == "two":
            (view,) = (tmp_path / "hub/incoming").iterdir()
            place = tmp_path / exchanged.replace("view", view.name)
            place.rename(tmp_path / "moved")
            place.symlink_to(outside)
        laid.append(name)
        content = SimpleNamespace(open=lambda: BytesIO(b"theirs"))
        return SimpleNamespace(size=6), content

    class Nothing:
        def card(self, folder: Path, kind: str) -> list[Any]:
            return []

    files = {name: SimpleNamespace(size=6) for name in ("one", "two", "b/thesis.txt")}
    repo = SimpleNamespace(id=1, kind="model", name="x", mount=None)
    snapshot: Any = SimpleNamespace(repo=repo, files=files, commit=SimpleNamespace(oid="1"))
    beside: Any = SimpleNamespace(blobs=store.blobs, open=opened)
    judged = Judged(beside, cast("Any", Nothing()))
    assert judged.card(snapshot) == []
    judged.close()
    store.close()
    assert laid == list(files)
    assert all_of(outside) == before


def test_what_was_laid_out_for_a_page_goes(tmp_path: Path) -> None:
    store = Store(tmp_path / "hub")
    with store.blobs.view() as made:
        with made.create("a/b") as file:
            file.write(b"1")
        assert (made.path / "a/b").read_bytes() == b"1"
        assert made.path.stat().st_mode & 0o077 == 0
    assert not list(store.blobs.incoming.iterdir())
    store.close()
