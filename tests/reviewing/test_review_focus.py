"""Where a picture is cut in training, and findings of one picture: operations as all others are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.drawing import write_pictures
from tests.reviewed import bytes_of, captions_of, served


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """Pictures twice as wide as they are high."""
    return write_pictures(tmp_path / "set", 4, size=(1024, 512))


def _focus(name: str, *point: float) -> list[Any]:
    return [["focus", name], {"after": list(point) or None}]


def _about(page: Any, name: str) -> Any:
    found = page.get("set")["pictures"]
    place = next(n for n, one in enumerate(found) if one["name"] == name)
    return page.get(f"about/{place}/{found[place]['id']}")


def test_a_point_is_kept_shown_applied_and_undone(wide: Path) -> None:
    before = bytes_of(wide)
    with served(wide) as page:
        assert _about(page, "picture1.png")["box"] == [256, 0, 768, 512]
        page.change(_focus("picture1.png", 0, 0.5))
        page.change(_focus("picture2.png", 0.5, 0.5))
        assert bytes_of(wide) == before
    with served(wide) as page:  # it was killed meanwhile
        about = _about(page, "picture1.png")
        assert (about["box"], about["placed"]) == ([0, 0, 512, 512], "here")
        page.apply()
        assert captions_of(wide, "crop_focus") == {
            "picture0.png": None, "picture1.png": [0.0, 0.5], "picture2.png": [0.5, 0.5],
            "picture3.png": None,
        }  # fmt: skip
        assert _about(page, "picture1.png")["box"] == [0, 0, 512, 512]
        assert "D127" not in {rule["id"] for rule in page.findings()["rules"]}
        page.change(_focus("picture1.png"))  # as the others are
        page.apply()
        assert captions_of(wide, "crop_focus")["picture1.png"] is None
        for fix in page.get("history")["fixes"]:
            page.post("undo", id=fix["id"])
    assert bytes_of(wide) == before


def test_what_is_no_point_is_refused(wide: Path) -> None:
    with served(wide) as page:
        for after in ([2, 0], [0.5], "x", [True, 0]):
            change = [["focus", "picture1.png"], {"after": after}]
            page.post("change", 400, changes=[change], what="x")


def test_a_point_that_another_program_has_moved_is_a_conflict(wide: Path) -> None:
    meta = wide / "metadata.jsonl"
    with served(wide) as page:
        page.change(_focus("picture0.png", 0.2, 0.5))
        rows = [json.loads(line) for line in meta.read_text().splitlines()]
        rows[0]["crop_focus"] = [0.9, 0.5]
        meta.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (conflict,) = page.post("plan")["conflicts"]
        assert (conflict["theirs"], conflict["mine"]) == ([0.9, 0.5], [0.2, 0.5])
        page.post("settle", key=conflict["key"], mine=True)
        page.apply()
    assert captions_of(wide, "crop_focus")["picture0.png"] == [0.2, 0.5]


def test_it_goes_along_as_pictures_are_turned(wide: Path) -> None:
    names = [f"picture{number}.png" for number in range(3)]
    with served(wide) as page:
        for name, by in zip(names, (90, 180, 270), strict=True):
            page.change(_focus(name, 0.2, 0.25), [["turn", name], {"by": by}])
        page.apply()
    found = captions_of(wide, "crop_focus")
    assert [found[name] for name in names] == [
        pytest.approx([0.75, 0.2]), pytest.approx([0.8, 0.75]), pytest.approx([0.25, 0.8]),
    ]  # fmt: skip


def test_it_goes_along_as_pictures_are_cut_and_in_csv(wide: Path) -> None:
    rows = [json.loads(line) for line in (wide / "metadata.jsonl").read_text().splitlines()]
    (wide / "metadata.jsonl").unlink()
    lines = [f'{row["file_name"]},"{row["text"]}"\n' for row in rows]
    (wide / "metadata.csv").write_text("file_name,text\n" + "".join(lines))
    with served(wide) as page:
        page.change(_focus("picture0.png", 0.75, 0.5))
        page.change([["crop", "picture0.png"], {"box": [512, 0, 1024, 512]}])
        page.apply()
        assert page.picture("picture0.png")["row"]["crop_focus"] == "[0.5, 0.5]"
        page.change(_focus("picture1.png", 1, 0.5))
        page.apply()
        assert _about(page, "picture1.png")["box"] == [512, 0, 1024, 512]


def test_one_finding_is_fixed_and_no_other(folder: Path) -> None:
    meta = folder / "metadata.jsonl"
    meta.write_text(
        meta.read_text().replace("a tok,", "somebody,").replace("body, number 0", " tok")
    )
    for number in (1, 2):
        exif = Image.Exif()
        exif[0x0112] = 1
        exif.get_ifd(0x8825)[1] = "N"
        Image.open(folder / f"picture{number}.png").save(folder / f"picture{number}.png", exif=exif)
    before = bytes_of(folder)
    with served(folder) as page:
        rules = {rule["id"]: rule for rule in page.findings()["rules"]}
        assert rules["D504"]["each"]
        page.change([["mend", "picture1.png", "D504"], {"unsafe": ["add-trigger"]}])
        page.change([["mend", "picture1.png", "D701"], {"unsafe": []}])
        page.change([["mend", "picture3.png", "D701"], {"unsafe": []}])  # it has none
        made = page.apply()
        assert len(made["planned"]) == 2
        assert [key for key, _ in made["left"]] == [["mend", "picture3.png", "D701"]]
        after = bytes_of(folder)
        assert {name for name in after if after[name] != before[name]} == {
            "metadata.jsonl", "picture1.png",
        }  # fmt: skip
        assert [text[:4] == "tok," for text in captions_of(folder).values()] == [
            False, True, False, False,
        ]  # fmt: skip
        for key in (["mend", "picture1.png", "D120"], ["mend", "picture1.png", "D999"]):
            page.post("change", 400, changes=[[key, {"unsafe": []}]], what="x")
        page.change([["mend", "picture2.png", "D504"], {"unsafe": ["add-trigger"]}],
                    [["fix", "D701"], {"unsafe": []}])  # fmt: skip
        page.apply()  # one of one, all of the other
        assert [text[:4] == "tok," for text in captions_of(folder).values()] == [
            False, True, True, False,
        ]  # fmt: skip
        assert "D701" not in {rule["id"] for rule in page.findings()["rules"]}
        for fix in page.get("history")["fixes"]:
            page.post("undo", id=fix["id"])
    assert bytes_of(folder) == before
