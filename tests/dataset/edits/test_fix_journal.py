"""Killed at any moment, nothing is lost and the command goes on; undo goes all the way back."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from simple import picture
from test_fix_rules import snapshot
from test_rules import exif, line, put

from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.journal import apply, fingerprint, finish, purge, undo, unfinished
from hubtools.dataset.edits.journal_files import journals, lost
from hubtools.dataset.edits.plan import FixPlan, Operation
from hubtools.dataset.edits.replay import load_plan
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.run import fix
from hubtools.errors import HubtoolsError
from hubtools.rooted import Root
from hubtools.settings import DatasetSettings
from tests.planning import forged
from tests.typed import typed as run

# File-system calls that Python announces; the process dies just before one of them.
_EVENTS = (
    "os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.chmod",
    "os.truncate", "open", "shutil.rmtree", "shutil.copymode",
)  # fmt: skip


@pytest.fixture
def sick(good: Path) -> Path:
    """A set with something of everything: texts, edits, a chain of names, removals, a new file."""
    exif(good, gps=True)  # 2.png is edited in place
    put(".DS_Store", "x")(good)
    put("__MACOSX/junk", "y")(good)
    put("1.txt", "(tok) another")(good)
    line(2, '{"file_name": "1.PNG", "text": "(tok), view 1",}')(good)
    with Image.open(good / "0.png") as opened:
        opened.save(good / "4.png", format="JPEG")  # renamed
    picture(good / "dress-test-3.png", 3)
    put("dress-test-3.txt", "(tok), view 3")(good)
    return good


def bytes_anywhere(root: Path) -> set[bytes]:
    return {path.read_bytes() for path in root.rglob("*") if path.is_file()}


def only_reads(detail: tuple[Any, ...]) -> bool:
    """True for an opening (path, mode, flags) that changes nothing: to die before it is to die
    before the next change."""
    flags = detail[2] or 0
    return not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)


def killed_at(number: int, action: Callable[[], object]) -> bool:
    """Run `action` in a child that is killed before its file-system call `number`; False if it
    ended before that."""
    child = os.fork()
    if child == 0:
        left = number
        armed = True

        def hook(event: str, detail: tuple[Any, ...]) -> None:
            nonlocal left
            if armed and event in _EVENTS and not (event == "open" and only_reads(detail)):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            action()
            armed = False
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def copies(root: Path, action: Callable[[Path], object]) -> Iterator[tuple[int, Path]]:
    """`root` as it was, for every moment at which `action` can be killed."""
    kept = root.parent / "kept"
    shutil.copytree(root, kept, symlinks=True)
    number = 0
    while True:
        for entry in root.iterdir():  # the folder stays: another one is not the one of the journal
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        shutil.copytree(kept, root, symlinks=True, dirs_exist_ok=True)
        alive = not killed_at(number, lambda: action(root))
        yield number, root
        if alive:
            assert number > 25  # the hook did count
            return
        number += 1


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_moment_loses_nothing(sick: Path, settings: DatasetSettings) -> None:
    plan = plan_fix(sick, settings, resolution=64)
    assert {op.action.value for op in plan.operations} == {"write", "edit", "rename", "remove"}
    before = snapshot(sick)
    healthy = sick.parent / "healthy"
    shutil.copytree(sick, healthy)
    apply(healthy, plan)
    expected = snapshot(healthy)
    assert expected != before
    shutil.rmtree(healthy)
    resumed = 0
    for _, copy in copies(sick, lambda root: apply(root, plan)):
        assert {data for data in before.values() if isinstance(data, bytes)} <= bytes_anywhere(copy)
        if finish(copy) is not None:
            resumed += 1
            assert lost(copy) == []
        elif not journals(copy):
            assert snapshot(copy) == before  # it had not begun
            apply(copy, plan)
        assert snapshot(copy) == expected
        assert unfinished(copy) is None
        undo(copy)
        assert snapshot(copy) == before
    assert resumed > 10


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_undo_that_is_killed_goes_on(sick: Path, settings: DatasetSettings) -> None:
    before = snapshot(sick)
    fix(sick, settings, resolution=64)
    expected = snapshot(sick)
    for _, copy in copies(sick, lambda root: undo(root)):
        assert {data for data in before.values() if isinstance(data, bytes)} <= bytes_anywhere(copy)
        if finish(copy) is None and journals(copy)[0].state == "done":
            assert snapshot(copy) == expected
            undo(copy)
        assert snapshot(copy) == before


@pytest.mark.parametrize("place", ["aside", "kept"])
def test_what_is_written_to_after_the_look_is_no_more_deleted(
    sick: Path, settings: DatasetSettings, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a program that had the file open before it was taken away."""
    if place != "aside":
        fix(sick, settings, resolution=64)
    real, mine = Root.fingerprint, set[bytes]()

    def written_to(root: Root, name: str) -> str | None:
        found = real(root, name)
        if f"/{place}/" in name and found is not None and not found.startswith("link:"):
            mine.add(b"work %d" % len(mine))
            (root.path / name).write_bytes(b"work %d" % (len(mine) - 1))
        return found

    monkeypatch.setattr(Root, "fingerprint", written_to)
    if place == "aside":
        fix(sick, settings, resolution=64)
    else:
        undo(sick)
    monkeypatch.undo()
    assert mine, "nothing was looked at"
    assert mine <= bytes_anywhere(sick)


def test_names_can_change_places(good: Path) -> None:
    """a -> b and b -> a, with equal contents elsewhere."""
    (good / "2.png").write_bytes((good / "0.png").read_bytes())
    pairs = (("0.png", "1.png"), ("1.png", "2.png"), ("2.png", "0.png"))
    before = snapshot(good)
    operations = tuple(
        Operation(Action.RENAME, old, new, (), ("swap",), fingerprint(good / old))
        for old, new in pairs
    )
    apply(good, FixPlan(good, operations))
    after = snapshot(good)
    assert all(after[new] == before[old] for old, new in pairs)
    undo(good)
    assert snapshot(good) == before


def test_fixes_are_undone_one_after_the_other(sick: Path, settings: DatasetSettings) -> None:
    states = [snapshot(sick)]
    for select in ("D7", "D1", ""):
        assert fix(sick, settings, select=(select,) if select else (), resolution=64).journal
        states.append(snapshot(sick))
    first, second, third = (journal.id for journal in journals(sick))
    assert first < second < third
    with pytest.raises(HubtoolsError, match="changed since") as caught:
        undo(sick, second)
    assert f"--undo --id {third}` first" in str(caught.value.hint)
    assert snapshot(sick) == states[-1]
    for state in reversed(states[:-1]):
        undo(sick)
        assert snapshot(sick) == state
    with pytest.raises(HubtoolsError, match="no fix to undo"):
        undo(sick)
    assert [journal.state for journal in journals(sick)] == ["undone"] * 3


@pytest.mark.parametrize("first", ["above", "below"])
def test_the_fix_of_a_folder_above_or_below_that_is_undone_first_is_told(
    good: Path, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The advice is typed as it stands, from elsewhere, until both are undone."""
    below = good / "a b"
    below.mkdir()
    put("a b/metadata.jsonl", "zero")(good)
    before = snapshot(good)
    folders = [good, below] if first == "above" else [below, good]
    for folder, text in zip(folders, ("one", "two"), strict=True):
        name = (below / "metadata.jsonl").relative_to(folder).as_posix()
        mark = fingerprint(below / "metadata.jsonl")
        step = Operation(Action.WRITE, name, name, (), ("x",), mark, content=text)
        assert apply(folder, FixPlan(folder, (step,)))
    monkeypatch.chdir(good.parent)
    with pytest.raises(HubtoolsError, match="changed since the fix") as caught:
        undo(folders[0])
    typed = re.search(r"`hubtools (fix .* --undo --id \w+)` first", str(caught.value.hint))
    assert typed is not None
    assert run(*shlex.split(typed[1])).returncode == 0
    undo(folders[0])
    assert snapshot(good) == before


def test_what_somebody_has_put_beside_the_originals_stays(
    sick: Path, settings: DatasetSettings
) -> None:
    before = snapshot(sick)
    fix(sick, settings, resolution=64)
    (journal,) = journals(sick)
    mine = {"originals/NOTE.txt", "originals/more/retouched.png", "new/mine.txt", "new/0"}
    for name in mine:
        (journal.place / name).parent.mkdir(parents=True, exist_ok=True)
        (journal.place / name).write_text("an hour of work")
    undo(sick)
    assert {name for name in mine if (journal.place / name).is_file()} == mine
    for name in mine:
        (journal.place / name).unlink()
    shutil.rmtree(journal.place / "new")
    shutil.rmtree(journal.place / "originals")
    assert snapshot(sick) == before


def test_undo_never_overwrites_later_work(sick: Path, settings: DatasetSettings) -> None:
    fix(sick, settings, resolution=64)
    (sick / "metadata.jsonl").write_text("mine\n")
    now = snapshot(sick)
    with pytest.raises(HubtoolsError, match=r"metadata\.jsonl has been changed"):
        undo(sick)
    assert snapshot(sick) == now
    (sick / "metadata.jsonl").unlink()
    put(".DS_Store", "new")(sick)
    with pytest.raises(HubtoolsError, match="exists again"):
        undo(sick)


def test_a_plan_is_applied_only_to_what_it_was_made_for(
    sick: Path, settings: DatasetSettings, tmp_path: Path
) -> None:
    plan = plan_fix(sick, settings, resolution=64)
    plan.save(tmp_path / "plan.json")
    again = load_plan(sick, tmp_path / "plan.json")
    assert again.operations == plan.operations
    put("metadata.jsonl", "changed")(sick)
    now = snapshot(sick)
    with pytest.raises(HubtoolsError, match="has changed since the plan"):
        apply(sick, again)
    assert snapshot(sick) == now
    assert journals(sick) == []


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../outside.txt"},
        {"path": "/etc/passwd"},
        {"path": ".hubtools/fixes/x"},
        {"path": "sub/.HUBTOOLS/x"},
        {"path": ".git/config"},
        {"target": "sub/.Gi\u200dt/hooks/pre-commit"},
        {"path": "a//b"},
        {"path": None},
        {"target": "a/../../b"},
        {"action": "burn"},
        {"edits": ["melt"]},
        {"content": "text for a removal"},
        {"why": None},
    ],
)
def test_a_plan_that_leads_elsewhere_is_refused(
    good: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    item = {
        "action": "remove", "path": "0.png", "target": None, "rules": [], "why": [],
        "before": None, "content": None, "edits": [],
    }  # fmt: skip
    (tmp_path / "plan.json").write_text(forged(good, [item | change]))
    with pytest.raises(HubtoolsError, match="is no fix plan"):
        load_plan(good, tmp_path / "plan.json")


def test_links_are_not_followed_out(sick: Path, settings: DatasetSettings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (sick / ".hubtools").symlink_to(elsewhere)
    with pytest.raises(HubtoolsError, match="symbolic link"):
        fix(sick, settings, resolution=64)
    assert list(elsewhere.iterdir()) == []


def test_two_fixes_at_once_do_not_meet(sick: Path, settings: DatasetSettings) -> None:
    fcntl = pytest.importorskip("fcntl")
    place = sick / ".hubtools" / "fixes"
    place.mkdir(parents=True)
    before = snapshot(sick)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HubtoolsError, match="Another"):
            fix(sick, settings, resolution=64)
    assert snapshot(sick) == before
    assert fix(sick, settings, resolution=64).journal


def test_the_journal_keeps_the_proof_and_can_be_purged(
    sick: Path, settings: DatasetSettings
) -> None:
    done = fix(sick, settings, resolution=64).journal
    assert done is not None
    (edited,) = (step for step in done.steps if step.action == "edit")
    assert (edited.path, edited.rules) == ("2.png", ("D701",))
    assert len(str(edited.pixels)) == 64
    after = snapshot(sick)
    assert purge(sick) > 0
    assert journals(sick) == []
    assert snapshot(sick) == after
    assert not (sick / ".hubtools").exists()


def test_a_damaged_journal_is_told(sick: Path, settings: DatasetSettings) -> None:
    done = fix(sick, settings, resolution=64).journal
    assert done is not None
    (done.place / "journal.json").write_text('{"steps": [{}]}')
    with pytest.raises(HubtoolsError, match="damaged"):
        undo(sick)


def test_a_folder_that_a_link_leads_to_stays(good: Path, settings: DatasetSettings) -> None:
    """Without it the link would lead nowhere, and be the next thing to repair."""
    (good / "old").mkdir()
    (good / "gone").mkdir()
    (good / "z.png").symlink_to("old")
    for name in ("old/a.png", "gone/a.png"):
        (good / name).write_bytes(b"<html>")
    before = snapshot(good)
    fix(good, settings, unsafe=["remove-damaged"], resolution=64)
    assert (good / "old").is_dir()
    assert not (good / "gone").exists()
    assert not plan_fix(good, settings, unsafe=["remove-damaged"], resolution=64).operations
    undo(good)
    assert snapshot(good) == before
