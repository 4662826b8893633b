"""What is named as a repository comes from the Hub, not from a folder of the project called so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.journey import readback
from hubtools.journey.rehearse import _answers
from hubtools.vision import encoders


def test_no_folder_of_the_project_is_taken_for_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stock diffusers opened `evil/base` of the working directory as the base `evil/base`."""
    script = tmp_path / "script.py"
    script.write_text(
        "import json, os, sys, stat\n"
        "beside = os.stat(os.path.dirname(sys.argv[1])).st_mode\n"
        "assert json.load(open(sys.argv[1])) == {'a': 1} and not stat.S_IMODE(beside) & 0o077\n"
        "print(json.dumps({'here': os.listdir()}))\n"
    )
    monkeypatch.setattr(readback, "__file__", str(script))
    (tmp_path / "evil/base").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    for root in (tmp_path / "rehearsal", Path("other")):
        root.mkdir()
        environment = os.environ | {"HF_HOME": str(home)}
        assert _answers({"a": 1}, root, environment) == {"here": []}
        assert [*root.iterdir(), *home.iterdir()] == []
        with pytest.raises(HubtoolsError, match="AssertionError"):
            _answers({"a": 2}, root, environment)
        assert [path.name for path in root.iterdir()] == ["readback.json"]


def test_the_usual_picture_encoder_is_the_hub_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / encoders.DINO).mkdir(parents=True)
    (tmp_path / "another").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(encoders, "_fetched", lambda name: "fetched")
    assert encoders.source_of(encoders.DINO) == "fetched"
    assert encoders.source_of("another") == "another"
