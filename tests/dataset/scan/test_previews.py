"""Small copies in colour, handed on by the scan that decodes the pictures anyway."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photos import photo, put_photo
from PIL import Image

from hubtools.dataset.folder.listing import walk
from hubtools.dataset.pictures.decode import PREVIEW, preview
from hubtools.dataset.pictures.probe import probe_bytes
from hubtools.dataset.pictures.scan_cache import place_of
from hubtools.dataset.pictures.tasks import look_again
from hubtools.dataset.scan import scanning
from hubtools.dataset.scan.scanning import scan


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def seen(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "JPEG"
    return picture.convert("RGB")


def far(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures in grey levels, at 16x16."""
    a, b = (np.asarray(p.convert("RGB").resize((16, 16)), dtype=float) for p in (one, other))
    return float(np.abs(a - b).mean())


def made(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    facts = probe_bytes(data, "x", on_preview=found.append)
    assert facts == probe_bytes(data, "x"), "a preview must not change what is known"
    return found


KINDS = {
    "JPEG": {}, "JPEG grey": {}, "JPEG CMYK": {}, "PNG": {}, "PNG palette": {}, "PNG 16 bit": {},
    "GIF": {}, "WEBP": {"lossless": True}, "BMP": {}, "TIFF": {},
}  # fmt: skip
MODES = {"grey": "L", "CMYK": "CMYK", "palette": "P", "bit": "I;16"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_one_from_the_scan_and_from_a_second_look(kind: str, tmp_path: Path) -> None:
    drawn = photo(1, (640, 400))
    stored = drawn
    mode = MODES.get(kind.rpartition(" ")[2])
    if mode == "I;16":
        stored = Image.fromarray(np.asarray(drawn.convert("L")).astype(np.uint16) * 257)
    elif mode:
        stored = drawn.convert(mode)
    data = saved(stored, kind.split()[0], **KINDS[kind])
    (tmp_path / "x").write_bytes(data)
    (first,) = made(data)
    again = look_again(str(tmp_path / "x"), None)
    assert again is not None
    wanted = drawn.convert("L") if mode in ("L", "I;16") else drawn
    for small in (first, again):
        assert max(seen(small).size) == PREVIEW
        assert far(seen(small), wanted) < 12
        assert len(small) < 12_000


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_they_are_upright(orientation: int, format: str, tmp_path: Path) -> None:
    drawn = photo(2, (320, 200))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(drawn, format, exif=exif.tobytes())
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    (small,) = made(data)
    assert far(seen(small), upright) < 12
    assert far(seen(preview(data)), upright) < 12


def test_transparency_is_white_and_small_pictures_stay_small() -> None:
    glass = Image.new("RGBA", (20, 10), (255, 0, 0, 0))
    (small,) = made(saved(glass, "PNG"))
    assert seen(small).size == (20, 10)
    assert np.asarray(seen(small)).min() > 250
    (thin,) = made(saved(Image.new("RGB", (3000, 2), "blue"), "PNG"))
    assert seen(thin).size == (PREVIEW, 1)


def test_what_is_damaged_has_none() -> None:
    assert made(saved(photo(3), "PNG")[:-40]) == []
    assert made(b"<html>") == []


def look(root: Path, **options: Any) -> tuple[Any, dict[str, bytes]]:
    previews: dict[str, bytes] = {}
    later = time.time_ns() + 10**11
    table = scan(root, walk(root).pictures, begun_ns=later, previews=previews, **options)
    return table, previews


@pytest.mark.parametrize("workers", [0, 1])
def test_the_scan_hands_on_what_it_reads(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "WORTH_KEEPING", 1)
    for number in range(5):
        put_photo(tmp_path, f"{number}.jpg", number)
    (tmp_path / "5.jpg").write_bytes(b"no picture")
    table, previews = look(tmp_path, workers=workers)
    assert sorted(previews) == [f"{number}.jpg" for number in range(5)]
    kept = place_of(tmp_path).read_bytes()
    again, none = look(tmp_path, workers=workers)
    assert none == {}, "what is remembered is not read again"
    assert list(again.values()) == list(table.values())
    put_photo(tmp_path, "2.jpg", 22)
    _, changed = look(tmp_path, workers=workers)
    assert list(changed) == ["2.jpg"]
    put_photo(tmp_path, "2.jpg", 2)
    # what is kept does not depend on whether previews were asked for
    place_of(tmp_path).unlink()
    scan(tmp_path, walk(tmp_path).pictures, begun_ns=time.time_ns() + 10**11, workers=workers)
    plain = place_of(tmp_path).read_bytes()
    place_of(tmp_path).unlink()
    look(tmp_path, workers=workers)
    assert place_of(tmp_path).read_bytes() == plain
    assert len(kept) == len(plain)


def test_of_very_many_none_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "MOST_PREVIEWS", 2)
    for number in range(3):
        put_photo(tmp_path, f"{number}.png", number, (40, 30))
    assert look(tmp_path, remember=False)[1] == {}
