"""Pictures are turned, cropped, deleted, set aside and brought back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.drawing import write_pictures
from tests.reviewed import bytes_of, captions_of, served


def _at(kind: str, name: str, **value: object) -> list[object]:
    return [[kind, name], value]


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_turned_and_cropped_and_undone(folder: Path, ending: str) -> None:
    names = [f"picture{number}.{ending}" for number in range(4)]
    for name in names if ending != "png" else ():
        old = folder / f"{name[:8]}.png"
        Image.open(old).save(folder / name, lossless=True)
        old.unlink()
    meta = folder / "metadata.jsonl"
    meta.write_text(meta.read_text().replace(".png", f".{ending}"))
    before = bytes_of(folder)
    shown = Image.open(folder / names[0]).convert("RGB")
    shown.load()
    with served(folder) as page:
        page.change(_at("turn", names[0], by=90))
        page.change(_at("crop", names[1], box=[10, 20, 74, 84]))
        made = page.post("plan")
        assert [op["action"] for op in made["operations"]] == ["edit", "edit"]
        assert bytes_of(folder) == before
        page.post("apply", digest=made["digest"])
        turned = Image.open(folder / names[0])
        assert turned.size == (96, 80)
        if ending != "jpg":  # clockwise, and pixel by pixel
            there = turned.convert("RGB").transpose(Image.Transpose.ROTATE_90)
            assert there.tobytes() == shown.tobytes()
        assert Image.open(folder / names[1]).size == (64, 64)
        assert page.picture(names[0])["size"] == [96, 80]
        page.post("undo", id=None)
        assert bytes_of(folder) == before


def test_deleted_with_their_records(folder: Path) -> None:
    before = bytes_of(folder)
    with served(folder) as page:
        page.write("picture1.png", "tok, in vain")
        page.change(_at("fate", "picture1.png", what="delete"))
        made = page.apply()
        assert made["left"] == []  # its caption goes with it, which is nothing to tell
        assert "picture1.png" not in captions_of(folder)
        assert not (folder / "picture1.png").exists()
        assert page.get("set")["pending"] == []  # its caption has no object any more
        page.post("undo", id=None)
    assert bytes_of(folder) == before


def test_what_has_lost_its_picture_is_told_and_kept(folder: Path) -> None:
    with served(folder) as page:
        page.write("picture1.png", "tok, for one that is moved")
        page.change(_at("turn", "picture2.png", by=90))
        page.change(_at("fate", "picture3.png", what="delete"))
        for number in (1, 2, 3):
            (folder / f"picture{number}.png").rename(folder / f"other{number}.png")
        meta = folder / "metadata.jsonl"
        meta.write_text(meta.read_text().replace("picture", "other").replace("other0", "picture0"))
        made = page.post("plan")
        assert made["operations"] == []
        assert made["settled"] == 1  # it is gone already
        assert sorted(key[1] for key, _ in made["left"]) == ["picture1.png", "picture2.png"]
        assert all("no such picture" in why for _, why in made["left"])
        page.change([["caption", "picture1.png", "text"], None], [["turn", "picture2.png"], None])


def test_excluded_pictures_are_nobody_s_and_come_back(folder: Path) -> None:
    before = bytes_of(folder)
    with served(folder) as page:
        page.write("picture2.png", "tok, changed on the way out")
        page.change(_at("fate", "picture2.png", what="exclude"))
        page.change(_at("fate", "picture3.png", what="exclude"))
        page.apply()
        assert set(captions_of(folder)) == {"picture0.png", "picture1.png"}
        assert (folder / ".excluded" / "picture2.png").exists()
        assert page.get("set")["excluded"] == ["picture2.png", "picture3.png"]
        assert "D209" not in {rule["id"] for rule in page.findings()["rules"]}
        assert page.ask("GET", "excluded/0/1")[1].startswith(b"\xff\xd8")
        page.change([["again", "picture2.png"], {}])
        page.apply()
        assert captions_of(folder)["picture2.png"] == "tok, changed on the way out"
        page.change([["again", "picture3.png"], {}])
        page.apply()
        page.write("picture2.png", "photo of a tok, number 2")
        page.apply()
    assert bytes_of(folder) == before
    assert not (folder / ".excluded").exists()


def _with_masks(tmp_path: Path, *, shared: bool = False) -> Path:
    folder = write_pictures(tmp_path / "set", 3)
    rows = []
    for number in range(3):
        mask = 0 if shared else number
        Image.new("L", (80, 96), 10 + number).save(folder / f"mask{number}.png")
        rows.append({"file_name": f"picture{number}.png", "mask_file_name": f"mask{mask}.png",
                     "text": f"tok, {number}"})  # fmt: skip
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_masks_go_along(tmp_path: Path) -> None:
    folder = _with_masks(tmp_path)
    before = bytes_of(folder)
    with served(folder) as page:
        found = page.get("set")["pictures"]
        assert [one["name"] for one in found] == [f"picture{n}.png" for n in range(3)]
        assert found[1]["beside"] == [["mask", "mask_file_name", "mask1.png"]]
        assert page.ask("GET", f"beside/1/{found[1]['id']}/0")[1].startswith(b"\xff\xd8")
        page.change(_at("turn", "picture0.png", by=270))
        page.change(_at("crop", "picture1.png", box=[0, 0, 64, 64]))
        page.change(_at("fate", "picture2.png", what="exclude"))
        page.apply()
        assert Image.open(folder / "mask0.png").size == (96, 80)
        assert Image.open(folder / "mask1.png").size == (64, 64)
        assert (folder / ".excluded" / "mask2.png").exists()
        page.change([["again", "picture2.png"], {}])
        page.apply()
        assert (folder / "mask2.png").exists()
        assert [p["beside"][0][2] for p in page.get("set")["pictures"]][2] == "mask2.png"
        for fix in page.get("history")["fixes"]:
            page.post("undo", id=fix["id"])
    assert bytes_of(folder) == before


def test_a_mask_of_several_pictures_is_not_turned(tmp_path: Path) -> None:
    folder = _with_masks(tmp_path, shared=True)
    with served(folder) as page:
        page.change(_at("turn", "picture0.png", by=90))
        made = page.post("plan")
        assert made["operations"] == []
        assert "other pictures" in made["left"][0][1]


def test_a_picture_that_another_program_changed_is_a_conflict(folder: Path) -> None:
    with served(folder) as page:
        page.change(_at("fate", "picture0.png", what="delete"))
        Image.new("RGB", (80, 96), "red").save(folder / "picture0.png")
        (conflict,) = page.post("plan")["conflicts"]
        assert conflict["key"] == ["fate", "picture0.png"]
        made = page.post("settle", key=conflict["key"], mine=False)
        assert made["operations"] == []
    assert (folder / "picture0.png").exists()


def test_fixes_are_buttons_of_the_same_plan(folder: Path) -> None:
    (folder / "Thumbs.db").write_bytes(b"x")
    meta = folder / "metadata.jsonl"
    meta.write_text(meta.read_text().replace("a tok, number 3", "somebody"))
    before = bytes_of(folder)
    with served(folder) as page:
        rules = {rule["id"]: rule for rule in page.findings()["rules"]}
        assert rules["D504"]["unsafe"] == ["add-trigger"]
        page.change([["fix", "D504"], {"unsafe": ["add-trigger"]}])
        page.change([["fix", "D704"], {"unsafe": []}])
        page.write("picture0.png", "tok, by hand")
        page.post("change", 400, changes=[[["fix", "D504"], {"unsafe": ["rotate"]}]], what="x")
        page.apply()
        assert captions_of(folder)["picture3.png"] == "tok, photo of somebody"
        assert captions_of(folder)["picture0.png"] == "tok, by hand"
        assert not (folder / "Thumbs.db").exists()
        assert page.get("set")["pending"] == []
        page.post("undo", id=None)
    assert bytes_of(folder) == before


def test_copies_stand_together(folder: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "picture1.png").read_bytes())
    with served(folder) as page:
        (group,) = page.findings()["groups"]
        assert [one["name"] for one in group["pictures"]] == ["picture1.png", "copy.png"]
        assert group["pictures"][1]["how"] == "the same file"


def test_a_fix_that_does_nothing_names_the_one_that_may(folder: Path) -> None:
    tag = Image.Exif()
    tag[0x112] = 6
    Image.effect_noise((300, 200), 50).convert("RGB").save(folder / "picture0.jpg", exif=tag)
    rows = (folder / "metadata.jsonl").read_text().replace("picture0.png", "picture0.jpg")
    (folder / "metadata.jsonl").write_text(rows)
    (folder / "picture0.png").unlink()
    with served(folder) as page:
        page.change([["fix", "D309"], {"unsafe": []}])
        assert page.post("plan")["left"] == [
            [["fix", "D309"], "this fix of D309 changes nothing here; Fix: rotate may"]
        ]
        page.change([["fix", "D309"], {"unsafe": ["rotate"]}])
        assert page.post("plan")["left"] == []
