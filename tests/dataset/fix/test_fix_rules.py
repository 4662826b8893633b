"""Every remedy: validate finds it, fix cures it, a second fix finds nothing, undo restores."""

from __future__ import annotations

import gzip
import io
import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from photos import P3_RED, profile
from PIL import Image
from simple import picture
from test_rules import (
    GOOD_2,
    TAKEOUT,
    TAKEOUT_NAME,
    Spoil,
    again,
    both,
    copied,
    csv,
    exif,
    found,
    image,
    line,
    named,
    paired,
    put,
    renamed,
    rows,
    serial,
    trailed,
    two_levels,
    unsplit,
)

from hubtools import limits
from hubtools.dataset.examples import read_examples
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.remedies import UNSAFE
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.fix.steps import REMEDIES, STEPS
from hubtools.dataset.rules import DATASET_RULES
from hubtools.findings import Finding
from hubtools.settings import DatasetSettings

# rule, unsafe name ("" for none), what spoils, settings
Case = tuple[str, str, Spoil, dict[str, Any]]


def snapshot(root: Path) -> dict[str, bytes | str]:
    """Every file outside hubtools' own folder: its bytes, or where it links to."""
    return {
        path.relative_to(root).as_posix(): (
            str(path.readlink()) if path.is_symlink() else path.read_bytes()
        )
        for path in root.rglob("*")
        if (path.is_file() or path.is_symlink()) and ".hubtools" not in path.parts
    }


def promises(findings: Iterable[Finding]) -> set[tuple[object, ...]]:
    """What a plan foretells."""
    return {(f.rule, f.path, f.line, f.message) for f in findings}


def without_metadata(root: Path) -> None:
    (root / "metadata.jsonl").unlink()


def sidecars(ending: str = ".txt", count: int = 3) -> Spoil:
    def spoil(root: Path) -> None:
        for number in range(count):
            text = f"(tok), view {number}"
            if ending == ".json":
                text = json.dumps({"caption": text, "score": 1})
            (root / f"{number}{ending}").write_text(text)

    return spoil


def misnamed(name: str, data: bytes | None = None) -> Spoil:
    """The metadata under another name (and in another form)."""

    def spoil(root: Path) -> None:
        (root / name).write_bytes((root / "metadata.jsonl").read_bytes() if data is None else data)
        (root / "metadata.jsonl").unlink()

    return spoil


RECORDS = [{"file_name": f"{n}.png", "text": f"(tok), view {n}"} for n in range(3)]
CSV = "file_name,text\n" + "".join(f'{n}.png,"(tok), view {n}"\n' for n in range(3))
GBK = CSV.replace("view", "红").encode("gbk")  # too little to be sure
KOHYA = {f"{n}.png": {"caption": f"(tok), view {n}"} for n in range(3)}


def jpeg(change: Any = lambda opened: opened, **save: Any) -> Spoil:
    """A JPEG in place of 2.png."""

    def spoil(root: Path) -> None:
        with Image.open(root / "2.png") as opened:
            change(opened.convert("RGB")).save(root / "2.jpg", **save)
        (root / "2.png").unlink()
        line(3, GOOD_2 | {"file_name": "2.jpg"})(root)

    return spoil


def turned() -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = 6
    return data


def avif(root: Path) -> None:
    with Image.open(root / "0.png") as opened:
        opened.save(root / "9.avif")


def linked(root: Path) -> None:
    (root / "2.png").rename(root.parent / "elsewhere.png")
    (root / "2.png").symlink_to("../elsewhere.png")


FEW = 50


@pytest.fixture(autouse=True)
def _few_in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub takes 10,000; to write so many takes seconds."""
    assert limits.IN_FOLDER == 10_000
    monkeypatch.setattr(limits, "IN_FOLDER", FEW)


def crowded(root: Path) -> None:
    """More files in one folder than there may be, most of them left there by another trainer."""
    for number in range(3):
        renamed(f"{number}.png", f"x/{number}.png")(root)
    for number in range(FEW - 1):
        (root / "x" / f"{number}.npz").touch()


def nfd(root: Path) -> None:
    renamed("2.png", unicodedata.normalize("NFD", "é.png"))(root)
    line(3, GOOD_2 | {"file_name": unicodedata.normalize("NFC", "é.png")})(root)


CASES: list[Case] = [
    ("D101", "", line(2, '{"file_name": "1.png", "text": "(tok)",}'), {}),
    ("D101", "", line(2, "{'file_name': '1.png', 'text': '(tok)'}"), {}),
    ("D101", "", line(2, "{“file_name”: “1.png”, “text”: “(tok)”}"), {}),
    ("D101", "", line(2, '{"file_name": "1.png", "text": "(tok) a "red" hat"}'), {}),
    ("D101", "", line(2, '{"file_name": "1.png" "text": "(tok)"}'), {}),
    ("D101", "", line(2, '{"file_name": "1.png", "text": "(tok) a\ttab"}'), {}),
    ("D101", "", line(2, '{"file_name": "1.png", "text": "(tok)"'), {}),
    ("D101", "", line(2, '{"file_name": "1.png", "text": "(tok) \\ud83d"}'), {}),
    ("D101", "", line(2, '// a comment\n{"file_name": "1.png", "text": "(tok)"}'), {}),
    ("D101", "drop-rows", line(2, '{"file_name": 1.png, "text": '), {}),
    ("D102", "", line(2, '{"file_name": "1.png",\n"text": "(tok), 1"}'), {}),
    ("D103", "", put("metadata.jsonl", json.dumps(RECORDS, indent=1)), {}),
    ("D103", "", put("metadata.jsonl", "[\n" + ",\n".join(map(json.dumps, RECORDS)) + "\n]\n"), {}),
    ("D104", "drop-rows", line(2, '"1.png"'), {}),
    ("D105", "", line(2, '{"file_name": "1.png", "text": "(tok)", "text": "(tok)"}'), {}),
    ("D105", "drop-rows", line(2, '{"file_name": "1.png", "text": "a", "text": "(tok), 1"}'), {}),
    (
        "D106",
        "",
        put("metadata.jsonl", '{"file_name": "0.png", "text": "(tok) caf\xe9"}'.encode("latin-1")),
        {},
    ),
    ("D106", "", misnamed("metadata.csv", CSV.encode("utf-16")), {}),
    ("D107", "", put("metadata.jsonl"), {}),
    ("D107", "", both(put("metadata.jsonl"), sidecars()), {}),
    ("D108", "", csv("file_name,text\n0.png,(tok), 0\n1.png,(tok) 1\n2.png,(tok) 2\n"), {}),
    (
        "D108",
        "",
        csv("file_name,text,by\n0.png,(tok), a, b,me\n1.png,(tok) 1,me\n2.png,(tok)\n"),
        {},
    ),
    ("D109", "", csv('file_name,text\n0.png,"(tok) 0\n1.png,(tok) 1\n2.png,(tok) 2\n'), {}),
    ("D110", "", csv("file_name, text\n0.png,(tok) 0\n1.png,(tok) 1\n2.png,(tok) 2\n"), {}),
    ("D111", "", csv("file_name;text\n0.png;(tok) 0\n1.png;(tok), 1\n2.png;(tok) 2\n"), {}),
    ("D111", "", csv("file_name\ttext\n0.png\t(tok) 0\n1.png\t(tok), 1\n2.png\t(tok) 2\n"), {}),
    ("D113", "", misnamed("Metadata.jsonl"), {}),
    ("D113", "", misnamed("metadata.json"), {}),
    ("D106", "guess-encoding", misnamed("metadata.csv", GBK), {}),
    ("D517", "", put("0.txt", "蓝色的门, 红色雨伞".encode("gbk")), {}),
    ("D517", "guess-encoding", put("0.txt", "紅雨傘".encode("big5")), {}),
    ("D113", "", misnamed("metadata.json", json.dumps(RECORDS).encode()), {}),
    ("D113", "", misnamed("metadata.json", json.dumps(KOHYA, indent=2).encode()), {}),
    ("D113", "", misnamed("captions.jsonl"), {}),
    ("D113", "", misnamed("metadata.jsonl.gz", gzip.compress(b'{"file_name": "0.png"}\n')), {}),
    ("D113", "", misnamed("metadata.tsv", CSV.replace(",", "\t").encode()), {}),
    ("D113", "", misnamed("metadata.yaml", b"- file_name: 0.png\n  text: (tok)\n"), {}),
    ("D113", "", put("captions.jsonl", "{}"), {}),
    ("D113", "drop-rows", put("captions.jsonl", '{"file_name": "0.png", "text": "other"}'), {}),
    ("D114", "", put("metadata.csv", "file_name,text\n0.png,(tok)\n"), {}),
    ("D227", "", paired("conditioning_image"), {}),
    ("D115", "", rows(lambda n, row: {"filename": row["file_name"], "text": row["text"]}), {}),
    ("D115", "", rows(lambda n, row: {"image": row["file_name"], "text": row["text"]}), {}),
    ("D116", "", line(2, {"file_name": 1, "text": "(tok)"}), {}),
    ("D116", "drop-rows", line(2, {"file_name": None, "text": "(tok)"}), {}),
    ("D117", "", rows(lambda n, row: row | {"image": "a"}), {}),
    ("D118", "", rows(lambda n, row: row | {"age": [0, 1, "two"][n]}), {}),
    ("D118", "", rows(lambda n, row: row | {"age": [[0], True, "two"][n]}), {}),
    ("D118", "", rows(lambda n, row: row | {"age": [{"a": 1}, None, "two"][n]}), {}),
    ("D119", "", rows(lambda n, row: row | ({} if n else {"age": 1})), {}),
    ("D120", "", both(without_metadata, sidecars()), {}),
    ("D120", "", both(without_metadata, sidecars(".caption", 2)), {}),
    ("D120", "", both(without_metadata, sidecars(".json")), {}),
    ("D120", "", both(without_metadata, sidecars(".png.txt")), {}),
    ("D121", "", rows(lambda n, row: {"mask_file_name": row["file_name"]} | row), {}),
    (
        "D122",
        "",
        csv(",file_name,text,\n0,0.png,(tok) 0,\n1,1.png,(tok) 1,\n2,2.png,(tok) 2,\n"),
        {},
    ),
    (
        "D122",
        "",
        csv("file_name,text,text,by,by\n0.png,(tok) 0,(tok) 0,a,b\n1.png,(tok) 1,(tok) 1,,\n"),
        {},
    ),
    ("D201", "", line(2, {"file_name": "1.PNG", "text": "(tok)"}), {}),
    ("D201", "", line(2, {"file_name": "images/1.png", "text": "(tok)"}), {}),
    ("D201", "", line(2, {"file_name": "1", "text": "(tok)"}), {}),
    ("D201", "", nfd, {}),
    ("D201", "drop-rows", line(2, {"file_name": "7.png", "text": "(tok)"}), {}),
    (
        "D202",
        "",
        both(lambda root: picture(root / "3.png", 3), put("3.txt", "(tok), view 3\n")),
        {},
    ),
    ("D202", "remove-unlisted", lambda root: picture(root / "3.png", 3), {}),
    ("D203", "", both(again, line(1, {"file_name": "0.png", "text": "(tok), again"})), {}),
    ("D203", "drop-rows", again, {}),
    ("D204", "", line(2, {"file_name": "/data/set/1.png", "text": "(tok)"}), {}),
    ("D204", "", line(2, {"file_name": "C:\\set\\1.png", "text": "(tok)"}), {}),
    ("D204", "drop-rows", line(2, {"file_name": "../../7.png", "text": "(tok)"}), {}),
    ("D205", "", unsplit, {}),
    ("D205", "", both(unsplit, lambda root: picture(root / "3.png", 3)), {}),
    ("D206", "", renamed("2.png", "dress-test-2.png"), {}),
    (
        "D206",
        "",
        both(
            renamed("2.png", "my val 2.png"),
            put("README.md", "---\r\nlicense: mit\r\n---\r\nHi\r\n"),
        ),
        {},
    ),
    (
        "D207",
        "",
        both(sidecars(), put("a.txt"), put("b.txt"), lambda r: (r / "a.txt").unlink()),
        {},
    ),
    ("D207", "drop-rows", both(*(put(f"{n}.txt", f"other {n}") for n in range(3))), {}),
    ("D207", "remove-other-files", both(*(put(f"{n}x.json", "{}") for n in range(5))), {}),
    ("D208", "", lambda root: picture(root / "3.png", 3).rename(root / "3"), {}),
    ("D208", "convert", avif, {}),
    ("D209", "unhide", lambda root: picture(root / ".hidden.png", 9), {}),
    ("D209", "copy-links", linked, {}),
    (
        "D210",
        "",
        both(
            two_levels,
            put("sub/metadata.jsonl", '{"file_name": "2.png", "text": "(tok), view 2"}\n'),
        ),
        {},
    ),
    ("D210", "drop-rows", two_levels, {}),
    ("D211", "", lambda root: picture(root / "3.PnG", 3), {}),
    (
        "D214",
        "rewrite-configs",
        put("README.md", "---\nconfigs:\n- config_name: a\n  data_files: x/*.pn\n---\n"),
        {},
    ),
    (
        "D220",
        "rewrite-configs",
        put("README.md", "---\nconfigs:\n- config_name: a\n  data_files: '*.png'\n---\n"),
        {},
    ),
    (
        "D217",
        "",
        both(
            renamed("0.png", "train/training/0.png"),
            renamed("1.png", "train/1.png"),
            renamed("2.png", "train/2.png"),
            without_metadata,
        ),
        {},
    ),
    (
        "D218",
        "",
        rows(lambda n, row: {"file_name": row["file_name"], "id": f"i{n}"} | row),
        {},
    ),
    ("D221", "", renamed("2.png", "aux.png"), {}),
    ("D221", "", renamed("2.png", "sub /a|b.png"), {}),
    ("D221", "", both(put("x/a.log", "1"), put("x/A.log", "2")), {}),
    ("D222", "copy-links", linked, {}),
    (
        "D301",
        "remove-damaged",
        lambda root: put("2.png", (root / "2.png").read_bytes()[:120])(root),
        {},
    ),
    ("D302", "remove-damaged", put("2.png", "<!DOCTYPE html><html>no such file</html>"), {}),
    ("D303", "", image(lambda opened: opened, format="JPEG"), {}),
    ("D303", "convert", image(lambda opened: opened, format="AVIF"), {}),
    ("D304", "remove-small", lambda root: picture(root / "2.png", 2, (63, 64)), {}),
    ("D305", "flatten-alpha", image(lambda opened: opened.convert("RGBA").rotate(30)), {}),
    (
        "D307",
        "to-rgb",
        both(
            lambda root: picture(root / "2.jpg", 5, mode="CMYK"),
            lambda root: (root / "2.png").unlink(),
            line(3, GOOD_2 | {"file_name": "2.jpg"}),
        ),
        {},
    ),
    ("D308", "scale-16-bit", image(lambda opened: opened.convert("I;16")), {}),
    ("D309", "", exif, {}),
    ("D309", "rotate", jpeg(exif=turned()), {}),
    (
        "D310",
        "first-frame",
        image(lambda opened: opened, save_all=True, append_images=[Image.new("RGB", (64, 64))]),
        {},
    ),
    (
        "D401",
        "delete-duplicates",
        lambda root: put("2.png", (root / "1.png").read_bytes())(root),
        {},
    ),
    ("D316", "to-rgb", image(lambda opened: opened, icc_profile=profile(P3_RED)), {}),
    ("D402", "delete-duplicates", copied(lambda original: original, compress_level=1), {}),
    ("D403", "delete-near-duplicates", copied(lambda original: original.resize((128, 96))), {}),
    ("D706", "", serial, {}),
    ("D711", "", trailed, {}),
    ("D712", "", named, {}),
    ("D713", "", put(TAKEOUT_NAME, TAKEOUT), {}),
    ("D501", "rename-column", lambda root: None, {"caption_column": "prompt"}),
    ("D502", "", both(line(3, GOOD_2 | {"text": "  "}), put("2.txt", "(tok), view 2")), {}),
    ("D504", "add-trigger", line(3, GOOD_2 | {"text": "a hat"}), {}),
    (
        "D505",
        "add-trigger",
        rows(lambda n, row: row | {"text": f"sks{'dog' * (n == 2)} {n}"}),
        {"trigger": "sks"},
    ),
    ("D507", "", line(3, GOOD_2 | {"text": "(tok)\x07 cafÃ© â€œredâ€\x9d"}), {}),
    ("D507", "strip-html", line(3, GOOD_2 | {"text": "(tok) <b>hat</b>"}), {}),
    ("D508", "", line(3, GOOD_2 | {"text": ["(tok)", "hat"]}), {}),
    ("D508", "", line(3, GOOD_2 | {"text": 5}), {}),
    (
        "D606",
        "",
        put(
            "README.md",
            "---\nlicense: cc0-1.0\ndataset_info:\n- splits:\n  - name: train\n"
            "    num_examples: 9\npretty_name: A\n---\n# A\n",
        ),
        {},
    ),
    ("D701", "", lambda root: exif(root, gps=True), {}),
    ("D702", "spread-folders", crowded, {}),
    ("D704", "", both(put(".DS_Store", "x"), put("__MACOSX/._0.png", "x")), {}),
]


@pytest.mark.parametrize(
    ("rule", "name", "spoil", "changes"), CASES, ids=[f"{c[0]}-{c[1] or 'safe'}" for c in CASES]
)
def test_a_remedy_cures_its_rule_and_can_be_undone(
    good: Path,
    settings: DatasetSettings,
    rule: str,
    name: str,
    spoil: Spoil,
    changes: dict[str, Any],
) -> None:
    spoil(good)
    settings = settings.model_copy(update=changes)
    before = snapshot(good)
    sick = {finding.rule for finding in found(good, settings)}
    assert rule in sick
    unsafe = (name,) if name else ()
    if name:  # nothing unsafe happens unasked
        safe = plan_fix(good, settings, resolution=64)
        assert rule in {finding.rule for finding in safe.remaining}
    planned = plan_fix(good, settings, unsafe=unsafe, resolution=64)
    assert snapshot(good) == before
    done = fix(good, settings, unsafe=unsafe, resolution=64)
    assert [op.line for op in done.plan.operations] == [op.line for op in planned.operations]
    after = found(good, settings)
    assert rule not in {finding.rule for finding in after}
    # what the plan foretold is what validate says
    assert promises(after) == promises(planned.remaining)
    second = plan_fix(good, settings, unsafe=unsafe, resolution=64)
    assert [op.line for op in second.operations] == []
    assert done.journal is not None
    undo_fix(good)
    assert snapshot(good) == before


SHARDS = ("D228", "D805", "D806", "D807", "D809")  # tried in test_fix_shards.py


def test_every_remedy_is_tried() -> None:
    tried = {(rule, name) for rule, name, *_ in CASES}
    tried |= {(rule, "") for rule in SHARDS}
    promised = {(rule, "") for rule, remedy in REMEDIES.items() if remedy.safe}
    promised |= {(rule, name) for rule, remedy in REMEDIES.items() for name in remedy.unsafe}
    assert promised <= tried
    assert {name for _, remedy in REMEDIES.items() for name in remedy.unsafe} == set(UNSAFE)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (line(2, '{"file_name": "1.png", "text": "(tok) a "red" hat",}'), '(tok) a "red" hat'),
        (line(2, "{“file_name”: “1.png”, “text”: “(tok) it’s”,}"), "(tok) it’s"),
        (csv('file_name,text\n0.png,"a"\n1.png,(tok), b, c\n2.png,d\n'), "(tok), b, c"),
        (csv('file_name;text\n0.png;"a"\n1.png;"(tok); b"\n2.png;d\n'), "(tok); b"),
        (csv('file_name,text\n0.png,"a\n1.png,(tok) b\n2.png,d\n'), "(tok) b"),
        (misnamed("metadata.json", json.dumps(KOHYA).encode()), None),
        (both(without_metadata, sidecars()), "(tok), view 1"),
        (
            both(without_metadata, put("1.txt", "(tok) caf\xe9\n x ".encode("cp1252"))),
            "(tok) café x",
        ),
        (line(2, {"file_name": "1.png", "text": "(tok) cafÃ©"}), "(tok) café"),
    ],
)
def test_captions_come_out_right(
    good: Path, settings: DatasetSettings, spoil: Spoil, expected: str | None
) -> None:
    spoil(good)
    fix(good, settings, resolution=64)
    column = "caption" if expected is None else "text"
    captions = {e.file_name: e.caption for e in read_examples(good, column)}
    assert captions["1.png"] == (expected or "(tok), view 1")


def test_select_and_ignore(good: Path, settings: DatasetSettings) -> None:
    put(".DS_Store", "x")(good)
    line(2, '{"file_name": "1.png", "text": "(tok)",}')(good)
    assert plan_fix(good, settings, select=("D7",), resolution=64).rules == ("D704",)
    assert plan_fix(good, settings, ignore=("D7",), resolution=64).rules == ("D101",)
    # to write the file would be to repair it, which was not asked for
    picture(good / "3.png", 3)
    put("3.txt", "(tok) 3")(good)
    assert plan_fix(good, settings, ignore=("D101", "D7"), resolution=64).operations == ()


def test_what_cannot_be_repaired_stays_line_for_line(good: Path, settings: DatasetSettings) -> None:
    hopeless = '{"file_name": 1.png, "text": '
    line(2, hopeless)(good)
    renamed("2.png", "2.PNG")(good)
    line(3, {"file_name": "2.pNg", "text": "(tok), view 2"})(good)
    fix(good, settings, resolution=64)
    lines = (good / "metadata.jsonl").read_text().splitlines()
    assert lines[1] == hopeless
    assert json.loads(lines[2])["file_name"] == "2.PNG"


def test_the_card_keeps_every_other_byte(good: Path, settings: DatasetSettings) -> None:
    renamed("2.png", "dress-test-2.png")(good)
    head, body = b"---\r\nlicense: cc0-1.0 # mine\r\n", "---\r\n# Café\r\n\r\n---\r\n".encode()
    put("README.md", head + body)(good)
    fix(good, settings, resolution=64)
    card = (good / "README.md").read_bytes()
    assert card.startswith(head + b"configs:\r\n")
    assert card.endswith(body)
    assert card.count(b"configs:") == 1


def test_pixels_of_a_turned_png_are_the_same(good: Path, settings: DatasetSettings) -> None:
    from PIL import ImageOps

    exif(good)
    with Image.open(good / "2.png") as opened:
        shown = ImageOps.exif_transpose(opened).tobytes()
    done = fix(good, settings, resolution=64)
    with Image.open(good / "2.png") as opened:
        assert opened.tobytes() == shown
        assert opened.getexif().get(0x0112, 1) == 1
    assert done.journal is not None
    assert [step.pixels is not None for step in done.journal.steps] == [True]


def test_a_damaged_picture_with_a_position_is_left(good: Path, settings: DatasetSettings) -> None:
    exif(good, gps=True)
    data = (good / "2.png").read_bytes()
    place = data.index(b"IDAT") + 8
    broken = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
    (good / "2.png").write_bytes(broken)
    done = fix(good, settings, resolution=64)
    assert (good / "2.png").read_bytes() == broken
    assert done.journal is None
    assert "2.png" in done.plan.left


def test_transparency_is_laid_over_the_colour_asked_for(
    good: Path, settings: DatasetSettings
) -> None:
    Image.new("RGBA", (64, 64), (10, 20, 30, 0)).save(good / "2.png")
    fix(good, settings, unsafe=("flatten-alpha=#0000ff",), resolution=64)
    with Image.open(good / "2.png") as opened:
        assert (opened.mode, opened.getpixel((5, 5))) == ("RGB", (0, 0, 255))


def test_a_webp_becomes_a_jpeg_when_asked(good: Path, settings: DatasetSettings) -> None:
    with Image.open(good / "2.png") as opened:
        data = io.BytesIO()
        opened.save(data, "WEBP", lossless=True)
    put("2.webp", data.getvalue())(good)
    (good / "2.png").unlink()
    line(3, GOOD_2 | {"file_name": "2.webp"})(good)
    assert plan_fix(good, settings, resolution=64).operations == ()
    fix(good, settings, unsafe=("convert=jpeg",), resolution=64)
    assert found(good, settings) == []
    with Image.open(good / "2.jpg") as opened:
        assert opened.format == "JPEG"


def test_what_a_step_says_it_fixes_is_a_rule_and_every_step_says_something() -> None:
    assert REMEDIES.keys() <= {rule.id for rule in DATASET_RULES}
    told = {name for remedy in REMEDIES.values() for name in remedy.steps}
    read = "hubtools.dataset.fix.reading.read_table"  # files are read before any step
    assert told == {f"{step.__module__}.{step.__qualname__}" for step in STEPS} | {read}
