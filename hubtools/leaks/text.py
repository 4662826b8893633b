"""Everything secret in a text: as it stands, escaped as in JSON and HTML, or packed in base64."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Iterator

from hubtools.leaks.named import named
from hubtools.leaks.shapes import Secret, shaped

Nested = Callable[[bytes], Iterator[Secret]]

_ESCAPE = re.compile(
    r"\\{1,8}u(?:00|\{0{0,4})([0-7][0-9a-fA-F])\}?|\\{1,8}x([0-7][0-9a-fA-F])|%([2-7][0-9a-fA-F])"
    r"|&#x0{0,4}([2-7][0-9a-fA-F]);|&#0{0,3}(\d{2,3});|\\{1,8}([/\"'])|\\{1,8}([nrt])"
)
_HINTS = ("\\", "%", "&#")
# base64 in one piece, and hexadecimal digits, as ImageMagick writes metadata into PNG
_PACKED = re.compile(r"[A-Za-z0-9+/_-]{22,}={0,2}")
_BREAK = re.compile(r"\\{1,8}[rn]")
_BETWEEN = re.compile(r"(?:\\{1,8}[rn]|[\s\"',+>#|]){1,40}\Z")
_SHORT = 4096  # up to so many characters every alignment is tried
_PRINTABLE = re.compile(rb"[\t\r\n -~]{12,}")
_DEEP = 3
_INVISIBLE = re.compile("[\u00ad\u034f\u180e\u200b-\u200f\u2060-\u2064\ufeff]")


def secrets(text: str, nested: Nested | None = None) -> Iterator[Secret]:
    """Everything in `text` that must not be published, each value once. `nested` is asked about
    bytes that were packed in it. `start` is where it stands, or what it was packed in."""
    seen: set[str] = set()
    for secret in _secrets(text, nested, 0):
        if secret.value not in seen:
            seen.add(secret.value)
            yield secret


def _secrets(text: str, nested: Nested | None, depth: int) -> Iterator[Secret]:
    yield from _plain(text)
    if not text.isascii():  # wide letters, and such without a width between others
        plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
        if plain != text:
            for secret in _plain(plain):
                yield secret._replace(start=_place(text, plain, secret.start, text.count("\n")))
    if any(hint in text for hint in _HINTS):
        plain = text
        for _ in range(_DEEP):  # JSON in JSON, as notebooks and workflows have it
            before, plain = plain, _ESCAPE.sub(_unescaped, plain)
            if plain == before:
                break
        if plain != text:
            lines = text.count("\n")
            for secret in _plain(plain):
                yield secret._replace(start=_place(text, plain, secret.start, lines))
    if depth < _DEEP:
        yield from _unpacked(text, nested, depth)


def _place(text: str, plain: str, start: int, lines: int) -> int:
    """About where in `text` that is: the same line, for escapes hold no line breaks."""
    if plain.count("\n") != lines:
        return min(start, len(text))
    line, place = plain.count("\n", 0, start), 0
    for _ in range(line):
        place = text.index("\n", place) + 1
    return place


def _plain(text: str) -> Iterator[Secret]:
    yield from shaped(text)
    yield from named(text)


def _unescaped(match: re.Match[str]) -> str:
    if match[6] is not None:
        return match[6]
    if match[7] is not None:
        return " "
    if match[5] is not None:
        return chr(int(match[5])) if 32 <= int(match[5]) < 127 else match[0]
    code = int(next(group for group in match.groups() if group is not None), 16)
    return chr(code) if code >= 32 else " " if code in (9, 10, 13) else match[0]


def _unpacked(text: str, nested: Nested | None, depth: int) -> Iterator[Secret]:
    for start, run in _runs(text):
        for data in _decoded(run):
            found = [part[0] for part in _PRINTABLE.finditer(data)]
            wide = (
                data[::2]
                if data[1:40:2].count(0) > 12
                else data[1::2]
                if data[:40:2].count(0) > 12
                else b""
            )
            found += [part[0] for part in _PRINTABLE.finditer(wide)]
            if found:
                inner = b"\n".join(found).decode("ascii")
                for secret in _secrets(inner, nested, depth + 1):
                    yield secret._replace(start=start)
            if nested is not None and len(data) > 40:
                for secret in nested(data):
                    yield secret._replace(start=start)


def _runs(text: str) -> Iterator[tuple[int, str]]:
    """(place, characters) of everything that may be base64; lines are put together."""
    if "\\" in text:  # an escaped line break ends in a letter of base64
        text = _BREAK.sub(lambda match: " " * len(match[0]), text)
    parts: list[str] = []
    start = end = 0
    for match in _PACKED.finditer(text):
        if (
            parts
            and match.start() - end <= 40
            and len(parts[-1]) >= 32
            and (_BETWEEN.match(text[end : match.start()]))
        ):
            parts.append(match[0])
        else:
            if parts:
                yield start, "".join(parts)
            parts, start = [match[0]], match.start()
        end = match.end()
    if parts:
        yield start, "".join(parts)


def _decoded(run: str) -> Iterator[bytes]:
    digits = run.rstrip("=")
    if re.fullmatch(r"[0-9a-fA-F]+", digits):
        for shift in (0, 1) if len(digits) % 2 else (0,):
            body = digits[shift:]
            yield binascii.unhexlify(body[: len(body) // 2 * 2])
        return
    body = digits.replace("-", "+").replace("_", "/")
    # whatever stands before it may be of the same letters: a path, a name
    for shift in range(4) if len(body) <= _SHORT else (0,):
        piece = body[shift:]
        piece = piece[: len(piece) // 4 * 4] if len(piece) % 4 == 1 else piece
        try:
            yield base64.b64decode(piece + "=" * (-len(piece) % 4))
        except binascii.Error:
            continue
