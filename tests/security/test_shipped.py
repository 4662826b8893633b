"""`ship` skips only what this user has done, and publishes only what it has validated."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

import hubtools
from hubtools.errors import ChecksFailed, ExitCode, HubtoolsError
from hubtools.findings import Report
from hubtools.journey.ledger import NAME, Ledger
from hubtools.journey.ship import STEPS, forecast, ship
from hubtools.journey.travel import Journey
from hubtools.localhub.server import Hub
from hubtools.progress import silent
from hubtools.project import Project, load_project
from hubtools.project_file import to_toml
from hubtools.rooted import LeadsOut
from tests.typed import typed

Draw = Callable[..., Path]
REPO = "me/people"
OLD = 1_600_000_000_000_000_000  # a time in ns that lies safely in the past


class Listener:
    """A narrator that keeps what it is told."""

    _reporter = silent()
    progress = staticmethod(_reporter.progress)

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, sentence: str) -> None:
        self.said.append(sentence)

    def warn(self, sentence: str) -> None:
        self.said.append(sentence)

    def report(self, report: Report) -> None: ...
    def started(self, step: str, title: str) -> None: ...
    def skipped(self, step: str, title: str, why: str) -> None: ...
    def done(self, step: str, sentence: str, seconds: float) -> None: ...


@pytest.fixture
def project(tmp_path: Path, draw_pictures: Draw) -> Project:
    draw_pictures(tmp_path / "dataset", 3, (64, 64))
    settings: dict[str, Any] = {
        "dataset": {"trigger": "a tok", "license": "cc0-1.0", "rights": "own", "repo": REPO},
        "train": {"resolution": 64},
    }
    (tmp_path / "hubtools.toml").write_text(to_toml(settings))
    return load_project(tmp_path)


def verbs(project: Project, last: str) -> dict[str, str]:
    return {step.name: verb for step, verb, _ in forecast(project, Listener(), last=last)}


@pytest.mark.parametrize("seal", [None, {"path": "x", "device": 1, "inode": 1, "mac": "0" * 64}])
def test_a_forged_ledger_makes_no_step_done(project: Project, seal: Any) -> None:
    """Forged: a ledger that calls all steps done, with the right digests."""
    ship(project, Listener(), last="dataset-card")
    path = project.root / NAME
    content = json.loads(path.read_text())
    content.pop("seal")
    if seal:
        content["seal"] = seal
    path.write_text(json.dumps(content))
    listener = Listener()
    assert ship(project, listener, last="dataset-card").done == ("validate", "dataset-card")
    assert "copied or moved here" in listener.said[0]
    assert ship(project, Listener(), last="dataset-card").done == ()


def test_a_forged_ledger_is_believed_if_somebody_says_so(project: Project) -> None:
    ship(project, Listener(), last="validate")
    path = project.root / NAME
    content = json.loads(path.read_text())
    content.pop("seal")
    path.write_text(json.dumps(content))
    assert ship(project, Listener(), last="validate", trust_state=True).done == ()


def test_nothing_is_read_or_written_through_a_link(project: Project, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (project.root / ".hubtools").symlink_to(target)
    with pytest.raises(LeadsOut, match="symbolic link"):
        ship(project, Listener(), last="validate")
    assert list(target.iterdir()) == []
    (project.root / ".hubtools").unlink()
    (project.root / ".hubtools").mkdir()
    (target / "victim").write_text("{}")
    (project.root / NAME).symlink_to(target / "victim")
    with pytest.raises(LeadsOut, match="symbolic link"):
        ship(project, Listener(), last="validate")
    assert (target / "victim").read_text() == "{}"


def test_a_work_folder_that_is_a_file_is_a_sentence(project: Project) -> None:
    (project.root / ".hubtools").write_text("")
    told = typed("ship", "--project", project.root, "--until", "validate")
    assert told.returncode == 1
    assert ".hubtools" in told.stderr
    assert "bug" not in told.stderr


def test_an_edit_that_keeps_size_and_time_is_noticed(project: Project) -> None:
    table = project.dataset_dir / "metadata.jsonl"
    for path in project.dataset_dir.iterdir():
        os.utime(path, ns=(OLD, OLD))
    ship(project, Listener(), last="validate")
    ledger = Ledger.open(project.root)
    # as if all had been read long ago, so that each has a stamp
    for path in project.dataset_dir.iterdir():
        facts = path.stat()
        stamp = [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]
        ledger.hashes[str(path)] = [*stamp, ledger.hash_file(path)]
    ledger.save()
    assert verbs(project, "validate") == {"validate": "skip"}
    table.write_text(table.read_text().replace("number 1", "number X"))
    os.utime(table, ns=(OLD, OLD))
    assert verbs(project, "validate") == {"validate": "run"}


CHANGED = {"while it is validated": "validate", "before it is sent": "push-dataset"}


@pytest.mark.parametrize("when", CHANGED)
@pytest.mark.parametrize("what", ["metadata.jsonl", "README.md"])
def test_what_changes_after_it_was_checked_is_not_sent(
    local_hub: Hub, project: Project, what: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = next(step for step in STEPS if step.name == CHANGED[when])
    run = step.run
    path = project.dataset_dir / what

    def meddling(journey: Journey) -> Any:
        before = run(journey) if step.name == "validate" else None
        text = path.read_text() if path.exists() else ""
        path.write_text(text.replace("number 1", "number X") + "\n")
        return before or run(journey)

    monkeypatch.setitem(step.__dict__, "run", meddling)
    if (what, when) == ("README.md", "while it is validated"):
        ship(project, Listener(), last="push-dataset")  # the card is checked after that
        return
    with pytest.raises(ChecksFailed, match="changed after it was checked"):
        ship(project, Listener(), last="push-dataset")
    assert not HfApi().repo_exists(REPO, repo_type="dataset")
    monkeypatch.undo()
    result = ship(project, Listener(), last="push-dataset")
    assert ("validate" if what == "metadata.jsonl" else "dataset-card") in result.done
    assert HfApi().repo_exists(REPO, repo_type="dataset")


def test_private_pictures_do_not_go_into_a_public_repository(
    local_hub: Hub, project: Project
) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=False)
    words = ("ship", "--project", project.root, "--until", "push-dataset")
    told = typed(*words)
    assert told.returncode == 3
    assert "P132" in told.stderr
    assert "--public" in told.stderr
    assert HfApi().list_repo_files(REPO, repo_type="dataset") == [".gitattributes"]
    meant = typed(*words, "--public")
    assert meant.returncode == 0, meant.stderr
    assert "existing, public" in meant.stderr


def test_a_forged_ledger_of_pushes_stops_it(local_hub: Hub, project: Project) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    HfApi().upload_file(
        path_or_fileobj=b"theirs", path_in_repo="theirs.txt", repo_id=REPO, repo_type="dataset"
    )
    (project.dataset_dir / ".hubtools").mkdir(exist_ok=True)
    key = f"{local_hub.url}/datasets/{REPO}"
    (project.dataset_dir / ".hubtools/pushed.json").write_text(
        json.dumps({key: {"files": ["theirs.txt"]}})
    )
    told = typed("ship", "--project", project.root, "--until", "push-dataset")
    assert told.returncode == 1
    assert "delete theirs.txt" in told.stderr
    assert "--trust-state" in told.stderr
    assert "theirs.txt" in HfApi().list_repo_files(REPO, repo_type="dataset")


def test_a_rehearsal_believes_a_ledger_too_if_somebody_says_so(
    project: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ship(project, Listener(), last="validate")
    path = project.root / NAME
    content = json.loads(path.read_text())
    content.pop("seal")
    path.write_text(json.dumps(content))
    file = project.root / "hubtools.toml"
    file.write_text(file.read_text() + 'pretrained_model_name_or_path = "me/base"\n')
    (project.dataset_dir / "metadata.jsonl").write_text("{")  # it stops at once
    with pytest.raises(HubtoolsError) as caught:
        hubtools.rehearse(project.root, base_folder=tmp_path, trust_state=True)
    assert caught.value.exit_code == ExitCode.CHECKS_FAILED
    assert "copied or moved here" not in capfd.readouterr().err
