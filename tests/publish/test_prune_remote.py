"""`prune --remote`: a repository is judged as a folder is, and what goes for good was saved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hubtools.commands.remote import plan_prune_remote, prune_remote, purge_remote
from hubtools.errors import ChecksFailed, HubtoolsError, UsageError
from hubtools.files import sha256_of
from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.publish.classify import classify
from tests.typed import typed

Make = Callable[..., Path]
REPO = "me/people"


@pytest.fixture
def uploaded(local_hub: Hub, run_dir: Path, make_lora_file: Make) -> Path:
    """A run folder that somebody has uploaded as it was, twice, and once more in a pull request."""
    hub = HfApi()
    hub.create_repo(REPO)
    upload = {"folder_path": run_dir, "repo_id": REPO}
    make_lora_file(run_dir / LORA_WEIGHTS, rank=5)
    hub.upload_folder(**upload)  # type: ignore[arg-type]
    make_lora_file(run_dir / LORA_WEIGHTS, rank=8)
    hub.upload_folder(**upload)  # type: ignore[arg-type]
    before = (run_dir / LORA_WEIGHTS).read_bytes()
    make_lora_file(run_dir / LORA_WEIGHTS, rank=16)
    hub.upload_folder(**upload, create_pr=True)  # type: ignore[arg-type]
    (run_dir / LORA_WEIGHTS).write_bytes(before)
    return run_dir


def test_it_is_judged_as_the_folder_is(uploaded: Path) -> None:
    plan = plan_prune_remote(REPO)
    here = classify(uploaded)
    assert [(i.path, i.verdict, i.bytes, i.moves) for i in plan.items] == [
        (i.path, i.verdict, i.bytes, i.moves) for i in here.items
    ]
    assert plan.removed
    # the LoRA of the first commit, and the one of the pull request
    assert [file.name for file in plan.hidden] == [LORA_WEIGHTS, LORA_WEIGHTS]
    kept = plan_prune_remote(REPO, keep_checkpoints="all", keep=["loss.png"]).removed
    assert len(kept) < len(plan.removed)


def test_files_of_one_size_are_not_taken_for_one(
    local_hub: Hub, run_dir: Path, make_lora_file: Make
) -> None:
    """Only the header of a weight file is fetched; what tells two of them apart is their hash."""
    first = make_lora_file(run_dir / "snapshots/people-step000015.safetensors", rank=4)
    first.write_bytes(first.read_bytes()[:-1] + b"\7")
    HfApi().create_repo(REPO)
    HfApi().upload_folder(folder_path=run_dir, repo_id=REPO)
    items = {item.path: item for item in plan_prune_remote(REPO, keep_checkpoints="all").items}
    assert (
        items["snapshots/people-step000015.safetensors"].reason
        == "the LoRA at step 15, kept as asked"
    )


def test_a_pull_request_deletes_and_main_stays(uploaded: Path) -> None:
    before = set(HfApi().list_repo_files(REPO))
    plan = plan_prune_remote(REPO)
    url = prune_remote(plan)
    assert "/discussions/" in url
    assert set(HfApi().list_repo_files(REPO)) == before
    number = int(url.rpartition("/")[2])
    HfApi().merge_pull_request(REPO, number)
    assert set(HfApi().list_repo_files(REPO)) == before - {item.path for item in plan.removed}
    again = plan_prune_remote(REPO)
    assert not again.removed
    with pytest.raises(HubtoolsError, match="nothing to delete"):
        prune_remote(again)


def test_what_goes_for_good_was_saved(uploaded: Path, tmp_path: Path) -> None:
    plan = plan_prune_remote(REPO)
    with pytest.raises(UsageError, match="Nothing brings back"):
        purge_remote(plan, "me/other", snapshot=tmp_path / "saved")
    assert purge_remote(plan, REPO, snapshot=tmp_path / "saved") == 2
    saved = sorted(path for path in (tmp_path / "saved").rglob("*") if path.is_file())
    assert {sha256_of(path) for path in saved} == {file.sha256 for file in plan.hidden}
    assert not plan_prune_remote(REPO).hidden
    left = HfApi().hf_hub_download(REPO, LORA_WEIGHTS, local_dir=tmp_path / "left")
    assert Path(left).read_bytes() == (uploaded / LORA_WEIGHTS).read_bytes()


def test_what_came_back_to_main_is_not_deleted(uploaded: Path, tmp_path: Path) -> None:
    plan = plan_prune_remote(REPO)
    HfApi().merge_pull_request(REPO, 1)
    with pytest.raises(ChecksFailed, match="is on main of me/people now"):
        purge_remote(plan, REPO, snapshot=None)


def test_a_storage_that_does_not_know_main_is_not_believed(uploaded: Path, local_hub: Hub) -> None:
    """Whatever else the Hub calls its files: those of main must be among them."""
    main = sha256_of(uploaded / LORA_WEIGHTS)
    with local_hub.store.database.writing() as database:
        database.execute("DELETE FROM lfs_objects WHERE sha256 = ?", (main,))
    with pytest.raises(HubtoolsError, match="does not list"):
        plan_prune_remote(REPO)


def test_of_a_dataset_the_storage_is_looked_at(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset")
    upload = {"folder_path": dataset, "repo_id": REPO, "repo_type": "dataset"}
    HfApi().upload_folder(**upload)  # type: ignore[arg-type]
    (dataset / "0.png").write_bytes((dataset / "0.png").read_bytes() + b"more")
    HfApi().upload_folder(**upload)  # type: ignore[arg-type]
    plan = plan_prune_remote(REPO, type="dataset")
    assert (plan.items, [file.name for file in plan.hidden]) == ((), ["0.png"])
    assert purge_remote(plan, REPO, snapshot=None) == 1


def test_what_is_no_run_is_told(local_hub: Hub) -> None:
    with pytest.raises(HubtoolsError, match="There is no model me/people"):
        plan_prune_remote(REPO)
    HfApi().create_repo(REPO)
    with pytest.raises(HubtoolsError, match="me/people holds no LoRA"):
        plan_prune_remote(REPO)


def test_typed(uploaded: Path, tmp_path: Path) -> None:
    shown = typed("prune", "--remote", REPO, cwd=tmp_path, COLUMNS="200")
    assert shown.returncode == 0, shown.stderr
    assert "not on main" in shown.stdout
    assert "state/step-000010/optimizer.safetensors" in shown.stdout
    for words in (["--purge"], ["--purge", "--snapshot", "x", "--no-snapshot"], ["--undo"]):
        assert typed("prune", "--remote", REPO, *words, cwd=tmp_path).returncode == 2
    refused = typed("prune", "--remote", REPO, "--purge", "--snapshot", "saved", cwd=tmp_path)
    assert refused.returncode == 2
    assert "confirm it by its name" in refused.stderr
    words = ["--snapshot", "saved", "--confirm", REPO, "--format", "json"]
    done = typed("prune", "--remote", REPO, "--purge", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["deleted"] == 2
    done = typed("prune", "--remote", REPO, "--apply", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert typed("prune", "--confirm", REPO, cwd=tmp_path).returncode == 2


def test_what_lies_where_files_are_saved_stays(uploaded: Path, tmp_path: Path) -> None:
    plan = plan_prune_remote(REPO)
    saved, outside = tmp_path / "saved", tmp_path / "outside"
    outside.mkdir()
    first, second = (saved / file.sha256[:12] for file in plan.hidden)
    first.mkdir(parents=True)
    (first / LORA_WEIGHTS).write_bytes(b"mine")
    with pytest.raises(HubtoolsError, match="not written over"):
        purge_remote(plan, REPO, snapshot=saved)
    assert (first / LORA_WEIGHTS).read_bytes() == b"mine"
    (first / LORA_WEIGHTS).unlink()
    shutil.rmtree(second, ignore_errors=True)
    second.symlink_to(outside)
    with pytest.raises(HubtoolsError, match="symbolic link"):
        purge_remote(plan, REPO, snapshot=saved)
    assert not list(outside.iterdir())
    assert len(plan_prune_remote(REPO).hidden) == 2


@pytest.mark.parametrize("id", ["../" * 21 + "x", "A" * 64, "1" * 39])
def test_a_storage_whose_hashes_are_none(uploaded: Path, local_hub: Hub, id: str) -> None:
    """They become names of folders here."""
    with local_hub.store.database.writing() as connection:
        one = connection.execute("SELECT min(sha256) FROM lfs_objects").fetchone()[0]
        connection.execute("UPDATE lfs_objects SET sha256 = ? WHERE sha256 = ?", (id, one))
    with pytest.raises(HubtoolsError, match="is no hash"):
        plan_prune_remote(REPO)
