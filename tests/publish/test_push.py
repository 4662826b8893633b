"""push over a real socket: planned, atomic, verified, and the same after any accident."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, hf_hub_download
from PIL import Image

import hubtools
from hubtools.dataset.copies import search
from hubtools.dataset.scan import scanning
from hubtools.errors import ChecksFailed, HubtoolsError, UsageError
from hubtools.files import sha256_of
from hubtools.hub.errors import as_sentence
from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.publish import push as pushing
from hubtools.publish.push import Action, PushOptions, load_plan, plan_push, push, save_plan
from hubtools.publish.release import kind_of
from tests import forkserver
from tests.drawing import write_pictures
from tests.typed import typed

Make = Callable[..., Path]
REPO = "me/people"


def actions(folder: Path, **options: Any) -> dict[str, str]:
    plan = plan_push(folder, REPO, "model", PushOptions(**options))
    return {file.name: file.action.value for file in plan.files}


def send(folder: Path, **options: Any) -> Any:
    return push(plan_push(folder, REPO, "model", PushOptions(**options)))


def commits(repo_type: str = "model", revision: str = "main") -> list[str]:
    listed = HfApi().list_repo_commits(REPO, repo_type=repo_type, revision=revision)
    return [commit.title for commit in listed]


def there(repo_type: str = "model") -> set[str]:
    return set(HfApi().list_repo_files(REPO, repo_type=repo_type)) - {".gitattributes"}


def sentence_of(call: Callable[[], object]) -> HubtoolsError:
    """The sentence that the command line would print for what `call` raises."""
    with pytest.raises(Exception, match=r".") as caught:
        call()
    sentence = as_sentence(caught.value)
    assert sentence is not None, repr(caught.value)
    return sentence


def test_the_plan_says_what_will_happen_and_changes_nothing(local_hub: Hub, run_dir: Path) -> None:
    plan = plan_push(run_dir, REPO, "model")
    assert plan.head is None
    assert {file.action for file in plan.files} == {Action.ADD}
    assert plan.bytes_sent == sum((run_dir / f.name).stat().st_size for f in plan.files)
    excluded = dict(plan.excluded)
    assert "resuming" in excluded["state/step-000010/optimizer.safetensors"]
    assert all(excluded.values())
    assert not HfApi().repo_exists(REPO)


def test_one_private_commit_that_is_verified(local_hub: Hub, run_dir: Path) -> None:
    result = send(run_dir)
    assert result.url == f"{local_hub.url}/{REPO}"
    assert result.pushed == result.verified == 6
    info = HfApi().model_info(REPO)
    assert info.private
    assert info.sha == result.commit
    assert there() == {file.name for file in plan_push(run_dir, REPO, "model").files}
    assert len(commits()) == 2  # the Hub's own first one
    local = (run_dir / LORA_WEIGHTS).read_bytes()
    assert Path(hf_hub_download(REPO, LORA_WEIGHTS)).read_bytes() == local


def test_a_second_push_sends_only_what_changed(local_hub: Hub, run_dir: Path) -> None:
    first = send(run_dir)
    again = send(run_dir)
    assert (again.pushed, again.commit) == (0, first.commit)
    (run_dir / "README.md").write_text("---\nlicense: mit\n---\n# New\n")
    (run_dir / "NOTICE").write_text("by me")
    (run_dir / "LICENSE.md").unlink()
    (run_dir / "images/00.png").unlink()
    assert {k: v for k, v in actions(run_dir).items() if v != "same"} == {
        "README.md": "change",
        "NOTICE": "add",
        "LICENSE.md": "delete",
        "images/00.png": "delete",
    }
    result = send(run_dir)
    assert (result.pushed, result.deleted) == (2, 2)
    assert "LICENSE.md" not in there()


def test_large_files_are_stored_as_lfs_with_their_hash(local_hub: Hub, run_dir: Path) -> None:
    commit = send(run_dir).commit
    (info,) = HfApi().get_paths_info(REPO, [LORA_WEIGHTS], revision=commit)
    assert info.lfs is not None
    assert info.lfs.sha256 == sha256_of(run_dir / LORA_WEIGHTS)


def test_a_file_that_changes_once_it_is_sent_was_sent_as_checked(
    local_hub: Hub, run_dir: Path
) -> None:
    checked = (run_dir / "README.md").read_text()

    def meddle(done: int, total: int) -> None:
        (run_dir / "README.md").write_text("---\nlicense: mit\n---\n# Changed meanwhile\n")

    assert push(plan_push(run_dir, REPO, "model"), on_commit=meddle).verified == 6
    assert Path(hf_hub_download(REPO, "README.md")).read_text() == checked


def test_what_others_put_there_stays(local_hub: Hub, run_dir: Path) -> None:
    HfApi().create_repo(REPO)
    HfApi().upload_file(path_or_fileobj=b"theirs", path_in_repo="theirs.txt", repo_id=REPO)
    send(run_dir, private=False)
    assert "theirs.txt" in there()
    assert not HfApi().model_info(REPO).private, "an existing repository is left as it is"


def test_somebody_else_commits_in_between(local_hub: Hub, run_dir: Path) -> None:
    send(run_dir)
    (run_dir / "NOTICE").write_text("by me")
    (run_dir / "loss.png").write_bytes(b"another")
    plan = plan_push(run_dir, REPO, "model", PushOptions(keep=("loss.png",)))
    HfApi().upload_file(path_or_fileobj=b"theirs", path_in_repo="theirs.txt", repo_id=REPO)
    push(plan)
    assert {"NOTICE", "loss.png", "theirs.txt"} <= there()


def test_somebody_else_changes_a_file_that_was_to_stay(local_hub: Hub, run_dir: Path) -> None:
    send(run_dir)
    (run_dir / "NOTICE").write_text("by me")
    plan = plan_push(run_dir, REPO, "model")
    HfApi().upload_file(path_or_fileobj=b"theirs", path_in_repo="LICENSE.md", repo_id=REPO)
    with pytest.raises(ChecksFailed):
        push(plan)
    assert Path(hf_hub_download(REPO, "LICENSE.md")).read_text() == "theirs"
    assert "NOTICE" not in there()


@pytest.mark.parametrize("outcome", [500, 503, "drop"])
def test_a_hub_that_fails_leaves_nothing_half_done(
    local_hub: Hub, run_dir: Path, outcome: Any
) -> None:
    before = send(run_dir).commit
    (run_dir / "NOTICE").write_text("by me")
    (run_dir / "README.md").write_text("---\nlicense: mit\n---\n# New\n")
    local_hub.fail_next("POST", "/commit/", outcome, times=50)
    sentence = sentence_of(lambda: send(run_dir))
    assert "Traceback" not in sentence.message
    assert len(sentence.message.splitlines()) == 1
    assert HfApi().model_info(REPO).sha == before
    local_hub.faults.clear()
    assert send(run_dir).pushed == 2


def test_an_answer_that_is_lost_is_not_sent_twice(local_hub: Hub, run_dir: Path) -> None:
    lost = local_hub.fail_next("POST", "/commit/", "drop-after")
    result = send(run_dir)
    assert lost.hits == 1
    assert result.verified == 6
    assert len(commits()) == 2


@pytest.mark.parametrize("outcome", [500, "drop"])
def test_a_hiccup_in_an_upload_is_survived(local_hub: Hub, run_dir: Path, outcome: Any) -> None:
    hiccup = local_hub.fail_next("PUT", "", outcome)
    result = send(run_dir)
    assert hiccup.hits == 1
    assert result.verified == 6


def test_an_upload_that_cannot_be_done_says_why(local_hub: Hub, run_dir: Path) -> None:
    # the client gives other failures 24 seconds, and then raises just the same
    local_hub.fail_next("PUT", "", 403, times=50, message="the store is closed")
    sentence = sentence_of(lambda: send(run_dir))
    assert sentence.message.startswith("An upload failed: ")
    assert len(sentence.message.splitlines()) == 1
    assert there() == set()
    local_hub.faults.clear()
    assert send(run_dir).verified == 6


def test_a_hub_that_always_has_a_newer_head(local_hub: Hub, run_dir: Path) -> None:
    before = send(run_dir).commit
    (run_dir / "NOTICE").write_text("by me")
    newer = local_hub.fail_next("POST", "/commit/", 412, times=9)
    assert "412" in sentence_of(lambda: send(run_dir)).message
    assert newer.hits == 3, "the plan is made anew twice"
    assert HfApi().model_info(REPO).sha == before


def test_tags(local_hub: Hub, run_dir: Path) -> None:
    for name in ("../x", "", "a b", "x.lock", "-x", "a/", "@", "v1.", "x" * 201):
        with pytest.raises(HubtoolsError, match="is no name of a tag"):
            plan_push(run_dir, REPO, "model", PushOptions(tag=name))
    first = send(run_dir, tag="v1")
    assert [(t.name, t.target_commit) for t in HfApi().list_repo_refs(REPO).tags] == [
        ("v1", first.commit)
    ]
    assert send(run_dir, tag="v1").tag == "v1"  # nothing changed: the tag stands
    (run_dir / "NOTICE").write_text("by me")
    with pytest.raises(HubtoolsError, match="tag v1 exists"):
        plan_push(run_dir, REPO, "model", PushOptions(tag="v1"))
    assert send(run_dir, tag="v2").tag == "v2"


def test_a_pull_request(local_hub: Hub, run_dir: Path) -> None:
    before = send(run_dir).commit
    (run_dir / "NOTICE").write_text("by me")
    result = send(run_dir, pr=True)
    assert result.pr_url is not None
    assert result.pr_url.endswith("/discussions/1")
    assert HfApi().model_info(REPO).sha == before
    assert "NOTICE" in HfApi().list_repo_files(REPO, revision="refs/pr/1")
    again = send(run_dir, pr=True)
    assert (again.pushed, again.pr_url) == (0, result.pr_url)
    typing = ("push", run_dir, REPO, "--pr", "--tag", "v1")
    said = typed(*typing, "--dry-run").stderr
    assert "#1 there is open and holds all of this" in said
    assert "`hf discussions close me/people 1 --type model` closes it" in said
    assert "the tag v1 is not set" in said
    sent = typed(*typing)
    said = sent.stdout + sent.stderr
    assert "Nothing to push; the pull request #1 is open" in said
    assert "`hf discussions merge me/people 1 --type model`" in said
    (run_dir / ".hubtools/pushed.json").unlink()  # as in a clone
    assert send(run_dir, pr=True, overwrite=True).pushed == 0
    HfApi().upload_file(
        path_or_fileobj=b"x", path_in_repo="more", repo_id=REPO, revision="refs/pr/1"
    )
    beside = plan_push(run_dir, REPO, "model", PushOptions(pr=True))
    assert beside.proposed is None
    assert "#1 of an earlier push is open there, too" in beside.notes[-1]
    (run_dir / "NOTICE").write_text("by me and you")
    assert str(send(run_dir, pr=True).pr_url).endswith("/discussions/2")
    HfApi().change_discussion_status(REPO, 2, "closed")
    assert str(send(run_dir, pr=True).pr_url).endswith("/discussions/3")


def test_a_tag_that_is_typed_is_that_of_a_dataset_too(local_hub: Hub, dataset: Path) -> None:
    for section, said, tag in (("", {"tag": "v1"}, "v1"), ('tag = "v1"', {}, None)):
        (dataset.parent / "hubtools.toml").write_text(f"[push]\n{section}\n")
        made = hubtools.plan_push(dataset, REPO, dataset.parent, type="dataset", **said)
        assert made.options.tag == tag


def test_a_pull_request_to_somebody_else(
    local_hub: Hub, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody may propose; who may not write is told so."""
    there = HfApi(token="hf_other").create_repo("other/theirs").repo_id
    sentence = sentence_of(lambda: plan_push(run_dir, there, "model"))
    assert "may not write" in sentence.message
    assert "--pr" in str(sentence.hint)
    plan = plan_push(run_dir, there, "model", PushOptions(pr=True))
    assert [one.rule for one in plan.report.findings] == ["P132"]
    assert "and so is its pull request" in str(plan.report.findings[0])
    said = typed("push", run_dir, there, "--pr", "--public", "--dry-run").stderr
    assert "is public: everybody can read what the pull request proposes" in said
    plan = plan_push(run_dir, there, "model", PushOptions(pr=True, private=False))
    assert str(push(plan).pr_url).endswith("theirs/discussions/1")
    assert HfApi().list_repo_files(there) == [".gitattributes"]
    with monkeypatch.context() as patch:
        patch.setattr("hubtools.publish.push.BATCH", 2)
        (run_dir / "NOTICE").write_text("by me")
        plan = plan_push(run_dir, there, "model", PushOptions(pr=True, private=False))
        assert str(push(plan).pr_url).endswith("theirs/discussions/2")
    assert "NOTICE" in HfApi().list_repo_files(there, revision="refs/pr/2")


def test_errors_of_the_check_stop_it(local_hub: Hub, run_dir: Path) -> None:
    token = "hf_" + "aB3" * 11 + "x"
    (run_dir / "hubtools.toml").write_text(f'token = "{token}"')
    plan = plan_push(run_dir, REPO, "model")
    with pytest.raises(ChecksFailed) as caught:
        push(plan)
    assert token not in str(caught.value) + str(plan.report)
    assert not HfApi().repo_exists(REPO)
    # secrets are let through one by one, and never by leaving the rule out
    with pytest.raises(UsageError, match="one by one"):
        plan_push(run_dir, REPO, "model", PushOptions(ignore=("P101",)))


# --- plans as files ------------------------------------------------------------------------------


def test_a_plan_is_replayed_as_it_was(local_hub: Hub, run_dir: Path, tmp_path: Path) -> None:
    (run_dir / "hubtools.toml").write_text('key = "/home/' + 'me/x"')
    options = PushOptions(keep=("loss.png",), drop=("LICENSE*",), ignore=("P102",), tag="v1")
    save_plan(plan_push(run_dir, REPO, "model", options), tmp_path / "plan.json")
    result = push(load_plan(tmp_path / "plan.json"))
    assert result.tag == "v1"
    assert "loss.png" in there()
    assert "LICENSE.md" not in there()


@pytest.mark.parametrize("change", ["edit", "delete"])
def test_a_plan_whose_files_have_changed_is_refused(
    local_hub: Hub, run_dir: Path, tmp_path: Path, change: str
) -> None:
    save_plan(plan_push(run_dir, REPO, "model"), tmp_path / "plan.json")
    if change == "edit":
        (run_dir / "README.md").write_text("---\nlicense: mit\n---\n# Other\n")
    else:
        (run_dir / "README.md").unlink()
    with pytest.raises(HubtoolsError, match="not what was planned"):
        load_plan(tmp_path / "plan.json")


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"\xff", b'{"schema_version": 1}'])
def test_files_that_are_no_plan(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(HubtoolsError, match="plan"):
        load_plan(tmp_path / "plan.json")


# --- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "repo", "words"),
    [
        ("hf_wrong" + "x" * 10, REPO, "token"),
        ("hf_reader", REPO, "may not"),
        ("hf_other", "me/new", "cannot create it"),
        ("hf_local", "nobody/new", "use me/new"),
        ("hf_local", "other/theirs", "other/theirs"),
        (None, REPO, "no Hub token"),
    ],
)
def test_who_may_not_gets_a_sentence_before_anything_is_sent(
    local_hub: Hub,
    run_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    repo: str,
    words: str,
) -> None:
    HfApi(token="hf_other").create_repo("other/theirs")
    HfApi().create_repo(REPO)
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    else:
        monkeypatch.setenv("HF_TOKEN", token)
    sentence = sentence_of(lambda: plan_push(run_dir, repo, "model"))
    assert words in f"{sentence.message} {sentence.hint}"
    assert token is None or token not in f"{sentence.message} {sentence.hint}"


def test_a_gated_repository_of_others(local_hub: Hub, run_dir: Path) -> None:
    other = HfApi(token="hf_other")
    other.create_repo("other/theirs")
    other.update_repo_settings("other/theirs", gated="manual")
    before = other.model_info("other/theirs").sha
    sentence = sentence_of(lambda: plan_push(run_dir, "other/theirs", "model"))
    assert "other/theirs" in sentence.message
    assert other.model_info("other/theirs").sha == before


def test_ones_own_gated_repository(local_hub: Hub, run_dir: Path) -> None:
    HfApi().create_repo(REPO)
    HfApi().update_repo_settings(REPO, gated="manual")
    assert send(run_dir, private=False).verified == 6


def test_a_name_without_an_owner_is_ones_own(local_hub: Hub, run_dir: Path) -> None:
    assert plan_push(run_dir, "people", "model").repo == "me/people"


# --- many files ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred pictures of a few pixels are looked at here: processes for them take a third of a
    second each to start, twenty times (what they find is the same, see test_scan)."""
    for module in (scanning, search):
        monkeypatch.setattr(module, "POOL_FILES", 1_000)


def many(dataset: Path, count: int) -> None:
    table = dataset / "metadata.jsonl"
    rows = table.read_text().splitlines(keepends=True)[:3]
    for number in range(count):
        Image.new("RGB", (1, 1), (number, 1, 1)).save(dataset / f"{number:04d}.txt.png")
        rows.append(f'{{"file_name": "{number:04d}.txt.png", "text": "x"}}\n')
    table.write_text("".join(rows))


def test_many_files_go_through_a_pull_request(local_hub: Hub, dataset: Path) -> None:
    many(dataset, 200)
    seen: list[tuple[int, int]] = []
    plan = plan_push(dataset, REPO, "dataset")
    result = push(plan, on_commit=lambda done, total: seen.append((done, total)))
    assert seen == [(100, 205), (200, 205), (205, 205)]
    assert result.verified == 205
    assert len(there("dataset")) == 205
    (details,) = HfApi().get_repo_discussions(REPO, repo_type="dataset")
    assert details.status == "merged"


def test_stopped_and_killed_in_the_middle_of_many(local_hub: Hub, dataset: Path) -> None:
    many(dataset, 105)

    with pytest.raises(KeyboardInterrupt):
        push(plan_push(dataset, REPO, "dataset"), on_commit=stop)
    assert there("dataset") == set(), "readers of main see nothing of it"
    merging = local_hub.fail_next("POST", "/discussions/1/merge", "drop", times=99)
    process = forkserver.start("push", dataset, REPO)
    until = time.monotonic() + 300
    while not merging.hits and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    local_hub.faults.clear()
    assert merging.hits
    assert there("dataset") == set()

    done = typed("push", dataset, REPO)
    assert done.returncode == 0, done.stderr
    assert len(there("dataset")) == 110
    (discussion,) = HfApi().get_repo_discussions(REPO, repo_type="dataset")
    assert discussion.status == "merged"
    on_it = [title for title in commits("dataset") if "of 110 files" in title]
    assert len(on_it) == 2, "no part was sent twice"
    again = typed("push", dataset, REPO)
    assert "Nothing to push" in again.stdout


def stop(done: int, total: int) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def tens(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than ten files are many."""
    monkeypatch.setattr(pushing, "BATCH", 10)


@pytest.fixture
def begun(local_hub: Hub, dataset: Path, tens: None) -> Path:
    """A dataset of 15 pictures whose push was stopped after the first 10 files."""
    many(dataset, 15)
    with pytest.raises(KeyboardInterrupt):
        push(plan_push(dataset, REPO, "dataset"), on_commit=stop)
    return dataset


def statuses() -> list[str]:
    return [talk.status for talk in HfApi().get_repo_discussions(REPO, repo_type="dataset")]


def remove(path: Path) -> None:
    """Delete a picture and its record."""
    path.unlink()
    table = path.with_name("metadata.jsonl")
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(line for line in lines if path.name not in line))


def test_what_was_deleted_since_the_stop_is_not_published(begun: Path) -> None:
    remove(begun / "0003.txt.png")
    Image.new("RGB", (2, 2)).save(begun / "0004.txt.png")
    assert push(plan_push(begun, REPO, "dataset")).verified == 19
    assert "0003.txt.png" not in there("dataset")
    assert statuses() == ["merged"]


def test_a_smaller_push_closes_what_it_does_without(begun: Path) -> None:
    for path in begun.glob("000*.txt.png"):
        remove(path)
    push(plan_push(begun, REPO, "dataset"))
    assert len(there("dataset")) == 10
    assert statuses() == ["closed"]


def test_what_was_changed_back_since_the_stop_stays(
    local_hub: Hub, dataset: Path, tens: None
) -> None:
    (dataset / "0-first.txt").write_text("old")
    push(plan_push(dataset, REPO, "dataset"))
    many(dataset, 15)
    (dataset / "0-first.txt").write_text("new, and sent in the first part")
    with pytest.raises(KeyboardInterrupt):
        push(plan_push(dataset, REPO, "dataset"), on_commit=stop)
    changed = hf_hub_download(REPO, "0-first.txt", repo_type="dataset", revision="refs/pr/1")
    assert Path(changed).read_text().startswith("new")
    (dataset / "0-first.txt").write_text("old")
    push(plan_push(dataset, REPO, "dataset"))
    merged = hf_hub_download(REPO, "0-first.txt", repo_type="dataset")
    assert Path(merged).read_text() == "old"
    assert statuses() == ["merged"]


@pytest.mark.parametrize("again", ["gone", "made again", "with a discussion"])
def test_a_repository_that_was_deleted_since(begun: Path, again: str) -> None:
    HfApi().delete_repo(REPO, repo_type="dataset")
    if again != "gone":
        HfApi().create_repo(REPO, repo_type="dataset", private=True)
    if again == "with a discussion":
        HfApi().create_discussion(REPO, title="Hello", repo_type="dataset")
    assert push(plan_push(begun, REPO, "dataset")).verified == 20
    assert len(there("dataset")) == 20


def test_a_pull_request_of_many_is_left_to_its_readers(
    local_hub: Hub, dataset: Path, tens: None
) -> None:
    many(dataset, 15)
    asked = push(plan_push(dataset, REPO, "dataset", PushOptions(pr=True)))
    assert asked.pr_url is not None
    assert there("dataset") == set()
    push(plan_push(dataset, REPO, "dataset"))
    assert len(there("dataset")) == 20
    found = {
        talk.num: talk.status for talk in HfApi().get_repo_discussions(REPO, repo_type="dataset")
    }
    assert found == {1: "draft", 2: "merged"}, "the one that was asked for is not touched"


def test_a_project_folder_is_not_taken_for_its_dataset(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a project/dataset", 1)
    settings = tmp_path / "a project/hubtools.toml"
    settings.write_text("")
    with pytest.raises(HubtoolsError, match="a project is a project: its pictures") as caught:
        kind_of(settings.parent)
    assert caught.value.hint == f"give '{tmp_path / 'a project/dataset'}'"
    settings.write_text('[dataset]\npath = "."\n')  # the very dataset, its pictures in folders
    assert kind_of(settings.parent) == "dataset"


def test_the_card_that_is_sent_names_the_repository(local_hub: Hub, dataset: Path) -> None:
    hubtools.card(dataset, kind="dataset")
    assert 'load_dataset("OWNER/NAME",' in (dataset / "README.md").read_text()
    hubtools.plan_push(dataset, REPO, only_shown=True)
    assert "OWNER/NAME" in (dataset / "README.md").read_text()  # nothing is changed to look
    hubtools.push(dataset, f"hf://datasets/{REPO}")
    sent = Path(hf_hub_download(REPO, "README.md", repo_type="dataset")).read_text()
    assert f'load_dataset("{REPO}",' in sent
    hubtools.card(
        dataset, kind="dataset", repo="late"
    )  # the owner is that of the token, as of push
    assert 'load_dataset("me/late",' in (dataset / "README.md").read_text()
