"""`explain` on settings."""

from __future__ import annotations

import tomllib

import pytest

from hubtools.cli.explain import _in_file
from hubtools.commands.journeys import settings_called
from hubtools.settings import SECTIONS


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_found_and_its_line_is_one_of_the_file(section: str) -> None:
    model = SECTIONS[section]
    for key in model.model_fields:
        found = settings_called(f"{section}.{key}")
        assert list(found) == [f"{section}.{key}"]
        line = _in_file(f"{section}.{key}", found[f"{section}.{key}"]).partition(": ")[2]
        assert line.startswith(f"{key} = ")
        if not line.endswith("..."):
            model.model_validate(tomllib.loads(line))


def test_a_setting_is_known_by_its_option_and_its_other_names() -> None:
    assert list(settings_called("--learning-rate")) == ["train.learning_rate"]
    assert list(settings_called("base_model")) == ["train.pretrained_model_name_or_path"]
    assert list(settings_called("SEED")) == ["train.seed", "samples.seed"]
    assert settings_called("D202") == settings_called("model.rank") == {}
