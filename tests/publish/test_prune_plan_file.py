"""`prune --plan` and `prune --from-plan`: on the folder as it was, and on no other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hubtools
from hubtools.layout import LORA_WEIGHTS
from tests.planning import tree
from tests.typed import typed


@pytest.fixture
def plan(run_dir: Path) -> Path:
    path = run_dir.parent / "plan.json"
    before = tree(run_dir)
    done = typed("prune", run_dir, "--keep", "loss.png", "--plan", path)
    assert done.returncode == 0, done.stderr
    assert tree(run_dir) == before
    return path


def test_it_does_what_doing_it_at_once_does(run_dir: Path, plan: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(run_dir, twin)
    assert typed("prune", twin, "--keep", "loss.png", "--apply").returncode == 0
    before = tree(run_dir)
    shown = typed("prune", "--from-plan", plan, "--format", "agent")
    assert (shown.returncode, "metrics.jsonl\tdrop" in shown.stdout) == (0, True), shown.stderr
    assert tree(run_dir) == before
    assert typed("prune", "--from-plan", plan, "--apply").returncode == 0
    assert tree(run_dir) == tree(twin) != before
    again = typed("prune", "--from-plan", plan, "--apply")
    assert (again.returncode, "done already" in again.stdout) == (0, True), again.stderr
    assert typed("prune", run_dir, "--undo").returncode == 0
    assert tree(run_dir) == before
    assert typed("prune", "--from-plan", plan, "--apply").returncode == 0


def test_a_checkpoint_is_promoted(run_dir: Path, plan: Path) -> None:
    (run_dir / LORA_WEIGHTS).unlink()
    assert typed("prune", run_dir, "--plan", plan).returncode == 0
    assert typed("prune", "--from-plan", plan, "--apply").returncode == 0
    assert (run_dir / LORA_WEIGHTS).is_file()
    again = typed("prune", "--from-plan", plan, "--apply")
    assert (again.returncode, "done already" in again.stdout) == (0, True), again.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: (d / "README.md").write_text("# Other\n"), "changed: README.md"),
        (lambda d: (d / "notes.txt").write_text("new"), "added: notes.txt"),
        (lambda d: (d / "metrics.jsonl").unlink(), "deleted: metrics.jsonl"),
    ],
)
def test_another_state(
    run_dir: Path, plan: Path, change: Callable[[Path], Any], words: str
) -> None:
    change(run_dir)
    now = tree(run_dir)
    told = typed("prune", "--from-plan", plan, "--apply")
    assert (told.returncode, words in told.stderr) == (1, True), told.stderr
    assert f"hubtools prune {run_dir} --plan {plan}" in told.stderr
    assert tree(run_dir) == now


def test_a_plan_travels(run_dir: Path, plan: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    shutil.copytree(run_dir, away / run_dir.name)
    shutil.copy(plan, away)
    words = ("prune", "--from-plan", away / "plan.json", "--apply")
    other: dict[str, Any] = {"HUBTOOLS_CONFIG": str(tmp_path / "config")}
    told = typed(*words, **other)
    assert told.returncode == 1
    for line in ("copied or moved here", "drop  metrics.jsonl", "--trust-state"):
        assert line in told.stderr
    assert (away / run_dir.name / "metrics.jsonl").exists()
    assert typed(*words, "--trust-state", **other).returncode == 0
    assert not (away / run_dir.name / "metrics.jsonl").exists()


def _first(saved: dict[str, Any], **changes: Any) -> None:
    saved["operations"][0].update(changes)


def _of_lora(saved: dict[str, Any], **changes: Any) -> None:
    next(one for one in saved["operations"] if one["path"] == LORA_WEIGHTS).update(changes)


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "out": lambda saved: _first(saved, path="../home/x"),
    "hubtools' own": lambda saved: _first(saved, path=".hubtools/trash/x"),
    "twice": lambda saved: saved["operations"].append(saved["operations"][0]),
    "not there": lambda saved: _first(saved, path="x"),
    "another verb": lambda saved: _first(saved, action="burn"),
    "a target of what goes": lambda saved: _first(saved, action="drop", target="x"),
    "over another": lambda saved: _first(saved, action="keep", target="run.json"),
    "into another": lambda saved: _first(saved, action="keep", target="run.json/x"),
    "in place of a folder": lambda saved: _first(saved, action="keep", target="state"),
    "a name of git": lambda saved: _of_lora(saved, target=".git/hooks/pre-commit"),
    "another name of hubtools' own": lambda saved: _of_lora(
        saved, target=".HUBTOOLS/x.safetensors"
    ),
    "a target of what is no LoRA": lambda saved: _first(
        saved, action="keep", target="x.safetensors"
    ),
    "a target outside": lambda saved: _first(saved, action="keep", target="../x"),
    "bytes of text": lambda saved: _first(saved, bytes="1"),
    "more": lambda saved: _first(saved, more=1),
    "a folder anywhere": lambda saved: saved.update(root="/"),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_forged_plans(run_dir: Path, plan: Path, forgery: str) -> None:
    saved = json.loads(plan.read_text())
    FORGED[forgery](saved)
    plan.write_text(json.dumps(saved))
    before = tree(run_dir)
    told = typed("prune", "--from-plan", plan, "--apply", "--trust-state")
    assert (told.returncode, "is no prune plan" in told.stderr) == (1, True), told.stderr
    assert tree(run_dir) == before


def test_called_it_writes_the_same_plan_and_carries_it_out(run_dir: Path, plan: Path) -> None:
    beside = run_dir.parent / "called.json"
    made = hubtools.prune(run_dir, keep=["loss.png"], plan_file=beside)
    assert (made.trash, beside.read_bytes()) == (None, plan.read_bytes())
    with pytest.raises(hubtools.UsageError, match="nothing else"):
        hubtools.prune(from_plan=beside, drop=["*.png"])
    with pytest.raises(hubtools.UsageError, match="leave out apply"):
        hubtools.prune(run_dir, plan_file=beside, apply=True)
    before = tree(run_dir)
    shown = hubtools.prune(from_plan=beside)
    assert {item.path for item in shown.plan.moved} == {item.path for item in made.plan.moved}
    assert tree(run_dir) == before
    assert hubtools.prune(from_plan=beside, apply=True).trash is not None
    assert tree(run_dir) != before
    assert hubtools.prune(from_plan=beside, apply=True).done
