"""Pruning deletes nothing: what was moved comes back byte for byte, whenever it was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubtools.errors import HubtoolsError
from hubtools.layout import LORA_WEIGHTS
from hubtools.publish import trash
from hubtools.publish.prune import classify

Make = Callable[..., Path]


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".hubtools" not in path.parts
    }


def test_there_and_back(run_dir: Path) -> None:
    before = contents(run_dir)
    plan = classify(run_dir)
    place = trash.apply(plan)
    assert place is not None
    assert set(contents(run_dir)) == {item.path for item in plan.kept}
    assert not (run_dir / "state").exists(), "empty folders go"
    assert trash.undo(run_dir) == len(plan.dropped)
    assert contents(run_dir) == before
    assert trash.trashes(run_dir) == []
    with pytest.raises(HubtoolsError, match="no trash"):
        trash.undo(run_dir)


def test_nothing_to_move(run_dir: Path) -> None:
    trash.apply(classify(run_dir))
    assert trash.apply(classify(run_dir)) is None


def test_two_trashes_come_back_in_turn(run_dir: Path) -> None:
    before = contents(run_dir)
    trash.apply(classify(run_dir))
    (run_dir / "later.log").write_text("later")
    trash.apply(classify(run_dir))
    assert len(trash.trashes(run_dir)) == 2
    trash.undo(run_dir)
    assert (run_dir / "later.log").is_file()
    trash.undo(run_dir)
    assert contents(run_dir) == before | {"later.log": b"later"}


def test_nothing_is_overwritten_on_the_way_back(run_dir: Path) -> None:
    trash.apply(classify(run_dir))
    (run_dir / "metrics.jsonl").write_text("new")
    left = contents(run_dir)
    with pytest.raises(HubtoolsError, match=r"metrics\.jsonl exists again"):
        trash.undo(run_dir)
    assert contents(run_dir) == left
    (run_dir / "metrics.jsonl").unlink()
    trash.undo(run_dir)
    assert "state/step-000010/state.json" in contents(run_dir)


def test_a_promoted_lora_goes_back_as_well(tmp_path: Path, make_lora_file: Make) -> None:
    for step in (1, 2):
        make_lora_file(tmp_path / f"checkpoint-{step}" / LORA_WEIGHTS, rank=step)
    before = contents(tmp_path)
    trash.apply(classify(tmp_path))
    assert set(contents(tmp_path)) == {LORA_WEIGHTS}
    trash.undo(tmp_path)
    assert contents(tmp_path) == before


def test_purge_frees_what_it_says(run_dir: Path) -> None:
    plan = classify(run_dir)
    trash.apply(plan)
    assert trash.purge(run_dir) >= plan.bytes_dropped
    assert trash.trashes(run_dir) == []


names = st.lists(
    st.text(
        alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="/\0"),
        min_size=1,
        max_size=12,
    ).filter(lambda name: name not in (".", "..", ".git", ".hubtools") and len(name.encode()) < 60),
    min_size=1,
    max_size=3,
).map("/".join)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(names, max_size=5))
def test_files_of_any_name_come_back(
    tmp_path_factory: pytest.TempPathFactory, make_lora_file: Make, files: list[str]
) -> None:
    root = tmp_path_factory.mktemp("run")
    make_lora_file(root / LORA_WEIGHTS)
    for name in files:
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(name)
        except (FileExistsError, NotADirectoryError):
            continue  # another name's folder or file
    before = contents(root)
    try:
        plan = classify(root)
    except HubtoolsError:
        return  # a folder that looks like git's
    if trash.apply(plan) is not None:
        trash.undo(root)
    assert contents(root) == before


def test_killed_in_the_middle_nothing_is_lost(run_dir: Path) -> None:
    for number in range(3000):
        (run_dir / f"samples/{number:05d}.png").write_bytes(b"%d" % number)
    before = contents(run_dir)
    code = (
        "import sys, pathlib; from hubtools.publish import trash, prune;"
        "trash.apply(prune.classify(pathlib.Path(sys.argv[1])))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(run_dir)], env=os.environ)
    for _ in range(4000):
        if trash.trashes(run_dir) and not (run_dir / "samples/00300.png").exists():
            break
        if process.poll() is not None:
            break
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    assert set(before.values()) <= there
    trash.undo(run_dir)
    assert contents(run_dir) == before
