"""Read what broken metadata means: text in the wrong encoding, JSON that is nearly JSON.

Every guess is checked by parsing what came of it; what does not parse is left to the user.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_PYTHON = 100_000  # characters that are read as Python, which takes a thousand bytes for some
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def decode(data: bytes) -> str | None:
    """A text: UTF-8, UTF-16, or line by line UTF-8 or what is surely Windows-1252. None if it is
    none of them: a guess would put other letters in the place of those that were meant."""
    if data.startswith(_UTF16_MARKS) or data[:200].count(b"\0") > 20:
        if data.startswith(_UTF16_MARKS):
            name = "utf-16"
        else:
            name = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    lines = [_line(line) for line in data.removeprefix(b"\xef\xbb\xbf").splitlines(True)]
    return None if None in lines else "".join(map(str, lines))


def _line(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        text = old_text(line)
        return text if _is_western(text) else None


_QUOTES = "‘’“”–—…«»¡¿•\xa0"
_SIGNS = "°§£€©®™·ºª´²³½¼×"
_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞŠŽŒŸßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿšžœ"
_HIGH = re.compile(r"[^\x00-\x7f]+")
_FEW = re.compile(f"[{_QUOTES}]{{0,3}}(?:[{_LETTERS}]{{0,2}}|[{_SIGNS}])[{_QUOTES}]{{0,3}}")


def _is_western(text: str) -> bool:
    """True for letters that stand as in Western European words: one or two beyond ASCII together.
    Bytes of Chinese, Japanese, Korean, Cyrillic or Greek come in runs, or are other signs."""
    for run in _HIGH.findall(text):
        letters = run.strip(_QUOTES)
        mixed = len(letters) == 2 and not (letters.islower() or letters.isupper())
        if mixed or _FEW.fullmatch(run) is None:
            return False
    return True


def old_text(data: bytes) -> str:
    """Windows-1252, with Latin-1 for the five bytes it does not define."""
    return data.decode("latin-1").translate(_CP1252)


_UNDEFINED = frozenset({0x81, 0x8D, 0x8F, 0x90, 0x9D})
_CP1252 = {
    byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in _UNDEFINED
}


# --- JSON ----------------------------------------------------------------------------------------


def repair(chunk: str) -> list[dict[str, Any]] | None:
    """Records of a piece of text that is no JSON; [] if it holds only comments, None if nothing
    certain can be made of it."""
    lines = [line for line in chunk.splitlines() if not line.lstrip().startswith(("//", "#"))]
    text = "\n".join(lines).strip().rstrip(",").strip()
    if not text or text in ("[", "]"):
        return []
    for candidate in _candidates(text):
        value = _parse(candidate)
        records = value if isinstance(value, list) else [value]
        if records and all(isinstance(item, dict) and item for item in records):
            return records
    return None


def _parse(text: str) -> Any:
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        value = None
    if value is None and len(text) <= _PYTHON and re.match(r"[{\[]\s*[{']", text):
        try:
            value = ast.literal_eval(text)  # single quotes: a Python dictionary
            json.dumps(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    try:
        return _without_halves(value)
    except RecursionError:
        return None


def _without_halves(value: Any) -> Any:
    """The value without halves of character pairs, which no encoding can write."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    if isinstance(value, list):
        return [_without_halves(item) for item in value]
    if isinstance(value, dict):
        return {_without_halves(str(key)): _without_halves(item) for key, item in value.items()}
    return value


def _candidates(text: str) -> Iterator[str]:
    yield text
    for repairs in _REPAIRS:
        changed = text
        for step in repairs:
            changed = step(changed)
        yield changed


def without_trailing_commas(text: str) -> str:
    """`{"a": 1,}` -> `{"a": 1}`; commas inside texts stay."""
    found: list[str] = []
    inside = escaped = False
    for mark in text:
        if inside:
            inside = escaped or mark != '"'
            escaped = mark == "\\" and not escaped
        elif mark == '"':
            inside = True
        elif mark in "}]":
            while found and (found[-1].isspace() or found[-1] == ","):
                found.pop()
        found.append(mark)
    return "".join(found)


def _plain_quotes(text: str) -> str:
    """Typographic quotes where JSON has plain ones: beside brackets, colons and commas."""
    text = re.sub(r"([{\[,:]\s*)[“”„‘’]", r'\1"', text)
    return re.sub(r"[“”„‘’](\s*[,:}\]])", r'"\1', text)


def _closed(text: str) -> str:
    return text + "}" if re.search(r'["\d\]le]\s*$', text) else text


def _commas_between(text: str) -> str:
    return re.sub(r'("|\d|true|false|null|\])\s+("[^"]+"\s*:)', r"\1, \2", text)


_ENDS_TEXT = re.compile(r'\s*(:|,?\s*[}\]]|,\s*"[^"]*"\s*:|$)')


def _escape_inner(text: str) -> str:
    """Escape quotes inside texts: a quote closes a text only where a bracket, a colon, or a comma
    and another key follow."""
    found: list[str] = []
    inside = False
    place = 0
    while place < len(text):
        mark = text[place]
        if inside and mark == "\\":
            found.append(text[place : place + 2])
            place += 2
            continue
        if mark == '"':
            if not inside:
                inside = True
            elif _ENDS_TEXT.match(text, place + 1):
                inside = False
            else:
                mark = '\\"'
        found.append(mark)
        place += 1
    return "".join(found)


_REPAIRS: tuple[tuple[Callable[[str], str], ...], ...] = (
    (without_trailing_commas,),
    (_plain_quotes,),
    (_plain_quotes, without_trailing_commas),
    (_closed,),
    (without_trailing_commas, _closed),
    (_commas_between,),
    (_commas_between, without_trailing_commas),
    (_escape_inner,),
    (_escape_inner, without_trailing_commas),
)


def pairs_of(line: str) -> tuple[dict[str, Any], bool]:
    """(the record, whether a key that appears twice has two different values)."""
    differ = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal differ
        values: dict[str, Any] = {}
        for key, value in items:
            differ = differ or (key in values and values[key] != value)
            values[key] = value
        return values

    return json.loads(line, object_pairs_hook=pairs), differ
