"""What others did in a repository stays; who can see it is part of the plan."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hubtools.errors import ChecksFailed
from hubtools.localhub.server import Hub
from hubtools.publish import push as pushing
from hubtools.publish.push import push
from tests.security.pushing import (
    CARD,
    REPO,
    TOKEN,
    colleague,
    head,
    plan,
    rules,
    send,
    text_of,
    there,
)
from tests.typed import typed

# --- what others did -----------------------------------------------------------------------------


def test_after_a_commit_of_somebody_else_the_plan_is_judged_anew(
    local_hub: Hub, dataset: Path
) -> None:
    send(dataset)
    (dataset / "README.md").write_text(CARD + "mine\n")
    made = plan(dataset)
    colleague("README.md", b"---\nlicense: mit\n---\ntheirs\n")
    with pytest.raises(ChecksFailed):
        push(made)
    assert text_of("README.md").endswith("theirs\n")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_card_of_seconds_ago_is_not_overwritten(
    local_hub: Hub, dataset: Path, overwrite: bool
) -> None:
    """--overwrite speaks of what the plan showed, not of what came after it."""
    send(dataset)
    (dataset / "README.md").write_text(CARD + "mine\n")
    made = plan(dataset, overwrite=overwrite)
    colleague("README.md", b"---\nlicense: mit\n---\ntheirs\n")
    with pytest.raises(ChecksFailed, match=r"README\.md|1 error"):
        push(made)
    assert text_of("README.md").endswith("theirs\n")


def test_what_others_add_in_between_is_merged(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("mine\n")
    made = plan(dataset)
    colleague("theirs.txt", b"theirs")
    push(made)
    assert text_of("notes.txt") == "mine\n"
    assert "theirs.txt" in there()


def test_a_token_that_enters_before_the_second_plan_is_found(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("mine\n")
    made = plan(dataset)
    colleague("theirs.txt", b"theirs")
    before = head()
    (dataset / "0.txt").write_text(TOKEN)  # is not in the first plan
    with pytest.raises(ChecksFailed):
        push(made)
    assert head() == before


def test_a_repository_that_appears_meanwhile(local_hub: Hub, dataset: Path) -> None:
    made = plan(dataset)
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    colleague("README.md", b"---\nlicense: mit\n---\ntheirs\n")
    with pytest.raises(ChecksFailed):
        push(made)
    assert there() == {"README.md"}
    assert text_of("README.md").endswith("theirs\n")


def test_somebody_else_commits_while_parts_are_sent(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "BATCH", 2)
    send(dataset)
    for number in range(3):
        (dataset / f"more{number}.yaml").write_text(f"{number}")
    (dataset / "notes.txt").write_text("mine\n")
    made = plan(dataset)
    done = []

    def meddle(number: int, total: int) -> None:
        if not done:
            colleague("notes.txt", b"theirs\n")
        done.append(number)

    with pytest.raises(ChecksFailed, match=r"notes\.txt \(by me on "):
        push(made, on_commit=meddle)
    assert text_of("notes.txt") == "theirs\n"
    assert "more0.yaml" not in there(), "nothing of it is on main"
    (dataset / "notes.txt").write_text("theirs\n")
    send(dataset)
    assert "more2.yaml" in there()


def test_what_others_changed_since_is_shown_and_kept(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    colleague("notes.txt", b"theirs\n")
    colleague("0.png", b"theirs too")
    (dataset / "notes.txt").write_text("mine\n")
    (dataset / "0.png").unlink()
    table = dataset / "metadata.jsonl"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[1:]))
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert "notes.txt" in told.stderr
    assert "by me on 20" in told.stderr
    assert "would delete" in told.stderr
    assert text_of("notes.txt") == "theirs\n"
    assert "0.png" in there()
    done = typed("push", dataset, REPO, "--type", "dataset", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert text_of("notes.txt") == "mine\n"
    assert "0.png" not in there()


def test_deletions_are_named_before_they_happen(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    (dataset / "notes.txt").unlink()
    page = dataset.parent / "report.json"
    told = typed("push", dataset, REPO, "--type", "dataset", "--dry-run", "--report", page)
    assert "1 file to delete there: notes.txt" in told.stderr
    assert "notes.txt" in there()
    report = json.loads(page.read_text())
    assert [f["path"] for f in report["findings"] if f["rule"] == "P134"] == ["notes.txt"]
    assert report["facts"]["delete"] == 1
    assert report["facts"]["visibility"] == "private"


def test_a_file_that_was_not_pushed_from_here(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    colleague("notes.txt", b"theirs\n")
    colleague("README.md", b"---\nlicense: mit\n---\n")  # as the Hub writes it
    made = plan(dataset)
    assert [f.path for f in made.report.findings if f.rule == "P131"] == ["notes.txt"]
    with pytest.raises(ChecksFailed):
        push(made)
    send(dataset, overwrite=True)
    assert text_of("notes.txt") == "some words about it\n"
    # from another clone, one flag is enough; a pull request replaces nothing by itself
    other = dataset.parent / "clone"
    shutil.copytree(dataset, other, ignore=shutil.ignore_patterns(".hubtools"))
    (other / "notes.txt").write_text("from the clone\n")
    assert plan(other, pr=True).report.ok
    assert not plan(other).report.ok
    send(other, overwrite=True)
    assert text_of("notes.txt") == "from the clone\n"


def test_an_answer_that_was_lost_is_no_change_of_others(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("first\n")
    lost = local_hub.fail_next("POST", "/commit/", "drop-after")
    send(dataset)
    assert lost.hits == 1
    assert text_of("notes.txt") == "first\n"
    (dataset / "notes.txt").write_text("second\n")
    send(dataset)
    assert text_of("notes.txt") == "second\n"


# --- who can see it ------------------------------------------------------------------------------


def test_private_pictures_do_not_go_into_a_public_repository(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=False)
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert "P132" in told.stderr
    assert "--public" in told.stderr
    assert "existing, public" in told.stderr
    assert there() == set()
    assert typed("push", dataset, REPO, "--type", "dataset", "--ignore", "P13").returncode == 3
    assert typed("push", dataset, REPO, "--type", "dataset", "--ignore", "P132").returncode == 2
    assert there() == set()
    assert typed("push", dataset, REPO, "--type", "dataset", "--public").returncode == 0


def test_a_repository_that_becomes_public_meanwhile(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    made = plan(dataset)
    assert made.visibility == "existing, private"
    HfApi().update_repo_settings(REPO, repo_type="dataset", visibility="public")
    with pytest.raises(ChecksFailed, match="made public"):
        push(made)
    assert there() == set()


def test_public_does_not_make_an_existing_one_public(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    made = plan(dataset, private=False)
    assert "P133" in rules(made)
    (said,) = [finding.fix for finding in made.report.findings if finding.rule == "P133"]
    assert f"`hf repos settings {REPO} --type dataset --public`" in str(said)
    push(made)
    assert HfApi().dataset_info(REPO).private


def test_new_ones_are_what_the_plan_says(local_hub: Hub, dataset: Path) -> None:
    assert plan(dataset).visibility == "new, private"
    assert plan(dataset, private=False).visibility == "new, public"
