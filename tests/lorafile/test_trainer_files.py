"""The settings of another trainer beside its LoRA say base and trigger."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.cards.foreign_facts import foreign_facts
from hubtools.inference.lora import resolve_lora
from hubtools.lorafile.trainer_files import TrainerFile, trainer_file
from hubtools.project import Project
from tests.lorafiles import good, save

AI_TOOLKIT = """\
job: extension
config:
  name: my_lora
  process:
    - type: sd_trainer
      trigger_word: "p3rs0n"
      model:
        name_or_path: "stable-diffusion-v1-5/stable-diffusion-v1-5"
"""
KOHYA = 'pretrained_model_name_or_path = "runwayml/stable-diffusion-v1-5"\nnetwork_dim = 8\n'
LOCAL = KOHYA.replace("runwayml/", "/home/jane/models/")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"config.yaml": AI_TOOLKIT},
            TrainerFile("config.yaml", "stable-diffusion-v1-5/stable-diffusion-v1-5", "p3rs0n"),
        ),
        ({"my.toml": KOHYA}, TrainerFile("my.toml", "runwayml/stable-diffusion-v1-5", None)),
        ({"my.toml": KOHYA, "other.toml": KOHYA}, None),  # which of them is not known
        ({"hubtools.toml": KOHYA}, None),
        ({"config.yaml": "a: [1"}, None),
        ({"config.yaml": "config: {process: 3}"}, None),
        ({"my.toml": "= 3"}, None),
        ({"my.toml": "network_dim = 8"}, None),
        ({}, None),
    ],
)
def test_what_the_file_says(
    tmp_path: Path, files: dict[str, str], said: TrainerFile | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert trainer_file(tmp_path) == said


@pytest.mark.parametrize(
    ("name", "text", "base", "trigger"),
    [
        ("config.yaml", AI_TOOLKIT, "stable-diffusion-v1-5/stable-diffusion-v1-5", "p3rs0n"),
        ("my.toml", LOCAL, None, None),  # a folder of a machine is told to nobody
    ],
)
def test_commands_know_it(
    tmp_path: Path, name: str, text: str, base: str | None, trigger: str | None
) -> None:
    save(tmp_path / "my.safetensors", good())
    (tmp_path / name).write_text(text)
    found = resolve_lora(str(tmp_path / "my.safetensors"))
    assert (found.base_model, found.trigger) == (base, trigger)
    card, _ = foreign_facts(tmp_path, Project())
    assert card.base_model == base


def test_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yaml").write_text(AI_TOOLKIT)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert trainer_file(tmp_path / "run") is None
