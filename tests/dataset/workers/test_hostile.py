"""What the fuzzer has found, each as small as it can be; and a short run of the fuzzer itself."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import struct
import sys
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image
from simple import picture
from test_rules import line

from hubtools.cli.main import run
from hubtools.dataset.edits.load_tables import load_table
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.folder.listing import walk
from hubtools.dataset.packing.write import shard
from hubtools.dataset.pictures.probe import probe_bytes
from hubtools.dataset.validate import validate
from hubtools.errors import HubtoolsError
from hubtools.findings import to_json, to_text
from hubtools.printable import visible
from hubtools.reporting.github import to_github
from hubtools.settings import DatasetSettings

sys.path.insert(0, str(Path(__file__).parents[3] / "tools"))

import fuzz
from hostile import pictures
from hostile.folders import snapshot

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")


def test_a_short_run() -> None:
    done = fuzz.fuzz(53, cases=50)
    assert not done.broken, "\n".join(f"{case}\n{trace}" for case, trace in done.broken)
    assert set(done.cases) == set(fuzz.KINDS)


def test_a_broken_promise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(random: object, place: Path) -> None:
        (place / "evidence").write_text("x")
        fuzz.promise(False, "so it is")

    monkeypatch.setitem(fuzz.KINDS, "picture", (broken, 1))
    done = fuzz.fuzz(0, cases=1, only="picture", keep=tmp_path)
    ((case, trace),) = done.broken
    assert case == "0:0 picture"
    assert "so it is" in trace
    assert (tmp_path / "0-0-picture" / "evidence").is_file()


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarms")
@pytest.mark.parametrize(("crowd", "late"), [(1.0, True), (50.0, False)])
def test_acrowded_machine_is_given_more_time(
    crowd: float, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "crowd", lambda: crowd)
    with pytest.raises(fuzz.Broken) if late else contextlib.nullcontext(), fuzz.patience(1):
        time.sleep(1.2)


def test_no_machine_is_given_time_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1e9, 0.0, 0.0), raising=False)
    assert fuzz.crowd() == 10


# --- chunks behind the pixels --------------------------------------------------------------------


def _with_chunks(mode: str, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with further chunks before its end."""
    file = io.BytesIO()
    Image.effect_noise((40, 32), 60).convert(mode).save(file, "PNG")
    data = file.getvalue()
    more = b"".join(
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )  # fmt: skip
    return data[:-12] + more + data[-12:]


FRAMES = (b"acTL", struct.pack(">II", 2, 0))
OUT_OF_ORDER = (b"fcTL", struct.pack(">IIIIIHHBB", 5, 40, 32, 0, 0, 1, 1, 0, 0))
EXIF = (b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize(
    "chunks", [(FRAMES, OUT_OF_ORDER), (EXIF, FRAMES, OUT_OF_ORDER), ((b"pHYs", b"x"),)]
)
def test_what_pillow_refuses_behind_the_pixels_is_damage(
    mode: str, chunks: tuple[tuple[bytes, bytes], ...]
) -> None:
    """Pillow raises for it once: a second attempt answers the pixels."""
    data = _with_chunks(mode, *chunks)
    with Image.open(io.BytesIO(data)) as picture, pytest.raises((SyntaxError, ValueError)):
        picture.load()
    assert probe_bytes(data, "x.png").problem is not None


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_tags_behind_the_pixels_are_no_damage(mode: str) -> None:
    assert probe_bytes(_with_chunks(mode, EXIF, (b"tEXt", b"a\0b")), "x.png").problem is None


# --- names ---------------------------------------------------------------------------------------


def test_names_do_nothing_to_a_terminal(good: Path, capfd: pytest.CaptureFixture[str]) -> None:
    picture(good / "\x1b[31mred\n.png", 7)
    picture(good / "\u202egnp.png", 8)
    for way in ("human", "quiet", "agent", "github"):
        run(["validate", str(good), "--format", way, "--resolution", "64"])
        run(["fix", str(good), "--format", "quiet" if way == "github" else way, "--dry-run"])
    run(["inspect", str(good)])
    said = "".join(capfd.readouterr())
    assert not {"\x1b", "\u202e"} & set(said)
    assert r"\x1b[31mred\n.png" in said
    assert visible("a\tb\x85\u2028é😀") == r"a\tb\x85\u2028é😀"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have UTF-8 names only")
def test_a_name_that_is_not_utf8(
    good: Path, settings: DatasetSettings, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    odd = "\udcff\udcfe.png"
    picture(good / odd, 7)
    before = snapshot(good)
    report = validate(good, settings, resolution=64)
    assert {"D202", "D221"} == {finding.rule for finding in report.findings}
    for text in (to_text(report), to_github(report), to_json(report)):
        assert r"\udcff\udcfe.png" in text
        text.encode()
    found = json.loads(to_json(report))["findings"]
    assert odd in {finding["path"] for finding in found}
    assert run(["validate", str(good)]) == 3
    (good / "metadata.jsonl").unlink()
    with pytest.raises(HubtoolsError, match="not UTF-8"):
        shard(good, tmp_path / "shards")
    (good / "metadata.jsonl").write_bytes(before["metadata.jsonl"])  # type: ignore[arg-type]
    fix(good, settings, resolution=64)
    assert (good / "__.png").is_file()
    undo_fix(good)
    assert snapshot(good) == before


def test_a_link_to_itself_hides_no_other_file(good: Path, settings: DatasetSettings) -> None:
    (good / "loop").symlink_to("loop")
    (good / "README.md").symlink_to("README.md")
    listing = walk(good)
    assert {"0.png", "1.png", "2.png", "loop"} <= listing.names
    assert not listing.unreadable
    assert not plan_fix(good, settings, resolution=64).operations


@needs_pipes
@pytest.mark.parametrize("name", ["3.png", "sub/metadata.jsonl", "README.md", "0.txt", "0", "._x"])
def test_nobody_waits_for_a_pipe(
    good: Path, settings: DatasetSettings, tmp_path: Path, name: str
) -> None:
    (good / "sub").mkdir()
    os.mkfifo(good / name)
    before = snapshot(good)
    validate(good, settings, resolution=64)
    plan = plan_fix(good, settings, unsafe=("remove-damaged", "remove-unlisted"), resolution=64)
    assert not plan.operations
    assert name in plan.left
    if name.endswith("jsonl"):
        with pytest.raises(HubtoolsError, match="no regular file"):
            shard(good, tmp_path / "shards")
    assert snapshot(good) == before


# --- metadata ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b'file_name,text\n0.png,"tok, 0.png\ng,"tok, 1.png"\n,,\n,"tok, 2.png", ,\n3.png,x\n',
        b'\xff\xfe"\0f\0i\0l\0e\0_\0n\0a\0m\0e\0"\0' + b'"' * 63 + b"\n\0" * 40,
        "\ufeff\ufefffile_name,text\n0.png,a\n".encode(),
        b'file_name,,text,text\n0.png,"a",b\n"1.png"",c",d,e,f,g\n',
        b'{"file_name": "1.png", "text": \n"tok, 1:.pn\r, 1.png"}\r\n',
        b"file_name,text\n" + b"x," * 100 + b"\n0.png," + bytes(30) + b"\n",  # nearly UTF-16
    ],
)
def test_csv_is_repaired_once_or_left(data: bytes) -> None:
    for doubt in (False, True):
        table = load_table("metadata.csv", data, caption="text", resolve_doubt=doubt)
        if table.locked is None:
            text = table.render()
            again = load_table("metadata.csv", text, caption="text", resolve_doubt=doubt)
            assert again.render() == text


def test_json_is_repaired_once() -> None:
    table = load_table("metadata.jsonl", b"[]\n,", caption="text", resolve_doubt=False)
    text = table.render()
    again = load_table("metadata.jsonl", text, caption="text", resolve_doubt=False)
    assert again.render() == text


def test_damaged_pages_of_a_parquet_file_are_told(good: Path, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    rows = arrow.table({"file_name": ["0.png"], "text": ["x" * 400]})
    parquet.write_table(rows, good / "metadata.parquet")
    data = bytearray((good / "metadata.parquet").read_bytes())
    data[4:60] = bytes(56)
    (good / "metadata.jsonl").unlink()
    (good / "metadata.parquet").write_bytes(data)
    with pytest.raises(HubtoolsError, match="no parquet file that can be read"):
        shard(good, tmp_path / "shards")


# --- pictures ------------------------------------------------------------------------------------


def test_what_cannot_be_proven_is_not_planned(good: Path, settings: DatasetSettings) -> None:
    """The second picture of an MPO is cut off: the first is well, but nobody can show both."""
    (good / "2.jpg").write_bytes(pictures.plain("MPO")[:-100])
    (good / "2.png").unlink()
    line(3, {"file_name": "2.jpg", "text": "(tok), view 2"})(good)
    assert fix(good, settings, resolution=16).journal is None
    assert "decoded" in plan_fix(good, settings, resolution=16).left["2.jpg"]


def test_a_chunk_of_an_odd_name_is_told_in_letters() -> None:
    png = pictures.plain("PNG").replace(b"IEND", b"IEN\0")
    facts = probe_bytes(png, "x.png")
    assert facts.problem is not None
    assert facts.problem.isprintable()
