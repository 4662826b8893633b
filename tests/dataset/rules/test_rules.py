"""Every D rule finds its bad dataset, at its place, and nothing else does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from marked import DMI, itxt, manifest, png, xmp
from photos import P3_RED, photo, profile, put_photo
from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin
from simple import picture

from hubtools import limits
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.validate import validate
from hubtools.dataset.view import view
from hubtools.findings import Finding, Severity
from hubtools.settings import DatasetSettings

Spoil = Callable[[Path], object]
TOKEN = "hf_" + "aB3" * 11 + "x"


# --- ways to spoil a dataset ---------------------------------------------------------------------


def line(number: int, new: str | dict[str, Any]) -> Spoil:
    """Replace a line of the metadata (from 1)."""

    def spoil(root: Path) -> None:
        lines = (root / "metadata.jsonl").read_text().splitlines()
        lines[number - 1] = new if isinstance(new, str) else json.dumps(new)
        (root / "metadata.jsonl").write_text("\n".join(lines) + "\n")

    return spoil


def rows(change: Callable[[int, dict[str, Any]], dict[str, Any]]) -> Spoil:
    """Change every record."""

    def spoil(root: Path) -> None:
        lines = (root / "metadata.jsonl").read_text().splitlines()
        changed = [change(n, json.loads(text)) for n, text in enumerate(lines)]
        (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in changed))

    return spoil


SCREENSHOT = "Bildschirmfoto 2024-01-31 um 10.15.00.png"


def put(name: str, data: str | bytes = "") -> Spoil:
    def spoil(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data.encode() if isinstance(data, str) else data)

    return spoil


def sparse(name: str, size: int) -> Spoil:
    """A file that says it is so large; it takes no room."""

    def spoil(root: Path) -> None:
        with (root / name).open("wb") as file:
            file.truncate(size)

    return spoil


def csv(text: str) -> Spoil:
    def spoil(root: Path) -> None:
        (root / "metadata.jsonl").unlink()
        (root / "metadata.csv").write_text(text)

    return spoil


def image(change: Callable[[Image.Image], Image.Image], **save: Any) -> Spoil:
    """Save a changed 2.png."""

    def spoil(root: Path) -> None:
        with Image.open(root / "2.png") as opened:
            opened.load()
            change(opened).save(root / "2.png", **save)

    return spoil


def led_out(root: Path) -> None:
    """A link to a picture of a store."""
    (root / "2.png").rename(root.parent / "stored.png")
    (root / "2.png").symlink_to("../stored.png")


def both(*steps: Spoil) -> Spoil:
    return lambda root: [step(root) for step in steps]


def renamed(old: str, new: str) -> Spoil:
    """Rename a picture, on disk and in the metadata."""

    def spoil(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)
        path = root / "metadata.jsonl"
        path.write_text(path.read_text().replace(f'"{old}"', f'"{new}"'))

    return spoil


def again(root: Path) -> None:
    with (root / "metadata.jsonl").open("a") as file:
        file.write('{"file_name": "0.png", "text": "(tok), again"}\n')


def unsplit(root: Path) -> None:
    """Pictures in train/ and test/, records at the root."""
    for number, folder in ((0, "train"), (1, "train"), (2, "test")):
        renamed(f"{number}.png", f"{folder}/{number}.png")(root)


def bare(root: Path) -> None:
    """Pictures without a record."""
    (root / "metadata.jsonl").unlink()


def split_up(root: Path) -> None:
    """Pictures and their records in train/ and test/."""
    rows = [json.loads(text) for text in (root / "metadata.jsonl").read_text().splitlines()]
    unsplit(root)
    bare(root)
    for folder, part in (("train", rows[:2]), ("test", rows[2:])):
        (root / folder / "metadata.jsonl").write_text("".join(json.dumps(r) + "\n" for r in part))


def line_of(folder: str, row: dict[str, Any]) -> Spoil:
    """Replace the metadata of a folder by one record."""
    return lambda root: (root / folder / "metadata.jsonl").write_text(json.dumps(row))


def two_levels(root: Path) -> None:
    """A second metadata file beside a picture that the first one names."""
    renamed("2.png", "sub/2.png")(root)
    put("sub/metadata.jsonl", '{"file_name": "2.png", "text": "(tok), below"}\n')(root)


def locked(root: Path) -> None:
    (root / "locked").mkdir()
    (root / "locked").chmod(0)


def exif(root: Path, **tags: Any) -> None:
    data = Image.Exif()
    data[0x0112] = 1 if tags.get("gps") else 6
    if tags.get("gps"):
        data.get_ifd(0x8825)[1] = "N"
    image(lambda opened: opened, exif=data)(root)


def big(root: Path) -> None:
    """A PNG that says it has 20,000 x 20,000 pixels; nobody has to decode them to see."""
    import struct
    import zlib

    data = bytearray((root / "2.png").read_bytes())
    data[16:24] = struct.pack(">II", 20_000, 20_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (root / "2.png").write_bytes(data)


def trailed(root: Path) -> None:
    """A film behind a picture's end."""
    with (root / "2.png").open("ab") as file:
        file.write(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + b"mdat" * 9)


TAKEOUT = '{"title": "2.png", "geoData": {"latitude": 48.1, "longitude": 11.5}}'
TAKEOUT_NAME = "2.png.supplemental-metadata.json"


def named(root: Path) -> None:
    """Somebody's face, with a name."""
    packet = PngImagePlugin.PngInfo()
    packet.add_itxt(
        "XML:com.adobe.xmp",
        "<x:xmpmeta><mwg-rs:Regions><rdf:li mwg-rs:Name='Jane Doe'/></mwg-rs:Regions></x:xmpmeta>",
    )
    image(lambda opened: opened, pnginfo=packet)(root)


def serial(root: Path) -> None:
    data = Image.Exif()
    data[0x0112] = 1
    data.get_ifd(0x8769)[0xA431] = "12345678"
    image(lambda opened: opened, exif=data)(root)


def copied(change: Callable[[Image.Image], Image.Image], **save: Any) -> Spoil:
    """1.png is a photograph, 2.png a copy of it."""

    def spoil(root: Path) -> None:
        original = photo(1)
        original.save(root / "1.png")
        change(original).save(root / "2.png", **save)

    return spoil


def leak(root: Path) -> None:
    """Pictures and records in train/ and test/; the one in test/ is a small copy."""
    copied(lambda original: original.resize((128, 96)))(root)
    (root / "metadata.jsonl").unlink()
    for folder, numbers in (("train", (0, 1)), ("test", (2,))):
        (root / folder).mkdir()
        records = []
        for number in numbers:
            (root / f"{number}.png").rename(root / folder / f"{number}.png")
            records.append({"file_name": f"{number}.png", "text": f"(tok), view {number}"})
        text = "".join(json.dumps(record) + "\n" for record in records)
        (root / folder / "metadata.jsonl").write_text(text)


def many(caption: Callable[[int], str]) -> Spoil:
    """Seven further pictures, and a caption for each of the ten."""

    def spoil(root: Path) -> None:
        for number in range(3, 10):
            put_photo(root, f"{number}.png", number, (64, 64))
        records = ({"file_name": f"{n}.png", "text": caption(n)} for n in range(10))
        text = "".join(json.dumps(record) + "\n" for record in records)
        (root / "metadata.jsonl").write_text(text)

    return spoil


def paired(key: str = "control_file_name") -> Spoil:
    """A second picture in each row, of the same size as the first."""

    def spoil(root: Path) -> None:
        (root / "given").mkdir()
        for number in range(3):
            with Image.open(root / f"{number}.png") as opened:
                put_photo(root, f"given/{number}.png", 20 + number, opened.size)
        text = rows(lambda n, row: row | {key: f"given/{n}.png"})
        text(root)

    return spoil


def sized(name: str, size: tuple[int, int]) -> Spoil:
    return lambda root: put_photo(root, name, 30, size)


GOOD_2 = {"file_name": "2.png", "text": "(tok), view 2"}

# rule, what spoils, place of the finding, other rules that must speak as well, settings
Row = tuple[str, Spoil, str, set[str], dict[str, Any]]
FEW = 50


@pytest.fixture(autouse=True)
def _few_in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub takes 10,000; to write so many takes seconds."""
    assert limits.IN_FOLDER == 10_000
    monkeypatch.setattr(limits, "IN_FOLDER", FEW)


BAD: list[Row] = [
    ("D101", line(2, '{"file_name": "1.png", "text": "(tok)",}'), "metadata.jsonl:2", {"D202"}, {}),
    ("D102", line(2, '{"file_name": "1.png",\n"text": "(tok), 1"}'), "metadata.jsonl:2", set(), {}),
    (
        "D103",
        put("metadata.jsonl", '[{"file_name": "0.png", "text": "(tok)"}]'),
        "metadata.jsonl:1",
        {"D202"},
        {},
    ),
    ("D104", line(2, '"1.png"'), "metadata.jsonl:2", {"D202"}, {}),
    (
        "D105",
        line(2, '{"file_name": "1.png", "text": "a", "text": "(tok), 1"}'),
        "metadata.jsonl:2",
        set(),
        {},
    ),
    (
        "D106",
        put("metadata.jsonl", '{"file_name": "0.png", "text": "(tok) caf\xe9"}'.encode("latin-1")),
        "metadata.jsonl:1",
        {"D202", "D507"},
        {},
    ),
    ("D107", put("metadata.jsonl"), "metadata.jsonl", {"D202"}, {}),
    (
        "D108",
        csv("file_name,text\n0.png,(tok), 0\n1.png,(tok) 1\n2.png,(tok) 2\n"),
        "metadata.csv:2",
        {"D202"},
        {},
    ),
    (
        "D109",
        csv('file_name,text\n0.png,"(tok) 0\n1.png,(tok) 1\n2.png,(tok) 2\n'),
        "metadata.csv:2",
        {"D202"},
        {},
    ),
    (
        "D110",
        csv("file_name, text\n0.png,(tok) 0\n1.png,(tok) 1\n2.png,(tok) 2\n"),
        "metadata.csv:1",
        set(),
        {},
    ),
    (
        "D111",
        csv("file_name;text\n0.png;(tok) 0\n1.png;(tok) 1\n2.png;(tok) 2\n"),
        "metadata.csv:1",
        set(),
        {},
    ),
    (
        "D112",
        both(lambda root: (root / "metadata.jsonl").unlink(), put("metadata.parquet", "PAR1 cut")),
        "metadata.parquet",
        {"D202"},
        {},
    ),
    ("D113", put("captions.jsonl", "{}"), "captions.jsonl", set(), {}),
    (
        "D114",
        put("metadata.csv", "file_name,text\n0.png,(tok)\n"),
        "metadata.csv",
        {"D203", "D210"},
        {},
    ),
    (
        "D115",
        rows(lambda n, row: {"filename": row["file_name"], "text": row["text"]}),
        "metadata.jsonl:1",
        {"D202"},
        {},
    ),
    ("D116", line(2, {"file_name": "", "text": "(tok)"}), "metadata.jsonl:2", {"D202"}, {}),
    ("D117", rows(lambda n, row: row | {"image": "a"}), "metadata.jsonl:1", set(), {}),
    (
        "D118",
        rows(lambda n, row: row | {"age": [0, 1, "two"][n]}),
        "metadata.jsonl:3",
        set(),
        {},
    ),
    ("D119", rows(lambda n, row: row | ({} if n else {"age": 1})), "metadata.jsonl:2", set(), {}),
    ("D127", line(3, GOOD_2 | {"crop_focus": [340, 80]}), "metadata.jsonl:3", set(), {}),
    ("D120", lambda root: (root / "metadata.jsonl").unlink(), "", set(), {}),
    (
        "D121",
        rows(lambda n, row: {"mask_file_name": row["file_name"]} | row),
        "metadata.jsonl:1",
        {"D218", "D229"},
        {},
    ),
    (
        "D122",
        csv("file_name,text,,text\n0.png,(tok) 0,,a\n1.png,(tok) 1,,b\n2.png,(tok) 2,,c\n"),
        "metadata.csv:1",
        set(),
        {},
    ),
    (
        "D125",
        line(3, GOOD_2 | {"more": json.loads("[" * 101 + "]" * 101)}),
        "metadata.jsonl:3",
        {"D202"},
        {},
    ),
    (
        "D126",
        line(3, GOOD_2 | dict.fromkeys(map(str, range(2100)), 1)),
        "metadata.jsonl:1",
        {"D119", "D710"},
        {},
    ),
    ("D201", line(2, {"file_name": "7.png", "text": "(tok)"}), "metadata.jsonl:2", {"D202"}, {}),
    ("D202", lambda root: picture(root / "3.png", 3), "3.png", set(), {}),
    ("D203", again, "metadata.jsonl:4", set(), {}),
    (
        "D204",
        line(2, {"file_name": "../1.png", "text": "(tok)"}),
        "metadata.jsonl:2",
        {"D202"},
        {},
    ),
    ("D205", unsplit, "metadata.jsonl", set(), {}),
    ("D206", renamed("2.png", "dress-test-2.png"), "dress-test-2.png", set(), {}),
    (
        "D207",
        both(*(put(f"{n}.txt", f"(tok) {n}") for n in range(5))),
        "0.txt",
        set(),
        {},
    ),
    ("D208", put("raw.heic", "heic"), "raw.heic", set(), {}),
    (
        "D208",
        both(
            put("2.heic", b"\0\0\0\x18ftypheic" + bytes(100)),
            rows(lambda n, row: row | ({"file_name": "2.heic"} if n == 2 else {})),
            lambda root: (root / "2.png").unlink(),
        ),
        "2.heic",
        set(),
        {},
    ),
    (
        "D208",
        lambda root: picture(root / "3.png", 3).rename(root / "3.png@2x"),
        "3.png@2x",
        set(),
        {},
    ),
    ("D209", lambda root: picture(root / ".hidden.png", 9), ".hidden.png", set(), {}),
    ("D210", two_levels, "sub/metadata.jsonl", {"D203"}, {}),
    ("D211", lambda root: picture(root / "3.PnG", 3), "3.PnG", {"D202"}, {}),
    ("D212", both(split_up, line_of("test", {"file_name": "2.png", "text": 5})), "", {"D508"}, {}),
    (
        "D213",
        both(split_up, lambda root: (root / "test/metadata.jsonl").unlink()),
        "",
        {"D202"},
        {},
    ),
    (
        "D214",
        put("README.md", "---\nconfigs:\n- config_name: a\n  data_files: x/*.pn\n---\n"),
        "README.md",
        set(),
        {},
    ),
    ("D215", put("notes::1.txt", "x"), "", {"D221"}, {}),
    ("D216", split_up, "", set(), {}),
    (
        "D217",
        both(
            renamed("0.png", "train/training/0.png"),
            renamed("1.png", "train/1.png"),
            renamed("2.png", "train/2.png"),
            bare,
        ),
        "train/training/0.png",
        {"D120"},
        {},
    ),
    (
        "D218",
        rows(lambda n, row: {"file_name": row["file_name"], "id": f"i{n}"} | row),
        "metadata.jsonl",
        set(),
        {},
    ),
    ("D219", both(bare, put("notes.md", "x")), "notes.md", {"D120"}, {}),
    (
        "D220",
        put("README.md", "---\nconfigs:\n- config_name: a\n  data_files: '*.png'\n---\n"),
        "README.md",
        set(),
        {},
    ),
    ("D221", renamed("2.png", "CON.png"), "CON.png", set(), {}),
    ("D221", renamed("2.png", "a?b.png"), "a?b.png", set(), {}),
    (
        "D221",
        both(put("notes/é.log", "1"), put("notes/É.log", "2")),
        "notes/é.log",
        set(),
        {},
    ),
    ("D222", led_out, "2.png", {"D209"}, {}),
    (
        "D223",
        both(paired(), line(3, GOOD_2 | {"control_file_name": None})),
        "metadata.jsonl:3",
        {"D202", "D230"},  # the good pictures are simple drawings
        {},
    ),
    ("D224", both(paired(), sized("given/2.png", (64, 96))), "metadata.jsonl:3", {"D230"}, {}),
    (
        "D225",
        both(paired(), line(3, GOOD_2 | {"control_file_name": "2.png"})),
        "metadata.jsonl:3",
        {"D202"},
        {},
    ),
    ("D226", paired(), "metadata.jsonl:1", {"D202"}, {"control_columns": ["pose"]}),
    ("D227", paired("conditioning_image"), "metadata.jsonl:1", set(), {}),
    (
        "D301",
        lambda root: put("2.png", (root / "2.png").read_bytes()[:120])(root),
        "2.png",
        set(),
        {},
    ),
    ("D302", put("2.png", "<!DOCTYPE html><html>no such file</html>"), "2.png", set(), {}),
    ("D303", image(lambda opened: opened, format="JPEG"), "2.png", set(), {}),
    ("D304", lambda root: picture(root / "2.png", 2, (63, 64)), "2.png", set(), {}),
    ("D305", image(lambda opened: opened.convert("RGBA").rotate(30)), "2.png", set(), {}),
    ("D306", image(lambda opened: opened.convert("P")), "2.png", set(), {}),
    (
        "D307",
        both(
            lambda root: picture(root / "c.jpg", 5, mode="CMYK"),
            rows(lambda n, row: row | ({"file_name": "c.jpg"} if n == 2 else {})),
            lambda root: (root / "2.png").unlink(),
        ),
        "c.jpg",
        set(),
        {},
    ),
    ("D308", image(lambda opened: opened.convert("I;16")), "2.png", {"D315"}, {}),
    ("D309", exif, "2.png", set(), {}),
    (
        "D310",
        image(
            lambda opened: opened,
            save_all=True,
            append_images=[Image.new("RGB", (64, 64))],
        ),
        "2.png",
        set(),
        {},
    ),
    ("D311", big, "2.png", set(), {}),
    ("D312", lambda root: picture(root / "2.png", 2, (64, 200)), "2.png", set(), {}),
    (
        "D313",
        lambda root: photo(2).filter(ImageFilter.GaussianBlur(6)).save(root / "2.png"),
        "2.png",
        set(),
        {},
    ),
    (
        "D314",
        lambda root: photo(2).point(lambda v: v // 14).save(root / "2.png"),
        "2.png",
        set(),
        {},
    ),
    (
        "D315",
        lambda root: Image.new("RGB", (64, 64), "teal").save(root / "2.png"),
        "2.png",
        set(),
        {},
    ),
    ("D316", image(lambda opened: opened, icc_profile=profile(P3_RED)), "2.png", set(), {}),
    ("D317", renamed("2.png", SCREENSHOT), SCREENSHOT, set(), {}),
    ("D402", copied(lambda original: original, compress_level=1), "2.png", set(), {}),
    ("D403", copied(lambda original: original.resize((128, 96))), "1.png", set(), {}),
    ("D404", leak, "train/1.png", {"D216", "D403"}, {}),
    (
        "D405",
        copied(lambda original: original.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        "2.png",
        set(),
        {"mirrored_copies": True},
    ),
    (
        "D401",
        lambda root: put("2.png", (root / "1.png").read_bytes())(root),
        "1.png",
        set(),
        {},
    ),
    ("D501", lambda root: None, "metadata.jsonl:1", set(), {"caption_column": "prompt"}),
    ("D502", line(3, GOOD_2 | {"text": "  "}), "metadata.jsonl:3", set(), {}),
    ("D503", line(3, GOOD_2 | {"text": "(tok) " + "hat " * 120}), "metadata.jsonl:3", set(), {}),
    ("D504", line(3, GOOD_2 | {"text": "a hat"}), "metadata.jsonl:3", set(), {}),
    (
        "D505",
        rows(lambda n, row: row | {"text": f"sks{'dog' * (n == 2)} {n}"}),
        "metadata.jsonl:3",
        set(),
        {"trigger": "sks"},
    ),
    ("D506", line(3, GOOD_2 | {"text": "(tok), view 1"}), "metadata.jsonl:3", set(), {}),
    ("D507", line(3, GOOD_2 | {"text": "(tok)\x07 <b>"}), "metadata.jsonl:3", set(), {}),
    ("D508", line(3, GOOD_2 | {"text": [5]}), "metadata.jsonl:3", {"D118"}, {}),
    ("D509", line(3, GOOD_2 | {"text": "2.png"}), "metadata.jsonl:3", {"D504"}, {}),
    ("D510", lambda root: None, "", set(), {"trigger": None}),
    ("D512", many(lambda n: "(tok)" if n < 4 else f"(tok) {n}"), "metadata.jsonl:1", {"D506"}, {}),
    ("D515", line(3, GOOD_2 | {"text": "(tok), a cat " * 9_000}), "metadata.jsonl:3", set(), {}),
    (
        "D516",
        lambda root: (root / "0.txt").write_text("a cat " * 200_000),
        "0.txt",
        set(),
        {},
    ),
    (
        "D517",
        lambda root: (root / "0.txt").write_bytes("蓝色的门, 红色雨伞".encode("gbk")),
        "0.txt",
        set(),
        {},
    ),
    ("D513", many(lambda n: f"(tok), red hair, view {n}"), "", set(), {}),
    ("D514", many(lambda n: f"(tok), white background, view {n}"), "", set(), {}),
    ("D707", line(3, GOOD_2 | {"text": "(tok), ask joe.b@mail.de"}), "metadata.jsonl:3", set(), {}),
    (
        "D123",
        rows(lambda n, row: row | {"text": f"2024-05-0{n + 1}"}),
        "metadata.jsonl:1",
        {"D505"},
        {"trigger": "2024"},
    ),
    ("D511", rows(lambda n, row: row), "", set(), {"plan": {"profile": "1", "view_1": "1"}}),
    ("D601", lambda root: None, "", set(), {"license": None}),
    ("D602", put("README.md", "---\nlicense: Apache 2.0\n---\n# A\n"), "README.md", set(), {}),
    ("D603", lambda root: None, "", set(), {"rights": None}),
    ("D604", lambda root: None, "", set(), {"rights": "permission"}),
    ("D605", put("README.md", "---\ntitle: a: b\n---\n"), "README.md:2", set(), {}),
    (
        "D606",
        put(
            "README.md",
            "---\ndataset_info:\n  splits:\n  - name: train\n    num_examples: 9\n---\n# A\n",
        ),
        "README.md",
        set(),
        {},
    ),
    (
        "D607",
        put("2.png", png(itxt(xmp(attributes=f'p:DataMining="{DMI}"')))),
        "2.png",
        {"D603"},
        {"rights": None},
    ),
    (
        "D608",
        put("2.png", png((b"tEXt", b"Copyright\0(c) Jane Doe"))),
        "2.png",
        {"D603"},
        {"rights": None},
    ),
    ("D609", put("2.png", png((b"caBX", manifest({})))), "2.png", set(), {}),
    ("D701", lambda root: exif(root, gps=True), "2.png", set(), {}),
    ("D702", lambda root: [put(f"x/{n}.md")(root) for n in range(FEW + 1)], "x", {"D207"}, {}),
    ("D709", sparse("raw.bin", 501 * 10**9), "raw.bin", set(), {}),
    ("D710", line(3, GOOD_2 | {"note": "x" * 2_000_001}), "metadata.jsonl:3", {"D119"}, {}),
    ("D703", line(3, GOOD_2 | {"note": TOKEN}), "metadata.jsonl:3", {"D119"}, {}),
    ("D704", put(".DS_Store", "x"), ".DS_Store", set(), {}),
    ("D706", serial, "2.png", set(), {}),
    ("D711", trailed, "2.png", set(), {}),
    ("D712", named, "2.png", set(), {}),
    ("D713", put("2.png.supplemental-metadata.json", TAKEOUT), TAKEOUT_NAME, set(), {}),
    (
        "D714",
        line(3, GOOD_2 | {"source": "C:\\Users\\jane\\2.png"}),
        "metadata.jsonl:3",
        {"D119"},
        {},
    ),
    pytest.param(  # type: ignore[list-item]
        "D705",
        locked,
        "locked",
        set(),
        {},
        marks=pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything"),
    ),
]


def found(root: Path, settings: DatasetSettings, **changes: Any) -> list[Finding]:
    report = validate(root, settings.model_copy(update=changes), resolution=64)
    return list(report.findings)


def test_the_good_dataset_has_no_finding(good: Path, settings: DatasetSettings) -> None:
    assert found(good, settings) == []


@pytest.mark.parametrize(("rule", "spoil", "place", "also", "changes"), BAD)
def test_each_rule_finds_its_bad_dataset(
    good: Path,
    settings: DatasetSettings,
    rule: str,
    spoil: Spoil,
    place: str,
    also: set[str],
    changes: dict[str, Any],
) -> None:
    spoil(good)
    findings = found(good, settings, **changes)
    assert {finding.rule for finding in findings} == {rule} | also, findings
    ours = next(finding for finding in findings if finding.rule == rule)
    assert ours.place.startswith(place)
    assert ours.place.count(":") <= place.count(":") + 1  # a column may follow the line
    assert bool(ours.place) == bool(place)
    assert ours.fix
    assert TOKEN not in str(findings)


def test_no_rule_lacks_its_bad_dataset() -> None:
    tried = {
        row[0] if isinstance(row, tuple) and isinstance(row[0], str) else "D705" for row in BAD
    }
    # tried in test_sources.py, test_shard_rules.py, test_fix_shards.py, test_pairs.py
    archives = {"D228", "D229", "D230"} | {f"D8{number:02}" for number in range(1, 13)}
    assert tried | archives | {"D406", "D708", "D124"} == {rule.id for rule in DATASET_RULES}
    for rule in DATASET_RULES:
        assert "Fix:" in rule.doc


@pytest.mark.parametrize(
    ("name", "near"),
    [("0.PNG", "0.PNG"), ("o\u0301.png", "\u00f3.png"), ("deep/0.png", "deep/0.png")],
)
def test_a_missing_picture_that_is_nearly_there(
    good: Path, settings: DatasetSettings, name: str, near: str
) -> None:
    (good / near).parent.mkdir(exist_ok=True)
    (good / "0.png").rename(good / near)
    wanted = {"0.PNG": "0.png", "o\u0301.png": "o\u0301.png", "deep/0.png": "0.png"}[name]
    line(1, {"file_name": wanted, "text": "(tok)"})(good)
    (finding,) = (f for f in found(good, settings) if f.rule == "D201")
    assert near in str(finding.fix)


@pytest.mark.parametrize(
    "spoil",
    [
        image(lambda opened: opened, icc_profile=profile()),
        copied(lambda original: photo(2)),
        copied(lambda original: original.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        lambda root: put_photo(root, "2.png", 3, (64, 64)),
        line(3, GOOD_2 | {"crop_focus": [0.5, 1]}),
        # a few strokes on white paper; a starry night
        lambda root: image(lambda opened: drawing("white", "black"))(root),
        lambda root: image(lambda opened: drawing("black", "white"))(root),
    ],
)
def test_what_is_meant_so_is_not_found(good: Path, settings: DatasetSettings, spoil: Spoil) -> None:
    spoil(good)
    assert found(good, settings) == []


def drawing(paper: str, ink: str) -> Image.Image:
    picture = Image.new("RGB", (256, 256), paper)
    draw = ImageDraw.Draw(picture)
    draw.line((60, 60, 180, 90, 120, 200), fill=ink, width=2)
    draw.ellipse((100, 40, 140, 80), outline=ink)
    return picture


def test_the_best_copy_is_proposed(good: Path, settings: DatasetSettings) -> None:
    copied(lambda original: original.resize((128, 96)))(good)
    line(2, {"file_name": "1.png", "text": ""})(good)
    (finding,) = (f for f in found(good, settings) if f.rule == "D403")
    assert finding.path == "1.png"
    assert str(finding.fix).startswith("keep 1.png (256x192), remove 2.png")
    assert "caption from 2.png" in str(finding.fix)


def test_copies_but_for_a_part_are_a_note(good: Path, settings: DatasetSettings) -> None:
    def marked(original: Image.Image) -> Image.Image:
        copy = original.copy()
        ImageDraw.Draw(copy).rectangle((170, 160, 190, 170), fill="white")
        return copy

    copied(marked)(good)
    (finding,) = found(good, settings)
    assert (finding.rule, finding.severity) == ("D403", Severity.INFO)
    assert found(good, settings, near_radius=-1) == []
    copied(lambda original: marked(original).transpose(Image.Transpose.ROTATE_90))(good)
    (finding,) = found(good, settings, mirrored_copies=True)
    assert (finding.rule, finding.severity) == ("D405", Severity.INFO)
    assert finding.message.endswith("turned by 90 degrees, but for a part")


def test_who_states_rights_is_told_of_reservations(good: Path, settings: DatasetSettings) -> None:
    chunks = (
        itxt(xmp(attributes='p:DataMining="DMI-PROHIBITED"')),
        (b"tEXt", b"Copyright\0(c) Jane"),
    )
    put("2.png", png(*chunks))(good)
    (note,) = found(good, settings)
    assert (note.rule, note.severity) == ("D607", Severity.INFO)
    assert "of (c) Jane" in note.message
    (warned,) = found(good, settings, rights="public-domain")
    assert warned.severity is Severity.WARNING
    put("2.png", png((b"tEXt", b"Author\0Jane")))(good)
    named = [f for f in found(good, settings, rights=None) if f.rule == "D608"]
    assert [f.severity for f in named] == [Severity.INFO]


def test_a_hundred_thousand_files(good: Path, settings: DatasetSettings) -> None:
    """The view is told of files that nobody has to make."""
    looked = view(good, settings)
    many = tuple(Entry(f"{n // 5000}/{n}.md", 1, 0) for n in range(100_001))
    crowded = replace(looked, listing=replace(looked.listing, entries=many))
    (finding,) = DATASET_RULES.run(crowded, select=["D708"])
    assert (finding.severity, finding.path) == (Severity.WARNING, None)
    assert "100,001 files" in finding.message
    assert not DATASET_RULES.run(looked, select=["D708"])


def test_beyond_the_viewer(good: Path, settings: DatasetSettings) -> None:
    rows(lambda n, row: row | {f"c{i}": i for i in range(1000)})(good)
    (wide,) = (f for f in found(good, settings) if f.rule == "D710")
    assert wide.message.startswith("1,002 columns")
    spoilt = sparse("raw.bin", 300 * 10**9)
    spoilt(good)
    (large,) = (f for f in found(good, settings) if f.rule == "D709")
    assert large.severity is Severity.WARNING


def test_severities_that_depend(good: Path, settings: DatasetSettings) -> None:
    rows(lambda n, row: row | {"text": f"view {n}"})(good)
    (finding,) = found(good, settings)
    assert (finding.rule, finding.severity) == ("D504", Severity.ERROR)
    trigger = str(settings.trigger)
    rows(lambda n, row: row | {"text": f"view {n} of {trigger.upper()}"})(good)
    (finding,) = found(good, settings)
    assert finding.rule == "D504"
    assert f"of them say {trigger.upper()!r}" in finding.message
    assert f"dataset.trigger = {trigger.upper()!r}" in (finding.fix or "")
    picture(good / "2.png", 2, (20, 20))
    (small,) = (f for f in found(good, settings) if f.rule == "D304")
    assert small.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("stem", "is_one"),
    [
        ("Screenshot_20240131-101500_Chrome", True),
        ("Screen Shot 2019-01-31 at 10.15.00 AM", True),
        ("Screenshot from 2024-01-31 10-15-00", True),
        ("Screenshot (12)", True),
        ("Capture d\u2019e\u0301cran 2024-01-31", True),  # letters as a Mac writes them
        ("Снимок экрана от 2024-01-31", True),
        ("スクリーンショット 2024-01-31 10.15.00", True),
        ("screenshot-of-a-cat", False),
        ("cat screenshot 2", False),
        ("screenshots", False),
        ("IMG_20240131_101500", False),
    ],
)
def test_what_is_called_a_screenshot(tmp_path: Path, stem: str, is_one: bool) -> None:
    (tmp_path / f"{stem}.png").touch()
    found = validate(tmp_path, select=("D317",)).findings
    assert [one.path for one in found] == [f"{stem}.png"] * is_one


def test_links_in_the_cache_of_the_hub_are_none_of_a_person(
    good: Path, settings: DatasetSettings, tmp_path: Path
) -> None:
    kept = tmp_path / "datasets--me--x"
    (kept / "blobs").mkdir(parents=True)
    shutil.copytree(good, kept / "snapshots/abc")
    (kept / "snapshots/abc/2.png").rename(kept / "blobs/def")
    (kept / "snapshots/abc/2.png").symlink_to("../../blobs/def")
    assert not found(kept / "snapshots/abc", settings)
    shutil.copytree(kept / "snapshots/abc", tmp_path / "mine", symlinks=True)
    assert "D209" in {f.rule for f in found(tmp_path / "mine", settings)}


@pytest.mark.parametrize("place", ["10_zwx person", "d/img/10_zwx_person"])
def test_the_name_of_a_folder_of_sd_scripts_offers_the_trigger(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(folder / "0.png")
    root = tmp_path / "d" if place.startswith("d/") else folder
    name = (folder / "0.png").relative_to(root).as_posix()
    row = {"file_name": name, "text": "a person by a lake"}
    (root / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    fixes = [one.fix for one in validate(root, select=["D510"]).findings]
    assert fixes == ["set dataset.trigger, perhaps to zwx"]
