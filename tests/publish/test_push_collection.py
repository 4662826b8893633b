"""`push --collection`: told beforehand, done after the verified commit, once, and not undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import Collection, HfApi

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.localhub.server import Hub
from hubtools.publish.options import PushOptions
from hubtools.publish.push import plan_push, push
from tests.typed import typed

REPO = "me/people"


def mine() -> list[Collection]:
    api = HfApi()
    return [api.get_collection(one.slug) for one in api.list_collections(owner="me")]


def items(collection: Collection) -> list[tuple[str, str]]:
    return [(item.item_type, item.item_id) for item in collection.items]


def test_a_title_is_told_made_once_and_found_again(
    local_hub: Hub, run_dir: Path, dataset: Path
) -> None:
    words = ("push", run_dir, REPO, "--collection", "My people")
    dry = typed(*words, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    told = " ".join(dry.stderr.split())
    assert "a new collection 'My people' of me (private) is made, and me/people is put" in told
    assert mine() == []
    done = typed(*words, "--format", "json")
    assert done.returncode == 0, done.stderr
    (made,) = mine()
    assert (made.title, made.private) == ("My people", True)
    assert items(made) == [("model", REPO)]
    assert json.loads(done.stdout)["collection"] == f"{local_hub.url}/collections/{made.slug}"
    # again, by its slug, its page and its title in other letters; a dataset beside it
    for named in (made.slug, f"{local_hub.url}/collections/{made.slug}", "MY PEOPLE "):
        again = typed("push", run_dir, REPO, "--collection", named)
        assert again.returncode == 0, again.stderr
        assert "is in the collection" in " ".join(again.stderr.split())
    assert typed("push", dataset, "me/pictures", "--collection", "My people").returncode == 0
    assert items(*mine()) == [("model", REPO), ("dataset", "me/pictures")]


def test_an_undo_tells_that_it_stays(local_hub: Hub, run_dir: Path) -> None:
    options = PushOptions(collection="kept")
    push(plan_push(run_dir, REPO, "model", options))
    (run_dir / "README.md").write_text("---\nlicense: mit\n---\n# Other\n")
    push(plan_push(run_dir, REPO, "model"))  # without the word it stays where it is
    (made,) = mine()
    done = typed("push", run_dir, REPO, "--undo")
    assert done.returncode == 0, done.stderr
    assert f"stays in the collection {made.slug}" in " ".join(done.stderr.split())
    assert items(*mine()) == [("model", REPO)]


def test_what_cannot_be_is_said_before_anything_is_sent(local_hub: Hub, run_dir: Path) -> None:
    api = HfApi()
    theirs = HfApi(token="hf_other").create_collection("theirs").slug
    first, second = (api.create_collection(title).slug for title in ("twice", "Twice"))
    for named, words in (
        ("me/nothing-123", "There is no collection me/nothing-123"),
        (theirs, "You cannot change collections of other"),
        ("twice", "2 collections called 'twice'"),
        (" ", "needs a title"),
    ):
        with pytest.raises(HubtoolsError, match=words):
            plan_push(run_dir, REPO, "model", PushOptions(collection=named))
        done = typed("push", run_dir, REPO, "--collection", named)
        assert done.returncode == 1
    assert first != second
    token = "hf_" + "aB3" * 11 + "x"
    with pytest.raises(ChecksFailed, match="collection's title holds"):
        plan_push(run_dir, REPO, "model", PushOptions(collection=token))
    assert not api.repo_exists(REPO)


def test_a_pull_request_and_a_look_without_a_token_change_none(
    local_hub: Hub, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(plan_push(run_dir, REPO, "model"))
    (run_dir / "README.md").write_text("---\nlicense: mit\n---\n# Other\n")
    done = typed("push", run_dir, REPO, "--pr", "--collection", "none")
    assert done.returncode == 0, done.stderr
    assert "a pull request changes none" in " ".join(done.stderr.split())
    assert f"`hf discussions merge {REPO} 1 --type model`" in done.stderr
    monkeypatch.delenv("HF_TOKEN", raising=False)
    dry = typed("push", run_dir, "me/new", "--dry-run", "--collection", "none", HF_TOKEN="")
    assert dry.returncode == 0, dry.stderr
    assert "that needs a token" in " ".join(dry.stderr.split())
    monkeypatch.setenv("HF_TOKEN", "hf_local")
    assert mine() == []


def test_a_saved_plan_puts_it_there_also_where_the_push_is_done(
    local_hub: Hub, run_dir: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "plan.json"
    made = typed("push", run_dir, REPO, "--collection", "later", "--plan", saved)
    assert made.returncode == 0, made.stderr
    assert typed("push", run_dir, REPO).returncode == 0
    assert mine() == []
    done = typed("push", "--from-plan", saved)
    assert done.returncode == 0, done.stderr
    assert items(*mine()) == [("model", REPO)]


def test_a_push_whose_collection_went_meanwhile_is_done_and_says_so(
    local_hub: Hub, run_dir: Path
) -> None:
    slug = HfApi().create_collection("short").slug
    plan = plan_push(run_dir, REPO, "model", PushOptions(collection=slug))
    HfApi().delete_collection(slug)
    with pytest.raises(HubtoolsError, match=r"is pushed, at .* but not in the collection"):
        push(plan)
    assert HfApi().file_exists(REPO, "README.md")
