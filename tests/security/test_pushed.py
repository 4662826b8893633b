"""What is sent is what was checked; state of strangers decides nothing."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.layout import PUSHED, cache_dir
from hubtools.localhub.server import Hub
from hubtools.publish import outbox
from hubtools.publish.ledger import Sent, write_ledger
from hubtools.publish.push import plan_push, push
from hubtools.rooted import LeadsOut, Root
from hubtools.trust import ForeignState
from tests.security.pushing import (
    LEDGER,
    REPO,
    TOKEN,
    colleague,
    head,
    plan,
    same_length,
    send,
    text_of,
    there,
)
from tests.typed import typed

# --- state of strangers --------------------------------------------------------------------------


def forge(folder: Path, hub: Hub, **entry: Any) -> None:
    """A ledger as it may come with a folder, in the old and in the new shape."""
    (folder / ".hubtools").mkdir(exist_ok=True)
    key = f"{hub.url}/datasets/{REPO}"
    for content in ({key: entry}, {"schema": 2, "repos": {key: entry}}):
        (folder / LEDGER).write_text(json.dumps(content))


@pytest.mark.parametrize("shape", ["old", "new", "sealed elsewhere"])
def test_a_forged_ledger_deletes_nothing(
    local_hub: Hub, dataset: Path, tmp_path: Path, shape: str
) -> None:
    send(dataset)
    colleague("theirs.txt", b"a colleague's")
    mark = HfApi().get_paths_info(REPO, ["theirs.txt"], repo_type="dataset")[0].blob_id
    key = f"{local_hub.url}/datasets/{REPO}"
    content: dict[str, Any] = {key: {"files": ["theirs.txt"]}}
    if shape != "old":
        content = {"schema": 2, "repos": {key: {"files": {"theirs.txt": mark}}}}
    if shape == "sealed elsewhere":
        content["seal"] = {"path": str(dataset), "device": 1, "inode": 1, "mac": "0" * 64}
    (dataset / LEDGER).write_text(json.dumps(content))
    before = head()
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 1
    assert "theirs.txt" in told.stderr
    assert "--trust-state" in told.stderr
    assert head() == before
    # with the word it is believed, and says so before
    dry = typed("push", dataset, REPO, "--type", "dataset", "--trust-state", "--dry-run")
    assert "theirs.txt" in dry.stdout
    assert "theirs.txt" in there()


def test_a_forged_pull_request_is_not_gone_on_with(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    api = HfApi()
    api.create_pull_request(REPO, title="a colleague's", repo_type="dataset")
    forge(dataset, local_hub, files={}, pending=1)
    with pytest.raises(ForeignState, match="pull request 1"):
        plan(dataset)
    assert [d.status for d in api.get_repo_discussions(REPO, repo_type="dataset")] == ["draft"]


def test_the_ledger_of_a_copied_folder_is_asked_about(
    local_hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    send(dataset)
    copied = tmp_path / "copied"
    shutil.copytree(dataset, copied)
    (copied / "notes.txt").unlink()
    with pytest.raises(ForeignState) as caught:
        plan(copied)
    assert caught.value.details == ("delete notes.txt",)
    made = plan_push(copied, REPO, "dataset", trust_state=True)
    assert made.deletions == ("notes.txt",)
    push(made)
    assert "notes.txt" not in there()
    assert plan(copied).notes == ()  # it is this user's now
    replaced = copied / ".hubtools/replaced"
    assert len([*replaced.rglob("pushed-of-others.json")]) == 1
    shutil.copy(dataset / PUSHED, copied / PUSHED)  # of yet another copy
    with Root(copied) as root:
        write_ledger(root, REPO, Sent())
    assert len([*replaced.rglob("pushed-of-others.json")]) == 2


def test_a_ledger_of_others_that_would_do_nothing_is_passed_by(
    local_hub: Hub, dataset: Path
) -> None:
    forge(dataset, local_hub, files={"gone.txt": "0" * 40})
    made = plan(dataset)
    assert "copied or moved here" in made.notes[0]
    push(made)
    assert plan(dataset).notes == ()


@pytest.mark.parametrize("what", ["folder", "file"])
def test_nothing_is_written_through_a_link(
    local_hub: Hub, dataset: Path, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "victim").write_text("{}")
    monkeypatch.setattr(outbox, "_SMALL", 0)
    if what == "folder":
        (dataset / ".hubtools").symlink_to(target)
    else:
        (dataset / ".hubtools").mkdir()
        (dataset / ".hubtools" / "pushed.json").symlink_to(target / "victim")
    with pytest.raises(LeadsOut, match="symbolic link"):
        send(dataset)
    assert sorted(path.name for path in target.iterdir()) == ["victim"]
    assert (target / "victim").read_text() == "{}"


def test_a_work_folder_that_is_a_file_is_a_sentence(local_hub: Hub, dataset: Path) -> None:
    (dataset / ".hubtools").write_text("")
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 1
    assert ".hubtools" in told.stderr
    assert "bug" not in told.stderr


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"schema": 2, "repos": 3}', "[" * 100_000, '{"a/b": {"files": 7}}']
)
def test_ledgers_that_are_none(local_hub: Hub, dataset: Path, content: str) -> None:
    (dataset / ".hubtools").mkdir()
    (dataset / LEDGER).write_text(content)
    send(dataset)
    assert "0.png" in there()


# --- what is sent is what was checked ------------------------------------------------------------


def swap_for_link(path: Path) -> None:
    secret = path.parent.parent / "secret"
    secret.write_text(TOKEN)
    path.unlink()
    path.symlink_to(secret)


CHANGES: dict[str, Callable[[Path], None]] = {
    "a token is added": lambda path: path.write_text(TOKEN) and None,
    "of equal length and time": same_length,
    "a link takes its place": swap_for_link,
    "it grows": lambda path: path.open("a").write("more") and None,
    "it is cut": lambda path: path.write_text("") and None,
    "it is gone": Path.unlink,
}


@pytest.mark.parametrize("small", [outbox._SMALL, 0], ids=["in memory", "as copies"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_between_plan_and_sending(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch, change: str, small: int
) -> None:
    monkeypatch.setattr(outbox, "_SMALL", small)
    made = plan(dataset)
    CHANGES[change](dataset / "notes.txt")
    with pytest.raises((HubtoolsError, FileNotFoundError)) as caught:
        push(made)
    assert "notes.txt" in str(caught.value)
    assert not HfApi().repo_exists(REPO, repo_type="dataset") or there() == set()
    sending = cache_dir() / "sending"
    assert not sending.exists() or not list(sending.iterdir())


@pytest.mark.parametrize("way", ["in memory", "as copies", "as they are"])
def test_a_file_that_changes_while_it_is_sent(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The client waits a moment before it tries again; meanwhile a token comes into the file."""
    if way != "in memory":
        monkeypatch.setattr(outbox, "_SMALL", 0)
    if way == "as they are":
        full = shutil.disk_usage(dataset)._replace(free=0)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    made = plan(dataset)
    waiting = local_hub.fail_next("POST", "/preupload/", 503)

    def meddle() -> None:
        while not waiting.hits:
            time.sleep(0.005)
        same_length(dataset / "notes.txt")

    meddler = threading.Thread(target=meddle)
    meddler.start()
    if way == "as they are":
        # no copy: what came in is in the commit at worst, and that is noticed and said
        with pytest.raises(ChecksFailed, match=r"notes\.txt") as caught:
            push(made)
        assert "history" in str(caught.value.hint)
    else:
        push(made)
        assert text_of("notes.txt") == "some words about it\n"
    meddler.join()


def test_a_file_that_changes_while_it_is_checked(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools.publish import plan as planning

    judged = planning._judged

    def meddling(*arguments: Any) -> Any:
        report = judged(*arguments)
        same_length(dataset / "notes.txt")
        return report

    monkeypatch.setattr(planning, "_judged", meddling)
    with pytest.raises(ChecksFailed, match=r"notes\.txt changed"):
        plan(dataset)


def test_copies_of_a_killed_push_are_swept(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another machine that shares the cache, after a week; never what a person has there."""
    sending, node = cache_dir() / "sending", outbox._node()
    gone = [f"hubtools-{node}-999999999-abcd_fg1", "hubtools-01234567-1-abcdefgh"]
    kept = [f"hubtools-{node}-{os.getpid()}-abcdefgh", "hubtools-12345678-999999999-abcdefgh"]
    kept += ["2024-invoices", "999999999-abcdefgh", "hubtools-notes"]
    for name in (*gone, *kept):
        (sending / name).mkdir(parents=True)
        (sending / name / "0001.png").write_bytes(b"left over")
    os.utime(sending / gone[1], (0, 0))
    os.utime(sending / kept[0], (0, 0))
    monkeypatch.setattr(outbox, "_SMALL", 0)
    send(dataset)
    assert sorted(one.name for one in sending.iterdir()) == sorted(kept)
