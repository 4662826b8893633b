"""A picture file is judged by its bytes, whatever they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photos import photo
from PIL import Image

from hubtools.dataset.pictures.probe import NeedsIsolation, probe_bytes
from hubtools.dataset.pictures.rgb import open_image
from hubtools.errors import HubtoolsError


def noise(mode: str = "RGB", size: tuple[int, int] = (48, 40)) -> Image.Image:
    values = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def encoded(format: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    noise(mode).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_whole_pictures_pass(format: str) -> None:
    facts = probe_bytes(encoded(format), "x")
    assert (facts.problem, facts.width, facts.height, facts.format) == (None, 48, 40, format)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_cut_pictures_do_not(format: str, share: float) -> None:
    data = encoded(format)
    facts = probe_bytes(data[: int(len(data) * share)], "x")
    assert facts.problem


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_flipped_bits_are_seen(format: str) -> None:
    data = bytearray(encoded(format))
    for place in range(len(data) // 2, len(data) // 2 + 40):
        data[place] ^= 0xA5
    assert probe_bytes(bytes(data), "x").problem


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"<svg xmlns=''/>", "an SVG drawing"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04", "a zip archive"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, kind: str) -> None:
    facts = probe_bytes(data, "x.png")
    assert facts.kind == kind
    assert facts.problem


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a"]),
)
def test_any_bytes_get_an_answer(data: bytes, head: bytes) -> None:
    assert probe_bytes(head + data, "x").bytes == len(head + data)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF"]))
def test_any_damage_gets_an_answer(data: st.DataObject, format: str) -> None:
    whole = bytearray(encoded(format))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    probe_bytes(bytes(whole), "x")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data(), st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_what_passes_can_be_opened_by_the_trainer(
    tmp_path: Path, data: st.DataObject, format: str
) -> None:
    whole = bytearray(encoded(format))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    if probe_bytes(bytes(whole), "x").problem is None:
        (tmp_path / "x").write_bytes(whole)
        assert open_image(tmp_path / "x").mode == "RGB"


def test_what_is_hostile_is_left_to_another_process() -> None:
    progressive = encoded("JPEG", progressive=True)
    scan = progressive.rindex(b"\xff\xda")
    many = progressive[:-2] + progressive[scan:-2] * 100 + b"\xff\xd9"
    parted = bytearray(encoded("JPEG"))  # a scan a channel
    parted[parted.index(b"\xff\xda") + 4] = 1
    for data in (encoded("TIFF"), many, bytes(parted) + b"\xff\xda" * 100):
        with pytest.raises(NeedsIsolation):
            probe_bytes(data, "x", plain_only=True)
    assert probe_bytes(progressive, "x", plain_only=True).seen
    for format in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        assert probe_bytes(encoded(format), "x", plain_only=True).seen


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "YCbCr"])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_every_kind_has_a_look(mode: str, format: str) -> None:
    try:
        buffer = io.BytesIO()
        photo(1, (300, 280)).convert("L" if mode == "I;16" else "RGB").convert(mode).save(
            buffer, format
        )
    except (OSError, ValueError):
        pytest.skip(f"Pillow writes no {mode} {format}")
    facts = probe_bytes(buffer.getvalue(), "x")
    assert facts.problem is None
    assert facts.seen
    if mode not in ("I;16", "F"):  # values of 8 bits are next to nothing there
        ours = probe_bytes(as_png(photo(1, (300, 280))), "x")
        assert (facts.hash ^ ours.hash).bit_count() <= 6
        assert facts.brightness == pytest.approx(ours.brightness, abs=12)


def test_transparency_is_laid_over_white() -> None:
    hidden = photo(1, (300, 280))
    hidden.putalpha(0)
    facts = probe_bytes(as_png(hidden), "x")
    assert (facts.brightness, facts.contrast) == (255, 0)


def test_colours_of_one_brightness_are_not_one_colour() -> None:
    picture = Image.new("RGB", (64, 64), (255, 88, 0))
    picture.paste((0, 190, 145), (0, 0, 32, 64))
    assert probe_bytes(as_png(picture), "x").contrast > 50
    assert probe_bytes(as_png(Image.new("RGB", (64, 64), "teal")), "x").contrast == 0


def as_png(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(64, 48), (300, 280), (1024, 256), (7, 900)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_fast_decoder_of_png_sees_what_pillow_sees(mode: str, size: tuple[int, int]) -> None:
    pytest.importorskip("kornia_rs")
    from hubtools.dataset.pictures.decode import _fast_png

    drawn = photo(2, size).convert(mode)
    if mode == "RGBA":
        drawn.putalpha(photo(3, size).convert("L"))
    data = as_png(drawn)
    with Image.open(io.BytesIO(data)) as picture:
        fast = _fast_png(data, picture)
        assert fast is not None
        assert fast.tobytes() == picture.tobytes()
        assert fast.mode == picture.mode


def test_the_fast_decoder_leaves_the_rest_to_pillow() -> None:
    pytest.importorskip("kornia_rs")
    from hubtools.dataset.pictures.decode import _fast_png

    deep = as_png(noise("L").convert("I;16"))
    for data in (
        deep,
        encoded("PNG", "P"),
        encoded("PNG", "L"),
        encoded("PNG", transparency=(0, 0, 0)),
    ):
        with Image.open(io.BytesIO(data)) as picture:
            assert _fast_png(data, picture) is None


def saved(tmp_path: Path, picture: Image.Image, **options: Any) -> Path:
    picture.save(tmp_path / "x.png", **options)
    return tmp_path / "x.png"


def test_pictures_are_opened_as_a_viewer_shows_them(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_image(saved(tmp_path, noise(), exif=exif)).size == (40, 48)
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert open_image(saved(tmp_path, clear)).getpixel((0, 0)) == (255, 255, 255)
    deep = Image.fromarray(np.full((4, 4), 32768, dtype=np.uint16))
    assert open_image(saved(tmp_path, deep)).getpixel((0, 0)) == (128, 128, 128)
    grey = Image.new("L", (4, 4), 77)
    assert open_image(saved(tmp_path, grey)).getpixel((0, 0)) == (77, 77, 77)
    palette = Image.new("RGB", (4, 4), (9, 8, 7)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert open_image(saved(tmp_path, palette)).getpixel((0, 0)) == (9, 8, 7)


def test_what_cannot_be_opened_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded("PNG")[:200])
    with pytest.raises(HubtoolsError, match=r"x\.png cannot be read"):
        open_image(tmp_path / "x.png")
