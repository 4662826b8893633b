"""One's own journal put back after it was done, journals damaged in odd ways, and things in the way
of a fix: no bytes are lost, and what is wrong is said in a sentence."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hubtools.dataset.edits import acts, journal
from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.journal_files import Journal, journals
from hubtools.dataset.edits.plan import FixPlan, Operation
from hubtools.errors import HubtoolsError
from hubtools.rooted import Root

STATES = ("removing", "placing", "done", "undo-removing", "undo-placing")


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in "acr":
        (folder / f"{name}.txt").write_text(name * 4)
    return folder


def plan(data: Path) -> FixPlan:
    def op(action: Action, path: str | None, target: str | None, new: str | None = None) -> Any:
        before = sha((data / path).read_text()) if path else None
        return Operation(action, path, target, ("D1",), ("x",), before, new, ())

    return FixPlan(
        data,
        (
            op(Action.RENAME, "a.txt", "b.txt"),
            op(Action.WRITE, "c.txt", "c.txt", "cnew"),
            op(Action.REMOVE, "r.txt", None),
            op(Action.WRITE, None, "n.txt", "new"),
        ),
    )


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The journal of each state, sealed, as it was written."""
    found: dict[str, bytes] = {}
    real = Journal.write

    def write(self: Journal, root: Root, state: str) -> Journal:
        done = real(self, root, state)
        found[state] = (self.place / "journal.json").read_bytes()
        return done

    monkeypatch.setattr(Journal, "write", write)
    return found


def names(data: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in data.glob("*.txt")}


def anywhere(data: Path) -> set[str]:
    return {p.read_text() for p in data.rglob("*") if p.is_file() and p.name != "journal.json"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("between", ["nothing", "renamed", "purged"])
def test_a_journal_of_ours_put_back_loses_no_bytes(
    data: Path, seen: dict[str, bytes], state: str, between: str
) -> None:
    done = journal.apply(data, plan(data))
    assert done is not None
    journal.undo(data)
    assert not (done.place / "kept").exists()
    if between == "renamed":
        (data / "a.txt").rename(data / "b.txt")
        (data / "n.txt").write_text("new")
    if between == "purged":
        journal.purge(data)
        done.place.mkdir(parents=True)
    (done.place / "journal.json").write_bytes(seen[state])
    before = set(names(data).values()) - {"new"}  # an undo takes away what the plan itself holds
    for act in (journal.finish, journal.undo, journal.finish, journal.undo):
        with suppress(HubtoolsError):
            act(data)
        assert before <= anywhere(data)
    if between != "renamed":
        assert {"aaaa", "cccc", "rrrr"} <= set(names(data).values())


@pytest.mark.parametrize("damage", ["another", "missing"])
def test_an_unfinished_undo_looks_at_the_originals_first(
    data: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    done = journal.apply(data, plan(data))
    assert done is not None
    with monkeypatch.context() as patch:
        patch.setattr(journal, "act_back", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            journal.undo(data)
    assert journals(data)[0].state == "undo-removing"
    original = done.place / "originals" / "a.txt"
    original.unlink()
    if damage == "another":
        original.write_text("evil")
    before = names(data)
    for act in (journal.finish, journal.undo):
        with pytest.raises(HubtoolsError, match=r"The original of .*a\.txt"):
            act(data)
        assert names(data) == before


@pytest.mark.parametrize("name", ["aside/0-path/x", "new/0/x", "aside/1-target/x"])
@pytest.mark.parametrize("way", ["fix", "undo"])
def test_folders_in_the_journal_do_not_wedge_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(journal, "act", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            journal.apply(data, plan(data))
    found = journals(data)[0]
    blocked = found.place / name
    if blocked.parent.is_file():
        blocked.parent.unlink()
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("x")
    if way == "undo":
        journal.undo(data)
        assert names(data) == {"a.txt": "aaaa", "c.txt": "cccc", "r.txt": "rrrr"}
        return
    if name.startswith("new"):
        with pytest.raises(HubtoolsError, match="no file") as told:
            journal.finish(data)
        assert "move it away" in (told.value.hint or "")
        blocked.unlink()
        blocked.parent.rmdir()
    journal.finish(data)
    assert names(data) == {"b.txt": "aaaa", "c.txt": "cnew", "n.txt": "new"}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("folders", '{"a": 1e400}'),
        ("folders", '{"a": -1}'),
        ("folders", '{"a": true}'),
        ("folders", '{"a": 99999999999999999999999999}'),
        ("seal", '{"mac": "\\ud800"}'),
        ("seal", '{"mac": 5}'),
    ],
)
def test_odd_values_in_a_journal(data: Path, field: str, text: str) -> None:
    done = journal.apply(data, plan(data))
    assert done is not None
    path = done.place / "journal.json"
    content = json.loads(path.read_text())
    content[field] = "HERE"
    path.write_text(json.dumps(content).replace('"HERE"', text))
    with pytest.raises(HubtoolsError):
        journal.undo(data)
    assert (data / "b.txt").read_text() == "aaaa"


def test_nothing_is_dropped_without_its_original(data: Path) -> None:
    """Whoever calls it: what has no copy is kept."""
    done = journal.apply(data, plan(data))
    assert done is not None
    (done.place / "originals" / "r.txt").unlink()
    (data / "r.txt").write_text("rrrr")
    with Root(data) as root:
        step = done.steps[2]
        acts._take(root, done, "2-path", "r.txt", step, (step.before,))
    assert "rrrr" in anywhere(data)
    assert not (data / "r.txt").exists()
