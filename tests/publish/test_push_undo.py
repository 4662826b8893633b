"""`push --undo` takes the last push back, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.hub.client import remote_files
from hubtools.localhub.server import Hub
from hubtools.publish.ledger import NAME
from hubtools.publish.push import PushOptions, plan_push, push
from hubtools.publish.undo import plan_undo, undo
from hubtools.training.runfolder import keep_ledger, move_aside
from hubtools.trust import ForeignState
from hubtools.whereabouts import from_here
from tests.typed import typed

REPO = "me/people"


def send(folder: Path, **options: object) -> str:
    return push(plan_push(folder, REPO, "model", PushOptions(**options))).commit  # type: ignore[arg-type]


def held(revision: str = "main") -> dict[str, str]:
    return {name: file.mark for name, file in remote_files(REPO, "model", revision).items()}


def take_back(folder: Path) -> str:
    return undo(plan_undo(folder, REPO, "model")).commit


def test_the_last_push_is_taken_back_and_again(local_hub: Hub, run_dir: Path) -> None:
    first = send(run_dir)
    (run_dir / "README.md").write_text("---\nlicense: mit\n---\n# New\n")
    (run_dir / "NOTICE").write_text("by me")
    (run_dir / "LICENSE.md").unlink()
    (run_dir / "pytorch_lora_weights.safetensors").rename(run_dir / "people.safetensors")
    weights = run_dir / "people.safetensors"
    manifest = {"status": "finished", "lora": {"file": weights.name}}
    (run_dir / "run.json").write_text(json.dumps(manifest))
    second = send(run_dir)
    plan = plan_undo(run_dir, REPO, "model")
    assert set(plan.removed) == {"NOTICE", "people.safetensors"}
    assert {file.name for file in plan.restored} >= {"LICENSE.md", "README.md"}
    undone = undo(plan)
    assert held() == held(first)
    assert undone.commit not in (first, second)
    # what was pushed is in the history, and undoing the undo is the push again
    take_back(run_dir)
    assert held() == held(second)
    take_back(run_dir)
    assert held() == held(first)
    # files that came back are ours as before: the next push replaces them without a question
    assert plan_push(run_dir, REPO, "model").report.ok
    send(run_dir)
    assert held() == held(second)


def lost(hub: Hub, folder: Path) -> str:
    """An undo whose commit lands, and nobody hears of it; the state that it goes back to."""
    first = send(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# New\n")
    (folder / "NOTICE").write_text("by me")
    (folder / "LICENSE.md").unlink()
    send(folder)
    plan = plan_undo(folder, REPO, "model")
    hub.fail_next("POST", "/commit/main", "drop-after")
    with pytest.raises(Exception, match=r"(?i)disconnected|reached"):
        undo(plan)
    hub.faults.clear()
    assert held() == held(first)
    return first


def test_an_undo_that_was_cut_off_goes_on(local_hub: Hub, run_dir: Path) -> None:
    first = lost(local_hub, run_dir)
    there = plan_undo(run_dir, REPO, "model")
    assert not there.restored
    assert not there.removed
    undo(there)
    assert held() == held(first)
    take_back(run_dir)  # the push again
    assert "NOTICE" in held()


def test_a_push_after_an_undo_that_was_cut_off(local_hub: Hub, run_dir: Path) -> None:
    lost(local_hub, run_dir)
    assert plan_push(run_dir, REPO, "model").report.ok
    send(run_dir)
    assert "NOTICE" in held()


def test_what_somebody_committed_after_an_undo_that_was_cut_off(
    local_hub: Hub, run_dir: Path
) -> None:
    lost(local_hub, run_dir)
    HfApi().upload_file(path_or_fileobj=b"mine", path_in_repo="README.md", repo_id=REPO)
    with pytest.raises(ChecksFailed, match="somebody committed since"):
        plan_undo(run_dir, REPO, "model")


@pytest.mark.parametrize("said", [(200, b"x"), (404, b"")])
def test_bytes_that_are_not_what_was(
    local_hub: Hub, run_dir: Path, monkeypatch: pytest.MonkeyPatch, said: tuple[int, bytes]
) -> None:
    """A storage elsewhere may answer anything; what is committed is what was there."""
    first = send(run_dir)
    (run_dir / "README.md").write_text("---\nlicense: mit\n---\n# New\n")
    second = send(run_dir)
    with monkeypatch.context() as patched:
        patched.setattr("hubtools.publish.undo.get", lambda *words, **more: said)
        with pytest.raises(
            ChecksFailed, match=r"^README\.md of me/people does not arrive as it was"
        ):
            take_back(run_dir)
    assert held() == held(second)
    take_back(run_dir)
    assert held() == held(first)


def test_a_first_push_leaves_an_empty_repository(local_hub: Hub, run_dir: Path) -> None:
    send(run_dir)
    take_back(run_dir)
    assert set(held()) == {".gitattributes"}
    send(run_dir)
    assert "README.md" in held()


def test_what_somebody_committed_since_is_not_touched(local_hub: Hub, run_dir: Path) -> None:
    send(run_dir)
    plan = plan_undo(run_dir, REPO, "model")
    HfApi().upload_file(path_or_fileobj=b"theirs", path_in_repo="theirs.txt", repo_id=REPO)
    before = held()
    with pytest.raises(ChecksFailed, match="somebody committed"):
        undo(plan)
    with pytest.raises(ChecksFailed, match="somebody committed since"):
        plan_undo(run_dir, REPO, "model")
    assert held() == before


def test_a_pull_request_since_is_not_taken_for_the_push(local_hub: Hub, run_dir: Path) -> None:
    send(run_dir)
    before = held()
    (run_dir / "NOTICE").write_text("by me")
    send(run_dir, pr=True)
    with pytest.raises(ChecksFailed, match=r"open pull request, #1, .* not the pull") as caught:
        plan_undo(run_dir, REPO, "model")
    assert held() == before
    assert "`hf discussions close me/people 1 --type model`" in str(caught.value.hint)
    HfApi().change_discussion_status(REPO, 1, "closed")
    take_back(run_dir)
    assert set(held()) == {".gitattributes"}


def test_pushes_that_cannot_be_undone_say_why(local_hub: Hub, run_dir: Path) -> None:
    with pytest.raises(HubtoolsError, match="Nothing is known of a push"):
        plan_undo(run_dir, REPO, "model")
    send(run_dir)
    ledger = run_dir / NAME
    text = ledger.read_text()
    forged = json.loads(text)
    for entry in forged["repos"].values():
        entry["before"] = entry["commit"]
    ledger.write_text(json.dumps(forged))
    with pytest.raises(ForeignState):
        plan_undo(run_dir, REPO, "model")
    ledger.write_text(text)
    HfApi().super_squash_history(REPO)
    with pytest.raises(HubtoolsError, match=r"somebody committed since|was squashed"):
        plan_undo(run_dir, REPO, "model")
    HfApi().delete_repo(REPO)
    with pytest.raises(HubtoolsError, match="does not exist"):
        plan_undo(run_dir, REPO, "model")


def test_a_push_that_found_all_there_has_nothing_to_undo(local_hub: Hub, run_dir: Path) -> None:
    """After a kill between commit and ledger nobody knows what was there before."""
    send(run_dir)
    (run_dir / "NOTICE").write_text("by me")
    before = (run_dir / NAME).read_bytes()
    send(run_dir)
    (run_dir / NAME).write_bytes(before)
    send(run_dir)
    with pytest.raises(HubtoolsError, match="not known what"):
        plan_undo(run_dir, REPO, "model")


def test_typed(local_hub: Hub, run_dir: Path) -> None:
    assert typed("push", run_dir, REPO, "--release", "v1").returncode == 0
    shown = typed("push", run_dir, REPO, "--undo", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "remove" in shown.stdout
    assert "the tag v1 still names" in shown.stderr
    assert "README.md" in held()
    done = typed("push", run_dir, "--undo", "--format", "json")  # where it was pushed to
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["removed"] == 6
    assert set(held()) == {".gitattributes"}
    again = typed("push", run_dir, "--undo", "--dry-run")
    assert "The last thing done from here was an undo: this takes it back." in again.stderr
    assert typed("push", run_dir, REPO, "--undo", "--from-plan", "x.json").returncode == 2
    (run_dir / ".hubtools/pushed.json").unlink()  # what to type undoes, and does not push
    assert "me/x --undo" in typed("push", run_dir, "--undo").stderr.replace("OWNER/NAME", "me/x")


def test_the_next_run_in_the_place_of_one_that_was_pushed_is_its_next_version(
    local_hub: Hub, run_dir: Path
) -> None:
    first = send(run_dir)
    earlier = move_aside(run_dir)
    keep_ledger(earlier, run_dir)
    for name in ("README.md", "run.json"):
        (run_dir / name).write_bytes((earlier / name).read_bytes())
    (run_dir / "pytorch_lora_weights.safetensors").write_bytes(
        (earlier / "pytorch_lora_weights.safetensors").read_bytes()
    )
    (run_dir / "README.md").write_text("---\nlicense: mit\n---\n# The second version\n")
    plan = plan_push(run_dir, REPO, "model", PushOptions())
    assert not {"P130", "P131"} & {finding.rule for finding in plan.report.findings}
    ways = {file.name: file.action for file in plan.files}
    assert ways["LICENSE.md"] == "delete"  # it was of the first version
    push(plan)
    take_back(run_dir)
    assert held() == held(first)


def test_a_run_beside_the_one_that_was_pushed_becomes_its_next_version_if_one_says_so(
    local_hub: Hub, run_dir: Path
) -> None:
    first = send(run_dir)
    second = run_dir.with_name("a second run")
    shutil.copytree(run_dir, second, ignore=shutil.ignore_patterns(".hubtools", "LICENSE.md"))
    (second / "README.md").write_text("---\nlicense: mit\n---\n# The second version\n")
    refused = plan_push(second, REPO, "model", PushOptions())
    (told,) = [found for found in refused.report.findings if found.rule == "P131"]
    with pytest.raises(ChecksFailed) as caught:
        push(refused)
    assert caught.value.hint == "do what each says; --ignore leaves none of these rules out"
    assert told.path == "README.md"
    assert f"holds what you pushed from {from_here(run_dir)}; this push would" in told.message
    assert str(told.fix).startswith("--overwrite makes this its next version")
    plan = plan_push(second, REPO, "model", PushOptions(overwrite=True))
    assert plan.notes == (f"the next version of what was pushed from {from_here(run_dir)}",)
    assert {file.name: file.action for file in plan.files}["LICENSE.md"] == "delete"
    push(plan)
    take_back(second)
    assert held() == held(first)


def test_a_ledger_of_somebody_else_is_not_carried_on(run_dir: Path) -> None:
    (run_dir / NAME).parent.mkdir(exist_ok=True)
    (run_dir / NAME).write_text('{"schema": 2, "repos": {}, "seal": {"mac": "0"}}')
    keep_ledger(move_aside(run_dir), run_dir)
    assert not (run_dir / NAME).exists()
