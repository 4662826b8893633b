"""Everything secret in a text: as it stands, escaped as in JSON and HTML, or packed in base64."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from collections.abc import Callable, Iterator

from hubtools.leaks.apart import apart
from hubtools.leaks.coded import coded
from hubtools.leaks.commands import commanded
from hubtools.leaks.cut import cut
from hubtools.leaks.declared import declared
from hubtools.leaks.hexdumps import dumped
from hubtools.leaks.keyfiles import key_files
from hubtools.leaks.named import named, small, telling_words
from hubtools.leaks.notes import noted
from hubtools.leaks.packed import packed
from hubtools.leaks.shapes import LETTERS, ODD_FRAME, Secret, letters_of_key, shaped
from hubtools.leaks.telling import words_of
from hubtools.leaks.views import views
from hubtools.patterns import regex

Nested = Callable[[bytes], Iterator[Secret]]

# base64 in one piece, and hexadecimal digits, as ImageMagick writes metadata into PNG
_PACKED = regex(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_SOME_PACKED = b"\1" * 16
_OF_PACKED = bytes(chr(c).isalnum() or c in b"+/_-" for c in range(128)) + bytes(128)
_ALONE = 22  # characters that are looked at where nothing is before them and nothing follows
_END = regex(r"\n")
_BREAK = regex(r"\\{1,8}[rn]")
# What stands between two lines of it, or only beside it; then the next line, of any length.
_NEXT = regex(
    r"[ \t\"',+>#|\\]{0,40}+(\r?\n[\s\"',+>#|\\]{0,40}+|\"[ \t]{0,9}[,+]?[ \t]{0,9}\"|[ \t]{1,40}+)"
    r"([A-Za-z0-9+/_-]+={0,2})"
)
_BESIDE = regex(r"([ \t]{1,4}+)([A-Za-z0-9+/_-]+={0,2})")
_LINES = (64, 76)  # characters of base64 (RFC 7468, RFC 2045)
_BASE32 = regex(r"[A-Z2-7]{26,}\Z")
_HEX = regex(r"[0-9a-fA-F]+\Z")
_SHORT = 4096  # up to so many characters every alignment is tried
_PRINTABLE = regex(rb"[\t\r\n -~]{12,}")
_DEEP = 3


def secrets(text: str, nested: Nested | None = None, *, plain: bool = True) -> Iterator[Secret]:
    """Everything in `text` that must not be published, each value once. `nested` is asked about
    bytes that were packed in it. `start` is where it stands, or what it was packed in. Not `plain`:
    nothing stands in it as it is."""
    seen: set[str] = set()
    for secret in _secrets(text, nested, 0, plain=plain):
        if secret.value not in seen:
            seen.add(secret.value)
            yield secret


def _secrets(
    text: str, nested: Nested | None, depth: int, *, plain: bool = True
) -> Iterator[Secret]:
    framed: set[str] = set()
    for secret in _plain(text) if plain else ():
        if _is_new(secret, framed):
            yield secret
    breaks, known = _breaks(text), {text}
    others: list[tuple[str, list[int]]] = []
    for view, joined in views(text):
        if view in known:
            continue
        known.add(view)
        within = _breaks(view)
        for secret in _plain(view):
            if not _is_new(secret, framed):
                continue
            if not joined or len(secret.value.split()) == 1:
                yield secret._replace(start=_place(text, breaks, within, secret))
        others.append((view, within))
    if depth >= _DEEP:
        return
    for secret in _in_layers(text, breaks, others, nested, depth):
        # what stands in a frame is told by the frame
        if not framed or secret.value.rstrip("=")[:LETTERS] not in framed:
            yield secret


def _is_new(secret: Secret, framed: set[str]) -> bool:
    """False for a key in an odd frame that was told already; notes the letters of one."""
    letters = letters_of_key(secret)
    if letters is None:
        return True
    known = letters in framed
    framed.add(letters)
    return not known or secret.what != ODD_FRAME


def _in_layers(
    text: str,
    breaks: list[int],
    others: list[tuple[str, list[int]]],
    nested: Nested | None,
    depth: int,
) -> Iterator[Secret]:
    """What was packed in a text, or in one of its views."""
    for start, data in (*packed(text), *dumped(text)):
        yield from _of_bytes(start, data, nested, depth)
    seen: set[str] = set()
    for start, run in _runs(text):
        seen.add(run)
        yield from _unpacked(start, run, nested, depth)
    for view, within in others:
        for start, run in _runs(view):
            if run not in seen:
                seen.add(run)
                place = _place(text, breaks, within, Secret("", start, run))
                yield from _unpacked(place, run, nested, depth)


def _breaks(text: str) -> list[int]:
    return [match.start() for match in _END.finditer(text)] if "\n" in text else []


def _place(text: str, breaks: list[int], within: list[int], secret: Secret) -> int:
    """About where in `text` that is: on the same line if the view has as many, else where its first
    letters are. `breaks`: where lines end in the text, `within`: in the view."""
    start = secret.start
    if len(within) == len(breaks):
        line = bisect_left(within, start)
        return breaks[line - 1] + 1 if line else 0
    for length in (8, 4):
        place = text.find(secret.value[:length], min(start, len(text)))
        if place >= 0:
            return place
    return min(start, len(text))


_LONG = 8_000  # letters of a text that is looked through for all words at once


def _plain(text: str) -> Iterator[Secret]:
    among = words_of(text) if len(text) >= _LONG else None
    yield from shaped(text, among)
    yield from cut(text)
    lower = small(text)
    words = telling_words(lower, among)
    yield from named(text, lower, words, among)
    yield from commanded(text, lower, among)
    yield from noted(text, lower, words)
    if words:
        yield from coded(text)
        yield from apart(text, words)
        yield from declared(text, words)


def _unpacked(start: int, run: str, nested: Nested | None, depth: int) -> Iterator[Secret]:
    for data in _decoded(run):
        yield from _of_bytes(start, data, nested, depth)


def _of_bytes(start: int, data: bytes, nested: Nested | None, depth: int) -> Iterator[Secret]:
    """What bytes hold that stood packed at `start`."""
    for key in key_files(data):
        yield key._replace(start=start)
    found = [part[0] for part in _PRINTABLE.finditer(data)]
    for shift in (0, 1):  # of letters of two bytes
        if data[1 - shift : 40 : 2].count(0) > 12:
            found += [part[0] for part in _PRINTABLE.finditer(data[shift::2])]
    if found:
        inner = b"\n".join(found).decode("ascii")
        for secret in _secrets(inner, nested, depth + 1):
            yield secret._replace(start=start)
    if nested is not None and len(data) > (24 if data[:1] in (b"\x1f", b"x") else 40):  # gzip, zlib
        for secret in nested(data):
            yield secret._replace(start=start)


def _runs(text: str) -> Iterator[tuple[int, str]]:
    """(place, characters) of everything that may be base64; its lines are put together, and looked
    at one by one as well where that makes a difference."""
    if _SOME_PACKED not in text.encode("ascii", "replace").translate(_OF_PACKED):
        return
    if "\\" in text:  # an escaped line break ends in a letter of base64
        text = _BREAK.sub(lambda match: " " * (len(match[0]) - 1) + "\n", text)
    end = 0
    while (match := _PACKED.search(text, end)) is not None:
        start, end = match.span()
        parts = [match[0]]
        while not parts[-1].endswith("="):
            # in a view an escaped end of a line is a blank; MIME's lines and PEM's have a length
            full = len(parts[-1]) in _LINES
            more = _NEXT.match(text, end) or (_BESIDE.match(text, end) if full else None)
            if more is None:
                break
            line = full or "\n" in more[1] or '"' in more[1]
            if not line and len(parts[-1]) < 32:
                break
            part = more[2]
            if _is_plus(text, more.start(2), parts):
                part = f"+{part}"
            parts.append(part)
            end = more.end()
            if len(part) < (16 if len(parts) == 2 else len(parts[-2])) or not line:
                break  # the last line of it
        whole = "".join(parts)
        if len(whole) < _ALONE:
            continue
        yield start, whole
        before = "".join(parts[:-1])
        if len(before) >= _ALONE and any(
            digits.match(before) and not digits.match(whole) for digits in (_HEX, _BASE32)
        ):
            yield start, before  # the last is a word of the next line
        if len(parts) > 1 and len(whole) > _SHORT:
            for part in parts:
                if len(part) >= _ALONE:
                    yield start, part


def _is_plus(text: str, start: int, parts: list[str]) -> bool:
    """Whether the plus before a line is one of base64, and no mark of a diff."""
    if text[start - 1] != "+" or parts[0][0] == "+":
        return False
    return len(parts[-1]) in _LINES and text[start - 2] in "\r\n\t "


def _decoded(run: str) -> Iterator[bytes]:
    digits = run.rstrip("=")
    if _HEX.match(digits):
        for shift in (0, 1) if len(digits) % 2 else (0,):
            body = digits[shift:]
            yield binascii.unhexlify(body[: len(body) // 2 * 2])
        return
    if _BASE32.match(digits):
        body = digits[: len(digits) // 8 * 8] if len(digits) % 8 in (1, 3, 6) else digits
        yield base64.b32decode(body + "=" * (-len(body) % 8))
    body = digits.replace("-", "+").replace("_", "/")
    # whatever stands before it may be of the same letters: a path, a name
    for shift in range(4) if len(body) <= _SHORT else (0,):
        piece = body[shift:]
        piece = piece[: len(piece) // 4 * 4] if len(piece) % 4 == 1 else piece
        try:
            yield base64.b64decode(piece + "=" * (-len(piece) % 4))
        except binascii.Error:
            continue
