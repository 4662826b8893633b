"""Random broken sets: nothing is lost, a second fix finds nothing, undo restores every byte."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_fix_rules import promises, snapshot

from hubtools.dataset.edits.journal_files import journals
from hubtools.dataset.edits.pixels import Refused, shown
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.remedies import UNSAFE
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.folder.listing import walk
from hubtools.dataset.metadata import read_metadata
from hubtools.dataset.validate import validate
from hubtools.settings import DatasetSettings

SETTINGS = DatasetSettings(trigger="tok", license="cc0-1.0", rights="own")

stems = st.sampled_from(
    ["a", "b", "A", "0", "e\u0301", "é", "dress-test-2", "x y", "train", "my val/c", "train/d",
     "test/e", "test/f", "sub/a", ".h", "__x/g", "n.1.csv", "ß", "q", "r", "sub/deep/s"]
)  # fmt: skip
endings = st.sampled_from(
    [".png", ".png", ".png", ".jpg", ".PNG", ".PnG", ".webp", ".gif", ".avif"]
)
modes = st.sampled_from(["RGB", "RGB", "RGB", "RGBA", "P", "L", "I;16", "CMYK", "LA", "1"])
formats = st.sampled_from([None, None, None, "PNG", "JPEG", "WEBP", "TIFF"])
damages = st.sampled_from(["", "", "", "", "cut", "html", "empty", "lfs", "noise"])
words = st.sampled_from(
    ["tok", "a hat", "", "  ", "tok, a \"red\" hat", "cafÃ©", "x\x07y", "tok\nline", "NA",
     "<b>tok</b>", "sktok", "tok, 1", "a; b", "ünïcödé", "“tok”"]
)  # fmt: skip
values = st.one_of(words, words, words, st.integers(0, 9), st.just(None), st.just(["tok", "b"]))


def _encode(number: int, mode: str, format: str, turned: int, gps: bool) -> bytes:
    image = Image.new("RGB", (20, 16), (number * 40 % 256, 90, 200))
    image.putpixel((number % 20, 3), (255, 0, 0))
    data = Image.Exif()
    data[0x0112] = turned
    if gps:
        data.get_ifd(0x8825)[1] = "N"
        data.get_ifd(0x8769)[0xA431] = "SN"
    out = io.BytesIO()
    for kind in (mode, "RGB"):
        try:
            image.convert(kind).save(out, format, exif=data)
            return out.getvalue()
        except (OSError, ValueError):
            out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@st.composite
def picture_files(draw: st.DrawFn) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for _number in range(draw(st.integers(1, 6))):
        name = draw(stems) + draw(endings)
        format = draw(formats) or {
            ".jpg": "JPEG",
            ".webp": "WEBP",
            ".gif": "GIF",
            ".avif": "AVIF",
        }.get(name[-4:] if name[-5] != "." else name[-5:], "PNG")
        data = _encode(
            draw(st.integers(0, 4)), draw(modes), format, draw(st.sampled_from([1, 1, 1, 6, 3])),
            draw(st.booleans()),
        )  # fmt: skip
        damage = draw(damages)
        data = {
            "": data, "cut": data[: len(data) // 2], "html": b"<!DOCTYPE html>", "empty": b"",
            "lfs": b"version https://git-lfs.github.com/spec/v1\n", "noise": data + b"noise",
        }[damage]  # fmt: skip
        files[name] = data
    return files


def _misspelt(draw: st.DrawFn, name: str) -> Any:
    return draw(
        st.sampled_from(
            [name, name, name, name, name.upper(), name.rpartition("/")[2], "images/" + name,
             "/data/" + name, "../" + name, unicodedata.normalize("NFC", name),
             unicodedata.normalize("NFD", name), name.rpartition(".")[0], "gone.png", "", None, 5,
             name.replace("/", "\\"), "C:\\set\\" + name]
        )
    )  # fmt: skip


@st.composite
def metadata_files(draw: st.DrawFn, names: list[str]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for _ in range(draw(st.integers(0, 2))):
        records = []
        for name in names:
            if draw(st.integers(0, 4)) == 0:
                continue
            record: dict[str, Any] = {}
            key = draw(st.sampled_from(["file_name"] * 6 + ["filename", "image"]))
            if draw(st.integers(0, 5)) == 0:
                record["mask_file_name"] = name
            record[key] = _misspelt(draw, name)
            record[draw(st.sampled_from(["text"] * 6 + ["prompt"]))] = draw(values)
            if draw(st.integers(0, 3)) == 0:
                record[draw(st.sampled_from(["age", "image"]))] = draw(values)
            records += [record] * draw(st.sampled_from([1, 1, 1, 2]))
        text = draw(st.sampled_from([_lines, _lines, _spread, _array, _commas, _csv, _semicolons]))(
            records
        )
        if draw(st.integers(0, 3)) == 0:
            text = (
                draw(st.sampled_from(["{", "5\n", "[\n", '{"a": \n', "# x\n", '{"x": “y”}\n']))
                + text
            )
        coding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]))
        folder = draw(st.sampled_from(["", "", "", "sub/", "train/"]))
        base = draw(
            st.sampled_from(
                ["metadata.jsonl"] * 4
                + ["metadata.csv"] * 2
                + ["Metadata.jsonl", "metadata.json", "captions.jsonl", "metadata.txt",
                   "METADATA.csv", "metadata.tsv"]
            )
        )  # fmt: skip
        files[folder + base] = text.encode(coding, "replace")
    return files


def _lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _spread(records: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(record, indent=1) for record in records)


def _array(records: list[dict[str, Any]]) -> str:
    return json.dumps(records, ensure_ascii=False, indent=1)


def _commas(records: list[dict[str, Any]]) -> str:
    return ",\n".join(json.dumps(record)[:-1] + ",}" for record in records)


def _csv(records: list[dict[str, Any]], mark: str = ",") -> str:
    header = list(dict.fromkeys(key for record in records for key in record)) or ["file_name"]
    out = io.StringIO()
    writer = csv.DictWriter(out, header, delimiter=mark)
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def _semicolons(records: list[dict[str, Any]]) -> str:
    return _csv(records, ";")


@st.composite
def broken_sets(draw: st.DrawFn) -> dict[str, bytes]:
    pictures = draw(picture_files())
    files = dict(pictures)
    names = list(pictures)
    if draw(st.booleans()) and names:
        files["copy of.png"] = pictures[names[0]]
    for name in names:
        if draw(st.integers(0, 2)) == 0:
            ending = draw(
                st.sampled_from([".txt", ".txt", ".caption", ".json", name[-4:] + ".txt"])
            )
            text = draw(words)
            files[name.rpartition(".")[0] + ending] = (
                json.dumps({"caption": text}) if ending == ".json" else text
            ).encode()
    files |= draw(metadata_files([*names, "copy of.png"] if "copy of.png" in files else names))
    for name, data in (
        (".DS_Store", b"x"),
        ("__MACOSX/._a.png", b"x"),
        ("notes.md", b"# notes"),
        ("README.md", b"# no front matter\n"),
        ("README.md", b"---\nlicense: cc0-1.0\n---\n# x\n"),
        ("README.md", b"---\na: b: c\n---\n"),
        ("README.md", b"---\r\ndataset_info:\r\n  splits:\r\n  - num_examples: 99\r\n---\r\nx"),
        ("README.md", b"---\nconfigs: []\nopened, never closed"),
        ("README.md", b"\xff\xfe not text"),
    ):
        if draw(st.integers(0, 3)) == 0:
            files[name] = data
    return files


def write(root: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = root / name
        if path.exists() or any(parent.is_file() for parent in path.parents):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def captions_in(root: Path) -> set[str]:
    """Every caption that can be read from metadata."""
    found = set()
    for entry in walk(root).metadata:
        for row in read_metadata(root, entry).rows:
            value = row.values.get("text")
            if isinstance(value, str):
                found.add(value)
    return found


def pixels_of(files: dict[str, bytes | str]) -> set[str]:
    """What all pictures show; those that cannot be decoded are left out."""
    found = set()
    for name, data in files.items():
        if isinstance(data, bytes) and not name.endswith((".txt", ".jsonl", ".md", ".json")):
            with contextlib.suppress(Refused):
                found.add(shown(data))
    return found


# the folder goes with its last file, and what stands in the way then is the next thing
EMPTIED = {"a.png": _encode(0, "RGB", "PNG", 1, gps=False), "__MACOSX/._a.png": b"x", "z.md": b"#"}


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@example(EMPTIED, [])
@given(broken_sets(), st.lists(st.sampled_from(sorted(UNSAFE)), max_size=6, unique=True))
def test_nothing_is_ever_lost(files: dict[str, bytes], unsafe: list[str]) -> None:
    place = Path(tempfile.mkdtemp(prefix="hubtools-fix-"))
    try:
        _check(place / "data", files, unsafe)
    finally:
        shutil.rmtree(place)


def _check(root: Path, files: dict[str, bytes], unsafe: list[str]) -> None:
    write(root, files)
    before = snapshot(root)
    captions = captions_in(root)
    done = fix(root, SETTINGS, unsafe=unsafe, resolution=16)
    after = snapshot(root)

    # every file is in place, or its original is in the journal
    kept = {
        path.read_bytes()
        for journal in journals(root)
        for path in (journal.place / "originals").rglob("*")
        if path.is_file()
    }
    assert set(before.values()) <= set(after.values()) | kept
    # every caption is in place, or the file that holds it is in the journal
    if not captions <= captions_in(root):
        assert any(name.lower().startswith(("metadata", "sub/", "train/")) for name in before)
        metadata = {data for name, data in before.items() if "metadata" in name.lower()}
        assert metadata & kept
    if not unsafe:
        # by default no picture goes, and none looks different
        assert pixels_of(before) == pixels_of(after)
    # the plan told the truth, and there is nothing left to plan
    found = validate(root, SETTINGS, resolution=16).findings
    assert promises(found) == promises(done.plan.remaining)
    again = plan_fix(root, SETTINGS, unsafe=unsafe, resolution=16)
    assert [op.line for op in again.operations] == []

    if done.journal is not None:
        undo_fix(root)
    assert snapshot(root) == before
