"""A small file may be a picture of gigabytes: fix neither decodes it here nor redraws it."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import pytest

from hubtools.dataset.edits.pixels import MOST_PIXELS, Refused, apply_edits, shown
from hubtools.dataset.pictures.probe import probe_bytes
from hubtools.dataset.workers.guarded import scan_one


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def blank(width: int, height: int) -> bytes:
    """A grey PNG of one bit a pixel, compressed to next to nothing."""
    row = b"\0" * (1 + -(-width // 8))
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", pixels)
        + _chunk(b"IEND", b"")
    )


def test_what_is_too_large_is_not_redrawn() -> None:
    data = blank(20_000, MOST_PIXELS // 20_000 + 1)
    assert len(data) < 100_000
    for edits in (["scrub"], ["flatten=white"], ["scale"]):
        with pytest.raises(Refused, match="more than 100 megapixels"):
            apply_edits(data, edits)
    with pytest.raises(Refused, match="more than 100 megapixels"):
        shown(data)


def test_a_drafted_picture_is_looked_at_by_a_worker_if_it_is_large() -> None:
    data = blank(8_000, 8_000)  # beyond what is decoded in this process
    seen = scan_one(data, "a/b.png")
    assert seen.name == "a/b.png"
    assert (seen.width, seen.height, seen.problem) == (8_000, 8_000, None)


def test_a_usual_one_is_looked_at_right_here() -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, "PNG")
    assert scan_one(out.getvalue(), "a.png") == probe_bytes(out.getvalue(), "a.png")


def test_fix_leaves_it_and_says_so(tmp_path: Path) -> None:
    from tests.typed import typed

    (tmp_path / "a.png").write_bytes(blank(20_000, MOST_PIXELS // 20_000 + 1))
    record = {"file_name": "a.png", "text": "photo of a large white wall"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(record) + "\n")
    before = (tmp_path / "a.png").read_bytes()
    done = typed("fix", tmp_path, "--yes")
    assert "Traceback" not in done.stderr
    assert (tmp_path / "a.png").read_bytes() == before
