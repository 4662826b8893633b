"""What a file tells about people that lies within others: in archives, cells of tables, base64.
Known by its first bytes, for names tell nothing there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

from hubtools.dataset.pictures.private.besides import told_by_text
from hubtools.dataset.pictures.private.reading import private_of
from hubtools.dataset.text.positions import columns_of
from hubtools.leaks.stream import is_text
from hubtools.publish.contents.leak import Kind, Leak

# A text's beginning is read, and of other files so many bytes.
_TEXT, _WHOLE = 1 << 18, 1 << 26
_PICTURES = (
    b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIRO", b"8BPS",
    b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ",
)  # fmt: skip


def is_picture(head: bytes) -> bool:
    """Whether a picture or a film begins so."""
    return head.startswith(_PICTURES) or head[8:12] == b"WEBP" or head[4:8] == b"ftyp"


class People:
    """Collects it over one file of a release: each kind once, with the first place that has it."""

    def __init__(self) -> None:
        self._found: dict[Kind, Leak] = {}
        self._unread: Leak | None = None

    def leaks(self) -> Iterator[Leak]:
        """All that was found."""
        yield from self._found.values()
        if self._unread is not None:
            yield self._unread

    def look(self, place: str, file: IO[bytes], head: bytes) -> None:
        """Take note of what a member tells."""
        text = is_text(head[:4096])
        if not isinstance(file, io.BytesIO):  # too long to be held
            if is_picture(head) and self._unread is None:
                self._unread = Leak(
                    Kind.UNREAD, place, "a picture of this length within a file is not opened"
                )
            if text:
                self.text(place, head)
            return
        file.seek(0)
        if text:
            self.text(place, file.read(_TEXT))
            return
        found = private_of(file.read(_WHOLE))
        for kind, said in (
            (Kind.GPS, "a GPS position" if found.gps else ""),
            (Kind.OWNER, found.owner),
            (Kind.PEOPLE, found.people),
        ):
            self._add(kind, place, said)

    def text(self, place: str, data: bytes) -> None:
        """The same, of a text."""
        beside = told_by_text(data) or ""
        self._add(Kind.BESIDE, place, beside)
        if not beside:
            self.placed(place, data.decode("utf-8", "replace"))

    def placed(self, place: str, text: str) -> None:
        """Take note of columns with positions."""
        if Kind.PLACED not in self._found:
            self._add(Kind.PLACED, place, columns_of(text) or "")

    def _add(self, kind: Kind, place: str, said: str) -> None:
        if said and kind not in self._found:
            self._found[kind] = Leak(kind, place, said, None, True)
