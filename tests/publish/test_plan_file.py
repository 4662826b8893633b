"""`push --plan` and `push --from-plan`: what the plan says is done, or it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubtools.localhub.server import Hub
from tests.security.pushing import (
    REPO,
    before_call,
    colleague,
    head,
    linked,
    make_dataset,
    send,
    text_of,
    there,
)
from tests.typed import typed

TYPE = ("--type", "dataset")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "people")


@pytest.fixture
def plan(local_hub: Hub, people: Path) -> Path:
    """Of a folder that was pushed, and has changed since: a text, a new file, a deletion."""
    send(people)
    (people / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# Mine\n")
    (people / "notes.txt").unlink()
    (people / "more.txt").write_text("more\n")
    path = people.parent / "plan.json"
    done = typed("push", people, REPO, *TYPE, "--plan", path)
    assert done.returncode == 0, done.stderr
    return path


def test_another_head_is_refused_with_what_changed(plan: Path) -> None:
    colleague("README.md", b"# Theirs\n")
    colleague("new.txt", b"new\n")
    colleague("2.png", None)
    before = head()
    told = typed("push", "--from-plan", plan)
    assert told.returncode == 3
    for words in ("changed: README.md (by me on ", "added: new.txt", "deleted: 2.png"):
        assert words in told.stderr
    assert f"hubtools push {plan.parent / 'people'} {REPO} --plan {plan}" in told.stderr
    assert (head(), text_of("README.md")) == (before, "# Theirs\n")


def test_a_commit_to_another_file_is_another_head_too(plan: Path) -> None:
    colleague("theirs.txt", b"theirs")
    told = typed("push", "--from-plan", plan)
    assert (told.returncode, "added: theirs.txt" in told.stderr) == (3, True)
    assert "more.txt" not in there()


def test_it_does_what_it_says_and_then_is_done(plan: Path) -> None:
    said = json.loads(plan.read_text())
    assert {op["name"]: op["action"] for op in said["operations"]} == {
        "0.png": "same", "1.png": "same", "2.png": "same", "metadata.jsonl": "same",
        "README.md": "change", "more.txt": "add", "notes.txt": "delete",
    }  # fmt: skip
    assert (said["root"], said["subject"], said["head"]) == ("people", REPO, head())
    assert typed("push", "--from-plan", plan).returncode == 0
    assert there() == {"0.png", "1.png", "2.png", "metadata.jsonl", "README.md", "more.txt"}
    done = head()
    for _ in range(2):
        again = typed("push", "--from-plan", plan)
        assert (again.returncode, "done already" in again.stdout) == (0, True), again.stderr
    colleague("theirs.txt", b"theirs")
    again = typed("push", "--from-plan", plan)
    assert (again.returncode, "done already" in again.stdout) == (0, True), again.stderr
    colleague("theirs.txt", None)
    assert head() != done
    colleague("more.txt", b"theirs")
    assert typed("push", "--from-plan", plan).returncode == 3
    assert text_of("more.txt") == "theirs"


def test_a_new_file_of_the_folder_is_not_sent(plan: Path) -> None:
    (plan.parent / "people" / "later.txt").write_text("later\n")
    assert typed("push", "--from-plan", plan).returncode == 0
    assert "later.txt" not in there()


@pytest.mark.parametrize("change", ["edit", "remove", "link", "hide", "back"])
def test_a_file_that_changed_since_is_named(plan: Path, change: str) -> None:
    people, before = plan.parent / "people", head()
    name = people / ("notes.txt" if change == "back" else "more.txt")
    if change in ("edit", "back"):
        name.write_text("else\n")
    elif change == "hide":
        (people / ".gitignore").write_text("more.txt\n")
    else:
        name.unlink()
        if change == "link":
            name.symlink_to("README.md")
    told = typed("push", "--from-plan", plan)
    assert told.returncode == 1, told.stderr
    assert str(name) in told.stderr
    assert head() == before


def test_a_commit_between_look_and_act(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before_call(monkeypatch, HfApi, "create_commit", lambda: colleague("other.txt", b"x"))
    told = typed("push", "--from-plan", plan)
    assert (told.returncode, "added: other.txt" in told.stderr) == (3, True), told.stderr
    assert "more.txt" not in there()


def test_a_history_that_was_squashed(plan: Path) -> None:
    HfApi().super_squash_history(REPO, repo_type="dataset")
    told = typed("push", "--from-plan", plan)
    assert (told.returncode, "history" in told.stderr) == (3, True), told.stderr


def test_repositories_that_come_and_go(local_hub: Hub, people: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    assert typed("push", people, REPO, *TYPE, "--plan", path).returncode == 0
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    colleague("theirs.txt", b"theirs")
    told = typed("push", "--from-plan", path)
    assert (told.returncode, "did not exist" in told.stderr) == (3, True), told.stderr
    assert "theirs.txt (by me on" in told.stderr
    HfApi().delete_repo(REPO, repo_type="dataset")
    HfApi().create_repo(REPO, repo_type="dataset", private=True)  # as a push that was killed does
    assert typed("push", "--from-plan", path).returncode == 0
    (people / "more.txt").write_text("more\n")
    assert typed("push", people, REPO, *TYPE, "--plan", path).returncode == 0
    HfApi().delete_repo(REPO, repo_type="dataset")
    told = typed("push", "--from-plan", path)
    assert (told.returncode, "is gone" in told.stderr) == (3, True), told.stderr


def test_a_pull_request_is_opened_once(local_hub: Hub, people: Path, tmp_path: Path) -> None:
    send(people)
    (people / "more.txt").write_text("more\n")
    path = tmp_path / "plan.json"
    assert typed("push", people, REPO, *TYPE, "--pr", "--plan", path).returncode == 0
    assert typed("push", "--from-plan", path).returncode == 0
    again = typed("push", "--from-plan", path)
    assert (again.returncode, "done already" in again.stdout) == (0, True), again.stderr
    opened = list(HfApi().get_repo_discussions(REPO, repo_type="dataset"))
    assert len(opened) == 1


def test_a_plan_travels(plan: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    shutil.copytree(plan.parent / "people", away / "people")
    shutil.copy(plan, away)
    words = ("push", "--from-plan", away / "plan.json")
    other: dict[str, Any] = {"HUBTOOLS_CONFIG": str(tmp_path / "config")}
    before = head()
    shown = typed(*words, **other)
    assert shown.returncode == 1
    for line in ("copied or moved here", "change  README.md", "delete  notes.txt", "--trust-state"):
        assert line in shown.stderr
    assert head() == before
    assert typed(*words, "--trust-state", **other).returncode == 0
    assert text_of("README.md").endswith("# Mine\n")
    assert "notes.txt" not in there()


def test_a_plan_of_somebody_else_stays_where_it_lies(plan: Path, tmp_path: Path) -> None:
    away = tmp_path / "a" / "b"
    away.mkdir(parents=True)
    saved = json.loads(plan.read_text())
    (away / "plan.json").write_text(json.dumps(saved | {"root": "../../people"}))
    words = ("push", "--from-plan", away / "plan.json", "--trust-state")
    told = typed(*words)
    assert (told.returncode, "away from it" in told.stderr) == (1, True), told.stderr
    (away / "people").symlink_to(plan.parent / "people")
    (away / "plan.json").write_text(json.dumps(saved | {"seal": None}))
    assert typed(*words).returncode == 1
    told = typed("push", plan.parent / "people", *words[1:])
    assert told.returncode == 0, told.stderr


def test_another_hub_is_not_the_one_of_the_plan(plan: Path) -> None:
    saved = json.loads(plan.read_text())
    saved["options"]["hub"] = "https://hub.example"
    plan.write_text(json.dumps(saved))
    told = typed("push", "--from-plan", plan, "--trust-state")
    assert (told.returncode, "HF_ENDPOINT=https://hub.example" in told.stderr) == (1, True)


def test_links_travel_as_what_they_lead_to(local_hub: Hub, people: Path, tmp_path: Path) -> None:
    linked(people, tmp_path / "linked")
    path = tmp_path / "plan.json"
    words = ("push", tmp_path / "linked", REPO, *TYPE, "--resolve-links", "--plan", path)
    assert typed(*words).returncode == 0
    assert str(people) not in path.read_text()
    (people / "1.png").rename(people / "1-kept.png")
    (tmp_path / "linked" / "1.png").unlink()
    (tmp_path / "linked" / "1.png").symlink_to(people / "0.png")
    told = typed("push", "--from-plan", path)
    assert (told.returncode, "1.png" in told.stderr) == (1, True), told.stderr
    (people / "1-kept.png").rename(people / "1.png")
    (tmp_path / "linked" / "1.png").unlink()
    (tmp_path / "linked" / "1.png").symlink_to(people / "1.png")
    assert typed("push", "--from-plan", path).returncode == 0
    assert "1.png" in there()


def test_the_place_of_a_plan_may_be_a_link(plan: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/away")
    moved = tmp_path / "link" / "plan.json"
    people = tmp_path / "people"
    assert typed("push", people, REPO, *TYPE, "--plan", moved).returncode == 0
    assert json.loads(moved.read_text())["root"] == "../../people"
    assert typed("push", "--from-plan", moved).returncode == 0


def test_a_tag_that_a_killed_push_lacks(local_hub: Hub, tmp_path: Path, run_dir: Path) -> None:
    path = tmp_path / "plan.json"
    assert typed("push", run_dir, REPO, "--tag", "v1", "--plan", path).returncode == 0
    assert typed("push", "--from-plan", path).returncode == 0
    HfApi().delete_tag(REPO, tag="v1")
    again = typed("push", "--from-plan", path)
    assert (again.returncode, "done already" in again.stdout) == (0, True), again.stderr
    assert [ref.name for ref in HfApi().list_repo_refs(REPO).tags] == ["v1"]


def test_what_would_say_something_else_is_refused(plan: Path, people: Path) -> None:
    for words, said in (
        (("--public",), "--public"), (("--overwrite",), "--overwrite"), (("--pr",), "--pr"),
        (("--plan", plan), "--plan"), ((people, "me/other"), "me/other"),
    ):  # fmt: skip
        told = typed("push", *words, "--from-plan", plan)
        assert (told.returncode, said in told.stderr) == (2, True), told.stderr
    assert typed("push", people, REPO, "--from-plan", plan, "--dry-run").returncode == 0
    told = typed("push", "--from-plan", plan, cwd=people.parent.parent)
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("old", [{"schema_version": 2}, {"schema": 1, "operations": []}])
def test_plans_of_earlier_versions_get_a_sentence(tmp_path: Path, old: dict[str, Any]) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(old))
    for kind in ("push", "fix", "prune", "shard"):
        more = ("--to", tmp_path / "to") if kind == "shard" else ()
        told = typed(kind, "--from-plan", tmp_path / "plan.json", *more)
        assert (told.returncode, "an earlier version" in told.stderr) == (1, True), told.stderr
        assert f"hubtools {kind} --plan FILE" in told.stderr
