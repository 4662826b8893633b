"""A data folder with state, links and names made by an attacker: `fix` acts on none of it unasked,
never outside the folder, and loses nothing."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hubtools.dataset.edits import stage
from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.journal import apply, fingerprint, finish, purge, undo, unfinished
from hubtools.dataset.edits.journal_files import journals, lost
from hubtools.dataset.edits.plan import FixPlan, Operation
from hubtools.dataset.edits.replay import load_plan
from hubtools.errors import HubtoolsError
from hubtools.rooted import LeadsOut, Root
from hubtools.trust import ForeignState
from tests.planning import forged
from tests.typed import typed

SET = ("--license=cc0-1.0", "--rights=own", "--resolution=64")
ID = "20990101T000000Z"
EVIL = b"ssh-rsa evil"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def everything(folder: Path) -> dict[str, bytes | str]:
    """All below a folder but hubtools' own, with what links lead to as text."""
    return {
        path.relative_to(folder).as_posix(): (
            str(path.readlink()) if path.is_symlink() else path.read_bytes()
        )
        for path in folder.rglob("*")
        if (path.is_symlink() or path.is_file()) and ".hubtools" not in path.parts
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small good set, in a folder beside somebody's home."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".bashrc").write_text("mine")
    folder = tmp_path / "data"
    folder.mkdir()
    lines = []
    for number in range(3):
        Image.new("RGB", (64, 64), (number * 70, 9, 9)).save(folder / f"{number}.png")
        lines.append(
            json.dumps({"file_name": f"{number}.png", "text": f"a picture, view {number}"})
        )
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def step(**facts: Any) -> dict[str, Any]:
    usual = {"action": "write", "path": None, "target": None, "before": None, "after": None}
    return usual | {"rules": [], "why": [], "pixels": None} | facts


def forge(folder: Path, state: str, steps: list[dict[str, Any]], **files: bytes) -> Path:
    """A journal as its maker likes it; `files` by their name in it, `__` for `/`."""
    place = folder / ".hubtools" / "fixes" / ID
    place.mkdir(parents=True)
    content = {"schema": 1, "id": ID, "state": state, "steps": steps}
    (place / "journal.json").write_text(json.dumps(content))
    for name, content_of in files.items():
        path = place / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content_of)
    return place


def planting(folder: Path, state: str) -> Path:
    """A journal that overwrites .bashrc and plants authorized_keys behind a link `pics`."""
    mine = sha(b"mine")
    (folder / "pics").symlink_to("../home")
    return forge(
        folder,
        state,
        [
            step(path="pics/.bashrc", target="pics/.bashrc", before=mine, after=sha(EVIL)),
            step(target="pics/authorized_keys", after=sha(EVIL)),
            step(action="remove", path="pics/keys", before=sha(EVIL)),
        ],
        **{"new__0": EVIL, "new__1": EVIL, "originals__pics__keys": EVIL,
           "originals__pics__.bashrc": EVIL if state.startswith("undo") else b"mine"},
    )  # fmt: skip


STATES = ("removing", "placing", "undo-removing", "undo-placing", "done")
TYPED = (
    (), ("--yes",), ("--dry-run",), ("--undo",), ("--purge", "--yes"), ("--trust-state", "--yes"),
    ("--undo", "--trust-state"), ("--journal",), ("--purge", "--yes", "--trust-state"),
)  # fmt: skip


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_a_forged_journal_behind_a_link(data: Path, state: str, words: tuple[str, ...]) -> None:
    home = data.parent / "home"
    planting(data, state)
    before = everything(home)
    done = typed("fix", data, *(SET if "--undo" not in words else ()), *words)
    assert everything(home) == before
    assert "Traceback" not in done.stderr
    asked = "--trust-state" in words
    if state != "done" and not words:
        assert done.returncode == 1
        assert "copied or moved here" in done.stderr
        assert "--trust-state" in done.stderr
    if asked and "--purge" not in words and (state != "done" or "--undo" in words):
        assert done.returncode == 1, done.stdout
        assert "symbolic link" in done.stderr
    if words == ("--journal",):
        assert "not yours" in done.stdout
    if words == ("--purge", "--yes"):
        assert (data / ".hubtools" / "fixes" / ID / "journal.json").exists()


@pytest.mark.parametrize("state", STATES)
def test_a_forged_journal_inside_the_folder_waits_for_consent(data: Path, state: str) -> None:
    """Without links: it stays in the folder, and still nothing happens before a word is said."""
    picture = (data / "0.png").read_bytes()
    forge(
        data,
        state,
        [
            step(action="remove", path="0.png", before=sha(picture)),
            step(path="1.png", target="1.png", before=sha(EVIL), after=sha(EVIL)),
            step(target="3.png", after=sha(EVIL)),
        ],
        **{"new__1": EVIL, "new__2": EVIL, "originals__1.png": EVIL, "originals__0.png": picture},
    )
    before = everything(data)
    for words in ((), ("--yes",), ("--dry-run",), ("--undo",), ("--purge", "--yes")):
        done = typed("fix", data, *(() if "--undo" in words else SET), *words)
        assert everything(data) == before, words
        assert "Traceback" not in done.stderr
    typed("caption", data, "--template", "{stem}", "--overwrite", "--yes")
    assert state == "done" or everything(data) == before
    for act in (lambda: finish(data), lambda: undo(data)):
        if state != "done":
            with pytest.raises(ForeignState):
                act()
    # and with it, nothing that was there is lost
    here = {content for content in before.values() if isinstance(content, bytes)}
    typed("fix", data, *SET, "--yes", "--trust-state")
    typed("fix", data, "--undo", "--trust-state")
    kept = {path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert here <= kept


@pytest.mark.parametrize("what", [".hubtools", "fixes", "id", "originals", "new", "journal"])
@pytest.mark.parametrize("ours", [True, False])
def test_links_in_the_place_of_what_hubtools_makes(data: Path, what: str, ours: bool) -> None:
    """A journal behind links leads nowhere else, even one of ours whose folders became links."""
    home = data.parent / "home"
    picture = (data / "0.png").read_bytes()
    if ours:
        op = Operation(Action.RENAME, "0.png", "a.png", (), (), sha(picture))
        done = apply(data, FixPlan(data, (op,)))
        assert done is not None
        place = done.place
    else:
        place = forge(
            data,
            "undo-placing",
            [step(action="remove", path="x.png", before=sha(EVIL))],
            originals__x=EVIL,
        )
    path = {
        ".hubtools": data / ".hubtools", "fixes": place.parent, "id": place,
        "originals": place / "originals", "new": place / "new", "journal": place / "journal.json",
    }[what]  # fmt: skip
    moved = home / "moved"
    if path.exists():
        path.rename(moved)
    else:
        moved.mkdir()
    path.symlink_to(moved)
    before = everything(home), everything(data)
    states = sorted(str(p) for p in moved.rglob("*")) if moved.is_dir() else [moved.read_bytes()]
    for words in (("--yes",), ("--undo",), ("--undo", "--trust-state"), ("--purge", "--yes")):
        done_ = typed("fix", data, *(SET if words == ("--yes",) else ()), *words)
        assert "Traceback" not in done_.stderr
        if what != "new":
            assert everything(data) == before[1], words
        if what in (".hubtools", "fixes", "id", "originals") and "--undo" in words:
            assert done_.returncode == 1
    left = sorted(str(p) for p in moved.rglob("*")) if moved.is_dir() else [moved.read_bytes()]
    assert left == states
    assert everything(home) == before[0]


def test_a_link_made_between_plan_and_act(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = data.parent / "home"
    (data / "pics").mkdir()
    (data / "pics" / ".bashrc").write_text("mine")
    op = Operation(Action.WRITE, "pics/.bashrc", "pics/.bashrc", (), (), sha(b"mine"), "evil")
    real = stage.stage

    def swapping(*arguments: Any) -> Any:
        done = real(*arguments)
        (data / "pics").rename(data.parent / "was")
        (data / "pics").symlink_to("../home")
        return done

    monkeypatch.setattr("hubtools.dataset.edits.journal.stage", swapping)
    with pytest.raises(LeadsOut, match="symbolic link"):
        apply(data, FixPlan(data, (op,)))
    monkeypatch.undo()
    for act in (finish, undo):
        with pytest.raises(LeadsOut, match="symbolic link"):
            act(data)
    assert (home / ".bashrc").read_text() == "mine"
    assert sorted(path.name for path in home.iterdir()) == [".bashrc"]
    (data / "pics").unlink()
    (data.parent / "was").rename(data / "pics")
    assert undo(data).state == "undone"
    assert (data / "pics" / ".bashrc").read_text() == "mine"


# --- consent ---------------------------------------------------------------------------------


@pytest.fixture
def interrupted(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fix of one's own that stopped when its journal was written."""
    (data / ".DS_Store").write_text("x")
    (data / "Thumbs.db").write_text("y")

    def dying(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("hubtools.dataset.edits.journal.act", dying)
    ops = tuple(
        Operation(Action.REMOVE, name, None, (), (), fingerprint(data / name))
        for name in (".DS_Store", "Thumbs.db")
    )
    with pytest.raises(KeyboardInterrupt):
        apply(data, FixPlan(data, ops))
    monkeypatch.undo()
    assert unfinished(data) is not None
    return data


def test_recovery_waits_for_a_yes(interrupted: Path) -> None:
    before = everything(interrupted)
    done = typed("fix", interrupted, *SET)
    assert (done.returncode, everything(interrupted)) == (3, before)
    assert "was interrupted" in done.stderr
    assert "change 2 files" in done.stderr
    assert "--yes" in done.stderr
    assert "--undo" in done.stderr
    dry = typed("fix", interrupted, *SET, "--dry-run")
    assert (dry.returncode, "was interrupted" in dry.stderr) == (1, True)
    assert typed("caption", interrupted, "--template", "x", "--overwrite").returncode == 3
    assert everything(interrupted) == before
    assert typed("fix", interrupted, *SET, "--yes").returncode == 0
    assert not (interrupted / ".DS_Store").exists()


def test_an_interrupted_fix_goes_back(interrupted: Path) -> None:
    before = everything(interrupted)
    (interrupted / "Thumbs.db").unlink()  # as if it had been at it
    assert typed("fix", interrupted, "--undo").returncode == 0
    assert everything(interrupted) == before
    assert unfinished(interrupted) is None


def test_an_exchanged_copy_is_undone_after_a_question(interrupted: Path) -> None:
    before = everything(interrupted)
    finish(interrupted)
    copy = interrupted.parent / "copy"
    shutil.copytree(interrupted, copy)
    asked = typed("fix", copy, "--undo")
    assert (asked.returncode, "--trust-state" in asked.stderr) == (1, True)
    assert typed("fix", copy, "--undo", "--trust-state").returncode == 0
    assert everything(copy) == before
    # a folder that is only moved stays one's own
    moved = interrupted.parent / "moved"
    interrupted.rename(moved)
    assert typed("fix", moved, "--undo").returncode == 0


# --- plans -----------------------------------------------------------------------------------


def operation(data: Path, **facts: Any) -> dict[str, Any]:
    item = {"action": "remove", "path": None, "target": None, "rules": [], "why": [],
            "before": None, "content": None, "edits": []} | facts  # fmt: skip
    if item["path"] is not None and item["before"] is None:
        item["before"] = fingerprint(data / item["path"])
    return item


def write(data: Path, path: str | None, target: str, **facts: Any) -> dict[str, Any]:
    return operation(data, action="write", path=path, target=target, content="", **facts)


BAD_PLANS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "one path twice": lambda d: [write(d, "0.png", "0.png"), write(d, "0.png", "0.png")],
    "renamed twice": lambda d: [
        operation(d, action="rename", path="0.png", target=f"{n}.gif") for n in range(2)
    ],
    "removed and written": lambda d: [operation(d, path="0.png"), write(d, "0.png", "0.png")],
    "one target twice": lambda d: [
        operation(d, action="rename", path=f"{n}.png", target="a.png") for n in range(2)
    ],
    "onto another that stays": lambda d: [
        operation(d, action="rename", path="0.png", target="1.png")
    ],
    "into a file": lambda d: [write(d, None, "0.png/x")],
    "into a new file": lambda d: [write(d, None, "a"), write(d, None, "a/b")],
    "into a removed file": lambda d: [operation(d, path="0.png"), write(d, None, "0.png/x")],
    "a removal with a target": lambda d: [operation(d, path="0.png", target="x")],
    "no fingerprint": lambda d: [operation(d, path="0.png", before="x")],
    "a new file that was": lambda d: [write(d, None, "x", before="0" * 64)],
    "an edit of nothing": lambda d: [operation(d, action="edit", target="x", edits=["metadata"])],
    "a long name": lambda d: [write(d, None, "x" * 300)],
    "half a letter": lambda d: [write(d, None, "x\ud800")],
    "half a letter inside": lambda d: [write(d, None, "x") | {"content": "\ud800"}],
    "hubtools' folder": lambda d: [write(d, None, ".HubTools/fixes/x/journal.json")],
    "out": lambda d: [write(d, None, "../home/x")],
}


@pytest.mark.parametrize("name", BAD_PLANS)
def test_a_plan_that_contradicts_itself(data: Path, name: str) -> None:
    twin = data.parent / "twin.png"
    os.link(data / "0.png", twin)
    before = everything(data)
    plan = data.parent / "plan.json"
    plan.write_text(forged(data, BAD_PLANS[name](data)))
    done = typed("fix", data, "--from-plan", plan, "--yes")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert everything(data) == before
    assert twin.stat().st_size > 0
    assert journals(data) == []
    assert lost(data) == []


def test_the_library_checks_plans_too(data: Path) -> None:
    picture = fingerprint(data / "0.png")
    ops = (Operation(Action.REMOVE, "0.png", None, (), (), picture),) * 2
    before = everything(data)
    with pytest.raises(HubtoolsError, match="two operations change"):
        apply(data, FixPlan(data, ops))
    assert everything(data) == before


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "", "null", '{"schema": 1}', "\ud800"])
def test_what_is_no_plan(data: Path, text: str) -> None:
    plan = data.parent / "plan.json"
    plan.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(HubtoolsError, match="is no fix plan"):
        load_plan(data, plan)


def test_no_room_for_originals(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubtools.rooted.Root.free_bytes", lambda _: 1000)
    before = everything(data)
    with pytest.raises(HubtoolsError, match=r"takes .* MB, and the disk"):
        apply(data, removal(data, "0.png"))
    assert everything(data) == before
    assert journals(data) == []


# --- originals -------------------------------------------------------------------------------


def removal(data: Path, name: str) -> FixPlan:
    return FixPlan(data, (Operation(Action.REMOVE, name, None, (), (), fingerprint(data / name)),))


def rewriting(data: Path, name: str, text: str = "new") -> FixPlan:
    before = fingerprint(data / name)
    return FixPlan(data, (Operation(Action.WRITE, name, name, (), (), before, text),))


def test_other_names_of_a_file_stay_what_they_are(data: Path) -> None:
    """Originals are no hard links, and an edit reaches one name only."""
    twin = data.parent / "twin.png"
    os.link(data / "0.png", twin)
    picture = twin.read_bytes()
    done = apply(data, rewriting(data, "0.png"))
    assert done is not None
    original = done.place / "originals" / "0.png"
    assert not original.samefile(twin)
    twin.write_bytes(b"edited in place")
    assert original.read_bytes() == picture
    undo(data)
    assert (data / "0.png").read_bytes() == picture
    assert twin.read_bytes() == b"edited in place"


def test_undo_does_not_restore_what_was_changed(data: Path) -> None:
    done = apply(data, FixPlan(data, (*rewriting(data, "0.png").operations,
                                   *removal(data, "1.png").operations)))  # fmt: skip
    assert done is not None
    (done.place / "originals" / "1.png").write_bytes(b"rotten")
    before = everything(data)
    told = typed("fix", data, "--undo")
    assert (told.returncode, "1.png" in told.stderr, "is not what it was" in told.stderr) == (
        1, True, True,
    )  # fmt: skip
    assert everything(data) == before
    assert (done.place / "originals" / "0.png").exists()
    (done.place / "originals" / "1.png").unlink()
    assert "is missing" in typed("fix", data, "--undo").stderr
    assert everything(data) == before


def test_a_lost_journal_costs_no_original(data: Path) -> None:
    picture = (data / "0.png").read_bytes()
    done = apply(data, removal(data, "0.png"))
    assert done is not None
    (done.place / "journal.json").unlink()
    original = done.place / "originals" / "0.png"
    for words in (SET, (*SET, "--yes"), ("--undo",), ("--journal",), ("--purge", "--yes")):
        told = typed("fix", data, *words)
        assert original.read_bytes() == picture, words
        if "--undo" not in words:
            assert "journal is gone" in told.stderr, words
    # and neither does a forged mark
    (done.place / "staging.json").write_text(json.dumps({"schema": 1, "id": done.id}))
    typed("fix", data, *SET, "--yes")
    apply(data, removal(data, "1.png"))
    assert original.read_bytes() == picture


def test_a_damaged_journal_is_told_with_what_to_do(data: Path) -> None:
    done = apply(data, removal(data, "0.png"))
    assert done is not None
    for text in ("", "[" * 100_000, '{"id": 1}', "\x00"):
        (done.place / "journal.json").write_text(text)
        for words in (SET, (*SET, "--yes"), ("--undo",), ("--purge", "--yes")):
            told = typed("fix", data, *words)
            assert (told.returncode, "is damaged" in told.stderr) == (1, True)
            assert "originals" in told.stderr
    assert (done.place / "originals" / "0.png").exists()


# --- edits meanwhile -------------------------------------------------------------------------


MOMENTS = ("os.rename", "os.remove", "open", "os.mkdir", "os.utime", "os.chmod")


_meanwhile: Callable[[str, tuple[Any, ...]], None] | None = None


def _hear(event: str, detail: tuple[Any, ...]) -> None:
    if _meanwhile is not None:
        _meanwhile(event, detail)


@functools.cache  # a hook stays as long as the process
def _listen() -> None:
    sys.addaudithook(_hear)


@contextlib.contextmanager
def edited_at(number: int, data: Path, name: str) -> Iterator[None]:
    """Somebody replaces a file just before the system call `number`."""
    global _meanwhile
    left = number

    def hear(event: str, detail: tuple[Any, ...]) -> None:
        nonlocal left
        global _meanwhile
        if event not in MOMENTS or (event == "open" and not (detail[2] or 0) & os.O_CREAT):
            return
        left -= 1
        if left < 0:
            _meanwhile = None
            (data / "theirs").write_bytes(b"theirs")
            os.replace(data / "theirs", data / name)

    _listen()
    _meanwhile = hear
    try:
        yield
    finally:
        _meanwhile = None


@pytest.mark.parametrize("kind", ["write", "rename", "remove"])
def test_an_edit_at_any_moment_is_kept(data: Path, kind: str) -> None:
    """Before, during and after: what somebody writes meanwhile is in the folder afterwards."""
    kept = data.parent / "kept"
    shutil.copytree(data, kept)
    number = told = 0
    while True:
        shutil.rmtree(data)
        shutil.copytree(kept, data)
        plan = {
            "write": rewriting(data, "0.png"),
            "remove": removal(data, "0.png"),
            "rename": FixPlan(data, (Operation(Action.RENAME, "0.png", "a.png", (), (),
                                            fingerprint(data / "0.png")),)),
        }[kind]  # fmt: skip
        try:
            with edited_at(number, data, "0.png"):
                apply(data, plan)
        except HubtoolsError:
            told += 1
        there = [path.read_bytes() for path in data.rglob("*") if path.is_file()]
        if b"theirs" not in there:
            break  # the moments are used up
        assert (data / "0.png").read_bytes() == b"theirs"
        number += 1
    assert number > 8
    assert told > 5


def test_an_edit_between_removing_and_placing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hubtools.dataset.edits.acts as acts

    real = acts._place

    def late(root: Any, journal: Any, number: int, step: Any, **more: Any) -> None:
        (data / "a.png").write_bytes(b"theirs")
        real(root, journal, number, step, **more)

    monkeypatch.setattr(acts, "_place", late)
    picture = (data / "0.png").read_bytes()
    op = Operation(Action.RENAME, "0.png", "a.png", (), (), sha(picture))
    with pytest.raises(HubtoolsError, match=r"a\.png has changed"):
        apply(data, FixPlan(data, (op,)))
    monkeypatch.undo()
    assert (data / "a.png").read_bytes() == b"theirs"
    told = typed("fix", data, *SET, "--yes")
    assert (told.returncode, "move it aside" in told.stderr) == (1, True)
    (data / "a.png").rename(data.parent / "theirs.png")
    assert undo(data).state == "undone"
    assert (data / "0.png").read_bytes() == picture


@pytest.mark.parametrize("words", [["--undo"], ["--yes"]])
def test_an_edit_before_a_file_was_lifted_and_a_kill_after(
    data: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    real = Root.rename

    def rename(self: Root, source: str, target: str, **more: Any) -> None:
        if source == "0.png":
            (data / source).write_bytes(b"theirs")
        real(self, source, target, **more)
        if source == "0.png":
            raise KeyboardInterrupt

    op = Operation(Action.RENAME, "0.png", "a.png", (), (), fingerprint(data / "0.png"))
    with monkeypatch.context() as patch:
        patch.setattr(Root, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            apply(data, FixPlan(data, (op,)))
    told = typed("fix", data, *SET, *words)
    assert (told.returncode, "has changed since" in told.stderr) == (1, True)
    assert (data / "0.png").read_bytes() == b"theirs"
    (data / "0.png").rename(data.parent / "theirs.png")
    picture = op.before
    undo(data)
    assert fingerprint(data / "0.png") == picture


# --- names, modes, messages ------------------------------------------------------------------


NAMES = ("line\nbreak.png", b"caf\xe9.png", "-rf.png", "$(touch x).png", "a'b\".png", " .png")


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_odd_names_go_all_the_way(data: Path, name: str | bytes) -> None:
    odd = os.fsdecode(name)
    try:
        (data / "0.png").rename(data / odd)
    except OSError:
        pytest.skip("the file system has no such names")
    text = (data / "metadata.jsonl").read_text()
    record = json.dumps({"file_name": odd, "text": "a picture, view 0"})
    (data / "metadata.jsonl").write_text(record + "\n" + text.partition("\n")[2])
    before = everything(data)
    plan = data.parent / "plan.json"
    shown = typed("fix", data, *SET, "--dry-run", "--format", "json")
    plan.write_text(shown.stdout, encoding="utf-8", errors="surrogateescape")
    assert load_plan(data, plan)
    done = typed("fix", data, *SET, "--yes")
    assert done.returncode == 0, done.stderr
    assert {v for v in everything(data).values() if v in before.values()}
    for plan_ in (removal(data, "1.png"),):
        apply(data, plan_)
        undo(data)
    if journals(data)[0].state == "done":
        assert typed("fix", data, "--undo").returncode == 0
    assert everything(data) == before


def test_a_link_is_not_copied_from_what_is_no_picture(data: Path) -> None:
    secret = data.parent / "home" / "id_rsa"
    secret.write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    (data / "3.png").symlink_to(secret)
    typed("fix", data, *SET, "--unsafe", "copy-links", "--yes")
    assert (data / "3.png").is_symlink()
    op = Operation(
        Action.EDIT, "3.png", "3.png", (), (), fingerprint(data / "3.png"), edits=("copy",)
    )
    with pytest.raises(HubtoolsError, match="no picture"):
        apply(data, FixPlan(data, (op,)))
    assert b"PRIVATE" not in b"".join(
        path.read_bytes() for path in data.rglob("*") if path.is_file() and not path.is_symlink()
    )


def test_modes_and_times_come_back(data: Path) -> None:
    (data / "deep").mkdir(mode=0o750)
    (data / "deep").chmod(0o750)
    shutil.move(data / "1.png", data / "deep" / "1.png")
    for name in ("0.png", "deep/1.png"):
        (data / name).chmod(0o640)
        os.utime(data / name, ns=(10**18, 10**18))
    ops = (
        *rewriting(data, "0.png").operations,
        Operation(Action.RENAME, "deep/1.png", "a.png", (), (), fingerprint(data / "deep/1.png")),
    )
    apply(data, FixPlan(data, ops))
    assert (data / "0.png").stat().st_mode & 0o777 == 0o640
    assert (data / "a.png").stat().st_mtime_ns == 10**18
    assert not (data / "deep").exists()
    undo(data)
    assert (data / "deep").stat().st_mode & 0o777 == 0o750
    for name in ("0.png", "deep/1.png"):
        facts = (data / name).stat()
        assert (facts.st_mode & 0o777, facts.st_mtime_ns) == (0o640, 10**18)


def test_messages_of_odd_folders(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / ".DS_Store").write_text("x")
    lock = data / ".hubtools" / "fixes" / ".lock"
    lock.mkdir(parents=True)
    told = typed("fix", data, *SET, "--yes")
    assert (told.returncode, "not the lock file" in told.stderr) == (1, True)
    assert "bug" not in told.stderr
    lock.rmdir()
    monkeypatch.setattr("hubtools.rooted.Root.writable", lambda *_: False)
    told = typed("fix", data, *SET, "--yes")
    assert (told.returncode, "You may not change files" in told.stderr) == (1, True)
    monkeypatch.undo()

    def dying(*_: Any, **__: Any) -> str:
        raise OSError(5, os.strerror(5), str(data / ".DS_Store"))

    monkeypatch.setattr("hubtools.rooted.Root.copy", dying)
    told = typed("fix", data, *SET, "--yes")
    assert (told.returncode, "Input/output error" in told.stderr) == (1, True)
    assert "bug" not in told.stderr
    assert (data / ".DS_Store").exists()
    assert journals(data) == []


def test_left_overs_of_killed_writes_are_swept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = data / ".tmp-0123456789abcdef.jsonl"
    theirs = [data / ".tmp-holidays.png", data / ".tmp-0123456789abcdeX.jsonl"]
    for path in (ours, *theirs):
        path.write_bytes(b"half")
    apply(data, removal(data, "0.png"))
    assert ours.exists()  # somebody may be writing it
    monkeypatch.setattr("time.time", lambda: ours.stat().st_ctime + 3700)
    apply(data, removal(data, "1.png"))
    assert not ours.exists()
    assert all(path.exists() for path in theirs)


def test_purge_asks_for_what_is_not_ours(data: Path) -> None:
    place = forge(data, "done", [step(action="remove", path="x", before=sha(EVIL))],
                  originals__x=EVIL)  # fmt: skip
    with pytest.raises(ForeignState):
        purge(data)
    assert place.exists()
    assert purge(data, trust_state=True) > 0
    assert not (data / ".hubtools").exists()


@pytest.mark.parametrize(
    ("encoding", "text", "known"),
    [
        ("gbk", "一个女孩，红色的头发", True),
        ("shift-jis", "赤い髪の女の子、カタログ", True),
        ("shift-jis", "a girl カタログ", False),
        ("big5", "一個女孩，紅色的頭髮", True),
        ("euc-kr", "빨간 머리 소녀", True),
        ("cp1251", "девушка с красными волосами", True),
        ("cp1253", "κορίτσι", True),
        ("utf-16", "一个女孩，红色的头发", True),
        ("utf-16-le", "a girl with red hair, outside", True),
        ("utf-8-sig", "一个女孩，红色的头发", True),
        ("cp1252", "a café “at night” – Müßiggang, créée, ÉÈ", False),
        ("latin-1", "une élève à l'école", False),
    ],
)
def test_sidecars_in_another_encoding(data: Path, encoding: str, text: str, known: bool) -> None:
    """What is certain is read; what is not is left, and said."""
    (data / "metadata.jsonl").unlink()
    written = text.encode(encoding)
    for number in range(3):
        (data / f"{number}.txt").write_bytes(written)
    done = typed("fix", data, *SET, "--yes")
    if known:
        records = (data / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["text"] for line in records] == [text] * 3
    else:
        assert (data / "0.txt").read_bytes() == written
        assert "0.txt: its encoding is not certain" in done.stderr


def test_a_table_in_another_encoding_is_written_in_utf8(data: Path) -> None:
    (data / "metadata.jsonl").unlink()
    written = "file_name,text\n0.png,一个女孩，红色的头发\n".encode("gbk")
    (data / "metadata.csv").write_bytes(written)
    typed("fix", data, *SET, "--yes")
    assert (data / "metadata.csv").read_text(encoding="utf-8") == written.decode("gbk")
    undo(data)
    assert (data / "metadata.csv").read_bytes() == written


def test_what_came_with_the_folder_is_not_what_was_seen(data: Path) -> None:
    """A forged memory of pictures is not believed, and nothing is written through a link."""
    from hubtools.dataset.pictures.scan_cache import place_of

    home = data.parent / "home"
    (data / ".hubtools").symlink_to(home)
    assert not place_of(data).is_relative_to(data.resolve())
    for number in range(80):
        Image.new("RGB", (64, 64), (number, 3, 3)).save(data / f"x{number}.png")
    assert typed("validate", data, "--resolution=64").returncode in (0, 3)
    assert sorted(path.name for path in home.iterdir()) == [".bashrc"]
    assert place_of(data).exists()


def test_what_cannot_be_read_is_not_taken_for_nothing(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dying disk: neither the card nor a sidecar is replaced, and the reason is said."""
    import errno

    from hubtools import frontmatter
    from hubtools.dataset.fix import draft
    from hubtools.settings import DatasetSettings

    (data / "README.md").write_text("---\nlicense: mit\n---\n")
    (data / "0.txt").write_text("another caption")

    def dying(do: Any) -> Any:
        def instead(place: Any, name: str, *more: Any) -> Any:
            if name in ("README.md", "0.txt"):
                raise OSError(errno.EIO, os.strerror(errno.EIO), name)
            return do(place, name, *more)

        return instead

    monkeypatch.setattr(draft, "_whole", dying(draft._whole))
    monkeypatch.setattr(frontmatter, "open_inside", dying(frontmatter.open_inside))
    from hubtools.dataset.fix.planner import plan_fix

    plan = plan_fix(data, DatasetSettings(), unsafe=["drop-rows"], resolution=64)
    assert not {op.path for op in plan.operations} & {"README.md", "0.txt"}
    assert "Input/output error" in plan.left["README.md"]
    card = frontmatter.read_card(data / "README.md")
    assert card.exists
    assert "Input/output error" in str(card.error)


def test_nothing_outside_is_shown_or_taken_for_a_caption(data: Path) -> None:
    """Neither a plan's path behind a link nor a sidecar that is a link brings in what is there."""
    (data.parent / "home" / "notes.txt").write_text("secret")
    (data / "pics").symlink_to("../home")
    plan = data.parent / "plan.json"
    item = write(data, None, "pics/.bashrc", before=sha(b"mine")) | {"path": "pics/.bashrc"}
    plan.write_text(forged(data, [item]))
    for words in ((), ("--dry-run",), ("--yes",)):
        told = typed("fix", data, "--from-plan", plan, *words)
        assert (told.returncode, "symbolic link" in told.stderr) == (1, True)
        assert "mine" not in told.stdout + told.stderr
    (data / "0.txt").symlink_to("../home/notes.txt")
    typed("fix", data, *SET, "--yes", "--unsafe", "drop-rows")
    told = typed("caption", data, "--import", "kohya", "--overwrite", "--yes")
    assert (told.returncode, "link out of the folder" in told.stderr) == (1, True)
    assert "secret" not in (data / "metadata.jsonl").read_text()


@pytest.mark.skipif(os.name == "nt", reason="no owners there")
def test_a_file_that_only_somebody_else_may_move(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder with the sticky bit; it was found out in the middle of the fix."""
    before = everything(data)
    data.chmod(0o1777)
    somebody = os.geteuid() + 1234
    plan = FixPlan(data, (Operation(Action.REMOVE, "0.png", None, (), (), sha(before["0.png"])),))  # type: ignore[arg-type]
    monkeypatch.setattr(os, "geteuid", lambda: somebody)
    with pytest.raises(HubtoolsError, match="only its owner may move it; nothing was done") as told:
        apply(data, plan)
    assert told.value.code == "permission-denied"
    assert everything(data) == before
    monkeypatch.undo()
    assert apply(data, plan) is not None


def test_an_error_in_the_middle_says_how_to_go_on(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(data)
    plan = FixPlan(data, (Operation(Action.REMOVE, "0.png", None, (), (), sha(before["0.png"])),))  # type: ignore[arg-type]
    rename = Root.rename

    def refused(root: Root, source: str, target: str, **more: bool) -> None:
        if "aside" in target:
            raise PermissionError(1, "Operation not permitted", str(data / source))
        rename(root, source, target, **more)

    monkeypatch.setattr(Root, "rename", refused)
    with pytest.raises(HubtoolsError, match=r"Permission denied: .*0\.png") as told:
        apply(data, plan)
    assert "--yes` goes on where it stopped, --undo goes back" in str(told.value.hint)
    monkeypatch.undo()
    undo(data)
    assert everything(data) == before
