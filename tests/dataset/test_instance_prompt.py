"""One caption for all pictures, as the scripts for DreamBooth have it: `--instance_prompt`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hubtools.dataset.examples import examples_of
from hubtools.dataset.validate import validate
from hubtools.dataset.view import view
from hubtools.errors import HubtoolsError
from hubtools.settings import DatasetSettings

TOLD = DatasetSettings(instance_prompt="a photo of tok", trigger="tok")


@pytest.fixture
def folder(tmp_path: Path, draw_pictures: Callable[..., Path]) -> Path:
    return draw_pictures(tmp_path / "bare", 2)


def test_metadata_are_not_needed(folder: Path) -> None:
    with_metadata = examples_of(view(folder, TOLD))
    assert [(one.file_name, one.texts) for one in with_metadata] == [
        ("picture0.png", ("a photo of tok",)),
        ("picture1.png", ("a photo of tok",)),
    ]
    (folder / "metadata.jsonl").unlink()
    assert [replace(one, line=None) for one in with_metadata] == examples_of(view(folder, TOLD))
    found = validate(folder, TOLD)
    assert not {finding.rule for finding in found.findings} & {"D120", "D504", "D506"}
    assert found.ok
    assert "D120" in {finding.rule for finding in validate(folder).findings}


def test_it_is_judged_once(folder: Path) -> None:
    wrong = validate(folder, TOLD.model_copy(update={"trigger": "zwx"}))
    assert [one.path for one in wrong.findings if one.rule == "D504"] == ["hubtools.toml"]
    # a column of captions is not asked for
    told = TOLD.model_copy(update={"caption_column": "words"})
    assert "D501" not in {finding.rule for finding in validate(folder, told).findings}


def test_a_damaged_picture_is_told(folder: Path) -> None:
    (folder / "metadata.jsonl").unlink()
    (folder / "picture0.png").write_bytes(b"no picture")
    assert not validate(folder, TOLD).ok
    with pytest.raises(HubtoolsError, match=r"picture0.png cannot be read as a picture"):
        examples_of(view(folder, TOLD))
