"""Four people who have never seen the tool type what it tells them, up to a plan of training."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.drawing import write_pictures
from tests.typed import typed

pytest.importorskip("torch")
_COMMAND = re.compile(r"`hubtools ([^`]+)`|next: hubtools (.+)")


def jpeg(seed: int, orientation: int | None = None) -> bytes:
    """A picture unlike others, with a position in its metadata where it is turned."""
    picture = Image.radial_gradient("L").resize((80, 72)).rotate(37 * seed).convert("RGB")
    picture.paste((seed * 40 % 256, 90, 200 - seed * 30), (5 * seed, 8, 5 * seed + 20, 50))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
        exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 13.2), 3: "E", 4: (11.0, 34.0, 30.0)})
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif, quality=95)
    return buffer.getvalue()


def kohya(folder: Path) -> None:
    for name, count in (("img/10_zwx dog", 3), ("reg/1_dog", 2), ("model/sample", 1)):
        write_pictures(folder / name, count, size=(64, 64 + len(name)))
        (folder / name / "metadata.jsonl").unlink()
    (folder / "img/10_zwx dog/picture0.txt").write_text("zwx dog on a lawn")
    (folder / "model/last.safetensors").write_bytes(b"x")


def phone(folder: Path) -> None:
    folder.mkdir()
    for number, orientation in enumerate((1, 6, 3, 8)):
        (folder / f"IMG_{number}.JPG").write_bytes(jpeg(number, orientation))
    (folder / "IMG_0 (1).JPG").write_bytes(jpeg(0, 1))
    (folder / "IMG_8.HEIC").write_bytes(jpeg(8, 1))  # sent as JPEG, under its old name
    (folder / "IMG_9.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    notes = {"title": "IMG_1.JPG", "geoData": {"latitude": 48.1, "longitude": 11.6},
             "people": [{"name": "Some Person"}]}  # fmt: skip
    (folder / "IMG_1.JPG.supplemental-metadata.json").write_text(json.dumps(notes))
    (folder / "metadata.json").write_text(json.dumps({"title": "Holiday"}))
    (folder / "IMG_2.MOV").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(50))
    (folder / ".DS_Store").write_bytes(bytes(50))


def controlnet(folder: Path) -> None:
    rows = []
    for name in ("images", "conditioning_images"):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            (folder / name / f"{number}.jpg").write_bytes(jpeg(number + 3 * (name == "images")))
    for number in range(3):
        pair = {key: f"{key}s/{number}.jpg" for key in ("image", "conditioning_image")}
        rows.append({**pair, "text": f"a zwx chair, number {number}"})
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def folders(folder: Path) -> None:
    """The same without a table: equal names, captions beside the pictures to learn."""
    controlnet(folder)
    (folder / "train.jsonl").unlink()
    for number in range(3):
        (folder / "images" / f"{number}.txt").write_text(f"a zwx chair, number {number}")


def export(folder: Path) -> None:
    folder.mkdir()
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pictures = [{"bytes": jpeg(n), "path": f"/home/jane/private/{n}.jpg"} for n in range(3)]
    columns = {
        "id": list(range(3)), "jpg": pa.array(pictures, kind),
        "caption": [f"a zwx bird, number {n}" for n in range(3)],
    }  # fmt: skip
    pq.write_table(pa.table(columns), folder / "export.parquet")


def told(text: str, base: Path) -> Iterator[list[str]]:
    """The commands that a text names, as typed; with blanks to fill in only that of a base."""
    for match in _COMMAND.finditer(text):
        words = shlex.split((match[1] or match[2]).replace("OWNER/NAME", str(base)))
        if not any(word.isupper() for word in words):
            yield words


def walk(cwd: Path, first: list[str], base: Path) -> list[str]:
    """Type what is told until a plan of training is shown; answers all that was typed."""
    typed_in: list[str] = []
    pending, captions = [first], list[list[str]]()
    while pending:
        words = pending.pop(0)
        if words[0] in ("fix", "caption"):
            words = [*words, "--yes"]  # as it says, once it has shown what it would do
        line = shlex.join(words)
        # nothing is told twice, but to look again
        assert words[0] == "validate" or line not in typed_in, typed_in
        typed_in.append(line)
        done = typed(*words, cwd=cwd)
        if words[0] == "train":
            assert done.returncode == 0, done.stderr
            assert "steps:" in done.stdout + done.stderr
            return typed_in
        more = list(told(done.stderr, base))
        if words[0] == "validate":
            # an error is mended first, by the first that is told; else on to training
            trains = [one for one in more if one[0] == "train"]
            fixes = [one for one in more if one[0] == "fix" and "--undo" not in one]
            captions += [one for one in more if one[0] == "caption"]
            assert trains or fixes or captions, done.stdout + done.stderr
            pending = trains or [(fixes or captions)[0], words]
        else:
            pending += [one for one in more if one[0] == "validate" and one not in pending][:1]
    raise AssertionError(f"nothing more was told after {typed_in}")


@pytest.mark.parametrize("kind", [kohya, phone, controlnet, folders, export])
def test_the_tool_tells_the_way(kind: object, tmp_path: Path, tiny_base: Path) -> None:
    assert callable(kind)
    kind(tmp_path / "theirs")
    typed_in = walk(tmp_path, ["init", "ours", "--from", "theirs"], tiny_base)
    assert typed_in[-1].startswith("train --project ours --dry-run")
    ours = tmp_path / "ours"
    names = {path.name for path in (ours / "dataset").rglob("*") if path.is_file()}
    assert not names & {"IMG_1.JPG.supplemental-metadata.json", "IMG_2.MOV", "last.safetensors"}
    assert not any("jane" in str(path) for path in ours.rglob("*"))
    if kind in (controlnet, folders):
        key = "conditioning_image_file_name" if kind is controlnet else "control_file_name"
        lines = (ours / "dataset" / "metadata.jsonl").read_text().splitlines()
        assert len([line for line in lines if key in line]) == len(lines) == 3
    if kind is phone:
        for path in (ours / "dataset").glob("*.JPG"):
            assert not Image.open(path).getexif().get_ifd(0x8825)
        assert "IMG_8.jpg" in names
