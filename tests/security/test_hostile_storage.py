"""`prune --remote` of a repository whose Hub lies: nothing beside the folder of what is saved is
written, nothing in it is written over, and a list that makes no sense is a sentence."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubtools.commands.remote import plan_prune_remote
from hubtools.errors import HubtoolsError
from hubtools.fences import LeadsOut
from hubtools.hub.client import Remote, RemoteFile
from hubtools.hub.reading import get
from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.publish import remote
from hubtools.publish.remote import RemotePlan, keep_here
from tests.disks import limited

Make = Callable[..., Path]
REPO = "me/people"


@pytest.fixture
def uploaded(local_hub: Hub, tmp_path: Path, make_lora_file: Make) -> None:
    """A LoRA, and an earlier one that only the history has."""
    for rank in (4, 8):
        weights = make_lora_file(tmp_path / "run" / LORA_WEIGHTS, rank=rank)
        HfApi().create_repo(REPO, exist_ok=True)
        HfApi().upload_folder(folder_path=weights.parent, repo_id=REPO)


def plan_of_hidden() -> RemotePlan:
    plan = plan_prune_remote(REPO)
    assert len(plan.hidden) == 1
    return plan


@pytest.mark.parametrize("sha256", ["../../.ssh//" + "0" * 52, "a" * 64])
@pytest.mark.parametrize("name", ["authorized_keys", "x/..", "a/b/authorized_keys"])
def test_nothing_beside_the_folder_is_written(
    uploaded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sha256: str, name: str
) -> None:
    """Also if a hash or a name that is none came this far; a folder there may be a link."""
    plan = plan_of_hidden()
    (tmp_path / ".ssh").mkdir()
    mine = tmp_path / ".ssh" / "authorized_keys"
    mine.write_text("mine")
    saved = tmp_path / "docs" / "saved"
    saved.mkdir(parents=True)
    (saved / ("a" * 12)).symlink_to(tmp_path / ".ssh")
    file = plan.hidden[0]
    forged = RemotePlan(REPO, "model", plan.head, (), (file._replace(sha256=sha256),))
    monkeypatch.setattr(remote, "places_of", lambda *_: {sha256: ("main", name)})
    with pytest.raises(LeadsOut):
        keep_here(forged, saved)
    assert mine.read_text() == "mine"
    assert [path.name for path in (tmp_path / ".ssh").iterdir()] == ["authorized_keys"]


@pytest.mark.parametrize(
    "names",
    [["a", "a/b"], ["x" * 300], ["d/" * 3000 + "x"], ["./a"], ["../a"], ["/a"], ["a\0b"]],
    ids=["folder and file", "long", "deep", "dot", "above", "root", "nul"],
)
def test_names_that_cannot_lie_beside_each_other(
    uploaded: None, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    files = {name: RemoteFile(name, 3, None, "b" * 40) for name in names}
    monkeypatch.setattr(remote, "look", lambda *_: Remote("1" * 40, False, files))
    with pytest.raises(HubtoolsError, match="no file that can lie beside"):
        plan_prune_remote(REPO)


def test_a_size_that_no_disk_has(uploaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a.bin": RemoteFile("a.bin", 1 << 62, None, "b" * 40)}
    monkeypatch.setattr(remote, "look", lambda *_: Remote("1" * 40, False, files))
    most = limited(resource.RLIMIT_FSIZE, 1 << 44)  # ext4's; that of memory is larger
    with most, pytest.raises(HubtoolsError, match="no file that can lie beside"):
        plan_prune_remote(REPO)


def test_what_is_fetched_is_bounded(uploaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that a file is known by its name and size."""
    HfApi().upload_file(path_or_fileobj=b"{}" * 400, path_in_repo="a.json", repo_id=REPO)
    HfApi().upload_file(path_or_fileobj=b"{}" * 400, path_in_repo="b.json", repo_id=REPO)
    fetched: list[str] = []

    def counted(repo: str, kind: str, head: str, name: str, **more: Any) -> tuple[int, bytes]:
        fetched.append(name)
        return get(repo, kind, head, name, **more)

    monkeypatch.setattr(remote, "get", counted)
    monkeypatch.setattr(remote, "_ALL", 1000)
    with pytest.raises(HubtoolsError):  # nor was the header of the LoRA
        plan_prune_remote(REPO)
    assert fetched == ["a.json"]
