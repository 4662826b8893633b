"""Cards that stay as they are while something is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.cards.kept import kept_cards
from hubtools.cards.merge import MEMORY
from hubtools.journey import rehearse
from hubtools.project import load_project


def test_cards_are_put_back_as_they_were_also_after_a_failure(tmp_path: Path) -> None:
    there, none, later = (tmp_path / name for name in ("there", "none", "later"))
    for folder in (there, none):
        (folder / MEMORY).parent.mkdir(parents=True)
    (there / "README.md").write_text("mine")
    (there / MEMORY).write_text("known")

    @kept_cards([there, none, later])
    def tried() -> None:
        (later / MEMORY).parent.mkdir(parents=True)
        for folder in (there, none, later):
            (folder / "README.md").write_text("theirs")
            (folder / MEMORY).write_text("theirs")
        raise KeyError

    with pytest.raises(KeyError):
        tried()
    assert (there / "README.md").read_text() == "mine"
    assert (there / MEMORY).read_text() == "known"
    for folder in (none, later):
        assert [path for path in folder.rglob("*") if path.is_file()] == []


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
