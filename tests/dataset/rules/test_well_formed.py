"""Sets in which nothing is wrong: whatever is said of them is a note at most. A false alarm is a
bug."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from photos import photo, profile
from PIL import Image

from hubtools.dataset.validate import validate
from hubtools.findings import Severity
from hubtools.journey.example import CAPTION_COLUMN, TRIGGER, write_example
from hubtools.settings import DatasetSettings

Make = Callable[[Path], dict[str, Any] | None]
SIZE = (192, 160)

THINGS = (
    "a red bicycle at a fence", "two cats on a sofa", "a lighthouse in fog", "bread and cheese",
    "an old tram", "a chess player", "snow on pines", "a market stall", "a violin", "a kite",
    "boats at low tide", "a staircase",
)  # fmt: skip


def put(root: Path, name: str, seed: int, **save: Any) -> str:
    """Save a photograph; `mode` and `size` are its own, the rest is Pillow's."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    mode, size = save.pop("mode", "RGB"), save.pop("size", SIZE)
    photo(seed, size).convert(mode).save(path, **save)
    return name


def lines(root: Path, rows: Sequence[dict[str, Any]], name: str = "metadata.jsonl") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (root / name).write_text(text, encoding="utf-8")


def captioned(root: Path, count: int = 6, ending: str = "png", **save: Any) -> list[dict[str, Any]]:
    return [
        {
            "file_name": put(root, f"{n:03d}.{ending}", n, **save),
            "text": f"a photo of (tok), {THINGS[n]}",
        }
        for n in range(count)
    ]


def json_lines(root: Path) -> None:
    lines(root, captioned(root))


def comma_separated(root: Path) -> None:
    with (root / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "text"])
        for row in captioned(root):
            writer.writerow([row["file_name"], row["text"] + ', "quoted", and more'])


def parquet(root: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    table = arrow.Table.from_pylist(captioned(root))
    pyarrow.parquet.write_table(table, root / "metadata.parquet")


def splits(root: Path) -> None:
    for folder, first in (("train", 0), ("validation", 4), ("test", 8)):
        rows = [
            {"file_name": put(root / folder, f"{n}.jpg", n), "text": f"(tok), {THINGS[n]}"}
            for n in range(first, first + 4)
        ]
        for row in rows:
            row["file_name"] = row["file_name"].rpartition("/")[2]
        lines(root, rows, f"{folder}/metadata.jsonl")


def nested(root: Path) -> None:
    names = [put(root, f"images/{'abc'[n % 3]}/{n}.png", n) for n in range(6)]
    lines(
        root, [{"file_name": n, "text": f"(tok), {t}"} for n, t in zip(names, THINGS, strict=False)]
    )


def metadata_below(root: Path) -> None:
    lines(root, captioned(root / "pictures"), "pictures/metadata.jsonl")


def columns(root: Path) -> None:
    rows = captioned(root)
    for n, row in enumerate(rows):
        row |= {
            "view": ("front view", "left profile", "right profile")[n % 3],
            "tags": ["a", "b"][: n % 2 + 1],
            "rating": n / 2,
            "checked": n % 2 == 0,
            "date": f"2024-05-0{n + 1}",
            "license": "cc0-1.0",
            "source": {"name": "own", "roll": n},
        }
    lines(root, rows)


def camera(root: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Maker", "Camera 5", 1
    exif[0x8298], exif[0x013B] = "(c) 2025 Jane Doe", "Jane Doe"
    exif.get_ifd(0x8769)[0x9003] = "2025:03:02 10:11:12"
    rows = captioned(root, ending="jpg", exif=exif, quality=92)
    for n, row in enumerate(rows):
        (root / row["file_name"]).rename(root / f"IMG_{n:04d}.JPG")
        row["file_name"] = f"IMG_{n:04d}.JPG"
    lines(root, rows)


def progressive(root: Path) -> None:
    lines(root, captioned(root, ending="jpeg", progressive=True, icc_profile=profile()))


def webp(root: Path) -> None:
    lines(root, captioned(root, ending="webp", quality=90))


def grey(root: Path) -> None:
    lines(root, captioned(root, mode="L"))


def card(root: Path) -> None:
    lines(root, captioned(root))
    front = (
        "license: cc-by-4.0\npretty_name: A set\ntask_categories:\n- text-to-image\n"
        "size_categories:\n- n<1K\nconfigs:\n- config_name: default\n  data_files:\n"
        "  - split: train\n    path: '**'\n"
    )
    (root / "README.md").write_text(f"---\n{front}---\n# A set\n\nAsk at hello@example.com.\n")
    (root / ".gitattributes").write_text("*.png filter=lfs diff=lfs merge=lfs -text\n")


def languages(root: Path) -> None:
    texts = (
        "(tok), ein Mädchen mit Zöpfen, „Übung“ – süß", "(tok), деревня зимой", "(tok)、赤い自転車",
        "(tok), un café à l’été — très joli", "(tok) 🚲❤️, red", "(tok), Ελλάδα, παραλία",
        "(tok), MAÇÃ e “CAFÉ”", "(tok), 5 × 3 m², 20 °C, ½ €", "(tok), l'œuvre d’un Ångström",
    )  # fmt: skip
    names = [put(root, f"Bild {n} größer.png", n) for n in range(len(texts))]
    lines(root, [{"file_name": n, "text": t} for n, t in zip(names, texts, strict=True)])


def style(root: Path) -> dict[str, Any]:
    rows = captioned(root, 12)
    for n, row in enumerate(rows):
        row["text"] = f"{THINGS[n]}, watercolour"
    lines(root, rows)
    return {"trigger": None}


def bare_trigger(root: Path) -> None:
    lines(root, [row | {"text": "a photo of (tok) dog"} for row in captioned(root, 12)])


def tags(root: Path) -> dict[str, Any]:
    rows = captioned(root)
    for n, row in enumerate(rows):
        extra = ("smile", "from side, profile", "sitting", "hat, open mouth", "night", "rain")[n]
        row["text"] = f"sks_girl, 1girl, solo, {extra}, blue_eyes"
    lines(root, rows)
    return {"trigger": "sks_girl"}


def named_by_captions(root: Path) -> dict[str, Any]:
    names = [put(root, f"{thing.replace(' ', '-')}.png", n) for n, thing in enumerate(THINGS)]
    lines(root, [{"file_name": n, "text": t} for n, t in zip(names, THINGS, strict=True)])
    return {"trigger": None}


def shapes(root: Path) -> None:
    sizes = ((320, 160), (160, 320), (400, 300), (160, 160), (300, 200), (1000, 640))
    names = [put(root, f"{n}.png", n, size=size) for n, size in enumerate(sizes)]
    lines(
        root, [{"file_name": n, "text": f"(tok), {t}"} for n, t in zip(names, THINGS, strict=False)]
    )


def long_captions(root: Path) -> dict[str, Any]:
    rows = captioned(root)
    for n, row in enumerate(rows):
        row["text"] += ", " + ", ".join(f"{THINGS[(n + i) % 12]}" for i in range(10))
        row["text"] += ", seen at 10:30 on 2024-05-01, seed 1234567890, 1920x1080, f/2.8, v1.2"
    lines(root, rows)
    return {"target": "qwen-image"}


def planned(root: Path) -> dict[str, Any]:
    rows = captioned(root)
    for n, row in enumerate(rows):
        row["angle"] = ("front", "left profile", "three-quarter right")[n % 3]
    lines(root, rows)
    return {"plan": {"front": "1..3", "profile": "2", "three_quarter_right": "2.."}}


def bursts(root: Path) -> None:
    """A figure before one wall: alike, and yet not the same."""
    rows = []
    for n in range(6):
        picture = photo(1, (256, 256))
        picture.paste(photo(50 + n, (140, 200)), (10 + 20 * n, 40))
        picture.save(root / f"{n}.png")
        rows.append({"file_name": f"{n}.png", "text": f"(tok), {THINGS[n]}"})
    lines(root, rows)


ALL: list[Make] = [
    json_lines, comma_separated, parquet, splits, nested, metadata_below, columns, camera,
    progressive, webp, grey, card, languages, style, bare_trigger, tags, named_by_captions, shapes,
    long_captions, planned, bursts,
]  # fmt: skip


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_nothing_worse_than_a_note(tmp_path: Path, make: Make) -> None:
    root = tmp_path / "set"
    root.mkdir()
    changes = make(root) or {}
    settings = DatasetSettings.model_validate(
        {"trigger": "(tok)", "license": "cc0-1.0", "rights": "own"} | changes
    )
    report = validate(root, settings, resolution=128)
    worse = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    assert worse == []
    assert report.facts["rows"] >= 6


def test_the_example_has_not_even_a_note(tmp_path: Path) -> None:
    write_example(tmp_path)
    settings = DatasetSettings.model_validate(
        {"caption_column": CAPTION_COLUMN, "trigger": TRIGGER, "license": "cc0-1.0",
         "rights": "synthetic", "plan": "subject", "mirrored_copies": True}
    )  # fmt: skip
    assert validate(tmp_path, settings).findings == ()
