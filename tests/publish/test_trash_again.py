"""`prune` and `prune --undo` that were killed, typed again, and two of them at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubtools import renaming
from hubtools.errors import HubtoolsError
from hubtools.layout import LORA_WEIGHTS, TRASH_DIR, WORK_DIR
from hubtools.publish import trash
from hubtools.publish.classify import classify
from hubtools.publish.halving import halved
from hubtools.rooted import Root
from tests.doomed import MKDIR, RENAME, doomed
from tests.planning import tree
from tests.publish.test_halving import run  # noqa: F401 (a fixture)
from tests.typed import typed

MINE = b"a person saved this\n"
exchanges = pytest.mark.skipif(renaming._renameat2() is None, reason="nothing changes places here")


def killed_behind_the_exchange(
    run_dir: Path, name: str, act: Callable[[], object] = lambda: None
) -> None:
    """Undo in a process that acts when this file is about to change places with the one that took
    its name, and ends right behind that."""
    if (child := os.fork()) == 0:
        real = renaming._renamed

        def dying(old: str, new: str, here: Any, there: Any, flag: int) -> bool:
            if not (flag == renaming._EXCHANGE and {old, new} == {name}):
                return real(old, new, here, there, flag)
            act()
            real(old, new, here, there, flag)
            os._exit(9)

        renaming._renamed = dying
        try:
            trash.undo(run_dir)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.fixture
def pruned(run: Path) -> tuple[Path, dict[str, bytes], Path]:  # noqa: F811
    """A run folder whose LoRA was written in half precision, what was in it, and the trash."""
    before = tree(run)
    place = trash.apply(halved(classify(run), "fp16"))
    assert place is not None
    return run, before, place / "files"


Pruned = tuple[Path, dict[str, bytes], Path]
NAMES = [LORA_WEIGHTS, "run.json"]


@exchanges
@pytest.mark.parametrize("name", NAMES)
def test_an_undo_that_is_killed_behind_the_exchange_goes_on(pruned: Pruned, name: str) -> None:
    folder, before, files = pruned
    half = (folder / name).read_bytes()
    killed_behind_the_exchange(folder, name)
    assert (files / name).read_bytes() == half
    trash.undo(folder)
    assert tree(folder) == before
    assert not (folder / WORK_DIR).exists()


@exchanges
@pytest.mark.parametrize("name", NAMES)
def test_a_half_never_gets_the_name_of_the_original(pruned: Pruned, name: str) -> None:
    folder, before, files = pruned
    killed_behind_the_exchange(folder, name)
    aside = (folder / name).rename(folder / "aside")
    with pytest.raises(HubtoolsError, match="had come back") as caught:
        trash.undo(folder)
    assert str(files / name) in str(caught.value)
    assert not (folder / name).exists()
    aside.rename(folder / name)
    trash.undo(folder)
    assert tree(folder) == before


@exchanges
@pytest.mark.parametrize("name", NAMES)
def test_what_was_saved_in_that_instant_is_told_and_kept(
    pruned: Pruned, tmp_path: Path, name: str
) -> None:
    folder, before, files = pruned

    def save() -> None:
        (folder / "editor").write_bytes(MINE)
        (folder / "editor").replace(folder / name)

    killed_behind_the_exchange(folder, name, save)
    assert (files / name).read_bytes() == MINE
    with pytest.raises(HubtoolsError, match="has saved it") as caught:
        trash.undo(folder)
    assert str(files / name) in str(caught.value)
    assert (files / name).read_bytes() == MINE
    (files / name).rename(tmp_path / "mine")  # as it says
    trash.undo(folder)
    assert tree(folder) == before


@exchanges
def test_what_is_edited_after_that_kill_stays(pruned: Pruned) -> None:
    folder, before, _ = pruned
    killed_behind_the_exchange(folder, "run.json")
    (folder / "run.json").write_bytes(MINE)
    trash.undo(folder)
    assert tree(folder) == before | {"run.json": MINE}


def test_a_list_of_before_has_no_sums_of_originals(pruned: Pruned) -> None:
    folder, before, files = pruned
    from hubtools.files import json_value, write_json
    from hubtools.trust import seal

    place = files.parent / "files.json"
    content = json_value(place.read_bytes())
    for one in content["written"]:
        del one["was"]
    content.pop("seal", None)
    name = place.relative_to(folder).as_posix()
    write_json(place, seal(folder, name, content))
    if renaming._renameat2() is not None:
        killed_behind_the_exchange(folder, LORA_WEIGHTS)
    trash.undo(folder)
    assert tree(folder) == before


# --- interrupted, and typed again ----------------------------------------------------------------

PRUNE = ("prune", "run", "--apply", "--dtype", "fp16")
UNDO = ("prune", "run", "--undo")
MOMENTS = {
    "the first move": (RENAME, r"metrics\.jsonl"),
    "a folder of the trash": (MKDIR, r"'state'"),
    "the new LoRA": (RENAME, r"\.tmp-.*pytorch_lora_weights\.safetensors'"),
    "an empty folder": (("os.rmdir",), r"state"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_one_undo_brings_back_what_an_interrupted_prune_and_the_next_have_moved(
    run: Path,  # noqa: F811
    moment: str,
) -> None:
    before = tree(run)
    doomed(*MOMENTS[moment], *PRUNE, cwd=run.parent)
    again = typed(*PRUNE, cwd=run.parent)
    assert again.returncode == 0, again.stderr
    back = typed(*UNDO, cwd=run.parent)
    assert back.returncode == 0, back.stderr
    assert tree(run) == before
    assert not trash.trashes(run)
    assert not (run / WORK_DIR).exists()


def test_an_older_trash_is_told(run: Path) -> None:  # noqa: F811
    before = tree(run)
    assert typed(*PRUNE, cwd=run.parent).returncode == 0
    (run / "loss.png").write_bytes(before["loss.png"])
    assert typed(*PRUNE, cwd=run.parent).returncode == 0
    back = typed(*UNDO, cwd=run.parent)
    assert "1 file back" in back.stdout
    assert "`hubtools prune run --undo` brings it back" in back.stderr
    (run / "loss.png").unlink()
    back = typed(*UNDO, cwd=run.parent)
    assert "--undo" not in back.stdout + back.stderr
    assert tree(run) == before


# --- two at once ---------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no lock here")
@pytest.mark.parametrize("other", ["apply", "undo", "purge"])
def test_one_at_a_time(run: Path, other: str) -> None:  # noqa: F811
    before = tree(run)
    plan = classify(run)
    if other != "apply":
        trash.apply(plan)
    left = tree(run)
    acts: dict[str, Callable[[], object]] = {
        "apply": lambda: trash.apply(plan),
        "undo": lambda: trash.undo(run),
        "purge": lambda: trash.purge(run),
    }
    with Root(run) as root, root.holding(f"{WORK_DIR}/{TRASH_DIR}/.lock"):
        with pytest.raises(HubtoolsError, match="at work") as caught:
            acts[other]()
        assert caught.value.code == "busy"
        assert tree(run) == left
        if other == "undo":  # the other one has begun
            (run / "loss.png").write_bytes(before["loss.png"] + b"?")
            with pytest.raises(HubtoolsError, match="at work"):
                trash.undo(run)
            (run / "loss.png").unlink()
    acts[other]()
    if other == "apply":
        trash.undo(run)
    if other != "purge":
        assert tree(run) == before
        assert not (run / WORK_DIR).exists()


def test_what_another_has_moved_since_the_look_is_not_moved_again(run: Path) -> None:  # noqa: F811
    before = tree(run)
    plan, halves = classify(run), halved(classify(run), "fp16")
    trash.apply(halves)
    assert trash.apply(plan) is None
    with pytest.raises(HubtoolsError, match="another file than the plan says"):
        trash.apply(halves)
    trash.undo(run)
    assert tree(run) == before
