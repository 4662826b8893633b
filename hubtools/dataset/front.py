"""Set or take away a key of a card's front matter; every other byte of the card stays."""

from __future__ import annotations

import re
from typing import Any

from hubtools.dataset.fix.card import without_key
from hubtools.dataset.view import parse_card

_MARK = b"\xef\xbb\xbf"


def with_key(card: bytes | None, key: str, value: Any) -> bytes | None:
    """The card (None: there is none yet) with this key of its front matter set to `value`, or
    taken away if that is None. Gives None if it cannot be changed for certain."""
    import yaml

    before = parse_card(card or b"")
    if before.error is not None:
        return None
    cleared = without_key(card, key) if card and key in before.data else card or b""
    if cleared is None or value is None:
        return cleared
    block = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True)
    mark, text = (_MARK, cleared[3:]) if cleared.startswith(_MARK) else (b"", cleared)
    end = "\r\n" if b"\r\n" in text else "\n"
    lines = block.replace("\n", end).encode()
    opened = re.match(rb"---[ \t]*\r?\n", text)
    if opened is not None:
        changed = mark + opened[0] + lines + text[opened.end() :]
    else:
        rule = f"---{end}".encode()
        changed = mark + rule + lines + rule + text
    after = parse_card(changed)
    return changed if after.error is None and after.data == before.data | {key: value} else None
