"""How many entries a folder has, by the names of the files below it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools import limits
from hubtools.limits import crowded_folders

part = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.lists(part, max_size=3).map(lambda p: "/".join([*p, "f"])), max_size=20))
def test_as_listing_each_folder_counts(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    root = tmp_path_factory.mktemp("repo")
    for number, name in enumerate(names):
        file = Path(root, f"{name}{number}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    listed = {
        os.path.relpath(place, root).replace(os.sep, "/").removeprefix("."): len(folders + files)
        for place, folders, files in os.walk(root)
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "IN_FOLDER", 0)
        found = crowded_folders(f"{name}{number}" for number, name in enumerate(names))
    assert found == {folder: count for folder, count in listed.items() if count}


def test_ten_thousand_fit() -> None:
    names = [f"x/{number}.png" for number in range(10_000)]
    assert crowded_folders(names) == {}
    assert crowded_folders([*names, "x/more/a.png"]) == {"x": 10_001}
    assert crowded_folders(f"{number}/a.png" for number in range(10_001)) == {"": 10_001}
