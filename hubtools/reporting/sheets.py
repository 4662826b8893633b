"""Contact sheets carry a mark, so that one is written over and a person's picture is not."""

from __future__ import annotations

from PIL.PngImagePlugin import PngInfo

from hubtools.files import StrPath, check_replaceable

_MARK = b"tEXtSoftware\0hubtools"
_HEAD = 1000  # bytes in which it stands


def sheet_mark() -> PngInfo:
    """What Pillow is to write into the PNG of a sheet."""
    mark = PngInfo()
    mark.add_text("Software", "hubtools")
    return mark


def check_sheet(path: StrPath) -> None:
    """Raises `HubtoolsError` if a sheet cannot be written to `path`: something else is there."""
    check_replaceable(path, "a contact sheet", is_sheet)


def check_chart(path: StrPath) -> None:
    """The same for a chart or a grid."""
    check_replaceable(path, "a picture", is_sheet)


def is_sheet(data: bytes) -> bool:
    """Whether a PNG of these bytes carries the mark."""
    return _MARK in data[:_HEAD]
