"""What a worker does with a list of files."""

from __future__ import annotations

import io
from pathlib import Path

import xxhash
from PIL import Image

from hubtools.dataset.pictures.tasks import probe, probe_all


def encoded(format: str, level: int, size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    ramp = Image.linear_gradient("L").resize(size).point(lambda value: value * level // 255)
    ramp.convert("RGB").save(buffer, format)
    return buffer.getvalue()


def test_a_list_is_told_as_its_files_are(tmp_path: Path) -> None:
    plain = [encoded("JPEG", level) for level in (90, 160, 250)]
    file = tmp_path / "a.jpg"
    file.write_bytes(plain[0])
    jobs: list[tuple[str | bytes, str | None]] = [
        (str(file), None),
        (str(tmp_path / "missing.jpg"), None),
        (plain[1], None),
        (plain[1][:-40], None),
        (encoded("PNG", 100), None),
        (plain[2], xxhash.xxh3_128_hexdigest(plain[2])),
        (plain[2], xxhash.xxh3_128_hexdigest(plain[1])),
        (b"", None),
        (b"no picture", None),
        (encoded("TIFF", 100), None),
        (encoded("PNG", 7), xxhash.xxh3_128_hexdigest(encoded("PNG", 7))),
    ]
    marked: list[int] = []
    assert probe_all(jobs, marked.append) == [probe(*job) for job in jobs]
    # the file in work is known at any time, whichever half of the work it is
    assert marked == [*range(1, 12), 1, 3, 7]
