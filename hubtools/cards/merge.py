"""Write a card again without losing what a person has written into it.

Body: text outside `<!-- hubtools:begin NAME -->` ... `<!-- hubtools:end NAME -->` is a person's and
stays. A block that a person deleted stays deleted, one that a person edited stays edited. Front
matter: keys that a person added, changed or deleted stay so; the rest is written anew. To tell the
one from the other, what was written last lies in `.hubtools/card.json` beside the card; without
it, blocks and managed keys count as hubtools' own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from hubtools import frontmatter
from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.layout import CARD, WORK_DIR
from hubtools.limits import MAX_CARD
from hubtools.rooted import Root
from hubtools.safe_yaml import load_yaml
from hubtools.trust import have_key, is_sealed, seal

MEMORY = f"{WORK_DIR}/card.json"
_MARK = re.compile(r"<!-- hubtools:(?P<what>begin|end) (?P<name>[\w-]{1,100}) -->", re.ASCII)


@dataclass(frozen=True)
class Block:
    """A block of hubtools in a text: from `start` to `end`, marks included."""

    name: str
    text: str
    start: int
    end: int


def blocks_of(text: str) -> list[Block]:
    """The blocks in the order of the text; one that does not end is none. Time grows with the
    length of the text only."""
    ends: dict[str, list[re.Match[str]]] = {}
    marks = list(_MARK.finditer(text))
    for mark in reversed(marks):
        if mark["what"] == "end":
            ends.setdefault(mark["name"], []).append(mark)
    found: list[Block] = []
    free = 0  # what lies before this is inside a block already
    for mark in marks:
        if mark["what"] == "end" or mark.start() < free:
            continue
        waiting = ends.get(mark["name"], [])
        while waiting and waiting[-1].start() < mark.end():
            waiting.pop()
        if waiting:
            inside = text[mark.end() : waiting[-1].start()]
            inside = inside.removeprefix("\n").removesuffix("\n")
            free = waiting[-1].end()
            found.append(Block(mark["name"], inside, mark.start(), free))
    return found


@dataclass
class Memory:
    """What hubtools wrote last time: front matter values and the hash of each block.

    A memory that this user did not write in this folder (`foreign`) only protects: what differs
    from it is a person's and stays, but nothing is left out or taken away because of it.
    """

    data: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, str] = field(default_factory=dict)
    foreign: bool = False

    @classmethod
    def read(cls, root: Root) -> Memory | None:
        """None if there is none, or none that can be read. Raises `LeadsOut` for a link."""
        have_key()
        if not root.is_file(MEMORY):
            return None
        try:
            content = json_value(root.read(MEMORY, MAX_CARD))
            data, blocks = dict(content["data"]), dict(content["blocks"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return cls(data, blocks, foreign=not is_sealed(root.path, MEMORY, content))

    def write(self, root: Root) -> None:
        """Remember."""
        content = {"data": self.data, "blocks": self.blocks}
        root.write_json(MEMORY, seal(root.path, MEMORY, content))


def read_card_text(root: Root) -> str | None:
    """The text of a folder's card; None if there is none. Raises `HubtoolsError` if it is a link,
    too large or not UTF-8."""
    if not root.exists(CARD):
        return None
    try:
        return root.read(CARD, MAX_CARD).decode("utf-8")
    except UnicodeDecodeError:
        raise HubtoolsError(
            f"{root.path / CARD} is not UTF-8.", hint="save it as UTF-8", code="file-damaged"
        ) from None


@dataclass(frozen=True)
class Own:
    """What the card of a folder says already. `data`: its front matter; `keys`: those of it that a
    person wrote; `text`: the body outside of hubtools' blocks; `blocks`: those that were written
    here, by name."""

    data: dict[str, Any]
    keys: frozenset[str]
    text: str
    blocks: dict[str, str] = field(default_factory=dict)


NOTHING_SAID = Own({}, frozenset(), "")


def own_words(root: Root) -> Own:
    """Raises `HubtoolsError` if the card cannot be read."""
    return words_of(read_card_text(root), Memory.read(root))


def words_of(current: str | None, memory: Memory | None) -> Own:
    """What a card with this text, which hubtools remembers so, says already."""
    if current is None or not current.strip():
        return NOTHING_SAID
    card = _card_of(current)
    if memory is None:
        keys = frozenset() if _is_ours(card.data) else frozenset(card.data)
    else:
        keys = frozenset(k for k, v in card.data.items() if memory.data.get(k, _ABSENT) != v)
    text, after, found = "", 0, blocks_of(card.body)
    for block in found:
        text, after = text + card.body[after : block.start], block.end
    here = memory is not None and not memory.foreign
    blocks = {block.name: block.text for block in found} if here else {}
    return Own(card.data, keys, text + card.body[after:], blocks)


def _is_ours(there: dict[str, Any]) -> bool:
    """Of a card nobody has a record of: ours if it has our tag, a person's otherwise."""
    return "hubtools" in (there.get("tags") or [])


def merge(
    current: str | None,
    data: dict[str, Any],
    body: str,
    memory: Memory | None,
    *,
    renew: bool = False,
    told: Collection[str] = (),
) -> tuple[str, Memory]:
    """The new text of the card, and what to remember. `data` and `body` are what hubtools would
    write on a clean sheet; with `renew`, it writes its own blocks and keys so, whatever a person
    has made of them. `told`: keys whose values a person has just said. Raises `HubtoolsError` if
    the current front matter cannot be read."""
    sheet = _Sheet(data, body, memory, renew, frozenset(told))
    remembered = Memory(data, {name: digest(text) for name, text in sheet.blocks.items()})
    if current is None or not current.strip():
        return _assemble(_dump(data), body), remembered
    if "\r\n" in current and current.count("\r\n") == current.count("\n"):
        # the file's own line ends stay
        return sheet.over(current.replace("\r\n", "\n")).replace("\n", "\r\n"), remembered
    return sheet.over(current), remembered


def _card_of(current: str) -> frontmatter.FrontMatter:
    """Its front matter and body. Raises `HubtoolsError` if they cannot be told from each other."""
    card = frontmatter.parse(current)
    if card.error is not None:
        what = "is not YAML: " if card.broken else ""
        raise HubtoolsError(
            f"README.md:{card.line}: {f'the front matter {what}' if what else ''}{card.error}.",
            hint="correct it; hubtools does not overwrite what it cannot read",
            code="file-damaged",
        )
    if card.repeated:
        keys = ", ".join(card.repeated)
        raise HubtoolsError(
            f"README.md: the front matter gives {keys} twice; readers take the last.",
            hint="delete the one that is not meant; hubtools does not choose",
            code="file-damaged",
        )
    return card


@dataclass(frozen=True)
class _Sheet:
    """What hubtools would write on a clean sheet, what it wrote last time, and whether it writes
    its own blocks and keys anew whatever a person has made of them."""

    data: dict[str, Any]
    body: str
    memory: Memory | None
    renew: bool
    told: frozenset[str] = frozenset()

    @cached_property
    def blocks(self) -> dict[str, str]:
        """The text of each block by its name."""
        return {block.name: block.text for block in blocks_of(self.body)}

    @property
    def known(self) -> Memory:
        """What is remembered to have been written by this user; empty if nothing is."""
        return Memory() if self.memory is None or self.memory.foreign else self.memory

    def over(self, current: str) -> str:
        """The text of a card that takes the place of `current`."""
        card = _card_of(current)
        return _assemble(self.front(card.block, card.data), self.text(card.body))

    def front(self, block: str | None, there: dict[str, Any]) -> str:
        """The front matter over that of `block`, which says what is `there`."""
        if block is None:
            return _dump(self.data)
        wanted = dict(there)
        for key, value in self.data.items():
            wanted_value = self._wanted(key, value, there)
            if wanted_value is not _ABSENT:
                wanted[key] = wanted_value
        for key, value in self.known.data.items():
            # hubtools wrote it, a person left it as it was, and there is nothing to say any more
            if key not in self.data and (self.renew or there.get(key) == value):
                wanted.pop(key, None)
        return _rewrite(f"{block}\n" if block else "", there, wanted)

    def _wanted(self, key: str, value: Any, there: dict[str, Any]) -> Any:
        if self.renew:
            others = there.get(key)
            if key == "tags" and isinstance(others, list):
                return list(dict.fromkeys([*others, *value]))
            return value
        if key in self.told:
            return value
        before = self.memory.data.get(key, _ABSENT) if self.memory else _ABSENT
        if key not in there:
            return _ABSENT if key in self.known.data else value  # a person has taken it out
        now = there[key]
        if key == "tags" and isinstance(now, list):
            old = before if isinstance(before, list) else []
            removed = [tag for tag in old if tag not in now]
            kept = [tag for tag in now if tag not in old or tag in value]
            added = [tag for tag in value if tag not in kept and tag not in removed]
            return list(dict.fromkeys([*kept, *added]))
        if self.memory is None:
            return value if _is_ours(there) else now
        return value if now == before else now

    def text(self, there: str) -> str:
        """The body over that which is `there`."""
        present = blocks_of(there)
        if not present and self.memory is None:
            # a card that a person wrote alone: everything of ours goes below it
            return f"{there.rstrip()}\n\n{self.body.strip()}\n" if there.strip() else self.body
        known = {block.name for block in present}
        if not self.renew:
            known |= set(self.known.blocks)  # a person has taken these out
        new = _new_after([block.name for block in present], list(self.blocks), known)
        pieces, after = [], 0
        for name in new.pop(None, ()):
            pieces.append(f"{_marked(name, self.blocks[name])}\n\n")
        for block in present:
            pieces += [there[after : block.start], self._renewed(block, there)]
            after = block.end
            pieces += [f"\n\n{_marked(n, self.blocks[n])}" for n in new.pop(block.name, ())]
        return "".join([*pieces, there[after:]])

    def _renewed(self, block: Block, there: str) -> str:
        written = self.memory.blocks.get(block.name) if self.memory else None
        as_it_is = there[block.start : block.end]
        ours = self.renew or written == digest(block.text)  # else a person has edited it
        if block.name not in self.blocks:  # nothing to say any more
            return "" if ours and block.name in self.known.blocks else as_it_is
        if written is not None and not ours:
            return as_it_is
        return _marked(block.name, self.blocks[block.name])


def _assemble(front: str, body: str) -> str:
    front = front.rstrip(" \t\r\n")  # other space may be somebody's value
    return f"---\n{front}\n---\n{body}"


def digest(text: str) -> str:
    """The hash by which a block is remembered."""
    return hashlib.sha256(text.replace("\r\n", "\n").strip().encode()).hexdigest()


# --- front matter --------------------------------------------------------------------------------


_ABSENT = object()


def _dump(data: dict[str, Any]) -> str:
    return yaml.safe_dump(
        data, sort_keys=False, allow_unicode=True, width=1_000_000, default_flow_style=False
    )


def _rewrite(front: str, there: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Keep the text of every key whose value stays, comments and all; write the others anew."""
    if there == wanted:
        return front
    pieces: dict[str, str] = {}
    lead = ""
    name: str | None = None
    for line in front.splitlines(keepends=True):
        if match := re.match(r"(?:\"([^\"]+)\"|'([^']+)'|([^\s#\-\"'][^:#]*?))\s*:(?:\s|$)", line):
            name = match[1] or match[2] or match[3]
            pieces[name] = lead + line
            lead = ""
        elif re.match(r"#|\s*$", line) or name is None:
            lead += line
        else:
            pieces[name] += lead + line
            lead = ""
    # a layout this simple reader does not follow is written anew as a whole
    if set(pieces) != {str(key) for key in there}:
        return _anew(front, there, wanted)
    text = ""
    for key, value in wanted.items():
        piece = pieces.get(str(key))
        if piece is not None and there.get(key, _ABSENT) == value:
            text += piece if piece.endswith("\n") else piece + "\n"
        else:
            text += _comments(piece or "") + _dump({key: value})
    text += lead
    return text if _says(text, wanted) else _anew(front, there, wanted)


def _anew(front: str, there: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Of a layout with anchors, for instance: what is new below it, if that will do, else all
    written anew, with the comments above it."""
    new = {key: value for key, value in wanted.items() if key not in there}
    text = front.rstrip("\n") + "\n" + _dump(new)
    if new and front and _says(text, wanted):
        return text
    return _comments(front) + _dump(wanted)


def _says(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return bool(load_yaml(text) == wanted)
    except yaml.YAMLError:  # e.g. a front matter that was `{}`
        return False


def _comments(text: str) -> str:
    """The comments of some YAML, each on a line of its own."""
    found = map(_comment, text.splitlines())
    return "".join(f"{comment}\n" for comment in found if comment)


def _comment(line: str) -> str:
    """What stands behind the first # of a line that is no part of a text."""
    quote, before = "", " "
    for place, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'" and before in " \t[{,":
            quote = sign
        elif sign == "#" and before in " \t":
            return line[place:]
        before = sign
    return ""


# --- body ----------------------------------------------------------------------------------------


def _new_after(
    present: list[str], order: list[str], known: Collection[str]
) -> dict[str | None, list[str]]:
    """The blocks to add, each behind the block that stands there already and comes before it in
    `order`; None: before everything."""
    new: dict[str | None, list[str]] = {}
    last: str | None = None
    for name in order:
        if name in known:
            last = name if name in present else last
        else:
            new.setdefault(last, []).append(name)
    return new


def _marked(name: str, text: str) -> str:
    return f"<!-- hubtools:begin {name} -->\n{text}\n<!-- hubtools:end {name} -->"
