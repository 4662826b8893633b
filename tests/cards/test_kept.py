"""Cards that stay as they are while something is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.cards.kept import kept_cards, wrote_card
from hubtools.cards.merge import MEMORY
from hubtools.environment import CARDS_WRITTEN
from hubtools.journey import rehearse
from hubtools.project import load_project
from hubtools.rooted import LeadsOut, Root


def test_cards_are_put_back_as_they_were_also_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, none, later = (tmp_path / name for name in ("there", "none", "later"))
    for folder in (there, none):
        (folder / MEMORY).parent.mkdir(parents=True)
    (there / "README.md").write_text("mine")
    (there / MEMORY).write_text("known")

    notes: list[str] = []
    log = tmp_path / "log"
    monkeypatch.setenv(CARDS_WRITTEN, str(log))

    @kept_cards([there, none, later], log, notes.append)
    def tried() -> None:
        (later / MEMORY).parent.mkdir(parents=True)
        for folder in (there, none, later):
            for text in ("theirs", "theirs again"):
                _write(folder, text)
            (folder / MEMORY).write_text("theirs")
        raise KeyError

    with pytest.raises(KeyError):
        tried()
    assert (there / "README.md").read_text() == "mine"
    assert (there / MEMORY).read_text() == "known"
    for folder in (none, later):
        assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert (notes, log.exists()) == ([], False)


def test_what_a_person_writes_on_a_card_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, middle, last, new = folders = [tmp_path / name for name in "abcd"]
    for folder in folders:
        folder.mkdir()
        if folder != new:
            (folder / "README.md").write_text("mine")
    notes: list[str] = []
    monkeypatch.setenv(CARDS_WRITTEN, str(tmp_path / "log"))
    with kept_cards(folders, tmp_path / "log", notes.append):
        (first / "README.md").write_text("mine, first")
        _write(middle, "theirs")
        (middle / "README.md").write_text("theirs and mine")
        for folder in (first, middle, last):
            _write(folder, f"theirs of {(folder / 'README.md').read_text()}")
        for folder in (last, new):
            (folder / "README.md").write_text("mine, last")
    assert [(folder / "README.md").read_text() for folder in folders] == [
        "theirs of mine, first", "theirs of theirs and mine", "mine, last", "mine, last",
    ]  # fmt: skip
    assert ["was changed meanwhile: it stays" in one for one in notes] == [True] * 4


def test_a_link_in_the_place_of_the_log_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    novel, log, folder = (tmp_path / name for name in ("novel.txt", "log", "folder"))
    novel.write_text("It was")
    folder.mkdir()
    log.symlink_to(novel)
    monkeypatch.setenv(CARDS_WRITTEN, str(log))
    with kept_cards([folder], log, print):
        assert not log.is_symlink()
        _write(folder, "theirs")
    log.symlink_to(novel)
    with pytest.raises(LeadsOut), Root(folder) as root:
        wrote_card(root, None, b"theirs")
    assert novel.read_text() == "It was"


def _write(folder: Path, text: str) -> None:
    """As `card` writes it."""
    with Root(folder) as root:
        was = root.read("README.md") if root.exists("README.md") else None
        root.write_over("README.md", text.encode(), was)
        wrote_card(root, was, text.encode())


def test_a_rehearsal_is_called_as_settings_or_the_last_push_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "My people"
    (place / "dataset").mkdir(parents=True)
    (place / "hubtools.toml").write_text('[model]\nrepo = "you/lora"\n')
    pushed: dict[str, str] = {}
    monkeypatch.setattr(rehearse, "pushed_to", lambda _folder, kind: pushed.get(kind))
    project = load_project(place)
    assert rehearse.named_in(project) == (None, "you/lora")
    assert rehearse.repos_of(project) == ("me/my-people-pictures", "you/lora")
    pushed |= {"dataset": "you/pictures", "model": "you/other"}
    assert rehearse.repos_of(project) == rehearse.named_in(project) == ("you/pictures", "you/lora")
