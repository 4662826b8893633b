"""Shipping that is killed in its middle and started again ends where it would have ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import HfApi

from tests.doomed import RENAME, doomed
from tests.forkserver import Process

pytest.importorskip("torch")

from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.training.metrics import read_metrics

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

Start = Callable[..., Process]
Make = Callable[..., Path]

# what differs between two runs by nature: times, and what is made from them
CLOCKS = {"README.md", "run.json", "metrics.jsonl", "loss.png", "hubtools.toml"}


def contents(repo: str) -> dict[str, str]:
    """File -> hash of its content, of a model repository's main."""
    info = HfApi().model_info(repo, files_metadata=True)
    return {
        file.rfilename: (file.lfs.sha256 if file.lfs else None) or str(file.blob_id)
        for file in info.siblings or []
    }


def pushed(repo: str, repo_type: str) -> list[str]:
    """Titles of the commits that files came with."""
    commits = HfApi().list_repo_commits(repo, repo_type=repo_type)
    return [commit.title for commit in commits if commit.title != "initial commit"]


def await_(process: Process, when: Callable[[], bool]) -> None:
    """However long it takes; what hangs is ended by pytest."""
    while not when():
        assert process.poll() is None, process.said()
        time.sleep(0.005)


def killed(process: Process, when: Callable[[], bool]) -> None:
    await_(process, when)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_killed_in_training_and_in_both_pushes(
    local_hub: Hub, ship_project: Make, cli: Cli, start: Start, tmp_path: Path
) -> None:
    straight = ship_project(tmp_path / "straight", steps=30)
    done = cli("ship", cwd=straight)
    assert done.returncode == 0, done.stderr
    wanted = contents("me/people-lora")
    assert LORA_WEIGHTS in wanted
    weights = (straight / "runs/people" / LORA_WEIGHTS).read_bytes()
    for repo, repo_type in (("me/people-lora", "model"), ("me/people", "dataset")):
        HfApi().delete_repo(repo, repo_type=repo_type)

    folder = ship_project(tmp_path / "killed", steps=30)
    run = folder / "runs/people"
    # 1: while the dataset's commit is under way, its answer never comes back
    lost = local_hub.fail_next("POST", r"/api/datasets/me/people/commit/", "drop-after", times=99)
    killed(start("ship", cwd=folder), lambda: lost.hits > 0)
    local_hub.faults.clear()
    # 2: in training, when the state of its tenth step is whole but not in place
    doomed(RENAME, "tmp-step-000010", "ship", cwd=folder)
    assert [path.name for path in (run / "state").glob("step-*")] == ["step-000005"]
    assert not (run / LORA_WEIGHTS).exists()
    # 3: while the LoRA's files are being sent
    stuck = local_hub.fail_next("POST", r"/api/models/me/people-lora/commit/", 503, times=99)
    killed(start("ship", cwd=folder), lambda: stuck.hits > 0)
    local_hub.faults.clear()
    assert (run / LORA_WEIGHTS).read_bytes() == weights, "the same run, bit for bit"

    done = cli("ship", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "- train: skipped" in done.stderr
    there = contents("me/people-lora")
    assert set(there) == set(wanted)
    assert {name for name in there if there[name] != wanted[name]} <= CLOCKS
    assert len(pushed("me/people-lora", "model")) == 1
    assert len(pushed("me/people", "dataset")) == 1
    again = cli("ship", cwd=folder)
    assert "0 steps done, 10 skipped" in again.stdout


@pytest.mark.slow
def test_interrupted_by_the_user(
    ship_project: Make, cli: Cli, start: Start, tmp_path: Path
) -> None:
    folder = ship_project(tmp_path, steps=4000)
    process = start("ship", cwd=folder)
    run = folder / "runs/people"
    await_(process, lambda: any(metric.step >= 6 for metric in read_metrics(run)))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert "run the same command again" in output
    assert "Traceback" not in output
    assert not (run / LORA_WEIGHTS).exists()
    # shorter now: another run than the one begun, which must not be lost silently
    text = (folder / "hubtools.toml").read_text().replace("4000", "20")
    (folder / "hubtools.toml").write_text(text)
    refused = cli("ship", cwd=folder)
    assert refused.returncode != 0
    assert "Error:" in refused.stderr
    assert "max_train_steps" in refused.stderr
