"""Clean pictures with a known number of each fault among them, to count what is found."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pictures import scene
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

CLEAN = 300
EACH = 10
SIZE = (1024, 768)


def _jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _cut(data: bytes, random: np.random.Generator) -> bytes:
    return data[: int(len(data) * random.uniform(0.3, 0.9))]


def _zeros(data: bytes, random: np.random.Generator) -> bytes:
    keep = int(len(data) * random.uniform(0.4, 0.8))
    return data[:keep] + bytes(len(data) - keep)


def _flips(data: bytes, random: np.random.Generator) -> bytes:
    """Ten bits turned over in the second half, as a failing disk or memory does."""
    changed = bytearray(data)
    for place in random.integers(len(data) // 2, len(data) - 2, 10):
        changed[place] ^= 1 << int(random.integers(0, 8))
    return bytes(changed)


DAMAGE: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "truncated": _cut,
    "zero-filled tail": _zeros,
    "bit flips": _flips,
}


def _watermark(picture: Image.Image) -> Image.Image:
    marked = picture.copy()
    draw = ImageDraw.Draw(marked)
    width, height = marked.size
    draw.text((width * 0.55, height * 0.85), "(c) a stock agency", fill="white", font_size=40)
    return marked


def _cropped(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((width // 20, height // 20, width - width // 20, height - height // 20))


# How a copy differs from its original.
COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "same pixels": lambda p: _png(p, 1),
    "re-encoded q60": lambda p: _jpeg(p, 60),
    "half size": lambda p: _jpeg(p.resize((p.width // 2, p.height // 2), Image.Resampling.LANCZOS)),
    "brighter": lambda p: _jpeg(ImageEnhance.Brightness(p).enhance(1.2)),
    "watermark": lambda p: _jpeg(_watermark(p)),
    "crop 5 %": lambda p: _jpeg(_cropped(p)),
    "mirrored": lambda p: _jpeg(p.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "rotated": lambda p: _jpeg(p.transpose(Image.Transpose.ROTATE_90)),
}


def _png(picture: Image.Image, level: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


LOOKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blurry": lambda p: p.filter(ImageFilter.GaussianBlur(8)),
    "dark": lambda p: ImageEnhance.Brightness(p).enhance(0.08),
    "light": lambda p: p.point(lambda v: 255 - (255 - v) // 12),
    "flat": lambda p: Image.new("RGB", p.size, p.resize((1, 1)).getpixel((0, 0))),
}


def write_seeded(folder: Path, clean: int = CLEAN, each: int = EACH) -> dict[str, dict[str, str]]:
    """Write the set; give fault -> {file: the original it was made of}."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    planted: dict[str, dict[str, str]] = {}
    for number in range(clean):
        (folder / f"clean{number:04d}.jpg").write_bytes(_jpeg(scene(number, *SIZE)))

    def plant(fault: str, number: int, data: bytes, original: str = "") -> None:
        ending = "png" if data.startswith(b"\x89PNG") else "jpg"
        name = f"{fault.replace(' ', '-').replace('%', 'percent')}{number:02d}.{ending}"
        (folder / name).write_bytes(data)
        planted.setdefault(fault, {})[name] = original

    seed = 100_000
    for number in range(each):
        for fault, spoil in DAMAGE.items():
            plant(fault, number, spoil(_jpeg(scene(seed, *SIZE)), random))
            seed += 1
        for fault, change in LOOKS.items():
            plant(fault, number, _jpeg(change(scene(seed, *SIZE))))
            seed += 1
    original = 0
    for number in range(each):
        data = (folder / f"clean{original:04d}.jpg").read_bytes()
        plant("exact", number, data, f"clean{original:04d}.jpg")
        original += 1
        for kind, copy in COPIES.items():
            name = f"clean{original % clean:04d}.jpg"
            with Image.open(folder / name) as picture:
                picture.load()
            plant(kind, number, copy(picture), name)
            original += 1
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    rows = (json.dumps({"file_name": name, "text": f"picture {name}"}) for name in names)
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return planted
