"""Pictures with what the trainer cuts out of them, alone and on a contact sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance

from hubtools.dataset.folder.appearing import keep_private
from hubtools.dataset.inspect.look import InspectedPicture
from hubtools.dataset.pictures.rgb import open_image
from hubtools.errors import HubtoolsError
from hubtools.lettering import font_for, shortened_to
from hubtools.reporting.sheets import check_sheet, save_sheet
from hubtools.rooted.outputs import writing_over

# Upscaled pictures stand out.
FRAME, WARNED = (60, 200, 90), (240, 150, 30)
_LABEL = 32
_PAPER, _INK = (24, 24, 27), (228, 228, 231)
MOST_ON_A_SHEET = 2000


def thumbnail(root: Path, one: InspectedPicture, side: int) -> Image.Image:
    """The picture in a square of `side` pixels: what is cut off is dark, what is left is framed.

    Raises `HubtoolsError` if it cannot be read.
    """
    picture = open_image(root / one.name)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture.resize(size, Image.Resampling.LANCZOS)
    box = [round(value * scale) for value in one.box]
    box = [min(max(box[0], 0), size[0] - 1), min(max(box[1], 0), size[1] - 1),
           min(max(box[2], 1), size[0]), min(max(box[3], 1), size[1])]  # fmt: skip
    dark = ImageEnhance.Brightness(small).enhance(0.3)
    inside = (box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1))
    dark.paste(small.crop(inside), inside[:2])
    colour = WARNED if one.scale > 1 else FRAME
    edge = (inside[0], inside[1], inside[2] - 1, inside[3] - 1)
    ImageDraw.Draw(dark).rectangle(edge, outline=colour, width=max(1, side // 100))
    paper = Image.new("RGB", (side, side), _PAPER)
    paper.paste(dark, ((side - size[0]) // 2, (side - size[1]) // 2))
    return paper


def write_sheet(
    root: Path,
    pictures: Sequence[InspectedPicture],
    path: Path,
    *,
    side: int = 192,
    columns: int = 8,
    on_picture: Callable[[int, int], None] | None = None,
) -> int:
    """Write a contact sheet; gives how many pictures it shows (at most 2000). Raises
    `HubtoolsError` if a file is there that is no such sheet."""
    check_sheet(path)
    shown = pictures[:MOST_ON_A_SHEET]
    # what a picture is made from stands beside it
    wide = side * (1 + max((len(one.controls) for one in shown), default=0))
    columns = max(1, min(columns * side // wide, len(shown)))
    rows = -(-len(shown) // columns)
    gap = 6
    width, height = columns * (wide + gap) + gap, rows * (side + _LABEL + gap) + gap
    sheet = Image.new("RGB", (width, max(height, gap)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    font = font_for((one.name for one in shown), 12)
    for number, one in enumerate(shown):
        left = gap + number % columns * (wide + gap)
        top = gap + number // columns * (side + _LABEL + gap)
        sheet.paste(thumbnail(root, one, side), (left, top))
        for place, name in enumerate(one.controls, 1):
            sheet.paste(_whole(root / name, side), (left + place * side, top))
        ink = WARNED if one.warnings else _INK
        name = shortened_to(one.name, font, wide, end=True)
        pen.text((left, top + side + 1), name, ink, font)
        told = f"{one.width}x{one.height} at {one.scale:.0%}, {one.kept:.0%} kept"
        pen.text((left, top + side + 15), shortened_to(told, font, wide), ink, font)
        if on_picture is not None:
            on_picture(number + 1, len(shown))
    with writing_over(path, check_sheet) as file:
        keep_private(root, (name for one in shown for name in (one.name, *one.controls)), file)
        save_sheet(sheet, file)
    return len(shown)


def _whole(path: Path, side: int) -> Image.Image:
    """All of a picture in a square of `side` pixels; nothing of one that cannot be read."""
    paper = Image.new("RGB", (side, side), _PAPER)
    with suppress(HubtoolsError):
        small = open_image(path)
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        paper.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
    return paper
