"""`shard --plan` and `shard --from-plan`: of the folder as it was, and of no other."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hubtools
from tests.drawing import write_pictures
from tests.planning import tree
from tests.typed import typed

AS = ("--as", "webdataset", "--max-shard-size", "1kB")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "people", 5)


@pytest.fixture
def plan(people: Path) -> Path:
    path = people.parent / "plan.json"
    done = typed("shard", people, *AS, "--plan", path)
    assert done.returncode == 0, done.stderr
    return path


def test_it_does_what_doing_it_at_once_does(people: Path, plan: Path, tmp_path: Path) -> None:
    assert typed("shard", people, *AS, "--to", tmp_path / "one").returncode == 0
    os.utime(people / "picture0.png", (1, 1))
    assert typed("shard", "--from-plan", plan, "--to", tmp_path / "two").returncode == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    names = {op["target"] for op in json.loads(plan.read_text())["operations"]}
    assert names == tree(tmp_path / "two").keys() - {"README.md"}
    assert len(names) > 1
    again = typed("shard", "--from-plan", plan, "--to", tmp_path / "two")
    assert (again.returncode, "done already" in again.stderr) == (0, True), again.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: (d / "picture0.png").write_bytes(b"else"), "changed: picture0.png"),
        (lambda d: shutil.copy(d / "picture0.png", d / "x.png"), "added: x.png"),
        (lambda d: (d / "picture4.png").unlink(), "deleted: picture4.png"),
    ],
)
def test_another_state(people: Path, plan: Path, change: Any, words: str) -> None:
    change(people)
    told = typed("shard", "--from-plan", plan, "--to", people.parent / "to")
    assert (told.returncode, words in told.stderr) == (1, True), told.stderr
    assert f"hubtools shard {people} --plan {plan}" in told.stderr
    assert not (people.parent / "to").exists()


def test_a_plan_travels(people: Path, plan: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    shutil.copytree(people, away / "people")
    shutil.copy(plan, away)
    words = ("shard", "--from-plan", away / "plan.json", "--to", away / "to")
    other: dict[str, Any] = {"HUBTOOLS_CONFIG": str(tmp_path / "config")}
    told = typed(*words, **other)
    assert told.returncode == 1
    for line in ("copied or moved here", "write data/train-00000-of", "--trust-state"):
        assert line in told.stderr
    assert not (away / "to").exists()
    assert typed(*words, "--trust-state", **other).returncode == 0


def _first(saved: dict[str, Any], **changes: Any) -> None:
    saved["operations"][0].update(changes)


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "out": lambda saved: _first(saved, target="../home/x"),
    "twice": lambda saved: saved["operations"].append(saved["operations"][0]),
    "another verb": lambda saved: _first(saved, action="remove"),
    "more": lambda saved: _first(saved, more=1),
    "another form": lambda saved: saved["options"].update(format="exe"),
    "no size": lambda saved: saved["options"].update(max_shard_size=0),
    "other shards": lambda saved: _first(saved, rows=100),
    "fewer": lambda saved: saved["operations"].pop(),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_forged_plans(people: Path, plan: Path, forgery: str) -> None:
    saved = json.loads(plan.read_text())
    FORGED[forgery](saved)
    plan.write_text(json.dumps(saved))
    told = typed("shard", "--from-plan", plan, "--to", people.parent / "to", "--trust-state")
    assert told.returncode == 1
    assert "is no shard plan" in told.stderr or "other shards than" in told.stderr
    assert not (people.parent / "to").exists()


def test_somewhere_to_write_is_asked_for(people: Path, plan: Path) -> None:
    for words in ((people,), ("--from-plan", plan)):
        told = typed("shard", *words)
        assert (told.returncode, "--to" in told.stderr) == (2, True), told.stderr
    told = typed("shard", "--from-plan", plan, "--to", "x", "--as", "parquet")
    assert (told.returncode, "--as" in told.stderr) == (2, True), told.stderr


def test_called_it_writes_the_same_plan_and_carries_it_out(
    people: Path, plan: Path, tmp_path: Path
) -> None:
    beside = tmp_path / "called.json"
    made = hubtools.plan_shards(people, format="webdataset", max_shard_size=1000, plan_file=beside)
    assert beside.read_bytes() == plan.read_bytes()
    done = hubtools.shard(to=tmp_path / "out", from_plan=beside)
    assert [shard.name for shard in done.shards] == [shard.name for shard in made.shards]
    assert done.source.samefile(people)
    (people / "new.txt").write_text("new")
    with pytest.raises(hubtools.HubtoolsError, match=r"added: new\.txt"):
        hubtools.shard(to=tmp_path / "out", from_plan=beside)
