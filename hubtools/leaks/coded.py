"""Values in base64 of a few letters, which nothing but the place tells: LDIF's `name:: BASE64`, and what
a Secret of Kubernetes holds, also as it stands."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from hubtools.leaks.apart import is_open_member
from hubtools.leaks.guesses import is_mixed
from hubtools.leaks.names import beside
from hubtools.leaks.shapes import Secret
from hubtools.patterns import regex

_MOST = 20_000  # characters of a Secret before and behind its kind
# RFC 2849
_LDIF = regex(
    r"(?m)^([A-Za-z][\w.-]{0,60})(?:;[\w-]{1,40})?::[ \t]{1,4}([A-Za-z0-9+/]{8,400}={0,2})[ \t]{0,9}\r?$"
)
_KIND = regex(
    r"(?m)(?:^|[{,])[ \t-]{0,40}[\"']?kind[\"']?[ \t]{0,4}:[ \t]{0,4}[\"']?(\w{1,60})[\"']?[ \t]{0,4}(?=[\r\n,}]|\Z)"
)
_BLOCK = regex(r"(?m)^([ \t]{0,40})(data|stringData):[ \t]{0,9}\r?\n")
_ROW = regex(
    r"([ \t]{1,60})[\"']?([\w.-]{1,100})[\"']?:[ \t]{0,9}(?:[|>][-+]?[ \t]{0,9}\r?\n[ \t]{1,60})?[\"']?([^\s\"'#]{1,2000})?[^\n]{0,200}(?:\n|\Z)"
)
_MEMBERS = regex(r"[\"']?\b(data|stringData)[\"']?\s{0,9}:\s{0,9}\{([^{}]{1,20000})\}")
_MEMBER = regex(r"[\"']?([\w.-]{1,100})[\"']?\s{0,9}:\s{0,9}[\"']?([^\s\"',{}]{1,2000})")


def coded(text: str) -> Iterator[Secret]:
    """Everything of `text` that stands so. Linear in the text."""
    if ":: " in text:
        for match in _LDIF.finditer(text):
            value = _unpacked(match[2])
            if value and value[0] != "{" and (what := beside(match[1], value)):
                yield Secret(what, match.start(2), value)
    if "Secret" in text and "kind" in text:
        kinds = [(kind.start(), kind.end(), kind[1]) for kind in _KIND.finditer(text)]
        for number, (first, last, kind) in enumerate(kinds):
            if kind == "Secret":
                before = kinds[number - 1][1] if number else 0
                behind = kinds[number + 1][0] if number + 1 < len(kinds) else len(text)
                parted = max(text.rfind("\n---", before, first), _next_of_list(text, before, first))
                start = max(first - _MOST, parted, 0 if not number else before)
                if number and parted < 0:
                    start = last  # what is before belongs to another
                end = text.find("\n---", last, behind)
                yield from _of_secret(text, start, min(behind if end < 0 else end, last + _MOST))


_NEXT = regex(r"\}\s{0,80},\s{0,80}\{")


def _next_of_list(text: str, start: int, end: int) -> int:
    """Where the last object of a list begins there; -1: none."""
    return max((match.start() for match in _NEXT.finditer(text, start, end)), default=-1)


def _of_secret(text: str, start: int, end: int) -> Iterator[Secret]:
    """What a Secret holds that stands between these places."""
    for block in _BLOCK.finditer(text, start, end):
        place = block.end()
        while (row := _ROW.match(text, place, end)) is not None and len(row[1]) > len(block[1]):
            place = row.end()
            yield from _value(block[2], row[2], row[3] or "", row.start(3))
    for members in _MEMBERS.finditer(text, start, end):
        for member in _MEMBER.finditer(text, members.start(2), members.end(2)):
            yield from _value(members[1], member[1], member[2], member.start(2))


def _value(section: str, name: str, value: str, place: int) -> Iterator[Secret]:
    said = value if section == "stringData" else _unpacked(value)
    # where the name tells what stands there is told as it is
    if said and is_mixed(said) and not is_open_member(name) and not beside(name, value):
        yield Secret("a value of a Secret of Kubernetes", place, said)


def _unpacked(value: str) -> str:
    """A word in base64; nothing if it is none."""
    try:
        said = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    said = said.rstrip("\r\n")
    return said if said.isprintable() and not any(map(str.isspace, said)) else ""
