"""What is told to somebody who named what is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubtools.dataset.folder.listing import check_folder
from hubtools.dataset.sources.opening import open_source
from hubtools.errors import HubtoolsError
from hubtools.inference.lora import resolve_lora
from hubtools.manifest import RunManifest
from hubtools.models.base import check_name
from hubtools.nearest import as_path, beside, nearest
from hubtools.project import load_project
from hubtools.rooted import Root
from hubtools.runfolders.trainers import refuse_places
from tests.typed import typed


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("base", "base_model"),  # others call it so; baseline is spelt more like it
        ("learning", "learning_rate"),  # goes on
        ("ranc", "rank"),
        ("qqq", None),
    ],
)
def test_the_nearest_name(word: str, near: str | None) -> None:
    known = ["baseline", "rank", "base_model", "learning_rate"]
    assert nearest(word, known, cutoff=0.5) == near


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "runs/hund2/samples").mkdir(parents=True)
    (tmp_path / "runs/hund2/a.safetensors").touch()
    (tmp_path / ".secret").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("missing", "near"),
    [
        ("runs/hund", "runs/hund2"),
        ("runs/hund/samples", "runs/hund2/samples"),
        ("run/hund2/a.safetensors", "runs/hund2/a.safetensors"),
        ("run/cat", "runs"),
        ("runs/hund2/a.safetensor", "runs/hund2/a.safetensors"),
        ("runs/cat", None),
        ("runs/hund2", None),  # it is there
        ("secret", None),
        (".secre", ".secret"),
        ("", None),
        ("a\0b", None),
    ],
)
def test_what_lies_beside_a_path_that_is_not_there(
    here: Path, missing: str, near: str | None
) -> None:
    assert beside(missing) == (None if near is None else Path(near))


def test_a_repository_is_a_path_where_its_owner_is_a_folder(here: Path) -> None:
    assert [as_path(name) for name in ("runs/hund", "me/hund", "runs")] == ["runs/hund", None, None]


@pytest.mark.parametrize(
    "look",
    [
        check_folder,
        Root,
        RunManifest.read,
        refuse_places,
        open_source,
        lambda path: check_name(f"./{path}"),
        lambda path: resolve_lora(f"{path}/a.safetensors"),
    ],
)
def test_whoever_looks_for_a_path_tells_it(here: Path, look: Callable[[Path], Any]) -> None:
    with pytest.raises(HubtoolsError) as raised:
        look(Path("runs/hund"))
    assert str(raised.value.hint).startswith("did you mean runs/hund2")
    assert raised.value.missing is not None


def test_a_folder_that_settings_name_is_told_too(here: Path) -> None:
    (here / "pictures").mkdir()
    (here / "hubtools.toml").write_text('[dataset]\npath = "picture"\n')
    said = typed("validate", cwd=here).stderr
    assert "did you mean pictures? Else put the pictures there" in said


@pytest.mark.parametrize("value", ["../secre", "link/secre", "{}/secre"])
def test_what_lies_beside_a_path_that_leads_out_of_a_project_is_not_told(
    tmp_path: Path, value: str
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project/link").symlink_to(tmp_path)
    assert beside(tmp_path / "secre") is not None
    text = f'[dataset]\npath = "{value.format(tmp_path)}"\n[samples]\nprompts = ["a dog"]\n'
    (tmp_path / "project/hubtools.toml").write_text(text)
    project = load_project(tmp_path / "project")
    assert beside(project.dataset_dir) is None
    assert beside(project.dataset_dir / "metadata.jsonl") is None
    with pytest.raises(HubtoolsError) as raised:
        check_folder(project.dataset_dir)
    assert "secret" not in str(raised.value.hint)
    assert beside(tmp_path / "project/hubtools.tom") is not None
