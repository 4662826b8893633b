"""Read what broken metadata means: JSON that is nearly JSON.

Every guess is checked by parsing what came of it; what does not parse is left to the user.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_PYTHON = 100_000  # characters that are read as Python, which takes a thousand bytes for some


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


_LOOSE = json.JSONDecoder(strict=False)


def _parse(text: str) -> Any:
    try:
        value = _LOOSE.decode(text)
    except (ValueError, RecursionError):
        value = None
    else:
        if "\\u" not in text and text.isascii():
            return value  # all of its letters can be written
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
    seen = {text}
    after: dict[tuple[Callable[[str], str], str], str] = {}
    for repairs in _REPAIRS:
        changed = text
        for step in repairs:
            if (step, changed) not in after:
                after[step, changed] = step(changed)
            changed = after[step, changed]
        if changed not in seen:  # what was not JSON before is not now
            seen.add(changed)
            yield changed


_LOOSE_END = re.compile(r"[,\s][}\]]")
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[}\]]|[^"}\]]+', re.DOTALL)


def without_trailing_commas(text: str) -> str:
    """`{"a": 1,}` -> `{"a": 1}`; commas inside texts stay."""
    if not _LOOSE_END.search(text):
        return text
    found: list[str] = []
    for piece in _PIECE.findall(text):
        if piece in ("}", "]"):
            while found and found[-1][0] not in '"}]':
                before = found[-1]
                while (shorter := before.rstrip().rstrip(",")) != before:
                    before = shorter
                found[-1:] = [before] if before else []
                if before:
                    break
        found.append(piece)
    return "".join(found)


def _plain_quotes(text: str) -> str:
    """Typographic quotes where JSON has plain ones: beside brackets, colons and commas."""
    text = re.sub(r"([{\[,:]\s*)[“”„‘’]", r'\1"', text)
    return re.sub(r"[“”„‘’](\s*[,:}\]])", r'"\1', text)


def _closed(text: str) -> str:
    return text + "}" if re.search(r'["\d\]le]\s*$', text) else text


def _commas_between(text: str) -> str:
    return re.sub(r'("|\d|true|false|null|\])\s+("[^"]+"\s*:)', r"\1, \2", text)


_ENDS_TEXT = re.compile(r'\s*+(?::|[}\]]|,\s*+(?:[}\]]|"[^"]*"\s*+:)|$)')
_MARK = re.compile(r'\\.?|"', re.DOTALL)


def _escape_inner(text: str) -> str:
    """Escape quotes inside texts: a quote closes a text only where a bracket, a colon, or a comma
    and another key follow."""
    found: list[str] = []
    inside, place = False, 0
    while True:
        mark = _MARK.search(text, place) if inside else None
        end = mark.end() if mark else 0 if inside else text.find('"', place) + 1
        if not end:
            break
        if mark is None:
            inside = True
        elif mark[0] == '"':
            if _ENDS_TEXT.match(text, end):
                inside = False
            else:
                found += (text[place : end - 1], "\\")
                place = end - 1
        found.append(text[place:end])
        place = end
    found.append(text[place:])
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
