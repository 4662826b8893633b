"""Secrets in bytes of any length and kind: read in windows, in time that grows with the bytes.

A secret is a run of printable characters, one, two or four bytes each. Such runs are found eight
bytes at a time, so that pixels, weights and captions of short words cost next to nothing; what
stands around a run is then looked at as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple, Protocol

from hubtools.addresses import local_paths, path_by_chance
from hubtools.leaks.codepages import letters, otherwise
from hubtools.leaks.ebcdic import ways
from hubtools.leaks.huffman import BLOCKS, JPEG, without_codes
from hubtools.leaks.keyfiles import is_beginning, key_files
from hubtools.leaks.shapes import Secret, probed
from hubtools.leaks.spans import around, around_place, blocks_around, merged
from hubtools.leaks.telling import words_in
from hubtools.leaks.text import Nested, secrets
from hubtools.patterns import regex

WINDOW = 4 << 20
# What the next window sees again: no secret is longer, packed ones included.
OVERLAP = 64 << 10
# Characters before a run in which its name may stand, and behind it.
_BEFORE, _AFTER = 160, 80
# 1: printable, no blank; 2: zero; 0: all else
_CLASS = bytes(1 if 0x21 <= c <= 0x7E else 2 if c == 0 else 0 for c in range(256))
_CONTROLS = bytes((*range(1, 9), *range(14, 27)))
_BLOCK = 0x0101010101010101
# Letters with a blank, or the end of a line (of one or two bytes), between any two.
_APART = tuple(
    sum(1 << 8 * n for n in range(first, 8, step)) for step in (2, 3) for first in range(step)
)
# Short values have one of these beside them, in small letters here.
_WORDS = (
    b"passw", b"passphrase", b"passcode", b"pwd", b"pass=", b"pass:", b"_pass", b"login", b"token",
    b"secret", b"key=", b"key:", b'key"', b"key'", b"key =", b"key :", b"auth", b"credential",
    b"bearer", b"basic ", b"curl ", b"akia", b"asia", b"://", b"pass\"",
    b"pw:", b"pw=", b"pw ", b"pw\"", b"pw'", b"pw\t", b"pw\n", b"pw\r", b"psw", b"pass phrase", b"pass word",
    b"username", b"user:", b"account:", b"user\n", b"user\r", b"email:", b"e-mail", b"email\n", b"email\r",
    b" -p", b" -u", b" -a ", b" -w ", b" -k ", b"webhook",
)  # fmt: skip
_HOMES = (
    b"/home/", b"/users", b"/root/", b"/mnt/", b"/media/", b"/cygdrive/", b":\\", b":/", b"file:",
    b"\\\\",
)  # fmt: skip

# From so many places on it is asked first whether one has a telling word.
_MANY = 200
# A text of at most so many bytes is read as a whole.
_WHOLE = 1 << 14
_CUT_LETTER = 3  # bytes of one of UTF-8 that the end of a piece cuts
_PIECES = (
    re.compile(
        rb"[\"'`](?<=[\w.~/+=-].)[)\]]{0,2}[\s\\]{0,120}+"
        rb"(?:(?:[+&.~|<>%;]{1,2}|\}?\$?\{|[;\w\s]{1,40}[+.]=)[\s\\]{0,120}+)?[(\[]{0,2}\w{0,2}[\"'`]"
    ),
    re.compile(rb"[\\=^`](?<=\w.)\r?\n[ \t]{0,80}+\w"),
    # of a dump: an offset, and bytes as numbers
    re.compile(rb"\n(?:0x)?[0-9a-fA-F]{7,8}:? {1,3}[0-9a-fA-F]{2,4} [^\n]"),
    # an address of mail and a word behind it
    re.compile(rb"@[\w-]{1,40}\.[\w.]{2,20}[ \t:;|,/]{1,4}[!-~]{8,60}\r?\n"),
    re.compile(rb"(?:join|concat|CONCAT|format|paste0|printf)\([^\n]"),
)
# Wide letters that begin a token (`hf`, `gh`, `sk`), letters without a width, those of tags and of
# mathematics.
_UNUSUAL = (
    b"\xef\xbd\x88\xef\xbd\x86", b"\xef\xbd\x87\xef\xbd\x88", b"\xef\xbd\x93\xef\xbd\x8b",
    b"\xe2\x80\x8b", b"\xe2\x80\x8c", b"\xe2\x80\x8d", b"\xe2\x80\x8e", b"\xe2\x80\x8f", b"\xe2\x80\xaa",
    b"\xe2\x80\xab", b"\xe2\x80\xac", b"\xe2\x80\xad", b"\xe2\x80\xae", b"\xe2\x81\xa0", b"\xe2\x81\xa6",
    b"\xe2\x81\xa9", b"\xe3\x85\xa4", b"\xef\xb8\x8e", b"\xef\xb8\x8f", b"\xf3\xa0\x81", b"\xf0\x9d\x97",
    b"\xf0\x9d\x96", b"\xcd\x8f",
)  # fmt: skip
_ANY_UNUSUAL = re.compile(b"|".join(map(re.escape, _UNUSUAL)))  # one search for all of them


class Readable(Protocol):
    """Whatever bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


class Found(NamedTuple):
    """`secret` or `path`, and where: bytes from the start, and the line, from 1, if it is text."""

    offset: int
    line: int | None
    secret: Secret | None
    path: str | None = None


class Wide(NamedTuple):
    """Characters of several bytes: Python's name, bytes each, and the classes of eight bytes."""

    codec: str
    bytes: int
    shift: int
    block: int


def _wides() -> tuple[Wide, ...]:
    found = []
    for size, name in ((2, "utf-16"), (4, "utf-32")):
        for shift in range(size):
            classes = bytes(1 if (n - shift) % size == 0 else 2 for n in range(8))
            # where the letter stands in its unit says little: an odd place, the other order
            found.append(Wide(f"{name}-le", size, shift, int.from_bytes(classes, "little")))
    return tuple(found)


_WIDES = _wides()
_WIDE_BLOCKS = tuple(wide.block.to_bytes(8, "little") for wide in _WIDES)


def search(
    file: Readable, *, nested: Nested | None = None, size: int | None = None
) -> Iterator[Found]:
    """Every secret and every path of this machine in the rest of `file`, once each. Holes of a
    sparse file are passed over. Memory: a few windows."""
    seen: set[tuple[str, int]] = set()
    for base, lines, data, text in _windows(file, size):
        # only what two windows share can be found twice
        seen = {key for key in seen if key[1] >= base}
        within = (one for way in ways(data, text) for one in _in_window(*way, nested))
        for found in chain(_keys(data, text, base), within):
            key = (_name(found, base), base + found.offset)
            near = (key[0], (key[1] // OVERLAP + 1) * OVERLAP)
            if key in seen or near in seen:
                continue
            seen.update((key, near))
            line = None if found.line is None else found.line + lines
            yield found._replace(offset=base + found.offset, line=line)


def _name(found: Found, base: int) -> str:
    """What is equal where the same is found again; of a store its place: a window may cut it."""
    if found.secret is not None and is_beginning(found.secret):
        return f"{found.secret.what} {base + found.offset}"
    return found.secret.value if found.secret else found.path or ""


def _keys(data: bytes, text: bool, base: int) -> list[Found]:
    if text and b"\0" not in data:
        return []
    return [Found(key.start, None, key) for key in key_files(data, start=not base)]


def _windows(file: Readable, size: int | None) -> Iterator[tuple[int, int, bytes, bool]]:
    """(offset, lines before, bytes, whether it is text) of windows that overlap."""
    place, lines, rest, text = 0, 0, b"", True
    while True:
        data = file.read(WINDOW if size is None else min(WINDOW, size - place))
        if not data:
            return
        if not place:
            text = is_text(data[:4096])
        start = place - len(rest)
        whole = rest + data if rest else data
        yield start, lines, whole, text
        place += len(data)
        rest = whole[-OVERLAP:]
        if text:
            lines += whole.count(b"\n", 0, len(whole) - len(rest))


@lru_cache(maxsize=8)  # a file's first bytes are asked about several times in a row
def is_text(head: bytes) -> bool:
    """Whether bytes look like text: in UTF-8, UTF-16, UTF-32 or one byte a character."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        return True
    if b"\0" not in head:
        return len(head.translate(None, _CONTROLS)) * 50 >= len(head) * 49
    classes = head[: len(head) // 4 * 4].translate(_CLASS)
    zeros = classes.count(2)
    for wide in _WIDES:  # a text of blanks and letters, with zeros between them
        letters = classes[wide.shift :: wide.bytes]
        if letters.count(1) * 2 > len(letters) and zeros * 10 >= 9 * (len(classes) - len(letters)):
            return letters.count(2) * 50 <= len(letters)
    return False


def _in_window(data: bytes, text: bool, nested: Nested | None) -> Iterator[Found]:
    classes = data.translate(_CLASS)
    bare = without_codes(data, classes) if data.startswith(JPEG) and not text else classes
    if not text and len(data) <= _WHOLE and _has_no_region(data, classes, bare):
        return
    import numpy

    blocks = numpy.frombuffer(classes, dtype="<u8", count=len(data) // 8)
    full = blocks == _BLOCK
    loose = blocks == _APART[0]
    for apart in _APART[1:]:  # of a small file isin would take longer than all else
        loose |= blocks == apart
    single = numpy.flatnonzero(loose[1:] & loose[:-1])
    if text and len(data) <= _WHOLE:
        regions = iter(((0, len(data)),))
    elif numpy.count_nonzero(full) * 20 > len(full):
        # two in a row: whatever has 23 characters; shorter secrets have a word beside them
        regions = _regions(data, numpy.union1d(numpy.flatnonzero(full[1:] & full[:-1]), single))
    else:
        # pixels, weights: whatever has 11 characters in a row, which they hardly ever have
        half = numpy.frombuffer(bare, dtype="<u4", count=len(data) // 4) == _BLOCK & 0xFFFFFFFF
        places = numpy.unique(numpy.flatnonzero(half[1:] & half[:-1]) // 2)
        places = numpy.union1d(places, single) if text else places
        spans = [*blocks_around(places, _BEFORE, _AFTER, len(data)), *_unusual(data)]
        if text:
            spans += [*around(data.lower(), _WORDS), *_joints(data)]
        regions = merged(sorted(spans)) if spans else iter(())
    for start, end, plain in _told(data, list(regions), full):
        region = data[start:end].decode("utf-8", "replace").replace("\0", " ")
        told: set[str] = set()  # of them what is ASCII
        for found in _in_region(region, nested, plain):
            if not text and _by_chance(region, found):
                continue
            told.add(letters(found.secret.value) if found.secret else "")
            offset = start + _bytes_before(data, start, found.offset)
            yield found._replace(offset=offset, line=_line(data, offset) if text else None)
        if text and ("\x1b$" in region or _is_no_utf8(region, start, end < len(data))):
            yield from _of_pages(data, start, end, nested, told)
    if b"\0" not in data:
        return
    for wide in _WIDES:
        places = numpy.flatnonzero(blocks == wide.block)
        for start, end in blocks_around(
            places, _BEFORE * wide.bytes, _AFTER * wide.bytes, len(data)
        ):
            first = start + (wide.shift - start) % wide.bytes
            part = data[first:end]
            part += bytes(-len(part) % wide.bytes)  # of a last letter in the other order
            for found in _in_region(part.decode(wide.codec, "replace"), nested):
                offset = min(first + found.offset * wide.bytes, len(data))
                yield found._replace(offset=offset, line=_line(data, offset) if text else None)


def _is_no_utf8(region: str, start: int, goes_on: bool) -> bool:
    """Whether a piece, as it was read, was none in more than letters that its ends have cut."""
    last = len(region) - (_CUT_LETTER if goes_on else 0)
    return region.find("\ufffd", _CUT_LETTER if start else 0, last) >= 0


def _of_pages(
    data: bytes, start: int, end: int, nested: Nested | None, told: set[str]
) -> Iterator[Found]:
    """What a piece of a text says in a code page, but for what was told."""
    for said in otherwise(data[start:end]):
        for found in _in_region(said, nested):
            if found.secret is not None and letters(found.secret.value) not in told:
                told.add(letters(found.secret.value))
                begins = found.secret.value[:8].encode("ascii", "replace")
                offset = max(start, data.find(begins, start, end))
                yield found._replace(offset=offset, line=_line(data, offset))


_RUN = re.compile(rb"\x01{8,}")


def _has_no_region(data: bytes, classes: bytes, bare: bytes) -> bool:
    """True if nothing in bytes that are no text is worth reading as text: what the blocks say, whose
    arithmetic takes longer than all else of a small file. `bare`: the classes without a JPEG's
    codes."""
    if bare is not classes and len(data) < 8 * 20 * BLOCKS:
        return False  # so many letters may make it one that is read otherwise
    if b"\1" * 8 in bare and any(
        -(-run.start() // 4) * 4 + 8 <= run.end() for run in _RUN.finditer(bare)
    ):
        return False  # two blocks of four in a row
    if b"\2" in classes and any(wide in classes for wide in _WIDE_BLOCKS):
        return False
    return next(_unusual(data), None) is None


def _told(
    data: bytes, regions: list[tuple[int, int]], full: Any
) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether something may stand there as it is). Where regions are few that is not
    worth asking."""
    if len(regions) < _MANY:
        yield from ((start, end, True) for start, end in regions)
        return
    import numpy

    words = words_in(data)
    # what has no word has at least 33 characters in a row
    long = numpy.flatnonzero(full[2:] & full[1:-1] & full[:-2]) * 8
    starts = numpy.array([start for start, _ in regions])
    ends = numpy.array([end for _, end in regions])
    there = numpy.searchsorted(words, starts) < numpy.searchsorted(words, ends)
    longer = numpy.searchsorted(long, starts - 8) < numpy.searchsorted(long, ends)
    each = zip(regions, there.tolist(), longer.tolist(), strict=True)
    for (start, end), told, may_be in each:
        if not told:
            part = data[start:end]
            told = not part.isascii() or (may_be and probed(part.decode("ascii")))
        yield start, end, told


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _bytes_before(data: bytes, start: int, characters: int) -> int:
    """About how many bytes so many characters take; exact in ASCII."""
    piece = data[start : start + characters]
    if piece.isascii():
        return characters
    text = data[start : start + 4 * characters].decode("utf-8", "replace")[:characters]
    return len(text.encode("utf-8", "replace"))


# What the word beside it tells alone; among packed pixels both come by chance, once in 10 MB.
_WEAK = ("a password beside its name", "a key beside its name", "a password below a login")
_CLEAN = regex(r"[\t\r\n -~\u00c0-\u024f]+")
# Characters before a value; of one without an end; of a text around what is written otherwise.
_NAMED, _CUT, _TOLD_APART = 5, 16, 24


def _by_chance(text: str, found: Found) -> bool:
    """True for a value among bytes that are no text: neither it nor its name is part of one."""
    if (secret := found.secret) is None:
        return path_by_chance(text, str(found.path), found.offset)
    if secret.what not in _WEAK:
        return False
    value = secret.value
    start = secret.start if text.startswith(value, secret.start) else text.find(value)
    if start < 0:  # escaped, or in pieces
        run = _CLEAN.match(text, secret.start)
        return run is None or run.end() - run.start() < _TOLD_APART
    run = _CLEAN.match(text, start)
    # what has no end of its own takes some of what is behind it
    if run is None or run.end() - start < min(len(value) - 2, _CUT):
        return True
    before = text[max(0, start - 40) : start]
    clean = _CLEAN.fullmatch(before[-_NAMED:])
    return clean is None or run.end() - start + len(before) < 2 * _NAMED


# Texts that hold nothing: pictures of one program have the same tables in their headers.
_EMPTY: set[tuple[str, bool, bool]] = set()
_MOST_EMPTY, _LONGEST_EMPTY = 256, 1000


def _in_region(text: str, nested: Nested | None, plain: bool = True) -> Iterator[Found]:
    there, key = False, (text, plain, nested is None)
    if key in _EMPTY:
        return

    def noted(data: bytes) -> Iterator[Secret]:
        nonlocal there
        there = True  # what is packed in it is somebody else's to judge
        return nested(data) if nested else iter(())

    for secret in secrets(text, nested and noted, plain=plain):
        there = True
        yield Found(secret.start, None, secret)
    for path, offset in local_paths(text):
        there = True
        yield Found(offset, None, None, path)
    if not there and len(text) <= _LONGEST_EMPTY:
        if len(_EMPTY) >= _MOST_EMPTY:
            _EMPTY.clear()
        _EMPTY.add(key)


def _regions(data: bytes, places: object) -> Iterator[tuple[int, int]]:
    """(start, end) of everything that is worth reading as text."""
    lower = data.lower()
    spans = list(blocks_around(places, _BEFORE, _AFTER, len(data)))
    known = len(spans)
    spans += around(lower, _WORDS + _HOMES)
    spans += _unusual(data)
    spans += _joints(data)
    return merged(sorted(spans)) if len(spans) > known else iter(spans)


def _unusual(data: bytes) -> Iterator[tuple[int, int]]:
    if data.isascii():
        return
    ends: dict[bytes, int] = {}
    match = _ANY_UNUSUAL.search(data)
    while match is not None:  # two of them may overlap
        place, word = match.start(), match[0]
        if place >= ends.get(word, 0):
            ends[word] = place + 120
            yield around_place(data, place)
        match = _ANY_UNUSUAL.search(data, place + 1)


def _joints(data: bytes) -> Iterator[tuple[int, int]]:
    """Where a literal goes on behind another, in pieces too short to be noticed."""
    for pattern in _PIECES:
        for match in pattern.finditer(data):
            yield max(0, match.start() - 120), min(len(data), match.end() + 160)
