"""The front matter of a README.md: the one reader (`front_edits` changes it).

What counts as front matter is what `huggingface_hub.RepoCard` takes for it (and `datasets` with
it): UTF-8 with or without a byte order mark, perhaps white space, `---` alone on its line, YAML,
`---` at the start of a line. `datasets` reads `configs:` from nowhere else, so that a laxer reader
would predict rows that nobody gets.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hubtools.causes import NO_FILE
from hubtools.files import open_inside
from hubtools.limits import FRONT_MATTER, yaml_beyond
from hubtools.patterns import regex
from hubtools.safe_yaml import load_yaml

MARK = b"\xef\xbb\xbf"  # of the order of bytes
# huggingface_hub.repocard.REGEX_YAML_BLOCK
_BLOCK = regex(r"^(\s*---(?:\r\n|\r|\n))([\S\s]*?)((?:\r\n|\r|\n)---[ \t]*(\r\n|\n|$))")
# what people write, and no reader takes: a space behind the fence, an indented or empty one
_NEARLY = regex(r"\s*---[ \t]*(?:\r\n|\r|\n)")
_FENCE = regex(r"^[ \t]*---[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class FrontMatter:
    """A card in its parts: `opening` + `block` + `closing` + `body` is its text, without the mark.

    `block` is None, and `body` everything, if there is no front matter. `data` is {} where it
    cannot be read; `error` says why, `line` (from 1, in the file) where.
    """

    body: str
    opening: str = ""
    block: str | None = None
    closing: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    line: int | None = None
    broken: bool = False  # `error` is one of YAML; else the YAML means no keys and values

    @property
    def repeated(self) -> tuple[str, ...]:
        """Keys of the top level that are given twice (the Hub refuses them; YAML readers in Python
        take the last). Reads the block once more."""
        return tuple(_repeated(self.block or ""))

    @cached_property
    def body_line(self) -> int:
        """The line (from 1, in the file) on which the body begins."""
        return 1 + sum(part.count("\n") for part in (self.opening, self.block or "", self.closing))

    def body_line_of(self, offset: int) -> int:
        """The line of the file at an offset of the body."""
        return self.body_line + bisect_left(self._ends, offset)

    @cached_property
    def _ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.body)]


def parse(card: bytes | str) -> FrontMatter:
    """Take a card apart and read its YAML. Never raises."""
    if isinstance(card, bytes):  # of two marks the second one is text, as for the client
        text = card.removeprefix(MARK).decode("utf-8", "replace")
    else:
        text = card.removeprefix("\ufeff")
    found = _BLOCK.match(text)
    if found is None:
        error, line = _nearly(text)
        return FrontMatter(text, error=error, line=line)
    opening, block, closing = found[1], found[2], found[3]
    first = len(re.findall(r"\r\n|\r|\n", opening)) + 1  # line of the block's first
    data, error, at = _load(block)
    broken = error is not None
    if data is None:
        data = {}
    elif not isinstance(data, dict):
        data, error, at = {}, "the front matter is no mapping of keys to values", 0
    elif not all(isinstance(key, str) for key in data):
        odd = next(key for key in data if not isinstance(key, str))
        data, error, at = {}, f"the key {odd} of the front matter is no text", 0
    return FrontMatter(
        text[found.end() :],
        opening,
        block,
        closing,
        data,
        error,
        first + at if error else None,
        broken,
    )


def _nearly(text: str) -> tuple[str | None, int | None]:
    """What keeps the start of a card from being front matter, if it looks like one."""
    opened = _NEARLY.match(text)
    if opened is None:
        return None, None
    line = len(re.findall(r"\r\n|\r|\n", opened[0]))
    if opened[0].strip(" \t\r\n") != opened[0].rstrip("\r\n").lstrip():
        return "no reader takes `---` with a space behind it for the start of front matter", line
    closed = _FENCE.search(text, opened.end())
    if closed is None:
        return "the front matter is opened with --- but never closed", line
    if closed.start() == opened.end():
        return None, None  # nothing between the fences
    if closed[0].startswith((" ", "\t")):
        below = text.count("\n", 0, closed.start()) + 1
        return "no reader takes an indented `---` for the end of front matter", below
    return None, None


def _load(block: str) -> tuple[Any, str | None, int]:
    """(value, what is wrong or None, its line from 0) of the YAML of a front matter."""
    import yaml

    try:
        return load_yaml(block), None, 0
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return None, str(getattr(error, "problem", None) or "not YAML"), mark.line if mark else 0


@dataclass(frozen=True)
class Card:
    """The front matter of README.md. `error` is why it cannot be read, with its line."""

    data: dict[str, Any]
    error: str | None = None
    line: int | None = None
    exists: bool = True


def read_card(path: Path) -> Card:
    """The YAML between the first two `---` lines of a card. One that is a link out of its folder is
    not read."""
    try:
        with open_inside(path.parent, path.name) as file:
            return parse_card(file.read(FRONT_MATTER + 1))
    except OSError as error:
        return unreadable_card(error)


def unreadable_card(error: OSError) -> Card:
    """A card that cannot be read is there all the same."""
    if error.errno in NO_FILE:
        return Card({}, exists=False)
    return Card({}, exists=True, error=f"it cannot be read: {error.strerror or error}", line=1)


def parse_card(card: bytes) -> Card:
    """`read_card`, of the bytes of a card."""
    found = parse(card[: FRONT_MATTER + 100])
    if found.block is None and found.error is not None and len(card) > FRONT_MATTER:
        return Card(
            {}, f"the front matter has more than {FRONT_MATTER:,} bytes, and is not read", 1
        )
    return Card(found.data, found.error, found.line)


def line_of(card: FrontMatter, *keys: str | int) -> int | None:
    """The line (from 1, in the file) of a value of the front matter, or of the last one on the way
    to it that is there; None if there is not even the first. Reads the block once more."""
    return lines_of(card, [keys])[0]


def lines_of(card: FrontMatter, paths: Sequence[Sequence[str | int]]) -> list[int | None]:
    """`line_of` of several values, of one more reading."""
    import yaml

    if card.block is None or card.error is not None or yaml_beyond(card.block) is not None:
        return [None for _ in paths]
    first = len(re.findall(r"\r\n|\r|\n", card.opening)) + 1
    top = yaml.compose(card.block, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    found = (_line_in(top, keys) for keys in paths)
    return [None if line is None else first + line for line in found]


def _line_in(node: Any, keys: Sequence[str | int]) -> int | None:
    import yaml

    found: int | None = None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == key), None)
            if pair is None:
                break
            found, node = int(pair[0].start_mark.line), pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            found = int(node.start_mark.line)
        else:
            break
    return found


def _repeated(block: str) -> Iterator[str]:
    """Keys of the top level that are given twice."""
    import yaml

    if yaml_beyond(block) is not None:
        return
    seen = set()
    depth = 0
    key = True
    try:
        for event in yaml.parse(block, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                depth -= 1
                key = not key if depth == 1 else key
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                depth += 1
            elif depth == 1:
                if key and isinstance(event, yaml.ScalarEvent):
                    if event.value in seen:
                        yield str(event.value)
                    seen.add(event.value)
                key = not key
    except yaml.YAMLError:
        return
