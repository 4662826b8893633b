from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.errors import UsageError
from hubtools.inference.project_base import name_of_base, project_base, size_on
from hubtools.project import load_project
from tests.watched import manifest


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


def test_a_project_without_a_base_is_told_that_of_its_run(tmp_path: Path) -> None:
    (tmp_path / "hubtools.toml").write_text('[train]\noutput_dir = "runs/a"\n')
    project = load_project(tmp_path / "hubtools.toml")
    (tmp_path / "runs/a").mkdir(parents=True)
    manifest().write(tmp_path / "runs/a")
    with pytest.raises(UsageError, match="No base model is set") as caught:
        name_of_base(project)
    named = manifest().base_model.named
    assert f"--base-model {named}, on which the run in runs/a was trained" in str(caught.value.hint)
