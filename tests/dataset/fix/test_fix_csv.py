"""Rows of a CSV that cannot be understood mean what they did, and are repaired once they can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_rules import csv

from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.settings import DatasetSettings

# The second row has a field too many, and nothing says which of them was cut in two.
UNCLEAR = "1.png,(tok) 1,null,,more,more"


def fixed(root: Path, settings: DatasetSettings, text: str, *only: str) -> str:
    """The metadata after a fix, which leaves nothing to fix and can be undone."""
    csv(text)(root)
    fix(root, settings, select=only, resolution=64)
    found = (root / "metadata.csv").read_text()
    left = plan_fix(root, settings, select=only, resolution=64).operations
    assert [op.line for op in left if op.path == "metadata.csv"] == []
    undo_fix(root)
    assert (root / "metadata.csv").read_text() == text
    return found


def test_columns_stay_in_their_order_while_a_row_goes_by_their_places(
    good: Path, settings: DatasetSettings
) -> None:
    """With `file_name` first, what is the mask of the unclear row would be its picture."""
    header = "File_Name,text,mask_file_name,file_name,image"
    text = f"{header}\n,(tok) 0,,0.png,x\n{UNCLEAR}\n,(tok) 2,,2.png,x\n,(tok) 2,,2.png,x\n"
    found = fixed(good, settings, text)
    assert found.splitlines()[0] == header
    assert UNCLEAR in found.splitlines()
    assert len(found.splitlines()) == 4, "the record that is there twice goes all the same"


def test_columns_are_put_in_order_where_all_rows_are_clear(
    good: Path, settings: DatasetSettings
) -> None:
    lines = "".join(f"{n}.png,(tok) {n},{n}.png\n" for n in range(3))
    text = f"mask_file_name,text,file_name\n{lines}"
    assert fixed(good, settings, text).splitlines()[0] == "file_name,text,mask_file_name"


@pytest.mark.parametrize("name", ["image", "filename"])
def test_a_row_that_a_new_name_of_a_column_makes_clear_is_repaired_at_once(
    good: Path, settings: DatasetSettings, name: str
) -> None:
    text = f"{name},text\n0.png,(tok), 0\n1.png,(tok) 1\n2.png,(tok) 2\n"
    found = fixed(good, settings, text)
    assert found.splitlines()[:2] == ["file_name,text", '0.png,"(tok), 0"']


def test_a_row_is_repaired_only_if_that_was_asked_for(
    good: Path, settings: DatasetSettings
) -> None:
    text = "image,text\n0.png,(tok), 0\n1.png,(tok) 1\n2.png,(tok) 2\n"
    found = fixed(good, settings, text, "D115")
    assert found.splitlines()[:2] == ["file_name,text", "0.png,(tok), 0"]
