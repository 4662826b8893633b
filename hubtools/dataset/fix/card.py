"""Change the front matter of a card, and leave every other byte of it as it is."""

from __future__ import annotations

import re
from typing import Any

from hubtools.dataset.view import parse_card


def with_configs(card: bytes | None, configs: list[dict[str, Any]]) -> bytes | None:
    """The card (None: there is none yet) with this `configs:`; None if its front matter cannot be
    changed for certain."""
    import yaml

    block = yaml.safe_dump({"configs": configs}, sort_keys=False, allow_unicode=True)
    mark, text = _parts(card or b"")
    end = _line_end(text)
    lines = block.replace("\n", end).encode("utf-8")
    found = _front(text)
    if found is None:
        if re.match(rb"---\s*(\r|\n|$)", text):
            return None  # opened, never closed
        rule = b"---" + end.encode()
        changed = mark + rule + lines + rule + text
    else:
        start, stop = found
        front = _without(text[start:stop], "configs")
        changed = mark + text[:start] + front + lines + text[stop:]
    wanted = parse_card(card or b"").data | {"configs": configs}
    return changed if parse_card(changed).data == wanted else None


def without_key(card: bytes, key: str) -> bytes | None:
    """The card without this key of its front matter; None if that cannot be done for certain."""
    mark, text = _parts(card)
    found = _front(text)
    if found is None:
        return None
    start, stop = found
    changed = mark + text[:start] + _without(text[start:stop], key) + text[stop:]
    wanted = {name: value for name, value in parse_card(card).data.items() if name != key}
    after = parse_card(changed)
    return changed if after.error is None and after.data == wanted else None


def _parts(card: bytes) -> tuple[bytes, bytes]:
    """(byte order mark, the rest)."""
    mark = b"\xef\xbb\xbf"
    return (mark, card[3:]) if card.startswith(mark) else (b"", card)


def _line_end(text: bytes) -> str:
    return "\r\n" if b"\r\n" in text else "\n"


def _front(text: bytes) -> tuple[int, int] | None:
    """Where the front matter's lines begin and end; None if there is none."""
    opened = re.match(rb"---[ \t]*\r?\n", text)
    if opened is None:
        return None
    closed = re.compile(rb"^[ \t]*---[ \t]*\r?$", re.MULTILINE).search(text, opened.end())
    return (opened.end(), closed.start()) if closed else None


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
