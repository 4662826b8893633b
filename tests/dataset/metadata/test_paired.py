"""Folders of equal names, as ControlNet, edit and mask sets are handed around."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubtools.dataset.fix.run import fix
from hubtools.dataset.metadata.paired import paired_folders
from tests.drawing import write_pictures


@pytest.mark.parametrize(
    ("folders", "keys"),
    [
        ("images conditioning_images", {"conditioning_images": "conditioning_images_file_name"}),
        ("target cond mask", {"cond": "cond_file_name", "mask": "mask_file_name"}),
        ("input output", {"input": "input_file_name"}),
        ("after before", {"before": "before_file_name"}),
        ("photos Masks", {"Masks": "mask_file_name"}),
        ("result sketches", {"sketches": "control_file_name"}),
        ("train test", None),
        ("a b source", None),
        ("images", None),
    ],
)
def test_names_of_folders_tell(folders: str, keys: dict[str, str] | None) -> None:
    names = [f"set/{folder}/{number}.png" for folder in folders.split() for number in range(2)]
    found = paired_folders(names)
    assert (found.keys if found is not None else None) == keys
    if found is not None:
        main = (set(folders.split()) - set(found.keys)).pop()
        assert set(found.others) == {f"set/{main}/0.png", f"set/{main}/1.png"}
        assert len(found.partners) == 2 * len(found.keys)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["a.png", "cond/a.png"],
        ["images/a.png", "cond/b.png"],
        ["images/a.png", "cond/a.png", "cond/b.png"],
        [*(f"images/{n}.png" for n in range(9)), "cond/1.png"],
    ],
)
def test_other_sets_are_none(names: list[str]) -> None:
    assert paired_folders(names) is None


def test_fix_writes_records_of_both(tmp_path: Path) -> None:
    for folder in ("images", "cond"):
        write_pictures(tmp_path / folder, 2, size=(16, 16))
        (tmp_path / folder / "metadata.jsonl").unlink()
    for number in range(2):
        (tmp_path / "images" / f"picture{number}.txt").write_text(f"a lamp {number}")
    fix(tmp_path)
    rows = [json.loads(one) for one in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    assert rows == [
        {
            "file_name": f"images/picture{number}.png",
            "text": f"a lamp {number}",
            "cond_file_name": f"cond/picture{number}.png",
        }
        for number in range(2)
    ]
