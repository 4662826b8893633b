"""Changes of the front matter of a README.md that keep every other byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hubtools.frontmatter import MARK, parse


def with_key(card: bytes | None, key: str, value: Any, *, last: bool = False) -> bytes | None:
    """The card (None: there is none yet) with this key of its front matter set to `value`, first
    or `last` of all, or taken away if that is None. Gives None if it cannot be changed for
    certain."""
    import yaml

    card = _spread(card) if card else card
    before = parse(card or b"")
    if before.error is not None:
        return None
    cleared = without_key(card, key) if card and key in before.data else card or b""
    if cleared is None or value is None:
        return cleared
    lines = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True)
    mark, text = _marked(cleared)
    end = "\r\n" if b"\r\n" in text else "\n"
    block = lines.replace("\n", end).encode()
    parts = parse(text)
    if parts.block is not None:
        place = len(parts.opening.encode())
        if last:
            place += len(parts.block.encode())
            block = (end.encode() if parts.block else b"") + block.removesuffix(end.encode())
        elif begun := re.match(r"---[ \t]*(?:\r?\n|\Z)", parts.block):  # a document of YAML
            place += len(begun[0])
            if not begun[0].endswith("\n"):
                block = end.encode() + block.removesuffix(end.encode())
        changed = mark + text[:place] + block + text[place:]
    else:
        rule = f"---{end}".encode()
        changed = mark + rule + block + rule + text
    body = None if parts.block is None else parts.body
    return changed if _holds(changed, before.data | {key: value}, body) else None


def without_key(card: bytes, key: str) -> bytes | None:
    """The card without a key of its front matter, and without the front matter if it was all;
    None if that cannot be done for certain."""
    mark, text = _marked(_spread(card))
    parts = parse(text)
    if parts.block is None:
        return card
    start = len(parts.opening.encode())
    stop = start + len(parts.block.encode())
    kept = _without(text[start:stop] + b"\n", key)
    front = kept.removesuffix(b"\n").removesuffix(b"\r") if kept else b""
    changed = mark + text[:start] + front + text[stop:]
    if not front:  # nothing between the fences is no front matter
        changed = mark + parts.body.encode()
    wanted = {name: value for name, value in parts.data.items() if name != key}
    return changed if _holds(changed, wanted, parts.body if front else None) else None


def _spread(card: bytes) -> bytes:
    """The card with a line for each key, where its front matter is one mapping in braces, as JSON
    is; as it is where that cannot be done for certain."""
    import yaml

    mark, text = _marked(card)
    parts = parse(text)
    block = parts.block or ""
    noted = any(line.lstrip().startswith("#") for line in block.splitlines())
    if parts.error is not None or not block.lstrip().startswith("{") or noted:
        return card
    end = "\r\n" if b"\r\n" in text else "\n"
    lines = yaml.safe_dump(dict(parts.data), sort_keys=False, allow_unicode=True, width=1000)
    start = len(parts.opening.encode())
    stop = start + len(block.encode())
    front = lines.removesuffix("\n").replace("\n", end).encode()
    changed = mark + text[:start] + front + text[stop:]
    return changed if _holds(changed, parts.data) else card


def _holds(card: bytes, wanted: Mapping[str, Any], body: str | None = None) -> bool:
    """True if the card says what is wanted and, if that is given, has this body."""
    after = parse(card)
    return after.error is None and after.data == wanted and body in (None, after.body)


def _marked(card: bytes) -> tuple[bytes, bytes]:
    """(byte order mark, the rest)."""
    return (MARK, card[3:]) if card.startswith(MARK) else (b"", card)


def _without(front: bytes, key: str) -> bytes:
    """The lines without a top-level key: its line and what belongs to it, indented or a list."""
    kept: list[bytes] = []
    inside = False
    for line in front.splitlines(keepends=True):
        if re.match(re.escape(key).encode() + rb"[ \t]*:", line):
            inside = True
        elif inside and not re.match(rb"[ \t]|-[ \t]|\r?\n", line):
            inside = False
        if not inside:
            kept.append(line)
    return b"".join(kept)
