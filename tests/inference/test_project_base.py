from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.inference.project_base import project_base, size_on
from hubtools.project import load_project


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ("", 128),
        ('[train]\npretrained_model_name_or_path = "tiny-people"\n', 128),
        ("[train]\nresolution = 256\n", 256),
    ],
)
def test_a_base_that_a_lora_names_draws_at_its_own_size(
    tmp_path: Path, settings: str, size: int
) -> None:
    (tmp_path / "hubtools.toml").write_text(settings)
    project = load_project(tmp_path / "hubtools.toml")
    assert size_on(project, project_base(project, "tiny-people")) == size
