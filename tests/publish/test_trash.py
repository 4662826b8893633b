"""Pruning deletes nothing: what was moved comes back byte for byte, whenever it was stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubtools.errors import HubtoolsError
from hubtools.layout import LORA_WEIGHTS
from hubtools.publish import trash
from hubtools.publish.classify import classify
from hubtools.rooted import Root
from tests.doomed import RENAME, doomed

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


def everything(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): str(path.readlink()).encode()
        if path.is_symlink()
        else path.read_bytes()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("new", ["dangling link", "file for a folder", "link for a folder"])
def test_whatever_is_in_the_way_stays(run_dir: Path, tmp_path: Path, new: str) -> None:
    trash.apply(classify(run_dir))
    (tmp_path / "outside").mkdir()
    match new:
        case "dangling link":
            (run_dir / "metrics.jsonl").symlink_to("nowhere")
        case "file for a folder":
            (run_dir / "state").write_text("a file")
        case _:
            (run_dir / "state").symlink_to(tmp_path / "outside")
    before = everything(run_dir)
    with pytest.raises(HubtoolsError, match="exists again"):
        trash.undo(run_dir)
    assert everything(run_dir) == before, "not even a part is moved"
    assert not any((tmp_path / "outside").iterdir())


def test_new_files_beside_the_old_ones_are_no_hindrance(run_dir: Path) -> None:
    before = contents(run_dir)
    trash.apply(classify(run_dir))
    for name in ("new.txt", "samples/new.png", "state/step-000020/state.json"):
        (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (run_dir / name).write_text(name)
    trash.undo(run_dir)
    after = contents(run_dir)
    assert before.items() <= after.items()
    assert after["state/step-000020/state.json"] == b"state/step-000020/state.json"


@pytest.mark.parametrize("how", ["written", "removed"])
def test_a_file_that_is_back_and_is_changed_after_the_look_costs_no_original(
    run_dir: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill may leave a file in the trash and in its place; it goes from the trash only while it
    is in its place."""
    (run_dir / "a.log").write_bytes(b"first")
    before = contents(run_dir)
    place = trash.apply(classify(run_dir))
    assert place is not None
    (run_dir / "a.log").write_bytes(b"first")
    unlink: Any = Root.unlink

    def late(root: Root, name: str, **more: Any) -> None:
        if name.endswith("/a.log"):
            monkeypatch.undo()
            if how == "written":
                (run_dir / "a.log").write_bytes(b"mine")
            else:
                (run_dir / "a.log").unlink()
        unlink(root, name, **more)

    monkeypatch.setattr(Root, "unlink", late)
    with pytest.raises(HubtoolsError):
        trash.undo(run_dir)
    assert b"first" in [path.read_bytes() for path in place.rglob("a.log")]
    (run_dir / "a.log").unlink(missing_ok=True)
    trash.undo(run_dir)
    assert contents(run_dir) == before


def test_a_new_checkpoint_is_not_overwritten(tmp_path: Path, make_lora_file: Make) -> None:
    old = make_lora_file(tmp_path / "checkpoint-1" / LORA_WEIGHTS)
    trash.apply(classify(tmp_path))
    old.parent.mkdir()
    old.write_bytes(b"new")
    with pytest.raises(HubtoolsError, match="exists again"):
        trash.undo(tmp_path)
    assert old.read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
@pytest.mark.parametrize("list_of", ["moves", "promoted"])
def test_a_list_cannot_lead_out(run_dir: Path, name: str, list_of: str) -> None:
    place = trash.apply(classify(run_dir))
    assert place is not None
    listed: dict[str, object] = {"schema": 1, "moves": [], "promoted": []}
    for one in ({"from": name, "to": "metrics.jsonl"}, {"from": "x", "to": name}):
        (place / "files.json").write_text(json.dumps(listed | {list_of: [one]}))
        with pytest.raises(HubtoolsError, match="which is not in"):
            trash.undo(run_dir)
    assert not (run_dir.parent / "outside").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"moves": [1], "promoted": []}'])
def test_a_damaged_list_is_said(run_dir: Path, text: str) -> None:
    place = trash.apply(classify(run_dir))
    assert place is not None
    (place / "files.json").write_text(text)
    with pytest.raises(HubtoolsError, match=r"files\.json is damaged"):
        trash.undo(run_dir)
    assert (place / "files/metrics.jsonl").is_file()


@pytest.mark.parametrize("name", [".hubtools", ".hubtools/trash"])
def test_a_trash_is_never_a_link(run_dir: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").mkdir()
    (run_dir / name).parent.mkdir(exist_ok=True)
    (run_dir / name).symlink_to(tmp_path / "outside")
    before = contents(run_dir)
    for call in (lambda: trash.apply(classify(run_dir)), lambda: trash.purge(run_dir)):
        with pytest.raises(HubtoolsError, match="symbolic link"):
            call()
    assert contents(run_dir) == before
    assert not any((tmp_path / "outside").iterdir())


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


APPLY = "trash.apply(classify.classify(root))"
UNDO = "trash.undo(root)"


def kill_in(call: str, root: Path, name: str) -> None:
    """Run `call` in a process of its own and kill it before it moves the file of this name."""
    code = (
        "\nimport sys, pathlib; from hubtools.publish import classify, trash;"
        f"root = pathlib.Path(sys.argv[1]); {call}"
    )
    doomed(RENAME, name, root, code=code)


@pytest.mark.parametrize("then", ["undo", "again"])
def test_killed_in_the_middle_nothing_is_lost(run_dir: Path, then: str) -> None:
    samples = [run_dir / f"samples/{number:05d}.png" for number in range(200)]
    for number, path in enumerate(samples):
        path.write_bytes(b"%d" % number)
    before = contents(run_dir)
    kill_in(APPLY, run_dir, "00100.png")
    assert not any(path.exists() for path in samples[:100])
    assert all(path.exists() for path in samples[100:])
    there = {path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    assert set(before.values()) <= there
    if then == "again":
        plan = classify(run_dir)
        trash.apply(plan)
        assert set(contents(run_dir)) == {item.path for item in plan.kept}
    else:
        kill_in(UNDO, run_dir, "00050.png")
        assert all(path.exists() for path in samples[:50])
        assert not any(path.exists() for path in samples[50:100])
    while trash.trashes(run_dir):
        trash.undo(run_dir)
    assert contents(run_dir) == before
