"""Paths as short as they are true."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.whereabouts import from_here, told_from_here


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path.resolve() / "house/people"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def test_how_a_command_typed_here_names_a_place(here: Path) -> None:
    house = here.parent
    assert from_here(here) == "."
    assert from_here(here / "runs/a") == "runs/a"
    assert from_here(here / "--public/a") == "./--public/a"  # a name, no option
    assert from_here(Path("runs/../data")) == "data"
    assert from_here(here / "../persons") == from_here(house / "persons") == "../persons"
    assert from_here(house / "persons", above=False) == str(house / "persons")
    assert from_here(Path("/a")) == "/a"  # shorter than the way up


def test_behind_a_link_two_points_lead_elsewhere(here: Path) -> None:
    elsewhere = here.parent / "far/away"
    elsewhere.mkdir(parents=True)
    (here / "link").symlink_to(elsewhere)
    place = here / "link/../persons"
    (elsewhere.parent / "persons").mkdir()
    assert Path(from_here(place)).resolve() == place.resolve()
    assert from_here(place) == "link/../persons"


def test_paths_in_a_sentence_are_named_from_here(here: Path) -> None:
    def told(text: str) -> str:
        return told_from_here(text.replace("HERE", str(here)))

    assert told("HERE/runs/a is now HERE/runs/b.") == "runs/a is now runs/b."
    assert told("`hubtools push 'HERE/my run' --path=HERE/x`") == (
        "`hubtools push 'my run' --path=x`"
    )
    assert told("HERE/.hubtools/x") == ".hubtools/x"
    for stays in (
        "HERE is no project", "HEREafter/a", "HERE/ and HERE/.", "HERE/-x", "HERE/../a",
        "file://HERE/a", "http://[::1]HERE/a", "/otherHERE/a", "a:HERE/b",
    ):  # fmt: skip
        assert told(stays) == stays.replace("HERE", str(here))
