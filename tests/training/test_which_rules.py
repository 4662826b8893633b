"""Training checks its pictures by the rules that the project has chosen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from hubtools.dataset.validate import validate
from hubtools.errors import ChecksFailed
from hubtools.progress import silent
from hubtools.project import Project, load_project
from hubtools.reporting.baseline import renew_baseline
from hubtools.training.pictures import find_pictures


def test_what_is_ignored_or_known_stops_no_training(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    lines = []
    for number in range(4):
        Image.effect_noise((64, 64), 20 + 30 * number).save(folder / f"{number}.png")
        lines.append(json.dumps({"file_name": f"{number}.png", "text": f"picture {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines[:3]))

    def project(rules: str) -> Project:
        (tmp_path / "hubtools.toml").write_text(f"[train]\nresolution = 64\n[rules]\n{rules}\n")
        return load_project(tmp_path)

    def count(rules: str) -> int:
        source = find_pictures(project(rules), silent(), from_hub=False, skip_validation=False)
        return len(source.examples)

    with pytest.raises(ChecksFailed, match="1 error"):
        count("")
    assert count('ignore = ["D202"]') == 3
    assert count('per_file_ignores = { "3.png" = ["D2"] }') == 3
    renew_baseline(validate(folder, resolution=64), tmp_path / "known.json")
    assert count('baseline = "known.json"') == 3
