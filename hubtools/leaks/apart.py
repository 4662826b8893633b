"""Secrets whose name does not stand right before them: under it as in lists, sections and below
headings, in the cell before it, in the string before it of a binary file.

Each telling word is found first (`str.find`), and a bounded piece around it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from hubtools.leaks.guesses import is_hex, looks_random
from hubtools.leaks.names import PASSWORDS, beside
from hubtools.leaks.shapes import Secret
from hubtools.patterns import regex

_LINE = 100  # characters before a word and behind it, in which the line of a label ends
_LINES = 24  # that are looked at below a label
_CELLS = 500  # characters before a name in which its value stands
_LIST = 4000  # characters of a list or an object

_VALUE = r"[^\s\"'`\\,;<>(){}\[\]|]{8,400}"
_ANY = _VALUE.replace("{8,", "{1,")
_MARKS = regex(r"[\s>#*+\-\"'`\[{<|(=.]*(?:\d{1,2}[.)]\s+)?")
# An anchor or a tag of YAML.
_TAGGED = regex(r"(?:(?<=:)\s+[&!]\S{1,40})+\s*\Z")
_NOTE = regex(r"\s(?:#|//|\().*", re.DOTALL)
_OF = regex(r"(?i)\s(?:for|of|to|in|on|from|für|von|pour|de)\s.*", re.DOTALL)
_NAME = regex(r"[^\W\d][\w.\-/'’]*(?: [\w.\-/'’]+){0,4}")
_MANY = regex(r"(?i)(?:keys|tokens|secrets|credentials|webhooks|pass(?:word|wd|phrase)s)\Z")
_ITEM = regex(
    rf"(?:[-*+]\s+|\d{{1,2}}[.)]\s+)?(?:[brf](?=[\"'`]))?[\"'`]{{0,3}}({_ANY})[\"'`]{{0,3}}\s{{0,8}},?(?:\s+#.*)?"
)
_PAIR = regex(
    rf"(?:[-*+]\s+)?[\"'`]?([\w.-]{{1,40}})[\"'`]?\s{{0,8}}[:=]\s{{0,8}}[\"'`]{{0,3}}({_ANY})[\"'`]{{0,3}}\s{{0,8}},?(?:\s+#.*)?"
)
_BARE = regex(r"(?:[`~]{3,}\s{0,4}\w*|[-=~^.:_*]{2,}|::?|[\[{(]|#.*|//.*|[\w\"'. -]{1,40}:)")
# Lines of a section, and members of an object, that are no secrets whatever they hold.
_OPEN = regex(
    r"(?i)(?:.*[_.-])?(?:ids?|user|username|login|host|path|file|url|uri|hash|sha\d*|md5|digest|version|revision"
    r"|commit|type|model|region|created|expires|updated|date|email|checksum|fingerprint)\Z"
)
_IN_LIST = regex(r"(?i:e?s)?\\{0,3}[\"'`]?\]?\s{0,8}[:=]\s{0,8}(?:new\s\w{1,20})?[\[{]")
_STRING = regex(
    rf"(?:([\"'`]?)([\w.-]{{1,40}})\1\s{{0,8}}(?:=>|[:=])\s{{0,80}}+)?"
    rf"(?:([\"'`])({_VALUE})\3|(?<![\w\"'`.-])({_VALUE})(?=\s{{0,8}}(?:,|\Z)))"
)
_CELL_ENDS = regex(
    r"(?:e?s)?(?:[_.-]?(?:\d{1,2}|value|prod|dev|live))?[\"'` ]{0,3}(?:[,;|\t\r\n\])}]|\Z)"
)
# What stands between two strings of a binary file: numbers, lengths, marks.
_GAP = regex(
    r"(?:e?s)?[ -~]{0,2}[\0-\x08\x0b\x0e-\x1f\x7f-\xa0\ufffd][^ -~]{0,11}(?:[ -~]{1,2}[^ -~]{1,8})?([!-~]{8,402})"
)


def apart(text: str, words: dict[str, list[int]]) -> Iterator[Secret]:
    """Everything in `text` that stands apart from its name; `words`: where those that tell are in
    it. Linear in the text."""
    lines = "\n" in text
    cells = any(mark in text for mark in ",;|\t")
    binary = _BINARY.search(text) is not None
    for word, places in words.items():
        below = listed = 0  # where what was looked at ends: nothing is looked at twice
        for place in places:
            if lines and place >= below:
                below = yield from _below(text, place)
            goes_on = text[place + len(word) : place + len(word) + 1]
            if goes_on.isalpha() and goes_on not in "esvpdl" and not binary:
                continue
            if cells:
                yield from _before(text, place, word)
            if place >= listed:
                listed = yield from _listed(text, place, word)
            if binary:
                yield from _behind(text, place, word)


_BINARY = regex(r"[\0-\x08\x0b\x0e-\x1f\ufffd]")


def _below(text: str, place: int) -> Generator[Secret, None, int]:
    """Values in the lines below a line that is nothing but a name. Returns where these end."""
    start = text.rfind("\n", max(0, place - _LINE), place) + 1
    end = text.find("\n", place, place + _LINE)
    if end < 0 or (not start and place > _LINE):
        return 0
    line = _TAGGED.sub("", _NOTE.sub("", text[start:end])).rstrip()
    label = _label(line)
    if label is None or beside(label, None) is None:
        return 0
    marked = line[-1:] in ":{[]=*>" or line.lstrip()[:1] in ("#", "=", "[", "*", "<", "\\")
    at = end
    opens, many = line[-1:] in ":{[]=", _MANY.search(label) is not None
    for at, below in _lines(text, end + 1):
        if below[0] == "#" and (below[:2] == "##" or line.lstrip()[0] == "#"):
            break  # the next heading
        if _BARE.fullmatch(below):
            marked = marked or below[:3] in ("---", "===", "~~~", "```", "^^^")
            continue
        if (item := _ITEM.fullmatch(below)) is not None:
            value = item[1].rstrip(".:")
            if what := beside(label, value):
                yield Secret(what, at + text[at : at + len(below)].find(value), value)
        elif opens and many and (pair := _PAIR.fullmatch(below)) is not None:
            if not _OPEN.match(pair[1]) and (what := beside(label, pair[2])):
                yield Secret(what, at + below.find(pair[2]), pair[2])
        else:
            break
        if not marked:
            break  # a line of a text: only the next one belongs to it
    return at


def _lines(text: str, start: int) -> Iterator[tuple[int, str]]:
    """(place, line without blanks around it) of the lines from there on that say something."""
    for _ in range(_LINES):
        end = text.find("\n", start, start + 600)
        if end < 0 and len(text) - start > 600:
            return
        line = text[start : end if end >= 0 else len(text)]
        if bare := line.strip():
            yield start + line.find(bare), bare
        if end < 0:
            return
        start = end + 1


def _label(line: str) -> str | None:
    """The name that a line is; None if it is more than that."""
    marks = _MARKS.match(line)
    bare = line[marks.end() :] if marks else line
    bare = _NOTE.sub("", bare).rstrip(" \t\"'`*]}>=:：{[|#&!-+")
    bare = _OF.sub("", bare)
    return bare if _NAME.fullmatch(bare) else None


def _before(text: str, place: int, word: str) -> Iterator[Secret]:
    """`VALUE,name`: the cell before one that is a name."""
    ends = _CELL_ENDS.match(text, place + len(word))
    if ends is None:
        return
    first = max(0, place - _CELLS)
    start = text.rfind("\n", first, place) + 1 or first
    piece = text[start:place]
    mark = max(",\t;|", key=piece.rfind)
    before, found, name = piece.rpartition(mark)
    if not found:
        return
    name = f"{name}{word}".strip("\"'` ")
    value = before.rpartition(mark)[2].strip("\"'` []({")
    plain = re.fullmatch(r"[A-Za-z]\w*(?:[ .-]\w+){0,3}", name)
    if not plain or re.fullmatch(_VALUE, value) is None or (name == word and is_hex(value)):
        return
    if what := beside(name, value):
        yield Secret(what, start + piece.rfind(value), value)


def _listed(text: str, place: int, word: str) -> Generator[Secret, None, int]:
    """`"api_keys": ["a", "b"]`, `{"api_keys": {"wandb": "a"}}`, on as many lines as it takes.
    Returns where it ends."""
    opened = _IN_LIST.match(text, place + len(word))
    if opened is None:
        return 0
    name = text[max(0, place - 40) : place + len(word)]
    name += "s" * (text[place + len(word) : place + len(word) + 1] in ("s", "S"))
    if beside(name, None) is None:
        return 0
    inner = text[opened.end() : opened.end() + _LIST]
    ends = re.search(r"[\]}]", inner)
    for found in _STRING.finditer(inner[: ends.start()] if ends else inner):
        if found[2] and _OPEN.match(found[2]):
            continue
        value = found[4] or found[5]
        if value.startswith("#/"):
            continue  # a place in the same file (JSON Pointer, RFC 6901)
        if what := beside(name, value):
            yield Secret(what, opened.end() + found.start(4 if found[4] else 5), value)
    return opened.end() + (ends.start() if ends else len(inner))


def is_open_member(name: str) -> bool:
    """Whether a member of this name is no secret, whatever it holds: a user, a host, a hash."""
    return _OPEN.match(name) is not None


def _behind(text: str, place: int, word: str) -> Iterator[Secret]:
    """The next string of a binary file, which may have its length in front of it."""
    found = _GAP.match(text, place + len(word))
    if found is None:
        return
    name = text[max(0, place - 40) : place + len(word)]
    value = found[1]
    cut = next((n for n in (1, 2) if ord(value[n - 1]) == len(value) - n), 0)
    for piece in dict.fromkeys((value[cut:], value[:-1])):
        what = beside(name, piece)
        if what and (word in PASSWORDS or looks_random(piece)):
            yield Secret(what, found.start(1), piece)
            return
