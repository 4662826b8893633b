"""Small files that announce gigabytes: neither validate nor fix takes them, and both end soon."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import pytest

from hubtools.cli.main import run
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.loaders.source import TROUBLE
from hubtools.dataset.packing.unpack import unshard
from hubtools.dataset.packing.write import shard
from hubtools.dataset.pictures.header import trusted_format, webp_canvas
from hubtools.dataset.pictures.probe import MAX_PIXELS
from hubtools.dataset.pictures.tasks import PROBE
from hubtools.dataset.validate import validate
from hubtools.dataset.workers.guarded import run_guarded, scan_one
from hubtools.dataset.workers.pool import WorkerPool

sys.path.insert(0, str(Path(__file__).parents[3] / "tools"))

from fuzz import OWN, WORKER
from hostile import heavy, memory, pictures

pytestmark = [
    pytest.mark.skipif(not memory.KNOWN, reason="needs /proc"),
    pytest.mark.usefixtures("own_workers"),
]

BOMBS: dict[str, Callable[[], bytes]] = {
    "beyond.webp": partial(heavy.webp_still, 16_383, 16_383),
    "canvas.webp": partial(heavy.webp_animation, 40, 4_194_336),
    "screens.webp": partial(heavy.webp_animation, 5_000, 4_000),
    "beyond.png": partial(heavy.png, 20_000, 9_000, 1, 0),
    "alpha.png": partial(heavy.png, 4_500, 3_600, 8, 6),
    "deep.png": partial(heavy.png, 4_500, 3_600, 16, 0),
    "thread.png": partial(heavy.png, 1, 3_000_000),
    "beyond.tif": partial(heavy.tiff, 2**31 - 1, 2**31 - 1),
    "beyond-too.tif": partial(heavy.tiff, 2**31 - 1, 1),
    "strip.tif": partial(heavy.tiff, 7_000, 7_000, bits=32),
    "screen.gif": partial(heavy.gif, 8_000, 8_000),
    "head.jpg": partial(heavy.jpeg, 6_000, 6_000, progressive=True),
    "icon.ico": partial(heavy.icon, 5_000, 4_000),
    "text.png": partial(heavy.texts, 7_000, 7_000),
}


@cache  # made by whoever wants it, not by whoever collects the tests
def bomb(name: str) -> bytes:
    return BOMBS[name]()


@contextmanager
def bounded() -> Iterator[None]:
    with memory.Watch() as watch:
        yield
    assert watch.own <= OWN
    assert watch.worker <= WORKER


@pytest.mark.parametrize("name", BOMBS)
def test_validate_and_fix_take_little(tmp_path: Path, name: str) -> None:
    data = bomb(name)
    assert len(data) < 700_000
    (tmp_path / name).write_bytes(data)
    record = {"file_name": name, "text": "a photo of a large wall"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(record) + "\n")
    with bounded():
        report = validate(tmp_path, resolution=64, exhibits=True)
        assert report.findings
        assert ("D311" in {f.rule for f in report.findings}) == ("beyond" in name)
        done = fix(tmp_path, resolution=64, unsafe=["convert=png", "flatten-alpha", "scale-16-bit"])
        if done.journal is not None:
            undo_fix(tmp_path)
    assert (tmp_path / name).read_bytes() == data


@pytest.mark.parametrize("name", BOMBS)
def test_the_head_tells_what_is_not_plain(name: str) -> None:
    data = bomb(name)
    with memory.Watch() as watch:
        assert trusted_format(data) == (name in ("head.jpg", "text.png", "thread.png"))
    assert watch.own < 30


def test_usual_pictures_are_plain() -> None:
    for format in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "MPO"):
        assert trusted_format(pictures.plain(format)), format
    assert trusted_format(b"<html>")
    assert not trusted_format(pictures.plain("TIFF"))
    assert not trusted_format(pictures.plain("AVIF"))


@pytest.mark.parametrize("more", [{"lossless": True}, {"quality": 50}, {"exif": b"Exif\0\0MM"}])
def test_the_canvas_of_a_webp(more: dict[str, object]) -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (300, 17), "red").save(out, "WEBP", **more)
    assert webp_canvas(out.getvalue()) == (300, 17)
    assert webp_canvas(out.getvalue()[:29]) is None
    assert webp_canvas(heavy.webp_animation(40, 4_194_336)) == (40, 4_194_336)


def test_a_webp_beyond_all_is_not_even_opened() -> None:
    facts = scan_one(bomb("beyond.webp"), "a.webp")
    assert facts.too_large
    assert (facts.format, facts.width, facts.height) == ("WEBP", 16_383, 16_383)
    assert facts.width * facts.height > MAX_PIXELS


def test_the_helper_is_asked_again_after_a_picture_it_did_not_take() -> None:
    from hubtools.dataset.workers.guarded import shared_guard

    with shared_guard():
        first = run_guarded(TROUBLE, bomb("beyond.webp"))
        assert isinstance(first, str)
        assert run_guarded(TROUBLE, pictures.plain("TIFF")) is None
    assert run_guarded(TROUBLE, pictures.plain("TIFF")) is None


def test_workers_take_turns(tmp_path: Path) -> None:
    """Of several at once each would take its share; one after the other they do not."""
    data = heavy.png(5_000, 4_000)
    with memory.Watch() as alone, WorkerPool(1) as crew:
        ((_, one),) = crew.run(PROBE, [(data, None)])
    with memory.Watch() as together, WorkerPool(3) as crew:
        # lists of one job each, so that every worker gets one
        found = dict(crew.run(PROBE, [(data, None)] * 6, [5_000_000] * 6))
    assert list(found.values()) == [one] * 6
    assert together.workers < alone.workers + 2 * 120


@pytest.mark.parametrize("command", [["validate"], ["fix", "--yes"], ["fix", "--dry-run"]])
def test_neither_libtiff_nor_pillow_says_anything(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """What they write to stderr by themselves names no file and no way out."""
    (tmp_path / "a.tif").write_bytes(heavy.tiff(64, 64))
    (tmp_path / "b.tif").write_bytes(pictures.plain("TIFF")[:-700])
    samples = heavy.tiff(64, 64).replace(
        bytes([21, 1, 4, 0, 1, 0, 0, 0, 1]), bytes([21, 1, 4, 0, 1, 0, 0, 0, 8])
    )
    (tmp_path / "c.tif").write_bytes(samples)
    run([*command, str(tmp_path), "--format", "quiet"])
    said = capfd.readouterr().err
    assert "TIFF" not in said
    assert "samples" not in said


def test_shards_of_what_is_large(tmp_path: Path) -> None:
    png = heavy.png(6_000, 5_000)
    end = png.rindex(b"IEND") - 4
    exif = pictures.plain("PNG")
    start = exif.index(b"eXIf") - 4
    exif = exif[start : start + 12 + int.from_bytes(exif[start : start + 4], "big")]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes(png[:end] + exif + png[end:])
    (tmp_path / "set" / "b.png").write_bytes(heavy.icon(6_000, 5_000))
    with bounded():
        done = shard(tmp_path / "set", tmp_path / "packed", format="webdataset")
        unshard(tmp_path / "packed", tmp_path / "back")
    assert done.located == 1
