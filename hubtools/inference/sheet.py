"""Contact sheets: pictures side by side with what they are written below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from hubtools.inference.png import drawn_picture
from hubtools.lettering import font_for, shortened_to, told_apart
from hubtools.reporting.sheets import check_sheet, save_sheet
from hubtools.rooted.outputs import writing_over

_PAPER, _INK, _FAINT = (250, 250, 248), (32, 33, 36), (110, 112, 118)
_GAP = 16


def contact_sheet(
    pictures: Sequence[tuple[Path, Sequence[str]]],
    path: Path,
    *,
    columns: int | None = None,
    cell: int = 256,
) -> None:
    """Write `path` (PNG): each picture in a square of `cell` pixels with its lines of text below.

    Pictures smaller than the square are enlarged by whole pixels so that they stay honest. The
    first line is dark, the others faint; lines too long for the square end in an ellipsis. Where a
    first line is too long, all of them leave out the words that they begin with alike.
    """
    count = len(pictures)
    columns = columns or min(count, 4) or 1
    rows = -(-count // columns)
    font = font_for((line for _, lines in pictures for line in lines), 15)
    heads = [lines[0] for _, lines in pictures if lines]
    if any(font.getlength(" ".join(head.split())) > cell for head in heads):
        apart = iter(told_apart(heads))
        pictures = [(file, [next(apart), *lines[1:]] if lines else []) for file, lines in pictures]
    line_height = 20
    text_height = line_height * max((len(lines) for _, lines in pictures), default=0) + 6
    width = columns * (cell + _GAP) + _GAP
    height = rows * (cell + text_height + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, (file, lines) in enumerate(pictures):
        left = _GAP + (index % columns) * (cell + _GAP)
        top = _GAP + (index // columns) * (cell + text_height + _GAP)
        picture = fitted(drawn_picture(file), cell)
        offset = ((cell - picture.width) // 2, (cell - picture.height) // 2)
        sheet.paste(picture, (left + offset[0], top + offset[1]))
        for number, line in enumerate(lines):
            place = (left, top + cell + 6 + number * line_height)
            pen.text(place, shortened_to(line, font, cell), _INK if number == 0 else _FAINT, font)
    with writing_over(path, check_sheet) as written:
        save_sheet(sheet, written)


def fitted(picture: Image.Image, cell: int) -> Image.Image:
    """The picture scaled to fit a square of `cell` pixels; small ones by whole pixels."""
    longest = max(picture.size)
    if longest * 2 <= cell:
        factor = cell // longest
        return picture.resize(
            (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
        )
    scale = cell / longest
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)
