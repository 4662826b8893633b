"""JSON Lines: each record with its line, and what keeps a line from being one."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count, repeat
from typing import Any, NamedTuple

import orjson

from hubtools.dataset.metadata.bounded import deepest, too_deep
from hubtools.dataset.metadata.model import Kind, MetadataFile, Row, Trouble
from hubtools.limits import DEPTH
from hubtools.patterns import regex

# Bytes read at once; few enough for the cache of a processor.
_BLOCK = 1 << 18
_row = partial(tuple.__new__, Row)


def read_plain_jsonl(data: bytes, found: MetadataFile) -> int | None:
    """Read records while each is one object on a line of its own, a block of lines at a time.

    None if all are. Else the number of lines before the block in which one is not: what is in
    them has been read, and `read_jsonl` goes on from there.
    """
    start = lines = 0
    while start < len(data):
        end = data.find(b"\n", start + _BLOCK) + 1 or len(data)
        block = data[start:end]
        if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
            return lines  # a lone one ends a line as well
        block = block.rstrip(b" \t\r\n") if end == len(data) else block[:-1]
        written = block.split(b"\n")
        try:
            values = list(map(orjson.loads, written))
        except orjson.JSONDecodeError:
            return lines
        if set(map(type, values)) != {dict}:
            return lines
        if block.count(b"{") + block.count(b"[") > len(values) + DEPTH and any(
            map(deepest, values)
        ):
            return lines
        # a look at the whole block spares one at each line
        if block.count(b":") > sum(map(len, values)):
            for number, (line, value) in enumerate(zip(written, values, strict=True), lines + 1):
                if line.count(b":") > len(value):
                    _look_for_duplicate_keys(line.decode(), value, number, found)
        found.rows.extend(map(_row, zip(repeat(found.name), count(lines + 1), values)))
        start, lines = end, lines + len(written)
    return None


def read_jsonl(text: str, found: MetadataFile, skip: int = 0) -> None:
    """Read what may be anything, `skip` lines passed over."""
    if not skip and text.lstrip().startswith("[") and _read_array(text, found):
        return
    lines = re.split(r"\r\n|\n|\r", text) if "\r" in text else text.split("\n")
    decoder = json.JSONDecoder()
    number = skip
    multi_line: list[int] = []
    value: Any = None
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip():
            continue
        value = _loads_again(line) if isinstance(value, _Broken) else _loads(line)
        if isinstance(value, dict | list) and _deep(line, value):
            found.troubles.append(too_deep(number))
        elif isinstance(value, dict):
            found.rows.append(Row(found.name, number, value))
            if line.count(":") > len(value):
                _look_for_duplicate_keys(line, value, number, found)
        elif not isinstance(value, _Broken):
            found.troubles.append(
                Trouble(
                    Kind.NOT_OBJECT,
                    f"the line is {_kind_of(value)}, not an object",
                    number,
                    1,
                    'write {"file_name": "...", ...}',
                )
            )
        else:
            number = _read_broken(lines, number, decoder, multi_line, found, value)
    if multi_line:
        found.troubles.append(
            Trouble(
                Kind.MULTI_LINE,
                f"{len(multi_line)} of {len(found.rows)} records are spread over several lines;"
                " that is not JSON Lines",
                multi_line[0],
                1,
                "write each record on one line",
            )
        )


# Mistakes that are known at their place, whatever follows.
_AT_ONCE = ("Expecting ',' delimiter", "Expecting ':' delimiter")


def enough_of(text: str, error: Exception | None) -> int:
    """How many characters of `text`, which `json` has refused with `error`, are enough for that: no
    text that begins with them is JSON. 0 if that is not known."""
    if not isinstance(error, json.JSONDecodeError) or error.msg not in _AT_ONCE:
        return 0
    return error.pos + 1 if error.pos < len(text) else 0


class _Broken(NamedTuple):
    """Why a text is no JSON: what its reader says, None if it holds half of a character pair."""

    error: ValueError | RecursionError | None = None

    @property
    def goes_on(self) -> bool:
        """Whether there is a value at the beginning, and something behind it."""
        return isinstance(self.error, json.JSONDecodeError) and self.error.msg == "Extra data"


def _deep(text: str, value: Any) -> bool:
    return text.count("{") + text.count("[") > DEPTH and deepest(value)


def _loads(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _loads_slowly(text)


def _loads_slowly(text: str) -> Any:
    """What `orjson` does not read: NaN and Infinity, as the loaders do; `_Broken` if it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        error.__context__ = None  # frames of both hold the lines that were read before
        return _Broken(error.with_traceback(None))
    try:
        json.dumps(value, ensure_ascii=False).encode()  # half a character they do not read
    except (ValueError, RecursionError):
        return _Broken()
    return value


def _loads_again(text: str) -> Any:
    """What `_loads` makes of what is most likely broken, as the line before is."""
    value = _loads_slowly(text)
    broken = isinstance(value, _Broken) and not isinstance(value.error, RecursionError)
    return value if broken else _loads(text)


def _read_broken(
    lines: list[str],
    number: int,
    decoder: json.JSONDecoder,
    multi_line: list[int],
    found: MetadataFile,
    broken: _Broken,
) -> int:
    """Line `number` (from 1) is no whole record: the beginning of one, several, or a mistake.
    Gives the number of lines now read."""
    line = lines[number - 1]
    bare = line.strip()
    # what is white to Python and not to JSON stands before a value that none has looked at
    behind = broken.goes_on or bare != line.strip(" \t\r\n")
    # several objects on one line are read by the loaders as several rows
    several = list(objects(line, decoder)) if behind else []
    if several:
        if _deep(line, several):
            found.troubles.append(too_deep(number))
        else:
            found.rows.extend(Row(found.name, number, value) for value in several)
        return number
    if bare.rstrip(",") in ("[", "]"):
        found.troubles.append(
            Trouble(
                Kind.ARRAY,
                f"a bracket {bare[0]} stands alone; records have no brackets around them",
                number,
                1,
                "remove it, and the commas between records",
            )
        )
        return number
    if behind and bare.endswith(","):
        value = _loads(bare.rstrip(","))
        if isinstance(value, dict) and not _deep(line, value):
            found.rows.append(Row(found.name, number, value))
            found.troubles.append(
                Trouble(
                    Kind.JSON,
                    "a comma stands behind the record",
                    number,
                    len(line.rstrip()),
                    "remove the comma; records are separated by line ends only",
                )
            )
            return number
    sure = enough_of(line, broken.error)
    if bare.startswith("{") and not sure:
        end = _closing(lines, number - 1)
        value = _loads("\n".join(lines[number - 1 : end]).strip().rstrip(",")) if end else None
        if isinstance(value, dict) and not _deep(line, value):
            found.rows.append(Row(found.name, number, value))
            multi_line.append(number)
            return end
    found.troubles.append(_diagnose(line, number, broken.error, sure))
    # do not complain once more about each further line of the same broken record
    while number < len(lines) and not lines[number].lstrip().startswith("{"):
        number += 1
    return number


_LINES_OF_ONE = 200
_TEXT = regex(r'"(?:[^"\\]|\\.)*+"')


def _closing(lines: list[str], first: int) -> int:
    """Number of the line (from 1) on which the bracket that line `first` (from 0) opens is closed;
    0 if none of the next ones does, before another record begins."""
    depth = 0
    for place in range(first, min(first + _LINES_OF_ONE, len(lines))):
        line = lines[place]
        if place > first and line.lstrip().startswith("{"):
            break
        bare = _TEXT.sub("", line)
        if '"' in bare:
            break  # a text that goes on is no JSON, whatever follows
        depth += bare.count("{") + bare.count("[") - bare.count("}") - bare.count("]")
        if depth <= 0:
            return place + 1 if place > first else 0
    return 0


def objects(line: str, decoder: json.JSONDecoder) -> Iterator[dict[str, Any]]:
    """All objects of a line that holds nothing but objects, else nothing."""
    values = []
    place = 0
    text = line.strip()
    try:
        while place < len(text):
            value, place = decoder.raw_decode(text, place)
            if not isinstance(value, dict):
                return
            values.append(value)
            while place < len(text) and text[place].isspace():
                place += 1
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return
    yield from values


def _read_array(text: str, found: MetadataFile) -> bool:
    value = _loads(text)
    if not isinstance(value, list):
        return False
    found.troubles.append(
        Trouble(
            Kind.ARRAY,
            "is one JSON array; JSON Lines has one object a line",
            1,
            1,
            "write each record on a line of its own, without [ ] and commas between",
        )
    )
    if _deep(text, value):
        found.troubles.append(too_deep(1))
        return True
    found.rows.extend(Row(found.name, None, item) for item in value if isinstance(item, dict))
    return True


_SMART = "“”„‘’"


_BEFORE_BRACKET = regex(r",\s*[}\]]")
_SINGLE_QUOTE = regex(r"\s*\{\s*'")


def _diagnose(
    line: str, number: int, error: ValueError | RecursionError | None, sure: int
) -> Trouble:
    """Say what is wrong with a line that is not JSON, as precisely as can be; `error` as in
    `_Broken`, `sure` as in `Trouble`."""
    if error is None:
        message, column = "half of a character pair", line.lower().find("\\ud") + 1
    elif isinstance(error, RecursionError):
        message, column = "nested too deeply", 1
    else:
        message = getattr(error, "msg", str(error)).removesuffix(" starting at")
        column = int(getattr(error, "colno", 1))
    near = line[max(0, column - 1) : column + 19].strip() or "the end of the line"
    fix = None
    if '"' not in line and any(mark in line for mark in _SMART):
        column = min(line.index(mark) for mark in _SMART if mark in line) + 1
        message, fix = "typographic quotes", 'use plain double quotes "'
    elif comma := _BEFORE_BRACKET.search(line):
        column = comma.start() + 1
        message, fix = "a comma before the closing bracket", "remove the comma"
    elif _SINGLE_QUOTE.match(line):
        message, fix = "single quotes", 'use double quotes "'
    elif line.lstrip().startswith(("//", "#")):
        message, fix = "a comment", "JSON has no comments; remove the line"
    elif "Invalid control character" in message:
        fix = r"write line ends inside a text as \n and tabs as \t"
    elif "Unterminated string" in message:
        fix = 'close the text with "; a quote inside it is written \\"'
    elif "Expecting ',' delimiter" in message:
        fix = 'put a comma between fields; a quote inside a text is written \\"'
    fix = fix or 'write {"file_name": "...", ...} on one line'
    return Trouble(Kind.JSON, f"{message.lower()} at {near!r}", number, column, fix, sure)


_TWICE = 20  # keys of one record that are told
_KEY_END = regex(r'"\s*:')


def _look_for_duplicate_keys(
    line: str, value: dict[str, Any], number: int, found: MetadataFile
) -> None:
    if len(_KEY_END.findall(line)) <= len(value):
        return
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(items)
        if len(values) < len(items):
            counts = Counter(key for key, _ in items)
            twice.extend(key for key in values if counts[key] > 1)
        return values

    try:
        json.loads(line, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return
    for key in twice[:_TWICE]:
        found.troubles.append(
            Trouble(
                Kind.DUPLICATE_KEY,
                f"the key {key!r} appears twice in one record",
                number,
                line.rfind(f'"{key}"') + 1,
                "keep one of them",
            )
        )


def _kind_of(value: Any) -> str:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
