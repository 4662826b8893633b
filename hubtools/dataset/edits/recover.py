"""Read what broken metadata means: JSON that is nearly JSON.

Every guess is checked by parsing what came of it; what does not parse is left to the user.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from hubtools.dataset.metadata.jsonl import enough_of
from hubtools.patterns import regex

_PYTHON = 100_000  # characters that are read as Python, which takes a thousand bytes for some


# --- JSON ----------------------------------------------------------------------------------------


def repair(chunk: str, sure: int = 0) -> list[dict[str, Any]] | None:
    """Records of a piece of text that is no JSON; [] if it holds only comments, None if nothing
    certain can be made of it. `sure`: as `Trouble` has it."""
    lines = chunk.splitlines()
    if "#" in chunk or "//" in chunk:
        lines = [line for line in lines if not line.lstrip().startswith(("//", "#"))]
    text = "\n".join(lines).strip().rstrip(",").strip()
    if not text or text in ("[", "]"):
        return []
    tried: list[str] = []
    failed = chunk[:sure].lstrip()  # no record begins like this
    if _may_be_python(text) or not text.startswith(failed):
        failed = ""
    for candidate in _candidates(text, bool(failed)):
        if candidate in tried or (failed and candidate.startswith(failed)):
            continue
        tried.append(candidate)
        value, place = _parse(candidate)
        failed = candidate[:place] or failed
        records = value if isinstance(value, list) else [value]
        if records and all(isinstance(item, dict) and item for item in records):
            return records
    return None


_loose: Any = json.JSONDecoder(strict=False)
_scan = _loose.scan_once
_PYTHON_BEGINS = regex(r"[{\[]\s*[{']")


def _may_be_python(text: str) -> bool:
    if text[1:2] == '"':
        return False  # as nearly all begin
    return len(text) <= _PYTHON and _PYTHON_BEGINS.match(text) is not None


def _parse(text: str) -> tuple[Any, int]:
    """(the value, None if there is none; how many characters of `text` are enough to say so of all
    texts that begin with them, 0 if that is not known)."""
    enough = 0
    try:
        value, end = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration) as error:
        value, enough = None, enough_of(text, error)
    else:
        if end < len(text):
            value = None
        elif "\\u" not in text and text.isascii():
            return value, 0  # all of its letters can be written
    if value is None and _may_be_python(text):
        enough = 0
        try:
            value = ast.literal_eval(text)  # single quotes: a Python dictionary
            json.dumps(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None, 0
    try:
        return _without_halves(value), enough
    except RecursionError:
        return None, 0


def _without_halves(value: Any) -> Any:
    """The value without halves of character pairs, which no encoding can write."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    if isinstance(value, list):
        return [_without_halves(item) for item in value]
    if isinstance(value, dict):
        return {_without_halves(str(key)): _without_halves(item) for key, item in value.items()}
    return value


def _candidates(text: str, sure: bool) -> Iterator[str]:
    """The text, and what may be meant by it, the likeliest first; some more than once. `sure`: it
    has a mistake that stays when commas before a bracket go, or a bracket is added."""
    bare = text if sure else without_trailing_commas(text)
    if not sure:
        yield from _with(text, bare)
    if (changed := _plain_quotes(text)) != text:
        yield from _with(changed, without_trailing_commas(changed))
    for one in () if sure else (text, bare):
        if (closed := _closed(one)) != one:
            yield closed
    for step in (_commas_between, _escape_inner):
        if (changed := step(text)) != text:
            yield from _with(changed, without_trailing_commas(changed))


def _with(text: str, bare: str) -> Iterator[str]:
    """A text, and the same without its trailing commas; with them it is no JSON."""
    if bare.count(",") == text.count(",") or _may_be_python(text):
        yield text
    if bare != text:
        yield bare


# Nothing is possessive that looks ahead: Python before 3.11.5 matches it wrongly. These never go
# back, as nothing that must match comes behind.
_LOOSE_END = regex(r"[,\s][}\]]")
# What stays: texts, and all else but what stands between the last value and a bracket.
_KEPT = regex(
    r'((?:[^"\s,]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\s,]++(?![}\]]))+)|[\s,]++', re.DOTALL
)


def without_trailing_commas(text: str) -> str:
    """`{"a": 1,}` -> `{"a": 1}`; commas inside texts stay."""
    if not _LOOSE_END.search(text):
        return text
    plain = text
    if "\\" in text:
        if "\\\\" in text:
            return "".join(_KEPT.findall(text))
        plain = text.replace('\\"', "''")
    pieces: list[str] = []
    place = counted = quotes = 0
    for match in _LOOSE_END.finditer(text):
        start = end = match.end() - 1
        quotes += plain.count('"', counted, end)
        counted = end
        if quotes % 2:
            continue  # within a text
        while start > place and (text[start - 1] == "," or text[start - 1].isspace()):
            start -= 1
        pieces.append(text[place:start])
        place = end
    return "".join(pieces) + text[place:]


_QUOTE_AFTER = regex(r"([{\[,:]\s*)[“”„‘’]")
_QUOTE_BEFORE = regex(r"[“”„‘’](\s*[,:}\]])")


def _plain_quotes(text: str) -> str:
    """Typographic quotes where JSON has plain ones: beside brackets, colons and commas."""
    if text.isascii():
        return text
    return _QUOTE_BEFORE.sub(r'"\1', _QUOTE_AFTER.sub(r'\1"', text))


def _closed(text: str) -> str:
    last = text.rstrip()[-1:]
    return text + "}" if last and (last in '"]le' or last.isdecimal()) else text


_MISSING_COMMA = regex(
    r'\s(?<=["\d\]el]\s)(?:(?<=["\d\]]\s)|(?<=true\s)|(?<=false\s)|(?<=null\s))\s*+("[^"]+"\s*+:)'
)


def _commas_between(text: str) -> str:
    return _MISSING_COMMA.sub(r", \1", text)


# A text and the quotes in it: one ends it only where a bracket, a colon, or a comma and another
# key follow.
_TEXTS = regex(
    r'("(?:[^"\\]++|\\.?|"(?!\s*+(?::|[}\]]|,\s*+(?:[}\]]|"[^"]*"\s*+:)|$)))*"?)', re.DOTALL
)
_INNER_QUOTE = regex(r'(\\.?)|"', re.DOTALL)


def _escape_inner(text: str) -> str:
    """Escape quotes inside texts."""
    pieces = _TEXTS.split(text)
    for place in range(1, len(pieces), 2):
        inner = pieces[place][1:-1]
        if '"' in inner:
            if "\\" in inner:
                inner = _INNER_QUOTE.sub(lambda mark: mark[1] or r"\"", inner)
            else:
                inner = inner.replace('"', r"\"")
            pieces[place] = f"{pieces[place][0]}{inner}{pieces[place][-1]}"
    return "".join(pieces)


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
