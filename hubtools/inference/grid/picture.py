"""The grid as one PNG with drawn labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from hubtools.inference.grid.labels import constants, heading
from hubtools.inference.grid.plan import PICTURE
from hubtools.inference.png import drawn_picture
from hubtools.inference.sheet import fitted
from hubtools.lettering import Font, font_for
from hubtools.reporting.sheets import save_sheet
from hubtools.rooted import Root
from hubtools.rooted.outputs import check_output
from hubtools.summed import is_summed_png

if TYPE_CHECKING:
    from hubtools.inference.grid.drawn import Drawn
    from hubtools.inference.grid.plan import Cell, GridPlan

_PAPER, _INK, _FAINT, _VOID = (250, 250, 248), (32, 33, 36), (110, 112, 118), (232, 232, 228)
_GAP, _EDGE = 8, 24
# Cells shrink so that viewers and the memory can bear the picture.
_WIDEST, _LARGEST = 16_000, 70_000_000  # pixels, one way and in all
_MOST_LINES = 5


def grid_picture(
    plan: GridPlan, pictures: Mapping[str, Drawn], root: Root, cell_size: int = 256
) -> None:
    """Write grid.png into the plan's folder: columns are the first axis, rows the second, blocks
    below one another the third. Each picture fits into a square of `cell_size` pixels; small ones
    are enlarged by whole pixels. Labels are wrapped, at most five lines each."""
    columns = len(plan.axes[0].values)
    rows = plan.axes[1].values if len(plan.axes) > 1 else ()
    blocks = plan.axes[2].values if len(plan.axes) > 2 else ()
    most = min((_WIDEST - 400) // columns, math.isqrt(_LARGEST // len(plan.cells)))
    cell = max(32, min(cell_size, most - _GAP))
    said = [heading(plan), *constants(plan)]
    said += [value.label for axis in plan.axes for value in axis.values]
    label, small, title = (font_for(said, size) for size in (16, 14, 22))

    beside = wrapped_all([value.label for value in rows], label, min(220, max(90, cell)))
    margin = max((_width(lines, label) for lines in beside), default=0)
    left = _EDGE + (margin + 2 * _GAP if rows else 0)
    width = max(left + columns * (cell + _GAP) - _GAP + _EDGE, 480)
    room = width - 2 * _EDGE
    above = wrapped_all([value.label for value in plan.axes[0].values], label, cell)
    head = wrapped(heading(plan), title, room, 4)
    notes = wrapped("  ·  ".join(constants(plan)), small, room, 4)
    headings = wrapped_all([value.label for value in blocks] or [""], title, room)

    line, line_title, line_small = 21, 29, 19
    top = _EDGE + len(head) * line_title + len(notes) * line_small + 14
    names = max(len(lines) for lines in above) * line + 6
    height_of_row = max([cell, *(len(lines) * line for lines in beside)])
    body = names + max(1, len(rows)) * (height_of_row + _GAP)
    tall = [(len(lines) * line_title + 10 if blocks else 0) for lines in headings]
    height = top + sum(tall) + len(headings) * body + (len(headings) - 1) * 20 + _EDGE - _GAP

    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    y = _text(pen, head, (_EDGE, _EDGE), title, line_title, _INK)
    _text(pen, notes, (_EDGE, y), small, line_small, _FAINT)
    at = {cell.at: cell for cell in plan.cells}
    y = top
    for block, lines in enumerate(headings):
        if blocks:
            _text(pen, lines, (_EDGE, y), title, line_title, _INK)
            y += tall[block]
        for column, lines in enumerate(above):
            # the last line stands on the picture
            start = y + names - 6 - len(lines) * line
            _text(pen, lines, (left + column * (cell + _GAP), start), label, line, _INK)
        y += names
        for row in range(max(1, len(rows))):
            if rows:
                middle = y + (height_of_row - len(beside[row]) * line) // 2
                _text(pen, beside[row], (_EDGE, middle), label, line, _INK)
            for column in range(columns):
                place = (column, row, block)[: len(plan.axes)]
                corner = (left + column * (cell + _GAP), y + (height_of_row - cell) // 2)
                _paste(sheet, pen, plan, at[place], pictures, corner, cell, small)
            y += height_of_row + _GAP
        y += 20
    with root.replacing(PICTURE, check=lambda: check_picture(root)) as file:
        save_sheet(sheet, file)


def check_picture(root: Root) -> None:
    """Raises `HubtoolsError` if the name of the picture belongs to something else."""
    check_output(root, PICTURE, "a grid", is_summed_png)


def _paste(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    plan: GridPlan,
    cell: Cell,
    pictures: Mapping[str, Drawn],
    corner: tuple[int, int],
    size: int,
    font: Font,
) -> None:
    drawn = pictures.get(cell.file)
    if drawn is None or drawn.record.blanked:
        said = "not drawn yet" if drawn is None else "blanked by the safety checker"
        pen.rectangle((*corner, corner[0] + size - 1, corner[1] + size - 1), fill=_VOID)
        place = (corner[0] + _GAP, corner[1] + _GAP)
        _text(pen, wrapped(said, font, size - 2 * _GAP), place, font, 19, _FAINT)
        return
    picture = fitted(drawn_picture(plan.folder / cell.file), size)
    offset = ((size - picture.width) // 2, (size - picture.height) // 2)
    sheet.paste(picture, (corner[0] + offset[0], corner[1] + offset[1]))


def wrapped_all(texts: Sequence[str], font: Font, width: int) -> list[list[str]]:
    """`wrapped` for each."""
    return [wrapped(text, font, width) for text in texts]


def wrapped(text: str, font: Font, width: int, most: int = _MOST_LINES) -> list[str]:
    """Lines no wider than `width` pixels; words that are too long are cut apart, and what does not
    fit into `most` lines ends in an ellipsis."""
    lines: list[str] = []
    current = ""
    for word in text.split():
        while font.getlength(word) > width and len(word) > 1:
            cut = next(
                (n for n in range(len(word) - 1, 1, -1) if font.getlength(word[:n]) <= width), 1
            )
            if current:
                lines.append(current)
            current, word = word[:cut], word[cut:]
            lines.append(current)
            current = ""
        longer = f"{current} {word}" if current else word
        if font.getlength(longer) <= width:
            current = longer
        else:
            lines.append(current)
            current = word
    if current:
        lines.append(current)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and font.getlength(last + "...") > width:
        last = last[:-1]
    return [*lines[: most - 1], last.rstrip(" ,") + "..."]


def _width(lines: Sequence[str], font: Font) -> int:
    return max((int(font.getlength(line)) + 1 for line in lines), default=0)


def _text(
    pen: ImageDraw.ImageDraw,
    lines: Sequence[str],
    corner: tuple[int, int],
    font: Font,
    height: int,
    colour: tuple[int, int, int],
) -> int:
    """Write lines below one another; gives the y below the last."""
    x, y = corner
    for line in lines:
        pen.text((x, y), line, colour, font)
        y += height
    return y
