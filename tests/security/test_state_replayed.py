"""State that is genuine and does not belong here: of another machine, of another folder of this
user, or older than what happened since. It is shown and asked for, and costs no bytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.localhub.server import Hub
from tests.drawing import write_pictures
from tests.security.pushing import LEDGER, REPO, colleague, plan, send, text_of, there
from tests.security.pushing import rules as rules_of
from tests.typed import typed


def contents(folder: Path) -> dict[str, bytes]:
    """Everything but what hubtools keeps for itself."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".hubtools" not in path.parts
    }


@pytest.fixture
def mended(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """A dataset whose captions were changed, and what it was before."""
    folder = write_pictures(tmp_path / "set", 2)
    before = contents(folder)
    done = typed("caption", folder, "--replace", "photo=picture", "--yes")
    assert done.returncode == 0, done.stderr
    return folder, before


def _elsewhere(folder: Path, root: Path) -> tuple[Path, dict[str, str]]:
    """The folder, seen by another machine."""
    return folder, {"HUBTOOLS_CONFIG": str(root / "another-machine")}


def _copied(folder: Path, root: Path) -> tuple[Path, dict[str, str]]:
    return Path(shutil.copytree(folder, root / "copy")), {}


def _of_another(folder: Path, root: Path) -> tuple[Path, dict[str, str]]:
    """Another set of this user's, with the state of the first."""
    other = write_pictures(root / "other", 2)
    (other / "metadata.jsonl").write_bytes((folder / "metadata.jsonl").read_bytes())
    shutil.copytree(folder / ".hubtools", other / ".hubtools")
    return other, {}


FOREIGN: dict[str, Callable[[Path, Path], tuple[Path, dict[str, str]]]] = {
    "another machine": _elsewhere,
    "a copy": _copied,
    "another folder": _of_another,
}


@pytest.mark.parametrize("whose", FOREIGN)
def test_an_undo_is_asked_for_and_works(
    mended: tuple[Path, dict[str, bytes]], tmp_path: Path, whose: str
) -> None:
    folder, before = mended
    here, env = FOREIGN[whose](folder, tmp_path)
    changed = contents(here)
    for words in (["fix", here], ["fix", here, "--yes"], ["caption", here, "--undo"],
                  ["fix", here, "--undo", "--yes"]):  # fmt: skip
        done = typed(*words, **env)
        assert "bug" not in done.stderr
        assert contents(here) == changed, words
        if "--undo" in words:
            assert done.returncode == 1
            assert "--trust-state" in done.stderr
    done = typed("fix", here, "--undo", "--yes", "--trust-state", **env)
    assert done.returncode == 0, done.stderr
    assert contents(here) == before


def test_an_own_journal_that_was_undone_already(
    mended: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    """Put back after the undo, and after new words were written."""
    folder, before = mended
    shutil.copytree(folder / ".hubtools", tmp_path / "kept")
    assert typed("fix", folder, "--undo", "--yes").returncode == 0
    assert contents(folder) == before
    text = (folder / "metadata.jsonl").read_text().replace("photo", "drawing")
    (folder / "metadata.jsonl").write_text(text)
    shutil.rmtree(folder / ".hubtools")
    shutil.copytree(tmp_path / "kept", folder / ".hubtools")
    for words in (["fix", folder, "--undo", "--yes"], ["fix", folder, "--yes"]):
        done = typed(*words)
        assert "bug" not in done.stderr
        assert (folder / "metadata.jsonl").read_text() == text
    assert "metadata.jsonl" in typed("fix", folder, "--undo", "--yes").stderr


def test_an_own_ledger_of_earlier(local_hub: Hub, dataset: Path) -> None:
    """A file that was sent once, deleted, and made anew by a colleague is theirs."""
    send(dataset)
    kept = (dataset / LEDGER).read_bytes()
    notes = (dataset / "notes.txt").read_text()
    (dataset / "notes.txt").unlink()
    send(dataset)
    assert "notes.txt" not in there()
    colleague("notes.txt", b"a colleague's words")
    (dataset / LEDGER).write_bytes(kept)
    assert "P130" in rules_of(plan(dataset))
    assert typed("push", dataset, REPO, "--type", "dataset").returncode == 3
    assert text_of("notes.txt") == "a colleague's words"
    # nor is it written over where the old file is there again
    (dataset / "notes.txt").write_text(notes)
    done = typed("push", dataset, REPO, "--type", "dataset")
    assert done.returncode, done.stdout
    assert text_of("notes.txt") == "a colleague's words"


def test_the_ledger_of_another_machine(local_hub: Hub, dataset: Path, tmp_path: Path) -> None:
    send(dataset)
    (dataset / "notes.txt").unlink()
    env = {"HUBTOOLS_CONFIG": str(tmp_path / "another-machine")}
    done = typed("push", dataset, REPO, "--type", "dataset", **env)
    assert done.returncode == 1
    assert "delete notes.txt" in done.stderr
    assert "notes.txt" in there()
