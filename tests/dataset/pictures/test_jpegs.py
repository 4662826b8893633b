"""The short way through plain JPEGs: it must tell what Pillow would."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.pictures.jpeg_header import Header, plain_header
from hubtools.dataset.pictures.probe import probe_bytes


def jpeg(mode: str = "RGB", size: tuple[int, int] = (40, 24), **options: Any) -> bytes:
    buffer = io.BytesIO()
    ramp = Image.linear_gradient("L").resize(size)
    Image.merge("RGB", (ramp, ramp.rotate(180), ramp.rotate(90).resize(size))).convert(mode).save(
        buffer, "JPEG", **options
    )
    return buffer.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6
PLAIN = (
    jpeg(),
    jpeg("L"),
    jpeg(optimize=True),
    jpeg(quality=95, subsampling=0),
    jpeg(dpi=(72, 72)),
)
OTHERS = (
    jpeg("CMYK"), jpeg(progressive=True), jpeg(exif=EXIF), jpeg(comment=b"me"),
    jpeg(icc_profile=b"x" * 200), jpeg(xmp=b"<x:xmpmeta/>"),
)  # fmt: skip


def by_pillow(data: bytes) -> PictureFacts:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hubtools.dataset.pictures.probe.trusted_jpeg", lambda _: None)
        return probe_bytes(data, "x")


def test_what_is_plain() -> None:
    assert [plain_header(data) for data in PLAIN] == [
        Header(mode, 40, 24) for mode in ("RGB", "L", "RGB", "RGB", "RGB")
    ]
    assert not any(plain_header(data) for data in OTHERS)
    film = PLAIN[0] + b"\0\0\0\x14ftypisom" + bytes(99)
    for data in (*PLAIN, *OTHERS, PLAIN[0][:-9], film):
        assert probe_bytes(data, "x") == by_pillow(data)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(PLAIN + OTHERS))
def test_damage_makes_no_difference(data: st.DataObject, whole: bytes) -> None:
    broken = bytearray(whole)
    header = broken.rindex(b"\xff\xda") + 20
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(2, header) | st.integers(2, len(broken) - 1))
        broken[place] = data.draw(
            st.sampled_from([0, 1, 3, 0xDA, 0xC0, 0xE0, 0xFF]) | st.integers(0, 255)
        )
    if data.draw(st.booleans()):
        place = data.draw(st.integers(2, header))
        broken[place:place] = data.draw(st.binary(max_size=4))
    assert probe_bytes(bytes(broken), "x") == by_pillow(bytes(broken))
