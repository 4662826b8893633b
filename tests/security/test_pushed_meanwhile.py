"""What happens between the check and the commit, and what an old ledger knows of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hubtools.errors import ChecksFailed
from hubtools.localhub.server import Hub
from hubtools.publish import push as pushing
from hubtools.publish.push import load_plan, push, save_plan
from tests.security.pushing import (
    CARD,
    LEDGER,
    REPO,
    before_call,
    colleague,
    head,
    plan,
    send,
    text_of,
    there,
)
from tests.typed import typed

# --- the plan that is made anew ------------------------------------------------------------------


def a_card_of_theirs(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is ready to be pushed; a colleague writes the same file just before the commit."""
    send(dataset)
    (dataset / "README.md").write_text(CARD + "mine\n")
    theirs = b"---\nlicense: mit\n---\ntheirs\n"
    before_call(monkeypatch, HfApi, "create_commit", lambda: colleague("README.md", theirs))


def test_what_a_new_plan_finds_is_shown(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_card_of_theirs(dataset, monkeypatch)
    page = dataset.parent / "report.json"
    told = typed("push", dataset, REPO, "--type", "dataset", "--report", page)
    assert told.returncode == 3
    assert "README.md: error P130" in told.stderr
    assert "made and checked anew" in told.stderr
    assert [f["rule"] for f in json.loads(page.read_text())["findings"]].count("P130") == 1
    assert text_of("README.md").endswith("theirs\n")


def test_what_a_new_plan_finds_is_told_to_programs(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_card_of_theirs(dataset, monkeypatch)
    told = typed("push", dataset, REPO, "--type", "dataset", "--format", "json")
    assert told.returncode == 3
    report = json.loads(told.stdout)["report"]
    assert ("P130", "README.md") in {(f["rule"], f["path"]) for f in report["findings"]}


def test_a_plan_that_is_refused_is_told_to_programs(local_hub: Hub, dataset: Path) -> None:
    (dataset / "2.png").unlink()
    told = typed("push", dataset, REPO, "--type", "dataset", "--format", "json")
    assert told.returncode == 3
    assert "P135" in {f["rule"] for f in json.loads(told.stdout)["report"]["findings"]}


def test_a_repository_that_never_rests_gets_a_sentence(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("mine\n")
    numbers = iter(range(100))
    before_call(
        monkeypatch,
        HfApi,
        "create_commit",
        lambda: colleague("theirs.txt", b"theirs %d" % next(numbers)),
        always=True,
    )
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 1
    assert "changes faster than it can be pushed to" in told.stderr


# --- who can read it -----------------------------------------------------------------------------


def open_up() -> None:
    HfApi().update_repo_settings(REPO, repo_type="dataset", visibility="public")


def test_a_repository_that_becomes_public_during_the_uploads(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    before_call(monkeypatch, HfApi, "preupload_lfs_files", open_up)
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert "was made public" in told.stderr
    assert f"hf repos settings {REPO} --type dataset --private" in told.stderr
    assert there() == set()


def test_a_plan_from_a_file_looks_again_too(
    local_hub: Hub, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    save_plan(plan(dataset), tmp_path / "plan.json")
    loaded = load_plan(tmp_path / "plan.json")
    before_call(monkeypatch, HfApi, "preupload_lfs_files", open_up)
    with pytest.raises(ChecksFailed, match="was made public"):
        push(loaded)
    assert there() == set()


def test_a_second_try_looks_again(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("mine\n")

    def both() -> None:
        colleague("theirs.txt", b"theirs")
        open_up()

    before_call(monkeypatch, HfApi, "create_commit", both)
    with pytest.raises(ChecksFailed):
        send(dataset)
    assert text_of("notes.txt") == "some words about it\n"


@pytest.mark.parametrize("batch", [100, 2])
def test_a_repository_that_becomes_public_with_the_commit(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(pushing, "BATCH", batch)
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    last = "create_commit" if batch == 100 else "merge_pull_request"
    before_call(monkeypatch, HfApi, last, open_up)
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert "everybody can read what was sent" in told.stderr
    assert f"hf repos settings {REPO} --type dataset --private" in told.stderr
    assert "0.png" in there()
    assert json.loads((dataset / LEDGER).read_text())["repos"], "it is noted what was sent"


def test_with_public_nobody_minds(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    before_call(monkeypatch, HfApi, "create_commit", open_up)
    send(dataset, private=False)
    assert "0.png" in there()


# --- an older ledger -----------------------------------------------------------------------------


def replayed(dataset: Path) -> bytes:
    """notes.txt was pushed, deleted and put back by a colleague, byte for byte. The ledger is that
    of a backup, from before it was deleted."""
    send(dataset)
    backup = (dataset / LEDGER).read_bytes()
    words = (dataset / "notes.txt").read_bytes()
    (dataset / "notes.txt").unlink()
    send(dataset)
    assert "notes.txt" not in there()
    colleague("notes.txt", words)
    (dataset / LEDGER).write_bytes(backup)
    return words


def test_an_older_ledger_deletes_nothing_that_came_back(local_hub: Hub, dataset: Path) -> None:
    replayed(dataset)
    before = head()
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert "notes.txt: error P130" in told.stderr
    assert "would delete" in told.stderr
    assert head() == before
    done = typed("push", dataset, REPO, "--type", "dataset", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert "notes.txt" not in there()


def test_an_older_ledger_replaces_nothing_that_came_back(local_hub: Hub, dataset: Path) -> None:
    words = replayed(dataset)
    (dataset / "notes.txt").write_text("other words\n")
    assert typed("push", dataset, REPO, "--type", "dataset").returncode == 3
    assert text_of("notes.txt") == words.decode()


def test_what_comes_back_while_a_push_is_under_way(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(dataset)
    words = (dataset / "notes.txt").read_bytes()
    (dataset / "notes.txt").unlink()

    def there_and_back() -> None:
        colleague("notes.txt", None)
        colleague("notes.txt", words)

    before_call(monkeypatch, HfApi, "create_commit", there_and_back)
    with pytest.raises(ChecksFailed):
        send(dataset)
    assert "notes.txt" in there()


def squashed(dataset: Path) -> None:
    HfApi().super_squash_history(REPO, repo_type="dataset")


def others_only(dataset: Path) -> None:
    colleague("theirs.txt", b"theirs")


@pytest.mark.parametrize(
    "meanwhile, deletes", [(others_only, True), (squashed, False)], ids=["others", "squashed"]
)
def test_what_nobody_touched_is_ours(
    local_hub: Hub, dataset: Path, meanwhile: Callable[[Path], None], deletes: bool
) -> None:
    (dataset / "more.yaml").write_text("more\n")
    send(dataset)
    meanwhile(dataset)
    (dataset / "notes.txt").write_text("mine\n")
    send(dataset)
    assert text_of("notes.txt") == "mine\n"
    meanwhile(dataset)
    (dataset / "more.yaml").unlink()
    assert plan(dataset).report.ok is deletes


def test_a_copy_of_the_folder_deletes_only_what_nobody_touched(
    local_hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    words = replayed(dataset)
    copied = tmp_path / "copied"
    shutil.copytree(dataset, copied)
    told = typed("push", copied, REPO, "--type", "dataset", "--trust-state")
    assert told.returncode == 3
    assert text_of("notes.txt") == words.decode()
