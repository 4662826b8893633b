"""Holes that an attack on `push` found, each closed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi
from PIL import Image

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.layout import cache_dir
from hubtools.localhub.server import Hub
from hubtools.publish import content, outbox
from hubtools.publish import push as pushing
from hubtools.publish.content import HashedFile
from hubtools.publish.release import Release, collect
from hubtools.publish.rules import PUBLISH_RULES
from hubtools.rooted import Root
from tests.security.pushing import REPO, TOKEN, plan, rules, send, there

# --- what is sent is what was checked ------------------------------------------------------------


def test_copies_lie_where_nobody_else_can_write(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_SMALL", 0)
    made = plan(dataset)
    with Root(dataset) as root, outbox.operations(root, made.changes) as found:
        copies = [Path(one.path_or_fileobj) for one in found]
        assert len(copies) == 6
        for one, copy in zip(found, copies, strict=True):
            assert not copy.is_relative_to(dataset)
            assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
            assert copy.read_bytes() == (dataset / one.path_in_repo).read_bytes()
        assert not (dataset / ".hubtools").exists()
    assert not any(copy.exists() for copy in copies)


def test_a_folder_for_copies_that_is_a_link_is_refused(
    local_hub: Hub, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(outbox, "_SMALL", 0)
    (tmp_path / "target").mkdir()
    cache_dir().mkdir()
    (cache_dir() / "sending").symlink_to(tmp_path / "target")
    with pytest.raises(HubtoolsError, match="only you can write to"):
        send(dataset)
    assert list((tmp_path / "target").iterdir()) == []


def exchanged(dataset: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes, name: str) -> Any:
    """Plan a push while the folder of a file is another one for as long as rules read it."""
    from hubtools.publish import plan as planning

    pictures, clean = dataset / "more", dataset.parent / "clean"
    for folder, data in ((pictures, bad), (clean, b"a" * len(bad))):
        folder.mkdir()
        (folder / name).write_bytes(data)
    judged = planning._judged

    def meddling(*arguments: Any) -> Any:
        pictures.rename(dataset.parent / "bad")
        clean.rename(pictures)
        try:
            return judged(*arguments)
        finally:
            pictures.rename(clean)
            (dataset.parent / "bad").rename(pictures)

    monkeypatch.setattr(planning, "_judged", meddling)
    return plan(dataset)


@pytest.mark.parametrize("name", ["notes.txt", "a.png", "a.zip", "a.parquet", "a.json"])
def test_a_folder_that_is_exchanged_while_rules_read(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # what is small was searched when it was hashed: the other file is not even looked at
    try:
        made = exchanged(dataset, monkeypatch, f"token {TOKEN}\n".encode(), name)
    except ChecksFailed:
        return
    assert "P101" in rules(made)


def test_a_large_file_that_is_exchanged_while_rules_read(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "SMALL", 8)
    with pytest.raises(ChecksFailed, match="changed after it was checked"):
        exchanged(dataset, monkeypatch, f"token {TOKEN}\n".encode(), "notes.txt")


@pytest.mark.parametrize(
    "read",
    [
        lambda release: release.leaks,
        lambda release: list(PUBLISH_RULES.run(release, select=["P116"])),
        lambda release: list(PUBLISH_RULES.run(release, select=["P112"])),
        lambda release: list(PUBLISH_RULES.run(release, select=["P126"])),
    ],
    ids=["secrets", "kinds", "positions", "beside"],
)
def test_every_reader_takes_the_file_that_was_hashed(
    dataset: Path, read: Callable[[Release], object]
) -> None:
    (dataset / "more").mkdir()
    (dataset / "more/a.json").write_text("{}")
    release = collect(dataset, "dataset")
    with Root(dataset) as root:
        files = tuple(replace(f, hashed=HashedFile.at(root, f.source)[0]) for f in release.files)
    release = replace(release, files=files)
    (dataset / "more").rename(dataset.parent / "old")
    shutil.copytree(dataset.parent / "old", dataset / "more")
    with pytest.raises(ChecksFailed, match=r"a\.json changed"):
        read(release)


def test_a_picture_of_equal_size_and_time_is_read_again(local_hub: Hub, dataset: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 12.0), 3: "E", 4: (11.0, 34.0, 12.0)})
    picture = dataset / "0.png"
    Image.new("RGB", (8, 8)).save(picture, "JPEG", exif=exif)
    bad = picture.read_bytes()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    picture.write_bytes(picture.read_bytes().ljust(len(bad), b"\0"))
    os.utime(picture, (1e9, 1e9))
    assert "P112" not in rules(plan(dataset))
    picture.write_bytes(bad)
    os.utime(picture, (1e9, 1e9))
    assert "P112" in rules(plan(dataset))


def test_a_pull_request_of_a_repository_made_again_is_left_alone(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "BATCH", 2)
    commit, calls = pushing._Push.commit, []

    def dying(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return commit(self, *arguments, **options)

    monkeypatch.setattr(pushing._Push, "commit", dying)
    with pytest.raises(KeyboardInterrupt):
        send(dataset)
    api = HfApi()
    api.delete_repo(REPO, repo_type="dataset")
    api.create_repo(REPO, repo_type="dataset", private=True)
    api.upload_file(
        path_or_fileobj=b"days of work",
        path_in_repo="work.txt",
        repo_id=REPO,
        repo_type="dataset",
        create_pr=True,
    )
    send(dataset)
    assert api.get_discussion_details(REPO, 1, repo_type="dataset").status == "open"
    assert "work.txt" in api.list_repo_files(REPO, repo_type="dataset", revision="refs/pr/1")
    assert "work.txt" not in there()


@pytest.mark.parametrize(
    "card, fresh",
    [
        ("---\nlicense: mit\n---\n", True),
        ("---\nlicense: mit\ntags:\n- a\n---", True),
        ("---\nlicense: mit\n---\n# Ours\n\nThree days of work\n\n---", False),
        ("---\nconfigs:\n- config_name: default\n---\n", False),
        ("# Ours\n", False),
        ("", False),
    ],
)
def test_a_card_that_somebody_wrote_is_not_taken_for_a_new_one(card: str, fresh: bool) -> None:
    from hubtools.publish.comparison import fresh_card

    assert fresh_card(card, "model") is fresh
    space = card.replace("tags:\n- a", "title: Ours\nsdk: gradio")
    assert fresh_card(space, "space") is fresh
    said = "\nCheck out the configuration reference at https://huggingface.co/docs/hub/spaces"
    assert fresh_card(space + said, "space") is fresh
