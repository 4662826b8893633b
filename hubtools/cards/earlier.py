"""What a person wrote on the card of a run goes on to the run that takes its place."""

from __future__ import annotations

from pathlib import Path

from hubtools.cards.merge import Memory, digest, own_words, read_card_text
from hubtools.errors import HubtoolsError
from hubtools.layout import CARD
from hubtools.rooted import Root


def carry_words(run_dir: Path) -> str | None:
    """Begin the card of a run that has none with that of the run that `train --no-resume` moved
    aside last, if a person has written on it: `merge` then keeps their words and writes the rest
    anew. Answers a sentence about it; None if there is nothing to keep, or another wrote it.

    Raises `LeadsOut` if one of the files is a link."""
    if (run_dir / CARD).exists():
        return None
    aside = sorted(run_dir.parent.glob(f"{_literal(run_dir.name)}.old-*"))
    for folder in reversed(aside):
        if (folder / CARD).is_file():
            break
    else:
        return None
    with Root(folder) as root:
        try:
            text, memory, own = read_card_text(root), Memory.read(root), own_words(root)
        except HubtoolsError:
            return None
    if text is None or memory is None or memory.foreign:
        return None
    blocks = {name: digest(block) for name, block in own.blocks.items()}
    written = own.text.strip() or own.keys or blocks != memory.blocks
    if not written and own.data.keys() == memory.data.keys():
        return None
    with Root(run_dir) as root:
        root.write(CARD, text.encode("utf-8"))
        memory.write(root)
    return f"What you wrote on the card of the earlier run, {folder.name}, is on this one too."


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
