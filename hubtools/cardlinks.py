"""What a card names: the text without its code, the files of the repository that it shows, links
and loads."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from hubtools.patterns import regex

_FENCE = regex(r" {0,3}(`{3,}|~{3,})(.*)")
_SCHEME = regex(r"([A-Za-z][A-Za-z0-9+.-]*):")
_TARGET = r"\]\(\s{0,20}<?([^)\s>]+)"
_LINK = regex(
    _TARGET + r"|<(?:img|source|video)\b[^<>]{0,2000}?\bsrc\s{0,9}=\s{0,9}"
    r"[\"']?([^\"'\s>]{1,2000})",
    re.IGNORECASE,
)
_LOADED = regex(r"weight_name=[\"']([^\"']+)")

NOWHERE = "OWNER/NAME"  # stands in code for a repository that nobody knows yet
_HERE = regex(
    r"\bload_(?:lora_weights|textual_inversion|dataset)\(\s{0,20}[\"'](?:\./?|OWNER/NAME)[\"']"
)


@lru_cache(maxsize=2)
def fenced(text: str) -> tuple[frozenset[int], tuple[str, int] | None]:
    """(numbers of the lines in blocks of code, fences included; the fence that opens a block which
    nothing closes, and its line)."""
    inside = set()
    opened: tuple[str, int] | None = None
    for number, line in enumerate(text.split("\n")):
        found = _FENCE.match(line)
        if opened is not None:
            inside.add(number)
            if found and found[1].startswith(opened[0]) and not found[2].strip():
                opened = None
        elif found and not (found[1][0] == "`" and "`" in found[2]):
            inside.add(number)
            opened = found[1], number
    return frozenset(inside), opened


@lru_cache(maxsize=2)
def prose(text: str) -> str:
    """The text with what stands in code blanked out, every offset and line as before."""
    inside, _ = fenced(text)
    return "\n".join(
        " " * len(line)
        if number in inside
        else re.sub(r"(?<!`)(`++)[^`\n]++\1", lambda code: " " * len(code[0]), line)
        for number, line in enumerate(text.split("\n"))
    )


def scheme_of(address: str) -> str | None:
    """The scheme of an address as a browser reads it, in small letters; None for a path. Browsers
    pass over control characters and spaces (`java\\nscript:`), pages over entities."""
    found = _SCHEME.match(re.sub(r"[\x00-\x20\x7f]", "", html.unescape(address)))
    return found[1].lower() if found else None


def is_inside(path: str) -> bool:
    """True for a relative path that stays in its folder, with `/`."""
    if not path or path.startswith(("/", "\\")) or scheme_of(path) or "\0" in path:
        return False
    return ".." not in re.split(r"[/\\]", path)


def is_local(address: str) -> bool:
    """True for what names a file of the repository: no scheme, and no address of the Hub."""
    return scheme_of(address) is None and not address.startswith("//")


def names_meant(path: str) -> tuple[str, ...]:
    """Names in the repository that a card may mean by a path: as it is written, and with what pages
    write as %20 read. None of what lies outside."""
    path = path.removeprefix("./").split("?")[0].rstrip("/")
    if not is_inside(path):
        return ()
    return tuple(name for name in dict.fromkeys((path, unquote(path))) if is_inside(name))


def linked_files(body: str) -> Iterator[tuple[str, int]]:
    """(path, offset) of what the text of a card links or shows of its own repository."""
    for match in _LINK.finditer(prose(body)):
        address = match[1] or match[2]
        target = address.split("#")[0]
        if target and is_local(address) and not target.startswith("/"):
            yield target, match.start()


def loaded_files(body: str) -> Iterator[tuple[str, int]]:
    """(name, offset) of the weight files that the code of a model's card loads."""
    for match in _LOADED.finditer(body):
        yield match[1], match.start()


# What may name a file, in code and front matter too. One looks for each on its own, as they may
# overlap.
_MENTIONED = (
    regex(r"(?:url|path|license_link)\s{0,20}:\s{0,20}[\"']?([^\s\"']+)"),
    regex(_TARGET),
    regex(r"(?:src|href)=[\"']([^\"'\n]{1,4000})"),
)


def mentioned_files(card: str, body: str, data: Mapping[str, Any]) -> frozenset[str]:
    """Names of all files in the repository that a card may mean, wherever it names them: what its
    text links and its gallery shows, and what looks like a link in its code and front matter.
    `body` and `data` are the text behind the front matter, and what that holds."""
    asked = [target for target, _ in linked_files(body)]
    asked += [url for _, url in gallery_files(data)]
    names = {name for path in asked for name in names_meant(path)}
    for address in (found for pattern in _MENTIONED for found in pattern.findall(card)):
        clean = posixpath.normpath(re.split(r"[#?]", address, maxsplit=1)[0])
        if "://" not in address and not clean.startswith(("..", "/")):
            names.add(clean)
    return frozenset(names)


def loaded_from_here(body: str) -> int | None:
    """The offset where the code of a card loads from the folder that it is run in, or from no
    repository at all; None if it nowhere does."""
    found = _HERE.search(body)
    return found.start() if found else None


def gallery_files(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(path to the value, picture) of the gallery in a front matter, as far as pictures lie in the
    repository."""
    widget = data.get("widget")
    for number, entry in enumerate(widget if isinstance(widget, list) else ()):
        output = entry.get("output") if isinstance(entry, dict) else None
        url = output.get("url") if isinstance(output, dict) else None
        if isinstance(url, str) and is_local(url):
            yield ("widget", number, "output", "url"), url
