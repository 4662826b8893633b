"""Tables and sentences for people: what can be copied stays whole as long as there is room for
it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from hubtools.patterns import regex
from hubtools.printable import visible

_GAP = 2  # cells between columns
_PROSE = 30  # narrower columns of sentences are no pleasure to read
_BELOW = "    "  # before sentences that stand below their row
_LEAST = 8  # no column becomes narrower
USUAL = 80  # cells in a line where nobody says how many there are
_PIECES = regex(r"(?:`[^`]*`|\S)+")  # of a sentence: a word, or what is to be typed
_MARKED = regex(r" *[A-Za-z][\w ]*: {2,}")  # what begins a line of a list: `LoRA:   `
_PAINT = regex(r"\x1b\[\d*m")
_COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}


class Painted(str):
    """A cell with a colour: `red`, `green`, `yellow` or `dim`."""

    colour: str

    def __new__(cls, text: str, colour: str) -> Painted:
        made = super().__new__(cls, text)
        made.colour = colour
        return made


def width_of(stream: Any) -> int | None:
    """Cells in a line of a terminal; None for a file or a pipe, whose lines have no end."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def prose(text: str, width: int | None, *, hang: bool = True) -> Iterator[str]:
    """The lines of a sentence, of at most `width` cells (None: any). What stands in backticks is
    never broken: one must be able to copy it. With `hang`, further lines are indented by four more
    cells, or stand below the text where the first begins with a mark."""
    if width is None or _cells(text) <= width:
        yield text
        return
    begin = text[: len(text) - len(text.lstrip(" "))]
    mark = _MARKED.match(text) if hang else None
    deep = mark.end() if mark and mark.end() < width // 2 else len(begin) + len(_BELOW) * hang
    indent = " " * deep
    line, end = begin, len(begin)
    for piece in _PIECES.finditer(text):
        longer = line + text[end : piece.start()] + piece[0]
        if line.strip() and _cells(longer) > width:
            yield line
            longer = indent + piece[0]
        line, end = longer, piece.end()
    yield line


def lines_of(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int] = (),
    width: int | None = None,
    colours: bool = False,
) -> Iterator[str]:
    """The lines of a table; without a head if no column has a name. A row is one line unless it is
    wider than `width` (None: any): then sentences are wrapped, those of the last column below their
    row if little room is left, and the names in the first column only if they alone are too long.
    `right`: indexes of columns that end flush."""
    shown = [[visible(cell) for cell in row] for row in rows]
    everything = [list(columns), *shown]
    widths, below = _widths(everything, width)
    if any(columns):
        head = [Painted(name, "bold") for name in columns]
        yield from _row(head, list(columns), widths, right, colours)
    for row, texts in zip(rows, shown, strict=True):
        last = texts[-1]
        if not below or _cells(last) <= widths[-1]:
            yield from _row(row, texts, widths, right, colours)
            continue
        yield from _row(row, [*texts[:-1], ""], widths, right, colours)
        for line in _wrap(last, max(_LEAST, (width or 0) - len(_BELOW))):
            yield _BELOW + _paint(line, row[-1], colours)


def _cells(text: str) -> int:
    """Cells that a text takes in a terminal."""
    if "\x1b" in text:
        text = _PAINT.sub("", text)
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _widths(rows: Sequence[Sequence[str]], width: int | None) -> tuple[list[int], bool]:
    """Of each column what its longest cell takes, or less where lines would be too long; and
    whether the sentences of the last column stand below their rows, so that names stay whole."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(_cells, column)) for column in columns]
    if width is None:
        return widths, False
    room = width - _GAP * (len(widths) - 1)
    words = [
        max((_cells(word) for text in column for word in text.split()), default=0)
        for column in columns
    ]
    every = set(range(len(widths)))
    _shrink(widths, [max(_PROSE, longest) for longest in words], room, every - {0})
    below = sum(widths) > room and len(widths) > 1 and widths[-1] >= _PROSE
    if below:
        widths[-1] = max(_LEAST, _cells(rows[0][-1]))
    _shrink(widths, words, room, every)
    _shrink(widths, [_LEAST] * len(widths), room, every)
    return widths, below


def _shrink(widths: list[int], floors: Sequence[int], room: int, among: set[int]) -> None:
    """Take from the widest of the columns `among` until all fit, but none below its floor."""
    while sum(widths) > room:
        above = [number for number in among if widths[number] > floors[number]]
        if not above:
            return
        widths[max(above, key=lambda number: widths[number])] -= 1


def _row(
    row: Sequence[str],
    texts: Sequence[str],
    widths: Sequence[int],
    right: Sequence[int],
    colours: bool,
) -> Iterator[str]:
    wrapped = [list(_wrap(text, width)) for text, width in zip(texts, widths, strict=True)]
    for number in range(max(map(len, wrapped))):
        parts = []
        for column, (cell, lines) in enumerate(zip(row, wrapped, strict=True)):
            text = lines[number] if number < len(lines) else ""
            blank = " " * (widths[column] - _cells(text))
            text = _paint(text, cell, colours)
            parts.append(blank + text if column in right else text + blank)
        yield (" " * _GAP).join(parts).rstrip()


def _paint(text: str, cell: str, colours: bool) -> str:
    if not (colours and text and isinstance(cell, Painted) and cell.colour in _COLOURS):
        return text
    return f"\x1b[{_COLOURS[cell.colour]}m{text}\x1b[0m"


def _wrap(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` cells, broken between words; a longer word is broken behind a mark
    in it (/ _ - .), or where it must."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if _cells(longer) <= width:
            line = longer
            continue
        if line:
            yield line
        while _cells(word) > width:
            head = _head(word, width)
            yield head
            word = word[len(head) :]
        line = word
    yield line


def _head(word: str, width: int) -> str:
    """The beginning of a word that a line takes."""
    end = 1
    while end < len(word) and _cells(word[: end + 1]) <= width:
        end += 1
    mark = max(word.rfind(mark, 0, end) for mark in "/_-.")
    return word[: mark + 1] if mark >= end // 2 else word[:end]
