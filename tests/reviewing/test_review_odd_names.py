"""Names that are hard to say: the page shows them, and changes what they name."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.reviewed import captions_of, served

NAMES = ["a b.png", "100% #1?.png", "ümläut é.png", "<img src=x onerror=alert(1)>.png",
         "'quotes\".png", "日本語 😀.png", "sub folder/in it.png", "a10.png", "a9.png"]  # fmt: skip


def _folder(tmp_path: Path, names: list[str]) -> Path:
    folder = tmp_path / "set"
    rows = []
    for number, name in enumerate(names):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 80), (20 * number, 90, 10)).save(place)
        rows.append(json.dumps({"file_name": name, "text": f"tok, {number}"}) + "\n")
    (folder / "metadata.jsonl").write_text("".join(rows), encoding="utf-8")
    return folder


def test_they_are_shown_and_changed(tmp_path: Path) -> None:
    folder = _folder(tmp_path, NAMES)
    with served(folder) as page:
        found = page.get("set")["pictures"]
        names = [one["name"] for one in found]
        assert sorted(names) == sorted(NAMES)
        assert names.index("a9.png") < names.index("a10.png")
        for place, one in enumerate(found):
            assert page.ask("GET", f"small/{place}/{one['id']}")[0] == 200
            page.write(one["name"], f"tok, of {one['name']}")
            page.change([["turn", one["name"]], {"by": 90}])
    with served(folder) as page:
        assert len(page.get("set")["pending"]) == 2 * len(NAMES)
        page.apply()
        lines = page.get("history")["fixes"][0]["lines"]
        assert {"edit ümläut é.png", "edit 日本語 😀.png", "edit 100% #1?.png"} <= set(lines)
    assert captions_of(folder) == {name: f"tok, of {name}" for name in NAMES}
    assert all(Image.open(folder / name).size == (80, 64) for name in NAMES)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    folder = _folder(tmp_path, ["a.png"])
    odd = os.fsdecode(b"caf\xe9.png")
    (folder / "a.png").rename(folder / odd)
    with served(folder) as page:
        (one,) = [each for each in page.get("set")["pictures"] if each["name"] == odd]
        assert page.ask("GET", f"small/0/{one['id']}")[0] == 200
        page.change([["fate", odd], {"what": "delete"}])
        page.post("plan")
        page.apply()
    assert not (folder / odd).exists()


def test_captions_of_any_letters(tmp_path: Path) -> None:
    folder = _folder(tmp_path, ["a.png"])
    text = "tok, </script><b>\u202e\u2028 \U0001f600 \\ \" ' `"
    with served(folder) as page:
        page.write("a.png", text)
        page.apply()
        assert page.picture("a.png")["row"]["text"] == text
        page.post("change", 400, changes=[[["caption", "a.png", "text"], {"after": "\ud800"}]],
                  what="x")  # fmt: skip
    assert captions_of(folder)["a.png"] == text
