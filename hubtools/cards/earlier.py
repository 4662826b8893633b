"""What a person wrote on the card of a run goes on to the run that takes its place."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hubtools.cards.merge import Memory, Own, digest, read_card_text, words_of
from hubtools.errors import HubtoolsError
from hubtools.layout import CARD, RUN_MANIFEST
from hubtools.rooted import Root


class Earlier(NamedTuple):
    """A card to begin another with, what a person said on it, and a sentence about it."""

    text: str
    memory: Memory
    own: Own
    told: str


def earlier_card(run_dir: Path) -> Earlier | None:
    """What the card of a run that has none begins with: that of the run that `train --no-resume`
    moved aside last, if a person has written on it. `merge` then keeps their words and writes the
    rest anew. None if there is nothing to keep, or another wrote it. Nothing is written.

    Raises `LeadsOut` if one of the files is a link."""
    if (run_dir / CARD).exists() or not (run_dir / RUN_MANIFEST).is_file():
        return None
    aside = sorted(run_dir.parent.glob(f"{_literal(run_dir.name)}.old-*"))
    for folder in reversed(aside):
        if (folder / CARD).is_file():
            break
    else:
        return None
    with Root(folder) as root:
        try:
            text, memory = read_card_text(root), Memory.read(root)
            own = words_of(text, memory)
        except HubtoolsError:
            return None
    if text is None or memory is None or memory.foreign:
        return None
    blocks = {name: digest(block) for name, block in own.blocks.items()}
    written = own.text.strip() or own.keys or blocks != memory.blocks
    if not written and own.data.keys() == memory.data.keys():
        return None
    told = f"What you wrote on the card of the earlier run, {folder.name}, is on this one too."
    return Earlier(text, memory, own, told)


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
