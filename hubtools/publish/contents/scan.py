"""One file's content, searched to its end: text in any encoding, containers, pictures' metadata.

Memory: some windows of a few MB, and a member of at most `HELD` bytes on each level. Time grows
with the bytes read; what unpacks to far more than was there is told, not read on.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from hubtools.files import open_regular
from hubtools.leaks import hide
from hubtools.leaks.columns import in_columns
from hubtools.leaks.headers import in_cell, telling
from hubtools.leaks.keyfiles import WHOLE
from hubtools.leaks.shapes import Secret
from hubtools.leaks.stream import is_text, search
from hubtools.leaks.text import secrets
from hubtools.publish.contents.behind import behind
from hubtools.publish.contents.containers import members, packing
from hubtools.publish.contents.holes import HELD, Holes
from hubtools.publish.contents.keepers import keeps_secrets
from hubtools.publish.contents.leak import Kind, Leak
from hubtools.publish.contents.matroska import EBML, tags
from hubtools.publish.contents.member import CLOSED, Budget, Member, NotOpened
from hubtools.publish.contents.people import People, is_picture
from hubtools.publish.contents.pictures import parts
from hubtools.publish.contents.pixels import is_weights, pixels
from hubtools.publish.contents.records import records
from hubtools.publish.contents.streams import alien_from, closed, packed_among_text, raw, streams_of

# Secrets of one file that are told one by one, and places in it with a path, or not read.
MOST = 100
# Bytes of a picture's text that is looked at for a position.
_NOTE = 1 << 18
_INFLATED = 16 << 20  # bytes of one stream in base64
_CELL = 2000  # of a text that has its name elsewhere
# Containers within containers.
_DEEPEST = 4


def scan_file(path: Path, name: str | None = None) -> Iterator[Leak]:
    """`scan` of the file at `path`. Raises `OSError` if it cannot be read."""
    with open_regular(path) as file:
        yield from scan(name or path.name, file, os.fstat(file.fileno()).st_size)


def scan(name: str, file: BinaryIO, size: int) -> Iterator[Leak]:
    """Everything in `file` that must not be published, and in `name` itself.

    `file` is read from its start, several times, and left wherever that ends; `size` in bytes
    bounds what may be unpacked from it. Raises `OSError` only where `file` itself does.
    """
    in_name = list(secrets(name)) if len(name) > 15 else []
    shown = hide(name) if in_name else name
    for secret in in_name:
        what = f"{secret.what} in the file's name"
        yield Leak(Kind.SECRET, shown, what, None, False, secret.value)
    if not size:
        return
    if (why := keeps_secrets(name, file)) is not None:
        yield Leak(Kind.SECRET, shown, why[0], None, False, why[1])
    looking = _Scan(Budget(size))
    yield from _told(shown, _beside(why, looking.all(shown, file), shown))
    yield from looking.people.leaks()


def _beside(why: object, leaks: Iterator[Leak], place: str) -> Iterator[Leak]:
    """What is to be said of a file beside `why` it is one for secrets by its name: not that it is a
    key from its first byte on, too."""
    for leak in leaks:
        if why is None or leak.place != place or leak.what not in WHOLE:
            yield leak


def _told(shown: str, leaks: Iterator[Leak]) -> Iterator[Leak]:
    """Every secret once for each place, up to `MOST` of them; the others together as one more,
    whose fingerprint is made of them all. Of paths and of what was not read one for each place."""
    told: defaultdict[Kind, set[tuple[str, str, bool]]] = defaultdict(set)
    rest, more, inside = hashlib.sha256(), 0, True
    for leak in leaks:
        known = told[leak.kind]
        value = leak.secret if leak.kind is Kind.SECRET else ""
        key = (leak.place, value, leak.inside)
        if key in known:
            continue
        if len(known) < MOST:
            known.add(key)
            yield leak
        elif leak.kind is Kind.SECRET:
            more, inside = more + 1, inside and leak.inside
            rest.update(leak.secret.encode("utf-8", "surrogatepass") + b"\0")
    if more:
        what = f"a file with {MOST} secrets and {more} more, which are not listed"
        yield Leak(Kind.SECRET, shown, what, None, inside, f"{more} {rest.hexdigest()}")


class _Scan:
    """The search through one file and all that is in it."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self.people = budget, People()
        self._closed: list[Leak] = []  # what stood in base64, and was not opened

    def all(self, place: str, file: IO[bytes]) -> Iterator[Leak]:
        """Search the file itself."""
        yield from self.content(place, file, 0)
        yield from self._closed

    def content(self, place: str, file: IO[bytes], depth: int) -> Iterator[Leak]:
        """Search a file that can be read again from its start: first what is in it, for that has
        better names, then its bytes as they are."""
        values: set[str] = set()
        file.seek(0)
        head = file.read(4096)
        kind = packing(head)
        if depth and kind is None:
            self.people.look(place, file, head)
        for leak in self._inside(place, file, head, kind, depth):
            values.add(leak.secret or leak.what)
            yield leak
        holes = Holes.over(file) if depth == 0 else file
        file.seek(0)
        long = depth > 0 and not isinstance(file, io.BytesIO) and not _is_binary(head)
        archive, told = _Watch(holes, packed=long), False
        for found in search(archive, nested=self._nested(depth, place)):
            secret, path = found.secret, found.path
            if secret is not None and secret.value not in values:
                values.add(secret.value)
                packed = kind is not None or _is_binary(head)
                yield Leak(
                    Kind.SECRET, place, secret.what, found.line, packed or depth > 0, secret.value
                )
            elif path is not None and not told and path not in values:
                told = True  # one for each file is enough
                packed = kind is not None or _is_binary(head)
                yield Leak(Kind.PATH, place, path, found.line, packed or depth > 0)
        if kind is None and not _is_binary(head):
            file.seek(0)
            for line, secret in in_columns(head, Holes.over(file) if depth == 0 else file):
                if secret.value not in values:
                    values.add(secret.value)
                    what = f"{secret.what} in its header"
                    yield Leak(Kind.SECRET, place, what, line, depth > 0, secret.value)
        if archive.packed:
            yield _unread(place, "what is packed in a text of this length is not opened")
        if archive.zip and kind != "zip":
            yield from self._members(place, "zip", file, depth)

    def _inside(
        self, place: str, file: IO[bytes], head: bytes, kind: str | None, depth: int
    ) -> Iterator[Leak]:
        if kind is not None:
            if depth >= _DEEPEST:
                yield _unread(place, f"{kind} within {_DEEPEST} others is not opened")
                return
            yield from self._members(place, kind, file, depth)
            return
        try:
            yield from self._parts(place, file, head, depth)
            for member in records(file, head, self._budget):
                yield from self._member(f"{place}!/{hide(member.name)}", member, depth)
        except NotOpened as error:
            yield _unread(place, str(error))
        yield from self._streams(place, file, head, depth)

    def _parts(self, place: str, file: IO[bytes], head: bytes, depth: int) -> Iterator[Leak]:
        """A picture's texts."""
        seen: set[str] = set()
        for name, data in parts(file, head):
            if telling(name) and len(data) <= _CELL:  # the keyword of a PNG's text
                for cell in in_cell(name, data.decode("utf-8", "replace")):
                    seen.add(cell.value)
                    what = f"{cell.what} (in its {hide(name)})"
                    yield Leak(Kind.SECRET, place, what, None, True, cell.value)
            if len(data) <= _NOTE:
                self.people.placed(place, data.decode("utf-8", "replace"))
            for found in search(io.BytesIO(data), nested=self._nested(depth, place)):
                secret = found.secret
                if secret is not None and secret.value not in seen:
                    seen.add(secret.value)
                    what = f"{secret.what} (in its {name})"
                    yield Leak(Kind.SECRET, place, what, None, True, secret.value)
                elif found.path is not None and found.path not in seen:
                    seen.add(found.path)
                    yield Leak(Kind.PATH, place, found.path, None, True)

    def _streams(self, place: str, file: IO[bytes], head: bytes, depth: int) -> Iterator[Leak]:
        """What is packed in a picture, behind its end, in a PDF, in whatever is no text, and behind
        a text."""
        if not (depth == 0 or isinstance(file, io.BytesIO)):  # a picture is told already
            if _is_binary(head) and not is_picture(head) and not is_weights(head):
                yield _unread(place, f"a member of more than {HELD >> 20} MB is read as it stands")
            return
        pdf, start = b"%PDF-" in head[:1024], 0
        if text := not (pdf or _is_binary(head)):
            file.seek(0)
            begin = alien_from(file if depth else Holes.over(file))
            if begin is None:
                return
            start = begin
        skip = pixels(file, head)
        whole = file if depth else Holes.without(file)
        if whole is None:
            yield _unread(place, f"between its holes it is longer than {HELD >> 20} MB")
            return
        try:
            holder = is_picture(head) or head.startswith((b"RIFF", b"BM")) or text
            if holder and closed(whole, start or 2, skip):
                yield _unread(place, "something is packed in it that cannot be opened here")
            for unpacked, ended in streams_of(whole, start, skip, text=text):
                if depth >= _DEEPEST:
                    yield _unread(place, f"what is packed within {_DEEPEST} others is not opened")
                    return
                self._budget.take(len(unpacked))
                for leak in self.content(place, io.BytesIO(unpacked), depth + 1):
                    yield Leak(leak.kind, leak.place, leak.what, None, True, leak.secret)
                if not ended:
                    yield _unread(place, "what is packed in it is too long to be read to its end")
            if not is_picture(head) and not pdf and not text:
                yield from self._raw(place, whole, depth)
            yield from self._behind(place, whole, head, depth)
        except NotOpened as error:
            yield _unread(place, str(error))

    def _raw(self, place: str, file: IO[bytes], depth: int) -> Iterator[Leak]:
        """A stream of raw deflate near the start."""
        file.seek(0)
        if depth >= _DEEPEST or raw(file.read(1 << 14)) is None:
            return
        file.seek(0)
        if (unpacked := raw(file.read(_INFLATED))) is not None:
            self._budget.take(len(unpacked))
            for leak in self.content(place, io.BytesIO(unpacked), depth + 1):
                yield Leak(leak.kind, leak.place, leak.what, None, True, leak.secret)

    def _behind(self, place: str, file: IO[bytes], head: bytes, depth: int) -> Iterator[Leak]:
        """What is behind a PNG's pixels, where they are packed; the tags of a film."""
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            hidden = behind(file)
        elif head.startswith(EBML):
            hidden = (tag.encode("utf-8", "replace") for tag in tags(file))
        else:
            return
        for part in hidden:
            if depth >= _DEEPEST:
                yield _unread(place, f"what is packed within {_DEEPEST} others is not opened")
                return
            self._budget.take(len(part))
            for leak in self.content(place, io.BytesIO(part), depth + 1):
                yield Leak(leak.kind, leak.place, leak.what, None, True, leak.secret)

    def _members(self, place: str, kind: str, file: IO[bytes], depth: int) -> Iterator[Leak]:
        file.seek(0)
        try:
            for member in members(kind, file, self._budget):
                if member.places:
                    self.people.placed(place, member.places)
                else:
                    yield from self._member(f"{place}!/{hide(member.name)}", member, depth)
        except NotOpened as error:
            yield _unread(place, str(error))

    def _member(self, place: str, member: Member, depth: int) -> Iterator[Leak]:
        for secret in secrets(member.name):
            yield Leak(Kind.SECRET, place, f"{secret.what} in its name", None, True, secret.value)
        if member.texts is not None:
            yield from self._rows(place, member.texts, depth)
            return
        if member.problem:
            yield _unread(place, member.problem)
            return
        if member.file is None:
            return
        if (why := keeps_secrets(member.name, member.file)) is not None:
            yield Leak(Kind.SECRET, place, why[0], None, True, why[1])
        for leak in _beside(why, self.content(place, member.file, depth + 1), place):
            yield Leak(leak.kind, leak.place, leak.what, leak.line, True, leak.secret)

    def _rows(self, place: str, texts: list[tuple[int, str]], depth: int) -> Iterator[Leak]:
        """Texts of a table, a line each."""
        lines = [" ".join(text.splitlines()) for _, text in texts]
        for _, text in texts:
            if text.lstrip()[:1] in ("{", "[", "<"):
                self.people.text(place, text[: 1 << 18].encode("utf-8", "replace"))
        data = "\n".join(lines).encode("utf-8", "replace")
        for found in search(io.BytesIO(data), nested=self._nested(depth, place)):
            row = texts[min((found.line or 1), len(texts)) - 1][0] or None
            if found.secret is not None:
                yield Leak(Kind.SECRET, place, found.secret.what, row, True, found.secret.value)
            elif found.path is not None:
                yield Leak(Kind.PATH, place, found.path, row, True)
        name = place.rpartition("!/")[2].rpartition(".")[2]
        for number, text in texts if telling(name) else ():
            for secret in in_cell(name, text):
                yield Leak(Kind.SECRET, place, secret.what, number or None, True, secret.value)

    def _nested(self, depth: int, place: str) -> Callable[[bytes], Iterator[Secret]]:
        def nested(data: bytes) -> Iterator[Secret]:
            """What is in bytes that stood in a text as base64."""
            if depth >= _DEEPEST:
                return
            # two bytes come by chance
            interesting = is_picture(data) or (
                packing(data[:4096]) is not None and not data.startswith(b"\x1f\x9d")
            )
            if not interesting and _is_zlib(data):
                data = self._inflated(place, data)
                interesting = bool(data)
            elif not interesting and (inflated := raw(data, 1)) is not None:
                data, interesting = inflated, True
            if interesting:
                for leak in self.content(f"{place}!/base64", io.BytesIO(data), depth + 1):
                    if leak.kind is Kind.SECRET:
                        yield Secret(leak.what, 0, leak.secret)
                    elif leak.kind is Kind.UNREAD and leak.what.endswith(CLOSED):
                        self._closed.append(leak)  # what is damaged may be no more than a word

        return nested

    def _inflated(self, place: str, data: bytes) -> bytes:
        try:
            unpacked = zlib.decompressobj().decompress(data, _INFLATED)
            self._budget.take(len(unpacked))
        except zlib.error:  # it only began like that
            return b""
        except NotOpened as error:
            self._closed.append(_unread(place, str(error)))
            return b""
        return unpacked


def _unread(place: str, why: str) -> Leak:
    return Leak(Kind.UNREAD, place, why)


def _is_zlib(data: bytes) -> bool:
    """RFC 1950, 2.2: the usual window, no dictionary, and a sum."""
    return data[0] == 0x78 and (data[0] << 8 | data[1]) % 31 == 0 and not data[1] & 0x20


def _is_binary(head: bytes) -> bool:
    return not is_text(head)


class _Watch:
    """Reads on, and notes whether the end of a zip file went by; if it is asked for, also whether
    something `packed` did, which a text may hold."""

    def __init__(self, file: IO[bytes], *, packed: bool = False) -> None:
        self._file, self._last, self.zip = file, b"", False
        self._asked, self.packed = packed, False

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.zip = self.zip or b"PK\x05\x06" in self._last + data
        self._last = data[-3:]
        if self._asked and not self.packed:
            self.packed = packed_among_text(data)
        return data
