"""What lies where the demo wants its base model is nobody's to delete."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.models.families.tiny import build_tiny_pipeline
from hubtools.tinypeople import copy_model, is_tiny_people


def test_a_person_s_base_is_left_alone(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    mine = base / "mine.safetensors"
    mine.write_bytes(b"precious")
    for make in (copy_model, build_tiny_pipeline):
        with pytest.raises(HubtoolsError, match="is there and is not"):
            make(base)
        assert mine.read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "base").symlink_to(tmp_path / "outside")
    for make in (copy_model, build_tiny_pipeline):
        with pytest.raises(HubtoolsError):
            make(tmp_path / "base")
    assert not list((tmp_path / "outside").iterdir())


def test_the_copy_is_made_once_and_checked(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    assert is_tiny_people(copy_model(base))
    (base / "notes.txt").write_text("mine")
    copy_model(base)
    assert (base / "notes.txt").read_text() == "mine"
    (base / "model_index.json").write_text("{}")
    with pytest.raises(HubtoolsError, match="damaged"):
        copy_model(base)
