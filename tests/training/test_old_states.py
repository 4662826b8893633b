"""States that are removed: what goes is what was looked at."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools import renaming  # noqa: E402
from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.rooted import Root  # noqa: E402
from hubtools.training.checkpoints import save_state  # noqa: E402
from hubtools.training.found_states import LORA, OPTIMIZER, StateFacts, states  # noqa: E402
from hubtools.unfinished import changing_places  # noqa: E402

OLD = "step-000010"


def save(run: Path, step: int, value: float = 1.0) -> None:
    parameters = {"a.lora_A": torch.nn.Parameter(torch.full((2, 3), value))}
    optimizer: Any = torch.optim.AdamW(parameters.values(), lr=0.1)
    parameters["a.lora_A"].grad = torch.ones(2, 3)
    optimizer.step()
    facts = StateFacts(step=step, fingerprint="f", threads=1, files={})
    save_state(run, facts, parameters, optimizer, limit=1)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "state").iterdir())


def before_removal(
    monkeypatch: pytest.MonkeyPatch, method: str, act: Callable[[str], object]
) -> list[str]:
    """Call `act` once, right before a file or a folder of the old state is first given up; the
    list that is answered has its name then."""
    real: Any = getattr(Root, method)
    done: list[str] = []

    def acted(root: Root, name: str, *given: Any, **more: Any) -> Any:
        if not done and OLD in str(root.path / name) and not (root.path / name).is_symlink():
            done.append(name)
            act(str(root.path / name))
        return real(root, name, *given, **more)

    monkeypatch.setattr(Root, method, acted)
    return done


def in_the_place_of(run: Path, other: Path) -> Callable[[str], object]:
    """A person moves the old state away, and puts another folder in its place."""

    def act(_: str) -> None:
        (run / "state" / OLD).rename(run / "mine")
        other.rename(run / "state" / OLD)

    return act


@pytest.mark.parametrize("whose", ["a state of another run", "files of the same names"])
def test_a_state_exchanged_after_the_look_is_kept(
    tmp_path: Path, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = tmp_path / "run", tmp_path / "other" / "state" / OLD
    for folder in (run, other.parents[1]):
        folder.mkdir(parents=True)
        save(folder, 10, value=2.0 + len(folder.name))
    if whose.startswith("files"):
        (other / LORA).write_bytes(b"a week of merging")
        (other / "state.json").write_text("{}")
    theirs, ours = content(other), content(run / "state" / OLD)
    exchange = in_the_place_of(run, other)
    done: list[str] = []

    def once(name: str) -> None:
        if not done:
            done.append(name)
            exchange(name)

    before_removal(monkeypatch, "unlink", once)
    before_removal(monkeypatch, "rename", once)
    save(run, 20)
    monkeypatch.undo()
    assert done
    assert content(run / "state" / OLD) == theirs
    assert content(run / "mine") == ours, "what was moved away is kept too"
    assert names(run) == [OLD, "step-000020"]


def test_a_state_moved_away_after_the_look_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 10)
    ours = content(tmp_path / "state" / OLD)
    done: list[str] = []

    def move(name: str) -> None:
        if not done:
            done.append(name)
            (tmp_path / "state" / OLD).rename(tmp_path / "mine")

    before_removal(monkeypatch, "unlink", move)
    before_removal(monkeypatch, "rename", move)
    save(tmp_path, 20)
    monkeypatch.undo()
    assert content(tmp_path / "mine") == ours
    assert names(tmp_path) == ["step-000020"]


@pytest.mark.parametrize("file", [LORA, OPTIMIZER, "state.json"])
@pytest.mark.parametrize("how", ["written", "exchanged"])
def test_a_file_changed_after_the_look_is_kept(
    tmp_path: Path, file: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a program that has the folder open, under whatever name that has."""
    save(tmp_path, 10)
    opened = os.open(tmp_path / "state" / OLD, os.O_RDONLY | os.O_DIRECTORY)
    (tmp_path / "new").write_bytes(b"a week of merging")

    def change(_: str) -> None:
        if how == "exchanged":
            os.rename(tmp_path / "new", file, dst_dir_fd=opened)
        else:
            written = os.open(file, os.O_WRONLY | os.O_TRUNC, dir_fd=opened)
            os.write(written, b"a week of merging")
            os.close(written)

    done = before_removal(monkeypatch, "unlink", change)
    save(tmp_path, 20)
    monkeypatch.undo()
    os.close(opened)
    assert done
    kept = [path for path in (tmp_path / "state").rglob(file) if "000020" not in str(path)]
    assert [path.read_bytes() for path in kept] == [b"a week of merging"]
    assert names(tmp_path) == [f"other-{OLD}-1", "step-000020"]


@pytest.mark.parametrize("files", [3, 2, 1, 0])
def test_a_removal_that_was_killed_is_finished(tmp_path: Path, files: int) -> None:
    """Whatever it has removed by then."""
    save(tmp_path, 10)
    left = (tmp_path / "state" / OLD).rename(tmp_path / "state" / f".tmp-old-{OLD}")
    for file in (LORA, OPTIMIZER, "state.json")[: 3 - files]:
        (left / file).unlink()
    assert states(tmp_path) == []
    save(tmp_path, 20)
    assert names(tmp_path) == ["step-000020"]


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_file_that_was_killed_on_its_way_out(tmp_path: Path, whose: str) -> None:
    """It goes if it is the one that was taken from its place; what somebody has saved there in that
    instant does not, and neither does what a person calls so."""
    save(tmp_path, 10)
    left = (tmp_path / "state" / OLD).rename(tmp_path / "state" / f".tmp-old-{OLD}")
    facts = (left / LORA).stat()
    marks = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    out = (left / LORA).rename(left / changing_places(LORA, marks))
    if whose == "theirs":
        out.write_bytes(b"a week of merging")
        (left / ".tmp-notes").write_bytes(b"the best")
    save(tmp_path, 20)
    if whose == "ours":
        assert names(tmp_path) == ["step-000020"]
    else:
        assert names(tmp_path) == [f"other-{OLD}-1", "step-000020"]
        kept = content(tmp_path / "state" / f"other-{OLD}-1")
        assert kept[LORA] == b"a week of merging"
        assert kept[".tmp-notes"] == b"the best"


@pytest.mark.parametrize("taken", [False, True])
def test_a_removal_that_was_killed_before_it_gave_back_does_so(tmp_path: Path, taken: bool) -> None:
    """What lay there was exchanged meanwhile; its name may have been taken since."""
    save(tmp_path, 10)
    left = (tmp_path / "state" / OLD).rename(tmp_path / "state" / f".tmp-old-{OLD}")
    (left / LORA).write_bytes(b"a week of merging")
    (left / "state.json").write_text("{}")
    (left / "notes.txt").write_text("the best")
    theirs = content(left)
    if taken:
        shutil.copytree(left, tmp_path / "state" / OLD)
    save(tmp_path, 20)
    there = [OLD, "step-000020"]
    assert names(tmp_path) == ([f"other-{OLD}-1", *there] if taken else there)
    for name in names(tmp_path)[:-1]:
        assert content(tmp_path / "state" / name) == theirs


def test_what_a_person_has_laid_beside_the_files_of_a_state_stays(tmp_path: Path) -> None:
    save(tmp_path, 10)
    (tmp_path / "state" / OLD / "notes.txt").write_text("the best")
    save(tmp_path, 20)
    assert content(tmp_path / "state" / OLD) == {"notes.txt": b"the best"}


@pytest.mark.parametrize("edited", [False, True])
def test_a_state_that_cannot_be_renamed(
    tmp_path: Path, edited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in the image of a container: an overlay renames no folder of a lower layer."""
    save(tmp_path, 10)
    if edited:
        (tmp_path / "state" / OLD / LORA).write_bytes(b"mine")
    real = renaming.rename_new

    def as_an_overlay(old: str, new: str, here: Any, there: Any) -> None:
        if old == OLD:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(old, new, here, there)

    monkeypatch.setattr(renaming, "rename_new", as_an_overlay)
    save(tmp_path, 20)
    assert names(tmp_path) == ([OLD] if edited else []) + ["step-000020"]
    if edited:
        assert (tmp_path / "state" / OLD / LORA).read_bytes() == b"mine"
    (tmp_path / OLD).mkdir()
    with (
        Root(tmp_path) as root,
        pytest.raises(HubtoolsError, match="cannot get another name") as told,
    ):
        root.rename(OLD, "aside")
    assert f"cp -a {tmp_path / OLD}" in (told.value.hint or "")
