"""A record may name any file; only those of the folder are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.drawing import write_pictures
from tests.typed import typed

SECRET = (250, 5, 250)


@pytest.mark.parametrize("how", ["up", "absolute", "over a folder"])
def test_a_sheet_shows_no_picture_of_elsewhere(how: str, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "ds", 2)
    (folder / "sub").mkdir()
    secret = tmp_path / "secret.png"
    Image.new("RGB", (80, 96), SECRET).save(secret)
    names = {
        "up": "../secret.png",
        "absolute": str(secret),
        "over a folder": "sub/../../secret.png",
    }
    rows = [
        {"file_name": f"picture{number}.png", "control_file_name": name, "text": "a tok"}
        for number, name in enumerate((names[how], "picture0.png"))
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    sheet = tmp_path / "sheet.png"
    done = typed("inspect", folder, "--sheet", sheet, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(sheet) as drawn:
        colours = {colour for _, colour in drawn.convert("RGB").getcolors(1 << 20) or ()}
    assert SECRET not in colours
